//! This machine in place of the reader's: where everything lies, and what stands for what.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::beside::policy_beside;
use crate::harness::Folder;
use crate::page::PAGE;
use crate::sshd::{Sshd, user};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

pub(crate) const UNITS: [(&str, &str); 2] = [
    ("forwarder-edge.service", include_str!("../../../docs/systemd/forwarder-edge.service")),
    ("forwarder-agent.service", include_str!("../../../docs/systemd/forwarder-agent.service")),
];

/// Where the units expect the program.
pub(crate) const INSTALLED: &str = "/usr/local/bin/forwarder";

/// Folders of the system, which are folders of the test here.
const SYSTEM: [&str; 4] = ["/etc/systemd/system", "/etc/forwarder", "/usr/local/bin", "/var/lib/forwarder"];

pub(crate) struct Here {
    pub(crate) sshd: Sshd,
    folder: Folder,
    edge: HeldPort,
    agents: HeldPort,
}

impl Here {
    pub(crate) fn new(sshd: Sshd) -> Self {
        let here = Self { sshd, folder: Folder::new(), edge: HeldPort::new(), agents: HeldPort::new() };
        fs::create_dir_all(here.build()).expect("writable");
        let forwarder = Path::new(env!("CARGO_BIN_EXE_forwarder"));
        symlink(forwarder, here.build().join("forwarder")).expect("writable");
        symlink(policy_beside(forwarder), here.build().join("policy")).expect("writable");
        for folder in SYSTEM.iter().filter(|folder| !folder.starts_with("/etc/")) {
            fs::create_dir_all(here.system(folder)).expect("writable");
        }
        for (name, text) in [("systemctl", SYSTEMCTL), ("journalctl", JOURNALCTL)] {
            let path = here.folder.write(name, text);
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("its mode");
        }
        here
    }

    /// What the page says, and what stands for it on this machine.
    fn table(&self) -> Vec<(&'static str, String)> {
        let ssh = self.sshd.options().into_iter().map(|option| format!("'{option}'"));
        let ssh = ssh.collect::<Vec<_>>().join(" ");
        let mut table = vec![
            // Both are built already; nobody but root runs what follows here.
            ("cargo build --release -p policy-cli -p forwarder", "true".to_owned()),
            ("$PWD/target/release", self.build().display().to_string()),
            ("$REPOSITORY/target/release", self.build().display().to_string()),
            ("~/remote-access", self.folder.path("remote-access").display().to_string()),
            ("sudo useradd --system --shell /usr/sbin/nologin forwarder", "true".to_owned()),
            ("sudo -u forwarder ", String::new()),
            ("sudo ", String::new()),
            // The ports, and a server with a key instead of the machine's own.
            (":20022", format!(":{}", self.edge.port)),
            ("ssh -p 20022 localhost", format!("ssh {ssh} -p {} -l {} localhost", self.edge.port, user())),
            (":4443", format!(":{}", self.agents.port)),
            ("{url: 22}", format!("{{url: {}}}", self.sshd.address.port())),
        ];
        table.extend(SYSTEM.map(|folder| (folder, self.system(folder).display().to_string())));
        for (said, _) in &table {
            assert!(PAGE.contains(said), "the page has no `{said}` any more");
        }
        table
    }

    pub(crate) fn on_this_machine(&self, text: &str) -> String {
        let table = self.table();
        table.iter().fold(text.to_owned(), |text, (there, here)| text.replace(there, here))
    }

    /// Where the programs of the page are.
    fn build(&self) -> PathBuf {
        self.folder.path("build")
    }

    /// What stands for a folder of the system.
    fn system(&self, folder: &str) -> PathBuf {
        self.folder.path("system").join(folder.trim_start_matches('/'))
    }

    /// A shell in the folder of the repository, in which systemd's commands are [`SYSTEMCTL`] and [`JOURNALCTL`].
    pub(crate) fn bash(&self) -> Command {
        let own = [self.folder.path(""), self.system("/usr/local/bin")];
        let path = std::env::var_os("PATH").unwrap_or_default();
        let all = own.into_iter().chain(std::env::split_paths(&path));
        let mut bash = Command::new("bash");
        bash.current_dir(REPOSITORY)
            .env("PATH", std::env::join_paths(all).expect("no colons"))
            .env("SYSTEM", self.folder.path("system"))
            .env_remove("NGROK_AUTHTOKEN");
        for variable in ["https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"] {
            bash.env_remove(variable);
        }
        bash
    }

    /// Where blocks of commands and their outputs are.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path(name)
    }

    /// The logs of edges and agents.
    pub(crate) fn logs(&self) -> String {
        let trial = ["edge.log", "agent.log"].map(|name| self.folder.path("remote-access").join(name));
        let services =
            ["edge", "agent"].map(|name| self.folder.path(&format!("system/forwarder-{name}.log")));
        let all = trial.into_iter().chain(services);
        let texts = all.filter_map(|path| Some((path.clone(), fs::read_to_string(path).ok()?)));
        texts.map(|(path, text)| format!("-- {}:\n{text}\n", path.display())).collect()
    }
}

/// `systemctl` of a machine without systemd: it starts, reloads and stops what the installed units say, with the
/// folders of the test, and hands credentials over.
const SYSTEMCTL: &str = r#"#!/usr/bin/env bash
set -eu
value() {
    sed -n "s/^$2=//p" "$SYSTEM/etc/systemd/system/$1.service" |
        sed "s#/etc/forwarder#$SYSTEM&#g; s#/usr/local/bin#$SYSTEM&#g"
}
case "$1" in
daemon-reload) ;;
enable)
    [ "$2" = --now ]
    # The users of the services are not root: they read what all may read.
    [ -z "$(find "$SYSTEM/etc/forwarder" ! -name authtoken ! -perm -o=r)" ]
    credential="$(value "$3" LoadCredential)"
    export CREDENTIALS_DIRECTORY="$SYSTEM/credentials"
    mkdir -p "$CREDENTIALS_DIRECTORY"
    [ -z "$credential" ] || cp "${credential#*:}" "$CREDENTIALS_DIRECTORY/${credential%%:*}"
    bash -c "exec $(value "$3" ExecStart)" > "$SYSTEM/$3.log" 2>&1 &
    echo $! > "$SYSTEM/$3.pid"
    ;;
reload)
    MAINPID="$(cat "$SYSTEM/$2.pid")" bash -c "$(value "$2" ExecReload)"
    ;;
disable)
    [ "$2" = --now ]
    shift 2
    for unit in "$@"; do kill "$(cat "$SYSTEM/$unit.pid")"; done
    ;;
*) exit 1 ;;
esac
"#;

/// `journalctl -u UNIT -o cat` to it.
const JOURNALCTL: &str = r#"#!/usr/bin/env bash
[ "$1 $3 $4" = "-u -o cat" ] && cat "$SYSTEM/$2.log"
"#;

/// A port that nobody else gets as long as the value lives; on Linux a listener may still take it.
struct HeldPort {
    port: u16,
    _held: Option<socket2::Socket>,
}

impl HeldPort {
    fn new() -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
        let socket = socket.expect("a socket");
        socket.set_reuse_address(true).expect("settable");
        socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).expect("a port");
        let address = socket.local_addr().expect("bound").as_socket().expect("an internet address");
        Self { port: address.port(), _held: cfg!(target_os = "linux").then_some(socket) }
    }
}
