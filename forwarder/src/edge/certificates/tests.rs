//! Certificates that the edge makes, as a client of the same library sees them.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls::pki_types::{ServerName, UnixTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::identity::server_config;
use super::*;
use crate::net::tls::client::{TrustedCas, client_config};
use crate::net::tls::files as tls_files;

fn names(names: &[&str]) -> Vec<Box<str>> {
    names.iter().map(|&name| name.into()).collect()
}

/// A handshake over loopback: what the client says of it, and whether bytes pass.
async fn handshake(server: Arc<ServerConfig>, trust: &Path, name: &str) -> io::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let serve = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        let mut stream = tokio_rustls::TlsAcceptor::from(server).accept(stream).await?;
        stream.write_all(b"welcome").await?;
        stream.shutdown().await
    });
    let client = tokio_rustls::TlsConnector::from(client_config(&TrustedCas::File(trust.to_owned()))?);
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let mut stream = client.connect(name, TcpStream::connect(address).await?).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    serve.await??;
    Ok(text)
}

fn own(folder: &Path, of: &[&str]) -> io::Result<AgentIdentity> {
    AgentIdentity::own(folder, &names(of))
}

#[tokio::test]
async fn an_own_authority_is_trusted_for_its_names_and_addresses() {
    let folder = tempfile::tempdir().expect("a folder");
    for (at, of) in [(0, &["edge.example.com", "127.0.0.1", "::1"][..]), (1, &["127.0.0.1"]), (2, &["e"])] {
        let folder = folder.path().join(at.to_string());
        let identity = own(&folder, of).expect("made");
        let trust = identity.authority().expect("made").to_owned();
        for name in of {
            let text = handshake(identity.server_config(), &trust, name).await.expect(name);
            assert_eq!(text, "welcome");
        }
        let error = handshake(identity.server_config(), &trust, "other.example.com").await;
        assert!(error.is_err_and(|error| error.to_string().contains("not valid for name")));
        // The certificate is kept, and so is the authority.
        let chain = std::fs::read(folder.join("ca/edge.pem")).expect("there");
        let again = own(&folder, of).expect("kept");
        assert_eq!(again.fingerprint(), identity.fingerprint());
        assert_eq!(std::fs::read(folder.join("ca/edge.pem")).expect("there"), chain);
        assert_eq!(show(&folder).expect("there").expect("there").fingerprint, identity.fingerprint());
        let mode =
            |name: &str| std::fs::metadata(folder.join(name)).expect("there").permissions().mode() & 0o777;
        assert_eq!([mode("ca"), mode("ca/ca.key"), mode("ca/edge.key")], [0o700, 0o600, 0o600]);
    }
}

/// Whoever holds the authority's key can still not pose as anybody else.
#[tokio::test]
async fn a_leaf_for_another_name_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    for (at, of, forged) in [
        (0, "edge.example.com", "bank.example"),
        (1, "edge.example.com", "127.0.0.1"),
        (2, "127.0.0.1", "bank.example"),
        (3, "127.0.0.1", "127.0.0.2"),
        (4, "::1", "127.0.0.1"),
    ] {
        let folder = folder.path().join(at.to_string());
        let identity = own(&folder, &[of]).expect("made");
        let (chain, key) = authority::tests::forge(&folder, forged);
        let server = server_config(chain, key).expect("a pair");
        let trust = identity.authority().expect("made");
        let error = handshake(server, trust, forged).await.expect_err("outside the names");
        assert!(error.to_string().contains("NameConstraintViolation"), "{of} {forged}: {error}");
    }
}

#[tokio::test]
async fn after_a_rotation_both_authorities_are_trusted() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let first = own(path, &["e"]).expect("made");
    let old_trust = path.join("old.pem");
    std::fs::copy(first.authority().expect("made"), &old_trust).expect("copied");
    let rotated = rotate(path, &names(&["e"])).expect("rotated");
    assert_ne!(rotated.fingerprint, first.fingerprint());
    let second = own(path, &["e"]).expect("made");
    assert_eq!(second.fingerprint(), rotated.fingerprint);
    // The new bundle fits the edge before and after its restart, the old one before only.
    for identity in [&first, &second] {
        assert!(handshake(identity.server_config(), &rotated.path, "e").await.is_ok());
    }
    assert!(handshake(first.server_config(), &old_trust, "e").await.is_ok());
    assert!(handshake(second.server_config(), &old_trust, "e").await.is_err());
    std::fs::remove_file(path.join("ca/previous.pem")).expect("there");
    let third = own(path, &["e"]).expect("kept");
    let trust = third.authority().expect("made");
    assert!(handshake(first.server_config(), trust, "e").await.is_err());
    assert!(handshake(third.server_config(), trust, "e").await.is_ok());
}

#[tokio::test]
async fn two_rotations_before_a_reload_lock_nobody_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let shown = own(path, &["e"]).expect("made");
    for _ in 0..3 {
        let rotated = rotate(path, &names(&["e"])).expect("rotated");
        assert!(handshake(shown.server_config(), &rotated.path, "e").await.is_ok());
    }
    let reloaded = own(path, &["e"]).expect("made");
    let trust = reloaded.authority().expect("made").to_owned();
    assert!(handshake(reloaded.server_config(), &trust, "e").await.is_ok());
    // Once nobody shows it, it is trusted for one rotation more, as any other.
    rotate(path, &names(&["e"])).expect("rotated");
    assert!(handshake(shown.server_config(), &trust, "e").await.is_err());
    assert!(handshake(reloaded.server_config(), &trust, "e").await.is_ok());
}

#[test]
fn other_names_need_another_certificate_and_may_need_another_authority() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let first = own(path, &["edge.example.com", "127.0.0.1"]).expect("made");
    // Fewer names, and names below, are within what the authority vouches for.
    let chain = || std::fs::read_to_string(path.join("ca/edge.pem")).expect("there");
    let before = chain();
    let fewer = own(path, &["edge.example.com", "a.edge.example.com"]).expect("within");
    assert_eq!(fewer.fingerprint(), first.fingerprint());
    assert_ne!(chain(), before);
    let before = chain();
    let error = own(path, &["edge.example.com", "edge.example.org"]).expect_err("outside");
    let text = error.to_string();
    assert!(text.contains("edge.example.org") && text.contains("forwarder ca rotate"), "{text}");
    assert_eq!(chain(), before, "a certificate that agents refuse is not written");
    rotate(path, &names(&["edge.example.com", "edge.example.org"])).expect("rotated");
    assert!(own(path, &["edge.example.com", "edge.example.org"]).is_ok());
}

#[test]
fn a_certificate_is_renewed_before_it_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let of = names(&["e"]);
    let day = |days: u64| UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000 + days * 86_400));
    let at = |days| authority::own(path, &of, day(days)).map(|own| own.chain);
    let first = at(0).expect("made");
    assert_eq!(at(300).expect("kept"), first);
    let second = at(340).expect("renewed");
    assert_ne!(second, first);
    assert!(issue::has_ended(&first[0], day(366)) && !issue::has_ended(&first[0], day(363)));
    assert!(at(3_600).is_ok());
    let error = at(3_660).expect_err("the CA has expired").to_string();
    assert!(error.contains("has expired") && error.contains("forwarder ca rotate"), "{error}");
}

#[test]
fn broken_files_are_said_or_made_anew() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let other = tempfile::tempdir().expect("a folder");
    let first = own(path, &["e"]).expect("made");
    own(other.path(), &["e"]).expect("made");
    let file = |name: &str| path.join("ca").join(name);
    let whole = std::fs::read_to_string(file("ca.key")).expect("there");
    let half = whole.get(..whole.len() - 60).expect("longer").to_owned();
    let key_only = whole.get(whole.find("-----BEGIN PRIVATE").expect("there")..).expect("there").to_owned();
    let stranger = std::fs::read_to_string(other.path().join("ca/ca.key")).expect("there");
    let certificate = stranger.get(..stranger.find("-----BEGIN PRIVATE").expect("there")).expect("there");
    let mismatch = format!("{certificate}{key_only}");
    // The edge's own pair is made anew, whatever it holds.
    for name in ["edge.pem", "edge.key"] {
        for content in ["", "rubbish", &half, &stranger, "# Made by the edge for: e\n"] {
            std::fs::write(file(name), content).expect("written");
            let again = own(path, &["e"]).expect("made anew");
            assert_eq!(again.fingerprint(), first.fingerprint());
        }
        std::fs::remove_file(file(name)).expect("there");
        assert!(own(path, &["e"]).is_ok());
    }
    // What agents trust follows from the authority.
    for name in ["ca.pem", "previous.pem"] {
        std::fs::write(file(name), &half).expect("written");
        assert_eq!(own(path, &["e"]).expect("made anew").fingerprint(), first.fingerprint());
        assert_eq!(show(path).expect("there").expect("there").fingerprint, first.fingerprint());
    }
    // An authority is never replaced silently, and never repeated in a message.
    let secret = key_only.lines().nth(1).expect("there");
    for content in ["", "rubbish", &half, &key_only, &mismatch, certificate] {
        std::fs::write(file("ca.key"), content).expect("written");
        let error = own(path, &["e"]).expect_err("unusable").to_string();
        assert!(error.contains("ca.key") && error.contains("forwarder ca rotate"), "{error}");
        assert!(!error.contains(secret), "{error}");
    }
    std::fs::remove_file(file("ca.key")).expect("there");
    let error = own(path, &["e"]).expect_err("gone").to_string();
    assert!(error.contains("it is gone"), "{error}");
    // A rotation keeps the certificate that agents trust even then.
    rotate(path, &names(&["e"])).expect("rotated");
    let bundle = tls_files::certificates(&file("ca.pem")).expect("there");
    assert_eq!(bundle.iter().map(fingerprint).nth(1).as_deref(), Some(first.fingerprint()));
}

#[test]
fn given_files_are_loaded_or_refused_with_a_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    own(path, &["e"]).expect("made");
    let (certificate, key) = (path.join("ca/edge.pem"), path.join("ca/edge.key"));
    let names = ["e", "x.e", "other.example.com", "192.0.2.1"].map(Box::from);
    let identity = AgentIdentity::load(&certificate, &key, &names).expect("a pair");
    assert_eq!(identity.missing_names(), ["x.e", "other.example.com", "192.0.2.1"].map(Box::from));
    assert_eq!(identity.fingerprint().len(), 95);
    assert!(identity.authority().is_none());
    assert!(!format!("{identity:?}").contains("BEGIN"));
    let error = |certificate: &Path, key: &Path| {
        AgentIdentity::load(certificate, key, &[]).expect_err("unusable").to_string()
    };
    assert!(error(&certificate, &path.join("ca/ca.key")).contains("it is not the key of the certificate"));
    assert!(error(&key, &key).contains("contains no "));
    assert!(error(&certificate, &certificate).contains("contains no PEM private key"));
    assert!(error(&path.join("gone.pem"), &key).contains("gone.pem"));
    std::fs::write(path.join("large.pem"), vec![b'x'; (4 << 20) + 1]).expect("written");
    assert!(error(&path.join("large.pem"), &key).contains("more than 4194304 bytes"));
}

#[test]
fn what_an_agent_trusts_has_at_least_one_authority() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cas.pem");
    assert!(client_config(&TrustedCas::Trusted).is_ok());
    for (content, reason) in [
        ("", "contains no "),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n", "breaks off"),
        ("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n", "not valid PEM"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "one of its certificates"),
    ] {
        std::fs::write(&path, content).expect("written");
        let error = client_config(&TrustedCas::File(path.clone())).expect_err("unusable").to_string();
        assert!(error.contains("cas.pem") && error.contains(reason), "{error}");
    }
}
