//! A PBX that waits for us.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

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
    loop {
        let mut delay = None;
        let opened = tokio::select! {
            biased;
            () = reporter.stopped() => return,
            opened = open(&settings, login.as_ref()) => opened,
        };
        match opened {
            Ok(stream) => {
                attempt = 0;
                let began = Instant::now();
                let what = format!("connected to {}:{}", settings.host, settings.port);
                let Ok(connection) = reporter.up(what).await else { return };
                let Ok((ended, let_in)) = read(stream, login.as_ref(), connection, &mut reporter, &mut last).await
                else {
                    return;
                };
                match ended.cause {
                    Cause::Stopping => return,
                    Cause::NotLetIn => delay = Some(locked.delay()),
                    _ => backoff.proved(ended.received, began.elapsed()),
                }
                if let_in {
                    locked = Backoff::new(NOT_LET_IN.0, NOT_LET_IN.1);
                }
            }
            Err(cause) => {
                attempt = attempt.saturating_add(1);
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
    let Some(dialogue) = login.and_then(Login::dialogue) else {
        return Ok((reporter.pump(&mut stream, connection, None, Cause::ClosedByPeer).await?, true));
    };
    let mut conversation = Conversation::new(stream, dialogue);
    let ended = reporter.pump(&mut conversation, connection, None, Cause::ClosedByPeer).await?;
    Ok((ended, conversation.is_in()))
}

async fn open(settings: &TcpConnect, login: Option<&Login>) -> Result<TcpStream, Cause> {
    let target = (settings.host.as_str(), settings.port);
    let addresses = timeout(CONNECT, tokio::net::lookup_host(target))
        .await
        .map_err(|_| Cause::HostNotFound(settings.host.clone()))?
        .map_err(|_| Cause::HostNotFound(settings.host.clone()))?;
    let mut cause = Cause::HostNotFound(settings.host.clone());
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
