//! The published packages, by the ordinary clients of their registries, into the folder of builds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// Two tests need the same one.
static ONE_BY_ONE: Mutex<()> = Mutex::new(());

/// A file beside this one.
pub(crate) fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk").join(name)
}

/// The interpreter of an environment that holds one package of PyPI.
pub(crate) fn python(package: &str, version: &str) -> Option<PathBuf> {
    let folder = installed(&format!("python-{package}-{version}"), |folder| {
        succeeds(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=1"];
        succeeds(Command::new(folder.join("bin/python")).args(pip).arg(format!("{package}=={version}")))
    })?;
    Some(folder.join("bin/python"))
}

/// The folder, with a slash at its end, that one package of the npm registry is installed in.
pub(crate) fn node(package: &str, version: &str) -> Option<PathBuf> {
    let name = format!("node-{}-{version}", package.replace(['@', '/'], "-"));
    let folder = installed(&name, |folder| {
        succeeds(Command::new("node").arg("--version"))?;
        fs::create_dir_all(folder).map_err(|error| error.to_string())?;
        let npm = [
            "install",
            "--silent",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--fetch-retries=1",
            "--prefix",
        ];
        succeeds(Command::new("npm").args(npm).arg(folder).arg(format!("{package}@{version}")))
    })?;
    Some(folder.join(""))
}

/// The program of the Rust SDK.
pub(crate) fn rust() -> Option<PathBuf> {
    if !wanted("the Rust SDK") {
        return None;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("sdk-rust");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = succeeds(
        Command::new(cargo)
            .args(["build", "--locked", "--quiet", "--manifest-path"])
            .arg(source("rust/Cargo.toml"))
            .arg("--target-dir")
            .arg(&target)
            // Set where times are asked for; to build with it would build everything again.
            .env_remove("RUSTC_BOOTSTRAP"),
    );
    built.unwrap_or_else(|error| panic!("the Rust SDK cannot be installed: {error}"));
    Some(target.join("debug/sdk-client"))
}

/// A folder of builds that was filled, now or in an earlier run.
fn installed(name: &str, fill: impl FnOnce(&Path) -> Result<(), String>) -> Option<PathBuf> {
    if !wanted(name) {
        return None;
    }
    let _one = ONE_BY_ONE.lock().expect("whole");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let complete = folder.join("complete");
    if complete.is_file() {
        return Some(folder);
    }
    // What an earlier run left half filled.
    let _ = fs::remove_dir_all(&folder);
    fill(&folder).unwrap_or_else(|error| panic!("{name} cannot be installed: {error}"));
    fs::write(complete, "").expect("writable");
    Some(folder)
}

/// True if the call asks for the published SDKs; says that the test is skipped otherwise.
fn wanted(what: &str) -> bool {
    let wanted = std::env::var_os("REQUIRE_SDKS").is_some();
    if !wanted {
        eprintln!("skipped: {what} is installed from its registry only where `REQUIRE_SDKS` is set");
    }
    wanted
}

fn succeeds(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{command:?}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.trim().lines().last().unwrap_or_default();
    if output.status.success() { Ok(()) } else { Err(format!("{last} ({command:?})")) }
}
