//! Words of other languages and of old documents, with what is meant.
//!
//! Source: ngrok documentation, wrong examples that users may copy (2026-08-07).

use crate::cel::Hints;

pub(super) static HINTS: Hints =
    Hints { names: NAMES, fields: FIELDS, functions: FUNCTIONS, spellings: SPELLINGS, is_careful: true };

const NAMES: &[(&str, &str)] = &[
    ("request", "req"),
    ("response", "res"),
    ("connection", "conn"),
    ("headers", "req.headers"),
    ("method", "req.method"),
    ("path", "req.url.path"),
];

const FIELDS: &[(&str, &str, &str)] = &[
    ("req", "path", "url.path"),
    ("req", "raw", "url.raw"),
    ("req", "query", "url.query"),
    ("req", "query_params", "url.query_params"),
    ("req", "scheme", "url.scheme"),
    ("res", "status", "status_code"),
    ("conn", "ip", "client_ip"),
    ("conn", "source_ip", "client_ip"),
    ("conn", "remote_addr", "client_ip"),
    // The actions have these names.
    ("actions.ngrok", "openid_connect", "oidc"),
    ("actions.ngrok", "compress_response", "compress"),
];

const FUNCTIONS: &[(&str, &str)] = &[
    ("get", "take the entry in brackets, e.g. `req.headers['x-name'][0]`"),
    ("length", "write `size(…)`"),
    ("len", "write `size(…)`"),
    ("count", "write `size(…)`"),
    ("toLowerCase", "write `.lower()`"),
    ("toUpperCase", "write `.upper()`"),
    ("test", "write `.matches('…')`"),
    ("any", "write `.exists(x, …)`"),
    ("some", "write `.exists(x, …)`"),
    ("every", "write `.all(x, …)`"),
    ("substr", "write `.substring(…)`"),
    ("in", "write `a in [b, c]`"),
    ("equals", "write `==` between the two"),
    ("equalsIgnoreCase", "write `a.lower() == b.lower()`"),
    ("now", "`time.now` is the time as a string: write `timestamp(time.now)`"),
    ("time.now", "`time.now` is a string, no function: write `timestamp(time.now)`"),
    ("timestamp.now", "write `timestamp(time.now)`"),
    ("Date.now", "write `timestamp(time.now)`"),
];

/// Functions that are there and have a better name in CEL.
const SPELLINGS: &[(&str, &str)] = &[("includes", "contains")];
