//! Series to findings: change points, online alarms, the gate's verdict. Pure: values in, verdicts out.

pub mod analyze;
pub mod compare;
pub mod confidence;
pub mod events;
pub mod gate;
#[cfg(feature = "store")]
mod history;
pub mod online;
pub mod search;
pub mod segment;
pub mod settings;
pub mod simulate;
pub mod stats;

#[cfg(feature = "store")]
pub use history::{check, read_series, series_of_rows, series_question};
