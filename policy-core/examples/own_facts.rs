//! Facts from sources of one's own: given by name to a program, or lent to a single condition.
//!
//! ```text
//! cargo run -p policy-core --example own_facts
//! ```
//!
//! The source here is a table of countries in [`LongestMatch`]. A fact without a source is never an empty text: what
//! reads it has no value, and the connection is closed. So a host asks a program beforehand what it reads.

use std::error::Error;
use std::net::IpAddr;

use policy_core::cel::{Borrowed, EvalLimits, Fact, Fault, Host, Predicate, Value};
use policy_core::compile::Program;
use policy_core::facts::{Facts, GivenFacts};
use policy_core::lpm::{LongestMatch, cidr};
use policy_core::{phase::Phase, variables};

const COUNTRY: &str = "conn.geo.country_code";
const COUNTRIES: [&str; 2] = ["DE", "FR"];

const POLICY: &str = "
on_tcp_connect:
  - expressions: [\"conn.geo.country_code in ['DE', 'AT']\"]
    actions: [{type: forward-internal, config: {url: 'tcp://device1.internal:22'}}]
  - actions: [{type: deny}]
";

/// The country of an address; an empty text, as the language has it, for an address the table does not know.
fn country(table: &LongestMatch, client: IpAddr) -> &'static str {
    let found = table.lookup(client).and_then(|at| COUNTRIES.get(usize::try_from(at).ok()?));
    found.copied().unwrap_or_default()
}

/// Decides with the facts of the connection and those of the table.
fn decide(program: &Program, table: &LongestMatch, client: IpAddr) -> Result<&'static str, Box<dyn Error>> {
    let mut given = GivenFacts::default();
    given.set(COUNTRY, country(table, client))?;
    let facts = Facts::new(client).with(&given);
    Ok(program.decide(&facts).outcome().name())
}

/// A host of conditions that lends its facts: nothing is copied, nothing allocated.
struct Connection<'t> {
    country: Option<&'t str>,
    client: IpAddr,
}

impl Host for Connection<'_> {
    fn borrow(&self, fact: Fact) -> Option<Borrowed<'_>> {
        match fact.path() {
            COUNTRY => self.country.map(Borrowed::Text),
            "conn.client_ip" => Some(Borrowed::address(self.client)),
            _ => None,
        }
    }

    fn fact(&self, fact: Fact) -> Result<Value, Fault> {
        self.borrow(fact).map(Borrowed::to_value).ok_or(Fault::NoSource(fact))
    }
}

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let table =
        LongestMatch::build([(cidr("192.0.2.0/24")?.network, 0), (cidr("2001:db8::/32")?.network, 1)])?;
    let program = Program::from_policy("geo.yml", POLICY)?;

    // Refuse to start with a policy that reads what nobody can tell.
    let known = |fact: &Fact| ["conn.client_ip", COUNTRY].contains(&fact.path());
    assert!(program.needs().iter().all(known));

    assert_eq!(decide(&program, &table, "192.0.2.7".parse()?)?, "forward");
    assert_eq!(decide(&program, &table, "2001:db8::7".parse()?)?, "deny");
    // Without the fact the condition has no value: the connection is closed, and not by the second rule.
    let unknown = Facts::new("192.0.2.7".parse()?);
    assert_eq!(program.decide(&unknown).outcome().name(), "error");

    // A condition alone, on a host of one's own.
    let env =
        variables::env(variables::Site { phase: Some(Phase::OnTcpConnect), ..variables::Site::default() });
    let (expression, _) =
        env.check("conn.geo.country_code == 'FR' && inCidrRange(conn.client_ip, '2001:db8::/32')");
    let predicate = Predicate::new(&expression.ok_or("errors")?);
    let client: IpAddr = "2001:db8::7".parse()?;
    let mut host = Connection { country: Some(country(&table, client)), client };
    assert_eq!(predicate.holds(&mut host, EvalLimits::default()), Ok(true));
    host.country = None;
    let error = predicate.holds(&mut host, EvalLimits::default()).err().ok_or("it has no value")?;
    println!("{}: {error}", predicate.expression().text());
    assert!(matches!(error.fault, Fault::NoSource(fact) if fact.path() == COUNTRY));
    Ok(())
}
