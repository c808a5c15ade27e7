//! What went wrong below HTTP, as a situation with a name.

use super::{Why, legible};

/// A try without a whole answer.
pub(super) struct Failure {
    pub(super) why: Why,
    pub(super) status: Option<u16>,
}

impl From<reqwest::Error> for Failure {
    fn from(error: reqwest::Error) -> Failure {
        let said = || legible(&innermost(&error));
        let why = if let Some(tls) = tls_error(&error) {
            tls_situation(tls)
        } else if let Some(text) = says(&error, "tunnel error") {
            Why::Proxy(legible(&text))
        } else if says(&error, "dns error").is_some() {
            Why::UnknownName(said())
        } else if error.is_timeout() {
            Why::TimedOut
        } else if error.is_connect() {
            Why::NoConnection(said())
        } else {
            Why::Broken(said())
        };
        Failure { why, status: error.status().map(|status| status.as_u16()) }
    }
}

fn tls_situation(error: &rustls::Error) -> Why {
    use rustls::AlertDescription as Alert;
    use rustls::CertificateError as Certificate;
    match error {
        rustls::Error::AlertReceived(
            alert @ (Alert::CertificateExpired
            | Alert::CertificateRequired
            | Alert::CertificateRevoked
            | Alert::CertificateUnknown
            | Alert::UnsupportedCertificate
            | Alert::BadCertificate
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError),
        ) => Why::CertificateRefused(legible(&format!("{alert:?}"))),
        rustls::Error::InvalidCertificate(certificate) => match certificate {
            Certificate::UnknownIssuer | Certificate::BadSignature => Why::UntrustedAuthority,
            Certificate::Expired | Certificate::ExpiredContext { .. } => Why::ExpiredCertificate,
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => Why::CertificateNotYetValid,
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => Why::WrongName,
            other => Why::Tls(legible(&other.to_string())),
        },
        other => Why::Tls(legible(&other.to_string())),
    }
}

type Error<'a> = &'a (dyn std::error::Error + 'static);

/// What an error says it comes from. An `io::Error` hides the error it carries from `source()`.
fn cause(error: Error<'_>) -> Option<Error<'_>> {
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(carried) => Some(carried),
        None => error.source(),
    }
}

fn chain(error: &reqwest::Error) -> impl Iterator<Item = Error<'_>> {
    std::iter::successors(Some(error as Error<'_>), |error| cause(*error))
}

fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    chain(error).find_map(|error| error.downcast_ref::<rustls::Error>())
}

/// The text of the first error of the chain that begins so: the connector's own errors are not public types.
fn says(error: &reqwest::Error, beginning: &str) -> Option<String> {
    chain(error).map(ToString::to_string).find(|text| text.starts_with(beginning))
}

/// The text of the error at the bottom; those above repeat the URL and little else.
pub(crate) fn innermost(error: &reqwest::Error) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}
