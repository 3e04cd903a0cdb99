//! Health over time, and where a metric is expected to stand.

use crate::chart::forecast::{self as fan, Ahead, Meeting, Past};
use crate::chart::health::{self, HealthHistory};
use crate::chart::{Frame, Spec};
use crate::model::clock::UnixNanos;
use crate::model::unit::{format_day, format_metric, format_time, parse_time};
use crate::model::{Better, Metric};
use crate::track::HealthWord;

use super::super::clean;
use super::super::format::UNKNOWN;
use super::super::grid::{Cell, Grid};
use super::super::outlook::{CrossedLimit, Forecast, HealthPoint, Limit};
use super::super::profile::{PipelineProfile, SeriesView};
use super::super::view::{capital, health_badge};
use super::{Drawn, draw};

/// Runs of the past that are drawn before a fan.
const PAST_MAX: usize = 1_000;

/// Health, time by time; none with fewer than two times.
pub(in crate::report) fn health_history(profile: &PipelineProfile) -> Option<Drawn> {
    let told = &profile.health_history;
    if told.len() < 2 {
        return None;
    }
    let before = std::iter::once(None).chain(told.iter().map(|point| Some(point.word)));
    let points = told.iter().zip(before).filter_map(|(point, before)| health_point(point, before));
    let spec = HealthHistory {
        frame: Frame::new("health-history"),
        subject: clean::name(&profile.pipeline),
        points: points.collect(),
        grades: health::grades(),
    };
    let caption = format!("{}: health over time", clean::name(&profile.pipeline));
    let table = Grid::new(caption.clone(), &["Time", "Health", "#Score", "Why"]).fill_newest(told, |point| {
        vec![
            Cell::time(Some(&point.at)),
            Cell::badge(health_badge(point.word)),
            Cell::number(point.score, |score| format!("{score:.0}")),
            Cell::line(&point.reason),
        ]
    });
    Some(draw(&Spec::HealthHistory(spec), caption, table))
}

// A note where the word becomes another: that is when something happened.
fn health_point(point: &HealthPoint, before: Option<HealthWord>) -> Option<health::HealthPoint> {
    let turned = before.is_some_and(|word| word != point.word && word != HealthWord::Unknown);
    let note = turned.then(|| clean::shorten(&point.reason, 120));
    let score = point.score.filter(|score| (0.0..=100.0).contains(score));
    Some(health::HealthPoint { time: parse_time(&point.at).ok()?, score, note })
}

/// The limit that is nearest of those for a metric of a pipeline: its own before everybody's.
pub(in crate::report) fn limit_of<'a>(limits: &'a [Limit], pipeline: &str, metric: Metric) -> Option<&'a Limit> {
    let fits = |limit: &&Limit| limit.metric == metric && limit.pipeline.as_deref().is_none_or(|name| name == pipeline);
    limits.iter().filter(fits).max_by_key(|limit| limit.pipeline.is_some())
}

/// The fan of one metric as a spec; none where its times cannot be read.
fn spec(profile: &PipelineProfile, forecast: &Forecast, limit: Option<&Limit>, place: usize) -> Option<fan::Forecast> {
    let metric = forecast.metric;
    let since = parse_time(&forecast.since).ok()?;
    let series = series_of(profile, forecast)?;
    let past = series.points.iter().filter_map(|point| {
        let value = series.value(point)?;
        Some(Past { time: parse_time(&point.started_at).ok()?, value })
    });
    let past: Vec<Past> = past.filter(|past| past.time >= since).collect();
    let ahead = forecast.points.iter().filter_map(|point| {
        Some(Ahead {
            time: parse_time(&point.at).ok()?,
            middle: point.middle,
            low_50: point.low_50,
            high_50: point.high_50,
            low_95: point.low_95,
            high_95: point.high_95,
        })
    });
    Some(fan::Forecast {
        frame: Frame::new(format!("forecast-{place}")),
        subject: clean::name(&profile.pipeline),
        quantity: metric.label().to_owned(),
        unit: metric.into(),
        history: past[past.len().saturating_sub(PAST_MAX)..].to_vec(),
        ahead: ahead.collect(),
        limit: limit.map(|limit| fan::Limit { value: limit.value, label: "limit".to_owned() }),
        better: Some(metric.better()),
    })
}

/// When a forecast meets its limit.
pub(in crate::report) fn meeting(profile: &PipelineProfile, forecast: &Forecast, limit: &Limit) -> Option<Meeting> {
    spec(profile, forecast, Some(limit), 0).map(|spec| spec.meeting())
}

/// Values of a forecast's series that lay at or beyond its limit: how many, and when the newest of them was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossed {
    /// Of the values that the report holds.
    pub count: usize,
    /// Some values are left out of the report: they may have been more.
    pub at_least: bool,
    /// When the newest of them was measured.
    pub last: UnixNanos,
}

/// How often a limit was crossed before; none where it never was.
pub(in crate::report) fn crossed(profile: &PipelineProfile, forecast: &Forecast, limit: &Limit) -> Option<Crossed> {
    let series = series_of(profile, forecast)?;
    let beyond = |value: f64| match forecast.metric.better() {
        Better::Lower => value >= limit.value,
        Better::Higher => value <= limit.value,
    };
    let times = series.points.iter().filter_map(|point| {
        series.value(point).filter(|value| beyond(*value))?;
        parse_time(&point.started_at).ok()
    });
    let times: Vec<UnixNanos> = times.collect();
    Some(Crossed { count: times.len(), at_least: series.whole.is_some(), last: times.iter().copied().max()? })
}

/// Gives a bundle its limits, and every forecast what its own was before.
pub(in crate::report) fn set_limits(profiles: &mut [PipelineProfile], limits: &[Limit]) {
    for profile in profiles {
        let told = |forecast: &Forecast| {
            let limit = limit_of(limits, &profile.pipeline, forecast.metric)?;
            let crossed = crossed(profile, forecast, limit);
            Some(CrossedLimit {
                value: limit.value,
                crossed: crossed.map_or(0, |crossed| crossed.count),
                crossed_at_least: crossed.is_some_and(|crossed| crossed.at_least),
                last_crossed: crossed.map(|crossed| format_time(crossed.last)),
            })
        };
        let told: Vec<_> = profile.forecasts.iter().map(told).collect();
        for (forecast, limit) in profile.forecasts.iter_mut().zip(told) {
            forecast.limit = limit;
        }
    }
}

fn series_of<'a>(profile: &'a PipelineProfile, forecast: &Forecast) -> Option<&'a SeriesView> {
    let fits = |series: &&SeriesView| {
        series.metric == forecast.metric && series.step.is_none() && series.context == forecast.context
    };
    profile.series.iter().find(fits)
}

/// The fan of one metric.
pub(in crate::report) fn forecast(
    profile: &PipelineProfile,
    forecast: &Forecast,
    limits: &[Limit],
    place: usize,
) -> Option<Drawn> {
    let limit = limit_of(limits, &profile.pipeline, forecast.metric);
    let spec = spec(profile, forecast, limit, place)?;
    let caption = format!("{}: forecast of the {}", clean::name(&profile.pipeline), forecast.metric.label());
    let heads = ["Time", "#Expected", "#50 % from", "#50 % to", "#95 % from", "#95 % to"];
    let table = Grid::new(caption.clone(), &heads).fill(&forecast.points, |point| {
        let value = |value: f64| Cell::metric(forecast.metric, Some(value));
        vec![
            Cell::time(Some(&point.at)),
            value(point.middle),
            value(point.low_50),
            value(point.high_50),
            value(point.low_95),
            value(point.high_95),
        ]
    });
    Some(draw(&Spec::Forecast(spec), caption, table))
}

/// Every forecast in a line: now, at its end, and when it meets its limit.
pub(in crate::report) fn forecasts(profile: &PipelineProfile, limits: &[Limit]) -> Grid {
    all_forecasts(profile, limits).without_unknown()
}

fn all_forecasts(profile: &PipelineProfile, limits: &[Limit]) -> Grid {
    let heads = ["Metric", "#Now", "Until", "#Expected then", "#95 %", "#Limit", "Meets its limit", "#Runs"];
    Grid::new("What is expected", &heads).fill(&profile.forecasts, |forecast| {
        let said = |value: f64| format_metric(forecast.metric, value);
        let (first, last) = (forecast.points.first(), forecast.points.last());
        let limit = limit_of(limits, &profile.pipeline, forecast.metric);
        let when = limit.and_then(|limit| {
            let meeting = meeting(profile, forecast, limit)?;
            Some(say_meeting(meeting, crossed(profile, forecast, limit)))
        });
        vec![
            Cell::text(capital(forecast.metric.label())),
            Cell::metric(forecast.metric, first.map(|point| point.middle)),
            Cell::time(last.map(|point| point.at.as_str())),
            Cell::metric(forecast.metric, last.map(|point| point.middle)),
            Cell::text(last.map_or(UNKNOWN.to_owned(), |p| format!("{} to {}", said(p.low_95), said(p.high_95)))),
            Cell::metric(forecast.metric, limit.map(|limit| limit.value)),
            Cell::line(when.unwrap_or_else(|| UNKNOWN.to_owned())),
            Cell::count(u64::try_from(forecast.n).unwrap_or(u64::MAX)),
        ]
    })
}

/// `about 2026-06-03 (2026-05-20 to 2026-06-29); crossed before by 3 runs, last on 2026-05-01`.
fn say_meeting(meeting: Meeting, crossed: Option<Crossed>) -> String {
    let day = format_day;
    let when = match (meeting.already, meeting.expected, meeting.earliest, meeting.latest) {
        (true, ..) => "at or beyond it already".to_owned(),
        (_, Some(at), Some(first), Some(last)) => format!("about {} (95 %: {} to {})", day(at), day(first), day(last)),
        (_, Some(at), Some(first), None) => format!("about {} (95 %: {} at the earliest)", day(at), day(first)),
        (_, Some(at), None, _) => format!("about {}", day(at)),
        (_, None, Some(first), _) => format!("not expected, but possible from {} on", day(first)),
        (_, None, None, _) => "not within the forecast".to_owned(),
    };
    let Some(Crossed { count, at_least, last }) = crossed else { return when };
    let runs = if count == 1 { "run" } else { "runs" };
    let before = if meeting.already { "crossed" } else { "crossed before" };
    let least = if at_least { "at least " } else { "" };
    format!("{when}; {before} by {least}{count} {runs}, last on {}", day(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_was_crossed_before_is_told_so() {
        let day = 86_400_000_000_000_i64;
        let crossed = Some(Crossed { count: 3, at_least: false, last: 20_000 * day });
        let clear = Meeting::default();
        assert_eq!(say_meeting(clear, None), "not within the forecast");
        assert_eq!(
            say_meeting(clear, crossed),
            "not within the forecast; crossed before by 3 runs, last on 4 Oct 2024"
        );
        let already = Meeting { already: true, ..clear };
        let once = Some(Crossed { count: 1, at_least: true, last: 0 });
        assert_eq!(
            say_meeting(already, once),
            "at or beyond it already; crossed by at least 1 run, last on 1 Jan 1970"
        );
    }
}
