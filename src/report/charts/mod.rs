//! The bundle's numbers as specs of charts, and the table behind each.

mod calendar;
mod outlook;
mod steps;
mod usage;

use minijinja::Value;
use serde::Serialize;

use crate::chart::{self, Frame, Spec, distribution, sparkline, timeline};
use crate::model::unit::{format_metric, parse_time};
use crate::model::{Metric, Outcome};

use super::clean;
use super::grid::{Cell, Grid};
use super::profile::{PipelineProfile, SeriesView};
use super::view::outcome_badge;

pub(super) use calendar::by_hour;
pub(super) use outlook::{forecast, forecasts, health_history, limit_of, meeting};
pub(super) use steps::{compared_steps, differential_steps, waterfalls};
pub(super) use usage::{model_cost, model_usage, resources};

/// A chart with the table behind it.
#[derive(Serialize)]
pub(super) struct Drawn {
    /// Our own markup; none where nothing could be drawn.
    pub svg: Option<Value>,
    /// The same for a phone.
    pub narrow: Option<Value>,
    pub caption: String,
    /// Why there is no chart.
    pub why: String,
    pub table: Grid,
}

/// Values of a sparkline: the newest.
const SPARK_VALUES: usize = 60;
/// Points of a timeline: the newest.
const POINTS_MAX: usize = 100_000;

/// Pixels of the form for phones.
const NARROW: u32 = 320;

fn draw(spec: &Spec, caption: String, table: Grid) -> Drawn {
    let drawn = |svg| Some(Value::from_safe_string(svg));
    match chart::render_inline(spec) {
        Ok(svg) => {
            // Not every chart fits on a phone; those that do not are scrolled there.
            let narrow = narrowed(spec).and_then(|spec| chart::render_inline(&spec).ok());
            // Nothing hovers over a phone; the table says the same.
            let narrow = narrow.map(|svg| without_tips(&svg));
            Drawn { svg: drawn(svg), narrow: narrow.and_then(drawn), caption, why: String::new(), table }
        }
        Err(error) => Drawn { svg: None, narrow: None, caption, why: clean::shorten(&error.to_string(), 200), table },
    }
}

/// Without the tooltips of marks: those titles have no id, the chart's own has.
fn without_tips(svg: &str) -> String {
    let mut parts = svg.split("<title>");
    let mut out = parts.next().unwrap_or_default().to_owned();
    out.extend(parts.map(|part| part.split_once("</title>").map_or("", |(_, rest)| rest)));
    out
}

/// The same chart laid out for a phone, with ids of its own; none for what is narrow already.
fn narrowed(spec: &Spec) -> Option<Spec> {
    let mut spec = spec.clone();
    let frame = match &mut spec {
        Spec::Timeline(chart) => &mut chart.frame,
        Spec::StepComparison(chart) => &mut chart.frame,
        Spec::StepWaterfall(chart) => &mut chart.frame,
        Spec::Distribution(chart) => &mut chart.frame,
        Spec::ModelUsage(chart) => &mut chart.frame,
        Spec::Resources(chart) => &mut chart.frame,
        Spec::Heatmap(chart) => &mut chart.frame,
        Spec::HealthHistory(chart) => &mut chart.frame,
        Spec::SparklineGrid(chart) => &mut chart.frame,
        Spec::Forecast(chart) => &mut chart.frame,
        _ => return None,
    };
    frame.width = NARROW;
    frame.id.push_str("-narrow");
    Some(spec)
}

/// Durations of the newest runs, the size of a word.
pub(super) fn spark(profile: &PipelineProfile, place: usize) -> Drawn {
    let series = profile.run_series(Metric::Duration).or_else(|| profile.series.first());
    let metric = series.map_or(Metric::Duration, |series| series.metric);
    let points = series.map_or(&[][..], |series| &series.points);
    let first = points.len().saturating_sub(SPARK_VALUES);
    let newest = &points[first..];
    let change = series.and_then(|series| series.changes.last());
    let change_at = change.and_then(|change| newest.iter().position(|point| point.started_at == change.time));
    let level = series.and_then(|series| series.levels.last());
    let frame = Frame { width: 236, ..Frame::new(format!("spark-{place}")) };
    let trend = sparkline::Trend {
        subject: clean::name(&profile.pipeline),
        values: newest.iter().map(|point| point.value.filter(|value| value.is_finite())).collect(),
        band: level.map(|level| (level.low, level.high)),
        change: change_at.filter(|at| *at > 0),
        change_percent: change.and_then(|change| change.change_percent),
        unit: None,
    };
    let spec = sparkline::Sparkline { frame, trend, unit: metric.into(), better: metric.better(), height: 40 };
    let caption = format!("{} of the newest runs", metric.label());
    draw(&Spec::Sparkline(spec), caption.clone(), Grid::new(caption, &[]))
}

/// One metric of one pipeline or step, run by run.
pub(super) fn timeline(profile: &PipelineProfile, series: &SeriesView, place: usize) -> Drawn {
    let subject = series_subject(profile, series);
    let points = &series.points[series.points.len().saturating_sub(POINTS_MAX)..];
    let begin = points.first().and_then(|point| parse_time(&point.started_at).ok()).unwrap_or(i64::MIN);
    let spec = timeline::Timeline {
        frame: Frame::new(format!("line-{place}")),
        subject: subject.clone(),
        quantity: series.metric.label().to_owned(),
        unit: series.metric.into(),
        better: series.metric.better(),
        points: points.iter().filter_map(timeline_point).collect(),
        levels: series.levels.iter().filter_map(timeline_level).filter(|level| level.to >= begin).collect(),
        changes: series.changes.iter().filter_map(timeline_change).filter(|change| change.time >= begin).collect(),
        height: 190,
    };
    let caption = format!("{subject}: {} run by run", series.metric.label());
    let value = |number| Cell::metric(series.metric, number);
    let table = Grid::new(caption.clone(), &["Run", "Started", "#Value", "Outcome", "Mark"]);
    let changed = |time: &str| series.changes.iter().any(|change| change.time == time);
    let table = table.fill_newest(&series.points, |point| {
        let mark = match (point.outlier, changed(&point.started_at)) {
            (_, true) => "change point",
            (true, _) => "outlier",
            _ => "",
        };
        vec![
            Cell::text(&point.run_id),
            Cell::time(Some(&point.started_at)),
            value(point.value),
            Cell::text(outcome_badge(point.outcome).2),
            Cell::text(mark),
        ]
    });
    draw(&Spec::Timeline(spec), caption, table)
}

/// Series whose level did not move, side by side: newest value and expected range.
pub(super) fn steady(profile: &PipelineProfile, series: &[&SeriesView]) -> Option<Drawn> {
    let cells = series.iter().map(|series| {
        let newest = &series.points[series.points.len().saturating_sub(SPARK_VALUES)..];
        let place = series.step.as_deref().map_or(String::new(), |step| format!("{} ", clean::shorten(step, 24)));
        sparkline::Trend {
            subject: format!("{place}{}", series.metric.label()),
            values: newest.iter().map(|point| point.value.filter(|value| value.is_finite())).collect(),
            band: series.levels.last().map(|level| (level.low, level.high)),
            unit: Some(series.metric.into()),
            ..sparkline::Trend::default()
        }
    });
    let caption = format!("{}: what stayed as it was", clean::name(&profile.pipeline));
    let heads = ["Metric", "Context", "#Runs", "#Level", "#Expected from", "#Expected to", "#Newest"];
    let table = Grid::new(caption.clone(), &heads).fill(series, |series| {
        let level = series.levels.last();
        let value = |value: Option<f64>| Cell::metric(series.metric, value);
        let place = series.step.as_deref().map_or(String::new(), |step| format!("{} ", clean::shorten(step, 40)));
        vec![
            Cell::line(format!("{place}{}", series.metric.label())),
            Cell::line(super::view::context(&series.context).unwrap_or_default()),
            Cell::count(series.points.len() as u64),
            value(level.map(|level| level.value)),
            value(level.map(|level| level.low)),
            value(level.map(|level| level.high)),
            value(series.points.last().and_then(|point| point.value)),
        ]
    });
    let spec = sparkline::SparklineGrid {
        frame: Frame { title: Some(caption.clone()), ..Frame::new("steady") },
        quantity: "metrics".to_owned(),
        unit: crate::chart::Unit::Score,
        better: crate::model::Better::Lower,
        cells: cells.collect(),
    };
    (!series.is_empty()).then(|| draw(&Spec::SparklineGrid(spec), caption, table))
}

fn series_subject(profile: &PipelineProfile, series: &SeriesView) -> String {
    match &series.step {
        Some(step) => format!("{} / {}", clean::shorten(&profile.pipeline, 40), clean::shorten(step, 40)),
        None => clean::name(&profile.pipeline),
    }
}

fn timeline_point(point: &super::PointView) -> Option<timeline::Point> {
    let mark = match (point.outcome, point.outlier) {
        (Outcome::Failure | Outcome::TimedOut, _) => timeline::PointMark::Failed,
        (_, true) => timeline::PointMark::Outlier,
        _ => timeline::PointMark::Ok,
    };
    let time = parse_time(&point.started_at).ok()?;
    let value = point.value.filter(|value| value.is_finite());
    Some(timeline::Point { time, value, run: clean::shorten(&point.run_id, 40), mark })
}

fn timeline_level(level: &super::LevelView) -> Option<timeline::Level> {
    let (from, to) = (parse_time(&level.from).ok()?, parse_time(&level.to).ok()?);
    Some(timeline::Level { from, to, value: level.value, low: level.low, high: level.high })
}

fn timeline_change(change: &super::ChangeView) -> Option<timeline::Change> {
    let time = parse_time(&change.time).ok()?;
    Some(timeline::Change { time, run: clean::shorten(&change.run_id, 40), before: change.before, after: change.after })
}

/// How the values spread before and after the last change; one group without a change.
pub(super) fn spread(profile: &PipelineProfile, series: &SeriesView, place: usize) -> Option<Drawn> {
    let since = series.changes.last();
    let cut = since.and_then(|change| series.points.iter().position(|point| point.started_at == change.time));
    let begin = series.points.len().saturating_sub(POINTS_MAX);
    let (before, after) = series.points.split_at(cut.unwrap_or(0).max(begin));
    let values =
        |points: &[super::PointView]| points.iter().filter_map(|p| p.value).filter(|v| v.is_finite()).collect();
    let groups = match since.filter(|_| cut.is_some()) {
        Some(change) => {
            let run = clean::shorten(&change.run_id, 24);
            // Only the stretch at the level before, not what was accepted long ago.
            let last = series.changes.len().checked_sub(2).and_then(|at| series.changes.get(at));
            let start = last.and_then(|last| before.iter().position(|p| p.started_at == last.time)).unwrap_or(0);
            vec![
                distribution::Group { label: format!("before run {run}"), values: values(&before[start..]) },
                distribution::Group { label: format!("since run {run}"), values: values(after) },
            ]
        }
        None => vec![distribution::Group { label: "all runs".to_owned(), values: values(after) }],
    };
    if groups.iter().all(|group| group.values.len() < 3) {
        return None;
    }
    let subject = series_subject(profile, series);
    let caption = format!("{subject}: spread of the {}", series.metric.label());
    let table = Grid::new(
        caption.clone(),
        &["Runs", "#Count", "#Lowest", "#Lower quarter", "#Median", "#Upper quarter", "#Highest"],
    )
    .fill(&groups, |group| spread_row(series.metric, group));
    let spec = distribution::Distribution {
        frame: Frame::new(format!("spread-{place}")),
        subject,
        quantity: series.metric.label().to_owned(),
        unit: series.metric.into(),
        better: series.metric.better(),
        groups,
    };
    Some(draw(&Spec::Distribution(spec), caption, table))
}

#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a place in a list"
)]
fn spread_row(metric: Metric, group: &distribution::Group) -> Vec<Cell> {
    let mut sorted = group.values.clone();
    sorted.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let last = sorted.len().checked_sub(1)? as f64;
        let (low, high) = ((last * share).floor(), (last * share).ceil());
        let (a, b) = (sorted.get(low as usize)?, sorted.get(high as usize)?);
        Some(a + (b - a) * (last * share - low))
    };
    let mut row =
        vec![Cell::text(&group.label), Cell::number(Some(sorted.len() as f64), |n| format_metric(Metric::Retries, n))];
    row.extend([0.0, 0.25, 0.5, 0.75, 1.0].map(|share| Cell::metric(metric, at(share))));
    row
}
