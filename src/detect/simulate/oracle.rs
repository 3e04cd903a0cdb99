//! What no detector can beat: tests that know the noise and the size of a step, and its place or all but that.

use super::noise::Draws;
use super::parallel::map_seeds;
use crate::detect::stats::normal::{upper_quantile, upper_tail};

/// Newest values among which an oracle looks for the place, as the gate does.
const COUNTS: std::ops::RangeInclusive<usize> = 3..=20;
/// Simulated series of which the oracle's limit is taken: at an error of 0.17 % a hundred lie beyond it.
const QUIET_COUNT: usize = 60_000;

/// A history of normal noise of deviation 1 and known lag-1 correlation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct History {
    /// Values before the step.
    pub before: usize,
    /// Values since.
    pub after: usize,
    /// Correlation of neighbours (first-order autoregression), 0 to 1.
    pub rho: f64,
}

impl History {
    /// Power of the one-sided z-test that knows the place too (generalised least squares; Kendall and Ord 1990, 14), at
    /// the error `alpha`.
    #[must_use]
    pub fn power_of_place(&self, effect_sigma: f64, alpha: f64) -> f64 {
        upper_tail(upper_quantile(alpha) - effect_sigma * squares(&self.direction(self.after)).sqrt())
    }

    /// Power of the test that knows all but the place: by the likelihood ratio averaged over the places, which has the
    /// most power on average over them (Neyman and Pearson). Over `count` simulated series.
    #[must_use]
    pub fn power_of_scan(&self, effect_sigma: f64, alpha: f64, seed: u64, count: usize) -> f64 {
        let n = self.before + self.after;
        let directions: Vec<(Vec<f64>, f64)> = COUNTS
            .filter(|k| *k < n)
            .map(|k| {
                let direction = self.direction(k);
                let worth = squares(&direction);
                (direction, worth)
            })
            .collect();
        let step = self.direction(self.after);
        let ratio = |stream: u64, shift: f64| -> f64 {
            let mut draws = Draws::new(seed, stream);
            let values: Vec<f64> = step.iter().map(|part| draws.normal() + shift * part).collect();
            let of_place = |(direction, worth): &(Vec<f64>, f64)| {
                let distance: f64 = direction.iter().zip(&values).map(|(a, b)| a * b).sum();
                (effect_sigma * distance - 0.5 * effect_sigma * effect_sigma * worth).exp()
            };
            directions.iter().map(of_place).sum()
        };
        let mut quiet = map_seeds(QUIET_COUNT, |place| ratio(place as u64, 0.0));
        quiet.sort_by(|a, b| b.total_cmp(a));
        let limit = quiet[((QUIET_COUNT as f64 * alpha) as usize).min(QUIET_COUNT - 1)];
        let changed = map_seeds(count, |place| ratio((QUIET_COUNT + place) as u64, effect_sigma));
        changed.iter().filter(|ratio| **ratio > limit).count() as f64 / count.max(1) as f64
    }

    // What a step of the newest `count` values adds to values whose correlation, and whose unknown level, were taken out.
    fn direction(&self, count: usize) -> Vec<f64> {
        let n = self.before + self.after;
        let whiten = |value: &dyn Fn(usize) -> f64| -> Vec<f64> {
            let rest = (1.0 - self.rho * self.rho).sqrt();
            (0..n).map(|at| if at == 0 { value(0) } else { (value(at) - self.rho * value(at - 1)) / rest }).collect()
        };
        let level = whiten(&|_| 1.0);
        let mut step = whiten(&|at| if at >= n - count { 1.0 } else { 0.0 });
        let share = level.iter().zip(&step).map(|(a, b)| a * b).sum::<f64>() / squares(&level);
        step.iter_mut().zip(&level).for_each(|(part, level)| *part -= share * level);
        step
    }
}

fn squares(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALPHA: f64 = 0.01 / 6.0;

    // Python 3.11.7, statistics.NormalDist: 1 - cdf(inv_cdf(1 - .01 / 6) - 1.5 / sqrt(1 / 30 + 1 / 10)) = 0.879546.
    #[test]
    fn without_correlation_the_place_is_worth_what_two_means_are() {
        let history = History { before: 30, after: 10, rho: 0.0 };
        let power = history.power_of_place(1.5, ALPHA);
        assert!((power - 0.879_546).abs() < 1e-6, "{power}");
    }

    // NumPy 2.4.6: the same ratio by cumulative sums, 200,000 quiet and 50,000 changed series: 0.796.
    #[test]
    fn not_to_know_the_place_costs_power_and_so_does_correlation() {
        let plain = History { before: 30, after: 10, rho: 0.0 };
        let correlated = History { rho: 0.3, ..plain };
        let scanned = |history: &History| history.power_of_scan(1.5, ALPHA, 4, 1_000);
        let (known, searched) = (plain.power_of_place(1.5, ALPHA), scanned(&plain));
        assert!((searched - 0.796).abs() < 0.04 && searched < known, "{searched}");
        assert!(scanned(&correlated) < searched && correlated.power_of_place(1.5, ALPHA) < known);
    }
}
