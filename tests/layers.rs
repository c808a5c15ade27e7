//! The flow is the layout: `source → framing → dialect → privacy → call → aggregate → store → push`. A module uses only
//! what stands to its left, and the shared words. Read from the sources, so that it holds for every path that is written.

mod source_text;

use source_text::{Token, lines_of, read_sources, tokens};

/// The flow, left to right.
const FLOW: [&str; 8] = ["source", "framing", "dialect", "privacy", "call", "aggregate", "store", "push"];

/// Words that everybody may use.
const SHARED: [&str; 4] = ["config", "clock", "number", "record"];

/// Files of more than 500 lines, and why each is not cut up.
const LONG: &[(&str, &str)] = &[];

/// What a module may use beside itself; nothing for a module that has no place yet.
fn allowed(module: &str) -> Option<Vec<&'static str>> {
    if let Some(place) = FLOW.iter().position(|step| *step == module) {
        return Some([&FLOW[..place], &SHARED[..]].concat());
    }
    let right_of_the_flow = || [&FLOW[..], &SHARED[..]].concat();
    Some(match module {
        "number" | "clock" => vec![],
        "config" | "record" => vec!["number"],
        "notify" => SHARED.to_vec(),
        // Told about what the flow came to; its channels know the network as `push` does.
        "alert" => right_of_the_flow(),
        // What people read, on the way from the store to a terminal or a page.
        "status" | "report" => right_of_the_flow(),
        "control" | "web" => [right_of_the_flow(), vec!["alert", "status", "report"]].concat(),
        "daemon" => [right_of_the_flow(), vec!["alert", "status", "report", "control", "notify", "web"]].concat(),
        // The supplier's side knows the day document, how it travels and how the call-level file is laid out, and nothing of how
        // they came about.
        "supplier" => [&["aggregate", "push", "report"][..], &SHARED[..]].concat(),
        // A simulator that used the daemon's own modules would prove nothing.
        "simulator" => SHARED.to_vec(),
        // `smdrd` links nothing of `supplier`.
        "cli" => {
            [right_of_the_flow(), vec!["alert", "status", "report", "control", "notify", "web", "daemon", "simulator"]]
                .concat()
        }
        _ => return None,
    })
}

/// Everything that breaks the layout in `files` (path below `src/`, text).
fn violations(files: &[(String, String)]) -> Vec<String> {
    let mut found = Vec::new();
    for (path, text) in files {
        let tokens = tokens(text);
        if path == "lib.rs" {
            continue;
        }
        if path == "main.rs" || path.starts_with("bin/") {
            let may = if path == "main.rs" { "cli" } else { "supplier" };
            for used in roots_after("smdrd", &tokens).filter(|used| used != may) {
                found.push(format!("src/{path}: uses smdrd::{used}; argv goes to smdrd::{may} and nowhere else"));
            }
            continue;
        }
        let module = path.split(['/', '.']).next().unwrap_or_default();
        let Some(may) = allowed(module) else {
            found.push(format!("src/{path}: `{module}` has no place in the flow; give it one in tests/layers.rs"));
            continue;
        };
        for used in uses(path, &tokens) {
            if used != module && !may.contains(&used.as_str()) {
                found.push(format!("src/{path}: `{module}` uses `{used}`, which does not stand to its left"));
            }
        }
        let has = |word: &str| tokens.iter().any(|token| token.is(word));
        if has("rusqlite") && !matches!(module, "store" | "supplier") {
            found.push(format!("src/{path}: only `store` (and the supplier's receiver) knows SQL"));
        }
        if (has("tokio_postgres") || has("deadpool_postgres")) && module != "supplier" {
            found.push(format!("src/{path}: only the supplier's receiver knows PostgreSQL"));
        }
        // `record` renders what the parse verb prints; it exists for numbers only before `privacy`.
        let may_reveal = matches!(module, "number" | "record" | "dialect" | "privacy") || path == "cli/parse.rs";
        if has("reveal") && !may_reveal {
            found
                .push(format!("src/{path}: reveals a number; only number, record, dialect, privacy and cli/parse may"));
        }
    }
    found
}

/// The names of modules at the top of the crate that the file uses.
fn uses(path: &str, tokens: &[Token]) -> Vec<String> {
    let mut used: Vec<String> = roots_after("crate", tokens).collect();
    // `super` reaches the top of the crate when it is said as often as the file lies deep.
    let depth = path.trim_end_matches(".rs").trim_end_matches("/mod").split('/').count();
    let mut at = 0;
    while at < tokens.len() {
        let mut supers = 0;
        while tokens.get(at).is_some_and(|token| token.is("super")) && tokens.get(at + 1).is_some_and(|t| t.is("::")) {
            supers += 1;
            at += 2;
        }
        if supers >= depth {
            used.extend(heads(tokens, at));
        }
        at += 1;
    }
    used
}

/// What follows `root::`, group by group.
fn roots_after<'a>(root: &'a str, tokens: &'a [Token]) -> impl Iterator<Item = String> + 'a {
    (0..tokens.len())
        .filter(move |&at| tokens[at].is(root) && tokens.get(at + 1).is_some_and(|token| token.is("::")))
        .flat_map(|at| heads(tokens, at + 2))
}

/// The first name at `at`, or the first of each path of the group that begins there.
fn heads(tokens: &[Token], at: usize) -> Vec<String> {
    match tokens.get(at) {
        Some(Token { text, .. }) if text == "{" => {
            let (mut names, mut depth, mut first) = (Vec::new(), 0, false);
            for token in &tokens[at..] {
                match token.text.as_str() {
                    "{" => {
                        depth += 1;
                        first = depth == 1;
                    }
                    "}" if depth == 1 => break,
                    "}" => depth -= 1,
                    "," if depth == 1 => first = true,
                    name if depth == 1 && first => {
                        names.push(name.to_owned());
                        first = false;
                    }
                    _ => {}
                }
            }
            names.retain(|name| name != "self");
            names
        }
        // Things that lib.rs itself would hold begin with a capital; there are none, and a glob takes everything.
        Some(token) => vec![token.text.clone()],
        None => Vec::new(),
    }
}

fn plant(path: &str, text: &str) -> Vec<String> {
    violations(&[(path.to_owned(), text.to_owned())])
}

#[test]
fn the_flow_is_the_layout() {
    let files = read_sources();
    assert!(files.len() >= 20, "only {} files read", files.len());
    let found = violations(&files);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn every_way_of_looking_right_is_seen() {
    for (path, text) in [
        ("framing/mod.rs", "use crate::dialect::Line;"),
        ("framing/mod.rs", "use crate::{clock::Clock, dialect};"),
        ("framing/stx.rs", "use super::super::dialect::Line;"),
        ("framing/mod.rs", "use super::dialect;"),
        ("framing/stx.rs", "fn f() -> crate::privacy::Masked { todo!() }"),
        ("framing/mod.rs", "use crate::{\n    config::{Config, Source},\n    store::{self},\n};"),
        ("framing/mod.rs", "use crate::*;"),
        ("call/mod.rs", "fn f(x: u8) -> u8 { crate :: store :: f(x) }"),
        ("number.rs", "use crate::record::Record;"),
        ("clock.rs", "use crate::config::Config;"),
        ("record.rs", "use crate::clock::Clock;"),
        ("store/mod.rs", "use crate::daemon;"),
        ("supplier/mod.rs", "use crate::store::Store;"),
        ("simulator/ipoffice.rs", "use crate::dialect::Line;"),
        ("cli/demo.rs", "use crate::supplier::Receiver;"),
        ("daemon.rs", "use crate::supplier;"),
        ("call/mod.rs", "use rusqlite::Connection;"),
        ("store/mod.rs", "use tokio_postgres::Client;"),
        ("call/mod.rs", "fn f(n: &Number) { n.reveal(); }"),
        ("call/mod.rs", "fn f(n: Option<&Number>) { n.map(Number::reveal); }"),
        ("cli/day.rs", "fn f(n: &Number) { n.reveal(); }"),
        ("weather/mod.rs", ""),
        ("main.rs", "fn main() { smdrd::supplier::main() }"),
        ("bin/smdr-feed.rs", "fn main() { smdrd::cli::main() }"),
    ] {
        assert_eq!(plant(path, text).len(), 1, "src/{path}: {text}: {:?}", plant(path, text));
    }
}

#[test]
fn looking_left_is_no_fault() {
    for (path, text) in [
        ("dialect/mod.rs", "use crate::framing::Line; use crate::{number::Number, record::{self, Record}};"),
        ("dialect/plan.rs", "use super::Line; use super::super::framing; pub(crate) fn f() {} pub(super) fn g() {}"),
        ("framing/mod.rs", "// crate::dialect is to the right\n/* use crate::store; /* */ */"),
        (
            "framing/mod.rs",
            "const A: &str = \"crate::dialect\"; const B: &str = r#\"\" crate::dialect\"#; const C: char = '\"';",
        ),
        ("framing/mod.rs", "#[cfg(test)]\nmod tests {\n    use crate::dialect::Line;\n    fn f() { {} }\n}"),
        ("framing/mod.rs", "fn f<'a>(x: &'a str) -> &'a str { x }"),
        ("supplier/mod.rs", "use crate::aggregate::document::Day; use rusqlite::Connection;"),
        ("cli/parse.rs", "fn f(n: &Number) { n.reveal(); }"),
        ("cli/check.rs", "use super::DONE; use super::super::config;"),
        ("main.rs", "fn main() { smdrd::cli::main() }"),
    ] {
        assert_eq!(plant(path, text), Vec::<String>::new(), "src/{path}: {text}");
    }
    let blind = "#[cfg(test)]\nmod tests {}\nuse crate::dialect::Line;";
    assert_eq!(plant("framing/mod.rs", blind).len(), 1, "what follows a test module is not overlooked");
}

#[test]
fn no_module_is_named_for_nothing() {
    for (path, _) in read_sources() {
        for part in path.trim_end_matches(".rs").split('/') {
            let stem = part.trim_end_matches('s');
            assert!(
                !matches!(stem, "util" | "helper" | "common" | "manager"),
                "src/{path} says nothing of what it does"
            );
        }
    }
}

#[test]
fn files_are_short() {
    let files = read_sources();
    for (path, text) in &files {
        let lines = text.lines().count();
        let listed = LONG.iter().any(|(long, _)| long == path);
        assert!(
            lines <= 500 || listed,
            "src/{path} has {lines} lines: cut it up, or list it in tests/layers.rs with why"
        );
        assert!(lines > 500 || !listed, "src/{path} has {lines} lines and need not be listed any more");
    }
    for (long, _) in LONG {
        assert!(files.iter().any(|(path, _)| path == long), "src/{long} is listed and is not there");
    }
}

/// The lints that keep a bad line from stopping the daemon are attributes: they must stay, and nobody may lift them
/// outside tests.
#[test]
fn the_core_that_reads_foreign_bytes_cannot_panic() {
    let lints = ["unwrap_used", "expect_used", "panic", "indexing_slicing", "arithmetic_side_effects"];
    let files = read_sources();
    for module in ["framing", "dialect"] {
        let root = format!("{module}/mod.rs");
        let (_, text) = files.iter().find(|(path, _)| *path == root).unwrap_or_else(|| panic!("no src/{root}"));
        let denied = denied_lints(text);
        for lint in lints {
            assert!(denied.iter().any(|denied| denied == lint), "src/{root} must say #![deny(clippy::{lint})]");
        }
        for (path, text) in files.iter().filter(|(path, _)| path.starts_with(&format!("{module}/"))) {
            for (line, lifted) in lines_of(text, &["allow", "expect", "warn"]) {
                let lint = lints.iter().find(|lint| lifted.contains(&format!("clippy::{lint}")));
                assert!(lint.is_none(), "src/{path}:{line}: lifts {lint:?} outside tests");
            }
        }
    }
    assert_eq!(denied_lints("#![deny(clippy::panic, clippy::unwrap_used)]"), ["panic", "unwrap_used"]);
    assert!(denied_lints("// #![deny(clippy::panic)]\n#[deny(clippy::panic)] fn f() {}").is_empty());
    assert_eq!(lines_of("\n#[allow(clippy::panic)]\nfn f() {}", &["allow"]), [(2, "clippy::panic".to_owned())]);
    assert!(lines_of("#[cfg(test)]\n#[allow(clippy::panic)]\nmod tests { }", &["allow"]).is_empty());
}

/// The lints of `clippy` that `#![deny(…)]` or `#![forbid(…)]` names.
fn denied_lints(text: &str) -> Vec<String> {
    let tokens = tokens(text);
    let mut lints = Vec::new();
    for at in 0..tokens.len() {
        let is = |offset: usize, word: &str| tokens.get(at + offset).is_some_and(|token| token.is(word));
        if is(0, "#") && is(1, "!") && is(2, "[") && (is(3, "deny") || is(3, "forbid")) {
            let inside = tokens[at + 4..].iter().take_while(|token| !token.is("]"));
            lints.extend(inside.filter(|token| token.is_word() && !token.is("clippy")).map(|token| token.text.clone()));
        }
    }
    lints
}
