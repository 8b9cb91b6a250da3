//! Data flow: which results and variables of earlier actions an expression can read where it stands.
//!
//! A policy is read in the order in which it runs, and what each action produces is noted here: results
//! live for a connection or request, variables for a phase. An outline of the whole policy, made before, tells
//! of what is set too late or elsewhere.
//!
//! Source: ngrok documentation, result variables and set-vars (2026-08-07).

mod passed;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use self::passed::Passed;
use crate::cel::{
    Condition, DataFlow, Depends, Expression, Formula, Guard, Guards, ReadSite, SetVariables, Shape, State,
    Type, Use, Work, Written, cover,
};
use crate::diagnostic::{Diagnostic, Severity, codes, did_you_mean, shorten};
use crate::phase::Phase;
use crate::source::{FileSpan, Span};
use crate::vocabulary::{REQUEST_HEADERS, RESPONSE_HEADERS};

codes! {
    static RESULT_MISSING = error("TP411", "result-missing", ERR_NGROK_2200);
    static RESULT_CONDITIONAL = warning("TP412", "result-conditional", ERR_NGROK_2254);
    static VARIABLE_NOT_SET = error("TP413", "variable-not-set", ERR_NGROK_2254);
    static VARIABLE_CONDITIONAL = warning("TP414", "variable-conditional", ERR_NGROK_2254);
}

/// Names that a misspelt one is compared with.
const MAX_NAMES: usize = 200;

/// Something that an action of the policy produces, wherever it stands.
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
    /// Where each thing is produced, in document order.
    outline: HashMap<State, Vec<Trace>>,
    /// The first names of variables, for suggestions.
    names: Vec<(Phase, Box<str>)>,
    /// True if every phase has been read: what is produced is known.
    whole: bool,
    /// True if the conditions of rules are asked for when the policy is checked as a whole.
    keep: bool,
    now: RefCell<Now>,
}

#[derive(Debug, Default)]
struct Now {
    phase: Option<Phase>,
    /// The rule and the action that are read.
    place: (usize, usize),
    /// The conditions of the rule.
    rule: Rc<When>,
    /// True if some of them could not be read.
    unsure: bool,
    /// True in the actions of the rule, where all conditions hold.
    acts: bool,
    settings: BTreeMap<State, Setting>,
    /// The same conditions as expressions, until somebody asks what they tell.
    joined: Vec<Expression>,
    /// What is known in the actions of the rule.
    known: Option<Guards>,
    /// What is known of whoever comes to the rule, whatever the conditions of the rules before.
    passed: Passed,
    /// The conditions of rules that have ended everything where they held.
    ended: Vec<Formula>,
    /// How often each thing was produced, all variables together, and what messages are read again.
    times: HashMap<State, u64>,
    variables: u64,
    message: u64,
    /// How often each header was changed, and all of them together.
    header: HashMap<Box<str>, u64>,
    headers: u64,
    /// Phases that have begun.
    phases: u64,
    /// A number that nothing else has.
    next: u64,
    /// What comparing conditions may still take.
    work: Work,
}

/// The conditions under which a rule runs, one for each expression.
type When = Vec<Formula>;

/// Tests of a rule that are remembered.
const MAX_TESTS: usize = 64;
/// Tests of rules that end everything, of which each is remembered.
const MAX_ENDING_RULES: usize = 256;
/// Rules that produce one thing, of which each is remembered.
const MAX_CONDITIONS_KEPT: usize = 8;

#[derive(Clone, Debug)]
struct Setting {
    ty: Type,
    shape: Rc<Shape>,
    span: FileSpan,
    /// The rules that produces it.
    whens: Vec<Rc<When>>,
    /// True if there are more of them than are remembered, or some have too many conditions.
    unsure: bool,
    /// True if it has been reported that it may be missing.
    reported: bool,
}

impl Setting {
    /// True if it is there wherever these conditions hold.
    fn is_there(&self, known: &[Formula], ended: &[Formula], work: &mut Work) -> bool {
        let produced = self.whens.iter().map(|when| Formula::All((**when).clone()));
        self.unsure || known_covers(produced.collect(), known, ended, work)
    }
}

/// True if one of some conditions holds wherever others do, for those whom no rule before has ended.
fn known_covers(wanted: Vec<Formula>, known: &[Formula], ended: &[Formula], work: &mut Work) -> bool {
    let mut all = wanted;
    all.extend(known.iter().map(Formula::opposite));
    if cover(&all, work) {
        return true;
    }
    all.extend(ended.iter().cloned());
    !ended.is_empty() && cover(&all, work)
}

impl Flow {
    /// A flow through a policy that produces what the outline says; `whole` if all of it could be read, `keep` if
    /// the conditions of rules are asked for.
    pub(crate) fn new(outline: Vec<Trace>, whole: bool, keep: bool) -> Self {
        let names = outline.iter().filter_map(|trace| match &trace.state {
            State::Variable(name) => Some((trace.phase, name.clone())),
            State::Result(_) => None,
        });
        let names = names.take(MAX_NAMES).collect();
        let mut by_state: HashMap<State, Vec<Trace>> = HashMap::new();
        for trace in outline {
            by_state.entry(trace.state.clone()).or_default().push(trace);
        }
        Self { outline: by_state, names, whole, keep, now: RefCell::default() }
    }

    /// A phase begins: variables of the one before are gone.
    pub(crate) fn begin_phase(&self, phase: Phase) {
        let mut now = self.now.borrow_mut();
        now.phase = Some(phase);
        now.settings.retain(|state, _| matches!(state, State::Result(_)));
        now.ended.clear();
        now.passed = Passed::default();
        // A variable of the same name is another one.
        now.variables += 1;
        now.phases += 1;
        now.times.retain(|state, _| matches!(state, State::Result(_)));
    }

    /// A rule begins; nothing is known of its conditions.
    pub(crate) fn begin_rule(&self, rule: usize) {
        let mut now = self.now.borrow_mut();
        now.place = (rule, 0);
        (now.rule, now.joined, now.known) = (Rc::default(), Vec::new(), None);
        (now.unsure, now.acts) = (false, false);
    }

    /// The conditions of the rule; `unsure` if some could not be read. They guard one another too, and the actions.
    pub(crate) fn conditions(&self, joined: &[Expression], unsure: bool) -> Vec<Formula> {
        let mut now = self.now.borrow_mut();
        let mut when: When = joined.iter().map(|expression| now.stamped(expression.formula())).collect();
        now.unsure = unsure || when.iter().map(Formula::tests).sum::<usize>() > MAX_TESTS;
        if unsure {
            now.next += 1;
            when.push(Formula::Test(Condition::opaque(now.next)));
        }
        now.rule = Rc::new(when);
        if self.keep { (*now.rule).clone() } else { Vec::new() }
    }

    /// The conditions of the rule hold for its actions.
    pub(crate) fn begin_actions(&self, joined: Vec<Expression>) {
        let mut now = self.now.borrow_mut();
        (now.joined, now.acts) = (joined, true);
    }

    /// This expression has had a value: the rest of the rule runs only then, and of a rule for everybody all that follows.
    pub(crate) fn worked(&self, expression: &Expression) {
        let parts = expression.worked();
        if parts.is_empty() {
            return;
        }
        let now = &mut *self.now.borrow_mut();
        if now.is_for_all() {
            now.passed.add(expression);
        }
        now.known().add(parts, 0);
    }

    /// The rule ends; `all` if it ends everything where its conditions hold.
    pub(crate) fn end_rule(&self, all: bool) {
        let now = &mut *self.now.borrow_mut();
        // Whoever comes further has had an answer. Of several conditions one may do without the others.
        if let ([alone], false) = (&*now.joined, now.unsure) {
            now.passed.add(alone);
        }
        let tests = |all: &[Formula]| all.iter().map(Formula::tests).sum::<usize>();
        if all && tests(&now.ended) + tests(&now.rule) <= MAX_ENDING_RULES {
            now.ended.push(Formula::All((*now.rule).clone()));
        }
    }

    /// An action of the rule begins.
    pub(crate) fn begin_action(&self, action: usize) {
        self.now.borrow_mut().place.1 = action;
    }

    /// An action changes what conditions read of messages.
    pub(crate) fn rewrite(&self) {
        let now = &mut *self.now.borrow_mut();
        now.message += 1;
        now.passed.rewrite();
    }

    /// An action adds these headers, or takes them out, and changes nothing else; their names in lower case.
    pub(crate) fn change_headers(&self, names: &[Box<str>], there: bool) {
        let now = &mut *self.now.borrow_mut();
        let of = if now.phase == Some(Phase::OnHttpResponse) { RESPONSE_HEADERS } else { REQUEST_HEADERS };
        let message = of.path();
        let for_all = now.is_for_all();
        now.headers += 1;
        for name in names {
            *now.header.entry(name.clone()).or_default() += 1;
            now.known().change_header(message, name, there);
            now.passed.change_header(message, name, there && for_all);
        }
    }

    /// An action produces something.
    pub(crate) fn record_setting(&self, state: State, ty: Type, shape: Rc<Shape>, span: FileSpan) {
        let now = &mut *self.now.borrow_mut();
        *now.times.entry(state.clone()).or_default() += 1;
        now.variables += u64::from(matches!(state, State::Variable(_)));
        now.passed.forget_states();
        let (unsure, always) = (now.unsure, now.rule.iter().all(Formula::is_always));
        let mut setting =
            Setting { ty, shape, span, whens: vec![Rc::clone(&now.rule)], unsure, reported: false };
        if let Some(before) = now.settings.remove(&state) {
            // What was there anyway stays there; its type is the common one.
            if before.ty != setting.ty {
                setting.ty = Type::Dyn;
            }
            if !always {
                setting.shape = Rc::new(before.shape.or(&setting.shape));
            }
            setting.unsure |= before.unsure;
            if !always && !setting.unsure {
                setting.whens.extend(before.whens);
                setting.unsure =
                    setting.whens.len() > MAX_CONDITIONS_KEPT && !setting.is_there(&[], &[], &mut now.work);
                setting.whens.truncate(MAX_CONDITIONS_KEPT);
            }
        }
        // Once it is there for everybody, nothing more is remembered.
        if setting.whens.len() > 1 && setting.is_there(&[], &[], &mut now.work) {
            setting.whens = vec![Rc::default()];
        }
        now.settings.insert(state, setting);
    }
}

impl Now {
    /// A condition whose tests are equal only to those of the same things.
    fn stamped(&mut self, condition: Written) -> Formula {
        condition.map(&mut |(test, depends)| self.test(test, &depends))
    }

    fn test(&mut self, test: Condition, depends: &Depends) -> Condition {
        if depends.volatile {
            self.next += 1;
            return Condition::opaque(self.next);
        }
        let mut out = test;
        if depends.time {
            out = out.at(self.phases);
        }
        if depends.message {
            out = out.at(self.message);
        }
        if depends.all_headers {
            out = out.at(self.message).at(self.headers);
        }
        for name in &depends.headers {
            out = out.at(self.header.get(name).copied().unwrap_or(0));
        }
        if depends.variables {
            out = out.at(self.variables);
        }
        for state in &depends.states {
            out = out.at(self.times.get(state).copied().unwrap_or(0));
        }
        out
    }

    /// What holds where an expression reads something.
    fn where_read(&mut self, place: ReadSite<'_>) -> Vec<Formula> {
        // Whether the expression itself is true depends on what it reads.
        let others = self.rule.iter().enumerate().filter(|(at, _)| self.acts || *at != place.expression);
        let mut out: Vec<Formula> = others.map(|(_, condition)| condition.clone()).collect();
        for side in (place.path)() {
            out.push(self.stamped(side));
        }
        out
    }

    /// True if what is produced is there where it is read, or that has been reported.
    fn is_there(&mut self, state: &State, place: ReadSite<'_>) -> bool {
        let sure = |setting: &Setting| setting.unsure || setting.reported;
        if self.unsure || self.settings.get(state).is_none_or(sure) {
            return true;
        }
        let known = self.where_read(place);
        let Some(setting) = self.settings.get_mut(state) else { return true };
        setting.reported = !setting.is_there(&known, &self.ended, &mut self.work);
        !setting.reported
    }

    /// True in the actions of a rule without conditions.
    fn is_for_all(&self) -> bool {
        !self.unsure && self.rule.iter().all(Formula::is_always)
    }

    /// What is known in the actions of the rule.
    fn known(&mut self) -> &mut Guards {
        let joined = &self.joined;
        self.known.get_or_insert_with(|| Expression::known(joined))
    }
}

impl SetVariables for Flow {
    fn variable(&self, name: &str) -> Option<Type> {
        let now = self.now.borrow();
        now.settings.get(&State::Variable(name.into())).map(|setting| setting.ty.clone())
    }
}

impl DataFlow for Flow {
    fn implies(&self, needs: &[Guard]) -> bool {
        let mut now = self.now.borrow_mut();
        now.passed.give(needs)
            || (now.known.is_some() || !now.joined.is_empty()) && now.known().give(needs, None)
    }

    fn makes_sure(&self, place: ReadSite<'_>, needed: &dyn Fn() -> Vec<Written>) -> bool {
        let now = &mut *self.now.borrow_mut();
        let wanted: Vec<Formula> = needed().into_iter().map(|condition| now.stamped(condition)).collect();
        if now.unsure || wanted.is_empty() {
            return false;
        }
        let known = now.where_read(place);
        known_covers(wanted, &known, &now.ended, &mut now.work)
    }

    fn shape(&self, of: &State) -> Rc<Shape> {
        let now = self.now.borrow();
        let setting = now.settings.get(of);
        setting.map(|setting| Rc::clone(&setting.shape)).unwrap_or_default()
    }

    fn check_use(&self, state: &State, of: Use<'_>, found: Diagnostic) -> Option<Diagnostic> {
        let now = &mut *self.now.borrow_mut();
        let phase = now.phase.unwrap_or(Phase::OnTcpConnect);
        if now.settings.contains_key(state) {
            let there = match of {
                Use::Ask => true,
                Use::Read(place) => now.is_there(state, place),
            };
            return now
                .settings
                .get(state)
                .filter(|_| !there)
                .map(|setting| conditional(state, setting, found.span));
        }
        let mut traces = self.outline.get(state).map(Vec::as_slice).unwrap_or_default().iter();
        // An action that could not be read would have produced it.
        let before = |trace: &Trace| trace.phase == phase && trace.place < now.place;
        let earlier_phase = |trace: &Trace| trace.phase < phase && matches!(state, State::Result(_));
        if traces.clone().any(|trace| before(trace) || earlier_phase(trace)) {
            return None;
        }
        let elsewhere = traces.clone().find(|trace| trace.phase == phase).or_else(|| traces.next());
        // So would one in a phase that could not be read.
        if elsewhere.is_none() && !self.whole {
            return None;
        }
        let missing = self.missing(state, elsewhere, phase, found.span);
        Some(match of {
            Use::Read(_) => missing,
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
                    .with_label(later.span, "this action sets it")
                    .with_help("move the action before this place")
            }
            (State::Result(path), None, Some(other)) => {
                let message = format!("`{path}` has no value in {phase}: its action runs in {}", other.phase);
                let found = Diagnostic::new(&RESULT_MISSING, span, message);
                found
                    .with_label(other.span, "this action sets it")
                    .with_help("decide by what is known here, or move the rule")
            }
            (State::Result(path), None, None) => {
                let message = format!("`{path}` has no value: no earlier action sets it");
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
                .with_help(format!(
                    "check first: `has(vars.{name}) && …`, or set it before without conditions"
                ))
        }
        State::Result(path) => {
            let message = format!("`{path}` may have no value here; reading it fails then");
            Diagnostic::new(&RESULT_CONDITIONAL, span, message)
                .with_label(setting.span, "this action runs only if the conditions of its rule hold")
                .with_help(format!("check first: `has({path}) && …`"))
        }
    }
}
