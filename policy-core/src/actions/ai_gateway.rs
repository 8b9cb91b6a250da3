//! `ai-gateway`: passed requests on to providers of language models.
//!
//! Source: ngrok documentation, AI gateway (June 2026, the last with its fields); the action was removed from
//! the documentation in July 2026. It is checked and never run. Selection strategies are expressions over
//! models and keys that nothing else knows; only their syntax is checked.

use super::{ActionType, Ends, ON_ERROR, OnError, REQUEST_PHASE};
use crate::cel;
use crate::diagnostic::{Diagnostic, Diagnostics, codes};
use crate::parse::NodeRef;
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::schema::{
    AnyMap, Boolean, Choice, ConfigValue, Context, Declared, DurationField, Field, Integer, Interpolated,
    Items, Kind, Literal, Record, Text, Value, WebUrl,
};
use crate::url::Scheme;
use crate::vocabulary::{self, REQUEST};

codes! {
    static HISTORIC = note("TP419", "historic-action");
}

const MAX_TOKENS: i64 = 500_000;

static MAX_INPUT_TOKENS: Field<Integer> =
    Field::optional("max_input_tokens", Integer(1, MAX_TOKENS), "The longest question.");
static MAX_OUTPUT_TOKENS: Field<Integer> =
    Field::optional("max_output_tokens", Integer(1, MAX_TOKENS), "The longest answer.");
static HEADERS: Field<AnyMap> = Field::optional("headers", AnyMap, "Headers for the provider.");
static QUERY_PARAMS: Field<AnyMap> = Field::optional("query_params", AnyMap, "Parameters for the provider.");
static BODY: Field<AnyMap> = Field::optional("body", AnyMap, "Fields for the provider's request.");
static ERROR: Field<Choice<OnError>> =
    Field::default("on_error", ON_ERROR, "halt", "Whether the request continues when no provider answers.");
static TOTAL_TIMEOUT: Field<DurationField> =
    Field::default("total_timeout", DurationField::any(), "5m", "How long all attempts may take together.");
static PER_REQUEST_TIMEOUT: Field<DurationField> =
    Field::default("per_request_timeout", DurationField::any(), "30s", "How long one attempt may take.");
static ONLY_PROVIDERS: Field<Boolean> = Field::default(
    "only_allow_configured_providers",
    Boolean,
    "false",
    "Uses none but the providers that are listed.",
);
static ONLY_MODELS: Field<Boolean> = Field::default(
    "only_allow_configured_models",
    Boolean,
    "false",
    "Uses none but the models that are listed.",
);

static ID: Field<Literal> = Field::required("id", Literal(256), "id: openai", "Its name.");
static ID_ALIASES: Field<Items<Literal>> =
    Field::optional("id_aliases", Items::new(Literal(256)), "Further names of it.");
static AUTHOR_ID: Field<Literal> = Field::optional("author_id", Literal(256), "Who made it.");
static BASE_URL: Field<WebUrl> =
    Field::optional("base_url", WebUrl { interpolated: true }, "Where it answers.");
static DISPLAY_NAME: Field<Literal> = Field::optional("display_name", Literal(1_024), "Its name for people.");
static DESCRIPTION: Field<Literal> = Field::optional("description", Literal(4_096), "What it is.");
static WEBSITE: Field<Literal> = Field::optional("website", Literal(4_096), "Where to read about it.");
static DISABLED: Field<Boolean> = Field::default("disabled", Boolean, "false", "Leaves it out.");
static METADATA: Field<Value> = Field::optional("metadata", Value, "Anything, for strategies.");
static KEY_VALUE: Field<Interpolated> =
    Field::required("value", Interpolated::SECRET, "value: \"${secrets.get('ai', 'key')}\"", "The key.")
        .told_by_name_above();
static API_KEYS: Field<Items<Record<Text>>> = Field::optional(
    "api_keys",
    Items::new(Record {
        fields: &[&KEY_VALUE],
        ignored: &[],
        read: |fields, cx| cx.read(fields, &KEY_VALUE),
    }),
    "Keys for the provider.",
);
static SURFACES: Field<Items<Value>> =
    Field::optional("supported_api_surfaces", Items::new(Value), "Interfaces the provider has.");
static INPUTS: Field<Items<Literal>> =
    Field::optional("input_modalities", Items::new(Literal(256)), "What it takes: text, images and so on.");
static OUTPUTS: Field<Items<Literal>> =
    Field::optional("output_modalities", Items::new(Literal(256)), "What it gives.");
static CONTEXT_WINDOW: Field<Integer> =
    Field::optional("max_context_window", Integer(1, i64::MAX), "Tokens it can look at.");
static MODEL_OUTPUT: Field<Integer> =
    Field::optional("max_output_tokens", Integer(1, i64::MAX), "Tokens it can answer with.");
static FEATURES: Field<Items<Literal>> =
    Field::optional("supported_features", Items::new(Literal(256)), "What it can do.");
static PARAM_NAME: Field<Literal> = Field::required("name", Literal(256), "name: temperature", "Its name.");
static UNSUPPORTED: Field<Items<Record<()>>> = Field::optional(
    "unsupported_params",
    Items::new(Record {
        fields: &[&PARAM_NAME],
        ignored: &[],
        read: |fields, cx| cx.read(fields, &PARAM_NAME).map(drop),
    }),
    "Parameters it does not take.",
);
/// The fields of a model.
const MODEL_FIELDS: Declared = &[
    &ID,
    &ID_ALIASES,
    &AUTHOR_ID,
    &DISPLAY_NAME,
    &DESCRIPTION,
    &DISABLED,
    &METADATA,
    &INPUTS,
    &OUTPUTS,
    &CONTEXT_WINDOW,
    &MODEL_OUTPUT,
    &FEATURES,
    &UNSUPPORTED,
];
static MODELS: Field<Items<Record<()>>> = Field::optional(
    "models",
    Items::new(Record {
        fields: MODEL_FIELDS,
        ignored: &[],
        read: |fields, cx| {
            cx.check_all(fields, MODEL_FIELDS);
            Some(())
        },
    }),
    "The provider's models.",
);
/// The fields of a provider.
const PROVIDER_FIELDS: Declared = &[
    &ID,
    &ID_ALIASES,
    &BASE_URL,
    &DISPLAY_NAME,
    &DESCRIPTION,
    &WEBSITE,
    &DISABLED,
    &METADATA,
    &API_KEYS,
    &MODELS,
    &SURFACES,
];
static PROVIDERS: Field<Items<Record<()>>> = Field::optional(
    "providers",
    Items::new(Record {
        fields: PROVIDER_FIELDS,
        ignored: &[],
        read: |fields, cx| {
            cx.check_all(fields, PROVIDER_FIELDS);
            Some(())
        },
    }),
    "Providers; all that ngrok knew, if there are none.",
);
static STRATEGY: Field<Items<Strategy>> = Field::required(
    "strategy",
    Items::new(Strategy).some(),
    "strategy: [\"ai.models.filter(m, true)\"]",
    "Expressions, tried in order until one gives something.",
);
const SELECTION: Record<()> =
    Record { fields: &[&STRATEGY], ignored: &[], read: |fields, cx| cx.read(fields, &STRATEGY).map(drop) };
static MODEL_SELECTION: Field<Record<()>> =
    Field::optional("model_selection", SELECTION, "Which models are tried, in which order.");
static KEY_SELECTION: Field<Record<()>> =
    Field::optional("api_key_selection", SELECTION, "Which keys are tried, in which order.");

/// Passed requests on to providers of language models; never run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct AiGateway {
    /// Headers, parameters and fields for the provider.
    pub sent: Vec<ConfigValue>,
}

impl ActionType for AiGateway {
    const NAME: &'static str = "ai-gateway";
    const PHASES: PhaseSet = REQUEST_PHASE;
    const SCHEMES: &'static [Scheme] = &[Scheme::Http, Scheme::Https];
    const ENDS: Ends = Ends::Sometimes("when a provider answers");
    const HISTORIC: bool = true;
    const ONE_PER_POLICY: bool = true;
    const FIELDS: Declared = &[
        &MAX_INPUT_TOKENS,
        &MAX_OUTPUT_TOKENS,
        &HEADERS,
        &QUERY_PARAMS,
        &BODY,
        &ERROR,
        &TOTAL_TIMEOUT,
        &PER_REQUEST_TIMEOUT,
        &PROVIDERS,
        &ONLY_PROVIDERS,
        &ONLY_MODELS,
        &MODEL_SELECTION,
        &KEY_SELECTION,
    ];
    const RESULTS: &'static [vocabulary::Declared] = &[
        vocabulary::Declared::new("actions.ngrok.ai_gateway.status", "dyn", REQUEST, "how it ended"),
        vocabulary::Declared::new("actions.ngrok.ai_gateway.error", "dyn", REQUEST, "the fault"),
        vocabulary::Declared::new("actions.ngrok.ai_gateway.client", "dyn", REQUEST, "what the client asked"),
        vocabulary::Declared::new(
            "actions.ngrok.ai_gateway.input_ngrok_tokens",
            "int",
            REQUEST,
            "tokens of the question",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.ai_gateway.output_ngrok_tokens",
            "int",
            REQUEST,
            "tokens of the answer",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.ai_gateway.gateway_latency_ms",
            "int",
            REQUEST,
            "time spent in between",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.ai_gateway.model_selection",
            "list(dyn)",
            REQUEST,
            "models that were chosen",
        ),
        vocabulary::Declared::new(
            "actions.ngrok.ai_gateway.models_tried",
            "list(dyn)",
            REQUEST,
            "models that were tried",
        ),
    ];
    const PAGE: &'static str = include_str!("../../../docs/actions/ai-gateway.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let message = "`ai-gateway` is no longer part of the language; it is checked and never run";
        let found = Diagnostic::new(&HISTORIC, cx.owner.1, message);
        cx.reader.report(found.with_help("ngrok has moved it to a service of its own"));
        // Nothing depends on the others.
        cx.check_all(fields, Self::FIELDS);
        let sent = [&HEADERS, &QUERY_PARAMS, &BODY].map(|field| {
            let quiet = cx.reader.fresh();
            Context { reader: &quiet, ..*cx }.optional(fields, field)
        });
        let sent = sent.into_iter().flatten().flatten().collect();
        Some(Self { sent })
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.sent.iter().for_each(|value| value.texts(each));
    }
}

/// An expression over things that only the gateway knew.
#[derive(Clone, Copy, Debug)]
struct Strategy;

impl Kind for Strategy {
    type Value = ();

    fn read<'d>(&self, node: NodeRef<'d>, what: &str, cx: &Context<'_, 'd>) -> Option<()> {
        let text = cx.reader.text(node, what)?;
        let limits = cx.reader.cel_limits(text.span)?;
        let mut found = Diagnostics::default();
        let ast = cel::parse(text.value, &limits, &mut found);
        cx.reader.charge(ast.len(), 0);
        let fine = !found.has_errors();
        cx.reader.absorb_part(text, found);
        fine.then_some(())
    }

    fn describe(&self) -> String {
        "expression (CEL)".to_owned()
    }
}
