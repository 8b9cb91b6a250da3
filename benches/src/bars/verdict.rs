//! What a bar demands and what a list of samples says about it.

use std::fmt;

/// A limit with its direction.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Gate {
    /// The value must not be greater than the first; the second is what we would like.
    AtMost(f64, f64),
    /// The value must not be less than the first; the second is what we would like.
    AtLeast(f64, f64),
}

impl Gate {
    /// The value demanded.
    #[must_use]
    pub const fn limit(self) -> f64 {
        match self {
            Self::AtMost(limit, _) | Self::AtLeast(limit, _) => limit,
        }
    }

    /// The value hoped for.
    #[must_use]
    pub const fn stretch(self) -> f64 {
        match self {
            Self::AtMost(_, stretch) | Self::AtLeast(_, stretch) => stretch,
        }
    }

    /// The sign in the report.
    #[must_use]
    pub const fn sign(self) -> char {
        match self {
            Self::AtMost(..) => '≤',
            Self::AtLeast(..) => '≥',
        }
    }

    /// Judges quartiles: failed only if all of them lie beyond the limit.
    #[must_use]
    pub fn judge(self, quartiles: Quartiles) -> Verdict {
        let (passed, failed) = match self {
            Self::AtMost(limit, _) => (quartiles.median <= limit, quartiles.low > limit),
            Self::AtLeast(limit, _) => (quartiles.median >= limit, quartiles.high < limit),
        };
        match (passed, failed) {
            (true, _) => Verdict::Pass,
            (false, true) => Verdict::Fail,
            (false, false) => Verdict::Noise,
        }
    }

    /// Whether the median is as good as hoped for.
    #[must_use]
    pub fn stretches(self, quartiles: Quartiles) -> bool {
        match self {
            Self::AtMost(_, stretch) => quartiles.median <= stretch,
            Self::AtLeast(_, stretch) => quartiles.median >= stretch,
        }
    }
}

/// What a bar comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The median keeps the limit.
    Pass,
    /// The whole inter-quartile range lies beyond the limit.
    Fail,
    /// The median lies beyond the limit, part of the inter-quartile range does not.
    Noise,
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Noise => "noise",
        })
    }
}

/// The middle of a list of samples and the ends of its inner half.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quartiles {
    /// A quarter lies below.
    pub low: f64,
    /// A half lies below.
    pub median: f64,
    /// A quarter lies above.
    pub high: f64,
}

impl Quartiles {
    /// The quartiles of samples, between two of them by their distance; not a number for none.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "few samples")]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the list")]
    pub fn from_samples(samples: &[f64]) -> Self {
        let mut sorted = samples.to_vec();
        sorted.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let place = part * sorted.len().saturating_sub(1) as f64;
            let value = |place: f64| sorted.get(place as usize).copied().unwrap_or(f64::NAN);
            let (below, above) = (value(place.floor()), value(place.ceil()));
            below + (above - below) * place.fract()
        };
        Self { low: at(0.25), median: at(0.5), high: at(0.75) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_lie_between_samples() {
        let quartiles = Quartiles::from_samples(&[4.0, 1.0, 3.0, 2.0]);
        assert_eq!(quartiles, Quartiles { low: 1.75, median: 2.5, high: 3.25 });
        assert_eq!(Quartiles::from_samples(&[7.0]), Quartiles { low: 7.0, median: 7.0, high: 7.0 });
        assert!(Quartiles::from_samples(&[]).median.is_nan());
    }

    #[test]
    fn only_a_whole_range_beyond_the_limit_fails() {
        let quartiles = Quartiles { low: 1.0, median: 2.0, high: 3.0 };
        for (gate, verdict) in [
            (Gate::AtMost(2.0, 1.0), Verdict::Pass),
            (Gate::AtMost(1.5, 1.0), Verdict::Noise),
            (Gate::AtMost(0.5, 0.1), Verdict::Fail),
            (Gate::AtLeast(2.0, 9.0), Verdict::Pass),
            (Gate::AtLeast(2.5, 9.0), Verdict::Noise),
            (Gate::AtLeast(3.5, 9.0), Verdict::Fail),
        ] {
            assert_eq!(gate.judge(quartiles), verdict, "{gate:?}");
        }
        assert!(Gate::AtMost(9.0, 2.0).stretches(quartiles) && !Gate::AtLeast(1.0, 2.5).stretches(quartiles));
    }

    #[test]
    fn nothing_measured_is_no_pass() {
        let quartiles = Quartiles::from_samples(&[]);
        assert_eq!(Gate::AtMost(1.0, 1.0).judge(quartiles), Verdict::Noise);
    }
}
