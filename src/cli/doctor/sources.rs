//! Sources: their dialect and what it cannot show, their folder, their address, their link.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::Path;

use super::finding::Finding;
use crate::config::{Config, Source};
use crate::daemon::clocks::in_words;
use crate::daemon::setup::SourcePlan;
use crate::daemon::status::Snapshot;
use crate::source::in_memory;

pub(super) fn broken_file(place: &str) -> Finding {
    Finding::fault(
        "dialect",
        format!("a dialect file of the site is wrong: {place}"),
        "the sources that use it understand no line",
        "smdrd check shows the line; then smdrd dialects reload",
    )
}

pub(super) fn look(config: &Config, snapshot: Option<&Snapshot>) -> Vec<Finding> {
    if config.source.is_empty() {
        return vec![Finding::warning(
            "source",
            "no source is configured",
            "the daemon is ready and hears nothing",
            "smdrd setup, or a [[source]] in the configuration",
        )];
    }
    let mut findings = Vec::new();
    match SourcePlan::all(config) {
        Ok(plans) => {
            for plan in plans.iter().filter(|plan| plan.plan.why_unusable().is_none()) {
                findings.push(cannot(&plan.name, &plan.dialect, plan.plan.cannot()));
            }
        }
        Err(error) => findings.push(Finding::fault(
            "dialect",
            error.to_string(),
            "smdrd does not start with it",
            "smdrd dialects list shows the dialects, smdrd dialects show ID the options of one",
        )),
    }
    for source in &config.source {
        if let Some(folder) = &source.folder {
            findings.push(folder_of(source.name.get_ref(), &folder.get_ref().path));
        }
        match (&source.tcp_listen, snapshot) {
            (Some(listen), None) => {
                let tried = TcpListener::bind(listen.get_ref().address).map(drop).map_err(|error| error.kind());
                findings.push(address(source, &listen.get_ref().address.to_string(), tried));
            }
            _ => findings.extend(snapshot.and_then(|snapshot| link(source, snapshot))),
        }
        findings.extend(snapshot.and_then(|snapshot| clock(source, snapshot)));
    }
    findings
}

fn cannot(name: &str, dialect: &str, cannot: &[String]) -> Finding {
    match cannot {
        [] => Finding::ok("dialect", format!("{name}: {dialect}")),
        cannot => Finding {
            why: "what it cannot show is null in the day document, and not 0".into(),
            ..Finding::ok("dialect", format!("{name}: {dialect} cannot show {}", cannot.join(", ")))
        },
    }
}

fn folder_of(name: &str, path: &Path) -> Finding {
    let place = path.display();
    match path.try_exists() {
        Ok(true) if !in_memory(path) => Finding::fault(
            "folder",
            format!("{name}: {place} is not in memory (tmpfs)"),
            "files there hold telephone numbers, which would be at rest on a disk",
            "name a folder below /run, such as /run/smdrd/drop",
        ),
        Ok(true) => Finding::ok("folder", format!("{name}: {place} is there, in memory")),
        Ok(false) => Finding::fault(
            "folder",
            format!("{name}: there is no {place}"),
            "nothing can be put there, and nothing is read",
            "make it at each start of the box with a line of tmpfiles.d; docs/sources.md has it",
        ),
        Err(reason) => Finding::warning(
            "folder",
            format!("{name}: {place} cannot be looked at ({reason})"),
            "whether files can be read there is not known",
            "run smdrd doctor as root",
        ),
    }
}

/// Whether the daemon could listen there, when it runs.
fn address(source: &Source, address: &str, tried: Result<(), ErrorKind>) -> Finding {
    let name = source.name.get_ref();
    let fault = |what: &str, remedy: &str| {
        Finding::fault("address", format!("{name}: {address} {what}"), "the PBX finds nobody to send to", remedy)
    };
    match tried {
        Ok(()) => Finding::ok("address", format!("{name}: {address} is free to listen on")),
        Err(ErrorKind::AddrInUse) => fault("is used by another program", "stop it (ss -ltnp), or take another port"),
        Err(ErrorKind::AddrNotAvailable) => {
            fault("is no address of this box", "correct tcp-listen.address (ip address shows the box's own)")
        }
        Err(ErrorKind::PermissionDenied) => fault("needs a privilege", "take a port above 1023"),
        Err(kind) => fault(&format!("cannot be listened on ({kind})"), "correct tcp-listen.address"),
    }
}

/// The PBX's clock, where the daemon has measured it.
fn clock(source: &Source, snapshot: &Snapshot) -> Option<Finding> {
    let name = source.name.get_ref();
    let clock = snapshot.sources.iter().find(|status| status.name == *name)?.clock.as_ref()?;
    let Some(says) = &clock.says else {
        return Some(Finding::ok("pbx-clock", format!("{name}: {}, by the box's clock", in_words(clock.offset_s))));
    };
    let judge = if clock.grave { Finding::fault } else { Finding::warning };
    Some(judge(
        "pbx-clock",
        format!("{name}: {says}"),
        "a call belongs to the half-hour that the PBX printed",
        "make sure of the box's own clock first (timedatectl), then set the PBX's; docs/clocks.md",
    ))
}

fn link(source: &Source, snapshot: &Snapshot) -> Option<Finding> {
    let name = source.name.get_ref();
    let Some(status) = snapshot.sources.iter().find(|status| status.name == *name) else {
        return Some(Finding::warning(
            "link",
            format!("{name}: the running daemon does not know it"),
            "it is not heard",
            "the configuration is read at the next systemctl restart smdrd",
        ));
    };
    Some(match (status.up, &status.cause) {
        (true, _) => Finding::ok("link", format!("{name}: up since {}", status.since.as_deref().unwrap_or("?"))),
        (false, cause) => Finding::warning(
            "link",
            format!("{name}: no link ({})", cause.as_deref().unwrap_or("none since the start")),
            "what the PBX prints meanwhile is not heard",
            "check cable, address and the PBX's own set-up; journalctl -u smdrd says what was tried",
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::State;
    use super::*;

    #[test]
    fn what_a_format_cannot_show_is_said_and_no_fault() {
        let found = cannot("pbx", "nec-sv8300", &["unanswered".into(), "ring".into()]);
        assert_eq!((found.state, found.what.as_str()), (State::Ok, "pbx: nec-sv8300 cannot show unanswered, ring"));
        assert_eq!(cannot("pbx", "3cx", &[]).what, "pbx: 3cx");
    }

    #[test]
    fn a_folder_is_in_memory_and_there() {
        let shm = Path::new("/dev/shm");
        if shm.is_dir() && in_memory(shm) {
            assert_eq!(folder_of("pbx", shm).state, State::Ok);
        }
        assert_eq!(folder_of("pbx", Path::new(env!("CARGO_MANIFEST_DIR"))).state, State::Fault);
        assert_eq!(folder_of("pbx", Path::new("/nonexistent/drop")).state, State::Fault);
    }
}
