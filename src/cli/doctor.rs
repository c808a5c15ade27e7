//! `smdrd doctor`: what of the box around the daemon would keep it from its work.
//!
//! Facts are gathered in one place each (`gather`), and judged by functions of the facts alone (`judge`).

mod daemon;
mod directories;
mod finding;
mod machine;
mod ports;
mod service;
mod sources;
mod supplier;
mod system;

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::json;

use crate::config::{self, Config};
use crate::dialect::{FileFault, Library};
use finding::{Finding, State, count as number};
use system::System;

/// Look the box over: ports, permissions, supplier, clock, disk, keys, service
///
/// Each check says what is, why it matters and what to do. Nothing is changed and nothing is stored. Run it as root: others
/// may not see who has a port open. Exit code 1 when something is a fault.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value_os_t = Config::default_path().to_owned())]
    config: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Where the system's own files are looked for
    #[arg(long, hide = true, value_name = "DIR", default_value = "/")]
    root: PathBuf,
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    let findings = look(&arguments);
    let count = |state| findings.iter().filter(|finding| finding.state == state).count();
    let (faults, warnings) = (count(State::Fault), count(State::Warning));
    if arguments.json {
        println!("{}", json!({ "faults": faults, "warnings": warnings, "checks": findings }));
    } else {
        findings.iter().for_each(|finding| print!("{finding}"));
        println!("{} checks: {}, {}", findings.len(), number(faults, "fault"), number(warnings, "warning"));
    }
    ExitCode::from(if faults > 0 { super::NOT_WELL } else { super::DONE })
}

fn look(arguments: &Arguments) -> Vec<Finding> {
    let system = System::new(&arguments.root);
    let mut findings = vec![Finding::ok("program", format!("smdrd {}", env!("CARGO_PKG_VERSION")))];
    let path = &arguments.config;
    let library = Library::of_site(&super::check::site_dialects(path));
    match &library {
        Ok(library) => {
            let faults = library.broken().iter().flat_map(|broken| &broken.faults);
            findings.extend(faults.map(|fault| sources::broken_file(&FileFault::place(fault))));
        }
        Err(error) => findings.push(sources::broken_file(&error.to_string())),
    }
    let known: Vec<String> = library.iter().flat_map(known).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let config = match config::inspect(path, &known) {
        Ok(checked) => {
            let sources = checked.config.source.len();
            findings.push(match checked.warnings.len() {
                0 => Finding::ok("configuration", format!("{}: good, {}", path.display(), number(sources, "source"))),
                odd => Finding::warning(
                    "configuration",
                    format!("{}: good, with {}", path.display(), number(odd, "warning")),
                    "what is odd is mostly not what was meant",
                    "smdrd check shows each with its line",
                ),
            });
            checked.config
        }
        Err(error) => {
            let what = error.to_string().lines().next().unwrap_or_default().to_owned();
            findings.push(Finding::fault(
                "configuration",
                what,
                "smdrd does not start with it, and nothing further can be looked at",
                "smdrd check shows every fault with its line",
            ));
            findings.extend(machine::look(&system, None));
            return findings;
        }
    };
    let running = daemon::gather(&config.runtime_dir);
    let account = system.service_account(&config.state_dir);
    findings.extend(daemon::judge(&running, &config));
    findings.extend(service::look(&system, &config));
    findings.extend(sources::look(&config, running.snapshot()));
    findings.extend(ports::look(&system, &config, &account, running.is_there()));
    findings.extend(directories::look(&config, &account));
    findings.extend(machine::look(&system, Some(&config)));
    findings.extend(supplier::look(&config, running.snapshot()));
    findings
}

fn known(library: &Library) -> Vec<String> {
    library.ids().map(str::to_owned).chain(library.broken().iter().map(|broken| broken.id.clone())).collect()
}
