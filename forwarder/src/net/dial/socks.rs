//! SOCKS version 5.
//!
//! Source: RFC 1928; RFC 1929 for user and password. Names are sent as they are: the proxy looks them up.

use std::io;
use std::net::IpAddr;

use policy_core::url::HostPort;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::connection::{Connection, cut_short, invalid, refused};
use super::proxy::{Credentials, ProxyUrl};

const VERSION: u8 = 5;
const NO_LOGIN: u8 = 0;
const PASSWORD: u8 = 2;
const NONE_FITS: u8 = 0xFF;
const CONNECT: u8 = 1;
const IPV4: u8 = 1;
const NAME: u8 = 3;
const IPV6: u8 = 4;

/// Asks the proxy for a way to the target; afterwards the stream is that way.
pub(super) async fn ask(stream: &mut Connection, target: &HostPort, proxy: &ProxyUrl) -> io::Result<()> {
    log_in(stream, proxy.credentials()).await?;
    let mut request = vec![VERSION, CONNECT, 0];
    match target.host.parse() {
        Ok(IpAddr::V4(address)) => {
            request.push(IPV4);
            request.extend(address.octets());
        }
        Ok(IpAddr::V6(address)) => {
            request.push(IPV6);
            request.extend(address.octets());
        }
        Err(_) => {
            request.push(NAME);
            push_counted(&mut request, target.host.as_bytes())?;
        }
    }
    request.extend(target.port.to_be_bytes());
    send(stream, &request).await?;
    let [version, reply, _, kind] = receive(stream).await?;
    check_version(version)?;
    if reply != 0 {
        return Err(refused(format!("the proxy refuses: {}", meaning(reply))));
    }
    // Where the proxy connects from: of no use here, and to the byte in front of what the target sends.
    match kind {
        IPV4 => receive::<4>(stream).await.map(drop)?,
        IPV6 => receive::<16>(stream).await.map(drop)?,
        NAME => {
            let [length] = receive(stream).await?;
            let mut name = vec![0; length.into()];
            stream.read_exact(&mut name).await.map_err(cut_short)?;
        }
        kind => return Err(invalid(format!("the proxy answers with an address of unknown kind {kind}"))),
    }
    receive::<2>(stream).await.map(drop)
}

async fn log_in(stream: &mut Connection, credentials: Option<&Credentials>) -> io::Result<()> {
    let offer: &[u8] = match credentials {
        Some(_) => &[VERSION, 2, NO_LOGIN, PASSWORD],
        None => &[VERSION, 1, NO_LOGIN],
    };
    send(stream, offer).await?;
    let [version, method] = receive(stream).await?;
    check_version(version)?;
    match (method, credentials) {
        (NO_LOGIN, _) => Ok(()),
        (PASSWORD, Some(login)) => {
            let mut request = vec![1];
            push_counted(&mut request, &login.user)?;
            push_counted(&mut request, &login.password)?;
            send(stream, &request).await?;
            match receive(stream).await? {
                [_, 0] => Ok(()),
                _ => Err(refused("the proxy refuses user and password")),
            }
        }
        (NONE_FITS, Some(_)) => Err(refused("the proxy offers no authentication method that fits")),
        (NONE_FITS, None) => Err(refused("the proxy asks for user and password")),
        _ => Err(invalid(format!("the proxy chose a login that was not offered ({method})"))),
    }
}

fn push_counted(request: &mut Vec<u8>, bytes: &[u8]) -> io::Result<()> {
    let length = u8::try_from(bytes.len());
    request
        .push(length.map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "it is too long for socks5"))?);
    request.extend(bytes);
    Ok(())
}

async fn send(stream: &mut Connection, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.flush().await
}

async fn receive<const N: usize>(stream: &mut Connection) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await.map_err(cut_short)?;
    Ok(bytes)
}

fn check_version(version: u8) -> io::Result<()> {
    if version == VERSION { Ok(()) } else { Err(invalid("the proxy does not speak socks5")) }
}

/// The words of RFC 1928 for a reply.
fn meaning(reply: u8) -> String {
    let words = match reply {
        1 => "general failure",
        2 => "its rules do not allow the connection",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "time to live expired",
        7 => "it cannot connect",
        8 => "kind of address not supported",
        reply => return format!("unknown reply {reply}"),
    };
    words.to_owned()
}
