//! The lock of tables whose order of steps counts. `tests/loom.rs` compiles those files again, with the lock of loom in
//! this place.

pub(crate) use std::sync::{Mutex, MutexGuard};
