//! The administration of an edge: its socket, and its listener for a network where the configuration has one.

use std::path::Path;
use std::sync::Arc;

use policy_core::edge::{AdminListener, EdgeConfig};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::error::StartError;
use crate::control::admin::{Admin, AdminSocket, CONNECTIONS, RequestGuard, serve_tcp};
use crate::control::identity::{ApiKey, Identity};
use crate::edge::certificates::AgentIdentity;
use crate::edge::listen::listen_on;
use crate::edge::own_sockets::{OwnListener, OwnSockets};
use crate::edge::running::BindError;

/// What a listener on loopback is called.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// What the administration is served on, bound and not served yet.
pub(super) struct ReadyAdministration {
    path: String,
    socket: AdminSocket,
    over_tcp: Option<OverTcp>,
}

struct OverTcp {
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    guard: RequestGuard,
}

/// Binds the socket, and the listener where there is one. `names` are what agents call the edge.
pub(super) async fn ready(
    identity: &Identity,
    socket: &Path,
    listener: Option<(&AdminListener, &[Box<str>])>,
    folder: &Path,
) -> Result<ReadyAdministration, StartError> {
    let over_tcp = listener.map(|(given, names)| over_tcp(identity, given, names, folder)).transpose()?;
    let path = socket.display().to_string();
    let socket = AdminSocket::bind(socket).await;
    Ok(ReadyAdministration {
        socket: socket.map_err(|error| StartError::File(path.clone(), error))?,
        path,
        over_tcp,
    })
}

impl ReadyAdministration {
    /// Serves the API until `stop`; its listener is one of the edge's own for as long as the value lives.
    pub(super) fn serve(
        self,
        admin: Admin,
        identity: &Identity,
        stop: &CancellationToken,
        own: &Arc<OwnSockets>,
    ) -> (Vec<JoinHandle<()>>, Option<OwnListener>) {
        let mut registered = None;
        let mut serving = vec![self.socket.serve(admin.clone(), stop.clone())];
        tracing::info!(socket = self.path, "admin API listening");
        if let Some(OverTcp { listener, tls, guard }) = self.over_tcp {
            let scheme = if tls.is_some() { "https" } else { "http" };
            if let Ok(address) = listener.local_addr() {
                tracing::info!(%address, scheme, "admin API listening over TCP");
                registered = Some(own.register_listener(address));
            }
            if identity.page::<ApiKey>(None, 1).is_empty() {
                tracing::warn!("no API key exists yet; create one over the socket: forwarder api-key create");
            }
            serving.push(serve_tcp(listener, tls, guard, admin, stop.clone()));
        }
        (serving, registered)
    }
}

fn over_tcp(
    identity: &Identity,
    given: &AdminListener,
    names: &[Box<str>],
    folder: &Path,
) -> Result<OverTcp, StartError> {
    let listen = given.listen.value;
    let tls = given.tls.as_ref().map(|files| {
        let names = given.names.as_deref().unwrap_or(names);
        AgentIdentity::load(&folder.join(&*files.certificate), &folder.join(&*files.private_key), names)
    });
    let tls = tls.transpose();
    let tls = tls.map_err(|error| StartError::File("the certificate of the admin API".to_owned(), error))?;
    let unusable = |error| StartError::Bind(BindError { endpoint: "admin".into(), listen, error, own: None });
    let listener = listen_on(listen).map_err(unusable)?;
    let address = listener.local_addr().map_err(unusable)?;
    let names = given.names.as_deref().unwrap_or(names).iter().map(|name| name.to_string());
    let names = names.chain(LOOPBACK.map(str::to_owned)).chain([address.ip().to_canonical().to_string()]);
    let guard = RequestGuard::tcp(names, identity.clone(), tls.is_some());
    Ok(OverTcp { listener, tls: tls.map(|shown| shown.server_config()), guard })
}

/// Files that the administration over TCP needs.
pub(super) fn files(config: &EdgeConfig) -> usize {
    config.admin_listener.as_ref().map_or(0, |_| CONNECTIONS + 1)
}
