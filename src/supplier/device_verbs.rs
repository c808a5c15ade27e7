//! `smdr-feed enrol` and `smdr-feed devices`: who may send, at a terminal of the supplier's.

use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::json;

use super::archive::{Archive, ArchiveError};
use super::devices::{CODE_HOLDS, CodeRow, DeviceRow, KeyRow, Wanted, give_code, introduce, revoke};
use super::tokens::is_ods;
use super::verify::is_name;
use crate::clock::Clock;
use crate::push::auth::code::OneTimeCode;

/// Give out a one-time code, by which a box enrols its own key
///
/// The code is good for 15 minutes, for one box and once; it is shown here and nowhere else, and kept as a digest. At the
/// box: smdrd enrol --url URL --code CODE.
#[derive(Debug, clap::Args)]
pub struct EnrolArguments {
    #[command(flatten)]
    about: About,
    /// Name of the box, where it is to have a certain one: a box that is known and gets a new key, for one
    #[arg(long, value_name = "NAME", value_parser = name)]
    device: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
struct About {
    /// SQLite file, or postgres://USER@HOST/DATABASE
    #[arg(long, value_name = "STORE")]
    store: PathBuf,
    /// ODS codes that the box may send for, with commas between them
    #[arg(long, value_name = "ODS,…", value_delimiter = ',', required = true, value_parser = ods)]
    ods: Vec<String>,
    /// The only site that it may send for; without it every site of these practices
    #[arg(long, value_name = "SITE", value_parser = name)]
    site: Option<String>,
    /// A scaled clock, for tests.
    #[arg(long, hide = true, value_parser = Clock::from_argument)]
    clock: Option<Clock>,
}

/// The boxes that are known, and their keys
#[derive(Debug, clap::Args)]
pub struct DevicesArguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show every box with its practices and keys
    List {
        /// SQLite file, or postgres://USER@HOST/DATABASE
        #[arg(long, value_name = "STORE")]
        store: PathBuf,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Make a box known that shows a certificate (serve --client-ca): the certificate names it
    Add {
        /// The name in the certificate
        #[arg(value_name = "NAME", value_parser = name)]
        device: String,
        #[command(flatten)]
        about: About,
    },
    /// Turn a box away, or one of its keys alone; what it sent stays
    Revoke {
        /// Its name
        #[arg(value_name = "NAME", value_parser = name)]
        device: String,
        /// This key alone, by the name that `list` shows
        #[arg(long, value_name = "KEYID")]
        key: Option<String>,
        /// SQLite file, or postgres://USER@HOST/DATABASE
        #[arg(long, value_name = "STORE")]
        store: PathBuf,
        /// A scaled clock, for tests.
        #[arg(long, hide = true, value_parser = Clock::from_argument)]
        clock: Option<Clock>,
    },
}

fn ods(text: &str) -> Result<String, String> {
    let code = text.trim().to_ascii_uppercase();
    if is_ods(&code) { Ok(code) } else { Err("an ODS code is a letter and five digits".to_owned()) }
}

fn name(text: &str) -> Result<String, String> {
    if is_name(text) {
        Ok(text.to_owned())
    } else {
        Err("a name is 1 to 64 letters, digits, '.', '_' and '-'".to_owned())
    }
}

fn now(clock: Option<Clock>) -> Timestamp {
    clock.unwrap_or_else(Clock::system).now()
}

fn done(result: Result<bool, ArchiveError>) -> ExitCode {
    match result {
        Ok(well) => ExitCode::from(u8::from(!well)),
        Err(error) => {
            eprintln!("smdr-feed: {error}");
            ExitCode::from(if error.is_configuration() { 78 } else { 1 })
        }
    }
}

/// `smdr-feed enrol`
pub fn enrol(arguments: &EnrolArguments) -> ExitCode {
    done(give_out(arguments))
}

fn give_out(arguments: &EnrolArguments) -> Result<bool, ArchiveError> {
    let About { store, ods, site, clock } = &arguments.about;
    let archive = Archive::open(store)?;
    let Some(code) = OneTimeCode::generate() else {
        eprintln!("smdr-feed: the machine gives no random numbers");
        return Ok(false);
    };
    let until = now(*clock).saturating_add(CODE_HOLDS).unwrap_or(Timestamp::MAX);
    let row = CodeRow {
        digest: code.digest(),
        ods: ods.clone(),
        site: site.clone(),
        device: arguments.device.clone(),
        until,
        used_by: None,
    };
    archive.settle(&Wanted::default(), &|books| give_code(books, row.clone()))?;
    let until = second(until);
    if arguments.json {
        let shown = code.shown();
        println!("{}", json!({"code": *shown, "until": until, "ods": ods, "site": site, "device": arguments.device}));
    } else {
        println!("{}", *code.shown());
        println!("good until {until}, for one box, once; for {}", ods.join(", "));
        println!("at the box: sudo smdrd enrol --url https://… --code {}", *code.shown());
    }
    Ok(true)
}

fn second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// `smdr-feed devices`
pub fn devices(arguments: &DevicesArguments) -> ExitCode {
    done(match &arguments.what {
        What::List { store, json } => list(store, *json),
        What::Add { device, about } => add(device, about),
        What::Revoke { device, key, store, clock } => turn_away(device, key.as_deref(), store, now(*clock)),
    })
}

fn list(store: &std::path::Path, as_json: bool) -> Result<bool, ArchiveError> {
    let books = Archive::open(store)?.accounts()?;
    let known: Vec<(DeviceRow, Vec<KeyRow>)> =
        books.devices().into_iter().map(|device| (device.clone(), books.keys(&device.device))).collect();
    if as_json {
        let shown: Vec<_> = known.iter().map(|(device, keys)| as_value(device, keys)).collect();
        println!("{}", json!(shown));
        return Ok(true);
    }
    for (device, keys) in &known {
        let site = device.site.as_ref().map(|site| format!(" site {site}")).unwrap_or_default();
        let away = device.revoked_at.map(|at| format!(", turned away {}", second(at))).unwrap_or_default();
        println!("{}  {}{site}  since {}{away}", device.device, device.ods.join(","), second(device.added_at));
        for key in keys {
            let used =
                key.used_at.map_or("never used".to_owned(), |at| format!("last used {}", at.strftime("%Y-%m-%d")));
            let end = match (key.revoked_at, key.until) {
                (Some(at), _) => format!(", turned away {}", second(at)),
                (None, Some(until)) => format!(", until {}", second(until)),
                (None, None) => String::new(),
            };
            println!("  key {}  since {}, {used}{end}", key.keyid, second(key.added_at));
        }
    }
    Ok(true)
}

fn as_value(device: &DeviceRow, keys: &[KeyRow]) -> serde_json::Value {
    let keys: Vec<_> = keys
        .iter()
        .map(|key| {
            json!({"keyid": key.keyid, "key": key.public.jwk(), "since": key.added_at, "until": key.until,
                "revoked_at": key.revoked_at, "used_at": key.used_at})
        })
        .collect();
    json!({"device": device.device, "ods": device.ods, "site": device.site, "since": device.added_at,
        "revoked_at": device.revoked_at, "keys": keys})
}

fn add(device: &str, about: &About) -> Result<bool, ArchiveError> {
    let About { store, ods, site, clock } = about;
    let (archive, now) = (Archive::open(store)?, now(*clock));
    let wanted = Wanted { devices: vec![device.to_owned()], ..Wanted::default() };
    archive.settle(&wanted, &|books| introduce(books, device, ods, site.as_deref(), now))?;
    println!("{device} may send for {}", ods.join(", "));
    Ok(true)
}

fn turn_away(device: &str, key: Option<&str>, store: &std::path::Path, now: Timestamp) -> Result<bool, ArchiveError> {
    let wanted = Wanted { devices: vec![device.to_owned()], ..Wanted::default() };
    let found = Archive::open(store)?.settle(&wanted, &|books| revoke(books, device, key, now))?;
    match (found, key) {
        (true, None) => println!("{device} is turned away with all its keys; what it sent stays"),
        (true, Some(key)) => println!("key {key} of {device} is turned away"),
        (false, _) => eprintln!("smdr-feed: no such box or key; smdr-feed devices list shows what there is"),
    }
    Ok(found)
}
