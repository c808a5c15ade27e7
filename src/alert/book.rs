//! When something is worth telling, and what is still to be told. Pure: problems and the time go in, notices come out. Kept
//! as JSON, in the database.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Code, Problem};

/// How often it is told again that something is still wrong.
pub const REMINDER: SignedDuration = SignedDuration::from_hours(24);
/// Letters that wait for a channel. Beyond it the oldest are given up, and counted.
pub const MOST: usize = 100;
/// Failed tries in a row from which on a channel that does not work is a problem itself.
const WORTH_TELLING: u32 = 3;

/// A way to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// A POST of JSON.
    Webhook,
    /// A mail.
    Mail,
}

impl Channel {
    /// Its name.
    pub fn word(self) -> &'static str {
        match self {
            Channel::Webhook => "webhook",
            Channel::Mail => "mail",
        }
    }
}

/// What happened to a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// It began, and has held for long enough.
    Raised,
    /// It still holds, a day later.
    Reminder,
    /// It is over.
    Cleared,
    /// Nothing: somebody tries the way.
    Test,
}

/// Something to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Its number on this box.
    pub number: u64,
    /// What happened …
    pub event: Event,
    /// … and when.
    pub at: Timestamp,
    /// To which problem.
    pub code: Code,
    /// Whom that is about.
    pub subject: Option<String>,
    /// Since when it holds, or held.
    pub since: Option<Timestamp>,
}

/// A notice that waits for a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Which channel.
    pub channel: Channel,
    /// What is to be told.
    pub notice: Notice,
}

/// How a channel does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// When it last took a letter.
    pub sent: Option<Timestamp>,
    /// Failed tries since then.
    pub failed: u32,
    /// What went wrong last, cleared up since or not.
    pub problem: Option<String>,
    /// Letters that were given up because too many waited.
    pub dropped: u64,
}

/// One problem that is there, or was a moment ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    code: Code,
    subject: Option<String>,
    /// Since when it is there, as far as is known.
    since: Timestamp,
    /// When this book first saw it.
    seen: Timestamp,
    /// When that was told.
    raised: Option<Timestamp>,
    /// When it was last told, or told again.
    told: Option<Timestamp>,
    /// When it was first seen to be over.
    gone: Option<Timestamp>,
}

/// All alerts of a box.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Book {
    entries: Vec<Entry>,
    letters: VecDeque<Letter>,
    numbered: u64,
    channels: BTreeMap<Channel, Standing>,
}

impl Book {
    /// Reads what was kept. What cannot be read is none: then what is wrong is told once more.
    pub fn read(kept: Option<&str>) -> Book {
        kept.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// Goes on by what is wrong at `now`, and writes the letters for `channels`. Answers with what is told.
    pub fn look(&mut self, problems: &[Problem], now: Timestamp, channels: &[Channel]) -> Vec<Notice> {
        // A channel that is configured no more takes nothing.
        self.letters.retain(|letter| channels.contains(&letter.channel));
        self.channels.retain(|channel, _| channels.contains(channel));
        for problem in problems {
            let known = self.entries.iter_mut().find(|entry| (entry.code, entry.subject.as_deref()) == problem.key());
            match known {
                Some(entry) => entry.gone = None,
                None => self.entries.push(Entry {
                    code: problem.code,
                    subject: problem.subject.clone(),
                    since: problem.since.unwrap_or(now),
                    seen: now,
                    raised: None,
                    told: None,
                    gone: None,
                }),
            }
        }
        let mut notices = Vec::new();
        let mut number = self.numbered;
        self.entries.retain_mut(|entry| {
            let there = problems.iter().any(|problem| problem.key() == (entry.code, entry.subject.as_deref()));
            let event = entry.step(there, now);
            if let Some(event) = event {
                number += 1;
                notices.push(Notice {
                    number,
                    event,
                    at: now,
                    code: entry.code,
                    subject: entry.subject.clone(),
                    since: Some(entry.since),
                });
            }
            // What is over is forgotten, and so is what went away before it was told.
            event != Some(Event::Cleared) && (there || entry.raised.is_some())
        });
        self.numbered = number;
        for notice in &notices {
            // That a channel does not work is told over the others.
            let of_itself = |channel: &&Channel| {
                notice.code == Code::AlertsUndelivered && notice.subject.as_deref() == Some(channel.word())
            };
            channels.iter().filter(|channel| !of_itself(channel)).for_each(|channel| self.write(*channel, notice));
        }
        notices
    }

    /// A notice that tries the ways.
    pub fn test(&mut self, now: Timestamp) -> Notice {
        self.numbered += 1;
        Notice { number: self.numbered, event: Event::Test, at: now, code: Code::Test, subject: None, since: None }
    }

    fn write(&mut self, channel: Channel, notice: &Notice) {
        let same = |letter: &Letter| {
            letter.channel == channel && letter.notice.code == notice.code && letter.notice.subject == notice.subject
        };
        if notice.event == Event::Reminder {
            // What has not been told yet needs no reminder, and a newer reminder takes the place of an older one.
            let news = self.letters.iter().rev().find(|letter| same(letter) && letter.notice.event != Event::Reminder);
            if news.is_some_and(|letter| letter.notice.event == Event::Raised) {
                return;
            }
            self.letters.retain(|letter| !(same(letter) && letter.notice.event == Event::Reminder));
        }
        self.letters.push_back(Letter { channel, notice: notice.clone() });
        while self.waiting(channel) > MOST {
            if let Some(oldest) = self.letters.iter().position(|letter| letter.channel == channel) {
                self.letters.remove(oldest);
                self.channels.entry(channel).or_default().dropped += 1;
            }
        }
    }

    /// How many letters wait for a channel.
    pub fn waiting(&self, channel: Channel) -> usize {
        self.letters.iter().filter(|letter| letter.channel == channel).count()
    }

    /// The next letter of a channel.
    pub fn next(&self, channel: Channel) -> Option<&Notice> {
        self.letters.iter().find(|letter| letter.channel == channel).map(|letter| &letter.notice)
    }

    /// How a channel does.
    pub fn standing(&self, channel: Channel) -> Standing {
        self.channels.get(&channel).cloned().unwrap_or_default()
    }

    /// The channel took the letter of this number.
    pub fn sent(&mut self, channel: Channel, number: u64, now: Timestamp) {
        self.letters.retain(|letter| letter.channel != channel || letter.notice.number != number);
        let standing = self.channels.entry(channel).or_default();
        (standing.sent, standing.failed) = (Some(now), 0);
    }

    /// The channel took nothing. Answers with how often in a row.
    pub fn failed(&mut self, channel: Channel, why: String) -> u32 {
        let standing = self.channels.entry(channel).or_default();
        standing.failed = standing.failed.saturating_add(1);
        standing.problem = Some(why);
        standing.failed
    }

    /// What is wrong with the channels themselves.
    pub fn problems(&self) -> Vec<Problem> {
        let broken = |(_, standing): &(&Channel, &Standing)| standing.failed >= WORTH_TELLING;
        let told = |(channel, standing): (&Channel, &Standing)| {
            let (waiting, tries) = (self.waiting(*channel), standing.failed);
            let why = standing.problem.as_deref().unwrap_or("no answer");
            let what = format!("{waiting} alert(s) wait for the {} after {tries} tries: {why}", channel.word());
            Problem::new(Code::AlertsUndelivered, what).of(channel.word())
        };
        self.channels.iter().filter(broken).map(told).collect()
    }

    /// Says of each problem since when it is, as far as this book knows, and whether it has been told.
    pub fn complete(&self, problems: &mut [Problem]) {
        for problem in problems {
            let key = (problem.code, problem.subject.as_deref());
            let Some(entry) = self.entries.iter().find(|entry| (entry.code, entry.subject.as_deref()) == key) else {
                continue;
            };
            problem.since = problem.since.or(Some(entry.since));
            problem.raised = entry.raised;
        }
    }

    /// The problems that were there at the last look, for a look that could not see.
    pub fn still(&self) -> Vec<Problem> {
        let there = self.entries.iter().filter(|entry| entry.gone.is_none());
        there
            .map(|entry| Problem { subject: entry.subject.clone(), ..Problem::new(entry.code, entry.code.headline()) })
            .collect()
    }

    /// How many alerts are open, by code.
    pub fn open(&self) -> BTreeMap<Code, u64> {
        let mut open = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| entry.raised.is_some()) {
            *open.entry(entry.code).or_default() += 1;
        }
        open
    }
}

impl Entry {
    fn step(&mut self, there: bool, now: Timestamp) -> Option<Event> {
        // A clock that was put back: what lies ahead of it counts from now.
        for instant in [Some(&mut self.seen), self.told.as_mut(), self.gone.as_mut()].into_iter().flatten() {
            *instant = (*instant).min(now);
        }
        let hold = SignedDuration::try_from(self.code.hold()).unwrap_or(SignedDuration::ZERO);
        if !there {
            let gone = *self.gone.get_or_insert(now);
            return (self.raised.is_some() && now.duration_since(gone) >= hold).then_some(Event::Cleared);
        }
        match self.told {
            None if now.duration_since(self.seen) >= hold => {
                (self.raised, self.told) = (Some(now), Some(now));
                Some(Event::Raised)
            }
            Some(told) if now.duration_since(told) >= REMINDER => {
                self.told = Some(now);
                Some(Event::Reminder)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOTH: [Channel; 2] = [Channel::Webhook, Channel::Mail];

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + minute * 60).unwrap()
    }

    fn down(source: &str) -> Problem {
        Problem::new(Code::LinkDown, "no link").of_source(source)
    }

    fn full() -> Problem {
        Problem::new(Code::DiskLow, "full")
    }

    fn events(notices: &[Notice]) -> Vec<(Event, Code)> {
        notices.iter().map(|notice| (notice.event, notice.code)).collect()
    }

    #[test]
    fn a_link_is_told_after_five_minutes_and_a_full_disk_at_once_each_once() {
        let mut book = Book::default();
        let wrong = [down("a"), full()];
        assert_eq!(events(&book.look(&wrong, at(0), &BOTH)), [(Event::Raised, Code::DiskLow)]);
        for minute in 1..5 {
            assert_eq!(book.look(&wrong, at(minute), &BOTH), []);
        }
        assert_eq!(events(&book.look(&wrong, at(5), &BOTH)), [(Event::Raised, Code::LinkDown)]);
        assert_eq!(book.look(&wrong, at(6), &BOTH), []);
        assert_eq!(book.waiting(Channel::Mail), 2);
        // It must be over for as long as it had to hold.
        assert_eq!(events(&book.look(&[], at(7), &BOTH)), [(Event::Cleared, Code::DiskLow)]);
        assert_eq!(book.look(&[down("a")], at(9), &BOTH), []);
        assert_eq!(book.look(&[], at(10), &BOTH), []);
        assert_eq!(book.look(&[], at(14), &BOTH), []);
        assert_eq!(events(&book.look(&[], at(15), &BOTH)), [(Event::Cleared, Code::LinkDown)]);
        assert_eq!(book.look(&[], at(16), &BOTH), []);
        assert!(book.open().is_empty());
    }

    #[test]
    fn a_link_that_comes_back_in_time_is_not_told() {
        let mut book = Book::default();
        for minute in 0..60 {
            let wrong = if minute % 5 == 4 { vec![] } else { vec![down("a")] };
            assert_eq!(book.look(&wrong, at(minute), &BOTH), [], "{minute}");
        }
    }

    #[test]
    fn a_reminder_comes_once_a_day_and_the_clock_put_back_brings_none() {
        let mut book = Book::default();
        let day = 24 * 60;
        let told = |book: &mut Book, minute| events(&book.look(&[full()], at(minute), &BOTH));
        assert_eq!(told(&mut book, 0), [(Event::Raised, Code::DiskLow)]);
        assert_eq!(told(&mut book, day - 1), []);
        book.sent(Channel::Mail, 1, at(day - 1));
        assert_eq!(told(&mut book, day), [(Event::Reminder, Code::DiskLow)]);
        assert_eq!(told(&mut book, day - 600), []);
        assert_eq!(told(&mut book, 2 * day - 601), []);
        assert_eq!(told(&mut book, 2 * day - 600), [(Event::Reminder, Code::DiskLow)]);
        // The webhook has not heard of it yet; the mail's two reminders are one.
        assert_eq!((book.waiting(Channel::Webhook), book.waiting(Channel::Mail)), (1, 1));
        assert_eq!(book.next(Channel::Webhook).unwrap().event, Event::Raised);
    }

    #[test]
    fn a_restart_neither_repeats_nor_forgets() {
        let mut book = Book::default();
        book.look(&[down("a"), full()], at(0), &BOTH);
        let mut book = Book::read(Some(&serde_json::to_string(&book).unwrap()));
        assert_eq!(book.waiting(Channel::Webhook), 1);
        assert_eq!(events(&book.look(&[down("a"), full()], at(5), &BOTH)), [(Event::Raised, Code::LinkDown)]);
        let numbers: Vec<u64> = book.letters.iter().map(|letter| letter.notice.number).collect();
        assert_eq!(numbers, [1, 1, 2, 2]);
    }

    #[test]
    fn a_channel_that_is_away_for_long_keeps_the_newest() {
        let mut book = Book::default();
        for minute in 0..200 {
            let wrong = if minute % 2 == 0 { vec![full()] } else { vec![] };
            book.look(&wrong, at(minute), &[Channel::Mail]);
        }
        assert_eq!(book.waiting(Channel::Mail), MOST);
        assert_eq!(book.standing(Channel::Mail).dropped, 100);
        assert_eq!(book.next(Channel::Mail).unwrap().number, 101);
        assert_eq!(book.look(&[], at(300), &[]), []);
        assert_eq!(book.waiting(Channel::Mail), 0, "it is configured no more");
    }

    #[test]
    fn a_channel_that_fails_is_a_problem_of_its_own() {
        let mut book = Book::default();
        book.look(&[full()], at(0), &BOTH);
        for tries in 1..=3 {
            assert!(book.problems().is_empty());
            assert_eq!(book.failed(Channel::Mail, "no answer".to_owned()), tries);
        }
        let wrong = [book.problems(), vec![full()]].concat();
        assert_eq!(wrong[0].key(), (Code::AlertsUndelivered, Some("mail")));
        assert_eq!(events(&book.look(&wrong, at(1), &BOTH)), [(Event::Raised, Code::AlertsUndelivered)]);
        assert_eq!((book.waiting(Channel::Webhook), book.waiting(Channel::Mail)), (2, 1), "not over itself");
        book.sent(Channel::Mail, 1, at(1));
        assert!(book.problems().is_empty());
    }

    proptest! {
        /// Whatever comes and goes, and however the clock jumps: for one problem raised and cleared alternate, and a reminder
        /// stands between them only.
        #[test]
        fn raised_and_cleared_alternate(steps in prop::collection::vec((-100_i64..2_000, any::<bool>(), any::<bool>()), 1..60)) {
            let (mut book, mut now) = (Book::default(), 10_000);
            let mut open: BTreeMap<Code, bool> = BTreeMap::new();
            for (minutes, link, disk) in steps {
                now += minutes;
                let wrong: Vec<Problem> = [(link, down("a")), (disk, full())].into_iter().filter_map(|(is, it)| is.then_some(it)).collect();
                for notice in book.look(&wrong, at(now), &BOTH) {
                    let was = open.insert(notice.code, notice.event != Event::Cleared).unwrap_or_default();
                    prop_assert_eq!(was, notice.event != Event::Raised, "{:?}", notice);
                }
                let told: BTreeMap<Code, u64> = open.iter().filter(|(_, open)| **open).map(|(code, _)| (*code, 1)).collect();
                prop_assert_eq!(book.open(), told);
                prop_assert!(BOTH.iter().all(|channel| book.waiting(*channel) <= MOST));
            }
        }
    }
}
