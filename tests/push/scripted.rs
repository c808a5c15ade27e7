//! A supplier over real TLS that answers by a script, and notes what it was asked.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use super::authority::{Authority, Identity};

/// A request, whole.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub head: String,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }

    /// The day that is delivered or asked for.
    pub fn day(&self) -> &str {
        self.target.rsplit('/').next().unwrap()
    }

    /// What a faithful receiver answers to a delivery.
    pub fn receipt(&self) -> Value {
        let document: Value = serde_json::from_slice(&self.body).unwrap();
        let sha256 = smdrd::push::parcel::sha256_hex(&self.body);
        json!({
            "receipt_id": format!("r-{}", &sha256[..8]), "ods": document["practice"]["ods"],
            "site": document["practice"]["site"], "date": document["date"], "revision": document["revision"],
            "sha256": sha256, "received_at": "2026-11-21T00:41:09Z", "server_schema": "smdrd.day/1",
            "status": "accepted", "warnings": [],
        })
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub enum Reply {
    /// These bytes, then the end of the connection in good order.
    Bytes(Vec<u8>),
    /// The connection is dropped.
    Nothing,
    /// No answer for longer than anybody waits.
    Silence,
}

pub fn http(status: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Bytes(
        format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n{headers}\r\n{body}").into(),
    )
}

pub fn json_of(status: &str, body: &Value) -> Reply {
    http(status, "content-type: application/json\r\n", &body.to_string())
}

pub fn problem(status: &str, name: &str) -> Reply {
    let body = json!({"type": format!("urn:smdr-feed:problem:{name}"), "title": "No", "detail": "as scripted"});
    http(status, "content-type: application/problem+json\r\n", &body.to_string())
}

type Script = Box<dyn FnMut(&Seen) -> Reply + Send>;

pub struct Supplier {
    pub url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    script: Arc<Mutex<Script>>,
}

impl Supplier {
    /// Listens with a certificate for `localhost`.
    pub fn start(authority: &Authority, script: impl FnMut(&Seen) -> Reply + Send + 'static) -> Supplier {
        Supplier::with(&authority.identity("localhost"), script)
    }

    pub fn with(identity: &Identity, script: impl FnMut(&Seen) -> Reply + Send + 'static) -> Supplier {
        let config = Arc::new(tls(&identity.cert, &identity.key));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let script: Arc<Mutex<Script>> = Arc::new(Mutex::new(Box::new(script)));
        let (noted, scripted) = (seen.clone(), script.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (config, noted, scripted) = (config.clone(), noted.clone(), scripted.clone());
                std::thread::spawn(move || serve(stream, config, &noted, &scripted));
            }
        });
        Supplier { url: format!("https://localhost:{port}"), seen, script }
    }

    /// From now on answers otherwise.
    pub fn answers(&self, script: impl FnMut(&Seen) -> Reply + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    /// What it was asked since it was last looked at.
    pub fn seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    /// The days that were delivered to it since it was last looked at, in order.
    pub fn delivered(&self) -> Vec<String> {
        self.seen().iter().filter(|seen| seen.method == "PUT").map(|seen| seen.day().to_owned()).collect()
    }
}

/// Receipts for deliveries, an empty list, and a nod to heartbeats.
pub fn faithful(seen: &Seen) -> Reply {
    match seen.method.as_str() {
        "PUT" => json_of("201 Created", &seen.receipt()),
        "POST" => http("204 No Content", "", ""),
        _ => problem("404 Not Found", "no-such-resource"),
    }
}

fn tls(cert: &Path, key: &Path) -> ServerConfig {
    let chain = CertificateDer::pem_file_iter(cert).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::from_pem_file(key).unwrap())
        .unwrap()
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, noted: &Mutex<Vec<Seen>>, script: &Mutex<Script>) {
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
    let Some(request) = read(&mut stream) else { return };
    if request.method == "PUT" {
        let document = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(super::schema::faults(&document), [""; 0], "what is sent holds to the schema");
    }
    noted.lock().unwrap().push(request.clone());
    let reply = (script.lock().unwrap())(&request);
    match reply {
        Reply::Bytes(bytes) => {
            let _ = stream.write_all(&bytes);
            stream.conn.send_close_notify();
            let _ = stream.flush();
            let _ = stream.sock.shutdown(std::net::Shutdown::Write);
            let _ = stream.sock.read_to_end(&mut Vec::new());
        }
        Reply::Nothing => {}
        Reply::Silence => std::thread::sleep(Duration::from_secs(60)),
    }
}

fn read(stream: &mut impl Read) -> Option<Seen> {
    let mut request = Vec::new();
    let mut bytes = [0; 16 * 1024];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) | Err(_) => return None,
            Ok(length) => request.extend_from_slice(&bytes[..length]),
        }
        let Some(end) = request.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(request[..end].to_vec()).unwrap();
        let mut line = head.lines().next().unwrap().split(' ');
        let (method, target) = (line.next().unwrap().to_owned(), line.next().unwrap().to_owned());
        let mut seen = Seen { method, target, head, body: Vec::new() };
        let length: usize = seen.header("content-length").map_or(0, |text| text.parse().unwrap());
        if request.len() >= end + 4 + length {
            seen.body = request[end + 4..end + 4 + length].to_vec();
            return Some(seen);
        }
    }
}
