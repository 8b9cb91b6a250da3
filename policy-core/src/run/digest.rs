//! The digest of what an action does.

use crate::address_list::{AddressList, Entries};
use crate::cel::{Expression, TemplatePart, Test};
use crate::digest::Hasher;
use crate::lpm::TestId;
use crate::schema::{ConfigValue, Text};

/// Takes in what decides what an action does; equal for actions that do the same, however they are written.
pub(crate) struct StepDigest<'a> {
    hasher: &'a mut Hasher,
    /// What a test of the client's address counts as: its verdict where that is known, else its number.
    test: &'a dyn Fn(TestId) -> u64,
    /// True if something reads what actions produce.
    keeps_results: bool,
}

impl<'a> StepDigest<'a> {
    pub(crate) fn new(hasher: &'a mut Hasher, test: &'a dyn Fn(TestId) -> u64, keeps_results: bool) -> Self {
        Self { hasher, test, keeps_results }
    }

    pub(crate) const fn keeps_results(&self) -> bool {
        self.keeps_results
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.hasher.text(text);
    }

    pub(crate) fn number(&mut self, number: u64) {
        self.hasher.number(number);
    }

    /// A test of the client's address.
    pub(crate) fn test(&mut self, test: TestId) {
        self.hasher.number((self.test)(test));
    }

    /// The entries of both lists: a result names the one that decides.
    pub(crate) fn list(&mut self, list: &AddressList) {
        self.entries(&list.allow);
        self.entries(&list.deny);
    }

    fn entries(&mut self, entries: &Entries) {
        let mut networks: Vec<_> = entries.in_document_order().iter().map(|entry| entry.network).collect();
        networks.sort_unstable();
        networks.dedup();
        self.number(networks.len() as u64);
        networks.iter().for_each(|network| self.text(&network.to_string()));
    }

    /// Texts with expressions in them, in order.
    pub(crate) fn templates(&mut self, texts: &[Text]) {
        self.number(texts.len() as u64);
        texts.iter().for_each(|text| self.template(text));
    }

    /// A text with expressions in it.
    pub(crate) fn template(&mut self, text: &Text) {
        self.number(text.template.parts().len() as u64);
        for part in text.template.parts() {
            match part {
                TemplatePart::Text(text) => {
                    self.text("text");
                    self.text(text);
                }
                TemplatePart::Expression(expression) => {
                    self.text("expression");
                    self.expression(expression);
                }
            }
        }
    }

    /// An expression.
    pub(crate) fn expression(&mut self, expression: &Expression) {
        let mut parts = Vec::new();
        expression.part_texts(&Test::whole(expression), &mut parts);
        self.number(parts.len() as u64);
        parts.iter().for_each(|part| self.text(part));
    }

    /// A configured value; documents bound how deep they are.
    pub(crate) fn value(&mut self, value: &ConfigValue) {
        match value {
            ConfigValue::Plain(plain) => {
                self.text("plain");
                self.text(&format!("{plain:?}"));
            }
            ConfigValue::Text(text) => {
                self.text("template");
                self.template(text);
            }
            ConfigValue::List(items) => {
                self.text("list");
                self.number(items.len() as u64);
                items.iter().for_each(|item| self.value(item));
            }
            ConfigValue::Map(entries) => {
                self.text("map");
                self.number(entries.len() as u64);
                for (key, value) in entries {
                    self.text(key);
                    self.value(value);
                }
            }
        }
    }
}
