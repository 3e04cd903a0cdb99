//! One bundle, three faces: HTML, JSON and Markdown; and the faces that a terminal and a CI see.
//!
//! Pure: the same bundle gives the same bytes. Filling the bundle from the store stands behind the
//! feature `store`.

#[cfg(feature = "store")]
mod build;
pub mod bundle;
mod charts;
pub mod ci;
pub mod clean;
pub mod comparison;
pub mod estimate;
mod format;
mod grid;
mod html;
mod links;
mod listing;
pub mod markdown;
pub mod names;
pub mod outlook;
mod pages;
pub mod profile;
mod render;
pub mod slices;
pub mod statistics;
mod table;
pub mod tables;
pub mod text;
mod view;
pub mod words;

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;

pub use bundle::{Alert, AlertEvent, AlertState, Branding, Bundle, DataQuality, Drop, Note};
pub use comparison::{Change, ChangeWord, Comparison, PipelineComparison, StepChange, Window};
pub use estimate::Estimate;
pub use listing::{health_table, health_tone, outcome_tone, runs_table, severity_tone, steps_table, used_columns};
pub use outlook::{Forecast, ForecastPoint, HealthPoint, Limit};
pub use profile::{
    BaselineProvenance, ChangeView, LevelView, MetricSummary, ModelHistory, ModelUse, Outcomes, PipelineProfile,
    PointView, ResourceSample, RunResources, SeriesView, StepProfile, Waterfall, WaterfallBar,
};
pub use render::{Format, Kind, RenderedFile, Renderer, render};
pub use slices::{Slice, StepSlice};
pub use statistics::{HourCell, Spread, SpreadPart, Statistics};
pub use text::{Align, Table, Tone, sparkline, sparkline_between, verdict_ansi, verdict_text};

/// Why a report could not be made. Each names what the caller can change.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// No bundle.
    #[error("read report.json: {0}")]
    Parse(#[source] serde_json::Error),
    /// Made by a newer build.
    #[error("read report.json: schema {found} is newer than this build ({known}); upgrade perfline")]
    Newer {
        /// Its version.
        found: u64,
        /// The newest that is known.
        known: u32,
    },
    /// A number or a name that JSON cannot hold.
    #[error("write report.json: {0}")]
    Write(#[source] serde_json::Error),
    /// A template that does not parse, or names what is not there.
    #[error("template `{name}`: {source}")]
    Template {
        /// The template.
        name: String,
        /// What minijinja says.
        #[source]
        source: minijinja::Error,
    },
    /// No template of this name exists.
    #[error("template `{name}` is not known; one of {known}")]
    UnknownTemplate {
        /// The name.
        name: String,
        /// The names that exist.
        known: String,
    },
}

impl ReportError {
    fn template(name: &str, source: minijinja::Error) -> Self {
        Self::Template { name: name.to_owned(), source }
    }
}

#[cfg(feature = "store")]
pub use build::{Alike, PipelineHealth, alike, build, compare_series, health_of_all, order_worst_first, say_context};
