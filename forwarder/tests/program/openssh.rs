//! A real OpenSSH server and client through the edge.

use crate::harness::{Edge, guide_policy, second_address};
use crate::sshd::{Sshd, programs};

#[test]
fn ssh_runs_a_command_where_the_policy_admits_and_is_closed_where_not() {
    let Some(program) = programs() else { return };
    let sshd = Sshd::start(&[], &program);
    let mut edge = Edge::in_front_of(sshd.address, &guide_policy("127.0.0.1/32"));
    let address = edge.address("device1");

    let admitted = sshd.ssh(address, "127.0.0.1", "printf '%s-%s' through edge");
    let said = String::from_utf8_lossy(&admitted.stderr).into_owned();
    assert!(admitted.status.success(), "{said}");
    assert_eq!(String::from_utf8_lossy(&admitted.stdout), "through-edge");

    // One megabyte each way through the shell of the device.
    let large = sshd.ssh(address, "127.0.0.1", "head -c 1000000 /dev/zero | tr '\\0' 'x'");
    assert_eq!(large.stdout.len(), 1_000_000);

    let Some(second) = second_address() else { return };
    let refused = sshd.ssh(address, &second.to_string(), "echo never");
    assert_eq!(refused.status.code(), Some(255));
    assert_eq!(refused.stdout, b"");
    let said = String::from_utf8_lossy(&refused.stderr).to_lowercase();
    assert!(said.contains("closed") || said.contains("reset"), "{said}");

    edge.wait_for_events(3);
    assert_eq!(edge.event_of("127.0.0.1")["decision"], "forward");
    assert_eq!(edge.event_of("127.0.0.2")["decision"], "deny");
}
