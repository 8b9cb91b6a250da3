//! `verify-webhook`: lets webhooks pass whose signature is right.
//!
//! Source: ngrok documentation, verify-webhook (2026-08-07), with its list of providers.

use super::{ActionType, Ends, REQUEST_PHASE};
use crate::diagnostic::did_you_mean;
use crate::parse::NodeRef;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::schema::{Boolean, Context, Declared, Field, Interpolated, Kind, Text};
use crate::vocabulary::{self, REQUEST};

/// Every provider.
pub const PROVIDERS: &[&str] = &[
    "aftership",
    "airship",
    "alchemy",
    "autodesk",
    "bitbucket",
    "bolt",
    "box",
    "brex",
    "buildkite",
    "calendly",
    "castle",
    "chargify",
    "circleci",
    "clearbit",
    "clerk",
    "coinbase",
    "contentful",
    "docusign",
    "dropbox",
    "facebook_graph_api",
    "facebook_messenger",
    "frameio",
    "github",
    "gitlab",
    "go1",
    "graphcms",
    "heroku",
    "hostedhooks",
    "hubspot",
    "instagram",
    "intercom",
    "jira",
    "launch_darkly",
    "linear",
    "mailchimp",
    "mailgun",
    "microsoft_teams",
    "modern_treasury",
    "mongodb",
    "mux",
    "orb",
    "orbit",
    "pagerduty",
    "pinwheel",
    "plivo",
    "pusher",
    "sendgrid",
    "sentry",
    "shopify",
    "signal_sciences",
    "slack",
    "sns",
    "sonatype",
    "square",
    "stripe",
    "svix",
    "terraform",
    "tiktok",
    "trendmicro_conformity",
    "twilio",
    "twitter",
    "typeform",
    "vmware",
    "webex",
    "whatsapp",
    "worldline",
    "xero",
    "zendesk",
    "zoom",
];

static PROVIDER: Field<Provider> =
    Field::required("provider", Provider, "provider: github", "Who sends the webhooks.");
static SECRET: Field<Interpolated> = Field::required(
    "secret",
    Interpolated::SECRET,
    "secret: \"${secrets.get('webhooks', 'github')}\"",
    "What the provider signs with.",
);
static ENFORCE: Field<Boolean> =
    Field::default("enforce", Boolean, "true", "`false` sets the results and lets everything pass.");

/// Lets webhooks pass whose signature is right.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct VerifyWebhook {
    /// Who sends them.
    pub provider: &'static str,
    /// What they are signed with.
    pub secret: Text,
    /// False lets everything pass.
    pub enforce: bool,
}

impl ActionType for VerifyWebhook {
    const NAME: &'static str = "verify-webhook";
    const PHASES: PhaseSet = REQUEST_PHASE;
    const ENDS: Ends = Ends::Refusing("403");
    const FIELDS: Declared = &[&PROVIDER, &SECRET, &ENFORCE];
    const RESULTS: &'static [vocabulary::Declared] = &[
        vocabulary::Declared::new(
            "actions.ngrok.verify_webhook.verified",
            "bool",
            REQUEST,
            "true if the signature is right",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.verify_webhook.error.code",
            "string",
            REQUEST,
            "ngrok's code of the fault",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.verify_webhook.error.message",
            "string",
            REQUEST,
            "the fault in words",
        ),
    ];
    const PAGE: &'static str = include_str!("../../../docs/actions/verify-webhook.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let (provider, secret) = (cx.read(fields, &PROVIDER), cx.read(fields, &SECRET));
        let enforce = cx.read(fields, &ENFORCE);
        Some(Self { provider: provider?, secret: secret?, enforce: enforce? })
    }

    fn enforced(&self) -> bool {
        self.enforce
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        each(&self.secret);
    }
}

/// One of [`PROVIDERS`].
#[derive(Clone, Copy, Debug)]
struct Provider;

impl Kind for Provider {
    type Value = &'static str;

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<&'static str> {
        let text = cx.reader.text(node, what)?;
        let provider = PROVIDERS.iter().copied().find(|provider| *provider == text.value);
        if provider.is_none() {
            let message = format!("unknown webhook provider `{}`", crate::diagnostic::shorten(text.value));
            let near = did_you_mean(text.value, PROVIDERS.iter().copied());
            let found = crate::diagnostic::Diagnostic::new(&crate::reader::INVALID_VALUE, text.span, message);
            cx.reader.report(match near {
                Some(near) => {
                    found.with_help(format!("did you mean `{near}`?")).with_fix_at(false, text.content, near)
                }
                None => found.with_help("`policy explain verify-webhook` lists the providers"),
            });
        }
        provider
    }

    fn describe(&self) -> String {
        format!("one of {} names, see below", PROVIDERS.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_lists_the_providers() {
        assert!(PROVIDERS.is_sorted());
        assert_eq!(PROVIDERS.len(), 69);
    }
}
