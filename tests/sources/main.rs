//! Sources over the real thing: pseudo-terminals and sockets.

mod accounting;
mod folder;
mod nec;
mod panasonic;
mod relay;
mod rig;
mod serial;
mod tcp_connect;
mod tcp_listen;
mod tftp;

use smdrd::source::{Happening, LineErrors, Spec, SpecError};

#[test]
fn a_happening_does_not_show_the_bytes_it_carries() {
    let happening = Happening::Bytes {
        source: 1,
        at: jiff::Timestamp::UNIX_EPOCH,
        connection: 1,
        bytes: b"07700900123".to_vec(),
        errors: LineErrors::default(),
    };
    let shown = format!("{happening:?}");
    assert!(!shown.contains("0900") && !shown.contains("48, 55"), "{shown}");
    assert!(shown.contains("11 bytes"), "{shown}");
}

#[test]
fn a_source_needs_exactly_one_way_in() {
    let none = toml::from_str("name = 'pbx'\ndialect = 'x'").unwrap();
    assert!(matches!(Spec::from_config(1, &none), Err(SpecError::Ways { count: 0, .. })));
    let two = "name = 'pbx'\ndialect = 'x'\nserial.path = '/dev/null'\ntcp-connect = { host = 'h', port = 1 }";
    assert!(matches!(Spec::from_config(1, &toml::from_str(two).unwrap()), Err(SpecError::Ways { count: 2, .. })));
}
