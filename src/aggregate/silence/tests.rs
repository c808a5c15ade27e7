use super::*;

fn london() -> TimeZone {
    TimeZone::get("Europe/London").unwrap()
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Weeks of a practice that says something every half minute from 08:00 to 18:30 on working days.
fn regular(until: Date, weeks: i64) -> (BTreeMap<i64, u64>, Vec<Up>) {
    let (zone, mut heard) = (london(), BTreeMap::new());
    let first = until.checked_sub((weeks * 7).days()).unwrap();
    let mut day = first;
    while day < until {
        let from = midnight(&zone, day).as_second();
        for second in (CORE_HOURS.0..CORE_HOURS.1).step_by(30).filter(|_| is_working_day(day, bank_holiday(day))) {
            *heard.entry((from + second) / CELL_S * CELL_S).or_insert(0) += 1;
        }
        day = day.tomorrow().unwrap();
    }
    (heard, vec![Up { from: midnight(&zone, first), to: midnight(&zone, until) }])
}

fn normal(until: &str, weeks: i64) -> Normal {
    let until = until.parse().unwrap();
    let (heard, observed) = regular(until, weeks);
    Normal::learn(&heard, &observed, &london(), until, SignedDuration::from_mins(60))
}

/// When a silence that began at `last` is found, looking every minute for so many hours.
fn found(normal: &Normal, last: &str, hours: i64) -> Option<(String, Silence)> {
    let (zone, last) = (london(), at(last));
    let mut watch = Watch::since(last);
    (1..=hours * 60).map(|minute| last + SignedDuration::from_mins(minute)).find_map(|now| {
        watch.passes(normal, &zone, last, now);
        let silence = watch.verdict(normal, &zone, now)?;
        Some((zone.to_datetime(now).strftime("%a %H:%M").to_string(), silence))
    })
}

#[test]
fn quiet_on_a_monday_morning_is_found_within_minutes_and_quiet_at_night_never() {
    let normal = normal("2026-11-23", 8);
    assert_eq!(normal.learned(), 1.0);
    let (when, silence) = found(&normal, "2026-11-23T08:11:00Z", 10).unwrap();
    // Two a minute: 21 are missing after eleven minutes.
    assert_eq!(when, "Mon 08:22");
    assert_eq!((silence.from, silence.learned), (at("2026-11-23T08:11:00Z"), true));
    assert!(silence.expected >= too_many(), "{silence:?}");
    // From Friday's closing over the weekend: nothing until Monday, and then from when the first line was due.
    let (when, silence) = found(&normal, "2026-11-20T18:29:30Z", 96).unwrap();
    assert_eq!(when, "Mon 08:15");
    let due = silence.from.duration_since(at("2026-11-23T08:01:00Z"));
    assert!(due.as_secs().abs() <= 2, "{silence:?}");
    assert_eq!(silence.last, at("2026-11-20T18:29:30Z"));
    assert_eq!(found(&normal, "2026-11-20T18:29:30Z", 61), None);
}

#[test]
fn a_bank_holiday_is_a_day_of_rest_whatever_its_weekday_normally_is() {
    let normal = normal("2026-12-23", 8);
    // Christmas Day is a Friday, and the Monday after it is the substitute for Boxing Day.
    let (when, _) = found(&normal, "2026-12-24T18:29:00Z", 24 * 6).unwrap();
    assert_eq!(when, "Tue 08:16");
}

#[test]
fn summer_time_moves_the_hours_with_it() {
    let normal = normal("2026-03-28", 8);
    let (when, _) = found(&normal, "2026-03-27T18:29:00Z", 72).unwrap();
    assert_eq!(when, "Mon 08:16", "08:00 is 07:00 of UTC now");
}

#[test]
fn before_enough_was_observed_an_hour_of_core_time_is_too_long() {
    for weeks in [0, 2] {
        let normal = normal("2026-11-23", weeks);
        assert_eq!(normal.learned(), 0.0);
        let (when, silence) = found(&normal, "2026-11-23T09:00:00Z", 10).unwrap();
        assert_eq!((when.as_str(), silence.learned), ("Mon 10:00", false));
        let (when, _) = found(&normal, "2026-11-20T18:00:00Z", 96).unwrap();
        assert_eq!(when, "Mon 08:30", "half an hour on Friday, and half an hour on Monday");
        assert_eq!(found(&normal, "2026-11-20T18:31:00Z", 48), None, "a weekend");
    }
    let never = Normal::learn(&BTreeMap::new(), &[], &london(), "2026-11-23".parse().unwrap(), SignedDuration::ZERO);
    assert_eq!(found(&never, "2026-11-23T09:00:00Z", 48), None, "switched off");
}

#[test]
fn what_was_not_observed_teaches_nothing() {
    let until: Date = "2026-11-23".parse().unwrap();
    let (mut heard, observed) = regular(until, 8);
    // Five of the eight Mondays the cable was out, and that is known.
    let zone = london();
    let mut seen = Vec::new();
    let mut from = observed[0].from;
    for week in 1..=5_i64 {
        let monday = until.checked_sub((week * 7).days()).unwrap();
        let (start, end) = (midnight(&zone, monday), midnight(&zone, monday.tomorrow().unwrap()));
        heard.retain(|cell, _| !(start.as_second()..end.as_second()).contains(cell));
        seen.push(Up { from: start, to: end });
    }
    seen.sort();
    let mut up = Vec::new();
    for out in seen {
        up.push(Up { from, to: out.from });
        from = out.to;
    }
    up.push(Up { from, to: observed[0].to });
    let learned = Normal::learn(&heard, &up, &zone, until, SignedDuration::from_mins(60));
    assert_eq!(found(&learned, "2026-11-23T08:11:00Z", 10).unwrap().0, "Mon 08:22");
    // Taken for observed, they teach that the practice is closed on some Mondays.
    let closed = Normal::learn(&heard, &observed, &zone, until, SignedDuration::from_mins(60));
    assert_eq!(found(&closed, "2026-11-23T08:11:00Z", 10), None);
}

#[test]
fn a_closing_between_the_half_hours_is_none_of_its_silence() {
    let until: Date = "2026-11-23".parse().unwrap();
    let (mut heard, observed) = regular(until, 8);
    let zone = london();
    // Closed from 12:45 to 13:50.
    heard.retain(|cell, _| {
        let civil = zone.to_datetime(Timestamp::from_second(*cell).unwrap()).time();
        let minute = i32::from(civil.hour()) * 60 + i32::from(civil.minute());
        !(765..830).contains(&minute)
    });
    let normal = Normal::learn(&heard, &observed, &zone, until, SignedDuration::from_mins(60));
    let (when, _) = found(&normal, "2026-11-23T12:44:30Z", 4).unwrap();
    assert!(when.as_str() >= "Mon 14:00", "{when}");
}
