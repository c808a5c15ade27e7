//! What is in the files, and what keeps an account out of them.

use serde_json::{Value, json};

use super::desk::{ACCEPTANCE, Desk, MONTH, Rows, busy_day, days, seed, with_sums};

const BANDS: [(&str, usize, usize); 9] = [
    ("00:00 - 05:59", 0, 12),
    ("06:00 - 07:59", 12, 16),
    ("08:00 - 09:59", 16, 20),
    ("10:00 - 11:59", 20, 24),
    ("12:00 - 13:59", 24, 28),
    ("14:00 - 15:59", 28, 32),
    ("16:00 - 17:59", 32, 36),
    ("18:00 - 18:29", 36, 37),
    ("18:30 - 23:59", 37, 48),
];
const BUCKETS: [(&str, &[usize]); 8] = [
    ("0", &[0]),
    ("1_30", &[1]),
    ("31_60", &[2]),
    ("61_120", &[3, 4]),
    ("121_180", &[5]),
    ("181_240", &[6]),
    ("241_300", &[7]),
    (">300", &[8]),
];

/// What the file must say of a document, added up here by hand.
fn add(rows: &mut Rows, account: &str, day: &Value) {
    for slot in day["slots"].as_array().unwrap() {
        let local = slot["local"].as_str().unwrap();
        let half_hour = local[..2].parse::<usize>().unwrap() * 2 + usize::from(&local[3..] == "30");
        let band = BANDS.iter().find(|(_, from, to)| (*from..*to).contains(&half_hour)).unwrap().0;
        let mut put = |code: &str, bucket: &str, count: u64| {
            if count > 0 {
                let key = [account, day["date"].as_str().unwrap(), band, code, bucket].map(str::to_owned);
                *rows.entry(key.into()).or_default() += count;
            }
        };
        let inbound = &slot["inbound"];
        for (code, key) in [("CBT001", "calls"), ("CBT002", "ivr_ended"), ("CBT005", "callback_requested")] {
            put(code, "TOTAL", inbound[key].as_u64().unwrap());
        }
        put("CBT006", "TOTAL", slot["callbacks_made"].as_u64().unwrap());
        for (code, key) in [("CBT003", "answered_wait"), ("CBT004", "missed_wait"), ("CBT007", "answered_talk")] {
            for (label, counts) in BUCKETS {
                put(code, label, counts.iter().map(|at| inbound[key][*at].as_u64().unwrap()).sum());
            }
        }
    }
}

#[test]
fn the_files_say_what_the_documents_say_for_every_code_band_and_bucket() {
    let desk = Desk::new(&[("007", "A81001", "main"), ("007", "A81001", "branch"), ("8", "A81002", "main")]);
    let mut expected = Rows::new();
    for (account, ods, site) in [("007", "A81001", "main"), ("007", "A81001", "branch"), ("8", "A81002", "main")] {
        desk.hold_month(ods, site);
        days().for_each(|date| add(&mut expected, account, &busy_day(ods, site, date, seed(ods, site, date))));
    }
    let (code, built) = desk.built(&[]);
    assert_eq!(code, 0, "{built:#}");
    assert!(desk.rows(1) == expected, "the rows differ");
    let acceptance = json!({"reference": "a letter of a test", "date": "2026-09-30", "name": "A Tester"});
    assert_eq!(built["submission"]["legacy_pbx_smdr"], acceptance);
    let place = format!("out/{MONTH}/build-1");
    assert_eq!(
        desk.read(&format!("{place}/cbt-mapping-{MONTH}.csv")),
        "CBT_System_Supplier_Name,Account_Number,ODS_Code\r\n\
         \"Example, Telephony Ltd\",007,A81001\r\n\"Example, Telephony Ltd\",8,A81002\r\n"
    );
    let header = desk.read("sample.csv");
    assert!(
        desk.read(&format!("{place}/cbt-aggregated-{MONTH}.csv")).starts_with(&header),
        "the header is the sample's"
    );
    assert_eq!(built["submission"]["totals"]["CBT003"], built["submission"]["totals"]["CBT007"]);
    assert_eq!(built["submission"]["window"], json!({"opens": "2026-11-01", "closes": "2026-11-05"}));
    assert_eq!(built["countdown"], "the window closes on 2026-11-05, in 2 days");
    let manifest: Value = serde_json::from_str(&desk.read(&format!("{place}/manifest.json"))).unwrap();
    assert_eq!(manifest["documents"].as_array().unwrap().len(), 3 * 31);
}

#[test]
fn a_practice_that_does_not_take_part_takes_its_whole_account_out_and_nothing_else() {
    let accounts = [("1", "A81001", "main"), ("2", "A81002", "main"), ("2", "A81003", "main"), ("3", "A81004", "main")];
    let desk = Desk::new(&accounts);
    accounts.iter().for_each(|(_, ods, site)| desk.hold_month(ods, site));
    let (code, _) = desk.built(&[]);
    assert_eq!(code, 0);
    let whole = desk.rows(1);
    desk.write("participation.csv", "ODS_Code,Agreed\n a81001 ,yes\nA81002,yes\nA81004,yes\n");
    let (code, built) = desk.built(&[]);
    assert_eq!(code, 0, "that somebody takes no part is as it should be: {built:#}");
    let kept: Rows = whole.into_iter().filter(|((account, ..), _)| account != "2").collect();
    assert!(desk.rows(2) == kept, "exactly account 2 is out");
    let left = &built["submission"]["left_out"];
    assert_eq!(left.as_array().unwrap().len(), 1);
    assert_eq!((&left[0]["account"], &left[0]["reasons"][0]["word"]), (&json!("2"), &json!("not-participating")));
    assert!(left[0]["reasons"][0]["what"].as_str().unwrap().contains("A81003"));
    assert!(!desk.read(&format!("out/{MONTH}/build-2/cbt-mapping-{MONTH}.csv")).contains("A81002"));
    assert!(!desk.read(&format!("out/{MONTH}/build-2/manifest.json")).contains("A81003"), "nothing of it is even read");
}

/// The words that keep the only account out.
fn words(built: &Value) -> Vec<&str> {
    let left = built["submission"]["left_out"].as_array().unwrap();
    left.iter().flat_map(|left| left["reasons"].as_array().unwrap()).map(|why| why["word"].as_str().unwrap()).collect()
}

#[test]
fn what_is_missing_unknown_or_not_accepted_keeps_an_account_out_and_is_named() {
    let main = |date| busy_day("A81001", "main", date, 1);
    let desk = |change: &dyn Fn(jiff::civil::Date) -> Option<Value>| {
        let desk = Desk::new(&[("1", "A81001", "main")]);
        days().filter_map(change).for_each(|day| desk.hold(&day));
        desk
    };
    let of = |day: i8| move |date: jiff::civil::Date| date.day() == day;
    // A day that never came.
    let built = desk(&|date| (!of(7)(date)).then(|| main(date))).built(&[]);
    assert_eq!((built.0, words(&built.1)), (1, vec!["missing-days"]));
    let said = built.1["submission"]["left_out"][0]["reasons"][0]["what"].as_str().unwrap();
    assert!(said.contains("A81001/main") && said.contains("2026-10-07"), "{said}");
    // A site that never sent anything, of a practice whose other site did.
    let half = Desk::new(&[("1", "A81001", "main"), ("1", "A81001", "branch")]);
    half.hold_month("A81001", "main");
    let built = half.built(&[]);
    assert_eq!((built.0, words(&built.1)), (1, vec!["missing-days"]));
    let said = built.1["submission"]["left_out"][0]["reasons"][0]["what"].as_str().unwrap();
    assert!(said.contains("A81001/branch") && said.contains("31 day(s)"), "{said}");
    // An acceptance covers what was not observed, and no missing day.
    half.write("accept.csv", "Account_Number,Month,Reason\n1,2026-10,we know\n");
    half.configure("\n[accepted]\nfile = \"accept.csv\"\n");
    assert_eq!(words(&half.built(&[]).1), ["missing-days"]);
    // A figure that the PBX cannot say.
    let built = desk(&|date| {
        let mut day = main(date);
        if of(9)(date) {
            for slot in day["slots"].as_array_mut().unwrap() {
                for key in ["answered_wait", "answered_wait_unknown", "answered_wait_sum_s"] {
                    slot["inbound"][key] = Value::Null;
                }
            }
            day["sources"][0]["cannot"] = json!(["ring-time"]);
        }
        Some(day)
    })
    .built(&[]);
    assert_eq!((built.0, words(&built.1)), (1, vec!["null"]));
    let said = built.1["submission"]["left_out"][0]["reasons"][0]["what"].as_str().unwrap();
    assert!(said.contains("CBT003") && said.contains("ring-time") && said.contains("2026-10-09"), "{said}");
    // Calls whose wait is not known.
    let built = desk(&|date| {
        let mut day = main(date);
        if of(9)(date) {
            let inbound = &mut day["slots"][20]["inbound"];
            let answered = inbound["answered"].as_u64().unwrap();
            inbound["answered"] = json!(answered + 2);
            inbound["answered_wait_unknown"] = json!(2);
            inbound["answered_talk"][3] = json!(inbound["answered_talk"][3].as_u64().unwrap() + 2);
            inbound["calls"] = json!(inbound["calls"].as_u64().unwrap() + 2);
            day = with_sums(day);
        }
        Some(day)
    })
    .built(&[]);
    assert_eq!((built.0, words(&built.1)), (1, vec!["unknown"]));
    // Seen, but not the whole of the core hours: 100 minutes of each of 22 working days.
    let gappy = |date: jiff::civil::Date| {
        let mut day = main(date);
        for slot in &mut day["slots"].as_array_mut().unwrap()[18..22] {
            slot["observed_s"] = json!(300);
        }
        Some(day)
    };
    let seen = desk(&gappy);
    let built = seen.built(&[]);
    assert_eq!((built.0, words(&built.1)), (1, vec!["not-observed"]));
    assert!(built.1["submission"]["left_out"][0]["reasons"][0]["what"].as_str().unwrap().contains("95 %"));
    seen.write("accept.csv", "Account_Number,Month,Reason\n1,2026-09,an older one\n1,2026-10,the line was dug up\n");
    seen.configure("\n[accepted]\nfile = \"accept.csv\"\n");
    let built = seen.built(&[]);
    assert_eq!(built.0, 0, "{:#}", built.1);
    assert_eq!(built.1["submission"]["included"][0]["accepted"], "the line was dug up");
    // The same at night and at the weekend keeps nobody out.
    let built = desk(&|date| {
        let mut day = main(date);
        day["slots"][4]["observed_s"] = json!(0);
        if date.weekday().to_monday_one_offset() > 5 {
            day["slots"].as_array_mut().unwrap().iter_mut().for_each(|slot| slot["observed_s"] = json!(0));
        }
        Some(day)
    })
    .built(&[]);
    assert_eq!(built.0, 0, "{:#}", built.1);
    // From an old PBX, and nobody has accepted that.
    let legacy = desk(&|date| Some(main(date)));
    legacy.write("feed.toml", &legacy.read("feed.toml").replace(ACCEPTANCE, ""));
    let built = legacy.built(&[]);
    assert_eq!((built.0, words(&built.1)), (1, vec!["legacy-pbx"]));
    let rehearsal = legacy.built(&["--rehearsal"]);
    assert_eq!(rehearsal.0, 0, "{:#}", rehearsal.1);
    assert!(legacy.path(&format!("out/{MONTH}/rehearsal-1/REHEARSAL-cbt-aggregated-{MONTH}.csv")).exists());
}

#[test]
fn what_a_person_should_look_at_is_in_the_exceptions() {
    let desk = Desk::new(&[("1", "A81001", "main"), ("1", "A81002", "main")]);
    desk.hold_month("A81001", "main");
    desk.hold_month("A81002", "main");
    desk.write("accept.csv", "Account_Number,Month,Reason\n1,2026-10,for nothing\n");
    desk.configure("\n[accepted]\nfile = \"accept.csv\"\n");
    desk.hold(&busy_day("A81009", "main", jiff::civil::date(2026, 10, 2), 3));
    let mut other = busy_day("A81001", "main", jiff::civil::date(2026, 10, 2), 5);
    (other["device"], other["revision"]) = (json!("smdrd-another"), json!(2));
    desk.hold(&other);
    let (code, built) = desk.built(&[]);
    assert_eq!(code, 0, "{built:#}");
    let said = desk.read(&format!("out/{MONTH}/build-1/exceptions-{MONTH}.csv"));
    for expected in ["shared-account", "several-boxes", "smdrd-another", "no-account", "A81009/main", "not-needed"] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
}
