//! One thread's share of a log.
//!
//! Where a policy reads nothing of a connection but the class of its source, events that say the same are decided alike: what
//! was found for one is looked up for the next.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use memchr::memchr;
use policy_core::compile::Program;
use policy_core::diagnostic::cut;
use policy_core::events::{Event, Line, Text, read_event};
use policy_core::exchange::ActionId;
use policy_core::facts::GivenFacts;
use policy_core::lpm::ClassId;

use super::compare::{Finding, with_event, with_old};
use super::subject::Subject;
use super::tally::{Count, Group, SourceNetwork, Tally, went_back};
use super::undecided::Undecided;
use crate::commands::class_entries::{ClassEntries, NamedEntry};

/// Findings that are kept; then they are worked out anew.
const MAX_KEPT: usize = 1 << 16;
/// Bytes of an event beyond which what was found for it is not kept.
const MAX_KEY: usize = 2_048;

/// What is asked about every event.
pub(super) struct ReplayInputs<'a> {
    pub(super) new: &'a Subject,
    pub(super) old: Option<&'a Subject>,
    pub(super) given: &'a GivenFacts,
    /// Only events of this endpoint.
    pub(super) endpoint: Option<&'a str>,
}

/// Whole lines, but for the last one of the log.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) index: u64,
    pub(super) first_line: u64,
    pub(super) bytes: Vec<u8>,
}

/// What one thread has found.
pub(super) struct Shard<'a> {
    asked: &'a ReplayInputs<'a>,
    tally: Tally,
    kept: Option<Kept<'a>>,
}

impl<'a> Shard<'a> {
    pub(super) fn new(asked: &'a ReplayInputs<'a>) -> Self {
        let kept = asked.new.deciding().filter(|_| asked.old.is_none()).and_then(Kept::new);
        Self { asked, tally: Tally::default(), kept }
    }

    pub(super) fn finish(self) -> Tally {
        self.tally
    }

    /// Decides the lines of a block.
    pub(super) fn block(&mut self, block: &Block) {
        let (mut first, mut last) = (None, None);
        for (number, line) in (block.first_line..).zip(Lines(&block.bytes)) {
            self.tally.lines += 1;
            let Some(written) = self.line(number, line) else { continue };
            if last.is_some_and(|last| went_back(last, written)) {
                self.tally.clock_went_back(number);
            }
            first = first.or(Some((number, written)));
            last = Some(written);
        }
        if let (Some((number, first)), Some(last)) = (first, last) {
            self.tally.edges.push((block.index, number, first, last));
        }
    }

    /// Decides a line; when it was written.
    fn line(&mut self, number: u64, line: &[u8]) -> Option<i64> {
        let once = Count { count: 1, first_line: number };
        let event = match read_event(line) {
            Ok(Line::Event(event)) => event,
            Ok(Line::Other(name)) => {
                self.tally.skipped.add(&("event_type", shown(&name)), once);
                return None;
            }
            Ok(Line::Blank) => {
                self.tally.skipped.add(&("blank", "an empty line".to_owned()), once);
                return None;
            }
            Err(why) => {
                self.tally.unreadable.add(&(why.name(), shown(&why.to_string())), once);
                return None;
            }
        };
        let written = event.written_second();
        if let Some(wanted) = self.asked.endpoint
            && event.endpoint().and_then(Text::get).as_deref() != Some(wanted)
        {
            self.tally.skipped.add(&("endpoint", "another endpoint".to_owned()), once);
            return written;
        }
        match &mut self.kept {
            Some(kept) => {
                let asked = self.asked;
                let found = kept.found(&event, |event| find(asked, event));
                count(&mut self.tally, &event, found, once);
            }
            None => count(&mut self.tally, &event, &find(self.asked, &event).0, once),
        }
        written
    }
}

/// The lines of a block, without their breaks.
struct Lines<'b>(&'b [u8]);

impl<'b> Iterator for Lines<'b> {
    type Item = &'b [u8];

    fn next(&mut self) -> Option<&'b [u8]> {
        let all = self.0;
        if all.is_empty() {
            return None;
        }
        let end = memchr(b'\n', all).unwrap_or(all.len());
        self.0 = all.get(end + 1..).unwrap_or_default();
        all.get(..end)
    }
}

/// A text of the log, as it is printed.
fn shown(text: &str) -> String {
    cut(text, 80).into_owned()
}

/// What changes for an event, and the list that the reason is about.
fn find(asked: &ReplayInputs<'_>, event: &Event<'_>) -> (Finding, Option<ActionId>) {
    let new = match asked.new.decide(event, asked.given) {
        Ok(new) => new,
        Err(why) => return (Finding::Undecided(why), None),
    };
    let list_of = new.list_of;
    let found = match asked.old {
        None => with_event(event, &new, asked.new.is_one_policy),
        Some(old) => match old.decide(event, asked.given) {
            Ok(old) => with_old(&old, &new),
            Err(why) => Finding::Undecided(why),
        },
    };
    (found, list_of)
}

fn count(tally: &mut Tally, event: &Event<'_>, found: &Finding, once: Count) {
    match found {
        Finding::Undecided(Undecided::Unreadable(why)) => {
            tally.unreadable.add(&(why.name(), shown(&why.to_string())), once);
            return;
        }
        Finding::Undecided(why) => {
            tally.undecided.add(&(why.name(), why.to_string()), once);
            return;
        }
        Finding::Same => tally.same += 1,
        Finding::OtherReason => {
            tally.same += 1;
            tally.add_other_reason(once.first_line);
        }
        Finding::Changed(changed) => {
            let network = SourceNetwork::of(event.client_ip());
            let group = Group { network, changed: (**changed).clone() };
            tally.groups.entry(changed.change).or_default().add(&group, once);
        }
    }
    tally.decided += 1;
}

/// What was found for events that say the same.
struct Kept<'a> {
    entries: ClassEntries<'a>,
    places: HashMap<Box<[u8]>, usize, RandomState>,
    /// What was found, by place; the first is what was found last, if it is not kept.
    found: Vec<Finding>,
    key: Vec<u8>,
}

impl<'a> Kept<'a> {
    fn new(program: &'a Program) -> Option<Self> {
        Some(Self {
            entries: ClassEntries::new(program)?,
            places: HashMap::default(),
            found: vec![Finding::Same],
            key: Vec::new(),
        })
    }

    fn found(
        &mut self,
        event: &Event<'_>,
        find: impl FnOnce(&Event<'_>) -> (Finding, Option<ActionId>),
    ) -> &Finding {
        let class = self.entries.table().class(event.client_ip());
        self.make_key(event, class);
        let place = match self.places.get(&*self.key) {
            Some(place) => *place,
            None => self.find(event, class, find),
        };
        // INVARIANT: there is one at every place.
        self.found.get(place).unwrap_or(&Finding::Same)
    }

    #[cold]
    fn find(
        &mut self,
        event: &Event<'_>,
        class: ClassId,
        find: impl FnOnce(&Event<'_>) -> (Finding, Option<ActionId>),
    ) -> usize {
        let (found, list_of) = find(event);
        self.entries.learn(class, list_of);
        // With the entry, if there is one.
        self.make_key(event, class);
        if self.key.len() > MAX_KEY {
            self.found.first_mut().into_iter().for_each(|last| *last = found.clone());
            return 0;
        }
        if self.found.len() >= MAX_KEPT {
            self.places.clear();
            self.found.truncate(1);
        }
        self.places.insert(self.key.clone().into(), self.found.len());
        self.found.push(found);
        self.found.len() - 1
    }

    /// Everything that counts for an event, and the entry that its reason names.
    fn make_key(&mut self, event: &Event<'_>, class: ClassId) {
        self.key.clear();
        let entry = match self.entries.entry(class, event.client_ip()) {
            NamedEntry::NoList => 0,
            NamedEntry::NotListed => 1,
            NamedEntry::Entry(entry) => entry,
        };
        let reason = event.reason().map_or("\0", Text::raw);
        // A reason may begin with the client's address, which is another one in each event.
        let (own, rest) = match reason.strip_prefix(event.client_text()) {
            Some(rest) => (1_u64, rest),
            None => (0, reason),
        };
        let is_http = matches!(event.kind(), policy_core::events::EventKind::HttpRequestComplete);
        for number in [class.index() as u64, entry as u64, own, u64::from(is_http)] {
            self.key.extend_from_slice(&number.to_le_bytes());
        }
        let key = &mut self.key;
        let mut push = |text: &str| {
            key.extend_from_slice(&(text.len() as u64).to_le_bytes());
            key.extend_from_slice(text.as_bytes());
        };
        push(rest);
        event.each_decisive(push);
    }
}
