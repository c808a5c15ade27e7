//! A way to the receiver on which requests or answers are lost, as somebody says.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What becomes of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It goes through.
    Whole,
    /// The request never arrives.
    NoRequest,
    /// The request arrives and its answer does not.
    NoAnswer,
}

pub struct Lossy {
    pub url: String,
    way: Arc<Mutex<Way>>,
}

impl Lossy {
    pub fn to(address: &str) -> Lossy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let way = Arc::new(Mutex::new(Way::Whole));
        let (known, address) = (way.clone(), address.to_owned());
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let way = *known.lock().unwrap();
                let _ = carry(stream, &address, way);
            }
        });
        Lossy { url, way }
    }

    pub fn is(&self, way: Way) {
        *self.way.lock().unwrap() = way;
    }
}

/// One exchange a connection.
fn carry(mut client: TcpStream, address: &str, way: Way) -> std::io::Result<()> {
    let request = message(&mut client)?;
    if way == Way::NoRequest {
        return Ok(());
    }
    let mut server = TcpStream::connect(address)?;
    server.write_all(&request)?;
    let mut answer = message(&mut server)?;
    if way == Way::NoAnswer {
        return Ok(());
    }
    // The next exchange is another connection's.
    let head = answer.windows(2).position(|two| two == b"\r\n").unwrap_or(0);
    answer.splice(head..head, *b"\r\nconnection: close");
    client.write_all(&answer)
}

/// Head and body of a message whose length it says.
fn message(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        bytes.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&bytes).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    bytes.extend(body);
    Ok(bytes)
}
