//! A box at a site, in this process: the daemon's own reading side, writer, books and round, with a clock that is driven
//! from moment to moment. Only its main loop and the sockets of its source are missing; `whole_program` shows that it comes
//! to the same.

use std::path::Path;
use std::thread::JoinHandle;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use smdrd::clock::Clock;
use smdrd::config::{self, Config};
use smdrd::daemon::courier;
use smdrd::daemon::desk::Desk;
use smdrd::daemon::keeper::{Event, Keeper};
use smdrd::daemon::keys::KeyRing;
use smdrd::daemon::reader::{Gate, Reader};
use smdrd::daemon::round::Round;
use smdrd::privacy::Privacy;
use smdrd::push::schedule::nightly;
use smdrd::push::{Client, Delivery};
use smdrd::record::LineKind;
use smdrd::simulator::scenario::Day;

use crate::diary::Span;
use crate::practice::Site;
use crate::rig::private_file;
use crate::stage::Printed;
use crate::whole_month::in_full;

const LINK: u64 = 1;
/// After so much silence a record of several lines is over.
const IDLE: SignedDuration = SignedDuration::from_secs(3);

/// What happens at a moment.
enum What<'a> {
    Line(&'a Printed),
    Down,
    Up,
    Tick,
    Night,
}

/// What came of a site's month.
#[derive(Debug, Default)]
pub struct Ran {
    pub calls: usize,
    pub lines: usize,
    pub documents: usize,
}

struct PracticeBox {
    desk: Desk,
    writer: JoinHandle<()>,
    reader: Reader,
    gate: Gate,
    source: u16,
    zone: TimeZone,
    now: Timestamp,
    waiting: Vec<Event>,
}

/// Plays a site's month to its box, which delivers to the supplier at `url` each night. The same documents go to the
/// suppliers at `others`, each by a client of the same kind. Gives what came of it.
pub fn play(site: &Site, span: &Span, day: &Day, url: &str, others: &[String]) -> Ran {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(played(site, span, day, url, others))
}

async fn played(site: &Site, span: &Span, day: &Day, url: &str, others: &[String]) -> Ran {
    let shm = Path::new("/dev/shm");
    let memory = || if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.unwrap();
    // In full each commit waits for the disk.
    let (state, run) = (if in_full() { tempfile::tempdir().unwrap() } else { memory() }, memory());
    let config = |url: &str, name: &str| configured(site, url, &state.path().join(name), (state.path(), run.path()));
    let clock = Clock::scaled(site.begins, Timestamp::now(), 1.0);
    let client = |config: &Config| courier::client(config, clock).unwrap().unwrap();
    let ours = config(url, "smdrd.toml");
    let to = client(&ours);
    let others: Vec<Client> = others.iter().map(|url| client(&config(url, "other.toml"))).collect();
    let (lines, lost) = site.lines(day);
    let mut the_box = PracticeBox::starts(ours, site.begins);
    let moments = moments(site, span, &lines, day);
    for (place, (at, what)) in moments.iter().enumerate() {
        let next = moments.get(place + 1).map_or(Timestamp::MAX, |(at, _)| *at);
        the_box.lives(*at, what, site, next).await;
        if matches!(what, What::Night) {
            the_box.delivers(&to, &others).await;
        }
    }
    let expected = lines.len() as u64;
    let (stored, documents, waits) = the_box
        .with(move |keeper| {
            let read = keeper.store.read();
            let ([receipted, pending, parked, held], _) = read.outbox_counts().unwrap();
            let lines = read.line_totals().unwrap().0;
            // What pads the last line before a link ends belongs to no other.
            let noise = lines[usize::from(LineKind::Noise.code())];
            (lines.iter().sum::<u64>() - noise, receipted, pending + parked + held)
        })
        .await;
    assert_eq!(stored, expected, "{}: lines are stored once each, {lost} were lost on the way", site.device());
    assert_eq!(waits, 0, "{}: every document is delivered", site.device());
    the_box.ends();
    Ran { calls: day.calls.len(), lines: lines.len(), documents: documents as usize }
}

fn configured(site: &Site, url: &str, path: &Path, (state, run): (&Path, &Path)) -> Config {
    let token = path.with_extension("token");
    private_file(&token, &format!("{}\n", site.token()));
    let text = format!(
        "state-dir = {state:?}\nruntime-dir = {run:?}\n{}\n[supplier]\nurl = {url:?}\ntoken-file = {token:?}\n",
        site.config("[source.tcp-listen]\naddress = \"127.0.0.1:40999\"\nallow = [\"127.0.0.1\"]\n"),
    );
    std::fs::write(path, text).unwrap();
    config::read(path).unwrap_or_else(|error| panic!("{}", error.report()))
}

/// All that happens, in order: the lines, the link, and what the box does by itself. Each night it is up shortly after
/// midnight, at its own instant, and when the day before is rolled up; by day every hour.
fn moments<'a>(site: &Site, span: &Span, lines: &'a [Printed], day: &Day) -> Vec<(Timestamp, What<'a>)> {
    let mut moments: Vec<(Timestamp, What<'_>)> = lines.iter().map(|line| (line.at, What::Line(line))).collect();
    for outage in site.outages.iter().filter(|outage| outage.from > site.begins) {
        moments.push((outage.from, What::Down));
        // Before what the PBX has kept.
        moments.push((outage.until - SignedDuration::from_millis(1), What::Up));
    }
    let zone = &day.zone;
    let mut midnight = site.begins.to_zoned(zone.clone()).start_of_day().unwrap();
    while midnight.timestamp() < site.ends {
        let at = |second: i64| midnight.timestamp() + SignedDuration::from_secs(second);
        let civil = |second: i64| span.at(midnight.date(), second);
        let night = nightly(&site.device(), zone, midnight.timestamp());
        moments.extend([(at(660), What::Tick), (night + SignedDuration::from_secs(1), What::Night)]);
        moments.push((at(4 * 3_600 + 1_260), What::Tick));
        moments.extend((0..13).map(|hour| (civil(25_200 + 3_600 * hour), What::Tick)));
        midnight = midnight.tomorrow().unwrap();
    }
    moments.retain(|(at, _)| (site.begins..site.ends).contains(at));
    moments.sort_by_key(|(at, _)| *at);
    moments
}

impl PracticeBox {
    /// As `daemon::run` does it.
    fn starts(config: Config, now: Timestamp) -> PracticeBox {
        let mut keeper = Keeper::open(config.clone(), Clock::scaled(now, Timestamp::now(), 1.0)).unwrap();
        let (ring, peers) = KeyRing::open(&config.runtime_dir, keeper.date(now), 1).unwrap();
        let gate = Gate { privacy: Privacy::new(config.number_plan(), keeper.linked, peers), ring };
        let (plan, row) = (&keeper.plans[0], keeper.row("pbx").unwrap());
        let source = row.id;
        let reader = Reader::new(source, plan.plan.clone(), plan.zone.clone(), row.state.clone(), row.next_seq);
        keeper.begin().unwrap();
        let (desk, writer) = Desk::start(keeper).unwrap();
        let waiting = vec![Event::Boundary(source), Event::Up(source, now)];
        PracticeBox { desk, writer, reader, gate, source, zone: config.time_zone(), now, waiting }
    }

    /// Runs an errand at the desk, at the time it is now.
    async fn with<T: Send + 'static>(&self, errand: impl FnOnce(&mut Keeper) -> T + Send + 'static) -> T {
        let clock = Clock::scaled(self.now, Timestamp::now(), 1.0);
        let errand = move |keeper: &mut Keeper| {
            keeper.clock = clock;
            errand(keeper)
        };
        self.desk.with(errand).await.unwrap()
    }

    async fn lives(&mut self, at: Timestamp, what: &What<'_>, site: &Site, next: Timestamp) {
        self.now = at;
        let today = at.to_zoned(self.zone.clone()).date();
        if self.gate.ring.turn(today).unwrap() {
            self.reader.new_day();
        }
        match what {
            What::Line(line) => {
                let bytes = (site.make.wrap)(&line.text);
                let batch = self.reader.bytes(&mut self.gate, LINK, &bytes, at);
                self.waiting.extend(batch.map(Event::Lines));
                if self.reader.waits() && next.duration_since(at) > IDLE {
                    let batch = self.reader.idle(&mut self.gate, at + IDLE);
                    self.waiting.extend(batch.map(Event::Lines));
                }
            }
            What::Down => {
                let batch = self.reader.ended(&mut self.gate, LINK, at, false);
                self.waiting.extend(batch.map(Event::Lines));
                self.waiting.push(Event::Down(self.source, at, "closed-by-peer".to_owned()));
            }
            What::Up => self.waiting.extend([Event::Boundary(self.source), Event::Up(self.source, at)]),
            What::Tick | What::Night => {
                let waiting = std::mem::take(&mut self.waiting);
                self.with(move |keeper| {
                    keeper.take(&waiting).unwrap();
                    keeper.tick().unwrap();
                })
                .await;
            }
        }
    }

    /// What the schedule has for tonight; then the same to the other suppliers.
    async fn delivers(&mut self, to: &Client, others: &[Client]) {
        // Later than all that was made due meanwhile, however long that took.
        self.now += SignedDuration::from_mins(1);
        let clock = Clock::scaled(self.now, Timestamp::now(), 1.0);
        let pending = self.with(|keeper| keeper.store.read().pending().unwrap()).await;
        (Round { desk: &self.desk, client: to, clock }).scheduled().await.unwrap();
        for parcel in pending.iter().filter_map(courier::parcel) {
            for other in others {
                let delivery = other.deliver(&parcel).await;
                assert!(matches!(delivery, Delivery::Receipted(_)), "{delivery:?}");
            }
        }
    }

    fn ends(self) {
        drop(self.desk);
        self.writer.join().unwrap();
    }
}
