//! Programs of other packages, of the same build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What the command `policy` is made of: its sources, those of the crates that it uses, the pages in them, and what cargo
/// builds them by.
const MADE_OF: &[&str] = &[
    "policy-cli/src",
    "policy-core/src",
    "policy-core/lpm/src",
    "policy-core/docs",
    "docs/actions",
    "policy-cli/Cargo.toml",
    "policy-core/Cargo.toml",
    "policy-core/lpm/Cargo.toml",
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    ".cargo/config.toml",
];

/// The command `policy` of the same build. Cargo makes it for the tests of its own package only, so it may be older than
/// its sources, or missing.
pub(crate) fn policy_beside(forwarder: &Path) -> PathBuf {
    let policy = forwarder.with_file_name("policy");
    let built = fs::metadata(&policy).and_then(|file| file.modified()).ok();
    let changed = MADE_OF.iter().map(|part| newest(&Path::new(REPOSITORY).join(part))).max();
    if built < changed {
        let mut cargo = Command::new(env!("CARGO"));
        let profile = forwarder.parent().expect("a folder");
        cargo.args(["build", "--quiet", "--locked", "-p", "policy-cli", "--target-dir"]);
        // Set where times are asked for; to build with it would build everything again.
        cargo.arg(profile.with_file_name("")).current_dir(REPOSITORY).env_remove("RUSTC_BOOTSTRAP");
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo runs").success());
    }
    policy
}

/// When a file was changed, or the last one below a folder.
fn newest(path: &Path) -> SystemTime {
    if path.is_dir() {
        let entries = fs::read_dir(path).expect("readable").map(|entry| entry.expect("readable").path());
        return entries.map(|entry| newest(&entry)).max().expect("a file");
    }
    fs::metadata(path).and_then(|file| file.modified()).expect("readable")
}
