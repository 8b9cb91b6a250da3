//! The echo device: stands for the SSH server of the guide.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::net::accept::Accepting;

/// Listens on a free loopback port and echoes until the process ends.
pub(super) async fn start() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        let mut accepting = Accepting::new(listener, "visitors of the device");
        loop {
            let (mut stream, _) = accepting.next().await;
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                // A visitor that goes away ends its own echo.
                let _ = tokio::io::copy(&mut read, &mut write).await;
            });
        }
    });
    Ok(address)
}
