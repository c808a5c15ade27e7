//! `smdrd status`.

use std::process::ExitCode;

use super::{Asking, table};
use crate::control::Request;
use crate::daemon::status::{Snapshot, SupplierStatus};

/// Say how the daemon is; exit 1 when something is not well
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Print the snapshot as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    asking: Asking,
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    let value = match arguments.asking.ask(Request::Status) {
        Ok(value) => value,
        Err(code) => return code,
    };
    let snapshot: Snapshot = match serde_json::from_value(value.clone()) {
        Ok(snapshot) => snapshot,
        Err(error) => {
            eprintln!("smdrd status: the daemon's answer cannot be read: {error}; is it of the same version?");
            return ExitCode::from(super::NOT_WELL);
        }
    };
    if arguments.json {
        println!("{value}");
    } else {
        print!("{}", readable(&snapshot));
    }
    if snapshot.well { ExitCode::SUCCESS } else { ExitCode::from(super::NOT_WELL) }
}

fn readable(snapshot: &Snapshot) -> String {
    let mut text = format!(
        "{} · smdrd {} · {} · {}\n",
        snapshot.device,
        snapshot.version,
        snapshot.now,
        if snapshot.running { "running" } else { "no daemon is running" },
    );
    for problem in &snapshot.problems {
        text += &format!("NOT WELL  {problem}\n");
    }
    for note in &snapshot.notes {
        text += &format!("note      {note}\n");
    }
    text += "\n";
    text += &table(snapshot.sources.iter().map(|source| {
        let link = if source.up { "up" } else { source.cause.as_deref().unwrap_or("down") };
        vec![
            source.name.clone(),
            source.dialect.clone(),
            link.to_owned(),
            format!("{} records", source.today.records),
            format!("{} not understood", source.today.unparsed),
            match source.wire.line_errors + source.wire.cut {
                0 => String::new(),
                _ => format!("{} bytes in error, {} cut", source.wire.line_errors, source.wire.cut),
            },
            source.last_line_at.clone().unwrap_or_default(),
            source.last_line.clone().unwrap_or_default(),
        ]
    }));
    for today in &snapshot.today {
        let figure = |value: Option<u64>| value.map_or_else(|| "?".to_owned(), |value| value.to_string());
        text += &format!(
            "{} {} today: {} calls in, {} answered, {} missed, observed {} min\n",
            today.ods,
            today.site,
            today.inbound_seen,
            figure(today.answered),
            figure(today.missed),
            today.observed_s / 60,
        );
    }
    let (lines, calls, days) = (&snapshot.lines, &snapshot.calls, &snapshot.days);
    text += &format!(
        "lines {} = {} records + {} continuations + {} events + {} headers + {} noise + {} not understood + {} duplicates\n",
        lines.lines,
        lines.records,
        lines.continuations,
        lines.events,
        lines.headers,
        lines.noise,
        lines.unparsed,
        lines.duplicates,
    );
    text += &format!("calls {} = {} counted + {} open\n", calls.stored, calls.counted, calls.open);
    text += &format!(
        "days closed {} = {} receipted + {} pending + {} parked + {} held\n",
        days.closed, days.receipted, days.pending, days.parked, days.held,
    );
    if let Some(supplier) = &snapshot.supplier {
        text += &supplier_lines(supplier);
    }
    text
}

fn supplier_lines(supplier: &SupplierStatus) -> String {
    let never = || "never".to_owned();
    let mut text = format!(
        "supplier {}: last success {}, next try {}\n",
        supplier.url,
        supplier.last_success.clone().unwrap_or_else(never),
        supplier.next_try.as_deref().unwrap_or("not without the daemon"),
    );
    text += &format!(
        "  {} queued, {} parked, {} held; heartbeat noted {}; clock {}\n",
        supplier.queued,
        supplier.parked,
        supplier.held,
        supplier.heartbeat.clone().unwrap_or_else(never),
        match supplier.clock_ahead_s {
            None => "not measured".to_owned(),
            Some(seconds) if seconds < 0 => format!("{} s behind", seconds.unsigned_abs()),
            Some(seconds) => format!("{seconds} s ahead"),
        },
    );
    if let (Some(problem), Some(at)) = (&supplier.last_problem, &supplier.last_problem_at) {
        let open =
            if supplier.failed > 0 { format!("{} tries", supplier.failed) } else { "cleared up since".to_owned() };
        text += &format!("  last problem {at} ({open}): {problem}\n");
    }
    text
}
