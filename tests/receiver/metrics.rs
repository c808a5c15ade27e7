//! What is counted, as a strict reader of Prometheus' text format finds it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::date;
use serde_json::json;

use super::authority::Authority;
use super::day::{full_day, parcel, revision};
use super::{Feed, TOKEN, day_url, put, receiver, send};

/// Samples by name and labels.
type Samples = BTreeMap<(String, BTreeMap<String, String>), f64>;

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn labels(mut text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"").unwrap();
        assert!(is_name(name), "{name}");
        let (mut value, mut end) = (String::new(), None);
        let mut letters = rest.char_indices();
        while let Some((at, letter)) = letters.next() {
            match letter {
                '"' => {
                    end = Some(at);
                    break;
                }
                '\\' => value.push(match letters.next().unwrap().1 {
                    'n' => '\n',
                    other @ ('\\' | '"') => other,
                    other => panic!("\\{other}"),
                }),
                other => value.push(other),
            }
        }
        let rest = &rest[end.expect("a label that ends") + 1..];
        assert!(labels.insert(name.to_owned(), value).is_none(), "{name} twice");
        text = rest.strip_prefix(',').unwrap_or(rest);
        assert!(rest.is_empty() || rest.starts_with(','), "{rest}");
    }
    labels
}

/// Reads an exposition and refuses what a scraper might: families that are told twice or not in one piece, samples without
/// a type, counters without `_total`, histograms that do not add up.
fn strictly(text: &str) -> Samples {
    assert!(text.ends_with('\n'));
    let (mut samples, mut families) = (Samples::new(), BTreeMap::new());
    let (mut current, mut helped) = (String::new(), String::new());
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(is_name(name) && !help.trim().is_empty(), "{line}");
            helped = name.to_owned();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, helped, "the type follows the help");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(families.insert(name.to_owned(), kind.to_owned()).is_none(), "{name} is told twice");
            current = name.to_owned();
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, inner) = match series.split_once('{') {
                Some((name, rest)) => (name, rest.strip_suffix('}').unwrap()),
                None => (series, ""),
            };
            let suffix = name.strip_prefix(current.as_str()).unwrap_or_else(|| panic!("{line} in {current}"));
            let fits = match families[&current].as_str() {
                "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix),
                _ => suffix.is_empty(),
            };
            assert!(fits && is_name(name) && name.starts_with("smdr_feed_"), "{line}");
            let value: f64 = value.parse().unwrap();
            assert!(value.is_finite(), "{line}");
            assert!(samples.insert((name.to_owned(), labels(inner)), value).is_none(), "{series} twice");
        }
    }
    for (name, _) in families.iter().filter(|(_, kind)| *kind == "histogram") {
        let mut buckets: Vec<(f64, f64)> = samples
            .iter()
            .filter(|((of, _), _)| *of == format!("{name}_bucket"))
            .map(|((_, labels), count)| (labels["le"].replace("+Inf", "inf").parse().unwrap(), *count))
            .collect();
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        assert!(buckets.is_sorted_by(|one, next| one.1 <= next.1), "{buckets:?}");
        let (edge, all) = *buckets.last().unwrap();
        assert_eq!((edge, all), (f64::INFINITY, samples[&(format!("{name}_count"), BTreeMap::new())]));
    }
    samples
}

fn value(samples: &Samples, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    samples.get(&(format!("smdr_feed_{name}"), labels)).copied()
}

#[tokio::test]
async fn what_happened_is_counted_and_nobody_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("list.csv");
    std::fs::write(&list, "ODS Code\nA81001\nA81009\n").unwrap();
    let gate = ["--participation", list.to_str().unwrap(), "--participation-column", "ODS Code"];
    let feed = Feed::start_with(folder.path(), None, &gate);
    let first = full_day(date(2026, 11, 20));
    let one = parcel(&first);
    let two = parcel(&revision(first.clone(), 2, Some(&one.sha256)));
    for parcel in [&one, &two, &two] {
        assert!(send(&feed, parcel).await.status().is_success());
    }
    let mut late = revision(first.clone(), 1, None);
    late["audit_head"] = json!("sha256:late");
    assert_eq!(send(&feed, &parcel(&late)).await.status(), 409);
    assert_eq!(put(&day_url(&feed, "2026-11-20"), b"{".to_vec()).send().await.unwrap().status(), 422 - 22);
    reqwest::get(format!("{}/nothing", feed.url())).await.unwrap();
    let response = reqwest::get(format!("{}/metrics", feed.url())).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = response.text().await.unwrap();
    let samples = strictly(&text);
    let of = |name: &str, labels: &[(&str, &str)]| value(&samples, name, labels);
    let operation = "PUT /v1/practices/{ods}/sites/{site}/days/{date}";
    for (status, count) in [("201", 1.0), ("200", 2.0), ("409", 1.0), ("400", 1.0)] {
        assert_eq!(of("requests_total", &[("operation", operation), ("status", status)]), Some(count), "{text}");
    }
    assert_eq!(of("requests_total", &[("operation", ""), ("status", "404")]), Some(1.0));
    for result in ["first", "replaced", "replayed"] {
        assert_eq!(of("documents_total", &[("result", result)]), Some(1.0));
    }
    let refused: BTreeSet<&str> = ["stale-revision", "not-json"].into();
    assert!(refused.iter().all(|reason| of("documents_refused_total", &[("reason", reason)]) == Some(1.0)), "{text}");
    let bytes = (one.body.len() + 2 * two.body.len()) as f64;
    assert_eq!(of("document_bytes_total", &[]), Some(bytes));
    assert_eq!(of("rate_limited_total", &[("by", "box")]), Some(0.0));
    assert_eq!(of("participation_practices", &[]), Some(2.0));
    assert!(of("participation_list_age_seconds", &[]).unwrap() < 600.0);
    assert_eq!((of("store_up", &[]), of("store_seconds_count", &[])), (Some(1.0), Some(5.0)));
    assert!(of("last_document_timestamp_seconds", &[]).unwrap() > 1.7e9);
    assert_eq!(of("certificate_remaining_seconds", &[]), None, "there is no TLS");
    for name in ["A81001", "A81009", "smdrd-0f6c1f0e", TOKEN, "2026-11-20"] {
        assert!(!text.contains(name), "{name} in {text}");
    }
}

#[tokio::test]
async fn what_is_not_known_is_not_counted_as_nothing() {
    let (_folder, feed) = receiver();
    let text = reqwest::get(format!("{}/metrics", feed.url())).await.unwrap().text().await.unwrap();
    let samples = strictly(&text);
    assert_eq!(value(&samples, "documents_total", &[("result", "first")]), Some(0.0));
    for unknown in ["last_document_timestamp_seconds", "participation_practices", "participation_list_age_seconds"] {
        assert_eq!(value(&samples, unknown, &[]), None);
    }
}

#[tokio::test]
async fn metrics_are_for_this_machine_or_have_an_address_of_their_own() {
    let (_folder, feed) = receiver();
    let url = format!("{}/metrics", feed.url());
    let client = reqwest::Client::new();
    assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
    // A proxy on this machine that passes on what comes from elsewhere.
    for header in ["x-forwarded-for", "forwarded", "x-real-ip", "via"] {
        let response = client.get(&url).header(header, "203.0.113.5").send().await.unwrap();
        assert_eq!(super::refused(response).await.0, "no-such-resource", "{header}");
    }

    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "authority");
    let identity = authority.identity("localhost");
    let mut feed = Feed::start_with(folder.path(), Some(&identity), &["--metrics", "127.0.0.1:0"]);
    let inner = format!("http://{}", feed.metrics_address());
    let samples = strictly(&reqwest::get(format!("{inner}/metrics")).await.unwrap().text().await.unwrap());
    assert!(value(&samples, "certificate_remaining_seconds", &[]).unwrap() > 0.0);
    let health = super::json_of(reqwest::get(format!("{inner}/v1/health")).await.unwrap()).await;
    assert!(health["certificate_days"].as_i64().unwrap() > 0, "{health}");
    let ca = reqwest::Certificate::from_pem(&std::fs::read(&authority.file).unwrap()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([ca]).build().unwrap();
    let outside = client.get(format!("{}/metrics", feed.https())).send().await.unwrap();
    assert_eq!(super::refused(outside).await.0, "no-such-resource");
    assert_eq!(client.get(format!("{}/v1/health/live", feed.https())).send().await.unwrap().status(), 200);
}
