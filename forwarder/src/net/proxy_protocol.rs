//! The PROXY protocol: who a connection comes from, told before its first byte.

use std::fmt::Write as _;
use std::net::SocketAddr;

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// A line of text.
    V1,
    /// Bytes.
    V2,
}

impl ProxyProtocol {
    /// The version of a number.
    pub(crate) const fn from_number(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::V1),
            2 => Some(Self::V2),
            _ => None,
        }
    }

    /// What stands before the bytes of a connection. IPv6 where either address is.
    ///
    /// Source: The PROXY protocol, versions 1 & 2 (HAProxy, 2020-03-05), sections 2.1 and 2.2.
    #[must_use]
    pub fn header(self, client: SocketAddr, server: SocketAddr) -> Vec<u8> {
        let both = match (client, server) {
            (SocketAddr::V4(client), SocketAddr::V4(server)) => Ok((client, server)),
            (client, server) => Err((v6(client), v6(server))),
        };
        match self {
            Self::V1 => {
                let mut line = String::new();
                let (family, from, to) = match &both {
                    Ok((from, to)) => ("TCP4", from.ip().to_string(), to.ip().to_string()),
                    Err((from, to)) => ("TCP6", from.to_string(), to.to_string()),
                };
                // A text can always be written to.
                let _ = write!(line, "PROXY {family} {from} {to} {} {}\r\n", client.port(), server.port());
                line.into_bytes()
            }
            Self::V2 => {
                const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
                let mut bytes = SIGNATURE.to_vec();
                match both {
                    Ok((from, to)) => {
                        bytes.extend([0x21, 0x11, 0, 12]);
                        bytes.extend(from.ip().octets());
                        bytes.extend(to.ip().octets());
                    }
                    Err((from, to)) => {
                        bytes.extend([0x21, 0x21, 0, 36]);
                        bytes.extend(from.octets());
                        bytes.extend(to.octets());
                    }
                }
                bytes.extend(client.port().to_be_bytes());
                bytes.extend(server.port().to_be_bytes());
                bytes
            }
        }
    }
}

fn v6(address: SocketAddr) -> std::net::Ipv6Addr {
    match address {
        SocketAddr::V4(address) => address.ip().to_ipv6_mapped(),
        SocketAddr::V6(address) => *address.ip(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxy_headers_are_those_of_the_specification() {
        let at = |text: &str| text.parse::<SocketAddr>().expect(text);
        let (four, server) = (at("203.0.113.42:5555"), at("127.0.0.1:22"));
        assert_eq!(ProxyProtocol::V1.header(four, server), b"PROXY TCP4 203.0.113.42 127.0.0.1 5555 22\r\n");
        let six = at("[2001:db8::1]:5555");
        assert_eq!(
            ProxyProtocol::V1.header(six, server),
            b"PROXY TCP6 2001:db8::1 ::ffff:127.0.0.1 5555 22\r\n"
        );
        let bytes = ProxyProtocol::V2.header(four, server);
        assert_eq!(bytes[..16], *b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c");
        assert_eq!(bytes[16..], [203, 0, 113, 42, 127, 0, 0, 1, 0x15, 0xb3, 0, 22]);
        let bytes = ProxyProtocol::V2.header(six, server);
        assert_eq!((bytes.len(), bytes[13], bytes[15]), (52, 0x21, 36));
    }
}
