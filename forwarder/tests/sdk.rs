//! Published SDKs and the published client of the API, unmodified, against a running edge.
//!
//! They run where `REQUIRE_SDKS` is set, and are skipped with a message elsewhere: they come from their registries into the
//! folder of builds, and a test fails where one cannot be installed.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

#[path = "sdk/client.rs"]
mod client;
#[path = "program/harness.rs"]
#[allow(dead_code, reason = "shared with other tests")]
mod harness;
#[path = "sdk/install.rs"]
mod install;
#[path = "sdk/scenario.rs"]
mod scenario;

use std::process::Command;

use client::Client;
use scenario::Site;

#[test]
fn python() {
    let Some(program) = install::python("ngrok", "1.4.0") else { return };
    scenario::run(|| {
        let mut command = Command::new(&program);
        command.arg(install::source("client.py"));
        command
    });
}

#[test]
fn node() {
    let Some(folder) = install::node("@ngrok/ngrok", "1.7.0") else { return };
    scenario::run(|| {
        let mut command = Command::new("node");
        command.arg(install::source("client.mjs")).arg(&folder);
        command
    });
}

#[test]
fn rust() {
    let Some(program) = install::rust() else { return };
    scenario::run(|| Command::new(&program));
}

#[test]
fn python_client_of_the_api() {
    let api = install::python("ngrok-api", "0.19.0");
    let sdk = install::python("ngrok", "1.4.0");
    let (Some(api), Some(sdk)) = (api, sdk) else { return };
    let site = Site::start();
    let mut agent = Client::start(Command::new(sdk).arg(install::source("client.py")));
    agent.connect(&site, &site.token()).expect("the token is good");
    agent.bind(&site, "device1.internal:22", "").expect("bound");
    let key = site.edge.ask(&["api-key", "create"]);
    let mut command = Command::new(api);
    let output =
        command.arg(install::source("api.py")).arg(format!("http://{}", site.admin)).arg(key).output();
    let output = output.expect("python runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && output.stdout == b"done\n", "{said}");
    assert!(agent.ends(), "the API has stopped its session");
}
