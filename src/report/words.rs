//! Sentences about findings and verdicts, said the same in every face.

use std::collections::BTreeMap;

use crate::model::unit::{format_change_percent, format_metric, format_points, significant};
use crate::model::{Better, Finding, FindingKind, Metric, Severity, Size, Verdict, VerdictWord};

use super::clean::{name, shorten};

/// `build / test_x`; only the pipeline for the whole run.
#[must_use]
pub fn place(finding: &Finding) -> String {
    match &finding.step {
        Some(step) => format!("{} / {}", name(&finding.pipeline), name(step)),
        None => name(&finding.pipeline),
    }
}

/// `+31 %`, or `-12 points` for rates and scores.
#[must_use]
pub fn change(finding: &Finding) -> String {
    if finding.metric.bands().points {
        format_points(points(finding))
    } else {
        format_change_percent(finding.change_percent)
    }
}

/// A change from `a` to `b`, or a bound of one, as it is told of a metric: in points of rates and scores, else in percent
/// of `a`.
#[must_use]
pub fn change_of(metric: Metric, (a, b): (f64, f64), percent: f64) -> String {
    if !metric.bands().points || !percent.is_finite() {
        return format_change_percent(percent);
    }
    // The scale is that of the two levels: a bound may lie beyond it.
    let scale = if a.abs().max(b.abs()) <= 1.0 { 100.0 } else { 1.0 };
    format_points(percent / 100.0 * a.abs() * scale)
}

// A score of 0 to 1 is told on the scale of 0 to 100 on which others are given.
fn points(finding: &Finding) -> f64 {
    Size { before: finding.baseline, after: finding.current }.points()
}

/// `120 ms to 288 ms`.
#[must_use]
pub fn levels(finding: &Finding) -> String {
    let value = |number| format_metric(finding.metric, number);
    format!("{} to {}", value(finding.baseline), value(finding.current))
}

/// `duration +140 %`; what is said of one finding in a line.
#[must_use]
pub fn what(finding: &Finding) -> String {
    match finding.kind {
        FindingKind::Variance => format!("{} spread {}", finding.metric.label(), change(finding)),
        FindingKind::Limit => format!("{} beyond its limit by {}", finding.metric.label(), change(finding)),
        FindingKind::Suspected => format!("{} {} suspected", finding.metric.label(), change(finding)),
        _ => format!("{} {}", finding.metric.label(), change(finding)),
    }
}

/// `run 13 (revision 4f2a91c)`.
#[must_use]
pub fn since(finding: &Finding) -> String {
    since_within(finding, 40)
}

/// The same for a card: long ids lose their middle, and stand whole in the table of runs.
#[must_use]
pub fn since_short(finding: &Finding) -> String {
    since_within(finding, 24)
}

fn since_within(finding: &Finding, limit: usize) -> String {
    let run = shorten(&finding.since_run, limit);
    match &finding.since_revision {
        Some(revision) => format!("run {run} (revision {})", shorten(revision, limit)),
        None => format!("run {run}"),
    }
}

/// `99 % sure (p 0.0004, 12 runs before, 13 since)`.
#[must_use]
pub fn sureness(finding: &Finding) -> String {
    if finding.kind == FindingKind::Limit {
        return format!("measured over {}", runs(finding.n_current as u64));
    }
    format!(
        "{} sure (p {}, {} before, {} since)",
        confidence(finding.confidence),
        p_value(finding.p_value),
        runs(finding.n_baseline as u64),
        finding.n_current
    )
}

/// `99.9 %`; never rounded up to certainty.
#[must_use]
pub fn confidence(share: f64) -> String {
    if !share.is_finite() {
        "unknown".to_owned()
    } else if share >= 0.999 {
        "over 99.9 %".to_owned()
    } else {
        format!("{:.0} %", (share.clamp(0.0, 1.0) * 100.0).floor())
    }
}

/// `0.012`; very small ones as `under 0.0001`.
#[must_use]
pub fn p_value(p: f64) -> String {
    if !p.is_finite() {
        "unknown".to_owned()
    } else if p < 1e-4 {
        "under 0.0001".to_owned()
    } else {
        significant((p * 1e4).round() / 1e4)
    }
}

/// The kind as a person says it.
#[must_use]
pub fn kind(kind: FindingKind) -> &'static str {
    match kind {
        FindingKind::Step => "level change",
        FindingKind::Drift => "drift",
        FindingKind::Rate => "rate change",
        FindingKind::Outlier => "outlier",
        FindingKind::Suspected => "suspected change",
        FindingKind::Variance => "spread change",
        FindingKind::Limit => "limit crossed",
    }
}

/// Whether the value moved for the worse.
#[must_use]
pub fn is_worse(finding: &Finding) -> bool {
    match finding.metric.better() {
        Better::Lower => finding.current > finding.baseline,
        Better::Higher => finding.current < finding.baseline,
    }
}

/// How large a change is, so that metrics compare: 1 where it reaches the metric's CRITICAL band.
#[must_use]
pub fn size(finding: &Finding) -> f64 {
    let bands = finding.metric.bands();
    let size = if bands.points { points(finding) } else { finding.change_percent };
    if size.is_nan() { 0.0 } else { size.abs() / bands.critical }
}

/// Worst first: what calls for action, by severity; of one severity the pipelines by the size of their first change,
/// and within a pipeline as given: the cause first.
pub fn sort_worst_first<T>(items: &mut [T], finding: impl Fn(&T) -> &Finding) {
    let mut first: BTreeMap<(bool, Severity, String), f64> = BTreeMap::new();
    for finding in items.iter().map(&finding) {
        let group = (finding.actionable, finding.severity, finding.pipeline.clone());
        first.entry(group).or_insert_with(|| size(finding));
    }
    let of = |finding: &Finding| {
        let group = (finding.actionable, finding.severity, finding.pipeline.clone());
        first.get(&group).copied().unwrap_or_default()
    };
    items.sort_by(|a, b| {
        let (a, b) = (finding(a), finding(b));
        let graver = (b.actionable, b.severity).cmp(&(a.actionable, a.severity));
        graver.then_with(|| of(b).total_cmp(&of(a))).then_with(|| a.pipeline.cmp(&b.pipeline))
    });
}

/// The findings that fail the gate, worst first.
#[must_use]
pub fn gating(verdict: &Verdict, fail_on: Severity) -> Vec<&Finding> {
    let mut found: Vec<&Finding> =
        verdict.findings.iter().filter(|finding| finding.actionable && finding.severity >= fail_on).collect();
    sort_worst_first(&mut found, |finding| finding);
    found
}

/// What moved together is one event, by its alert; without one each finding is its own.
fn events(findings: &[&Finding]) -> usize {
    let alerts: Vec<&String> = findings.iter().filter_map(|f| f.explanation.alert_id.as_ref()).collect();
    let alone = findings.len() - alerts.len();
    alone + alerts.into_iter().collect::<std::collections::BTreeSet<_>>().len()
}

/// The one sentence that a reader takes away.
#[must_use]
pub fn headline(verdict: &Verdict, fail_on: Severity) -> String {
    let failing = gating(verdict, fail_on);
    let smaller = verdict.findings.iter().filter(|finding| finding.actionable && finding.severity < fail_on).count();
    match (verdict.verdict, failing.first()) {
        (VerdictWord::Fail, None) => "the gate failed".to_owned(),
        (VerdictWord::Fail, Some(worst)) => {
            let lead = match events(&failing) {
                1 => "1 regression: ".to_owned(),
                several => format!("{several} regressions, the worst: "),
            };
            let plain = !matches!(worst.kind, FindingKind::Variance | FindingKind::Limit);
            let metric = if worst.metric == Metric::Duration && plain { change(worst) } else { what(worst) };
            format!("{lead}{} {metric} since run {}", place(worst), shorten(&worst.since_run, 24))
        }
        (VerdictWord::Pass, _) => {
            let smaller = match smaller {
                0 => String::new(),
                1 => "; 1 smaller one".to_owned(),
                n => format!("; {n} smaller ones"),
            };
            format!("no regression at or above {} in {}{smaller}", fail_on.as_str(), series(verdict.series_checked))
        }
        (VerdictWord::InsufficientData, _) => {
            let needed = verdict.runs_needed.map_or(String::new(), |runs| format!("; {} needed", more_runs(runs)));
            format!("not enough data: none of {} has enough runs{needed}", series(verdict.series_insufficient))
        }
    }
}

/// How much of the store the verdict speaks for; says loudly what it does not.
#[must_use]
pub fn coverage(verdict: &Verdict) -> String {
    let checked = format!("{} checked", series(verdict.series_checked));
    if verdict.series_insufficient == 0 {
        return checked;
    }
    let needed = verdict.runs_needed.map_or(String::new(), |runs| format!(", {} for the next", more_runs(runs)));
    format!("{checked}; not enough data for {}{needed}", series(verdict.series_insufficient))
}

/// `1 run`, `12 runs`.
#[must_use]
pub fn runs(count: u64) -> String {
    if count == 1 { "1 run".to_owned() } else { format!("{count} runs") }
}

fn more_runs(runs: usize) -> String {
    if runs == 1 { "1 more run".to_owned() } else { format!("{runs} more runs") }
}

fn series(count: usize) -> String {
    format!("{count} series")
}

/// A shape for a severity, so that nothing hangs on colour alone.
#[must_use]
pub fn severity_glyph(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "◆",
        Severity::High => "▲",
        Severity::Medium => "■",
        Severity::Low => "●",
        Severity::None => "○",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::finding;

    #[test]
    fn scores_of_one_and_of_a_hundred_are_told_in_the_same_points() {
        let of = |baseline: f64, current: f64| Finding { metric: Metric::Quality, baseline, current, ..finding() };
        let told = |baseline, current| (change(&of(baseline, current)), (size(&of(baseline, current)) * 20.0).round());
        assert_eq!(told(0.92, 0.85), ("-7 points".to_owned(), 7.0));
        assert_eq!(told(92.0, 85.0), ("-7 points".to_owned(), 7.0));
        assert_eq!(told(92.0, 90.5).0, "-1.5 points");
    }

    #[test]
    fn a_change_of_a_rate_is_told_in_points_and_that_of_a_duration_in_percent() {
        assert_eq!(change_of(Metric::SuccessRate, (0.8, 0.6), -25.0), "-20 points");
        assert_eq!(change_of(Metric::SuccessRate, (1.0, 0.95), 12.0), "+12 points");
        assert_eq!(change_of(Metric::Quality, (90.0, 81.0), -10.0), "-9 points");
        assert_eq!(change_of(Metric::Duration, (10.0, 12.0), 20.0), "+20 %");
    }

    #[test]
    fn of_one_severity_the_larger_change_comes_first_and_a_pipeline_stays_together() {
        let of = |pipeline: &str, severity: Severity, percent: f64| Finding {
            pipeline: pipeline.to_owned(),
            severity,
            change_percent: percent,
            ..finding()
        };
        let mut found = vec![
            of("a", Severity::High, 40.0),
            of("b", Severity::High, 90.0),
            of("b", Severity::High, 35.0),
            of("c", Severity::Critical, 120.0),
            of("d", Severity::High, f64::INFINITY),
        ];
        sort_worst_first(&mut found, |finding| finding);
        let order: Vec<_> = found.iter().map(|f| (f.pipeline.as_str(), f.change_percent)).collect();
        assert_eq!(order, [("c", 120.0), ("d", f64::INFINITY), ("b", 90.0), ("b", 35.0), ("a", 40.0)]);
    }
}
