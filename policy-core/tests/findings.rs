//! What is said of files that are wrong: the code, its place, and how often.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test fails by panicking"
)]

use policy_core::check::CheckOptions;
use policy_core::diagnostic::{Diagnostic, Diagnostics};
use policy_core::lint::{DocumentKind, lint};
use policy_core::source::Source;

/// A file that was looked at.
struct Looked {
    source: Source,
    found: Diagnostics,
}

impl Looked {
    fn at(text: &str) -> Self {
        let source = Source::new("p.yml", text);
        let found = lint(&source, Some(DocumentKind::Policy), &CheckOptions::default()).diagnostics;
        Self { source, found }
    }

    /// Place and code of each finding.
    fn codes(&self) -> Vec<String> {
        let show = |item: &Diagnostic| format!("{} {}", self.source.position(item.span.start), item.code.id);
        self.found.iter().map(show).collect()
    }

    fn only(&self) -> &Diagnostic {
        let all: Vec<_> = self.found.iter().collect();
        let [only] = all[..] else { panic!("{all:#?}") };
        only
    }

    /// The second places of all findings.
    fn labels(&self) -> Vec<String> {
        let labels = self.found.iter().flat_map(|item| &item.labels);
        labels
            .map(|label| format!("{} {}", self.source.position(label.span().start), label.message))
            .collect()
    }
}

fn codes(text: &str) -> Vec<String> {
    Looked::at(text).codes()
}

#[test]
fn labels_of_data_flow_point_at_the_setter() {
    let conditional = "\
on_tcp_connect:
  - expressions: [conn.client_port > 1000]
    actions:
      - type: set-vars
        config:
          vars:
            - zone: office
  - expressions:
      - \"vars.zone == 'office'\"
    actions: [{type: log, config: {metadata: {zone: \"in ${vars.zone}\"}}}]
";
    let looked = Looked::at(conditional);
    assert_eq!(looked.labels()[0], "7:15 set here, if the conditions of this rule hold");
    assert!(looked.labels().iter().all(|label| label.starts_with("7:15 ")), "{:?}", looked.labels());
    let late = "\
on_tcp_connect:
  - actions: [{type: log, config: {metadata: {zone: \"in ${'a' + vars.zone}\"}}}]
  - actions: [{type: set-vars, config: {vars: [{zone: office}]}}]
";
    assert_eq!(Looked::at(late).labels(), ["3:49 set here"]);
    let other_phase = "\
on_http_request:
  - actions: [{type: set-vars, config: {vars: [{zone: office}]}}]
on_http_response:
  - actions: [{type: log, config: {metadata: {zone: \"${vars.zone}\"}}}]
";
    assert_eq!(Looked::at(other_phase).labels(), ["2:49 set here"]);
    let result = "\
on_http_request:
  - expressions: [\"actions.ngrok.basic_auth.credentials.authorized\"]
    actions: [{type: deny}]
  - actions: [{type: basic-auth, config: {credentials: [\"${secrets.get('a', 'b')}\"], enforce: false}}]
";
    assert_eq!(Looked::at(result).labels(), ["4:22 this action leaves it behind"]);
}
