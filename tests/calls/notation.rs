//! How the tables write legs and calls.
//!
//! A leg is written as one line: its stamp (`08:00:00`, or with a date), then what the record says. `in out int tan`:
//! direction. `arr ans end evt unk`: what the stamp means, `arr` if nothing is said; `/60` a minute stamp. `+ -`:
//! answered, not answered. `r10 t60 h5`: seconds of ring, talk, hold. `x201` extension, `pV9501` port, `l3` trunk, `o4` trunk
//! onward, `d101` own DDI, `c7` peer, `#5` call id, `e2` its epoch, `s2` source. `more last`: continuation. `offered queue talk
//! transfer parallel`: kind of leg. `vm aa conf none`: party. `busy booked kept`: disposition.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use smdrd::call::{Assembler, Call, LineRef, Rules, Site, Wall};
use smdrd::config::Config;
use smdrd::dialect::{LinkKey, Linking};
use smdrd::number::{Anonymous, Class};
use smdrd::record::{Direction, Disposition, LegKind, MaskedRecord, Party, Stamp, StampKind};

pub fn london() -> TimeZone {
    TimeZone::get("Europe/London").unwrap()
}

pub fn site(more: &str) -> Site {
    let practice = if more.contains("[[practice]]") { "" } else { "[[practice]]\nods = \"A81001\"\n" };
    let config: Config = toml::from_str(&format!("{practice}{more}")).unwrap();
    Site::new(&config, &[("one".to_owned(), 1), ("two".to_owned(), 2)].into())
}

pub const ROLES: &str = r#"
[roles.stations]
"V9501" = "auto-attendant"
"V9511" = "voicemail"
"200" = "hunt-group"
"290" = "fax"
"291" = "alarm"
"292" = "lift"
"293" = "door"
[roles.trunks]
"80" = "tie"
"81" = "door"
"82" = "other"
"#;

pub fn by(key: LinkKey) -> Linking {
    let (window_s, slack_s) = (300, 3);
    match key {
        // The HiPath's rules.
        LinkKey::TrunkAndPeer => Linking {
            by: key,
            window_s,
            slack_s,
            joins: vec![LegKind::Transfer],
            chained: true,
            announced: vec![],
            opens: vec![],
            offer_s: None,
        },
        // The IP Office's.
        _ => Linking {
            by: key,
            window_s: 86_400,
            slack_s,
            joins: vec![],
            chained: false,
            announced: vec![],
            opens: vec![],
            offer_s: None,
        },
    }
}

pub fn number(own: Option<&str>, peer: Option<u32>) -> Anonymous {
    let own = own.map(Into::into);
    Anonymous { class: Class::Mobile, digits: 11, peer, token: peer.map(u64::from), own }
}

pub fn leg(text: &str) -> (u16, MaskedRecord) {
    let mut record = MaskedRecord::default();
    let mut words = text.split_whitespace();
    let at = words.next().unwrap();
    let at = if at.contains('T') { at.to_owned() } else { format!("2026-11-20T{at}") };
    let mut stamp =
        Stamp { kind: StampKind::Arrival, at: at.parse::<DateTime>().unwrap(), resolution_s: 1, ahead_s: 0 };
    let mut source = 1;
    for word in words {
        let rest = || word[1..].parse::<u32>().ok();
        match word {
            "in" => record.direction = Some(Direction::Inbound),
            "out" => record.direction = Some(Direction::Outbound),
            "int" => record.direction = Some(Direction::Internal),
            "tan" => record.direction = Some(Direction::Tandem),
            "arr" => stamp.kind = StampKind::Arrival,
            "ans" => stamp.kind = StampKind::Answer,
            "end" => stamp.kind = StampKind::End,
            "evt" => stamp.kind = StampKind::Event,
            "unk" => stamp.kind = StampKind::Unknown,
            "+" => record.answered = Some(true),
            "-" => record.answered = Some(false),
            "more" => record.continuation = Some(true),
            "last" => record.continuation = Some(false),
            "offered" => record.leg = LegKind::Offered,
            "queue" => record.leg = LegKind::Queue,
            "talk" => record.leg = LegKind::Talk,
            "transfer" => record.leg = LegKind::Transfer,
            "parallel" => record.leg = LegKind::Parallel,
            "vm" => record.party = Some(Party::Voicemail),
            "aa" => record.party = Some(Party::AutoAttendant),
            "conf" => record.party = Some(Party::Conference),
            "none" => record.party = Some(Party::Nobody),
            "busy" => record.disposition = Some(Disposition::Busy),
            "booked" => record.disposition = Some(Disposition::CallbackRequested),
            "kept" => record.disposition = Some(Disposition::CallbackMade),
            "/60" => stamp.resolution_s = 60,
            _ => match word.as_bytes()[0] {
                b'r' => record.ring_s = rest(),
                b't' => record.talk_s = rest(),
                b'h' => record.hold_s = rest(),
                b'x' => record.extension = Some(word[1..].into()),
                b'p' => record.port = Some(word[1..].into()),
                b'o' => record.onward = Some(word[1..].into()),
                b'l' => record.trunk = Some(word[1..].into()),
                b'd' => record.ddi = Some(number(Some(&word[1..]), None)),
                b'c' => record.cli = Some(number(None, rest())),
                b'#' => record.call_id = Some(word[1..].into()),
                b'e' => record.epoch = rest().unwrap(),
                b's' => source = rest().unwrap() as u16,
                _ => panic!("{word:?} means nothing"),
            },
        }
    }
    record.stamp = Some(stamp);
    (source, record)
}

/// The calls that the legs make, in the order of their first lines.
pub fn calls_at(site: Site, linking: &Linking, legs: &[&str]) -> Vec<Call> {
    let mut assembler = Assembler::new(site);
    for source in [1, 2] {
        assembler.source(source, Rules { linking: linking.clone(), zone: london() }, Wall::default());
    }
    let mut ids = std::collections::BTreeSet::new();
    for (seq, text) in (1..).zip(legs) {
        let (source, record) = leg(text);
        ids.insert(assembler.accept(LineRef { source, seq }, record).unwrap().id);
    }
    ids.into_iter().map(|id| assembler.call(id).unwrap()).collect()
}

/// What a call is, as the tables write it.
pub fn shown(call: &Call) -> String {
    let kind = serde_json::to_value(call.kind).unwrap();
    let mut text = kind.as_str().unwrap().to_owned();
    if !call.rule.is_empty() && call.rule != "outgoing" {
        text += &format!(" {}", call.rule);
    }
    for (name, seconds) in [("w", call.wait_s), ("t", call.talk_s)] {
        text += &seconds.map_or_else(String::new, |seconds| format!(" {name}{seconds}"));
    }
    if call.legs > 1 {
        text += &format!(" {} legs", call.legs);
    }
    if call.open {
        text += " open";
    }
    text
}

#[track_caller]
pub fn hold(linking: &Linking, roles: &str, cases: &[(&str, &[&str], &[&str])]) {
    for (name, legs, expected) in cases {
        let calls: Vec<String> = calls_at(site(roles), linking, legs).iter().map(shown).collect();
        assert_eq!(calls, *expected, "{name}");
    }
}
