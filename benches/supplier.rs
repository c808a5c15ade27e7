//! What the supplier's side takes: a night's documents and a month's build, on SQLite and on PostgreSQL. `make load` runs it
//! with 7,000 practices; without `SMDRD_PRACTICES` it takes 100. It prints and keeps nothing.

#[path = "../tests/receiver/authority.rs"]
mod authority;
#[allow(dead_code, reason = "the tests send other days too")]
#[path = "../tests/receiver/day.rs"]
mod day;
#[path = "supplier/documents.rs"]
mod documents;
#[path = "../tests/machine/loudly.rs"]
mod loudly;
#[path = "supplier/month.rs"]
mod month;
#[path = "supplier/night.rs"]
mod night;
#[path = "../tests/machine/ports.rs"]
mod ports;
#[path = "../tests/machine/postgres.rs"]
mod postgres;
#[path = "supplier/process.rs"]
mod process;

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use authority::Authority;
use documents::{Day, ods};
use jiff::civil::date;
use night::{Receiver, night};
use smdrd::supplier::monthly::files::sha256_of;

/// On the disk of the build: a temporary directory may be memory.
const DISK: &str = env!("CARGO_TARGET_TMPDIR");
/// Of the month; the last two come by night.
const FILLED: i8 = 29;

fn main() {
    let practices =
        std::env::var("SMDRD_PRACTICES").map_or(100, |text| text.parse().expect("SMDRD_PRACTICES is a number"));
    let folder = tempfile::tempdir_in(DISK).expect("the build directory can be written to");
    let authority = Authority::new(folder.path(), "authority");
    let identity = authority.identity("localhost");
    let tokens: String = (0..practices).map(|nth| format!("token-of-{0} {0}\n", ods(nth))).collect();
    write_private(&folder.path().join("tokens"), &tokens);
    let day = |number| Day::new(date(2026, 10, number));
    let filled: Vec<Day> = (1..=FILLED).map(day).collect();
    let nights = [Arc::new(day(30)), Arc::new(day(31))];
    let desk = month::desk(folder.path(), practices);
    let bytes = filled[0].of(0).len();
    println!("{practices} practices; a document has {bytes} bytes; {}", load());

    let file = folder.path().join("store.db").to_str().expect("a plain path").to_owned();
    let began = Instant::now();
    month::fill_file(&file, &filled, practices);
    println!(
        "SQLite: {} documents put into the store in {:.0} s",
        practices * filled.len(),
        began.elapsed().as_secs_f64()
    );
    for (nth, day) in nights.iter().enumerate() {
        let receivers = [Receiver::start(&file, folder.path(), &identity)];
        let took = night(&receivers, &authority, day, practices);
        show_night(&format!("SQLite, 1 receiver, night {}", nth + 1), took, practices, None);
    }
    let in_file = month::build(&file, &desk, "sqlite", practices);
    show_build("SQLite", &in_file);
    println!("SQLite: the store has {} MB", megabytes(&file) + megabytes(&format!("{file}-wal")));
    let expected = sha256_of(&in_file.file).expect("it was built");
    std::fs::remove_file(&file).expect("it is ours");
    std::fs::remove_file(&in_file.file).expect("it is ours");

    let Some(server) = postgres::server_with(ports::free_port(), &["fsync=on", "full_page_writes=on"]) else { return };
    let store = server.database("load");
    let began = Instant::now();
    month::fill_server(&store, &filled, practices);
    println!("PostgreSQL: as many in {:.0} s", began.elapsed().as_secs_f64());
    for (count, day) in [1, 4].into_iter().zip(&nights) {
        let before = process::processor_with_children(server.pid());
        let receivers: Vec<_> = (0..count).map(|_| Receiver::start(&store, folder.path(), &identity)).collect();
        let took = night(&receivers, &authority, day, practices);
        drop(receivers);
        // Its processes for the receivers' connections are its children, and have ended with them.
        std::thread::sleep(Duration::from_secs(1));
        let of_server = process::processor_with_children(server.pid()) - before;
        show_night(&format!("PostgreSQL, {count} receiver(s)"), took, practices, Some(of_server));
    }
    let on_server = month::build(&store, &desk, "postgres", practices);
    show_build("PostgreSQL", &on_server);
    let size = server.sql("load", "SELECT pg_database_size('load') / 1000000");
    println!("PostgreSQL: the database has {} MB", size[0][0]);
    assert_eq!(expected, sha256_of(&on_server.file).expect("it was built"), "the two stores build different bytes");
    let size = std::fs::metadata(&on_server.file).map_or(0, |file| file.len() / 1_000_000);
    println!("both stores build the same {size} MB, byte for byte; {}", load());
}

fn write_private(path: &Path, text: &str) {
    let mut file = std::fs::OpenOptions::new().create(true).write(true).mode(0o600).open(path).expect("a file");
    std::io::Write::write_all(&mut file, text.as_bytes()).expect("it is written");
}

fn show_night(what: &str, mut night: night::Night, practices: usize, of_server: Option<f64>) {
    night.puts.sort();
    let at = |percent: usize| night.puts[(night.puts.len() * percent).div_ceil(100) - 1].as_secs_f64() * 1_000.0;
    let seconds = night.wall.as_secs_f64();
    let of_server = of_server.map_or_else(String::new, |cpu| format!(", server's {cpu:.1} s"));
    println!(
        "{what}: {seconds:.1} s, {:.0} boxes/s; PUT p50 {:.1} ms, p99 {:.1} ms; receivers' CPU {:.1} s{of_server}; {:.0} MB",
        practices as f64 / seconds,
        at(50),
        at(99),
        night.receivers,
        night.memory
    );
}

fn show_build(what: &str, built: &month::Built) {
    let month::Built { wall, processor, memory, .. } = built;
    println!("{what}: month built in {:.1} s, CPU {processor:.1} s, {memory:.0} MB", wall.as_secs_f64());
}

fn megabytes(path: &str) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len() / 1_000_000)
}

fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!("load {}", load.split(' ').next().unwrap_or_default())
}
