//! The newest runs of a pipeline against those before them.

use std::collections::BTreeMap;

use crate::detect::stats::multiple::adjust_false_discovery;
use crate::detect::stats::rank::{estimate_shift, test_rank_sum};
use crate::detect::stats::rate::{rate_difference_interval, test_rate_rise};
use crate::detect::stats::robust::{mean, median};
use crate::model::unit::format_time;
use crate::model::{Better, Metric, Series};
use crate::report::Estimate;
use crate::report::comparison::{Change, ChangeWord, PipelineComparison, StepChange, Window};
use crate::store::RunValues;

use super::rows::Owner;
use super::tracks::Track;

/// Runs of a window.
pub(super) const WINDOW_RUNS: usize = 20;
/// Steps that are told: those that moved most.
const STEPS_MAX: usize = 200;
/// Fewer values than this on either side say nothing.
const VALUES_MIN: usize = 5;
/// Largest share of false ones among the differences of one pipeline that are called real.
const FALSE_DISCOVERY_MAX: f64 = 0.01;
/// Smaller differences are called noise, however sure.
const EFFECT_PERCENT_MIN: f64 = 2.0;

/// Contexts of a pipeline that are compared.
const CONTEXTS_MAX: usize = 3;
/// Fewer runs than this of a context besides the busiest are not.
const CONTEXT_RUNS_MIN: usize = WINDOW_RUNS + VALUES_MIN;

/// Both windows of one metric.
struct Sides {
    metric: Metric,
    step: Option<String>,
    a: Vec<f64>,
    b: Vec<f64>,
}

struct Judged {
    a: Option<f64>,
    b: Option<f64>,
    change_percent: Option<Estimate>,
    p_value: Option<f64>,
}

/// Compares the newest runs of one pipeline with those before, context by context, so that a difference between two
/// branches or machines is none of the pipeline: every context with enough runs, at least the busiest.
pub(super) fn compare(owner: &Owner, tracks: &[&Track], runs: &RunValues, own: &[usize]) -> Vec<PipelineComparison> {
    let mut by_context: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for place in own {
        by_context.entry(runs.runs[*place].context).or_default().push(*place);
    }
    let mut contexts: Vec<(usize, Vec<usize>)> = by_context.into_iter().collect();
    contexts.sort_by_key(|(_, places)| std::cmp::Reverse((places.len(), places.last().copied())));
    let enough = |(at, (_, places)): &(usize, &(usize, Vec<usize>))| *at == 0 || places.len() >= CONTEXT_RUNS_MIN;
    let chosen: Vec<_> = contexts.iter().enumerate().filter(enough).take(CONTEXTS_MAX).map(|(_, one)| one).collect();
    let told: usize = chosen.iter().map(|(_, places)| places.len()).sum();
    let left = own.len() - told;
    chosen
        .iter()
        .enumerate()
        .filter_map(|(at, (context, places))| {
            let context = &runs.contexts[*context].1;
            let same: Vec<&Track> = tracks.iter().copied().filter(|track| track.context() == context).collect();
            let found = compare_context(owner, &same, runs, places)?;
            let note = (at == 0 && left > 0).then(|| format!("{left} runs in other contexts are left out"));
            Some(PipelineComparison { context: Some(context.clone()), note, ..found })
        })
        .collect()
}

fn compare_context(owner: &Owner, tracks: &[&Track], runs: &RunValues, own: &[usize]) -> Option<PipelineComparison> {
    let cut = own.len().saturating_sub(WINDOW_RUNS);
    let (first, split) = (own.get(cut.saturating_sub(WINDOW_RUNS))?, own.get(cut)?);
    let (metrics, steps) = decide(&pool(tracks, *first, *split));
    Some(PipelineComparison {
        pipeline: owner.pipeline.clone(),
        service: owner.service.clone(),
        context: None,
        note: None,
        a: window(runs, &own[cut.saturating_sub(WINDOW_RUNS)..cut]),
        b: window(runs, &own[cut..]),
        metrics,
        steps,
    })
}

/// Compares any two sets of runs of one kind of work: all that is given, see [`alike`](super::alike).
#[must_use]
pub fn compare_series(a: &[Series], b: &[Series]) -> (Vec<Change>, Vec<StepChange>) {
    let mut sides: BTreeMap<(Option<&str>, Metric), Sides> = BTreeMap::new();
    for (set, is_b) in [(a, false), (b, true)] {
        for series in set {
            let key = (series.key.step.as_deref(), series.key.metric);
            let side = sides.entry(key).or_insert_with(|| Sides {
                metric: series.key.metric,
                step: series.key.step.clone(),
                a: Vec::new(),
                b: Vec::new(),
            });
            let values = series.points.iter().map(|point| point.value);
            if is_b { side.b.extend(values) } else { side.a.extend(values) }
        }
    }
    decide(&sides.into_values().collect::<Vec<_>>())
}

fn decide(sides: &[Sides]) -> (Vec<Change>, Vec<StepChange>) {
    let judged: Vec<Judged> = sides.iter().map(judge).collect();
    let known: Vec<usize> = (0..judged.len()).filter(|place| judged[*place].p_value.is_some()).collect();
    let p_values: Vec<f64> = known.iter().filter_map(|place| judged[*place].p_value).collect();
    let mut adjusted = vec![1.0; judged.len()];
    for (place, p) in known.iter().zip(adjust_false_discovery(&p_values)) {
        adjusted[*place] = p;
    }
    let (mut metrics, mut steps) = (Vec::new(), Vec::new());
    for ((side, judged), p) in sides.iter().zip(judged).zip(adjusted) {
        let word = word(side.metric, &judged, p);
        let Judged { a, b, change_percent, p_value } = judged;
        // The p that decided the word, not the one before all were looked at together.
        let p_value = p_value.map(|_| p);
        match (&side.step, side.metric) {
            (None, metric) => metrics.push(Change { metric, a, b, change_percent, p_value, word }),
            (Some(step), Metric::Duration) => {
                steps.push(StepChange { step: step.clone(), a_s: a, b_s: b, change_percent, word });
            }
            (Some(_), _) => {}
        }
    }
    metrics.sort_by_key(|change| change.metric);
    let moved = |step: &StepChange| (step.b_s.unwrap_or(0.0) - step.a_s.unwrap_or(0.0)).abs();
    steps.sort_by(|x, y| moved(y).total_cmp(&moved(x)).then_with(|| x.step.cmp(&y.step)));
    steps.truncate(STEPS_MAX);
    (metrics, steps)
}

fn window(runs: &RunValues, places: &[usize]) -> Window {
    let time = |place: Option<&usize>| place.map(|place| format_time(runs.runs[*place].started_ns));
    Window { runs: places.len() as u64, from: time(places.first()), to: time(places.last()) }
}

fn pool(tracks: &[&Track], first: usize, split: usize) -> Vec<Sides> {
    let mut sides: BTreeMap<(Option<&str>, Metric), Sides> = BTreeMap::new();
    for track in tracks {
        let (metric, step) = (track.metric(), track.step());
        let side = sides.entry((step, metric)).or_insert_with(|| Sides {
            metric,
            step: step.map(str::to_owned),
            a: Vec::new(),
            b: Vec::new(),
        });
        for (place, point) in track.places.iter().zip(&track.series.points) {
            match *place {
                place if place >= split => side.b.push(point.value),
                place if place >= first => side.a.push(point.value),
                _ => {}
            }
        }
    }
    sides.into_values().filter(|side| !side.a.is_empty() || !side.b.is_empty()).collect()
}

fn judge(side: &Sides) -> Judged {
    let is_rate = side.metric == Metric::SuccessRate;
    let level = |values: &[f64]| {
        let level = if is_rate { mean(values) } else { median(values) };
        Some(level).filter(|level| level.is_finite())
    };
    let (a, b) = (level(&side.a), level(&side.b));
    if side.a.len() < VALUES_MIN || side.b.len() < VALUES_MIN {
        return Judged { a, b, change_percent: None, p_value: None };
    }
    let (p_value, low, high) = if is_rate { rate_test(side) } else { level_test(side) };
    let change_percent = a.zip(b).filter(|(a, _)| *a != 0.0).map(|(a, b)| {
        let percent = |difference: f64| difference / a.abs() * 100.0;
        let value = percent(b - a);
        // The interval is that of the shift between all pairs, which may lie beside the difference of two medians.
        Estimate { value, low: percent(low).min(value), high: percent(high).max(value) }
    });
    Judged { a, b, change_percent, p_value: Some(p_value) }
}

fn level_test(side: &Sides) -> (f64, f64, f64) {
    let shift = estimate_shift(&side.a, &side.b, 0.95);
    (test_rank_sum(&side.a, &side.b).p_value, shift.low, shift.high)
}

fn rate_test(side: &Sides) -> (f64, f64, f64) {
    let count = |values: &[f64]| (values.iter().filter(|value| **value >= 0.5).count() as u64, values.len() as u64);
    let ((hits_a, count_a), (hits_b, count_b)) = (count(&side.a), count(&side.b));
    let rise = test_rate_rise(hits_a, count_a, hits_b, count_b);
    let fall = test_rate_rise(count_a - hits_a, count_a, count_b - hits_b, count_b);
    let (low, high) = rate_difference_interval(hits_a, count_a, hits_b, count_b);
    ((2.0 * rise.min(fall)).min(1.0), low, high)
}

fn word(metric: Metric, judged: &Judged, adjusted: f64) -> ChangeWord {
    let (Some(a), Some(b), Some(_)) = (judged.a, judged.b, judged.p_value) else { return ChangeWord::NotEnoughData };
    let difference = b - a;
    if difference == 0.0 {
        return ChangeWord::NoChange;
    }
    let size = if a == 0.0 { f64::INFINITY } else { (difference / a).abs() * 100.0 };
    if adjusted > FALSE_DISCOVERY_MAX || size < EFFECT_PERCENT_MIN {
        ChangeWord::WithinNoise
    } else if (difference > 0.0) == (metric.better() == Better::Higher) {
        ChangeWord::Improved
    } else {
        ChangeWord::Regressed
    }
}

/// Worst first: regressions by count, then by the size of the change of the duration.
pub fn order_worst_first(pipelines: &mut [PipelineComparison]) {
    let regressed = |found: &PipelineComparison| {
        found.metrics.iter().filter(|change| change.word == ChangeWord::Regressed).count()
            + usize::from(found.steps.iter().any(|step| step.word == ChangeWord::Regressed))
    };
    let slower = |found: &PipelineComparison| {
        let duration = found.metrics.iter().find(|change| change.metric == Metric::Duration);
        duration.and_then(|change| change.change_percent).map_or(f64::NEG_INFINITY, |change| change.value)
    };
    pipelines.sort_by(|x, y| {
        let worse = regressed(y).cmp(&regressed(x)).then(slower(y).total_cmp(&slower(x)));
        worse.then_with(|| (&x.pipeline, &x.service).cmp(&(&y.pipeline, &y.service)))
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides(metric: Metric, a: Vec<f64>, b: Vec<f64>) -> Judged {
        judge(&Sides { metric, step: None, a, b })
    }

    #[test]
    fn a_shift_beyond_noise_has_an_interval_around_it_and_is_named_by_what_is_better() {
        let a: Vec<f64> = (0..20).map(|at| 10.0 + f64::from(at % 7) * 0.1).collect();
        let b: Vec<f64> = a.iter().map(|value| value * 1.4).collect();
        let found = sides(Metric::Duration, a.clone(), b.clone());
        let change = found.change_percent.unwrap();
        assert!((change.value - 40.0).abs() < 1e-9 && change.low > 30.0 && change.high < 50.0, "{change:?}");
        assert_eq!(word(Metric::Duration, &found, found.p_value.unwrap()), ChangeWord::Regressed);
        assert_eq!(word(Metric::Throughput, &found, found.p_value.unwrap()), ChangeWord::Improved);
    }

    // SciPy 1.17.1: 2 x fisher_exact([[20, 0], [12, 8]], greater).pvalue.
    #[test]
    fn a_fall_of_the_success_rate_is_tested_exactly() {
        let b = (0..20).map(|at| if at < 12 { 1.0 } else { 0.0 }).collect();
        let found = sides(Metric::SuccessRate, vec![1.0; 20], b);
        assert!((found.p_value.unwrap() - 0.003276003276003276).abs() < 1e-9, "{:?}", found.p_value);
        assert_eq!(word(Metric::SuccessRate, &found, found.p_value.unwrap()), ChangeWord::Regressed);
    }

    #[test]
    fn the_p_that_is_told_is_the_one_that_decided() {
        let a: Vec<f64> = (0..20).map(|at| 10.0 + f64::from(at % 7) * 0.1).collect();
        let b: Vec<f64> = a.iter().map(|value| value + 0.2).collect();
        let side =
            |step: Option<String>, b: &[f64]| Sides { metric: Metric::Duration, step, a: a.clone(), b: b.to_vec() };
        let raw = judge(&side(None, &b)).p_value.unwrap();
        let mut all = vec![side(None, &b)];
        all.extend((0..39).map(|at| side(Some(format!("step {at}")), &a)));
        let told = decide(&all).0[0].p_value.unwrap();
        assert!((told - (raw * 40.0).min(1.0)).abs() < 1e-12, "{told}, raw {raw}");
    }

    #[test]
    fn few_values_are_not_enough_data() {
        let found = sides(Metric::Duration, vec![1.0; 4], vec![2.0; 20]);
        assert_eq!(word(Metric::Duration, &found, 1.0), ChangeWord::NotEnoughData);
    }
}
