//! One integration binary, so that DuckDB links once.

mod imports;
mod report_build;
mod report_history;
mod support;
mod truth;
