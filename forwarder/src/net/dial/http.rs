//! `CONNECT` of HTTP/1.1.
//!
//! Source: RFC 9110, 9.3.6; RFC 7617 for user and password; RFC 6585, 4, and RFC 9110, 15.6.4, for the time to wait.

use std::io;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use policy_core::url::HostPort;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::base::sanitize;

use super::connection::{Connection, cut_short, invalid, refused};
use super::later;
use super::proxy::ProxyUrl;

/// How much of an answer is read.
const MAX_HEADER: usize = 16 << 10;
/// How many ways to log in are told.
const MAX_SCHEMES: usize = 8;
/// How much of a reason is repeated.
const MAX_REASON: usize = 80;

/// Asks the proxy for a way to the target; afterwards the stream is that way.
pub(super) async fn ask(stream: &mut Connection, target: &HostPort, proxy: &ProxyUrl) -> io::Result<()> {
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n");
    if let Some(login) = proxy.credentials() {
        let both = [&*login.user, b":", &*login.password].concat();
        request.push_str(&format!("Proxy-Authorization: Basic {}\r\n", STANDARD.encode(both)));
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    let header = header(stream).await?;
    let (status, reason) = status(&header).ok_or_else(|| invalid("the proxy does not answer in HTTP/1"))?;
    match status {
        200..=299 => Ok(()),
        407 => Err(refused(login(&header, proxy.credentials().is_some()))),
        status => {
            let message = format!("the proxy refuses: {status} {reason}").trim_end().to_owned();
            let after = matches!(status, 429 | 503).then(|| later::asked(&header, SystemTime::now()));
            Err(later::refused_until(message, after.flatten()))
        }
    }
}

/// What the proxy asks for.
fn login(header: &[u8], was_given: bool) -> String {
    let offered = schemes(header);
    if !offered.is_empty() && !offers_basic(header) {
        return format!(
            "the proxy takes only {} (407), and this agent only knows user and password (Basic): have it let this \
             machine through without them, or use another proxy",
            offered.join(", ")
        );
    }
    let wants = if was_given { "refuses user and password" } else { "asks for user and password" };
    format!("the proxy {wants} (407)")
}

const LOGIN: &str = "proxy-authenticate";

fn first_word(text: &str) -> &str {
    text.trim().split(' ').next().unwrap_or_default()
}

/// A field may hold several ways to log in; a comma stands between their parameters as well.
fn offers_basic(header: &[u8]) -> bool {
    let is_basic = |way: &str| first_word(way).eq_ignore_ascii_case("Basic");
    later::fields(header, LOGIN).any(|value| value.split(',').any(is_basic))
}

/// The first way to log in of each field.
fn schemes(header: &[u8]) -> Vec<&str> {
    let is_token = |text: &&str| {
        (1..=MAX_REASON).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let firsts = later::fields(header, LOGIN).map(|value| value.split(',').next().map_or("", first_word));
    firsts.filter(is_token).take(MAX_SCHEMES).collect()
}

/// The answer up to the empty line. Not a byte more: what follows is the target's.
async fn header(stream: &mut Connection) -> io::Result<Vec<u8>> {
    let mut header = Vec::new();
    while !header.ends_with(b"\r\n\r\n") && !header.ends_with(b"\n\n") {
        if header.len() == MAX_HEADER {
            return Err(invalid(format!("the answer of the proxy has more than {MAX_HEADER} bytes")));
        }
        header.push(stream.read_u8().await.map_err(cut_short)?);
    }
    Ok(header)
}

/// Status and reason, the latter without what does not belong on a terminal.
fn status(header: &[u8]) -> Option<(u16, String)> {
    let line = header.split(|&byte| byte == b'\n').next()?;
    let line = std::str::from_utf8(line).ok()?.trim_end();
    let (version, rest) = line.split_once(' ')?;
    let digits = rest.get(..3).filter(|_| matches!(version, "HTTP/1.0" | "HTTP/1.1"))?;
    let reason = rest.get(3..).filter(|rest| rest.is_empty() || rest.starts_with(' '))?;
    let status = digits.parse().ok().filter(|_| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
    let shown = sanitize::cut(reason.trim(), MAX_REASON);
    Some((status, shown))
}

#[cfg(test)]
mod tests {
    use super::status;

    #[test]
    fn status_lines() {
        let read = |line: &str| status(line.as_bytes());
        assert_eq!(
            read("HTTP/1.1 200 Connection established\r\n\r\n"),
            Some((200, "Connection established".into()))
        );
        assert_eq!(read("HTTP/1.0 503\n\n"), Some((503, String::new())));
        assert_eq!(read("HTTP/1.1 403 \x1b[31mno\r\n"), Some((403, "[31mno".into())));
        for line in [
            "",
            "HTTP/2 200 OK",
            "SSH-2.0-x",
            "HTTP/1.1 20",
            "HTTP/1.1 2000",
            "HTTP/1.1 +20 x",
            "HTTP/1.1 2é",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }
}
