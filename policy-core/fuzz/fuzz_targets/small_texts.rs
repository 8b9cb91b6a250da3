//! Any text as a CIDR, an endpoint URL, an upstream and a duration; what is accepted prints and reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_core::duration::parse_duration;
use policy_core::lpm::cidr;
use policy_core::url::{EndpointUrl, HostPort};

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
    let _ = parse_duration(text);
});
