//! `smdrd status`.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use super::{Asking, table};
use crate::control::Request;
use crate::daemon::clocks::{ClockStatus, in_words};
use crate::daemon::credentials::CredentialsStatus;
use crate::daemon::status::{Snapshot, SourceStatus, SupplierStatus};

/// Say how the daemon is; exit 1 when something is not well
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Print the snapshot as JSON
    #[arg(long)]
    json: bool,
    /// Look again every so many seconds, until it is interrupted; with --json, one snapshot a line
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = "2",
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    watch: Option<u64>,
    #[command(flatten)]
    asking: Asking,
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    let Some(seconds) = arguments.watch else {
        return match look(&arguments) {
            Ok(snapshot) => shown(&snapshot, arguments.json),
            Err(code) => code,
        };
    };
    let clears = !arguments.json && std::io::stdout().is_terminal();
    loop {
        // A daemon that is restarted meanwhile is what somebody watches for: what cannot be asked now is asked again.
        let looked = look(&arguments);
        if clears {
            print!("\x1b[H\x1b[2J");
        }
        if let Ok(snapshot) = &looked {
            let _ = shown(snapshot, arguments.json);
        }
        if !arguments.json {
            println!("\nevery {seconds} s; Ctrl-C ends it");
        }
        if std::io::stdout().flush().is_err() {
            return ExitCode::SUCCESS;
        }
        std::thread::sleep(Duration::from_secs(seconds));
    }
}

fn look(arguments: &Arguments) -> Result<Snapshot, ExitCode> {
    let value = arguments.asking.ask(Request::Status)?;
    serde_json::from_value(value).map_err(|error| {
        eprintln!("smdrd status: the daemon's answer cannot be read: {error}; is it of the same version?");
        ExitCode::from(super::NOT_WELL)
    })
}

fn shown(snapshot: &Snapshot, json: bool) -> ExitCode {
    let text = match serde_json::to_string(snapshot) {
        Ok(text) if json => text + "\n",
        _ => readable(snapshot),
    };
    // Whoever reads may have seen enough.
    let _ = std::io::stdout().write_all(text.as_bytes());
    if snapshot.well { ExitCode::SUCCESS } else { ExitCode::from(super::NOT_WELL) }
}

/// The dialect, with the state of the site's file where it is one.
fn dialect(source: &SourceStatus) -> String {
    match (&source.dialect_version, source.dialect_from.as_str()) {
        (_, "shipped") => source.dialect.clone(),
        (Some(version), _) => format!("{} (site {version})", source.dialect),
        (None, _) => format!("{} (cannot be used)", source.dialect),
    }
}

fn readable(snapshot: &Snapshot) -> String {
    let versions = &snapshot.versions;
    let mut text = format!(
        "{} · smdrd {} (SQLite {}, schema {}, {}) · {} · {}\n",
        snapshot.device,
        snapshot.version,
        versions.sqlite,
        versions.schema,
        versions.document,
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
    text += &table(snapshot.sources.iter().map(source));
    for (name, clock) in snapshot.sources.iter().filter_map(|source| Some((&source.name, source.clock.as_ref()?))) {
        text += &format!("{name}: {}\n", pbx_clock(clock));
    }
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
        for gap in &today.gaps {
            text += &format!("    not observed {} to {}: {} ({})\n", gap.from, gap.to, gap.source, gap.cause);
        }
    }
    if snapshot.unowned > 0 {
        text += &format!("nobody's today: {} calls in\n", snapshot.unowned);
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
    let held = &snapshot.held;
    if held.lines + held.crowded_out + held.expired + held.understood > 0 {
        text += &format!(
            "held {} lines not understood, {} KiB; let go {} for room and {} after a day; {} read again and understood\n",
            held.lines,
            held.bytes.div_ceil(1024),
            held.crowded_out,
            held.expired,
            held.understood,
        );
    }
    if let Some(reloaded) = &snapshot.reloaded {
        text += &format!("dialects read again {}: {}\n", reloaded.at, reloaded.summary());
    }
    text += &format!("calls {} = {} counted + {} open\n", calls.stored, calls.counted, calls.open);
    text += &format!(
        "days closed {} = {} receipted + {} pending + {} parked + {} held\n",
        days.closed, days.receipted, days.pending, days.parked, days.held,
    );
    if let Some(supplier) = &snapshot.supplier {
        text += &supplier_lines(supplier);
    }
    for channel in &snapshot.channels {
        text += &format!(
            "alerts by {} to {}: {} waiting, last taken {}\n",
            channel.channel.word(),
            channel.to,
            channel.waiting,
            channel.sent.as_deref().unwrap_or("never"),
        );
    }
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20));
    text += &format!(
        "disk: {} used of {}, {} kept back, {} free\n",
        mib(snapshot.disk.used),
        mib(snapshot.disk.budget),
        mib(snapshot.disk.reserve),
        snapshot.disk.free.map_or_else(|| "?".to_owned(), mib),
    );
    text
}

fn pbx_clock(clock: &ClockStatus) -> String {
    let mut text = format!("its clock is {}", in_words(clock.offset_s));
    if clock.resolution_s > 1 {
        text += &format!(", to {} s", clock.resolution_s / 2);
    }
    text += &format!(", since {}", clock.since);
    match clock.gains_s_a_day {
        Some(gains) if gains < 0.0 => text += &format!("; it loses {:.1} s a day", -gains),
        Some(gains) => text += &format!("; it gains {gains:.1} s a day"),
        None => {}
    }
    if let Some(corrected) = clock.corrected_s {
        text += &format!("; {corrected} s are taken off its stamps");
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
    text += &credentials_line(&supplier.credentials);
    if let (Some(problem), Some(at)) = (&supplier.last_problem, &supplier.last_problem_at) {
        let open =
            if supplier.failed > 0 { format!("{} tries", supplier.failed) } else { "cleared up since".to_owned() };
        text += &format!("  last problem {at} ({open}): {problem}\n");
    }
    text
}

/// What the box proves itself with, where there is more to say of it than that it is a token.
fn credentials_line(credentials: &CredentialsStatus) -> String {
    let said = [
        credentials.keyid.as_ref().map(|keyid| format!("device key {keyid}")),
        credentials.device.as_ref().map(|device| format!("of {device}")),
        credentials.since.as_ref().map(|since| format!("since {since}")),
        credentials.renewed_from.as_ref().map(|from| format!("renewed from {from} on")),
        credentials.until.as_ref().map(|until| format!("client certificate until {until}")),
        credentials.not_renewed.as_ref().map(|why| format!("not renewed: {why}")),
        credentials.unusable.clone(),
    ];
    let said: Vec<String> = said.into_iter().flatten().collect();
    if said.is_empty() { String::new() } else { format!("  {}\n", said.join(", ")) }
}

fn source(source: &SourceStatus) -> Vec<String> {
    let link = if source.up { "up" } else { source.cause.as_deref().unwrap_or("down") };
    vec![
        source.name.clone(),
        dialect(source),
        link.to_owned(),
        format!("{} lines/min, {}/h", source.last_minute, source.last_hour),
        format!("{} records", source.today.records),
        format!("{} not understood", source.today.unparsed),
        match source.today.duplicates + source.may_repeat {
            0 => String::new(),
            _ => format!("{} printed again, {} perhaps", source.today.duplicates, source.may_repeat),
        },
        match source.missing {
            0 => String::new(),
            missing => format!("{missing} missing by its own numbers"),
        },
        match source.learned {
            Some(learned) if learned < 100 => format!("silence learnt for {learned} % of core hours"),
            _ => String::new(),
        },
        match source.wire.line_errors + source.wire.cut {
            0 => String::new(),
            _ => format!("{} bytes in error, {} cut", source.wire.line_errors, source.wire.cut),
        },
        match &source.relay {
            None => String::new(),
            Some(relay) if relay.up => format!("relay up, {} bytes not repeated", relay.dropped),
            Some(relay) => format!("relay down, {} bytes not repeated", relay.dropped),
        },
        source.last_line_at.clone().unwrap_or_default(),
        source.last_line.clone().unwrap_or_default(),
    ]
}
