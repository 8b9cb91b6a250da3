//! Bytes: a megabyte each way, halves that close on their own, devices that misbehave.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;

use crate::harness::{
    Device, Edge, FORWARD, Folder, connect, echo_device, edge_yml, exchange, expect_reset, noise,
};

#[test]
fn a_megabyte_each_way_is_byte_exact() {
    let (up, down) = (noise(1, 1 << 20), noise(2, 1 << 20));
    let (expect, answer) = (up.clone(), down.clone());
    let device = Device::once(move |mut stream| {
        let mut writer = stream.try_clone().expect("a second handle");
        let sender = thread::spawn(move || {
            writer.write_all(&answer).expect("sent");
            writer.shutdown(Shutdown::Write).expect("shut down");
        });
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).expect("received");
        assert!(heard == expect, "the device got other bytes");
        sender.join().expect("sent");
    });
    let mut edge = Edge::in_front_of(device.address, FORWARD);
    let mut client = connect(edge.address("device1"));
    let mut writer = client.try_clone().expect("a second handle");
    let sender = thread::spawn(move || {
        writer.write_all(&up).expect("sent");
        writer.shutdown(Shutdown::Write).expect("shut down");
    });
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).expect("received");
    assert!(heard == down, "the client got other bytes");
    sender.join().expect("sent");
    device.join();

    let event = &edge.wait_for_events(1)[0]["object"];
    assert_eq!(event["conn"]["bytes_in"], 1 << 20);
    assert_eq!(event["conn"]["bytes_out"], 1 << 20);
    assert_eq!(event["end"], "both sides closed");
    assert_eq!(event["target"], "tcp://device1.internal:22");
}

/// The client ends its half; the device answers only then, late and long.
#[test]
fn the_clients_half_close_passes_through() {
    let answer = noise(3, 300_000);
    let late = answer.clone();
    let device = Device::once(move |mut stream| {
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).expect("the end of the client's half");
        assert_eq!(heard, b"question");
        stream.write_all(&late).expect("the other half is open");
    });
    let mut edge = Edge::in_front_of(device.address, FORWARD);
    let heard = exchange(connect(edge.address("device1")), b"question");
    assert!(heard == answer, "{} bytes of the answer came", heard.len());
    device.join();
}

/// The device ends its half; the client goes on talking.
#[test]
fn the_devices_half_close_passes_through() {
    let speech = noise(4, 300_000);
    let expect = speech.clone();
    let device = Device::once(move |mut stream| {
        stream.write_all(b"that is all").expect("sent");
        stream.shutdown(Shutdown::Write).expect("shut down");
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).expect("the client's half is open");
        assert!(heard == expect, "{} bytes came", heard.len());
    });
    let mut edge = Edge::in_front_of(device.address, FORWARD);
    let mut client = connect(edge.address("device1"));
    let mut heard = Vec::new();
    client.read_to_end(&mut heard).expect("the end of the device's half");
    assert_eq!(heard, b"that is all");
    client.write_all(&speech).expect("the other half is open");
    client.shutdown(Shutdown::Write).expect("shut down");
    device.join();
    assert_eq!(edge.wait_for_events(1)[0]["object"]["conn"]["bytes_in"], 300_000);
}

/// A peer that never closes after the other's end is reaped.
#[test]
fn a_half_closed_silent_connection_is_reaped() {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let device = Device::once(move |mut stream| {
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).expect("the end of the client's half");
        // Says nothing and does not close until the test is over.
        let _ = released.recv();
    });
    let folder = Folder::new();
    folder.write("edge.yml", &edge_yml(device.address, "limits: {half_close_timeout: 1s}\n"));
    folder.write("policy.yml", FORWARD);
    let mut edge = Edge::start(folder);
    assert_eq!(exchange(connect(edge.address("device1")), b"bye"), b"");
    let event = &edge.wait_for_events(1)[0]["object"];
    assert_eq!(event["end"], "one side closed and the other stayed silent");
    drop(release);
    device.join();
}

/// What is cut short does not look complete: a reset of one side is a reset of the other.
#[test]
fn a_reset_passes_through_both_ways() {
    let reset = |stream: &std::net::TcpStream| {
        socket2::SockRef::from(stream).set_linger(Some(std::time::Duration::ZERO)).expect("settable");
    };
    let device = Device::once(|mut stream| {
        stream.write_all(b"!").expect("sent");
        expect_reset(&stream);
    });
    let mut edge = Edge::in_front_of(device.address, FORWARD);
    let mut client = connect(edge.address("device1"));
    // From here on bytes are carried: a client that is gone before is not forwarded at all.
    client.read_exact(&mut [0]).expect("a byte of the device");
    client.write_all(b"half of it").expect("sent");
    reset(&client);
    drop(client);
    device.join();
    assert_eq!(edge.event_of("127.0.0.1")["end"], "the client failed: connection reset");

    let device = Device::once(move |mut stream| {
        let mut byte = [0; 1];
        stream.read_exact(&mut byte).expect("a byte");
        reset(&stream);
    });
    let mut edge = Edge::in_front_of(device.address, FORWARD);
    let mut client = connect(edge.address("device1"));
    client.write_all(b"x").expect("sent");
    expect_reset(&client);
    device.join();
    assert_eq!(edge.event_of("127.0.0.1")["end"], "the upstream failed: connection reset");
}

/// A device that answers a little and then takes no more bytes: the client sees that the answer is not all.
#[cfg(target_os = "linux")]
#[test]
fn who_is_given_up_because_it_takes_nothing_does_not_look_complete() {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let device = Device::once(move |mut stream| {
        stream.write_all(b"partial").expect("sent");
        let _ = released.recv();
        drop(stream);
    });
    let folder = Folder::new();
    folder.write("edge.yml", &edge_yml(device.address, "limits: {stalled_timeout: 1s}\n"));
    folder.write("policy.yml", FORWARD);
    let mut edge = Edge::start(folder);
    let mut client = connect(edge.address("device1"));
    let mut writer = client.try_clone().expect("a second handle");
    let sender = thread::spawn(move || {
        std::iter::repeat_with(|| writer.write_all(&[7; 65_536]))
            .find_map(Result::err)
            .expect("for ever else")
            .kind()
    });
    let mut heard = Vec::new();
    let ended = client.read_to_end(&mut heard).map_err(|error| error.kind());
    assert!(b"partial".starts_with(&heard));
    // The client's own socket tells either of its halves, and only of a reset without an end before it.
    let told = [ended.map(drop), Err(sender.join().expect("no panic"))];
    assert!(told.contains(&Err(std::io::ErrorKind::ConnectionReset)), "{told:?}");
    assert_eq!(edge.event_of("127.0.0.1")["end"], "the upstream failed: timed out");
    drop(release);
    device.join();
}

/// An edge that is killed has no time to reset anything: its sockets are set up for it.
#[test]
fn what_a_killed_edge_carried_does_not_look_complete() {
    let device = Device::once(|mut stream| {
        stream.write_all(b"some").expect("sent");
        expect_reset(&stream);
    });
    let mut edge = Edge::in_front_of(device.address, FORWARD);
    let mut client = connect(edge.address("device1"));
    client.write_all(b"half of it").expect("sent");
    let mut some = [0; 4];
    client.read_exact(&mut some).expect("carried");
    edge.signal("KILL");
    expect_reset(&client);
    device.join();
}

#[test]
fn many_connections_at_once_do_not_mix() {
    let mut edge = Edge::in_front_of(echo_device(), FORWARD);
    let address = edge.address("device1");
    let clients: Vec<_> = (0..64)
        .map(|seed| {
            thread::spawn(move || {
                let said = noise(seed, 20_000);
                assert!(exchange(connect(address), &said) == said, "client {seed}");
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().expect("its own bytes"));
    assert_eq!(edge.wait_for_events(64).len(), 64);
}
