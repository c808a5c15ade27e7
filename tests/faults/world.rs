//! The product under the model, in this process: reading side, writer, round, and the receiver over HTTP.

use std::collections::VecDeque;
use std::io::Cursor;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use smdrd::clock::Clock;
use smdrd::config::{self, Config};
use smdrd::control::exchange::{Order, send};
use smdrd::daemon::courier;
use smdrd::daemon::desk::Desk;
use smdrd::daemon::keeper::{Event, Keeper};
use smdrd::daemon::keys::KeyRing;
use smdrd::daemon::reader::{Gate, Reader};
use smdrd::daemon::round::{Outcome, Round};
use smdrd::privacy::Privacy;
use smdrd::push::{Client, Delivery, Receipt};
use smdrd::store::OutboxRow;
use smdrd::supplier::archive::Archive;
use smdrd::supplier::receive::{LONGEST_DOCUMENT, Receiver, router};
use smdrd::supplier::tokens::Tokens;

use super::lines::hipath;
use super::model::Printed;
use super::rig::{SITE, TOKEN, private_file};

const LINK: u64 = 1;
pub const SOURCE: u16 = 1;

/// What happens to one delivery.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fate {
    Arrives,
    /// The supplier has it, and the box never hears of it.
    ReplyLost,
    /// The supplier is not there.
    Down,
    /// The supplier refuses these bytes.
    Refused,
}

/// What goes between the box and the receiver.
#[derive(Clone, Default)]
pub struct Way {
    fates: Arc<Mutex<VecDeque<Fate>>>,
    /// Receipts that the supplier gave, heard of or not.
    receipts: Arc<Mutex<Vec<Receipt>>>,
}

async fn pass(State(way): State<Way>, request: Request, next: Next) -> Response {
    if request.method() != Method::PUT {
        return next.run(request).await;
    }
    let fate = way.fates.lock().unwrap().pop_front().unwrap_or(Fate::Arrives);
    match fate {
        Fate::Down => return StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Fate::Refused => return StatusCode::UNPROCESSABLE_ENTITY.into_response(),
        Fate::Arrives | Fate::ReplyLost => {}
    }
    let (head, body) = next.run(request).await.into_parts();
    let bytes = to_bytes(body, LONGEST_DOCUMENT).await.unwrap();
    assert!(head.status.is_success(), "{} {}", head.status, String::from_utf8_lossy(&bytes));
    way.receipts.lock().unwrap().push(serde_json::from_slice(&bytes).unwrap());
    match fate {
        Fate::ReplyLost => StatusCode::BAD_GATEWAY.into_response(),
        _ => Response::from_parts(head, Body::from(bytes)),
    }
}

struct Box_ {
    desk: Desk,
    writer: JoinHandle<()>,
    reader: Reader,
    gate: Gate,
}

pub struct World {
    _folder: tempfile::TempDir,
    pub config: Config,
    pub now: Timestamp,
    pub archive: Arc<Archive>,
    client: Client,
    way: Way,
    receiving: tokio::task::JoinHandle<()>,
    running: Option<Box_>,
    /// Read, and not handed to the writer yet.
    waiting: Vec<Event>,
    /// A new key was in use when that was lost.
    key_is_unnoted: bool,
    /// What was delivered, or tried to be, and the receipts for it.
    pub acks: Vec<(OutboxRow, Receipt)>,
}

/// The record that the PBX prints for a call that ends then. Its number is how many seconds people talked.
pub fn record(id: u32, end: Timestamp) -> String {
    let at = end.strftime("%d.%m.%y%H:%M:%S").to_string();
    let talk = format!("00:{:02}:{:02}", id / 60, id % 60);
    hipath(&at, 4, 201, "00:08", &talk, &format!("07700900{:03}", id % 1000), 1)
}

/// The number of a stored record.
pub fn number_of(text: &[u8]) -> u32 {
    let digits = |at: usize| std::str::from_utf8(&text[at..at + 2]).unwrap().parse::<u32>().unwrap();
    60 * digits(33) + digits(36)
}

impl World {
    pub async fn new(now: Timestamp) -> World {
        let shm = Path::new("/dev/shm");
        let folder = if shm.is_dir() { tempfile::tempdir_in(shm) } else { tempfile::tempdir() }.unwrap();
        let path = |name: &str| folder.path().join(name);
        private_file(&path("tokens"), &format!("{TOKEN} A81001\n"));
        private_file(&path("token"), &format!("{TOKEN}\n"));
        let archive = Arc::new(Archive::open(&path("feed.db")).unwrap());
        let tokens = Tokens::from_file(&path("tokens")).unwrap();
        let receiver = Receiver::open_to(tokens, archive.clone(), Clock::system());
        let way = Way::default();
        let served: Router = router(Arc::new(receiver)).layer(middleware::from_fn_with_state(way.clone(), pass));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let receiving = tokio::spawn(async move { axum::serve(listener, served).await.unwrap() });
        let text = format!(
            "state-dir = {:?}\nruntime-dir = {:?}\n{SITE}[[source]]\nname = \"reception\"\ndialect = \"siemens-hipath3000\"\nsilence-minutes = 0\n\
             [source.tcp-listen]\naddress = \"127.0.0.1:40999\"\nallow = [\"127.0.0.1\"]\n\
             [supplier]\nurl = {url:?}\ntoken-file = {:?}\n",
            path("state"),
            path("run"),
            path("token"),
        );
        std::fs::create_dir_all(path("run")).unwrap();
        std::fs::write(path("smdrd.toml"), text).unwrap();
        let config = config::read(&path("smdrd.toml")).unwrap_or_else(|error| panic!("{}", error.report()));
        let clock = Clock::scaled(now, Timestamp::now(), 1.0);
        let client = courier::client(&config, clock).unwrap().unwrap();
        let (waiting, acks) = (Vec::new(), Vec::new());
        let mut world = World {
            _folder: folder,
            config,
            now,
            archive,
            client,
            way,
            receiving,
            running: None,
            waiting,
            key_is_unnoted: false,
            acks,
        };
        world.starts().await;
        world
    }

    fn clock(&self) -> Clock {
        Clock::scaled(self.now, Timestamp::now(), 1.0)
    }

    /// Runs an errand at the desk, at the time it is now.
    pub async fn with<T: Send + 'static>(&self, errand: impl FnOnce(&mut Keeper) -> T + Send + 'static) -> T {
        let clock = self.clock();
        let errand = move |keeper: &mut Keeper| {
            keeper.clock = clock;
            errand(keeper)
        };
        self.running.as_ref().unwrap().desk.with(errand).await.unwrap()
    }

    /// The daemon starts, as `daemon::run` does it, and the PBX connects.
    pub async fn starts(&mut self) {
        let mut keeper = Keeper::open(self.config.clone(), self.clock()).unwrap();
        let today = keeper.date(self.now);
        let next_peer = keeper.store.read().largest_peer().unwrap().saturating_add(1).min(1 << 31);
        let (ring, peers) = KeyRing::open(&self.config.runtime_dir, today, next_peer).unwrap();
        if ring.is_new() || std::mem::take(&mut self.key_is_unnoted) {
            keeper.key_is_new().unwrap();
        }
        let gate = Gate { privacy: Privacy::new(self.config.number_plan(), keeper.linked, peers), ring };
        let (plan, row) = (&keeper.plans[0], keeper.row("reception").unwrap());
        assert_eq!(row.id, SOURCE);
        let reader = Reader::new(row.id, plan.plan.clone(), plan.zone.clone(), row.state.clone(), row.next_seq);
        keeper.begin().unwrap();
        let (desk, writer) = Desk::start(keeper).unwrap();
        self.running = Some(Box_ { desk, writer, reader, gate });
        self.connects();
        self.commits().await;
    }

    fn connects(&mut self) {
        self.waiting.extend([Event::Boundary(SOURCE), Event::Up(SOURCE, self.now)]);
    }

    /// Killed: what was not committed is gone.
    pub fn is_killed(&mut self) {
        // The daemon notes a new key before it uses it; here what is not committed stands for lines only.
        self.key_is_unnoted |= self.waiting.drain(..).any(|event| matches!(event, Event::NewKey));
        let Box_ { desk, writer, .. } = self.running.take().unwrap();
        drop(desk);
        writer.join().unwrap();
    }

    /// Stopped as the service manager does it.
    pub async fn stops(&mut self) {
        self.waiting.push(Event::Down(SOURCE, self.now, "stopping".to_owned()));
        self.commits().await;
        assert!(self.with(|keeper| keeper.end(0, &[]).unwrap()).await);
        self.is_killed();
    }

    /// The PBX hangs up and connects again.
    pub fn reconnects(&mut self) {
        self.waiting.push(Event::Down(SOURCE, self.now, "eof".to_owned()));
        self.connects();
    }

    /// Lines come over the link.
    pub fn hears(&mut self, lines: &[String]) {
        let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let today = self.now.to_zoned(self.config.time_zone()).date();
        let Box_ { reader, gate, .. } = self.running.as_mut().unwrap();
        if gate.ring.turn(today).unwrap() {
            reader.new_day();
            self.waiting.push(Event::NewKey);
        }
        let batch = reader.bytes(gate, LINK, text.as_bytes(), self.now);
        gate.ring.keep(&gate.privacy.peers_mut().take_fresh()).unwrap();
        self.waiting.extend(batch.map(Event::Lines));
    }

    pub async fn commits(&mut self) {
        let waiting = std::mem::take(&mut self.waiting);
        self.with(move |keeper| keeper.take(&waiting).unwrap()).await;
    }

    pub async fn ticks(&self) {
        self.with(|keeper| keeper.tick().unwrap()).await;
    }

    /// Sends what is pending, each with its fate.
    pub async fn pushes(&mut self, fates: &[Fate]) -> Outcome {
        let rows = self.with(|keeper| keeper.store.read().pending().unwrap()).await;
        *self.way.fates.lock().unwrap() = fates.iter().copied().collect();
        let outcome = self.round().send(rows.clone(), false).await.unwrap();
        for receipt in std::mem::take(&mut *self.way.receipts.lock().unwrap()) {
            let row = rows.iter().find(|row| (row.date, row.revision) == (receipt.date, receipt.revision));
            self.acks.push((row.unwrap().clone(), receipt));
        }
        outcome
    }

    fn round(&self) -> Round<'_> {
        Round { desk: &self.running.as_ref().unwrap().desk, client: &self.client, clock: self.clock() }
    }

    /// A receipt comes: late, again, or after a newer revision was made.
    pub async fn acknowledged(&self, row: OutboxRow, receipt: Receipt) {
        self.with(move |keeper| courier::note(keeper, row, &Delivery::Receipted(receipt), None).unwrap()).await;
    }

    pub async fn compares(&self) {
        let owners = self.with(|keeper| keeper.practices()).await;
        assert!(self.round().compare(owners).await.unwrap());
    }

    /// A file with these lines is imported, without a daemon. Whether it was taken.
    pub async fn imports(&mut self, lines: &[String]) -> bool {
        self.stops().await;
        let text: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (config, clock) = (self.config.clone(), self.clock());
        let writer = std::thread::spawn(move || smdrd::daemon::serve_one(&config, clock, theirs).unwrap());
        let order = Order { dialect: "siemens-hipath3000".to_owned(), ..Order::default() };
        let taken = send(ours, order, Cursor::new(text), |_| ()).is_ok();
        writer.join().unwrap();
        self.starts().await;
        taken
    }
}

impl Drop for World {
    /// Ten thousand worlds in one run are not to stay in memory.
    fn drop(&mut self) {
        self.receiving.abort();
    }
}

/// A line again, as the PBX has it in its buffer.
pub fn again(printed: &[Printed], text_of: impl Fn(u32) -> String) -> Vec<String> {
    printed.iter().map(|(id, _)| text_of(*id)).collect()
}
