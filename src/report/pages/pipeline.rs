//! The page that a developer reads: what moved, since when, in which step, and the evidence.

use minijinja::Value;
use serde::Serialize;

use crate::model::unit::{format_duration, format_share, format_usd, parse_time};
use crate::model::{Better, Metric, Run};
use crate::report::Bundle;
use crate::report::charts::{self, Drawn};
use crate::report::clean;
use crate::report::format::UNKNOWN;
use crate::report::grid::{Cell, Grid};
use crate::report::profile::{BaselineProvenance, MetricSummary, ModelUse, PipelineProfile, SeriesView, StepProfile};
use crate::report::view::{
    self, FindingView, VerdictView, capital, context as context_words, health_badge, outcome_badge,
};
use crate::report::words;
use crate::track::{HealthWord, TrendWord};

/// Findings that are told in full.
const FINDINGS_MAX: usize = 20;
/// Timelines that are drawn.
const TIMELINES_MAX: usize = 12;
/// Steady series that are drawn.
const STEADY_MAX: usize = 24;
/// Forecasts that are drawn; all stand in a table.
const FORECASTS_MAX: usize = 3;
/// Distributions that are drawn.
const SPREADS_MAX: usize = 4;

/// A part of the health score.
#[derive(Serialize)]
struct Part {
    label: String,
    score: Option<f64>,
    said: String,
    weight: String,
    reason: String,
}

/// The page's own part of the context.
pub(in crate::report) fn context(bundle: &Bundle, profile: &PipelineProfile) -> Value {
    let findings: Vec<_> = profile
        .findings
        .iter()
        .take(FINDINGS_MAX)
        .enumerate()
        .map(|(place, f)| FindingView::of(f, place, bundle))
        .collect();
    let since = last_change(profile);
    minijinja::context! {
        name => clean::name(&profile.pipeline),
        service => profile.service.as_deref().map(clean::name),
        verdict => view::value(verdict(profile, bundle)),
        facts => view::value(facts(profile)),
        more => profile.findings.len().saturating_sub(findings.len()),
        findings => view::value(findings),
        health => view::value(health_badge(profile.health.word)),
        score => profile.health.score.map(|score| format!("{score:.0}")),
        health_reason => clean::shorten(&profile.health.reason, 300),
        parts => view::value(parts(profile)),
        health_chart => view::value(charts::health_history(profile)),
        forecast_charts => view::value(forecast_charts(profile, bundle)),
        forecasts => view::value((!profile.forecasts.is_empty()).then(|| charts::forecasts(profile, &bundle.limits))),
        slices => view::value(super::slices::slices(profile)),
        step_slices => view::value(super::slices::step_slices(profile)),
        timelines => view::value(timelines(profile)),
        steady => view::value(steady(profile)),
        differential => view::value(charts::differential_steps(profile, since.as_deref())),
        waterfall => view::value(charts::waterfalls(profile)),
        hours => view::value(charts::by_hour(profile)),
        resources => view::value(charts::resources(profile)),
        models_chart => view::value(profile.model_history.as_ref().and_then(|history| charts::model_usage(&profile.pipeline, history))),
        spreads => view::value(spreads(profile)),
        metrics => view::value(metrics(profile)),
        outcomes => view::value(outcomes(profile)),
        trends => view::value(super::trends::trends(profile)),
        steps => view::value(steps(profile)),
        steps_changed => since.is_some(),
        models => view::value((!profile.models.is_empty()).then(|| models(profile))),
        runs => view::value(runs(&profile.recent_runs)),
        baselines => view::value(baselines(profile)),
    }
}

/// The strip speaks for this pipeline alone.
pub(in crate::report) fn verdict(profile: &PipelineProfile, bundle: &Bundle) -> VerdictView {
    let worst = profile.findings.iter().find(|finding| finding.actionable);
    let (tone, glyph, word, line) = match worst {
        Some(finding) => {
            let failing = finding.severity >= bundle.fail_on;
            let since = format!(
                "{} {} since run {}",
                words::place(finding),
                words::what(finding),
                clean::shorten(&finding.since_run, 24)
            );
            if failing { ("bad", "✕", "Regression", since) } else { ("warn", "■", "Smaller regression", since) }
        }
        None if profile.baselines.is_empty() => {
            let line = format!("{}: {}, no baseline yet", clean::name(&profile.pipeline), words::runs(profile.runs));
            ("unsure", "?", "Not enough data", line)
        }
        // Nothing became worse, but something is bad: no green either.
        None if matches!(profile.health.word, HealthWord::Critical | HealthWord::Poor) => {
            let reason = clean::shorten(&profile.health.reason, 200);
            ("warn", "■", "Unchanged, but unhealthy", format!("{}: {reason}", clean::name(&profile.pipeline)))
        }
        None => (
            "good",
            "✓",
            "No regression",
            format!("{}: no confirmed change for the worse", clean::name(&profile.pipeline)),
        ),
    };
    let span = match (&profile.from, &profile.to) {
        (Some(from), Some(to)) => format!(
            "{}, {} to {}",
            words::runs(profile.runs),
            crate::report::format::when(from),
            crate::report::format::when(to)
        ),
        _ => words::runs(profile.runs),
    };
    VerdictView { tone, glyph, word, line, coverage: span }
}

/// The run at which the duration last changed in the busiest context: of the whole run, else of a step. What steps took
/// before and after (`before_s`, `after_s`) is split there.
fn last_change(profile: &PipelineProfile) -> Option<String> {
    let whole = profile.run_series(Metric::Duration)?;
    let of_steps = || {
        let steps = profile.series.iter().filter(|series| {
            series.step.is_some() && series.metric == Metric::Duration && series.context == whole.context
        });
        let changes = steps.filter_map(|series| series.changes.last());
        changes.filter_map(|change| Some((parse_time(&change.time).ok()?, change))).max_by_key(|(at, _)| *at)
    };
    let change = whole.changes.last().or_else(|| of_steps().map(|(_, change)| change))?;
    Some(clean::shorten(&change.run_id, 24))
}

/// Six numbers at a glance.
fn facts(profile: &PipelineProfile) -> Vec<(&'static str, String, String)> {
    let find = |metric: Metric| profile.metrics.iter().find(|summary| summary.metric == metric);
    let mut facts = Vec::new();
    if let Some(duration) = find(Metric::Duration) {
        let tail = [("p95", duration.p95), ("p99", duration.p99)];
        let tail = tail.map(|(label, value)| format!("{label} {}", value.map_or(UNKNOWN.to_owned(), format_duration)));
        facts.push(("Median duration", duration.p50.map_or(UNKNOWN.to_owned(), format_duration), tail.join(", ")));
    }
    let rate = profile.success_rate;
    let interval = rate.map_or("no run says how it ended".to_owned(), |e| {
        format!("95 % interval {} to {}", format_share(e.low), format_share(e.high))
    });
    facts.push(("Success rate", rate.map_or(UNKNOWN.to_owned(), |e| format_share(e.value)), interval));
    for (label, metric) in [
        ("Median cost", Metric::Cost),
        ("Median peak memory", Metric::PeakMemory),
        ("Median quality", Metric::Quality),
        ("Median throughput", Metric::Throughput),
    ] {
        if let Some(summary) = find(metric) {
            let total =
                summary.total.filter(|_| metric == Metric::Cost).map(|total| format!("{} in all", format_usd(total)));
            // Where more is better the 95th percentile is that of the best runs: nobody asks for it.
            let p95 = || match (summary.p95, metric.better()) {
                (Some(p95), Better::Lower) => format!("p95 {}", crate::model::unit::format_metric(metric, p95)),
                _ => format!("of {}", words::runs(summary.n)),
            };
            let p50 = summary.p50.map_or(UNKNOWN.to_owned(), |v| crate::model::unit::format_metric(metric, v));
            facts.push((label, p50, total.unwrap_or_else(p95)));
        }
    }
    facts
}

fn parts(profile: &PipelineProfile) -> Vec<Part> {
    let part = |part: &crate::track::HealthPart| Part {
        label: capital(part.part.as_str()),
        score: part.score,
        said: part.score.map_or("not known".to_owned(), |score| format!("{score:.0}")),
        weight: format!("{:.0} %", part.weight * 100.0),
        reason: clean::shorten(&part.reason, 200),
    };
    profile.health.parts.iter().map(part).collect()
}

/// What the health score is made of, as a table.
pub(in crate::report) fn health(profile: &PipelineProfile) -> Grid {
    Grid::new("What the health score is made of", &["Part", "#Score", "#Weight", "Why"]).fill(&parts(profile), |part| {
        vec![Cell::text(&part.label), Cell::text(&part.said), Cell::text(&part.weight), Cell::line(&part.reason)]
    })
}

/// The duration, and whatever moved, is out of line or belongs to a step that has a finding.
fn timelines(profile: &PipelineProfile) -> Vec<Drawn> {
    let drawn = profile.series.iter().enumerate().filter(|(place, series)| tells(*place, series)).take(TIMELINES_MAX);
    drawn.map(|(place, series)| charts::timeline(profile, series, place)).collect()
}

fn tells(place: usize, series: &SeriesView) -> bool {
    let unsteady = series.metric == Metric::SuccessRate && series.points.iter().any(|point| point.value == Some(0.0));
    place == 0 || !series.changes.is_empty() || unsteady || series.step.is_some()
}

/// The rest, small.
fn steady(profile: &PipelineProfile) -> Option<Drawn> {
    let rest = profile.series.iter().enumerate().filter(|(place, series)| !tells(*place, series));
    charts::steady(profile, &rest.map(|(_, series)| series).take(STEADY_MAX).collect::<Vec<_>>())
}

fn spreads(profile: &PipelineProfile) -> Vec<Drawn> {
    // The whole run's duration, then whatever has changed.
    // Runs that succeed or fail are no spread: each value of a rate is 0 or 1.
    let wanted =
        profile.series.iter().enumerate().filter(|(place, series)| {
            series.metric != Metric::SuccessRate && (*place == 0 || !series.changes.is_empty())
        });
    wanted.filter_map(|(place, series)| charts::spread(profile, series, place)).take(SPREADS_MAX).collect()
}

/// Fans of the metrics that have a limit, then of those that become worse; else of the first.
fn forecast_charts(profile: &PipelineProfile, bundle: &Bundle) -> Vec<Drawn> {
    let is_limited = |metric| charts::limit_of(&bundle.limits, &profile.pipeline, metric).is_some();
    let degrades = |metric| profile.trends.iter().any(|t| t.metric == metric && t.word == TrendWord::Degrading);
    let mut ordered: Vec<_> = profile.forecasts.iter().enumerate().collect();
    ordered.sort_by_key(|(_, forecast)| std::cmp::Reverse((is_limited(forecast.metric), degrades(forecast.metric))));
    let wanted =
        ordered.iter().filter(|(_, f)| is_limited(f.metric) || degrades(f.metric)).count().clamp(1, FORECASTS_MAX);
    let drawn = ordered.into_iter().take(wanted);
    drawn.filter_map(|(place, forecast)| charts::forecast(profile, forecast, &bundle.limits, place)).collect()
}

/// What is measured.
pub(in crate::report) fn metrics(profile: &PipelineProfile) -> Grid {
    let row = |summary: &MetricSummary| {
        vec![
            Cell::text(capital(summary.metric.label())),
            Cell::count(summary.n),
            Cell::metric(summary.metric, summary.p50),
            Cell::metric(summary.metric, summary.p95),
            Cell::metric(summary.metric, summary.p99),
            Cell::metric(summary.metric, summary.total),
        ]
    };
    Grid::new("Measured per run", &["Metric", "#Runs", "#Median", "#p95", "#p99", "#Total"]).fill(&profile.metrics, row)
}

/// How runs ended.
pub(in crate::report) fn outcomes(profile: &PipelineProfile) -> Grid {
    let o = profile.outcomes;
    let ended = o.success + o.failure + o.timed_out + o.cancelled + o.skipped + o.unknown;
    let open = profile.runs.saturating_sub(ended);
    let mut rows = vec![
        ("success", o.success),
        ("failure", o.failure),
        ("timed out", o.timed_out),
        ("cancelled", o.cancelled),
        ("skipped", o.skipped),
        ("unknown", o.unknown),
    ];
    if open > 0 {
        rows.push(("still open", open));
    }
    #[allow(clippy::cast_precision_loss, reason = "counts of runs lie far below 2^53")]
    let share = |count: u64| (profile.runs > 0).then(|| count as f64 / profile.runs as f64);
    Grid::new("How runs ended", &["Outcome", "#Runs", "#Share"]).fill(&rows, |(word, count)| {
        vec![Cell::text(word), Cell::count(*count), Cell::number(share(*count), format_share)]
    })
}

const STEP_HEADS: [&str; 15] = [
    "Step",
    "#Times",
    "#Median",
    "#p95",
    "#p99",
    "#Change",
    "#Failed",
    "#Retries",
    "#Cost in all",
    "#Tokens in, all",
    "#Tokens out, all",
    "#Memory",
    "#CPU time",
    "#Throughput",
    "#Quality",
];

/// Every step, what it takes, and how far its median moved.
pub(in crate::report) fn steps(profile: &PipelineProfile) -> Grid {
    let row = |step: &StepProfile| {
        let both = step.before_s.zip(step.after_s).filter(|(before, _)| *before > 0.0);
        let mut cells = vec![
            Cell::text(&step.step),
            Cell::count(step.n),
            Cell::metric(Metric::Duration, step.p50_s),
            Cell::metric(Metric::Duration, step.p95_s),
            Cell::metric(Metric::Duration, step.p99_s),
            Cell::change(both.map(|(before, after)| (after / before - 1.0) * 100.0)),
            Cell::number(step.failure_share, format_share),
            Cell::count(step.retries),
        ];
        cells.extend(super::slices::used([
            step.cost_usd,
            step.input_tokens,
            step.output_tokens,
            step.peak_memory_bytes,
            step.cpu_s,
            step.throughput,
            step.quality_score,
        ]));
        cells
    };
    let caption = match (profile.steps.iter().any(|step| step.before_s.is_some()), last_change(profile)) {
        (false, _) => "Steps".to_owned(),
        (true, Some(run)) => format!("Steps; change: the median since run {run} against that before"),
        (true, None) => "Steps; change: the median of the newer half of the runs against that of the older".to_owned(),
    };
    Grid::new(caption, &STEP_HEADS).fill(&profile.steps, row).without_unknown()
}

/// Use of models.
pub(in crate::report) fn models(profile: &PipelineProfile) -> Grid {
    let row = |model: &ModelUse| {
        vec![
            Cell::text(&model.model),
            Cell::count(model.calls),
            Cell::count(model.failed),
            Cell::metric(Metric::InputTokens, model.input_tokens),
            Cell::metric(Metric::OutputTokens, model.output_tokens),
            Cell::number(model.cost_usd, format_usd),
            Cell::number(model.p50_s, format_duration),
        ]
    };
    let heads = ["Model", "#Calls", "#Failed", "#Tokens in", "#Tokens out", "#Cost", "#Median call"];
    Grid::new("Models and tokens", &heads).fill(&profile.models, row)
}

/// The newest runs.
pub(in crate::report) fn runs(runs: &[Run]) -> Grid {
    let row = |run: &Run| {
        vec![
            Cell::text(clean::shorten(&run.run_id, 40)),
            Cell::time(Some(&run.started_at)),
            Cell::badge(outcome_badge(run.outcome)),
            Cell::number(run.duration_s, format_duration),
            Cell::number(run.cost_usd, format_usd),
            Cell::text(run.revision.as_deref().map_or(UNKNOWN.to_owned(), |revision| clean::shorten(revision, 12))),
            Cell::text(run.branch.as_deref().map_or(UNKNOWN.to_owned(), |branch| clean::shorten(branch, 32))),
            Cell::text(clean::shorten(run.error.as_deref().unwrap_or_default(), 120)),
        ]
    };
    let heads = ["Run", "Started", "Outcome", "#Duration", "#Cost", "Revision", "Branch", "Error"];
    Grid::new("Newest runs", &heads).fill(runs, row)
}

/// What runs are compared with.
pub(in crate::report) fn baselines(profile: &PipelineProfile) -> Grid {
    let row = |baseline: &BaselineProvenance| {
        let place = baseline.step.as_deref().unwrap_or("whole run");
        let span = match (&baseline.from_run, &baseline.to_run) {
            (Some(from), Some(to)) => format!("{} to {}", clean::shorten(from, 24), clean::shorten(to, 24)),
            _ => UNKNOWN.to_owned(),
        };
        vec![
            Cell::text(capital(baseline.metric.label())),
            Cell::text(place),
            Cell::metric(baseline.metric, baseline.median),
            Cell::metric(baseline.metric, baseline.mad),
            Cell::count(baseline.n),
            Cell::text(span),
            Cell::line(context_words(&baseline.context).unwrap_or(UNKNOWN.to_owned())),
            Cell::line(&baseline.reason),
        ]
    };
    let heads = ["Metric", "Of", "#Median", "#MAD", "#Runs", "From run to run", "Context", "Why these runs"];
    Grid::new("What runs are compared with", &heads).fill(&profile.baselines, row)
}
