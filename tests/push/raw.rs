//! Servers made of a listening socket and a script, where bytes matter.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

/// Answers every connection with `script`, after the whole request has come.
pub fn server(script: impl Fn(&mut TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            if read_request(&mut stream).is_some() {
                script(&mut stream);
            }
        }
    });
    address
}

/// Sends an answer, whole or in part, and ends the connection in good order.
pub fn answer(stream: &mut TcpStream, bytes: &[u8]) {
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let _ = stream.read_to_end(&mut Vec::new());
}

/// Passes requests on to `upstream`. The first answer is lost: as soon as a byte of it has come, so that it is certain
/// that the receiver has done its work, the sender's connection is reset.
pub fn resets_the_first_answer(upstream: &str) -> SocketAddr {
    let upstream = upstream.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let Ok(mut stream) = stream else { return };
            let Some(request) = read_request(&mut stream) else { continue };
            let mut onward = TcpStream::connect(&upstream).unwrap();
            onward.write_all(&request).unwrap();
            let mut bytes = vec![0; 64 * 1024];
            let length = onward.read(&mut bytes).unwrap();
            assert!(length > 0, "the receiver answers");
            if number == 0 {
                rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
                drop(stream);
            } else {
                let _ = stream.write_all(&bytes[..length]);
            }
        }
    });
    address
}

fn read_request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    let mut bytes = [0; 16 * 1024];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) | Err(_) => return None,
            Ok(length) => request.extend_from_slice(&bytes[..length]),
        }
        let text = String::from_utf8_lossy(&request);
        let Some((head, _)) = text.split_once("\r\n\r\n") else { continue };
        let body: usize = head
            .lines()
            .find_map(|line| {
                line.to_ascii_lowercase().strip_prefix("content-length:").map(|n| n.trim().parse().unwrap())
            })
            .unwrap_or(0);
        if request.len() >= head.len() + 4 + body {
            return Some(request);
        }
    }
}
