//! IP policies of an edge, and the lists they name: read at the start and at every reload.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

use crate::harness::{
    Edge, Folder, connect, connect_from, echo_device, exchange, forwarder, rest_of, second_address,
};
use crate::reloads::{answer, is_cut};

const POLICY: &str = "on_tcp_connect:
- actions:
  - {type: restrict-ips, config: {allow: [127.0.0.0/8], ip_policies: [ipp_guests]}}
  - {type: forward-internal, config: {url: \"tcp://device1.internal:22\"}}
";
const OPEN: &str =
    "on_tcp_connect: [{actions: [{type: forward-internal, config: {url: \"tcp://device1.internal:22\"}}]}]\n";
const GUESTS: &str = "- {id: ipp_guests, files: [{path: block.txt, action: deny}]}\n";

/// The endpoints `keep` and `refuse` name an IP policy, `open` does not.
fn folder(device: SocketAddr) -> Folder {
    let folder = Folder::new();
    let endpoint = |name: &str, policy: &str, on_bad_policy: &str| {
        format!(
            "- {{name: {name}, url: \"tcp://e:22\", listen: \"127.0.0.1:0\", traffic_policy_file: {policy}, on_bad_policy: {on_bad_policy}}}\n"
        )
    };
    folder.write(
        "edge.yml",
        &format!(
            "version: 1\nip_policies: ipp/guests.yml\nendpoints:\n{}{}{}internal_endpoints: [{{url: \"tcp://device1.internal:22\", upstream: {{url: \"{device}\"}}}}]\nevents: [{{type: file, path: events.jsonl}}]\n",
            endpoint("keep", "guests.yml", "keep"),
            endpoint("refuse", "guests.yml", "refuse"),
            endpoint("open", "open.yml", "keep"),
        ),
    );
    folder.write("guests.yml", POLICY);
    folder.write("open.yml", OPEN);
    std::fs::create_dir(folder.path("ipp")).expect("a folder");
    folder.write("ipp/guests.yml", GUESTS);
    folder.write("ipp/block.txt", "# nobody yet\n203.0.113.0/24\n");
    folder
}

/// Makes a connection that is known to be open.
fn open(mut stream: TcpStream) -> TcpStream {
    stream.write_all(b"x").and_then(|()| stream.read_exact(&mut [0])).expect("an echo");
    stream
}

/// The digest that `status` shows for an endpoint.
fn digest(status: &Value, name: &str) -> String {
    let endpoints = status["endpoints"].as_array().expect("a list");
    let endpoint = endpoints.iter().find(|it| it["name"] == name).expect("there");
    endpoint["policy_sha256"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_list_that_grows_cuts_whom_it_blocks() {
    let Some(second) = second_address() else { return };
    let mut edge = Edge::start(folder(echo_device()));
    let (keep, free) = (edge.address("keep"), edge.address("open"));
    edge.wait_for_admin();
    let (before, code) = answer(&edge, "status");
    assert_eq!(code, Some(0), "{before}");
    let blocked = open(connect_from(second, keep));
    let (mut stays, mut other) = (open(connect(keep)), open(connect_from(second, free)));

    edge.folder.write("ipp/block.txt", "203.0.113.0/24\n127.0.0.2 # today\n");
    edge.signal("HUP");
    assert!(is_cut(blocked));
    for stream in [&mut stays, &mut other] {
        stream.write_all(b"x").and_then(|()| stream.read_exact(&mut [0])).expect("it stays");
    }
    assert!(exchange(connect_from(second, keep), b"blocked").is_empty());
    let (after, _) = answer(&edge, "status");
    assert_ne!(digest(&before, "keep"), digest(&after, "keep"), "the list is a part of the policy");
    assert_eq!(digest(&before, "open"), digest(&after, "open"));
    let event = edge.event_of("127.0.0.2");
    assert!([digest(&before, "keep"), digest(&after, "keep")].contains(&text(&event, "policy_sha256")));

    // Packed, and through the API.
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(b"203.0.113.0/24\n").expect("packed");
    std::fs::write(edge.folder.path("ipp/block.txt"), packed.finish().expect("packed")).expect("written");
    let (report, code) = answer(&edge, "reload");
    assert_eq!(code, Some(0), "{report}");
    let changed: Vec<_> =
        report["changed"].as_array().expect("a list").iter().map(|it| &it["endpoint"]).collect();
    assert_eq!(changed, ["keep", "refuse"]);
    assert_eq!(exchange(connect_from(second, keep), b"again"), b"again");
    assert_eq!(digest(&answer(&edge, "status").0, "keep"), digest(&before, "keep"));
}

fn text(event: &Value, key: &str) -> String {
    event[key].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_broken_list_keeps_those_policies_from_loading_that_need_it() {
    let mut edge = Edge::start(folder(echo_device()));
    let [keep, refuse, free] = ["keep", "refuse", "open"].map(|name| edge.address(name));
    edge.wait_for_admin();
    let [kept, refused, other] = [keep, refuse, free].map(|address| open(connect(address)));

    edge.folder.write("ipp/block.txt", "127.0.0.1\nnot a network\n");
    let (report, code) = answer(&edge, "reload");
    assert_eq!(code, Some(1), "{report}");
    let gaps: Vec<_> =
        report["not_loaded"].as_array().expect("a list").iter().map(|it| &it["endpoint"]).collect();
    assert_eq!(gaps, ["keep", "refuse"], "{report}");
    assert!(rest_of(&refused).is_empty());
    for mut stream in [kept, other] {
        stream.write_all(b"x").and_then(|()| stream.read_exact(&mut [0])).expect("it stays");
    }
    assert_eq!(exchange(connect(keep), b"as before"), b"as before");
    assert!(exchange(connect(refuse), b"no").is_empty());
    assert_eq!(exchange(connect(free), b"free"), b"free");

    // Nobody needs it: that is told all the same.
    edge.folder.write("guests.yml", OPEN);
    let (report, code) = answer(&edge, "reload");
    assert_eq!((code, report["not_loaded"].as_array().map(Vec::len)), (Some(1), Some(0)), "{report}");
    assert_eq!(report["problems"].as_array().map(Vec::len), Some(1), "{report}");
    edge.folder.write("guests.yml", POLICY);
    edge.folder.write("ipp/block.txt", "203.0.113.0/24\n");
    assert_eq!(answer(&edge, "reload").1, Some(0));
    assert_eq!(exchange(connect(refuse), b"again"), b"again");
}

#[test]
fn a_start_refuses_ids_that_nobody_declares_and_shows_nothing_from_outside() {
    let device = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    let check = |folder: &Folder| {
        let output = forwarder().arg("check").arg(folder.path("edge.yml")).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let site = folder(device);
    assert_eq!(check(&site).0, Some(0));
    site.write("ipp/guests.yml", &GUESTS.replace("ipp_guests", "ipp_others"));
    let (code, said) = check(&site);
    assert!(code == Some(1) && said.contains("TP437") && said.contains("`ipp_guests`"), "{said}");
    let started =
        forwarder().args(["edge", "--config"]).arg(site.path("edge.yml")).output().expect("it ends");
    assert!(!started.status.success());

    // A list elsewhere may hold anything.
    let elsewhere = Folder::new();
    let secret = elsewhere.write("secret.txt", "password of somebody\n");
    site.write("ipp/guests.yml", &GUESTS.replace("block.txt", &secret.display().to_string()));
    let (code, said) = check(&site);
    assert!(code == Some(1) && said.contains("TP431") && !said.contains("password"), "{said}");
}
