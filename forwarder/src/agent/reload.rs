//! The configuration, read again while the agent runs.
//!
//! Before each new connection the CAs and the authtoken are read, so that a CA or a token is exchanged
//! by exchanging a file. All of it is read where that is asked for. What cannot be used changes nothing.

use super::options::{Loaded, OptionsError};
use super::setup::Setup;
use crate::net::tls::client::client_config;

/// What is read before the next session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// It was read just now.
    Nothing,
    /// The CAs that the edge is verified with, and the authtoken.
    Trust,
    /// Everything.
    All,
}

/// What a configuration that was read during a session makes of it.
pub(super) enum Changed {
    Nothing,
    /// The endpoints, perhaps: they are those of the setup.
    Offers,
    /// Something that takes another session.
    Session(Box<Setup>),
}

/// The setup of the next session.
pub(super) async fn renewed(setup: Setup, due: Due) -> Setup {
    match due {
        Due::Nothing => setup,
        Due::Trust => trusting_anew(setup).await,
        Due::All => match read_all(&setup).await {
            Some(new) => new,
            None => with_cas_read_again(setup).await,
        },
    }
}

/// Reads the CAs and the authtoken. Where the configuration cannot be read, the file of the CAs still
/// is: nobody who exchanges it has to do with what else was written.
async fn trusting_anew(setup: Setup) -> Setup {
    let error = match read(&setup).await {
        None => return setup,
        Some(Ok(Loaded { setup: Setup { tls, cas, authtoken, .. }, .. })) => {
            return Setup { tls, cas, authtoken, ..setup };
        }
        Some(Err(error)) => error,
    };
    tracing::warn!(%error, "the configuration cannot be read, keeping the previous authtoken");
    with_cas_read_again(setup).await
}

async fn with_cas_read_again(setup: Setup) -> Setup {
    let cas = setup.cas.clone();
    match tokio::task::spawn_blocking(move || client_config(&cas)).await {
        Ok(Ok(tls)) => Setup { tls, ..setup },
        Ok(Err(error)) => {
            tracing::warn!(%error, "the CAs cannot be read; the previous ones stay in force");
            setup
        }
        Err(_) => setup,
    }
}

/// Reads the configuration for a session that goes on if it can.
pub(super) async fn changed(setup: &mut Setup) -> Changed {
    let Some(new) = read_all(setup).await else { return Changed::Nothing };
    if needs_new_session(setup, &new) {
        return Changed::Session(Box::new(new));
    }
    *setup = new;
    Changed::Offers
}

async fn read_all(setup: &Setup) -> Option<Setup> {
    match read(setup).await? {
        Ok(Loaded { setup, notes, .. }) => {
            notes.iter().for_each(|note| tracing::warn!("{note}"));
            tracing::info!(endpoints = setup.offers.len(), "configuration reloaded");
            Some(setup)
        }
        Err(error) => {
            tracing::error!(%error, "invalid configuration; the previous one stays in force");
            None
        }
    }
}

async fn read(setup: &Setup) -> Option<Result<Loaded, OptionsError>> {
    let origin = setup.origin.clone()?;
    // Files are read; the runtime must not wait for them.
    let loaded = tokio::task::spawn_blocking(move || origin.load()).await;
    Some(loaded.unwrap_or_else(|error| Err(OptionsError::Unfit(error.to_string()))))
}

/// True if something has changed that the edge is told, or that says how it is reached. Its CAs matter to
/// the next connection.
fn needs_new_session(old: &Setup, new: &Setup) -> bool {
    old.server != new.server
        || old.dialer != new.dialer
        || old.proxy != new.proxy
        || old.connect_timeout != new.connect_timeout
        || old.authtoken != new.authtoken
        || old.metadata != new.metadata
        || old.heartbeat != new.heartbeat
        || old.remote_management != new.remote_management
}
