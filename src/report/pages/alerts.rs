//! One card per finding: what, how much, how sure, since when, what next.

use minijinja::Value;

use crate::model::{Finding, Severity};
use crate::report::bundle::{Alert, AlertState, Bundle};
use crate::report::view::{self, FindingView, VerdictView};
use crate::report::words::sort_worst_first;

/// Cards on the page.
pub(in crate::report) const CARDS_MAX: usize = 200;

/// Alerts with a life, then findings of the verdict that have none; worst first within each state.
pub(in crate::report) fn cards(bundle: &Bundle) -> Vec<FindingView> {
    let mut lively: Vec<&Alert> = bundle.alerts.iter().collect();
    sort_worst_first(&mut lively, |alert| &alert.finding);
    lively.sort_by_key(|alert| standing(alert.state));
    let orphans = orphans(bundle);
    let (live, done): (Vec<_>, Vec<_>) = lively.into_iter().partition(|a| standing(a.state) < 2);
    let ordered = live.into_iter().map(Either::Alert).chain(orphans.into_iter().map(Either::Finding));
    let ordered = ordered.chain(done.into_iter().map(Either::Alert)).take(CARDS_MAX).enumerate();
    ordered
        .map(|(place, card)| match card {
            Either::Alert(alert) => FindingView::of_alert(alert, place, bundle),
            Either::Finding(finding) => FindingView {
                state: alert_of(bundle, finding).map(|alert| view::state_word(alert.state)),
                ..FindingView::of(finding, place, bundle)
            },
        })
        .collect()
}

/// The alert that a finding without one of its own moved with.
fn alert_of<'a>(bundle: &'a Bundle, finding: &Finding) -> Option<&'a Alert> {
    let id = finding.explanation.alert_id.as_ref()?;
    bundle.alerts.iter().find(|alert| alert.id == *id)
}

/// Whether some alert stands for more than one of the findings.
pub(in crate::report) fn several_in_one(bundle: &Bundle) -> bool {
    orphans(bundle).iter().any(|finding| alert_of(bundle, finding).is_some())
}

enum Either<'a> {
    Alert(&'a Alert),
    Finding(&'a Finding),
}

fn standing(state: AlertState) -> u8 {
    match state {
        AlertState::Open => 0,
        AlertState::Acknowledged => 1,
        AlertState::Suspected => 2,
        AlertState::Muted => 3,
        AlertState::Resolved => 4,
        AlertState::FalsePositive => 5,
    }
}

/// Findings of the verdict without an alert.
fn orphans(bundle: &Bundle) -> Vec<&Finding> {
    let same = |a: &Finding, b: &Finding| {
        a.pipeline == b.pipeline
            && a.step == b.step
            && a.metric == b.metric
            && a.kind == b.kind
            && a.context == b.context
    };
    let known = |finding: &&Finding| !bundle.alerts.iter().any(|alert| same(&alert.finding, finding));
    bundle.verdict.findings.iter().filter(known).collect()
}

/// How many there are, on the page or not.
pub(in crate::report) fn count(bundle: &Bundle) -> usize {
    bundle.alerts.len() + orphans(bundle).len()
}

/// The page's own part of the context.
pub(in crate::report) fn context(bundle: &Bundle) -> Value {
    let cards = cards(bundle);
    let all = count(bundle);
    let worst = [Severity::Critical, Severity::High, Severity::Medium, Severity::Low];
    let told = bundle.alerts.iter().map(|alert| &alert.finding).chain(orphans(bundle));
    let severities: Vec<Severity> = told.map(|finding| finding.severity).collect();
    let tally = worst.map(|severity| {
        let glyph = crate::report::words::severity_glyph(severity);
        (severity.as_str(), glyph, severities.iter().filter(|one| **one == severity).count())
    });
    minijinja::context! {
        verdict => view::value(VerdictView::of(bundle)),
        count => all,
        together => several_in_one(bundle),
        left_out => all.saturating_sub(cards.len()),
        tally => view::value(tally),
        cards => view::value(cards),
    }
}
