//! `perfline health`: how well each pipeline does, 0 to 100, and why.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::output::{print, print_json, terminal_width};
use super::show::literal;
use super::{Failure, Format, StoreArg};
use crate::api::Backend;
use crate::model::Metric;
use crate::model::unit::format_time;
use crate::report::clean::name;
use crate::report::{
    Align, Estimate, Forecast, HealthPoint, Kind, Limit, MetricSummary, ModelUse, Outcomes, PipelineProfile, Slice,
    StepSlice, Table, Tone, health_table, sparkline_between, tables as text,
};
use crate::track::{Health, Trend};

/// Health of every pipeline: 0 to 100, the parts it is made of, and why. Without enough runs it is
/// unknown, never a number.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline health
  perfline health --pipeline nightly
  perfline health --pipeline nightly --limit peak_memory=2GiB --limit duration=45m
  perfline health --format json | jq '.[] | select(.health.score < 60) | .pipeline'")]
pub(crate) struct HealthArgs {
    #[command(flatten)]
    store: StoreArg,
    /// Only this pipeline, with the parts of its health, its trends and forecasts, its periods and contexts.
    #[arg(long)]
    pipeline: Option<String>,
    /// What a metric must not cross: [PIPELINE:]METRIC=VALUE. Says when the forecast meets it.
    #[arg(long, value_name = "LIMIT", value_parser = Limit::parse)]
    limit: Vec<Limit>,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// One pipeline as `--format json` prints it.
#[derive(Serialize)]
struct Answer<'a> {
    pipeline: &'a str,
    service: Option<&'a str>,
    runs: u64,
    success_rate: Option<Estimate>,
    change_7_days_percent: Option<f64>,
    health: &'a Health,
    trends: &'a [Trend],
    #[serde(skip_serializing_if = "Option::is_none")]
    more: Option<More<'a>>,
}

/// What only one pipeline, or one with limits, is told of.
#[derive(Serialize)]
struct More<'a> {
    outcomes: Outcomes,
    metrics: &'a [MetricSummary],
    health_history: &'a [HealthPoint],
    forecasts: &'a [Forecast],
    limits: Vec<Met<'a>>,
    models: &'a [ModelUse],
    slices: &'a [Slice],
    step_slices: &'a [StepSlice],
}

/// A limit, and when the forecast meets it.
#[derive(Serialize)]
struct Met<'a> {
    metric: Metric,
    limit: f64,
    meets: &'a str,
    expected: Option<String>,
    earliest: Option<String>,
    latest: Option<String>,
    /// Runs in the report that were at or beyond it.
    crossed: usize,
    /// Start of the newest of them.
    last_crossed: Option<String>,
}

pub(super) fn run(args: &HealthArgs) -> Result<ExitCode, Failure> {
    let whole = args.pipeline.is_some() || !args.limit.is_empty();
    let backend = args.store.open_existing()?;
    let kind = if whole { Kind::Pipeline } else { Kind::Executive };
    let mut bundle = backend.bundle(kind, args.pipeline.as_deref())?;
    backend.close()?;
    bundle.set_limits(&args.limit);
    let profiles = &bundle.pipelines;
    if let (Some(name), true) = (&args.pipeline, profiles.is_empty()) {
        return Err(unknown_pipeline(name));
    }
    match args.format {
        Format::Json => {
            print_json(&profiles.iter().map(|profile| answer(profile, &bundle.limits, whole)).collect::<Vec<_>>())?;
        }
        Format::Text if profiles.is_empty() => print("no runs\n")?,
        Format::Text => {
            print(&health_table(profiles).ansi(terminal_width()))?;
            for profile in profiles.iter().filter(|_| whole) {
                print(&tell(profile, &bundle.limits, args.pipeline.is_some()))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses the name of a pipeline of which no run is stored.
pub(super) fn expect_pipeline(backend: &Backend, name: &str) -> Result<(), Failure> {
    let found = backend.query(&format!("select 1 as found from runs where pipeline = {} limit 1", literal(name)))?;
    if found.is_empty() { Err(unknown_pipeline(name)) } else { Ok(()) }
}

/// A pipeline that was named and is not there.
pub(super) fn unknown_pipeline(name: &str) -> Failure {
    Failure::usage(
        format!("no run of pipeline `{name}` is stored"),
        "`perfline query 'select distinct pipeline from runs'` lists them",
    )
}

fn answer<'a>(profile: &'a PipelineProfile, limits: &[Limit], whole: bool) -> Answer<'a> {
    let more = More {
        outcomes: profile.outcomes,
        metrics: &profile.metrics,
        health_history: &profile.health_history,
        forecasts: &profile.forecasts,
        limits: limits_met(profile, limits),
        models: &profile.models,
        slices: &profile.slices,
        step_slices: &profile.step_slices,
    };
    Answer {
        pipeline: &profile.pipeline,
        service: profile.service.as_deref(),
        runs: profile.runs,
        success_rate: profile.success_rate,
        change_7_days_percent: profile.change_7_days_percent,
        health: &profile.health,
        trends: &profile.trends,
        more: whole.then_some(more),
    }
}

fn limits_met<'a>(profile: &PipelineProfile, limits: &[Limit]) -> Vec<Met<'a>> {
    let met = |forecast: &Forecast| {
        let limit = text::limit_of(limits, &profile.pipeline, forecast.metric)?;
        let meeting = text::meeting(profile, forecast, limit)?;
        let meets = match (meeting.already, meeting.expected, meeting.earliest) {
            (true, ..) => "already",
            (_, Some(_), _) => "expected",
            (_, None, Some(_)) => "possible",
            (_, None, None) => "not within the forecast",
        };
        let time = |at: Option<i64>| at.map(format_time);
        let crossed = text::crossed(profile, forecast, limit);
        Some(Met {
            metric: forecast.metric,
            limit: limit.value,
            meets,
            expected: time(meeting.expected),
            earliest: time(meeting.earliest),
            latest: time(meeting.latest),
            crossed: crossed.map_or(0, |crossed| crossed.count),
            last_crossed: time(crossed.map(|crossed| crossed.last)),
        })
    };
    profile.forecasts.iter().filter_map(met).collect()
}

/// One pipeline below its line in the list.
fn tell(profile: &PipelineProfile, limits: &[Limit], named: bool) -> String {
    let width = terminal_width();
    let mut out = String::new();
    let mut add = |title: &str, body: &str| out += &format!("\n{title}\n{body}");
    if named {
        add("health", &parts(&profile.health).ansi(width));
        if !profile.health_history.is_empty() {
            add("health over time", &history(&profile.health_history));
        }
        add("measured per run", &text::metrics_table(profile).ansi(width));
        if !profile.models.is_empty() {
            add("models and tokens", &text::models_table(profile).ansi(width));
        }
        add("trends", &text::trends_table(profile).ansi(width));
    }
    let of = if named { "forecasts".to_owned() } else { format!("forecasts of {}", name(&profile.pipeline)) };
    let forecasts = text::forecasts_table(profile, limits);
    add(&of, &if forecasts.is_empty() { "not enough runs at one level\n".to_owned() } else { forecasts.ansi(width) });
    if named {
        for (title, table) in text::slices_tables(profile) {
            add(&title, &table.ansi(width));
        }
    }
    out
}

/// The scores as a line, from its first time to its last.
fn history(points: &[HealthPoint]) -> String {
    let scores: Vec<Option<f64>> = points.iter().map(|point| point.score).collect();
    let day = |point: Option<&HealthPoint>| point.and_then(|point| point.at.get(..10)).unwrap_or_default().to_owned();
    let said = |point: Option<&HealthPoint>| {
        let score = point.and_then(|point| point.score);
        score.map_or("unknown".to_owned(), |score| format!("{score:.0}"))
    };
    let line = sparkline_between(&scores, 0.0, 100.0);
    format!(
        "{}  {} {line} {}  {}\n",
        day(points.first()),
        said(points.first()),
        said(points.last()),
        day(points.last())
    )
}

fn parts(health: &Health) -> Table {
    let heads = [("part", Align::Left), ("score", Align::Right), ("weight", Align::Right), ("why", Align::Left)];
    let mut table = Table::new(&heads);
    for part in &health.parts {
        let tone = match part.score {
            None => Tone::Quiet,
            Some(score) if score < 40.0 => Tone::Bad,
            Some(score) if score < 75.0 => Tone::Warn,
            Some(_) => Tone::Good,
        };
        table.toned([
            (part.part.as_str().to_owned(), Tone::Plain),
            (part.score.map_or("–".to_owned(), |score| format!("{score:.0}")), tone),
            (format!("{:.0} %", part.weight * 100.0), Tone::Plain),
            (part.reason.clone(), Tone::Plain),
        ]);
    }
    table
}
