//! The administration of an edge: its socket, and its listener for a network where the configuration has one.

use std::path::Path;

use policy_core::edge::AdminListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::StartError;
use crate::admin::{Admin, Door, serve_tcp, serve_unix};
use crate::edge::{BindError, listen_on};
use crate::identity::Identity;
use crate::tls::AgentIdentity;

/// What a listener on loopback is called.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Serves the API until `stop`. `names` are what agents call the edge.
pub(super) async fn serve(
    admin: Admin,
    identity: &Identity,
    socket: &Path,
    listener: Option<(&AdminListener, &[Box<str>])>,
    folder: &Path,
    stop: &CancellationToken,
) -> Result<Vec<JoinHandle<()>>, StartError> {
    let path = socket.display().to_string();
    let served = serve_unix(socket, admin.clone(), stop.clone()).await;
    let mut serving = vec![served.map_err(|error| StartError::File(path.clone(), error))?];
    tracing::info!(socket = path, "administration");
    if let Some((listener, names)) = listener {
        serving.push(over_tcp(admin, identity, listener, names, folder, stop.clone())?);
    }
    Ok(serving)
}

fn over_tcp(
    admin: Admin,
    identity: &Identity,
    given: &AdminListener,
    names: &[Box<str>],
    folder: &Path,
    stop: CancellationToken,
) -> Result<JoinHandle<()>, StartError> {
    let listen = given.listen.value;
    let tls = given.tls.as_ref().map(|files| {
        AgentIdentity::load(&folder.join(&*files.certificate), &folder.join(&*files.private_key))
    });
    let tls = tls.transpose();
    let tls =
        tls.map_err(|error| StartError::File("the certificate of the administration".to_owned(), error))?;
    let unusable = |error| StartError::Bind(BindError { endpoint: "admin".into(), listen, error });
    let socket = listen_on(listen).map_err(unusable)?;
    let address = socket.local_addr().map_err(unusable)?;
    let names = given.names.as_deref().unwrap_or(names).iter().map(|name| name.to_string());
    let names = names.chain(LOOPBACK.map(str::to_owned)).chain([address.ip().to_canonical().to_string()]);
    let door = Door::tcp(names, identity.clone(), tls.is_some());
    let scheme = if tls.is_some() { "https" } else { "http" };
    tracing::info!(%address, scheme, "administration over TCP");
    if identity.api_keys(None, 1).is_empty() {
        tracing::warn!(
            "there is no API key, so nobody can use it; make one over the socket: forwarder api-key create"
        );
    }
    Ok(serve_tcp(socket, tls.map(|shown| shown.server_config()), door, admin, stop))
}
