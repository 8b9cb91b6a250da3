//! What decides allocates nothing: policies, conditions on facts, and lookups of addresses.
#![allow(clippy::unwrap_used, reason = "bench data is valid")]

use std::hint::black_box;
use std::net::IpAddr;

use allocation_counter::measure;
use benches::conditions;
use benches::data::{addresses, networks};
use benches::policies::{self, GUIDE, TwentyRules, decide};
use benches::requests::{self, Fields};
use policy_core::cel::EvalLimits;
use policy_core::exchange::Reply;
use policy_core::facts::Facts;
use policy_core::lpm::{AddressTable, AddressTables, LongestMatch, RangeSet, TableLimits, TestId};
use policy_core::outcome::Outcome;

fn allocations(run: impl FnMut()) -> u64 {
    measure(run).count_total
}

fn decisions(text: &str, sources: &[IpAddr]) -> u64 {
    let program = policies::program(text);
    allocations(|| {
        for source in sources {
            black_box(decide(&program, *source));
        }
    })
}

#[test]
fn deciding_allocates_nothing() {
    let rules = TwentyRules::new();
    assert_eq!(decisions(GUIDE, &policies::guide_sources(1_000)), 0);
    assert_eq!(decisions(&rules.text(), &rules.sources(1_000)), 0);
}

#[test]
fn the_twenty_rules_are_what_is_written_by_hand() {
    let rules = TwentyRules::new();
    let (program, by_hand) = (policies::program(&rules.text()), rules.by_hand());
    let classes: usize = program.address_tables().map(AddressTable::classes).sum();
    assert!((400..600).contains(&classes), "{classes}");
    for source in rules.sources(10_000).into_iter().chain(policies::guide_sources(1_000)) {
        assert_eq!(policies::decided(&program, source), by_hand.decided(source), "{source}");
    }
}

/// More of the language: ports, the text of an address, effects other than forwards.
#[test]
fn facts_of_connections_allocate_nothing() {
    let text = "
on_tcp_connect:
  - expressions: [conn.client_port < 1024 || conn.server_port == 2222]
    actions: [{type: log, config: {metadata: {message: odd}}}]
  - expressions: ['conn.client_ip.startsWith(\"10.\") && inCidrRange(conn.server_ip, \"192.0.2.0/24\")']
    actions: [{type: deny}]
  - expressions: [\"!inCidrRanges(conn.client_ip, ['10.0.0.0/8', '2001:db8::/32'])\"]
    actions: [{type: close-connection}]
";
    let program = policies::program(text);
    let clients = policies::guide_sources(500).into_iter().chain(TwentyRules::new().sources(500));
    let facts: Vec<_> = (0..).step_by(61).zip(clients).map(|(port, address)| facts(address, port)).collect();
    let (mut denied, mut closed, mut neither) = (0, 0, 0);
    let seen = allocations(|| {
        for facts in &facts {
            match program.on_tcp_connect(facts).run(|_, _| Reply::Logged) {
                Outcome::Denied { .. } => denied += 1,
                Outcome::Closed { .. } => closed += 1,
                _ => neither += 1,
            }
        }
    });
    assert!(denied > 100 && closed > 100 && neither > 100, "{denied} {closed} {neither}");
    assert_eq!(seen, 0);
}

fn facts(address: IpAddr, port: u16) -> Facts<'static> {
    let server = if port.is_multiple_of(2) { [192, 0, 2, 7] } else { [198, 51, 100, 7] };
    Facts::from_connection((address, port).into(), (server, 2222).into())
}

#[test]
fn conditions_on_facts_allocate_nothing() {
    let (requests, fields) = (requests::requests(requests::NUMBER), Fields::new());
    for condition in conditions::ALL {
        let predicate = condition.predicate();
        let mut held = 0;
        let mut all = || {
            held = 0;
            for request in &requests {
                let holds = predicate.holds(&mut fields.host(request), EvalLimits::default());
                held += usize::from(holds.unwrap());
            }
        };
        // A regular expression makes room for its states once a thread.
        all();
        assert_eq!(allocations(all), 0, "{}", condition.text);
        assert!(held > 0 && held < requests.len(), "{}: {held}", condition.text);
    }
}

#[test]
fn lookups_allocate_nothing() {
    for number in [1, 16, 300, 30_000] {
        let list = networks(number, 5);
        let probes = addresses(&list, 2_000, 6);
        let set = RangeSet::from_networks(list.iter().copied());
        let table = AddressTable::build(std::slice::from_ref(&set), TableLimits::default()).unwrap();
        let tables = AddressTables::build(std::slice::from_ref(&set), TableLimits::default()).unwrap();
        let longest = LongestMatch::build(list.iter().copied().zip(0..)).unwrap();
        let mut found = [0; 4];
        let seen = allocations(|| {
            for &probe in &probes {
                let class = tables.class(probe);
                let answers = [
                    table.contains(table.class(probe), TestId(0)),
                    tables.contains(probe, class, TestId(0)),
                    longest.lookup(probe).is_some(),
                    set.contains(probe),
                ];
                found.iter_mut().zip(answers).for_each(|(found, answer)| *found += usize::from(answer));
            }
        });
        assert_eq!(seen, 0, "{number} networks");
        let first = found.first().copied().unwrap_or(0);
        assert!(first > 500 && found.iter().all(|found| *found == first), "{found:?}");
    }
}
