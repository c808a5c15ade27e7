//! What practices of England look like in the collection's publication, to see what of a feed looks otherwise.

use super::field::Code;

/// Share of inbound calls that practices have: 5th percentile, median, 95th percentile, in tenths of a percent. Source:
/// the publication's summary workbook for February 2026, 4,771 practices that are named.
pub const SHARES: [(Code, [u64; 3]); 4] = [
    (Code::Cbt003, [323, 621, 806]),
    (Code::Cbt002, [120, 234, 393]),
    (Code::Cbt005, [0, 29, 209]),
    (Code::Cbt004, [26, 84, 225]),
];

/// Inbound calls a month that practices have: 5th percentile, median, 95th percentile. Source as above.
pub const INBOUND: [u64; 3] = [1_915, 4_883, 11_955];

/// A figure that is outside what nine practices in ten have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlier {
    /// The metric.
    pub code: Code,
    /// What it is: calls for CBT001, else tenths of a percent of them.
    pub is: u64,
    /// The published 5th and 95th percentile.
    pub range: (u64, u64),
    /// What is the likely cause.
    pub cause: &'static str,
}

impl Outlier {
    /// In words.
    pub fn said(&self) -> String {
        let (from, to) = self.range;
        let tenths = |tenths: u64| format!("{}.{}", tenths / 10, tenths % 10);
        let cause = self.cause;
        match self.code {
            Code::Cbt001 => {
                format!("{} inbound calls in the month; nine practices in ten have {from} to {to}: {cause}", self.is)
            }
            code => format!(
                "{} is {} % of inbound calls; nine practices in ten have {} to {} %: {cause}",
                code.word(),
                tenths(self.is),
                tenths(from),
                tenths(to)
            ),
        }
    }
}

/// What of a practice's month is outside the published range. `count` gives a metric's count.
pub fn outliers(count: impl Fn(Code) -> u64) -> Vec<Outlier> {
    let calls = count(Code::Cbt001);
    let mut found = Vec::new();
    let [low, _, high] = INBOUND;
    if !(low..=high).contains(&calls) {
        let range = (low, high);
        found.push(Outlier { code: Code::Cbt001, is: calls, range, cause: cause(Code::Cbt001, calls > high) });
    }
    if calls == 0 {
        return found;
    }
    for (code, [low, _, high]) in SHARES {
        let share = count(code) * 1_000 / calls;
        if !(low..=high).contains(&share) {
            found.push(Outlier { code, is: share, range: (low, high), cause: cause(code, share > high) });
        }
    }
    found
}

/// The likely cause of a figure that is too high or too low.
pub fn cause(code: Code, high: bool) -> &'static str {
    match (code, high) {
        (Code::Cbt001, true) => {
            "a large practice, or two PBXs counting the same call (is the tie between them declared?)"
        }
        (Code::Cbt001, false) => {
            "a small practice, lines that are not in the feed, or unanswered calls that the PBX does not print"
        }
        (Code::Cbt002, true) => "is a station of the menu also where people answer? Roles say who is who",
        (Code::Cbt002, false) => {
            "is there a menu whose ports have no role, so that its calls count as answered or missed?"
        }
        (Code::Cbt003 | Code::Cbt007, true) => {
            "does the PBX print unanswered calls? Do the menu's and voicemail's ports have their roles?"
        }
        (Code::Cbt003 | Code::Cbt007, false) => {
            "are all stations that answer in the feed? A group that overflows to a mobile may not be"
        }
        (Code::Cbt004, true) => {
            "is the menu's hanging up counted as missed for want of a role? Does overflow print as a call of its own?"
        }
        (Code::Cbt004, false) => "does the PBX print unanswered calls at all?",
        (Code::Cbt005 | Code::Cbt006, true) => "are ordinary outgoing calls taken for calls back?",
        (Code::Cbt005 | Code::Cbt006, false) => "is there a call-back that the records do not show?",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_practice_in_the_middle_is_none_and_one_at_the_edge_is_none_either() {
        let median = |code| match code {
            Code::Cbt001 => 4_883,
            Code::Cbt002 => 1_143,
            Code::Cbt003 | Code::Cbt007 => 3_032,
            Code::Cbt004 => 410,
            _ => 141,
        };
        assert!(outliers(median).is_empty());
        let odd = outliers(|code| match code {
            Code::Cbt001 => 5_000,
            Code::Cbt003 | Code::Cbt007 => 4_500,
            _ => 100,
        });
        let codes: Vec<&str> = odd.iter().map(|outlier| outlier.code.word()).collect();
        assert_eq!(codes, ["CBT003", "CBT002", "CBT004"]);
        assert!(
            odd[0].said().starts_with("CBT003 is 90.0 % of inbound calls; nine practices in ten have 32.3 to 80.6 %")
        );
    }
}
