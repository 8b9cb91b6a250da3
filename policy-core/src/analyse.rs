//! Analyse: proofs about policies over every address, without running them on each.
//!
//! Address classes are the outer index: within one every address test of the programs says the same. What is left of the
//! rules then – tests of other facts, and whether targets are online – is a sequence of conditions and actions, the same for
//! many classes, and each is answered once by a search with a budget. What is proved follows from the program that the engine
//! runs; every region is shown with a connection that the engine decides.

mod ask;
mod atoms;
mod cells;
mod condition;
mod difference;
mod formula;
mod model;
mod named;
mod places;
mod reach;
mod region;
mod rules;
mod search;
mod space;
mod witness;

pub use difference::{Answer, Changed, Comparison, Difference, difference};
pub use model::Judged;
pub use named::special_block;
pub use reach::{Reached, reach};
pub use region::{Disagreement, Region, Unproved, Verdict};
pub use rules::Destination;
pub use witness::Witness;
