//! The script with a box's key: against our receiver, and against a doorman of the test's own, who looks at signatures with
//! openssl before our receiver hears of the request.

use std::process::Command;

use axum::http::{HeaderMap, HeaderName};
use base64::Engine;
use smdrd::push::signature::{Claim, Message, SigningKey};

use super::bent::{Asked, Bend, bent};
use super::{SIGNED, TOKEN, cases, conform_signed, kit, receiver, tools};

/// Lets in what is signed with the kit's test key just now, as what comes with the box's token.
fn doorman(asked: &mut Asked) {
    asked.headers.remove("authorization");
    let good = signed(asked) == Some(true);
    asked.headers.remove("signature-input");
    asked.headers.remove("signature");
    if good {
        asked.set("authorization", &format!("Bearer {TOKEN}"));
    }
}

/// RFC 9421, sections 2.5 and 3.2, as far as it is needed here.
fn signed(asked: &Asked) -> Option<bool> {
    let header = |name: &str| asked.headers.get(name)?.to_str().ok();
    let parameters = header("signature-input")?.strip_prefix("smdrd=")?;
    let (names, rest) = parameters.strip_prefix('(')?.split_once(')')?;
    let created: i64 = rest.strip_prefix(";created=")?.split(';').next()?.parse().ok()?;
    let recent = (jiff::Timestamp::now().as_second() - created).abs() <= 300;
    let names: Vec<&str> = names.split(' ').map(|name| name.trim_matches('"')).collect();
    let mut wanted = vec!["@method", "@authority", "@path", "@query"];
    if asked.headers.contains_key("content-digest") {
        wanted.push("content-digest");
    }
    if asked.headers.contains_key("content-type") {
        wanted.push("content-type");
    }
    let covered = wanted.iter().all(|name| names.contains(name));
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let mut base = String::new();
    for name in names {
        let value = match name {
            "@method" => asked.method.to_string(),
            "@authority" => asked.authority.clone(),
            "@path" => path.to_owned(),
            "@query" => format!("?{query}"),
            name => header(name)?.to_owned(),
        };
        base += &format!("\"{name}\": {value}\n");
    }
    base += &format!("\"@signature-params\": {parameters}");
    let signature = header("signature")?.strip_prefix("smdrd=:")?.strip_suffix(':')?;
    let signature = base64::engine::general_purpose::STANDARD.decode(signature).ok()?;
    let folder = tempfile::tempdir().unwrap();
    let (base_file, signature_file) = (folder.path().join("base"), folder.path().join("signature"));
    std::fs::write(&base_file, base).unwrap();
    std::fs::write(&signature_file, signature).unwrap();
    let mut openssl = Command::new("openssl");
    openssl.args(["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey"]).arg(kit("golden/test-key.pub.pem"));
    openssl.arg("-sigfile").arg(signature_file).arg("-in").arg(base_file);
    Some(recent && covered && openssl.output().unwrap().status.success())
}

#[test]
fn a_receiver_that_takes_signatures_passes() {
    if !tools() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let feed = receiver(folder.path(), None);
    let url = bent(&feed.url(), Bend::Ask(doorman));
    // With each kind of request, and what only signatures can do wrong; all the rest is the same with a token.
    let some =
        ["first", "manifest-range", "read-revision", "not-participating", "heartbeat", "auth-missing", "auth-wrong"];
    let only: Vec<&str> = some.iter().chain(&SIGNED).flat_map(|case| ["--only", case]).collect();
    let (code, report) = conform_signed(&url, &only);
    assert_eq!((cases(&report, "failed"), code), (vec![], 0), "{report:#}");
    assert_eq!(cases(&report, "ok").len(), some.len() + SIGNED.len());
}

#[test]
fn a_receiver_that_looks_at_no_signature_is_seen() {
    if !tools() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let feed = receiver(folder.path(), None);
    let blind = Bend::Ask(|asked| {
        asked.headers.remove("signature-input");
        asked.headers.remove("signature");
        asked.set("authorization", &format!("Bearer {TOKEN}"));
    });
    let url = bent(&feed.url(), blind);
    let only: Vec<&str> = SIGNED.iter().chain(&["auth-wrong"]).flat_map(|case| ["--only", case]).collect();
    let (code, report) = conform_signed(&url, &only);
    assert_eq!((cases(&report, "failed").len(), code), (4, 1), "{report:#}");
}

/// Its key is brought with a code; and the code is no good for another.
#[test]
fn our_receiver_passes_with_a_key() {
    if !tools() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let feed = receiver(folder.path(), None);
    let mut enrol = Command::new(env!("CARGO_BIN_EXE_smdr-feed"));
    enrol.args(["enrol", "--ods", "A81001", "--json", "--store"]).arg(folder.path().join("store.db"));
    let told: serde_json::Value = serde_json::from_slice(&enrol.output().unwrap().stdout).unwrap();
    let code = told["code"].as_str().unwrap();
    let (code, report) = conform_signed(&feed.url(), &["--enrol", code]);
    assert_eq!((cases(&report, "failed"), code), (vec![], 0), "{report:#}");
    assert_eq!(cases(&report, "skipped"), ["tls"]);
    let (code, report) = conform_signed(&feed.url(), &["--only", "enrol", "--enrol", "0000-0000-0000-0000-0000-0000"]);
    assert_eq!((cases(&report, "failed"), code), (vec!["enrol"], 1), "{report:#}");
}

/// Made by openssl from the letter of RFC 9421 (`packaging/golden`), verified by what the receiver verifies boxes with.
#[test]
fn the_golden_signatures_are_good() {
    let index: serde_json::Value = serde_json::from_slice(&std::fs::read(kit("golden/cases.json")).unwrap()).unwrap();
    let pem = std::fs::read_to_string(kit("golden/test-key.pem")).unwrap();
    let key = SigningKey::from_pem(&pem).unwrap().public();
    assert_eq!(key.keyid(), index["keyid"].as_str().unwrap());
    let mut good = 0;
    for case in index["cases"].as_array().unwrap() {
        let mut headers = HeaderMap::new();
        for (name, value) in case["headers"].as_object().unwrap() {
            headers.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.as_str().unwrap().parse().unwrap());
        }
        headers.insert("content-length", "1".parse().unwrap());
        let Some(claim) = Claim::read(&headers).unwrap() else { continue };
        let authority = index["authority"].as_str().unwrap();
        let message = |method, path| Message { method, authority, path, query: None, headers: &headers };
        let (method, path) = (case["method"].as_str().unwrap(), case["path"].as_str().unwrap());
        claim.verify(&message(method, path), &key).unwrap();
        assert!(
            claim.verify(&message("GET", path), &key).is_err() && claim.verify(&message(method, "/"), &key).is_err()
        );
        good += 1;
    }
    assert_eq!(good, 40);
}
