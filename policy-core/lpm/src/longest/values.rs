//! What the codes of a layout stand for.

use std::collections::HashMap;

use crate::key::{Key, number};
use crate::layout::{codes_bytes, takes_codes};
use crate::steps::Steps;

/// What the codes of a layout stand for; 0 is nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Values {
    /// Each is one more than its value.
    Direct,
    /// Each is the place of its value; the first place stands for nothing.
    Listed(Box<[u32]>),
}

impl Values {
    #[inline]
    pub(super) fn get(&self, code: u32) -> Option<u32> {
        // Whether there is a value is no branch: half of all addresses have none.
        match self {
            Self::Direct => code.checked_sub(1),
            Self::Listed(values) => values.get(code as usize).copied().filter(|_| code != 0),
        }
    }

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Direct => 0,
            Self::Listed(values) => size_of_val(&**values),
        }
    }
}

/// Values by the place that each gets when it is first seen. INVARIANT: the first place stands for nothing.
pub(super) struct List {
    values: Vec<u32>,
    places: HashMap<u32, u32>,
}

impl List {
    pub(super) fn new() -> Self {
        Self { values: vec![0], places: HashMap::new() }
    }

    /// The code of a value: its place.
    pub(super) fn code_of(&mut self, value: u32) -> u32 {
        *self.places.entry(value).or_insert_with(|| {
            self.values.push(value);
            number(self.values.len() - 1)
        })
    }

    pub(super) fn into_values(self) -> Values {
        Values::Listed(self.values.into())
    }
}

/// Chooses how the values of a function are kept, whose codes stand for them in a given way: as the codes or in a list,
/// whichever takes less memory. O(ranges).
pub(super) fn choose<K: Key>(steps: Steps<K>, given: Values) -> (Steps<K>, Values) {
    let ranges = steps.len();
    let is_direct = given == Values::Direct && takes_codes(ranges, steps.codes());
    let direct = is_direct.then(|| codes_bytes(ranges, steps.codes()));
    // No list makes the narrowest codes narrower.
    if direct == Some(codes_bytes(ranges, 0)) {
        return (steps, Values::Direct);
    }
    let mut list = List::new();
    let (_, codes) = steps.parts();
    let code_of = |code: &u32| given.get(*code).map_or(0, |value| list.code_of(value));
    let codes: Vec<u32> = codes.iter().map(code_of).collect();
    let listed = codes_bytes(ranges, number(list.values.len())) + size_of_val(&*list.values);
    match direct.is_some_and(|direct| direct <= listed) {
        true => (steps, Values::Direct),
        false => (steps.with_codes(codes), list.into_values()),
    }
}
