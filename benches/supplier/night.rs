//! A night: every box asks what is held, sends its day, and gives its sign of life, over one TLS connection of its own.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use jiff::ToSpan;
use serde_json::json;
use smdrd::push::MEDIA_TYPE;
use smdrd::push::parcel::content_digest;

use crate::authority::{Authority, Identity};
use crate::documents::{Day, ods};
use crate::process;

/// Boxes that are connected at once.
const AT_ONCE: usize = 64;

pub struct Receiver {
    child: Child,
    port: String,
}

impl Receiver {
    /// Starts one on a store.
    pub fn start(store: &str, folder: &Path, identity: &Identity) -> Receiver {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).expect("a log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_smdr-feed"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--store", store]).arg("--tokens").arg(folder.join("tokens"));
        command.arg("--tls-cert").arg(&identity.cert).arg("--tls-key").arg(&identity.key);
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().expect("the receiver starts");
        let mut line = String::new();
        let mut stdout = std::io::BufReader::new(child.stdout.as_mut().expect("it was piped"));
        std::io::BufRead::read_line(&mut stdout, &mut line).expect("it says where it listens");
        let port = line.trim().rsplit(':').next().unwrap_or_default().to_owned();
        assert!(line.starts_with("listening on "), "{line:?}");
        Receiver { child, port }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

/// What a night took.
pub struct Night {
    pub wall: Duration,
    /// Seconds of processor of the receivers.
    pub receivers: f64,
    /// Megabytes of the largest of them.
    pub memory: f64,
    /// Of each `PUT`, from its sending to its receipt.
    pub puts: Vec<Duration>,
}

/// Has every practice's box do its night; each document must be answered with 201.
pub fn night(receivers: &[Receiver], authority: &Authority, day: &Arc<Day>, practices: usize) -> Night {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ports: Arc<Vec<String>> = Arc::new(receivers.iter().map(|receiver| receiver.port.clone()).collect());
    let pem = std::fs::read(&authority.file).expect("the authority's certificate");
    let trusted = reqwest::Certificate::from_pem(&pem).expect("it is PEM");
    let next = Arc::new(AtomicUsize::new(0));
    let began = Instant::now();
    let puts = runtime.block_on(async {
        let mut boxes = tokio::task::JoinSet::new();
        for _ in 0..AT_ONCE {
            let (ports, trusted, next, day) = (ports.clone(), trusted.clone(), next.clone(), day.clone());
            boxes.spawn(async move {
                let mut puts = Vec::new();
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    if nth >= practices {
                        return puts;
                    }
                    puts.push(one_box(&ports[nth % ports.len()], &trusted, &day, nth).await);
                }
            });
        }
        boxes.join_all().await.concat()
    });
    let wall = began.elapsed();
    let cpu = receivers.iter().map(|receiver| process::processor(receiver.pid())).sum();
    let memory = receivers.iter().map(|receiver| process::peak_memory(receiver.pid())).fold(0.0, f64::max);
    Night { wall, receivers: cpu, memory, puts }
}

/// One box's night; how long its document took.
async fn one_box(port: &str, trusted: &reqwest::Certificate, day: &Day, nth: usize) -> Duration {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([trusted.clone()]).build().expect("a client");
    let (ods, date) = (ods(nth), day.date);
    let base = format!("https://localhost:{port}/v1");
    let token = format!("token-of-{ods}");
    let from = date - 44.days();
    let days = format!("{base}/practices/{ods}/sites/main/days");
    let held = client.get(format!("{days}?from={from}&to={date}")).bearer_auth(&token).send().await.expect("an answer");
    assert_eq!(held.status(), 200);
    held.bytes().await.expect("a manifest");
    let body = day.of(nth);
    let began = Instant::now();
    let put = client.put(format!("{days}/{date}")).bearer_auth(&token).header("content-type", MEDIA_TYPE);
    let answer = put.header("content-digest", content_digest(&body)).body(body).send().await.expect("an answer");
    let status = answer.status();
    let receipt = answer.text().await.expect("a receipt");
    let took = began.elapsed();
    assert_eq!(status, 201, "{receipt}");
    let said = json!({
        "schema": "smdrd.heartbeat/1", "version": "0.1.0", "at": format!("{date}T02:00:00Z"),
        "days": {"closed": 45, "receipted": 45, "pending": 0, "parked": 0, "held": 0}, "links": {"up": 2, "down": 0},
        "yesterday": {"date": date, "observed_s": 86_400, "length_s": 86_400}, "dialects": [{"id": "avaya-ipoffice"}],
        "alerts": {}, "certificate_days": 80,
    });
    let beat = client.post(format!("{base}/devices/smdrd-{ods}/heartbeat")).bearer_auth(&token).json(&said);
    assert_eq!(beat.send().await.expect("an answer").status(), 204);
    took
}
