//! One connection: from the edge to the server behind the endpoint.

use std::io;
use std::time::Duration;

use agent_link::mux::{ErrorCode, Stream};
use agent_link::{CONFIRMED, ProxyHeader};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::failures::Failures;
use super::network::Network;
use super::setup::Offer;
use crate::net::dial::Dialer;
use crate::net::relay::relay;

/// How long a connection of which one half has ended may stay silent: the edge decides, and here it is for ever.
const HALF_CLOSED: Duration = Duration::from_secs(24 * 3_600);

/// Carries a connection to its server. What cannot be reached is given up, which the edge sees at once.
pub(super) async fn carry(
    network: &impl Network,
    mut stream: Stream,
    header: &ProxyHeader,
    offer: &Offer,
    (dialer, connect_timeout, failures): (&Dialer, Duration, &Failures),
    cut: &CancellationToken,
) {
    let reached = timeout(connect_timeout, network.upstream(dialer, offer, header)).await;
    let reached =
        reached.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time")));
    let relayed = match reached {
        Ok(mut upstream) => {
            // A stream that has ended meanwhile takes nothing, which the relay sees.
            if header.confirm {
                let _ = stream.write_u8(CONFIRMED).await;
            }
            relay(&mut stream, &mut upstream, HALF_CLOSED, cut).await
        }
        Err(error) => {
            failures.report(offer, &error);
            // The edge tells why in its event.
            return stream.reset(match error.kind() {
                io::ErrorKind::ConnectionRefused => ErrorCode::Refused,
                io::ErrorKind::TimedOut => ErrorCode::WriteTimeout,
                _ => ErrorCode::Reset,
            });
        }
    };
    tracing::debug!(
        endpoint = &*offer.name,
        client = header.client_addr,
        bytes_in = relayed.bytes_in,
        bytes_out = relayed.bytes_out,
        end = %relayed.end,
        "a connection has ended"
    );
}
