//! Peers behind one adapter and data.
//!
//! Every peer answers the same question, and `tests/peers_agree.rs` shows that all give the same answers before
//! anything is timed.

pub mod data;
pub mod floors;
pub mod peers;
