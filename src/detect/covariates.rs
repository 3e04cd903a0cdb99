//! Covariates that vary from run to run, and daily and weekly patterns: what they explain is taken out before a series
//! is judged.
//!
//! Effects are estimated from neighbouring runs alone, by least absolute deviations through the origin: a level change
//! touches one pair of neighbours, so that it neither passes for an effect nor is taken for one. A covariate that
//! changed once and stayed is no covariate but a cause: that is told, not taken out.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::seasons::Patterns;
use super::stats::robust::{mad, median};
use crate::model::clock::UnixNanos;
use crate::model::{Metric, Series, SeriesPoint};

/// Pairs of neighbouring runs below which an effect is not known.
const PAIRS_MIN: usize = 12;
/// Pairs that one model needs.
const MODEL_PAIRS_MIN: usize = 6;
/// Share of the spread that must go, or the covariate stays where it is.
const GAIN_MIN: f64 = 0.15;
/// Least difference of the logarithms of two input sizes that says something.
const SIZE_STEP_MIN: f64 = 0.01;

/// A series without what covariates explain.
#[derive(Debug)]
pub struct Adjusted<'a> {
    /// The series at the usual input size, model, hour and weekday.
    pub series: Cow<'a, Series>,
    /// What was taken out: `input_size`, `model`, `hour`, `weekday`.
    pub adjusted_for: Vec<String>,
}

/// Takes out what input size, model, hour and weekday explain.
#[must_use]
pub fn take_out(series: &Series) -> Adjusted<'_> {
    let mut adjusted = Adjusted { series: Cow::Borrowed(series), adjusted_for: Vec::new() };
    let points = &series.points;
    let skewed = !matches!(series.key.metric, Metric::Quality | Metric::SuccessRate);
    if !skewed || points.len() <= PAIRS_MIN || points.iter().any(|p| !p.value.is_finite() || p.value <= 0.0) {
        return adjusted;
    }
    let mut logs: Vec<f64> = points.iter().map(|p| p.value.ln()).collect();
    for (name, effects) in [("input_size", size_effects(points, &logs)), ("model", model_effects(points, &logs))] {
        let Some(effects) = effects else { continue };
        let without: Vec<f64> = logs.iter().zip(&effects).map(|(value, effect)| value - effect).collect();
        if spread(&without) <= (1.0 - GAIN_MIN) * spread(&logs) {
            logs = without;
            adjusted.adjusted_for.push(name.to_owned());
        }
    }
    let times: Vec<UnixNanos> = points.iter().map(|p| p.started_at).collect();
    let patterns = Patterns::find(&times, &logs);
    if !patterns.is_empty() {
        logs.iter_mut().zip(&times).for_each(|(value, at)| *value -= patterns.effect(*at));
        adjusted.adjusted_for.extend(patterns.names());
    }
    if !adjusted.adjusted_for.is_empty() {
        let mut own = series.clone();
        for (point, value) in own.points.iter_mut().zip(logs) {
            point.value = value.exp();
        }
        adjusted.series = Cow::Owned(own);
    }
    adjusted
}

// Spread of the differences of neighbours: level changes do not count.
fn spread(logs: &[f64]) -> f64 {
    let steps: Vec<f64> = logs.windows(2).map(|pair| pair[1] - pair[0]).collect();
    mad(&steps, median(&steps))
}

fn size_effects(points: &[SeriesPoint], logs: &[f64]) -> Option<Vec<f64>> {
    let sizes: Vec<f64> =
        points.iter().map(|p| p.input_size.filter(|size| *size > 0.0).map(f64::ln)).collect::<Option<_>>()?;
    let pairs: Vec<(f64, f64)> = sizes
        .windows(2)
        .zip(logs.windows(2))
        .map(|(x, y)| (x[1] - x[0], y[1] - y[0]))
        .filter(|(x, _)| x.abs() >= SIZE_STEP_MIN)
        .collect();
    if pairs.len() < PAIRS_MIN {
        return None;
    }
    // Work that shrinks as the input grows, or grows by its cube, is an accident of the sample.
    let slope = slope_through_origin(&pairs).clamp(0.0, 3.0);
    let usual = median(&sizes);
    (slope > 0.0).then(|| sizes.iter().map(|size| slope * (size - usual)).collect())
}

/// Least absolute deviations of y = slope x: the median of y / x, weighted by |x| (Laplace; Bloomfield and Steiger 1983).
fn slope_through_origin(pairs: &[(f64, f64)]) -> f64 {
    let mut slopes: Vec<(f64, f64)> = pairs.iter().map(|(x, y)| (y / x, x.abs())).collect();
    slopes.sort_by(|a, b| a.0.total_cmp(&b.0));
    let half = slopes.iter().map(|(_, weight)| weight).sum::<f64>() / 2.0;
    let mut seen = 0.0;
    for (slope, weight) in &slopes {
        seen += weight;
        if seen >= half {
            return *slope;
        }
    }
    0.0
}

fn model_effects(points: &[SeriesPoint], logs: &[f64]) -> Option<Vec<f64>> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for model in points.iter().filter_map(|p| p.model.as_deref()) {
        *counts.entry(model).or_default() += 1;
    }
    let usual = *counts.iter().max_by_key(|(_, count)| **count)?.0;
    let mut steps: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (pair, values) in points.windows(2).zip(logs.windows(2)) {
        let step = values[1] - values[0];
        match (pair[0].model.as_deref(), pair[1].model.as_deref()) {
            (Some(from), Some(to)) if from == usual && to != usual => steps.entry(to).or_default().push(step),
            (Some(from), Some(to)) if to == usual && from != usual => steps.entry(from).or_default().push(-step),
            _ => {}
        }
    }
    steps.retain(|_, steps| steps.len() >= MODEL_PAIRS_MIN);
    let effects: BTreeMap<&str, f64> = steps.into_iter().map(|(model, steps)| (model, median(&steps))).collect();
    let effect = |p: &SeriesPoint| p.model.as_deref().and_then(|model| effects.get(model)).copied().unwrap_or(0.0);
    (!effects.is_empty()).then(|| points.iter().map(effect).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::simulate::noise::Draws;
    use crate::model::{SeriesContext, SeriesKey};

    fn series(values: &[(f64, Option<&str>, Option<f64>)]) -> Series {
        let points = values
            .iter()
            .enumerate()
            .map(|(at, (value, model, input_size))| SeriesPoint {
                run_key: at.to_string().into(),
                run_id: at.to_string().into(),
                started_at: at as i64,
                value: *value,
                revision: None,
                model: model.map(Into::into),
                input_size: *input_size,
            })
            .collect();
        let key = SeriesKey {
            pipeline: "p".to_owned(),
            step: None,
            metric: Metric::Duration,
            context: SeriesContext::default(),
        };
        Series { key, points }
    }

    fn level(series: &Series, range: std::ops::Range<usize>) -> f64 {
        median(&series.points[range].iter().map(|p| p.value).collect::<Vec<_>>())
    }

    #[test]
    fn input_size_is_taken_out_and_a_step_stays() {
        let mut draws = Draws::new(4, 1);
        let values: Vec<_> = (0..60)
            .map(|at| {
                let size = (0.8 * draws.normal()).exp() * 1000.0;
                let step = if at >= 40 { 1.3 } else { 1.0 };
                (10.0 * (size / 1000.0) * step * (0.03 * draws.normal()).exp(), None, Some(size))
            })
            .collect();
        let given = series(&values);
        let adjusted = take_out(&given);
        assert_eq!(adjusted.adjusted_for, ["input_size"]);
        let ratio = level(&adjusted.series, 40..60) / level(&adjusted.series, 0..40);
        assert!((ratio - 1.3).abs() < 0.04, "{ratio}");
    }

    #[test]
    fn models_that_alternate_are_taken_out_and_a_switch_is_left() {
        let mut draws = Draws::new(5, 1);
        let mut draw = |large: bool, at: usize| {
            let value = if large { 3.0 } else { 1.0 } * (0.05 * draws.normal()).exp();
            let _ = at;
            (value, Some(if large { "large" } else { "small" }), None)
        };
        let mixed: Vec<_> = (0..60).map(|at| draw(at % 3 == 0, at)).collect();
        let given = series(&mixed);
        let adjusted = take_out(&given);
        assert_eq!(adjusted.adjusted_for, ["model"]);
        assert!(adjusted.series.points.iter().all(|p| p.value < 1.5));
        let switched: Vec<_> = (0..60).map(|at| draw(at >= 40, at)).collect();
        assert!(take_out(&series(&switched)).adjusted_for.is_empty());
    }

    #[test]
    fn a_covariate_that_explains_nothing_is_left_alone() {
        let mut draws = Draws::new(6, 1);
        let values: Vec<_> =
            (0..60).map(|_| ((0.1 * draws.normal()).exp(), None, Some((0.8 * draws.normal()).exp()))).collect();
        let given = series(&values);
        assert!(matches!(take_out(&given).series, Cow::Borrowed(_)));
    }
}
