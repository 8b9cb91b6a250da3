//! Connections and agents that come and go in every way: the edge and the agent that stays keep nothing of them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::harness::lines::Tells;
use crate::harness::{connect, limit, noise, wait_until, wait_until_steady};
use crate::process::{all_memory, close_waiting, files, memory};
use crate::site::{FORWARD, Site};
use crate::speaker::{enter, try_bind};

const CONNECTIONS: usize = 400;
const SESSIONS: usize = 40;
const ROUNDS: u32 = 5;
const POOLED: [&str; 3] = ["--url", "tcp://device1.internal:22", "--pooling-enabled"];
/// Memory in KiB that may be kept in a short run, where what the allocator keeps of one busy moment is much.
const SOME: u64 = 16 << 10;

fn reset(stream: TcpStream) {
    SockRef::from(&stream).set_linger(Some(Duration::ZERO)).expect("settable");
}

/// An echo that ends a connection with a reset if it begins with an `r`, and stays silent at an `s`.
fn server() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let address = listener.local_addr().expect("bound");
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || {
                limit(&stream);
                let mut first = [0];
                match stream.read(&mut first) {
                    Ok(1) if first == *b"r" => return reset(stream),
                    Ok(1) => {}
                    _ => return,
                }
                let silent = first == *b"s";
                let mut writer = stream.try_clone().expect("a second handle");
                let _ = match silent {
                    true => std::io::copy(&mut stream, &mut std::io::sink()),
                    false => writer.write_all(&first).and_then(|()| std::io::copy(&mut stream, &mut writer)),
                };
                let _ = writer.shutdown(Shutdown::Write);
            });
        }
    });
    address
}

/// One connection, in one of the ways in which they end.
fn visit(public: SocketAddr, number: usize) {
    let mut stream = connect(public);
    let mut heard = Vec::new();
    match number % 6 {
        // In order, the client's half first.
        0 | 1 => {
            let say = [b"e", &*noise(number as u64, 20_000)].concat();
            let end = thread::scope(|scope| {
                let (mut reader, mut writer, say) = (&stream, &stream, &say);
                // It may be cut with its agent.
                scope.spawn(move || writer.write_all(say).and_then(|()| writer.shutdown(Shutdown::Write)));
                reader.read_to_end(&mut heard)
            });
            match end {
                // Nothing: its agent was gone before it was forwarded.
                Ok(0) => {}
                Ok(_) => assert!(heard == say, "{} of {} bytes look complete", heard.len(), say.len()),
                Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
            }
        }
        // Without a word.
        2 => drop(stream),
        // With a reset amid an answer.
        3 => {
            stream.write_all(&noise(number as u64, 10_000)).expect("taken");
            let _ = stream.read(&mut [0; 100]);
            reset(stream);
        }
        // With a reset by the server.
        4 => {
            stream.write_all(b"r").expect("taken");
            let _ = stream.read_to_end(&mut heard);
        }
        // While the server says nothing.
        _ => {
            stream.write_all(b"silence").expect("taken");
            drop(stream);
        }
    }
}

fn round(site: &Site, token: &str, number: usize) {
    let public = site.public;
    let sessions = async {
        for at in 0..SESSIONS {
            let (opener, accepted) = enter(&site.edge, site.agents, token).await;
            for name in ["a", "b"] {
                let url = format!("{name}{number}-{at}.internal:22");
                try_bind(&opener, "", &url, false).await.expect("free");
            }
            if at % 2 == 0 {
                opener.close_in_order("enough");
                opener.closed().await;
            }
            drop(accepted);
        }
    };
    thread::scope(|scope| {
        for worker in 0..8 {
            scope.spawn(move || (worker..CONNECTIONS).step_by(8).for_each(|at| visit(public, at)));
        }
        // It has its share of the connections when it is killed.
        let killed = site.agent(token, &server().to_string(), &POOLED);
        // Sessions that end in order, and sessions that are gone with their runtime.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(sessions);
        drop(killed);
    });
}

#[test]
fn who_comes_and_goes_leaves_nothing_behind() {
    let long = std::env::var("FAULT_CHURN_SECONDS").ok();
    let long = long.map(|text| Duration::from_secs(text.parse().expect("seconds")));
    // A server that stays silent is let go after its client by the half that is left.
    let mut site = Site::start(FORWARD, "limits: {half_close_timeout: 2s}\n");
    let token = site.token(&[]);
    let agent = site.agent(&token, &server().to_string(), &POOLED);
    let (edge, agent_id) = (site.edge.id(), agent.child.id());
    let quiet = |site: &Site| {
        wait_until("everybody to be gone", || {
            let gone = site.list("session").len() == 1 && site.list("endpoint").len() == 1;
            (gone && close_waiting(edge) == 0 && close_waiting(agent_id) == 0).then_some(())
        });
    };
    let warm_up = if long.is_some() { 20 } else { 1 };
    (0..warm_up).for_each(|number| round(&site, &token, number));
    quiet(&site);
    let look = || (files(edge), files(agent_id));
    let held = wait_until_steady("the number of files to stay", Duration::from_millis(300), look);
    let before = [memory(edge), memory(agent_id)];
    let all = [all_memory(edge), all_memory(agent_id)];
    let (begun, mut rounds) = (Instant::now(), 0_u32);
    while rounds < ROUNDS || long.is_some_and(|long| begun.elapsed() < long) {
        rounds += 1;
        round(&site, &token, 1_000 + rounds as usize);
    }
    quiet(&site);
    wait_until("the files to be closed", || ((files(edge), files(agent_id)) == held).then_some(()));
    let after = [memory(edge), memory(agent_id)];
    println!(
        "{rounds} rounds of {CONNECTIONS} connections and {} sessions in {:?}; files of edge and agent: {held:?}, \
         before and after; memory: {before:?} KiB before, {after:?} KiB after, of {all:?} KiB",
        SESSIONS + 1,
        begun.elapsed()
    );
    for ((before, after), all) in before.into_iter().zip(after).zip(all) {
        // A twentieth of all that it has. What others share with it does not change.
        let more = if long.is_some() { all / 20 } else { SOME };
        assert!(after <= before + more, "{after} KiB, {before} KiB before, of {all} KiB in all");
    }
    drop(agent);
    site.edge.signal("TERM");
    assert_eq!(site.edge.wait_for(Tells::Draining).number("open"), 0);
    assert!(site.edge.wait_for_exit().success());
}
