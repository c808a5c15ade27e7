//! A client certificate, shown while the connection is made (mTLS). The supplier's own authority issues it.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use reqwest::{Identity, Request};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

use super::super::Proof;
use super::super::certificate::good_until;
use super::{Auth, AuthError};

/// Days before its end from which on a certificate's end is told; each is a step.
pub const WARNED_DAYS: [i64; 4] = [30, 14, 7, 1];

const CERTIFICATE: &str = "client-cert";
const KEY: &str = "client-key";
const REMEDY: &str =
    "put the certificate and key that the supplier issued for this box there, as PEM, readable by the smdrd user";

/// A certificate with its key.
#[derive(Debug)]
pub struct ClientCertificate {
    cert: PathBuf,
    key: PathBuf,
    until: Timestamp,
}

impl ClientCertificate {
    /// Reads the certificate; the key is read when a connection is prepared.
    pub fn from_files(cert: &Path, key: &Path) -> Result<ClientCertificate, AuthError> {
        let pem = read(CERTIFICATE, cert)?;
        let der = CertificateDer::from_pem_slice(&pem).ok();
        let until = der.and_then(|der| good_until(&der)).ok_or(AuthError::Unusable {
            what: CERTIFICATE,
            path: cert.to_owned(),
            reason: "holds no certificate",
            remedy: REMEDY,
        })?;
        Ok(ClientCertificate { cert: cert.to_owned(), key: key.to_owned(), until })
    }

    /// Until when it is good.
    pub fn until(&self) -> Timestamp {
        self.until
    }
}

impl Auth for ClientCertificate {
    fn apply(&self, _request: &mut Request, _now: Timestamp) {}

    fn identity(&self) -> Result<Option<Identity>, AuthError> {
        let mut pem = read(KEY, &self.key)?;
        pem.push(b'\n');
        pem.extend_from_slice(&read(CERTIFICATE, &self.cert)?);
        match Identity::from_pem(&pem) {
            Ok(identity) => Ok(Some(identity)),
            Err(_) => Err(AuthError::Unusable {
                what: KEY,
                path: self.key.clone(),
                reason: "holds no private key, or not in PEM",
                remedy: REMEDY,
            }),
        }
    }

    fn kind(&self) -> Proof {
        Proof::Certificate
    }
}

fn read(what: &'static str, path: &Path) -> Result<Zeroizing<Vec<u8>>, AuthError> {
    let read = std::fs::read(path).map(Zeroizing::new);
    read.map_err(|source| AuthError::Unreadable { what, path: path.to_owned(), source, remedy: REMEDY })
}
