//! Samples that the tests of this room share.

use crate::model::{Explanation, Finding, FindingKind, Metric, SeriesContext, Severity, Verdict, VerdictWord};

/// `build / test_x` became 140 % slower at run 13.
pub(super) fn finding() -> Finding {
    Finding {
        pipeline: "build".to_owned(),
        step: Some("test_x".to_owned()),
        metric: Metric::Duration,
        kind: FindingKind::Step,
        severity: Severity::Critical,
        actionable: true,
        confidence: 0.994,
        p_value: 0.0004,
        baseline: 0.12,
        current: 0.288,
        change_percent: 140.0,
        n_baseline: 12,
        n_current: 13,
        since_run: "13".to_owned(),
        since_run_key: "k13".to_owned(),
        since_time: "2026-05-01T08:00:00Z".to_owned(),
        since_revision: Some("4f2a91c".to_owned()),
        difference_low: 0.15,
        difference_high: 0.18,
        context: SeriesContext::default(),
        recommendation: "step test_x: see revision 4f2a91c".to_owned(),
        explanation: Explanation::default(),
    }
}

/// A failed gate with these findings.
pub(super) fn verdict(findings: Vec<Finding>) -> Verdict {
    Verdict { verdict: VerdictWord::Fail, findings, series_checked: 18, series_insufficient: 0, runs_needed: None }
}
