//! Serial ports, over pseudo-terminals.

use std::os::unix::fs::symlink;
use std::time::Duration;

use rustix::termios::{InputModes, OptionalActions, tcgetattr, tcsetattr};
use smdrd::source::{Cause, Happening, IN_ERROR, LineErrors};

use crate::rig::{Pty, Running, source};

#[tokio::test]
async fn ports_open_with_every_common_setting_and_say_which() {
    let settings = [
        ("", "9600 8N1"),
        ("baud = 1200\ndata-bits = 7\nparity = 'even'", "1200 7E1"),
        ("baud = 300\ndata-bits = 7\nparity = 'odd'\nstop-bits = 2\nflow = 'software'", "300 7O2, XON/XOFF"),
        ("baud = 115200\nflow = 'hardware'\ndtr = true\nrts = true", "115200 8N1, RTS/CTS"),
    ];
    for (text, shown) in settings {
        let pty = Pty::new();
        let mut running =
            Running::start(vec![source(3, &format!("[serial]\npath = '{}'\n{text}", pty.path.display()))]);
        let Happening::Up { source: 3, connection, what, .. } = running.next().await else { panic!("not up") };
        assert_eq!(what, format!("{} at {shown}", pty.path.display()));
        pty.write(b"one\r\ntwo");
        running.expect(connection, b"one\r\ntwo").await;
        pty.write(b"\r\n");
        running.expect(connection, b"\r\n").await;
        assert!(matches!(&running.stop().await[..], [Happening::Down { cause: Cause::Stopping, .. }]));
    }
}

#[tokio::test]
async fn line_errors_are_asked_for_decoded_and_counted() {
    let pty = Pty::new();
    let mut running = Running::start(vec![source(1, &format!("[serial]\npath = '{}'", pty.path.display()))]);
    let connection = running.up(1).await;
    // The settings of the port can be read at its other end.
    let mut modes = tcgetattr(&pty.master).unwrap();
    assert!(modes.input_modes.contains(InputModes::INPCK | InputModes::PARMRK));
    assert!(!modes.input_modes.intersects(InputModes::IGNPAR | InputModes::IGNBRK | InputModes::ISTRIP));
    // With marking on, the kernel itself doubles a real FF.
    pty.write(b"a\xFFb\xFF\xFF");
    running.expect(connection, b"a\xFFb\xFF\xFF").await;
    // A pty makes no line errors of its own: let marks through as written.
    modes.input_modes.remove(InputModes::INPCK | InputModes::PARMRK);
    tcsetattr(&pty.master, OptionalActions::Now, &modes).unwrap();
    pty.write(b"12\xFF\x00\x33");
    pty.write(b"4\xFF");
    pty.write(b"\x00");
    pty.write(b"\x005\xFF\xFF6\xFF\x00\xFF7\r\n");
    let expected = [b'1', b'2', IN_ERROR, b'4', b'5', 0xFF, b'6', IN_ERROR, b'7', b'\r', b'\n'];
    let (bytes, errors) = running.bytes(connection, expected.len()).await;
    assert_eq!(bytes, expected);
    assert_eq!(errors, LineErrors { parity_or_framing: 2, breaks: 1 });
    // A break alone is told too, without bytes.
    pty.write(b"\xFF\x00\x00");
    let happening = running.next().await;
    let Happening::Bytes { bytes, errors, .. } = happening else { panic!("{happening:?}") };
    assert!(bytes.is_empty());
    assert_eq!(errors, LineErrors { parity_or_framing: 0, breaks: 1 });
}

#[tokio::test]
async fn an_unplugged_adapter_is_looked_for_by_its_path_without_spinning() {
    let folder = tempfile::tempdir().unwrap();
    let by_id = folder.path().join("usb-serial");
    let (first, second) = (Pty::new(), Pty::new());
    symlink(&first.path, &by_id).unwrap();
    let spec = source(1, &format!("[serial]\npath = '{}'", by_id.display())).with_locks(folder.path());
    let mut running = Running::start(vec![spec]);
    let connection = running.up(1).await;
    first.write(b"half a li");
    running.expect(connection, b"half a li").await;

    std::fs::remove_file(&by_id).unwrap();
    drop(first.master);
    assert_eq!(running.down(1).await, "unplugged");
    // Absent for three seconds: a loop that spins would try some hundred thousand times, one with a fixed pause of
    // 100 ms some thirty times.
    let mut attempts = 0;
    let absent = tokio::time::sleep(Duration::from_secs(3));
    tokio::pin!(absent);
    loop {
        tokio::select! {
            () = &mut absent => break,
            happening = running.next() => {
                let Happening::Waiting { cause, attempt, .. } = happening else { panic!("{happening:?}") };
                assert_eq!(cause, Cause::NotFound(by_id.clone()));
                attempts += 1;
                assert_eq!(attempt, attempts);
            }
        }
    }
    assert!((2..20).contains(&attempts), "{attempts} attempts");

    // The same path, another device: as when the kernel gives a new number.
    symlink(&second.path, &by_id).unwrap();
    let again = running.up(1).await;
    assert_ne!(again, connection);
    second.write(b"whole line\r\n");
    running.expect(again, b"whole line\r\n").await;
}

#[tokio::test]
async fn a_port_that_hangs_up_at_once_is_not_opened_in_a_loop() {
    // A pty whose master closes again right after each opening, as a broken adapter does.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("usb-serial");
    let mut running = Running::start(vec![source(1, &format!("[serial]\npath = '{}'", path.display()))]);
    let mut ups = 0;
    let end = tokio::time::sleep(Duration::from_secs(3));
    tokio::pin!(end);
    let mut pty = Pty::new();
    symlink(&pty.path, &path).unwrap();
    loop {
        tokio::select! {
            () = &mut end => break,
            happening = running.next() => match happening {
                Happening::Up { .. } => {
                    ups += 1;
                    std::fs::remove_file(&path).unwrap();
                    pty = Pty::new();
                    symlink(&pty.path, &path).unwrap();
                }
                Happening::Down { cause, .. } => assert_eq!(cause, Cause::Unplugged),
                other => panic!("{other:?}"),
            }
        }
    }
    assert!((2..20).contains(&ups), "{ups} times up");
}

#[tokio::test]
async fn one_device_serves_one_source_but_others_may_look_on() {
    let folder = tempfile::tempdir().unwrap();
    let pty = Pty::new();
    let other_name = folder.path().join("another-name");
    symlink(&pty.path, &other_name).unwrap();
    let direct = format!("[serial]\npath = '{}'", pty.path.display());
    let mut running = Running::start(vec![source(1, &direct).with_locks(folder.path())]);
    let connection = running.up(1).await;
    let linked = format!("[serial]\npath = '{}'", other_name.display());
    let mut second = Running::start(vec![source(2, &linked).with_locks(folder.path())]);
    let happening = second.next().await;
    let Happening::Waiting { source: 2, cause, attempt: 1, .. } = happening else { panic!("{happening:?}") };
    assert_eq!(cause, Cause::Busy(other_name.clone()));
    // A terminal program is not locked out.
    let onlooker = std::fs::File::options().read(true).write(true).open(&pty.path).unwrap();
    drop(onlooker);
    pty.write(b"ours\r\n");
    running.expect(connection, b"ours\r\n").await;
    // When the first lets go, the second takes over.
    running.stop().await;
    let connection = second.up(2).await;
    pty.write(b"theirs\r\n");
    second.expect(connection, b"theirs\r\n").await;
}

#[tokio::test]
async fn what_is_no_serial_port_is_said_to_be_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a-file");
    std::fs::write(&file, "x").unwrap();
    let cases = [
        (file.clone(), "not-serial"),
        (folder.path().to_owned(), "not-serial"),
        ("/dev/null".into(), "not-serial"),
        (file.join("x"), "not-found"),
        (folder.path().join("absent"), "not-found"),
    ];
    for (path, code) in cases {
        let mut running = Running::start(vec![source(1, &format!("[serial]\npath = '{}'", path.display()))]);
        assert_eq!(running.waiting(1).await, code, "{}", path.display());
    }
}

#[tokio::test]
async fn a_port_that_another_program_holds_alone_is_busy() {
    let pty = Pty::new();
    let holder = std::fs::File::options().read(true).write(true).open(&pty.path).unwrap();
    rustix::fs::flock(&holder, rustix::fs::FlockOperation::LockExclusive).unwrap();
    let mut running = Running::start(vec![source(1, &format!("[serial]\npath = '{}'", pty.path.display()))]);
    assert_eq!(running.waiting(1).await, "busy");
    drop(holder);
    running.up(1).await;
}
