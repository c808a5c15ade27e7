//! `smdr-feed compare` on the command line.

use std::path::PathBuf;
use std::process::ExitCode;

use super::published::{Kind, Published, PublishedError};
use super::{Comparison, Own, compare};
use crate::supplier::archive::{Archive, ArchiveError};
use crate::supplier::monthly::month::Month;
use crate::supplier::tokens::is_ods;

/// Put a practice's figures beside NHS England's published ones.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The month, YYYY-MM.
    #[arg(long, value_name = "YYYY-MM")]
    month: Month,
    /// The receiver's store: a SQLite file, or postgres://USER@HOST/DATABASE.
    #[arg(long, value_name = "STORE")]
    store: PathBuf,
    /// Published files: by day and time, by durations, calls answered.
    #[arg(long, value_name = "CSV", num_args = 1.., required = true)]
    published: Vec<PathBuf>,
    /// ODS codes; without one, every practice that is held.
    #[arg(long, value_name = "ODS")]
    practice: Vec<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Nothing was compared.
#[derive(Debug, thiserror::Error)]
enum CompareError {
    #[error(transparent)]
    Published(#[from] PublishedError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("--practice {0:?} is no ODS code of a practice: a letter and five digits")]
    Practice(String),
    #[error("no day of {0} is held")]
    Nothing(Month),
}

/// Runs `smdr-feed compare`. Exit code 1 where something is out of range.
pub fn run(arguments: &Arguments) -> ExitCode {
    match compared(arguments) {
        Ok((published, all)) => {
            if arguments.json {
                println!("{}", serde_json::to_string_pretty(&all).unwrap_or_default());
            } else {
                all.iter().for_each(show);
                for indicator in &published.unknown {
                    println!("the files have an indicator that is not known here: {indicator}");
                }
                if !published.kinds.contains(&Kind::DayAndTime) {
                    println!("no file by day and time was given: what is published by metric and band is not shown");
                }
            }
            ExitCode::from(u8::from(all.iter().any(|one| !one.flags.is_empty())))
        }
        Err(error) => {
            eprintln!("smdr-feed compare: {error}");
            ExitCode::from(match error {
                CompareError::Archive(error) if !error.is_configuration() => 1,
                _ => 78,
            })
        }
    }
}

fn compared(arguments: &Arguments) -> Result<(Published, Vec<Comparison>), CompareError> {
    let month = arguments.month;
    let mut published = Published::default();
    for file in &arguments.published {
        published.read(file, month)?;
    }
    let archive = Archive::open(&arguments.store)?;
    let mut practices: Vec<String> = arguments.practice.iter().map(|code| code.trim().to_ascii_uppercase()).collect();
    if let Some(odd) = practices.iter().find(|code| !is_ods(code)) {
        return Err(CompareError::Practice(odd.clone()));
    }
    if practices.is_empty() {
        practices = archive.sites(month.first(), month.last())?.into_iter().map(|(ods, _)| ods).collect();
        practices.dedup();
    }
    if practices.is_empty() {
        return Err(CompareError::Nothing(month));
    }
    let one = |ods: &String| Ok(compare(ods, &Own::of(&archive, ods, month)?, &published));
    let all = practices.iter().map(one).collect::<Result<_, ArchiveError>>()?;
    Ok((published, all))
}

fn show(one: &Comparison) {
    let only = if one.days < one.of_days { "; its own figures are of those" } else { "" };
    println!("{}: {} of {} days held{only}", one.ods, one.days, one.of_days);
    println!("  {:<24} {:>10} {:>10} {:>10}", "", "own", "published", "difference");
    let said = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
    for line in &one.lines {
        let difference = line.own.zip(line.published).map(|(own, published)| {
            let difference = i128::from(own) - i128::from(published);
            if difference == 0 { "0".to_owned() } else { format!("{difference:+}") }
        });
        let difference = difference.unwrap_or_else(|| "-".to_owned());
        println!("  {:<24} {:>10} {:>10} {:>10}", line.figure, said(line.own), said(line.published), difference);
    }
    for absent in &one.absent {
        println!("  not said: {absent}");
    }
    for flag in &one.flags {
        let tenths = |tenths: u64| format!("{}.{} %", tenths / 10, tenths % 10);
        let unit = |value: u64| if flag.metric == "CBT001" { value.to_string() } else { tenths(value) };
        let whose = if flag.from_files { "in these files" } else { "in February 2026" };
        println!(
            "  look: {} is {}; nine practices in ten {whose} have {} to {}: {}",
            flag.metric,
            unit(flag.is),
            unit(flag.range.0),
            unit(flag.range.1),
            flag.cause
        );
    }
}
