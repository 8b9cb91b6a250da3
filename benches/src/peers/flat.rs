//! Networks flattened to the addresses where the answer changes.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

/// Where an answer begins to hold.
pub(super) type Start<A> = (A, Option<u32>);

/// The IPv4 networks: first address, last address, id.
pub(super) fn v4(entries: &[(IpNetwork, u32)]) -> Vec<(u32, u32, u32)> {
    let range = |&(network, id): &(IpNetwork, u32)| match (network.network(), network.broadcast()) {
        (IpAddr::V4(first), IpAddr::V4(last)) => Some((first.into(), last.into(), id)),
        _ => None,
    };
    entries.iter().filter_map(range).collect()
}

/// The IPv6 networks: first address, last address, id.
pub(super) fn v6(entries: &[(IpNetwork, u32)]) -> Vec<(u128, u128, u32)> {
    let range = |&(network, id): &(IpNetwork, u32)| match (network.network(), network.broadcast()) {
        (IpAddr::V6(first), IpAddr::V6(last)) => Some((first.into(), last.into(), id)),
        _ => None,
    };
    entries.iter().filter_map(range).collect()
}

/// The answers in the order of their addresses; neighbours differ and the first one begins at `zero`.
pub(super) fn flatten<A: Copy + Ord>(
    mut networks: Vec<(A, A, u32)>,
    zero: A,
    after: impl Fn(A) -> Option<A>,
) -> Vec<Start<A>> {
    // Stable: of equal networks the later one comes last and covers the others.
    networks.sort_by(|one, other| one.0.cmp(&other.0).then(other.1.cmp(&one.1)));
    let mut starts: Vec<Start<A>> = vec![(zero, None)];
    let mut open: Vec<(A, u32)> = Vec::new();
    for (first, last, id) in networks {
        close(&mut open, &mut starts, &after, |end| end < first);
        set(&mut starts, first, Some(id));
        open.push((last, id));
    }
    close(&mut open, &mut starts, &after, |_| true);
    starts
}

/// Ends the innermost networks that are over.
fn close<A: Copy + Ord>(
    open: &mut Vec<(A, u32)>,
    starts: &mut Vec<Start<A>>,
    after: &impl Fn(A) -> Option<A>,
    over: impl Fn(A) -> bool,
) {
    while let Some((end, _)) = open.pop_if(|(end, _)| over(*end)) {
        if let Some(next) = after(end) {
            set(starts, next, open.last().map(|&(_, id)| id));
        }
    }
}

fn set<A: Copy + Ord>(starts: &mut Vec<Start<A>>, at: A, id: Option<u32>) {
    if starts.last().is_some_and(|last| last.0 == at) {
        starts.pop();
    }
    if starts.last().is_none_or(|last| last.1 != id) {
        starts.push((at, id));
    }
}
