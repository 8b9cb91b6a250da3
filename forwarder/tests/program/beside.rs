//! Programs of other packages, of the same build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The command `policy` of the same build. Cargo makes it for the tests of its own package only, so it may be older than
/// its sources, or missing.
pub(crate) fn policy_beside(forwarder: &Path) -> PathBuf {
    let policy = forwarder.with_file_name("policy");
    let built = fs::metadata(&policy).and_then(|file| file.modified()).ok();
    let sources = ["policy-cli/src", "policy-core/src", "policy-core/docs", "docs/actions"];
    let changed = sources.iter().filter_map(|folder| newest(&Path::new(REPOSITORY).join(folder))).max();
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

/// When the last file below a folder was changed.
fn newest(folder: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").path());
    let changed = |path: PathBuf| match path.is_dir() {
        true => newest(&path),
        false => fs::metadata(path).and_then(|file| file.modified()).ok(),
    };
    entries.filter_map(changed).max()
}
