//! How long an agent waits before it connects again.
//!
//! An edge that goes away loses all its agents at the same moment. They come back spread over the time that it has told
//! them ([`ReturnTime`]), and who comes in vain waits at least as long again: so however long the edge was away, those
//! who come for the first time and those who come again do not meet, and in no second there is more than a tenth of
//! them, or a few. A link that fell silent is one agent's alone, which comes back soon.

use std::time::Duration;

use agent_link::ReturnTime;

use super::refusals::Lasts;

/// The first pause, and the maximum. Half of a pause is drawn.
const FIRST: Duration = Duration::from_millis(500);
const MAX: Duration = Duration::from_secs(30);

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
    pub(super) fn next(&mut self, lost: Lost, time: ReturnTime, draw: f64) -> Duration {
        match lost {
            Lost::WithOthers => {
                // Half of it is not drawn, and so not shorter than the time of all.
                self.next = (time.as_duration() * 2).min(MAX);
                return FIRST / 2 + time.as_duration().mul_f64(draw);
            }
            Lost::Alone => self.next = FIRST,
            Lost::NotConnected => {}
        }
        let pause = self.next;
        self.next = (pause * 2).min(MAX);
        pause / 2 + (pause / 2).mul_f64(draw)
    }
}

/// The pauses before an endpoint that was refused is asked for again: the first; the maximum as long as the edge may
/// still have the session before; the maximum of all.
const SOON: Pause = Pause { first: Duration::from_secs(1), max: Duration::from_secs(5) };
const TAKEN: Duration = MAX;
/// The same for one that waits for somebody to change something.
const FINAL: Pause = Pause { first: Duration::from_secs(5), max: Duration::from_secs(300) };

#[derive(Clone, Copy)]
struct Pause {
    first: Duration,
    max: Duration,
}

/// How often an endpoint was refused, and for how long.
#[derive(Debug, Default)]
pub(super) struct RefusalPauses {
    number: u32,
    waited: Duration,
}

impl RefusalPauses {
    /// The pause after one more refusal; half of it is drawn. The session before is lost after this time.
    pub(super) fn next(&mut self, lasts: Lasts, lost_after: Duration, draw: f64) -> Duration {
        let Pause { first, max } = match lasts {
            Lasts::ForNow if self.waited > lost_after => Pause { max: TAKEN, ..SOON },
            Lasts::ForNow => SOON,
            Lasts::ForGood => FINAL,
        };
        let pause = first.saturating_mul(1 << self.number.min(16)).min(max);
        let pause = pause / 2 + (pause / 2).mul_f64(draw);
        self.number = self.number.saturating_add(1);
        self.waited = self.waited.saturating_add(pause);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::random::Random;
    use crate::base::random::tests::seeded;

    /// When the agents of an edge that was away come back after it, in order. Each was told the time of those who had
    /// come before it, as an edge that has just started knows no others.
    fn come_back(agents: usize, away: Duration, random: &Random) -> Vec<Duration> {
        let back = |at: usize| {
            let (mut pauses, time) = (Pauses::default(), ReturnTime::for_agents(at + 1));
            let mut at = pauses.next(Lost::WithOthers, time, random.fraction());
            while at < away {
                at += pauses.next(Lost::NotConnected, time, random.fraction());
            }
            at - away
        };
        let mut came: Vec<_> = (0..agents).map(back).collect();
        came.sort_unstable();
        came
    }

    #[test]
    fn however_long_an_edge_was_away_its_agents_come_in_turns() {
        // So many at once are no crowd.
        const FEW: usize = 60;
        let random = seeded(1);
        for agents in [2, 10, 40, 75, 100, 200, 300, 500, 1_000, 10_000, 100_000] {
            for away in [0, 1, 2, 3, 5, 10, 15, 16, 20, 30, 45, 60, 300].map(Duration::from_secs) {
                let came = come_back(agents, away, &random);
                let within =
                    |from: usize| came.partition_point(|at| *at < came[from] + Duration::from_secs(1)) - from;
                let busiest = (0..agents).step_by((agents / 10_000).max(1)).map(within).max().expect("some");
                let late = came[agents * 95 / 100];
                let max = (agents / 10).max(FEW);
                assert!(busiest <= max, "{busiest} of {agents} in one second after {away:?}");
                assert!(late <= Duration::from_secs(30), "p95 {late:?} of {agents} after {away:?}");
            }
        }
    }

    #[test]
    fn a_few_agents_are_back_soon_after_an_edge_that_was_away_for_a_moment() {
        let random = seeded(1);
        // In seconds and milliseconds: how long it was away, and until when the last of them is back.
        for (away, by) in [(0, 1_250), (1, 2_000), (2, 4_000), (3, 4_000)] {
            let (away, by) = (Duration::from_secs(away), Duration::from_millis(by));
            for _ in 0..1_000 {
                let last = come_back(2, away, &random).pop().expect("two");
                assert!(last <= by, "{last:?} after {away:?}");
            }
        }
    }

    #[test]
    fn a_silent_link_is_tried_again_soon_and_then_less_often() {
        const ANY: ReturnTime = ReturnTime::UNKNOWN;
        let mut pauses = Pauses::default();
        assert_eq!(pauses.next(Lost::Alone, ANY, 1.0), FIRST);
        let next: Vec<_> = (0..7).map(|_| pauses.next(Lost::NotConnected, ANY, 0.0).as_millis()).collect();
        assert_eq!(next, [500, 1_000, 2_000, 4_000, 8_000, 15_000, 15_000]);
        assert_eq!(pauses.next(Lost::Alone, ANY, 0.0), FIRST / 2, "a session that had begun begins it anew");
    }

    #[test]
    fn an_endpoint_that_is_taken_is_asked_for_often_until_the_session_before_is_lost_and_then_for_ever() {
        let lost_after = Duration::from_secs(25);
        for draw in [0.0, 1.0] {
            let (mut refusals, mut at) = (RefusalPauses::default(), Duration::ZERO);
            let first = refusals.next(Lasts::ForNow, lost_after, draw);
            assert!(first <= Duration::from_secs(1), "{first:?}");
            while at <= lost_after {
                let pause = refusals.next(Lasts::ForNow, lost_after, draw);
                assert!(pause <= Duration::from_secs(5), "{pause:?} after {at:?}");
                at += pause;
            }
            for _ in 0..100 {
                let pause = refusals.next(Lasts::ForNow, lost_after, draw);
                assert!(pause <= MAX, "{pause:?}");
            }
            assert!(refusals.next(Lasts::ForNow, lost_after, draw) >= MAX / 2);
        }
        let mut refusals = RefusalPauses::default();
        let pauses: Vec<_> =
            (0..8).map(|_| refusals.next(Lasts::ForGood, lost_after, 1.0).as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 300, 300]);
    }
}
