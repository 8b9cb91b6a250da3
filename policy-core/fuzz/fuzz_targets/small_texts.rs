//! Any text as a CIDR, an endpoint URL, the URL of a request, a request file, an upstream, a duration and a regular expression; what is accepted prints
//! and reads back.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use policy_core::cel::{Env, EvalLimits, Expression, Fact, Fault, Host, Type, Value};
use policy_core::duration::parse_duration;
use policy_core::lpm::cidr;
use policy_core::message::RequestUrl;
use policy_core::requests::load_request;
use policy_core::source::Source;
use policy_core::url::{EndpointUrl, HostPort};

static MATCHES: LazyLock<Expression> = LazyLock::new(|| {
    let mut env = Env::standard();
    env.declare("pattern", Type::String);
    let (expression, _) = env.check("'é a\\nB'.matches(pattern)");
    expression.expect("well typed")
});

struct Pattern<'a>(&'a str);

impl Host for Pattern<'_> {
    fn fact(&self, fact: Fact) -> Result<Value, Fault> {
        Err(Fault::NoSource(fact))
    }

    fn variable(&self, _: &str) -> Result<Value, Fault> {
        Ok(Value::text(self.0))
    }
}

fuzz_target!(|text: &str| {
    if let Ok(entry) = cidr(text) {
        let again = cidr(&entry.network.to_string()).expect("its own text");
        assert_eq!((again.network, again.host_bits), (entry.network, false));
    }
    match EndpointUrl::parse(text) {
        Ok(url) => assert_eq!(EndpointUrl::parse(&url.to_string()).as_ref(), Ok(&url)),
        Err(error) => assert!(text.get(error.range).is_some(), "the fault lies in the text"),
    }
    if let Ok(upstream) = HostPort::parse(text) {
        assert_eq!(HostPort::parse(&upstream.to_string()).as_ref(), Ok(&upstream));
    }
    if let Ok(url) = RequestUrl::parse(text) {
        let again = RequestUrl::parse(url.as_str()).expect("its own text");
        assert_eq!(again.as_str(), url.as_str(), "to normalise twice changes nothing");
    }
    let _ = load_request(&Source::new("request.yml", text), None);
    let _ = parse_duration(text);
    // What the grammar admits, the crate behind it compiles: debug assertions say so.
    let _ = MATCHES.evaluate(&mut Pattern(text), EvalLimits::default());
});
