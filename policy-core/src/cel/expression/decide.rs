//! Conditions as decisions run them.

use super::Expression;
use crate::cel::compile::predicate::{ClientAddress, Draws, Intern, Test, build, holds};
use crate::cel::limits::CelLimits;
use crate::cel::syntax::parser::parse;
use crate::cel::syntax::print::print;
use crate::cel::values::fault::EvalError;
use crate::cel::values::host::{EvalLimits, Host};
use crate::diagnostic::Diagnostics;

/// A compiled condition: the same answers and errors as [`Expression::evaluate`], faster. Immutable; `Send + Sync`.
///
/// ```
/// use policy_core::cel::{EvalLimits, Predicate};
/// use policy_core::{facts::Facts, phase::Phase, variables};
/// let env = variables::env(variables::Site { phase: Some(Phase::OnTcpConnect), ..variables::Site::default() });
/// let (expression, _) = env.check("conn.client_port > 1024 && inCidrRange(conn.client_ip, '10.0.0.0/8')");
/// let predicate = Predicate::new(&expression.expect("no errors"));
/// let facts = Facts::from_connection("10.1.2.3:5000".parse().expect("fine"), "192.0.2.1:22".parse().expect("fine"));
/// assert_eq!(predicate.holds(&mut facts.host(), EvalLimits::default()), Ok(true));
/// ```
#[derive(Clone, Debug)]
pub struct Predicate {
    expression: Expression,
    test: Test,
}

impl Predicate {
    /// Compiles a condition. O(nodes).
    #[must_use]
    pub fn new(expression: &Expression) -> Self {
        Self { expression: expression.clone(), test: build(expression.decision_code(), None) }
    }

    /// True if the condition holds.
    ///
    /// # Errors
    /// The fault and its place in the text; a value that is neither true nor false is one.
    #[inline(always)]
    pub fn holds<H: Host>(&self, host: &mut H, mut limits: EvalLimits) -> Result<bool, EvalError> {
        holds(&self.test, self.expression.decision_code(), host, &mut limits, None).map_err(|error| *error)
    }

    /// The condition as it was checked.
    #[must_use]
    pub const fn expression(&self) -> &Expression {
        &self.expression
    }

    /// True if no part of it is left to the interpreter.
    #[must_use]
    pub fn is_specialised(&self) -> bool {
        self.test.is_specialised()
    }
}

impl Expression {
    /// The compiled form of a condition whose literal tests of `conn.client_ip` a table answers.
    pub(crate) fn test(&self, intern: Intern<'_>) -> Test {
        build(self.decision_code(), Some(intern))
    }

    /// The texts of a test's parts, joined by `&&`, each in one spelling; what has no text of its own is told in words.
    pub(crate) fn part_texts(&self, test: &Test, out: &mut Vec<String>) {
        match test {
            Test::All(parts) => parts.iter().for_each(|part| self.part_texts(part, out)),
            other => out.push(self.part_text(other)),
        }
    }

    fn part_text(&self, test: &Test) -> String {
        let joined =
            |parts: &[Test]| parts.iter().map(|part| self.part_text(part)).collect::<Vec<_>>().join(", ");
        match test {
            Test::Leaf(node, _) | Test::Interpreted(node, _) => {
                let span = self.decision_code().span(*node);
                let text = self.text().get(span.to_range()).unwrap_or_default();
                print(&parse(text, &CelLimits::default(), &mut Diagnostics::default()))
            }
            Test::Not(part) => format!("not({})", self.part_text(part)),
            Test::All(parts) => format!("all({})", joined(parts)),
            Test::Any(parts) => format!("any({})", joined(parts)),
            Test::Choice(parts) => format!("choice({})", joined(&**parts)),
            Test::Always(_) | Test::Client(_) => test.to_string(),
        }
    }

    /// True if a test of this expression holds, taking from the limits what it takes.
    ///
    /// # Errors
    /// The fault and its place in the text.
    #[inline]
    pub(crate) fn holds<H: Host>(
        &self,
        test: &Test,
        host: &mut H,
        limits: &mut EvalLimits,
        client: ClientAddress<'_>,
    ) -> Result<bool, Box<EvalError>> {
        holds(test, self.decision_code(), host, limits, Some(client))
    }
}

impl Test {
    /// An expression as one part.
    pub(crate) fn whole(expression: &Expression) -> Self {
        Self::Interpreted(expression.decision_code().root(), Draws::Maybe)
    }
}
