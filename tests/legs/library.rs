//! The same for the families whose legs are printed as the PBX's own lines: what the practice's day makes of them.

use smdrd::call::{Call, CallKind, Outcome};

use super::{calls_of, calls_with};

/// Lines, kind, outcome, rule, wait and talk.
type Told = (Vec<u64>, CallKind, Option<Outcome>, String, Option<u32>, Option<u32>);

fn told(calls: Vec<(Vec<u64>, Call)>) -> Vec<Told> {
    let brief = |(lines, call): (Vec<u64>, Call)| {
        (lines, call.kind, call.outcome, call.rule.to_string(), call.wait_s, call.talk_s)
    };
    calls.into_iter().map(brief).collect()
}

fn inbound(lines: &[u64], outcome: Outcome, rule: &str, wait: Option<u32>, talk: Option<u32>) -> Told {
    (lines.to_vec(), CallKind::Inbound, Some(outcome), rule.to_owned(), wait, talk)
}

#[test]
fn omnipcx_office_passes_a_call_on_in_a_line_more() {
    let lines = "\
 G50   A125  <-- P00 02/02/27 09:00 00:02:00    0 ST        07700900113............... M 00:14      0.000 ................                        
 G50   A126  <-- P00 02/02/27 09:02 00:01:00    0 ST X      07700900113............... M 00:00      0.000 ................                        
 G50   A125  <-- P00 02/02/27 09:02 00:00:00    0 ST        07700900114............... M 00:47      0.000 ................                        
       N01   <-- P00 02/02/27 09:09 00:03:00    0 ST R      07700900115............... M 00:05      0.000 ................                        ";
    assert_eq!(
        told(calls_of("alcatel-oxo", lines)),
        [
            inbound(&[1, 2], Outcome::Answered, "answered-by-staff", Some(14), Some(180)),
            inbound(&[3], Outcome::MissedRangOut, "nobody-answered", Some(47), None),
            inbound(&[4], Outcome::IvrEnded, "diverted-outside", None, None),
        ]
    );
}

#[test]
fn businessphone_prints_a_very_long_call_in_parts_and_leaves_its_menu_by_code() {
    let lines = "\
00 001 270202 1900 705  95959 0000      202                      C                      0003 A        0.00 I                                    01632960014               
00 002 270202 1930 705  03000 0000      202                      A                      0000 A        0.00 I                                    01632960014               
00 003 270202 1932 704        0000                               A                      0031 A        0.00 I                                    01632960013          D 13 
00 004 270202 1940 703        0000      200                      A                      0145 A        0.00 I                                    07700900111               ";
    assert_eq!(
        told(calls_of("ericsson-bp", lines)),
        [
            inbound(&[1, 2], Outcome::Answered, "answered-by-staff", Some(3), Some(35_999 + 1_800)),
            inbound(&[3], Outcome::IvrEnded, "ended-before-menu", None, None),
            inbound(&[4], Outcome::MissedRangOut, "nobody-answered", Some(105), None),
        ]
    );
}

#[test]
fn asterisk_rings_two_at_once_in_a_queue_and_through_local_channels() {
    let row = |src: &str,
               channel: &str,
               to: &str,
               app: &str,
               from: &str,
               answer: &str,
               end: &str,
               secs: &str,
               what: &str,
               id: &str| {
        format!(
            "\"\",\"{src}\",\"s\",\"from-trunk\",\"\",\"{channel}\",\"{to}\",\"{app}\",\"\",\"2027-02-02 {from}\",{},\"2027-02-02 {end}\",{secs},\"{what}\",\"DOCUMENTATION\",\"1801558800.{id}\",\"\",\"\",\"1801558800.{id}\",1\n",
            if answer.is_empty() { String::new() } else { format!("\"2027-02-02 {answer}\"") }
        )
    };
    let trunk = "PJSIP/pstn-00000001";
    let lines = [
        // Two at once; the one that gave up comes second.
        row(
            "07700900111",
            trunk,
            "PJSIP/201-00000002",
            "Dial",
            "09:00:00",
            "09:00:07",
            "09:01:07",
            "67,60",
            "ANSWERED",
            "1",
        ),
        row("07700900111", trunk, "PJSIP/202-00000003", "Dial", "09:00:00", "", "09:00:07", "7,0", "NO ANSWER", "1"),
        // A menu and nothing else.
        row("07700900112", trunk, "", "BackGround", "09:02:00", "09:02:00", "09:02:20", "20,20", "ANSWERED", "2"),
        // Left in the queue; the agent that was rung did not take it.
        row("07700900113", trunk, "", "Queue", "09:03:00", "09:03:00", "09:03:40", "40,40", "ANSWERED", "3"),
        row("07700900113", trunk, "PJSIP/201-00000005", "Queue", "09:03:10", "", "09:03:25", "15,0", "NO ANSWER", "3"),
        // Nobody, then voicemail.
        row("07700900114", trunk, "PJSIP/201-00000006", "Dial", "09:05:00", "", "09:05:20", "20,0", "NO ANSWER", "4"),
        row("07700900114", trunk, "", "VoiceMail", "09:05:20", "09:05:20", "09:05:50", "30,30", "ANSWERED", "4"),
        // Both halves of a Local channel.
        row(
            "07700900115",
            trunk,
            "Local/201@from-queue-00000007;1",
            "Queue",
            "09:06:00",
            "09:06:09",
            "09:07:09",
            "69,60",
            "ANSWERED",
            "5",
        ),
        row(
            "07700900115",
            "Local/201@from-queue-00000007;2",
            "PJSIP/201-00000008",
            "Dial",
            "09:06:03",
            "09:06:09",
            "09:07:09",
            "66,60",
            "ANSWERED",
            "5",
        ),
    ]
    .concat();
    assert_eq!(
        told(calls_of("asterisk-csv", &lines)),
        [
            inbound(&[1, 2], Outcome::Answered, "answered-by-staff", Some(7), Some(60)),
            inbound(&[3], Outcome::IvrEnded, "ended-in-menu", None, None),
            inbound(&[4, 5], Outcome::MissedRangOut, "nobody-answered", Some(40), None),
            inbound(&[6, 7], Outcome::MissedVoicemail, "reached-voicemail", Some(20), None),
            inbound(&[8, 9], Outcome::Answered, "answered-by-staff", Some(9), Some(60)),
        ]
    );
}

#[test]
fn a_3cx_queue_that_nobody_took_is_missed_and_a_menu_is_no_person() {
    let lines = "\
Call 101,A_1,00:01:05,2027/02/02 09:00:00,2027/02/02 09:00:20,2027/02/02 09:01:25,TerminatedBySrc,07700900111,Ext.800,10000,800,,ReplacedDst,Ext.201,201,,,,,Chain: 07700900111;,Line,Queue,Extension,07700900111,Reception, front,Ann,
Call 102,A_2,,2027/02/02 09:02:00,,2027/02/02 09:03:10,TerminatedBySrc,07700900112,Ext.800,10000,800,,,,,,,,,Chain: 07700900112;,Line,Queue,,07700900112,Reception Queue,,201;202
Call 103,A_3,00:00:30,2027/02/02 09:04:00,2027/02/02 09:04:00,2027/02/02 09:04:30,TerminatedBySrc,07700900113,Ext.900,10000,900,,,,,,,,,Chain: 07700900113;,Line,IVR,,07700900113,Menu,,";
    let calls = calls_of("3cx", lines);
    assert_eq!(
        told(calls),
        [
            inbound(&[1], Outcome::Answered, "answered-by-staff", Some(20), Some(65)),
            inbound(&[2], Outcome::MissedRangOut, "nobody-answered", Some(70), None),
            inbound(&[3], Outcome::IvrEnded, "ended-in-menu", None, None),
        ]
    );
}

#[test]
fn both_legs_of_a_cisco_gateway_are_one_call() {
    let leg = |kind: &str, id: &str, origin: &str, connect: &str, cause: &str| {
        format!(
            "1801558800,1,1,{kind},{id},,,09:00:00.000 GMT Tue Feb 2 2027,,09:00:{connect}.000 GMT Tue Feb 2 2027,09:01:12.000 GMT Tue Feb 2 2027,{cause},text,{origin},,,,,,,,07700900111,01632960200\n"
        )
    };
    let lines = [
        leg("1", "5A 01", "answer", "12", "10"),
        leg("2", "5A 01", "originate", "12", "10"),
        leg("2", "5A 02", "originate", "12", "13"),
        leg("1", "5A 02", "answer", "12", "10"),
    ]
    .concat()
    .replace("5A 02,,,09:00:00.000 GMT Tue Feb 2 2027,,09:00:12", "5A 02,,,09:00:00.000 GMT Tue Feb 2 2027,,09:01:12");
    assert_eq!(
        told(calls_of("cisco-cme", &lines)),
        [
            inbound(&[1, 2], Outcome::Answered, "answered-by-staff", Some(12), Some(60)),
            inbound(&[3, 4], Outcome::MissedRangOut, "nobody-answered", Some(72), None),
        ]
    );
}

#[test]
fn cucm_goes_by_the_sites_trunks() {
    let lines = r#""cdrRecordType","globalCallID_callId","dateTimeOrigination","callingPartyNumber","originalCalledPartyNumber","finalCalledPartyNumber","dateTimeConnect","dateTimeDisconnect","duration","origDeviceName","destDeviceName","destCause_value"
1,1,1801558800,"07700900113","01632960200","7002",1801558812,1801558872,60,"GW","SEP00AABBCCDDEE",16
1,2,1801558900,"07700900114","01632960200","7002",0,1801558930,0,"GW","SEP00AABBCCDDEE",16
1,3,1801559000,"7001","907700900115","907700900115",1801559010,1801559020,10,"SEP00AABBCCDDEE","GW",16"#;
    let calls = told(calls_with("cisco-cucm", &[("trunks", "GW")], lines));
    assert_eq!(
        calls,
        [
            inbound(&[2], Outcome::Answered, "answered-by-staff", Some(12), Some(60)),
            inbound(&[3], Outcome::MissedRangOut, "nobody-answered", Some(30), None),
            (vec![4], CallKind::Outbound, None, "outgoing".to_owned(), None, Some(10)),
        ]
    );
}

#[test]
fn tickets_with_one_reference_are_one_call() {
    let ticket = |reference: &str, kind: &str, wait: u32, talk: u32, start: &str| {
        format!(
            "ED5.2{:<30}{:<30}{:<71}{:<30}{kind:>2}0{:<17}{:<15}{:<10}{:>5}{:>5}{:<127}{reference:>10}{:<37}{:<30}{wait:>5}{talk:>10} {start:<17}\n",
            "2001", "2001", "", "07700900111", "20270202 09:20:10", "", "", "12", "3", "", "", "2000"
        )
    };
    let lines = [
        ticket("1001", "4", 15, 70, "20270202 09:00:00"),
        ticket("1002", "4", 40, 0, "20270202 09:00:30"),
        ticket("1001", "4", 0, 30, "20270202 09:01:25"),
    ]
    .concat();
    assert_eq!(
        told(calls_of("alcatel-oxe", &lines)),
        [
            inbound(&[1, 3], Outcome::Answered, "answered-by-staff", Some(15), Some(100)),
            inbound(&[2], Outcome::MissedRangOut, "nobody-answered", Some(40), None),
        ]
    );
}
