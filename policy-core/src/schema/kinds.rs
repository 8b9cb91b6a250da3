//! Plain kinds: booleans, numbers, durations, choices.

use super::{Below, Context, Declared, Items, Kind, alternatives};
use crate::diagnostic::{did_you_mean, did_you_mean_help, shorten};
use crate::parse::{NodeKind, NodeRef, Plain};

/// `true` or `false`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Boolean;

impl Kind for Boolean {
    type Value = bool;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<bool> {
        cx.reader.boolean(node, what)
    }

    fn parse_default(&self, text: &'static str) -> Option<bool> {
        text.parse().ok()
    }

    fn describe(&self) -> String {
        "boolean".to_owned()
    }
}

/// A whole number within bounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Integer(pub(crate) i64, pub(crate) i64);

impl Kind for Integer {
    type Value = i64;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<i64> {
        cx.reader.integer(node, what, self.0..=self.1)
    }

    fn parse_default(&self, text: &'static str) -> Option<i64> {
        text.parse().ok().filter(|value| (self.0..=self.1).contains(value))
    }

    fn describe(&self) -> String {
        match self.0 == self.1 {
            true => format!("`{}`", self.0),
            false => format!("whole number, {} to {}", grouped(self.0), grouped(self.1)),
        }
    }
}

/// A whole number from 1 to this.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count(pub(crate) u32);

impl Count {
    const fn range(self) -> Integer {
        Integer(1, self.0 as i64)
    }
}

impl Kind for Count {
    type Value = u32;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<u32> {
        self.range().read(node, what, cx).and_then(|value| u32::try_from(value).ok())
    }

    fn parse_default(&self, text: &'static str) -> Option<u32> {
        self.range().parse_default(text).and_then(|value| u32::try_from(value).ok())
    }

    fn describe(&self) -> String {
        self.range().describe()
    }
}

/// A part that is read by code of its own, since what it may be depends on more than its place: policies, lists of
/// endpoints. See [`Context::part`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Part {
    /// For the documentation.
    what: &'static str,
    below: Below,
}

impl Part {
    /// Something without declared fields.
    pub(crate) const fn new(what: &'static str) -> Self {
        Self { what, below: Below::Nothing }
    }

    /// A list of maps.
    pub(crate) const fn list(declared: Declared) -> Self {
        Self { what: "list of maps", below: Below::List(declared) }
    }

    /// A map.
    pub(crate) const fn map(declared: Declared) -> Self {
        Self { what: "map", below: Below::Map(declared) }
    }
}

impl Kind for Part {
    type Value = ();

    fn read<'d>(&self, _: NodeRef<'d>, _: &str, _: &Context<'_, 'd>) -> Option<()> {
        Some(())
    }

    fn describe(&self) -> String {
        self.what.to_owned()
    }

    fn below(&self) -> Below {
        self.below
    }
}

/// `2,000,000,000`.
fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::from(if number < 0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fraction;

impl Kind for Fraction {
    type Value = f64;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<f64> {
        let NodeKind::Scalar(scalar) = node.kind() else {
            cx.reader.wrong_type(node, format_args!("{what}, a number"), "write a number such as `0.5`");
            return None;
        };
        let value = match Plain::from_scalar(scalar) {
            Plain::Int(0) => 0.0,
            Plain::Int(1) => 1.0,
            // Any other whole number is out of range, whatever it is.
            Plain::Int(_) => f64::INFINITY,
            Plain::Float(value) => value,
            _ => {
                let help = match scalar.unquoted() {
                    Plain::Int(_) | Plain::Float(_) => "write the number without quotes",
                    _ => "write a number such as `0.5`",
                };
                cx.reader.wrong_type(node, format_args!("{what}, a number"), help);
                return None;
            }
        };
        if !(0.0..=1.0).contains(&value) {
            let message = format!("{what} is out of range: `{}`", shorten(scalar.text));
            cx.invalid(scalar.span, message, "give a number from 0 to 1");
            return None;
        }
        Some(value)
    }

    fn parse_default(&self, text: &'static str) -> Option<f64> {
        text.parse().ok()
    }

    fn describe(&self) -> String {
        "number, 0 to 1".to_owned()
    }
}

/// One of some words.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice<T: 'static> {
    /// The words and what they mean.
    pub(crate) of: &'static [(&'static str, T)],
}

impl<T: Copy> Choice<T> {
    fn find(&self, word: &str) -> Option<T> {
        self.of.iter().find(|(name, _)| *name == word).map(|(_, value)| *value)
    }
}

impl<T: Copy + Sync> Kind for Choice<T> {
    type Value = T;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<T> {
        let text = cx.reader.text(node, what)?;
        let value = self.find(text.value);
        if value.is_none() {
            let names = || self.of.iter().map(|(name, _)| *name);
            let message = format!("{what} cannot be `{}`", shorten(text.value));
            let near = did_you_mean(text.value, names());
            let help = match near {
                Some(near) => did_you_mean_help(text.value, near),
                None if self.of.len() > 12 => "see the documentation of the action for all names".to_owned(),
                None => format!("write {}", alternatives(names())),
            };
            let found = crate::diagnostic::Diagnostic::new(&crate::reader::INVALID_VALUE, text.span, message);
            let found = found.with_help(help);
            cx.reader.report(match near {
                Some(near) => found.with_fix_at(false, text.content, near),
                None => found,
            });
        }
        value
    }

    fn parse_default(&self, text: &'static str) -> Option<T> {
        self.find(text)
    }

    fn describe(&self) -> String {
        match self.of.len() {
            0..=12 => alternatives(self.of.iter().map(|(name, _)| *name)),
            count => format!("one of {count} names, see below"),
        }
    }
}

/// A list, or a single value in its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OneOrMore<K>(pub(crate) Items<K>);

impl<K: Kind + Copy> Kind for OneOrMore<K> {
    type Value = Vec<K::Value>;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Self::Value> {
        match node.kind() {
            NodeKind::Scalar(_) => self.0.item().read(node, what, cx).map(|value| vec![value]),
            NodeKind::Sequence(_) | NodeKind::Mapping(_) => self.0.read(node, what, cx),
        }
    }

    fn is_secret(&self) -> bool {
        self.0.is_secret()
    }

    fn describe(&self) -> String {
        format!("{}, or a single one", self.0.describe())
    }

    fn interpolates(&self) -> bool {
        self.0.interpolates()
    }
}

/// A value of a kind, or a list that holds exactly one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SingleOrList<K>(pub(crate) K);

impl<K: Kind> Kind for SingleOrList<K> {
    type Value = K::Value;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<K::Value> {
        let NodeKind::Sequence(items) = node.kind() else { return self.0.read(node, what, cx) };
        let mut items = items.iter();
        match (items.next(), items.next()) {
            (Some(only), None) => self.0.read(only, what, cx),
            _ => {
                cx.reader.wrong_type(
                    node,
                    format_args!("{what}, a map"),
                    "write the fields below it, without `- `",
                );
                None
            }
        }
    }

    fn is_secret(&self) -> bool {
        self.0.is_secret()
    }

    fn describe(&self) -> String {
        self.0.describe()
    }

    fn below(&self) -> Below {
        self.0.below()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_describe_themselves() {
        assert_eq!(Integer(1, 2_000_000_000).describe(), "whole number, 1 to 2,000,000,000");
        assert_eq!(Integer(-1, 999).describe(), "whole number, -1 to 999");
        assert_eq!(Choice { of: &[("a", 1), ("b", 2)] }.describe(), "`a` or `b`");
    }
}
