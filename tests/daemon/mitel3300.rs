//! A Mitel 3300 waits for the logger on its port (1752 by default): the box is the client, and comes again.

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;

use serde_json::Value;

use super::promises::assert_identities;
use super::rig::{Rig, SITE, clock, wait_for};

#[test]
fn records_of_every_length_come_over_its_port_and_after_the_link_broke() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let source = format!(
        "[[source]]\nname = \"mitel\"\ndialect = \"mitel-3300\"\ntcp-connect = {{ host = \"127.0.0.1\", port = {port} }}\n"
    );
    let rig = Rig::new(&format!("{SITE}{source}"), &[]);
    let daemon = rig.run(&clock("2026-11-20T15:00:00Z", 1));
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialects/mitel-3300");
    let mut records = 0;
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let pair: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        if pair.get("options").is_some_and(|options| options.as_object().is_some_and(|options| !options.is_empty())) {
            continue;
        }
        // Each on a link of its own: the PBX ends it, and the box comes again.
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(&std::fs::read(path.with_extension("smdr")).unwrap()).unwrap();
        drop(stream);
        records += pair["records"].as_array().unwrap().len();
        wait_for("the records", || (rig.status()["lines"]["records"] == records).then_some(()));
    }
    assert!(records > 10, "{records}");
    let status = rig.status();
    assert_eq!(status["lines"]["unparsed"], 0, "{status:#}");
    assert_identities(&status);
    daemon.stop();
}
