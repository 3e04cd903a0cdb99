//! The bundle's numbers as specs of charts, and the table behind each.

mod calendar;
mod outlook;
mod steps;
#[cfg(test)]
mod tests;
mod usage;

use minijinja::Value;
use serde::Serialize;

use crate::chart::{self, Frame, Spec, distribution, sparkline, timeline};
use crate::model::unit::{format_metric, parse_time};
use crate::model::{Metric, Outcome};

use super::clean;
use super::format::UNKNOWN;
use super::grid::{Cell, Grid};
use super::profile::{PipelineProfile, PointView, SeriesView};
use super::statistics::SpreadPart;
use super::view::outcome_badge;

pub(super) use calendar::by_hour;
pub use outlook::Crossed;
pub(super) use outlook::{crossed, forecast, forecasts, health_history, limit_of, meeting, set_limits};
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
            // Nothing hovers over a phone; the table says the same.
            let narrow = narrowed(spec).and_then(|spec| chart::render_phone(&spec).ok());
            Drawn { svg: drawn(svg), narrow: narrow.and_then(drawn), caption, why: String::new(), table }
        }
        Err(error) => Drawn { svg: None, narrow: None, caption, why: clean::shorten(&error.to_string(), 200), table },
    }
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
    let (series, newest) = spark_points(profile);
    let metric = series.map_or(Metric::Duration, |series| series.metric);
    let change = series.and_then(|series| series.changes.last());
    let change_at = change.and_then(|change| newest.iter().position(|point| point.started_at == change.time));
    let level = series.and_then(|series| series.levels.last());
    let frame = Frame { width: 236, ..Frame::new(format!("spark-{place}")) };
    let trend = sparkline::Trend {
        subject: clean::name(&profile.pipeline),
        values: series.map_or(Vec::new(), |series| newest.iter().map(|point| series.value(point)).collect()),
        band: level.map(band),
        change: change_at.filter(|at| *at > 0),
        change_percent: change.and_then(|change| change.change_percent),
        unit: None,
    };
    let spec = sparkline::Sparkline { frame, trend, unit: metric.into(), better: metric.better(), height: 40 };
    let caption = format!("{} of the newest runs", metric.label());
    draw(&Spec::Sparkline(spec), caption.clone(), Grid::new(caption, &[]))
}

/// The series of a sparkline, and its points that are drawn.
fn spark_points(profile: &PipelineProfile) -> (Option<&SeriesView>, &[PointView]) {
    let series = profile.run_series(Metric::Duration).or_else(|| profile.series.first());
    let points = series.map_or(&[][..], |series| &series.points);
    (series, &points[points.len().saturating_sub(SPARK_VALUES)..])
}

/// The values behind the sparklines, a row each: a table for each would be most of the page.
pub(super) fn spark_data(profiles: &[&PipelineProfile]) -> Grid {
    let heads = ["Pipeline", "What", "Newest run", "Values, oldest first"];
    Grid::new("Values behind the sparklines", &heads).fill(profiles, |profile| {
        let (series, newest) = spark_points(profile);
        let Some(series) = series else {
            return [profile.pipeline.as_str(), UNKNOWN, UNKNOWN, UNKNOWN].map(Cell::text).into();
        };
        let said = |value: Option<f64>| value.map_or(UNKNOWN.to_owned(), |value| format_metric(series.metric, value));
        let values: Vec<String> = newest.iter().map(|point| said(series.value(point))).collect();
        vec![
            Cell::text(&profile.pipeline),
            Cell::text(series.metric.label()),
            Cell::time(newest.last().map(|point| point.started_at.as_str())),
            // Our own words: as long as they are.
            Cell { text: values.join("; "), ..Cell::text("") },
        ]
    })
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
        tally: series.whole.as_ref().map(|all| timeline::Tally {
            runs: all.runs,
            failed: all.failed,
            outliers: all.outliers,
        }),
        height: 190,
    };
    let caption = format!("{subject}: {} run by run", series.metric.label());
    let value = |number| Cell::metric(series.metric, number);
    let table = Grid::new(caption.clone(), &["Run", "Started", "#Value", "Outcome", "Mark"]);
    let changed = |time: &str| series.changes.iter().any(|change| change.time == time);
    let mut table = table.fill_newest(&series.points, |point| {
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
    if let Some(all) = &series.whole {
        let (shown, kept) = (table.rows.len(), series.points.len());
        table.note =
            Some(format!("{shown} of {} rows; report.json has {kept} of them, the extremes among them", all.runs));
    }
    draw(&Spec::Timeline(spec), caption, table)
}

/// Series whose level did not move, side by side: newest value and expected range.
pub(super) fn steady(profile: &PipelineProfile, series: &[&SeriesView]) -> Option<Drawn> {
    let cells = series.iter().map(|series| {
        let newest = &series.points[series.points.len().saturating_sub(SPARK_VALUES)..];
        let place = series.step.as_deref().map_or(String::new(), |step| format!("{} ", clean::shorten(step, 24)));
        sparkline::Trend {
            subject: format!("{place}{}", series.metric.label()),
            values: newest.iter().map(|point| series.value(point)).collect(),
            band: series.levels.last().map(band),
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
            Cell::count(series.statistics().runs),
            value(level.map(|level| level.value)),
            value(level.map(|level| level.low)),
            value(level.map(|level| level.high)),
            value(series.points.iter().rev().find_map(|point| series.value(point))),
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
    let (low, high) = band(level);
    Some(timeline::Level { from, to, value: level.value, low, high })
}

/// Where runs are expected, within what an axis can hold: three deviations of values that spread by orders of
/// magnitude reach further.
fn band(level: &super::LevelView) -> (f64, f64) {
    let within = |edge: f64| edge.clamp(-chart::VALUE_MAX, chart::VALUE_MAX);
    (within(level.low), within(level.high))
}

fn timeline_change(change: &super::ChangeView) -> Option<timeline::Change> {
    let time = parse_time(&change.time).ok()?;
    // As long as in the cards: a title is one line.
    Some(timeline::Change { time, run: clean::shorten(&change.run_id, 24), before: change.before, after: change.after })
}

/// How the values spread before and after the last change; one group without a change.
pub(super) fn spread(profile: &PipelineProfile, series: &SeriesView, place: usize) -> Option<Drawn> {
    let statistics = series.statistics();
    let told = &statistics.spread;
    if told.iter().all(|one| one.quantiles.n < 3) {
        return None;
    }
    let run = series.changes.last().map(|change| clean::shorten(&change.run_id, 24)).unwrap_or_default();
    let label = |part: SpreadPart| match part {
        SpreadPart::All => "all runs".to_owned(),
        SpreadPart::Before => format!("before run {run}"),
        SpreadPart::Since => format!("since run {run}"),
    };
    let groups = told.iter().map(|one| distribution::Group {
        label: label(one.part),
        values: one.sample.clone(),
        whole: Some(one.quantiles),
    });
    let subject = series_subject(profile, series);
    let caption = format!("{subject}: spread of the {}", series.metric.label());
    let heads = ["Runs", "#Count", "#Lowest", "#Lower quarter", "#Median", "#Upper quarter", "#Highest"];
    let table = Grid::new(caption.clone(), &heads).fill(told, |one| {
        let q = one.quantiles;
        let mut row = vec![Cell::text(label(one.part)), Cell::count(q.n)];
        row.extend([q.low, q.p25, q.p50, q.p75, q.high].map(|value| Cell::metric(series.metric, Some(value))));
        row
    });
    let spec = distribution::Distribution {
        frame: Frame::new(format!("spread-{place}")),
        subject,
        quantity: series.metric.label().to_owned(),
        unit: series.metric.into(),
        better: series.metric.better(),
        groups: groups.collect(),
    };
    Some(draw(&Spec::Distribution(spec), caption, table))
}
