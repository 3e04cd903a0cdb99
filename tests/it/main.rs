//! One integration binary, so that DuckDB links once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on stops"
)]

mod alerts;
mod commands;
mod e2e;
mod history;
mod imports;
mod report_build;
mod report_history;
mod support;
mod truth;
