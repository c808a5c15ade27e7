//! The installer, typing.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::OpenptFlags;
use smdrd::simulator::serial::SerialPort;

use super::authority::Authority;
use super::feed::{Feed, TOKEN};
use super::place::{Place, WITHIN, wait_for};

/// A terminal with the program on it.
struct Terminal {
    master: File,
    child: Child,
    screen: Arc<Mutex<Vec<u8>>>,
    /// Whether the program is gone and all it wrote is on the screen.
    drained: Arc<AtomicBool>,
    /// What of the screen has been looked at.
    read: usize,
}

impl Terminal {
    fn start(mut command: std::process::Command) -> Terminal {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let master = rustix::pty::openpt(flags).unwrap();
        rustix::pty::grantpt(&master).unwrap();
        rustix::pty::unlockpt(&master).unwrap();
        let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags).unwrap();
        command.stdin(Stdio::from(slave.try_clone().unwrap())).stdout(Stdio::from(slave.try_clone().unwrap()));
        command.stderr(Stdio::from(slave));
        let child = command.spawn().unwrap();
        drop(command);
        let master = File::from(master);
        let screen = Arc::new(Mutex::new(Vec::new()));
        let drained = Arc::new(AtomicBool::new(false));
        let (mut from, to, end) = (master.try_clone().unwrap(), Arc::clone(&screen), Arc::clone(&drained));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // When the program is gone a read fails.
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                to.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
            end.store(true, Ordering::SeqCst);
        });
        Terminal { master, child, screen, drained, read: 0 }
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    /// Whether `text` has come since what was looked at last, within so long.
    fn shows(&mut self, text: &str, within: Duration) -> bool {
        let deadline = Instant::now() + within;
        loop {
            // Asked first: what is on the screen then is all there will be.
            let is_over = self.drained.load(Ordering::SeqCst);
            let screen = self.screen.lock().unwrap().clone();
            let found = screen[self.read..].windows(text.len()).position(|window| window == text.as_bytes());
            if let Some(at) = found {
                self.read += at + text.len();
                return true;
            }
            if Instant::now() >= deadline || is_over {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    fn expect(&mut self, text: &str) {
        assert!(self.shows(text, WITHIN), "{text:?} did not come:\n{}", self.screen());
    }

    /// Types a line when the question is there.
    #[track_caller]
    fn answer(&mut self, question: &str, line: &str) {
        self.expect(question);
        self.type_line(line);
    }

    fn type_line(&mut self, line: &str) {
        self.master.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// The exit code, when all that was written is on the screen.
    fn ended(&mut self) -> Option<i32> {
        let status = wait_for("the end", || self.child.try_wait().unwrap());
        wait_for("the last words", || self.drained.load(Ordering::SeqCst).then_some(()));
        status.code()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines of a HiPath 3000, each with the number 10 further on.
const OFFERED: &str = "04.03.2409:00:12  1   201             07700900201                          0\r\n";
const ANSWERED: &str =
    "04.03.2409:01:02  1   20100:0900:00:4107700900202                          1                960100\r\n";
const LOST: &str =
    "04.03.2409:02:30  2   20201:13        07700900203                          1                960100\r\n";
const MADE: &str = "04.03.2409:12:01  3   203     00:02:1001632960204                          2\r\n";
const FIRST_LEG: &str = "31.01.2415:23:58  9   25000:0500:00:0707700900205                         1\r\n";
const SECOND_LEG: &str = "31.01.2415:24:25  9   110     00:00:2607700900205                        35\r\n";
const CALLERS: [&str; 5] = ["07700900201", "07700900202", "07700900203", "01632960204", "07700900205"];

fn print(pbx: &mut SerialPort, lines: &[&str]) {
    wait_for("the serial line", || pbx.attended().then_some(()));
    assert!(pbx.print(&lines.concat(), &AtomicBool::new(false)));
}

#[test]
fn an_installer_comes_from_the_cable_to_a_daemon_that_hears() {
    let place = Place::new();
    let mut pbx = SerialPort::open().unwrap();
    let authority = Authority::new(place.dir.path(), "authority");
    std::fs::create_dir(place.path("supplier")).unwrap();
    let feed = Feed::start(&place.path("supplier"), Some(&authority.identity("localhost")));
    let mut command = place.command();
    command.args(["--credential", "plain", "--ca-file"]).arg(&authority.file);
    let mut terminal = Terminal::start(command);

    terminal.answer("Number, path of a device, l or c: ", "99");
    terminal.expect("that is not on the list");
    let device = pbx.path().display().to_string();
    terminal.answer("Number, path of a device, l or c: ", &device);
    terminal.expect("listening at 9600 baud");
    // Calls of a morning, until there is enough to be certain.
    let deadline = Instant::now() + WITHIN;
    loop {
        print(&mut pbx, &[OFFERED, ANSWERED, LOST, MADE]);
        if terminal.shows("for certain (siemens-hipath3000", Duration::from_secs(60)) {
            break;
        }
        assert!(Instant::now() < deadline, "{}", terminal.screen());
    }
    terminal.expect("  > 09:12:01 a call out on trunk 3 at station 203");

    terminal.answer("Make the three test calls now (yes or no) [yes]: ", "");
    terminal.expect("Call 1 of 3");
    terminal.expect("connected: ");
    print(&mut pbx, &[LOST]);
    terminal.expect("not answered: seen, with all there is to see");
    // Nothing comes of the second: Enter says that it is over, a second Enter that nothing more is expected.
    terminal.expect("Call 2 of 3");
    terminal.type_line("");
    terminal.expect("for its lines");
    terminal.type_line("");
    terminal.expect("answered: NOT seen");
    terminal.expect("at the PBX: Manager E: the call charge flag for incoming calls");
    terminal.answer("Make this call again (yes or no) [no]: ", "yes");
    terminal.expect("Call 2 of 3");
    print(&mut pbx, &[ANSWERED]);
    terminal.expect("answered: seen, with all there is to see");
    terminal.expect("Call 3 of 3");
    print(&mut pbx, &[FIRST_LEG, SECOND_LEG]);
    terminal.expect("transferred: seen, with all there is to see");

    terminal.answer("ODS code of the practice: ", "a81001");
    terminal.expect("write \"A81001\"");
    terminal.answer("ODS code of the practice: ", "A81001");
    terminal.answer("Site, when the practice has several [main]: ", "");
    terminal.answer("A name for the PBX [pbx]: ", "reception-pbx");
    terminal.answer("01632960500): ", "960100");
    terminal.expect("national form");
    terminal.answer("01632960500): ", "01632960100-01632960199");
    terminal.answer("Digits dialled for an outside line (empty: none): ", "9");
    terminal.expect("Heard so far: 201, 202, 203.");
    terminal.answer("Hunt groups: ", "500, 501");
    terminal.answer("Menus and announcements: ", "");
    terminal.answer("Voicemail: ", "500");
    terminal.expect("500 is hunt-group already");
    terminal.answer("Voicemail: ", "599");
    for question in ["Fax machines: ", "Alarm lines: ", "Lift telephones: ", "Door stations: "] {
        terminal.answer(question, "");
    }
    terminal.answer("be called back (yes or no): ", "maybe");
    terminal.expect("type yes or no");
    terminal.answer("be called back (yes or no): ", "no");
    terminal.answer("before they reach a person (yes or no): ", "yes");
    terminal.answer("URL of the supplier (empty: none): ", &feed.https());
    terminal.answer("before it is sent (yes or no) [no]: ", "");
    terminal.answer("(it is not shown): ", "two words");
    terminal.expect("the token holds blanks");
    terminal.answer("(it is not shown): ", TOKEN);
    terminal.expect("The supplier knows this box and the practice");
    terminal.expect("Next: ");
    assert_eq!(terminal.ended(), Some(0), "{}", terminal.screen());

    let screen = terminal.screen();
    assert!(!screen.contains(TOKEN), "the token was shown: {screen}");
    for caller in CALLERS {
        assert!(!screen.contains(caller), "{caller} was shown: {screen}");
    }
    let config = place.text("etc/smdrd/smdrd.toml");
    for expected in
        ["\"501\" = \"hunt-group\"", "\"599\" = \"voicemail\"", "auto-attendant = true", "baud = 9600", &device]
    {
        assert!(config.contains(expected), "{expected:?} in {config}");
    }
    assert_eq!(place.text("etc/credstore/supplier-token"), TOKEN);
    assert!(!place.path("state").exists(), "a test call was stored");

    let _daemon = place.daemon();
    print(&mut pbx, &[LOST, ANSWERED]);
    wait_for("the calls", || (place.status()["lines"]["records"] == 2).then_some(()));
    assert_eq!(place.status()["sources"][0]["name"], "reception-pbx");
}

#[test]
fn ctrl_c_at_the_token_leaves_the_terminal_seeing_and_nothing_written() {
    let place = Place::new();
    let mut command = place.command();
    command.args(super::scripted::quick(&place)).args(["--supplier", "https://feed.supplier.invalid"]);
    let mut terminal = Terminal::start(command);
    // The rest of the questions have an answer in an empty line.
    while !terminal.shows("(it is not shown): ", Duration::from_millis(500)) {
        assert!(terminal.child.try_wait().unwrap().is_none(), "{}", terminal.screen());
        terminal.type_line("");
    }
    let echoes = |terminal: &Terminal| {
        rustix::termios::tcgetattr(&terminal.master).unwrap().local_modes.contains(rustix::termios::LocalModes::ECHO)
    };
    // On a busy machine an empty line may have gone to this question already, which is then asked once more.
    wait_for("a question whose answer is not shown", || (!echoes(&terminal)).then_some(()));
    terminal.master.write_all(b"half-a-token\x03").unwrap();
    let code = terminal.ended();
    assert_eq!(code, Some(1), "{}", terminal.screen());
    assert!(echoes(&terminal), "the terminal stays blind");
    let screen = terminal.screen();
    assert!(
        screen.contains("ended at the terminal; nothing was written") && !screen.contains("half-a-token"),
        "{screen}"
    );
    assert!(!place.path("etc").exists());
}
