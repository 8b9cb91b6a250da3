//! `policy init`: a first policy, its cases, and a job for both.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use policy_core::check::{CheckOptions, load_policy};
use policy_core::diagnostic::Severity;
use policy_core::lpm::{ParsedCidr, cidr};
use policy_core::named_file::reason;
use policy_core::source::Source;

use crate::cli::{Ci, Init};
use crate::exit::{Exit, Failure, after_output};
use crate::files::{is_below, shown};

/// Networks for examples (RFC 5737, RFC 3849).
const EXAMPLES: [&str; 2] = ["203.0.113.0/24", "2001:db8::/32"];
/// Addresses of nobody in particular, of which one is refused: for examples, for tests (RFC 2544), and unique local ones.
const STRANGERS: [&str; 6] =
    ["198.51.100.1", "192.0.2.1", "198.18.0.1", "2001:db8:ffff::1", "2001:2::1", "fd00::1"];

pub(crate) fn run(args: &Init) -> Result<Exit, Failure> {
    let files = files(args)?;
    let taken: Vec<_> = files.iter().map(|(path, _)| path).filter(|path| is_there(path)).collect();
    if !taken.is_empty() {
        let names: Vec<_> = taken.into_iter().map(|path| format!("`{}`", shown(path))).collect();
        let are = if names.len() == 1 { "is there already" } else { "are there already" };
        // The first two are the policy and its cases, whatever runs them.
        let has_jobs_alone = !files.iter().take(2).any(|(path, _)| is_there(path));
        let other = if has_jobs_alone { ", or another `--ci`, e.g. `--ci none`" } else { "" };
        let message =
            format!("{} {are}, and nothing is overwritten; give another folder{other}", names.join(", "));
        return Err(Failure::Usage(message));
    }
    let mut made = Made::default();
    let written = files.iter().try_for_each(|(path, text)| made.write(path, text, &args.folder));
    if let Err(failure) = written {
        made.remove();
        return Err(failure);
    }
    let mut out = Vec::new();
    for (path, _) in &files {
        writeln!(out, "wrote {}", shown(path))?;
    }
    let folder = word(&args.folder);
    writeln!(out, "\nnext: policy lint {folder} && policy test --coverage {folder}")?;
    let written = anstream::stdout().write_all(&out).and_then(|()| anstream::stdout().flush());
    after_output(written, Exit::Success)
}

/// A folder as a word of a shell.
fn word(folder: &Path) -> String {
    let folder = match shown(folder) {
        folder if folder.is_empty() => ".".to_owned(),
        // No flag.
        folder if folder.starts_with('-') => format!("./{folder}"),
        folder => folder,
    };
    let is_plain = |c: char| c.is_alphanumeric() || "-_./,+@%:=".contains(c);
    match folder.chars().all(is_plain) {
        true => folder,
        false => format!("'{}'", folder.replace('\'', "'\\''")),
    }
}

/// True if something has the name, a link that leads nowhere included.
fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// The files and what stands in them.
fn files(args: &Init) -> Result<Vec<(PathBuf, String)>, Failure> {
    let mut networks = args.allow.clone();
    if networks.is_empty() {
        let examples = EXAMPLES.iter().map(|text| cidr(text));
        let examples = examples.collect::<Result<Vec<_>, _>>();
        networks = examples.map_err(|error| Failure::Internal(error.to_string()))?;
    }
    networks.sort_by_key(|it| it.network);
    networks.dedup_by_key(|it| it.network);
    let at = |name: &str| args.folder.join(name);
    let mut files =
        vec![(at("policy.yml"), policy(&networks, args)), (at("policy.test.yml"), cases(&networks, args))];
    check(&files)?;
    if args.ci.len() > 1 && args.ci.contains(&Ci::None) {
        return Err(Failure::Usage("`--ci none` and another `--ci` contradict each other".to_owned()));
    }
    let systems = if args.ci.is_empty() { &[Ci::Github][..] } else { &args.ci };
    for system in systems {
        let (name, text) = match system {
            Ci::Github => (".github/workflows/policy.yml", include_str!("init/github.yml")),
            Ci::Gitlab => (".gitlab-ci.yml", include_str!("init/gitlab.yml")),
            Ci::PreCommit => (".pre-commit-config.yaml", include_str!("init/pre-commit.yml")),
            Ci::None => continue,
        };
        if !files.iter().any(|(path, _)| *path == at(name)) {
            files.push((at(name), text.to_owned()));
        }
    }
    Ok(files)
}

/// Looks whether the policy is one: what a call gives may not fit.
fn check(files: &[(PathBuf, String)]) -> Result<(), Failure> {
    let Some((path, text)) = files.first() else { return Ok(()) };
    let (_, found) = load_policy(&Source::new(shown(path), text.clone()), &CheckOptions::default());
    match found.iter().find(|item| item.severity == Severity::Error) {
        None => Ok(()),
        Some(error) => {
            let help = error.help.iter().map(|help| format!("; {help}")).next().unwrap_or_default();
            Err(Failure::Usage(format!("the policy would have an error: {}{help}", error.message)))
        }
    }
}

fn policy(networks: &[ParsedCidr], args: &Init) -> String {
    let mut text = String::from(
        "# Who may connect, and where the connections go: everyone else is closed without an answer.\n\
         on_tcp_connect:\n  - name: known networks only\n    actions:\n      - type: restrict-ips\n        \
         config:\n          allow:\n",
    );
    for it in networks {
        let note =
            if EXAMPLES.contains(&&*it.network.to_string()) { "  # an example: yours here" } else { "" };
        let _ = writeln!(text, "            - {}{note}", it.network);
    }
    let _ = write!(
        text,
        "  - actions:\n      - type: forward-internal\n        config:\n          url: {}\n",
        args.forward
    );
    text
}

fn cases(networks: &[ParsedCidr], args: &Init) -> String {
    let forward = &args.forward;
    let all: Vec<_> = networks.iter().map(|it| format!("\"{}\"", member(it))).collect();
    let first = all.first().cloned().unwrap_or_default();
    let strangers: Vec<_> = strangers(networks).into_iter().map(|address| format!("\"{address}\"")).collect();
    let mut text = format!(
        "# What policy.yml should do: `policy test` asks it, `policy test --coverage` says what no case reaches.\n\
         policy: policy.yml\ncases:\n  - name: known networks reach the device\n    ip: [{}]\n    \
         expect: {{forward: \"{forward}\"}}\n",
        all.join(", ")
    );
    if !strangers.is_empty() {
        let _ = write!(
            text,
            "  - name: everyone else is closed\n    ip: [{}]\n    \
             expect: {{deny: true, rule: known networks only}}\n",
            strangers.join(", ")
        );
    }
    let _ = write!(
        text,
        "  - name: nobody is let through while the device is offline\n    ip: {first}\n    \
         targets: {{\"{forward}\": offline}}\n    expect: {{error: true}}\n"
    );
    text
}

/// An address of a network: the one behind its first, where it has several.
fn member(it: &ParsedCidr) -> IpAddr {
    let first = it.network.network();
    let next = match first {
        IpAddr::V4(first) => IpAddr::from((u32::from(first) | 1).to_be_bytes()),
        IpAddr::V6(first) => IpAddr::from((u128::from(first) | 1).to_be_bytes()),
    };
    if it.network.contains(next) { next } else { first }
}

/// Addresses that no network has, one of each family.
fn strangers(networks: &[ParsedCidr]) -> Vec<IpAddr> {
    let all = STRANGERS.iter().filter_map(|text| text.parse::<IpAddr>().ok());
    let free: Vec<_> =
        all.filter(|address| !networks.iter().any(|it| it.network.contains(*address))).collect();
    let of = |v4: bool| free.iter().copied().find(|address| address.is_ipv4() == v4);
    [of(true), of(false)].into_iter().flatten().collect()
}

/// What has been made so far: all of it stays, or nothing.
#[derive(Default)]
struct Made {
    files: Vec<PathBuf>,
    /// In the order in which they were made.
    folders: Vec<PathBuf>,
}

impl Made {
    /// Writes a file that is not there, in a folder that no link leads out of.
    fn write(&mut self, path: &Path, text: &str, folder: &Path) -> Result<(), Failure> {
        let failed =
            |error: &io::Error| Failure::Usage(format!("cannot write `{}`: {}", shown(path), reason(error)));
        let parent = path.parent().unwrap_or(folder);
        self.folder(folder).map_err(|error| failed(&error))?;
        // Before anything is made behind a link.
        let there = parent.ancestors().find(|ancestor| is_there(ancestor)).unwrap_or(folder);
        if !is_below(there, folder) {
            let message = format!("cannot write `{}`: a link leads out of `{}`", shown(path), shown(folder));
            return Err(Failure::Usage(message));
        }
        self.folder(parent).map_err(|error| failed(&error))?;
        let mut file =
            OpenOptions::new().write(true).create_new(true).open(path).map_err(|error| failed(&error))?;
        self.files.push(path.to_owned());
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| failed(&error))
    }

    /// Makes a folder, and those around it.
    fn folder(&mut self, folder: &Path) -> io::Result<()> {
        let around = folder.ancestors().filter(|folder| !folder.as_os_str().is_empty());
        let missing: Vec<_> = around.take_while(|folder| !folder.exists()).collect();
        for folder in missing.into_iter().rev() {
            match fs::create_dir(folder) {
                Ok(()) => self.folders.push(folder.to_owned()),
                // By another name, or by somebody else.
                Err(_) if folder.is_dir() => {}
                Err(error) => return Err(error),
            }
        }
        // Says what is in the way if it is no folder.
        fs::create_dir_all(folder)
    }

    /// Takes everything away again, but for folders that somebody else has put something into.
    fn remove(self) {
        self.files.iter().for_each(|path| drop(fs::remove_file(path)));
        self.folders.iter().rev().for_each(|path| drop(fs::remove_dir(path)));
    }
}
