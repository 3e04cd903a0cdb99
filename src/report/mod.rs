//! One bundle, three faces: HTML, JSON and Markdown; and the faces that a terminal and a CI see.
//!
//! Pure: the same bundle gives the same bytes. Filling the bundle from the store stands behind the
//! feature `store`.

pub mod bundle;
pub mod clean;
pub mod comparison;
pub mod names;
pub mod profile;
mod table;
pub mod text;
pub mod words;

#[cfg(test)]
mod samples;

pub use bundle::{Alert, AlertEvent, AlertState, Branding, Bundle, DataQuality, Drop, Note};
pub use comparison::{Change, ChangeWord, Comparison, PipelineComparison, StepChange, Window};
pub use profile::{
    BaselineProvenance, ChangeView, Estimate, LevelView, MetricSummary, ModelUse, Outcomes, PipelineProfile, PointView,
    ResourceSample, RunResources, SeriesView, StepProfile, Waterfall, WaterfallBar,
};
pub use text::{Align, Table, sparkline, verdict_ansi, verdict_text};

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
}
