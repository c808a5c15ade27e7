use jiff::ToSpan as _;
use proptest::prelude::*;

use super::*;

const DAY: Date = Date::constant(2027, 2, 2);

fn print(text: &str) -> Print {
    Print::of(text.as_bytes(), [], DAY)
}

fn call(text: &str, token: u64, day: Date) -> Print {
    Print::of(text.as_bytes(), [(9, token)], day)
}

/// What each line of `lines` came to, after a boundary, where `printed` was printed before. A line per letter; a `|` is
/// another boundary, and the end is quiet.
fn verdicts(printed: &str, lines: &str) -> Vec<Verdict> {
    let mut replay = Replay::default();
    for (seq, letter) in (1..).zip(printed.chars()) {
        assert_eq!(replay.line(seq, print(&letter.to_string()), Timestamp::UNIX_EPOCH), Seen::default());
    }
    replay.boundary();
    let mut found: Vec<(u64, Verdict)> = Vec::new();
    let mut waits = 0;
    let mut seq = printed.len() as u64;
    for letter in lines.chars() {
        if letter == '|' {
            found.extend(replay.boundary());
            continue;
        }
        seq += 1;
        let seen = replay.line(seq, print(&letter.to_string()), Timestamp::UNIX_EPOCH);
        let clear = seen.clear.iter().any(|(clear, _)| *clear == seq);
        assert!(!(clear && seen.waits));
        if !clear && !seen.waits {
            assert_eq!(seen.clear, [], "without a window nothing waits");
            found.push((seq, Verdict::New));
        }
        waits = if seen.waits { waits + 1 } else { 0 };
        found.extend(seen.clear);
    }
    found.extend(replay.quiet(Timestamp::UNIX_EPOCH + 5.seconds()));
    let order: Vec<u64> = found.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(order, (printed.len() as u64 + 1..=seq).collect::<Vec<_>>(), "each line once, in order");
    found.into_iter().map(|(_, verdict)| verdict).collect()
}

fn brief(printed: &str, lines: &str) -> String {
    let letter = |verdict| match verdict {
        Verdict::New => "n".to_owned(),
        Verdict::Doubtful => "?".to_owned(),
        Verdict::Repeats(of) => of.seq.to_string(),
    };
    verdicts(printed, lines).into_iter().map(letter).collect()
}

#[test]
fn a_buffer_that_is_printed_again_is_known_to_its_last_line() {
    assert_eq!(brief("abcdef", "defgh"), "456nn");
    assert_eq!(brief("abcdef", "abcdefg"), "123456n");
    assert_eq!(brief("abcdef", "gh"), "nn");
    assert_eq!(brief("", "abc"), "nnn");
}

#[test]
fn what_does_not_reach_the_end_is_no_buffer() {
    assert_eq!(brief("abcdef", "abcx"), "???n");
    assert_eq!(brief("abcdef", "abcd"), "????", "and then nothing came");
}

#[test]
fn two_lines_are_no_proof() {
    assert_eq!(brief("abcdef", "efg"), "??n");
    assert_eq!(brief("ab", "abc"), "??n");
    assert_eq!(brief("abc", "abcd"), "123n");
}

#[test]
fn twins_stay_twins() {
    // Two calls that were alike in the first place are two in the buffer also.
    assert_eq!(brief("abbc", "abbcd"), "1234n");
    assert_eq!(brief("abbc", "bbcb"), "234n", "and a third is a third");
    assert_eq!(brief("aaaa", "aaaaa"), "1234n");
    assert_eq!(brief("aaaa", "aaa"), "234");
    assert_eq!(brief("abcabc", "abcabcd"), "123456n", "the longest stretch");
    assert_eq!(brief("abcabc", "abcd"), "456n");
    assert_eq!(brief("abcabc", "abcad"), "456nn");
}

#[test]
fn a_buffer_that_is_cut_off_comes_once_more() {
    assert_eq!(brief("abcdef", "abcd|abcdefg"), "1234123456n");
    // Too little to go by: counted, and so is the doubt. It does not hide the buffer's end from what comes then.
    assert_eq!(brief("abcdef", "ab|abcdefg"), "??123456n");
    // Where they were calls after all, the buffer has them too.
    assert_eq!(brief("abcdef", "ab|abcdefabg"), "??12345678n");
}

#[test]
fn callers_tell_equal_lines_apart_where_they_are_known() {
    let mut replay = Replay::default();
    let at = Timestamp::UNIX_EPOCH;
    let later = DAY.tomorrow().unwrap();
    for (seq, text) in (1..).zip(["a", "b", "c"]) {
        replay.line(seq, call(text, seq, DAY), at);
    }
    replay.boundary();
    assert!(!replay.line(4, call("a", 9, DAY), at).waits, "another caller");
    replay.boundary();
    assert!(replay.line(5, call("a", 1, DAY), at).waits);
    replay.boundary();
    assert!(replay.line(6, call("a", 9, later), at).waits, "under another day's key nobody can say");
    replay.boundary();
    assert!(replay.line(7, print("a"), at).waits, "nor where the caller is forgotten");
}

#[test]
fn a_line_with_the_number_of_the_last_is_that_line_and_needs_no_company() {
    let mut replay = Replay::default();
    let at = Timestamp::UNIX_EPOCH;
    replay.line(1, call("a", 1, DAY), at);
    replay.line(2, call("b", 2, DAY), at);
    replay.comes_again();
    assert_eq!(replay.line(3, call("b", 2, DAY), at), Seen::default(), "on an unbroken link it is a line");
    replay.boundary();
    replay.comes_again();
    let again = replay.line(4, call("b", 9, DAY), at);
    assert_eq!(
        again,
        Seen { clear: vec![(4, Verdict::Repeats(LineRef { source: 0, seq: 3 }))], waits: false },
        "whoever called"
    );
    assert_eq!(replay.line(5, call("b", 2, DAY), at), Seen::default(), "and it is the only one");
    replay.boundary();
    replay.comes_again();
    let other = replay.line(6, call("c", 3, DAY), at);
    assert_eq!(other, Seen { clear: vec![(6, Verdict::New)], waits: false }, "the number is used again");
    replay.boundary();
    assert!(replay.line(7, call("c", 3, DAY), at).waits, "a number of its own proves nothing");
}

#[test]
fn doubtful_lines_without_end_do_not_make_ways_without_end() {
    // Boundary after boundary with two equal lines each: all doubtful, all alike.
    let lines = "aa|".repeat(200) + &"a".repeat(100);
    assert!(verdicts("aab", &lines).iter().all(|verdict| *verdict != Verdict::New));
}

#[test]
fn without_a_boundary_an_equal_line_is_a_line() {
    let mut replay = Replay::default();
    for seq in 1..=9 {
        assert_eq!(replay.line(seq, print("a"), Timestamp::UNIX_EPOCH), Seen::default());
    }
}

/// What each line of `lines` came to where `printed` was printed, and a file has `ahead` behind it; its lines are numbered
/// on. With `trusted` the file has the end of `printed`, too.
fn with_file(printed: &str, ahead: &str, trusted: bool, lines: &str) -> String {
    let mut replay = Replay::of(1);
    let ids = (1..).map(|seq| LineRef { source: 1, seq });
    for (id, letter) in ids.zip(printed.chars().chain(ahead.chars())) {
        let of_file = id.seq > printed.len() as u64;
        let print = print(&letter.to_string());
        replay.was_printed(id, if of_file { print.from_file() } else { print }, false);
    }
    replay.goes_ahead(trusted);
    let mut said = Vec::new();
    for (seq, letter) in (100..).zip(lines.chars()) {
        if letter == '|' {
            said.extend(replay.boundary());
            continue;
        }
        let seen = replay.line(seq, print(&letter.to_string()), Timestamp::UNIX_EPOCH);
        if !seen.waits && seen.clear.is_empty() {
            said.push((seq, Verdict::New));
        }
        said.extend(seen.clear);
    }
    said.extend(replay.quiet(Timestamp::UNIX_EPOCH + 5.seconds()));
    let letter = |(_, verdict)| match verdict {
        Verdict::New => "n".to_owned(),
        Verdict::Doubtful => "?".to_owned(),
        Verdict::Repeats(of) => of.seq.to_string(),
    };
    said.into_iter().map(letter).collect()
}

#[test]
fn what_a_file_gave_before_the_pbx_printed_it_is_known() {
    assert_eq!(with_file("abc", "de", true, "def"), "45n", "on an unbroken link, line by line");
    assert_eq!(with_file("abc", "de", true, "ef"), "5n", "the box missed one");
    assert_eq!(with_file("abc", "de", true, "xdye"), "n4n5", "the file missed some");
    assert_eq!(with_file("abc", "de", true, "dd"), "4n", "a twin of it is a twin");
    assert_eq!(with_file("abc", "de", false, "d"), "n", "nothing says that the file goes on there");
    assert_eq!(with_file("abc", "de", false, "|def"), "??n", "nor do two after a boundary");
    assert_eq!(with_file("abc", "def", false, "|defg"), "456n");
    assert_eq!(with_file("abc", "def", false, "|abcdefg"), "123456n");
    assert_eq!(with_file("abc", "def", true, "|abcxdef"), "123n456", "the file lacks one");
    assert_eq!(with_file("abc", "def", true, "|abcg"), "123n", "the buffer lacks what only the file has");
    assert_eq!(with_file("", "abc", false, "|abcd"), "123n", "the box heard nothing before");
}

proptest! {
    /// Whatever was printed, a PBX that empties its buffer of any depth adds nothing, and loses nothing that is new.
    #[test]
    fn a_buffer_of_any_depth_adds_nothing(printed in "[a-d]{3,40}", depth in 3_usize..40, fresh in "[v-z]{1,5}") {
        let depth = depth.min(printed.len());
        let buffer = printed[printed.len() - depth..].to_owned() + &fresh;
        let verdicts = verdicts(&printed, &buffer);
        for (at, verdict) in verdicts.iter().enumerate() {
            prop_assert_eq!(matches!(verdict, Verdict::Repeats(_)), at < depth, "{:?}", verdicts);
            if let Verdict::Repeats(of) = verdict {
                prop_assert_eq!(printed.as_bytes()[of.seq as usize - 1], buffer.as_bytes()[at]);
            }
        }
    }

    /// What was never printed is new, whatever boundaries there are.
    #[test]
    fn what_is_new_is_new(printed in "[a-d]{0,40}", broken in prop::collection::vec(any::<bool>(), 0..20)) {
        let line = |(letter, broken): (char, bool)| if broken { format!("|{letter}") } else { letter.to_string() };
        let lines: String = ('e'..).zip(broken).map(line).collect();
        prop_assert!(verdicts(&printed, &lines).iter().all(|verdict| *verdict == Verdict::New));
    }
}
