//! The online detector under no change and under one step, simulated.

use super::noise::{Draws, Noise};
use super::parallel::map_seeds;
use crate::detect::online::replay;
use crate::detect::settings::Settings;
use crate::detect::stats::robust::median;

/// Alarms per 1,000 looks over `count` series of 300 values without change; looks are counted from the 21st value.
#[must_use]
pub fn simulate_false_alarms(noise: Noise, settings: &Settings, seed: u64, count: usize) -> f64 {
    let alarms = map_seeds(count, |place| {
        let values = noise.draw(300, &mut Draws::new(seed, place as u64));
        replay(&values, settings).len()
    });
    alarms.iter().sum::<usize>() as f64 / (count as f64 * 280.0) * 1000.0
}

/// What became of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepPower {
    /// Share found within 20 values, at most 5 values beside the true place.
    pub found: f64,
    /// Median number of new values that it took.
    pub delay: f64,
}

/// One step by `factor` after `before` values.
#[must_use]
pub fn simulate_step(
    noise: Noise,
    factor: f64,
    before: usize,
    settings: &Settings,
    seed: u64,
    count: usize,
) -> StepPower {
    let delays: Vec<f64> = map_seeds(count, |place| {
        let mut values = noise.draw(before + 20, &mut Draws::new(seed, place as u64));
        for value in &mut values[before..] {
            *value *= factor;
        }
        replay(&values, settings)
            .iter()
            .filter(|a| a.index.abs_diff(before) <= 5 && a.seen_at >= before)
            .map(|a| (a.seen_at - before + 1) as f64)
            .reduce(f64::min)
    })
    .into_iter()
    .flatten()
    .collect();
    StepPower { found: delays.len() as f64 / count.max(1) as f64, delay: median(&delays) }
}
