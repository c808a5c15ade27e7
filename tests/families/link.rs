//! The PBX's end of its link to the box: what really carries the lines.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use smdrd::simulator::serial::SerialPort;

use crate::rig::{free_port, wait_for};
use crate::stage::Printed;

/// How a PBX hands its lines over.
pub trait Link {
    /// What the configuration says of it: the tables below `[[source]]`.
    fn table(&self) -> String;
    /// Waits until the box is at the other end.
    fn connect(&mut self);
    /// Hands a line over.
    fn send(&mut self, line: &Printed);
    /// Hands over the lines of one record, which no pause may part: after a few seconds of silence it would be over.
    fn send_record(&mut self, lines: &[Printed]) {
        lines.iter().for_each(|line| self.send(line));
    }
    /// Hands over what it has kept back, when the day is done.
    fn finish(&mut self) {}
}

/// What a line looks like on the wire.
pub type Wrap = fn(&str) -> Vec<u8>;

/// What stands before the first line of a page: a line of its own to whoever reads it, but without an end.
pub const FORM_FEED: &str = "\x0C";

/// A line with CR and LF.
pub fn cr_lf(text: &str) -> Vec<u8> {
    if text == FORM_FEED { text.as_bytes().to_vec() } else { format!("{text}\r\n").into_bytes() }
}

/// A serial port, as a pseudo-terminal.
pub struct Serial {
    port: SerialPort,
    settings: &'static str,
    wrap: Wrap,
}

impl Serial {
    /// With the keys of its table beside the path: `baud = 9600` and the like.
    pub fn boxed(settings: &'static str, wrap: Wrap) -> Box<dyn Link> {
        Box::new(Serial { port: SerialPort::open().unwrap(), settings, wrap })
    }
}

impl Link for Serial {
    fn table(&self) -> String {
        format!("[source.serial]\npath = \"{}\"\n{}\n", self.port.path().display(), self.settings)
    }

    fn connect(&mut self) {
        wait_for("the serial line", || self.port.attended().then_some(()));
    }

    fn send(&mut self, line: &Printed) {
        self.send_record(std::slice::from_ref(line));
    }

    fn send_record(&mut self, lines: &[Printed]) {
        let bytes = lines.iter().flat_map(|line| (self.wrap)(&line.text)).collect();
        let text = String::from_utf8(bytes).expect("what a PBX prints on a serial line is ASCII here");
        assert!(self.port.print(&text, &AtomicBool::new(false)), "the serial line broke");
    }
}

/// A PBX that connects to the box.
pub struct Connects {
    port: u16,
    stream: Option<TcpStream>,
    wrap: Wrap,
}

impl Connects {
    /// Not connected yet.
    pub fn boxed(wrap: Wrap) -> Box<dyn Link> {
        Box::new(Connects { port: free_port(), stream: None, wrap })
    }
}

impl Link for Connects {
    fn table(&self) -> String {
        format!("[source.tcp-listen]\naddress = \"127.0.0.1:{}\"\nallow = [\"127.0.0.1\"]\n", self.port)
    }

    fn connect(&mut self) {
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        self.stream = Some(wait_for("the listener", || TcpStream::connect(address).ok()));
    }

    fn send(&mut self, line: &Printed) {
        self.stream.as_mut().unwrap().write_all(&(self.wrap)(&line.text)).unwrap();
    }
}

/// A PBX that waits for the box, and may want a log-in.
pub struct Listens {
    listener: TcpListener,
    /// What the box must say first.
    login: &'static [u8],
    stream: Option<TcpStream>,
    wrap: Wrap,
}

impl Listens {
    /// Waiting; `login` is what it must hear before it prints.
    pub fn boxed(login: &'static [u8], wrap: Wrap) -> Box<dyn Link> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Box::new(Listens { listener, login, stream: None, wrap })
    }
}

impl Link for Listens {
    fn table(&self) -> String {
        let port = self.listener.local_addr().unwrap().port();
        format!("[source.tcp-connect]\nhost = \"127.0.0.1\"\nport = {port}\n")
    }

    fn connect(&mut self) {
        self.listener.set_nonblocking(true).unwrap();
        let (mut stream, _) = wait_for("the box as a client", || self.listener.accept().ok());
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut heard = vec![0; self.login.len()];
        stream.read_exact(&mut heard).unwrap();
        assert_eq!(heard, self.login, "the log-in");
        self.stream = Some(stream);
    }

    fn send(&mut self, line: &Printed) {
        self.stream.as_mut().unwrap().write_all(&(self.wrap)(&line.text)).unwrap();
    }
}

/// A PBX that puts what it has kept as files by TFTP, when enough has gathered.
pub struct Tftp {
    port: u16,
    kept: Vec<u8>,
    lines: usize,
    files: usize,
    wrap: Wrap,
}

/// Records that a PBX gathers before it puts a file.
const GATHERED: usize = 40;

impl Tftp {
    /// Nothing kept yet.
    pub fn boxed(wrap: Wrap) -> Box<dyn Link> {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Box::new(Tftp { port, kept: Vec::new(), lines: 0, files: 0, wrap })
    }

    /// Puts a file, from the first request on again where an answer does not come (RFC 1350).
    fn put(&mut self) {
        let to = SocketAddr::from(([127, 0, 0, 1], self.port));
        let file = std::mem::take(&mut self.kept);
        self.lines = 0;
        self.files += 1;
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
        let mut packet = [0; 600];
        let mut answer = |message: &[u8], peer: SocketAddr, block: u16| -> Option<SocketAddr> {
            socket.send_to(message, peer).unwrap();
            let (length, from) = socket.recv_from(&mut packet).ok()?;
            (packet[..length] == [&[0, 4], &block.to_be_bytes()[..]].concat()).then_some(from)
        };
        let request = [b"\x00\x02", format!("gc{:04}.txt", self.files).as_bytes(), b"\x00octet\x00"].concat();
        let peer = wait_for("the TFTP receiver", || answer(&request, to, 0));
        let mut blocks: Vec<&[u8]> = file.chunks(512).collect();
        if file.len().is_multiple_of(512) {
            blocks.push(&[]);
        }
        for (number, data) in (1_u16..).zip(blocks) {
            let message = [&[0, 3], &number.to_be_bytes()[..], data].concat();
            wait_for("the block's answer", || answer(&message, peer, number));
        }
    }
}

impl Link for Tftp {
    fn table(&self) -> String {
        format!("[source.tftp]\naddress = \"127.0.0.1:{}\"\nallow = [\"127.0.0.1\"]\n", self.port)
    }

    fn connect(&mut self) {}

    fn send(&mut self, line: &Printed) {
        self.kept.extend((self.wrap)(&line.text));
        self.lines += 1;
        if self.lines >= GATHERED {
            self.put();
        }
    }

    fn finish(&mut self) {
        if self.lines > 0 {
            self.put();
        }
    }
}
