//! Ramps, spreads, single odd values and failure rates: is each found as what it is?

use super::noise::{Draws, Noise};
use super::parallel::map_seeds;
use crate::detect::events::{EventKind, find_events};
use crate::detect::online::{ChangeKind, replay};
use crate::detect::segment::find_with_alarms;
use crate::detect::settings::Settings;

/// What happens to a series after its first values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// Rises by this share of the level a value.
    Ramp(f64),
    /// Rises by this share of the level at once.
    Step(f64),
    /// The spread is this many times what it was.
    Spread(f64),
    /// One value this many times its level, then as before.
    Outlier(f64),
}

/// Shares of series, by what was said of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShapeRow {
    /// What happened.
    pub shape: Shape,
    /// Share with a level alarm after it began.
    pub alarm: f64,
    /// Share of all level alarms after it began that are called a drift; NaN without any.
    pub alarms_drift: f64,
    /// The same of change points with hindsight.
    pub points_drift: f64,
    /// Share with a variance event near its begin or later.
    pub variance: f64,
    /// Share with an outlier event at its place.
    pub outlier: f64,
}

// Alarm, variance, outlier; drifts among alarms, alarms, drifts among change points, change points.
type Said = (bool, bool, bool, [usize; 4]);

/// `count` series of normal noise, coefficient of variation `cv`, to which `shape` happens after `before` of `before +
/// after` values.
#[must_use]
pub fn simulate_shape(shape: Shape, cv: f64, before: usize, after: usize, seed: u64, count: usize) -> ShapeRow {
    let settings = Settings::default();
    let said = map_seeds(count, |place| {
        let mut values = Noise::Normal(cv).draw(before + after, &mut Draws::new(seed, place as u64));
        for (step, value) in values[before..].iter_mut().enumerate() {
            match shape {
                Shape::Ramp(share) => *value *= 1.0 + share * (step + 1) as f64,
                Shape::Step(share) => *value *= 1.0 + share,
                Shape::Spread(ratio) => *value = 100.0 + (*value - 100.0) * ratio,
                Shape::Outlier(factor) if step == 0 => *value *= factor,
                Shape::Outlier(_) => {}
            }
        }
        let raised = replay(&values, &settings);
        let points = find_with_alarms(&values, &raised, &settings);
        let events = find_events(&values, &points, &settings);
        let late: Vec<ChangeKind> = raised.iter().filter(|a| a.seen_at >= before).map(|a| a.kind).collect();
        let drifts = |kinds: &[ChangeKind]| kinds.iter().filter(|kind| **kind == ChangeKind::Drift).count();
        let of_points: Vec<ChangeKind> = points.iter().map(|p| p.kind).collect();
        let any =
            |kind: EventKind, near: &dyn Fn(usize) -> bool| events.iter().any(|e| e.kind == kind && near(e.index));
        (
            raised.iter().any(|a| a.seen_at >= before),
            any(EventKind::Variance, &|index| index + 20 >= before),
            any(EventKind::Outlier, &|index| index == before),
            [drifts(&late), late.len(), drifts(&of_points), of_points.len()],
        )
    });
    let share = |of: fn(&Said) -> bool| said.iter().filter(|s| of(s)).count() as f64 / count.max(1) as f64;
    let total = |place: usize| said.iter().map(|s| s.3[place]).sum::<usize>() as f64;
    let (alarms_drift, points_drift) = (total(0) / total(1), total(2) / total(3));
    let (alarm, variance, outlier) = (share(|s| s.0), share(|s| s.1), share(|s| s.2));
    ShapeRow { shape, alarm, alarms_drift, points_drift, variance, outlier }
}

/// A failure rate that changes, or not, as values come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateRow {
    /// Share of failures before.
    pub before: f64,
    /// Share after.
    pub after: f64,
    /// Share of series with an alarm within 20, 40 and 60 values.
    pub found: [f64; 3],
    /// Alarms per 1,000 looks without change, at the share before.
    pub false_alarms: f64,
}

/// `count` series of 60 runs that fail with the share `before`, then 60 with the share `after`.
#[must_use]
pub fn simulate_rate(before: f64, after: f64, seed: u64, count: usize) -> RateRow {
    let settings = Settings::default();
    let draw = |draws: &mut Draws, n: usize, changed_at: usize| -> Vec<f64> {
        let share = |place: usize| if place < changed_at { before } else { after };
        (0..n).map(|place| if draws.uniform() < share(place) { 1.0 } else { 0.0 }).collect()
    };
    let seen = map_seeds(count, |place| {
        let values = draw(&mut Draws::new(seed, place as u64), 120, 60);
        replay(&values, &settings).iter().filter(|a| a.seen_at >= 60 && a.evidence > 0.0).map(|a| a.seen_at - 59).min()
    });
    let alarms =
        map_seeds(count, |place| replay(&draw(&mut Draws::new(seed + 1, place as u64), 300, 300), &settings).len());
    let within = |most: usize| seen.iter().flatten().filter(|d| **d <= most).count() as f64 / count.max(1) as f64;
    let false_alarms = alarms.iter().sum::<usize>() as f64 / (count as f64 * 0.28);
    RateRow { before, after, found: [within(20), within(40), within(60)], false_alarms }
}
