//! Alerts by mail.

use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};

use super::{Message, Undelivered, secret};
use crate::config::{Alerts, MailSecurity};
use crate::push::legible;

/// For each answer of the server, and for a whole try: a server that is slow to greet is waited for.
const DEADLINES: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(120));
/// The credential that holds the password where the configuration names no file.
pub const CREDENTIAL: &str = "alerts-mail-password";

/// The mail server that takes alerts.
#[derive(Debug)]
pub struct Mail {
    server: String,
    host: String,
    port: u16,
    tls: Tls,
    user: Option<String>,
    password: Option<PathBuf>,
    from: Mailbox,
    to: Vec<Mailbox>,
    zone: TimeZone,
}

impl Mail {
    /// The configured one; nothing where there is none. Mails bear the civil time of `zone`.
    pub fn new(alerts: &Alerts, zone: TimeZone) -> Option<Result<Mail, Undelivered>> {
        let mail = alerts.mail.as_ref()?.get_ref();
        let set_up = || {
            let wrong = |what| move |reason: String| Undelivered::SetUp { what, reason };
            let address = |text: &str| text.parse::<Mailbox>().map_err(|error| error.to_string());
            let host = mail.server.get_ref().clone();
            let tls = match mail.security {
                MailSecurity::NoneOnLoopback => Tls::None,
                MailSecurity::Starttls => Tls::Required(parameters(alerts, &host)?),
                MailSecurity::Tls => Tls::Wrapper(parameters(alerts, &host)?),
            };
            let port = mail.port();
            Ok(Mail {
                server: format!("{host}:{port}"),
                host,
                port,
                tls,
                user: mail.user.clone(),
                password: secret::file(mail.password_file.as_deref(), CREDENTIAL),
                from: address(mail.from.get_ref()).map_err(wrong("alerts.mail.from"))?,
                to: (mail.to.iter().map(|to| address(to.get_ref())).collect::<Result<_, _>>())
                    .map_err(wrong("alerts.mail.to"))?,
                zone,
            })
        };
        Some(set_up())
    }

    /// Which server it is.
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Hands one mail over. What the server took is its business from then on.
    pub async fn send(&self, message: &Message) -> Result<(), Undelivered> {
        let letter = self.letter(message)?;
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&self.host)
            .port(self.port)
            .tls(self.tls.clone())
            .timeout(Some(DEADLINES.0));
        if let Some(user) = &self.user {
            let path = self.password.as_ref().ok_or(Undelivered::SetUp {
                what: "alerts.mail",
                reason: format!("a user and no password; set password-file, or the credential {CREDENTIAL}"),
            })?;
            builder = builder.credentials(Credentials::new(user.clone(), secret::read(path)?.to_string()));
        }
        let server = self.server.clone();
        match tokio::time::timeout(DEADLINES.1, builder.build().send(letter)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) if error.is_transient() => Err(Undelivered::Refused {
                server,
                answer: legible(&error.to_string()),
                remedy: "; it may take it later",
            }),
            Ok(Err(error)) if error.is_permanent() => {
                Err(Undelivered::Refused { server, answer: legible(&error.to_string()), remedy: "" })
            }
            Ok(Err(error)) => Err(Undelivered::NoAnswer { server, reason: legible(&error.to_string()) }),
            Err(_) => Err(Undelivered::NoAnswer { server, reason: "no answer in time".to_owned() }),
        }
    }

    fn letter(&self, message: &Message) -> Result<lettre::Message, Undelivered> {
        let local = |at: Timestamp| at.to_zoned(self.zone.clone()).strftime("%a %-d %b %Y %H:%M:%S %Z").to_string();
        // The same name at each try: whoever gets it twice can tell.
        let id = format!("<{}@{}>", message.id, self.from.email.domain());
        let mut builder = lettre::Message::builder().from(self.from.clone()).message_id(Some(id));
        for to in &self.to {
            builder = builder.to(to.clone());
        }
        builder
            .subject(message.subject_line())
            .date(std::time::SystemTime::from(message.at))
            .header(ContentType::TEXT_PLAIN)
            .body(message.letter(local))
            .map_err(|error| Undelivered::SetUp { what: "alerts.mail", reason: error.to_string() })
    }
}

/// TLS 1.2 or later, to a server that proves its name: by the system's authorities, or by the one that is configured and
/// no other.
fn parameters(alerts: &Alerts, host: &str) -> Result<TlsParameters, Undelivered> {
    let wrong = |what| move |reason: String| Undelivered::SetUp { what, reason };
    let mut builder = TlsParameters::builder(host.to_owned());
    if let Some(path) = &alerts.ca_file {
        let named = |reason: String| format!("{}: {reason}", path.display());
        let pem = std::fs::read(path).map_err(|error| wrong("alerts.ca-file")(named(error.to_string())))?;
        let authority =
            Certificate::from_pem(&pem).map_err(|error| wrong("alerts.ca-file")(named(error.to_string())))?;
        builder = builder.certificate_store(CertificateStore::None).add_root_certificate(authority);
    }
    builder.build().map_err(|error| wrong("TLS")(error.to_string()))
}
