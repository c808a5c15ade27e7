//! What every TCP link to a PBX needs: to notice that the other end is gone.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::net::sockopt;
use tokio::net::TcpStream;

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
