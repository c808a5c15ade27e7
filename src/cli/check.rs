//! `smdrd check`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use crate::config::{self, Checked, Config, ConfigError, Fault, Severity};
use crate::dialect::{FileFault, Library};
use crate::source::in_memory;

/// Check a configuration: every fault at once, each with its line, the reason and what to do.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value_os_t = Config::default_path().to_owned())]
    config: PathBuf,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Runs the verb. 0 when the configuration can be used, with or without warnings; 78 when not.
pub fn run(arguments: Arguments) -> ExitCode {
    let path = &arguments.config;
    let result = inspect(path, Options::OfAll);
    let dialects = dialect_faults(&site_dialects(path));
    let good = result.is_ok() && dialects.is_empty();
    if arguments.json {
        let mut value = as_json(path, &result);
        value["good"] = good.into();
        value["dialect_faults"] = dialects.into();
        println!("{value}");
    } else {
        dialects.iter().for_each(|fault| println!("{fault}"));
        print!("{}", as_text(path, &result));
        if result.is_ok() && !good {
            let faults = count(dialects.len(), "fault");
            println!("its dialect files have {faults}: the sources that use them will understand no line");
        }
    }
    ExitCode::from(if good { super::DONE } else { super::CONFIGURATION })
}

/// Where the site's own dialects are; the usual place where the configuration cannot be read.
pub(super) fn site_dialects(config: &Path) -> PathBuf {
    let read = config::inspect(config, &[]);
    read.map_or_else(|_| Config::default_dialects_dir().to_owned(), |checked| checked.config.dialects_dir)
}

/// What is wrong with a site's dialects, each with its line and a caret.
fn dialect_faults(dir: &Path) -> Vec<String> {
    match Library::of_site(dir) {
        Ok(library) => library.broken().iter().flat_map(|broken| &broken.faults).map(FileFault::cited).collect(),
        Err(error) => vec![error.to_string()],
    }
}

/// Of which dialects the options are looked at. The daemon starts whatever a site's own dialect says, and shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Options {
    OfAll,
    OfShipped,
}

/// The configuration on its own, then with the dialects that its sources name and the options they are given.
pub(super) fn inspect(path: &Path, options: Options) -> Result<Checked, ConfigError> {
    // Without the site's folder nobody knows which dialects there are, and none is asked for.
    let library = Library::of_site(&site_dialects(path)).unwrap_or_default();
    let broken = library.broken().iter().map(|broken| broken.id.as_str());
    let known: Vec<&str> = library.ids().chain(broken).collect();
    let mut checked = config::inspect(path, &known)?;
    let mut found = Vec::new();
    let mut odd = Vec::new();
    for (index, source) in checked.config.source.iter().enumerate() {
        let Some(dialect) = library.get(source.dialect.get_ref()) else { continue };
        if dialect.from_site && options == Options::OfShipped {
            continue;
        }
        if let Err(error) = dialect.plan(&source.options, None) {
            let remedy = format!("smdrd dialects show {} lists its options", dialect.id);
            found.push((format!("source[{index}].options"), error.to_string(), remedy));
        }
        if let Some(folder) = source.folder.as_ref().map(|folder| &folder.get_ref().path) {
            let field = format!("source[{index}].folder.path");
            match folder.try_exists() {
                Ok(true) if !in_memory(folder) => found.push((field, NOT_MEMORY.to_owned(), IN_MEMORY.to_owned())),
                Ok(true) => {}
                Ok(false) => {
                    let remedy = "make it at each start of the box with a line of tmpfiles.d; docs/sources.md has it";
                    odd.push((field, "there is no such folder yet".to_owned(), remedy.to_owned()));
                }
                Err(reason) => {
                    let remedy = "let `check` run as the service's user";
                    odd.push((field, format!("cannot be looked at ({reason})"), remedy.to_owned()));
                }
            }
        }
    }
    checked.warn(odd);
    if found.is_empty() { Ok(checked) } else { Err(checked.refuse(path, found)) }
}

const NOT_MEMORY: &str = "not in memory (tmpfs): files there hold telephone numbers, which would be at rest on a disk";
const IN_MEMORY: &str = "name a folder below /run, such as \"/run/smdrd/drop\"";

fn as_text(path: &Path, result: &Result<Checked, ConfigError>) -> String {
    match result {
        Ok(checked) if checked.warnings.is_empty() => format!("{}: good: {}\n", path.display(), summary(checked)),
        Ok(checked) => {
            let warnings = count(checked.warnings.len(), "warning");
            format!("{}\n{}: good, {warnings}: {}\n", checked.report(path), path.display(), summary(checked))
        }
        Err(error) => {
            let faults = error.faults().iter().filter(|fault| fault.severity == Severity::Fault).count();
            let ending = match faults {
                0 => String::new(),
                faults => format!("\n{}: {}; smdrd will not start with it\n", path.display(), count(faults, "fault")),
            };
            error.report() + &ending
        }
    }
}

/// `2 sources (…), practice A81001/main, to https://…`.
fn summary(checked: &Checked) -> String {
    let config = &checked.config;
    let names: Vec<&str> = config.source.iter().map(|source| source.name.get_ref().as_str()).collect();
    let mut parts = vec![match names[..] {
        [] => "no source".to_owned(),
        _ => format!("{} ({})", count(names.len(), "source"), names.join(", ")),
    }];
    parts.push(match practices(config) {
        practices if practices.is_empty() => "no practice".to_owned(),
        practices => format!("practice {}", practices.join(", ")),
    });
    parts.push(match &config.supplier {
        Some(supplier) => format!("to {}", supplier.url.get_ref()),
        None => "no supplier: days are kept and not sent".to_owned(),
    });
    parts.join(", ")
}

fn practices(config: &Config) -> Vec<String> {
    let name = |practice: &config::Practice| format!("{}/{}", practice.ods.get_ref(), practice.site.get_ref());
    config.practice.iter().map(name).collect()
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn as_json(path: &Path, result: &Result<Checked, ConfigError>) -> serde_json::Value {
    let of = |severity: Severity, faults: &[Fault]| -> Vec<Fault> {
        faults.iter().filter(|fault| fault.severity == severity).cloned().collect()
    };
    let path = path.display().to_string();
    match result {
        Ok(Checked { config, warnings, .. }) => {
            let sources: Vec<_> = config.source.iter().map(|source| source.name.get_ref()).collect();
            let practices = practices(config);
            json!({"path": path, "good": true, "sources": sources, "practices": practices, "warnings": warnings})
        }
        Err(error @ ConfigError::Unreadable { .. }) => {
            json!({"path": path, "good": false, "unreadable": error.to_string()})
        }
        Err(ConfigError::Faulty { faults, .. }) => json!({
            "path": path,
            "good": false,
            "faults": of(Severity::Fault, faults),
            "warnings": of(Severity::Warning, faults),
        }),
    }
}
