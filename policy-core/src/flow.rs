//! Data flow: which results and variables of earlier actions an expression can read where it stands.
//!
//! A policy is read in the order in which it runs, and what each action leaves behind is noted here: results
//! live for a connection or request, variables for a phase. An outline of the whole policy, made before, tells
//! of what is set too late or elsewhere.
//!
//! Source: ngrok documentation, result variables and set-vars (2026-08-07).

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use crate::cel::{Earlier, State, Type, Use};
use crate::diagnostic::{Code, Diagnostic, Severity, did_you_mean, shorten};
use crate::phase::Phase;
use crate::source::{FileSpan, Span};

static RESULT_MISSING: Code = Code::error("TP411", "result-missing").ngrok(&["ERR_NGROK_2200"]);
static RESULT_CONDITIONAL: Code = Code::warning("TP412", "result-conditional").ngrok(&["ERR_NGROK_2254"]);
static VARIABLE_NOT_SET: Code = Code::error("TP413", "variable-not-set").ngrok(&["ERR_NGROK_2254"]);
static VARIABLE_CONDITIONAL: Code = Code::warning("TP414", "variable-conditional").ngrok(&["ERR_NGROK_2254"]);

/// The codes this file raises.
pub(crate) static CODES: &[&Code] =
    &[&RESULT_MISSING, &RESULT_CONDITIONAL, &VARIABLE_NOT_SET, &VARIABLE_CONDITIONAL];

/// Names that a misspelt one is compared with.
const MOST_NAMES: usize = 200;

/// Something that an action of the policy leaves behind, wherever it stands.
#[derive(Clone, Debug)]
pub(crate) struct Trace {
    pub(crate) state: State,
    pub(crate) phase: Phase,
    /// The rule of the phase and the action of the rule.
    pub(crate) place: (usize, usize),
    pub(crate) span: FileSpan,
}

/// What is known where the reader is.
#[derive(Debug)]
pub(crate) struct Flow {
    /// Where each thing is left behind, in document order.
    outline: HashMap<State, Vec<Trace>>,
    /// The first names of variables, for suggestions.
    names: Vec<(Phase, Box<str>)>,
    /// True if an action changes requests or responses.
    rewrites: bool,
    now: RefCell<Now>,
}

#[derive(Debug)]
struct Now {
    phase: Phase,
    /// The rule and the action that are read.
    place: (usize, usize),
    /// The conditions of the rule, as they are written.
    conditions: Rc<[Box<str>]>,
    left: BTreeMap<State, Setting>,
    /// What the conditions of the rule tell, as expressions put it.
    known: Vec<String>,
}

#[derive(Clone, Debug)]
struct Setting {
    ty: Type,
    span: FileSpan,
    /// The conditions under which it is there.
    conditions: Rc<[Box<str>]>,
}

impl Flow {
    /// A flow through a policy that leaves behind what the outline says.
    pub(crate) fn new(outline: Vec<Trace>, rewrites: bool) -> Self {
        let now = Now {
            phase: Phase::OnTcpConnect,
            place: (0, 0),
            conditions: Rc::default(),
            left: BTreeMap::new(),
            known: Vec::new(),
        };
        let names = outline.iter().filter_map(|trace| match &trace.state {
            State::Variable(name) => Some((trace.phase, name.clone())),
            State::Result(_) => None,
        });
        let names = names.take(MOST_NAMES).collect();
        let mut by_state: HashMap<State, Vec<Trace>> = HashMap::new();
        for trace in outline {
            by_state.entry(trace.state.clone()).or_default().push(trace);
        }
        Self { outline: by_state, names, rewrites, now: RefCell::new(now) }
    }

    /// A phase begins: variables of the one before are gone.
    pub(crate) fn begin_phase(&self, phase: Phase) {
        let mut now = self.now.borrow_mut();
        now.phase = phase;
        now.left.retain(|state, _| matches!(state, State::Result(_)));
    }

    /// A rule begins. Its conditions guard one another too.
    pub(crate) fn begin_rule(&self, rule: usize, mut conditions: Vec<Box<str>>) {
        let mut now = self.now.borrow_mut();
        now.place = (rule, 0);
        now.known.clear();
        // What a condition reads may have changed by the next rule that has the same one.
        for condition in &mut conditions {
            let reads = |word: &str| condition.contains(word);
            let message = self.rewrites && (reads("req") || reads("res") || reads("Req") || reads("Query"));
            if message || ["vars", "actions", "rand.", "secrets.", "time."].into_iter().any(reads) {
                *condition = format!("{condition} // in rule {rule} of {}", now.phase).into();
            }
        }
        now.conditions = conditions.into();
    }

    /// The conditions of the rule tell this for its actions.
    pub(crate) fn know(&self, guards: Vec<String>) {
        self.now.borrow_mut().known = guards;
    }

    /// An action of the rule begins.
    pub(crate) fn begin_action(&self, action: usize) {
        self.now.borrow_mut().place.1 = action;
    }

    /// An action leaves something behind.
    pub(crate) fn leave(&self, state: State, ty: Type, span: FileSpan) {
        let mut now = self.now.borrow_mut();
        let mut setting = Setting { ty, span, conditions: Rc::clone(&now.conditions) };
        if let Some(before) = now.left.get(&state) {
            // What was there anyway stays there; its type is the common one.
            if is_subset(&before.conditions, &setting.conditions) {
                setting.conditions = Rc::clone(&before.conditions);
            }
            if before.ty != setting.ty {
                setting.ty = Type::Dyn;
            }
        }
        now.left.insert(state, setting);
    }
}

fn is_subset(some: &[Box<str>], all: &[Box<str>]) -> bool {
    some.iter().all(|condition| all.contains(condition))
}

impl Earlier for Flow {
    fn tells(&self, guard: &str) -> bool {
        self.now.borrow().known.iter().any(|known| known == guard)
    }

    fn variable(&self, name: &str) -> Option<Type> {
        let now = self.now.borrow();
        now.left.get(&State::Variable(name.into())).map(|setting| setting.ty.clone())
    }

    fn judge(&self, state: &State, of: Use, found: Diagnostic) -> Option<Diagnostic> {
        let now = self.now.borrow();
        if let Some(setting) = now.left.get(state) {
            let there = of == Use::Ask || is_subset(&setting.conditions, &now.conditions);
            return (!there).then(|| conditional(state, setting, found.span));
        }
        let mut traces = self.outline.get(state).map(Vec::as_slice).unwrap_or_default().iter();
        // An action that could not be read would have left it behind.
        let before = |trace: &Trace| trace.phase == now.phase && trace.place < now.place;
        let earlier_phase = |trace: &Trace| trace.phase < now.phase && matches!(state, State::Result(_));
        if traces.clone().any(|trace| before(trace) || earlier_phase(trace)) {
            return None;
        }
        let elsewhere = traces.clone().find(|trace| trace.phase == now.phase).or_else(|| traces.next());
        let missing = self.missing(state, elsewhere, now.phase, found.span);
        Some(match of {
            Use::Read => missing,
            Use::Ask => Diagnostic {
                message: format!("{}, so this is always false", missing.message),
                ..missing.with_severity(Severity::Warning)
            },
        })
    }
}

impl Flow {
    fn missing(&self, state: &State, elsewhere: Option<&Trace>, phase: Phase, span: Span) -> Diagnostic {
        let here = elsewhere.filter(|trace| trace.phase == phase);
        match (state, here, elsewhere) {
            (State::Variable(name), Some(later), _) => {
                let message = format!("`vars.{}` is not set yet", shorten(name));
                let found = Diagnostic::new(&VARIABLE_NOT_SET, span, message);
                found
                    .with_label(later.span, "set here")
                    .with_help("move the rule that sets it before this one")
            }
            (State::Variable(name), None, Some(other)) => {
                let message = format!(
                    "`vars.{}` is set in {} only, and variables live for one phase",
                    shorten(name),
                    other.phase
                );
                let found = Diagnostic::new(&VARIABLE_NOT_SET, span, message);
                found.with_label(other.span, "set here").with_help(format!("set it in {phase} as well"))
            }
            (State::Variable(name), None, None) => {
                let message = format!("`vars.{}` is never set", shorten(name));
                let names = self.names.iter().filter(|(of, _)| *of == phase).map(|(_, name)| &**name);
                let help = did_you_mean(name, names).map_or_else(
                    || "set it before with `set-vars`".to_owned(),
                    |near| format!("did you mean `vars.{near}`?"),
                );
                Diagnostic::new(&VARIABLE_NOT_SET, span, message).with_help(help)
            }
            (State::Result(path), Some(later), _) => {
                let message = format!("`{path}` has no value yet");
                let found = Diagnostic::new(&RESULT_MISSING, span, message);
                found
                    .with_label(later.span, "this action leaves it behind")
                    .with_help("move the action before this place")
            }
            (State::Result(path), None, Some(other)) => {
                let message = format!("`{path}` has no value in {phase}: its action runs in {}", other.phase);
                let found = Diagnostic::new(&RESULT_MISSING, span, message);
                found
                    .with_label(other.span, "this action leaves it behind")
                    .with_help("decide by what is known here, or move the rule")
            }
            (State::Result(path), None, None) => {
                let message = format!("`{path}` has no value: no action before leaves it behind");
                let help = "put the action before this place, or decide by something else";
                Diagnostic::new(&RESULT_MISSING, span, message).with_help(help)
            }
        }
    }
}

/// What is said of something that is there under conditions only.
fn conditional(state: &State, setting: &Setting, span: Span) -> Diagnostic {
    match state {
        State::Variable(name) => {
            let name = shorten(name);
            let message = format!("`vars.{name}` may not be set here; reading it fails then");
            Diagnostic::new(&VARIABLE_CONDITIONAL, span, message)
                .with_label(setting.span, "set here, if the conditions of this rule hold")
                .with_help(format!("ask first: `has(vars.{name}) && …`, or set it before without conditions"))
        }
        State::Result(path) => {
            let message = format!("`{path}` may have no value here; reading it fails then");
            Diagnostic::new(&RESULT_CONDITIONAL, span, message)
                .with_label(setting.span, "this action runs only if the conditions of its rule hold")
                .with_help(format!("ask first: `has({path}) && …`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn use_of(flow: &Flow, state: &State, of: Use) -> Option<&'static str> {
        static ANY: Code = Code::warning("TP000", "test");
        flow.judge(state, of, Diagnostic::new(&ANY, Span::new(90, 91), "x")).map(|found| found.code.id)
    }

    #[test]
    fn a_variable_is_judged_by_where_it_was_set() {
        let variable = State::Variable("a".into());
        let trace = Trace {
            state: variable.clone(),
            phase: Phase::OnHttpRequest,
            place: (1, 0),
            span: FileSpan::new(Span::new(20, 21)),
        };
        let flow = Flow::new(vec![trace], false);
        flow.begin_phase(Phase::OnTcpConnect);
        assert_eq!(use_of(&flow, &variable, Use::Read), Some("TP413"));
        flow.begin_phase(Phase::OnHttpRequest);
        assert_eq!(use_of(&flow, &variable, Use::Ask), Some("TP413"));
        flow.begin_rule(1, vec!["x".into()]);
        flow.leave(variable.clone(), Type::Int, FileSpan::new(Span::new(20, 21)));
        assert_eq!(use_of(&flow, &variable, Use::Read), None);
        assert_eq!(flow.variable("a"), Some(Type::Int));
        flow.begin_rule(2, vec![]);
        assert_eq!(use_of(&flow, &variable, Use::Read), Some("TP414"));
        assert_eq!(use_of(&flow, &variable, Use::Ask), None);
        flow.begin_rule(3, vec!["y".into(), "x".into()]);
        assert_eq!(use_of(&flow, &variable, Use::Read), None);
        // Set again, everywhere and as something else.
        flow.begin_rule(4, vec![]);
        flow.leave(variable.clone(), Type::String, FileSpan::new(Span::new(30, 31)));
        assert_eq!(use_of(&flow, &variable, Use::Read), None);
        assert_eq!(flow.variable("a"), Some(Type::Dyn));
        flow.begin_phase(Phase::OnHttpResponse);
        assert_eq!(flow.variable("a"), None);
    }

    #[test]
    fn a_condition_guards_only_while_it_means_the_same() {
        let variable = State::Variable("a".into());
        let judged = |condition: &str, rewrites| {
            let flow = Flow::new(Vec::new(), rewrites);
            flow.begin_rule(0, vec![condition.into()]);
            flow.leave(variable.clone(), Type::Int, FileSpan::new(Span::new(20, 21)));
            let here = use_of(&flow, &variable, Use::Read);
            flow.begin_rule(1, vec![condition.into()]);
            (here, use_of(&flow, &variable, Use::Read))
        };
        assert_eq!(judged("conn.client_port == 1", true), (None, None));
        assert_eq!(judged("req.method == 'GET'", false), (None, None));
        assert_eq!(judged("req.url.path == '/a'", true), (None, Some("TP414")));
        assert_eq!(judged("vars.x == 1", false), (None, Some("TP414")));
        assert_eq!(judged("rand.int(0, 1) == 1", false), (None, Some("TP414")));
    }

    #[test]
    fn results_outlive_their_phase() {
        let result = State::Result("actions.ngrok.oauth");
        let flow = Flow::new(Vec::new(), false);
        assert_eq!(use_of(&flow, &result, Use::Read), Some("TP411"));
        flow.begin_phase(Phase::OnHttpRequest);
        flow.leave(result.clone(), Type::Dyn, FileSpan::new(Span::new(1, 2)));
        flow.begin_phase(Phase::OnHttpResponse);
        assert_eq!(use_of(&flow, &result, Use::Read), None);
    }
}
