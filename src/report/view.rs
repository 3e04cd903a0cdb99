//! What the pages have in common: the verdict strip, findings, links and badges.

use std::collections::BTreeSet;

use minijinja::Value;
use minijinja::value::Serde;
use serde::Serialize;

use crate::model::unit::format_metric;
use crate::model::{Finding, Outcome, SeriesContext, Severity, VerdictWord};
use crate::track::{HealthWord, TrendWord};

use super::bundle::{Alert, AlertEvent, AlertState, Bundle};
use super::clean;
use super::comparison::ChangeWord;
use super::names::page_name;
use super::profile::PipelineProfile;
use super::words;

/// Colour, shape and word: nothing hangs on colour alone.
pub(super) type Badge = (&'static str, &'static str, &'static str);

/// A view as templates see it.
pub(super) fn value(view: impl Serialize) -> Value {
    Value::from(Serde(view))
}

/// The verdict strip.
#[derive(Serialize)]
pub(super) struct VerdictView {
    pub tone: &'static str,
    pub glyph: &'static str,
    pub word: &'static str,
    pub line: String,
    pub coverage: String,
}

impl VerdictView {
    /// The strip of the whole store.
    pub(super) fn of(bundle: &Bundle) -> Self {
        let is_critical = |profile: &&PipelineProfile| profile.health.word == HealthWord::Critical;
        let critical: Vec<_> = bundle.pipelines.iter().filter(is_critical).collect();
        let (tone, glyph, word) = match bundle.verdict.verdict {
            VerdictWord::Fail => ("bad", "✕", "Regression"),
            // A pass that speaks for less than half of the series is no green.
            VerdictWord::Pass if bundle.verdict.series_checked < bundle.verdict.series_insufficient => {
                ("unsure", "?", "Pass, but little data")
            }
            // Nothing became worse, but something is bad: no green either.
            VerdictWord::Pass if !critical.is_empty() => ("warn", "■", "Pass, but unhealthy"),
            VerdictWord::Pass => ("good", "✓", "Pass"),
            VerdictWord::InsufficientData => ("unsure", "?", "Not enough data"),
        };
        let line = words::headline(&bundle.verdict, bundle.fail_on);
        let line = line.strip_prefix("not enough data: ").map_or(line.clone(), str::to_owned);
        let mut coverage = capital(&words::coverage(&bundle.verdict));
        match critical.as_slice() {
            [] => {}
            [one] => coverage.push_str(&format!("; {} is in critical health", clean::name(&one.pipeline))),
            many => coverage.push_str(&format!("; {} pipelines are in critical health", many.len())),
        }
        Self { tone, glyph, word, line: capital(&line), coverage }
    }
}

/// One finding as a card.
#[derive(Serialize)]
pub(super) struct FindingView {
    /// Anchor in its page.
    pub id: String,
    pub tone: &'static str,
    pub severity: &'static str,
    pub glyph: &'static str,
    pub kind: &'static str,
    /// State of the alert.
    pub state: Option<&'static str>,
    pub place: String,
    pub what: String,
    pub levels: String,
    pub interval: Option<String>,
    pub since: String,
    pub since_time: String,
    pub sureness: String,
    pub context: Option<String>,
    pub next: Option<String>,
    /// What else began there.
    pub also: Option<String>,
    pub href: Option<String>,
    pub history: Vec<AlertEvent>,
}

impl FindingView {
    /// A card without a life. `number` makes its anchor unique in the page.
    pub(super) fn of(finding: &Finding, number: usize, bundle: &Bundle) -> Self {
        let tone = match (words::is_worse(finding), finding.severity) {
            (true, Severity::Critical | Severity::High) => "bad",
            (true, Severity::Medium) => "warn",
            (false, _) if finding.severity > Severity::None => "good",
            _ => "quiet",
        };
        let value = |number: f64| format_metric(finding.metric, number);
        let bounds = (finding.difference_low, finding.difference_high);
        let interval = (bounds.0.is_finite() && bounds.1.is_finite())
            .then(|| format!("{} to {}", value(bounds.0), value(bounds.1)));
        Self {
            id: format!("finding-{number}"),
            tone,
            severity: finding.severity.as_str(),
            glyph: words::severity_glyph(finding.severity),
            kind: words::kind(finding.kind),
            state: None,
            place: words::place(finding),
            what: words::what(finding),
            levels: words::levels(finding),
            interval,
            since: words::since_short(finding),
            since_time: finding.since_time.clone(),
            sureness: words::sureness(finding),
            context: context(&finding.context),
            next: Some(clean::shorten(&finding.recommendation, 400)).filter(|text| !text.is_empty()),
            also: None,
            href: page_of(bundle, finding),
            history: Vec::new(),
        }
    }

    /// A card with a life.
    pub(super) fn of_alert(alert: &Alert, number: usize, bundle: &Bundle) -> Self {
        let state = state_word(alert.state);
        let newest = alert.history.len().saturating_sub(20);
        let history = alert.history[newest..].to_vec();
        Self { state: Some(state), history, ..Self::of(&alert.finding, number, bundle) }
    }
}

/// Where an alert stands, as a person says it.
pub(super) fn state_word(state: AlertState) -> &'static str {
    match state {
        AlertState::Suspected => "suspected",
        AlertState::Open => "open",
        AlertState::Acknowledged => "acknowledged",
        AlertState::Muted => "muted",
        AlertState::Resolved => "resolved",
        AlertState::FalsePositive => "false positive",
    }
}

/// The page of a finding's pipeline, where the bundle has one.
pub(super) fn page_of(bundle: &Bundle, finding: &Finding) -> Option<String> {
    let same_name = || bundle.pipelines.iter().filter(|profile| profile.pipeline == finding.pipeline);
    let exact = same_name().find(|profile| profile.service == finding.context.service);
    exact.or_else(|| same_name().next()).map(|profile| page_name(&profile.pipeline, profile.service.as_deref()))
}

/// A link of the navigation.
#[derive(Serialize)]
pub(super) struct Link {
    pub href: &'static str,
    pub label: &'static str,
    pub here: bool,
}

/// Links to the pages of the whole store, as far as they are among the files that are written; none to one alone.
pub(super) fn nav(here: &str, files: &BTreeSet<String>) -> Vec<Link> {
    let all = [("index.html", "Overview"), ("alerts.html", "Alerts"), ("comparison.html", "Comparison")];
    let known = all.into_iter().filter(|(href, _)| files.len() > 1 && files.contains(*href));
    known.map(|(href, label)| Link { href, label, here: href == here }).collect()
}

/// `branch main, environment production`; none where nothing is known.
pub(super) fn context(context: &SeriesContext) -> Option<String> {
    let parts = [
        ("service", &context.service),
        ("branch", &context.branch),
        ("environment", &context.environment),
        ("host class", &context.host_class),
    ];
    let known = parts
        .iter()
        .filter_map(|(label, value)| value.as_deref().map(|v| format!("{label} {}", clean::shorten(v, 40))));
    Some(known.collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty())
}

/// First letter in upper case.
pub(super) fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().collect::<String>() + chars.as_str())
}

/// Badge of a health word.
pub(super) fn health_badge(word: HealthWord) -> Badge {
    match word {
        HealthWord::Excellent => ("good", "●", "excellent"),
        HealthWord::Good => ("good", "●", "good"),
        HealthWord::Fair => ("warn", "■", "fair"),
        HealthWord::Poor => ("bad", "▲", "poor"),
        HealthWord::Critical => ("bad", "◆", "critical"),
        HealthWord::Unknown => ("unsure", "?", "unknown"),
    }
}

/// Badge of a trend.
pub(super) fn trend_badge(word: TrendWord) -> Badge {
    match word {
        TrendWord::Improving => ("good", "↗", "improving"),
        TrendWord::Stable => ("quiet", "→", "stable"),
        TrendWord::Degrading => ("bad", "↘", "degrading"),
        TrendWord::NotEnoughData => ("unsure", "?", "not enough data"),
    }
}

/// Badge of a comparison's word.
pub(super) fn change_badge(word: ChangeWord) -> Badge {
    match word {
        ChangeWord::Regressed => ("bad", "▲", "regressed"),
        ChangeWord::Improved => ("good", "▼", "improved"),
        ChangeWord::WithinNoise => ("quiet", "≈", "within noise"),
        ChangeWord::NoChange => ("quiet", "=", "no change"),
        ChangeWord::NotEnoughData => ("unsure", "?", "not enough data"),
    }
}

/// Badge of an outcome.
pub(super) fn outcome_badge(outcome: Outcome) -> Badge {
    match outcome {
        Outcome::Success => ("good", "✓", "success"),
        Outcome::Failure => ("bad", "✕", "failure"),
        Outcome::TimedOut => ("bad", "✕", "timed out"),
        Outcome::Cancelled => ("quiet", "–", "cancelled"),
        Outcome::Skipped => ("quiet", "–", "skipped"),
        Outcome::Unknown => ("unsure", "?", "unknown"),
    }
}
