//! `jwt-validation`: lets requests pass that carry a valid JSON Web Token.
//!
//! Source: ngrok documentation, jwt-validation (2026-08-07). Its table has `keys` and `sources` as lists, its
//! examples as maps; both are read.

mod fault;
mod keys;
mod place;
mod running;
mod token;

use super::{ActionType, Ends, REQUEST_PHASE, Unsupported};
use crate::cel::{Shape, Value};
use crate::ir::Lowering;
use crate::parse::{NodeKind, NodeRef};
use crate::phase::PhaseSet;
use crate::reader::Fields;
use crate::run::Execute;
use crate::schema::{
    Choice, Context, Declared, Field, Interpolated, Items, Record, SingleOrList, Text, WebUrl,
};
use crate::vocabulary::{self, ActionResult, REQUEST};

/// Places where keys are published (ERR_NGROK_7193).
const MAX_KEY_SOURCES: usize = 100;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenType {
    /// An identity token of OpenID Connect.
    Id,
    /// An access token.
    Access,
    /// An access token by RFC 9068.
    AtJwt,
    /// An identity token marked in its header.
    ItJwt,
    /// Any token.
    Plain,
    /// A token marked as JWT.
    Jwt,
}

/// Where a token is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenMethod {
    /// In a header.
    Header,
    /// In a field of a JSON or form body.
    Body,
}

/// How a token is signed (RFC 7518 §3.1, RFC 8037); `none` is not among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SigningAlgorithm {
    /// HMAC.
    Hmac(u16),
    /// RSASSA-PKCS1-v1_5.
    Rsa(u16),
    /// RSASSA-PSS.
    Pss(u16),
    /// ECDSA.
    Ecdsa(u16),
    /// Edwards curves.
    EdDsa,
}

const ALGORITHMS: &[(&str, SigningAlgorithm)] = &[
    ("HS256", SigningAlgorithm::Hmac(256)),
    ("HS384", SigningAlgorithm::Hmac(384)),
    ("HS512", SigningAlgorithm::Hmac(512)),
    ("RS256", SigningAlgorithm::Rsa(256)),
    ("RS384", SigningAlgorithm::Rsa(384)),
    ("RS512", SigningAlgorithm::Rsa(512)),
    ("PS256", SigningAlgorithm::Pss(256)),
    ("PS384", SigningAlgorithm::Pss(384)),
    ("PS512", SigningAlgorithm::Pss(512)),
    ("ES256", SigningAlgorithm::Ecdsa(256)),
    ("ES384", SigningAlgorithm::Ecdsa(384)),
    ("ES512", SigningAlgorithm::Ecdsa(512)),
    ("EdDSA", SigningAlgorithm::EdDsa),
];

/// The name of an algorithm.
fn name(algorithm: SigningAlgorithm) -> &'static str {
    ALGORITHMS.iter().find(|(_, known)| *known == algorithm).map_or("", |(name, _)| name)
}

/// Claims that name a key.
const CLAIMS: &[(&str, ())] = &[("kid", ())];

/// A token that must be there.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Token {
    /// What it is.
    pub kind: TokenType,
    /// Where it is carried.
    pub method: TokenMethod,
    /// The header or field.
    pub name: Text,
    /// What stands before it there.
    pub prefix: Option<Text>,
}

static ISSUER_VALUE: Field<Interpolated> = Field::required(
    "value",
    Interpolated::up_to(4_096),
    "value: https://login.example.com/",
    "An issuer, letter by letter as in `iss`.",
);
static ISSUER_LIST: Field<Items<Record<Text>>> = Field::required(
    "allow_list",
    Items::new(Record {
        fields: &[&ISSUER_VALUE],
        ignored: &[],
        read: |fields, cx| cx.read(fields, &ISSUER_VALUE),
    })
    .some(),
    "allow_list: [{value: https://login.example.com/}]",
    "Issuers; one of them must have issued the token.",
);
static ISSUER: Field<Record<Vec<Text>>> = Field::required(
    "issuer",
    Record { fields: &[&ISSUER_LIST], ignored: &[], read: |fields, cx| cx.read(fields, &ISSUER_LIST) },
    "issuer: {allow_list: [{value: https://login.example.com/}]}",
    "Who may issue tokens.",
);
static AUDIENCE_VALUE: Field<Interpolated> = Field::required(
    "value",
    Interpolated::up_to(4_096),
    "value: https://app.example.com",
    "An audience, letter by letter as in `aud`.",
);
static AUDIENCE_LIST: Field<Items<Record<Text>>> = Field::required(
    "allow_list",
    Items::new(Record {
        fields: &[&AUDIENCE_VALUE],
        ignored: &[],
        read: |fields, cx| cx.read(fields, &AUDIENCE_VALUE),
    })
    .some(),
    "allow_list: [{value: https://app.example.com}]",
    "Audiences; the token must be for one of them.",
);
static AUDIENCE: Field<Record<Vec<Text>>> = Field::optional(
    "audience",
    Record { fields: &[&AUDIENCE_LIST], ignored: &[], read: |fields, cx| cx.read(fields, &AUDIENCE_LIST) },
    "Whom tokens must be for.",
);
static TOKEN_TYPE: Field<Choice<TokenType>> = Field::required(
    "type",
    Choice {
        of: &[
            ("id_token", TokenType::Id),
            ("access_token", TokenType::Access),
            ("at+jwt", TokenType::AtJwt),
            ("it+jwt", TokenType::ItJwt),
            ("plain", TokenType::Plain),
            ("jwt", TokenType::Jwt),
        ],
    },
    "type: jwt",
    "What the token is.",
);
static TOKEN_METHOD: Field<Choice<TokenMethod>> = Field::required(
    "method",
    Choice { of: &[("header", TokenMethod::Header), ("body", TokenMethod::Body)] },
    "method: header",
    "Where it is carried; in bodies of POST, PUT and PATCH only.",
);
static TOKEN_NAME: Field<Interpolated> = Field::required(
    "name",
    Interpolated::up_to(256),
    "name: Authorization",
    "The header or field, in any case.",
);
static TOKEN_PREFIX: Field<Interpolated> =
    Field::optional("prefix", Interpolated::up_to(256), "Prefix of the token, e.g. `\"Bearer \"`.");
static TOKENS: Field<Items<Record<Token>>> = Field::required(
    "tokens",
    Items::new(Record {
        fields: &[&TOKEN_TYPE, &TOKEN_METHOD, &TOKEN_NAME, &TOKEN_PREFIX],
        ignored: &[],
        read: |fields, cx| {
            let (kind, method) = (cx.read(fields, &TOKEN_TYPE), cx.read(fields, &TOKEN_METHOD));
            let (name, prefix) = (cx.read(fields, &TOKEN_NAME), cx.optional(fields, &TOKEN_PREFIX));
            Some(Token { kind: kind?, method: method?, name: name?, prefix: prefix? })
        },
    })
    .some(),
    "tokens: [{type: jwt, method: header, name: Authorization, prefix: \"Bearer \"}]",
    "Tokens; all of them must be there.",
);
static HTTP: Field<Record<Vec<Token>>> = Field::required(
    "http",
    Record { fields: &[&TOKENS], ignored: &[], read: |fields, cx| cx.read(fields, &TOKENS) },
    "http: {tokens: […]}",
    "Where requests carry tokens.",
);
static ALLOWED_ALGORITHMS: Field<Items<Choice<SigningAlgorithm>>> = Field::required(
    "allowed_algorithms",
    Items::new(Choice { of: ALGORITHMS }).some(),
    "allowed_algorithms: [RS256]",
    "Ways to sign that are accepted; never `none`. They are HS256 to HS512, RS, PS and ES likewise, and EdDSA.",
);
static JKUS: Field<Items<WebUrl>> = Field::required(
    "additional_jkus",
    Items::new(WebUrl { interpolated: true }).between(1, MAX_KEY_SOURCES),
    "additional_jkus: [https://login.example.com/.well-known/jwks.json]",
    "Where keys are published (JWKS), tried in order.",
);
static SOURCES: Field<SingleOrList<Record<Vec<Text>>>> = Field::required(
    "sources",
    SingleOrList(Record { fields: &[&JKUS], ignored: &[], read: |fields, cx| cx.read(fields, &JKUS) }),
    "sources: {additional_jkus: […]}",
    "Where keys come from.",
);
static TOKEN_CLAIMS: Field<Items<Choice<()>>> = Field::optional(
    "token_claims",
    Items::new(Choice { of: CLAIMS }),
    "Which claim names the key; only `kid`.",
);
static IDENTIFICATION: Field<Record<()>> = Field::optional(
    "identification",
    Record {
        fields: &[&TOKEN_CLAIMS],
        ignored: &[],
        read: |fields, cx| {
            check_names(fields.get(TOKEN_CLAIMS.name()), "claim", CLAIMS, cx);
            cx.optional(fields, &TOKEN_CLAIMS).map(drop)
        },
    },
    "How a key is found among them.",
);
static KEYS: Field<SingleOrList<Record<Vec<Text>>>> = Field::required(
    "keys",
    SingleOrList(Record {
        fields: &[&SOURCES, &IDENTIFICATION],
        ignored: &[],
        read: |fields, cx| {
            let (sources, named) = (cx.read(fields, &SOURCES), cx.optional(fields, &IDENTIFICATION));
            named?;
            sources
        },
    }),
    "keys: {sources: {additional_jkus: […]}}",
    "The keys that signatures are checked with.",
);
static JWS: Field<Record<(Vec<SigningAlgorithm>, Vec<Text>)>> = Field::required(
    "jws",
    Record {
        fields: &[&ALLOWED_ALGORITHMS, &KEYS],
        ignored: &[],
        read: |fields, cx| {
            let (algorithms, keys) = (cx.read(fields, &ALLOWED_ALGORITHMS), cx.read(fields, &KEYS));
            check_names(fields.get(ALLOWED_ALGORITHMS.name()), "algorithm", ALGORITHMS, cx);
            Some((algorithms?, keys?))
        },
    },
    "jws: {allowed_algorithms: [RS256], keys: {…}}",
    "How signatures are checked.",
);

const TOKENS_RESULT: ActionResult<Value> = ActionResult::of_type(
    "actions.ngrok.jwt_validation.tokens",
    "list(JwtToken)",
    REQUEST,
    "the tokens, in the order of the policy",
);
const ERROR_CODE: ActionResult<String> =
    ActionResult::text("actions.ngrok.jwt_validation.error.code", REQUEST, "ngrok's code of the fault");
const ERROR_MESSAGE: ActionResult<String> =
    ActionResult::text("actions.ngrok.jwt_validation.error.message", REQUEST, "the fault in words");

/// Lets requests pass that carry a valid JSON Web Token.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JwtValidation {
    /// Who may have issued the token.
    pub issuers: Vec<Text>,
    /// Whom it must be for; any, if empty.
    pub audiences: Vec<Text>,
    /// Tokens that must be there.
    pub tokens: Vec<Token>,
    /// How they may be signed.
    pub algorithms: Vec<SigningAlgorithm>,
    /// Where keys are published.
    pub jkus: Vec<Text>,
}

impl ActionType for JwtValidation {
    const NAME: &'static str = "jwt-validation";
    const PHASES: PhaseSet = REQUEST_PHASE;
    const ENDS: Ends = Ends::Refusing("401");
    const FIELDS: Declared = &[&ISSUER, &AUDIENCE, &HTTP, &JWS];
    const RESULTS: &'static [vocabulary::Declared] = &[
        TOKENS_RESULT.declared(),
        ERROR_CODE.declared(),
        ERROR_MESSAGE.declared(),
        vocabulary::Declared::new("JwtToken.header", "dyn", REQUEST, "the header of the token"),
        vocabulary::Declared::new("JwtToken.location", "string", REQUEST, "`header` or `body`"),
        vocabulary::Declared::new("JwtToken.location_property", "string", REQUEST, "the header or field"),
        vocabulary::Declared::new("JwtToken.payload", "dyn", REQUEST, "the claims of the token"),
        vocabulary::Declared::new("JwtToken.signature", "string", REQUEST, "the signature"),
        vocabulary::Declared::new("JwtToken.verified", "bool", REQUEST, "true if the signature is right"),
    ];
    const RUNS: PhaseSet = Self::PHASES;
    const PAGE: &'static str = include_str!("../../../docs/actions/jwt-validation.md");

    fn read<'d>(fields: &Fields<'d>, cx: &Context<'_, 'd>) -> Option<Self> {
        let (issuers, audiences) = (cx.read(fields, &ISSUER), cx.optional(fields, &AUDIENCE));
        let (tokens, jws) = (cx.read(fields, &HTTP), cx.read(fields, &JWS));
        let literal = |texts: &[Text], what: &str| {
            let texts = texts.iter().filter_map(|text| Some((text.literal()?, text.span)));
            cx.unique(what, texts, true);
        };
        issuers.iter().for_each(|issuers| literal(issuers, "issuer"));
        audiences.iter().flatten().for_each(|audiences| literal(audiences, "audience"));
        tokens.iter().for_each(|tokens| check_tokens(tokens, cx));
        jws.iter().for_each(|(_, jkus)| literal(jkus, "URL of keys"));
        let (algorithms, jkus) = jws?;
        Some(Self {
            issuers: issuers?,
            audiences: audiences?.unwrap_or_default(),
            tokens: tokens?,
            algorithms,
            jkus,
        })
    }

    fn result_shape(&self) -> Shape {
        // It refuses whoever does not have all of them.
        let tokens = Shape::List(vec![Shape::Any; self.tokens.len()]);
        Shape::Map(vec![("tokens".into(), tokens)])
    }

    fn texts<'a>(&'a self, each: &mut dyn FnMut(&'a Text)) {
        self.issuers.iter().chain(&self.audiences).chain(&self.jkus).for_each(&mut *each);
        self.tokens.iter().for_each(|token| {
            each(&token.name);
            token.prefix.iter().for_each(&mut *each);
        });
    }

    fn not_run(&self) -> Option<Unsupported> {
        let unknown = self.algorithms.iter().find(|algorithm| keys::algorithm(**algorithm).is_none())?;
        Some(Unsupported {
            span: None,
            what: format!("the algorithm `{}`", name(*unknown)),
            help: "sign with one of the others, such as ES256",
        })
    }

    fn lower(&self, _: &mut Lowering<'_>) -> Box<dyn Execute> {
        Box::new(self.clone())
    }
}

/// Says which name of a list is given twice. What is none of the known ones has been reported.
fn check_names<T>(list: Option<NodeRef<'_>>, what: &str, known: &[(&str, T)], cx: &Context<'_, '_>) {
    let Some(NodeKind::Sequence(items)) = list.map(NodeRef::kind) else { return };
    let names = items.iter().filter_map(|item| match item.kind() {
        NodeKind::Scalar(scalar) => Some((scalar.text, scalar.span)),
        NodeKind::Sequence(_) | NodeKind::Mapping(_) => None,
    });
    let names = names.filter(|(name, _)| known.iter().any(|(known, _)| known == name));
    cx.unique(what, names, true);
}

/// Says which token is given twice: by the same header or field, in any case.
fn check_tokens(tokens: &[Token], cx: &Context<'_, '_>) {
    for method in [TokenMethod::Header, TokenMethod::Body] {
        let names = tokens.iter().filter(|token| token.method == method);
        let names = names.filter_map(|token| Some((token.name.literal()?, token.name.span)));
        cx.unique("token", names, false);
    }
}

#[cfg(test)]
mod tests {
    use crate::check::{CheckOptions, load_policy};
    use crate::source::Source;

    const TOKENS: &str = "[{type: jwt, method: header, name: Authorization}]";
    const JKUS: &str = "[\"https://id.example.com/a\"]";

    /// The codes and messages of a policy with these tokens, algorithms, URLs and fields of `keys`.
    fn found(tokens: &str, algorithms: &str, jkus: &str, more: &str) -> Vec<(&'static str, String)> {
        let config = format!(
            "{{issuer: {{allow_list: [{{value: a}}]}}, http: {{tokens: {tokens}}}, jws: {{allowed_algorithms: \
             {algorithms}, keys: {{sources: {{additional_jkus: {jkus}}}{more}}}}}}}"
        );
        let text = format!("on_http_request:\n- actions:\n  - type: jwt-validation\n    config: {config}\n");
        let (_, found) = load_policy(&Source::new("p.yml", text), &CheckOptions::default());
        let all = found.iter().filter(|item| item.code.id != "TP601");
        all.map(|item| (item.code.id, item.message.clone())).collect()
    }

    fn twice(what: &str) -> (&'static str, String) {
        ("TP453", format!("the {what} is given twice"))
    }

    #[test]
    fn what_is_given_twice_is_said_once() {
        let algorithm = || twice("algorithm `RS256`");
        assert_eq!(found(TOKENS, "[RS256, ES256]", JKUS, ""), []);
        assert_eq!(found(TOKENS, "[RS256, ES256, RS256]", JKUS, ""), [algorithm()]);
        assert_eq!(found(TOKENS, "[RS256, RS256, RS256]", JKUS, ""), [algorithm(), algorithm()]);
        let none = || ("TP308", "an entry of `allowed_algorithms` cannot be `none`".to_owned());
        assert_eq!(found(TOKENS, "[none, none]", JKUS, ""), [none(), none()]);
        for (tokens, expected) in [
            ("[{type: jwt, method: header, name: a}, {type: jwt, method: body, name: a}]", None),
            ("[{type: jwt, method: header, name: a}, {type: jwt, method: header, name: b}]", None),
            ("[{type: jwt, method: header, name: A}, {type: id_token, method: header, name: a}]", Some("a")),
            (
                "[{type: jwt, method: body, name: a, prefix: b}, {type: jwt, method: body, name: a}]",
                Some("a"),
            ),
        ] {
            let expected: Vec<_> =
                expected.map(|name| twice(&format!("token `{name}`"))).into_iter().collect();
            assert_eq!(found(tokens, "[RS256]", JKUS, ""), expected, "{tokens}");
        }
        let claims = |list: &str| {
            found(TOKENS, "[RS256]", JKUS, &format!(", identification: {{token_claims: {list}}}"))
        };
        assert_eq!(claims("[kid]"), []);
        assert_eq!(claims("[kid, kid]"), [twice("claim `kid`")]);
        let url = "https://id.example.com/a";
        let jkus = format!("[\"{url}\", \"{url}\"]");
        assert_eq!(found(TOKENS, "[RS256]", &jkus, ""), [twice(&format!("URL of keys `{url}`"))]);
    }

    #[test]
    fn keys_come_from_a_hundred_sources_at_most() {
        let jkus = |count: usize| {
            let urls: Vec<_> = (0..count).map(|at| format!("\"https://id.example.com/{at}\"")).collect();
            format!("[{}]", urls.join(", "))
        };
        let of = |count| found(TOKENS, "[RS256]", &jkus(count), "");
        assert_eq!(of(100), []);
        assert_eq!(of(101), [("TP310", "`additional_jkus` has 101 entries, more than 100".to_owned())]);
        assert_eq!(of(0), [("TP310", "`additional_jkus` is empty".to_owned())]);
    }
}
