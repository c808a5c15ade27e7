//! A month of a supplier's practices: box, receiver, files, and the files against what was played.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use jiff::civil::date;
use serde_json::Value;

use crate::diary::Span;
use crate::loudly::say_loudly;
use crate::postgres;
use crate::practice::{Fate, Practices, WITHDRAWN};
use crate::practice_box::{Ran, play};
use crate::rig::free_port;
use crate::supplier::Supplier;
use crate::truth::{Cells, blank, count};

/// What was played, and what the file must say of the accounts that go in.
struct Played {
    ran: Ran,
    truth: Cells,
}

/// Plays every site's month, some at a time.
fn play_all(practices: &Practices, suppliers: &[&Supplier]) -> Played {
    let played = Mutex::new(Played { ran: Ran::default(), truth: Cells::new() });
    let next = AtomicUsize::new(0);
    let url = suppliers[0].url.clone();
    let others: Vec<String> = suppliers[1..].iter().map(|supplier| supplier.url.clone()).collect();
    let goes_in: BTreeMap<&str, bool> =
        practices.accounts.iter().map(|(account, fate)| (account.as_str(), !matches!(fate, Fate::Out(_)))).collect();
    let work = || {
        while let Some(site) = practices.sites.get(next.fetch_add(1, Ordering::Relaxed)) {
            let day = site.calls(&practices.span);
            let ran = play(site, &practices.span, &day, &url, &others);
            let mut played = played.lock().unwrap();
            played.ran.calls += ran.calls;
            played.ran.lines += ran.lines;
            played.ran.documents += ran.documents;
            if goes_in[site.account.as_str()] {
                let truth = &mut played.truth;
                if !truth.keys().any(|[account, ..]| *account == site.account) {
                    blank(truth, &site.account, &practices.span);
                }
                for call in day.calls.iter().filter(|call| !site.loses(call.end())) {
                    count(truth, &site.account, call, &practices.span.zone);
                }
            }
        }
    };
    let processors = std::thread::available_parallelism().map_or(2, usize::from);
    // Those that wait for the disk leave the processors to others.
    let threads = if in_full() { processors * 2 } else { processors };
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    played.into_inner().unwrap()
}

#[track_caller]
fn assert_same(found: &Cells, truth: &Cells) {
    let differ: Vec<String> = truth
        .iter()
        .filter(|(cell, count)| found.get(*cell) != Some(count))
        .map(|(cell, count)| format!("{cell:?}: played {count}, written {:?}", found.get(cell)))
        .chain(found.keys().filter(|cell| !truth.contains_key(*cell)).map(|cell| format!("{cell:?}: never played")))
        .collect();
    assert!(
        differ.is_empty(),
        "{} of {} cells differ:\n{}",
        differ.len(),
        truth.len(),
        differ[..differ.len().min(40)].join("\n")
    );
}

/// Each account that is left out, with the words of the reasons.
fn left_out(built: &Value) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let left = built["submission"]["left_out"].as_array().unwrap();
    let reasons = |left: &Value| {
        let words = left["reasons"].as_array().unwrap().iter().map(|why| text(&why["word"]));
        words.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(" ")
    };
    left.iter().map(|left| (text(&left["account"]), reasons(left))).collect()
}

/// The whole proof of one month.
fn prove(first: jiff::civil::Date, many: usize, busy: i64) {
    let began = Instant::now();
    let practices = Practices::new(Span::of(first), many, busy);
    let sqlite = Supplier::new(&practices, None);
    let server = postgres::server(free_port());
    let on_server = server.as_ref().map(|server| Supplier::new(&practices, Some(server.database("month"))));
    let suppliers: Vec<&Supplier> = [&sqlite].into_iter().chain(on_server.as_ref()).collect();
    let Played { ran, truth } = play_all(&practices, &suppliers);
    let played = began.elapsed();

    let (code, built) = sqlite.build();
    let took = began.elapsed() - played;
    let expected: BTreeMap<String, String> = practices
        .accounts
        .iter()
        .filter_map(|(account, fate)| match fate {
            Fate::Out(why) => Some((account.clone(), (*why).to_owned())),
            _ => None,
        })
        .collect();
    assert_eq!(left_out(&built), expected, "{:#}", built["submission"]["left_out"]);
    assert_eq!(code, i32::from(!expected.is_empty()), "an account that takes part and is left out is not well");
    let cells = sqlite.cells(1);
    assert_same(&cells, &truth);
    for one in built["submission"]["included"].as_array().unwrap() {
        let account = one["account"].as_str().unwrap();
        let fate = practices.accounts.iter().find(|(known, _)| known == account).unwrap().1;
        assert_eq!(one["accepted"].is_string(), fate == Fate::Accepted, "{one}");
        let undisturbed = practices.sites.iter().filter(|site| site.account == account).all(|site| {
            site.outages
                .iter()
                .all(|outage| !crate::diary::works(outage.from.to_zoned(practices.span.zone.clone()).date()))
        });
        let observed = one["observed"].as_u64().unwrap();
        assert!(if undisturbed { observed == 10_000 } else { observed < 10_000 }, "{one}");
    }

    // The same month builds the same bytes, and so it does from the other store.
    assert_eq!(sqlite.build().1["unchanged"], true);
    let same_bytes = |number: u32| {
        let Some(on_server) = &on_server else { return };
        assert_eq!(on_server.build().0, code);
        let files = sqlite.files(number);
        assert_eq!(files.len(), 5);
        assert_eq!(on_server.files(number), files, "build {number}");
    };
    same_bytes(1);

    // One practice takes its agreement back: exactly that is dropped.
    if practices.accounts.iter().any(|(account, _)| account == WITHDRAWN) {
        let codes = practices.sites.iter().filter(|site| site.account != WITHDRAWN).map(|site| site.ods.as_str());
        suppliers.iter().for_each(|supplier| supplier.take_part(codes.clone()));
        let (_, built) = sqlite.build();
        let mut expected = expected;
        expected.insert(WITHDRAWN.to_owned(), "not-participating".to_owned());
        assert_eq!(left_out(&built), expected);
        let kept: Cells =
            truth.iter().filter(|([account, ..], _)| account != WITHDRAWN).map(|(c, n)| (c.clone(), *n)).collect();
        assert!(kept.len() < truth.len());
        assert_same(&sqlite.cells(2), &kept);
        same_bytes(2);
    }
    note(
        &practices.span.name(),
        &format!(
            "{} | {} | {} | {} | {} | {} | {:.0} s | {:.1} s |",
            practices.accounts.len(),
            practices.sites.len(),
            ran.calls,
            ran.lines,
            ran.documents,
            truth.len(),
            played.as_secs_f64(),
            took.as_secs_f64(),
        ),
    );
}

const PAGE: &str = "docs/proof.md";
const BEGIN: &str = "<!-- written by tests/months; make month -->\n";
const END: &str = "<!-- end of months -->";
const HEAD: &str = "| month | accounts | boxes | calls played | lines | days | cells compared | played in | built in |\n\
                    |---|--:|--:|--:|--:|--:|--:|--:|--:|\n";

/// Says what a month came to; a run in full that is to write it down puts it into the page, in place of the month's row.
fn note(month: &str, figures: &str) {
    let row = format!("| {month} | {figures}\n");
    eprint!("{row}");
    if !in_full() || std::env::var_os("UPDATE").is_none() {
        return;
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("the mark before the table");
    let (given, after) = rest.split_once(END).expect("the mark after the table");
    let others =
        given.lines().filter(|line| line.starts_with("| 2") && !line.contains(month)).map(|line| format!("{line}\n"));
    let rows: BTreeSet<String> = others.chain([row]).collect();
    let table: String = rows.into_iter().collect();
    std::fs::write(&path, format!("{before}{BEGIN}{HEAD}{table}{END}{after}")).unwrap();
}

/// Whether everything is played, each commit waiting for the disk: `SMDRD_MONTH=full`.
pub fn in_full() -> bool {
    std::env::var_os("SMDRD_MONTH").is_some_and(|how| how == "full")
}

/// How many practices: `small` in a run of all tests, `full` in a run in full, or as many as `SMDRD_MONTH` says.
fn many(small: usize, full: usize) -> usize {
    let said = std::env::var("SMDRD_MONTH").ok().and_then(|how| how.parse().ok());
    said.unwrap_or(if in_full() { full } else { small })
}

/// October: the clocks go back.
#[test]
fn a_month_of_many_practices_is_in_the_files_cell_for_cell() {
    if !in_full() {
        say_loudly("a month of 200 practices: `make month` plays it; here are 12");
    }
    prove(date(2026, 10, 1), many(12, 200), if in_full() { 30 } else { 22 });
}

/// March: the clocks go forward, on Easter Sunday, between two bank holidays.
#[test]
fn a_month_with_bank_holidays_in_which_the_clocks_go_forward() {
    prove(date(2027, 3, 1), many(3, 12), if in_full() { 30 } else { 22 });
}
