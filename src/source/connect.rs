//! A PBX that waits for us.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::accounting::Accounting;
use super::backoff::Backoff;
use super::conversation::Conversation;
use super::reporter::{Ended, Gone, Reporter};
use super::{Cause, Login, nec, tcp};
use crate::config::TcpConnect;

const CONNECT: Duration = Duration::from_secs(10);
const LOG_IN: Duration = Duration::from_secs(5);

/// How long to wait after a log-in that was not taken, at first and at most: a PBX may lock its port for a while.
const NOT_LET_IN: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(1800));

/// Keeps one connection to the PBX until the order to stop.
pub(super) async fn run(settings: TcpConnect, login: Option<Login>, mut reporter: Reporter) {
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
        let opened = tokio::select! {
            biased;
            () = reporter.stopped() => return,
            opened = open(host, settings.port, login.as_ref()) => opened,
        };
        match opened {
            Ok(stream) => {
                attempt = 0;
                let began = Instant::now();
                let what = format!("connected to {host}:{}", settings.port);
                let Ok(connection) = reporter.up(what).await else { return };
                let Ok((ended, let_in)) = read(stream, login.as_ref(), connection, &mut reporter, &mut last).await
                else {
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
    mut stream: TcpStream,
    login: Option<&Login>,
    connection: u64,
    reporter: &mut Reporter,
    last: &mut nec::Last,
) -> Result<(Ended, bool), Gone> {
    if let Some(Login::Nec { check }) = login {
        return Ok((nec::run(stream, connection, reporter, *check, last).await?, true));
    }
    if matches!(login, Some(Login::AlcatelOxe)) {
        let mut accounting = Accounting::new(stream);
        return Ok((reporter.pump(&mut accounting, connection, None, Cause::ClosedByPeer).await?, true));
    }
    let Some(dialogue) = login.and_then(Login::dialogue) else {
        return Ok((reporter.pump(&mut stream, connection, None, Cause::ClosedByPeer).await?, true));
    };
    // The conversation itself says what may be repeated: the log-in is ours.
    let mut conversation = Conversation::new(stream, dialogue, reporter.tap().cloned());
    let mut reporter = reporter.clone().with_tap(None);
    let ended = reporter.pump(&mut conversation, connection, None, Cause::ClosedByPeer).await?;
    Ok((ended, conversation.is_in()))
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
