//! What an evaluation takes from outside, and how much it may take.

use std::collections::HashSet;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::ControlFlow;

use super::fault::Fault;
use super::value::{Map, Value};
use crate::cel::values::fact::Fact;

/// A fact as its host has it, without a copy.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Borrowed<'h> {
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A text.
    Text(&'h str),
    /// An IPv4 address that stands for its text.
    V4(Ipv4Addr),
    /// An IPv6 address that stands for its text; must not be an IPv4-mapped one.
    V6(Ipv6Addr),
    /// Lists of texts by name, such as headers: looked up where the host has them.
    Texts(&'h dyn TextMap),
    /// Anything.
    Value(&'h Value),
}

/// Lists of texts by name, as a host has headers, query parameters and their like: `map(string, list(string))` without a
/// copy. Names are those that expressions write; headers have theirs in lower case.
///
/// ```
/// use std::ops::ControlFlow;
/// use policy_core::cel::{Borrowed, TextMap};
/// #[derive(Debug)]
/// struct Headers(Vec<(String, String)>);
/// impl TextMap for Headers {
///     fn count(&self, name: &str) -> Option<usize> {
///         let count = self.0.iter().filter(|(key, _)| key == name).count();
///         (count > 0).then_some(count)
///     }
///     fn get(&self, name: &str, at: usize) -> Option<&str> {
///         self.0.iter().filter(|(key, _)| key == name).nth(at).map(|(_, value)| &**value)
///     }
///     fn each_name<'m>(&'m self, each: &mut dyn FnMut(&'m str) -> ControlFlow<()>) -> ControlFlow<()> {
///         self.0.iter().try_for_each(|(key, _)| each(key))
///     }
/// }
/// let headers = Headers(vec![("x-a".into(), "1".into()), ("x-a".into(), "2".into())]);
/// assert_eq!(Borrowed::Texts(&headers).to_value().to_string(), "{\"x-a\": [\"1\", \"2\"]}");
/// ```
pub trait TextMap: fmt::Debug + Sync {
    /// The number of texts of a name; `None` if there is no such name.
    fn count(&self, name: &str) -> Option<usize>;

    /// One of the texts of a name, from 0.
    fn get(&self, name: &str, at: usize) -> Option<&str>;

    /// Every name, once or several times, until `each` ends it; gives what `each` gave last.
    fn each_name<'m>(&'m self, each: &mut dyn FnMut(&'m str) -> ControlFlow<()>) -> ControlFlow<()>;
}

impl Borrowed<'_> {
    /// An address, an IPv4-mapped one as IPv4.
    #[must_use]
    #[inline]
    pub fn address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address),
            IpAddr::V6(address) => Self::V6(address),
        }
    }

    /// The value.
    #[must_use]
    pub fn to_value(self) -> Value {
        match self {
            Self::Bool(value) => Value::Bool(value),
            Self::Int(number) => Value::Int(number),
            Self::Text(text) => Value::text(text),
            Self::V4(address) => Value::text(address.to_string()),
            Self::V6(address) => Value::text(address.to_string()),
            Self::Texts(map) => owned(map).into(),
            Self::Value(value) => value.clone(),
        }
    }
}

/// The map as a value.
fn owned(map: &dyn TextMap) -> Map {
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    let _ = map.each_name(&mut |name| {
        if seen.insert(name) {
            names.push(name);
        }
        ControlFlow::Continue(())
    });
    Map::from_texts(names.into_iter().map(|name| {
        let texts = (0..map.count(name).unwrap_or(0)).filter_map(|at| map.get(name, at));
        (name, Value::list(texts.map(Value::text).collect()))
    }))
}

/// Gives an evaluation its facts and everything that is not a function of them.
///
/// Every method has an answer: "unknown" for what a host has no source for.
pub trait Host {
    /// The value of a fact; [`Fault::Absent`] if this connection or request has none, [`Fault::NoSource`] if
    /// the host cannot know.
    ///
    /// # Errors
    /// Why there is no value.
    fn fact(&self, fact: Fact) -> Result<Value, Fault>;

    /// The same value without a copy, if the host has it at hand; compiled conditions ask for it first. Must agree
    /// with [`Self::fact`].
    #[inline]
    fn borrow(&self, fact: Fact) -> Option<Borrowed<'_>> {
        let _ = fact;
        None
    }

    /// The value of a variable that was declared with [`crate::cel::Env::declare`].
    ///
    /// # Errors
    /// If there is none.
    fn variable(&self, name: &str) -> Result<Value, Fault> {
        Err(Fault::UnknownName(name.into()))
    }

    /// A random number, uniform over all 64 bits.
    ///
    /// # Errors
    /// If the host has no source of randomness.
    fn random(&mut self) -> Result<u64, Fault> {
        Err(Fault::NoRandomness)
    }

    /// A secret of a vault.
    ///
    /// # Errors
    /// If the host has none of this name.
    fn secret(&mut self, vault: &str, name: &str) -> Result<Value, Fault> {
        let _ = (vault, name);
        Err(Fault::NotProvided("secrets"))
    }
}

/// A host that knows nothing: for expressions that are constant.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoHost;

impl Host for NoHost {
    fn fact(&self, fact: Fact) -> Result<Value, Fault> {
        Err(Fault::NoSource(fact))
    }
}

/// What one evaluation may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EvalLimits {
    /// Steps: one for each node and for each item that is looked at; texts take one for so many bytes, from ten
    /// of a search to 64 of a comparison, regular expressions by the states of their automata.
    pub steps: u64,
    /// Bytes of texts and sixteen for each item that may be made, in all.
    pub output: usize,
}

impl Default for EvalLimits {
    fn default() -> Self {
        Self { steps: 1_000_000, output: 4 << 20 }
    }
}

/// What is left of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    steps: u64,
    output: usize,
}

/// Bytes that an item of a list or map counts as.
pub(in crate::cel) const ITEM: usize = 16;

impl Budget {
    pub(in crate::cel) const fn new(limits: EvalLimits) -> Self {
        Self { steps: limits.steps, output: limits.output }
    }

    /// What is left.
    pub(in crate::cel) const fn left(&self) -> EvalLimits {
        EvalLimits { steps: self.steps, output: self.output }
    }

    /// Takes steps.
    pub(crate) fn steps(&mut self, steps: u64) -> Result<(), Fault> {
        let left = self.steps.checked_sub(steps);
        self.steps = left.unwrap_or(0);
        left.map(|_| ()).ok_or(Fault::Steps)
    }

    /// Takes room for a result.
    pub(crate) fn output(&mut self, bytes: usize) -> Result<(), Fault> {
        let left = self.output.checked_sub(bytes);
        self.output = left.unwrap_or(0);
        left.map(|_| ()).ok_or(Fault::Output)
    }
}
