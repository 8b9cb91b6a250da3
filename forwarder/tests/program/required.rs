//! What a test needs of its machine. Where that is missing the test is skipped with a message, or fails where a variable
//! of the environment says that the machine has it: the full check sets these, so that no skip hides there.

use std::env;
use std::fmt::Display;

/// What every Linux has on which the full check runs.
pub(crate) const LINUX_TOOLS: &str = "REQUIRE_LINUX_TOOLS";
/// OpenSSH, and a user that it lets in.
pub(crate) const OPENSSH: &str = "REQUIRE_OPENSSH";
/// Network namespaces, which need root, and slow lines in them.
pub(crate) const NETWORKS: &str = "REQUIRE_NETNS";

/// What was found; if it is nothing, the message says what is missing.
pub(crate) fn required<T>(variable: &str, found: Option<T>, missing: impl Display) -> Option<T> {
    if found.is_none() {
        assert!(env::var_os(variable).is_none(), "{missing}, and {variable} is set");
        eprintln!("skipped: {missing}");
    }
    found
}
