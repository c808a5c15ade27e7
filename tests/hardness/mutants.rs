//! Real lines of every dialect, changed: flipped, cut, doubled, spliced with those of another, overlong, with control
//! bytes and every other byte. What must hold of them is in fuzz/src.

use proptest::prelude::*;

use crate::fuzz_lines::{SEEDS, Seed, framed, lines};
use crate::{finds::target, fuzz_masking};
use smdrd::dialect::{Library, Line, Plan, Reading, SourceState, What};
use smdrd::framing::{Account, Ended, Framer, Settings};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 500, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn changed_lines_come_to_something_and_no_record_says_what_did_not_come(
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec(any::<u8>(), 8..200),
        way in any::<u8>(),
    ) {
        let seed: &Seed = &SEEDS[seed.index(SEEDS.len())];
        lines(&[seed], &[&[way | 1], &changes[..]].concat());
    }

    #[test]
    fn changed_lines_are_masked_and_read_as_they_did(
        pick in any::<u16>(),
        changes in prop::collection::vec(any::<u8>(), 8..120),
    ) {
        let [one, two] = pick.to_be_bytes();
        fuzz_masking::masking(&[&[two, two << 1 | 1, one, two][..], &changes].concat());
    }

    #[test]
    fn however_a_stream_of_any_bytes_is_cut_its_lines_are_the_same(
        protocol in 0_usize..5,
        head in any::<[u8; 3]>(),
        bytes in prop::collection::vec(byte(), 0..600),
    ) {
        let name = ["frame_lines", "frame_stx_etx", "frame_length_le32", "frame_nec", "frame_oxe"][protocol];
        target(name, &[&head[..], &bytes].concat());
    }
}

/// Bytes that the protocols look at come as often as all others together.
fn byte() -> impl Strategy<Value = u8> {
    prop_oneof![
        1 => prop::sample::select(vec![0, 1, 2, 3, 4, 6, 8, 10, 12, 13, 16, 22, 0x50, 0x54, 0x7f, 0x80, 0xff]),
        1 => any::<u8>(),
        1 => prop::sample::select(b"0123456789 :/.,\"ATI".to_vec()),
    ]
}

fn plan(id: &str) -> Plan {
    Library::shipped().get(id).unwrap().plan(&Default::default(), Some(2024)).unwrap()
}

/// What one dialect makes of a stream: how many lines there were, and the account of the bytes.
fn fed(id: &str, plan: &Plan, stream: &[u8]) -> (u64, Account) {
    let mut framer = Framer::new(Settings { protocol: plan.protocol(), ..Settings::default() });
    let (mut state, mut reading, mut no) = (SourceState::default(), Reading::default(), 0_u64);
    let today = jiff::civil::date(2024, 6, 1);
    let mut step = |line: smdrd::framing::Line<'_>| {
        no += 1;
        plan.step(&mut state, &Line { no, bytes: line.bytes, kept: &[], today }, &mut reading);
        let own = reading.settled.last().expect("every line comes to something");
        assert_eq!(own.no, no);
        if let What::Unparsed { reason, column } = &own.what {
            let inside = column.is_none_or(|column| usize::from(column) <= line.bytes.len() + 1);
            assert!(inside && !reason.is_empty(), "{id}: {reason} at {column:?}");
        }
    };
    framer.push(stream, &mut step);
    framer.flush(Ended::EndOfInput, &mut step);
    (no, framer.account())
}

fn accounted(account: Account, bytes: usize) {
    let Account { received, in_lines, terminators, stripped, dropped, pending } = account;
    assert_eq!((received, pending), (bytes as u64, 0));
    assert_eq!(received, in_lines + terminators + stripped + dropped);
}

/// One real line of each dialect.
fn one_of_each() -> Vec<(&'static str, &'static [u8])> {
    let line = |id| {
        let seed = SEEDS.iter().find(|seed| seed.dialect == id).expect("each dialect has a sample");
        (id, seed.lines.iter().max_by_key(|line| line.len()).unwrap().as_slice())
    };
    Library::shipped().ids().map(line).collect()
}

#[test]
fn a_line_of_a_megabyte_is_one_line_and_what_is_too_much_of_it_is_counted() {
    for (id, line) in one_of_each() {
        let plan = plan(id);
        for filling in [b' ', b'0', b'A', b'"', b',', 0xff] {
            let mut stream = line.to_vec();
            stream.resize(1 << 20, filling);
            stream.extend_from_slice(b"\r\n");
            let (_, account) = fed(id, &plan, &stream);
            accounted(account, stream.len());
            assert!(account.in_lines <= 4096 * 4 && account.dropped > 1_000_000, "{id}: {account:?}");
        }
    }
}

#[test]
fn whatever_ends_them_and_whatever_stands_between_them_every_byte_of_the_lines_is_accounted_for() {
    let ends: [&[u8]; 9] =
        [b"\r\n", b"\n\r", b"\r\r\n", b"\x0c", b"\n\n", b"\0\0\r\n", b"\r\x0c\n", b"\x11\x13\r\n\x7f", b"\r"];
    for (id, line) in one_of_each() {
        let plan = plan(id);
        for end in ends {
            for between in
                [&b""[..], b"\0\0\0", b"\x80\x81\xfe\xff", "H\u{f6}he \u{4e2d}".as_bytes(), b"\x1b[2J", b"\x02\x03"]
            {
                let stream = [line, end, between, end, line, end, line].concat();
                let (lines, account) = fed(id, &plan, &stream);
                accounted(account, stream.len());
                assert!(lines >= 1, "{id}");
            }
        }
    }
}

#[test]
fn lines_of_every_dialect_are_read_by_every_other_without_harm() {
    for (of, _) in one_of_each() {
        let plan = plan(of);
        for seed in SEEDS.iter().filter(|seed| seed.lines.len() < 60) {
            let stream: Vec<u8> = seed.lines.iter().flat_map(|line| [line.as_slice(), b"\r\n"].concat()).collect();
            accounted(fed(of, &plan, &stream).1, stream.len());
        }
    }
}

#[test]
fn a_sample_cut_off_at_any_byte_loses_no_line_before_the_cut() {
    for (id, _) in one_of_each() {
        let seed = SEEDS.iter().filter(|seed| seed.dialect == id).min_by_key(|seed| seed.lines.concat().len()).unwrap();
        let stream: Vec<u8> = seed.lines.iter().flat_map(|line| [line.as_slice(), b"\r\n"].concat()).collect();
        if seed.plan.protocol() != smdrd::framing::Protocol::Lines {
            continue;
        }
        for cut in (0..stream.len()).step_by(7) {
            let whole = framed(&seed.plan, &stream);
            let part = framed(&seed.plan, &stream[..cut]);
            let last = part.len().saturating_sub(1);
            assert_eq!(part[..last], whole[..last], "{id} cut at {cut}");
        }
    }
}
