//! Which parts may fail at all.

use crate::cel::check::code::{Code, Node};
use crate::cel::values::types::Type;

/// True for a part that may fail. Most expressions have none.
pub(in crate::cel) fn can_fail(node: &Node, code: &Code) -> bool {
    match node {
        Node::Index { optional, .. } => !optional,
        Node::Select { optional, operand, .. } => {
            !optional && matches!(code.ty(*operand), Type::Map(_) | Type::Dyn | Type::List(_))
        }
        Node::Fact(fact) => fact.is_optional() || fact.result().is_some(),
        Node::Call { name, arguments, .. } => call_can_fail(name, arguments.len()),
        _ => false,
    }
}

/// True for a function that may fail with arguments of the right types.
fn call_can_fail(name: &str, arguments: usize) -> bool {
    match name {
        "getReqCookie" | "getResCookie" | "int" | "uint" | "double" | "timestamp" | "duration" | "bool"
        | "string" | "_/_" | "_%_" | "substring" | "charAt" | "slice" | "json.decode" | "decodeJson"
        | "base64.decode" | "decodeBase64" | "url.unescape" | "unescapeUrl" | "url.parse" | "parseUrl"
        | "queryString.decode" | "decodeQueryString" | "ip" | "cidr" | "ip.isCanonical" | "containsIP"
        | "containsCIDR" | "matches" | "value" | "flatten" | "format" => true,
        "indexOf" | "lastIndexOf" => arguments == 3,
        "rand.int" => arguments == 2,
        _ => is_hash(name) || is_calendar(name) && arguments == 2,
    }
}

pub(in crate::cel) fn is_hash(name: &str) -> bool {
    let name = name.strip_prefix("hash.").unwrap_or(name);
    matches!(name, "crc32" | "crc64" | "md5" | "sha1" | "sha256" | "sha512" | "xxhash64")
}

pub(in crate::cel) fn is_calendar(name: &str) -> bool {
    matches!(
        name,
        "getFullYear"
            | "getMonth"
            | "getDate"
            | "getDayOfMonth"
            | "getDayOfWeek"
            | "getDayOfYear"
            | "getHours"
            | "getMinutes"
            | "getSeconds"
            | "getMilliseconds"
    )
}
