//! F18: the nights on which summer time begins and ends, to the second: an hour that does not exist, and one that comes twice.

use serde_json::{Value, json};

use super::evidence::figures;
use super::lines::{Ip, hipath};
use super::promises::assert_kept;
use super::rig::{Pbx, Rig, SITE, clock};

/// What a night comes to.
struct Night {
    /// When each call arrived, in the order of the lines, as `HH:MM:SS` of UTC.
    arrivals: Vec<String>,
    document: Value,
    /// Counters too are a day's, and no call is shorter than nothing.
    negative: i64,
}

/// Prints the lines of a night, and has the day closed.
fn night(mut pbx: Pbx, lines: &[String], now: &str, date: &str, morning: &str) -> Night {
    let rig = Rig::new(SITE, std::slice::from_ref(&pbx));
    let daemon = rig.run(&clock(now, 1));
    pbx.connect();
    assert!(pbx.print(lines));
    rig.wait_for_lines(lines.len());
    assert_kept(&rig, "", date);
    daemon.stop();
    let later = clock(morning, 1);
    let (_, document) = rig.json(&["day", date], &later);
    assert_kept(&rig, &later, "on the morning after");
    let db = rig.db();
    let mut query =
        db.prepare("SELECT strftime('%H:%M:%S', arrival_ms / 1000, 'unixepoch') FROM call ORDER BY seq").unwrap();
    let arrivals = query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    let negative = "SELECT count(*) FROM call WHERE end_ms < arrival_ms OR wait_s < 0 OR talk_s < 0";
    Night { arrivals, document, negative: rig.count(negative) }
}

/// The figures of the half-hours are those of the day; gives how many half-hours there are, and the calls by their labels.
#[track_caller]
fn slots(document: &Value) -> (usize, Vec<(String, String, u64)>) {
    let slots = document["slots"].as_array().unwrap();
    for key in ["calls_seen", "answered", "edge_doubt", "answered_talk_sum_s"] {
        let sum: u64 = slots.iter().map(|slot| slot["inbound"][key].as_u64().unwrap()).sum();
        assert_eq!(document["totals"]["inbound"][key], sum, "{key}");
    }
    let observed: u64 = slots.iter().map(|slot| slot["observed_s"].as_u64().unwrap()).sum();
    assert_eq!(document["coverage"]["observed_s"], observed);
    let text = |slot: &Value, key: &str| slot[key].as_str().unwrap().to_owned();
    let busy = slots.iter().filter(|slot| slot["inbound"]["calls_seen"] != 0);
    let busy = busy.map(|slot| {
        (text(slot, "start")[11..16].to_owned(), text(slot, "local"), slot["inbound"]["calls_seen"].as_u64().unwrap())
    });
    (slots.len(), busy.collect())
}

fn expected(slots: &[(&str, &str, u64)]) -> Vec<(String, String, u64)> {
    slots.iter().map(|(start, local, calls)| ((*start).to_owned(), (*local).to_owned(), *calls)).collect()
}

fn calls(date: &str, times: &[&str]) -> Vec<String> {
    let line =
        |(id, time): (usize, &&str)| Ip { id: id as u32 + 1, at: &format!("{date} {time}"), ..Ip::default() }.line();
    times.iter().enumerate().map(line).collect()
}

#[test]
fn the_hour_that_comes_twice_is_told_apart_by_the_order_of_the_records_and_its_first_pass_is_doubted() {
    let times = ["00:20:00", "01:10:00", "01:40:00", "01:35:00", "01:05:00", "01:50:00", "02:10:00", "23:50:00"];
    let pbx = Pbx::tcp("reception", "avaya-ipoffice");
    let lines = calls("2026/10/25", &times);
    let Night { arrivals, document, negative } =
        night(pbx, &lines, "2026-10-25T23:58:00Z", "2026-10-25", "2026-10-26T06:00:00Z");
    let utc = ["23:20:00", "00:10:00", "00:40:00", "00:35:00", "01:05:00", "01:50:00", "02:10:00", "23:50:00"];
    assert_eq!(arrivals, utc);
    assert_eq!(negative, 0);
    let (count, busy) = slots(&document);
    assert_eq!((count, &document["day"]["slots"]), (50, &json!(50)));
    assert_eq!(
        busy,
        expected(&[
            ("23:00", "00:00", 1),
            ("00:00", "01:00", 1),
            ("00:30", "01:30", 2),
            ("01:00", "01:00", 1),
            ("01:30", "01:30", 1),
            ("02:00", "02:00", 1),
            ("23:30", "23:30", 1),
        ])
    );
    // Nothing printed proves that 01:10, 01:40 and 01:35 were before the change.
    assert_eq!(document["totals"]["inbound"]["edge_doubt"], 3);
    assert_eq!(document["totals"]["inbound"]["calls_seen"], 8);
    figures("F18 the repeated hour", "8 calls", "8 in their half-hours, 3 of the first pass doubted, 50 half-hours");
}

#[test]
fn the_hour_that_does_not_exist_is_moved_forward_and_the_day_is_an_hour_short() {
    // 01:30 is what a PBX prints that has not put its clock forward yet.
    let times = ["00:59:59", "01:30:00", "02:00:00", "02:29:59", "23:59:59"];
    let pbx = Pbx::tcp("reception", "avaya-ipoffice");
    let lines = calls("2026/03/29", &times);
    let Night { arrivals, document, negative } =
        night(pbx, &lines, "2026-03-29T22:59:30Z", "2026-03-29", "2026-03-30T06:00:00Z");
    assert_eq!(arrivals, ["00:59:59", "01:30:00", "01:00:00", "01:29:59", "22:59:59"]);
    assert_eq!(negative, 0);
    let (count, busy) = slots(&document);
    assert_eq!((count, &document["day"]["slots"]), (46, &json!(46)));
    let by_half_hours = [("00:30", "00:30", 1), ("01:00", "02:00", 2), ("01:30", "02:30", 1), ("22:30", "23:30", 1)];
    assert_eq!(busy, expected(&by_half_hours));
    figures("F18 the skipped hour", "5 calls", "5 counted, 46 half-hours");
}

#[test]
fn a_call_that_is_stamped_at_its_end_reaches_back_over_the_change() {
    let call = |stamp: &str| hipath(stamp, 1, 101, "00:30", "00:10:00", "01632960555", 1);
    for (date, now, morning, stamps, utc, slots_of_day) in [
        // Ends at 02:05 summer time, which is 01:05 by UTC; began ten and a half minutes before.
        ("2026-03-29", "2026-03-29T02:00:00Z", "2026-03-30T06:00:00Z", vec!["29.03.2602:05:00"], vec!["00:54:30"], 46),
        // Ends in the second pass, after one that ended in the first.
        (
            "2026-10-25",
            "2026-10-25T02:30:00Z",
            "2026-10-26T06:00:00Z",
            vec!["25.10.2601:55:00", "25.10.2601:05:00"],
            vec!["00:44:30", "00:54:30"],
            50,
        ),
    ] {
        let lines: Vec<String> = stamps.into_iter().map(call).collect();
        let Night { arrivals, document, negative } =
            night(Pbx::serial("reception", "siemens-hipath3000"), &lines, now, date, morning);
        assert_eq!((arrivals.iter().map(String::as_str).collect::<Vec<_>>(), negative), (utc, 0), "{date}");
        assert_eq!(slots(&document).0, slots_of_day, "{date}");
        assert_eq!(document["totals"]["inbound"]["answered_talk_sum_s"], 600 * lines.len(), "{date}");
    }
}
