//! The call of `policy test`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use regex::Regex;

/// Run the cases of scenario files: what a policy should do with connections and requests.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  policy test device1.test.yml               one file
  policy test .                              every `*.test.yml` below a folder
  policy test --run 'office|fallback' .      cases whose name matches
  policy test --only-failures .
  policy test --format junit . > policy-tests.xml
  policy test --coverage --fail-under 90 .   what no case reaches, and 1 if it is too much
  policy test --bless --run office .         expectations become what the policy does; look at the diff
  policy test --lcov policy.info . && genhtml -o coverage policy.info

A scenario file names a policy or a configuration, and cases:

  policy: device1.yml
  cases:
    - name: the office reaches device1
      ip: 203.0.113.42
      expect: {forward: 'tcp://device1.internal:22'}
    - name: everyone else is refused
      ip: [198.51.100.1, '2001:db8::1']
      expect: {deny: true}

Paths are relative to the file. Exit codes: 0 all pass, 1 some fail, 2 a file cannot be used or no test was found.")]
pub(crate) struct Test {
    /// Scenario files, or folders that are searched for `*.test.yml`, `*.test.yaml` and `*.test.json`.
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Run only the cases whose name matches a regular expression.
    #[arg(long, value_name = "REGEX", value_parser = parse_regex)]
    pub(crate) run: Option<Regex>,
    /// Show only the cases that fail.
    #[arg(long)]
    pub(crate) only_failures: bool,
    /// Say what of the policies the cases reach: rules, actions, both ways of conditions, entries of lists.
    #[arg(long)]
    pub(crate) coverage: bool,
    /// Write what the cases reach into a file, in the format of LCOV.
    #[arg(long, value_name = "FILE")]
    pub(crate) lcov: Option<PathBuf>,
    /// Exit with 1 if the cases reach less than so many percent, e.g. `90` or `93.5`.
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    pub(crate) fail_under: Option<f64>,
    /// Write what the policies do into the expectations that do not hold; comments and layout stay. For cases whose questions
    /// all have the same answer.
    #[arg(long)]
    pub(crate) bless: bool,
    /// How to print the results.
    #[arg(long, value_enum, default_value_t = TestFormat::Text)]
    pub(crate) format: TestFormat,
}

impl Test {
    /// True if what the cases reach is wanted.
    pub(crate) const fn wants_coverage(&self) -> bool {
        self.coverage || self.lcov.is_some() || self.fail_under.is_some()
    }
}

/// How results of cases are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TestFormat {
    /// For people.
    Text,
    /// For programs; see `version` in the output.
    Json,
    /// JUnit's XML, which continuous integration reads.
    Junit,
}

fn parse_regex(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|_| "not a regular expression".to_owned())
}

fn parse_percent(text: &str) -> Result<f64, String> {
    let percent = text.parse().ok().filter(|percent| (0.0..=100.0).contains(percent));
    percent.ok_or_else(|| "write a number from 0 to 100, e.g. 93.5".to_owned())
}
