//! The two ratios of `docs/performance.md`, and plain figures beside them. `make bench` runs it; it prints and keeps
//! nothing. Absolute rates are those of this machine at this minute: only the ratios carry over.

#[path = "wire/bare.rs"]
mod bare;
#[allow(dead_code, reason = "the tests compare with the truth; here only the lines are wanted")]
#[path = "../tests/bulk/month.rs"]
mod month;
#[allow(dead_code, reason = "the tests do more with the box")]
#[path = "../tests/bulk/practice_box.rs"]
mod practice_box;
#[path = "wire/within.rs"]
mod within;
#[path = "../tests/hardness/worst.rs"]
mod worst;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use month::Month;
use practice_box::{PracticeBox, print};
use smdrd::record::LegKind;

const PROGRAM: &str = env!("CARGO_BIN_EXE_smdrd");
/// On the disk of the build: a temporary directory may be memory.
const DISK: &str = env!("CARGO_TARGET_TMPDIR");
const NOW: &str = "2026-11-20T12:00:00Z";
const LINES: usize = 200_000;
const REPEATS: usize = 5;
const SINGLE_LINES: usize = 300;

/// One figure, measured several times.
struct Row {
    what: &'static str,
    values: Vec<f64>,
}

fn main() {
    let month = Month::new(LINES, 1);
    let mut rates = [("TCP → durable, lines/s", vec![]), ("bare rusqlite, lines/s", vec![]), ("(a) ratio", vec![])];
    let (mut memory, mut ours, mut bares) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..REPEATS {
        let mut practice = practice();
        let link = practice.start();
        let began = Instant::now();
        std::thread::scope(|scope| {
            let feeder = scope.spawn(|| print(&link, &month.lines));
            let database = practice.database();
            let mut last = database.prepare("SELECT coalesce(max(seq), 0) FROM line").expect("the table is there");
            while last.query_row([], |row| row.get::<_, i64>(0)).expect("it can be read") < LINES as i64 {
                std::thread::sleep(Duration::from_millis(2));
            }
            assert_eq!(feeder.join().ok(), Some(LINES));
        });
        let daemon = LINES as f64 / began.elapsed().as_secs_f64();
        memory.push(peak_memory(practice.pid()));
        ours.push(processor(practice.pid()) * 1e5 / LINES as f64);
        practice.stop();
        let (took, used) = bare::again(&practice.root().join("state/smdrd.db"), Path::new(DISK));
        let bare = LINES as f64 / took.as_secs_f64();
        bares.push(used * 1e5 / LINES as f64);
        for (row, value) in rates.iter_mut().zip([daemon, bare, daemon / bare]) {
            row.1.push(value);
        }
    }
    let mut rows: Vec<Row> = rates.into_iter().map(|(what, values)| Row { what, values }).collect();
    rows.push(Row { what: "daemon, CPU s for 100,000 lines", values: ours });
    rows.push(Row { what: "bare rusqlite, CPU s for 100,000 lines", values: bares });
    rows.push(Row { what: "daemon's peak memory (VmHWM), MB", values: memory });
    rows.extend(latency(&month));
    let repeated = |what, once: &dyn Fn() -> f64| Row { what, values: (0..REPEATS).map(|_| once()).collect() };
    rows.push(repeated("in process: frame + parse, lines/s", &|| within::parse(&month.lines)));
    rows.push(repeated("in process: frame + parse + mask, lines/s", &|| within::mask(&month.lines)));
    show(rows);
    show_dearest();
}

/// The lines that cost most, read and masked, of every dialect; and what grows with what came before.
fn show_dearest() {
    println!("\n{:20} {:>12}  the dearest line", "dialect", "ms");
    let ms = |each: Duration| each.as_secs_f64() * 1_000.0;
    for id in smdrd::dialect::Library::shipped().ids() {
        let dialect = smdrd::dialect::Library::shipped().get(id).expect("it was just named");
        let lines: Vec<Vec<u8>> =
            dialect.samples().flat_map(|sample| sample.lines.lines().map(|line| line.as_bytes().to_vec())).collect();
        let cost = worst::dearest(id, &lines, REPEATS);
        println!("{:20} {:12.3}  {}", cost.dialect, ms(cost.each), cost.what);
    }
    println!("{:20} {:12.3}  with 256 records of several lines open", "nortel-bcm", ms(worst::open_groups(20_000)));
    for (what, nth) in [("calls at one instant", u64::MAX), ("calls and transfers at one instant", 2)] {
        let leg = |seq: u64| if seq.is_multiple_of(nth) { LegKind::Transfer } else { LegKind::Call };
        println!("{:20} {:12.3}  15,000 {what}, joined", "lg-ipecs", ms(worst::standing_clock(15_000, leg).0));
    }
}

/// A fresh box on the disk.
fn practice() -> PracticeBox {
    let place = tempfile::tempdir_in(DISK).expect("the build directory can be written to");
    PracticeBox::in_directory(place, PROGRAM, "avaya-ipoffice", NOW)
}

/// From a line's last byte being written to the socket until another connection to the database reads it, which in WAL
/// with FULL is after its fdatasync; beside it, each time, an append of 4 KB and fdatasync on the same disk.
fn latency(month: &Month) -> Vec<Row> {
    let names = [
        "line → durable, p50 ms",
        "line → durable, p99 ms",
        "4 KB append + fdatasync, p50 ms",
        "4 KB append + fdatasync, p99 ms",
        "(b) ratio of p50",
        "(b) ratio of p99",
    ];
    let mut rows = names.map(|what| Row { what, values: Vec::new() });
    for _ in 0..REPEATS {
        let mut practice = practice();
        let mut link = practice.start();
        let warm = 200;
        print(&link, &month.lines[..warm]);
        practice.wait_for(warm);
        let database = practice.database();
        let mut last = database.prepare("SELECT max(seq) FROM line").expect("the table is there");
        let mut file = std::fs::File::create(practice.root().join("append")).expect("the disk can be written to");
        let (mut ours, mut disks) = (Vec::new(), Vec::new());
        for (place, line) in month.lines.iter().enumerate().skip(warm).take(SINGLE_LINES) {
            // Neither in step with anything, nor so soon that the line before is still being put away.
            std::thread::sleep(Duration::from_millis(3 + (place % 5) as u64));
            let bytes = format!("{line}\r\n");
            let began = Instant::now();
            link.write_all(bytes.as_bytes()).expect("the daemon takes it");
            while last.query_row([], |row| row.get::<_, i64>(0)).expect("it can be read") <= place as i64 {
                // Not a spin: there may be only as many cores as the daemon needs.
                std::thread::yield_now();
            }
            ours.push(began.elapsed());
            std::thread::sleep(Duration::from_millis(2));
            let began = Instant::now();
            file.write_all(&[7; 4_096]).and_then(|()| file.sync_data()).expect("the disk can be written to");
            disks.push(began.elapsed());
        }
        practice.stop();
        let (ours, disks) = (percentiles(ours), percentiles(disks));
        let ratios = [ours[0] / disks[0], ours[1] / disks[1]];
        for (row, value) in rows.iter_mut().zip([ours, disks, ratios].concat()) {
            row.values.push(value);
        }
    }
    rows.into()
}

/// p50 and p99 in milliseconds.
fn percentiles(mut times: Vec<Duration>) -> [f64; 2] {
    times.sort();
    let at = |percent: usize| times[(times.len() * percent).div_ceil(100) - 1].as_secs_f64() * 1_000.0;
    [at(50), at(99)]
}

/// Seconds of processor that a process has used so far, for itself and in the kernel.
pub fn processor(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let after_name = stat.rsplit_once(") ").expect("Linux puts the name in brackets").1;
    let ticks = after_name.split(' ').skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("it is a number"));
    // USER_HZ is 100 on every architecture that Debian has.
    ticks.sum::<u64>() as f64 / 100.0
}

/// The most memory a process has had, in megabytes.
fn peak_memory(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the daemon runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells it");
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse().expect("it is a number");
    kilobytes / 1_000.0
}

fn show(rows: Vec<Row>) {
    println!("{LINES} lines, {REPEATS} repeats; latency over {SINGLE_LINES} lines each");
    println!("{:44} {:>12} {:>12} {:>12}", "", "min", "median", "max");
    for Row { what, mut values } in rows {
        values.sort_by(f64::total_cmp);
        let figure = |value: f64| if value >= 1_000.0 { format!("{value:.0}") } else { format!("{value:.2}") };
        let [low, middle, high] = [0, values.len() / 2, values.len() - 1].map(|place| figure(values[place]));
        println!("{what:44} {low:>12} {middle:>12} {high:>12}");
    }
}
