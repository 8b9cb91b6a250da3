//! How the texts of given facts are read, by the types that facts are declared with.

use std::collections::HashSet;
use std::net::IpAddr;

use crate::cel::{Fact, Meaning, Timestamp, Type, Value};
use crate::diagnostic::did_you_mean;
use crate::facts::{Given, GivenError, GivenFacts};
use crate::variables;
use crate::vocabulary::tag;

impl GivenFacts {
    /// Gives a fact; the text is read by its type. Lists are separated by commas or written as JSON, maps as
    /// JSON. Categories bring those with them that they lie in, and say whether the address is one of Tor.
    ///
    /// # Errors
    /// If there is no such fact, the text is no value of its type, or another value is known already.
    pub fn set(&mut self, path: &str, text: &str) -> Result<(), GivenError> {
        let fact = variables::fact(path).ok_or_else(|| GivenError::Unknown {
            path: path.to_owned(),
            near: did_you_mean(path, variables::facts().map(Fact::path)),
        })?;
        let ty = variables::type_of(fact);
        let value = match fact.meaning() {
            // Lists of addresses and conditions must see the same one.
            _ if fact.tag == tag::CLIENT_IP => Err("no text: it is the address that is asked about"),
            Meaning::Address => canonical(text),
            Meaning::Port => {
                text.parse().map(|port: u16| Value::Int(port.into())).map_err(|_| "a port, 0 to 65535")
            }
            Meaning::Categories => read(ty, text).map(with_parents),
            _ => read(ty, text),
        };
        let value = value.map_err(|expected| GivenError::Value { path: fact.path(), expected })?;
        let follows = follows_from_categories(fact, &value);
        // Nothing is given if a part of it contradicts.
        for (of, value) in std::iter::once((fact, &value)).chain(follows.iter().map(|(of, it)| (*of, it))) {
            if let Some(known) = self.given(of).filter(|known| !is_same(&known.value, value)) {
                return Err(GivenError::Contradicts { path: fact.path(), given: known.by.path() });
            }
        }
        for (of, value) in std::iter::once((fact, value)).chain(follows) {
            if self.given(of).is_none() {
                self.values.push(Given { fact: of, value, by: fact });
            }
        }
        Ok(())
    }

    /// True if a fact that is given says something of another one: of itself, of what follows from categories, and of what
    /// files know of an address. O(facts).
    #[must_use]
    pub fn decides(given: Fact, other: Fact) -> bool {
        let follows = match given.meaning() {
            Meaning::Categories => {
                other.is_about_categories() && beside(given, other.meaning()) == Some(other)
            }
            Meaning::Address => {
                other.path().strip_prefix(given.path()).is_some_and(|rest| rest.starts_with('.'))
            }
            _ => false,
        };
        given == other || follows
    }
}

/// What follows from the categories of an address: whether it is one of Tor, and that without a blocklist it is on none.
/// Which blocklists count is not documented. O(categories).
fn follows_from_categories(fact: Fact, value: &Value) -> Vec<(Fact, Value)> {
    let (Meaning::Categories, Value::List(items)) = (fact.meaning(), value) else {
        return Vec::new();
    };
    let has =
        |wanted: &str| items.iter().any(|item| matches!(item, Value::String(name) if &**name == wanted));
    let tor = Some((Meaning::IsTorNode, has("proxy.anonymous.tor")));
    let listed = (!has("blocklist")).then_some((Meaning::IsOnBlocklist, false));
    let meant = tor.into_iter().chain(listed);
    meant.filter_map(|(meaning, value)| Some((beside(fact, meaning)?, Value::Bool(value)))).collect()
}

/// The fact of a meaning about what another fact is about.
fn beside(fact: Fact, meaning: Meaning) -> Option<Fact> {
    let about = |fact: Fact| fact.path().rsplit_once('.').map(|(about, _)| about);
    variables::facts().find(|other| other.meaning() == meaning && about(*other) == about(fact))
}

/// True for values that are written alike: those of one fact have one type.
fn is_same(a: &Value, b: &Value) -> bool {
    a.to_string() == b.to_string()
}

/// Categories with the categories they lie in, those first: who is in `proxy.anonymous.tor` is in `proxy` and in
/// `proxy.anonymous`. O(length of the texts).
fn with_parents(categories: Value) -> Value {
    let Value::List(items) = &categories else { return categories };
    let mut seen: HashSet<&str> = HashSet::new();
    let mut out = Vec::with_capacity(items.len());
    for item in items.iter() {
        let Value::String(name) = item else { continue };
        let ends = name.match_indices('.').map(|(at, _)| at).take(MAX_LEVELS).chain([name.len()]);
        for prefix in ends.filter_map(|end| name.get(..end)).filter(|prefix| !prefix.is_empty()) {
            if seen.insert(prefix) {
                out.push(Value::text(prefix));
            }
        }
    }
    Value::list(out)
}

/// Levels of a category that are looked at; real ones have five.
const MAX_LEVELS: usize = 16;

/// The canonical text of an address, as connections have it.
fn canonical(text: &str) -> Result<Value, &'static str> {
    let address: Result<IpAddr, _> = text.parse();
    address.map(|address| Value::text(address.to_canonical().to_string())).map_err(|_| "an address")
}

/// True if a value read from JSON is one of a type, down to its items.
fn is_of(value: &Value, ty: &Type) -> bool {
    match (value, ty) {
        (Value::List(items), Type::List(item)) => items.iter().all(|value| is_of(value, item)),
        (Value::Map(map), Type::Map(of)) => map.iter().all(|(_, value)| is_of(value, &of.1)),
        // Records are maps.
        (Value::Map(_), Type::Object(_)) | (_, Type::Dyn) => true,
        (Value::String(_), Type::String) | (Value::Bool(_), Type::Bool) => true,
        (Value::Double(_), Type::Double) => true,
        _ => false,
    }
}

fn read(ty: &Type, text: &str) -> Result<Value, &'static str> {
    let json = |expected: &'static str| {
        let value = Value::from_json(text).ok().filter(|value| is_of(value, ty));
        value.ok_or(expected)
    };
    match ty {
        Type::String => Ok(Value::text(text)),
        Type::Bool => text.parse().map(Value::Bool).map_err(|_| "`true` or `false`"),
        Type::Int => text.parse().map(Value::Int).map_err(|_| "a whole number"),
        Type::Timestamp => {
            Timestamp::parse(text).map(Value::Timestamp).ok_or("a time such as `2026-01-31T12:00:00Z`")
        }
        Type::List(_) if text.trim_start().starts_with('[') => {
            json("a list, e.g. `a, b` or `[\"a\", \"b\"]`")
        }
        Type::List(item) if **item == Type::String => {
            let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
            Ok(Value::list(items.map(Value::text).collect()))
        }
        Type::List(_) => Err("a list in JSON"),
        Type::Map(_) => match json("a map in JSON, e.g. `{\"key\": \"value\"}`")? {
            map @ Value::Map(_) => Ok(map),
            _ => Err("a map in JSON, e.g. `{\"key\": \"value\"}`"),
        },
        _ => json("a value in JSON"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fact(path: &str) -> Fact {
        variables::fact(path).expect(path)
    }

    #[test]
    fn facts_that_are_given_do_not_contradict_one_another() {
        let given = |facts: &[(&str, &str)]| {
            let mut given = GivenFacts::default();
            let set = facts.iter().try_for_each(|(path, text)| given.set(path, text));
            set.map(|()| given).map_err(|error| error.to_string())
        };
        let bool = |facts: &[(&str, &str)], path: &str| match given(facts).expect("fine").get(fact(path)) {
            Some(Value::Bool(value)) => Some(*value),
            _ => None,
        };
        let (categories, tor) = ("conn.client_ip.categories", "conn.client_ip.is_tor_node");
        let listed = "conn.client_ip.is_on_blocklist";
        assert_eq!(bool(&[(categories, "proxy.anonymous.tor")], tor), Some(true));
        assert_eq!(bool(&[(categories, "proxy.vpn.pia")], tor), Some(false));
        assert_eq!(bool(&[("conn.server_ip.categories", "proxy.anonymous.tor")], tor), None);
        assert_eq!(bool(&[(categories, "com.github")], listed), Some(false));
        assert_eq!(bool(&[(categories, "blocklist.stopforumspam")], listed), None);
        let both = [(categories, "blocklist.stopforumspam"), (listed, "true")];
        assert_eq!(bool(&both, listed), Some(true));
        assert_eq!(bool(&[(tor, "true"), (categories, "proxy.anonymous.tor")], tor), Some(true));
        assert_eq!(bool(&[(tor, "true"), (tor, "true")], tor), Some(true));
        let error = |facts: &[(&str, &str)]| given(facts).expect_err("a contradiction");
        assert_eq!(
            error(&[(tor, "true"), (tor, "false")]),
            format!("`{tor}` is given twice, with different values")
        );
        assert_eq!(
            error(&[(categories, "com"), (tor, "true")]),
            format!("`{tor}` contradicts `{categories}`")
        );
        assert_eq!(
            error(&[(tor, "true"), (categories, "com")]),
            format!("`{categories}` contradicts `{tor}`")
        );
        let ports = [("conn.client_port", "1"), ("conn.client_port", "01")];
        assert!(given(&ports).is_ok());
    }
}
