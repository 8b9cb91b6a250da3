//! Evaluate: one connection as a state machine that its host drives.
//!
//! The machine never waits, reads a clock or rolls dice. It asks for effects, one at a time, and fails
//! closed if the host answers out of order. The same machine serves live edges, dry runs and tests.

mod decided;
mod evaluation;
mod machine;
mod mode;
mod reason;
mod sources;
mod start;

pub use crate::run::RunState;
pub use crate::trace::{Record, Recording, Trace};
pub use decided::Decision;
pub use evaluation::Evaluation;
pub(crate) use machine::{Continuation, Inputs, Machine};
pub use mode::{AsWritten, Mode, Specialised};
pub use reason::Reason;
pub use sources::SourceDecisions;
