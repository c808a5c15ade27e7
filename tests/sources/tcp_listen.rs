//! PBXs that call us. On Linux every address of 127.0.0.0/8 is this machine, so each PBX has its own.

use smdrd::source::{Cause, Happening, Spec};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::rig::{Running, call_from, soon, source};

fn listen(id: u16, address: &str, allow: &[&str]) -> Spec {
    source(id, &format!("[tcp-listen]\naddress = '{address}'\nallow = {allow:?}"))
}

#[tokio::test]
async fn two_pbxs_on_one_address_are_told_apart() {
    let mut running = Running::start(vec![
        listen(1, "127.0.0.1:0", &["127.0.0.2"]),
        listen(2, "127.0.0.1:0", &["127.0.0.3", "127.0.0.4"]),
    ]);
    let address = running.listening(1).await;
    assert_eq!(running.listening(2).await, address);
    let mut north = call_from("127.0.0.2", address).await;
    let one = running.up(1).await;
    let mut south = call_from("127.0.0.4", address).await;
    let two = running.up(2).await;
    assert_ne!(one, two);
    north.write_all(b"north 1\r\nnor").await.unwrap();
    running.expect(one, b"north 1\r\nnor").await;
    south.write_all(b"south 1\r\n").await.unwrap();
    running.expect(two, b"south 1\r\n").await;
    north.write_all(b"th 2\r\n").await.unwrap();
    running.expect(one, b"th 2\r\n").await;
    drop(north);
    assert_eq!(running.down(1).await, "closed-by-peer");
    south.write_all(b"south 2\r\n").await.unwrap();
    running.expect(two, b"south 2\r\n").await;
    let rest = running.stop().await;
    assert!(matches!(&rest[..], [Happening::Down { source: 2, cause: Cause::Stopping, .. }]), "{rest:?}");
}

#[tokio::test]
async fn a_peer_on_no_list_is_closed_at_once_and_told_of_once() {
    let mut running = Running::start(vec![listen(1, "127.0.0.1:0", &["127.0.0.2"])]);
    let address = running.listening(1).await;
    for knock in 0..3 {
        let mut stranger = call_from("127.0.0.9", address).await;
        let mut seen = Vec::new();
        // The close may come as an end or as a reset.
        let _ = soon("the close", stranger.read_to_end(&mut seen)).await;
        assert!(seen.is_empty());
        if knock == 0 {
            let happening = running.next().await;
            let Happening::Refused { peer, address: at, cause, times, .. } = happening else { panic!("{happening:?}") };
            assert_eq!((peer, at), ("127.0.0.9".parse().unwrap(), address));
            assert_eq!((cause, times), (Cause::NotAllowed, 1));
        }
    }
    // The next thing that is said is the PBX's own connection.
    let _pbx = call_from("127.0.0.2", address).await;
    let happening = running.next().await;
    assert!(matches!(happening, Happening::Up { source: 1, .. }), "{happening:?}");
}

#[tokio::test]
async fn a_second_connection_of_a_pbx_leaves_the_first_alone() {
    let mut running = Running::start(vec![listen(1, "127.0.0.1:0", &["127.0.0.2"])]);
    let address = running.listening(1).await;
    let mut first = call_from("127.0.0.2", address).await;
    let one = running.up(1).await;
    let mut second = call_from("127.0.0.2", address).await;
    let two = running.up(1).await;
    second.write_all(b"new\r\n").await.unwrap();
    running.expect(two, b"new\r\n").await;
    first.write_all(b"old\r\n").await.unwrap();
    running.expect(one, b"old\r\n").await;
}

#[tokio::test]
async fn a_source_has_sixteen_connections_and_no_more() {
    let mut running = Running::start(vec![listen(1, "127.0.0.1:0", &["127.0.0.2"])]);
    let address = running.listening(1).await;
    let mut links = Vec::new();
    for _ in 0..16 {
        links.push(call_from("127.0.0.2", address).await);
        running.up(1).await;
    }
    let mut over = call_from("127.0.0.2", address).await;
    let happening = running.next().await;
    assert!(matches!(happening, Happening::Refused { cause: Cause::TooManyConnections, .. }), "{happening:?}");
    let _ = soon("the close", over.read_to_end(&mut Vec::new())).await;
    // Room again when one ends.
    links.pop();
    assert_eq!(running.down(1).await, "closed-by-peer");
    let _link = call_from("127.0.0.2", address).await;
    running.up(1).await;
}

#[tokio::test]
async fn an_address_in_use_is_waited_for() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = holder.local_addr().unwrap();
    let mut running = Running::start(vec![listen(1, &address.to_string(), &["127.0.0.2"])]);
    assert_eq!(running.waiting(1).await, "address-in-use");
    drop(holder);
    assert_eq!(running.listening(1).await, address);
    let mut running = Running::start(vec![listen(2, "192.0.2.1:0", &["127.0.0.2"])]);
    assert_eq!(running.waiting(2).await, "address-not-here");
}

#[tokio::test]
async fn a_reset_of_one_pbx_is_only_its_own() {
    let mut running = Running::start(vec![listen(1, "127.0.0.1:0", &["127.0.0.2", "127.0.0.3"])]);
    let address = running.listening(1).await;
    let mut steady = call_from("127.0.0.2", address).await;
    let one = running.up(1).await;
    let mut broken = call_from("127.0.0.3", address).await;
    let two = running.up(1).await;
    broken.write_all(b"hal").await.unwrap();
    running.expect(two, b"hal").await;
    broken.set_zero_linger().unwrap();
    drop(broken);
    assert_eq!(running.down(1).await, "reset");
    steady.write_all(b"steady\r\n").await.unwrap();
    running.expect(one, b"steady\r\n").await;
}
