//! What box and receiver say to each other when a box is enrolled or renews its key.

use serde::{Deserialize, Serialize};

use super::super::signature::{Jwk, PublicKey, SigningKey};

/// The path that a box is enrolled at. The request is signed with the very key it brings.
pub const ENROL_PATH: &str = "/v1/enrol";

/// A box brings its key and the code that somebody at the supplier gave for it.
#[derive(Clone, Serialize, Deserialize)]
pub struct Enrolment {
    /// The one-time code.
    pub code: String,
    /// The key it is to be known by.
    pub key: Jwk,
    /// The name that the box gives itself; the supplier may have bound the code to another one.
    pub device: String,
}

impl std::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Enrolment({})", self.device)
    }
}

/// A box renews its key. The request is signed with the one in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewKey {
    /// The key that is to follow.
    pub key: Jwk,
    /// Signature by that key, base64, over what [`NewKey::proved`] gives: whoever brings it has it.
    pub proof: String,
}

impl NewKey {
    /// A request for `key` to follow the one called `current`.
    pub fn of(key: &SigningKey, device: &str, current: &str) -> NewKey {
        use base64::Engine as _;
        let proof = key.sign(NewKey::proved(device, current).as_bytes());
        NewKey { key: key.public().jwk(), proof: base64::engine::general_purpose::STANDARD.encode(proof) }
    }

    /// What the new key signs.
    pub fn proved(device: &str, current: &str) -> String {
        format!("smdrd new key\n{device}\n{current}")
    }

    /// The key, if it signed that it is to follow `current`.
    pub fn verified(&self, device: &str, current: &str) -> Option<PublicKey> {
        use base64::Engine as _;
        let key = PublicKey::from_jwk(&self.key)?;
        let proof = base64::engine::general_purpose::STANDARD.decode(&self.proof).ok()?;
        key.verifies(NewKey::proved(device, current).as_bytes(), &proof).then_some(key)
    }
}

/// Whether `text` is a name that may stand in a file, a URL and on a terminal.
fn is_plain(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

impl Enrolled {
    /// Whether names and codes in it are such, and nothing else: they are written into a file and shown.
    pub fn is_in_form(&self) -> bool {
        let names = [&self.device, &self.keyid].into_iter().chain(&self.ods).chain(&self.site);
        names.into_iter().all(|name| is_plain(name))
    }
}

/// What the supplier knows of the box from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// The name that it knows the box by.
    pub device: String,
    /// The key's name.
    pub keyid: String,
    /// The ODS codes that the box may send for.
    pub ods: Vec<String>,
    /// The only site that it may send for, where it is bound to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// Since when the key is good.
    pub since: jiff::Timestamp,
    /// Until when the key before it is taken, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_until: Option<jiff::Timestamp>,
    /// Whether it was known before: the answer to the first asking was lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replayed: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_names_and_nothing_else() {
        let good = Enrolled {
            device: "smdrd-0f6c1f0e".into(),
            keyid: "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k".into(),
            ods: vec!["A81001".into()],
            site: Some("main".into()),
            since: jiff::Timestamp::UNIX_EPOCH,
            previous_until: None,
            replayed: false,
        };
        assert!(good.is_in_form());
        for device in ["", "two\nlines", "\u{1b}[2J", "a b", &"x".repeat(65)] {
            assert!(!Enrolled { device: device.to_owned(), ..good.clone() }.is_in_form(), "{device:?}");
        }
        assert!(!Enrolled { ods: vec!["A8\n1001".into()], ..good }.is_in_form());
    }

    #[test]
    fn a_proof_is_the_new_keys_for_this_box_and_the_key_in_use() {
        let key = SigningKey::generate().unwrap();
        let brought = NewKey::of(&key, "smdrd-one", "current");
        assert_eq!(brought.verified("smdrd-one", "current"), Some(key.public()));
        for (device, current) in [("smdrd-two", "current"), ("smdrd-one", "other")] {
            assert_eq!(brought.verified(device, current), None);
        }
        let other = SigningKey::generate().unwrap().public().jwk();
        assert_eq!(NewKey { key: other, ..brought }.verified("smdrd-one", "current"), None);
    }
}
