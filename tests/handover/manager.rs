//! A service manager as far as the daemon can tell: it listens on `NOTIFY_SOCKET`, keeps what it is given
//! (`FDSTORE=1`), closes what it is told to (`FDSTOREREMOVE=1`), and starts the daemon again with all of it
//! (`LISTEN_FDS`), as systemd does.

use std::collections::BTreeMap;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use command_fds::{CommandFdExt, FdMapping};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Pid, Signal, kill_process};

use crate::rig::{Rig, wait_for};

/// What the manager has been told.
#[derive(Default)]
struct Heard {
    /// What it keeps, in the order in which it came.
    store: Vec<(String, OwnedFd)>,
    /// Everything else, line by line.
    said: Vec<String>,
}

pub struct Manager {
    socket: PathBuf,
    heard: Arc<Mutex<Heard>>,
    ended: Arc<AtomicBool>,
    /// What is said to the daemon besides.
    pub environment: BTreeMap<&'static str, String>,
    /// The daemon's clock.
    pub clock: String,
    child: Option<Child>,
}

impl Manager {
    pub fn new(rig: &Rig, clock: &str) -> Manager {
        let socket = rig.path("notify");
        let ours = UnixDatagram::bind(&socket).unwrap();
        ours.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let (heard, ended) = (Arc::<Mutex<Heard>>::default(), Arc::<AtomicBool>::default());
        let (to, until) = (Arc::clone(&heard), Arc::clone(&ended));
        std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                hear(&ours, &to);
            }
        });
        Manager { socket, heard, ended, environment: BTreeMap::new(), clock: clock.to_owned(), child: None }
    }

    /// Starts the daemon with everything that is kept, and waits until it is ready.
    #[track_caller]
    pub fn start(&mut self, rig: &Rig) {
        self.launch(rig);
        wait_for("READY=1", || {
            let child = self.child.as_mut().unwrap();
            assert_eq!(child.try_wait().unwrap(), None, "{}", rig.log());
            self.has_said("READY=1").then_some(())
        });
    }

    /// Starts the daemon with everything that is kept.
    pub fn launch(&mut self, rig: &Rig) {
        assert!(self.child.is_none());
        let log = std::fs::OpenOptions::new().create(true).append(true).open(rig.path("log")).unwrap();
        let mut heard = self.heard.lock().unwrap();
        heard.said.clear();
        let names: Vec<&str> = heard.store.iter().map(|(name, _)| name.as_str()).collect();
        // The shell's process becomes the daemon's, so its number is the one to say.
        let mut command = Command::new("sh");
        command.args(["-c", "LISTEN_PID=$$ exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_smdrd"), "run", "--config"]);
        command.arg(rig.write_config()).args(["--clock", &self.clock]);
        command.env("LISTEN_FDS", names.len().to_string()).env("LISTEN_FDNAMES", names.join(":"));
        command.env("NOTIFY_SOCKET", &self.socket).env_remove("JOURNAL_STREAM").env_remove("SMDRD_LOG");
        command.env_remove("WATCHDOG_USEC").env_remove("WATCHDOG_PID").env_remove("FDSTORE").envs(&self.environment);
        let mapped = heard.store.iter().enumerate().map(|(at, (_, descriptor))| FdMapping {
            parent_fd: descriptor.try_clone().unwrap(),
            child_fd: 3 + i32::try_from(at).unwrap(),
        });
        command.fd_mappings(mapped.collect()).unwrap();
        drop(heard);
        self.child = Some(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap());
    }

    /// Sends the daemon a signal.
    #[allow(dead_code)]
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self.child.as_ref().unwrap()), signal).unwrap();
    }

    /// The number of the daemon's process.
    #[allow(dead_code)]
    pub fn process(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Ends the daemon with a signal, and waits until everything that it said has been acted upon.
    #[track_caller]
    pub fn end(&mut self, signal: Signal) -> ExitStatus {
        let mut child = self.child.take().unwrap();
        kill_process(Pid::from_child(&child), signal).unwrap();
        let status = wait_for("the daemon's end", || child.try_wait().unwrap());
        let ours = UnixDatagram::unbound().unwrap();
        ours.send_to(b"END", &self.socket).unwrap();
        wait_for("the last word", || self.has_said("END").then_some(()));
        status
    }

    /// Stops it as a restart does.
    #[track_caller]
    pub fn stop(&mut self) {
        assert_eq!(self.end(Signal::TERM).code(), Some(0));
        assert!(self.has_said("STOPPING=1"));
    }

    /// As `systemctl restart`.
    #[track_caller]
    pub fn restart(&mut self, rig: &Rig) {
        self.stop();
        self.start(rig);
    }

    pub fn has_said(&self, line: &str) -> bool {
        self.heard.lock().unwrap().said.iter().any(|said| said == line)
    }

    /// What was said under this key since the start.
    pub fn said(&self, key: &str) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard.said.iter().filter_map(|said| Some(said.strip_prefix(key)?.strip_prefix('=')?.to_owned())).collect()
    }

    /// The names of what is kept, without digest and number, in order.
    pub fn kept(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        let mut kinds: Vec<String> =
            heard.store.iter().map(|(name, _)| name.split('-').next().unwrap().to_owned()).collect();
        kinds.sort();
        kinds
    }

    /// Closes everything that is kept, as when the service is stopped for good.
    pub fn forget_all(&self) {
        self.heard.lock().unwrap().store.clear();
    }

    /// What is in a socket's buffer that is kept under this name: a look without taking.
    pub fn peek(&self, kind: &str) -> Vec<u8> {
        let heard = self.heard.lock().unwrap();
        let (_, descriptor) = heard.store.iter().find(|(name, _)| name == kind).unwrap();
        let mut room = vec![0; 1 << 20];
        let (read, _) = rustix::net::recv(descriptor, room.as_mut_slice(), RecvFlags::PEEK).unwrap();
        room.truncate(read);
        room
    }

    /// Puts another text in place of the one in the buffer of the socket that is kept under this name.
    pub fn put(&self, kind: &str, text: &[u8]) {
        let (mut ours, kept) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        std::io::Write::write_all(&mut ours, text).unwrap();
        let mut heard = self.heard.lock().unwrap();
        let (_, descriptor) = heard.store.iter_mut().find(|(name, _)| name == kind).unwrap();
        *descriptor = kept.into();
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn hear(socket: &UnixDatagram, heard: &Mutex<Heard>) {
    let mut text = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(socket, &mut [IoSliceMut::new(&mut text)], &mut control, RecvFlags::CMSG_CLOEXEC);
    let Ok(received) = received else { return };
    let mut descriptors: Vec<OwnedFd> = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    let text = std::str::from_utf8(&text[..received.bytes]).unwrap();
    let tags: Vec<&str> = text.lines().collect();
    let name = tags.iter().find_map(|tag| tag.strip_prefix("FDNAME="));
    if let Some(name) = name {
        let plain = name.chars().all(|letter| letter.is_ascii_graphic() && letter != ':');
        assert!(plain && name.len() <= 255, "{name:?} is no name for systemd");
    }
    let mut heard = heard.lock().unwrap();
    if tags.contains(&"FDSTOREREMOVE=1") {
        heard.store.retain(|(kept, _)| Some(kept.as_str()) != name);
    } else if tags.contains(&"FDSTORE=1") {
        // Without this, systemd would close a link as soon as its other end has.
        assert!(tags.contains(&"FDPOLL=0"), "{text:?}");
        assert!(!descriptors.is_empty(), "{text:?} without a descriptor");
        heard.store.extend(descriptors.into_iter().map(|descriptor| (name.unwrap().to_owned(), descriptor)));
    } else {
        // `BARRIER=1` is answered by closing what came with it.
        heard.said.extend(tags.iter().map(|tag| (*tag).to_owned()));
    }
}
