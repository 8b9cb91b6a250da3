//! Peers behind one adapter, and data made from a seed.
//!
//! Every peer answers the same question, *is this address in this list?*, and `tests/peers_agree.rs` shows
//! that all give the same answers before anything is timed.

pub mod data;
pub mod peers;
