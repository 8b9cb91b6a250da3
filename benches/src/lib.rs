//! Peers behind one adapter, data, and the bars that the project holds itself to.
//!
//! Every peer answers the same question, and `tests/peers_agree.rs` shows that all give the same answers before
//! anything is timed.

#![forbid(unsafe_code)]

pub mod bars;
pub mod conditions;
pub mod data;
pub mod floors;
pub mod peers;
pub mod policies;
pub mod requests;
