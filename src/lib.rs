//! perfline tells a team, with proof, when a pipeline became slower, dearer,
//! hungrier, flakier or worse.
//!
//! The modules stand in the order in which data flows; `ARCHITECTURE.md` names
//! each room and who may import whom. Everything below the feature `store`
//! needs DuckDB; the rest builds without it.

pub mod config;
pub mod model;

pub mod chart;
pub mod demo;
pub mod monitor;
pub mod otlp;

#[cfg(feature = "store")]
pub mod store;

pub mod detect;
pub mod report;
pub mod track;

#[cfg(feature = "store")]
pub mod api;
#[cfg(feature = "store")]
pub mod cli;
pub mod export;
