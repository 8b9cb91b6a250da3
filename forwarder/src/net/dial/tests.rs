//! Dialling through small real proxies, hostile ones included.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use policy_core::url::HostPort;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::edge::certificates::AgentIdentity;
use crate::net::tls::client::TrustedCas;

const LONG: Duration = Duration::from_secs(10);
const SHORT: Duration = Duration::from_millis(200);
const SECRET: &str = "s3cr3t";

/// A proxy that handles one connection.
async fn proxy<F>(serve: impl FnOnce(TcpStream) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = io::Result<()>> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        serve(stream).await
    });
    address
}

/// A service that greets, then echoes.
async fn service() -> HostPort {
    let address = proxy(|mut stream| async move {
        stream.write_all(b"hello ").await?;
        let (mut read, mut write) = stream.split();
        tokio::io::copy(&mut read, &mut write).await.map(drop)
    })
    .await;
    target(&address.to_string())
}

fn target(text: &str) -> HostPort {
    HostPort::parse(text).expect("an address")
}

fn url(text: &str) -> ProxyUrl {
    ProxyUrl::parse(text).expect("a proxy")
}

async fn talk(mut connection: Connection) -> String {
    connection.write_all(b"world").await.expect("open");
    connection.shutdown().await.expect("open");
    let mut text = String::new();
    connection.read_to_string(&mut text).await.expect("open");
    assert_eq!(connection.sent().is_some(), cfg!(target_os = "linux"), "it is measured through all layers");
    text
}

async fn fails(to: &HostPort, through: &ProxyUrl, timeout: Duration) -> String {
    let error =
        Dialer::default().connect(to, Some(through), timeout).await.err().expect("a failure").to_string();
    assert!(!error.contains(SECRET) && !format!("{through:?}").contains(SECRET), "{error}");
    error
}

/// Reads a request up to the empty line.
async fn request<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> io::Result<String> {
    let mut text = String::new();
    while !text.ends_with("\r\n\r\n") {
        if stream.read_line(&mut text).await? == 0 {
            break;
        }
    }
    Ok(text)
}

/// An HTTP proxy that wants this in the request, and sends the target's first bytes along with its answer.
async fn http_proxy<S>(stream: S, to: HostPort, wants: &'static str) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut stream = BufReader::new(stream);
    let asked = request(&mut stream).await?;
    if !asked.starts_with(&format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n")) || !asked.contains(wants) {
        return stream.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
    }
    let mut behind = TcpStream::connect((&*to.host, to.port)).await?;
    let mut answer = b"HTTP/1.1 200 Connection established\r\nVia: test\r\n\r\n".to_vec();
    let mut first = [0; 6];
    behind.read_exact(&mut first).await?;
    answer.extend(first);
    stream.write_all(&answer).await?;
    tokio::io::copy_bidirectional(&mut stream, &mut behind).await.map(drop)
}

#[tokio::test]
async fn directly() {
    let to = service().await;
    assert_eq!(talk(Dialer::default().connect(&to, None, LONG).await.expect("there")).await, "hello world");
    let free = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
    let error =
        Dialer::default().connect(&target(&free.to_string()), None, LONG).await.err().expect("nobody there");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert!(error.to_string().contains(&free.to_string()), "{error}");
}

#[tokio::test]
async fn through_http() {
    for (credentials, wants) in [("", "Host"), ("me:s3cr3t@", "Proxy-Authorization: Basic bWU6czNjcjN0\r\n")]
    {
        let to = service().await;
        let behind = to.clone();
        let at = proxy(move |stream| http_proxy(stream, behind, wants)).await;
        let through = url(&format!("http://{credentials}{at}"));
        assert_eq!(
            talk(Dialer::default().connect(&to, Some(&through), LONG).await.expect("there")).await,
            "hello world"
        );
    }
}

#[tokio::test]
async fn through_http_over_tls() {
    let folder = tempfile::tempdir().expect("a folder");
    let identity = AgentIdentity::own(folder.path(), &["127.0.0.1".into()]).expect("made");
    let to = service().await;
    let (behind, config) = (to.clone(), identity.server_config());
    let at = proxy(move |stream| async move {
        let stream = tokio_rustls::TlsAcceptor::from(config).accept(stream).await?;
        http_proxy(stream, behind, "Proxy-Authorization: Basic bWU6czNjcjN0\r\n").await
    })
    .await;
    let trust = identity.authority().expect("made").to_owned();
    let through = url(&format!("https://me:s3cr3t@{at}")).with_cas(TrustedCas::File(trust.clone()));
    assert_eq!(
        talk(Dialer::default().connect(&to, Some(&through), LONG).await.expect("there")).await,
        "hello world"
    );
    // Nobody vouches for this one, so it learns no password.
    let stranger = tempfile::tempdir().expect("a folder");
    let stranger = AgentIdentity::own(stranger.path(), &["127.0.0.1".into()]).expect("made");
    let config = stranger.server_config();
    let at = proxy(move |stream| async move {
        tokio_rustls::TlsAcceptor::from(config).accept(stream).await.map(drop)
    })
    .await;
    let through = url(&format!("https://me:s3cr3t@{at}")).with_cas(TrustedCas::File(trust));
    assert!(fails(&to, &through, LONG).await.contains("TLS to the proxy"));
}

#[tokio::test]
async fn http_proxies_that_say_no() {
    let to = target("edge.example.com:4443");
    let endless = "x".repeat(20 << 10);
    let status = |status: &str| format!("HTTP/1.1 {status}\r\n\r\n");
    for (answer, says) in [
        (status("407 Proxy Authentication Required"), "refuses user and password (407)"),
        (
            "HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nproxy-authenticate: Negotiate x=1\r\n\r\n"
                .to_owned(),
            "takes only NTLM, Negotiate (407)",
        ),
        (
            "HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM, basic realm=\"x\"\r\n\r\n".to_owned(),
            "refuses user and password (407)",
        ),
        (status("403 Forbidden\u{1b}[2J"), "the proxy refuses: 403 Forbidden[2J"),
        (status("502"), "the proxy refuses: 502"),
        (status("101 Switching"), "the proxy refuses: 101 Switching"),
        ("SSH-2.0-OpenSSH\r\n\r\n".to_owned(), "does not answer in HTTP/1"),
        ("HTTP/1.1 200 OK\r\nVia: ".to_owned(), "closed the connection before its answer was complete"),
        (String::new(), "closed the connection before its answer was complete"),
        (format!("HTTP/1.1 200 OK\r\n{endless}"), "has more than 16384 bytes"),
    ] {
        let at = proxy(move |stream| async move {
            let mut stream = BufReader::new(stream);
            request(&mut stream).await?;
            stream.write_all(answer.as_bytes()).await?;
            stream.shutdown().await
        })
        .await;
        let error = fails(&to, &url(&format!("http://me:{SECRET}@{at}")), LONG).await;
        assert!(error.contains(says) && error.contains(&format!("http://{at}")), "{error}");
    }
}

#[tokio::test]
async fn a_busy_proxy_says_when_to_come_again() {
    let to = target("edge.example.com:4443");
    for (status, after) in
        [("429 Too Many Requests", Some(7)), ("503 Service Unavailable", Some(7)), ("403 Forbidden", None)]
    {
        let at = proxy(move |stream| async move {
            let mut stream = BufReader::new(stream);
            request(&mut stream).await?;
            stream.write_all(format!("HTTP/1.1 {status}\r\nRetry-After: 7\r\n\r\n").as_bytes()).await?;
            stream.shutdown().await
        })
        .await;
        let error = Dialer::default()
            .connect(&to, Some(&url(&format!("http://{at}"))), LONG)
            .await
            .err()
            .expect("a failure");
        assert_eq!(retry_after(&error), after.map(Duration::from_secs), "{error}");
        assert!(error.to_string().contains(&format!("the proxy refuses: {status}")), "{error}");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}

/// However a proxy spends the time, it is over at the deadline.
#[tokio::test]
async fn proxies_that_take_their_time() {
    let to = target("edge.example.com:4443");
    // How many bytes it spends it on; a second byte would complete the first answer of socks5.
    for (scheme, bytes) in [("http", 0), ("http", 1_000), ("socks5", 0), ("socks5", 1), ("https", 0)] {
        let at = proxy(move |mut stream| async move {
            let byte: u8 = if scheme == "http" { b'H' } else { 5 };
            for _ in 0..bytes {
                stream.write_all(&[byte]).await?;
                // It is slow, and that is what the test is about.
                tokio::time::sleep(SHORT / 4).await;
            }
            std::future::pending().await
        })
        .await;
        let begin = Instant::now();
        let error =
            Dialer::default().connect(&to, Some(&url(&format!("{scheme}://me:{SECRET}@{at}"))), SHORT).await;
        let error = error.err().expect("a failure");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{error}");
        assert!(begin.elapsed() < LONG / 2);
    }
}

/// A SOCKS5 proxy with or without login; it looks names up itself.
async fn socks_proxy(mut stream: TcpStream, login: bool) -> io::Result<()> {
    let mut greeting = [0; 2];
    stream.read_exact(&mut greeting).await?;
    let mut methods = vec![0; greeting[1].into()];
    stream.read_exact(&mut methods).await?;
    stream.write_all(&[5, if login { 2 } else { 0 }]).await?;
    if login {
        let mut expected = vec![1, 2];
        expected.extend(b"me");
        expected.push(6);
        expected.extend(SECRET.as_bytes());
        let mut got = vec![0; expected.len()];
        stream.read_exact(&mut got).await?;
        let refused = u8::from(got != expected);
        stream.write_all(&[1, refused]).await?;
        if refused == 1 {
            return Ok(());
        }
    }
    let mut head = [0; 4];
    stream.read_exact(&mut head).await?;
    assert_eq!(head[..3], [5, 1, 0]);
    let host = match head[3] {
        1 => {
            let mut address = [0; 4];
            stream.read_exact(&mut address).await?;
            std::net::IpAddr::from(address).to_string()
        }
        3 => {
            let mut name = vec![0; stream.read_u8().await?.into()];
            stream.read_exact(&mut name).await?;
            assert_eq!(name, b"only.the.proxy.knows");
            "127.0.0.1".to_owned()
        }
        kind => panic!("kind {kind}"),
    };
    let port = stream.read_u16().await?;
    let mut behind = TcpStream::connect((host, port)).await?;
    // The proxy's own name, and at once what the target says.
    let mut answer = vec![5, 0, 0, 3, 5];
    answer.extend(b"proxy");
    answer.extend([0, 80]);
    let mut first = [0; 6];
    behind.read_exact(&mut first).await?;
    answer.extend(first);
    stream.write_all(&answer).await?;
    tokio::io::copy_bidirectional(&mut stream, &mut behind).await.map(drop)
}

#[tokio::test]
async fn through_socks5() {
    for (credentials, login, name) in
        [("", false, false), ("me:s3cr3t@", false, false), ("me:s3cr3t@", true, true)]
    {
        let mut to = service().await;
        if name {
            to.host = "only.the.proxy.knows".into();
        }
        let at = proxy(move |stream| socks_proxy(stream, login)).await;
        let through = url(&format!("socks5://{credentials}{at}"));
        assert_eq!(
            talk(Dialer::default().connect(&to, Some(&through), LONG).await.expect("there")).await,
            "hello world"
        );
    }
    let at = proxy(|stream| socks_proxy(stream, true)).await;
    let error = fails(&target("a:1"), &url(&format!("socks5://me:wrong!@{at}")), LONG).await;
    assert!(error.contains("the proxy refuses user and password"), "{error}");
}

#[tokio::test]
async fn socks5_proxies_that_say_no() {
    let to = target("edge.example.com:4443");
    let answers: [(&'static [u8], &str); 10] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak socks5"),
        (&[5, 0xFF], "offers no authentication method that fits"),
        (&[5, 1], "a login that was not offered (1)"),
        (&[5], "before its answer was complete"),
        (&[], "before its answer was complete"),
        (&[5, 2, 1, 1], "refuses user and password"),
        (&[5, 0, 5, 2, 0, 1, 0, 0, 0, 0, 0, 0], "its rules do not allow the connection"),
        (&[5, 0, 5, 99, 0, 1, 0, 0, 0, 0, 0, 0], "unknown reply 99"),
        (&[5, 0, 5, 0, 0, 9, 0, 0], "an address of unknown kind 9"),
        (&[5, 0, 5, 0, 0, 3, 255, b'a'], "before its answer was complete"),
    ];
    for (answer, says) in answers {
        let at = proxy(move |mut stream| async move {
            stream.write_all(answer).await?;
            stream.shutdown().await?;
            // What is asked is read to its end: closing early would reset.
            tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.map(drop)
        })
        .await;
        let error = fails(&to, &url(&format!("socks5://me:{SECRET}@{at}")), LONG).await;
        assert!(error.contains(says), "{answer:?}: {error}");
    }
    let at = proxy(|mut stream| async move { stream.write_all(&[5, 0xFF]).await }).await;
    assert!(fails(&to, &url(&format!("socks5://{at}")), LONG).await.contains("asks for user and password"));
}

#[tokio::test]
async fn a_host_cannot_add_to_the_request() {
    let at = proxy(|stream| async move { http_proxy(stream, target("a:1"), "").await }).await;
    for host in ["a\r\nX: y", "a b", ""] {
        let mut to = target("a:1");
        to.host = host.into();
        assert!(fails(&to, &url(&format!("http://{at}")), LONG).await.contains("it is not a host name"));
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn through_an_interface() {
    let to = service().await;
    let dialer = |name| Dialer::default().through(Some(name));
    assert_eq!(talk(dialer("lo").connect(&to, None, LONG).await.expect("there")).await, "hello world");
    let error = dialer("none0").connect(&to, None, LONG).await.err().expect("no such interface");
    assert!(error.to_string().contains("the interface `none0` cannot be used"), "{error}");
    // To a proxy as well.
    let to = service().await;
    let behind = to.clone();
    let at = proxy(move |stream| http_proxy(stream, behind, "Host")).await;
    let through = url(&format!("http://{at}"));
    assert_eq!(
        talk(dialer("lo").connect(&to, Some(&through), LONG).await.expect("there")).await,
        "hello world"
    );
    let error = dialer("none0").connect(&to, Some(&through), LONG).await.err().expect("no such interface");
    assert!(error.to_string().contains("the interface `none0` cannot be used"), "{error}");
}
