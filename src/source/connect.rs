//! A PBX that waits for us.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::backoff::Backoff;
use super::reporter::Reporter;
use super::{Cause, Login, tcp};
use crate::config::TcpConnect;

const CONNECT: Duration = Duration::from_secs(10);
const LOG_IN: Duration = Duration::from_secs(5);

/// Keeps one connection to the PBX until the order to stop.
pub(super) async fn run(settings: TcpConnect, login: Option<Login>, mut reporter: Reporter) {
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    let mut attempt = 0u32;
    loop {
        let opened = tokio::select! {
            biased;
            () = reporter.stopped() => return,
            opened = open(&settings, login.as_ref()) => opened,
        };
        match opened {
            Ok(mut stream) => {
                attempt = 0;
                let began = Instant::now();
                let what = format!("connected to {}:{}", settings.host, settings.port);
                let Ok(connection) = reporter.up(what).await else { return };
                let Ok(ended) = reporter.pump(&mut stream, connection, None, Cause::ClosedByPeer).await else { return };
                if ended.cause == Cause::Stopping {
                    return;
                }
                backoff.proved(ended.received, began.elapsed());
            }
            Err(cause) => {
                attempt = attempt.saturating_add(1);
                if reporter.waiting(cause, attempt).await.is_err() {
                    return;
                }
            }
        }
        if !reporter.pause(backoff.delay()).await {
            return;
        }
    }
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
