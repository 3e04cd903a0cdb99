//! perfline tells a team, with proof, when a pipeline became slower, dearer,
//! hungrier, flakier or worse.
//!
//! The modules stand in the order in which data flows; `ARCHITECTURE.md` names
//! each room and who may import whom. Everything below the feature `store`
//! needs DuckDB; the rest builds without it.

pub mod config;
pub mod model;
pub mod net;

pub mod chart;
pub mod demo;
pub mod monitor;
pub mod otlp;
pub mod price;

#[cfg(feature = "store")]
pub mod store;
/// Without DuckDB only the log's reader: for fuzzing.
#[cfg(not(feature = "store"))]
#[allow(dead_code, unused_imports, reason = "who writes the log, and who replays it, comes with DuckDB")]
pub mod store {
    pub mod log;
}

pub mod detect;
pub mod forward;
pub mod report;
pub mod track;

#[cfg(feature = "store")]
pub mod api;
#[cfg(feature = "store")]
pub mod cli;
pub mod export;
