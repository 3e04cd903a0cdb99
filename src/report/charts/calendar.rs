//! When it is slow: the median of the whole run's duration for each weekday and hour, UTC.

use crate::chart::heatmap::{self, Heatmap};
use crate::chart::{Frame, Spec};
use crate::model::Metric;
use crate::model::clock::UnixNanos;
use crate::model::unit::parse_time;

use super::super::clean;
use super::super::grid::{Cell, Grid};
use super::super::profile::PipelineProfile;
use super::{Drawn, POINTS_MAX, draw};

/// Fewer runs than this show no pattern.
const RUNS_MIN: usize = 100;
/// Shorter spans neither: each weekday comes at least twice.
const SPAN_MIN: UnixNanos = 14 * DAY;
const HOUR: UnixNanos = 3_600_000_000_000;
const DAY: UnixNanos = 24 * HOUR;
const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The heatmap of the runs since the last change point; none where they are too few, or all in one hour.
pub(in crate::report) fn by_hour(profile: &PipelineProfile) -> Option<Drawn> {
    let series = profile.run_series(Metric::Duration)?;
    let newest = &series.points[series.points.len().saturating_sub(POINTS_MAX)..];
    let since = series.changes.last().and_then(|change| parse_time(&change.time).ok()).unwrap_or(UnixNanos::MIN);
    let runs: Vec<(UnixNanos, f64)> = newest
        .iter()
        .filter_map(|point| Some((parse_time(&point.started_at).ok()?, point.value?)))
        .filter(|(at, value)| *at >= since && value.is_finite())
        .collect();
    let span = runs.last()?.0.saturating_sub(runs.first()?.0);
    if runs.len() < RUNS_MIN || span < SPAN_MIN {
        return None;
    }
    let cells = medians(&runs);
    let filled: Vec<(usize, usize, heatmap::Cell)> = cells
        .iter()
        .enumerate()
        .flat_map(|(day, row)| {
            row.iter().enumerate().filter_map(move |(hour, cell)| cell.map(|cell| (day, hour, cell)))
        })
        .collect();
    if filled.len() < 2 {
        return None;
    }
    let caption = format!("{}: median duration by weekday and hour, UTC", clean::name(&profile.pipeline));
    let table = Grid::new(caption.clone(), &["Day", "Hour", "#Median", "#Runs"]).fill(&filled, |(day, hour, cell)| {
        vec![
            Cell::text(WEEKDAYS[*day]),
            Cell::text(format!("{hour:02}:00")),
            Cell::metric(Metric::Duration, Some(cell.value)),
            Cell::count(u64::from(cell.runs)),
        ]
    });
    let spec = Heatmap {
        frame: Frame::new("hours"),
        subject: clean::name(&profile.pipeline),
        quantity: "median duration".to_owned(),
        unit: Metric::Duration.into(),
        rows: WEEKDAYS.map(str::to_owned).into(),
        columns: (0..24).map(|hour| format!("{hour:02}:00")).collect(),
        cells,
    };
    Some(draw(&Spec::Heatmap(spec), caption, table))
}

fn medians(runs: &[(UnixNanos, f64)]) -> Vec<Vec<Option<heatmap::Cell>>> {
    let mut values: Vec<Vec<Vec<f64>>> = vec![vec![Vec::new(); 24]; WEEKDAYS.len()];
    for (at, value) in runs {
        let (day, hour) = place(*at);
        values[day][hour].push(*value);
    }
    let cell = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        let (low, high) = (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
        let runs = u32::try_from(values.len()).unwrap_or(u32::MAX);
        Some(heatmap::Cell { value: f64::midpoint(*low, *high), runs })
    };
    values.into_iter().map(|row| row.into_iter().map(cell).collect()).collect()
}

/// Weekday (0 is Monday) and hour, UTC. The epoch was a Thursday.
fn place(at: UnixNanos) -> (usize, usize) {
    let day = (at.div_euclid(DAY) + 3).rem_euclid(7);
    let hour = at.rem_euclid(DAY) / HOUR;
    (usize::try_from(day).unwrap_or(0), usize::try_from(hour).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weekdays_and_hours_are_those_of_utc() {
        for (time, expected) in [
            ("2026-05-01T08:59:59Z", (4, 8)),
            ("1970-01-01T00:00:00Z", (3, 0)),
            ("1969-12-31T23:00:00Z", (2, 23)),
            ("2026-05-04T01:30:00+02:00", (6, 23)),
        ] {
            assert_eq!(place(parse_time(time).expect("a time")), expected, "{time}");
        }
    }

    #[test]
    fn a_cell_holds_the_median_of_its_hour() {
        let monday = parse_time("2026-05-04T09:10:00Z").expect("a time");
        let cells = medians(&[(monday, 1.0), (monday + DAY * 7, 4.0), (monday + DAY * 14, 2.0), (monday + HOUR, 9.0)]);
        assert_eq!(cells[0][9], Some(heatmap::Cell { value: 2.0, runs: 3 }));
        assert_eq!(cells[0][10], Some(heatmap::Cell { value: 9.0, runs: 1 }));
        assert_eq!(cells[1][9], None);
    }
}
