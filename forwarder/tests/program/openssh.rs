//! A real OpenSSH server and client through the edge. Own configuration, keys and loopback port; nothing of
//! the system is changed.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use crate::harness::{Edge, Folder, guide_policy, tool};

/// An OpenSSH server, one process a connection, on a port that the system chose.
struct Sshd {
    address: SocketAddr,
    folder: Folder,
    children: Arc<Mutex<Vec<std::process::Child>>>,
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
        let path = |name: &str| folder.path(name).display().to_string();
        let config = format!(
            "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
             KbdInteractiveAuthentication no\nPermitRootLogin yes\nLogLevel ERROR\n",
            path("host_key"),
            path("authorized_keys"),
        );
        let config = folder.write("sshd_config", &config);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = listener.local_addr().expect("bound");
        let children = Arc::new(Mutex::new(Vec::new()));
        let (program, started) = (program.to_owned(), Arc::clone(&children));
        thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let input = OwnedFd::from(stream.try_clone().expect("a second handle"));
                let child = Command::new(&program)
                    .args(["-i", "-e", "-f"])
                    .arg(&config)
                    .stdin(Stdio::from(input))
                    .stdout(Stdio::from(OwnedFd::from(stream)))
                    .spawn()
                    .expect("sshd starts");
                started.lock().expect("whole").push(child);
            }
        });
        Self { address, folder, children }
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
        for child in self.children.lock().expect("whole").iter_mut() {
            // Most have ended with their connection.
            let _ = child.kill();
            let _ = child.wait();
        }
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

    let refused = sshd.ssh(address, "127.0.0.2", "echo never");
    assert_eq!(refused.status.code(), Some(255));
    assert_eq!(refused.stdout, b"");
    let said = String::from_utf8_lossy(&refused.stderr).to_lowercase();
    assert!(said.contains("closed") || said.contains("reset"), "{said}");

    let events = edge.wait_for_events(3);
    let decisions: Vec<_> = events.iter().filter_map(|event| event["object"]["decision"].as_str()).collect();
    assert_eq!(decisions, ["forward", "forward", "deny"]);
}
