//! Whom alerts go to.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

/// Whom alerts go to, beside the journal.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Alerts {
    /// Where they are posted as JSON; `https`, or `http` to this machine.
    pub webhook: Option<Spanned<String>>,
    /// File that holds the bearer token for it. Default: the credential `alerts-webhook-token`, if there is one.
    pub webhook_token_file: Option<PathBuf>,
    /// Certificate authority to trust for both, and then no other.
    pub ca_file: Option<PathBuf>,
    /// By mail.
    pub mail: Option<Spanned<Mail>>,
}

/// Alerts by mail.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Mail {
    /// To whom.
    pub to: Vec<Spanned<String>>,
    /// From whom.
    pub from: Spanned<String>,
    /// The mail server's name.
    pub server: Spanned<String>,
    /// Its port. Default 465 for `tls`, 587 for `starttls`, 25 for `none-on-loopback`.
    pub port: Option<u16>,
    /// How the way to it is protected. Default `tls`.
    #[serde(default)]
    pub security: MailSecurity,
    /// Name to log in with, where the server wants one.
    pub user: Option<String>,
    /// File that holds the password. Default: the credential `alerts-mail-password`.
    pub password_file: Option<PathBuf>,
}

impl Mail {
    /// Its port.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.security {
            MailSecurity::Tls => 465,
            MailSecurity::Starttls => 587,
            MailSecurity::NoneOnLoopback => 25,
        })
    }
}

/// How the way to the mail server is protected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailSecurity {
    /// TLS from the first byte (RFC 8314).
    #[default]
    Tls,
    /// TLS after `STARTTLS` (RFC 3207), and nothing without it.
    Starttls,
    /// None: to a mail server on this machine only.
    NoneOnLoopback,
}
