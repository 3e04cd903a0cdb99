//! Series to findings: change points, online alarms, the gate's verdict. Pure: values in, verdicts out.

pub mod alerts;
pub mod analyze;
pub mod compare;
pub mod confidence;
#[cfg(feature = "store")]
mod evaluate;
pub mod events;
pub mod gate;
#[cfg(feature = "store")]
mod history;
pub mod online;
pub mod rates;
pub mod search;
pub mod segment;
pub mod settings;
pub mod simulate;
pub mod stats;

#[cfg(feature = "store")]
pub use evaluate::{accept_change, change_alert, evaluate, forget_changes, settings};
#[cfg(feature = "store")]
pub use history::{check, read_series, series_of_rows, series_question};
