//! How each provider signs its webhooks.
//!
//! Sources: the providers' own pages and packages (2026-12-02). A provider is here if its scheme is published and was compared
//! with a package of its own, with an example that it publishes, or with its description written a second time
//! (`fixtures/signatures`); the others are in the language, and refused when a policy is compiled.

/// How one provider signs.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scheme {
    /// A message authentication code over what is sent.
    Mac(Mac),
    /// Either of two, told apart by whose header is there; the first counts where both are.
    Either(Mac, Mac),
    /// The secret itself in a header.
    Token(&'static str),
    /// Twilio's, over the URL and the fields of a form.
    Twilio,
}

/// A message authentication code (HMAC, RFC 2104), and how it is sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mac {
    /// The header that has it.
    pub(super) header: &'static str,
    pub(super) digest: Digest,
    pub(super) encoding: Encoding,
    /// What stands between several signatures; `None` if there is one alone.
    pub(super) separator: Option<char>,
    /// What stands before a signature; others are signatures of versions that nobody may choose.
    pub(super) prefix: &'static str,
    /// What is signed.
    pub(super) signed: &'static [Part],
    pub(super) key: Key,
    /// The signed time.
    pub(super) time: Option<Time>,
}

/// A hash function.
#[derive(Clone, Copy, Debug)]
pub(super) enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

/// How bytes are written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Encoding {
    /// In lower case.
    Hex,
    /// With padding.
    Base64,
}

/// How the key is made of the secret.
#[derive(Clone, Copy, Debug)]
pub(super) enum Key {
    /// Its bytes.
    Text,
    /// What it is the Base64 of.
    Base64,
    /// The same, perhaps behind `whsec_`.
    Whsec,
}

/// A part of what is signed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    Body,
    /// The time, as it is written.
    Time,
    Header(&'static str),
    Text(&'static str),
}

/// The time at which a webhook was signed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Time {
    pub(super) at: TimeAt,
    pub(super) unit: Unit,
    /// Seconds that it may be away from now, to either side.
    pub(super) tolerance: u32,
}

/// Where the time stands.
#[derive(Clone, Copy, Debug)]
pub(super) enum TimeAt {
    /// Beside the signatures, behind a prefix.
    Item(&'static str),
    Header(&'static str),
    /// In a field of the body, which is JSON.
    Field(&'static str),
}

/// How the time is written.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unit {
    /// Seconds since 1970 began.
    Seconds,
    /// Thousandths of them.
    Milliseconds,
    /// RFC 3339; UTC where it has no offset.
    Rfc3339,
}

/// Seconds of tolerance where a provider publishes none.
const TOLERANCE: u32 = 300;

/// SHA-256 in hexadecimal digits over the body.
const fn hex(header: &'static str, prefix: &'static str) -> Mac {
    Mac {
        header,
        digest: Digest::Sha256,
        encoding: Encoding::Hex,
        separator: None,
        prefix,
        signed: &[Part::Body],
        key: Key::Text,
        time: None,
    }
}

/// SHA-256 in Base64 over the body.
const fn base64(header: &'static str, prefix: &'static str) -> Mac {
    Mac { encoding: Encoding::Base64, ..hex(header, prefix) }
}

/// `t=…,v1=…` over `t.body`, as Stripe has it.
const fn stamped(header: &'static str, time: &'static str, prefix: &'static str, tolerance: u32) -> Mac {
    Mac {
        separator: Some(','),
        signed: &[Part::Time, Part::Text("."), Part::Body],
        time: Some(Time { at: TimeAt::Item(time), unit: Unit::Seconds, tolerance }),
        ..hex(header, prefix)
    }
}

/// `v0=…` over `v0:time:body`, as Slack has it.
const fn versioned(header: &'static str, time: &'static str) -> Mac {
    Mac {
        signed: &[Part::Text("v0:"), Part::Time, Part::Text(":"), Part::Body],
        time: Some(Time { at: TimeAt::Header(time), unit: Unit::Seconds, tolerance: TOLERANCE }),
        ..hex(header, "v0=")
    }
}

/// Several signatures over `id.time.body` (Standard Webhooks 1.0).
const fn standard(header: &'static str, signed: &'static [Part], time: &'static str) -> Mac {
    Mac {
        separator: Some(' '),
        signed,
        key: Key::Whsec,
        time: Some(Time { at: TimeAt::Header(time), unit: Unit::Seconds, tolerance: TOLERANCE }),
        ..base64(header, "v1,")
    }
}

/// Under the names of Svix.
const SVIX: Mac = standard(
    "svix-signature",
    &[Part::Header("svix-id"), Part::Text("."), Part::Time, Part::Text("."), Part::Body],
    "svix-timestamp",
);
/// Under the names of the standard.
const STANDARD: Mac = standard(
    "webhook-signature",
    &[Part::Header("webhook-id"), Part::Text("."), Part::Time, Part::Text("."), Part::Body],
    "webhook-timestamp",
);
/// Atlassian's, after WebSub.
const WEBSUB: Mac = hex("x-hub-signature", "sha256=");
/// Meta's.
const META: Mac = hex("x-hub-signature-256", "sha256=");
/// Box: the time behind the body, ten minutes; a second key has a header of its own.
const BOX: Mac = Mac {
    signed: &[Part::Body, Part::Time],
    time: Some(Time { at: TimeAt::Header("box-delivery-timestamp"), unit: Unit::Rfc3339, tolerance: 600 }),
    ..base64("box-signature-primary", "")
};

/// The providers that run, with their schemes.
pub(super) const SCHEMES: &[(&str, Scheme)] = &[
    ("alchemy", Scheme::Mac(hex("x-alchemy-signature", ""))),
    ("bitbucket", Scheme::Mac(WEBSUB)),
    ("box", Scheme::Either(BOX, Mac { header: "box-signature-secondary", ..BOX })),
    ("brex", Scheme::Mac(STANDARD)),
    ("buildkite", Scheme::Mac(stamped("x-buildkite-signature", "timestamp=", "signature=", TOLERANCE))),
    ("calendly", Scheme::Mac(stamped("calendly-webhook-signature", "t=", "v1=", 180))),
    ("castle", Scheme::Mac(base64("x-castle-signature", ""))),
    ("circleci", Scheme::Mac(Mac { separator: Some(','), ..hex("circleci-signature", "v1=") })),
    ("clerk", Scheme::Either(SVIX, STANDARD)),
    // Coinbase Commerce, which ngrok's directory of webhooks means.
    ("coinbase", Scheme::Mac(hex("x-cc-webhook-signature", ""))),
    ("docusign", Scheme::Mac(base64("x-docusign-signature-1", ""))),
    ("dropbox", Scheme::Mac(hex("x-dropbox-signature", ""))),
    ("facebook_graph_api", Scheme::Mac(META)),
    ("facebook_messenger", Scheme::Mac(META)),
    ("github", Scheme::Mac(META)),
    ("gitlab", Scheme::Token("x-gitlab-token")),
    ("heroku", Scheme::Mac(base64("heroku-webhook-hmac-sha256", ""))),
    ("instagram", Scheme::Mac(META)),
    ("intercom", Scheme::Mac(Mac { digest: Digest::Sha1, ..hex("x-hub-signature", "sha1=") })),
    ("jira", Scheme::Mac(WEBSUB)),
    ("launch_darkly", Scheme::Mac(hex("x-ld-signature", ""))),
    (
        // Linear: the time stands in the body, a minute.
        "linear",
        Scheme::Mac(Mac {
            time: Some(Time {
                at: TimeAt::Field("webhookTimestamp"),
                unit: Unit::Milliseconds,
                tolerance: 60,
            }),
            ..hex("linear-signature", "")
        }),
    ),
    ("microsoft_teams", Scheme::Mac(Mac { key: Key::Base64, ..base64("authorization", "HMAC ") })),
    ("modern_treasury", Scheme::Mac(hex("x-signature", ""))),
    ("mux", Scheme::Mac(stamped("mux-signature", "t=", "v1=", TOLERANCE))),
    (
        "orb",
        Scheme::Mac(Mac {
            separator: Some(' '),
            signed: &[Part::Text("v1:"), Part::Time, Part::Text(":"), Part::Body],
            time: Some(Time {
                at: TimeAt::Header("x-orb-timestamp"),
                unit: Unit::Rfc3339,
                tolerance: TOLERANCE,
            }),
            ..hex("x-orb-signature", "v1=")
        }),
    ),
    ("pagerduty", Scheme::Mac(Mac { separator: Some(','), ..hex("x-pagerduty-signature", "v1=") })),
    ("sentry", Scheme::Mac(hex("sentry-hook-signature", ""))),
    ("shopify", Scheme::Mac(base64("x-shopify-hmac-sha256", ""))),
    ("slack", Scheme::Mac(versioned("x-slack-signature", "x-slack-request-timestamp"))),
    ("stripe", Scheme::Mac(stamped("stripe-signature", "t=", "v1=", TOLERANCE))),
    ("svix", Scheme::Either(SVIX, STANDARD)),
    ("terraform", Scheme::Mac(Mac { digest: Digest::Sha512, ..hex("x-tfe-notification-signature", "") })),
    ("tiktok", Scheme::Mac(stamped("tiktok-signature", "t=", "s=", TOLERANCE))),
    ("twilio", Scheme::Twilio),
    ("typeform", Scheme::Mac(base64("typeform-signature", "sha256="))),
    ("webex", Scheme::Mac(Mac { digest: Digest::Sha1, ..hex("x-spark-signature", "") })),
    ("whatsapp", Scheme::Mac(META)),
    ("worldline", Scheme::Mac(base64("x-gcs-signature", ""))),
    ("xero", Scheme::Mac(base64("x-xero-signature", ""))),
    (
        "zendesk",
        Scheme::Mac(Mac {
            signed: &[Part::Time, Part::Body],
            time: Some(Time {
                at: TimeAt::Header("x-zendesk-webhook-signature-timestamp"),
                unit: Unit::Rfc3339,
                tolerance: TOLERANCE,
            }),
            ..base64("x-zendesk-webhook-signature", "")
        }),
    ),
    ("zoom", Scheme::Mac(versioned("x-zm-signature", "x-zm-request-timestamp"))),
];

/// How a provider signs; `None` if this version does not run it.
pub(super) fn scheme(provider: &str) -> Option<&'static Scheme> {
    SCHEMES.iter().find(|(name, _)| *name == provider).map(|(_, scheme)| scheme)
}
