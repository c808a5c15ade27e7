//! `smdrd alerts`.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{Asking, table};
use crate::control::Request;
use crate::daemon::alerting::Tried;
use crate::daemon::status::Snapshot;

/// Say which alerts are open and whom they go to; exit 1 when one is open
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    order: Option<Order>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    asking: Asking,
}

#[derive(Debug, Subcommand)]
enum Order {
    Test(Test),
}

/// Send a test message over every channel, and say what came of each; exit 1 when one did not take it
#[derive(Debug, clap::Args)]
struct Test {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    asking: Asking,
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    let outcome = match arguments.order {
        Some(Order::Test(test)) => test.run(),
        None => open(&arguments.asking, arguments.json),
    };
    outcome.unwrap_or_else(|code| code)
}

fn read<T: serde::de::DeserializeOwned>(value: Value) -> Result<T, ExitCode> {
    serde_json::from_value(value).map_err(|error| {
        eprintln!("smdrd alerts: the daemon's answer cannot be read: {error}; is it of the same version?");
        ExitCode::from(super::NOT_WELL)
    })
}

fn outcome(well: bool) -> ExitCode {
    ExitCode::from(if well { super::DONE } else { super::NOT_WELL })
}

fn open(asking: &Asking, json: bool) -> Result<ExitCode, ExitCode> {
    let snapshot: Snapshot = read(asking.ask(Request::Status)?)?;
    if json {
        println!("{}", json!({ "alerts": snapshot.alerts, "channels": snapshot.channels }));
        return Ok(outcome(snapshot.alerts.is_empty()));
    }
    for problem in &snapshot.alerts {
        println!(
            "{} {}: {}",
            if problem.raised.is_some() { "told   " } else { "not yet" },
            problem.code.word(),
            problem.text()
        );
    }
    if snapshot.alerts.is_empty() {
        println!("nothing is wrong");
    }
    println!("\njournal    journalctl -u smdrd F_ALERT=…");
    let rows = snapshot.channels.iter().map(|channel| {
        vec![
            format!("{:9}", channel.channel.word()),
            channel.to.clone(),
            format!("{} waiting", channel.waiting),
            format!("last taken {}", channel.sent.as_deref().unwrap_or("never")),
            match (&channel.problem, channel.failed) {
                (Some(problem), 1..) => format!("{} tries: {problem}", channel.failed),
                _ => String::new(),
            },
            if channel.dropped > 0 { format!("{} given up", channel.dropped) } else { String::new() },
        ]
    });
    print!("{}", table(rows));
    if snapshot.channels.is_empty() {
        println!("nobody else: no [alerts] in the configuration");
    }
    Ok(outcome(snapshot.alerts.is_empty()))
}

impl Test {
    fn run(self) -> Result<ExitCode, ExitCode> {
        let value = self.asking.ask(Request::TestAlerts)?;
        let tried: Vec<Tried> = read(value.clone())?;
        if self.json {
            println!("{value}");
        } else {
            let came = |tried: &Tried| {
                let outcome = match &tried.problem {
                    Some(problem) => format!("NOT TAKEN: {problem}"),
                    None => "taken".to_owned(),
                };
                vec![tried.channel.clone(), tried.to.clone().unwrap_or_default(), outcome]
            };
            print!("{}", table(tried.iter().map(came)));
            if tried.len() == 1 {
                println!("nobody else: no [alerts] in the configuration");
            }
        }
        Ok(outcome(tried.iter().all(|tried| tried.problem.is_none())))
    }
}
