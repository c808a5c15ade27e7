//! Wires that can be broken: serial lines that come and go, and links over which any byte is sent.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::pty::OpenptFlags;
use rustix::termios::{InputModes, OptionalActions, tcgetattr, tcsetattr};

use super::lines::Ip;
use super::rig::{Rig, wait_for};

pub fn listen(name: &str, dialect: &str, port: u16, allow: &str) -> String {
    format!(
        "[[source]]\nname = \"{name}\"\ndialect = \"{dialect}\"\n\
         [source.tcp-listen]\naddress = \"127.0.0.1:{port}\"\nallow = [\"{allow}\"]\n"
    )
}

pub fn serial(name: &str, dialect: &str, path: &Path, more: &str) -> String {
    let path = path.display();
    format!("[[source]]\nname = \"{name}\"\ndialect = \"{dialect}\"\n[source.serial]\npath = \"{path}\"\n{more}\n")
}

/// Calls the box.
pub fn call(port: u16) -> TcpStream {
    let to = SocketAddr::from(([127, 0, 0, 1], port));
    let link = wait_for("the listener", || TcpStream::connect(to).ok());
    link.set_nodelay(true).unwrap();
    link.set_write_timeout(Some(Duration::from_secs(60))).unwrap();
    link
}

/// The `number`th call of a busy practice, one every ten seconds.
pub fn numbered(number: u32) -> String {
    since(jiff::civil::date(2026, 11, 5), number)
}

/// The same, the first on this day.
pub fn since(first: jiff::civil::Date, number: u32) -> String {
    let at = first.at(0, 0, 0, 0) + jiff::SignedDuration::from_secs(10 * i64::from(number));
    let at = at.strftime("%Y/%m/%d %H:%M:%S").to_string();
    Ip { at: &at, cli: &format!("07700900{:03}", number % 1000), id: number, ..Ip::default() }.line()
}

pub fn all(from: u32, to: u32) -> String {
    (from..to).map(|number| numbered(number) + "\r\n").collect()
}

/// The numbers of the records that are stored of a source, in the order in which they came.
pub fn numbers(rig: &Rig, source: &str) -> Vec<u32> {
    let db = rig.db();
    let sql = "SELECT CAST(json_extract(record, '$.call_id') AS INTEGER) FROM line
               WHERE kind = 0 AND source = (SELECT id FROM source WHERE name = ?1) ORDER BY seq";
    let mut query = db.prepare(sql).unwrap();
    query.query_map([source], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Waits until this many lines of every kind are stored, without asking the daemon.
#[track_caller]
pub fn stored(rig: &Rig, lines: i64) {
    wait_for(&format!("{lines} lines"), || {
        let stored = rig.count("SELECT count(*) FROM line");
        assert!(stored <= lines, "{stored} of {lines} lines: {}", rig.log());
        (stored == lines).then_some(())
    });
}

/// The reasons of lines that are not understood, in order.
pub fn reasons(rig: &Rig) -> Vec<String> {
    let db = rig.db();
    let mut query = db.prepare("SELECT reason FROM line WHERE kind = 5 ORDER BY seq").unwrap();
    query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

/// Processor time that a process has used, in seconds.
pub fn used(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: f64 = fields[11..13].iter().map(|field| field.parse::<f64>().unwrap()).sum();
    // Linux counts in hundredths of a second there, whatever its own tick is.
    ticks / 100.0
}

/// Memory of its own that a process has in use, in KiB: without the pages of the program's file, which for one that was built
/// for tests are many and can always be let go.
pub fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Sockets that a process has open: its links, and what it listens on. Files that it opens now and then are none.
pub fn sockets(process: u32) -> usize {
    let open = std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().flatten();
    let is_socket = |entry: &std::fs::DirEntry| {
        std::fs::read_link(entry.path()).is_ok_and(|to| to.to_string_lossy().starts_with("socket:"))
    };
    open.filter(is_socket).count()
}

pub fn descriptors(process: u32) -> usize {
    std::fs::read_dir(format!("/proc/{process}/fd")).unwrap().count()
}

/// A PBX's end of a serial line.
pub struct Pty {
    master: File,
    pub path: PathBuf,
}

impl Pty {
    pub fn new() -> Pty {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let path = PathBuf::from(rustix::pty::ptsname(&master, Vec::new()).unwrap().to_string_lossy().into_owned());
        let slave: OwnedFd = rustix::pty::ioctl_tiocgptpeer(&master, flags).unwrap();
        let mut settings = tcgetattr(&slave).unwrap();
        settings.make_raw();
        tcsetattr(&slave, OptionalActions::Now, &settings).unwrap();
        drop(slave);
        rustix::fs::fcntl_setfl(&master, rustix::fs::OFlags::RDWR | rustix::fs::OFlags::NONBLOCK).unwrap();
        Pty { master: File::from(master), path }
    }

    /// Waits until the box is at the other end.
    #[track_caller]
    pub fn attended(&mut self) {
        wait_for("the box at the serial line", || {
            let mut said = [0; 256];
            loop {
                match self.master.read(&mut said) {
                    Ok(0) => return None,
                    Ok(_) => {}
                    Err(reason) => {
                        // The last that it sets up on a line is that errors are marked.
                        let modes = tcgetattr(&self.master).unwrap().input_modes;
                        let set = modes.contains(InputModes::INPCK | InputModes::PARMRK);
                        return (reason.kind() == ErrorKind::WouldBlock && set).then_some(());
                    }
                }
            }
        });
    }

    /// A pseudo-terminal makes no line errors: from now on the marks of a kernel that does are let through as they are
    /// sent. The box has opened the line, and asked for them.
    pub fn send_marks(&self) {
        let mut settings = tcgetattr(&self.master).unwrap();
        settings.input_modes.remove(InputModes::INPCK | InputModes::PARMRK);
        tcsetattr(&self.master, OptionalActions::Now, &settings).unwrap();
    }

    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        wait_for("room on the serial line", || {
            while !rest.is_empty() {
                match self.master.write(rest) {
                    Ok(count) => rest = &rest[count..],
                    Err(reason) if reason.kind() == ErrorKind::WouldBlock => return None,
                    Err(reason) => panic!("the serial line: {reason}"),
                }
            }
            Some(())
        });
    }
}

/// Numbers that look random and are the same in each run.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn byte(&mut self) -> u8 {
        (self.next() >> 24) as u8
    }
}
