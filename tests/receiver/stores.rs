//! The two stores: they answer alike, and several receivers on one server are as one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::civil::{Date, date};
use rustix::process::Signal;
use serde_json::{Value, json};
use smdrd::push::parcel::content_digest;
use smdrd::push::signature::PublicKey;
use smdrd::push::{MEDIA_TYPE, Parcel};
use smdrd::supplier::archive::Archive;
use smdrd::supplier::devices::{CodeRow, Wanted, add_key, enrol, give_code, introduce, revoke, used};

use super::day::{day_with_nulls, full_day, parcel, revision};
use super::ports::free_port;
use super::postgres::{PASSWORD, ROLE, Server, server};
use super::{Feed, TOKEN, authority, day_url, get, json_of, private_file, put, send};

/// An answer without what differs from one receiver to the next: the receipt's name is told by when it was first seen.
fn told(status: u16, mut answer: Value, names: &mut Vec<Value>) -> Value {
    if let Some(fields) = answer.as_object_mut() {
        if let Some(name) = fields.remove("receipt_id") {
            let pair = json!([name, fields.remove("received_at")]);
            let known = names.iter().position(|known| *known == pair).unwrap_or_else(|| {
                names.push(pair);
                names.len() - 1
            });
            fields.insert("receipt".to_owned(), json!(known));
        }
        // A day still to come is remarked on with how far off it is.
        if let Some(warnings) = fields.get_mut("warnings").and_then(Value::as_array_mut) {
            warnings.retain(|warning| !warning.as_str().unwrap().starts_with("clock"));
        }
    }
    json!([status, answer])
}

/// Everything that a box can ask of a receiver's store, and what it answers; then what the archive says of itself.
async fn transcript(store: &str, folder: &Path) -> Vec<Value> {
    let feed = Feed::start_on(store, folder, None, &[]);
    let (mut said, mut names) = (Vec::new(), Vec::new());
    let first = full_day(date(2026, 11, 20));
    let one = parcel(&first);
    let mut three = revision(first.clone(), 3, Some(&one.sha256));
    three["audit_head"] = json!("sha256:later");
    let mut late = revision(first.clone(), 2, None);
    late["device"] = json!("another-box");
    let mut five = revision(late.clone(), 5, None);
    five["audit_head"] = json!("sha256:again");
    let mut same_number = three.clone();
    same_number["audit_head"] = json!("sha256:other");
    // Months and centuries of their own, and one that the table has no partition for.
    let mut days: Vec<Value> =
        [&first, &first, &three, &late, &first, &same_number, &five, &three].map(Value::clone).into();
    days.extend([date(2026, 12, 31), date(2027, 1, 1), date(1999, 12, 31), date(2100, 1, 1)].map(full_day));
    days.push(day_with_nulls(date(2026, 11, 19)));
    for day in &days {
        let parcel = parcel(day);
        let answer = put(&day_url(&feed, &parcel.date.to_string()), parcel.body).send().await.unwrap();
        let status = answer.status().as_u16();
        said.push(told(status, json_of(answer).await, &mut names));
    }
    assert_eq!(names.len(), 8, "{names:?}");
    for query in ["", "?from=2026-11-20", "?from=2026-11-20&to=2026-12-31", "?to=1999-12-31", "?from=2101-01-01"] {
        let path = format!("/v1/practices/A81001/sites/main/days{query}");
        said.push(json_of(get(&feed, &path).send().await.unwrap()).await);
    }
    for asked in ["2026-11-20", "2026-11-20?revision=1", "2026-11-20?revision=2", "2026-11-20?revision=3", "2026-11-18"]
    {
        let path = format!("/v1/practices/A81001/sites/main/days/{asked}");
        let answer = get(&feed, &path).send().await.unwrap();
        let etag = answer.headers().get("etag").map(|etag| etag.to_str().unwrap().to_owned());
        said.push(json!([answer.status().as_u16(), etag, answer.text().await.unwrap()]));
    }
    let client = reqwest::Client::new();
    for (device, beats) in [("smdrd-b", 45), ("smdrd-B", 1), ("smdrd-a", 1)] {
        let url = format!("{}/v1/devices/{device}/heartbeat", feed.url());
        for count in 1..=beats {
            let beat = client.post(&url).bearer_auth(TOKEN).header("x-device-clock-skew", "-7");
            let said = json!({"schema": "smdrd.heartbeat/1", "count": count, "text": "\u{0}é"});
            assert_eq!(beat.json(&said).send().await.unwrap().status(), 204);
        }
        assert_eq!(client.post(&url).bearer_auth(TOKEN).body("[").send().await.unwrap().status(), 204);
    }
    feed.signal(Signal::TERM);
    assert_eq!(feed.ended().code(), Some(0));

    let store = store.to_owned();
    let of_archive = move || {
        let archive = Archive::open(Path::new(&store)).unwrap();
        let mut said = Vec::new();
        for heard in archive.heartbeats().unwrap().into_iter().chain(archive.heartbeats_of("smdrd-b").unwrap()) {
            said.push(json!([heard.device, heard.practices, heard.skew_s, heard.said]));
        }
        assert_eq!(said.len(), 43);
        let (from, to) = (date(2026, 11, 1), date(2026, 12, 31));
        for newest in archive.newest("A81001", "main", from, to).unwrap() {
            let body = String::from_utf8(newest.body).unwrap();
            said.push(json!([newest.date, newest.revision, newest.sha256, body]));
        }
        said.push(json!(archive.devices("A81001", "main", from, to).unwrap()));
        said.push(json!(archive.sites(from, to).unwrap()));
        said.push(json!(archive.sites(date(2028, 1, 1), date(2028, 12, 31)).unwrap()));
        said.extend(accounts(&archive));
        said.extend(of_fleet(&archive));
        said
    };
    said.extend(tokio::task::spawn_blocking(of_archive).await.unwrap());
    said
}

/// What the fleet is made from, without when it came.
fn of_fleet(archive: &Archive) -> Vec<Value> {
    let newest = archive.sites_newest().unwrap().into_iter().map(|site| {
        let received_at = jiff::Timestamp::UNIX_EPOCH;
        json!(format!("{:?}", smdrd::supplier::archive::sites::SiteNewest { received_at, ..site }))
    });
    let mut said: Vec<Value> = newest.collect();
    assert!(said[0].to_string().contains("clock_s: Some(-37)"), "{said:?}");
    said.push(json!(format!("{:?}", archive.observed_since(date(2000, 1, 1)).unwrap())));
    said
}

/// Boxes, keys and codes, step by step, and what is kept of them after each.
fn accounts(archive: &Archive) -> Vec<Value> {
    let key = |byte: u8| PublicKey::from_bytes(&[byte; 32]).unwrap();
    let at = |hours: i64| jiff::Timestamp::from_second(1_796_000_000 + hours * 3_600).unwrap();
    let mut said = Vec::new();
    let mut note = |what: String| {
        let books = archive.accounts().unwrap();
        let all: Vec<_> =
            books.devices().iter().map(|device| format!("{device:?} {:?}", books.keys(&device.device))).collect();
        said.push(json!([what, all]));
    };
    for (digest, device) in [("one", None), ("two", Some("smdrd-b"))] {
        let ods = vec!["A81001".to_owned(), "B82003".to_owned()];
        let (digest, device, until) = (digest.to_owned(), device.map(str::to_owned), at(1));
        let code = CodeRow { digest, ods, site: Some("main".to_owned()), device, until, used_by: None };
        archive.settle(&Wanted::default(), &|books| give_code(books, code.clone())).unwrap();
    }
    for (digest, byte, hours) in
        [("one", 1, 0), ("one", 1, 0), ("one", 2, 0), ("two", 2, 2), ("two", 2, 1), ("none", 3, 0)]
    {
        let key = key(byte);
        let wanted =
            Wanted { code: Some(digest.to_owned()), keys: vec![key.keyid()], devices: vec!["smdrd-a".to_owned()] };
        note(format!(
            "{:?}",
            archive.settle(&wanted, &|books| enrol(books, digest, key, "smdrd-a", at(hours))).unwrap()
        ));
    }
    let current = key(1).keyid();
    for (byte, hours) in [(4, 5), (4, 6), (2, 6), (5, 7)] {
        let wanted = Wanted { keys: vec![current.clone(), key(byte).keyid()], ..Wanted::default() };
        note(format!(
            "{:?}",
            archive.settle(&wanted, &|books| add_key(books, &current, key(byte), at(hours))).unwrap()
        ));
    }
    let one = Wanted { devices: vec!["smdrd-b".to_owned()], ..Wanted::default() };
    archive.settle(&one, &|books| used(books, &key(2).keyid(), at(8))).unwrap();
    note(format!("{:?}", archive.settle(&one, &|books| revoke(books, "smdrd-b", None, at(9))).unwrap()));
    archive.settle(&one, &|books| introduce(books, "smdrd-b", &["C83001".to_owned()], None, at(10))).unwrap();
    note(format!("{:?}", archive.known(&one).unwrap().keys("smdrd-a")));
    assert!(said.iter().any(|said| said[0].as_str().unwrap().contains("CodeUsed")), "{said:#?}");
    said
}

#[tokio::test]
async fn both_stores_answer_alike() {
    let Some(server) = server(free_port()) else { return };
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let store = server.database("alike");
    let file = folders[0].path().join("store.db");
    let in_file = transcript(file.to_str().unwrap(), folders[0].path()).await;
    let on_server = transcript(&store, folders[1].path()).await;
    assert_eq!(in_file.len(), on_server.len());
    for (index, (one, other)) in in_file.iter().zip(&on_server).enumerate() {
        assert_eq!(one, other, "answer {index}");
    }
    let statuses: Vec<&Value> = in_file[..9].iter().map(|answer| &answer[0]).collect();
    assert_eq!(statuses, [201, 200, 200, 409, 200, 409, 200, 200, 201], "so it was they that were compared");

    // Append-only, also for the role that owns the tables, also by way of a month's own table.
    let months =
        server.sql("alike", "SELECT relid::text FROM pg_partition_tree('day_revision') WHERE isleaf ORDER BY 1");
    let months: Vec<String> = months.concat();
    let expected = ["day_revision_2026_11", "day_revision_2026_12", "day_revision_2027_01", "day_revision_other"];
    assert_eq!(months, expected);
    for table in expected.iter().chain(&["day_revision"]) {
        for statement in ["DELETE FROM", "TRUNCATE", "UPDATE"] {
            let rest = if statement == "UPDATE" { "SET revision = 9" } else { "" };
            let refused = server.try_sql(ROLE, "alike", &format!("{statement} {table} {rest}")).unwrap_err();
            assert!(refused.contains("append-only"), "{statement} {table}: {refused}");
        }
    }
    // A log of an open connection's end, a warning for a server that forgets: nothing of documents or tokens.
    let log = std::fs::read_to_string(folders[1].path().join("log")).unwrap();
    assert!(log.contains("fsync off") && !log.contains(TOKEN) && !log.contains("edges_s"), "{log}");
    server.sql("alike", "INSERT INTO smdr_feed_schema VALUES (99)");
    let newer = Archive::open(Path::new(&store)).unwrap_err();
    assert!(newer.is_configuration() && newer.to_string().contains("newer"), "{newer}");
}

/// A `PUT` by a client that is there already: making one reads the system's certificates, which takes longer than sending.
fn put_by(client: &reqwest::Client, address: &str, parcel: &Parcel) -> reqwest::RequestBuilder {
    let url = format!("http://{address}/v1/practices/A81001/sites/main/days/{}", parcel.date);
    let request = client.put(url).bearer_auth(TOKEN).header("content-type", MEDIA_TYPE);
    request.header("content-digest", content_digest(&parcel.body)).body(parcel.body.clone())
}

/// Sends until there is a receipt, to whichever receiver answers. How often it was told to come again is counted.
async fn until_receipted(
    client: &reqwest::Client,
    addresses: &[String],
    parcel: &Parcel,
    first: usize,
    told_later: &AtomicUsize,
) -> Value {
    for attempt in 0..2_400 {
        let address = &addresses[(first + attempt) % addresses.len()];
        match put_by(client, address, parcel).send().await {
            Ok(answer) if answer.status().is_success() => return json_of(answer).await,
            Ok(answer) => {
                assert_eq!(answer.status(), 503);
                told_later.fetch_add(1, Ordering::Relaxed);
            }
            // A receiver that was killed.
            Err(_) => {}
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("no receipt for {}", parcel.date);
}

fn parcels(first: Date, count: i32) -> Vec<Parcel> {
    (0..count).map(|day| parcel(&full_day(first.checked_add(jiff::Span::new().days(day)).unwrap()))).collect()
}

/// Receivers that all start in the same moment, on a database that has no tables yet.
fn beside_each_other(store: &str, folders: &[tempfile::TempDir]) -> Vec<Feed> {
    let start = |folder: &tempfile::TempDir| {
        let (store, folder) = (store.to_owned(), folder.path().to_owned());
        std::thread::spawn(move || Feed::start_on(&store, &folder, None, &[]))
    };
    let starting: Vec<_> = folders.iter().map(start).collect();
    starting.into_iter().map(|feed| feed.join().unwrap()).collect()
}

/// By date, what is held, and its receipt's name.
fn held(server: &Server, database: &str) -> BTreeMap<String, Vec<String>> {
    let rows = server.sql(database, "SELECT date, receipt_id FROM day_revision");
    let mut held: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        held.entry(row[0].clone()).or_default().push(row[1].clone());
    }
    held
}

#[tokio::test]
async fn receivers_beside_each_other_are_as_one() {
    let Some(server) = server(free_port()) else { return };
    let client = reqwest::Client::new();
    for count in [2, 4] {
        let name = format!("beside{count}");
        let store = server.database(&name);
        let folders: Vec<_> = (0..count).map(|_| tempfile::tempdir().unwrap()).collect();
        let mut feeds = beside_each_other(&store, &folders);
        let addresses: Vec<String> = feeds.iter().map(|feed| feed.address.clone()).collect();

        // The same bytes to all of them at once, in months that no table is there for yet.
        let days = parcels(date(2026, 9, 25), 8);
        let mut asked = tokio::task::JoinSet::new();
        for day in &days {
            for address in &addresses {
                let (request, date) = (put_by(&client, address, day), day.date);
                asked.spawn(async move {
                    let answer = request.send().await.unwrap();
                    (date, answer.status().as_u16(), json_of(answer).await)
                });
            }
        }
        let mut answers: BTreeMap<Date, Vec<(u16, Value)>> = BTreeMap::new();
        while let Some(answer) = asked.join_next().await {
            let (date, status, receipt) = answer.unwrap();
            answers.entry(date).or_default().push((status, receipt));
        }
        for (date, answers) in &mut answers {
            let first: Vec<_> = answers.iter().filter(|(status, _)| *status == 201).collect();
            assert_eq!(first.len(), 1, "{date}: {answers:?}");
            for (status, receipt) in answers.iter_mut() {
                let replayed = receipt.as_object_mut().unwrap().remove("replayed");
                assert_eq!(*status == 200, replayed == Some(json!(true)), "{receipt}");
            }
            assert!(answers.iter().all(|(_, receipt)| *receipt == answers[0].1), "{answers:?}");
        }

        // Different bytes under one number, all at once: one is kept, and the others are told which.
        let contested = date(2026, 11, 20);
        let mut asked = tokio::task::JoinSet::new();
        for (index, address) in addresses.iter().cycle().take(8).enumerate() {
            let mut day = full_day(contested);
            day["audit_head"] = json!(format!("sha256:{index}"));
            let parcel = parcel(&day);
            let request = put_by(&client, address, &parcel);
            asked.spawn(async move {
                let answer = request.send().await.unwrap();
                (answer.status().as_u16(), parcel.sha256, json_of(answer).await)
            });
        }
        let answers = asked.join_all().await;
        let kept: Vec<_> = answers.iter().filter(|(status, ..)| *status == 201).collect();
        assert_eq!(kept.len(), 1, "{answers:?}");
        for (status, _, answer) in answers.iter().filter(|(status, ..)| *status != 201) {
            assert_eq!((*status, &answer["held_sha256"]), (409, &json!(kept[0].1)), "{answer}");
        }

        // Revisions of one day in any order: none is kept behind a newer one, and the newest is held at the end.
        let ordered = date(2026, 11, 21);
        let mut asked = tokio::task::JoinSet::new();
        for (number, address) in (1..=12).zip(addresses.iter().cycle()) {
            let request = put_by(&client, address, &parcel(&revision(full_day(ordered), number, None)));
            asked.spawn(async move { (number, request.send().await.unwrap().status().as_u16()) });
        }
        let taken: BTreeSet<u32> =
            asked.join_all().await.into_iter().filter(|(_, status)| *status != 409).map(|(number, _)| number).collect();
        let rows =
            server.sql(&name, "SELECT revision FROM day_revision WHERE date = '2026-11-21' ORDER BY received_at");
        let numbers: Vec<u32> = rows.iter().map(|row| row[0].parse().unwrap()).collect();
        assert_eq!(numbers.iter().copied().collect::<BTreeSet<_>>(), taken);
        assert_eq!(numbers.iter().max(), Some(&12));

        // One is killed while it takes documents; what it had answered for is held, what it had not is taken by another.
        let more = parcels(date(2027, 3, 1), 12);
        let killed = feeds.remove(0);
        let told_later = AtomicUsize::new(0);
        let receipts = async {
            let mut receipts = BTreeMap::new();
            for (index, day) in more.iter().enumerate() {
                if index == 4 {
                    killed.signal(Signal::KILL);
                }
                let receipt = until_receipted(&client, &addresses, day, index, &told_later).await;
                receipts.insert(day.date.to_string(), receipt["receipt_id"].clone());
            }
            receipts
        }
        .await;
        let held = held(&server, &name);
        for (date, receipt) in receipts {
            assert_eq!(json!(held[&date]), json!([receipt]), "{date}");
        }
    }
}

#[tokio::test]
async fn a_server_that_restarts_loses_nothing() {
    let Some(mut server) = server(free_port()) else { return };
    let store = server.database("restarted");
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let feeds = beside_each_other(&store, &folders);
    let addresses: Vec<String> = feeds.iter().map(|feed| feed.address.clone()).collect();
    let days = parcels(date(2026, 9, 1), 60);
    let client = reqwest::Client::new();
    let (taken, told_later) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let keep_on = async |which: usize| {
        let mut receipts = BTreeMap::new();
        for (index, day) in days.iter().enumerate().skip(which).step_by(3) {
            let receipt = until_receipted(&client, &addresses, day, index, &told_later).await;
            taken.fetch_add(1, Ordering::Relaxed);
            receipts.insert(day.date.to_string(), receipt["receipt_id"].clone());
        }
        receipts
    };
    let reached = async |enough: usize| {
        while taken.load(Ordering::Relaxed) < enough {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let break_off = async {
        for (enough, how) in [(10, Signal::INT), (30, Signal::QUIT)] {
            reached(enough).await;
            server.stop(how);
            let before = told_later.load(Ordering::Relaxed);
            while told_later.load(Ordering::Relaxed) == before {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            // Whoever looks after the receiver sees it too, and why in the log, without a word about passwords.
            let health = reqwest::get(format!("{}/healthz", feeds[0].url())).await.unwrap();
            assert_eq!((health.status().as_u16(), health.headers()["retry-after"].to_str().unwrap()), (503, "60"));
            server.start();
        }
    };
    let (first, second, third, ()) = tokio::join!(keep_on(0), keep_on(1), keep_on(2), break_off);
    let receipts: BTreeMap<String, Value> = [first, second, third].into_iter().flatten().collect();
    assert_eq!(receipts.len(), days.len());
    let held = held(&server, "restarted");
    assert_eq!(held.len(), days.len());
    for (date, receipt) in receipts {
        assert_eq!(json!(held[&date]), json!([receipt]), "{date}");
    }
    assert!(feeds[0].log().contains("is the server running"), "{}", feeds[0].log());
    // The connections are new; nobody need start a receiver again.
    assert_eq!(send(&feeds[0], &parcel(&full_day(date(2027, 1, 1)))).await.status(), 201);
}

#[test]
fn what_is_wrong_with_the_server_is_said() {
    let Some(mut server) = server(free_port()) else { return };
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    private_file(&folder.path().join("tokens"), &format!("{TOKEN} A81001\n"));
    let issuer = authority::Authority::new(folder.path(), "authority");
    let identity = issuer.identity("localhost");
    let store = server.over_tcp("localhost", "encrypted");
    server.database("encrypted");
    let run = |store: &str, environment: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smdr-feed"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--tokens", &path("tokens"), "--store", store]);
        for name in ["PGPASSWORD", "PGPASSFILE", "PGSSLMODE", "PGSSLROOTCERT"] {
            command.env_remove(name);
        }
        let output = command.env("HOME", folder.path()).envs(environment.iter().copied()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains(PASSWORD), "{said}");
        (output.status.code(), said)
    };
    let password = ("PGPASSWORD", PASSWORD);
    let nobody_there = format!("postgres://{ROLE}@127.0.0.1:{}/encrypted", free_port());
    let with_password = store.replace('@', &format!(":{PASSWORD}@"));
    let other = store.replace("encrypted", "elsewhere");
    let trusted = format!("{store}?sslmode=verify-full&sslrootcert={}", issuer.file.display());
    let by_number = trusted.replace("localhost", "127.0.0.1");
    let unknown = format!("{store}?sslmode=verify-full");
    for (store, environment, code, says) in [
        (nobody_there.as_str(), &[password][..], 1, "is the server running"),
        (&other, &[password], 1, "createdb"),
        (&store, &[("PGPASSWORD", "falsch")], 1, "PGPASSWORD"),
        (&store, &[], 1, "PGPASSWORD"),
        (&with_password, &[], 78, "PGPASSWORD"),
        (&format!("{store}?sslmode=prefer"), &[password], 78, "verify-full"),
        (&format!("{store}?sslmode=verify-full&sslrootcert={}", path("none")), &[password], 78, "sslrootcert"),
        (&trusted, &[password], 1, "sslmode=disable"),
    ] {
        let (ended, said) = run(store, environment);
        assert_eq!(ended, Some(code), "{store}: {said}");
        assert!(said.contains(says), "{store}: {said}");
    }
    server.encrypt(&identity.cert, &identity.key);
    server.stop(Signal::INT);
    server.start();
    for store in [&by_number, &unknown] {
        let (ended, said) = run(store, &[password]);
        assert_eq!(ended, Some(1), "{said}");
        assert!(said.contains("sslrootcert=FILE"), "{store}: {said}");
    }
    // With the authority's certificate, and the password from the file that every client reads.
    private_file(&folder.path().join(".pgpass"), &format!("localhost:*:encrypted:{ROLE}:{PASSWORD}\n"));
    let listening = |store: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_smdr-feed"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--tokens", &path("tokens"), "--store", store]);
        command.env("HOME", folder.path()).env_remove("PGPASSWORD").stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.as_mut().unwrap()), &mut line).unwrap();
        let who = server.sql("encrypted", "SELECT usename, ssl FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) WHERE application_name = 'smdr-feed'");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(line.starts_with("listening on "), "{line:?}");
        who
    };
    assert_eq!(listening(&trusted), [[ROLE, "t"]]);
}
