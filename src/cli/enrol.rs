//! `smdrd enrol`: makes the box's own key and has the supplier know it, by a one-time code.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::json;
use zeroize::Zeroizing;

use super::{CONFIGURATION, DONE, NOT_WELL, USAGE, configured, service_user};
use crate::clock::Clock;
use crate::config::{Config, SupplierAuth};
use crate::control::Request;
use crate::daemon;
use crate::push::auth::code::OneTimeCode;
use crate::push::auth::enrolment::{Enrolled, Enrolment};
use crate::push::auth::{DeviceKey, KeyFiles};
use crate::push::{Client, Route, Signed};

/// Make this box's own key and enrol it at the supplier, by the one-time code that the supplier gave
///
/// The key never leaves the box: it lies in the state directory, or where `device-key` points, for the service's user
/// alone. The supplier learns its public half. When the answer is lost, the same command with the same code does no harm,
/// for as long as the code is good. Exit code 0: enrolled; what to put into the configuration is printed. 1: not.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Configuration file
    #[arg(long, value_name = "FILE", default_value_os_t = Config::default_path().to_owned())]
    config: PathBuf,
    /// URL of the supplier's receiver; that of the configuration without it
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The one-time code; asked for, or read from standard input, without it
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// Certificate authority of the supplier, and then no other; that of the configuration without it
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
    /// A simulated day: START@BEGAN@FACTOR
    #[arg(long, hide = true, value_parser = Clock::from_argument)]
    clock: Option<Clock>,
}

/// What is said, and the exit code.
struct Stop(u8, String);

impl Stop {
    fn not_well(why: impl ToString) -> Stop {
        Stop(NOT_WELL, why.to_string())
    }
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let config = match configured(&arguments.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    // The key is the service's from its first byte on.
    if let Some(mut command) = service_user(&config) {
        return match command.args(std::env::args_os().skip(1)).status() {
            Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(NOT_WELL)),
            Err(error) => {
                eprintln!("smdrd: cannot become the user of {}: {error}", config.state_dir.display());
                ExitCode::from(NOT_WELL)
            }
        };
    }
    match enrol(arguments, &config) {
        Ok(outcome) => {
            show(&outcome, arguments.json);
            ExitCode::from(DONE)
        }
        Err(Stop(code, why)) => {
            eprintln!("smdrd: {why}");
            ExitCode::from(code)
        }
    }
}

/// What came of it.
struct Outcome {
    enrolled: Enrolled,
    key: PathBuf,
    /// Lines for the configuration; nothing when they stand there.
    lines: Option<String>,
    remarks: Vec<String>,
}

fn enrol(arguments: &Arguments, config: &Config) -> Result<Outcome, Stop> {
    let supplier = config.supplier.as_ref();
    let configured_url = supplier.map(|supplier| supplier.url.get_ref().clone());
    let Some(url) = arguments.url.clone().or(configured_url.clone()) else {
        return Err(Stop(USAGE, "--url is missing, and the configuration has no [supplier]".to_owned()));
    };
    let code = OneTimeCode::parse(&typed(arguments)?).map_err(|fault| Stop(USAGE, format!("--code: {fault}")))?;
    if !config.state_dir.is_dir() {
        let why = "start the service once, so that it is made for the service's user";
        return Err(Stop::not_well(format!("there is no {}: {why}", config.state_dir.display())));
    }
    let clock = arguments.clock.unwrap_or_else(Clock::system);
    let device = name_of_the_box(config, clock)?;
    let files = KeyFiles::at(&config.device_key());
    let key = key_to_enrol(&files, &device, &code, clock.now())?;

    let route = Route {
        url: &url,
        ca_file: arguments.ca_file.as_deref().or(supplier.and_then(|supplier| supplier.ca_file.as_deref())),
        proxy: supplier.and_then(|supplier| supplier.proxy.as_ref()).map(|proxy| proxy.get_ref().as_str()),
        proxy_credentials: supplier.and_then(|supplier| supplier.proxy_credentials_file.as_deref()),
    };
    let (public, of) = (key.key.public(), code.digest());
    let request = Enrolment { code: code.shown().to_string(), key: public.jwk(), device: device.clone() };
    let client = Client::new(&route, Arc::new(Signed::with(key)), clock)
        .map_err(|error| Stop(CONFIGURATION, error.to_string()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Stop::not_well)?;
    let enrolled = runtime.block_on(client.enrol(&request)).map_err(|delivery| Stop::not_well(delivery.plainly()))?;
    if enrolled.keyid != public.keyid() {
        return Err(Stop::not_well("the supplier's answer is for another key; nothing was changed"));
    }
    // What was enrolled is put in the place of what was used before; the key of a renewal under way is for that one.
    let enrolling = files.enrolling();
    let from = if enrolling.exists() { &enrolling } else { &files.key };
    let DeviceKey { key, .. } = DeviceKey::read(from).map_err(Stop::not_well)?;
    let kept = DeviceKey { device: Some(enrolled.device.clone()), since: Some(enrolled.since), code: Some(of), key };
    KeyFiles::keep(&files.key, &kept).map_err(Stop::not_well)?;
    files.give_up(&files.next()).and_then(|()| files.give_up(&enrolling)).map_err(Stop::not_well)?;

    let mut remarks = Vec::new();
    for practice in &config.practice {
        if !enrolled.ods.contains(practice.ods.get_ref()) {
            let ods = practice.ods.get_ref();
            remarks.push(format!(
                "the code was not for practice {ods}: its days will not be taken; ask for a code for it too"
            ));
        }
    }
    if enrolled.device != device {
        let name = &enrolled.device;
        remarks
            .push(format!("the supplier calls this box {name}: put device = {name:?} at the top of the configuration"));
    }
    let stands = supplier.is_some_and(|supplier| supplier.auth() == SupplierAuth::Signature)
        && configured_url.as_deref() == Some(url.as_str());
    let mut lines = format!("[supplier]\nurl = {url:?}\nauth = \"signature\"\n");
    if let Some(path) = &arguments.ca_file {
        lines += &format!("ca-file = {:?}\n", path.display().to_string());
    }
    Ok(Outcome { enrolled, key: files.key, lines: (!stands).then_some(lines), remarks })
}

fn typed(arguments: &Arguments) -> Result<Zeroizing<String>, Stop> {
    if let Some(code) = &arguments.code {
        return Ok(Zeroizing::new(code.clone()));
    }
    if std::io::stdin().is_terminal() {
        eprint!("One-time code from the supplier: ");
        let _ = std::io::stderr().flush();
    }
    let mut line = Zeroizing::new(String::new());
    std::io::stdin().read_line(&mut line).map_err(|error| Stop(USAGE, format!("--code: {error}")))?;
    Ok(line)
}

/// The name that the box goes by, in its configuration or since its first start.
fn name_of_the_box(config: &Config, clock: Clock) -> Result<String, Stop> {
    let status = daemon::ask(config, clock, Request::Status).map_err(Stop::not_well)?;
    let name = status.get("device").and_then(serde_json::Value::as_str);
    name.map(str::to_owned).ok_or_else(|| Stop::not_well("this box has no name yet: start the service once"))
}

/// The key of an enrolment with this code that was cut off, whether or not it came to be used, or a new one. It is on the
/// disk before anybody is told of it.
fn key_to_enrol(files: &KeyFiles, device: &str, code: &OneTimeCode, now: Timestamp) -> Result<DeviceKey, Stop> {
    for path in [&files.enrolling(), &files.key] {
        match KeyFiles::read(path) {
            Ok(Some(key)) if key.code == Some(code.digest()) => return Ok(key),
            Ok(_) => {}
            Err(error) if *path == files.key => eprintln!("smdrd: {error}; it is replaced"),
            Err(_) => {}
        }
    }
    let key = DeviceKey::generate(Some(device.to_owned()), now, Some(code.digest())).map_err(Stop::not_well)?;
    KeyFiles::keep(&files.enrolling(), &key).map_err(Stop::not_well)?;
    Ok(key)
}

fn show(outcome: &Outcome, as_json: bool) {
    let Outcome { enrolled, key, lines, remarks } = outcome;
    if as_json {
        let value = json!({
            "device": enrolled.device, "keyid": enrolled.keyid, "ods": enrolled.ods, "site": enrolled.site,
            "replayed": enrolled.replayed, "key": key, "config": lines, "remarks": remarks,
        });
        println!("{value}");
        return;
    }
    let site = enrolled.site.as_ref().map(|site| format!(", site {site} only")).unwrap_or_default();
    println!("{} is enrolled for {}{site}", enrolled.device, enrolled.ods.join(", "));
    println!("key {} in {}", enrolled.keyid, key.display());
    match lines {
        Some(lines) => println!("\nPut this into the configuration, then restart the service:\n\n{lines}"),
        None => println!("The running service takes it up by itself; `smdrd push` sends what waits."),
    }
    for remark in remarks {
        println!("{remark}");
    }
}
