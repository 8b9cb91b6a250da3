//! The `forwarder` command.

use std::fs;
use std::process::{Command, Output};

use forwarder::control::identity::{Credential, ServiceUser};
use jiff::Timestamp;
use serde_json::Value;

use crate::harness::Api;

/// Runs the command in the folder of the API, whose socket stands where it is looked for.
fn run(api: &Api, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_forwarder"));
    let Output { status, stdout, stderr } =
        command.args(args).current_dir(api.folder.path()).output().expect("it starts");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code().expect("an exit code"), text(stdout), text(stderr))
}

fn yes(api: &Api, args: &[&str]) -> String {
    let (code, stdout, stderr) = run(api, args);
    assert_eq!(code, 0, "{args:?}: {stderr}");
    stdout
}

#[test]
fn a_token_from_its_making_to_its_end() {
    let api = Api::start();
    let owner = yes(&api, &["service-user", "create", "gate"]);
    let owner = owner.trim();
    assert!(yes(&api, &["service-user", "list"]).contains(&format!("{owner}  gate  true")));
    let args = [
        "authtoken",
        "create",
        "--owner",
        owner,
        "--acl",
        "bind:a.internal:22",
        "--acl",
        "bind:*.b.internal",
    ];
    let (code, token, said) =
        run(&api, &[&args[..], &["--description", "spare", "--expires", "90d"]].concat());
    assert_eq!((code, token.lines().count()), (0, 1), "{said}");
    let token = token.trim();
    assert!(said.contains("not shown again") && !said.contains(token), "{said}");
    let principal = api.identity.authenticate(token, [127, 0, 0, 1].into(), Timestamp::now()).expect("alive");
    assert!(principal.acl.permits("x.b.internal", None) && !principal.acl.permits("a.internal", Some(23)));
    assert!(principal.expires_at.is_some());
    let id = principal.credential.to_string();
    let list = yes(&api, &["authtoken", "list"]);
    assert!(
        list.contains(&id) && list.contains("bind:a.internal:22,bind:*.b.internal") && !list.contains(token)
    );
    assert_eq!(yes(&api, &["authtoken", "revoke", &id]), format!("{id} revoked\n"));
    assert!(api.identity.validate(principal.credential, [127, 0, 0, 1].into(), Timestamp::now()).is_err());
    let (code, _, said) = run(&api, &["authtoken", "revoke", &id]);
    assert_eq!((code, said), (1, format!("error: there is no `{id}`\n")));
    yes(&api, &["service-user", "delete", owner]);
    assert!(api.identity.page::<ServiceUser>(None, 9).is_empty());
}

#[test]
fn json_and_all_pages() {
    let api = Api::start();
    let made: Value = serde_json::from_str(&yes(&api, &["authtoken", "create", "--json"])).expect("JSON");
    assert!(
        api.identity
            .authenticate(made["token"].as_str().expect("shown"), [127, 0, 0, 1].into(), Timestamp::now())
            .is_ok()
    );
    for _ in 0..204 {
        api.identity.create::<Credential>(Default::default(), Timestamp::now()).expect("made");
    }
    let list: Value = serde_json::from_str(&yes(&api, &["authtoken", "list", "--json"])).expect("JSON");
    let ids: Vec<_> = list.as_array().expect("a list").iter().map(|it| it["id"].as_str()).collect();
    assert!(ids.len() == 205 && ids.is_sorted_by(|a, b| a > b));
    assert_eq!(ids.last(), Some(&made["id"].as_str()));
    let filter = format!("obj.id != '{}' && obj.description == ''", made["id"].as_str().expect("text"));
    let list: Value = serde_json::from_str(&yes(&api, &["authtoken", "list", "--json", "--filter", &filter]))
        .expect("JSON");
    assert_eq!(list.as_array().map(Vec::len), Some(204), "over pages");
    for kind in ["service-user", "api-key", "session", "endpoint"] {
        yes(&api, &[kind, "list", "--filter", "obj.id != ''"]);
    }
    let (code, _, said) = run(&api, &["session", "list", "--filter", "obj.nothing"]);
    assert!(code == 2 && said.contains("ERR_NGROK_250"), "{said}");
}

#[test]
fn an_api_key_is_made_for_a_service_user() {
    let api = Api::start();
    let owner = yes(&api, &["service-user", "create", "robot"]);
    let (code, key, said) = run(&api, &["api-key", "create", "--owner", owner.trim(), "--description", "d"]);
    assert!(code == 0 && key.lines().count() == 1 && !said.contains(key.trim()), "{said}");
    let id = api.identity.authenticate_key(key.trim()).expect("counts").to_string();
    let list = yes(&api, &["api-key", "list"]);
    assert!(list.contains(&format!("{id}  {}", owner.trim())) && !list.contains(key.trim()), "{list}");
    assert_eq!(yes(&api, &["api-key", "delete", &id]), format!("{id} deleted\n"));
    assert_eq!(run(&api, &["api-key", "delete", &id]).0, 1);
    let script = yes(&api, &["completions", "bash"]);
    assert!(script.contains("api-key") && script.contains("--filter") && script.contains("--url"));
}

#[test]
fn names_are_taken_where_ids_are() {
    let api = Api::start();
    yes(&api, &["service-user", "create", "gate berlin"]);
    for description in ["spare \"1\"", "twice", "twice"] {
        let create = ["authtoken", "create", "--owner", "gate berlin", "--description", description];
        yes(&api, &create);
    }
    yes(&api, &["api-key", "create", "--owner", "gate berlin", "--description", "robot"]);
    let credentials = api.identity.page::<Credential>(None, 9);
    assert!(credentials.iter().all(|it| it.owner_id.is_some()));
    let id = |description: &str| {
        let found = credentials.iter().find(|it| it.description == description);
        found.expect("made").id.to_string()
    };
    let spare = id("spare \"1\"");
    assert_eq!(yes(&api, &["authtoken", "revoke", "spare \"1\""]), format!("{spare} revoked\n"));
    let (code, _, said) = run(&api, &["authtoken", "revoke", "spare \"1\""]);
    assert!(code == 1 && said.contains("`spare \"1\"`"), "{said}");
    // More than one: nothing happens, and the candidates are named.
    let (code, _, said) = run(&api, &["authtoken", "revoke", "twice"]);
    let both = credentials.iter().filter(|it| it.description == "twice");
    assert!(code == 2 && both.clone().all(|it| said.contains(&it.id.to_string())), "{said}");
    assert_eq!((both.count(), api.identity.page::<Credential>(None, 9).len()), (2, 2));
    // Who gives the authtoken itself does not see it again.
    let token = yes(&api, &["authtoken", "create"]);
    let (code, _, said) = run(&api, &["authtoken", "revoke", token.trim()]);
    assert!(code == 2 && said.contains("cr_…") && !said.contains(token.trim()), "{said}");

    assert_eq!(yes(&api, &["session", "stop", "van"]), "ts_1 stopped\n");
    yes(&api, &["api-key", "delete", "robot"]);
    yes(&api, &["service-user", "delete", "gate berlin"]);
    assert_eq!(api.identity.page::<Credential>(None, 9).len(), 1, "the one without an owner");
}

#[test]
fn sessions_and_endpoints() {
    let api = Api::start();
    assert!(yes(&api, &["session", "list"]).contains("192.0.2.7  cr_1"));
    assert!(yes(&api, &["endpoint", "list"]).contains("tcp://device1.internal:22"));
    assert_eq!(yes(&api, &["session", "stop", "ts_1"]), "ts_1 stopped\n");
    assert_eq!(run(&api, &["session", "stop", "ts_1"]).0, 1);
    assert_eq!(yes(&api, &["session", "list", "--json"]), "[]\n");
}

#[test]
fn the_socket_is_found_by_the_configuration() {
    let api = Api::start();
    let write = |name: &str, text: &str| fs::write(api.folder.path().join(name), text).expect("writable");
    write("edge.yml", "version: 1\nstate_dir: ./state\n");
    write("socket.yml", "version: 1\nadmin: {socket: state/admin.sock}\n");
    write("other.yml", "version: 1\nstate_dir: ./elsewhere\n");
    write("broken.yml", "[");
    yes(&api, &["authtoken", "list", "--config", "edge.yml"]);
    yes(&api, &["authtoken", "--config", "socket.yml", "list"]);
    yes(&api, &["authtoken", "list", "--socket", "state/admin.sock"]);
    for (config, part) in [
        ("other.yml", "cannot connect to the edge"),
        ("broken.yml", "broken.yml"),
        ("missing.yml", "missing.yml"),
    ] {
        let (code, _, said) = run(&api, &["authtoken", "list", "--config", config]);
        assert!(code == 2 && said.contains(part), "{said}");
    }
}

#[test]
fn a_wrong_call_is_told() {
    let api = Api::start();
    for (args, code, part) in [
        (&["authtoken", "create", "--acl", "device1.internal"][..], 2, "ERR_NGROK_600"),
        (&["authtoken", "create", "--expires", "soon"], 2, "90d"),
        (&["authtoken", "create", "--owner", "su_01ARZ3NDEKTSV4RRFFQ69G5FAV"], 2, "owner_id"),
        (&["authtoken", "revoke", "../x"], 1, "`../x`"),
        (&["authtoken", "revoke", "cr_../x"], 1, "`cr_../x`"),
        (&["authtoken", "revoke", ""], 2, "cr_"),
        (&["authtoken", "revoke", &"x".repeat(3_000)], 2, "cr_"),
        (&["authtoken", "revoke", "a\u{7}\" || true || \"\\"], 1, "no authtoken"),
        (&["service-user", "create", " "], 2, "empty"),
        (&["service-user", "delete", "su_1"], 1, "su_1"),
        (&["authtoken", "list", "--config", "a", "--socket", "b"], 2, "cannot be used with"),
    ] {
        let (exit, stdout, said) = run(&api, args);
        assert!(exit == code && said.contains(part) && stdout.is_empty(), "{args:?}: {exit} {said}");
    }
    assert!(api.identity.page::<Credential>(None, 9).is_empty());
}
