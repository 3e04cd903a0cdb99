//! The gate under no change and under known changes: pipelines of six metrics, simulated.

use statrs::function::factorial::ln_binomial;

use super::noise::{Draws, Noise};
use super::parallel::map_seeds;
use crate::detect::gate::{GateSettings, Newest, judge, likeliest_change};
use crate::model::{Better, Metric, Series, SeriesContext, SeriesKey, SeriesPoint};

/// Metrics of a simulated pipeline.
pub(super) const METRICS: [Metric; 6] =
    [Metric::Duration, Metric::Cost, Metric::InputTokens, Metric::PeakMemory, Metric::Quality, Metric::SuccessRate];
const HOUR_NS: i64 = 3_600_000_000_000;
const FAILING_SHARE: f64 = 0.05;

/// One setting of a simulated history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Noise of the level metrics.
    pub noise: Noise,
    /// Runs before.
    pub before: usize,
    /// New runs.
    pub after: usize,
    /// The new runs are those of a branch, compared with its base.
    pub branch: bool,
    /// Which metric changes, for the worse, by how many deviations of its noise; for the success rate, the new share of
    /// failing runs.
    pub change: Option<(Metric, f64)>,
}

/// Shares over simulated pipelines.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Share of pipelines with an actionable finding.
    pub actionable: f64,
    /// Share of pipelines in which the changed metric has an actionable finding.
    pub found: f64,
    /// Median distance, in runs, of the named run from the true one, among those found.
    pub distance: f64,
}

/// Judges `count` simulated pipelines.
#[must_use]
pub fn simulate_gate(plan: &Plan, seed: u64, count: usize) -> Rates {
    let settings = settings_of(plan);
    let results = map_seeds(count, |place| {
        let series = draw_pipeline(plan, &mut Draws::new(seed, place as u64));
        let verdict = judge(&series, &settings);
        let hit = verdict.findings.iter().find(|f| f.actionable && plan.change.is_some_and(|(m, _)| m == f.metric));
        let distance = hit.and_then(|f| f.since_run.parse::<f64>().ok()).map(|run| (run - plan.before as f64).abs());
        (verdict.findings.iter().any(|f| f.actionable), hit.is_some(), distance)
    });
    let share = |hits: usize| hits as f64 / count.max(1) as f64;
    let distances: Vec<f64> = results.iter().filter_map(|(_, _, d)| *d).collect();
    Rates {
        actionable: share(results.iter().filter(|(any, _, _)| *any).count()),
        found: share(results.iter().filter(|(_, hit, _)| *hit).count()),
        distance: crate::detect::stats::robust::median(&distances),
    }
}

/// Share of p-values at or below each of `levels`, over `count` series of one metric without change: that of the level
/// itself where p-values are uniform.
#[must_use]
pub fn simulate_p_values(plan: &Plan, metric: Metric, levels: &[f64], seed: u64, count: usize) -> Vec<f64> {
    let settings = settings_of(plan);
    let p_values = map_seeds(count, |place| {
        let series = draw_series(plan, metric, &mut Draws::new(seed, place as u64));
        likeliest_change(&series, &settings).map_or(1.0, |found| found.p_value)
    });
    let share = |level: &f64| p_values.iter().filter(|p| *p <= level).count() as f64 / count.max(1) as f64;
    levels.iter().map(share).collect()
}

/// Share of the 95 % intervals of the difference that hold the true one, over `count` series of the plan's change.
#[must_use]
pub fn simulate_coverage(plan: &Plan, seed: u64, count: usize) -> f64 {
    let (settings, metric) = (settings_of(plan), plan.change.map_or(Metric::Duration, |(metric, _)| metric));
    let size = plan.change.map_or(0.0, |(_, size)| size);
    // Medians of the noises are 100, but for the log-normal, whose mean is.
    let median = if let Noise::LogNormal(cv) = plan.noise { 100.0 / (1.0 + cv * cv).sqrt() } else { 100.0 };
    let truth = median * ((size * plan.noise.log_sigma()).exp() - 1.0);
    let holds = map_seeds(count, |place| {
        let series = draw_series(plan, metric, &mut Draws::new(seed, place as u64));
        likeliest_change(&series, &settings).map(|found| found.difference.0 <= truth && truth <= found.difference.1)
    });
    let known: Vec<bool> = holds.into_iter().flatten().collect();
    known.iter().filter(|held| **held).count() as f64 / known.len().max(1) as f64
}

/// Settings under which a plan is judged.
#[must_use]
pub fn settings_of(plan: &Plan) -> GateSettings {
    let newest =
        if plan.branch { Newest::Branch { branch: "topic".to_owned(), base: "main".to_owned() } } else { Newest::Last };
    GateSettings { newest, ..GateSettings::default() }
}

/// Power of the one-sided binomial test that knows the place and the share before, at most at the error `alpha`.
#[must_use]
pub fn oracle_rate_power(before: f64, after: f64, count: u64, alpha: f64) -> f64 {
    let tail = |share: f64, hits: u64| -> f64 {
        (hits..=count)
            .map(|h| (ln_binomial(count, h) + h as f64 * share.ln() + (count - h) as f64 * (1.0 - share).ln()).exp())
            .sum()
    };
    (0..=count).find(|hits| tail(before, *hits) <= alpha).map_or(0.0, |hits| tail(after, hits))
}

/// Draws the six series of one pipeline.
pub fn draw_pipeline(plan: &Plan, draws: &mut Draws) -> Vec<Series> {
    METRICS.iter().flat_map(|metric| draw_series(plan, *metric, draws)).collect()
}

fn draw_series(plan: &Plan, metric: Metric, draws: &mut Draws) -> Vec<Series> {
    let count = plan.before + plan.after;
    let changed = plan.change.filter(|(which, _)| *which == metric).map(|(_, size)| size);
    let values: Vec<f64> = if metric == Metric::SuccessRate {
        (0..count)
            .map(|i| {
                let share = changed.filter(|_| i >= plan.before).unwrap_or(FAILING_SHARE);
                if draws.uniform() < share { 0.0 } else { 1.0 }
            })
            .collect()
    } else {
        let sign = if metric.better() == Better::Lower { 1.0 } else { -1.0 };
        let factor = (sign * changed.unwrap_or(0.0) * plan.noise.log_sigma()).exp();
        let scale = if metric == Metric::Quality { 0.008 } else { 1.0 };
        let drawn = plan.noise.draw(count, draws);
        drawn.iter().enumerate().map(|(i, v)| scale * v * if i >= plan.before { factor } else { 1.0 }).collect()
    };
    if plan.branch {
        vec![
            make_series(metric, Some("main"), &values[..plan.before], 0),
            make_series(metric, Some("topic"), &values[plan.before..], plan.before),
        ]
    } else {
        vec![make_series(metric, None, &values, 0)]
    }
}

fn make_series(metric: Metric, branch: Option<&str>, values: &[f64], first: usize) -> Series {
    let context = SeriesContext { branch: branch.map(str::to_owned), ..SeriesContext::default() };
    let points = values
        .iter()
        .zip(first..)
        .map(|(value, run)| SeriesPoint {
            run_key: run.to_string().into(),
            run_id: run.to_string().into(),
            started_at: 1_700_000_000_000_000_000 + run as i64 * HOUR_NS,
            value: *value,
            revision: None,
            model: None,
            input_size: None,
        })
        .collect();
    Series { key: SeriesKey { pipeline: "simulated".to_owned(), step: None, metric, context }, points }
}
