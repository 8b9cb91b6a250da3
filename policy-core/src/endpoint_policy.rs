//! The policy of an endpoint in a configuration: inline, or a file.
//!
//! Configurations of edges and of agents name policies in the same way. An inline policy is checked where it
//! stands, for the endpoint it belongs to.

mod circles;
mod files;

use crate::check::{CheckedPolicy, check_part};
use crate::diagnostic::{Diagnostic, codes};
use crate::model::policy;
use crate::options::EndpointTraits;
use crate::reader::{Fields, MISSING_FIELD};
use crate::schema::{Context, Field, Part};
use crate::settings::TRAFFIC_POLICY_FILE;
use crate::source::Spanned;

pub(crate) use circles::{Circles, Forwards};
pub use files::ReadPolicy;
pub(crate) use files::{PolicyFiles, Usable};

codes! {
    static FORWARD_LOOP = warning("TP447", "forward-loop", ERR_NGROK_3501);
    pub(crate) static POLICY_CHOICE = error("TP454", "policy-choice", ERR_NGROK_9025).absence();
}

/// Where a policy is.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum PolicySource {
    /// In the configuration itself.
    Inline(Box<CheckedPolicy>),
    /// In a file; relative to the configuration.
    File(Spanned<Box<str>>),
}

/// Something is unusable and a finding says so.
pub(crate) struct Reported;

/// Reads a policy by the field for inline ones, or `traffic_policy_file`: inline, a file, or none.
pub(crate) fn read_policy_source<'d>(
    fields: &Fields<'d>,
    inline: &Field<Part>,
    endpoint: EndpointTraits,
    cx: &Context<'_, 'd>,
) -> Result<Option<PolicySource>, Reported> {
    let reader = cx.reader;
    let [inline, file] = [inline, &TRAFFIC_POLICY_FILE].map(|field| (field, cx.part(fields, field)));
    if let (Some(first), Some(second)) = (inline.1, file.1) {
        let found = Diagnostic::new(&POLICY_CHOICE, second.span, "both an inline policy and a policy file");
        reader.report(found.with_label(first.span, "the inline policy").with_help("keep one of them"));
        return Err(Reported);
    }
    if let Some(field) = file.1 {
        let path = reader.text(field.value, "`traffic_policy_file`").ok_or(Reported)?;
        return Ok(Some(PolicySource::File(Spanned::new(path.value.into(), path.span))));
    }
    let Some(field) = inline.1 else {
        let is_one = |key: &str| inline.0.is_named(key) || file.0.is_named(key);
        let valueless = fields.entries.iter().find(|field| is_one(field.key));
        return valueless.map_or(Ok(None), |field| {
            let message = format!("`{}` has no value", field.key);
            let found = Diagnostic::new(&MISSING_FIELD, field.span, message);
            reader.report(found.with_help("give the policy, or remove the key"));
            Err(Reported)
        });
    };
    // The inline policy has findings of its own: only without errors it counts as checked.
    let own = reader.fresh();
    let policy = policy(field.value, endpoint, &own);
    let mut found = own.into_diagnostics();
    let source = field.value.document().source();
    let checked = check_part(policy, source, endpoint, reader.options().serving, &mut found);
    reader.extend(found);
    checked.map(|checked| Some(PolicySource::Inline(Box::new(checked)))).ok_or(Reported)
}
