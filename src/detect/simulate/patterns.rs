//! Weekly patterns: is a step found beside one, and does one raise alarms?

use super::noise::Draws;
use super::parallel::map_seeds;
use crate::detect::settings::Settings;
use crate::detect::timed::replay_timed;
use crate::model::clock::UnixNanos;

/// 2026-01-05 00:00, a Monday.
const MONDAY: UnixNanos = 1_767_571_200_000_000_000;
const DAY: UnixNanos = 86_400_000_000_000;
/// Spread of the noise, in logarithms.
const NOISE: f64 = 0.03;

/// Daily runs about 100 that take `swing` less on Saturdays and Sundays (0.3 is 30 %), with their times.
#[must_use]
pub fn draw_weekly(count: usize, swing: f64, seed: u64) -> (Vec<UnixNanos>, Vec<f64>) {
    let mut draws = Draws::new(seed, 77);
    (0..count)
        .map(|day| {
            let level = if day % 7 >= 5 { 100.0 * (1.0 - swing) } else { 100.0 };
            (MONDAY + day as UnixNanos * DAY, level * (NOISE * draws.normal()).exp())
        })
        .unzip()
}

/// What became of daily runs with a weekly pattern.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PatternRow {
    /// Share with an alarm within 20 values of a step after 70, at most 5 beside its place.
    pub found: f64,
    /// Alarms per 1,000 looks without a step, over 300 values, counted from the 21st.
    pub false_alarms: f64,
}

/// `count` series whose weekends lie lower by `swing`; the step is by `factor`, and `timed` says whether times are known.
#[must_use]
pub fn simulate_pattern(swing: f64, factor: f64, timed: bool, seed: u64, count: usize) -> PatternRow {
    let settings = Settings::default();
    let raised = |values: &[f64], times: &[UnixNanos]| replay_timed(values, if timed { times } else { &[] }, &settings);
    let seed_of = |place: usize| seed.wrapping_mul(1_000_003).wrapping_add(place as u64);
    let found = map_seeds(count, |place| {
        let (times, mut values) = draw_weekly(90, swing, seed_of(place));
        values.iter_mut().skip(70).for_each(|value| *value *= factor);
        raised(&values, &times).iter().any(|r| r.alarm.index.abs_diff(70) <= 5 && r.alarm.seen_at >= 70)
    });
    let alarms = map_seeds(count, |place| {
        let (times, values) = draw_weekly(300, swing, seed_of(place + count));
        raised(&values, &times).len()
    });
    PatternRow {
        found: found.iter().filter(|hit| **hit).count() as f64 / count.max(1) as f64,
        false_alarms: alarms.iter().sum::<usize>() as f64 / (count as f64 * 0.28),
    }
}
