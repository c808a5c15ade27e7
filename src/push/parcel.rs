//! What is sent, and what comes back for it.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::aggregate::document::{DayDocument, PracticeSite, canonical};

/// One revision of one day document, ready to be sent. The body never changes once it is made: a resend is identical
/// to the byte, so that the receiver can know it again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parcel {
    /// ODS code of the practice.
    pub ods: String,
    /// Site within the practice.
    pub site: String,
    /// The civil day.
    pub date: Date,
    /// Revision of the day, from 1.
    pub revision: u32,
    /// The document as canonical JSON.
    pub body: Vec<u8>,
    /// SHA-256 of the body, in lower-case hex.
    pub sha256: String,
}

impl Parcel {
    /// A parcel with the digest of its body.
    pub fn new(ods: &str, site: &str, date: Date, revision: u32, body: Vec<u8>) -> Parcel {
        let sha256 = sha256_hex(&body);
        Parcel { ods: ods.to_owned(), site: site.to_owned(), date, revision, body, sha256 }
    }

    /// The parcel of a document.
    pub fn of(document: &DayDocument) -> Result<Parcel, serde_json::Error> {
        let PracticeSite { ods, site } = &document.practice;
        Ok(Parcel::new(ods, site, document.date, document.revision, canonical(document)?))
    }
}

/// SHA-256 in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The value of `Content-Digest` for a body (RFC 9530).
pub fn content_digest(body: &[u8]) -> String {
    use base64::Engine;
    format!("sha-256=:{}:", base64::engine::general_purpose::STANDARD.encode(Sha256::digest(body)))
}

/// The supplier's word that a revision is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The supplier's own name for it.
    pub receipt_id: String,
    /// ODS code of the practice.
    pub ods: String,
    /// Site within the practice.
    pub site: String,
    /// The civil day.
    pub date: Date,
    /// Revision that is held.
    pub revision: u32,
    /// SHA-256 of the body that is held, in lower-case hex.
    pub sha256: String,
    /// When it was first received.
    pub received_at: Timestamp,
    /// Schema under which it was read.
    pub server_schema: String,
    /// What became of it.
    pub status: ReceiptStatus,
    /// What the supplier noticed, for people.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Whether the same bytes had been received before: the answer to the first sending was lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
}

/// What became of a document at the supplier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReceiptStatus {
    /// It counts.
    Accepted,
    /// It is held, and a person will look at it.
    Quarantined,
}

impl Receipt {
    /// The first field in which the receipt is not for `parcel`.
    pub fn difference(&self, parcel: &Parcel) -> Option<&'static str> {
        [
            ("sha256", self.sha256.eq_ignore_ascii_case(&parcel.sha256)),
            ("ods", self.ods == parcel.ods),
            ("site", self.site == parcel.site),
            ("date", self.date == parcel.date),
            ("revision", self.revision == parcel.revision),
        ]
        .into_iter()
        .find_map(|(field, same)| (!same).then_some(field))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standards() {
        // The digest of nothing at all, FIPS 180-4; the other form is RFC 9530's.
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256_hex(b""), empty);
        assert_eq!(content_digest(b""), "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:");
    }
}
