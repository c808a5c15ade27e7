//! What happened on the day, as somebody in the room would tell it: calls, and what befell each, step by step.
//!
//! All durations are whole seconds, so that nothing that rounds can make a difference.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

/// Which of the practice's three PBXs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pbx {
    /// An Avaya IP Office at the front desk.
    Reception,
    /// A Siemens HiPath 3000 in the surgery across the yard.
    Surgery,
    /// A Panasonic KX in the annexe.
    Annexe,
}

/// Who called whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parties {
    /// From an exchange line to the practice.
    Inbound {
        /// The caller's number; none when it was withheld.
        caller: Option<String>,
        /// The practice's number that was called.
        ddi: String,
    },
    /// From the practice to an exchange line.
    Outbound {
        /// Who called.
        station: u16,
        /// The outside number.
        number: String,
    },
    /// From station to station.
    Internal {
        /// Who called.
        from: u16,
        /// Who was called.
        to: u16,
    },
    /// Somebody of the staff listened to the mailbox: neither to the outside nor to another station.
    MailboxCheck {
        /// Who listened.
        station: u16,
    },
}

/// What happened next in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The caller heard the menu.
    Menu {
        /// For how long.
        seconds: u32,
    },
    /// The caller waited: a hunt group, a station or the far end rang.
    Ring {
        /// The station that rang last; on an outgoing call, the one that called.
        station: u16,
        /// For how long.
        seconds: u32,
    },
    /// The caller spoke with a member of staff.
    Talk {
        /// With whom.
        station: u16,
        /// For how long, time on hold left out.
        seconds: u32,
        /// On hold, at the end of the conversation.
        hold: u32,
    },
    /// The caller was with the mailbox.
    Mailbox {
        /// For how long.
        seconds: u32,
    },
}

impl Step {
    /// How long it took.
    pub fn seconds(&self) -> u32 {
        match *self {
            Step::Menu { seconds } | Step::Ring { seconds, .. } | Step::Mailbox { seconds } => seconds,
            Step::Talk { seconds, hold, .. } => seconds + hold,
        }
    }
}

/// How an inbound call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// A member of staff spoke with the caller, whatever came later.
    Answered,
    /// The caller heard the menu and nothing else.
    IvrEnded,
    /// Nobody answered; the mailbox did.
    Voicemail,
    /// Nobody answered, and the caller gave up.
    GaveUp,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Where.
    pub pbx: Pbx,
    /// When it reached the PBX, or when a station began it.
    pub arrival: Timestamp,
    /// The exchange line it used, counted from 1; none when nothing outside took part.
    pub line: Option<u8>,
    /// Who with whom.
    pub parties: Parties,
    /// What happened, in order.
    pub steps: Vec<Step>,
}

impl Call {
    /// When it was over.
    pub fn end(&self) -> Timestamp {
        self.arrival + SignedDuration::from_secs(i64::from(self.length()))
    }

    /// From arrival to end, in seconds.
    pub fn length(&self) -> u32 {
        self.steps.iter().map(Step::seconds).sum()
    }

    /// Seconds until staff answered; the whole wait where none did. Time in the menu is no wait.
    pub fn wait(&self) -> u32 {
        let before = self.steps.iter().take_while(|step| !matches!(step, Step::Talk { .. }));
        before.map(|step| if let Step::Ring { seconds, .. } = step { *seconds } else { 0 }).sum()
    }

    /// Seconds of conversation with staff, over all who took the call, hold left out.
    pub fn talk(&self) -> u32 {
        self.steps.iter().map(|step| if let Step::Talk { seconds, .. } = step { *seconds } else { 0 }).sum()
    }

    /// How it ended, seen from the caller.
    pub fn ending(&self) -> Ending {
        if self.steps.iter().any(|step| matches!(step, Step::Talk { .. })) {
            return Ending::Answered;
        }
        match self.steps.last() {
            Some(Step::Menu { .. }) => Ending::IvrEnded,
            Some(Step::Mailbox { .. }) => Ending::Voicemail,
            _ => Ending::GaveUp,
        }
    }
}

/// A civil day and its calls.
#[derive(Debug, Clone)]
pub struct Day {
    /// Which day.
    pub date: Date,
    /// Where, and so when its midnights are.
    pub zone: TimeZone,
    /// Its calls by arrival.
    pub calls: Vec<Call>,
}

impl Day {
    /// The day's first instant and the first of the next day.
    pub fn bounds(&self) -> (Timestamp, Timestamp) {
        let midnight = |date: Date| {
            let zoned = date.at(0, 0, 0, 0).to_zoned(self.zone.clone());
            zoned.expect("midnight of a simulated day is within the calendar").timestamp()
        };
        (midnight(self.date), midnight(self.date.saturating_add(jiff::Span::new().days(1))))
    }

    /// When the wall clock shows `second` seconds after midnight.
    pub fn at(&self, second: i64) -> Timestamp {
        let wall = self.date.at(0, 0, 0, 0).saturating_add(jiff::Span::new().seconds(second));
        wall.to_zoned(self.zone.clone()).expect("a moment of a simulated day is within the calendar").timestamp()
    }
}

/// Stations, ports, lines and numbers of the practice, as its three PBXs know them.
pub mod site {
    /// The IP Office's stations: the first six are the front desk.
    pub const RECEPTION_STATIONS: [u16; 12] = [201, 202, 203, 204, 205, 206, 207, 208, 209, 210, 211, 212];
    /// The HiPath's stations.
    pub const SURGERY_STATIONS: [u16; 9] = [101, 102, 103, 104, 105, 106, 107, 108, 109];
    /// The IP Office's hunt group.
    pub const RECEPTION_GROUP: u16 = 200;
    /// The voicemail server's port that speaks the menu.
    pub const MENU_PORT: u16 = 9501;
    /// The voicemail server's port that takes messages.
    pub const MAILBOX_PORT: u16 = 9511;
    /// The station that is the HiPath's mailbox.
    pub const SURGERY_MAILBOX: u16 = 199;
    /// The Panasonic's stations.
    pub const ANNEXE_STATIONS: [u16; 7] = [121, 122, 123, 124, 125, 126, 127];
    /// The floating number of the Panasonic's ring group.
    pub const ANNEXE_GROUP: u16 = 301;
    /// The floating number of the Panasonic's voicemail.
    pub const ANNEXE_MAILBOX: u16 = 500;
    /// Exchange lines of the IP Office.
    pub const RECEPTION_LINES: u8 = 14;
    /// Exchange lines of the HiPath.
    pub const SURGERY_LINES: u8 = 10;
    /// Exchange lines of the Panasonic.
    pub const ANNEXE_LINES: u8 = 6;
    /// The practice's numbers on the IP Office, within Ofcom's range for drama.
    pub const RECEPTION_DDIS: [&str; 3] = ["01632960100", "01632960101", "01632960110"];
    /// The practice's number on the HiPath.
    pub const SURGERY_DDI: &str = "01632960150";
    /// The practice's numbers on the Panasonic: the ring group's, and a station's own.
    pub const ANNEXE_DDIS: [&str; 2] = ["01632960160", "01632960161"];
    /// Seizes an outside line on the IP Office.
    pub const ACCESS_DIGIT: &str = "9";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(steps: Vec<Step>) -> Call {
        let parties = Parties::Inbound { caller: None, ddi: site::SURGERY_DDI.to_owned() };
        Call { pbx: Pbx::Reception, arrival: Timestamp::UNIX_EPOCH, line: Some(1), parties, steps }
    }

    #[test]
    fn wait_leaves_the_menu_out_and_talk_leaves_hold_and_mailbox_out() {
        let menu = Step::Menu { seconds: 20 };
        let ring = Step::Ring { station: 201, seconds: 31 };
        let talk = Step::Talk { station: 201, seconds: 60, hold: 9 };
        let again = Step::Ring { station: 207, seconds: 5 };
        let mailbox = Step::Mailbox { seconds: 40 };
        let answered = call(vec![menu, ring, talk, again, mailbox]);
        assert_eq!((answered.wait(), answered.talk(), answered.length()), (31, 60, 165));
        assert_eq!(answered.ending(), Ending::Answered);
        assert_eq!(call(vec![menu]).ending(), Ending::IvrEnded);
        assert_eq!(call(vec![menu, ring]).ending(), Ending::GaveUp);
        assert_eq!(call(vec![ring, mailbox]).ending(), Ending::Voicemail);
        assert_eq!(call(vec![ring, mailbox]).wait(), 31);
    }
}
