//! CEL: the expression language of policies.
//!
//! [`Env::check`] turns a text into an [`Expression`]: parsed with the place of every part, checked against
//! declared variables and functions, with constant parts folded and its cost bounded. The tree interpreter
//! after [`Expression::evaluate`] is the reference for everything faster. No input makes any stage abort,
//! hang or take memory without bound ([`CelLimits`], [`EvalLimits`]).
//!
//! Its stages, each of which uses only those before it (ADR 35):
//!
//! 1. `codes`, `limits`: the diagnostics of all stages, and what one expression may cost.
//! 2. `values`: types, facts, values and why there is none, and what an evaluation takes from its host.
//! 3. `syntax`: text to tree, and back.
//! 4. `library`: the functions of CEL, and regular expressions. A language adds its own.
//! 5. `check`: tree and declarations to typed code.
//! 6. `evaluate`: typed code and a host to a value.
//! 7. `compile`: constant parts folded, cost, conditions as tests on borrowed facts.
//! 8. `analysis`: what may fail, what guards it, what follows from a condition, advice.
//! 9. `expression`, `condition`, `template`: what policies keep of a text.
//!
//! Source: CEL specification, language definition (github.com/google/cel-spec, 2026-06-10), with the standard
//! extensions for strings, lists, math, encoders, addresses, optionals, bindings and macros of two variables.

mod analysis;
pub(crate) mod check;
mod codes;
mod compile;
mod condition;
mod evaluate;
mod expression;
pub(crate) mod library;
mod limits;
mod syntax;
mod template;
mod values;

pub(crate) use analysis::conditions::{Condition, Depends, Formula, Work, Written, adjoin, cover};
pub(crate) use analysis::flow::{DataFlow, ReadSite, Use};
pub(crate) use analysis::guards::{Guard, Guards};
pub(crate) use analysis::state::{Shape, State};
pub use check::env::Env;
pub(crate) use check::env::{Hints, Language, SetVariables, Standing, Tree, TreeLeaf, TreeNode};
pub use codes::UNDECLARED;
pub(crate) use codes::{CEL_LIMIT, CODES, drop_values};
pub(crate) use compile::predicate::{Asked, ClientAddress, Gate, GateFact, Test};
pub(crate) use condition::{Decides, check_condition, check_together};
pub use expression::{Expression, Part, Predicate};
pub(crate) use library::pattern::{Pattern, Replaced, check_regex, pattern_facts};
pub use limits::CelLimits;
pub use syntax::ast::{Ast, BinaryOp, Entry, ExprId, ExprKind, Literal, UnaryOp};
pub use syntax::parser::parse;
pub use syntax::print::print;
pub(crate) use syntax::text::{comment, is_in_text, is_unfinished};
pub(crate) use template::Unrendered;
pub use template::{FieldType, Template, TemplatePart, is_template};
pub use values::fact::Fact;
pub(crate) use values::fact::{About, Meaning, PartOf, Role, Tag};
pub use values::fault::{EvalError, Fault};
pub use values::host::{Borrowed, EvalLimits, Host, NoHost, TextMap};
pub use values::time::{Duration, Timestamp};
pub use values::types::{Object, Type};
pub use values::value::{Map, Value};
