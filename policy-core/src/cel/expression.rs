//! A checked expression: what a policy keeps of its text.

mod decide;

use std::collections::HashSet;
use std::sync::Arc;

use crate::cel::analysis::advice;
use crate::cel::analysis::conditions::{self, Depends, Written, clients, depends, formula, needed, path};
use crate::cel::analysis::failures::{MayFail, failures};
use crate::cel::analysis::flow::{DataFlow, ReadSite, Unknown, Use};
use crate::cel::analysis::guards::{Guard, Guards, implied, known, worked};
use crate::cel::analysis::parts::{Key, Parts};
use crate::cel::analysis::state::{self, Shape, State};
use crate::cel::check::checker::check;
use crate::cel::check::code::{Code, Node, NodeId};
use crate::cel::check::env::Env;
use crate::cel::codes::{CONSTANT, TYPE_MISMATCH};
use crate::cel::compile::cost::Costs;
use crate::cel::compile::fold::fold;
use crate::cel::compile::patterns::compile_constants;
use crate::cel::evaluate::{Sink, evaluate};
use crate::cel::library::overload::{Form, Outside};
use crate::cel::limits::CelLimits;
use crate::cel::syntax::parser::parse;
use crate::cel::values::fact::Fact;
use crate::cel::values::fault::{EvalError, Fault};
use crate::cel::values::host::{EvalLimits, Host};
use crate::cel::values::types::Type;
use crate::cel::values::value::Value;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::lpm::RangeSet;
use crate::source::Span;

pub use decide::Predicate;

/// An expression that has been checked and can be evaluated. Cheap to clone.
///
/// ```
/// use policy_core::cel::{Env, EvalLimits, NoHost, Value};
/// let (expression, found) = Env::standard().check("[1, 2, 3].filter(x, x > 1).size() == 2");
/// assert!(found.iter().all(|item| item.code.id == "TP213"), "only that it is constant");
/// let value = expression.expect("no errors").evaluate(&mut NoHost, EvalLimits::default());
/// assert!(matches!(value, Ok(Value::Bool(true))));
/// ```
#[derive(Clone, Debug)]
pub struct Expression {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    text: Box<str>,
    /// As written: what explanations run.
    code: Code,
    /// Without its constant parts: what decisions run.
    folded: Code,
    reads: Box<[Fact]>,
    cost: u64,
    pattern_states: u64,
    calls: Box<[&'static str]>,
    failures: Vec<MayFail>,
    /// What it asks of earlier actions, with its place.
    asks: Box<[(State, Span)]>,
}

/// One part of an expression and its value.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Part {
    /// Where it stands in the expression's text.
    pub span: Span,
    /// Its value, or why it has none.
    pub value: Result<Value, Fault>,
    /// Parts around it.
    pub depth: usize,
}

impl Env {
    /// Parses and checks an expression. It is there if it is well typed; what is found may still be an error
    /// that keeps it out of a policy, such as a part that always fails. O(length), with at most [`CelLimits`]
    /// of work.
    #[must_use]
    pub fn check(&self, text: &str) -> (Option<Expression>, Diagnostics) {
        self.check_within(text, &CelLimits::default())
    }

    /// The same within other limits.
    #[must_use]
    pub fn check_within(&self, text: &str, limits: &CelLimits) -> (Option<Expression>, Diagnostics) {
        self.check_after(text, limits, &Unknown)
    }

    /// The same with what is known of earlier actions.
    pub(crate) fn check_after(
        &self,
        text: &str,
        limits: &CelLimits,
        earlier: &dyn DataFlow,
    ) -> (Option<Expression>, Diagnostics) {
        let mut found = Diagnostics::default();
        let ast = parse(text, limits, &mut found);
        let readable = !found.has_errors();
        let mut later = Diagnostics::default();
        let code = check(text, &ast, self, earlier, true, &mut later);
        // What does not read has types that nobody meant; names are right or wrong all the same.
        later.retain(|item| readable || item.code != &TYPE_MISMATCH);
        found.append(later);
        let sound = !found.has_errors();
        let expression = code.filter(|_| sound).map(|code| Expression::new(text, code, limits, &mut found));
        found.sort();
        (expression, found)
    }

    /// Parses an expression and leaves its types to run time, as CEL allows; `None` for one that does not
    /// parse. Policies are always checked.
    #[must_use]
    pub fn unchecked(&self, text: &str) -> Option<Expression> {
        let mut found = Diagnostics::default();
        let limits = CelLimits::default();
        let ast = parse(text, &limits, &mut found);
        let code = check(text, &ast, self, &Unknown, false, &mut Diagnostics::default());
        let expression = code.map(|code| Expression::new(text, code, &limits, &mut Diagnostics::default()));
        expression.filter(|_| !found.has_errors())
    }
}

impl Expression {
    fn new(text: &str, mut code: Code, limits: &CelLimits, found: &mut Diagnostics) -> Self {
        let patterns = compile_constants(&mut code, limits.pattern_states, found);
        let costs = Costs::from_code(&code);
        let folded = fold(&code, &costs);
        let cost = Costs::from_code(&folded.code).steps(code.root());
        let failures = {
            let parts = Parts::new(&code);
            advice::report(&parts, &folded, &patterns.bad, cost, found);
            failures(&parts, found)
        };
        let mut reads: Vec<Fact> = Vec::new();
        for ((_, node), reached) in folded.code.nodes().zip(folded.code.reachable()) {
            if let (true, Node::Fact(fact) | Node::HasFact(fact)) = (reached, node) {
                reads.push(*fact);
            }
        }
        reads.sort_unstable();
        reads.dedup();
        let mut calls: Vec<&'static str> =
            code.nodes().filter_map(|(_, node)| taking(&code, node)).map(|(name, _)| name).collect();
        calls.sort_unstable();
        calls.dedup();
        let asks = state::asks(&code);
        let inner = Inner {
            text: text.into(),
            code,
            folded: folded.code,
            reads: reads.into(),
            cost,
            pattern_states: patterns.states,
            calls: calls.into(),
            failures,
            asks: asks.into(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.inner.text
    }

    /// Its parts with their types, as written.
    pub(crate) fn code(&self) -> &Code {
        &self.inner.code
    }

    /// States that its constant regular expressions take, about.
    pub(crate) fn pattern_states(&self) -> u64 {
        self.inner.pattern_states
    }

    /// Parts that it has, as written.
    pub(crate) fn parts(&self) -> usize {
        self.code().len()
    }

    /// Bytes that it takes, about.
    pub(crate) fn bytes(&self) -> usize {
        // A node with what hangs on it, as written and folded, its place and its type.
        const NODE: usize = 2 * (size_of::<Node>() + 48) + size_of::<Span>() + size_of::<Type>();
        // What is compiled, and what is kept while it matches.
        const STATE: usize = 200;
        let states = usize::try_from(self.inner.pattern_states).unwrap_or(usize::MAX);
        size_of::<Inner>()
            .saturating_add(self.inner.text.len())
            .saturating_add(self.parts().saturating_mul(NODE))
            .saturating_add(states.saturating_mul(STATE))
    }

    /// The type of its value.
    #[must_use]
    pub fn result(&self) -> &Type {
        self.code().ty(self.code().root())
    }

    /// The places of what decides in it, each once: the whole, both sides of every `&&` and `||`, and the condition of every
    /// `?:`; nothing inside of loops. In order of their places. O(parts).
    ///
    /// ```
    /// use policy_core::cel::Env;
    /// let (expression, _) = Env::standard().check("1 < 2 && (2 < 3 || true)");
    /// let expression = expression.expect("no errors");
    /// let texts: Vec<_> = expression.branches().iter().map(|span| &expression.text()[span.to_range()]).collect();
    /// assert_eq!(texts, ["1 < 2 && (2 < 3 || true)", "1 < 2", "(2 < 3 || true)", "2 < 3", "true"]);
    /// ```
    #[must_use]
    pub fn branches(&self) -> Vec<Span> {
        let code = self.code();
        let (mut out, mut work) = (vec![code.span(code.root())], vec![code.root()]);
        while let Some(node) = work.pop().and_then(|id| code.node(id)) {
            match node {
                Node::And(left, right) | Node::Or(left, right) => {
                    out.extend([*left, *right].map(|id| code.span(id)))
                }
                Node::Conditional { condition, .. } => out.push(code.span(*condition)),
                _ => {}
            }
            match node {
                Node::Loop(of) => work.push(of.range),
                other => other.operands(&mut |operand| work.push(operand)),
            }
        }
        out.sort_by_key(|span| (span.start, std::cmp::Reverse(span.end)));
        out.dedup();
        out
    }

    /// The facts it may read, each once.
    #[must_use]
    pub fn reads(&self) -> &[Fact] {
        &self.inner.reads
    }

    /// The functions it may call that are no functions of its facts: `rand.int`, `secrets.get`.
    #[must_use]
    pub fn impure_calls(&self) -> &[&'static str] {
        &self.inner.calls
    }

    /// True if it may draw random numbers, which needs a seed.
    #[must_use]
    pub fn draws_numbers(&self) -> bool {
        self.takes(Outside::Randomness)
    }

    /// True if it may read a secret of a vault.
    #[must_use]
    pub fn reads_secrets(&self) -> bool {
        self.takes(Outside::Secrets)
    }

    /// True if the value of the part at a place is a secret itself, not something made of one. O(parts).
    #[must_use]
    pub fn is_secret_at(&self, span: Span) -> bool {
        let code = self.code();
        let mut parts = code.nodes().filter(|(id, _)| code.span(*id) == span);
        parts.any(|(_, node)| taking(code, node).is_some_and(|(_, what)| what == Outside::Secrets))
    }

    /// The secrets it may read that are named by texts of their own: vault and name. O(parts).
    pub(crate) fn secrets(&self) -> impl Iterator<Item = (&str, &str)> {
        self.code().nodes().filter_map(|(_, node)| {
            let (overload, &[vault, name]) = self.code().call(node)? else { return None };
            let named = (&**self.code().text(vault)?, &**self.code().text(name)?);
            matches!(overload.form, Form::Secret(_)).then_some(named)
        })
    }

    fn takes(&self, wanted: Outside) -> bool {
        let mut nodes = self.code().nodes();
        !self.inner.calls.is_empty()
            && nodes.any(|(_, node)| taking(self.code(), node).is_some_and(|(_, what)| what == wanted))
    }

    /// Steps it takes at worst, with values from outside of ordinary size.
    #[must_use]
    pub fn cost(&self) -> u64 {
        self.inner.cost
    }

    /// The value it always has, if it depends on nothing.
    #[must_use]
    pub fn constant(&self) -> Option<&Value> {
        self.inner.folded.constant(self.inner.folded.root())
    }

    /// The place of all of it.
    pub(crate) fn root_span(&self) -> Span {
        self.inner.folded.span(self.inner.folded.root())
    }

    /// What may fail in expressions that are joined by `&&`, and what is never there, for each of them: each may
    /// guard the others.
    #[must_use]
    pub(crate) fn may_fail(joined: &[Self], earlier: &dyn DataFlow) -> Vec<Diagnostics> {
        let mut guards = Guards::default();
        if joined.len() > 1 && joined.iter().any(|expression| !expression.inner.failures.is_empty()) {
            for (at, expression) in joined.iter().enumerate() {
                guards.add(expression.implies(), at);
            }
        }
        // What is missing is told where it is read first.
        let mut told: HashSet<Key> = HashSet::new();
        let mut report = |(at, expression): (usize, &Self)| {
            let mut found = Diagnostics::default();
            // An expression that is constant has been reported as that.
            let parts = expression.inner.failures.iter().filter(|_| expression.constant().is_none());
            for part in parts {
                if part.is_sure(earlier)
                    || guards.give(&part.needs, Some(at))
                    || earlier.implies(&part.needs)
                    || told.contains(&part.part)
                {
                    continue;
                }
                if earlier.implies(&[Guard::Worked(part.part)]) {
                    continue;
                }
                let part_found = part.found.clone();
                let code = &expression.inner.code;
                let place = ReadSite { expression: at, path: &|| path(code, part.node) };
                let decided = match &part.state {
                    Some(state) => earlier.check_use(state, Use::Read(place), part_found),
                    None if earlier.makes_sure(place, &|| needed(code, part.node, &part.needs)) => continue,
                    None => Some(part_found),
                };
                // Where it is sure to be there, it may be missing in another place.
                if let Some(item) = decided {
                    told.insert(part.part);
                    found.push(item);
                }
            }
            for (state, span) in &expression.inner.asks {
                let asked = Diagnostic::new(&CONSTANT, *span, "this is always false");
                earlier.check_use(state, Use::Ask, asked).into_iter().for_each(|item| found.push(item));
            }
            found
        };
        joined.iter().enumerate().map(&mut report).collect()
    }

    /// What its tests tell where it is true. O(parts).
    fn implies(&self) -> Vec<Guard> {
        implied(&self.inner.code)
    }

    /// What is known where all of these are true: what their tests tell, and which parts have had a value. O(parts).
    pub(crate) fn known(joined: &[Self]) -> Guards {
        let mut guards = Guards::default();
        joined.iter().for_each(|expression| guards.add(known(&expression.inner.code), 0));
        guards
    }

    /// The parts that have had a value once it has one. O(parts).
    pub(crate) fn worked(&self) -> Vec<Guard> {
        if self.inner.failures.is_empty() { Vec::new() } else { worked(&self.inner.code) }
    }

    /// True if expressions that may hold alone never hold together. What addresses leave is told with those.
    pub(crate) fn never_together(joined: &[Self]) -> bool {
        joined.len() > 1
            && !joined.iter().any(|it| it.constant().is_some())
            && conditions::never_together(joined.iter().map(Self::formula).collect())
            && !Self::leave_nobody(joined)
    }

    /// True if no address passes all of these.
    pub(crate) fn leave_nobody(joined: &[Self]) -> bool {
        let left = joined.iter().filter_map(Self::clients).reduce(|all, next| all.common(&next));
        left.is_some_and(|left| left.is_empty())
    }

    /// What it depends on, beside the connection. O(parts).
    pub(crate) fn depends(&self) -> Depends {
        depends(self.code(), self.code().root())
    }

    /// What is known of its value.
    pub(crate) fn shape(&self, levels: usize) -> Shape {
        state::shape(self.code(), self.code().root(), levels)
    }

    /// What it says as a condition, with what each test depends on. O(parts).
    pub(crate) fn formula(&self) -> Written {
        formula(&self.inner.code)
    }

    /// The addresses that a client may have for it to hold; `None` if that may be any. O(parts · networks).
    pub(crate) fn clients(&self) -> Option<RangeSet> {
        clients(&self.inner.code)
    }

    /// True if its value, as text, never has a slash: it is made of facts without one, and of texts without one.
    pub(crate) fn has_no_slash(&self) -> bool {
        let code = self.code();
        code.nodes().zip(code.reachable()).filter(|(_, reached)| *reached).all(|((_, node), _)| match node {
            Node::Const(Value::String(text)) => !text.contains('/'),
            // What an action has left behind is taken as it comes.
            Node::Fact(fact) => fact.result().is_none() && fact.meaning().has_no_slash(),
            Node::Call { overloads, .. } => {
                code.overload(overloads).is_some_and(|overload| overload.adds_no_slash)
            }
            Node::Const(_) | Node::Index { .. } | Node::Conditional { .. } | Node::And(..) | Node::Or(..) => {
                true
            }
            Node::HasFact(_) | Node::Matches { .. } | Node::List(_) => true,
            _ => false,
        })
    }

    /// True if its value, as text, always begins with a slash: a path, or a text that is added to.
    pub(crate) fn begins_with_slash(&self) -> bool {
        let code = self.code();
        let mut at = Some(code.root());
        while let Some(node) = at.and_then(|id| code.node(id)) {
            match node {
                Node::Const(Value::String(text)) => return text.starts_with('/'),
                Node::Fact(fact) => return fact.meaning().is_path(),
                _ => match code.formed(node, Form::Add) {
                    Some(arguments) => at = arguments.first().copied(),
                    None => return false,
                },
            }
        }
        false
    }

    /// The variable that it is, by its name.
    pub(crate) fn variable(&self) -> Option<Box<str>> {
        match state::variable(self.code(), self.code().node(self.code().root())?)? {
            State::Variable(name) => Some(name),
            State::Result(_) => None,
        }
    }

    /// Evaluates it.
    ///
    /// # Errors
    /// The fault and its place in the text.
    pub fn evaluate(&self, host: &mut dyn Host, mut limits: EvalLimits) -> Result<Value, EvalError> {
        self.evaluate_from(host, &mut limits)
    }

    /// The same, taking from the limits what it takes: for several evaluations that have one budget together.
    ///
    /// # Errors
    /// The fault and its place in the text.
    ///
    /// ```
    /// use policy_core::cel::{Env, EvalLimits, NoHost, Value};
    /// let (checked, _) = Env::standard().check("[1, 2, 3].exists(n, n == 3)");
    /// let (checked, mut limits) = (checked.expect("no errors"), EvalLimits::default());
    /// limits.steps = 1;
    /// assert!(matches!(checked.evaluate_from(&mut NoHost, &mut limits), Ok(Value::Bool(true))));
    /// assert_eq!(limits.steps, 0);
    /// assert!(checked.evaluate_from(&mut NoHost, &mut limits).is_err());
    /// ```
    pub fn evaluate_from(&self, host: &mut dyn Host, limits: &mut EvalLimits) -> Result<Value, EvalError> {
        evaluate(&self.inner.folded, self.inner.folded.root(), host, limits, None)
    }

    /// What decisions run.
    pub(in crate::cel) fn decision_code(&self) -> &Code {
        &self.inner.folded
    }

    /// Nodes of its tree: what it takes in memory, about.
    pub(crate) fn nodes(&self) -> usize {
        self.code().len()
    }

    /// Evaluates it as written, and gives the value of every part that is no literal, outer parts first. At
    /// most `max` parts are kept.
    pub fn explain(
        &self,
        host: &mut dyn Host,
        mut limits: EvalLimits,
        max: usize,
    ) -> (Result<Value, EvalError>, Vec<Part>) {
        let code = &self.inner.code;
        let mut parts = KeptParts { code, max, parts: Vec::new() };
        let value = evaluate(code, code.root(), host, &mut limits, Some(&mut parts));
        let mut parts = parts.parts;
        // By place: what holds a part comes before it. Equal places keep the order of evaluation, the outer
        // of them being the later.
        parts.reverse();
        parts.sort_by_key(|part| (part.span.start, std::cmp::Reverse(part.span.end)));
        let mut open: Vec<Span> = Vec::new();
        for part in &mut parts {
            while open.last().is_some_and(|outer| outer.end < part.span.end || part.span.start >= outer.end) {
                open.pop();
            }
            if open.last() == Some(&part.span) {
                part.depth = open.len() - 1;
            } else {
                part.depth = open.len();
                open.push(part.span);
            }
        }
        (value, parts)
    }
}

/// The name of a function that takes something from outside, and what that is.
fn taking(code: &Code, node: &Node) -> Option<(&'static str, Outside)> {
    let Node::Call { overloads, name, .. } = node else { return None };
    Some((*name, code.overload(overloads)?.takes?))
}

/// Keeps the value of each part; of a part that runs several times each value.
struct KeptParts<'c> {
    code: &'c Code,
    max: usize,
    parts: Vec<Part>,
}

impl KeptParts<'_> {
    /// True for a literal, and for a list or map of literals: their text says their value.
    fn is_literal(&self, id: NodeId) -> bool {
        match self.code.node(id) {
            Some(Node::Const(_)) => true,
            Some(node @ (Node::List(_) | Node::Map(_))) => {
                let mut all = true;
                node.operands(&mut |item| all &= matches!(self.code.node(item), Some(Node::Const(_))));
                all
            }
            _ => false,
        }
    }
}

impl Sink for KeptParts<'_> {
    fn node(&mut self, id: NodeId, result: Result<&Value, &Fault>) {
        if !self.is_literal(id) && self.parts.len() < self.max {
            let value = result.cloned().map_err(Clone::clone);
            self.parts.push(Part { span: self.code.span(id), value, depth: 0 });
        }
    }
}
