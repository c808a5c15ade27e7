//! A webhook's receiver over TLS, which answers as it is told.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

use super::authority::Identity;

/// A server's half of TLS, with this certificate.
fn tls(identity: &Identity) -> Arc<ServerConfig> {
    let chain = CertificateDer::pem_file_iter(&identity.cert).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap())
}

/// Serves each connection to this port in a thread of its own.
pub fn open<T: Default + Send + Sync + 'static>(
    port: u16,
    identity: &Identity,
    serve: fn(TcpStream, Arc<ServerConfig>, &T),
) -> Arc<T> {
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let (tls, seen) = (tls(identity), Arc::<T>::default());
    let shared = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (tls, seen) = (Arc::clone(&tls), Arc::clone(&shared));
            std::thread::spawn(move || serve(stream, tls, &seen));
        }
    });
    seen
}

/// How a request is answered.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    Status(u16),
    /// The request is read, and the connection broken.
    Break,
}

/// A request that came in whole.
#[derive(Debug, Clone)]
pub struct Post {
    pub head: String,
    pub body: Value,
    /// How it was answered.
    pub taken: bool,
}

#[derive(Default)]
struct Seen {
    posts: Vec<Post>,
    answers: VecDeque<Answer>,
}

pub struct Hook {
    seen: Arc<Mutex<Seen>>,
}

impl Hook {
    pub fn open(port: u16, identity: &Identity) -> Hook {
        Hook { seen: open(port, identity, serve) }
    }

    /// What the next requests are answered, one after another; then 204.
    pub fn answers(&self, answers: &[Answer]) {
        self.seen.lock().unwrap().answers.extend(answers);
    }

    pub fn posts(&self) -> Vec<Post> {
        self.seen.lock().unwrap().posts.clone()
    }

    /// Event and code of what was taken.
    pub fn taken(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let posts = self.posts();
        posts
            .iter()
            .filter(|post| post.taken)
            .map(|post| (text(&post.body["event"]), text(&post.body["code"])))
            .collect()
    }
}

fn serve(stream: TcpStream, tls: Arc<ServerConfig>, seen: &Mutex<Seen>) {
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let Ok(connection) = ServerConnection::new(tls) else { return };
    let mut stream = BufReader::new(StreamOwned::new(connection, stream));
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        if !matches!(stream.read_line(&mut line), Ok(1..)) {
            return;
        }
        if let Some(given) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = given.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
        head += &line;
    }
    let mut body = vec![0; length];
    if stream.read_exact(&mut body).is_err() {
        return;
    }
    let body = serde_json::from_slice(&body).unwrap();
    let answer = {
        let mut seen = seen.lock().unwrap();
        let answer = seen.answers.pop_front().unwrap_or(Answer::Status(204));
        let taken = matches!(answer, Answer::Status(200..=299));
        seen.posts.push(Post { head, body, taken });
        answer
    };
    if let Answer::Status(status) = answer {
        let text = format!("HTTP/1.1 {status} As told\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let _ = stream.get_mut().write_all(text.as_bytes());
        stream.get_mut().conn.send_close_notify();
        let _ = stream.get_mut().flush();
    }
}
