//! The practices: who has which PBX, and what went wrong where.

use jiff::Timestamp;
use smdrd::simulator::scenario::{Call, Day};

use crate::diary::{self, Span};
use crate::pbx::{self, Make};
use crate::stage::Printed;

/// When the link of a PBX is down.
#[derive(Clone)]
pub struct Outage {
    pub from: Timestamp,
    pub until: Timestamp,
    /// The PBX keeps what it would have printed, and prints it afterwards; else it is lost.
    pub kept: bool,
}

/// A site of a practice: one box, one PBX, one month.
pub struct Site {
    pub account: String,
    pub ods: String,
    pub site: String,
    pub make: Make,
    pub busy: i64,
    pub seed: u64,
    pub outages: Vec<Outage>,
    /// When the box is put up …
    pub begins: Timestamp,
    /// … and when it is looked at no more: two nights after the month, as what came late on its last day is sent in the
    /// second.
    pub ends: Timestamp,
    /// More keys of the source.
    pub keys: &'static str,
}

impl Site {
    pub fn device(&self) -> String {
        format!("smdrd-{}-{}", self.ods.to_lowercase(), self.site)
    }

    pub fn token(&self) -> String {
        format!("token-of-{}-and-long-enough", self.device())
    }

    /// What happens at it.
    pub fn calls(&self, span: &Span) -> Day {
        let mut day = diary::month(span, self.make.family.has, self.busy, self.seed);
        // Of a call that goes on over the edge of a loss the box has a part, which is neither nothing nor all.
        let torn = |call: &Call| {
            let edges =
                self.outages.iter().filter(|outage| !outage.kept).flat_map(|outage| [outage.from, outage.until]);
            edges.chain([self.begins]).any(|edge| (call.arrival..=call.end()).contains(&edge))
        };
        day.calls.retain(|call| !torn(call));
        day
    }

    /// What comes over its link, at the moments at which it does, and how many lines are lost.
    pub fn lines(&self, day: &Day) -> (Vec<Printed>, usize) {
        let mut lines = (self.make.family.print)(day);
        let all = lines.len();
        lines.retain(|line| !self.loses(line.at));
        for line in &mut lines {
            if let Some(outage) = self.outages.iter().find(|outage| (outage.from..outage.until).contains(&line.at)) {
                line.at = outage.until;
            }
        }
        let lost = all - lines.len();
        (lines, lost)
    }

    /// Whether what is printed at that moment never comes.
    pub fn loses(&self, at: Timestamp) -> bool {
        !(self.begins..self.ends).contains(&at)
            || self.outages.iter().any(|outage| !outage.kept && (outage.from..outage.until).contains(&at))
    }

    /// The part of its box's configuration that says where it is and what it hears.
    pub fn config(&self, source: &str) -> String {
        let family = &self.make.family;
        format!(
            "device = \"{device}\"\n[[practice]]\nods = \"{ods}\"\nsite = \"{site}\"\n\
             [features]\nauto-attendant = {menu}\n\
             [numbers]\nown = [\"01632960100-01632960199\"]\naccess-digits = [\"9\"]\n[roles.stations]\n{roles}\n\
             [[source]]\nname = \"pbx\"\ndialect = \"{dialect}\"\noptions = {{ {options} }}\n{keys}{source}",
            keys = self.keys,
            device = self.device(),
            ods = self.ods,
            site = self.site,
            menu = family.has.menu,
            roles = family.roles,
            dialect = family.dialect,
            options = family.options,
        )
    }
}

/// What is to become of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    In,
    /// In, for the operator has a reason.
    Accepted,
    /// Out, for these reasons, with blanks between them.
    Out(&'static str),
}

/// The practices of a supplier.
pub struct Practices {
    pub span: Span,
    pub sites: Vec<Site>,
    /// Each account with what becomes of it.
    pub accounts: Vec<(String, Fate)>,
}

/// The account of which one practice takes its agreement back.
pub const WITHDRAWN: &str = "0010";

impl Practices {
    /// So many practices, each some `busy` calls a working day from outside. Of every dozen the same six PBXs twice, with
    /// what happens in the life of boxes; beyond the first dozen most are only there.
    pub fn new(span: Span, many: usize, busy: i64) -> Practices {
        let mut practices = Practices { span, sites: Vec::new(), accounts: Vec::new() };
        (0..many).for_each(|number| practices.add(number, busy));
        practices
    }

    fn add(&mut self, number: usize, busy: i64) {
        let span = self.span.clone();
        let account = format!("{:04}", number + 1);
        let begins = span.at(span.first.yesterday().unwrap(), 43_200);
        let day = |day: i8, second: i64| span.at(span.first.with().day(day).build().unwrap(), second);
        let mut site = Site {
            account: account.clone(),
            ods: format!("A81{:03}", number + 1),
            site: "main".to_owned(),
            make: pbx::WHOLE[number % 6](),
            ends: span.at(span.last(), 86_400 * 2 + 36_000),
            keys: "",
            // Large and small, so that no two are alike.
            busy: busy + (number as i64 * 7) % busy.max(1),
            seed: 1_000 + number as u64,
            outages: Vec::new(),
            begins,
        };
        let lost = |from: i8, to: i8| Outage { from: day(from, 10_800), until: day(to, 10_800), kept: false };
        let mut fate = Fate::In;
        let mut branch: Option<Site> = None;
        match number {
            // The PBX keeps its last afternoon while the cable is out: the day is sent again, with what came late.
            1 => site.outages.push(Outage { from: day(8, 58_000), until: day(9, 33_000), kept: true }),
            // Two sites of one practice, each with its own PBX and box.
            2 => branch = Some(Site { site: "branch".to_owned(), make: pbx::WHOLE[5](), seed: 77, ..site_of(&site) }),
            // Three working days are lost.
            3 => {
                site.outages.push(lost(13, 16));
                fate = Fate::Out("not-observed");
            }
            4 => {
                site.outages.push(lost(13, 16));
                fate = Fate::Accepted;
            }
            6 => {
                site.make = pbx::silent();
                fate = Fate::Out("null unknown");
            }
            // Two practices on one account.
            7 => branch = Some(Site { ods: "B81007".to_owned(), make: pbx::WHOLE[0](), seed: 78, ..site_of(&site) }),
            // Put up on the third day.
            8 => {
                site.begins = day(3, 36_000);
                fate = Fate::Out("missing-days");
            }
            // A day of rest on which the box heard nothing: no working day, so nothing is amiss.
            11 => {
                let rest = span.days().find(|day| !diary::works(*day)).unwrap().day();
                site.outages.push(lost(rest, rest + 1));
            }
            // Further on, one in twenty has a line that is down for an hour now and then.
            number if number > 11 && number % 20 == 0 => {
                let down = |date: i8| Outage { from: day(date, 50_000), until: day(date, 53_600), kept: false };
                site.outages.extend([6, 20].map(down));
            }
            number if number > 11 && number % 20 == 10 => {
                site.outages.push(Outage { from: day(21, 36_000), until: day(21, 72_000), kept: true });
            }
            _ => {}
        }
        self.sites.push(site);
        self.sites.extend(branch);
        self.accounts.push((account, fate));
    }
}

/// The same account, practice and volume.
fn site_of(site: &Site) -> Site {
    Site {
        account: site.account.clone(),
        ods: site.ods.clone(),
        site: site.site.clone(),
        make: pbx::WHOLE[0](),
        busy: site.busy,
        seed: site.seed,
        outages: Vec::new(),
        begins: site.begins,
        ends: site.ends,
        keys: site.keys,
    }
}
