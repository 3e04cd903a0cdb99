//! Series to findings: change points, online alarms, the gate's verdict. Pure: values in, verdicts out.

pub mod alerts;
pub mod analyze;
#[cfg(feature = "store")]
mod baseline;
pub mod compare;
pub mod confidence;
pub mod covariates;
pub mod drift;
#[cfg(feature = "store")]
mod evaluate;
pub mod events;
#[cfg(feature = "store")]
mod explain;
pub mod gate;
#[cfg(feature = "store")]
mod history;
pub mod judged;
pub mod limits;
pub mod marked;
pub mod moved;
pub mod online;
pub mod place;
pub mod rates;
pub mod search;
pub mod seasons;
pub mod segment;
pub mod settings;
pub mod shape;
pub mod simulate;
pub mod stats;
pub mod timed;
pub mod whole;

#[cfg(feature = "store")]
pub use baseline::{Decision, baselines, change_alert, promote, reset_baseline, set_baseline, weakness};
#[cfg(feature = "store")]
pub use evaluate::{check, evaluate, settings, verdicts};
#[cfg(feature = "store")]
pub(crate) use history::{GATE_RUNS, collect_series};
#[cfg(feature = "store")]
pub use history::{series_of_rows, series_question};
