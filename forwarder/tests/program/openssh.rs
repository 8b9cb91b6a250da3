//! A real OpenSSH server and client through the edge. Own configuration, keys and loopback port; nothing of
//! the system is changed.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::harness::{Edge, Folder, guide_policy, second_address, tool, wait_until};

struct Sshd {
    child: Child,
    address: SocketAddr,
    folder: Folder,
}

impl Sshd {
    fn start(program: &Path) -> Self {
        let folder = Folder::new();
        for key in ["host_key", "client_key"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(folder.path(key))
                .status();
            assert!(made.expect("ssh-keygen runs").success());
        }
        std::fs::copy(folder.path("client_key.pub"), folder.path("authorized_keys")).expect("copied");
        // sshd cannot be told to take any free port: one is looked up, and another if somebody was faster.
        for _ in 0..10 {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|it| it.local_addr());
            let address = free.expect("a port");
            if let Some(child) = Self::listen(program, &folder, address) {
                return Self { child, address, folder };
            }
        }
        panic!("sshd found no port");
    }

    /// Starts sshd on an address; `None` if it ends instead of listening.
    fn listen(program: &Path, folder: &Folder, address: SocketAddr) -> Option<Child> {
        let path = |name: &str| folder.path(name).display().to_string();
        let config = format!(
            "ListenAddress {address}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile {}\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
             LogLevel ERROR\n",
            path("host_key"),
            path("authorized_keys"),
            path("sshd.pid"),
        );
        let config = folder.write("sshd_config", &config);
        let mut child = Command::new(program)
            .args(["-D", "-e", "-f"])
            .arg(config)
            .stdin(Stdio::null())
            .spawn()
            .expect("sshd starts");
        wait_until("sshd to listen or to end", || {
            // Its pid file is written once it listens.
            let listens = folder.path("sshd.pid").exists().then_some(true);
            listens.or_else(|| child.try_wait().expect("waitable").map(|_| false))
        })
        .then_some(child)
    }

    fn ssh(&self, edge: SocketAddr, source: &str, command: &str) -> Output {
        let port = edge.port().to_string();
        let known_hosts = format!("UserKnownHostsFile={}", self.folder.path("known_hosts").display());
        Command::new("ssh")
            .args(["-F", "none", "-p", &port, "-b", source, "-o", "StrictHostKeyChecking=accept-new"])
            .args(["-o", &known_hosts, "-o", "BatchMode=yes", "-o", "ConnectTimeout=30", "-i"])
            .arg(self.folder.path("client_key"))
            .args(["-l", &user(), "127.0.0.1", command])
            .stdin(Stdio::null())
            .output()
            .expect("ssh runs")
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id runs");
    String::from_utf8(output.stdout).expect("a name").trim().to_owned()
}

fn programs() -> Option<PathBuf> {
    tool(&["/usr/bin/ssh", "/usr/local/bin/ssh"])?;
    let sshd = tool(&["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"])?;
    // As root, sshd wants this folder, which belongs to the system: made by its package's start, not by us.
    if user() == "root" && cfg!(target_os = "linux") {
        tool_folder("/run/sshd")?;
    }
    Some(sshd)
}

fn tool_folder(path: &str) -> Option<()> {
    if Path::new(path).is_dir() {
        return Some(());
    }
    assert!(std::env::var_os("REQUIRE_OPENSSH").is_none(), "{path} is missing");
    eprintln!("skipped: {path} is missing, sshd would not start");
    None
}

#[test]
fn ssh_runs_a_command_where_the_policy_admits_and_is_closed_where_not() {
    let Some(program) = programs() else { return };
    let sshd = Sshd::start(&program);
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
