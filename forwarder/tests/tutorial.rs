//! docs/tutorial.md, as its readers follow it: every command of the page, in order and in one shell, against a real
//! OpenSSH server.
//!
//! What differs from a reader's machine is in one table ([`Here::table`]). The shell, and all that it has started, end
//! with the test.
#![cfg(unix)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "program/beside.rs"]
mod beside;
#[path = "program/harness.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod harness;
#[path = "tutorial/here.rs"]
mod here;
#[path = "tutorial/page.rs"]
mod page;
#[path = "tutorial/shell.rs"]
mod shell;
#[path = "program/sshd.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod sshd;

use std::process::Command;

use harness::{Folder, poll_to_deadline};
use here::Here;
use page::{PAGE, SERVICES, Step, says, steps};
use shell::Shell;
use sshd::{Sshd, programs};

#[test]
fn every_command_of_the_tutorial_does_what_the_page_says() {
    let Some(program) = programs() else { return };
    let here = Here::new(Sshd::start(&[], &program));
    let (by_hand, services) = PAGE.split_once(SERVICES).expect("a part about services");
    let mut shell = Shell::start(&here);
    let mut follow = |part: &str| steps(part).iter().map(|step| run(&mut shell, &here, step)).count();
    assert!(follow(by_hand) >= 12, "the scan is broken");
    if cfg!(target_os = "linux") {
        assert!(follow(services) >= 7, "the scan is broken");
    } else {
        eprintln!("skipped: services are systemd's");
    }
}

/// Runs one block of commands. What only looks is tried until it shows what the page shows: a reader waits for it too.
fn run(shell: &mut Shell, here: &Here, step: &Step) {
    let commands = here.on_this_machine(step.commands);
    let shown = step.shown.map(|text| here.on_this_machine(text));
    let mut last = String::new();
    let mut once = || {
        let (code, said) = shell.run(&commands);
        last = format!("exit code {code}\n{said}");
        (code == 0 && shown.as_deref().is_none_or(|shown| says(shown, &said))).then_some(())
    };
    let done = if step.only_looks() { poll_to_deadline(once) } else { once() };
    let shown = shown.as_deref().unwrap_or("(nothing in particular)");
    assert!(done.is_some(), "{commands}\n-- shows on the page:\n{shown}\n-- here:\n{last}\n{}", shell.logs());
}

/// The units are right by the judgement of systemd itself.
#[test]
fn systemd_reads_the_units() {
    let version = Command::new("systemd-analyze").arg("--version").output();
    if !version.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: systemd-analyze is not installed");
        return;
    }
    let folder = Folder::new();
    for (name, unit) in here::UNITS {
        // It looks for the program as well, which is installed nowhere here.
        let unit = unit.replace(here::INSTALLED, env!("CARGO_BIN_EXE_forwarder"));
        let path = folder.write(name, &unit);
        let output = Command::new("systemd-analyze").arg("verify").arg(path).output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        // Units of the machine itself may have faults too.
        assert!(!said.contains(name), "{name}: {said}");
        if !output.status.success() {
            eprintln!("skipped: systemd-analyze cannot verify here: {said}");
        }
    }
}
