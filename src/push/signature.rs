//! HTTP message signatures (RFC 9421) with Ed25519, as a box makes them and a receiver checks them. Pure: what is signed,
//! the key and the time are parameters.
//!
//! Covered are `"@method" "@authority" "@path" "@query"` and, where there is a body, `"content-digest" "content-type"`. The
//! parameters are `created`, `keyid` (the key's RFC 7638 thumbprint), `alg="ed25519"` and `tag="smdrd"`, by which the
//! signature is found among others. A proxy may end TLS on the way; it must hand on method, host, path and these headers
//! as they came.

pub mod key;
pub mod structured;

use jiff::Timestamp;
use reqwest::header::{CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};

pub use key::{Jwk, PublicKey, SigningKey};
use structured::{Bare, InnerList, Member};

/// By this a signature of ours is told from others on the same message.
pub const TAG: &str = "smdrd";
/// By how many seconds `created` may differ from the receiver's clock.
pub const WINDOW_S: i64 = 300;
/// What every signature covers.
const ALWAYS: [&str; 4] = ["@method", "@authority", "@path", "@query"];
/// What it covers too, where there is a body.
const WITH_BODY: [&str; 2] = ["content-digest", "content-type"];
/// The label of our signature.
const LABEL: &str = "smdrd";
const INPUT: &str = "signature-input";
const SIGNATURE: &str = "signature";

/// A request, as far as it can be signed.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// Host, and the port where it is not the scheme's own.
    pub authority: &'a str,
    /// Absolute path, as it is on the wire.
    pub path: &'a str,
    /// Query without its question mark.
    pub query: Option<&'a str>,
    /// Its headers.
    pub headers: &'a HeaderMap,
}

/// Why a signature is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The fields cannot be read.
    #[error("{0} cannot be read; see docs/upload.md for the form")]
    Unreadable(&'static str),
    /// There is none with our tag.
    #[error("no signature with tag=\"smdrd\", or none that is whole, is in Signature-Input and Signature")]
    NotOurs,
    /// There are several with our tag.
    #[error("there is more than one signature with tag=\"smdrd\"; send one")]
    Several,
    /// Something that must be covered is not.
    #[error("the signature does not cover {0:?}")]
    NotCovered(&'static str),
    /// It covers something that is not known here, or not in the request.
    #[error("the signature covers {0:?}, which is not in the request or not known here")]
    UnknownComponent(String),
    /// A parameter is missing or of the wrong kind.
    #[error("the signature's parameter {0} is missing or not what it should be")]
    Parameter(&'static str),
    /// It was made too long ago, or is still to be made.
    #[error("the signature was made {} s {} this receiver's clock: the box's clock is off", .0.abs(), if *.0 > 0 { "ahead of" } else { "behind" })]
    Clock(i64),
    /// It has run out by its own word.
    #[error("the signature has expired")]
    Expired,
    /// It is not of this request and this key.
    #[error(
        "the signature is not of this request: method, host, path, query or body were changed on the way, or it is another key's"
    )]
    Mismatch,
}

impl Message<'_> {
    /// Whether there is a body, by the headers of HTTP/1.1.
    fn has_body(&self) -> bool {
        let length = self.headers.get(CONTENT_LENGTH).map(|value| value.as_bytes());
        self.headers.contains_key(TRANSFER_ENCODING) || length.is_some_and(|length| length != b"0")
    }

    fn component(&self, name: &str) -> Option<String> {
        Some(match name {
            "@method" => self.method.to_owned(),
            "@authority" => self.authority.to_ascii_lowercase(),
            "@path" if self.path.is_empty() => "/".to_owned(),
            "@path" => self.path.to_owned(),
            "@query" => format!("?{}", self.query.unwrap_or_default()),
            other if other.starts_with('@') => return None,
            field => {
                let values: Vec<&str> =
                    self.headers.get_all(field).iter().map(|value| value.to_str().ok()).collect::<Option<_>>()?;
                if values.is_empty() {
                    return None;
                }
                values.iter().map(|value| value.trim()).collect::<Vec<_>>().join(", ")
            }
        })
    }

    /// The signature base (RFC 9421, section 2.5).
    fn base(&self, list: &InnerList) -> Result<String, Fault> {
        let mut base = String::new();
        for (position, (name, own)) in list.members.iter().enumerate() {
            let unknown = || Fault::UnknownComponent(name.chars().take(60).collect());
            let known = own.is_empty()
                && *name == name.to_ascii_lowercase()
                && list.members.iter().take(position).all(|(earlier, _)| earlier != name);
            let value = self.component(name).filter(|_| known).ok_or_else(unknown)?;
            base += &format!("\"{name}\": {value}\n");
        }
        Ok(base + "\"@signature-params\": " + &list.serialised())
    }
}

/// The values of `Signature-Input` and `Signature` for a request, made at `created`.
pub fn sign(key: &SigningKey, message: &Message<'_>, created: Timestamp) -> Result<[(&'static str, String); 2], Fault> {
    let with_body = message.headers.contains_key("content-digest").then_some(WITH_BODY).into_iter().flatten();
    let text = |text: &str| Bare::Text(text.to_owned());
    let list = InnerList {
        members: ALWAYS.into_iter().chain(with_body).map(|name| (name.to_owned(), Vec::new())).collect(),
        parameters: vec![
            ("created".to_owned(), Bare::Integer(created.as_second())),
            ("keyid".to_owned(), text(&key.public().keyid())),
            ("alg".to_owned(), text("ed25519")),
            ("tag".to_owned(), text(TAG)),
        ],
    };
    let signature = Bare::Bytes(key.sign(message.base(&list)?.as_bytes()));
    Ok([
        (INPUT, format!("{LABEL}={}", list.serialised())),
        (SIGNATURE, format!("{LABEL}={}", structured::bare(&signature))),
    ])
}

/// What a request says of its signature, not yet believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The key's name.
    pub keyid: String,
    created: i64,
    expires: Option<i64>,
    list: InnerList,
    signature: Vec<u8>,
}

impl Claim {
    /// Reads the headers; nothing where none speaks of a signature.
    pub fn read(headers: &HeaderMap) -> Result<Option<Claim>, Fault> {
        if !headers.contains_key(INPUT) && !headers.contains_key(SIGNATURE) {
            return Ok(None);
        }
        let inputs = field(headers, INPUT).ok_or(Fault::Unreadable("Signature-Input"))?;
        let signatures = field(headers, SIGNATURE).ok_or(Fault::Unreadable("Signature"))?;
        let mut ours = inputs.into_iter().filter_map(|(label, member)| match member {
            Member::List(list) if list.parameter("tag") == Some(&Bare::Text(TAG.to_owned())) => Some((label, list)),
            _ => None,
        });
        let (label, list) = ours.next().ok_or(Fault::NotOurs)?;
        if ours.next().is_some() {
            return Err(Fault::Several);
        }
        let signature = signatures.into_iter().find(|(name, _)| *name == label).ok_or(Fault::NotOurs)?;
        let Member::Item(Bare::Bytes(signature)) = signature.1 else { return Err(Fault::Unreadable("Signature")) };
        let number = |name: &'static str| match list.parameter(name) {
            None => Ok(None),
            Some(Bare::Integer(number)) => Ok(Some(*number)),
            Some(_) => Err(Fault::Parameter(name)),
        };
        let created = number("created")?.ok_or(Fault::Parameter("created"))?;
        let expires = number("expires")?;
        if list.parameter("alg").is_some_and(|alg| *alg != Bare::Text("ed25519".to_owned())) {
            return Err(Fault::Parameter("alg"));
        }
        let Some(Bare::Text(keyid)) = list.parameter("keyid") else { return Err(Fault::Parameter("keyid")) };
        Ok(Some(Claim { keyid: keyid.clone(), created, expires, signature, list }))
    }

    /// Whether it was made just now, by the receiver's clock.
    pub fn is_of_now(&self, now: Timestamp) -> Result<(), Fault> {
        let ahead = self.created.saturating_sub(now.as_second());
        if ahead.saturating_abs() > WINDOW_S {
            return Err(Fault::Clock(ahead));
        }
        match self.expires {
            Some(expires) if expires < now.as_second() => Err(Fault::Expired),
            _ => Ok(()),
        }
    }

    /// Whether it is `key`'s, of this request, and covers what it must. The body itself is bound by `content-digest`, which
    /// whoever reads the body compares.
    pub fn verify(&self, message: &Message<'_>, key: &PublicKey) -> Result<(), Fault> {
        let covers = |wanted: &str| self.list.members.iter().any(|(name, _)| name == wanted);
        let with_body = message.has_body().then_some(WITH_BODY).into_iter().flatten();
        if let Some(missing) = ALWAYS.into_iter().chain(with_body).find(|wanted| !covers(wanted)) {
            return Err(Fault::NotCovered(missing));
        }
        let base = message.base(&self.list)?;
        if key.verifies(base.as_bytes(), &self.signature) { Ok(()) } else { Err(Fault::Mismatch) }
    }

    /// The signature with what it covers, to be kept beside what was sent: `Signature-Input`'s member and `Signature`'s.
    pub fn provenance(&self) -> (String, String) {
        (self.list.serialised(), structured::bare(&Bare::Bytes(self.signature.clone())))
    }
}

fn field(headers: &HeaderMap, name: &str) -> Option<Vec<(String, Member)>> {
    let values: Vec<&str> = headers.get_all(name).iter().map(|value| value.to_str().ok()).collect::<Option<_>>()?;
    structured::dictionary(&values.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use proptest::prelude::*;
    use reqwest::header::{HeaderName, HeaderValue};

    /// `test-key-ed25519` of RFC 9421, appendix B.1.4.
    const TEST_KEY: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF
-----END PRIVATE KEY-----
";

    fn headers(given: &[(&'static str, &str)]) -> HeaderMap {
        let each =
            given.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()));
        each.collect()
    }

    fn message<'a>(headers: &'a HeaderMap, path: &'a str) -> Message<'a> {
        Message { method: "PUT", authority: "feed.example", path, query: None, headers }
    }

    fn now() -> Timestamp {
        "2026-11-21T00:41:07Z".parse().unwrap()
    }

    #[test]
    fn the_vector_of_the_standard() {
        // RFC 9421, appendix B.2.6.
        let headers = headers(&[
            ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
            ("content-type", "application/json"),
            ("content-length", "18"),
        ]);
        let message = Message {
            method: "POST",
            authority: "example.com",
            path: "/foo",
            query: Some("param=Value&Pet=dog"),
            headers: &headers,
        };
        let input = "(\"date\" \"@method\" \"@path\" \"@authority\" \"content-type\" \"content-length\");created=1618884473;keyid=\"test-key-ed25519\"";
        let Member::List(list) = structured::dictionary(&format!("sig-b26={input}")).unwrap().remove(0).1 else {
            panic!("a list")
        };
        let base = message.base(&list).unwrap();
        assert_eq!(
            base,
            format!(
                "\"date\": Tue, 20 Apr 2021 02:07:55 GMT\n\"@method\": POST\n\"@path\": /foo\n\"@authority\": example.com\n\
                 \"content-type\": application/json\n\"content-length\": 18\n\"@signature-params\": {input}"
            )
        );
        let signature = "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw==";
        let key = SigningKey::from_pem(TEST_KEY).unwrap();
        let signed = base64::engine::general_purpose::STANDARD.encode(key.sign(base.as_bytes()));
        assert_eq!(signed, signature);
        let public = "JrQLj5P_89iXES9-vFgrIy29clF9CC_oPPsw3c5D0bs";
        assert_eq!(key.public().jwk().x, public);
    }

    #[test]
    fn what_is_signed_is_taken_and_nothing_else() {
        let key = SigningKey::generate().unwrap();
        let sent =
            [("content-type", "application/json"), ("content-digest", "sha-256=:AAAA:"), ("content-length", "2")];
        let mut signed = headers(&sent);
        for (name, value) in sign(&key, &message(&signed, "/v1/x"), now()).unwrap() {
            signed.insert(name, value.parse().unwrap());
        }
        let claim = Claim::read(&signed).unwrap().unwrap();
        assert_eq!(
            (claim.verify(&message(&signed, "/v1/x"), &key.public()), &claim.keyid),
            (Ok(()), &key.public().keyid())
        );
        let other = SigningKey::generate().unwrap().public();
        assert_eq!(claim.verify(&message(&signed, "/v1/x"), &other), Err(Fault::Mismatch));
        assert_eq!(claim.verify(&message(&signed, "/v1/y"), &key.public()), Err(Fault::Mismatch));
        for change in [
            Message { method: "POST", ..message(&signed, "/v1/x") },
            Message { authority: "feed.example:8443", ..message(&signed, "/v1/x") },
            Message { query: Some("a=b"), ..message(&signed, "/v1/x") },
        ] {
            assert_eq!(claim.verify(&change, &key.public()), Err(Fault::Mismatch));
        }
        let upper = Message { authority: "FEED.example", ..message(&signed, "/v1/x") };
        assert_eq!(claim.verify(&upper, &key.public()), Ok(()));
        for (name, value) in [("content-digest", "sha-256=:AAAB:"), ("content-type", "text/plain")] {
            let mut changed = signed.clone();
            changed.insert(name, value.parse().unwrap());
            assert_eq!(claim.verify(&message(&changed, "/v1/x"), &key.public()), Err(Fault::Mismatch), "{name}");
            changed.remove(name);
            let gone = Err(Fault::UnknownComponent(name.to_owned()));
            assert_eq!(claim.verify(&message(&changed, "/v1/x"), &key.public()), gone);
        }
        for (seconds, taken) in [(0, true), (300, true), (-300, true), (301, false), (-301, false)] {
            let found = claim.is_of_now(now() - jiff::SignedDuration::from_secs(seconds));
            assert_eq!(found, if taken { Ok(()) } else { Err(Fault::Clock(seconds)) });
        }
        assert!(Fault::Clock(-4000).to_string().contains("4000 s behind"));
    }

    #[test]
    fn a_body_must_be_covered_whatever_else_is() {
        let key = SigningKey::generate().unwrap();
        let mut bare = HeaderMap::new();
        for (name, value) in sign(&key, &message(&bare, "/v1/x"), now()).unwrap() {
            bare.insert(name, value.parse().unwrap());
        }
        let claim = Claim::read(&bare).unwrap().unwrap();
        assert_eq!(claim.verify(&message(&bare, "/v1/x"), &key.public()), Ok(()));
        for (name, value) in [("content-length", "7"), ("transfer-encoding", "chunked")] {
            let mut with_body = bare.clone();
            with_body.insert(name, value.parse().unwrap());
            let found = claim.verify(&message(&with_body, "/v1/x"), &key.public());
            assert_eq!(found, Err(Fault::NotCovered("content-digest")));
        }
    }

    #[test]
    fn what_is_no_signature_of_ours_is_refused_by_name() {
        let good = "(\"@method\" \"@authority\" \"@path\" \"@query\")";
        let rest = ";created=1;keyid=\"k\";alg=\"ed25519\";tag=\"smdrd\"";
        let read = |input: &str, signature: &str| {
            Claim::read(&headers(&[("signature-input", input), ("signature", signature)]))
        };
        assert!(read(&format!("a={good}{rest}"), "a=:AAAA:").is_ok());
        assert!(read(&format!("other=(\"@method\");tag=\"x\", a={good}{rest}"), "other=:AA==:, a=:AAAA:").is_ok());
        for (input, signature, fault) in [
            (format!("a={good}{rest}"), "b=:AAAA:", Fault::NotOurs),
            (format!("a={good};created=1;keyid=\"k\""), "a=:AAAA:", Fault::NotOurs),
            (format!("a={good}{rest}, b={good}{rest}"), "a=:AAAA:", Fault::Several),
            (format!("a={good}{}", rest.replace("ed25519", "hmac-sha256")), "a=:AAAA:", Fault::Parameter("alg")),
            (format!("a={good};keyid=\"k\";tag=\"smdrd\""), "a=:AAAA:", Fault::Parameter("created")),
            (format!("a={good};created=\"1\";keyid=\"k\";tag=\"smdrd\""), "a=:AAAA:", Fault::Parameter("created")),
            (format!("a={good};created=1;tag=\"smdrd\""), "a=:AAAA:", Fault::Parameter("keyid")),
            ("a=(".to_owned(), "a=:AAAA:", Fault::Unreadable("Signature-Input")),
            (format!("a={good}{rest}"), "a=AAAA", Fault::Unreadable("Signature")),
        ] {
            assert_eq!(read(&input, signature), Err(fault), "{input}");
        }
        assert_eq!(Claim::read(&headers(&[("signature", "a=:AAAA:")])), Err(Fault::NotOurs));
        assert_eq!(Claim::read(&HeaderMap::new()), Ok(None));
        let covers = |list: &str| {
            let claim = read(&format!("a={list}{rest}"), "a=:AAAA:").unwrap().unwrap();
            claim.verify(&message(&HeaderMap::new(), "/"), &SigningKey::generate().unwrap().public()).unwrap_err()
        };
        assert_eq!(covers("(\"@method\" \"@authority\" \"@path\")"), Fault::NotCovered("@query"));
        for (more, named) in
            [("\"@method\"", "@method"), ("\"@path\";req", "@path"), ("\"@status\"", "@status"), ("\"x\"", "x")]
        {
            let list = format!("(\"@method\" \"@authority\" \"@path\" \"@query\" {more})");
            assert_eq!(covers(&list), Fault::UnknownComponent(named.to_owned()));
        }
    }

    /// An independent implementation agrees, both ways.
    #[test]
    fn openssl_agrees() {
        use std::process::{Command, Stdio};
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let openssl = |arguments: &[&str]| {
            let mut command = Command::new("openssl");
            command.args(arguments).current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        let key = SigningKey::generate().unwrap();
        let empty = HeaderMap::new();
        let signed = sign(&key, &message(&empty, "/v1/x"), now()).unwrap();
        let mut with = HeaderMap::new();
        for (name, value) in signed {
            with.insert(name, value.parse().unwrap());
        }
        let claim = Claim::read(&with).unwrap().unwrap();
        std::fs::write(at("key.pem"), key.to_pem().as_bytes()).unwrap();
        std::fs::write(at("base"), message(&empty, "/v1/x").base(&claim.list).unwrap()).unwrap();
        std::fs::write(at("signature"), &claim.signature).unwrap();
        assert!(openssl(&["pkey", "-in", "key.pem", "-pubout", "-out", "public.pem"]), "openssl reads the key");
        let verify =
            ["pkeyutl", "-verify", "-pubin", "-inkey", "public.pem", "-rawin", "-in", "base", "-sigfile", "signature"];
        assert!(openssl(&verify), "openssl takes our signature");
        std::fs::write(at("base"), "another text").unwrap();
        assert!(!openssl(&verify), "and no other");
        assert!(openssl(&["genpkey", "-algorithm", "ed25519", "-out", "theirs.pem"]));
        assert!(openssl(&["pkeyutl", "-sign", "-inkey", "theirs.pem", "-rawin", "-in", "base", "-out", "signature"]));
        let theirs = SigningKey::from_pem(&std::fs::read_to_string(at("theirs.pem")).unwrap()).unwrap();
        assert!(theirs.public().verifies(b"another text", &std::fs::read(at("signature")).unwrap()));
    }

    proptest! {
        #[test]
        fn one_bit_less_is_another_request(at in 0_usize..64, bit in 0_u8..8) {
            let key = SigningKey::from_pem(TEST_KEY).unwrap();
            let empty = HeaderMap::new();
            let mut with = HeaderMap::new();
            for (name, value) in sign(&key, &message(&empty, "/v1/x"), now()).unwrap() {
                with.insert(name, value.parse().unwrap());
            }
            let mut claim = Claim::read(&with).unwrap().unwrap();
            claim.signature[at] ^= 1 << bit;
            prop_assert_eq!(claim.verify(&message(&empty, "/v1/x"), &key.public()), Err(Fault::Mismatch));
        }
    }
}
