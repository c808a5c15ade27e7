//! What stations are, as far as the lines heard so far and an older log of the PBX prove it: answers to begin with.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::ask::{Ask, Stop};
use super::write::Draft;
use crate::call::discover::{Proposal, Sure};
use crate::config::{self, StationRole};
use crate::daemon::discover::of_lines;
use crate::dialect::Plan;

/// Where roles are looked for.
pub(super) struct Known<'a> {
    /// How the PBX's lines are read.
    pub plan: Plan,
    /// What came while its dialect was found out.
    pub bytes: &'a [u8],
    /// A file that an older logger wrote.
    pub log: Option<&'a Path>,
}

impl Known<'_> {
    /// What is proposed of stations that are no person's telephone, told to the installer with the evidence. Without a
    /// terminal nobody can say no: then only what is certain.
    pub fn proposed(self, ask: &Ask, draft: &Draft) -> Result<Vec<(String, StationRole)>, Stop> {
        let failed = |what: String| Stop::Failed(what);
        let checked = config::inspect_text(Path::new("the answers so far"), &draft.text(), &[])
            .map_err(|error| failed(error.report()))?;
        let log = match self.log {
            None => None,
            Some(path) => Some(File::open(path).map_err(|error| Stop::Wrong {
                flag: "--log",
                value: path.display().to_string(),
                reason: error.to_string(),
            })?),
        };
        let what = if log.is_some() { "the log" } else { "what was heard so far" };
        // The log is of the same PBX and longer; both would count calls twice.
        let mut bytes = self.bytes;
        let input: Box<dyn Read + '_> = match log {
            Some(log) => Box::new(log),
            None => Box::new(&mut bytes),
        };
        let (config, zone) = (&checked.config, checked.config.time_zone());
        let now = jiff::Timestamp::now();
        let found = of_lines(config, &draft.source, Arc::new(self.plan), zone, now, input)
            .map_err(|error| failed(format!("{what}: {error}")))?;
        let sure = |station: &&Proposal<StationRole>| match station.sure {
            Sure::Certain => true,
            Sure::Likely => ask.is_attended(),
            Sure::Open => false,
        };
        let special = found.stations.iter().filter(sure).filter_map(|station| {
            let role = station.role.filter(|role| *role != StationRole::Staff)?;
            Some((station, role))
        });
        let special: Vec<_> = special.collect();
        match special.as_slice() {
            [] if found.calls > 0 => ask.say(&format!(
                "{} calls in {what} prove no station to be anything but a telephone; `smdrd discover` says more after a few \
                 days.",
                found.calls
            )),
            [] => {}
            _ => ask.say(&format!("What {what} says of stations ({} calls); take it over, or say otherwise:", found.calls)),
        }
        for (station, role) in &special {
            let sure = if station.sure == Sure::Certain { "certainly" } else { "probably" };
            ask.say(&format!("  {} is {sure} {}: {}", station.name, word(*role), station.evidence.join("; ")));
        }
        Ok(special.into_iter().map(|(station, role)| (station.name.clone(), role)).collect())
    }
}

/// The role as the configuration has it.
pub(super) fn word(role: StationRole) -> &'static str {
    match role {
        StationRole::Staff => "staff",
        StationRole::HuntGroup => "hunt-group",
        StationRole::AutoAttendant => "auto-attendant",
        StationRole::Voicemail => "voicemail",
        StationRole::Fax => "fax",
        StationRole::Alarm => "alarm",
        StationRole::Lift => "lift",
        StationRole::Door => "door",
    }
}
