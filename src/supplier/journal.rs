//! What is said of each request, and how: method, path, status, where it came from, how long it took. Never a payload, never
//! a token, and of a sender who is not known nothing but a line of bounded length.

use std::fmt;
use std::io::IsTerminal;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use axum::extract::connect_info::ConnectInfo;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

use super::contract::{Operation, PUT_DAY};
use super::limits::Limited;
use super::problem::Kind;
use super::receive::Receiver;
use crate::push::legible;

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// A line to be read.
    #[default]
    Text,
    /// An object a line.
    Json,
}

/// Begins the log, on standard error; `RUST_LOG` says how much.
pub fn begin(format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.event_format(JsonLines).init(),
    }
}

/// Marks an answer to a request whose sender is known and whose path was read as an address.
#[derive(Clone)]
pub(super) struct Named;

/// The other end of the connection.
fn peer(request: &Request) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(address)| address.ip())
}

/// Whether a request was made on this machine, by someone who is not passing on another's.
pub(super) fn is_from_here(request: &Request) -> bool {
    let passed_on = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
    peer(request).to_canonical().is_loopback() && !passed_on.iter().any(|name| request.headers().contains_key(*name))
}

/// Lets in who does not ask too often, dates the answer by the receiver's own clock, counts it and writes it down.
pub(super) async fn note(State(receiver): State<Arc<Receiver>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let from = receiver.limits.source(peer(&request), request.headers());
    let (mut response, limited) = match receiver.limits.address(from) {
        Ok(()) => (next.run(request).await, Limited::Box),
        Err(problem) => {
            (super::request::refuse_after(request.into_body(), problem).await.into_response(), Limited::Address)
        }
    };
    let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&receiver.clock.now());
    if let Ok(date) = date.unwrap_or_default().parse() {
        response.headers_mut().insert(header::DATE, date);
    }
    let status = response.status().as_u16();
    let kind = response.extensions().get::<Kind>().copied();
    let operation = response.extensions().get::<&'static Operation>().copied();
    receiver.metrics.answered(operation, status);
    if let Some(kind) = kind {
        if kind == Kind::TooMany {
            receiver.metrics.limited(limited);
        }
        if operation.is_some_and(|one| (one.method, one.path) == (PUT_DAY.method, PUT_DAY.path)) {
            receiver.metrics.refused(kind);
        }
    }
    // The path is what the sender wrote; what is no address of ours may hold anything.
    let path = if response.extensions().get::<Named>().is_some() { path } else { legible(&path) };
    let method = legible(method.as_str());
    let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    match kind.map(Kind::name) {
        Some(problem) => tracing::warn!(method, path, status, problem, %from, ms, "refused"),
        None => tracing::info!(method, path, status, %from, ms, "answered"),
    }
    response
}

/// An event as one JSON object on one line: `time`, `level`, `target`, `message`, and its own fields.
#[derive(Debug, Clone, Copy)]
pub struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> fmt::Result {
        let mut line = Line::default();
        line.text("time", &jiff::Timestamp::now().to_string());
        line.text("level", event.metadata().level().as_str());
        line.text("target", event.metadata().target());
        event.record(&mut line);
        writeln!(writer, "{}", Value::Object(line.fields))
    }
}

/// Characters of one field that are written.
const LONGEST_FIELD: usize = 2_000;

#[derive(Default)]
struct Line {
    fields: Map<String, Value>,
}

impl Line {
    fn text(&mut self, name: &str, text: &str) {
        self.fields.insert(name.to_owned(), text.chars().take(LONGEST_FIELD).collect::<String>().into());
    }
}

impl Visit for Line {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.insert(field.name().to_owned(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.insert(field.name().to_owned(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.insert(field.name().to_owned(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field.name(), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field.name(), &format!("{value:?}"));
    }
}
