//! One integration binary, so that DuckDB links once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on stops"
)]

mod alerts;
mod anonymize;
mod answers;
mod attributes;
mod binding;
mod commands;
mod costs;
mod e2e;
mod explain;
mod history;
mod imports;
mod late;
mod limits;
mod live;
mod long;
mod metrics;
mod reopen;
mod report_build;
mod report_history;
mod retention;
mod scenario;
mod screen;
mod support;
mod tools;
mod traps;
mod trends;
mod truth;
