//! Servers that cannot be reached: one line a second for each endpoint and kind of error, however many connections fail.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::setup::Offer;
use crate::base::log::{Line, Repeats};
use crate::base::platform::is_out_of_files;

const EVERY: Duration = Duration::from_secs(1);

/// Tells why servers cannot be reached. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Failures(Arc<Repeats<Failure>>);

/// What is told together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Failure {
    /// Of one endpoint, by the kind of the error and the system's number.
    Upstream(Box<str>, io::ErrorKind, Option<i32>),
    /// The files that this process, or the system, may open have run out.
    Files,
}

impl Default for Failures {
    fn default() -> Self {
        Self(Arc::new(Repeats::new(EVERY)))
    }
}

impl Failures {
    pub(super) fn report(&self, offer: &Offer, error: &io::Error) {
        let failure = Failure::new(offer, error);
        match self.0.line(&failure, Instant::now()) {
            Line::Write(before) => failure.write(&offer.upstream, error, before.saturating_add(1)),
            Line::Count(due) => {
                let (repeats, upstream) = (Arc::clone(&self.0), offer.upstream.to_string());
                let error = error.to_string();
                tokio::spawn(async move {
                    sleep(due).await;
                    let more = repeats.counted(&failure, Instant::now());
                    if more > 0 {
                        failure.write(&upstream, &error, more);
                    }
                });
            }
            Line::Counted => {}
        }
    }
}

impl Failure {
    fn new(offer: &Offer, error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) if is_out_of_files(number) => Self::Files,
            number => Self::Upstream(offer.name.clone(), error.kind(), number),
        }
    }

    /// One line for so many connections.
    fn write(&self, upstream: &dyn fmt::Display, error: &dyn fmt::Display, times: u64) {
        match (self, times) {
            (Self::Upstream(endpoint, ..), 1) => {
                tracing::warn!(endpoint = &**endpoint, %upstream, %error, "the upstream cannot be reached");
            }
            (Self::Upstream(endpoint, ..), times) => tracing::warn!(
                endpoint = &**endpoint,
                %upstream,
                %error,
                times,
                "the upstream cannot be reached: {times} connections failed"
            ),
            (Self::Files, times) => tracing::error!(
                %error,
                times,
                "connections fail: no more files can be opened; raise the limit of open files (`LimitNOFILE=`, \
                 `ulimit -n`)"
            ),
        }
    }
}
