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

/// The receipt in what `smdrd push --json` printed, wherever it stands there.
pub fn receipt(printed: &str) -> Receipt {
    let mut receipt = Receipt::default();
    for value in serde_json::Deserializer::from_str(printed).into_iter::<Value>().map_while(Result::ok) {
        search(&value, &mut receipt);
    }
    receipt
}

fn search(value: &Value, receipt: &mut Receipt) {
    match value {
        Value::Object(keys) => {
            if let Some(id) = keys.get("receipt_id").and_then(Value::as_str) {
                let sha256 = keys.get("sha256").and_then(Value::as_str).map(plain);
                *receipt = Receipt { receipt_id: Some(id.to_owned()), sha256 };
                return;
            }
            keys.values().for_each(|value| search(value, receipt));
        }
        Value::Array(items) => items.iter().for_each(|value| search(value, receipt)),
        _ => {}
    }
}

fn plain(sha256: &str) -> String {
    sha256.strip_prefix("sha256:").unwrap_or(sha256).to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_receipt_is_found_where_it_stands() {
        let found = Receipt { receipt_id: Some("r-1".to_owned()), sha256: Some("ab12".to_owned()) };
        assert_eq!(receipt(r#"{"receipt_id": "r-1", "sha256": "ab12"}"#), found);
        assert_eq!(
            receipt(r#"{"days": [{"state": "done", "receipt": {"receipt_id": "r-1", "sha256": "sha256:AB12"}}]}"#),
            found
        );
        assert_eq!(receipt("2026-11-20 receipted"), Receipt::default());
    }
}
