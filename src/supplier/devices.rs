//! Boxes that are known, their keys, and the one-time codes that were given out: the rules. Where it is kept is the
//! archive's business; a step sees what it needs of it in [`Books`].
//!
//! A box has at most two keys that are good: the one in use and the one before it, for [`OVERLAP`]. A key that another one
//! followed may bring a further one only as long as that other one was never used: so a box that lost its new key gets on,
//! and whoever finds an old one does not.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::push::auth::enrolment::Enrolled;
use crate::push::signature::PublicKey;

/// For how long a code is good.
pub const CODE_HOLDS: SignedDuration = SignedDuration::from_mins(15);
/// For how long the key before is taken beside the one that followed it.
pub const OVERLAP: SignedDuration = SignedDuration::from_hours(30 * 24);
/// That a key is used is noted once in this time.
const NOTED_EACH: SignedDuration = SignedDuration::from_hours(24);

/// A code that was given out. The code itself is nowhere, its digest is its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeRow {
    /// SHA-256 of the code, in hex.
    pub digest: String,
    /// ODS codes that the box may send for.
    pub ods: Vec<String>,
    /// The only site, where it is bound to one.
    pub site: Option<String>,
    /// The box's name, where it is bound to one.
    pub device: Option<String>,
    /// Until when it is good.
    pub until: Timestamp,
    /// Name of the key that was enrolled with it.
    pub used_by: Option<String>,
}

/// A box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    /// Its name.
    pub device: String,
    /// ODS codes that it may send for.
    pub ods: Vec<String>,
    /// The only site, where it is bound to one.
    pub site: Option<String>,
    /// Since when it is known.
    pub added_at: Timestamp,
    /// When it was turned away.
    pub revoked_at: Option<Timestamp>,
}

/// A box's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRow {
    /// Its name: the RFC 7638 thumbprint.
    pub keyid: String,
    /// Whose it is.
    pub device: String,
    /// The public half.
    pub public: PublicKey,
    /// Since when it is known.
    pub added_at: Timestamp,
    /// Until when it is taken; for ever, where no other one followed it.
    pub until: Option<Timestamp>,
    /// When it was turned away.
    pub revoked_at: Option<Timestamp>,
    /// When it was last seen, to a day.
    pub used_at: Option<Timestamp>,
}

/// ODS codes as they are kept in one text.
pub fn joined(ods: &[String]) -> String {
    ods.join(",")
}

/// The same, read.
pub fn split(ods: &str) -> Vec<String> {
    ods.split(',').filter(|ods| !ods.is_empty()).map(str::to_owned).collect()
}

impl KeyRow {
    /// Whether it is taken.
    pub fn is_good(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.until.is_none_or(|until| now < until)
    }

    /// Whether it is time to note that it is in use: once a day.
    pub fn is_to_be_noted(&self, now: Timestamp) -> bool {
        self.used_at.is_none_or(|at| now.duration_since(at) >= NOTED_EACH)
    }
}

/// What of the archive's boxes, keys and codes a step needs; what the step changes is written back in the transaction that
/// it was read in.
#[derive(Debug, Default)]
pub struct Books {
    codes: BTreeMap<String, (CodeRow, bool)>,
    devices: BTreeMap<String, (DeviceRow, bool)>,
    keys: BTreeMap<String, (KeyRow, bool)>,
}

/// What is read for a step: the code of this digest, these keys and boxes, the boxes of those, and all the keys of those.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Digest of a code.
    pub code: Option<String>,
    /// Names of keys.
    pub keys: Vec<String>,
    /// Names of boxes.
    pub devices: Vec<String>,
}

impl Books {
    /// Takes in what the archive has of codes.
    pub fn read_code(&mut self, code: CodeRow) {
        self.codes.insert(code.digest.clone(), (code, false));
    }

    /// Takes in what the archive has of boxes.
    pub fn read_device(&mut self, device: DeviceRow) {
        self.devices.insert(device.device.clone(), (device, false));
    }

    /// Takes in what the archive has of keys.
    pub fn read_key(&mut self, key: KeyRow) {
        self.keys.insert(key.keyid.clone(), (key, false));
    }

    /// The boxes that what was read speaks of.
    pub fn named_devices(&self) -> BTreeSet<String> {
        let of_keys = self.keys.values().map(|(key, _)| key.device.clone());
        of_keys.chain(self.codes.values().filter_map(|(code, _)| code.device.clone())).collect()
    }

    /// What is to be written.
    pub fn changed(&self) -> (Vec<&CodeRow>, Vec<&DeviceRow>, Vec<&KeyRow>) {
        (changed(&self.codes), changed(&self.devices), changed(&self.keys))
    }

    /// The code of this digest.
    pub fn code(&self, digest: &str) -> Option<CodeRow> {
        self.codes.get(digest).map(|(code, _)| code.clone())
    }

    /// The box of this name.
    pub fn device(&self, device: &str) -> Option<DeviceRow> {
        self.devices.get(device).map(|(device, _)| device.clone())
    }

    /// The key of this name.
    pub fn key(&self, keyid: &str) -> Option<KeyRow> {
        self.keys.get(keyid).map(|(key, _)| key.clone())
    }

    /// The keys of a box, oldest first.
    pub fn keys(&self, device: &str) -> Vec<KeyRow> {
        let mut keys: Vec<KeyRow> =
            self.keys.values().map(|(key, _)| key).filter(|key| key.device == device).cloned().collect();
        keys.sort_by_key(|key| key.added_at);
        keys
    }

    /// Every box, by name.
    pub fn devices(&self) -> Vec<DeviceRow> {
        self.devices.values().map(|(device, _)| device.clone()).collect()
    }

    fn put_code(&mut self, code: CodeRow) {
        self.codes.insert(code.digest.clone(), (code, true));
    }

    fn put_device(&mut self, device: DeviceRow) {
        self.devices.insert(device.device.clone(), (device, true));
    }

    fn put_key(&mut self, key: KeyRow) {
        self.keys.insert(key.keyid.clone(), (key, true));
    }
}

fn changed<T>(rows: &BTreeMap<String, (T, bool)>) -> Vec<&T> {
    rows.values().filter(|(_, changed)| *changed).map(|(row, _)| row).collect()
}

/// Why a box is not enrolled, or its key not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody was given this code.
    CodeUnknown,
    /// It was used for another key.
    CodeUsed,
    /// It is too old.
    CodeExpired,
    /// A box of this name is known, for other practices.
    DeviceKnown(String),
    /// The key is another box's, or was turned away.
    KeyKnown,
    /// The key that brings it was followed by one that is in use.
    Superseded,
}

fn enrolled(device: &DeviceRow, key: &KeyRow, previous: Option<Timestamp>, replayed: bool) -> Enrolled {
    Enrolled {
        device: device.device.clone(),
        keyid: key.keyid.clone(),
        ods: device.ods.clone(),
        site: device.site.clone(),
        since: key.added_at,
        previous_until: previous,
        replayed,
    }
}

/// Makes `key` the one in use. `stays`: the one before it, which is taken for a while yet; every other ends.
fn follow(
    books: &mut Books,
    device: &str,
    key: PublicKey,
    stays: Option<&str>,
    now: Timestamp,
) -> (KeyRow, Option<Timestamp>) {
    let keyid = key.keyid();
    let mut previous = None;
    for mut other in books.keys(device).into_iter().filter(|other| other.keyid != keyid && other.is_good(now)) {
        let end = now.saturating_add(OVERLAP).unwrap_or(now);
        other.until = Some(match stays == Some(&other.keyid) {
            true => other.until.map_or(end, |until| until.min(end)),
            false => now,
        });
        previous = previous.max(other.until.filter(|until| *until > now));
        books.put_key(other);
    }
    let row = match books.key(&keyid) {
        Some(known) => KeyRow { until: None, ..known },
        None => KeyRow {
            keyid,
            device: device.to_owned(),
            public: key,
            added_at: now,
            until: None,
            revoked_at: None,
            used_at: None,
        },
    };
    books.put_key(row.clone());
    (row, previous)
}

/// Enrols a box: the key that it brings is its own from now on, and the code is used up.
pub fn enrol(
    books: &mut Books,
    digest: &str,
    key: PublicKey,
    named: &str,
    now: Timestamp,
) -> Result<Enrolled, Refusal> {
    let Some(code) = books.code(digest) else { return Err(Refusal::CodeUnknown) };
    let keyid = key.keyid();
    if let Some(used_by) = &code.used_by {
        // The answer was lost, and the box asks again.
        let known = books.key(&keyid).filter(|known| *used_by == keyid && known.is_good(now) && now <= code.until);
        let Some(known) = known else { return Err(Refusal::CodeUsed) };
        let Some(device) = books.device(&known.device) else { return Err(Refusal::CodeUsed) };
        return Ok(enrolled(&device, &known, None, true));
    }
    if now > code.until {
        return Err(Refusal::CodeExpired);
    }
    let name = code.device.clone().unwrap_or_else(|| named.to_owned());
    let before = books.device(&name);
    if let Some(before) = &before
        && code.device.is_none()
        && !before.ods.iter().all(|ods| code.ods.contains(ods))
    {
        return Err(Refusal::DeviceKnown(name));
    }
    if books.key(&keyid).is_some_and(|known| known.device != name || !known.is_good(now)) {
        return Err(Refusal::KeyKnown);
    }
    let device = DeviceRow {
        device: name.clone(),
        ods: code.ods.clone(),
        site: code.site.clone(),
        added_at: before.map_or(now, |before| before.added_at),
        revoked_at: None,
    };
    books.put_device(device.clone());
    // What the box signed with until now stays good for a while: it uses it until it has read this answer.
    let newest = books.keys(&name).into_iter().rfind(|other| other.is_good(now) && other.until.is_none());
    let (row, previous) = follow(books, &name, key, newest.as_ref().map(|newest| newest.keyid.as_str()), now);
    books.put_code(CodeRow { used_by: Some(keyid), ..code });
    Ok(enrolled(&device, &row, previous, false))
}

/// A box renews its key; `current` signed for it.
pub fn add_key(books: &mut Books, current: &str, key: PublicKey, now: Timestamp) -> Result<Enrolled, Refusal> {
    let Some(signer) = books.key(current).filter(|signer| signer.is_good(now)) else {
        return Err(Refusal::Superseded);
    };
    let Some(device) = books.device(&signer.device) else { return Err(Refusal::Superseded) };
    if let Some(known) = books.key(&key.keyid()) {
        if known.device != signer.device || !known.is_good(now) {
            return Err(Refusal::KeyKnown);
        }
        return Ok(enrolled(&device, &known, signer.until, true));
    }
    let in_use = |other: &KeyRow| other.keyid != current && other.is_good(now) && other.used_at.is_some();
    if signer.until.is_some() && books.keys(&signer.device).iter().any(|other| in_use(other) && other.until.is_none()) {
        return Err(Refusal::Superseded);
    }
    let (row, previous) = follow(books, &signer.device, key, Some(current), now);
    Ok(enrolled(&device, &row, previous, false))
}

/// The box and key that a signature names, where they are good.
pub fn recognise(books: &Books, keyid: &str, now: Timestamp) -> Option<(DeviceRow, KeyRow)> {
    let key = books.key(keyid).filter(|key| key.is_good(now))?;
    let device = books.device(&key.device).filter(|device| device.revoked_at.is_none())?;
    Some((device, key))
}

/// Notes that a key was used.
pub fn used(books: &mut Books, keyid: &str, now: Timestamp) {
    if let Some(key) = books.key(keyid) {
        books.put_key(KeyRow { used_at: Some(now), ..key });
    }
}

/// Turns a box away, with all its keys, or one of its keys alone. False when there is none such.
pub fn revoke(books: &mut Books, device: &str, keyid: Option<&str>, now: Timestamp) -> bool {
    let Some(known) = books.device(device) else { return false };
    let mut found = keyid.is_none();
    for key in books.keys(device).into_iter().filter(|key| keyid.is_none_or(|keyid| key.keyid == keyid)) {
        found = true;
        books.put_key(KeyRow { revoked_at: key.revoked_at.or(Some(now)), ..key });
    }
    if keyid.is_none() {
        books.put_device(DeviceRow { revoked_at: known.revoked_at.or(Some(now)), ..known });
    }
    found
}

/// Gives a code out.
pub fn give_code(books: &mut Books, code: CodeRow) {
    books.put_code(code);
}

/// Makes a box known without a key of its own: it shows a certificate.
pub fn introduce(books: &mut Books, device: &str, ods: &[String], site: Option<&str>, now: Timestamp) {
    let before = books.device(device);
    books.put_device(DeviceRow {
        device: device.to_owned(),
        ods: ods.to_vec(),
        site: site.map(str::to_owned),
        added_at: before.map_or(now, |before| before.added_at),
        revoked_at: None,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::push::signature::SigningKey;
    use proptest::prelude::*;

    fn public() -> PublicKey {
        SigningKey::generate().unwrap().public()
    }

    fn at(hours: i64) -> Timestamp {
        Timestamp::from_second(1_796_000_000).unwrap() + SignedDuration::from_hours(hours)
    }

    fn code(digest: &str, until: Timestamp, device: Option<&str>) -> CodeRow {
        let (digest, ods, device) = (digest.to_owned(), vec!["A81001".to_owned()], device.map(str::to_owned));
        CodeRow { digest, ods, site: None, device, until, used_by: None }
    }

    #[test]
    fn a_refusal_changes_nothing() {
        let mut books = Books::default();
        books.read_code(code("old", at(0), None));
        books.read_code(code("b", at(9), None));
        let (known, other) = (public(), public());
        let elsewhere = DeviceRow {
            device: "box".into(),
            ods: vec!["B82003".into()],
            site: None,
            added_at: at(0),
            revoked_at: None,
        };
        books.read_device(elsewhere);
        for (digest, key, name, refusal) in [
            ("none", known, "new", Refusal::CodeUnknown),
            ("old", known, "new", Refusal::CodeExpired),
            ("b", known, "box", Refusal::DeviceKnown("box".into())),
        ] {
            assert_eq!(enrol(&mut books, digest, key, name, at(1)), Err(refusal));
        }
        assert_eq!(add_key(&mut books, &known.keyid(), other, at(1)), Err(Refusal::Superseded));
        assert!(!revoke(&mut books, "new", None, at(1)) && !revoke(&mut books, "box", Some("none"), at(1)));
        let (codes, devices, keys) = books.changed();
        assert_eq!((codes.len(), devices.len(), keys.len()), (0, 0, 0));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Enrol,
        Add(usize),
        Use(usize),
        Revoke(usize),
        Wait(i64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            2 => Just(Step::Enrol),
            5 => (0_usize..8).prop_map(Step::Add),
            3 => (0_usize..8).prop_map(Step::Use),
            1 => (0_usize..8).prop_map(Step::Revoke),
            2 => (1_i64..1_500).prop_map(Step::Wait),
        ];
        prop::collection::vec(step, 1..40)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn a_box_has_two_good_keys_at_most_and_what_is_turned_away_stays_so(steps in steps()) {
            let (mut books, mut hours, mut given) = (Books::default(), 0, Vec::<String>::new());
            let mut away = BTreeSet::new();
            for (number, step) in steps.into_iter().enumerate() {
                let now = at(hours);
                let nth = |n: usize| given.get(n % given.len().max(1)).cloned().unwrap_or_default();
                match step {
                    Step::Wait(more) => hours += more,
                    Step::Enrol => {
                        let digest = number.to_string();
                        give_code(&mut books, code(&digest, now + CODE_HOLDS, Some("box")));
                        let key = public();
                        let first = enrol(&mut books, &digest, key, "other", now).unwrap();
                        let again = enrol(&mut books, &digest, key, "other", now).unwrap();
                        prop_assert_eq!((&first.device, &first.keyid, again.replayed), (&again.device, &again.keyid, true));
                        prop_assert_eq!(enrol(&mut books, &digest, public(), "other", now), Err(Refusal::CodeUsed));
                        given.push(first.keyid);
                    }
                    Step::Add(n) => {
                        let (signer, key) = (nth(n), public());
                        let good = books.key(&signer).is_some_and(|signer| signer.is_good(now));
                        if let Ok(added) = add_key(&mut books, &signer, key, now) {
                            prop_assert!(good, "only a good key brings another");
                            let again = add_key(&mut books, &signer, key, now).unwrap();
                            prop_assert!(again.replayed && again.keyid == added.keyid);
                            prop_assert!(recognise(&books, &signer, now).is_some(), "the one before stays good for now");
                            given.push(added.keyid);
                        }
                    }
                    Step::Use(n) => used(&mut books, &nth(n), now),
                    Step::Revoke(n) => {
                        revoke(&mut books, "box", Some(&nth(n)), now);
                        away.insert(nth(n));
                    }
                }
                let good: Vec<KeyRow> = books.keys("box").into_iter().filter(|key| key.is_good(at(hours))).collect();
                prop_assert!(good.len() <= 2, "{good:?}");
                prop_assert!(good.iter().filter(|key| key.until.is_none()).count() <= 1, "{good:?}");
                prop_assert!(good.iter().all(|key| !away.contains(&key.keyid)));
            }
        }
    }
}
