//! One integration binary, so that DuckDB links once.

mod e2e;
mod imports;
mod support;
mod truth;
