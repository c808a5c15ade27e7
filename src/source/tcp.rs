//! What every TCP link to a PBX needs: to notice that the other end is gone.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;

/// A PBX may say nothing for a night, so the link itself is asked after this long ...
const IDLE: Duration = Duration::from_secs(20);
/// ... and then this often, ...
const INTERVAL: Duration = Duration::from_secs(10);
/// ... and given up after so many questions without answer: a dead peer is found within a minute.
const PROBES: u32 = 3;
/// The same bound, in milliseconds, for bytes of ours that are not acknowledged.
const UNACKNOWLEDGED_MS: u32 = 45_000;

/// Sets keep-alive on a link.
pub(super) fn keep_alive(stream: &TcpStream) -> rustix::io::Result<()> {
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, IDLE)?;
    sockopt::set_tcp_keepintvl(stream, INTERVAL)?;
    sockopt::set_tcp_keepcnt(stream, PROBES)?;
    sockopt::set_tcp_user_timeout(stream, UNACKNOWLEDGED_MS)
}

/// For how long a link is asked often: until one whose other end does not answer has ended.
pub(super) const PROBED: Duration = Duration::from_secs(10);
/// How a link is asked then: after so long, and so often.
const SOON: Duration = Duration::from_secs(1);

/// The half of a link that nothing is sent on, by which it can be asked at once whether its other end is still there.
#[derive(Debug)]
pub(super) struct Probe(Option<OwnedWriteHalf>);

impl Probe {
    pub(super) fn of(link: OwnedWriteHalf) -> Probe {
        Probe(Some(link))
    }

    /// Asks soon, and gives up soon: an end that has started again answers that it knows no such link.
    pub(super) fn soon(&self) -> rustix::io::Result<()> {
        self.ask(SOON, SOON)
    }

    /// Asks as rarely as [`keep_alive`] has it.
    pub(super) fn rarely(&self) -> rustix::io::Result<()> {
        self.ask(IDLE, INTERVAL)
    }

    fn ask(&self, idle: Duration, interval: Duration) -> rustix::io::Result<()> {
        let Some(link) = &self.0 else { return Ok(()) };
        let link: &TcpStream = link.as_ref();
        sockopt::set_tcp_keepintvl(link, interval)?;
        // The one that counts time from now on.
        sockopt::set_tcp_keepidle(link, idle)
    }
}

impl Drop for Probe {
    /// Says nothing to the other end: the link may be left to the next run.
    fn drop(&mut self) {
        if let Some(link) = self.0.take() {
            link.forget();
        }
    }
}

/// A link of the run before.
pub(super) fn again(descriptor: OwnedFd) -> std::io::Result<TcpStream> {
    let stream = std::net::TcpStream::from(descriptor);
    stream.set_nonblocking(true)?;
    TcpStream::from_std(stream)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_peer_is_found_within_a_minute() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        keep_alive(&stream).unwrap();
        assert!(sockopt::socket_keepalive(&stream).unwrap());
        let found = sockopt::tcp_keepidle(&stream).unwrap()
            + sockopt::tcp_keepintvl(&stream).unwrap() * sockopt::tcp_keepcnt(&stream).unwrap();
        assert!(found <= Duration::from_secs(60), "{found:?}");
        assert!(sockopt::tcp_user_timeout(&stream).unwrap() <= 60_000);
    }
}
