//! Connections on which nothing moves are ended, and there are only so many, so that a thousand of them cannot hold the
//! receiver.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::seats::{Seat, Seats};

/// How long a connection may be silent: between requests, within one, and while an answer is not taken.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// Accepts connections that end when they are silent for [`LONGEST_SILENCE`], as long as there are seats.
#[derive(Debug, Clone)]
pub struct Impatient {
    /// The seats.
    pub seats: Arc<Seats>,
}

impl<S> Accept<TcpStream, S> for Impatient {
    type Stream = Watched<TcpStream>;
    type Service = S;
    type Future = Ready<io::Result<(Watched<TcpStream>, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let seat = stream.peer_addr().and_then(|peer| {
            self.seats.take(peer.ip()).ok_or_else(|| io::Error::new(io::ErrorKind::ConnectionRefused, "no seat"))
        });
        ready(seat.map(|seat| (Watched::new(stream, LONGEST_SILENCE, Some(seat)), service)))
    }
}

/// A stream that fails when no byte has moved for a while.
#[derive(Debug)]
pub struct Watched<I> {
    inner: I,
    limit: Duration,
    deadline: Pin<Box<Sleep>>,
    _seat: Option<Seat>,
}

impl<I> Watched<I> {
    fn new(inner: I, limit: Duration, seat: Option<Seat>) -> Watched<I> {
        Watched { inner, limit, deadline: Box::pin(tokio::time::sleep(limit)), _seat: seat }
    }

    fn watch<T>(&mut self, context: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.deadline.as_mut().reset(Instant::now() + self.limit);
            return polled;
        }
        std::task::ready!(self.deadline.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Watched<I> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_read(context, into);
        self.watch(context, polled)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Watched<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.watch(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(context, parts);
        self.watch(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    // Neither of these moves a byte of its own when it is done at once, so neither counts as a sign of life.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn silence_ends_a_connection_and_bytes_keep_it() {
        let limit = Duration::from_millis(1_000);
        let (mut peer, stream) = tokio::io::duplex(16);
        let mut stream = Watched::new(stream, limit, None);
        let began = std::time::Instant::now();
        for _ in 0..5 {
            tokio::time::sleep(limit / 4).await;
            peer.write_all(b"x").await.unwrap();
            assert_eq!(stream.read_u8().await.unwrap(), b'x');
        }
        assert!(began.elapsed() > limit, "alive for longer than one silence may be");
        let ended = stream.read_u8().await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut);

        let (_peer, stream) = tokio::io::duplex(16);
        let ended = Watched::new(stream, limit, None).write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(ended.kind(), io::ErrorKind::TimedOut, "an answer that is not taken");
    }
}
