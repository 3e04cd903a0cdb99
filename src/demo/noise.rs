//! Seeded noise: what real durations and counts look like.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};

/// Share of runs in which one step is far slower than usual, with no lasting cause.
const OUTLIER_SHARE: f64 = 0.02;

/// A repeatable source of noise.
pub(super) struct Noise(StdRng);

impl Noise {
    pub(super) fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    /// A log-normal draw by its median and the standard deviation of its logarithm: durations and
    /// counts are positive and lean to the right.
    pub(super) fn around(&mut self, median: f64, sigma: f64) -> f64 {
        let z: f64 = StandardNormal.sample(&mut self.0);
        median * (sigma * z).exp()
    }

    /// A duration: log-normal, now and then an outlier of 1.8 to 2.8 times.
    pub(super) fn duration_s(&mut self, median: f64, sigma: f64) -> f64 {
        let usual = self.around(median, sigma);
        if self.happens(OUTLIER_SHARE) { usual * self.between(1.8, 2.8) } else { usual }
    }

    /// A whole number around a median.
    #[allow(clippy::cast_possible_truncation, reason = "the cast saturates, and the medians are small")]
    pub(super) fn count(&mut self, median: f64, sigma: f64) -> i64 {
        self.around(median, sigma).round() as i64
    }

    /// A normal draw, held between 0 and 1.
    pub(super) fn score(&mut self, mean: f64, deviation: f64) -> f64 {
        let z: f64 = StandardNormal.sample(&mut self.0);
        (mean + deviation * z).clamp(0.0, 1.0)
    }

    pub(super) fn happens(&mut self, share: f64) -> bool {
        self.0.random_bool(share)
    }

    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        self.0.random_range(low..high)
    }

    /// 64 random bits.
    pub(super) fn bits(&mut self) -> u64 {
        self.0.random_range(0..=u64::MAX)
    }

    /// So many lower-case hex digits, at most 16.
    pub(super) fn hex(&mut self, digits: usize) -> String {
        let text = format!("{:016x}", self.bits());
        text.chars().take(digits).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_noise() {
        let draw = |seed| {
            let mut noise = Noise::new(seed);
            (0..5).map(|_| noise.duration_s(10.0, 0.1)).collect::<Vec<f64>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn the_median_and_the_spread_are_what_was_asked_for() {
        let mut noise = Noise::new(1);
        let mut logs: Vec<f64> = (0..20_001).map(|_| (noise.around(10.0, 0.2) / 10.0).ln()).collect();
        logs.sort_by(f64::total_cmp);
        assert!(logs[10_000].abs() < 0.01, "{}", logs[10_000]);
        // 84.13 % of a normal distribution lie below one standard deviation.
        assert!((logs[16_827] - 0.2).abs() < 0.01, "{}", logs[16_827]);
    }
}
