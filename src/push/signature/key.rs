//! Ed25519 keys (RFC 8032): what a box signs with, and what it is known by.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// What stands before the 32 bytes of an Ed25519 key in PKCS #8 (RFC 8410, section 7).
const PKCS8_BEGINNING: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// Half of a pair that everybody may see.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

/// A public key as JSON (RFC 8037).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// `OKP`.
    pub kty: String,
    /// `Ed25519`.
    pub crv: String,
    /// The key, base64url without padding.
    pub x: String,
}

impl PublicKey {
    /// The key in these bytes; nothing unless there are 32.
    pub fn from_bytes(bytes: &[u8]) -> Option<PublicKey> {
        bytes.try_into().ok().map(PublicKey)
    }

    /// The key in a JWK; nothing when it is of another kind.
    pub fn from_jwk(jwk: &Jwk) -> Option<PublicKey> {
        if (jwk.kty.as_str(), jwk.crv.as_str()) != ("OKP", "Ed25519") {
            return None;
        }
        PublicKey::from_x(&jwk.x)
    }

    /// The key in a JWK's `x`.
    pub fn from_x(x: &str) -> Option<PublicKey> {
        PublicKey::from_bytes(&URL_SAFE_NO_PAD.decode(x).ok()?)
    }

    /// Its 32 bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// It as JSON.
    pub fn jwk(&self) -> Jwk {
        Jwk { kty: "OKP".to_owned(), crv: "Ed25519".to_owned(), x: URL_SAFE_NO_PAD.encode(self.0) }
    }

    /// What it is called: its JWK thumbprint with SHA-256 (RFC 7638), base64url.
    pub fn keyid(&self) -> String {
        let Jwk { kty, crv, x } = self.jwk();
        let members = format!("{{\"crv\":\"{crv}\",\"kty\":\"{kty}\",\"x\":\"{x}\"}}");
        URL_SAFE_NO_PAD.encode(Sha256::digest(members.as_bytes()))
    }

    /// Whether `signature` is this key's, of `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.0).verify(message, signature).is_ok()
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "PublicKey({})", self.keyid())
    }
}

/// The secret half. AWS-LC wipes its own copy when it is dropped, ours is wiped by `Zeroizing`; neither is ever shown.
pub struct SigningKey {
    pair: Ed25519KeyPair,
    seed: Zeroizing<[u8; 32]>,
}

impl SigningKey {
    /// A new key from the system's random numbers; nothing when there are none.
    pub fn generate() -> Option<SigningKey> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(seed.as_mut_slice()).ok()?;
        SigningKey::from_seed(seed)
    }

    fn from_seed(seed: Zeroizing<[u8; 32]>) -> Option<SigningKey> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).ok()?;
        Some(SigningKey { pair, seed })
    }

    /// The key in a PEM text (PKCS #8, as `openssl genpkey -algorithm ed25519` writes it); what stands before it is passed
    /// over.
    pub fn from_pem(text: &str) -> Option<SigningKey> {
        let (_, rest) = text.split_once(BEGIN)?;
        let (body, _) = rest.split_once(END)?;
        let body = Zeroizing::new(body.split_whitespace().collect::<String>());
        let der = Zeroizing::new(STANDARD.decode(body.as_bytes()).ok()?);
        let seed = der.strip_prefix(PKCS8_BEGINNING.as_slice())?;
        SigningKey::from_seed(Zeroizing::new(seed.try_into().ok()?))
    }

    /// The key as PEM.
    pub fn to_pem(&self) -> Zeroizing<String> {
        let mut der = Zeroizing::new(Vec::with_capacity(48));
        der.extend_from_slice(&PKCS8_BEGINNING);
        der.extend_from_slice(self.seed.as_slice());
        let body = Zeroizing::new(STANDARD.encode(der.as_slice()));
        Zeroizing::new(format!("{BEGIN}\n{}\n{END}\n", body.as_str()))
    }

    /// The other half.
    pub fn public(&self) -> PublicKey {
        let bytes = self.pair.public_key().as_ref();
        PublicKey::from_bytes(bytes).unwrap_or(PublicKey([0; 32]))
    }

    /// Signs.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.public().keyid())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_thumbprint_is_that_of_rfc_8037() {
        // Appendix A.2 and A.3.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let key = PublicKey::from_jwk(&Jwk { kty: "OKP".into(), crv: "Ed25519".into(), x: x.into() }).unwrap();
        assert_eq!(key.keyid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        assert_eq!(PublicKey::from_jwk(&Jwk { crv: "X25519".into(), ..key.jwk() }), None);
        assert_eq!(PublicKey::from_jwk(&Jwk { x: "11qY".into(), ..key.jwk() }), None);
    }

    #[test]
    fn a_key_is_read_as_it_was_written_and_never_shown() {
        let key = SigningKey::generate().unwrap();
        let pem = key.to_pem();
        let again = SigningKey::from_pem(&format!("device: x\n{}", pem.as_str())).unwrap();
        assert_eq!(again.public(), key.public());
        assert!(again.public().verifies(b"text", &key.sign(b"text")));
        assert!(!again.public().verifies(b"text!", &key.sign(b"text")));
        let secret = pem.lines().nth(1).unwrap();
        assert!(!format!("{key:?}").contains(&secret[22..40]));
        for wrong in ["", BEGIN, &pem[..60], &pem.replace("MC4C", "MC4D")] {
            assert!(SigningKey::from_pem(wrong).is_none());
        }
    }
}
