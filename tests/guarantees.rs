//! docs/guarantees.md: each fault has a test that is there, and each test that is named is there too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const PAGE: &str = "docs/guarantees.md";
const BEGIN: &str = "<!-- faults -->\n";
const END: &str = "<!-- end of faults -->\n";

/// What each fault is, in order from F1.
const FAULTS: [&str; 30] = [
    "kill -9 in ingest",
    "power cut",
    "the n-th I/O call fails",
    "disk full",
    "disk becomes read-only",
    "database corrupt",
    "log deleted, old copy put back",
    "two daemons",
    "adapter unplugged and put back",
    "cable pulled, adapter stays",
    "noise, break, wrong speed",
    "line ends, page heads, endless lines",
    "hostile lines",
    "TCP peer half open",
    "TCP slow or abrupt, other peers",
    "buffer printed again; identical calls",
    "the box's clock jumps",
    "summer time",
    "the PBX's clock is wrong",
    "the supplier fails in every way",
    "the reply is lost",
    "receipts late or twice, refusals",
    "long outage",
    "SIGTERM at any instant",
    "hang",
    "upgrade and downgrade",
    "resource limits",
    "errors in the configuration",
    "slow disk, wear",
    "the outbox against a model",
];

/// Faults that are tried by tests that are elsewhere, or are elsewhere too.
const ELSEWHERE: [(usize, &str, &str); 12] = [
    (9, "tests/sources/serial.rs", "an_unplugged_adapter_is_looked_for_by_its_path_without_spinning"),
    (12, "tests/hardness/mutants.rs", "however_a_stream_of_any_bytes_is_cut_its_lines_are_the_same"),
    (13, "tests/hardness/mutants.rs", "changed_lines_come_to_something_and_no_record_says_what_did_not_come"),
    (16, "tests/daemon/redump.rs", "a_buffer_that_comes_again_on_a_new_link_is_counted_once"),
    (17, "tests/daemon/days.rs", "a_wild_stamp_closes_no_thousand_days_and_is_never_sent"),
    (18, "tests/calls/sealing.rs", "a_call_that_is_put_back_stands_as_it_stood_in_the_repeated_hour_too"),
    (20, "tests/push/table.rs", "every_status_has_its_place_in_the_table"),
    (21, "tests/daemon/delivery.rs", "a_receiver_that_is_down_for_the_night_gets_the_day_the_next_time_once"),
    (22, "tests/push/misbehaving.rs", "success_without_a_matching_receipt_is_no_success"),
    (26, "src/store/schema.rs", "a_newer_file_is_refused_politely"),
    (28, "tests/config.rs", "every_bad_file_is_told_what_is_wrong_with_it"),
    (28, "tests/hardness/typos.rs", "each_typo_is_cited_with_its_place_and_what_to_do"),
];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    std::fs::read_to_string(path(name)).unwrap_or_else(|reason| panic!("{name}: {reason}"))
}

/// The names of the tests in a file.
fn tests_of(text: &str) -> Vec<String> {
    let mut tests = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            let named = lines.by_ref().find_map(|line| line.split_once("fn "));
            tests.extend(named.and_then(|(_, rest)| rest.split('(').next()).map(str::to_owned));
        }
    }
    tests
}

/// The files of the fault suite that hold tests, by the number of their fault.
fn suite() -> BTreeMap<usize, Vec<String>> {
    let mut suite: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for entry in std::fs::read_dir(path("tests/faults")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let number = name.strip_prefix('f').and_then(|rest| rest.split_once('_')).and_then(|(n, _)| n.parse().ok());
        if let Some(number) = number {
            suite.entry(number).or_default().push(format!("tests/faults/{name}"));
        }
    }
    suite.values_mut().for_each(|files| files.sort());
    suite
}

fn table() -> String {
    let suite = suite();
    let main = read("tests/faults/main.rs");
    let mut table = "| | fault | held by |\n|---|---|---|\n".to_owned();
    for (number, fault) in (1..).zip(FAULTS) {
        let mut held = Vec::new();
        for file in suite.get(&number).into_iter().flatten() {
            let module = file.trim_start_matches("tests/faults/").trim_end_matches(".rs");
            assert!(main.contains(&format!("mod {module};")), "{file} is not part of the suite");
            let tests = tests_of(&read(file));
            assert!(!tests.is_empty(), "{file} holds no test");
            held.push(format!("`{file}`: {}", tests.join(", ").replace('_', " ")));
        }
        for (_, file, test) in ELSEWHERE.iter().filter(|(of, ..)| *of == number) {
            held.push(format!("`{file}`: {}", test.replace('_', " ")));
        }
        assert!(!held.is_empty(), "nobody tries F{number}, {fault}");
        let held = held.join("; ");
        table += &format!("| F{number} | {fault} | {held} |\n");
    }
    table
}

#[test]
fn each_fault_has_a_test_and_the_page_says_which() {
    let page = read(PAGE);
    let (before, rest) = page.split_once(BEGIN).expect("the page has a place for the table");
    let (found, after) = rest.split_once(END).expect("the table has an end");
    let table = table();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path(PAGE), format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert!(found == table, "{PAGE} is stale: UPDATE=1 cargo test --test guarantees writes it again");
    }
}

#[test]
fn each_test_that_is_named_is_there() {
    let mut named: Vec<(String, String)> = Vec::new();
    let mut file = String::new();
    for quoted in read(PAGE).split('`').skip(1).step_by(2) {
        if quoted.ends_with(".rs") {
            file = quoted.to_owned();
            assert!(path(&file).is_file(), "{file} is named and not there");
        } else if quoted.contains('_')
            && quoted.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        {
            named.push((file.clone(), quoted.to_owned()));
        }
    }
    named.extend(ELSEWHERE.iter().map(|(_, file, test)| ((*file).to_owned(), (*test).to_owned())));
    assert!(named.len() > 20, "{named:?}");
    for (file, test) in named {
        let there = tests_of(&read(&file)).contains(&test) || proptested(&read(&file), &test);
        assert!(there, "{file} has no test {test}");
    }
}

/// Tests inside `proptest!` stand under the same attribute, with arguments.
fn proptested(text: &str, test: &str) -> bool {
    text.contains(&format!("fn {test}("))
}
