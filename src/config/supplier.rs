//! Where day documents go, and how the box proves who it is.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::Config;

/// Where day documents go.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Supplier {
    /// Base URL; `https` only, but for a receiver on this machine.
    pub url: Spanned<String>,
    /// How the box proves who it is: `bearer`, `signature` or `mtls`. Default: `bearer`.
    pub auth: Option<Spanned<String>>,
    /// File that holds the bearer token. Default: the credential `supplier-token` of the service manager.
    pub token_file: Option<PathBuf>,
    /// File of the box's own key, which `smdrd enrol` makes. Default: `device-key.pem` in the state directory.
    pub device_key: Option<PathBuf>,
    /// Certificate that the supplier's authority issued for this box, as PEM, with those between if there are any.
    pub client_cert: Option<PathBuf>,
    /// Its private key, as PEM.
    pub client_key: Option<PathBuf>,
    /// Certificate authority to trust, and then no other.
    pub ca_file: Option<PathBuf>,
    /// Proxy that is asked to connect, as `http://host:port`. What the environment says of proxies is ignored.
    pub proxy: Option<Spanned<String>>,
    /// File that holds `user:password` for the proxy, where it wants them.
    pub proxy_credentials_file: Option<PathBuf>,
    /// Hold each day until `smdrd approve`.
    #[serde(default)]
    pub approve: bool,
}

/// How a box proves to the supplier who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SupplierAuth {
    /// A token in a header.
    Bearer,
    /// Each request signed with the box's own key (RFC 9421).
    Signature,
    /// A certificate, shown when the connection is made.
    Mtls,
}

impl SupplierAuth {
    /// Every way, as it is written.
    pub const ALL: [(&str, SupplierAuth); 3] =
        [("bearer", SupplierAuth::Bearer), ("signature", SupplierAuth::Signature), ("mtls", SupplierAuth::Mtls)];

    /// The way that is written so.
    pub fn of(word: &str) -> Option<SupplierAuth> {
        SupplierAuth::ALL.into_iter().find(|(known, _)| *known == word).map(|(_, way)| way)
    }

    /// As it is written.
    pub fn word(self) -> &'static str {
        SupplierAuth::ALL.iter().find(|(_, way)| *way == self).map_or("bearer", |(word, _)| word)
    }
}

impl Supplier {
    /// Whether the token is to come from the service manager.
    pub fn wants_credential(&self) -> bool {
        self.auth() == SupplierAuth::Bearer && self.token_file.is_none()
    }

    /// How the box proves who it is.
    pub fn auth(&self) -> SupplierAuth {
        self.auth.as_ref().and_then(|word| SupplierAuth::of(word.get_ref())).unwrap_or(SupplierAuth::Bearer)
    }
}

impl Config {
    /// Where the box's own key lies.
    pub fn device_key(&self) -> PathBuf {
        let named = self.supplier.as_ref().and_then(|supplier| supplier.device_key.clone());
        named.unwrap_or_else(|| self.state_dir.join("device-key.pem"))
    }
}
