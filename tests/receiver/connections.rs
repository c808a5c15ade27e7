//! Connections that are there to be there.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use jiff::civil::date;

use super::day::{full_day, parcel};
use super::{Feed, send};

/// Whether the other end lets go before the deadline.
fn ends(stream: &mut TcpStream, within: Duration) -> bool {
    stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let until = Instant::now() + within;
    let mut answer = [0; 1024];
    while Instant::now() < until {
        match stream.read(&mut answer) {
            Ok(0) => return true,
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => return true,
        }
    }
    false
}

#[tokio::test]
async fn a_head_that_comes_by_drops_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let feed = Feed::start_with(folder.path(), None, &["--head-s", "2"]);
    let mut slow: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(&feed.address).unwrap()).collect();
    for stream in &mut slow {
        stream.write_all(b"PUT /v1/practices/A81001/sites/main/days/2026-11-20 HTTP/1.1\r\n").unwrap();
    }
    // A drop each quarter of a second: never silent, never done. It cannot be kept up for a minute.
    let began = Instant::now();
    let mut dripping = slow.remove(0);
    let dripped = tokio::task::spawn_blocking(move || {
        while began.elapsed() < Duration::from_secs(60) {
            if dripping.write_all(b"x-a: b\r\n").is_err() || ends(&mut dripping, Duration::from_millis(250)) {
                return true;
            }
        }
        false
    });
    // Meanwhile who has something to say is heard.
    assert_eq!(send(&feed, &parcel(&full_day(date(2026, 11, 20)))).await.status(), 201);
    assert!(dripped.await.unwrap(), "it was still taken after {:?}", began.elapsed());
    for stream in &mut slow {
        assert!(ends(stream, Duration::from_secs(60)));
    }
    assert_eq!(send(&feed, &parcel(&full_day(date(2026, 11, 19)))).await.status(), 201);
}

#[tokio::test]
async fn there_are_only_so_many_seats_and_they_come_free() {
    let folder = tempfile::tempdir().unwrap();
    let mut feed = Feed::start_with(folder.path(), None, &["--connections", "4", "--metrics", "127.0.0.1:0"]);
    let inner = feed.metrics_address();
    let sitting: Vec<TcpStream> = (0..4).map(|_| TcpStream::connect(&feed.address).unwrap()).collect();
    let metric = async |name: &str| {
        let text = reqwest::get(format!("http://{inner}/metrics")).await.unwrap().text().await.unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned));
        line.unwrap_or_else(|| panic!("{name} is not in {text}")).parse::<u32>().unwrap()
    };
    let until = async |name: &str, wanted: u32| {
        for _ in 0..1_200 {
            if metric(name).await >= wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{name} is {}", metric(name).await);
    };
    until("smdr_feed_connections", 4).await;
    let mut fifth = TcpStream::connect(&feed.address).unwrap();
    assert!(ends(&mut fifth, Duration::from_secs(60)));
    until("smdr_feed_connections_refused_total", 1).await;
    drop(sitting);
    for _ in 0..1_200 {
        if metric("smdr_feed_connections").await == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(send(&feed, &parcel(&full_day(date(2026, 11, 20)))).await.status(), 201);
}
