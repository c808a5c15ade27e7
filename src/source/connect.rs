//! A PBX that waits for us.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::accounting::Accounting;
use super::backoff::Backoff;
use super::conversation::{Conversation, ConversationState};
use super::handover::LinkState;
use super::reporter::{Ended, Gone, Reporter};
use super::{Cause, Login, nec, tcp};
use crate::config::TcpConnect;

const CONNECT: Duration = Duration::from_secs(10);
const LOG_IN: Duration = Duration::from_secs(5);

/// How long to wait after a log-in that was not taken, at first and at most: a PBX may lock its port for a while.
const NOT_LET_IN: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(1800));

/// A link to the PBX, and its number if it is one of the run before.
struct Link {
    stream: TcpStream,
    before: Option<u64>,
}

/// Keeps one connection to the PBX until the order to stop; first, the one of the run before.
pub(super) async fn run(
    settings: TcpConnect,
    login: Option<Login>,
    mut reporter: Reporter,
    mut found: Vec<(u64, OwnedFd)>,
) {
    let mut before = found.pop();
    found.iter().for_each(|(number, _)| reporter.place(*number).forget());
    drop(found);
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    let mut locked = Backoff::new(NOT_LET_IN.0, NOT_LET_IN.1);
    let mut attempt = 0u32;
    let mut last = nec::Last::default();
    let hosts: Vec<&str> = [Some(&settings.host), settings.standby_host.as_ref()]
        .into_iter()
        .flatten()
        .map(|host| host.as_str())
        .collect();
    let mut turn = 0usize;
    loop {
        let mut delay = None;
        let host = hosts.get(turn % hosts.len()).copied().unwrap_or_default();
        let opened = if let Some((number, descriptor)) = before.take() {
            again(number, descriptor, &reporter)
        } else {
            tokio::select! {
                biased;
                () = reporter.stopped() => return,
                opened = open(host, settings.port, login.as_ref()) => {
                    opened.map(|stream| Link { stream, before: None })
                }
            }
        };
        match opened {
            Ok(link) => {
                attempt = 0;
                let began = Instant::now();
                let what = format!("connected to {host}:{}", settings.port);
                let connection = match link.before {
                    Some(number) => reporter.up_as(number, what).await.map(|()| number),
                    None => reporter.up(what).await,
                };
                let Ok(connection) = connection else { return };
                let Ok((ended, let_in)) = read(link, login.as_ref(), connection, &mut reporter, &mut last).await else {
                    return;
                };
                match ended.cause {
                    Cause::Stopping => return,
                    Cause::NotLetIn => delay = Some(locked.delay()),
                    Cause::NotMain => turn = turn.wrapping_add(1),
                    _ => backoff.proved(ended.received, began.elapsed()),
                }
                if let_in {
                    locked = Backoff::new(NOT_LET_IN.0, NOT_LET_IN.1);
                }
            }
            Err(cause) => {
                attempt = attempt.saturating_add(1);
                turn = turn.wrapping_add(1);
                if reporter.waiting(cause, attempt).await.is_err() {
                    return;
                }
            }
        }
        if !reporter.pause(delay.unwrap_or_else(|| backoff.delay())).await {
            return;
        }
    }
}

/// Reads the link to its end, with the conversation that the log-in is; says too whether the PBX let us in.
async fn read(
    Link { mut stream, before }: Link,
    login: Option<&Login>,
    connection: u64,
    reporter: &mut Reporter,
    last: &mut nec::Last,
) -> Result<(Ended, bool), Gone> {
    // A NEC's link has no place: what is not acknowledged comes again, and the next run asks for it.
    if let Some(Login::Nec { check }) = login {
        return Ok((nec::run(stream, connection, reporter, *check, last).await?, true));
    }
    let stood = before.and_then(|number| reporter.stood(number));
    let place = reporter.place(connection);
    if matches!(login, Some(Login::AlcatelOxe)) {
        let mut accounting = match before {
            Some(_) => Accounting::go_on(stream, stood.and_then(|state| state.accounting.clone()), place),
            None => Accounting::new(stream, place),
        };
        let ended = reporter.pump(&mut accounting, connection, &mut None, Cause::ClosedByPeer).await?;
        if reporter.parks(&ended) {
            match accounting.park() {
                Some(talk) => {
                    reporter.parked(connection, LinkState { accounting: Some(talk), ..LinkState::default() }).await?
                }
                None => reporter.down(connection, Cause::Stopping).await?,
            }
        }
        return Ok((ended, true));
    }
    let Some(dialogue) = login.and_then(Login::dialogue) else {
        if before.is_none() {
            place.keep(&stream);
        }
        let ended = reporter.pump(&mut stream, connection, &mut None, Cause::ClosedByPeer).await?;
        if reporter.parks(&ended) {
            reporter.parked(connection, LinkState::default()).await?;
        }
        return Ok((ended, true));
    };
    // The conversation itself says what may be repeated: the log-in is ours.
    let tap = reporter.tap().cloned();
    let mut reporter = reporter.clone().with_tap(None);
    let mut conversation = if before.is_some() {
        let at = stood.and_then(|state| state.login.clone()).unwrap_or_else(ConversationState::let_in);
        Conversation::go_on(stream, dialogue, at, (place, tap))
    } else {
        Conversation::new(stream, dialogue, (place, tap))
    };
    let ended = reporter.pump(&mut conversation, connection, &mut None, Cause::ClosedByPeer).await?;
    if reporter.parks(&ended) {
        match conversation.park() {
            Some(state) => {
                reporter.parked(connection, LinkState { login: Some(state), ..LinkState::default() }).await?
            }
            None => reporter.down(connection, Cause::Stopping).await?,
        }
    }
    Ok((ended, conversation.is_in()))
}

/// The link of the run before.
fn again(number: u64, descriptor: OwnedFd, reporter: &Reporter) -> Result<Link, Cause> {
    tcp::again(descriptor).map(|stream| Link { stream, before: Some(number) }).map_err(|error| {
        reporter.place(number).forget();
        Cause::of_link(&error)
    })
}

async fn open(host: &str, port: u16, login: Option<&Login>) -> Result<TcpStream, Cause> {
    let target = (host, port);
    let addresses = timeout(CONNECT, tokio::net::lookup_host(target))
        .await
        .map_err(|_| Cause::HostNotFound(host.to_owned()))?
        .map_err(|_| Cause::HostNotFound(host.to_owned()))?;
    let mut cause = Cause::HostNotFound(host.to_owned());
    for address in addresses {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Err(_) => cause = Cause::TimedOut,
            Ok(Err(error)) => cause = Cause::of_link(&error),
            Ok(Ok(mut stream)) => {
                tcp::keep_alive(&stream).map_err(|error| Cause::of_link(&error.into()))?;
                if let Some(login) = login {
                    timeout(LOG_IN, stream.write_all(&login.greeting()))
                        .await
                        .map_err(|_| Cause::TimedOut)?
                        .map_err(|error| Cause::of_link(&error))?;
                }
                return Ok(stream);
            }
        }
    }
    Err(cause)
}
