//! One loaded configuration: `edge.yml` and the policies it names, checked and compiled.
//!
//! `policy-core` reads and checks; this room brings the bytes. A start takes all of it or nothing; a reload takes what it
//! can, and names the endpoints whose policies it could not take.
//!
//! In order: the `index` of endpoints, what decides at one (`policy`), the generation that is `loaded`, what stays in force
//! where a reload is `incomplete`, and the `load`.

mod incomplete;
mod index;
mod load;
mod loaded;
mod policy;

pub(crate) use index::ListenerKey;
pub use load::{LoadError, admin_socket, check, load, load_after};
pub use loaded::Generation;
pub use policy::{EndpointPolicy, NotLoaded};
