use jiff::ToSpan as _;
use proptest::prelude::*;

use super::*;

fn print(text: &str) -> Print {
    Print::of(text.as_bytes(), [])
}

fn call(text: &str, token: u64) -> Print {
    Print::of(text.as_bytes(), [(9, token)])
}

/// What each line of `lines` came to, after a boundary, where `printed` was printed before. A line per letter; a `|` is
/// another boundary, and the end is quiet.
fn verdicts(printed: &str, lines: &str) -> Vec<Verdict> {
    let mut replay = Replay::default();
    for (seq, letter) in (1..).zip(printed.chars()) {
        assert_eq!(replay.line(seq, print(&letter.to_string()), Timestamp::UNIX_EPOCH, false), Seen::default());
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
        let seen = replay.line(seq, print(&letter.to_string()), Timestamp::UNIX_EPOCH, false);
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
    for (seq, text) in (1..).zip(["a", "b", "c"]) {
        replay.line(seq, call(text, seq), at, false);
    }
    replay.boundary();
    assert!(!replay.line(4, call("a", 9), at, false).waits, "another caller");
    replay.boundary();
    assert!(replay.line(5, call("a", 1), at, false).waits);
    replay.boundary();
    replay.forget_callers();
    assert!(replay.line(6, call("a", 9), at, false).waits, "under another key nobody can say");
    replay.boundary();
    assert!(replay.line(7, print("a"), at, false).waits, "nor where the caller is forgotten");
}

#[test]
fn what_was_new_in_a_buffer_forgets_its_caller_with_the_rest() {
    let mut replay = Replay::default();
    let at = Timestamp::UNIX_EPOCH;
    replay.line(1, call("a", 1), at, false);
    replay.line(2, call("b", 2), at, false);
    replay.boundary();
    assert_eq!(replay.line(3, call("c", 3), at, true).clear, [(3, Verdict::New)], "by its stamp it is of the buffer");
    // Midnight, while more of the buffer may come.
    replay.forget_callers();
    replay.boundary();
    let again = [(4, "a"), (5, "b"), (6, "c")].map(|(seq, text)| replay.line(seq, call(text, seq + 90), at, false));
    let repeats = |seq| Verdict::Repeats(LineRef { source: 0, seq });
    assert_eq!(again[2].clear, [(4, repeats(1)), (5, repeats(2)), (6, repeats(3))]);
}

#[test]
fn a_line_with_the_number_of_the_last_is_that_line_and_needs_no_company() {
    let mut replay = Replay::default();
    let at = Timestamp::UNIX_EPOCH;
    replay.line(1, call("a", 1), at, false);
    replay.line(2, call("b", 2), at, false);
    replay.comes_again();
    assert_eq!(replay.line(3, call("b", 2), at, false), Seen::default(), "on an unbroken link it is a line");
    replay.boundary();
    replay.comes_again();
    let again = replay.line(4, call("b", 9), at, false);
    assert_eq!(
        again,
        Seen { clear: vec![(4, Verdict::Repeats(LineRef { source: 0, seq: 3 }))], waits: false },
        "whoever called"
    );
    assert_eq!(replay.line(5, call("b", 2), at, false), Seen::default(), "and it is the only one");
    replay.boundary();
    replay.comes_again();
    let other = replay.line(6, call("c", 3), at, false);
    assert_eq!(other, Seen { clear: vec![(6, Verdict::New)], waits: false }, "the number is used again");
    replay.boundary();
    assert!(replay.line(7, call("c", 3), at, false).waits, "a number of its own proves nothing");
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
        assert_eq!(replay.line(seq, print("a"), Timestamp::UNIX_EPOCH, false), Seen::default());
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
        let seen = replay.line(seq, print(&letter.to_string()), Timestamp::UNIX_EPOCH, false);
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

/// The same where the buffer may reach back past holes: small letters bear stamps of before the boundary, others later ones.
fn over_holes(printed: &str, lines: &str) -> String {
    let mut replay = Replay::default();
    for (seq, letter) in (1..).zip(printed.chars()) {
        replay.line(seq, print(&letter.to_string()), Timestamp::UNIX_EPOCH, false);
    }
    replay.boundary();
    let mut found: std::collections::BTreeMap<u64, Verdict> = std::collections::BTreeMap::new();
    let mut seq = printed.len() as u64;
    for letter in lines.chars() {
        let clear = if letter == '|' {
            let mut clear = replay.quiet(Timestamp::UNIX_EPOCH + 5.seconds());
            clear.extend(replay.boundary());
            clear
        } else {
            seq += 1;
            let seen = replay.line(seq, print(&letter.to_string()), Timestamp::UNIX_EPOCH, letter.is_lowercase());
            if seen.clear.is_empty() && !seen.waits {
                found.insert(seq, Verdict::New);
            }
            seen.clear
        };
        for (seq, verdict) in clear {
            assert_eq!(found.insert(seq, verdict), None, "each line once");
        }
    }
    found.extend(replay.quiet(Timestamp::UNIX_EPOCH + 5.seconds()));
    assert_eq!(found.len() as u64, seq - printed.len() as u64);
    let letter = |verdict| match verdict {
        Verdict::New => "n".to_owned(),
        Verdict::Doubtful => "?".to_owned(),
        Verdict::Repeats(of) => of.seq.to_string(),
    };
    found.into_values().map(letter).collect()
}

#[test]
fn a_buffer_that_reaches_back_past_a_hole_fills_it_and_adds_nothing_else() {
    assert_eq!(over_holes("abcghi", "bcdefghiX"), "23nnn456n", "d, e and f were lost");
    assert_eq!(over_holes("abcghi", "efghiX"), "nn456n", "it begins in the hole");
    assert_eq!(over_holes("ghi", "abcdefghiX"), "nnnnnn123n", "it reaches back to before the first line");
    assert_eq!(over_holes("abdefhij", "abcdefghijX"), "12n345n678n", "two holes");
    assert_eq!(over_holes("abgh", "bcdefghX"), "2nnnn34n", "three are enough, wherever the hole is");
    assert_eq!(over_holes("abg", "bcdefgX"), "?nnnn?n", "and two are too little to tell");
    assert_eq!(over_holes("abcghi", "bcdefgX"), "??nnn?n", "it stops short of the end");
    assert_eq!(over_holes("abcghi", "XYZ"), "nnn", "nothing is printed again");
    // Lines in the hole that are like others elsewhere.
    assert_eq!(over_holes("abcaghi", "bcaabghiX"), "234nn567n");
    // Again and again.
    let again = ["23nnn456", "391011456", "12391011456n"];
    assert_eq!(over_holes("abcghi", "bcdefghi|cdefghi|abcdefghiX"), again.concat());
}

proptest! {
    /// Whatever holes there are, a buffer that ends in three lines that were stored adds what was lost and nothing else.
    #[test]
    fn a_buffer_over_holes_adds_what_was_lost(lost in prop::collection::vec(any::<bool>(), 1..20), depth in 3_usize..23) {
        let all: String = ('a'..='z').take(lost.len() + 3).collect();
        let kept = |at: usize| lost.get(at).is_none_or(|lost| !lost);
        let printed: String = all.chars().enumerate().filter(|(at, _)| kept(*at)).map(|(_, letter)| letter).collect();
        let from = all.len().saturating_sub(depth);
        let expected: String = (from..all.len())
            .map(|at| match kept(at) {
                true => (printed.find(&all[at..=at]).unwrap() + 1).to_string(),
                false => "n".to_owned(),
            })
            .collect();
        prop_assert_eq!(over_holes(&printed, &all[from..]), expected);
    }
}
