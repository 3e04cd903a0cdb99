//! Fills a store with made-up runs for `perfline bench report`.

use duckdb::{Connection, ToSql};

use super::read::Parameters;
use super::{Store, StoreError, sql};

impl Store {
    /// Writes made-up runs: pipelines, runs of each, steps of each run. For a store that is thrown away: nothing of it
    /// stands in the log.
    pub(crate) fn fill_for_bench(&self, [pipelines, runs, steps]: [u32; 3]) -> Result<(), StoreError> {
        self.write(move |connection, _clock| fill(connection, [pipelines, runs, steps]))?
            .map_err(StoreError::sql("make a store for the bench"))
    }
}

fn fill(connection: &Connection, [pipelines, runs, steps]: [u32; 3]) -> duckdb::Result<()> {
    let parameters =
        Parameters::from([("pipeline_count", &pipelines as &dyn ToSql), ("run_count", &runs), ("step_count", &steps)]);
    connection.prepare(sql::BENCH_REPORT_RUNS)?.execute(&parameters)?;
    connection.execute_batch(sql::BENCH_REPORT_STEPS)?;
    connection.execute_batch(sql::BENCH_REPORT_CALLS)?;
    connection.execute_batch("checkpoint")
}
