//! The fields of a rule of a policy.

use crate::schema::{Declared, Field, Name, Part};

pub(crate) static NAME: Field<Name> = Field::optional("name", Name, "The name, in traces and events.");
pub(crate) static EXPRESSIONS: Field<Part> = Field::optional(
    "expressions",
    Part::new("list of: expression (CEL) that is true or false"),
    "The rule applies where all of them are true; without any, always.",
);
pub(crate) static ACTIONS: Field<Part> = Field::required(
    "actions",
    Part::new("list of: `type` with its `config`"),
    "actions:",
    "What happens, in this order.",
);

/// What an action of the list is, by its name.
pub(crate) const TYPE: &str = "type";
/// What such an action does in detail.
pub(crate) const CONFIG: &str = "config";

/// All fields of a rule.
pub(crate) const FIELDS: Declared = &[&NAME, &EXPRESSIONS, &ACTIONS];
