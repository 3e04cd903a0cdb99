//! One integration binary, so that DuckDB links once.

mod imports;
mod support;
mod truth;
