//! The places of agents that are known: so many in all, and a share of them for each authtoken.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::control::identity::CredentialId;

/// The places that are taken.
#[derive(Debug, Default)]
pub(super) struct Slots {
    table: Mutex<SlotCounts>,
}

#[derive(Debug, Default)]
struct SlotCounts {
    all: usize,
    by_authtoken: HashMap<CredentialId, usize>,
}

/// The place of one agent, given back with the value.
#[derive(Debug)]
pub(super) struct Slot {
    slots: Arc<Slots>,
    credential: CredentialId,
}

/// There is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoSlot {
    All(usize),
    Authtoken(usize),
}

impl fmt::Display for NoSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(max) => {
                write!(f, "this edge has {max} agents connected, as many as it takes (`limits.max_agents`)")
            }
            Self::Authtoken(max) => write!(
                f,
                "{max} agents are connected with this authtoken, the most for one authtoken \
                 (`limits.max_agents_per_authtoken`)"
            ),
        }
    }
}

impl Slots {
    fn table(&self) -> MutexGuard<'_, SlotCounts> {
        // No code panics while it holds the lock.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place among `max` in all and `share` with the same authtoken.
    pub(super) fn acquire(
        self: &Arc<Self>,
        credential: CredentialId,
        max: usize,
        share: usize,
    ) -> Result<Slot, NoSlot> {
        let mut table = self.table();
        let held = table.by_authtoken.get(&credential).copied().unwrap_or(0);
        if table.all >= max {
            return Err(NoSlot::All(max));
        }
        if held >= share {
            return Err(NoSlot::Authtoken(share));
        }
        table.all += 1;
        table.by_authtoken.insert(credential, held + 1);
        Ok(Slot { slots: Arc::clone(self), credential })
    }

    /// How many are taken.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let table = self.table();
        assert_eq!(table.by_authtoken.values().sum::<usize>(), table.all);
        table.all
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut table = self.slots.table();
        table.all = table.all.saturating_sub(1);
        if let Some(held) = table.by_authtoken.get_mut(&self.credential) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                table.by_authtoken.remove(&self.credential);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_authtoken_leaves_places_to_others() {
        let slots = Arc::<Slots>::default();
        let one = "cr_01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().expect("an id");
        let other = "cr_01ARZ3NDEKTSV4RRFFQ69G5FAW".parse().expect("an id");
        let mut held: Vec<_> = (0..3).map(|_| slots.acquire(one, 5, 3).expect("its share")).collect();
        assert_eq!(slots.acquire(one, 5, 3).expect_err("more"), NoSlot::Authtoken(3));
        held.extend((0..2).map(|_| slots.acquire(other, 5, 3).expect("its share")));
        assert_eq!(slots.acquire(other, 5, 3).expect_err("all"), NoSlot::All(5));
        let text = slots.acquire(one, 9, 3).expect_err("more").to_string();
        assert!(text.contains("`limits.max_agents_per_authtoken`"), "{text}");
        held.clear();
        assert_eq!(slots.len(), 0);
        assert!(slots.table().by_authtoken.is_empty(), "who is gone takes no memory");
    }
}
