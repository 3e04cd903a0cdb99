//! Where the metrics of a pipeline are heading, as a table.

use crate::report::format::UNKNOWN;
use crate::report::grid::{Cell, Grid};
use crate::report::profile::{PipelineProfile, StepProfile};
use crate::report::view::{capital, trend_badge};
use crate::report::words;
use crate::track::Trend;

/// Steps whose trends are told.
const STEP_TRENDS_MAX: usize = 10;

/// Where the metrics are heading, and the durations of the longest steps.
pub(in crate::report) fn trends(profile: &PipelineProfile) -> Grid {
    let heads = ["Metric", "Trend", "#Change per day", "#95 %", "#Over the period", "#p", "#Runs"];
    let runs = profile.trends.iter().map(|trend| (capital(trend.metric.label()), trend));
    let of_step = |step: &StepProfile, trend: &Trend| format!("{} of {}", capital(trend.metric.label()), step.step);
    let steps = profile.steps.iter().filter_map(|step| Some((step, step.trend.as_ref()?)));
    let steps = steps.take(STEP_TRENDS_MAX).map(|(step, trend)| (of_step(step, trend), trend));
    let rows: Vec<(String, &Trend)> = runs.chain(steps).collect();
    Grid::new("Trends: change per day (Theil-Sen), p (Mann-Kendall)", &heads).fill(&rows, |(name, trend)| {
        let interval = trend.slope_low.zip(trend.slope_high);
        let slope = |value: f64| crate::model::unit::format_metric(trend.metric, value);
        vec![
            Cell::text(name),
            Cell::badge(trend_badge(trend.word)),
            Cell::number(trend.slope_per_day, slope),
            Cell::text(interval.map_or(UNKNOWN.to_owned(), |(low, high)| format!("{} to {}", slope(low), slope(high)))),
            Cell::change(trend.change_percent),
            Cell::number(trend.p_value, words::p_value),
            Cell::count(u64::try_from(trend.n).unwrap_or(u64::MAX)),
        ]
    })
}
