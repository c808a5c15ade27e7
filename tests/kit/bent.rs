//! A receiver that does one thing wrong: ours, with what it is asked or what it answers bent on the way.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// A request on its way.
pub struct Asked {
    pub method: Method,
    /// Host and port, as the asker has them.
    pub authority: String,
    /// Path and query.
    pub target: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// An answer on its way back.
pub struct Answered {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

/// What a receiver does wrong.
#[derive(Clone, Copy)]
pub enum Bend {
    /// It takes the request for another.
    Ask(fn(&mut Asked)),
    /// It answers something else.
    Answer(fn(&Asked, &mut Answered)),
}

impl Asked {
    pub fn is(&self, method: &Method, part: &str) -> bool {
        self.method == method && self.target.contains(part)
    }

    /// Whether a document's text holds this.
    pub fn says(&self, text: &str) -> bool {
        self.method == Method::PUT && String::from_utf8_lossy(&self.body).contains(text)
    }

    pub fn set(&mut self, name: &'static str, value: &str) {
        self.headers.insert(name, HeaderValue::from_str(value).unwrap());
    }

    /// Loses the question after the path.
    pub fn forget_query(&mut self) {
        self.target = self.target.split('?').next().unwrap().to_owned();
    }
}

impl Answered {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn set_json(&mut self, value: &Value) {
        self.body = value.to_string().into_bytes();
    }

    /// Changes what the answer says.
    pub fn change(&mut self, change: impl FnOnce(&mut Value)) {
        let mut value = self.json();
        change(&mut value);
        self.set_json(&value);
    }

    pub fn kind(&self) -> String {
        let said = self.json();
        said["type"].as_str().and_then(|kind| kind.rsplit(':').next()).unwrap_or_default().to_owned()
    }

    pub fn becomes(&mut self, status: u16, kind: &str) {
        self.status = status;
        self.headers.insert("content-type", HeaderValue::from_static("application/problem+json"));
        let kind = format!("urn:bent:problem:{kind}");
        self.set_json(&serde_json::json!({"type": kind, "title": "Bent", "status": status, "detail": "Bent."}));
    }
}

#[derive(Clone)]
struct Way {
    receiver: String,
    client: reqwest::Client,
    bend: Bend,
}

/// Puts `bend` before the receiver at `receiver`; returns the address. It goes with the test.
pub fn bent(receiver: &str, bend: Bend) -> String {
    let way = Way { receiver: receiver.to_owned(), client: reqwest::Client::new(), bend };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, Router::new().fallback(pass).with_state(way)).await.unwrap();
        });
    });
    format!("http://{address}")
}

async fn pass(State(way): State<Way>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    // Half a body is nothing that could be handed on.
    let Ok(body) = to_bytes(body, usize::MAX).await else { return StatusCode::BAD_REQUEST.into_response() };
    let mut headers = head.headers;
    let authority = headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
    for name in ["host", "content-length", "transfer-encoding", "connection"] {
        headers.remove(name);
    }
    let target = head.uri.path_and_query().unwrap().to_string();
    let mut asked = Asked { method: head.method, authority, target, headers, body: body.to_vec() };
    if let Bend::Ask(bend) = way.bend {
        bend(&mut asked);
    }
    let url = format!("{}{}", way.receiver, asked.target);
    let request = way.client.request(asked.method.clone(), url).headers(asked.headers.clone()).body(asked.body.clone());
    let response = request.send().await.unwrap();
    let (status, mut headers) = (response.status().as_u16(), response.headers().clone());
    headers.remove("content-length");
    let mut answered = Answered { status, headers, body: response.bytes().await.unwrap().to_vec() };
    if let Bend::Answer(bend) = way.bend {
        bend(&asked, &mut answered);
    }
    let mut response = Response::new(Body::from(answered.body));
    *response.status_mut() = StatusCode::from_u16(answered.status).unwrap();
    *response.headers_mut() = answered.headers;
    response
}
