//! How a configuration gives the policy of an endpoint.

use crate::schema::{Field, Part};

/// The policy itself, which is read for the endpoint it belongs to.
pub(crate) static TRAFFIC_POLICY: Field<Part> =
    Field::optional("traffic_policy", Part::new("a policy"), "The policy, inline.");
pub(crate) static TRAFFIC_POLICY_FILE: Field<Part> = Field::optional(
    "traffic_policy_file",
    Part::new("path"),
    "The file of the policy, instead of `traffic_policy`; relative to the configuration.",
);
