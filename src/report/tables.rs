//! What one pipeline's page tells, as tables for a terminal.

use crate::chart::forecast::Meeting;
use crate::model::Metric;

use super::charts;
pub use super::charts::Crossed;
use super::grid::{Cell, Grid};
use super::outlook::{Forecast, Limit};
use super::pages::{pipeline, slices, trends};
use super::profile::PipelineProfile;
use super::table::{Align, Table, Tone};

/// Rows of a table.
const ROWS_MAX: usize = 30;

/// The limit of a metric of a pipeline: its own before everybody's.
#[must_use]
pub fn limit_of<'a>(limits: &'a [Limit], pipeline: &str, metric: Metric) -> Option<&'a Limit> {
    charts::limit_of(limits, pipeline, metric)
}

/// When a forecast meets a limit; none where its series is not in the profile.
#[must_use]
pub fn meeting(profile: &PipelineProfile, forecast: &Forecast, limit: &Limit) -> Option<Meeting> {
    charts::meeting(profile, forecast, limit)
}

/// How often a limit was crossed before; none where it never was.
#[must_use]
pub fn crossed(profile: &PipelineProfile, forecast: &Forecast, limit: &Limit) -> Option<Crossed> {
    charts::crossed(profile, forecast, limit)
}

/// Where the metrics are heading.
#[must_use]
pub fn trends_table(profile: &PipelineProfile) -> Table {
    table(&trends::trends(profile))
}

/// What a run measures.
#[must_use]
pub fn metrics_table(profile: &PipelineProfile) -> Table {
    table(&pipeline::metrics(profile))
}

/// Which models are called, how often, for how much.
#[must_use]
pub fn models_table(profile: &PipelineProfile) -> Table {
    table(&pipeline::models(profile))
}

/// What is expected, and when limits are met.
#[must_use]
pub fn forecasts_table(profile: &PipelineProfile, limits: &[Limit]) -> Table {
    table(&charts::forecasts(profile, limits))
}

/// Runs by period, context and model, and steps, each with its title.
#[must_use]
pub fn slices_tables(profile: &PipelineProfile) -> Vec<(String, Table)> {
    let grids = slices::slices(profile).into_iter().chain(slices::step_slices(profile));
    grids.map(|grid| (grid.caption.to_lowercase(), table(&grid))).collect()
}

fn table(grid: &Grid) -> Table {
    let heads: Vec<(String, Align)> = grid
        .heads
        .iter()
        .map(|head| (head.text.to_lowercase(), if head.number { Align::Right } else { Align::Left }))
        .collect();
    let mut table = Table::new(&heads.iter().map(|(head, align)| (head.as_str(), *align)).collect::<Vec<_>>());
    for row in grid.rows.iter().take(ROWS_MAX) {
        table.toned(row.iter().map(|cell| (cell.text.as_str(), tone(cell))));
    }
    table
}

fn tone(cell: &Cell) -> Tone {
    match cell.tone {
        Some("bad") => Tone::Bad,
        Some("warn" | "unsure") => Tone::Warn,
        Some("good") => Tone::Good,
        Some(_) => Tone::Quiet,
        None => Tone::Plain,
    }
}
