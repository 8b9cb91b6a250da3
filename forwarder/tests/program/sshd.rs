//! A real OpenSSH server. Own configuration, keys and loopback port; nothing of
//! the system is changed.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use crate::harness::required::{OPENSSH, required};
use crate::harness::{Folder, through, tool, wait_until};

pub(crate) struct Sshd {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) folder: Folder,
}

impl Sshd {
    /// Starts it by another command, such as `ip netns exec NAME`, or by none.
    pub(crate) fn start(via: &[String], program: &Path) -> Self {
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
            if let Some(child) = Self::listen(via, program, &folder, address) {
                return Self { child, address, folder };
            }
        }
        panic!("sshd found no port");
    }

    /// Starts sshd on an address; `None` if it ends instead of listening.
    fn listen(via: &[String], program: &Path, folder: &Folder, address: SocketAddr) -> Option<Child> {
        let path = |name: &str| folder.path(name).display().to_string();
        let config = format!(
            "ListenAddress {address}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile {}\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
             LogLevel ERROR\nSubsystem sftp internal-sftp\n",
            path("host_key"),
            path("authorized_keys"),
            path("sshd.pid"),
        );
        let config = folder.write("sshd_config", &config);
        let mut child = through(via, program)
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

    /// What every client of it is told, but for the port: `ssh -p`, `scp -P`, `sftp -P`.
    pub(crate) fn options(&self) -> Vec<String> {
        let path = |name: &str| self.folder.path(name).display().to_string();
        let known_hosts = format!("UserKnownHostsFile={}", path("known_hosts"));
        let options =
            ["StrictHostKeyChecking=accept-new", &known_hosts, "BatchMode=yes", "ConnectTimeout=30"];
        let mut all = vec!["-F".to_owned(), "none".to_owned(), "-i".to_owned(), path("client_key")];
        all.extend(options.iter().flat_map(|option| ["-o".to_owned(), (*option).to_owned()]));
        all
    }

    pub(crate) fn ssh(&self, edge: SocketAddr, source: &str, command: &str) -> Output {
        Command::new("ssh")
            .args(self.options())
            .args(["-p", &edge.port().to_string(), "-b", source, "-l", &user(), "127.0.0.1", command])
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

pub(crate) fn user() -> String {
    let output = Command::new("id").arg("-un").output().expect("id runs");
    String::from_utf8(output.stdout).expect("a name").trim().to_owned()
}

/// Where sshd is, if everything is there that its tests need.
pub(crate) fn programs() -> Option<PathBuf> {
    tool(OPENSSH, &["/usr/bin/ssh", "/usr/local/bin/ssh"])?;
    let sshd = tool(OPENSSH, &["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"])?;
    // As root, sshd wants this folder, which belongs to the system: made by its package's start, not by us.
    if user() == "root" && cfg!(target_os = "linux") {
        tool_folder("/run/sshd")?;
    }
    Some(sshd)
}

fn tool_folder(path: &str) -> Option<()> {
    let found = Path::new(path).is_dir().then_some(());
    required(OPENSSH, found, format_args!("{path} is missing, sshd would not start"))
}
