//! What the file must say, counted from the calls that were played and from nothing else.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use smdrd::simulator::scenario::{Call, Parties, Step};

use crate::diary::Span;

/// By account, date, band, code and bucket.
pub type Cells = BTreeMap<[String; 5], u64>;

/// The published bands: their label, and their first minute and the first after them.
const BANDS: [(&str, i32, i32); 9] = [
    ("00:00 - 05:59", 0, 360),
    ("06:00 - 07:59", 360, 480),
    ("08:00 - 09:59", 480, 600),
    ("10:00 - 11:59", 600, 720),
    ("12:00 - 13:59", 720, 840),
    ("14:00 - 15:59", 840, 960),
    ("16:00 - 17:59", 960, 1_080),
    ("18:00 - 18:29", 1_080, 1_110),
    ("18:30 - 23:59", 1_110, 1_440),
];

/// The published buckets with their last second.
const BUCKETS: [(&str, u32); 8] = [
    ("0", 0),
    ("1_30", 30),
    ("31_60", 60),
    ("61_120", 120),
    ("121_180", 180),
    ("181_240", 240),
    ("241_300", 300),
    (">300", u32::MAX),
];

/// Puts every cell of an account's month in, at nothing.
pub fn blank(cells: &mut Cells, account: &str, span: &Span) {
    for day in span.days() {
        for (band, ..) in BANDS {
            let mut cell = |code: &str, bucket: &str| {
                cells.insert([account, &day.to_string(), band, code, bucket].map(str::to_owned), 0);
            };
            for code in ["CBT001", "CBT002", "CBT005", "CBT006"] {
                cell(code, "TOTAL");
            }
            for code in ["CBT003", "CBT004", "CBT007"] {
                BUCKETS.iter().for_each(|(bucket, _)| cell(code, bucket));
            }
        }
    }
}

/// Counts a call to the cells of its account, if they have its day.
pub fn count(cells: &mut Cells, account: &str, call: &Call, zone: &TimeZone) {
    let Parties::Inbound { .. } = call.parties else { return };
    let arrival = call.arrival.to_zoned(zone.clone()).datetime();
    let minute = i32::from(arrival.hour()) * 60 + i32::from(arrival.minute());
    let band = BANDS.iter().find(|(_, from, to)| (*from..*to).contains(&minute)).unwrap().0;
    let date = arrival.date().to_string();
    let mut add = |code: &str, bucket: &str| {
        if let Some(cell) = cells.get_mut(&[account, &date, band, code, bucket].map(str::to_owned)) {
            *cell += 1;
        }
    };
    let bucket = |seconds: u32| BUCKETS.iter().find(|(_, last)| seconds <= *last).unwrap().0;
    // The wait: all that rang until somebody of the staff answered, the menu left out. The time with staff: all of it.
    let (mut wait, mut talk, mut answered) = (0, 0, false);
    for step in &call.steps {
        match *step {
            Step::Ring { seconds, .. } if !answered => wait += seconds,
            Step::Talk { seconds, .. } => (answered, talk) = (true, talk + seconds),
            Step::Ring { .. } | Step::Menu { .. } | Step::Mailbox { .. } => {}
        }
    }
    add("CBT001", "TOTAL");
    if answered {
        add("CBT003", bucket(wait));
        add("CBT007", bucket(talk));
    } else if call.steps.iter().all(|step| matches!(step, Step::Menu { .. })) {
        add("CBT002", "TOTAL");
    } else {
        // The mailbox too.
        add("CBT004", bucket(wait));
    }
}
