//! The listeners of the API, and how a request becomes a [`Call`].

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::answer::{Answer, Fault};
use super::api::Admin;
use super::call::Call;
use super::guard::RequestGuard;
use super::page::filters;
use crate::control::private;
use crate::net::accept::Listener;
use crate::net::http_server::{Bounds, Service, serve};

/// At one listener at once.
pub(crate) const CONNECTIONS: usize = 64;
/// Of one address among them.
const OF_ONE_SOURCE: usize = 32;
const BOUNDS: Bounds = Bounds {
    who: "administrators",
    connections: CONNECTIONS,
    of_one_source: OF_ONE_SOURCE,
    keep_alive: false,
};
/// How long a body may take, and how many bytes.
const BODY: Duration = Duration::from_secs(10);
const BODY_BYTES: usize = 64 << 10;

impl Listener for UnixListener {
    type Stream = UnixStream;
    type Peer = ();

    async fn accept(&self) -> io::Result<(Self::Stream, ())> {
        Ok((Self::accept(self).await?.0, ()))
    }

    fn source((): &()) -> Option<IpAddr> {
        None
    }
}

/// Serves the API on a Unix socket (0600), from the moment this returns until `stop`.
///
/// A missing folder is made (0700); the socket of an edge that is gone is replaced.
///
/// # Errors
/// Those of the file system; [`io::ErrorKind::AddrInUse`] where somebody answers, and a refusal of a folder
/// of somebody else, or one that others may write to.
pub async fn serve_unix(path: &Path, admin: Admin, stop: CancellationToken) -> io::Result<JoinHandle<()>> {
    Ok(AdminSocket::bind(path).await?.serve(admin, stop))
}

/// A Unix socket for the API, bound and not served yet.
#[derive(Debug)]
pub struct AdminSocket {
    listener: UnixListener,
    bound: Bound,
}

impl AdminSocket {
    /// Binds it, as [`serve_unix`] does.
    ///
    /// # Errors
    /// Those of [`serve_unix`].
    pub async fn bind(path: &Path) -> io::Result<Self> {
        Ok(Self { listener: bind(path).await?, bound: Bound::at(path)? })
    }

    /// Serves the API until `stop`.
    #[must_use]
    pub fn serve(self, admin: Admin, stop: CancellationToken) -> JoinHandle<()> {
        let Self { listener, bound } = self;
        tokio::spawn(async move {
            serve(listener, None, BOUNDS, Guarded { guard: RequestGuard::local(), admin }, stop).await;
            drop(bound);
        })
    }
}

/// Serves the API on a TCP listener until `stop`. Without `tls` nothing is encrypted: listen on loopback then.
pub fn serve_tcp(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    guard: RequestGuard,
    admin: Admin,
    stop: CancellationToken,
) -> JoinHandle<()> {
    tokio::spawn(serve(listener, tls.map(TlsAcceptor::from), BOUNDS, Guarded { guard, admin }, stop))
}

/// A socket file, removed with the value unless another took its place.
#[derive(Debug)]
struct Bound {
    path: PathBuf,
    inode: u64,
}

impl Bound {
    fn at(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), inode: fs::symlink_metadata(path)?.ino() })
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|it| it.ino() == self.inode) {
            // One that stays behind is replaced by the next edge.
            let _ = fs::remove_file(&self.path);
        }
    }
}

async fn bind(path: &Path) -> io::Result<UnixListener> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let found = fs::metadata(folder)?;
    private::owned(folder, &found)?;
    let mode = found.mode();
    let (others_write, sticky) = (mode & 0o022 != 0, mode & 0o1000 != 0);
    if others_write && !sticky {
        let message = format!("others may write to `{}`: chmod 700", folder.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    refuse_taken(path).await?;
    // Nobody else can reach the socket before it is private: it is made in a private folder, then moved.
    let private = folder.join(format!(".{}", std::process::id()));
    let made = DirBuilder::new().mode(0o700).create(&private);
    made.or_else(|error| if error.kind() == io::ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })?;
    let inner = private.join("s");
    let bound = bind_private(&inner, path);
    let _ = fs::remove_file(&inner);
    let _ = fs::remove_dir(&private);
    bound
}

fn bind_private(inner: &Path, path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(inner)?;
    fs::set_permissions(inner, Permissions::from_mode(0o600))?;
    fs::rename(inner, path)?;
    Ok(listener)
}

/// Refuses a path where something stands that is no socket, or a socket that somebody serves.
async fn refuse_taken(path: &Path) -> io::Result<()> {
    let found = match fs::symlink_metadata(path) {
        Ok(found) => found,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !found.file_type().is_socket() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a file that is not a socket exists at this path",
        ));
    }
    match tokio::time::timeout(Duration::from_secs(1), UnixStream::connect(path)).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Ok(Err(error)) => Err(error),
        Ok(Ok(_)) | Err(_) => {
            Err(io::Error::new(io::ErrorKind::AddrInUse, "another edge serves this socket"))
        }
    }
}

/// The API behind a listener, with what that asks of a request.
#[derive(Clone)]
struct Guarded {
    guard: RequestGuard,
    admin: Admin,
}

impl Service for Guarded {
    async fn answer(&self, request: Request<Incoming>, source: Option<IpAddr>) -> Response<Full<Bytes>> {
        respond(request, source, &self.guard, self.admin.clone()).await
    }
}

/// Answers one HTTP request; `source` is the client's address over TCP.
pub async fn respond<B>(
    request: Request<B>,
    source: Option<IpAddr>,
    guard: &RequestGuard,
    admin: Admin,
) -> Response<Full<Bytes>>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let answer = read(request, source, guard).await;
    let answer = match answer {
        Err(fault) => fault.into(),
        // What only reads, reads memory.
        Ok(call) if call.method == Method::GET && !filters(&call) => admin.answer(&call),
        Ok(call) => apart(call, admin).await,
    };
    // There may be a token in it.
    let mut response = Response::new(Full::new(Bytes::from_owner(Zeroizing::new(answer.body))));
    *response.status_mut() = answer.status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn read<B>(request: Request<B>, source: Option<IpAddr>, guard: &RequestGuard) -> Result<Call, Fault>
where
    B: Body<Data = Bytes> + Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (head, body) = request.into_parts();
    let caller = guard.authorize(&head.uri, &head.headers, source, Instant::now())?;
    let collected = tokio::time::timeout(BODY, Limited::new(body, BODY_BYTES).collect()).await;
    let body = match collected {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let message = format!("a body has at most {BODY_BYTES} bytes");
            return Err(Fault::new(StatusCode::PAYLOAD_TOO_LARGE, message));
        }
        Ok(Err(_)) => return Err(Fault::new(StatusCode::BAD_REQUEST, "the body cannot be read")),
        Err(_) => return Err(Fault::new(StatusCode::REQUEST_TIMEOUT, "timed out waiting for the body")),
    };
    Ok(Call {
        method: head.method,
        path: head.uri.path().to_owned(),
        query: head.uri.query().map(str::to_owned),
        body,
        base: guard.base(&head.headers),
        caller,
    })
}

/// Answers on a thread of its own: a change is made to the end also when the client leaves, and a revocation
/// never waits behind the runtime's own blocking threads.
async fn apart(call: Call, admin: Admin) -> Answer {
    let (send, receive) = tokio::sync::oneshot::channel();
    let thread = std::thread::Builder::new().name("admin".to_owned()).spawn(move || {
        // Nobody waits any more if the client left.
        let _ = send.send(admin.answer(&call));
    });
    match thread {
        Ok(_) => receive.await.unwrap_or_else(|error| Fault::internal(&error).into()),
        Err(error) => Fault::internal(&error).into(),
    }
}
