//! `forwarder ca`: the authority of the agents' listener.

use std::fs;
use std::process::Output;

use crate::harness::{Folder, forwarder};

const EDGE: &str = "version: 1\nagents: {listen: \"127.0.0.1:0\", names: [edge.example.com]}\n";

fn ca(folder: &Folder, command: &str) -> (Option<i32>, String, String) {
    let config = folder.path("edge.yml");
    let output: Output = forwarder().args(["ca", command, "--config"]).arg(config).output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn an_authority_is_made_shown_and_replaced() {
    let folder = Folder::new();
    folder.write("edge.yml", EDGE);
    let (code, out, error) = ca(&folder, "show");
    assert_eq!((code, &*out), (Some(1), ""), "{error}");
    assert!(error.contains("there is no CA yet"), "{error}");
    assert!(!folder.path("state").exists(), "showing makes nothing");

    let (code, first, error) = ca(&folder, "rotate");
    assert_eq!(code, Some(0), "{error}");
    let file = folder.path("state/ca/ca.pem");
    assert_eq!(first.lines().next(), Some(&*file.display().to_string()));
    assert_eq!(ca(&folder, "show").1, first);
    let bundle = || fs::read_to_string(&file).expect("made").matches("BEGIN CERTIFICATE").count();
    assert_eq!(bundle(), 1);

    let (code, second, _) = ca(&folder, "rotate");
    assert_eq!((code, bundle()), (Some(0), 2));
    assert_ne!(second, first);
    assert_eq!(ca(&folder, "show").1, second);
}

#[test]
fn without_a_need_there_is_no_authority() {
    let folder = Folder::new();
    folder.write("edge.yml", "version: 1\n");
    assert_eq!(ca(&folder, "rotate").0, Some(2));
    folder.write("edge.yml", &EDGE.replace("]}", "], tls: {certificate: a.pem, private_key: a.key}}"));
    let (code, _, error) = ca(&folder, "rotate");
    assert_eq!(code, Some(2));
    assert!(error.contains("a.pem"), "{error}");
    let (code, _, error) = ca(&folder, "show");
    assert_eq!(code, Some(3));
    assert!(error.contains("a.pem"), "{error}");
}
