use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::*;

fn lines(text: &str) -> Vec<Option<u64>> {
    text.chars().map(|letter| Some(u64::from(letter))).collect()
}

/// What becomes of each line of `file`, a line per letter: `n` is new, `?` may be there, a number is the known line that
/// it repeats, the first being 1.
fn brief(known: &str, file: &str) -> String {
    let file: Vec<Asked> = file.chars().map(|letter| Asked::Line(u64::from(letter))).collect();
    said(&align(&file, &lines(known)))
}

fn said(places: &[Place]) -> String {
    let letter = |place: &Place| match place {
        Place::New => "n".to_owned(),
        Place::Doubtful => "?".to_owned(),
        Place::Repeats(place) => (place + 1).to_string(),
    };
    places.iter().map(letter).collect()
}

#[test]
fn a_file_begins_and_ends_anywhere() {
    assert_eq!(brief("abcdefg", "cde"), "345", "the file inside");
    assert_eq!(brief("cde", "abcdefg"), "nn123nn", "what is known inside");
    assert_eq!(brief("abcde", "cdefg"), "345nn");
    assert_eq!(brief("cdefg", "abcde"), "nn123");
    assert_eq!(brief("abcdefg", "abcdefg"), "1234567");
    assert_eq!(brief("", "abc"), "nnn");
    assert_eq!(brief("abc", ""), "");
    assert_eq!(brief("abcdef", "uvw"), "nnn");
}

#[test]
fn either_side_has_holes() {
    assert_eq!(brief("abcghi", "abcdefghi"), "123nnn456", "an outage that the file fills");
    assert_eq!(brief("abcdefghi", "abcghi"), "123789", "what only the box heard");
    assert_eq!(brief("abcpqrghi", "abcdefghi"), "123nnn789", "both, at the same place");
    assert_eq!(brief("abcxpyghi", "abcdpfghi"), "123n5n789", "in order between two stretches");
    assert_eq!(brief("abde", "abcde"), "12n34", "a hole on one side does not break a stretch");
    assert_eq!(brief("acegi", "abcdefghi"), "1n2n3n4n5");
}

#[test]
fn too_little_proves_nothing() {
    assert_eq!(brief("abcdef", "cd"), "??");
    assert_eq!(brief("abxcd", "abycd"), "??n??", "two and two, and something else between");
    assert_eq!(brief("abcdf", "abcdzzzf"), "1234nnn5", "beside a stretch, but for a hole");
    assert_eq!(brief("abcdyf", "abcdzf"), "1234n?", "something else on either side");
}

#[test]
fn twins_stay_twins() {
    assert_eq!(brief("xaay", "xaay"), "1234");
    assert_eq!(brief("xay", "xaay"), "1?23", "one more than was heard");
    assert_eq!(brief("xaay", "xay"), "124");
    assert_eq!(brief("aaa", "aaaaa"), "??123");
    assert_eq!(brief("xabcyabcz", "xabcyabcz"), "123456789");
    assert_eq!(brief("xabcy", "xabcyabcz"), "12345nnnn", "a stretch that comes again is new: position can tell");
    assert_eq!(brief("abcdefg", "xyzabcdefgabc"), "nnn1234567nnn");
}

#[test]
fn another_order_is_found_and_never_guessed() {
    assert_eq!(brief("abcdefgh", "efghabcd"), "56781234", "two parts of a log, put together the wrong way round");
    assert_eq!(brief("xpqyz", "xqpyz"), "1?245", "two lines changed places");
}

#[test]
fn one_respect_is_enough() {
    let mut alike = Alike::default();
    // A line whose record was read otherwise by now, and one that is laid out otherwise.
    for (text, record) in [(1, 10), (1, 11), (2, 20), (3, 20), (4, 40)] {
        alike.says_both(text, record);
    }
    let of = |says| alike.of(says);
    assert!(of(10) == of(11) && of(10) == of(1) && of(2) == of(3) && of(4) == of(40));
    assert!(of(1) != of(2) && of(2) != of(4) && of(1) != of(4) && of(5) == 5);
}

#[test]
fn what_was_placed_before_is_where_lines_go_on() {
    let known = lines("abcdef");
    let file = [Asked::Placed(1), Asked::Line(u64::from('c')), Asked::Apart, Asked::Line(u64::from('x'))];
    assert_eq!(said(&align(&file, &known)), "23nn");
    let used: Vec<Option<u64>> = known.iter().map(|says| says.filter(|says| *says != u64::from('c'))).collect();
    assert_eq!(said(&align(&[Asked::Line(u64::from('c'))], &used)), "n", "an earlier line was it");
}

#[test]
fn a_line_that_is_there_very_often_is_placed_by_what_stands_beside_it() {
    let known = "-".repeat(100) + "abc" + &"-".repeat(100);
    let places = brief(&known, "--abc-x");
    assert_eq!(places, "99100101102103104n");
    // All alike, and many: nothing goes on for ever.
    let many = "-".repeat(3000);
    assert!(!brief(&many, &many).contains('n'));
}

/// What was printed: each line with the call it is of. Calls of one moment may look alike.
fn printed() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec((0_u64..2, 0_u64..3), 0..60).prop_map(|calls| {
        let mut moment = 0;
        let says = |(later, looks): (u64, u64)| {
            moment += later;
            moment * 3 + looks
        };
        calls.into_iter().map(says).collect()
    })
}

/// A part of it, with holes: which lines are there.
fn part(lines: usize) -> impl Strategy<Value = Vec<bool>> {
    let hole = (0..lines.max(1), 0..8_usize);
    (0..lines.max(1), 0..lines.max(1), prop::collection::vec(hole, 0..5)).prop_map(move |(one, other, holes)| {
        let within = |line: usize| (one.min(other)..=one.max(other)).contains(&line);
        let lost = |line: usize| holes.iter().any(|(from, long)| (*from..from + long).contains(&line));
        (0..lines).map(|line| within(line) && !lost(line)).collect()
    })
}

fn count(lines: impl Iterator<Item = u64>) -> HashMap<u64, i64> {
    let mut count = HashMap::new();
    lines.for_each(|says| *count.entry(says).or_default() += 1);
    count
}

/// The quadratic oracle: whether a line stands in a stretch of three that is on both sides, and nowhere else on either.
fn in_a_stretch(file: &[u64], known: &[u64], line: usize) -> Option<usize> {
    let once = |lines: &[u64], says: u64| lines.iter().filter(|other| **other == says).count() == 1;
    (line.saturating_sub(2)..=line).find_map(|from| {
        let stretch = file.get(from..from + 3)?;
        let place = known.windows(3).position(|known| known == stretch)?;
        stretch.iter().all(|says| once(file, *says) && once(known, *says)).then_some(place + line - from)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_call_is_counted_once_and_what_cannot_be_told_is_said(
        (printed, heard, logged) in printed().prop_flat_map(|printed| {
            let many = printed.len();
            (Just(printed), part(many), part(many))
        })
    ) {
        let of = |there: &[bool]| -> Vec<u64> {
            printed.iter().zip(there).filter(|(_, there)| **there).map(|(says, _)| *says).collect()
        };
        let (known, file) = (of(&heard), of(&logged));
        let asked: Vec<Asked> = file.iter().copied().map(Asked::Line).collect();
        let places = align(&asked, &known.iter().copied().map(Some).collect::<Vec<_>>());
        prop_assert_eq!(places.len(), file.len());
        let mut used = HashSet::new();
        for (line, place) in places.iter().enumerate() {
            match place {
                Place::Repeats(place) => {
                    prop_assert_eq!(known[*place], file[line], "{:?}", places);
                    prop_assert!(used.insert(*place), "one line repeats another once: {:?}", places);
                }
                Place::New => {
                    // As many as it has are repeated already: so this one is a line of its own.
                    let many = |lines: &[u64]| lines.iter().filter(|says| **says == file[line]).count();
                    prop_assert!(many(&file) > many(&known), "line {} is known: {:?}", line, places);
                }
                Place::Doubtful => prop_assert!(known.contains(&file[line]), "what is new is no doubt: {:?}", places),
            }
            if let Some(place) = in_a_stretch(&file, &known, line) {
                prop_assert_eq!(places[line], Place::Repeats(place), "line {} of {:?}", line, places);
            }
        }
        // What was printed on either side is counted at least as often as one of them shows it, and never oftener than it
        // happened but for doubts.
        let happened = count(printed.iter().zip(heard.iter().zip(&logged)).filter(|(_, (one, other))| **one || **other).map(|(says, _)| *says));
        let new = count(file.iter().zip(&places).filter(|(_, place)| **place == Place::New).map(|(says, _)| *says));
        let doubts = count(file.iter().zip(&places).filter(|(_, place)| **place == Place::Doubtful).map(|(says, _)| *says));
        let (heard_so, logged_so) = (count(known.iter().copied()), count(file.iter().copied()));
        for (says, happened) in happened {
            let of = |count: &HashMap<u64, i64>| count.get(&says).copied().unwrap_or(0);
            prop_assert!(of(&heard_so) + of(&new) <= happened, "{} is counted too often: {:?}", says, places);
            prop_assert!(of(&heard_so) + of(&new) + of(&doubts) >= of(&heard_so).max(of(&logged_so)), "{} is lost", says);
            // Where the two do not share a look, or share all calls of it, nothing can be mistaken.
            let shared = printed.iter().zip(heard.iter().zip(&logged)).filter(|(other, _)| **other == says);
            let shared: Vec<(bool, bool)> = shared.map(|(_, (one, other))| (*one, *other)).collect();
            if shared.iter().all(|(one, other)| one == other) || of(&heard_so) == 0 || !logged_so.contains_key(&says) {
                prop_assert!(of(&heard_so) + of(&new) + of(&doubts) >= happened, "{} is lost: {:?}", says, places);
            }
        }
    }

    /// A file that has everything fills what the box has not heard, call by call, whatever looks alike.
    #[test]
    fn a_whole_file_fills_every_hole(
        (printed, heard) in printed().prop_flat_map(|printed| {
            let many = printed.len();
            (Just(printed), part(many))
        })
    ) {
        let known: Vec<Option<u64>> =
            printed.iter().zip(&heard).filter(|(_, heard)| **heard).map(|(says, _)| Some(*says)).collect();
        let asked: Vec<Asked> = printed.iter().copied().map(Asked::Line).collect();
        let places = align(&asked, &known);
        let counted = places.iter().filter(|place| !matches!(place, Place::Repeats(_))).count() + known.len();
        let doubts = places.iter().filter(|place| **place == Place::Doubtful).count();
        prop_assert!(counted >= printed.len(), "a call is lost: {:?}", places);
        prop_assert!(counted - doubts <= printed.len(), "a call is counted twice: {:?}", places);
    }
}
