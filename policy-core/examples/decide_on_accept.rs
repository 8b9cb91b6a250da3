//! An edge in one page: each connection is decided when it has been accepted, before a byte of it is read.
//!
//! ```text
//! cargo run -p policy-core --example decide_on_accept
//! ```
//!
//! Two endpoints on loopback, each with a policy of its own. The example is its own client: the first endpoint
//! admits and answers it, the second closes without a byte.

use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use policy_core::compile::Program;
use policy_core::exchange::{Effect, ForwardFailure, Reply};
use policy_core::facts::Facts;
use policy_core::outcome::Outcome;

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

const OFFICE: &str = "
on_tcp_connect:
  - actions:
      - {type: restrict-ips, config: {allow: [127.0.0.0/8, '::1/128']}}
      - {type: forward-internal, config: {url: 'tcp://device1.internal:22'}}
";

const LAB: &str = "
on_tcp_connect:
  - actions:
      - {type: restrict-ips, config: {allow: [192.0.2.0/24, '2001:db8::/32']}}
      - {type: forward-internal, config: {url: 'tcp://device2.internal:22'}}
";

/// Accepts one connection, judges it, and serves or closes it.
fn accept(listener: &TcpListener, program: &Program) -> Fallible<Outcome> {
    let (mut stream, client) = listener.accept()?;
    let facts = Facts::from_connection(client, stream.local_addr()?);
    let mut run = program.on_tcp_connect(&facts);
    let outcome = run.run(|effect, run| match effect {
        // A real edge connects to the endpoint here, and then carries bytes both ways.
        Effect::Forward(target) => match run.target(target).map(|url| write!(stream, "this is {url}")) {
            Some(Ok(())) => Reply::Forwarded,
            Some(Err(_)) => Reply::ForwardFailed(ForwardFailure::UpstreamUnreachable),
            None => Reply::ForwardFailed(ForwardFailure::Offline),
        },
        _ => Reply::Logged,
    });
    println!("{}: {} {client}: {}", program.file(), outcome.name(), run.reason());
    // Dropping the stream closes it: nothing was read, and a refused client was sent nothing.
    Ok(outcome)
}

fn visit(address: SocketAddr) -> std::io::Result<String> {
    let mut received = String::new();
    TcpStream::connect(address)?.read_to_string(&mut received)?;
    Ok(received)
}

pub(crate) fn main() -> Fallible<()> {
    let (office, lab) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
    let addresses = [office.local_addr()?, lab.local_addr()?];
    let client = thread::spawn(move || addresses.map(visit));

    let admitted = accept(&office, &Program::from_policy("office.yml", OFFICE)?)?;
    let refused = accept(&lab, &Program::from_policy("lab.yml", LAB)?)?;
    assert!(admitted.is_admitted() && !refused.is_admitted());

    let [from_office, from_lab] = client.join().map_err(|_| "the client failed")?;
    assert_eq!(from_office?, "this is tcp://device1.internal:22");
    assert_eq!(from_lab?, "");
    Ok(())
}
