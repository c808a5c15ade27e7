//! Lines to calls, for formats that print a call's legs on lines of their own: a Panasonic ring group says how long the
//! caller waited on one line and who talked on another, with no call id between them; a Mitel 3300 has one.

#[allow(dead_code)]
#[path = "dialects/corpus.rs"]
mod corpus;
#[path = "legs/library.rs"]
mod library;
#[path = "legs/samples.rs"]
mod samples;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{Timestamp, civil::date};
use smdrd::call::{Assembler, Call, LineRef, Outcome, Rules, Site, Wall};
use smdrd::daemon::books::Entry;
use smdrd::daemon::keys::KeyRing;
use smdrd::daemon::reader::{Gate, Reader};
use smdrd::dialect::{Library, SourceState};
use smdrd::privacy::Privacy;
use smdrd::record::LineKind;

const CONFIG: &str = r#"
[[practice]]
ods = "A81001"
[[source]]
name = "panasonic"
dialect = "panasonic-kx"
tcp-connect = { host = "192.0.2.13", port = 2300 }
[roles.stations]
"301" = "hunt-group"
"305" = "hunt-group"
"500" = "auto-attendant"
"#;

/// The calls that the lines make, in the order of their first lines, each with the numbers of its lines. The lines go
/// through the daemon's own reading side, so that only peers are left of numbers.
fn calls_of(dialect: &str, lines: &str) -> Vec<(Vec<u64>, Call)> {
    calls_with(dialect, &[], lines)
}

fn calls_with(dialect: &str, options: &[(&str, &str)], lines: &str) -> Vec<(Vec<u64>, Call)> {
    let config: smdrd::config::Config = toml::from_str(CONFIG).unwrap();
    let options: BTreeMap<String, String> =
        options.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let plan = Arc::new(Library::shipped().get(dialect).unwrap().plan(&options, None).unwrap());
    let mut assembler = Assembler::new(Site::new(&config, &[("panasonic".to_owned(), 1)].into()));
    assembler.source(1, Rules { linking: plan.linking().clone(), zone: config.time_zone() }, Wall::default());
    let folder = tempfile::tempdir().unwrap();
    let (ring, peers) = KeyRing::open(folder.path(), date(2027, 2, 2), 1).unwrap();
    let mut gate = Gate { privacy: Privacy::new(config.number_plan(), true, peers), ring };
    let mut reader = Reader::new(1, plan, config.time_zone(), SourceState::default(), 1);
    let at: Timestamp = "2027-02-02T09:00:00Z".parse().unwrap();
    let batch = reader.bytes(&mut gate, 1, format!("{lines}\r\n").as_bytes(), at).unwrap();
    let mut ids = Vec::new();
    for entry in batch.entries {
        let Entry::Line(line) = entry else { panic!("{entry:?}") };
        assert_ne!(line.kind, LineKind::Unparsed, "line {}: {:?}", line.seq, line.reason);
        if let Some(record) = line.record {
            ids.push(assembler.accept(LineRef { source: 1, seq: line.seq }, record).unwrap().id);
        }
    }
    ids.sort();
    ids.dedup();
    let lines_of = |id| assembler.lines(id).into_iter().map(|line| line.seq).collect();
    ids.into_iter().map(|id| (lines_of(id), assembler.call(id).unwrap())).collect()
}

fn calls(lines: &str) -> Vec<(Vec<u64>, Call)> {
    calls_of("panasonic-kx", lines)
}

/// Lines, outcome, wait, talk and whether it is open.
type Brief = (Vec<u64>, Option<Outcome>, Option<u32>, Option<u32>, bool);

/// The calls in brief.
fn summary(lines: &str) -> Vec<Brief> {
    let brief = |(lines, call): (Vec<u64>, Call)| (lines, call.outcome, call.wait_s, call.talk_s, call.open);
    calls(lines).into_iter().map(brief).collect()
}

#[test]
fn the_group_holds_the_wait_and_the_agent_the_talk_of_one_call_however_calls_cross() {
    // The same caller on three trunks at once, as a TDA600 printed it; only the year is another.
    let lines = "\
02/02/27 09:47     301 12 <I>01632960903            0'04 00:00'00               
02/02/27 09:48     104 12 <I>01632960903            0'00 00:01'01               
02/02/27 09:49     301 13 <I>01632960903            0'04 00:00'00               
02/02/27 09:52     301 01 <I>01632960903            0'05 00:00'00               
02/02/27 09:52     104 13 <I>01632960903            0'00 00:03'28               
02/02/27 09:52     104 14 01632960905                    00:02'51            TR 
02/02/27 09:53     104 01 <I>01632960903            0'00 00:01'30               ";
    let answered = Some(Outcome::Answered);
    assert_eq!(
        summary(lines),
        [
            (vec![1, 2], answered, Some(4), Some(61), false),
            (vec![3, 5], answered, Some(4), Some(208), false),
            (vec![4, 7], answered, Some(5), Some(90), false),
            (vec![6], None, None, Some(171), false),
        ]
    );
    let (_, first) = &calls(lines)[0];
    assert_eq!(first.arrival.to_string(), "2027-02-02T09:46:56Z", "the group's stamp less the ringing");
    assert_eq!(first.later_s, 59, "a stamp of a minute");
}

#[test]
fn a_long_talk_finds_the_group_that_rang_an_hour_before() {
    let lines = "\
02/02/27 09:00     301 12 <I>07700900118            0'34 00:00'00               
02/02/27 10:20     104 12 <I>07700900118            0'00 01:19'50               ";
    assert_eq!(summary(lines), [(vec![1, 2], Some(Outcome::Answered), Some(34), Some(4790), false)]);
}

#[test]
fn transfers_chain_and_keep_the_first_answer() {
    let lines = "\
02/02/27 20:13     301 04 <I>01632960900            0'06 00:00'00               
02/02/27 20:13     109 04 <I>01632960900            0'00 00:00'12               
02/02/27 20:13     250 04 <I>01632960900            0'00 00:00'24            TR 
02/02/27 20:14     305 04 <I>01632960900            0'10 00:00'00            TR 
02/02/27 20:16     111 04 <I>01632960900            0'00 00:02'00               ";
    assert_eq!(summary(lines), [(vec![1, 2, 3, 4, 5], Some(Outcome::Answered), Some(6), Some(156), false)]);
}

#[test]
fn an_attendant_that_hands_on_to_a_group_is_part_of_the_call_and_not_of_the_wait() {
    let lines = "\
02/02/27 09:00     500 05 <I>07700900118            0'12 00:00'00               
02/02/27 09:01     301 05 <I>07700900118            0'40 00:00'00               
02/02/27 09:03     104 05 <I>07700900118            0'00 00:02'10               ";
    assert_eq!(summary(lines), [(vec![1, 2, 3], Some(Outcome::Answered), Some(40), Some(130), false)]);
}

#[test]
fn abandoned_calls_are_calls_of_their_own_and_nothing_joins_them() {
    let lines = "\
02/02/27 09:16     301 08 <I>01632960902            0'37 00:00'00            NA 
02/02/27 09:16     301 08 <I>01632960902            0'10 00:00'00               
02/02/27 09:17     104 08 <I>01632960902            0'00 00:00'40               ";
    assert_eq!(
        summary(lines),
        [
            (vec![1], Some(Outcome::MissedRangOut), Some(37), None, false),
            (vec![2, 3], Some(Outcome::Answered), Some(10), Some(40), false),
        ]
    );
}

#[test]
fn without_a_caller_the_next_call_on_the_trunk_does_not_join_the_one_before() {
    // Pattern B prints no ring, so that every answered leg looks like an agent's.
    let lines = "\
02/02/27 08:57    601 01 <I>                  00:00'00   00000.00               
02/02/27 08:58    102 01 <I>                  00:00'38   00000.00               
02/02/27 08:58    125 01 <I>                  00:00'37   00000.00            TR 
02/02/27 08:59    103 01 <I>                  00:00'20   00000.00               
02/02/27 09:01    606 01 <I>                  00:00'00   00000.00            NA ";
    assert_eq!(
        summary(lines),
        [
            (vec![1, 2, 3], Some(Outcome::Answered), None, Some(75), false),
            (vec![4], Some(Outcome::Answered), None, Some(20), false),
            (vec![5], Some(Outcome::MissedRangOut), None, None, false),
        ]
    );
}

#[test]
fn a_call_that_the_group_handed_on_stays_open_until_somebody_hangs_up() {
    let lines = "02/02/27 09:47     301 12 <I>01632960903            0'04 00:00'00               ";
    assert!(summary(lines)[0].4);
    // The caller was gone in the moment the station took the call: nobody answered.
    let lines = "\
02/02/27 09:28     305 09 <I>01632960903            0'16 00:00'00               
02/02/27 09:28     245 09 <I>01632960903            0'00 00:00'00               ";
    assert_eq!(summary(lines), [(vec![1, 2], Some(Outcome::MissedRangOut), Some(16), None, false)]);
}

#[test]
fn stages_printed_while_the_call_goes_on_are_part_of_it() {
    let lines = "\
02/02/27 13:42   4 F2014  T10902 <INCOMING>                                   RC
02/02/27 13:42   4 E1114  T10902 <INCOMING>                                   AN
02/02/27 13:44   4 E1114  T10902 <INCOMING>               00:01'31              
02/02/27 13:45   4 F2014  T10902 <INCOMING>                                   RC
02/02/27 13:45   4 F2014  T10902 <INCOMING>               00:00'00            NA";
    assert_eq!(
        summary(lines),
        [
            (vec![1, 2, 3], Some(Outcome::Answered), None, Some(91), false),
            (vec![4, 5], Some(Outcome::MissedRangOut), None, None, false),
        ]
    );
}

#[test]
fn an_answer_is_part_of_its_call_on_whichever_side_of_the_groups_leg_it_is_printed() {
    let [offered, taken, group, agent] = [
        "02/02/27 09:47     301 12 <I>01632960903                                     RC ",
        "02/02/27 09:47     104 12 <I>01632960903                                     AN ",
        "02/02/27 09:47     301 12 <I>01632960903            0'34 00:00'00               ",
        "02/02/27 09:49     104 12 <I>01632960903            0'00 00:02'10               ",
    ];
    let [again, through, moved] = [
        "02/02/27 09:49     105 12 <I>01632960903                                     AN ",
        "02/02/27 09:50     105 12 <I>01632960903            0'00 00:00'50            TR ",
        "02/02/27 09:51     301 12 <I>01632960903            0'09 00:00'00            NA ",
    ];
    let answered = Some(Outcome::Answered);
    for lines in [[offered, taken, group, agent], [offered, group, taken, agent], [offered, group, agent, taken]] {
        let (whole, next) = (summary(&lines.join("\r\n")), offered.replace("09:47", "09:51"));
        assert_eq!(whole, [(vec![1, 2, 3, 4], answered, Some(34), Some(130), false)], "{lines:#?}");
        // Put through to another station, which is said to have taken it, and then the same caller on the same trunk.
        for rest in [[again, through], [through, again]] {
            let lines = [&lines[..], &rest, &[next.as_str(), moved]].concat();
            assert_eq!(
                summary(&lines.join("\r\n")),
                [
                    (vec![1, 2, 3, 4, 5, 6], answered, Some(34), Some(180), false),
                    (vec![7, 8], Some(Outcome::MissedRangOut), Some(9), None, false),
                ],
                "{lines:#?}"
            );
        }
    }
}

#[test]
fn the_leg_of_a_call_that_was_put_through_finds_it_by_the_start_that_both_bear() {
    // The call before it on the line ended nearer to what the start and the talk of the leg alone add up to.
    let lines = "\
20/11/26   8:12AM      02   <    incoming    >                            ....  
20/11/26   8:12AM 207  02   <    incoming    >                  00:02'57\" ....  
20/11/26   8:16AM      02   <    incoming    >                            ....  
20/11/26   8:16AM 202  02   <    incoming    >                  00:02'01\" ....  
20/11/26 * 8:16AM 205  02   <    incoming    >                  00:00'12\" ....  ";
    let calls = calls_with("panasonic-tes", &[("date_order", "DMY")], lines);
    let brief: Vec<_> = calls.into_iter().map(|(lines, call)| (lines, call.talk_s)).collect();
    assert_eq!(brief, [(vec![1, 2], Some(177)), (vec![3, 4, 5], Some(133))]);
}

#[test]
fn a_long_ring_does_not_part_the_legs_of_a_meridian_whose_stamps_may_be_arrivals() {
    // 09:00:00, answered after three minutes, put through after one.
    let lines = "\
S 025 00 A001016 6101    02/02 09:00:00 00:01:00.0
 &07700900123XXXXX
 &03:00                                000 00 0 02
E 028 00 A001016 2463    02/02 09:04:00 00:00:52.0
 &07700900123XXXXX
 &                                     000 00 0 02";
    let calls = calls_of("nortel-meridian", lines);
    assert_eq!(calls.len(), 1, "{calls:#?}");
    assert_eq!((calls[0].1.wait_s, calls[0].1.talk_s), (Some(180), Some(112)));
}

#[test]
fn a_talk_of_any_length_finds_the_ring_in_record_of_a_mitel_5000() {
    let record = |kind: &str, start: &str, elapsed: &str, digits: &str| {
        let text = format!("{kind:<3} 181   94129 {digits:<28} {start} {elapsed} $00.00              \r\n");
        [&u32::try_from(text.len()).unwrap().to_le_bytes()[..], text.as_bytes()].concat()
    };
    let title = "Station Message Detailed Recording                          00:00:04 02-02-2027\r\n";
    let head = [&u32::try_from(title.len()).unwrap().to_le_bytes()[..], title.as_bytes()].concat();
    let ring = record("", "09:00", "00:00:30", "RG 07700900123          0063");
    let talk = record("DID", "09:00", "00:12:00", "07700900123             0063");
    let text = String::from_utf8([head, ring, talk].concat()).unwrap();
    let calls = calls_of("mitel-5000", text.trim_end());
    assert_eq!(calls.len(), 1, "{calls:#?}");
    assert_eq!((calls[0].1.wait_s, calls[0].1.talk_s), (Some(30), Some(720)));
}

#[test]
fn legs_with_one_call_id_are_one_call_whose_parts_add_up() {
    let lines = [
        " 02/02 09:00  0000:00:20 T1001    005 2000                        2000001X 2000002              000   1632960123 2000    A0011234A",
        " 02/02 09:00  0000:01:00 T1002   **** 2000                        2000001                       000   1632960124 2000    A0011235A",
        " 02/02 09:00  0000:02:10 T1001    003 2000                        2000002                       000   1632960123 2000    A0011234B",
    ];
    let calls = calls_of("mitel-3300", &lines.join("\n"));
    let [(first, answered), (second, lost)] = &calls[..] else { panic!("{calls:?}") };
    assert_eq!((first.as_slice(), second.as_slice()), (&[1, 3][..], &[2][..]));
    assert_eq!((answered.outcome, answered.wait_s, answered.talk_s), (Some(Outcome::Answered), Some(5), Some(150)));
    assert_eq!(answered.arrival.to_string(), "2027-02-02T09:00:00Z");
    assert_eq!(answered.end.duration_since(answered.arrival).as_secs(), 5 + 20 + 3 + 130);
    assert_eq!((lost.outcome, lost.wait_s, lost.talk_s), (Some(Outcome::MissedRangOut), Some(60), None));
}
