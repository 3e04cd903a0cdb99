//! When it is slow: the median of the whole run's duration for each weekday and hour, UTC.

use crate::chart::heatmap::{self, Heatmap};
use crate::chart::{Frame, Spec};
use crate::model::Metric;

use super::super::clean;
use super::super::grid::{Cell, Grid};
use super::super::profile::PipelineProfile;
use super::{Drawn, draw};

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The heatmap of the runs since the last change point; none where they are too few, or all in one hour.
pub(in crate::report) fn by_hour(profile: &PipelineProfile) -> Option<Drawn> {
    let statistics = profile.run_series(Metric::Duration)?.statistics();
    let told = &statistics.hours;
    if told.len() < 2 {
        return None;
    }
    let mut cells = vec![vec![None; 24]; WEEKDAYS.len()];
    for cell in told {
        *cells.get_mut(cell.day)?.get_mut(cell.hour)? = Some(heatmap::Cell { value: cell.value, runs: cell.runs });
    }
    let caption = format!("{}: median duration by weekday and hour, UTC", clean::name(&profile.pipeline));
    let table = Grid::new(caption.clone(), &["Day", "Hour", "#Median", "#Runs"]).fill(told, |cell| {
        vec![
            Cell::known(WEEKDAYS.get(cell.day).copied()),
            Cell::text(format!("{:02}:00", cell.hour)),
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
