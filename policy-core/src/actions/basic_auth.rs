//! `basic-auth`: asks for a name and a password.
//!
//! Source: ngrok documentation, basic-auth (2026-08-07); bounds after error codes 359, 360, 15008, 15009,
//! 15011 and 15012.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::{ActionType, Ends, REQUEST_PHASE};
#[cfg(feature = "reference")]
use crate::cel::TextMap as _;
use crate::cel::{FieldType, Template, TemplatePart, Unrendered};
use crate::diagnostic::{Diagnostic, codes};
use crate::ir::Lowering;
use crate::message::{Headers, Response};
use crate::parse::NodeRef;
use crate::phase::PhaseSet;
use crate::reader::{Fields, is_placeholder};
use crate::run::{Execute, Next, Run, StepDigest};
#[cfg(feature = "reference")]
use crate::run::{Naive, NaiveEnd, NaiveNext};
use crate::schema::{Boolean, Context, Declared, Field, Items, Kind, Literal, Text};
use crate::vocabulary::{self, ActionResult, REQUEST};

codes! {
    static INVALID_CREDENTIAL = error("TP421", "invalid-credential",
        ERR_NGROK_359, ERR_NGROK_360, ERR_NGROK_2257, ERR_NGROK_2258, ERR_NGROK_15008, ERR_NGROK_15009,
        ERR_NGROK_15011, ERR_NGROK_15012);
}

const MAX_NAME_LENGTH: usize = 128;
const MIN_PASSWORD_LENGTH: usize = 8;
const MAX_PASSWORD_LENGTH: usize = 128;

static CREDENTIALS: Field<Items<Credential>> = Field::required(
    "credentials",
    Items::new(Credential).between(1, 10),
    "credentials: [\"${secrets.get('sites', 'login')}\"]",
    "Who may pass: `name:password`, the password with 8 to 128 characters.",
);
static REALM: Field<Literal> =
    Field::default("realm", Literal(128), "ngrok", "What the browser shows when it asks; ASCII.");
static ENFORCE: Field<Boolean> =
    Field::default("enforce", Boolean, "true", "`false` sets the results and lets everybody pass.");

const PRESENTED: ActionResult<bool> = ActionResult::bool(
    "actions.ngrok.basic_auth.credentials.presented",
    REQUEST,
    "true if the request came with credentials",
);
const USERNAME: ActionResult<String> =
    ActionResult::text("actions.ngrok.basic_auth.credentials.username", REQUEST, "the name it came with");
const AUTHORIZED: ActionResult<bool> =
    ActionResult::bool("actions.ngrok.basic_auth.credentials.authorized", REQUEST, "true if they are right");

/// Asks for a name and a password.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BasicAuth {
    /// Who may pass.
    pub credentials: Vec<Text>,
    /// What the browser shows.
    pub realm: Box<str>,
    /// False lets everybody pass.
    pub enforce: bool,
}

impl ActionType for BasicAuth {
    const NAME: &'static str = "basic-auth";
    const PHASES: PhaseSet = REQUEST_PHASE;
    const ENDS: Ends = Ends::Refusing("401");
    const FIELDS: Declared = &[&CREDENTIALS, &REALM, &ENFORCE];
    const RESULTS: &'static [vocabulary::Declared] =
        &[PRESENTED.declared(), USERNAME.declared(), AUTHORIZED.declared()];
    const RUNS: PhaseSet = Self::PHASES;
    const PAGE: &'static str = include_str!("../../../docs/actions/basic-auth.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let (credentials, realm) = (cx.read(fields, &CREDENTIALS), cx.read(fields, &REALM));
        let enforce = cx.read(fields, &ENFORCE)?;
        let realm = realm?;
        if !realm.value.is_ascii() {
            cx.invalid(realm.span, "`realm` contains characters that are not ASCII", "write plain letters");
            return None;
        }
        Some(Self { credentials: credentials?, realm: realm.value, enforce })
    }

    fn enforced(&self) -> bool {
        self.enforce
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.credentials.iter().for_each(each);
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        let credentials = self.credentials.iter().map(Expected::new).collect();
        Box::new(Asking { credentials, action: self.clone() })
    }

    #[cfg(feature = "reference")]
    fn naive(&self, run: &mut Naive<'_>) -> NaiveNext {
        let mut known = Vec::new();
        for credential in &self.credentials {
            match naive_credential(credential, run) {
                Some(text) => known.push(text),
                None => return NaiveNext::End(NaiveEnd::Failed),
            }
        }
        let headers = run.request.as_ref().map(|request| &request.headers);
        let header = headers
            .filter(|headers| headers.count("authorization") == Some(1))
            .and_then(|headers| headers.get("authorization", 0));
        let words =
            header.map(|header| header.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>());
        let given = match words.as_deref() {
            Some([scheme, encoded]) if scheme.to_lowercase() == "basic" => {
                BASE64_STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok())
            }
            _ => None,
        };
        let given = given.filter(|text| text.contains(':'));
        let authorized = given.as_ref().is_some_and(|given| known.contains(given));
        let name = given.as_deref().and_then(|given| given.split(':').next()).unwrap_or_default().to_owned();
        run.set_result(&PRESENTED, given.is_some());
        run.set_result(&USERNAME, name);
        run.set_result(&AUTHORIZED, authorized);
        if authorized || !self.enforce {
            return NaiveNext::GoOn;
        }
        let mut response = Response::new(401);
        let realm: String = self
            .realm
            .chars()
            .flat_map(|c| "\\\"".contains(c).then_some('\\').into_iter().chain([c]))
            .collect();
        let done = response.headers.append("www-authenticate", &format!("Basic realm=\"{realm}\""));
        NaiveNext::End(done.map_or(NaiveEnd::Failed, |()| NaiveEnd::Denied(Some(response))))
    }
}

/// `name:password`; either side, part of one or the whole may be an expression, the colon may not.
#[derive(Clone, Copy, Debug)]
struct Credential;

impl Kind for Credential {
    type Value = Text;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<Text> {
        if let Some(fields) = Fields::from_node(node).filter(|fields| fields.get("username").is_some()) {
            let at = fields.entries.first().map_or(node.span(), |field| field.span);
            let found =
                Diagnostic::new(&INVALID_CREDENTIAL, at, "invalid credential: it is a map, not a string");
            cx.reader.report(found.with_help("write `name:password` as one string"));
            return None;
        }
        let text = cx.reader.text(node, what)?;
        let read = cx.template(text, FieldType::Text)?;
        let fault = match read.literal() {
            Some(literal) if is_placeholder(literal) => return Some(read),
            Some(literal) => fault(literal),
            None if read.template.whole().is_some() => None,
            None => template_fault(&read.template),
        };
        if let Some(fault) = fault {
            // The value is a secret: it is not repeated.
            let found =
                Diagnostic::new(&INVALID_CREDENTIAL, text.span, format!("invalid credential: {fault}"));
            cx.reader.report(found.with_help("write `name:password`, the password with 8 to 128 characters"));
            return None;
        }
        cx.secret(text, &read, what);
        Some(read)
    }

    fn is_secret(&self) -> bool {
        true
    }

    fn describe(&self) -> String {
        "text `name:password`".to_owned()
    }

    fn interpolates(&self) -> bool {
        true
    }
}

/// What can be said of a credential that holds expressions: of the sides without one.
fn template_fault(template: &Template) -> Option<&'static str> {
    let (mut name, mut password) = (Some(String::new()), None);
    for part in template.parts() {
        match (part, &mut password) {
            (TemplatePart::Text(text), None) => match text.split_once(':') {
                Some((front, behind)) => {
                    name = name.map(|name| name + front);
                    password = Some(Some(behind.to_owned()));
                }
                None => name = name.map(|name| name + text),
            },
            (TemplatePart::Text(text), Some(Some(password))) => password.push_str(text),
            (TemplatePart::Text(_), Some(None)) => {}
            (TemplatePart::Expression(_), None) => name = None,
            (TemplatePart::Expression(_), Some(password)) => *password = None,
        }
    }
    let Some(password) = password else {
        return Some("the colon between name and password must be in the literal text");
    };
    // A side that is not known is taken as right.
    let (name, password) = (name.unwrap_or("user".to_owned()), password.unwrap_or("password".to_owned()));
    fault(&format!("{name}:{password}"))
}

fn fault(credential: &str) -> Option<&'static str> {
    let Some((name, password)) = credential.split_once(':') else {
        return Some("missing `:` between name and password");
    };
    let length = password.chars().count();
    if name.is_empty() {
        Some("the name is empty")
    } else if name.chars().count() > MAX_NAME_LENGTH {
        Some("the name has over 128 characters")
    } else if length < MIN_PASSWORD_LENGTH {
        Some("the password has less than 8 characters")
    } else if length > MAX_PASSWORD_LENGTH {
        Some("the password has over 128 characters")
    } else {
        None
    }
}

/// A credential naively: its pieces one by one, of which the first text with a colon separates the sides.
#[cfg(feature = "reference")]
fn naive_credential(credential: &Text, run: &mut Naive<'_>) -> Option<String> {
    let parts = credential.template.parts();
    let (mut name, mut password) = (String::new(), None::<String>);
    for part in parts {
        let piece = run.part(part)?;
        let separates = parts.len() == 1 || matches!(part, TemplatePart::Text(_));
        match &mut password {
            Some(password) => password.push_str(&piece),
            None if !piece.contains(':') => name.push_str(&piece),
            None if separates => {
                let at = piece.find(':')?;
                name.extend(piece.get(..at));
                password = piece.get(at + 1..).map(str::to_owned);
            }
            None => return None,
        }
    }
    let password = password?;
    let (of_name, of_password) = (name.chars().count(), password.chars().count());
    (1..=128).contains(&of_name).then_some(())?;
    (8..=128).contains(&of_password).then(|| format!("{name}:{password}"))
}

/// Who may pass, as it is compared.
#[derive(Debug)]
enum Expected {
    /// The sides of a colon that is written out.
    Sides(Template, Template),
    /// One expression gives both.
    Whole(Template),
}

impl Expected {
    fn new(credential: &Text) -> Self {
        match credential.template.split_once(':') {
            Some((name, password)) => Self::Sides(name, password),
            None => Self::Whole(credential.template.clone()),
        }
    }

    /// `name:password`.
    ///
    /// # Errors
    /// If an expression has no value, or the values make none that may be written out.
    fn render(&self, run: &mut Run<'_>) -> Result<String, Unrendered> {
        let credential = match self {
            Self::Whole(whole) => run.render(whole)?,
            Self::Sides(name, password) => {
                let (name, password) = (run.render(name)?, run.render(password)?);
                if name.contains(':') {
                    return Err(unusable("a value brings a `:` into the name"));
                }
                format!("{name}:{password}")
            }
        };
        match fault(&credential) {
            Some(fault) => Err(unusable(fault)),
            None => Ok(credential),
        }
    }
}

/// The value is a secret: it is not repeated.
fn unusable(fault: &str) -> Unrendered {
    Unrendered::unusable(format!("an entry of `credentials` is no credential: {fault}"))
}

/// It as it runs.
#[derive(Debug)]
struct Asking {
    credentials: Vec<Expected>,
    action: BasicAuth,
}

impl Execute for Asking {
    fn step(&self, run: &mut Run<'_>) -> Result<Next, Unrendered> {
        let presented = run.request().and_then(|request| {
            let mut values = request.header_values("authorization");
            // Of two nobody knows which one counts.
            let only = values.next().filter(|_| values.next().is_none())?;
            presented(only)
        });
        let mut authorized = false;
        for credential in &self.credentials {
            let expected = credential.render(run)?;
            // Every one is looked at: how long it takes does not tell where they differ.
            authorized |=
                presented.as_deref().is_some_and(|given| is_same(given.as_bytes(), expected.as_bytes()));
        }
        if run.keeps_results {
            let name =
                presented.as_deref().and_then(|given| given.split_once(':')).map(|(name, _)| name.to_owned());
            run.set_result(&PRESENTED, presented.is_some());
            run.set_result(&USERNAME, name.unwrap_or_default());
            run.set_result(&AUTHORIZED, authorized);
        }
        if authorized || !self.action.enforce {
            return Ok(Next::GoOn);
        }
        let mut headers = Headers::default();
        let realm = self.action.realm.replace('\\', "\\\\").replace('"', "\\\"");
        let challenge = format!("Basic realm=\"{realm}\"");
        headers
            .append("www-authenticate", &challenge)
            .map_err(|error| Unrendered::unusable(error.to_string()))?;
        run.refuse(Response { status: 401, headers, body: Vec::new() })
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        ActionType::texts(&self.action, each);
    }

    fn digest(&self, digest: &mut StepDigest<'_>) {
        digest.text(BasicAuth::NAME);
        digest.number(u64::from(self.action.enforce));
        digest.text(&self.action.realm);
        digest.templates(&self.action.credentials);
    }

    fn list(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", BasicAuth::NAME, if self.action.enforce { "401" } else { "look" })
    }
}

/// Name and password of an `Authorization` header (RFC 7617); `None` for anything else.
fn presented(header: &str) -> Option<String> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = BASE64_STANDARD.decode(encoded.trim_matches(' ')).ok()?;
    String::from_utf8(bytes).ok().filter(|text| text.contains(':'))
}

/// Compares without telling by the time it takes where two texts differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    use subtle::ConstantTimeEq as _;
    one.ct_eq(other).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_have_a_name_and_a_long_password() {
        let long = |length: usize| format!("a:{}", "x".repeat(length));
        for right in ["user:password", "u:with:colons", &long(8), &long(128)] {
            assert_eq!(fault(right), None, "{right}");
        }
        let long_name = format!("{}:password", "n".repeat(129));
        for wrong in ["user", ":password", "user:short", &long(7), &long(129), &long_name] {
            assert!(fault(wrong).is_some(), "{wrong}");
        }
    }
}
