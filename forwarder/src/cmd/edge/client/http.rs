//! One request a connection, over the admin socket or TCP.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use forwarder::control::admin::encode;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Request, StatusCode, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::address::ApiAddress;

const DEADLINE: Duration = Duration::from_secs(30);
/// A page of 100 objects, each as long as the edge takes it.
const ANSWER_BYTES: usize = 16 << 20;

/// Why a call gave no result.
#[derive(Debug)]
pub(in crate::cmd::edge) enum CallError {
    /// Nobody listens there.
    Unreachable(String, io::Error),
    /// The edge said no.
    Refused {
        /// The HTTP status.
        status: u16,
        /// What the edge said.
        message: String,
    },
    /// What came back is no answer.
    Protocol(String),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(address, error) => {
                write!(f, "cannot connect to the edge at {address}: {error}")
            }
            Self::Refused { message, .. } => f.write_str(message),
            Self::Protocol(error) => write!(f, "invalid answer from the edge: {error}"),
        }
    }
}

/// Speaks to one edge.
#[derive(Debug)]
pub(super) struct Client {
    address: ApiAddress,
}

impl Client {
    pub(super) fn new(address: ApiAddress) -> Self {
        Self { address }
    }

    /// Calls the API; an empty answer is null.
    pub(super) fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, CallError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| CallError::Protocol(error.to_string()))?;
        let body = body.map(ToString::to_string).unwrap_or_default();
        let mut request = Request::builder().method(method).uri(path).header(HOST, self.address.host());
        if let Some(bearer) = self.address.bearer() {
            request = request.header(AUTHORIZATION, bearer);
        }
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .header("ngrok-version", "2")
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| CallError::Protocol(error.to_string()))?;
        let (status, body) = runtime.block_on(async {
            tokio::time::timeout(DEADLINE, self.exchange(request))
                .await
                .unwrap_or_else(|_| Err(CallError::Protocol("timed out".to_owned())))
        })?;
        let value = if body.is_empty() { Ok(Value::Null) } else { serde_json::from_slice(&body) };
        let value: Value = value.map_err(|error| CallError::Protocol(error.to_string()))?;
        if status.is_success() { Ok(value) } else { Err(refused(status, &value)) }
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Bytes), CallError> {
        let unreachable = |error| CallError::Unreachable(self.address.to_string(), error);
        match &self.address {
            ApiAddress::Socket(path) => {
                let stream = UnixStream::connect(path).await.map_err(unreachable)?;
                Self::send(stream, request).await
            }
            ApiAddress::Tcp(address) => {
                let stream = TcpStream::connect((&*address.name, address.port)).await.map_err(unreachable)?;
                let Some((config, name)) = &address.tls else { return Self::send(stream, request).await };
                let tls = TlsConnector::from(config.clone()).connect(name.clone(), stream).await;
                Self::send(tls.map_err(unreachable)?, request).await
            }
        }
    }

    async fn send(
        stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        request: Request<Full<Bytes>>,
    ) -> Result<(StatusCode, Bytes), CallError> {
        let protocol = |error: hyper::Error| CallError::Protocol(error.to_string());
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(protocol)?;
        tokio::spawn(async move {
            // What goes wrong here, the sender tells.
            let _ = connection.await;
        });
        let response = sender.send_request(request).await.map_err(protocol)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| CallError::Protocol(error.to_string()))?;
        Ok((status, body.to_bytes()))
    }

    /// All objects of a collection, page by page; `key` is the field of a page that holds them.
    pub(super) fn list(
        &self,
        collection: &str,
        key: &str,
        filter: Option<&str>,
    ) -> Result<Vec<Value>, CallError> {
        let mut all = Vec::new();
        let filter = filter.map(|it| format!("&filter={}", encode(it))).unwrap_or_default();
        let first = format!("/{collection}?limit=100{filter}");
        let mut path = first.clone();
        loop {
            let mut page = self.call("GET", &path, None)?;
            let items = page.get_mut(key).and_then(Value::as_array_mut);
            all.append(items.ok_or_else(|| CallError::Protocol(format!("it has no `{key}`")))?);
            let more = page.get("next_page_uri").is_some_and(Value::is_string);
            let last = all.last().and_then(|last| last.get("id")).and_then(Value::as_str);
            match last.filter(|_| more) {
                Some(last) => path = format!("{first}&before_id={last}"),
                None => return Ok(all),
            }
        }
    }
}

fn refused(status: StatusCode, value: &Value) -> CallError {
    let text = |key| value.get(key).and_then(Value::as_str).unwrap_or_default();
    let message = match (text("msg"), text("error_code")) {
        ("", _) => format!("the edge answered {status}"),
        (message, "") => message.to_owned(),
        (message, code) => format!("{message} ({code})"),
    };
    CallError::Refused { status: status.as_u16(), message }
}
