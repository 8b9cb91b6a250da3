//! A new policy under load: readers decide all the time while a writer compiles and swaps programs.
//!
//! ```text
//! cargo run -p policy-core --example hot_swap
//! ```
//!
//! A reader takes the program once for each connection, so that a whole decision comes from one policy. A policy
//! with errors never becomes a program: the last good one stays.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use arc_swap::ArcSwap;
use policy_core::compile::{PolicyError, Program};
use policy_core::facts::Facts;
use policy_core::outcome::Outcome;

/// Policies that are made; every tenth has an error.
const GENERATIONS: u64 = 200;

fn policy(generation: u64) -> String {
    let action = if generation % 10 == 9 { "forward-inwards" } else { "forward-internal" };
    format!(
        "on_tcp_connect:
  - actions:
      - {{type: restrict-ips, config: {{allow: [10.0.0.0/8]}}}}
      - {{type: {action}, config: {{url: 'tcp://g{generation}.internal:22'}}}}
"
    )
}

/// The program of a policy.
fn program(generation: u64) -> Result<Program, PolicyError> {
    Program::from_policy(format!("g{generation}.yml"), policy(generation))
}

/// Makes new programs, and puts each in the place of the one before.
fn write(current: &ArcSwap<Program>) -> u64 {
    let mut swaps = 0;
    for generation in 1..GENERATIONS {
        // Compiled beside the old program: nobody waits for it.
        match program(generation) {
            Ok(program) => {
                current.store(Arc::new(program));
                swaps += 1;
            }
            Err(error) => eprintln!("the last good policy stays: {error}"),
        }
    }
    swaps
}

/// Decides about one connection, with one program from start to end.
fn decide(current: &ArcSwap<Program>, client: IpAddr) -> (Outcome, bool) {
    let program = current.load();
    let facts = Facts::new(client);
    let decision = program.decide(&facts);
    // What the decision says belongs to the program that made it.
    let is_whole = decision
        .target()
        .is_none_or(|url| program.file().strip_suffix(".yml") == url.host().strip_suffix(".internal"));
    (decision.outcome(), is_whole)
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let current = ArcSwap::from_pointee(program(0)?);
    let (decisions, writing) = (AtomicU64::new(0), AtomicBool::new(true));
    let swaps = thread::scope(|scope| {
        let read = |from: [u8; 4], admits: bool| {
            while writing.load(Ordering::Acquire) || decisions.load(Ordering::Relaxed) < 2 {
                let (outcome, is_whole) = decide(&current, Ipv4Addr::from(from).into());
                assert!(is_whole && outcome.is_admitted() == admits);
                decisions.fetch_add(1, Ordering::Relaxed);
            }
        };
        scope.spawn(move || read([10, 1, 2, 3], true));
        scope.spawn(move || read([192, 0, 2, 1], false));
        let swaps = write(&current);
        writing.store(false, Ordering::Release);
        swaps
    });
    println!("{swaps} swaps under {} decisions", decisions.into_inner());
    assert_eq!(swaps, 179);
    assert_eq!(current.load().file(), "g198.yml");
    Ok(())
}
