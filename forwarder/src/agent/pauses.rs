//! How long an agent waits before it connects again.
//!
//! An edge that goes away loses all its agents at the same moment. They come back spread over [`CROWD`], and who comes
//! in vain waits at least as long again: so however long the edge was away, those who come for the first time and those
//! who come again do not meet, and in no second there is more than a tenth of them. A link that fell silent is one
//! agent's alone, which comes back soon.

use std::time::Duration;

use super::refusals::Lasts;

/// The first pause, and the longest. Half of a pause is drawn.
const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);
/// Over which time the agents of an edge that went away come back. Half of the longest pause is not shorter.
const CROWD: Duration = Duration::from_secs(15);

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// There was no session.
    NotConnected,
    /// The session fell silent.
    Alone,
    /// The session was ended, as those of the others perhaps.
    WithOthers,
}

/// The pauses of one agent.
#[derive(Debug)]
pub(super) struct Pauses {
    next: Duration,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { next: FIRST }
    }
}

impl Pauses {
    /// The next pause, by a number that is drawn from 0 to 1.
    pub(super) fn next(&mut self, lost: Lost, draw: f64) -> Duration {
        match lost {
            Lost::WithOthers => {
                self.next = LONGEST;
                return FIRST / 2 + CROWD.mul_f64(draw);
            }
            Lost::Alone => self.next = FIRST,
            Lost::NotConnected => {}
        }
        let pause = self.next;
        self.next = (pause * 2).min(LONGEST);
        pause / 2 + (pause / 2).mul_f64(draw)
    }
}

/// The pauses before an endpoint that was refused is asked for again: the first; the longest as long as the edge may
/// still have the session before; the longest of all.
const SOON: Pause = Pause { first: Duration::from_secs(1), longest: Duration::from_secs(5) };
const TAKEN: Duration = LONGEST;
/// The same for one that waits for somebody to change something.
const FINAL: Pause = Pause { first: Duration::from_secs(5), longest: Duration::from_secs(300) };

#[derive(Clone, Copy)]
struct Pause {
    first: Duration,
    longest: Duration,
}

/// How often an endpoint was refused, and for how long.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    number: u32,
    waited: Duration,
}

impl Refusals {
    /// The pause after one more refusal; half of it is drawn. The session before is lost after this time.
    pub(super) fn next(&mut self, lasts: Lasts, lost_after: Duration, draw: f64) -> Duration {
        let Pause { first, longest } = match lasts {
            Lasts::ForNow if self.waited > lost_after => Pause { longest: TAKEN, ..SOON },
            Lasts::ForNow => SOON,
            Lasts::ForGood => FINAL,
        };
        let pause = first.saturating_mul(1 << self.number.min(16)).min(longest);
        let pause = pause / 2 + (pause / 2).mul_f64(draw);
        self.number = self.number.saturating_add(1);
        self.waited = self.waited.saturating_add(pause);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGENTS: usize = 100_000;

    /// Numbers from 0 to 1 that are the same every time.
    fn draws() -> impl FnMut() -> f64 {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            f64::from(u32::try_from(state >> 32).expect("32 bits")) / f64::from(u32::MAX)
        }
    }

    #[test]
    fn however_long_an_edge_was_away_its_agents_come_in_turns() {
        let mut draw = draws();
        for away in [0, 1, 2, 5, 10, 15, 16, 20, 30, 45, 60, 300].map(Duration::from_secs) {
            let mut came: Vec<Duration> = (0..AGENTS)
                .map(|_| {
                    let mut pauses = Pauses::default();
                    let mut at = pauses.next(Lost::WithOthers, draw());
                    while at < away {
                        at += pauses.next(Lost::NotConnected, draw());
                    }
                    at - away
                })
                .collect();
            came.sort_unstable();
            let within =
                |from: usize| came.partition_point(|at| *at < came[from] + Duration::from_secs(1)) - from;
            let busiest = (0..AGENTS).step_by(10).map(within).max().expect("some");
            let late = came[AGENTS * 95 / 100];
            assert!(busiest <= AGENTS / 10, "{busiest} in one second after {away:?}");
            assert!(late <= Duration::from_secs(30), "p95 {late:?} after {away:?}");
        }
    }

    #[test]
    fn a_silent_link_is_tried_again_soon_and_then_less_often() {
        let mut pauses = Pauses::default();
        assert_eq!(pauses.next(Lost::Alone, 1.0), FIRST);
        let next: Vec<_> = (0..7).map(|_| pauses.next(Lost::NotConnected, 0.0).as_millis()).collect();
        assert_eq!(next, [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
        assert_eq!(pauses.next(Lost::Alone, 0.0), FIRST / 2, "a session that had begun begins it anew");
    }

    #[test]
    fn an_endpoint_that_is_taken_is_asked_for_often_until_the_session_before_is_lost_and_then_for_ever() {
        let lost_after = Duration::from_secs(25);
        for draw in [0.0, 1.0] {
            let (mut refusals, mut at) = (Refusals::default(), Duration::ZERO);
            let first = refusals.next(Lasts::ForNow, lost_after, draw);
            assert!(first <= Duration::from_secs(1), "{first:?}");
            while at <= lost_after {
                let pause = refusals.next(Lasts::ForNow, lost_after, draw);
                assert!(pause <= Duration::from_secs(5), "{pause:?} after {at:?}");
                at += pause;
            }
            for _ in 0..100 {
                let pause = refusals.next(Lasts::ForNow, lost_after, draw);
                assert!(pause <= LONGEST, "{pause:?}");
            }
            assert!(refusals.next(Lasts::ForNow, lost_after, draw) >= LONGEST / 2);
        }
        let mut refusals = Refusals::default();
        let pauses: Vec<_> =
            (0..8).map(|_| refusals.next(Lasts::ForGood, lost_after, 1.0).as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300]);
    }
}
