//! Sentences about findings and verdicts, said the same in every face.

use crate::model::unit::{format_change_percent, format_metric, significant};
use crate::model::{Better, Finding, FindingKind, Metric, Severity, Verdict, VerdictWord};

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
        format!("{:+.1} points", (finding.current - finding.baseline) * 100.0).replace(".0 points", " points")
    } else {
        format_change_percent(finding.change_percent)
    }
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
        _ => format!("{} {}", finding.metric.label(), change(finding)),
    }
}

/// `run 13 (revision 4f2a91c)`.
#[must_use]
pub fn since(finding: &Finding) -> String {
    let run = shorten(&finding.since_run, 40);
    match &finding.since_revision {
        Some(revision) => format!("run {run} (revision {})", shorten(revision, 40)),
        None => format!("run {run}"),
    }
}

/// `99 % sure (p 0.0004, 12 runs before, 13 since)`.
#[must_use]
pub fn sureness(finding: &Finding) -> String {
    if finding.kind == FindingKind::Limit {
        return format!("measured over {} runs", finding.n_current);
    }
    format!(
        "{} sure (p {}, {} runs before, {} since)",
        confidence(finding.confidence),
        p_value(finding.p_value),
        finding.n_baseline,
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

/// The findings that fail the gate, worst first as given.
#[must_use]
pub fn gating(verdict: &Verdict, fail_on: Severity) -> Vec<&Finding> {
    verdict.findings.iter().filter(|finding| finding.actionable && finding.severity >= fail_on).collect()
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
            format!("{lead}{} {metric} since run {}", place(worst), shorten(&worst.since_run, 40))
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
