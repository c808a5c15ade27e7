//! A proxy that is asked to connect (RFC 9110, 9.3.6), on a real socket.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What was asked of the proxy.
pub type Asked = Arc<Mutex<Vec<String>>>;

/// Connects whoever names `credentials` (base64), or anybody when there are none; others get `refusal`.
pub fn proxy(credentials: Option<&'static str>, refusal: &'static str) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Asked::default();
    let noted = asked.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let noted = noted.clone();
            std::thread::spawn(move || tunnel(stream, credentials, refusal, &noted));
        }
    });
    (url, asked)
}

fn tunnel(mut stream: TcpStream, credentials: Option<&str>, refusal: &str, noted: &Mutex<Vec<String>>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if stream.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    noted.lock().unwrap().push(head.clone());
    let allowed = credentials.is_none_or(|credentials| {
        head.lines().any(|line| line.eq_ignore_ascii_case(&format!("proxy-authorization: Basic {credentials}")))
    });
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next()).map(str::to_owned);
    let onward = target.filter(|_| allowed && refusal.is_empty()).and_then(|target| TcpStream::connect(target).ok());
    let Some(onward) = onward else {
        let refusal = if allowed { refusal } else { "407 Proxy Authentication Required" };
        let _ = write!(stream, "HTTP/1.1 {refusal}\r\ncontent-length: 0\r\n\r\n");
        return;
    };
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
    let (mut from, mut to) = (stream.try_clone().unwrap(), onward.try_clone().unwrap());
    let there = std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let (mut from, mut to) = (onward, stream);
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
    let _ = there.join();
}
