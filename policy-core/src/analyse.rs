//! Analyse: proofs about policies over every address, without running them on each.
//!
//! Address classes are the outer index: within one every address test of the programs says the same. What is left of the
//! rules then – tests of other facts, and whether targets are online – is a sequence of conditions and actions, the same for
//! many classes, and each is answered once by a search with a budget. What is proved follows from the program that the engine
//! runs; every region is shown with a connection that the engine decides.

mod atoms;
mod cells;
mod condition;
mod formula;
mod named;
mod reach;
mod rules;
mod search;
mod space;
mod witness;

pub use named::special_block;
pub use reach::{Disagreement, Question, Reached, Region, Unproved, Verdict, reach};
pub use rules::Destination;
pub use witness::Witness;
