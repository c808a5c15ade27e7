//! How the supplier is reached: its address, the authority it is trusted by, and the proxy on the way.

use std::path::{Path, PathBuf};

use reqwest::{Certificate, Proxy, Url};
use zeroize::Zeroizing;

use super::fault::innermost;
use super::legible;

/// How the supplier is reached, as it is configured.
#[derive(Debug, Clone, Copy, Default)]
pub struct Route<'a> {
    /// Base URL; `https`, or `http` to this machine.
    pub url: &'a str,
    /// The only authority that is trusted; the system's when absent.
    pub ca_file: Option<&'a Path>,
    /// Proxy that is asked to connect (`CONNECT`). What the environment says of proxies (`HTTPS_PROXY` and its like) is
    /// ignored: where figures go is said in one place, which `smdrd check` and the audit see.
    pub proxy: Option<&'a str>,
    /// File with `user:password` for the proxy.
    pub proxy_credentials: Option<&'a Path>,
}

/// The supplier cannot be set up as configured.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    /// The URL cannot be read.
    #[error("supplier url {url:?} cannot be read: {reason}; write it as https://feed.supplier.example")]
    Url {
        /// What was given.
        url: String,
        /// Why it is not a URL.
        reason: String,
    },
    /// The URL is not `https`.
    #[error(
        "supplier url {url}: {scheme} would send figures and token in the clear; only a receiver on this machine may be reached without https"
    )]
    NotEncrypted {
        /// What was given.
        url: String,
        /// Its scheme.
        scheme: String,
    },
    /// The URL holds more than an address.
    #[error("supplier url holds {part}; give the address only, and the token in `token-file`")]
    MoreThanAnAddress {
        /// What is too much.
        part: &'static str,
    },
    /// The authority's file cannot be used.
    #[error("supplier ca-file {path}: {reason}; it must hold the supplier's certificate authority as PEM")]
    CaFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The proxy cannot be used.
    #[error("supplier proxy: {reason}; write it as http://proxy.example:3128")]
    Proxy {
        /// Why not.
        reason: String,
    },
    /// The proxy's credentials cannot be used.
    #[error("supplier proxy-credentials-file {path}: {reason}; it must hold user:password on one line")]
    ProxyCredentials {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// What this box proves itself with cannot be used.
    #[error(transparent)]
    Credentials(super::AuthError),
    /// TLS cannot be set up.
    #[error(
        "TLS cannot be set up: {0}; without ca-file the system's certificates are needed (package ca-certificates)"
    )]
    Tls(String),
}

impl Route<'_> {
    /// The base URL, once it is found to be fit.
    pub(super) fn base(&self) -> Result<Url, SetUpError> {
        base_url(self.url)
    }

    /// What the HTTP client is built from, beside deadlines.
    pub(super) fn apply(
        &self,
        mut builder: reqwest::ClientBuilder,
        base: &Url,
    ) -> Result<reqwest::ClientBuilder, SetUpError> {
        builder = builder.no_proxy().https_only(base.scheme() == "https");
        if let Some(proxy) = self.proxy {
            builder = builder.proxy(self.tunnel(proxy)?);
        }
        Ok(match self.ca_file {
            Some(path) => builder.tls_certs_only(authorities(path)?),
            // The system's certificates are not needed for a receiver on this machine, and may not be there.
            None if base.scheme() != "https" => builder.tls_certs_only([]),
            None => builder,
        })
    }

    fn tunnel(&self, proxy: &str) -> Result<Proxy, SetUpError> {
        let wrong = |reason: &str| SetUpError::Proxy { reason: reason.to_owned() };
        let url = Url::parse(proxy).map_err(|error| wrong(&error.to_string()))?;
        if url.scheme() != "http" || url.host_str().is_none_or(str::is_empty) {
            return Err(wrong("is no http address; what goes through it is encrypted to the supplier all the same"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("holds a name or password; they belong into the file of `proxy-credentials-file`"));
        }
        // Only what is encrypted goes through a proxy; a receiver on this machine is not reached that way.
        let tunnel = Proxy::https(url).map_err(|error| wrong(&innermost(&error)))?;
        match self.proxy_credentials {
            None => Ok(tunnel),
            Some(path) => {
                let wrong = |reason: String| SetUpError::ProxyCredentials { path: path.to_owned(), reason };
                let text =
                    std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| wrong(error.to_string()))?;
                match text.trim_end_matches(['\r', '\n']).split_once(':') {
                    Some((user, password)) if !user.is_empty() && !text.trim_end().contains(['\r', '\n']) => {
                        Ok(tunnel.basic_auth(user, password))
                    }
                    _ => Err(wrong("it is not user:password".to_owned())),
                }
            }
        }
    }
}

fn base_url(text: &str) -> Result<Url, SetUpError> {
    let unreadable = |reason: String| SetUpError::Url { url: legible(text), reason };
    let url = Url::parse(text).map_err(|error| unreadable(error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(SetUpError::MoreThanAnAddress { part: "a user name or password" });
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(SetUpError::MoreThanAnAddress { part: "a query or fragment" });
    }
    let host =
        url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| unreadable("it names no host".to_owned()))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_this_machine(host) => Ok(url),
        scheme => Err(SetUpError::NotEncrypted { url: text.to_owned(), scheme: scheme.to_owned() }),
    }
}

fn is_this_machine(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn authorities(path: &Path) -> Result<Vec<Certificate>, SetUpError> {
    let wrong = |reason: String| SetUpError::CaFile { path: path.to_owned(), reason };
    let pem = std::fs::read(path).map_err(|error| wrong(error.to_string()))?;
    let authorities = Certificate::from_pem_bundle(&pem).map_err(|error| wrong(innermost(&error)))?;
    if authorities.is_empty() {
        return Err(wrong("it holds no certificate".to_owned()));
    }
    Ok(authorities)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_reached_in_the_clear() {
        for url in ["https://feed.example", "https://feed.example/base/", "http://127.0.0.1:8080", "http://[::1]:1/x"] {
            assert!(base_url(url).is_ok(), "{url}");
        }
        for url in
            ["http://feed.example", "http://192.0.2.1", "http://localhost.example", "ftp://127.0.0.1", "http://0.0.0.0"]
        {
            assert!(matches!(base_url(url), Err(SetUpError::NotEncrypted { .. })), "{url}");
        }
        for url in ["https://me:secret@feed.example", "https://feed.example?token=x"] {
            let error = base_url(url).unwrap_err();
            assert!(matches!(error, SetUpError::MoreThanAnAddress { .. }), "{url}");
            assert!(!error.to_string().contains("secret"));
        }
        for url in ["", "feed.example", "https://"] {
            assert!(matches!(base_url(url), Err(SetUpError::Url { .. })), "{url}");
        }
    }

    #[test]
    fn a_proxy_is_an_address_and_its_password_is_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("proxy");
        let tunnel = |proxy: &'static str, credentials: Option<&str>| {
            if let Some(text) = credentials {
                std::fs::write(&file, text).unwrap();
            }
            let route =
                Route { proxy: Some(proxy), proxy_credentials: credentials.map(|_| &*file), ..Route::default() };
            route.tunnel(proxy).map(drop)
        };
        assert!(tunnel("http://proxy.example:3128", None).is_ok());
        assert!(tunnel("http://proxy.example:3128", Some("box:pass:word\n")).is_ok());
        for proxy in ["proxy.example:3128", "socks5://proxy.example", "https://proxy.example", "http://"] {
            assert!(matches!(tunnel(proxy, None), Err(SetUpError::Proxy { .. })), "{proxy}");
        }
        let error = tunnel("http://box:secret@proxy.example", None).unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
        for text in ["", "box", ":secret", "box:secret\nmore"] {
            let error = tunnel("http://proxy.example:3128", Some(text)).unwrap_err();
            assert!(matches!(error, SetUpError::ProxyCredentials { .. }) && !error.to_string().contains("secret"));
        }
    }
}
