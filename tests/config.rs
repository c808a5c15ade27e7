//! The configuration: what is wrong is said with file, line, field, value, reason and remedy, all at once; what is
//! shipped is good; what is documented is what there is.
//!
//! `tests/config/bad` holds faulty files and, beside each, what a terminal shows. `UPDATE=1` writes those again.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use smdrd::config::{self, ConfigError, Severity, keys};

/// Stands for the library of dialects, which is not this test's business.
const DIALECTS: &[&str] = &[
    "avaya-ipoffice",
    "siemens-hipath3000",
    "nortel-meridian",
    "nortel-bcm",
    "mitel-5000",
    "panasonic-kx",
    "mitel-3300",
    "alcatel-oxe",
    "alcatel-oxo",
    "ericsson-bp",
    "nec-sv8300",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn toml_files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join(folder)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    files
}

/// A file of this text that only its owner may write.
fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

fn faults(error: &ConfigError) -> Vec<&config::Fault> {
    error.faults().iter().filter(|fault| fault.severity == Severity::Fault).collect()
}

#[test]
fn every_bad_file_is_told_what_is_wrong_with_it() {
    let files = toml_files("tests/config/bad");
    assert!(files.len() >= 40, "only {} bad files", files.len());
    let mut wrong = Vec::new();
    for file in &files {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let Err(error) = config::inspect(file, DIALECTS) else {
            wrong.push(format!("{name}: found good"));
            continue;
        };
        assert!(!faults(&error).is_empty(), "{name}: refused without a fault");
        let shown = error.report().replace(file.to_str().unwrap(), &format!("{name}.toml"));
        let expected = file.with_extension("txt");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&expected, &shown).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != shown {
            wrong.push(format!("{name}: shows\n{shown}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_fault_names_place_reason_and_remedy_in_the_order_of_the_file() {
    for file in toml_files("tests/config/bad") {
        let error = config::inspect(&file, DIALECTS).unwrap_err();
        let places: Vec<_> = error.faults().iter().map(|fault| (fault.line, fault.column)).collect();
        assert!(places.is_sorted(), "{}: {places:?}", file.display());
        let lines = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).lines().count();
        for fault in error.faults() {
            assert!(!fault.reason.is_empty() && !fault.remedy.is_empty(), "{fault:?}");
            assert!(fault.line <= lines && (fault.line == 0) == (fault.column == 0), "{fault:?}");
        }
    }
}

#[test]
fn no_secret_is_ever_shown() {
    let mut held = 0;
    for file in toml_files("tests/config/bad") {
        let error = config::inspect(&file, DIALECTS).unwrap_err();
        held += usize::from(String::from_utf8_lossy(&std::fs::read(&file).unwrap()).contains("correct-horse"));
        let shown = format!("{}{error}{error:?}", error.report());
        assert!(!shown.contains("horse"), "{}: {shown}", file.display());
    }
    assert!(held >= 4, "only {held} files hold a secret");
}

#[test]
fn what_is_shipped_is_good() {
    let mut shipped = toml_files("config/examples");
    assert!(shipped.len() >= 7);
    shipped.push(root().join("config/smdrd.toml"));
    for file in shipped {
        let checked = config::inspect(&file, DIALECTS).unwrap_or_else(|error| panic!("{}", error.report()));
        let idle = checked.config.source.is_empty();
        assert_eq!(checked.warnings.len(), usize::from(idle), "{}", checked.report(&file));
    }
}

/// The reference configuration with the `#` taken off its keys, as an installer would, and one way in.
fn reference_with_everything() -> String {
    let text = std::fs::read_to_string(root().join("config/smdrd.toml")).unwrap();
    let is_key = |line: &str| {
        line.starts_with('#') && line[1..].starts_with(|c: char| c == '[' || c == '"' || c.is_ascii_lowercase())
    };
    text.lines().map(|line| if is_key(line) { &line[1..] } else { line }).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_reference_configuration_has_every_key_and_is_good_when_filled_in() {
    let full = reference_with_everything();
    // One way in, and one way out to a logger; a folder has none.
    let ways = [
        ("serial", "tcp-connect"),
        ("tcp-connect", "tcp-listen"),
        ("tcp-listen", "serial"),
        ("folder", ""),
        ("tftp", ""),
    ];
    // And one way to prove who the box is.
    let proofs =
        [("bearer", &["token-file"][..]), ("signature", &["device-key"]), ("mtls", &["client-cert", "client-key"])];
    for (number, (way, out)) in ways.into_iter().enumerate() {
        let (auth, own) = proofs[number % proofs.len()];
        let of_others: Vec<&str> =
            proofs.iter().flat_map(|(_, keys)| *keys).copied().filter(|key| !own.contains(key)).collect();
        let full = full.replace("auth = \"bearer\"", &format!("auth = {auth:?}"));
        let keep = [format!("[source.{way}]"), format!("[source.relay.{out}]")];
        let others =
            ["serial", "tcp-connect", "tcp-listen", "folder", "tftp"].map(|way| format!("[source.{way}]")).to_vec();
        let relays = ["serial", "tcp-connect", "tcp-listen"].map(|way| format!("[source.relay.{way}]"));
        let others = [others, relays.to_vec(), vec!["[source.relay]".to_owned()]].concat();
        let mut parts: Vec<&str> = full.split_inclusive('\n').collect();
        let mut skip = false;
        parts.retain(|line| {
            if line.starts_with('[') {
                let relay = line.trim() == "[source.relay]" && !out.is_empty();
                skip = others.iter().any(|other| other == line.trim())
                    && !keep.contains(&line.trim().to_owned())
                    && !relay;
            }
            let proves = of_others.iter().any(|key| line.starts_with(&format!("{key} =")));
            !skip && !proves
        });
        let file = file(&parts.concat());
        let checked = config::inspect(file.path(), DIALECTS).unwrap_or_else(|error| panic!("{}", error.report()));
        assert!(checked.warnings.is_empty(), "{}", checked.report(file.path()));
    }
    let mut paths = BTreeSet::new();
    let table: toml::Table = full.parse().unwrap();
    collect("", &toml::Value::Table(table), &mut paths);
    for key in keys::KEYS {
        assert!(paths.contains(key.path), "config/smdrd.toml does not show {}", key.path);
    }
    let unknown: Vec<_> = paths.iter().filter(|path| keys::find(path).is_none()).collect();
    assert!(unknown.is_empty(), "config/smdrd.toml shows {unknown:?}, which config::keys does not know");
}

fn collect(path: &str, value: &toml::Value, paths: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => {
            for (key, value) in table {
                let inner = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                paths.insert(keys::find(&inner).map_or(inner.clone(), |key| key.path.to_owned()));
                collect(&inner, value, paths);
            }
        }
        toml::Value::Array(elements) => elements.iter().for_each(|element| collect(path, element, paths)),
        _ => {}
    }
}

/// serde lists the keys of a table when it is given one that it does not know: `config::keys` must list the same.
#[test]
fn the_list_of_keys_is_the_one_that_is_read() {
    let practice = "[[practice]]\nods = 'A81001'\n";
    let source = "[[source]]\nname = 'a'\ndialect = 'avaya-ipoffice'\n";
    for (table, text) in [
        ("", "xyzzy-0 = 1\n".to_owned()),
        ("practice", format!("{practice}xyzzy-0 = 1\n")),
        ("other-tenant", "[[other-tenant]]\nname = 'a'\nxyzzy-0 = 1\n".to_owned()),
        ("features", "[features]\nxyzzy-0 = 1\n".to_owned()),
        ("source", format!("{source}xyzzy-0 = 1\n")),
        ("source.serial", format!("{source}[source.serial]\npath = '/a'\nxyzzy-0 = 1\n")),
        ("source.tcp-connect", format!("{source}[source.tcp-connect]\nhost = 'a'\nport = 1\nxyzzy-0 = 1\n")),
        ("source.tcp-listen", format!("{source}[source.tcp-listen]\naddress = '0.0.0.0:1'\nallow = []\nxyzzy-0 = 1\n")),
        ("source.folder", format!("{source}[source.folder]\npath = '/a'\nxyzzy-0 = 1\n")),
        ("source.relay", format!("{source}[source.relay]\nxyzzy-0 = 1\n")),
        ("source.relay.serial", format!("{source}[source.relay.serial]\npath = '/a'\nxyzzy-0 = 1\n")),
        (
            "source.relay.tcp-connect",
            format!("{source}[source.relay.tcp-connect]\nhost = 'a'\nport = 1\nxyzzy-0 = 1\n"),
        ),
        (
            "source.relay.tcp-listen",
            format!("{source}[source.relay.tcp-listen]\naddress = '0.0.0.0:1'\nallow = []\nxyzzy-0 = 1\n"),
        ),
        ("roles", "[roles]\nxyzzy-0 = 1\n".to_owned()),
        ("numbers", "[numbers]\nxyzzy-0 = 1\n".to_owned()),
        ("privacy", "[privacy]\nxyzzy-0 = 1\n".to_owned()),
        ("supplier", "[supplier]\nurl = 'a'\nxyzzy-0 = 1\n".to_owned()),
        ("retention", "[retention]\nxyzzy-0 = 1\n".to_owned()),
        ("alerts", "[alerts]\nxyzzy-0 = 1\n".to_owned()),
        ("alerts.mail", "[alerts.mail]\nto = ['a']\nfrom = 'a'\nserver = 'a'\nxyzzy-0 = 1\n".to_owned()),
    ] {
        let message = toml::from_str::<config::Config>(&text).unwrap_err().message().to_owned();
        let read: BTreeSet<String> = message.split('`').skip(3).step_by(2).map(str::to_owned).collect();
        let listed: BTreeSet<String> = (keys::KEYS.iter())
            .filter_map(|key| match key.path.rsplit_once('.') {
                Some((home, name)) => (home == table && name != "*").then(|| name.to_owned()),
                None => table.is_empty().then(|| key.path.to_owned()),
            })
            .collect();
        assert_eq!(listed, read, "keys of [{table}]; serde says: {message}");
    }
}

#[test]
fn the_manual_explains_every_key() {
    let manual = std::fs::read_to_string(root().join("docs/config.md")).unwrap();
    for key in keys::KEYS.iter().filter(|key| !key.path.ends_with('*')) {
        let name = key.path.rsplit('.').next().unwrap();
        assert!(manual.contains(&format!("`{name}`")), "docs/config.md does not explain {}", key.path);
    }
}

#[test]
fn a_file_that_everybody_may_write_is_warned_about() {
    let file = file("");
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o666)).unwrap();
    let checked = config::inspect(file.path(), &[]).unwrap();
    assert!(checked.report(file.path()).contains("everybody on this machine may change this file (mode 0666)"));
    std::fs::set_permissions(file.path(), std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(!config::inspect(file.path(), &[]).unwrap().report(file.path()).contains("everybody"));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = config::read(Path::new("/nonexistent/smdrd.toml")).unwrap_err();
    assert!(error.to_string().starts_with("/nonexistent/smdrd.toml: cannot be read: No such file"), "{error}");
}

#[test]
fn a_log_gets_the_first_fault_in_one_line() {
    let file = file("zone = \"Europe/Lundon\"\nstate-dir = \"here\"\n");
    let error = config::read(file.path()).unwrap_err();
    let line = error.to_string();
    let path = file.path().display();
    assert_eq!(
        line,
        format!(
            "{path}:1:8: zone = \"Europe/Lundon\": there is no such time zone; did you mean \"Europe/London\"? (and 1 more; `smdrd check` shows all)"
        )
    );
}

#[test]
fn dialects_are_looked_at_only_when_they_are_known() {
    let example = root().join("config/examples/avaya-ipoffice-tcp-listen.toml");
    assert!(config::read(&example).is_ok());
    let error = config::read_with(&example, &["mitel-5000"]).unwrap_err();
    assert_eq!(faults(&error)[0].field, "source[0].dialect");
}

#[test]
fn a_caller_can_refuse_what_only_it_can_see() {
    let text = "[[practice]]\nods = 'A81001'\n[[source]]\nname = 'a'\ndialect = 'mitel-5000'\n\
                options = { layout = 'wide' }\nserial = { path = '/dev/ttyS0' }\n[numbers]\nown = ['01632960100']\n";
    let file = file(text);
    let checked = config::inspect(file.path(), DIALECTS).unwrap();
    let found = vec![("source[0].options.layout".to_owned(), "no such option".to_owned(), "take it out".to_owned())];
    let error = checked.refuse(file.path(), found);
    let fault = faults(&error)[0];
    assert_eq!((fault.line, fault.column, fault.value.as_str()), (6, 22, "'wide'"));
    assert!(error.report().contains("options = { layout = 'wide' }"), "{}", error.report());
}

fn check(arguments: &[&str]) -> std::process::Output {
    assert_cmd::Command::cargo_bin("smdrd").unwrap().arg("check").args(arguments).output().unwrap()
}

#[test]
fn the_verb_says_good_and_leaves_with_0() {
    let example = root().join("config/examples/siemens-hipath3000-serial.toml");
    let output = check(&["--config", example.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.ends_with(": good: 1 source (hipath), practice A81001/main, no supplier: days are kept and not sent\n"),
        "{text}"
    );
}

#[test]
fn the_verb_shows_every_fault_and_leaves_with_78() {
    let bad = root().join("tests/config/bad/several-at-once.toml");
    let output = check(&["--config", bad.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(78));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("4 faults"), "{text}");
    let output = check(&["--json", "--config", bad.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(78));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["good"], false);
    let faults = json["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 4);
    assert_eq!(faults[1]["field"], "source[0].serial.baud");
    assert_eq!(faults[1]["value"], "\"9600\"");
    assert_eq!(faults[1]["line"], 11);
    assert_eq!(check(&["--config", "/nonexistent/smdrd.toml"]).status.code(), Some(78));
}
