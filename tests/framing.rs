//! Bytes to lines: the grammar by example, and its two properties: any chunking gives the same lines, and every byte is
//! accounted for at every moment.

use proptest::prelude::*;
use smdrd::framing::{Account, Ended, Framer, Line, Protocol, Settings};

/// What a line was, in a form that can be kept and compared.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    text: Vec<u8>,
    ended: Ended,
    stripped: u32,
    dropped: u64,
}

impl From<Line<'_>> for Seen {
    fn from(line: Line<'_>) -> Seen {
        Seen { text: line.bytes.to_vec(), ended: line.ended, stripped: line.stripped, dropped: line.dropped }
    }
}

fn settings(protocol: Protocol) -> Settings {
    Settings { protocol, ..Settings::default() }
}

fn frame(settings: Settings, chunks: &[&[u8]]) -> Vec<Seen> {
    let mut framer = Framer::new(settings);
    let mut seen = Vec::new();
    for chunk in chunks {
        framer.push(chunk, &mut |line| seen.push(line.into()));
    }
    framer.flush(Ended::EndOfInput, &mut |line| seen.push(line.into()));
    seen
}

/// Lines as text: `|` for what a form feed ended, `~` for an idle flush, `.` for the end of input; `^n` when n control
/// bytes were stripped.
fn shown(seen: &[Seen]) -> Vec<String> {
    seen.iter()
        .map(|line| {
            let mut text = String::from_utf8_lossy(&line.text).into_owned();
            if line.stripped > 0 {
                text += &format!("^{}", line.stripped);
            }
            text + match line.ended {
                Ended::Terminator => "",
                Ended::PageBreak => "|",
                Ended::Idle => "~",
                Ended::EndOfInput => ".",
            }
        })
        .collect()
}

#[track_caller]
fn gives(protocol: Protocol, input: &[u8], expected: &[&str]) {
    let whole = frame(settings(protocol), &[input]);
    assert_eq!(shown(&whole), expected, "as a whole");
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(shown(&frame(settings(protocol), &bytes)), expected, "byte by byte");
}

#[test]
fn every_terminator_ends_one_line() {
    for end in ["\r", "\n", "\r\n", "\n\r", "\r\r\n"] {
        let input = format!("one{end}two{end}three{end}");
        gives(Protocol::Lines, input.as_bytes(), &["one", "two", "three"]);
    }
}

#[test]
fn blank_lines_are_recognised_in_every_style() {
    for end in ["\r", "\n", "\r\n", "\n\r", "\r\r\n"] {
        let input = format!("one{end}{end}{end}two{end}");
        gives(Protocol::Lines, input.as_bytes(), &["one", "", "", "two"]);
    }
}

#[test]
fn terminators_of_several_kinds_in_a_row() {
    // Norstar closes a report with CR LF LF.
    gives(Protocol::Lines, b"CALL RELEASED\r\n\n-------- 06/16\r\n", &["CALL RELEASED", "", "-------- 06/16"]);
    // Samsung DCS: pages of LF CR, with a stray CR LF.
    gives(Protocol::Lines, b"a\n\r\x0c\n\r\n\rb\n\r\r\nc\n\r", &["a", "|", "", "", "b", "", "c"]);
    // Panasonic KX-TD: blank lines with flow control and padding in them.
    gives(Protocol::Lines, b"a\r\n\n\x00\x13\x11\r\nb\r\n", &["a", "", "^3", "b"]);
    gives(Protocol::Lines, b"a\r\n\x13\x11\r\nb\r\n", &["a", "^2", "b"]);
    // Panasonic's log-in echoes CR CR.
    gives(Protocol::Lines, b"-SMDR\r\rPassword:\r\n", &["-SMDR", "", "Password:"]);
    gives(Protocol::Lines, b"a\r\r\r\nb\r\r\rc", &["a", "", "b", "", "", "c."]);
    gives(Protocol::Lines, b"a\r\r", &["a", ""]);
}

#[test]
fn a_form_feed_is_a_page_break_even_on_an_empty_line() {
    gives(Protocol::Lines, b"end of page\x0ctop\r\n\x0c\r\nlast\r\n", &["end of page|", "top", "|", "", "last"]);
    gives(Protocol::Lines, b"a\r\r\x0cb\n", &["a", "", "|", "b"]);
}

#[test]
fn control_bytes_are_stripped_counted_and_transparent() {
    // HiPath: DLE STX DLE ETX XOFF XON in front of a record.
    gives(Protocol::Lines, b"\x10\x02\x10\x03\x13\x1113.01.15\r\n", &["13.01.15^6"]);
    // Avaya: CR LF and three NUL of padding, which count in the next line.
    gives(Protocol::Lines, b"one\r\n\0\0\0two\r\n\0\0\0", &["one", "two^3", "^3."]);
    // An XOFF between CR and LF makes no blank line.
    gives(Protocol::Lines, b"one\r\x13\ntwo\r\x13\r\nthree\n", &["one", "two^1", "three^1"]);
    gives(Protocol::Lines, b"a\tb\x7f\x1a\xe9\r\n", &["a\tb\u{fffd}^2"]);
    // In this protocol STX and ETX mean nothing.
    gives(Protocol::Lines, b"\x02one\x03\r\n", &["one^2"]);
}

#[test]
fn records_between_stx_and_etx() {
    gives(Protocol::StxEtx, b"\x02one\x03\x02two\x03", &["one", "two"]);
    gives(Protocol::StxEtx, b"\x02one\x03\r\n\x02two\r\n\x03\r\n\r\nend\r\n", &["one", "two", "", "end"]);
    gives(
        Protocol::StxEtx,
        b"banner\x02one\x03\x16200135\x02two\x02three\x03",
        &["banner", "one", "200135^1", "two", "three"],
    );
    gives(Protocol::StxEtx, b"\x02\x03\x02\x03one", &["one."]);
}

/// The vendor's own example: 82, then 80 columns and CR LF.
const MITEL: &[u8] = b"R\0\0\0TLC 11202 94003 961-9000                     08:36 00:00:03 $00.00              \r\n";

#[test]
fn frames_with_a_length_in_front() {
    assert_eq!(MITEL.len(), 86);
    let record = std::str::from_utf8(&MITEL[4..84]).unwrap();
    gives(Protocol::LengthLe32, &MITEL.repeat(2), &[record, record]);
    // Plain lines before, between and behind.
    let mut mixed = b"Station Message Detailed Recording\r\n\r\n".to_vec();
    mixed.extend_from_slice(MITEL);
    mixed.extend_from_slice(b"TYP EXT#\r\n");
    mixed.extend_from_slice(MITEL);
    gives(Protocol::LengthLe32, &mixed, &["Station Message Detailed Recording", "", record, "TYP EXT#", record]);
    // A frame without CR LF of its own; the one that follows belongs to it.
    gives(Protocol::LengthLe32, b"\x03\0\0\0one\r\n\x03\0\0\0two\x03\0\0\0end", &["one", "two", "end"]);
    // A frame that holds two lines.
    gives(Protocol::LengthLe32, b"\x0a\0\0\0one\r\ntwo\r\n\x01\0\0\0x", &["one", "two", "x"]);
}

/// A record of five characters in a text with sequence number 5, and parity that nobody looks at here.
const NEC: &[u8] = b"\x16200010005\x020!KA1\x03p";

#[test]
fn texts_of_a_nec() {
    gives(Protocol::NecFrame, &NEC.repeat(2), &["0!KA1", "0!KA1"]);
    // Nothing to give; a text whose parity looks like the beginning of the next one.
    gives(Protocol::NecFrame, b"\x16300003002\0\x16300003002\x16\x16200011005\x02one\rtw\x03\0", &["one", "tw"]);
    // As a logger leaves the records, and as the serial port gives them.
    gives(Protocol::NecFrame, b"0!KA1\r\n0!KE2\r\n", &["0!KA1", "0!KE2"]);
    gives(Protocol::NecFrame, b"\x020!KA1\x03\x020!KE2\x03", &["0!KA1", "0!KE2"]);
    // No head: a SYN is a control byte.
    gives(Protocol::NecFrame, b"a\x162b\x1620000000\x16299999x\r\n", &["a2b20000000299999x^3"]);
    let mut late = NEC[12..].to_vec();
    late.extend_from_slice(NEC);
    gives(Protocol::NecFrame, &late, &["!KA1", "p", "0!KA1"]);
}

/// A message of OmniPCX Enterprise: head, text, padding.
fn oxe_message(kind: u8, text: &str) -> Vec<u8> {
    let mut message = vec![1, 0, kind, 0];
    message.extend_from_slice(text.as_bytes());
    message.resize(772, 0);
    message
}

#[test]
fn messages_of_a_fixed_length() {
    let whole = "x".repeat(768);
    let stream = [
        b"\0\x01P\x03\x04".to_vec(),
        oxe_message(2, "one\n"),
        b"\0\x08TEST_REQ\x03\x04".to_vec(),
        oxe_message(1, ""),
        b"\x03\x04".to_vec(),
        oxe_message(6, "key=value\nbinary that is not read"),
        b"\x03\x04".to_vec(),
        oxe_message(7, "voice quality\n"),
        // Without an end of its own, without the mark before it, and as long as can be.
        oxe_message(2, "two"),
        oxe_message(2, &whole),
        oxe_message(2, "three\r\n"),
    ];
    let lines = ["one", "key=value", "two", &whole, "three"];
    gives(Protocol::AlcatelOxe, &stream.concat(), &lines);
    // The same tickets from an accounting file.
    gives(Protocol::AlcatelOxe, b"#5,30\none\r\ntwo\n\nend", &["#5,30", "one", "two", "", "end."]);
    // Cut off in the middle of a message, and of a mark.
    gives(Protocol::AlcatelOxe, &oxe_message(2, "one")[..6], &["on."]);
    gives(Protocol::AlcatelOxe, b"one\n\x01\0\x02", &["one", "^3."]);
    // What is no mark is a control.
    gives(Protocol::AlcatelOxe, b"\0\0\x01P\x03\x05\x01\x01one\n", &["one^5"]);
}

#[test]
fn a_message_that_pauses_is_not_cut() {
    let mut framer = Framer::new(settings(Protocol::AlcatelOxe));
    let mut seen: Vec<Seen> = Vec::new();
    for part in oxe_message(2, "one ticket").chunks(7) {
        framer.push(part, &mut |line| seen.push(line.into()));
        assert!(!framer.pending());
        framer.flush(Ended::Idle, &mut |line| seen.push(line.into()));
    }
    assert_eq!(shown(&seen), ["one ticket"]);
}

#[test]
fn what_is_not_a_frame_is_read_on_from_the_next_byte() {
    // Joined in the middle of a frame: its rest is a line, then frames follow.
    let mut late = MITEL[40..].to_vec();
    late.extend_from_slice(MITEL);
    let rest = std::str::from_utf8(&MITEL[40..84]).unwrap();
    let record = std::str::from_utf8(&MITEL[4..84]).unwrap();
    gives(Protocol::LengthLe32, &late, &[rest, record]);
    // A length of nothing, or of more than 1024, is none: read byte by byte until a mark stands there.
    gives(Protocol::LengthLe32, b"\0\0\0\0\0\x03\0\0\0one", &["one^5"]);
    gives(Protocol::LengthLe32, b"\x01\x04\x01\0\x03\0\0\0one", &["one^4"]);
    gives(Protocol::LengthLe32, b"\x13\x05\0one\n\x03\0\0\0two", &["one^3", "two"]);
    // NUL in front of a plain line.
    gives(Protocol::LengthLe32, b"\0\0plain\r\nR\x01\0plain\r\n", &["plain^2", "Rplain^2"]);
}

#[test]
fn an_over_long_line_keeps_its_beginning_and_counts_the_rest() {
    let settings = Settings { max_line: 8, ..Settings::default() };
    let mut input = vec![b'x'; 100_000];
    input.extend_from_slice(b"\r\nshort\r\n");
    for size in [1, 7, 8, 9, 4096, input.len()] {
        let seen = frame(settings, &input.chunks(size).collect::<Vec<_>>());
        assert_eq!(shown(&seen), ["xxxxxxxx", "short"]);
        assert_eq!(seen[0].dropped, 99_992);
        assert_eq!(seen[1].dropped, 0);
    }
}

#[test]
fn a_line_without_end_takes_bounded_memory() {
    let mut framer = Framer::new(settings(Protocol::Lines));
    for _ in 0..2_000 {
        framer.push(&[b'x'; 4096], &mut |_| panic!("no line ends here"));
        assert!(framer.account().pending <= 4096);
    }
    assert_eq!(framer.account().dropped, 2_000 * 4096 - 4096);
}

#[test]
fn an_idle_flush_hands_out_the_partial_line_and_its_late_end_makes_no_blank_line() {
    for end in ["\r", "\n", "\r\n", "\n\r", "\r\r\n"] {
        let mut framer = Framer::new(Settings::default());
        let mut seen: Vec<Seen> = Vec::new();
        framer.push(b"-SMDR\r\nPassword:", &mut |line| seen.push(line.into()));
        assert!(framer.pending());
        framer.flush(Ended::Idle, &mut |line| seen.push(line.into()));
        assert!(!framer.pending());
        framer.flush(Ended::Idle, &mut |line| seen.push(line.into()));
        framer.push(format!("{end}{end}next{end}").as_bytes(), &mut |line| seen.push(line.into()));
        assert_eq!(shown(&seen), ["-SMDR", "Password:~", "", "next"], "{end:?}");
    }
}

#[test]
fn a_flush_between_the_bytes_of_an_end_changes_nothing() {
    for end in ["\r\n", "\n\r"] {
        let mut framer = Framer::new(Settings::default());
        let mut seen: Vec<Seen> = Vec::new();
        for byte in format!("one{end}two{end}").bytes() {
            framer.push(&[byte], &mut |line| seen.push(line.into()));
            if byte < 0x20 {
                framer.flush(Ended::Idle, &mut |line| seen.push(line.into()));
            }
        }
        assert_eq!(shown(&seen), ["one", "two"], "{end:?}");
    }
}

#[test]
fn a_frame_that_pauses_inside_its_mark_is_still_a_frame() {
    let mut framer = Framer::new(settings(Protocol::LengthLe32));
    let mut seen: Vec<Seen> = Vec::new();
    framer.push(b"\x03\0", &mut |line| seen.push(line.into()));
    framer.flush(Ended::Idle, &mut |line| seen.push(line.into()));
    framer.push(b"\0\0one", &mut |line| seen.push(line.into()));
    assert_eq!(shown(&seen), ["one"]);
}

#[test]
fn after_the_end_of_input_a_new_stream_begins() {
    let mut framer = Framer::new(settings(Protocol::LengthLe32));
    let mut seen: Vec<Seen> = Vec::new();
    framer.push(b"\x52\0\0\0TLC cut o", &mut |line| seen.push(line.into()));
    framer.flush(Ended::EndOfInput, &mut |line| seen.push(line.into()));
    framer.push(b"\r\n", &mut |line| seen.push(line.into()));
    framer.push(MITEL, &mut |line| seen.push(line.into()));
    assert_eq!(seen.len(), 3);
    assert_eq!(shown(&seen[..2]), ["TLC cut o.", ""]);
}

fn balanced(account: Account) -> bool {
    account.received == account.in_lines + account.terminators + account.stripped + account.dropped + account.pending
}

fn protocol() -> impl Strategy<Value = Protocol> {
    prop_oneof![
        Just(Protocol::Lines),
        Just(Protocol::StxEtx),
        Just(Protocol::LengthLe32),
        Just(Protocol::AlcatelOxe),
        Just(Protocol::NecFrame),
    ]
}

/// Bytes that make every rule of the grammar likely.
fn wire() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => proptest::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(0x0C)], 1..5),
        3 => proptest::collection::vec(0x20u8..0x7F, 0..40),
        2 => proptest::collection::vec(any::<u8>(), 1..4),
        1 => proptest::collection::vec(prop_oneof![Just(2u8), Just(3), Just(0), Just(0x13), Just(0x1A)], 1..4),
        2 => (0u32..40).prop_map(|length| length.to_le_bytes().to_vec()),
        1 => Just(MITEL.to_vec()),
        1 => Just(NEC.to_vec()),
        1 => (0usize..12).prop_map(|length| NEC[..length].to_vec()),
        1 => prop_oneof![Just(b"\0\x01P".to_vec()), Just(b"\x03\x04".to_vec()), Just(b"\0\x08TEST_REQ".to_vec())],
        1 => (0u8..9, "[a-z]{0,20}\n?").prop_map(|(kind, text)| oxe_message(kind, &text)),
    ];
    proptest::collection::vec(piece, 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_chunking_gives_the_same_lines(
        bytes in wire(), protocol in protocol(), max_line in 0usize..50, cuts in proptest::collection::vec(1usize..9, 1..60),
    ) {
        let settings = Settings { protocol, max_line };
        let whole = frame(settings, &[&bytes]);
        let mut chunks = Vec::new();
        let mut rest = bytes.as_slice();
        for cut in cuts.iter().cycle() {
            if rest.is_empty() { break; }
            let (chunk, after) = rest.split_at((*cut).min(rest.len()));
            chunks.push(chunk);
            rest = after;
        }
        prop_assert_eq!(frame(settings, &chunks), whole);
    }

    #[test]
    fn a_restart_anywhere_gives_the_same_lines(
        bytes in wire(), protocol in protocol(), max_line in 0usize..50, cuts in proptest::collection::vec(1usize..9, 1..60),
    ) {
        let settings = Settings { protocol, max_line };
        let (mut framer, mut seen) = (Framer::new(settings), Vec::<Seen>::new());
        let mut left = bytes.as_slice();
        for cut in cuts.iter().cycle() {
            if left.is_empty() { break; }
            let (chunk, after) = left.split_at((*cut).min(left.len()));
            framer.push(chunk, &mut |line| seen.push(line.into()));
            prop_assert!(balanced(framer.account()), "{:?}", framer.account());
            let rest = serde_json::to_string(&framer.rest()).unwrap();
            framer = Framer::go_on(settings, &serde_json::from_str(&rest).unwrap());
            prop_assert!(balanced(framer.account()), "{:?}", framer.account());
            left = after;
        }
        framer.flush(Ended::EndOfInput, &mut |line| seen.push(line.into()));
        prop_assert_eq!(seen, frame(settings, &[&bytes]));
    }

    #[test]
    fn every_byte_is_accounted_for_at_every_moment(
        steps in proptest::collection::vec((wire(), 0u8..8), 0..12), protocol in protocol(), max_line in 0usize..50,
    ) {
        let mut framer = Framer::new(Settings { protocol, max_line });
        let mut handed = (0u64, 0u64, 0u64);
        let mut longest = 0;
        let mut fed = 0;
        for (bytes, flush) in steps {
            let mut count = |line: Line<'_>| {
                handed.0 += line.bytes.len() as u64;
                handed.1 += u64::from(line.stripped);
                handed.2 += line.dropped;
                longest = longest.max(line.bytes.len());
            };
            fed += bytes.len() as u64;
            framer.push(&bytes, &mut count);
            prop_assert!(balanced(framer.account()), "{:?}", framer.account());
            match flush {
                0 => framer.flush(Ended::Idle, &mut count),
                1 => framer.flush(Ended::EndOfInput, &mut count),
                _ => {}
            }
            prop_assert!(balanced(framer.account()), "{:?}", framer.account());
            prop_assert!(flush != 0 || !framer.pending());
            prop_assert!(framer.account().pending <= max_line as u64 + 7);
        }
        framer.flush(Ended::EndOfInput, &mut |line| {
            handed.0 += line.bytes.len() as u64;
            handed.1 += u64::from(line.stripped);
            handed.2 += line.dropped;
        });
        let account = framer.account();
        prop_assert!(longest <= max_line);
        prop_assert_eq!(account.received, fed);
        prop_assert_eq!(account.pending, 0);
        // What the lines say of themselves is what the account says of all of them.
        prop_assert_eq!(handed, (account.in_lines, account.stripped, account.dropped));
    }

    #[test]
    fn lines_come_back_whole_whatever_ends_them(
        lines in proptest::collection::vec("[ -~]{0,60}", 1..20),
        end in prop_oneof![Just("\r"), Just("\n"), Just("\r\n"), Just("\n\r"), Just("\r\r\n")],
    ) {
        let input: String = lines.iter().map(|line| format!("{line}{end}")).collect();
        let seen = frame(Settings::default(), &[input.as_bytes()]);
        let texts: Vec<String> = seen.iter().map(|line| String::from_utf8_lossy(&line.text).into_owned()).collect();
        prop_assert_eq!(texts, lines);
    }
}
