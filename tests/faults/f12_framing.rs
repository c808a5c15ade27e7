//! F12: whatever a PBX ends its lines with, in whatever pieces they come, the same records are read. (F13, hostile text:
//! `tests/hardness` and the fuzz targets, docs/hardness.md.)

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use super::evidence::{figures, tries};
use super::lines::{MERIDIAN, NORSTAR};
use super::promises::assert_kept;
use super::rig::{Rig, SITE, clock, free_port, wait_for};
use super::wires::{Dice, call, listen, numbered, resident};

/// What is printed, and how.
struct Printed {
    name: &'static str,
    dialect: &'static str,
    /// Who prints the same, whole and with CR LF.
    same_as: &'static str,
    bytes: Vec<u8>,
    pieces: Pieces,
}

#[derive(Clone, Copy)]
enum Pieces {
    Whole,
    /// Of so many bytes at most.
    UpTo(usize),
}

fn names(encoded: impl Fn(&str) -> Vec<u8>) -> Vec<u8> {
    (1..=20)
        .flat_map(|number| {
            let line = numbered(number);
            let (one, other) = line.split_once(",Name,").unwrap();
            [one.as_bytes(), b",", &encoded("Jérôme Müller"), b",", other.as_bytes(), b"\r\n"].concat()
        })
        .collect()
}

fn printed() -> Vec<Printed> {
    let ip: Vec<String> = (1..=40).map(numbered).collect();
    let ended = |end: &str| ip.iter().flat_map(|line| format!("{line}{end}").into_bytes()).collect::<Vec<u8>>();
    let groups = |lines: &[&str], page: &str| {
        lines.iter().flat_map(|line| format!("{line}\r\n{page}").into_bytes()).collect::<Vec<u8>>()
    };
    let one = |name, same_as, bytes, pieces| Printed { name, dialect: "avaya-ipoffice", same_as, bytes, pieces };
    let of = |name, dialect, same_as, bytes, pieces| Printed { name, dialect, same_as, bytes, pieces };
    // A line of a megabyte that never was one, between two that are.
    let mut endless = ended("\r\n");
    let middle = numbered(1).len() + 2;
    endless.splice(middle..middle, std::iter::repeat_n(b'z', 1 << 20).chain(*b"\r\n"));
    let latin = |name: &str| name.chars().map(|letter| letter as u8).collect::<Vec<u8>>();
    let utf8 = |name: &str| name.as_bytes().to_vec();
    let mut unended = ended("\r\n");
    unended.truncate(unended.len() - 2);
    vec![
        one("crlf", "crlf", ended("\r\n"), Pieces::Whole),
        one("cr", "crlf", ended("\r"), Pieces::Whole),
        one("lf", "crlf", ended("\n"), Pieces::Whole),
        one("lfcr", "crlf", ended("\n\r"), Pieces::Whole),
        one("crcrlf", "crlf", ended("\r\r\n"), Pieces::Whole),
        one("ff", "crlf", ended("\u{c}"), Pieces::Whole),
        one("bytes", "crlf", ended("\r\n"), Pieces::UpTo(1)),
        one("crcrlf-bytes", "crlf", ended("\r\r\n"), Pieces::UpTo(1)),
        one("pieces", "crlf", ended("\r\n"), Pieces::UpTo(300)),
        one("unended", "crlf", unended, Pieces::Whole),
        one("endless", "crlf", endless, Pieces::UpTo(70_000)),
        one("utf8", "utf8", names(utf8), Pieces::Whole),
        one("utf8-bytes", "utf8", names(utf8), Pieces::UpTo(1)),
        one("latin", "latin", names(latin), Pieces::Whole),
        one("latin-bytes", "latin", names(latin), Pieces::UpTo(1)),
        of("meridian", "nortel-meridian", "meridian", groups(&MERIDIAN, ""), Pieces::Whole),
        of("meridian-pages", "nortel-meridian", "meridian", groups(&MERIDIAN, "\u{c}"), Pieces::UpTo(40)),
        of("norstar", "nortel-bcm", "norstar", groups(&NORSTAR, ""), Pieces::Whole),
        of("norstar-bytes", "nortel-bcm", "norstar", groups(&NORSTAR, ""), Pieces::UpTo(1)),
    ]
}

fn print(mut link: TcpStream, bytes: &[u8], pieces: Pieces, seed: u64) -> TcpStream {
    let mut dice = Dice(seed);
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = match pieces {
            Pieces::Whole => rest.len(),
            Pieces::UpTo(most) => (1 + dice.below(most as u64) as usize).min(rest.len()),
        };
        let (piece, after) = rest.split_at(length);
        link.write_all(piece).unwrap();
        // Long enough for most pieces to be read alone.
        if length < 10 && dice.below(8) == 0 {
            std::thread::sleep(Duration::from_micros(300));
        }
        rest = after;
    }
    link
}

/// The records of a source, whole.
fn records(rig: &Rig, source: &str) -> Vec<String> {
    let db = rig.db();
    let sql =
        "SELECT record FROM line WHERE kind = 0 AND source = (SELECT id FROM source WHERE name = ?1) ORDER BY seq";
    db.prepare(sql).unwrap().query_map([source], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn the_same_records_whatever_ends_and_cuts_the_lines() {
    let rounds = tries(1, 20);
    let all = printed();
    let mut heaviest = 0;
    for round in 0..rounds {
        let ports: Vec<u16> = all.iter().map(|_| free_port()).collect();
        let sources: String =
            all.iter().zip(&ports).map(|(one, port)| listen(one.name, one.dialect, *port, "127.0.0.1")).collect();
        let rig = Rig::new(&format!("{SITE}{sources}"), &[]);
        let daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
        let links: Vec<TcpStream> = std::thread::scope(|scope| {
            let prints = all.iter().zip(&ports).map(|(one, port)| {
                let seed = 0x5EED_0021 + u64::from(round) * 100 + u64::from(*port);
                scope.spawn(move || print(call(*port), &one.bytes, one.pieces, seed))
            });
            let prints: Vec<_> = prints.collect();
            prints.into_iter().map(|print| print.join().unwrap()).collect()
        });
        for one in &all {
            let expected = match one.same_as {
                "crlf" => 40,
                "utf8" | "latin" => 20,
                _ => 4,
            };
            // Silence ends what has no end.
            wait_for(one.name, || (records(&rig, one.name).len() >= expected).then_some(()));
            assert_eq!(records(&rig, one.name).len(), expected, "{}", one.name);
        }
        for one in &all {
            assert_eq!(records(&rig, one.name), records(&rig, one.same_as), "{}", one.name);
        }
        let status = rig.status();
        let cut = status["sources"].as_array().unwrap().iter().find(|source| source["name"] == "endless").unwrap();
        assert_eq!(cut["wire"]["cut"], (1 << 20) - 4096, "what is beyond a line is counted");
        let endless =
            "SELECT count(*) FROM line WHERE kind = 5 AND source = (SELECT id FROM source WHERE name = 'endless')";
        assert_eq!(rig.count(endless), 1);
        heaviest = heaviest.max(resident(daemon.child.id()));
        assert!(heaviest < 64 * 1024, "{heaviest} KiB");
        assert_kept(&rig, "", "after every way of framing");
        drop(links);
        daemon.stop();
    }
    let ways = all.len();
    figures(
        "F12 framing",
        &format!("{ways} ways to end and to cut lines, {rounds} time(s)"),
        &format!("the same records each way; {} MiB of memory at most", heaviest / 1024),
    );
}
