//! Client certificates: asked for while a connection is made, and handed to its requests.

use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use axum::Extension;
use axum::middleware::AddExtension;
use axum_server::accept::Accept;
use axum_server::tls_rustls::RustlsAcceptor;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use tokio::net::TcpStream;
use tower_layer::Layer as _;

use super::idle::Impatient;
use super::verify::is_name;
use crate::push::certificate::names;
use crate::push::parcel::sha256_hex;

/// What a SAN URI that names a box begins with.
const DEVICE_URN: &str = "urn:smdrd:device:";

/// What the client showed, verified by TLS; empty where it showed nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerCertificate {
    /// Names of a box that it gives: SAN URIs first, then the subject's common name.
    pub names: Vec<String>,
    /// SHA-256 of it, in hex.
    pub fingerprint: String,
}

impl PeerCertificate {
    fn of(der: &[u8]) -> PeerCertificate {
        let found = names(der);
        let uris = found.uris.iter().filter_map(|uri| uri.strip_prefix(DEVICE_URN).map(str::to_owned));
        let names = uris.chain(found.common_name).filter(|name| is_name(name)).collect();
        PeerCertificate { names, fingerprint: sha256_hex(der) }
    }

    /// Whether there is one.
    pub fn is_shown(&self) -> bool {
        !self.fingerprint.is_empty()
    }
}

/// Verifies client certificates against the authorities in `path`. A client that shows none is let in: it may sign, or have
/// a token.
pub fn verifier(path: &Path) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let certificates: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| format!("{error}; give the authority that issues the boxes' certificates, as PEM"))?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if roots.is_empty() {
        return Err(
            "it holds no certificate; give the authority that issues the boxes' certificates, as PEM".to_owned()
        );
    }
    WebPkiClientVerifier::builder(Arc::new(roots)).allow_unauthenticated().build().map_err(|error| error.to_string())
}

/// Accepts TLS, and puts what the client showed onto each request of the connection.
#[derive(Debug, Clone)]
pub struct Recognising(pub RustlsAcceptor<Impatient>);

impl<S> Accept<TcpStream, S> for Recognising
where
    S: Send + 'static,
{
    type Stream = <RustlsAcceptor<Impatient> as Accept<TcpStream, S>>::Stream;
    type Service = AddExtension<S, PeerCertificate>;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let accepted = self.0.accept(stream, service);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
            let certificate = shown.map(|der| PeerCertificate::of(der)).unwrap_or_default();
            Ok((stream, Extension(certificate).layer(service)))
        })
    }
}
