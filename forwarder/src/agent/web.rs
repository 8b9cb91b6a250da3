//! The agent's own API: what it does, for this machine only, and nothing that changes it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, ORIGIN};
use hyper::{Method, Request, Response, StatusCode};
use ipnetwork::IpNetwork;
use serde_json::json;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::status::Status;
use crate::net::host::host;
use crate::net::http_server::{Bounds, Service, serve};

/// What whoever asks may have; all of them are mostly one machine.
const BOUNDS: Bounds =
    Bounds { who: "the agent's own API", connections: 32, of_one_source: 32, keep_alive: true };

/// Serves the API until dropped; gives the address.
///
/// # Errors
/// If the address cannot be listened on.
pub async fn serve_web(
    address: &str,
    allowed: Vec<Box<str>>,
    status: Arc<Status>,
) -> io::Result<(SocketAddr, impl Future<Output = ()> + use<>)> {
    let listener = match address.parse::<u16>() {
        Ok(port) => TcpListener::bind(("127.0.0.1", port)).await?,
        Err(_) => TcpListener::bind(address).await?,
    };
    let local = listener.local_addr()?;
    let service = Telling { allowed: allowed.into(), status };
    Ok((local, serve(listener, None, BOUNDS, service, CancellationToken::new())))
}

/// What the API tells.
#[derive(Clone)]
struct Telling {
    allowed: Arc<[Box<str>]>,
    status: Arc<Status>,
}

impl Service for Telling {
    async fn answer(&self, request: Request<Incoming>, _: Option<IpAddr>) -> Response<Full<Bytes>> {
        answer(&request, &self.status, &self.allowed)
    }
}

fn answer<B>(request: &Request<B>, status: &Status, allowed: &[Box<str>]) -> Response<Full<Bytes>> {
    let host = host(request.uri(), request.headers()).ok().flatten().unwrap_or_default();
    // A page of the web must not ask, whatever name it has this machine answer to.
    if !is_allowed(&host, allowed) || request.headers().contains_key(ORIGIN) {
        return reply(
            StatusCode::FORBIDDEN,
            &json!({"msg": "this API is for this machine; see web_allow_hosts"}),
        );
    }
    if request.method() != Method::GET {
        return reply(StatusCode::METHOD_NOT_ALLOWED, &json!({"msg": "this API is read-only"}));
    }
    match request.uri().path() {
        "/api/status" => reply(StatusCode::OK, &json!(status.view())),
        "/api/endpoints" => {
            reply(StatusCode::OK, &json!({"endpoints": status.endpoints(), "uri": "/api/endpoints"}))
        }
        path => {
            let named = path.strip_prefix("/api/endpoints/");
            let found = status.endpoints().into_iter().find(|it| Some(&*it.name) == named);
            match found {
                Some(endpoint) => reply(StatusCode::OK, &json!(endpoint)),
                None => reply(StatusCode::NOT_FOUND, &json!({"msg": "there is nothing here"})),
            }
        }
    }
}

fn reply(status: StatusCode, body: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(policy_core::json::escaped(body.to_string()))));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response
}

/// Whether the name that was asked for is one of this machine, or an allowed one: an address, a network, a name, or
/// all below `.example.com`.
fn is_allowed(host: &str, allowed: &[Box<str>]) -> bool {
    let address: Option<IpAddr> = host.parse().ok();
    if address.is_some_and(|address| address.is_loopback()) || host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    allowed.iter().any(|rule| match (address, rule.parse::<IpNetwork>()) {
        (Some(address), Ok(network)) => network.contains(address),
        (None, Err(_)) => {
            let rule = rule.to_ascii_lowercase();
            host == rule || rule.starts_with('.') && host.len() > rule.len() && host.ends_with(&rule)
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use hyper::header::HOST;

    use super::*;

    #[test]
    fn only_this_machine_and_allowed_names_are_answered() {
        let allowed = ["10.0.0.0/8", "agent.example.com", ".site.example.org"].map(Into::into);
        for (host, yes) in [
            ("localhost:4040", true),
            ("127.0.0.1:4040", true),
            ("[::1]:4040", true),
            ("10.1.2.3:4040", true),
            ("Agent.example.com", true),
            ("a.site.example.org:4040", true),
            ("site.example.org", false),
            ("evil.example:4040", false),
            ("192.0.2.1", false),
            ("", false),
            ("localhost:x@evil.example", false),
            ("evil@a.site.example.org", false),
            ("[::1]evil.example", false),
        ] {
            let request = Request::builder().uri("/api/status").header(HOST, host).body(());
            let status = answer(&request.expect("a request"), &Status::default(), &allowed).status();
            assert_eq!(status == StatusCode::OK, yes, "{host}");
        }
        let asked = |method: Method, path: &str, origin: bool| {
            let mut request = Request::builder().method(method).uri(path).header(HOST, "localhost:4040");
            if origin {
                request = request.header(ORIGIN, "http://localhost:4040");
            }
            answer(&request.body(()).expect("a request"), &Status::default(), &[]).status().as_u16()
        };
        assert_eq!(asked(Method::GET, "/api/status", false), 200);
        assert_eq!(asked(Method::GET, "/api/endpoints", false), 200);
        assert_eq!(asked(Method::GET, "/api/endpoints/none", false), 404);
        assert_eq!(asked(Method::DELETE, "/api/endpoints/none", false), 405);
        assert_eq!(asked(Method::GET, "/api/status", true), 403);
        assert_eq!(asked(Method::GET, "http://evil.example/api/status", false), 403);
    }
}
