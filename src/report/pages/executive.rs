//! The page that a manager reads: verdict, worst five, health, cost, and how far the data can be trusted.

use minijinja::Value;
use serde::Serialize;

use crate::model::unit::{format_change_percent, format_count, format_duration, format_minute, format_usd, parse_time};
use crate::model::{Finding, Metric, VerdictWord};
use crate::report::Bundle;
use crate::report::charts::{self, Drawn};
use crate::report::clean;
use crate::report::format::UNKNOWN;
use crate::report::grid::{Cell, Grid};
use crate::report::names::page_name;
use crate::report::profile::PipelineProfile;
use crate::report::view::{self, Badge, FindingView, VerdictView, health_badge};
use crate::report::words;
use crate::track::HealthWord;

/// Regressions that are told in full.
const WORST_MAX: usize = 5;
/// Pipelines that have a card, those in the worst health; all have a row.
const CARDS_MAX: usize = 60;

/// One pipeline in the health grid.
#[derive(Serialize)]
struct Card {
    name: String,
    service: Option<String>,
    href: String,
    score: String,
    badge: Badge,
    reason: String,
    spark: Drawn,
    facts: Vec<(&'static str, String)>,
    /// Loud word where there is too little to say anything.
    silent: bool,
}

/// The page's own part of the context.
pub(in crate::report) fn context(bundle: &Bundle) -> Value {
    let (worst, told) = worst(bundle);
    let found = bundle.verdict.findings.iter().filter(|finding| finding.actionable).count();
    let ranked = ranked(bundle);
    let cards: Vec<_> = ranked.iter().take(CARDS_MAX).enumerate().map(|(place, one)| card(one, place)).collect();
    let count = |tone: &str| ranked.iter().filter(|one| health_badge(one.health.word).0 == tone).count();
    let tally = [
        ("bad", "◆", "poor or critical"),
        ("warn", "■", "fair"),
        ("good", "●", "good or excellent"),
        ("unsure", "?", "unknown"),
    ]
    .map(|(tone, glyph, word)| (tone, glyph, format!("{} {word}", count(tone))));
    minijinja::context! {
        verdict => view::value(VerdictView::of(bundle)),
        worst => view::value(worst),
        more => found.saturating_sub(told),
        ailing => view::value(ailing(&ranked)),
        ailing_more => ailing_more(&ranked),
        insufficient => bundle.verdict.verdict == VerdictWord::InsufficientData,
        pipelines => ranked.len(),
        without_card => ranked.len() - cards.len(),
        cards => view::value(&cards),
        tally => view::value(tally),
        overview => view::value(overview(&ranked)),
        spark_data => view::value(charts::spark_data(&ranked[..cards.len()])),
        cost => view::value(cost(bundle)),
        cost_total => cost_total(bundle).map(format_usd),
        cost_chart => view::value(bundle.model_history.as_ref().and_then(|history| charts::model_cost("all pipelines", history))),
        quality => view::value(quality(bundle)),
    }
}

/// One card for what began together, and how many findings they tell: the first of a run stands for it, the others
/// are named.
pub(in crate::report) fn worst(bundle: &Bundle) -> (Vec<FindingView>, usize) {
    let mut events: Vec<Vec<&Finding>> = Vec::new();
    for finding in bundle.verdict.findings.iter().filter(|finding| finding.actionable) {
        let same = |first: &&Finding| {
            (&first.pipeline, &first.context, &first.since_run_key)
                == (&finding.pipeline, &finding.context, &finding.since_run_key)
        };
        match events.iter_mut().find(|event| event.first().is_some_and(same)) {
            Some(event) => event.push(finding),
            None => events.push(vec![finding]),
        }
    }
    let card = |(place, event): (usize, &Vec<&Finding>)| {
        let (first, others) = event.split_first()?;
        let said = others.iter().map(|other| {
            let of = other.step.as_deref().map_or("the run".to_owned(), |step| clean::shorten(step, 40));
            format!("{} ({of})", words::what(other))
        });
        let also = said.collect::<Vec<_>>().join(", ");
        Some(FindingView { also: Some(also).filter(|also| !also.is_empty()), ..FindingView::of(first, place, bundle) })
    };
    events.truncate(WORST_MAX);
    (events.iter().enumerate().filter_map(card).collect(), events.iter().map(Vec::len).sum())
}

/// Worst health first; the unknown stand between poor and fair, where nobody overlooks them.
pub(in crate::report) fn ranked(bundle: &Bundle) -> Vec<&PipelineProfile> {
    let mut ranked: Vec<_> = bundle.pipelines.iter().collect();
    let key = |profile: &PipelineProfile| profile.health.score.unwrap_or(59.5);
    ranked.sort_by(|a, b| key(a).total_cmp(&key(b)).then_with(|| a.pipeline.cmp(&b.pipeline)));
    ranked
}

/// A pipeline that is in a bad way without having become worse.
#[derive(Serialize)]
pub(in crate::report) struct Ailing {
    pub badge: Badge,
    pub name: String,
    pub href: String,
    pub reason: String,
}

/// What no finding speaks of: always failing, or gone silent. A page that only looks for changes would hide it.
pub(in crate::report) fn ailing(ranked: &[&PipelineProfile]) -> Vec<Ailing> {
    let tell = |profile: &&PipelineProfile| Ailing {
        badge: health_badge(profile.health.word),
        name: clean::name(&profile.pipeline),
        href: page_name(&profile.pipeline, profile.service.as_deref()),
        reason: clean::shorten(&profile.health.reason, 200),
    };
    ranked.iter().filter(|profile| is_ailing(profile)).take(WORST_MAX).map(tell).collect()
}

/// How many more there are than are told.
pub(in crate::report) fn ailing_more(ranked: &[&PipelineProfile]) -> usize {
    ranked.iter().filter(|profile| is_ailing(profile)).count().saturating_sub(WORST_MAX)
}

fn is_ailing(profile: &PipelineProfile) -> bool {
    let low = matches!(profile.health.word, HealthWord::Critical | HealthWord::Poor);
    low && !profile.findings.iter().any(|finding| finding.actionable)
}

fn card(profile: &PipelineProfile, place: usize) -> Card {
    let metric = |metric: Metric| profile.metrics.iter().find(|summary| summary.metric == metric);
    let p50 = metric(Metric::Duration).and_then(|summary| summary.p50).map_or(UNKNOWN.to_owned(), format_duration);
    let success = profile.success_rate.map_or(UNKNOWN.to_owned(), |rate| crate::model::unit::format_share(rate.value));
    let week = profile.change_7_days_percent.map_or("not enough data".to_owned(), format_change_percent);
    let mut facts = vec![
        ("median", p50),
        ("success", success),
        ("7 days on the 7 before", week),
        ("last change", last_change(profile)),
        ("runs", format_count_u64(profile.runs)),
    ];
    if let Some(total) = metric(Metric::Cost).and_then(|summary| summary.total) {
        facts.push(("cost", format_usd(total)));
    }
    Card {
        name: clean::name(&profile.pipeline),
        service: profile.service.as_deref().map(|service| clean::shorten(service, 40)),
        href: page_name(&profile.pipeline, profile.service.as_deref()),
        score: profile.health.score.map_or("no score".to_owned(), |score| format!("{score:.0}")),
        badge: health_badge(profile.health.word),
        reason: clean::shorten(&profile.health.reason, 160),
        spark: charts::spark(profile, place),
        facts,
        silent: profile.health.score.is_none(),
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of runs lie far below 2^53")]
fn format_count_u64(count: u64) -> String {
    format_count(count as f64)
}

/// `2026-04-12, run 113`: the newest change point of the whole run or a step.
fn last_change(profile: &PipelineProfile) -> String {
    let changes = profile.series.iter().flat_map(|series| &series.changes);
    let newest =
        changes.filter_map(|change| parse_time(&change.time).ok().map(|at| (at, change))).max_by_key(|(at, _)| *at);
    newest.map_or("none".to_owned(), |(at, change)| {
        let day = format_minute(at);
        format!("{}, run {}", day.get(..10).unwrap_or(&day), clean::shorten(&change.run_id, 16))
    })
}

/// The health grid as a table: sortable, and behind the sparklines.
pub(in crate::report) fn overview(ranked: &[&PipelineProfile]) -> Grid {
    let heads = [
        "Pipeline",
        "Health",
        "#Score",
        "#Runs",
        "#Success (95 %)",
        "#Median",
        "#p95",
        "#7 days on the 7 before",
        "Last change",
    ];
    Grid::new("All pipelines", &heads).fill(ranked, |profile| {
        let duration = profile.metrics.iter().find(|summary| summary.metric == Metric::Duration);
        vec![
            Cell::link(&profile.pipeline, page_name(&profile.pipeline, profile.service.as_deref())),
            Cell::badge(health_badge(profile.health.word)),
            Cell::number(profile.health.score, |score| format!("{score:.0}")),
            Cell::count(profile.runs),
            Cell::share_between(profile.success_rate),
            Cell::metric(Metric::Duration, duration.and_then(|summary| summary.p50)),
            Cell::metric(Metric::Duration, duration.and_then(|summary| summary.p95)),
            Cell::change(profile.change_7_days_percent),
            Cell::text(last_change(profile)),
        ]
    })
}

/// Cost by pipeline, dearest first; only those that have one.
pub(in crate::report) fn cost(bundle: &Bundle) -> Option<Grid> {
    let mut dear: Vec<_> = bundle
        .pipelines
        .iter()
        .filter_map(|profile| {
            let cost = profile.metrics.iter().find(|summary| summary.metric == Metric::Cost)?;
            Some((profile, cost, cost.total?))
        })
        .collect();
    dear.sort_by(|a, b| b.2.total_cmp(&a.2));
    if dear.is_empty() {
        return None;
    }
    let heads = ["Pipeline", "#Total", "#Share", "#Median run", "Trend", "Dearest model"];
    let all: f64 = dear.iter().map(|(_, _, total)| total).sum();
    let data = &bundle.data_quality;
    // A sum of money is read as that of a month: it is that of all that the store holds.
    let caption = match data.first_run.as_deref().zip(data.last_run.as_deref()) {
        Some((from, to)) => format!("Cost by pipeline, all runs from {} to {}", day(from), day(to)),
        None => "Cost by pipeline, all runs".to_owned(),
    };
    Some(Grid::new(caption, &heads).fill(&dear, |(profile, cost, total)| {
        let trend = profile.trends.iter().find(|trend| trend.metric == Metric::Cost);
        let model = profile.models.first().map(|model| model.model.as_str());
        vec![
            Cell::link(&profile.pipeline, page_name(&profile.pipeline, profile.service.as_deref())),
            Cell::number(Some(*total), format_usd),
            Cell::number((all > 0.0).then(|| total / all), crate::model::unit::format_share),
            Cell::metric(Metric::Cost, cost.p50),
            trend.map_or_else(|| Cell::known(None), |trend| Cell::badge(crate::report::view::trend_badge(trend.word))),
            Cell::known(model),
        ]
    }))
}

/// `2026-05-01`.
fn day(time: &str) -> String {
    let said = crate::report::format::when(time);
    said.get(..10).map_or(said.clone(), str::to_owned)
}

fn cost_total(bundle: &Bundle) -> Option<f64> {
    let costs =
        bundle.pipelines.iter().flat_map(|profile| &profile.metrics).filter(|summary| summary.metric == Metric::Cost);
    let known: Vec<f64> = costs.filter_map(|summary| summary.total).collect();
    (!known.is_empty()).then(|| known.iter().sum())
}

/// The data-quality box.
#[derive(Serialize)]
struct Quality {
    tone: &'static str,
    glyph: &'static str,
    lead: String,
    facts: Vec<(&'static str, String)>,
    notes: Vec<NoteView>,
    drops: Option<Grid>,
}

#[derive(Serialize)]
struct NoteView {
    badge: Badge,
    pipeline: Option<String>,
    text: String,
}

/// Notes that are listed.
const NOTES_MAX: usize = 50;

fn quality(bundle: &Bundle) -> Quality {
    let data = &bundle.data_quality;
    let unknown = bundle.pipelines.iter().filter(|profile| profile.health.score.is_none()).count();
    let unsure = bundle.verdict.series_insufficient > 0 || unknown > 0 || data.notes.iter().any(|note| note.warning);
    let lead = if bundle.verdict.series_insufficient > 0 {
        format!(
            "Not enough data for {} of {} series",
            bundle.verdict.series_insufficient,
            bundle.verdict.series_insufficient + bundle.verdict.series_checked
        )
    } else if unknown > 0 {
        let (pipelines, have) = if unknown == 1 { ("pipeline", "has") } else { ("pipelines", "have") };
        format!("{unknown} {pipelines} {have} too few runs for a score")
    } else if unsure {
        "The data has weaknesses".to_owned()
    } else {
        "Every series has enough runs".to_owned()
    };
    let mut facts = vec![
        ("Series checked", bundle.verdict.series_checked.to_string()),
        ("Series without enough runs", bundle.verdict.series_insufficient.to_string()),
        ("Pipelines without a score", unknown.to_string()),
        ("Runs", format_count_u64(data.runs)),
        ("Runs still open", format_count_u64(data.runs_open)),
        ("Runs that do not say how they ended", format_count_u64(data.runs_outcome_unknown)),
        ("First run", data.first_run.as_deref().map_or(UNKNOWN.to_owned(), crate::report::format::when)),
        ("Last run", data.last_run.as_deref().map_or(UNKNOWN.to_owned(), crate::report::format::when)),
    ];
    if let Some(runs) = bundle.verdict.runs_needed {
        facts.insert(2, ("More runs until the next verdict", runs.to_string()));
    }
    let note = |note: &crate::report::Note| NoteView {
        badge: if note.warning { ("unsure", "!", "warning") } else { ("quiet", "i", "note") },
        pipeline: note.pipeline.as_deref().map(clean::name),
        text: clean::shorten(&note.text, 400),
    };
    let drops = (!data.drops.is_empty()).then(|| {
        Grid::new("Telemetry that was refused", &["Reason", "Signal", "#Items"])
            .fill(&data.drops, |drop| vec![Cell::line(&drop.reason), Cell::text(&drop.signal), Cell::count(drop.count)])
    });
    Quality {
        tone: if unsure { "unsure" } else { "good" },
        glyph: if unsure { "?" } else { "✓" },
        lead,
        facts,
        notes: data.notes.iter().take(NOTES_MAX).map(note).collect(),
        drops,
    }
}

/// One line for the page's title.
pub(in crate::report) fn heading(bundle: &Bundle) -> String {
    words::headline(&bundle.verdict, bundle.fail_on)
}
