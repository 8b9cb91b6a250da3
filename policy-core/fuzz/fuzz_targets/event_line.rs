//! Any bytes as a line of an event log: an event, or why not; what an event has can be read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use policy_core::events::{EventFacts, Line, Unreadable, read_event};
use policy_core::facts::{Facts, GivenFacts};

fuzz_target!(|bytes: &[u8]| {
    match read_event(bytes) {
        Ok(Line::Event(event)) => {
            let given = GivenFacts::default();
            let known = EventFacts::new(&event, &[], &given);
            assert_eq!(Facts::new(event.client_ip()).with(&known).client_ip(), event.client_ip());
            let _ = (event.hops(), event.failed_forwards(), event.started(), event.written_second());
            let _ = (event.decided(), event.rule().and_then(|text| text.get()));
        }
        Ok(Line::Other(name)) => assert!(name.len() <= bytes.len()),
        Ok(Line::Blank) => {}
        Err(why) => {
            assert!(!why.to_string().is_empty());
            // A line that breaks off is none that is whole.
            let closed = [bytes, b"}"].concat();
            let again = read_event(&closed).err();
            assert!(why != Unreadable::NotUtf8 || again == Some(Unreadable::NotUtf8) || bytes.contains(&0));
        }
    }
});
