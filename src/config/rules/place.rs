//! Where the box is: its directories, its zone, its name, how long it keeps things.

use crate::config::check::Findings;
use crate::config::rules::{is_slug, slug_remedy};
use crate::config::{Config, keys};

/// Days that lines and calls may be kept.
const CALL_DAYS: std::ops::RangeInclusive<u16> = 8..=400;

/// What the database may be given, in MiB.
const BUDGET: std::ops::RangeInclusive<u32> = 8..=1_048_576;
/// The largest reserve, in MiB.
const RESERVE: u32 = 1024;

pub fn check(config: &Config, findings: &mut Findings<'_>) {
    directories(config, findings);
    zone("zone", config.zone.get_ref(), findings);
    if let Some(device) = config.device.as_ref().map(|device| device.get_ref())
        && !is_slug(device)
    {
        findings.fault("device", "not a name that may stand in a URL", slug_remedy("device", device));
    }
    let days = *config.retention.call_days.get_ref();
    if !CALL_DAYS.contains(&days) {
        let (reason, remedy) = if days < *CALL_DAYS.start() {
            ("too few days: late lines and the week's report need 8", "keep at least 8, or leave the key out for 45")
        } else {
            ("more days than a practice may keep calls here", "keep at most 400; figures are kept 25 months anyway")
        };
        findings.fault("retention.call-days", reason, remedy);
    }
    if !BUDGET.contains(config.disk.budget_mib.get_ref()) {
        let remedy = "8 days of a busy practice want about 64 MiB; leave the key out for 1024";
        findings.fault("disk.budget-mib", "not a room that a database can keep to (8 to 1048576 MiB)", remedy);
    }
    if *config.disk.reserve_mib.get_ref() > RESERVE {
        findings.fault(
            "disk.reserve-mib",
            "more than is ever of use",
            "keep at most 1024, or leave the key out for 16",
        );
    }
}

fn directories(config: &Config, findings: &mut Findings<'_>) {
    let mut whole = true;
    for (key, directory) in [("state-dir", &config.state_dir), ("runtime-dir", &config.runtime_dir)] {
        if !directory.is_absolute() {
            whole = false;
            findings.fault(key, "not an absolute path", "begin it with a slash");
        }
    }
    if !config.dialects_dir.is_absolute() {
        findings.fault("dialects-dir", "not an absolute path", "begin it with a slash");
    }
    let (state, runtime) = (&config.state_dir, &config.runtime_dir);
    if whole && (state.starts_with(runtime) || runtime.starts_with(state)) {
        let named = if findings.says("runtime-dir") { "runtime-dir" } else { "state-dir" };
        let reason = "state-dir and runtime-dir are the same place, or one is inside the other";
        let remedy =
            "keep them apart: keys must be gone after a power cut (/run/smdrd), calls must not (/var/lib/smdrd)";
        findings.fault(named, reason, remedy);
    }
}

/// The zone named at `path` must exist.
pub fn zone(path: &str, name: &str, findings: &mut Findings<'_>) {
    if jiff::tz::TimeZone::get(name).is_err() {
        let known: Vec<String> = jiff::tz::db().available().map(|known| known.as_str().to_owned()).collect();
        let town = name.to_lowercase().replace(' ', "_");
        let by_town = || known.iter().find(|zone| zone.to_lowercase().ends_with(&format!("/{town}")));
        let near = keys::nearest(name, known.iter().map(String::as_str)).or_else(|| by_town().map(String::as_str));
        let remedy = match near {
            Some(zone) => format!("did you mean \"{zone}\"?"),
            None => "write a name of the tz database; in the United Kingdom \"Europe/London\"".to_owned(),
        };
        findings.fault(path, "there is no such time zone", remedy);
    } else if matches!(name, "GMT" | "UTC" | "Etc/UTC" | "Etc/GMT" | "Z" | "Zulu") {
        let remedy = "write \"Europe/London\", unless no summer time is really meant";
        findings.warn(path, "this zone has no summer time", remedy);
    }
}
