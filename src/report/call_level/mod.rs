//! The call-level file: a row a call, for a supplier that cannot be sent counts. It holds nothing that names a caller or a
//! member of staff: no number, token, peer, station, line or DDI, and no second of arrival. Rows are in the order of what
//! they say, so that their order says nothing.

mod read;
mod template;

use jiff::civil::{Date, Time};

use crate::call::{Call, CallKind, Outcome};

pub use read::{RowError, Said, Seconds, shape};
pub use template::{Confirmed, Field, Template, TemplateError};

/// What is exported of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The civil day of its arrival.
    pub date: Date,
    /// Local time of its arrival.
    pub time: Time,
    /// What it came to.
    pub what: What,
    /// Seconds of waiting, of an answered or missed call.
    pub wait_s: Option<u32>,
    /// Seconds with staff, of an answered call.
    pub talk_s: Option<u32>,
}

/// What a row counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// CBT003 and CBT007.
    Answered,
    /// CBT002.
    EndedInMenu,
    /// CBT005.
    CallbackRequested,
    /// CBT004.
    Missed,
    /// CBT006: no inbound call, and not in CBT001.
    CallbackMade,
}

impl What {
    /// Each, in order.
    pub const ALL: [What; 5] =
        [What::Answered, What::EndedInMenu, What::CallbackRequested, What::Missed, What::CallbackMade];

    /// The key under `[outcomes]`.
    pub fn key(self) -> &'static str {
        match self {
            What::Answered => "answered",
            What::EndedInMenu => "ended-in-menu",
            What::CallbackRequested => "callback-requested",
            What::Missed => "missed",
            What::CallbackMade => "callback-made",
        }
    }

    /// Whether it counts in the metric of this number, 1 to 7.
    pub fn counts_in(self, metric: u8) -> bool {
        match self {
            What::Answered => matches!(metric, 1 | 3 | 7),
            What::EndedInMenu => matches!(metric, 1 | 2),
            What::CallbackRequested => matches!(metric, 1 | 5),
            What::Missed => matches!(metric, 1 | 4),
            What::CallbackMade => metric == 6,
        }
    }
}

/// The row of a call that arrived at this local time; nothing for a call that counts in none of the metrics.
pub fn row(call: &Call, date: Date, time: Time) -> Option<Row> {
    let what = match (call.kind, call.outcome) {
        (CallKind::Inbound, Some(Outcome::Answered)) => What::Answered,
        (CallKind::Inbound, Some(Outcome::IvrEnded)) => What::EndedInMenu,
        (CallKind::Inbound, Some(Outcome::CallbackRequested)) => What::CallbackRequested,
        (CallKind::Inbound, Some(_)) => What::Missed,
        (CallKind::Outbound, _) if call.callback_made => What::CallbackMade,
        _ => return None,
    };
    let wait_s = call.wait_s.filter(|_| matches!(what, What::Answered | What::Missed));
    let talk_s = call.talk_s.filter(|_| what == What::Answered);
    Some(Row { date, time, what, wait_s, talk_s })
}

/// The file: the header's bytes as the sample has them, and the rows.
pub fn file(template: &Template, rows: &[Row]) -> Result<Vec<u8>, csv::Error> {
    let mut cells: Vec<(Date, Vec<String>)> = rows.iter().map(|row| (row.date, template.cells(row))).collect();
    cells.sort();
    let mut body = csv::WriterBuilder::new()
        .terminator(if template.line_end == b"\r\n" { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') })
        .from_writer(Vec::new());
    for (_, row) in &cells {
        body.write_record(row)?;
    }
    let body = body.into_inner().map_err(|error| csv::Error::from(error.into_error()))?;
    Ok([&template.header, template.line_end, &body].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Row> {
        let day: Date = "2026-10-26".parse().unwrap();
        let row =
            |time: &str, what, wait_s, talk_s| Row { date: day, time: time.parse().unwrap(), what, wait_s, talk_s };
        vec![
            row("18:30:00", What::Missed, Some(61), None),
            row("18:29:59", What::Answered, Some(60), Some(301)),
            row("08:00:00", What::Answered, None, Some(0)),
            row("08:00:01", What::EndedInMenu, None, None),
            row("09:00:00", What::CallbackMade, None, None),
        ]
    }

    #[test]
    fn a_row_says_band_outcome_and_buckets_and_no_more() {
        let text = String::from_utf8(file(&Template::shipped(), &rows()).unwrap()).unwrap();
        assert_eq!(
            text,
            "CBT_System_Supplier_Name,Account_Number,Date,Time_Category,Outcome,Wait_Time,Duration\n\
             ,,2026-10-26,08:00 - 09:59,Answered,,0\n\
             ,,2026-10-26,08:00 - 09:59,Callback made,,\n\
             ,,2026-10-26,08:00 - 09:59,Ended during IVR,,\n\
             ,,2026-10-26,18:00 - 18:29,Answered,31_60,>300\n\
             ,,2026-10-26,18:30 - 23:59,Missed,61_120,\n"
        );
        let mut other = rows();
        other.reverse();
        assert_eq!(file(&Template::shipped(), &other).unwrap(), text.into_bytes(), "their order says nothing");
    }

    #[test]
    fn a_call_of_nobody_has_no_row_and_the_metrics_add_up() {
        for what in What::ALL {
            let inbound = what != What::CallbackMade;
            assert_eq!(what.counts_in(1), inbound);
            assert_eq!((2..=5).filter(|metric| what.counts_in(*metric)).count(), usize::from(inbound), "{what:?}");
            assert_eq!(what.counts_in(3), what.counts_in(7));
        }
    }
}
