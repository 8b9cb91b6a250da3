//! From a host to its addresses: by the system, or by resolvers of one's own.
//!
//! Resolvers are asked over UDP, and over TCP where an answer does not fit. Names are asked for as they stand, without
//! the search domains and the hosts file of the machine. `localhost` is never asked for (RFC 6761, 6.3).

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use domain::base::Name;
use domain::resolv::StubResolver;
use domain::resolv::stub::conf::{ResolvConf, ServerConf, Transport};
use policy_core::url::HostPort;
use tokio::net::lookup_host;

/// How long a resolver may take: some never answer for the addresses that they have not.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// Who looks names up.
#[derive(Clone, Default)]
pub(super) struct Names {
    resolver: Option<(Arc<StubResolver>, Arc<[SocketAddr]>)>,
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.resolver.iter().flat_map(|(_, servers)| servers.iter())).finish()
    }
}

impl PartialEq for Names {
    fn eq(&self, other: &Self) -> bool {
        let servers = |names: &Self| names.resolver.as_ref().map(|(_, servers)| Arc::clone(servers));
        servers(self) == servers(other)
    }
}

impl Eq for Names {}

impl Names {
    /// Asks these resolvers; the system if there are none.
    pub(super) fn new(servers: &[SocketAddr]) -> Self {
        if servers.is_empty() {
            return Self::default();
        }
        let mut conf = ResolvConf::new();
        let server = |&at: &SocketAddr| {
            let mut server = ServerConf::new(at, Transport::UdpTcp);
            server.request_timeout = ANSWER_TIME;
            server
        };
        conf.servers = servers.iter().map(server).collect();
        conf.finalize();
        Self { resolver: Some((Arc::new(StubResolver::from_conf(conf)), servers.into())) }
    }

    /// The addresses of a host, at least one.
    pub(super) async fn addresses(&self, of: &HostPort) -> io::Result<Vec<SocketAddr>> {
        let host = &*of.host;
        let found: Vec<SocketAddr> = match (host.parse::<IpAddr>(), &self.resolver) {
            (Ok(address), _) => vec![SocketAddr::new(address, of.port)],
            (Err(_), Some((resolver, servers))) if !is_local(host) => {
                let name: Name<Vec<u8>> =
                    host.parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
                let found = resolver.lookup_host(&name).await.map_err(|error| {
                    io::Error::new(error.kind(), format!("the name from {servers:?}: {error}"))
                })?;
                found.port_iter(of.port).collect()
            }
            _ => lookup_host((host, of.port)).await?.collect(),
        };
        match found.is_empty() {
            true => Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address")),
            false => Ok(found),
        }
    }
}

pub(super) fn is_local(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let last = host.rsplit('.').next().unwrap_or(host);
    last.eq_ignore_ascii_case("localhost")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::net::UdpSocket;

    use super::*;

    /// STAND-IN for a resolver: it knows `device.example`, an alias of `real.example`, at 127.0.0.7, and nothing else.
    /// What it is asked for is kept.
    async fn resolver() -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let at = socket.local_addr().expect("bound");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let held = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut question = [0; 1_232];
            while let Ok((read, from)) = socket.recv_from(&mut question).await {
                let (name, end) = name_at(&question[..read], 12);
                held.lock().expect("held").push(name.to_ascii_lowercase());
                let is_known = name.eq_ignore_ascii_case("device.example");
                let wants_a = question[end..end + 2] == [0, 1];
                let mut answer = question[..2].to_vec();
                // A response to a recursive question: no error, or no such name. One question, the answers, no more.
                answer.extend([0x81, if is_known { 0x80 } else { 0x83 }, 0, 1]);
                answer.extend([0, if is_known && wants_a { 2 } else { 0 }, 0, 0, 0, 0]);
                answer.extend(&question[12..end + 4]);
                if is_known && wants_a {
                    // The name in the question, CNAME, IN, a minute.
                    answer.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 14]);
                    answer.extend(b"\x04real\x07example\0");
                    // The target of the alias, A, IN, a minute.
                    let target = u8::try_from(answer.len() - 14).expect("short");
                    answer.extend([0xc0, target, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 7]);
                }
                socket.send_to(&answer, from).await.expect("sent");
            }
        });
        (at, asked)
    }

    /// The name in a message, and where it ends.
    fn name_at(message: &[u8], mut at: usize) -> (String, usize) {
        let mut labels = Vec::new();
        while message[at] != 0 {
            let end = at + 1 + usize::from(message[at]);
            labels.push(String::from_utf8_lossy(&message[at + 1..end]).into_owned());
            at = end;
        }
        (labels.join("."), at + 1)
    }

    #[tokio::test]
    async fn names_are_asked_of_the_resolver_and_addresses_of_nobody() {
        let (server, asked) = resolver().await;
        let names = Names::new(&[server]);
        let find = |text: &str| HostPort::parse(text).expect(text);
        let found = names.addresses(&find("device.example:22")).await.expect("known");
        assert_eq!(found, ["127.0.0.7:22".parse().expect("an address")]);
        let error = names.addresses(&find("other.example:22")).await.expect_err("unknown");
        assert_eq!((error.kind(), &*error.to_string()), (io::ErrorKind::NotFound, "the name has no address"));
        for own in ["[::1]:22", "127.0.0.1:22", "localhost:22"] {
            let found = names.addresses(&find(own)).await.expect(own);
            assert!(found.iter().all(|it| it.ip().is_loopback()), "{found:?}");
        }
        let asked = asked.lock().expect("held").clone();
        assert_eq!(asked.iter().filter(|it| **it == "device.example").count(), 2, "A and AAAA");
        assert!(asked.iter().all(|it| it.ends_with(".example")), "{asked:?}");
        assert!(is_local("a.LOCALHOST.") && !is_local("localhost.example"));
    }
}
