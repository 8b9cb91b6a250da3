//! `--keep`: the files of the quickstart in a folder, for an edge and an agent in processes of their own.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use policy_core::diagnostic::printable;

use super::guide::{AGENT, EDGE, POLICY, QuickstartError};

/// A folder that keeps what the quickstart makes.
#[derive(Debug)]
pub(super) struct Kept(PathBuf);

/// What the files name.
pub(super) struct NewSite<'m> {
    /// Where clients connect.
    pub(super) edge: SocketAddr,
    /// Where agents connect.
    pub(super) agents: SocketAddr,
    pub(super) token: &'m str,
}

impl Kept {
    /// Takes a folder that is empty, or makes it.
    pub(super) fn begin(folder: &Path) -> Result<Self, QuickstartError> {
        let refuse = |why: String| QuickstartError::Folder(folder.to_owned(), why);
        let found = fs::read_dir(folder).map(|mut entries| entries.next().is_none());
        match found {
            Ok(false) => return Err(refuse("it is not empty; name a new folder".to_owned())),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(refuse(error.to_string())),
            Ok(true) | Err(_) => {}
        }
        crate::control::private::folder(folder).map_err(|error| refuse(error.to_string()))?;
        // What is written names files of it, relative to others.
        fs::canonicalize(folder).map(Self).map_err(|error| refuse(error.to_string()))
    }

    /// The state folder that its configuration has.
    pub(super) fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    /// Writes the configurations and the policy.
    pub(super) fn write(&self, made: &NewSite<'_>) -> io::Result<()> {
        let NewSite { edge, agents, token } = made;
        let edge_yml = body(EDGE)
            .replace("127.0.0.1:4443", &agents.to_string())
            .replace("127.0.0.1:20022", &edge.to_string())
            .replace("localhost:20022", &format!("localhost:{}", edge.port()));
        self.file("edge.yml", &format!("# forwarder edge --config edge.yml\n{edge_yml}"))?;
        self.file("device1.yml", POLICY)?;
        let agent = body(AGENT)
            .replace("localhost:4443", &format!("localhost:{}", agents.port()))
            .replace("ca.pem", "state/ca/ca.pem")
            .replace("agent:\n", &format!("agent:\n  authtoken: {token}\n"))
            .replace("url: 22\n", "url: 22  # the device: a port of this machine, or host:port\n");
        let head = "# forwarder agent start --all --config ngrok.yml\n#\n# For another machine: copy state/ca/ca.pem with \
                    this file, listen on an address that it reaches, and give\n# it an authtoken of its own: forwarder \
                    authtoken create --config edge.yml --acl bind:device1.internal:22\n";
        self.file("ngrok.yml", &format!("{head}{agent}"))
    }

    /// Says what there is and how it is run.
    pub(super) fn invite(&self, out: &mut impl Write) -> io::Result<()> {
        let file = |name: &str| word(&self.0.join(name).display().to_string());
        let (edge, agent) = (file("edge.yml"), file("ngrok.yml"));
        writeln!(
            out,
            "Kept in {}: edge.yml, its policy device1.yml, the edge's state with its CA",
            word(&self.0.display().to_string())
        )?;
        writeln!(
            out,
            "(state/ca/ca.pem), and ngrok.yml with an authtoken. Once the quickstart has stopped:\n"
        )?;
        writeln!(out, "  forwarder edge --config {edge}")?;
        writeln!(out, "  forwarder agent start --all --config {agent}")?;
        writeln!(
            out,
            "  forwarder authtoken create --config {edge}  another authtoken, while the edge runs\n"
        )
    }

    fn file(&self, name: &str, text: &str) -> io::Result<()> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(self.0.join(name));
        file?.write_all(text.as_bytes())
    }
}

/// A fixture without the comment that it begins with.
fn body(fixture: &str) -> String {
    let lines = fixture.lines().skip_while(|line| line.starts_with('#'));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// A word for a shell.
fn word(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+,:@%".contains(c);
    let text = printable(text);
    if text.chars().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_quoted_where_a_shell_would_split_it() {
        assert_eq!(word("/tmp/a-b_1"), "/tmp/a-b_1");
        assert_eq!(word("/tmp/my site"), "'/tmp/my site'");
        assert_eq!(word("it's"), "'it'\\''s'");
    }
}
