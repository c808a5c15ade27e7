//! What the supplier holds: the document as its receiver gives it back, and the receipt as the daemon got it.

use std::time::Duration;

use jiff::civil::Date;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::error::DemoError;
use super::stage::{ODS, SITE};

/// How long the receiver may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// A document as it was received.
#[derive(Debug)]
pub struct Held {
    /// Its JSON.
    pub document: Value,
    /// SHA-256 of the bytes, as hexadecimal digits.
    pub sha256: String,
}

/// The parts of a receipt that a person wants to see.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Receipt {
    /// The supplier's name for it.
    pub receipt_id: Option<String>,
    /// What it says is held.
    pub sha256: Option<String>,
}

/// Asks the receiver at `base` for the document of `date`.
pub fn fetch(base: &str, token: &str, date: Date) -> Result<Held, DemoError> {
    let url = format!("{base}/v1/practices/{ODS}/sites/{SITE}/days/{date}");
    let failed = |reason: String| DemoError::NotHeld { url: url.clone(), reason };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let body = runtime.map_err(|reason| failed(reason.to_string()))?.block_on(async {
        // Never through a proxy: the receiver is on this machine.
        let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_WITHIN).build()?;
        client.get(&url).bearer_auth(token).send().await?.error_for_status()?.bytes().await
    });
    let body = body.map_err(|reason| failed(reason.to_string()))?;
    let document = serde_json::from_slice(&body).map_err(|reason| failed(format!("not JSON: {reason}")))?;
    let sha256 = Sha256::digest(&body).iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Held { document, sha256 })
}

/// The receipt in the receiver's answer, as it was passed on to the daemon.
pub fn receipt(answer: &Value) -> Receipt {
    let text = |name: &str| answer.get(name).and_then(Value::as_str);
    Receipt { receipt_id: text("receipt_id").map(str::to_owned), sha256: text("sha256").map(plain) }
}

fn plain(sha256: &str) -> String {
    sha256.strip_prefix("sha256:").unwrap_or(sha256).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receipt_is_what_it_says() {
        let answer = serde_json::json!({"receipt_id": "r-1", "sha256": "sha256:AB12"});
        let found = Receipt { receipt_id: Some("r-1".to_owned()), sha256: Some("ab12".to_owned()) };
        assert_eq!(receipt(&answer), found);
        assert_eq!(receipt(&Value::Null), Receipt::default());
    }
}
