//! What stands before the `@` of a URL, a host or an address: a user name, and often a password. No message shows it.

use std::ops::Range;

/// Where a user name and a password stand in the text of a URL, a host or an address, with a scheme, a part of one, or
/// none.
pub(crate) fn user_info(text: &str) -> Option<Range<usize>> {
    let start = behind_scheme(text);
    let rest = text.get(start..)?;
    let authority = rest.get(..rest.find(['/', '?', '#']).unwrap_or(rest.len()))?;
    let at = match authority.rfind('@') {
        // A password may hold what ends a host.
        None if !ends_as_host(authority) => rest.rfind('@'),
        at => at,
    };
    at.filter(|at| *at > 0).map(|at| start..start + at)
}

/// The place after `scheme://`; after what is written of it, where a part is missing.
fn behind_scheme(text: &str) -> usize {
    let slashes = |from: usize| {
        let rest = text.get(from..).unwrap_or_default();
        text.len() - rest.trim_start_matches(['/', '\\']).len()
    };
    // Also behind one that is none, such as `ht!tp`.
    if let Some(at) = text
        .find("://")
        .filter(|at| !text.get(..*at).is_some_and(|odd| odd.contains(['/', '?', '#', '@', ':'])))
    {
        return slashes(at + 1);
    }
    let name = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')));
    match name {
        Some(at) if text.get(at..).is_some_and(|rest| rest.starts_with(":/") || rest.starts_with(":\\")) => {
            slashes(at + 1)
        }
        Some(at) if text.get(at..).is_some_and(|rest| rest.starts_with("//")) => slashes(at),
        _ => slashes(0),
    }
}

/// True for a host alone, or one with a port: what follows it is a path.
fn ends_as_host(authority: &str) -> bool {
    let port = authority.rsplit_once(':').map_or("", |(_, port)| port);
    authority.starts_with('[') || port.bytes().all(|byte| byte.is_ascii_digit())
}

/// The text without its user name and password; `None` if there are none.
pub(super) fn without_user(text: &str) -> Option<String> {
    let user = user_info(text)?;
    let (before, after) = (text.get(..user.start)?, text.get(user.end..)?);
    (text.get(user)? != "…").then(|| format!("{before}…{after}"))
}

#[cfg(test)]
mod tests {
    use crate::diagnostic::shown_address;

    #[test]
    fn what_stands_before_an_at_is_not_shown() {
        for (text, shown) in [
            ("u:p@host:22", "…@host:22"),
            ("p@host", "…@host"),
            ("//u:p@host:22", "//…@host:22"),
            ("tcp:/u:p@host:22", "tcp:/…@host:22"),
            ("ht!tp://u:p@host/", "ht!tp://…@host/"),
            ("tcp//u:p@host:22", "tcp//…@host:22"),
            ("tcp:\\\\u:p@host:22", "tcp:\\\\…@host:22"),
            ("https://u:p/w@host/a", "https://…@host/a"),
            ("u:p#w@host:22", "…@host:22"),
            ("u:p@w@host", "…@host"),
        ] {
            assert_eq!(shown_address(text), shown);
        }
        for text in [
            "host:22",
            "@host",
            "https://host/a@b",
            "https://host:80/a@b",
            "[::1]:80/a@b",
            "host/a@b",
            "22",
            "",
        ] {
            assert_eq!(shown_address(text), text);
        }
    }
}
