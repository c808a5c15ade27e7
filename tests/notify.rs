//! What the service manager hears, over a real datagram socket. `NOTIFY_SOCKET` is set in a child process only: this
//! test starts itself again.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::process::Command;
use std::time::Duration;

/// Set in the child.
const CHILD: &str = "SMDRD_TEST_NOTIFIES";

#[test]
fn tells_when_it_is_the_child() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    smdrd::notify::ready();
    smdrd::notify::status("hears 2 PBXs\nREADY=0");
    smdrd::notify::watchdog();
    smdrd::notify::reloading();
    smdrd::notify::stopping();
    assert_eq!(smdrd::notify::watchdog_interval(), Some(Duration::from_secs(60)));
}

/// Whether the child told all and held what it asserts. Its own report is kept to itself: a runner reads ours.
fn tells(child: &mut Command) -> bool {
    child.output().unwrap().status.success()
}

fn child() -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "tells_when_it_is_the_child", "--nocapture"]).env(CHILD, "1");
    child.env("WATCHDOG_USEC", "60000000").env_remove("WATCHDOG_PID").env_remove("NOTIFY_SOCKET");
    child
}

fn hear(socket: &UnixDatagram) -> Vec<String> {
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut datagram = [0; 4096];
    let mut next = || {
        let length = socket.recv(&mut datagram).unwrap();
        String::from_utf8(datagram[..length].to_vec()).unwrap()
    };
    TOLD.map(|_| next()).to_vec()
}

const TOLD: [&str; 5] = ["READY=1", "STATUS=hears 2 PBXs READY=0", "WATCHDOG=1", "RELOADING=1", "STOPPING=1"];

#[test]
fn a_service_manager_behind_a_path_hears_it_all() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    assert!(tells(child().env("NOTIFY_SOCKET", &path)));
    assert_eq!(hear(&socket), TOLD);
}

#[test]
fn a_service_manager_behind_an_abstract_name_hears_it_all() {
    let name = format!("smdrd-test-{}", std::process::id());
    let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    assert!(tells(child().env("NOTIFY_SOCKET", format!("@{name}"))));
    assert_eq!(hear(&socket), TOLD);
}

#[test]
fn without_a_service_manager_nothing_happens() {
    assert!(tells(&mut child()));
}

#[test]
fn a_service_manager_that_is_gone_stops_nobody() {
    assert!(tells(child().env("NOTIFY_SOCKET", "/nonexistent/notify")));
}

#[test]
fn another_process_s_watchdog_is_not_ours() {
    // The child asserts an interval of 60 s; with another's pid there is none, so it must fail.
    assert!(!tells(child().env("WATCHDOG_PID", "1")));
}
