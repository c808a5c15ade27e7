//! `smdrd setup`: from a cable in the wall to a configuration that works, with the installer.

mod acceptance;
mod arguments;
mod ask;
mod calls;
mod credential;
mod detecting;
mod enrolling;
mod listen;
mod port;
mod roles;
mod site;
mod supplier;
mod write;

use std::io::IsTerminal as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::push::auth::code::{CodeFault, OneTimeCode};
use acceptance::{Format, Verdict};
pub use arguments::Arguments;
use ask::{Ask, Question, Stop};
use credential::Places;
use listen::Ear;
use supplier::Answer;
use write::Draft;

/// The file that the package puts where the configuration goes: it configures nothing, so it is no loss.
const PACKAGED: &str = include_str!("../../packaging/smdrd.toml");

/// The test calls without anybody at the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Acceptance {
    Skip,
    Listen(u64),
}

/// Where the PBX is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// On a cable; the settings when they are known.
    Serial { path: PathBuf, line: Option<Line> },
    /// It connects to us.
    Listen { address: SocketAddr, allow: Vec<IpAddr> },
    /// We connect to it.
    Connect { host: String, port: u16, password_file: Option<PathBuf> },
}

/// What the supplier gave for this box.
enum Given {
    Token(Zeroizing<String>),
    Code(OneTimeCode),
}

/// How a serial line is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    baud: u32,
    data_bits: u8,
    parity: String,
}

impl Default for Line {
    fn default() -> Line {
        Line { baud: 9600, data_bits: 8, parity: "none".to_owned() }
    }
}

/// Runs the verb.
pub fn run(arguments: Arguments) -> ExitCode {
    match set_up(&arguments) {
        Ok(true) => ExitCode::from(super::DONE),
        Ok(false) => ExitCode::from(super::NOT_WELL),
        Err(stop) => {
            eprintln!("smdrd setup: {stop}");
            ExitCode::from(match stop {
                Stop::Missing { .. } | Stop::Wrong { .. } => super::USAGE,
                Stop::Ended | Stop::Failed(_) => super::NOT_WELL,
            })
        }
    }
}

/// Goes through the steps; whether all is well at the end.
fn set_up(arguments: &Arguments) -> Result<bool, Stop> {
    let attended = std::io::stdin().is_terminal() && !arguments.non_interactive && !arguments.json;
    let ask = Ask::new(attended, arguments.json);
    may_write(&arguments.config, arguments.force)?;
    if !ask.is_attended() {
        complete(arguments)?;
    }
    let runtime_dir = arguments.runtime_dir.clone().unwrap_or_else(|| "/run/smdrd".into());

    ask.step("The PBX");
    let way = way(&ask, arguments)?;
    free(&ask, &way, &runtime_dir)?;
    let found = detecting::find(&ask, arguments, way, &runtime_dir)?;
    let mut draft = Draft {
        state_dir: arguments.state_dir.clone(),
        runtime_dir: arguments.runtime_dir.clone(),
        dialect: found.dialect.id.clone(),
        pbx: found.dialect.name.clone(),
        options: found.options.clone(),
        way: found.way,
        ..Draft::example()
    };

    ask.step("Test calls");
    let plan = found.dialect.plan(&found.options, None).map_err(|error| Stop::Failed(format!("--set: {error}")))?;
    let cannot = plan.cannot().to_vec();
    let switches: Vec<_> = found.dialect.switches().cloned().collect();
    let format = Format { cannot: &cannot, switches: &switches };
    let verdicts = test_calls(&ask, arguments.acceptance, format, || Ear::open(&draft, plan))?;

    ask.step("The practice");
    let plan = found.dialect.plan(&found.options, None).map_err(|error| Stop::Failed(format!("--set: {error}")))?;
    let known = roles::Known { plan, bytes: &found.bytes, log: arguments.log.as_deref() };
    site::ask(&ask, &arguments.site, arguments.name.as_deref(), &found.stations, known, &mut draft)?;

    ask.step("The supplier");
    let given = supplier_and_proof(&ask, arguments, &mut draft)?;

    ask.step("Writing");
    write_down(&ask, arguments, &draft)?;
    let mut well = verdicts.iter().all(|verdict| verdict.passed);
    let mut answer = None;
    if let Some(Given::Code(code)) = &given {
        ask.step("Enrolling this box");
        let enrolled = enrolling::enrol(&ask, &arguments.config, code)?;
        well &= matches!(enrolled, Answer::Enrolled);
        answer = Some(enrolled);
    }
    if let Some(Given::Token(token)) = &given {
        let places = Places { root: arguments.root.clone() };
        let written = credential::keep(&places, token, arguments.credential)?;
        for path in written.files {
            ask.say(&format!("wrote {}", path.display()));
        }
        written.remark.iter().for_each(|remark| ask.say(&format!("  the token is {remark}")));
        ask.step("Trying the supplier");
        let tried = try_supplier(&ask, &draft, token)?;
        well &= matches!(tried, Answer::Good { clock: None, .. });
        answer = Some(tried);
    }
    if arguments.json {
        println!("{}", as_json(&arguments.config, &draft, &verdicts, answer.as_ref(), well));
        return Ok(well);
    }
    farewell(&ask, &arguments.config, &verdicts, matches!(given, Some(Given::Token(_))));
    Ok(well)
}

/// Refuses what would only fail after an installer's half hour.
fn may_write(path: &Path, force: bool) -> Result<(), Stop> {
    match std::fs::read_to_string(path) {
        Ok(text) if !force && text != PACKAGED && !text.trim().is_empty() => {
            return Err(Stop::Failed(format!(
                "{}: there is a configuration already; --force replaces it and keeps it beside as .bak, --config names \
                 another file",
                path.display()
            )));
        }
        Err(error) if error.kind() != std::io::ErrorKind::NotFound && !force => {
            return Err(Stop::Failed(format!("{}: {error}; run smdrd setup as root (sudo)", path.display())));
        }
        _ => {}
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let there = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    rustix::fs::access(there, rustix::fs::Access::WRITE_OK).map_err(|error| {
        let remedy = "run smdrd setup as root (sudo), or name another file with --config";
        Stop::Failed(format!("{}: may not be written to ({error}); {remedy}", there.display()))
    })
}

/// Without a terminal: whether every answer is there, before anything is listened to.
fn complete(arguments: &Arguments) -> Result<(), Stop> {
    let missing = |what: &str, flag| Err(Stop::Missing { what: what.to_owned(), flag });
    if arguments.port.is_none() && arguments.listen.is_none() && arguments.connect.is_none() {
        return missing("where the PBX is", "--port, --listen or --connect");
    }
    if arguments.dialect.is_some() && arguments.port.is_some() && arguments.line.is_none() {
        return missing("how the line is set, which nobody finds out when the dialect is given", "--line");
    }
    if arguments.dialect.is_some() && arguments.listen.is_some() && arguments.allow.is_empty() {
        return missing("the address of the PBX", "--allow");
    }
    if arguments.acceptance.is_none() {
        return missing("what is to be done about the test calls", "--acceptance");
    }
    arguments.site.complete()?;
    match (&arguments.supplier, arguments.no_supplier, &arguments.token_file) {
        (None, false, _) => missing("the supplier", "--supplier or --no-supplier"),
        (Some(_), _, None) if arguments.code.is_none() => missing("the supplier's token", "--token-file or --code"),
        _ => Ok(()),
    }
}

fn way(ask: &Ask, arguments: &Arguments) -> Result<Way, Stop> {
    let given = |flag: &'static str, value: &str, read: fn(&str) -> Result<Way, String>| {
        read(value).map_err(|reason| Stop::Wrong { flag, value: value.to_owned(), reason })
    };
    if let Some(path) = &arguments.port {
        return Ok(Way::Serial { path: path.clone(), line: arguments.line.clone() });
    }
    let way = match (&arguments.listen, &arguments.connect) {
        (Some(text), _) => given("--listen", text, port::listen)?,
        (None, Some(text)) => given("--connect", text, port::connect)?,
        (None, None) => port::choose(ask)?,
    };
    Ok(match way {
        Way::Listen { address, .. } => Way::Listen { address, allow: arguments.allow.clone() },
        Way::Connect { host, port, .. } => {
            Way::Connect { host, port, password_file: arguments.pbx_password_file.clone() }
        }
        serial => serial,
    })
}

/// Waits until nobody else has the port; without a terminal it must be free at once.
fn free(ask: &Ask, way: &Way, runtime_dir: &Path) -> Result<(), Stop> {
    while let Some(what) = port::in_the_way(way, runtime_dir) {
        if !ask.is_attended() {
            return Err(Stop::Failed(what));
        }
        ask.say(&what);
        if !ask.yes("Look again", "--port", None, Some(true))? {
            return Err(Stop::Ended);
        }
    }
    Ok(())
}

fn test_calls(
    ask: &Ask,
    wanted: Option<Acceptance>,
    format: Format<'_>,
    open: impl FnOnce() -> Result<Ear, Stop>,
) -> Result<Vec<Verdict>, Stop> {
    match wanted {
        Some(Acceptance::Skip) => {}
        Some(Acceptance::Listen(seconds)) => return calls::all_at_once(ask, &open()?, format, seconds),
        None if ask.is_attended() && ask.yes("Make the three test calls now", "--acceptance", None, Some(true))? => {
            return calls::one_by_one(ask, &open()?, format);
        }
        None => {}
    }
    ask.say("No test call was made: whether lost calls and waits are printed is not known.");
    Ok(Vec::new())
}

/// The supplier, and what it gave for this box: a token, or a code by which the box enrols a key of its own.
fn supplier_and_proof(ask: &Ask, arguments: &Arguments, draft: &mut Draft) -> Result<Option<Given>, Stop> {
    if arguments.no_supplier {
        return Ok(None);
    }
    let question = Question { what: "URL of the supplier (empty: none)", flag: "--supplier", default: Some("") };
    let fits = |url: &str| {
        let supplier = (!url.is_empty()).then(|| write::Supplier {
            url: url.to_owned(),
            ca_file: arguments.ca_file.clone(),
            proxy: arguments.proxy.clone(),
            approve: false,
            signs: false,
        });
        let tried = Draft { supplier: supplier.clone(), ..Draft::example() };
        tried.fault("supplier.url").map_or(Ok(supplier), Err)
    };
    let Some(supplier) = ask.question(question, arguments.supplier.as_deref(), fits)? else { return Ok(None) };
    for (flag, path, value) in [
        ("--ca-file", "supplier.ca-file", supplier.ca_file.as_ref().map(|path| path.display().to_string())),
        ("--proxy", "supplier.proxy", supplier.proxy.clone()),
    ] {
        let tried = Draft { supplier: Some(supplier.clone()), ..Draft::example() };
        if let Some((value, reason)) = value.zip(tried.fault(path)) {
            return Err(Stop::Wrong { flag, value, reason });
        }
    }
    let hold = "Must somebody at the practice release each day before it is sent";
    let approve = ask.yes(hold, "--approve", arguments.approve, Some(false))?;
    let given = given(ask, arguments)?;
    draft.supplier = Some(write::Supplier { approve, signs: matches!(given, Given::Code(_)), ..supplier });
    Ok(Some(given))
}

fn given(ask: &Ask, arguments: &Arguments) -> Result<Given, Stop> {
    if let Some(code) = &arguments.code {
        let wrong =
            |fault: CodeFault| Stop::Wrong { flag: "--code", value: "…".to_owned(), reason: fault.to_string() };
        return OneTimeCode::parse(code).map(Given::Code).map_err(wrong);
    }
    if let Some(path) = &arguments.token_file {
        let flag = "--token-file";
        let wrong = |reason: String| Stop::Wrong { flag, value: path.display().to_string(), reason };
        let text = std::fs::read_to_string(path).map(Zeroizing::new).map_err(|error| wrong(error.to_string()))?;
        if let Some(fault) = supplier::token_fault(&text) {
            return Err(wrong(fault));
        }
        return Ok(Given::Token(Zeroizing::new(text.trim().to_owned())));
    }
    loop {
        let typed = ask.secret("The supplier's token for this box, or its one-time code", "--token-file")?;
        // No token has a code's form and its check characters by chance.
        match (OneTimeCode::parse(&typed), supplier::token_fault(&typed)) {
            (Ok(code), _) => return Ok(Given::Code(code)),
            (Err(_), None) => return Ok(Given::Token(typed)),
            (Err(fault @ CodeFault::Mistyped), _) if typed.contains('-') => ask.say(&format!("  {fault}")),
            (Err(_), Some(fault)) => ask.say(&format!("  {fault}")),
        }
    }
}

/// Writes the configuration, when `smdrd check` has nothing against it.
fn write_down(ask: &Ask, arguments: &Arguments, draft: &Draft) -> Result<(), Stop> {
    let (path, text) = (&arguments.config, draft.text());
    let checked = crate::config::inspect_text(path, &text, &[]).map_err(|error| {
        Stop::Failed(format!("the answers do not go together; nothing was written\n{}", error.report()))
    })?;
    for warning in &checked.warnings {
        ask.say(&format!("  mind: {}; {}", warning.reason, warning.remedy));
    }
    let kept = write::put(path, text.as_bytes(), 0o644)
        .map_err(|error| Stop::Failed(format!("{}: {error}; nothing was changed", path.display())))?;
    kept.iter().for_each(|kept| ask.say(&format!("the old configuration is {}", kept.display())));
    ask.say(&format!("wrote {}", path.display()));
    Ok(())
}

fn try_supplier(ask: &Ask, draft: &Draft, token: &str) -> Result<Answer, Stop> {
    loop {
        let answer = supplier::ask(draft, token);
        match &answer {
            Answer::Good { days, clock } => {
                let held = if *days == 1 { "1 day".to_owned() } else { format!("{days} days") };
                ask.say(&format!("The supplier knows this box and the practice; of the last 45 days it holds {held}."));
                clock.iter().for_each(|clock| ask.say(&format!("  mind: {clock}")));
                return Ok(answer);
            }
            Answer::Enrolled => return Ok(answer),
            Answer::Bad(what) => {
                ask.say(&format!("It does not work: {what}"));
                if !ask.is_attended() || !ask.yes("Try again", "--supplier", None, Some(false))? {
                    return Ok(answer);
                }
            }
        }
    }
}

/// What was done, for a script. Absent where it was not done.
fn as_json(path: &Path, draft: &Draft, verdicts: &[Verdict], answer: Option<&Answer>, well: bool) -> serde_json::Value {
    let missing = |verdict: &Verdict| -> Vec<serde_json::Value> {
        let each = verdict.missing.iter();
        each.map(|missing| json!({"word": missing.word, "what": missing.what, "remedy": missing.remedy})).collect()
    };
    let calls: Vec<_> = verdicts
        .iter()
        .map(|verdict| json!({"call": verdict.trial.name(), "seen": verdict.passed, "missing": missing(verdict)}))
        .collect();
    let mut object = json!({
        "config": path, "source": draft.source, "dialect": draft.dialect, "options": draft.options, "well": well,
    });
    if !calls.is_empty() {
        object["test_calls"] = calls.into();
    }
    match answer {
        Some(Answer::Good { days, clock }) => object["supplier"] = json!({"good": true, "days": days, "clock": clock}),
        Some(Answer::Enrolled) => object["supplier"] = json!({"good": true, "enrolled": true}),
        Some(Answer::Bad(what)) => object["supplier"] = json!({"good": false, "what": what}),
        None => {}
    }
    object
}

fn farewell(ask: &Ask, config: &Path, verdicts: &[Verdict], credential: bool) {
    ask.step("Done");
    for verdict in verdicts.iter().filter(|verdict| !verdict.complete()) {
        ask.say(&calls::shown(verdict));
    }
    let reload = if credential { "systemctl daemon-reload && " } else { "" };
    if config == Config::default_path() {
        ask.say(&format!("Next: {reload}systemctl restart smdrd && smdrd status --watch"));
    } else {
        let config = config.display();
        ask.say(&format!("Next: smdrd run --config {config}, and smdrd status --watch --config {config}"));
    }
}
