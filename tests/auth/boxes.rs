//! Boxes and codes.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use smdrd::clock::Clock;
use smdrd::push::auth::DeviceKey;
use smdrd::push::auth::code::OneTimeCode;
use smdrd::push::auth::enrolment::{Enrolled, Enrolment};
use smdrd::push::{Client, Delivery, Route, Signed};

use super::feed::Feed;
use super::rig::{Pbx, Rig, SITE};

/// `smdr-feed` with a verb, in the folder of a receiver.
pub fn smdr_feed(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_smdr-feed"));
    command.args(arguments).arg("--store").arg(folder.join("store.db")).env_remove("RUST_LOG").output().unwrap()
}

/// What `smdr-feed … --json` prints.
pub fn told(folder: &Path, arguments: &[&str]) -> Value {
    let output = smdr_feed(folder, &[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A code for A81001, or what else is asked for.
pub fn code(folder: &Path, more: &[&str]) -> String {
    told(folder, &[&["enrol", "--ods", "A81001"], more].concat())["code"].as_str().unwrap().to_owned()
}

pub fn new_key(device: &str) -> DeviceKey {
    DeviceKey::generate(Some(device.to_owned()), Timestamp::now(), None).unwrap()
}

/// The same key once more, as a box that read its file again.
pub fn again(key: &DeviceKey) -> DeviceKey {
    let key = smdrd::push::signature::SigningKey::from_pem(&key.key.to_pem()).unwrap();
    DeviceKey { device: Some("smdrd-test".into()), since: Some(Timestamp::now()), code: None, key }
}

pub fn client(url: &str, key: DeviceKey) -> Client {
    Client::new(&Route { url, ..Route::default() }, Arc::new(Signed::with(key)), Clock::system()).unwrap()
}

/// Enrols a key without a box.
pub async fn enrol(url: &str, code: &str, key: &DeviceKey, device: &str) -> Result<Enrolled, Delivery> {
    let asked = Enrolment { code: code.to_owned(), key: key.key.public().jwk(), device: device.to_owned() };
    client(url, again(key)).enrol(&asked).await
}

/// The last part of a refusal's type.
pub fn kind(delivery: &Delivery) -> String {
    let problem = match delivery {
        Delivery::Parked { problem }
        | Delivery::Unauthorised { problem, .. }
        | Delivery::Forbidden { problem }
        | Delivery::NotParticipating { problem }
        | Delivery::Gone { problem }
        | Delivery::Stale { problem, .. } => problem,
        other => panic!("no refusal: {other:?}"),
    };
    problem.kind.as_deref().unwrap().rsplit(':').next().unwrap().to_owned()
}

/// A code that is in form and was given to nobody.
pub fn unknown_code() -> String {
    OneTimeCode::generate().unwrap().shown().to_string()
}

/// A box that began to collect on 20 November, and has that day to send from the 21st on.
pub fn with_a_day(supplier: &str) -> Rig {
    let pbx = Pbx::tcp("reception", "avaya-ipoffice");
    let mut rig = Rig::new(SITE, std::slice::from_ref(&pbx));
    rig.run(&super::rig::clock("2026-11-20T15:00:00Z", 1)).stop();
    rig.supplier = format!("[supplier]\n{supplier}");
    rig
}

/// What a push came to: state and problem of its only day.
pub fn pushed(rig: &Rig, clock: &str) -> (String, String) {
    let (_, sent) = rig.json(&["push"], clock);
    let days = sent.as_array().unwrap();
    assert_eq!(days.len(), 1, "{sent:#}");
    let text = |name: &str| days[0][name].as_str().unwrap_or_default().to_owned();
    (text("state"), text("problem"))
}

/// Who sent the only document that is held.
pub fn sender(feed: &Feed) -> Value {
    let kept: String = feed.store().query_row("SELECT sender FROM day_revision", [], |row| row.get(0)).unwrap();
    serde_json::from_str(&kept).unwrap()
}
