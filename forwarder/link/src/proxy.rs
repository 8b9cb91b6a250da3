//! What a connection of a client begins with.

use std::io;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What an agent says once the server of a connection is reached, if it was asked to.
pub const CONFIRMED: u8 = 1;
/// The longest header that is taken.
pub const PROXY_HEADER_BYTES: usize = 16 << 10;

/// Whose connection it is, and for which endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProxyHeader {
    /// The id that the endpoint was given.
    pub id: String,
    /// `203.0.113.42:5555`
    pub client_addr: String,
    /// `tcp`
    pub proto: String,
    /// `1` for tcp, `2` for tls, `3` for https.
    pub edge_type: String,
    /// TLS ends at the agent.
    #[serde(rename = "PassthroughTLS", default)]
    pub passthrough_tls: bool,
    /// The agent says [`CONFIRMED`] before anything else once its server is reached. Delivery for only of agents that offer
    /// it ([`super::AuthExtra::confirms_connections`]).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub confirm: bool,
}

impl ProxyHeader {
    /// Reads a header: its length, which is little endian, and that many bytes of JSON.
    ///
    /// # Errors
    /// If the length is negative or beyond [`PROXY_HEADER_BYTES`], or the bytes are no header.
    pub async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let length = stream.read_i64_le().await?;
        let length = usize::try_from(length).ok().filter(|length| *length <= PROXY_HEADER_BYTES);
        let Some(length) = length else {
            let message = "a proxy header cannot have this length";
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        };
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes).await?;
        Ok(serde_json::from_slice(&bytes)?)
    }

    /// Writes a header.
    ///
    /// # Errors
    /// Those of the stream.
    pub async fn write(&self, stream: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        let bytes = serde_json::to_vec(self)?;
        let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        stream.write_i64_le(length).await?;
        stream.write_all(&bytes).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn headers_come_back_and_lies_are_refused() {
        let header = ProxyHeader {
            id: "ep_1".to_owned(),
            client_addr: "203.0.113.42:5555".to_owned(),
            proto: "tcp".to_owned(),
            edge_type: "1".to_owned(),
            passthrough_tls: false,
            confirm: true,
        };
        let mut bytes = Vec::new();
        header.write(&mut bytes).await.expect("written");
        assert_eq!(ProxyHeader::read(&mut &*bytes).await.expect("read"), header);
        for length in [-1_i64, i64::MIN, i64::MAX, 16_385] {
            let lie = [&length.to_le_bytes()[..], &[b' '; 20_000]].concat();
            let error = ProxyHeader::read(&mut &*lie).await.expect_err("a lie");
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{length}");
        }
        let short = [&9_i64.to_le_bytes()[..], b"{}"].concat();
        assert!(ProxyHeader::read(&mut &*short).await.is_err());
    }
}
