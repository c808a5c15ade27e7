//! What can be wrong, by name.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// For how long a link must be down before that is told: shorter, it is a plug that is put back, or a restart of the PBX.
const LINK: Duration = Duration::from_secs(5 * 60);

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Nothing is wrong: a test.
    Info,
    /// Somebody should look at it in the next days.
    Warning,
    /// Figures are being lost, or not sent.
    Critical,
}

/// What is wrong. The names are part of what a version promises; new ones may be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Code {
    /// Not a problem: a message to try the way.
    Test,
    /// No daemon is running. Seen by `smdrd status` only.
    NotRunning,
    /// Nothing can be stored.
    CannotStore,
    /// What is stored cannot be read.
    CannotRead,
    /// A source has no link.
    LinkDown,
    /// A source has a link and prints nothing, for longer than is normal for it at this time.
    Silent,
    /// Records that the PBX numbered never came.
    LinesMissing,
    /// Nearly nothing of a source is text.
    Garbled,
    /// A source's dialect file cannot be used.
    DialectUnusable,
    /// A dialect file was changed and could not be put in force.
    DialectKept,
    /// Too many lines are not understood.
    NotUnderstood,
    /// The older call logger is not there.
    RelayDown,
    /// Files of a drop folder cannot be read.
    FileInTheWay,
    /// Counters do not add up.
    BooksDiffer,
    /// A damaged database was set aside.
    DatabaseSetAside,
    /// Calls bear dates that cannot be.
    DatesOff,
    /// Calls are on no practice's list.
    CallsUnowned,
    /// The disk is nearly full.
    DiskLow,
    /// The supplier cannot be reached.
    SupplierUnreachable,
    /// What the box proves itself with is about to run out.
    CredentialsEnding,
    /// One day cannot be delivered.
    DayNotDelivered,
    /// A day is refused by the supplier.
    DayParked,
    /// The supplier does not take a practice.
    PracticeStopped,
    /// The supplier lost days that it gave receipts for.
    ReceiptsLost,
    /// The box's clock is wrong.
    ClockOff,
    /// A PBX's clock is wrong.
    PbxClockOff,
    /// Alerts themselves cannot be delivered.
    AlertsUndelivered,
}

impl Code {
    /// All of them.
    pub const ALL: [Code; 27] = [
        Code::Test,
        Code::NotRunning,
        Code::CannotStore,
        Code::CannotRead,
        Code::LinkDown,
        Code::Silent,
        Code::LinesMissing,
        Code::Garbled,
        Code::DialectUnusable,
        Code::DialectKept,
        Code::NotUnderstood,
        Code::RelayDown,
        Code::FileInTheWay,
        Code::BooksDiffer,
        Code::DatabaseSetAside,
        Code::DatesOff,
        Code::CallsUnowned,
        Code::DiskLow,
        Code::SupplierUnreachable,
        Code::CredentialsEnding,
        Code::DayNotDelivered,
        Code::DayParked,
        Code::PracticeStopped,
        Code::ReceiptsLost,
        Code::ClockOff,
        Code::PbxClockOff,
        Code::AlertsUndelivered,
    ];

    /// Its name, as in JSON and in the journal.
    pub fn word(self) -> &'static str {
        self.said().0
    }

    /// How bad it is.
    pub fn severity(self) -> Severity {
        self.said().1
    }

    /// What is wrong, in words that are the same on every box.
    pub fn headline(self) -> &'static str {
        self.said().2
    }

    /// What to do, in words that are the same on every box.
    pub fn remedy(self) -> &'static str {
        self.said().3
    }

    /// For how long it must hold before it is told, and be over before that is.
    pub fn hold(self) -> Duration {
        match self {
            Code::LinkDown | Code::RelayDown => LINK,
            _ => Duration::ZERO,
        }
    }

    fn said(self) -> (&'static str, Severity, &'static str, &'static str) {
        use Severity::{Critical, Info, Warning};
        match self {
            Code::Test => ("test", Info, "this is a test; nothing is wrong", "nothing is to be done"),
            Code::NotRunning => ("not-running", Critical, "no daemon is running", "systemctl start smdrd"),
            Code::CannotStore => (
                "cannot-store",
                Critical,
                "call records cannot be stored; they wait in memory",
                "make room on the box's disk, or have the disk looked at",
            ),
            Code::CannotRead => (
                "cannot-read",
                Critical,
                "the database cannot be read",
                "see journalctl -u smdrd on the box; have the disk looked at",
            ),
            Code::LinkDown => (
                "link-down",
                Critical,
                "no link to the PBX: calls are not observed",
                "check cable, power and address; smdrd status on the box says since when and why",
            ),
            Code::Silent => (
                "silent",
                Critical,
                "the PBX prints nothing, for longer than is normal at this time: calls may not be observed",
                "make a test call; look at the PBX's own switch for call records, and at the cable",
            ),
            Code::LinesMissing => (
                "lines-missing",
                Warning,
                "records that the PBX numbered never came",
                "look at cable and buffer between PBX and box; smdrd status on the box says how many",
            ),
            Code::Garbled => (
                "garbled",
                Critical,
                "nearly nothing that comes is text: calls are not observed",
                "set speed and parity as the PBX has them; smdrd detect finds them",
            ),
            Code::DialectUnusable => (
                "dialect-unusable",
                Critical,
                "the dialect file cannot be used: no line is understood",
                "put the file right, then smdrd dialects reload",
            ),
            Code::DialectKept => (
                "dialect-kept",
                Warning,
                "a changed dialect file is wrong; the rules before it are still in force",
                "put the file right, then smdrd dialects reload",
            ),
            Code::NotUnderstood => (
                "not-understood",
                Warning,
                "many of today's lines are not understood",
                "check the dialect and its options; smdrd tap shows the lines",
            ),
            Code::RelayDown => (
                "relay-down",
                Warning,
                "the older call logger is not there",
                "see whether it is switched on; what it misses is not repeated",
            ),
            Code::FileInTheWay => (
                "file-in-the-way",
                Warning,
                "files in the drop folder cannot be taken in",
                "smdrd status on the box names them",
            ),
            Code::BooksDiffer => (
                "books-differ",
                Critical,
                "counters do not add up",
                "run smdrd rebuild on the box, and report what it says",
            ),
            Code::DatabaseSetAside => (
                "database-set-aside",
                Critical,
                "the database was damaged and set aside; collecting goes on in a new one",
                "run smdrd recover on the box, and have the disk looked at",
            ),
            Code::DatesOff => {
                ("dates-off", Warning, "calls bear dates that cannot be, and are in no document", "set the PBX's clock")
            }
            Code::CallsUnowned => (
                "calls-unowned",
                Warning,
                "calls are on no practice's list, and in no document",
                "add their DDI, group or trunk to a [[practice]] or [[other-tenant]]",
            ),
            Code::DiskLow => {
                ("disk-low", Warning, "the disk is nearly full", "make room before nothing can be stored any more")
            }
            Code::SupplierUnreachable => (
                "supplier-unreachable",
                Warning,
                "the supplier cannot be reached; days are kept and sent later",
                "smdrd doctor on the box looks at the way there",
            ),
            Code::CredentialsEnding => (
                "credentials-ending",
                Warning,
                "what this box proves itself to the supplier with is about to run out",
                "ask the supplier for a new certificate for this box",
            ),
            Code::DayNotDelivered => (
                "day-not-delivered",
                Warning,
                "a day cannot be delivered, while others can",
                "smdrd status on the box says what the supplier answers",
            ),
            Code::DayParked => (
                "day-parked",
                Warning,
                "a day was refused by the supplier and waits for a person",
                "smdrd status on the box says which, why and what to do",
            ),
            Code::PracticeStopped => (
                "practice-stopped",
                Critical,
                "the supplier does not take this practice; nothing is sent for it",
                "ask the supplier; days are kept",
            ),
            Code::ReceiptsLost => (
                "receipts-lost",
                Critical,
                "the supplier does not list days that it gave receipts for",
                "ask the supplier what became of them",
            ),
            Code::ClockOff => (
                "clock-off",
                Warning,
                "the box's clock is wrong: calls may be counted in the wrong half hour",
                "set it (timedatectl) and let it be kept by NTP",
            ),
            Code::PbxClockOff => (
                "pbx-clock-off",
                Warning,
                "the PBX's clock is wrong: calls may be counted in the wrong half hour",
                "set the PBX's clock; smdrd status on the box says by how much it is off",
            ),
            Code::AlertsUndelivered => (
                "alerts-undelivered",
                Warning,
                "alerts cannot be delivered on this channel",
                "smdrd alerts test on the box says why",
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manual_has_a_row_for_each() {
        let manual = include_str!("../../docs/alerts.md");
        for code in Code::ALL {
            let severity = serde_json::to_value(code.severity()).unwrap();
            let begins = format!("| `{}` | {} | {} |", code.word(), severity.as_str().unwrap(), code.headline());
            assert!(manual.contains(&begins), "docs/alerts.md lacks {begins}");
        }
    }

    #[test]
    fn each_code_has_one_name_and_no_digit_in_its_words() {
        for code in Code::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.word());
            let words = format!("{}{}", code.headline(), code.remedy());
            assert!(!words.contains(|c: char| c.is_ascii_digit()), "{words}");
        }
        let names: std::collections::BTreeSet<_> = Code::ALL.iter().map(|code| code.word()).collect();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
