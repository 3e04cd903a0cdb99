//! What the runs of a series say together: how many they are, how their values spread, when they are slow.
//!
//! A series that was thinned has kept the lowest and the highest of every stretch. That is right for a line and wrong
//! for a quantile: what is said of all runs is taken before, and travels with the series.

use serde::{Deserialize, Serialize};

use crate::chart::distribution::Quantiles;
use crate::model::clock::UnixNanos;
use crate::model::unit::parse_time;
use crate::model::{Metric, Outcome};

use super::profile::{PointView, SeriesView};

/// Values of a spread that are kept beside its quantiles.
const SAMPLE_MAX: usize = 500;
/// Fewer runs than this show no pattern of hours.
const HOURS_RUNS_MIN: usize = 100;
/// Shorter spans neither: each weekday comes at least twice.
const HOURS_SPAN_MIN: UnixNanos = 14 * DAY;
const HOUR: UnixNanos = 3_600_000_000_000;
const DAY: UnixNanos = 24 * HOUR;

/// All runs of a series together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// Runs, of any outcome.
    pub runs: u64,
    /// Those that failed or ran out of time.
    #[serde(default)]
    pub failed: u64,
    /// Those that are odd, without those that failed.
    #[serde(default)]
    pub outliers: u64,
    /// Before and since the last change, else of all runs; without a value there is none.
    #[serde(default)]
    pub spread: Vec<Spread>,
    /// By weekday and hour since the last change; none where runs are too few to show a pattern.
    #[serde(default)]
    pub hours: Vec<HourCell>,
}

/// How the values of some runs spread.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Which runs.
    pub part: SpreadPart,
    /// Of every value.
    #[serde(flatten)]
    pub quantiles: Quantiles,
    /// The values, evenly sampled where they are many: in order, the lowest and the highest among them.
    pub sample: Vec<f64>,
}

/// Runs of which a spread is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpreadPart {
    /// Every run.
    All,
    /// Between the last two changes; from the first run on where there is one change.
    Before,
    /// From the last change on.
    Since,
}

/// The median of one hour of one weekday.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HourCell {
    /// 0 is Monday, UTC.
    pub day: usize,
    /// 0 to 23.
    pub hour: usize,
    /// Median.
    pub value: f64,
    /// Runs behind it.
    pub runs: u32,
}

impl SeriesView {
    /// Whether the run of a point did its work: how long a failed run took says nothing of how long the work takes.
    #[must_use]
    pub fn counts(&self, point: &PointView) -> bool {
        // Other metrics are measured of runs that did their work, and a success rate is made of failures.
        let whole_duration = self.metric == Metric::Duration && self.step.is_none();
        !whole_duration || matches!(point.outcome, Outcome::Success | Outcome::Unknown)
    }

    /// What a run measured, where it did its work.
    #[must_use]
    pub fn value(&self, point: &PointView) -> Option<f64> {
        point.value.filter(|value| value.is_finite() && self.counts(point))
    }
}

impl Statistics {
    /// Those of the points of a series, which are all its runs.
    #[must_use]
    pub fn of(series: &SeriesView) -> Self {
        let number =
            |wanted: &dyn Fn(&PointView) -> bool| series.points.iter().filter(|point| wanted(point)).count() as u64;
        let failed = |point: &PointView| matches!(point.outcome, Outcome::Failure | Outcome::TimedOut);
        Self {
            runs: series.points.len() as u64,
            failed: number(&failed),
            outliers: number(&|point| point.outlier && !failed(point)),
            spread: spread(series),
            hours: if series.metric == Metric::Duration { hours(series) } else { Vec::new() },
        }
    }
}

fn spread(series: &SeriesView) -> Vec<Spread> {
    let place = |time: &str| series.points.iter().position(|point| point.started_at == time);
    let cut = series.changes.last().and_then(|change| place(&change.time));
    let parts = match cut {
        Some(cut) => {
            // Only the stretch at the level before, not what was accepted long ago.
            let earlier = series.changes.len().checked_sub(2).and_then(|at| series.changes.get(at));
            let start = earlier.and_then(|change| place(&change.time)).unwrap_or(0).min(cut);
            vec![(SpreadPart::Before, &series.points[start..cut]), (SpreadPart::Since, &series.points[cut..])]
        }
        None => vec![(SpreadPart::All, &series.points[..])],
    };
    let told = parts.into_iter().filter_map(|(part, points)| {
        let mut values: Vec<f64> = points.iter().filter_map(|point| series.value(point)).collect();
        values.sort_by(f64::total_cmp);
        let quantiles = Quantiles::of(&values)?;
        Some(Spread { part, quantiles, sample: sample(&values) })
    });
    told.collect()
}

fn sample(sorted: &[f64]) -> Vec<f64> {
    let step = sorted.len().div_ceil(SAMPLE_MAX - 1).max(1);
    let last = sorted.len().saturating_sub(1);
    sorted.iter().enumerate().filter(|(at, _)| at % step == 0 || *at == last).map(|(_, value)| *value).collect()
}

fn hours(series: &SeriesView) -> Vec<HourCell> {
    let time = |text: &str| parse_time(text).ok();
    let since = series.changes.last().and_then(|change| time(&change.time)).unwrap_or(UnixNanos::MIN);
    let runs: Vec<(UnixNanos, f64)> = series
        .points
        .iter()
        .filter_map(|point| Some((time(&point.started_at)?, series.value(point)?)))
        .filter(|(at, _)| *at >= since)
        .collect();
    let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return Vec::new() };
    if runs.len() < HOURS_RUNS_MIN || last.0.saturating_sub(first.0) < HOURS_SPAN_MIN {
        return Vec::new();
    }
    medians(&runs)
}

fn medians(runs: &[(UnixNanos, f64)]) -> Vec<HourCell> {
    let mut values: Vec<Vec<f64>> = vec![Vec::new(); 7 * 24];
    for (at, value) in runs {
        let (day, hour) = weekday_and_hour(*at);
        values[day * 24 + hour].push(*value);
    }
    let cell = |(place, mut values): (usize, Vec<f64>)| {
        values.sort_by(f64::total_cmp);
        let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
        let runs = u32::try_from(values.len()).unwrap_or(u32::MAX);
        Some(HourCell { day: place / 24, hour: place % 24, value: f64::midpoint(*low, *high), runs })
    };
    values.into_iter().enumerate().filter_map(cell).collect()
}

/// Weekday (0 is Monday) and hour, UTC. The epoch was a Thursday.
fn weekday_and_hour(at: UnixNanos) -> (usize, usize) {
    let day = (at.div_euclid(DAY) + 3).rem_euclid(7);
    let hour = at.rem_euclid(DAY) / HOUR;
    (usize::try_from(day).unwrap_or(0), usize::try_from(hour).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::unit::format_time;
    use crate::model::{SeriesContext, Severity};
    use crate::report::ChangeView;

    fn series(points: Vec<PointView>) -> SeriesView {
        SeriesView {
            metric: Metric::Duration,
            step: None,
            context: SeriesContext::default(),
            points,
            levels: Vec::new(),
            changes: Vec::new(),
            whole: None,
        }
    }

    fn point(at: i64, value: f64, outcome: Outcome) -> PointView {
        PointView {
            run_id: at.to_string(),
            started_at: format_time(at * HOUR),
            value: Some(value),
            outcome,
            outlier: false,
        }
    }

    fn change(at: i64) -> ChangeView {
        ChangeView {
            run_id: at.to_string(),
            time: format_time(at * HOUR),
            revision: None,
            before: 1.0,
            after: 2.0,
            change_percent: None,
            severity: Severity::None,
        }
    }

    #[test]
    fn runs_that_died_early_are_no_part_of_how_long_the_work_takes() {
        let outcome = |at: i64| if at % 5 < 2 { Outcome::Failure } else { Outcome::Success };
        let took = |at: i64| if at % 5 < 2 { 3.0 } else { 600.0 };
        let found = Statistics::of(&series((0..400).map(|at| point(at, took(at), outcome(at))).collect()));
        assert_eq!((found.runs, found.failed), (400, 160));
        assert_eq!((found.spread[0].quantiles.n, found.spread[0].quantiles.low), (240, 600.0));
        assert!(found.hours.len() == 168 && found.hours.iter().all(|cell| cell.value == 600.0), "{:?}", found.hours);
    }

    #[test]
    fn a_spread_is_told_before_and_since_the_last_change() {
        let value = |at: i64| {
            if at < 10 {
                9.0
            } else if at < 30 {
                1.0
            } else {
                2.0
            }
        };
        let mut series = series((0..60).map(|at| point(at, value(at), Outcome::Success)).collect());
        series.changes = vec![change(10), change(30)];
        let found = Statistics::of(&series).spread;
        let told: Vec<_> = found.iter().map(|one| (one.part, one.quantiles.n, one.quantiles.high)).collect();
        assert_eq!(told, [(SpreadPart::Before, 20, 1.0), (SpreadPart::Since, 30, 2.0)]);
        // A change whose run is not among the points parts nothing.
        series.changes = vec![change(99)];
        assert_eq!(Statistics::of(&series).spread[0].part, SpreadPart::All);
    }

    #[test]
    fn a_sample_is_even_and_keeps_both_ends() {
        let values: Vec<f64> = (0..5_000).map(f64::from).collect();
        let kept = sample(&values);
        assert!(kept.len() <= SAMPLE_MAX && kept.len() > SAMPLE_MAX / 2, "{}", kept.len());
        assert_eq!((kept.first(), kept.last()), (Some(&0.0), Some(&4_999.0)));
        assert_eq!(sample(&[1.0, 2.0]), [1.0, 2.0]);
    }

    #[test]
    fn weekdays_and_hours_are_those_of_utc() {
        for (time, expected) in [
            ("2026-05-01T08:59:59Z", (4, 8)),
            ("1970-01-01T00:00:00Z", (3, 0)),
            ("1969-12-31T23:00:00Z", (2, 23)),
            ("2026-05-04T01:30:00+02:00", (6, 23)),
        ] {
            assert_eq!(weekday_and_hour(parse_time(time).expect("a time")), expected, "{time}");
        }
    }

    #[test]
    fn a_cell_holds_the_median_of_its_hour() {
        let monday = parse_time("2026-05-04T09:10:00Z").expect("a time");
        let cells = medians(&[(monday, 1.0), (monday + DAY * 7, 4.0), (monday + DAY * 14, 2.0), (monday + HOUR, 9.0)]);
        let expected =
            [HourCell { day: 0, hour: 9, value: 2.0, runs: 3 }, HourCell { day: 0, hour: 10, value: 9.0, runs: 1 }];
        assert_eq!(cells, expected);
    }
}
