//! The golden documents: made without a line of this program (`packaging/golden`), so that each is proof of the other.

use std::process::Command;

use jiff::civil::Date;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use smdrd::aggregate::document::{DayDocument, canonical};
use smdrd::push::parcel::{content_digest, sha256_hex};
use smdrd::push::{MEDIA_TYPE, Parcel, Receipt};
use smdrd::supplier::problem::Kind;
use smdrd::supplier::verify::{Address, verify};

use super::feed::TOKEN;
use super::{kit, receiver, schema, tools};

fn index() -> Value {
    serde_json::from_slice(&std::fs::read(kit("golden/cases.json")).unwrap()).unwrap()
}

fn all() -> Vec<(Value, Vec<u8>)> {
    let index = index();
    let cases = index["cases"].as_array().unwrap().iter();
    cases
        .map(|case| (case.clone(), std::fs::read(kit("golden").join(case["file"].as_str().unwrap())).unwrap()))
        .collect()
}

fn text<'a>(case: &'a Value, member: &str) -> &'a str {
    case[member].as_str().unwrap_or_else(|| panic!("{member} of {case}"))
}

#[test]
fn good_documents_are_canonical_as_the_box_writes_them_and_hold_to_the_schema() {
    let mut good = 0;
    for (case, body) in all() {
        assert_eq!(text(&case, "sha256"), sha256_hex(&body), "{case}");
        if case["expect"]["status"].as_u64().unwrap() >= 300 {
            continue;
        }
        good += 1;
        let value: Value = serde_json::from_slice(&body).unwrap();
        schema::assert_valid(&value);
        assert_eq!(canonical(&value).unwrap(), body, "{case}");
        assert_eq!(case["headers"]["Content-Type"], MEDIA_TYPE);
        assert_eq!(case["headers"]["Content-Digest"], content_digest(&body));
        // What the box itself would send is the same to the byte, where it knows every member.
        let document: DayDocument = serde_json::from_slice(&body).unwrap();
        if case["name"] != "unknown-members" {
            assert_eq!(Parcel::of(&document).unwrap().body, body, "{case}");
        }
    }
    assert_eq!(good, 8);
    let slots = |name: &str| {
        let day: Value = serde_json::from_slice(&std::fs::read(kit("golden").join(name)).unwrap()).unwrap();
        day["slots"].as_array().unwrap().len()
    };
    assert_eq!(["ordinary.json", "dst-46.json", "dst-50.json"].map(slots), [48, 46, 50]);
}

#[test]
fn nothing_stands_in_the_folder_that_the_list_does_not_have() {
    let mut named: Vec<String> = all().iter().map(|(case, _)| text(case, "file").to_owned()).collect();
    named.sort();
    named.dedup();
    let mut there = Vec::new();
    for (folder, before) in [("golden", ""), ("golden/bad", "bad/")] {
        for entry in std::fs::read_dir(kit(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".json") && name != "cases.json" {
                there.push(format!("{before}{name}"));
            }
        }
    }
    there.sort();
    assert_eq!(there, named);
}

/// In the order of the list, to a receiver that holds nothing.
#[tokio::test]
async fn our_receiver_answers_each_as_the_list_says() {
    let folder = tempfile::tempdir().unwrap();
    let feed = receiver(folder.path(), None);
    let client = Client::new();
    for (case, body) in all() {
        let method: Method = text(&case, "method").parse().unwrap();
        let mut request = client.request(method, format!("{}{}", feed.url(), text(&case, "path"))).bearer_auth(TOKEN);
        // The signatures are of another moment and host.
        for (name, value) in
            case["headers"].as_object().unwrap().iter().filter(|(name, _)| !name.starts_with("Signature"))
        {
            request = request.header(name, value.as_str().unwrap());
        }
        let response = request.body(body.clone()).send().await.unwrap();
        let (status, expected) = (response.status().as_u16(), &case["expect"]);
        let said: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        assert_eq!(status, expected["status"], "{} {said}", case["name"]);
        if status < 300 {
            schema::assert_is("receipt", &said);
            let receipt: Receipt = serde_json::from_value(said).unwrap();
            let document: DayDocument = serde_json::from_slice(&body).unwrap();
            let sent = Parcel::of(&document).unwrap();
            let sent = Parcel { sha256: sha256_hex(&body), body, ..sent };
            assert_eq!(receipt.difference(&sent), None);
            assert_eq!(receipt.replayed, expected["replayed"] == true, "{}", case["name"]);
        } else {
            schema::assert_is("problem", &said);
            let kind = Kind::ALL.into_iter().find(|kind| kind.name() == text(expected, "type")).unwrap();
            assert_eq!((said["type"].as_str().unwrap(), status), (kind.uri().as_str(), kind.status().as_u16()));
            for member in ["field", "held_revision", "held_sha256"] {
                assert!(expected.get(member).is_none() || expected[member] == said[member], "{} {said}", case["name"]);
            }
        }
    }
    assert_eq!(feed.revisions(), 7);
    let held: Vec<Date> = [(2026, 3, 29), (2026, 10, 25), (2026, 11, 19), (2026, 11, 20)]
        .map(|(year, month, day)| jiff::civil::date(year, month, day))
        .into();
    let url = format!("{}/v1/practices/A81001/sites/main/days", feed.url());
    let list = client.get(url).bearer_auth(TOKEN).send().await.unwrap().bytes().await.unwrap();
    let list: Value = serde_json::from_slice(&list).unwrap();
    schema::assert_is("manifest", &list);
    let days: Vec<Date> =
        list.as_array().unwrap().iter().map(|day| day["date"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(days, held);
}

/// What RFC 9421 says is signed, written down here once more; and openssl, which made the signatures, takes them, and takes no
/// other.
#[test]
fn signatures_are_of_what_is_sent() {
    if !tools() {
        return;
    }
    let (index, folder) = (index(), tempfile::tempdir().unwrap());
    let mut signed = 0;
    for (case, _) in all().iter().filter(|(case, _)| case["headers"].get("Signature").is_some()) {
        let input = text(&case["headers"], "Signature-Input");
        let parameters = input.strip_prefix("smdrd=").unwrap();
        let base = format!(
            "\"@method\": {}\n\"@authority\": {}\n\"@path\": {}\n\"@query\": ?\n\"content-digest\": {}\n\"content-type\": {}\n\
             \"@signature-params\": {parameters}",
            text(case, "method"),
            text(&index, "authority"),
            text(case, "path"),
            text(&case["headers"], "Content-Digest"),
            text(&case["headers"], "Content-Type"),
        );
        assert_eq!(text(case, "signature_base"), base);
        let keyid = format!(";keyid=\"{}\";alg=\"ed25519\";tag=\"smdrd\"", text(&index, "keyid"));
        assert!(parameters.ends_with(&keyid), "{parameters}");
        signed += 1;
        // A process for each would take long; the first stands for all that follow.
        if signed > 2 {
            continue;
        }
        let signature = text(&case["headers"], "Signature").strip_prefix("smdrd=:").unwrap().strip_suffix(':').unwrap();
        use base64::Engine;
        let signature = base64::engine::general_purpose::STANDARD.decode(signature).unwrap();
        std::fs::write(folder.path().join("signature"), signature).unwrap();
        let takes = |base: &str| {
            std::fs::write(folder.path().join("base"), base).unwrap();
            let mut command = Command::new("openssl");
            command.args(["pkeyutl", "-verify", "-rawin", "-pubin", "-inkey"]).arg(kit("golden/test-key.pub.pem"));
            command.arg("-sigfile").arg(folder.path().join("signature")).arg("-in").arg(folder.path().join("base"));
            command.output().unwrap().status.success()
        };
        assert!(takes(&base) && !takes(&base.replace("main", "mine")), "{}", case["name"]);
    }
    assert!(signed > 35, "{signed}");
}

fn every(at: &str, value: &Value, places: &mut Vec<String>) {
    places.push(at.to_owned());
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| every(&format!("{at}/{name}"), value, places))
        }
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(index, value)| every(&format!("{at}/{index}"), value, places));
        }
        _ => {}
    }
}

/// Whatever the schema refuses, the receiver refuses: at every place of a document, with what cannot stand there. A supplier who
/// checks by the schema alone takes more than ours (sums, midnights), never less.
#[test]
fn what_the_schema_refuses_the_receiver_refuses() {
    let address = Address::parse("A81001", "main", "2026-11-20").unwrap();
    let day: Value = serde_json::from_slice(&std::fs::read(kit("golden/ordinary.json")).unwrap()).unwrap();
    let mut places = Vec::new();
    every("", &day, &mut places);
    // One slot stands for all and for the totals, the first count of a histogram for the others.
    let telling = |at: &&String| {
        let figures = at.starts_with("/slots/16") || !(at.starts_with("/slots/") || at.starts_with("/totals/"));
        let first = at.rsplit('/').next().is_some_and(|last| matches!(last, "0" | "16") || last.parse::<u8>().is_err());
        !at.is_empty() && figures && first
    };
    let places = places.iter().filter(telling);
    let values = [
        json!(null),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(9_007_199_254_740_992_u64),
        json!(u64::MAX),
        json!(true),
        json!(""),
        json!("x"),
        json!("\u{0}"),
        json!("caf\u{e9}"),
        json!("2026-11-20T00:00:00"),
        json!("2026-11-20T00:00:00+00:00"),
        json!([]),
        json!([0]),
        json!({}),
    ];
    let (mut refused, mut lax) = (0, Vec::new());
    for at in places {
        let (parent, name) = at.rsplit_once('/').unwrap();
        let mut bad: Vec<(String, Value)> = Vec::new();
        let mut without = day.clone();
        if let Some(members) = without.pointer_mut(parent).and_then(Value::as_object_mut) {
            members.remove(name);
            bad.push(("absent".to_owned(), without));
        }
        for value in &values {
            let mut other = day.clone();
            *other.pointer_mut(at).unwrap() = value.clone();
            bad.push((value.to_string(), other));
        }
        for (what, document) in bad.into_iter().filter(|(_, document)| !schema::VALIDATOR.is_valid(document)) {
            refused += 1;
            if verify(&serde_json::to_vec(&document).unwrap(), &address).is_ok() {
                lax.push(format!("{at} = {what}"));
            }
        }
    }
    assert!(lax.is_empty(), "{} of {refused}: {lax:#?}", lax.len());
    assert!(refused > 800, "{refused}");
}
