//! What was seen of each file of the folder, and when it is ready to be taken.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::names;
use super::place::{Listing, State};
use super::watch::News;

/// An empty file may be one that somebody has just made and will write to in a while.
const EMPTY: Duration = Duration::from_secs(600);
/// After how long a file that its writer does not close is said to be in the way.
const HELD: Duration = Duration::from_secs(3600);
/// When something that could not be taken, read or removed is tried again.
const AGAIN: Duration = Duration::from_secs(60);
/// The most files that are named at once.
const NAMED: usize = 10;

/// The folder's files as they were seen, look after look.
pub(super) struct Table {
    settle: Duration,
    seen: BTreeMap<CString, Seen>,
    /// Names that somebody writes.
    written: BTreeSet<CString>,
    /// Names that were closed since they were written.
    closed: BTreeSet<CString>,
    /// Taken, and why they are still here.
    stuck: BTreeMap<String, (Option<String>, String, Instant)>,
}

struct Seen {
    state: State,
    is_file: bool,
    first: Instant,
    /// Since when it has not changed.
    since: Instant,
    refused: Option<(String, Instant)>,
}

impl Table {
    pub(super) fn new(settle: Duration) -> Table {
        Table {
            settle,
            seen: BTreeMap::new(),
            written: BTreeSet::new(),
            closed: BTreeSet::new(),
            stuck: BTreeMap::new(),
        }
    }

    /// Takes in what the kernel tells of a file, or of all.
    pub(super) fn hear(&mut self, name: Option<&CStr>, news: News) {
        match (name, news) {
            (Some(name), News::Written) => {
                self.closed.remove(name);
                self.written.insert(name.to_owned());
            }
            (Some(name), News::Closed) => {
                self.written.remove(name);
                self.closed.insert(name.to_owned());
            }
            (None, _) => self.written.clear(),
        }
    }

    /// Takes in what is in the folder; gives what is ready, oldest first.
    pub(super) fn look(&mut self, files: Vec<Listing>, now: Instant) -> Vec<CString> {
        let names: BTreeSet<CString> = files.iter().map(|file| file.name.clone()).collect();
        self.seen.retain(|name, _| names.contains(name));
        self.written.retain(|name| names.contains(name));
        self.closed.retain(|name| names.contains(name));
        for Listing { name, is_file, state } in files {
            let seen = self.seen.entry(name).or_insert(Seen { state, is_file, first: now, since: now, refused: None });
            if seen.state != state {
                (seen.state, seen.is_file, seen.since, seen.refused) = (state, is_file, now, None);
            }
        }
        // Files of one tick of the kernel's clock go by their names, which mostly carry a time or a number.
        let mut ready: Vec<((i64, i64), &CString)> = (self.seen.iter())
            .filter(|(name, seen)| self.is_ready(name, seen, now))
            .map(|(name, seen)| (seen.state.changed, name))
            .collect();
        ready.sort();
        ready.into_iter().map(|(_, name)| name.clone()).collect()
    }

    fn is_ready(&self, name: &CString, seen: &Seen, now: Instant) -> bool {
        let quiet = now.duration_since(seen.since);
        let enough =
            if seen.state.size > 0 || self.closed.contains(name) { self.settle } else { self.settle.max(EMPTY) };
        let refused = seen.refused.as_ref().is_some_and(|(_, when)| now.duration_since(*when) < AGAIN);
        seen.is_file && quiet >= enough && !self.written.contains(name) && !refused
    }

    /// A file could not be taken.
    pub(super) fn refuse(&mut self, name: &CStr, problem: String) {
        if let Some(seen) = self.seen.get_mut(name) {
            seen.refused = Some((problem, Instant::now()));
        }
    }

    /// A file was taken; `problem` is what kept it from being read and removed.
    pub(super) fn taken(&mut self, name: &CStr, file: String, problem: Option<String>) {
        let described = self.seen.remove(name).map(|seen| describe(name, &seen.state));
        if let Some(problem) = problem {
            self.stuck.insert(file, (described, problem, Instant::now()));
        }
    }

    /// Which of the files that were taken are to be tried (again).
    pub(super) fn unfinished(&mut self, taken: &[String], now: Instant) -> Vec<String> {
        self.stuck.retain(|file, _| taken.contains(file));
        let due = |file: &&String| self.stuck.get(*file).is_none_or(|(_, _, when)| now.duration_since(*when) >= AGAIN);
        taken.iter().filter(due).cloned().collect()
    }

    /// What became of a file that was taken before.
    pub(super) fn finished(&mut self, file: String, problem: Option<String>) {
        let before = self.stuck.remove(&file);
        if let Some(problem) = problem {
            self.stuck.insert(file, (before.and_then(|(described, ..)| described), problem, Instant::now()));
        }
    }

    /// Everything that is in the way, for a person; no name shows a number.
    pub(super) fn problems(&self, now: Instant) -> Vec<String> {
        let mut problems = Vec::new();
        for (name, seen) in &self.seen {
            let what = describe(name, &seen.state);
            if let Some((problem, _)) = &seen.refused {
                problems.push(format!("{what} {problem}"));
            } else if !seen.is_file {
                problems.push(format!("{what} is no plain file and is left alone; take it out of the folder"));
            } else if self.written.contains(name) && now.duration_since(seen.first) >= HELD {
                problems.push(format!("{what} is held open by its writer for more than an hour; it must close it"));
            }
        }
        for (file, (described, problem, _)) in &self.stuck {
            let what = described.clone().unwrap_or_else(|| names::taken(file));
            problems.push(format!("{what} {problem}"));
        }
        let more = problems.len().saturating_sub(NAMED);
        problems.truncate(NAMED);
        if more > 0 {
            problems.push(format!("and {more} more"));
        }
        problems
    }
}

/// A file for a person, who may know it by size and time where its name cannot be shown.
fn describe(name: &CStr, state: &State) -> String {
    let changed = Timestamp::new(state.changed.0, 0).unwrap_or_default();
    format!("{} ({} bytes, of {changed})", names::shown(name), state.size)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTLE: Duration = Duration::from_secs(10);

    fn file(name: &CStr, changed: i64, size: u64) -> Listing {
        Listing { name: name.to_owned(), is_file: true, state: State { changed: (changed, 0), size, number: 1 } }
    }

    #[test]
    fn a_file_is_ready_when_it_has_been_quiet_and_the_oldest_comes_first() {
        let (mut table, start) = (Table::new(SETTLE), Instant::now());
        let files = || vec![file(c"a", 7, 3), file(c"b", 5, 3)];
        assert!(table.look(files(), start).is_empty());
        assert!(table.look(files(), start + SETTLE / 2).is_empty());
        let grown = || vec![file(c"a", 8, 4), file(c"b", 5, 3)];
        assert_eq!(table.look(grown(), start + SETTLE), [c"b".to_owned()]);
        assert_eq!(table.look(grown(), start + SETTLE * 2), [c"b".to_owned(), c"a".to_owned()]);
    }

    #[test]
    fn files_of_one_moment_go_by_their_names_and_not_by_their_size() {
        let (mut table, start) = (Table::new(Duration::ZERO), Instant::now());
        let files = vec![file(c"cdr_002", 7, 3), file(c"cdr_001", 7, 9)];
        assert_eq!(table.look(files, start), [c"cdr_001".to_owned(), c"cdr_002".to_owned()]);
    }

    #[test]
    fn a_file_that_is_held_open_is_waited_for_however_quiet_it_is_and_said_to_be_in_the_way() {
        let (mut table, start) = (Table::new(SETTLE), Instant::now());
        table.hear(Some(c"a"), News::Written);
        assert!(table.look(vec![file(c"a", 7, 3)], start).is_empty());
        assert!(table.look(vec![file(c"a", 7, 3)], start + SETTLE * 9).is_empty());
        assert!(table.problems(start + SETTLE * 9).is_empty());
        let [problem] = &table.problems(start + HELD)[..] else { panic!("not one problem") };
        assert!(problem.starts_with("a (3 bytes, of 1970-01-01T00:00:07Z) is held open"), "{problem}");
        table.hear(Some(c"a"), News::Closed);
        assert_eq!(table.look(vec![file(c"a", 7, 3)], start + SETTLE * 9), [c"a".to_owned()]);
    }

    #[test]
    fn an_empty_file_is_waited_for_unless_it_was_closed() {
        let (mut table, start) = (Table::new(SETTLE), Instant::now());
        let files = || vec![file(c"closed", 7, 0), file(c"made", 7, 0)];
        table.hear(Some(c"closed"), News::Closed);
        assert!(table.look(files(), start).is_empty());
        assert_eq!(table.look(files(), start + SETTLE), [c"closed".to_owned()]);
        assert_eq!(table.look(files(), start + EMPTY).len(), 2);
    }

    #[test]
    fn what_could_not_be_taken_is_tried_again_later_and_does_not_stop_others() {
        let (mut table, start) = (Table::new(Duration::ZERO), Instant::now());
        let files = || vec![file(c"a07700900123", 7, 3), file(c"b", 8, 3)];
        assert_eq!(table.look(files(), start).len(), 2);
        table.refuse(c"a07700900123", "cannot be read".to_owned());
        assert_eq!(table.look(files(), Instant::now()), [c"b".to_owned()]);
        let problems = table.problems(Instant::now());
        assert_eq!(problems, ["a99999999999 (3 bytes, of 1970-01-01T00:00:07Z) cannot be read"]);
        assert_eq!(table.look(files(), Instant::now() + AGAIN).len(), 2);
    }
}
