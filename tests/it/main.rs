//! One integration binary, so that DuckDB links once.

mod imports;
mod report_build;
mod support;
mod truth;
