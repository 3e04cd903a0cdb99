//! The gate: did the newest runs get worse than those before them?

mod case;
mod correlation;
mod examine;
mod odd;
mod permute;
mod rate;
mod recommend;
mod severity;

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;

pub use case::Newest;
pub use odd::find_odd;
pub(super) use recommend::tell_cause;
pub use severity::{Size, grade};

use case::{Case, collect_cases};
use correlation::correlate_noise;
use examine::{Change, Examined, difference_of, examine, level_changes};

use super::confidence::{confidence_of_gate, estimate_changed_share, with_changed_share};
use super::segment::ChangePoint;
use super::stats::multiple::adjust_weighted;
use crate::model::clock::UnixNanos;
use crate::model::unit::format_time;
use crate::model::{
    Better, Explanation, Finding, FindingKind, Metric, Policy, Series, SeriesKey, SeriesPoint, Severity, Verdict,
    VerdictWord,
};

/// Share of the family's budget that a success rate gets, where a level gets 1.
const RATE_WEIGHT: f64 = 2.0;

/// What a user may turn; the defaults are those whose error rates docs/accuracy.md states.
#[derive(Clone, Debug, PartialEq)]
pub struct GateSettings {
    /// Which runs are the newest.
    pub newest: Newest,
    /// Newest runs among which a change point counts.
    pub last: usize,
    /// From which severity on the verdict is fail.
    pub fail_on: Severity,
    /// Most runs of a baseline.
    pub baseline_count_max: usize,
    /// Fewest runs of a baseline.
    pub baseline_count_min: usize,
    /// Fewest new runs that can confirm a change.
    pub newest_count_min: usize,
    /// Largest share of false findings among the findings of one pipeline, 0 to 1.
    pub false_discovery_max: f64,
    /// Smallest change worth a word, as a share of the level (0.02 is 2 %).
    pub effect_share_min: f64,
    /// Smallest change worth a word, in standard deviations of the baseline.
    pub effect_sigma_min: f64,
    /// Bands, limits and controls that the team set.
    pub policy: Arc<Policy>,
    /// Where the last accepted change of a series lies: its baseline begins there.
    pub accepted: BTreeMap<SeriesKey, UnixNanos>,
    /// Runs to which the baseline of a series was pinned by hand.
    pub pinned: BTreeMap<SeriesKey, Vec<SeriesPoint>>,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self {
            newest: Newest::Last,
            last: 20,
            fail_on: Severity::High,
            baseline_count_max: 60,
            baseline_count_min: 8,
            newest_count_min: 3,
            false_discovery_max: 0.012,
            effect_share_min: 0.02,
            effect_sigma_min: 0.5,
            policy: Arc::default(),
            accepted: BTreeMap::new(),
            pinned: BTreeMap::new(),
        }
    }
}

/// Judges all series given; those of one pipeline are one family.
///
/// Values that are not finite are passed over. Findings come worst first, and among those of one run the cause first.
#[must_use]
pub fn judge<S: Borrow<Series>>(series: &[S], settings: &GateSettings) -> Verdict {
    judge_with_changes(series, settings).0
}

/// The same with the level changes that each series was found to have on the way: none where they were of no use.
pub(super) fn judge_with_changes<S: Borrow<Series>>(
    series: &[S],
    settings: &GateSettings,
) -> (Verdict, Vec<Vec<ChangePoint>>) {
    let cases = collect_cases(series, settings);
    let mut families: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, case) in cases.iter().enumerate() {
        families.entry(case.key.pipeline.as_str()).or_default().push(place);
    }
    let noise = correlate_noise(&cases, families.values(), settings);
    let changes: Vec<Vec<ChangePoint>> = cases.iter().map(|case| level_changes(case, settings)).collect();
    let examined: Vec<Examined> = cases
        .iter()
        .zip(&changes)
        .zip(noise)
        .map(|((case, changes), rho)| examine(case, changes, rho, settings))
        .collect();
    let mut findings = Vec::new();
    for places in families.values() {
        findings.extend(judge_family(&cases, &examined, places, settings));
    }
    // Stable: within a pipeline the order of cause stays.
    findings.sort_by_key(|f| std::cmp::Reverse((f.actionable, f.severity)));
    let needs =
        examined.iter().filter_map(|e| if let Examined::Insufficient { needed } = e { Some(*needed) } else { None });
    let series_insufficient = needs.clone().count();
    let series_checked = examined.len() - series_insufficient;
    let fails = findings.iter().any(|f| f.actionable && f.severity >= settings.fail_on);
    let verdict = match (fails, series_checked) {
        (true, _) => VerdictWord::Fail,
        (false, 0) => VerdictWord::InsufficientData,
        (false, _) => VerdictWord::Pass,
    };
    (Verdict { verdict, findings, series_checked, series_insufficient, runs_needed: needs.min() }, changes)
}

/// A series' likeliest change, whether or not it would be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likeliest {
    /// Adjusted for the search, not for its family.
    pub p_value: f64,
    /// Large enough to be worth a word.
    pub reaches_floor: bool,
    /// 95 % interval of after minus before.
    pub difference: (f64, f64),
}

/// The likeliest change of a series, or of a branch's series with its base's; none where there are too few runs. For
/// calibration.
#[must_use]
pub fn likeliest_change(series: &[Series], settings: &GateSettings) -> Option<Likeliest> {
    let cases = collect_cases(series, settings);
    let noise = correlate_noise(&cases, std::iter::once(&vec![0]), settings);
    let case = cases.first()?;
    let examined = examine(case, &level_changes(case, settings), *noise.first()?, settings);
    let change = examined.change()?;
    let (p_value, reaches_floor, difference) = (change.p_value, change.reaches_floor, difference_of(case, change));
    Some(Likeliest { p_value, reaches_floor, difference })
}

fn judge_family(cases: &[Case<'_>], examined: &[Examined], places: &[usize], settings: &GateSettings) -> Vec<Finding> {
    let checked: Vec<(usize, f64)> =
        places.iter().filter_map(|place| examined[*place].p_value().map(|p| (*place, p))).collect();
    let p_values: Vec<f64> = checked.iter().map(|(_, p)| *p).collect();
    let adjusted = adjust_in_family(&checked, cases);
    let share = estimate_changed_share(&p_values);
    let mut confirmed: Vec<recommend::Confirmed<'_>> = checked
        .iter()
        .zip(adjusted)
        .filter(|(_, p)| *p <= settings.false_discovery_max)
        .filter_map(|((place, _), p)| examined[*place].change().map(|change| (&cases[*place], change, p)))
        .filter(|(_, change, _)| change.reaches_floor)
        .collect();
    recommend::order_by_cause(&mut confirmed, cases);
    confirmed
        .iter()
        .map(|(case, change, p)| {
            let confidence = with_changed_share(confidence_of_gate(change.p_value), share);
            let mut finding = describe(case, change, (*p, confidence), difference_of(case, change), settings);
            recommend::explain(&mut finding, case, change, &confirmed, cases);
            finding
        })
        .collect()
}

// However many steps a pipeline has, half of its budget is for whole runs.
fn adjust_in_family(checked: &[(usize, f64)], cases: &[Case<'_>]) -> Vec<f64> {
    let steps = checked.iter().filter(|(place, _)| cases[*place].key.step.is_some()).count();
    let wholes = checked.len() - steps;
    let step_weight = if wholes > 0 && steps > wholes { wholes as f64 / steps as f64 } else { 1.0 };
    let weigh = |(place, p): &(usize, f64)| {
        let key = &cases[*place].key;
        let of_place = if key.step.is_some() { step_weight } else { 1.0 };
        // Failures are few and whole numbers: an exact test leaves most of an even share of the budget unspent.
        let of_metric = if key.metric == Metric::SuccessRate { RATE_WEIGHT } else { 1.0 };
        (*p, of_place * of_metric)
    };
    let (p_values, weights): (Vec<f64>, Vec<f64>) = checked.iter().map(weigh).unzip();
    adjust_weighted(&p_values, &weights)
}

fn describe(
    case: &Case<'_>,
    change: &Change,
    (p_value, confidence): (f64, f64),
    (difference_low, difference_high): (f64, f64),
    settings: &GateSettings,
) -> Finding {
    let (metric, first) = (case.key.metric, &case.points[change.split]);
    let size = Size { before: change.before, after: change.after };
    let severity = grade(size, metric, &settings.policy.bands(case.key));
    let worse = match metric.better() {
        Better::Lower => change.after > change.before,
        Better::Higher => change.after < change.before,
    };
    let is_rate = metric == Metric::SuccessRate;
    Finding {
        pipeline: case.key.pipeline.clone(),
        step: case.key.step.clone(),
        metric,
        kind: if is_rate { FindingKind::Rate } else { change.kind },
        severity,
        actionable: worse && severity >= Severity::Medium,
        confidence,
        p_value,
        baseline: change.before,
        current: change.after,
        change_percent: size.change_percent(),
        n_baseline: change.split - change.start,
        n_current: case.points.len() - change.split,
        since_run: first.run_id.to_string(),
        since_run_key: first.run_key.to_string(),
        since_time: format_time(first.started_at),
        since_revision: first.revision.as_deref().map(ToOwned::to_owned),
        difference_low,
        difference_high,
        context: case.key.context.clone(),
        recommendation: String::new(),
        explanation: Explanation::default(),
    }
}

#[cfg(test)]
mod tests;
