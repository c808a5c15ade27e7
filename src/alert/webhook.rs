//! Alerts as a POST of JSON.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Certificate, Client, Url};
use zeroize::Zeroizing;

use super::{Message, Undelivered, secret};
use crate::config::{Alerts, Supplier};
use crate::push::{Route, innermost, legible};

/// Until there is a connection, and for a whole try.
const DEADLINES: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(30));
/// The credential that holds the token where the configuration names no file.
pub const CREDENTIAL: &str = "alerts-webhook-token";

/// Where alerts are posted.
#[derive(Debug)]
pub struct Webhook {
    http: Client,
    url: Url,
    token: Option<PathBuf>,
}

impl Webhook {
    /// The configured one; nothing where there is none.
    pub fn new(alerts: &Alerts, supplier: Option<&Supplier>) -> Option<Result<Webhook, Undelivered>> {
        let written = alerts.webhook.as_ref()?;
        Some(Webhook::set_up(alerts, supplier, written.get_ref()))
    }

    /// The way out of the practice is the one to the supplier: through the same proxy.
    fn set_up(alerts: &Alerts, supplier: Option<&Supplier>, written: &str) -> Result<Webhook, Undelivered> {
        let wrong = |what, reason: String| Undelivered::SetUp { what, reason };
        let url = Url::parse(written).map_err(|error| wrong("alerts.webhook", error.to_string()))?;
        let builder = Client::builder()
            .user_agent(concat!("smdrd/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(DEADLINES.0)
            .timeout(DEADLINES.1)
            // The next one may be a day away.
            .pool_max_idle_per_host(0)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .https_only(url.scheme() == "https");
        let builder = match supplier.and_then(|supplier| Some((supplier.proxy.as_ref()?, supplier))) {
            Some((proxy, supplier)) => {
                let credentials = supplier.proxy_credentials_file.as_deref();
                let route = Route { proxy_credentials: credentials, ..Route::default() };
                let tunnel = route.tunnel(proxy.get_ref());
                builder.proxy(tunnel.map_err(|error| wrong("supplier.proxy", error.to_string()))?)
            }
            None => builder,
        };
        let builder = match &alerts.ca_file {
            Some(path) => {
                let read = std::fs::read(path).map_err(|error| error.to_string());
                let authorities =
                    read.and_then(|pem| Certificate::from_pem_bundle(&pem).map_err(|error| innermost(&error)));
                match authorities {
                    Ok(authorities) if !authorities.is_empty() => builder.tls_certs_only(authorities),
                    Ok(_) => return Err(wrong("alerts.ca-file", format!("{} holds no certificate", path.display()))),
                    Err(reason) => return Err(wrong("alerts.ca-file", format!("{}: {reason}", path.display()))),
                }
            }
            None if url.scheme() != "https" => builder.tls_certs_only([]),
            None => builder,
        };
        let http = builder.build().map_err(|error| wrong("TLS", legible(&innermost(&error))))?;
        Ok(Webhook { http, url, token: secret::file(alerts.webhook_token_file.as_deref(), CREDENTIAL) })
    }

    /// Who is posted to, without the path: that may be a secret of the receiver's.
    pub fn server(&self) -> String {
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{}{port}", self.url.scheme(), self.url.host_str().unwrap_or_default())
    }

    /// Posts a message; any status from 200 to 299 is a yes.
    pub async fn send(&self, message: &Message) -> Result<(), Undelivered> {
        let body = serde_json::to_vec(message).unwrap_or_default();
        let mut request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header("idempotency-key", format!("\"{}\"", message.id))
            .body(body);
        if let Some(path) = &self.token {
            let bearer = Zeroizing::new(format!("Bearer {}", secret::read(path)?.as_str()));
            let mut header = HeaderValue::from_str(&bearer).map_err(|_| secret::SecretError::Unusable {
                path: path.clone(),
                reason: "holds what cannot stand in a header",
            })?;
            header.set_sensitive(true);
            request = request.header(AUTHORIZATION, header);
        }
        let answer = request.send().await.map_err(|error| Undelivered::NoAnswer {
            server: self.server(),
            reason: match error.is_timeout() {
                true => "no answer in time".to_owned(),
                false => legible(&innermost(&error)),
            },
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        Err(Undelivered::Refused {
            server: self.server(),
            answer: status.to_string(),
            remedy: match status.as_u16() {
                300..=399 => "; redirects are not followed: write the address that it leads to",
                401 | 403 => "; check the token",
                404 | 410 => "; check the address",
                _ => "",
            },
        })
    }
}
