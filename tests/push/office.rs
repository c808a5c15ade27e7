//! A box without its PBX: the real writer on a real database, a clock that is set, and days that close by themselves.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use smdrd::clock::Clock;
use smdrd::config::{self, Config};
use smdrd::daemon::desk::Desk;
use smdrd::daemon::keeper::Keeper;
use smdrd::daemon::round::{Outcome, Round};
use smdrd::daemon::status::{Snapshot, SupplierStatus, snapshot};
use smdrd::push::client::Deadlines;
use smdrd::push::{Bearer, Client, Route};
use smdrd::store::{Cause, OutboxRow, OutboxState};

use super::authority::Authority;
use super::feed::{TOKEN, private_file};

pub struct Office {
    folder: tempfile::TempDir,
    pub authority: Authority,
    pub more: String,
    pub practices: Vec<&'static str>,
    pub device: &'static str,
    pub url: String,
    pub deadlines: Deadlines,
    open: Option<Open>,
}

struct Open {
    desk: Desk,
    writer: JoinHandle<()>,
    clock: Clock,
    client: Client,
}

impl Office {
    pub fn new() -> Office {
        let folder = tempfile::tempdir().unwrap();
        private_file(&folder.path().join("token"), TOKEN);
        let authority = Authority::new(folder.path(), "authority");
        let deadlines = Deadlines { connect: Duration::from_secs(20), total: Duration::from_secs(60) };
        let (practices, url) = (vec!["A81001"], String::new());
        Office { folder, authority, more: String::new(), practices, device: "smdrd-test", url, deadlines, open: None }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn config(&self) -> Config {
        let at = |name: &str| self.path(name).display().to_string();
        let mut text = format!("state-dir = {:?}\nruntime-dir = {:?}\n", at("state"), at("run"));
        text += &format!("device = {:?}\n", self.device);
        for ods in &self.practices {
            text += &format!("[[practice]]\nods = {ods:?}\n");
            if self.practices.len() > 1 {
                text += &format!("trunks = [\"T{ods}\"]\n");
            }
        }
        text += "[[source]]\nname = \"pbx\"\ndialect = \"avaya-ipoffice\"\n[source.tcp-listen]\n";
        text += "address = \"127.0.0.1:40999\"\nallow = [\"127.0.0.1\"]\n[numbers]\nown = [\"01632960100\"]\n";
        text += &format!("[supplier]\nurl = {:?}\ntoken-file = {:?}\n", self.url, at("token"));
        text += &format!("ca-file = {:?}\n{}", self.authority.file.display().to_string(), self.more);
        std::fs::create_dir_all(self.path("run")).unwrap();
        std::fs::write(self.path("smdrd.toml"), text).unwrap();
        config::read(&self.path("smdrd.toml")).unwrap_or_else(|error| panic!("{}", error.report()))
    }

    /// (Re)starts the box at this time; every day that is over is closed. `None`: on the machine's own clock.
    pub async fn at(&mut self, now: Option<&str>) {
        self.stop();
        let config = self.config();
        let clock = now.map_or(Clock::system(), |now| Clock::scaled(now.parse().unwrap(), Timestamp::now(), 1.0));
        let supplier = config.supplier.clone().unwrap();
        let route = Route {
            url: supplier.url.get_ref(),
            ca_file: supplier.ca_file.as_deref(),
            proxy: supplier.proxy.as_ref().map(|proxy| proxy.get_ref().as_str()),
            proxy_credentials: supplier.proxy_credentials_file.as_deref(),
        };
        let bearer = Arc::new(Bearer::from_file(&self.path("token")).unwrap());
        let client = Client::with_deadlines(&route, bearer, clock, self.deadlines).unwrap();
        let mut keeper = Keeper::open(config, clock).unwrap();
        keeper.begin().unwrap();
        let (desk, writer) = Desk::start(keeper).unwrap();
        self.open = Some(Open { desk, writer, clock, client });
        self.with(|keeper| keeper.tick().unwrap()).await;
    }

    /// A box that has collected since `first`, at a time when all days since are due.
    pub async fn since(first: &str, now: &str, url: &str) -> Office {
        let mut office = Office::new();
        office.url = url.to_owned();
        office.begun(first).await;
        office.at(Some(now)).await;
        office
    }

    /// Sets when collecting began; the first start of all is then.
    pub async fn begun(&mut self, first: &str) {
        self.at(Some(&format!("{first}T12:00:00Z"))).await;
    }

    pub fn stop(&mut self) {
        if let Some(Open { desk, writer, .. }) = self.open.take() {
            drop(desk);
            writer.join().unwrap();
        }
    }

    pub async fn with<T: Send + 'static>(&self, errand: impl FnOnce(&mut Keeper) -> T + Send + 'static) -> T {
        self.open.as_ref().unwrap().desk.with(errand).await.unwrap()
    }

    pub fn round(&self) -> Round<'_> {
        let Open { desk, clock, client, .. } = self.open.as_ref().unwrap();
        Round { desk, client, clock: *clock }
    }

    /// As the schedule does, with an eye on the sums.
    pub async fn scheduled(&self) {
        self.round().scheduled().await.unwrap();
        self.snapshot().await;
    }

    /// As a person does.
    pub async fn push(&self) -> Outcome {
        let pending = self.with(|keeper| keeper.store.read().pending().unwrap()).await;
        let outcome = self.round().send(pending, false).await.unwrap();
        self.snapshot().await;
        outcome
    }

    pub async fn snapshot(&self) -> Snapshot {
        let snapshot = self.with(|keeper| snapshot(keeper, true).unwrap()).await;
        let days = snapshot.days;
        assert_eq!(days.closed, days.receipted + days.pending + days.parked + days.held, "{days:?}");
        snapshot
    }

    pub async fn supplier(&self) -> SupplierStatus {
        self.snapshot().await.supplier.unwrap()
    }

    /// The newest revision of each day, oldest first.
    pub async fn rows(&self) -> Vec<OutboxRow> {
        self.with(|keeper| {
            let read = keeper.store.read();
            let from = jiff::civil::date(2020, 1, 1);
            keeper.practices().iter().flat_map(|owner| read.newest_since(owner, from).unwrap()).collect()
        })
        .await
    }

    /// Where the only day stands.
    pub async fn only(&self) -> (OutboxState, Option<Cause>) {
        let rows = self.rows().await;
        assert_eq!(rows.len(), 1);
        (rows[0].state, rows[0].cause)
    }

    /// Receipted, pending, parked, held.
    pub async fn counts(&self) -> [u64; 4] {
        let days = self.snapshot().await.days;
        [days.receipted, days.pending, days.parked, days.held]
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        if let Some(Open { desk, writer, .. }) = self.open.take() {
            drop(desk);
            let _ = writer.join();
        }
    }
}

impl Office {
    /// Where the days stand, oldest first.
    pub async fn only_states(&self) -> Vec<OutboxState> {
        self.rows().await.iter().map(|row| row.state).collect()
    }
}
