//! Reading: named statements and the user's own, on a connection of the reader's.

use std::collections::HashMap;

use duckdb::arrow::record_batch::RecordBatch;
use duckdb::{Connection, ToSql};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::StoreError;
use super::bounds::{Meter, QueryBounds};
use super::handle::Lent;
use super::rows::{Row, batch_to_rows, json_columns, read_json};
use super::sql;
use crate::model::{Run, Step};

/// Values for the `$name`s of a statement.
pub type Parameters<'a> = HashMap<&'a str, &'a dyn ToSql>;

/// A connection that reads what is committed.
pub struct Reader {
    connection: Connection,
    bounds: QueryBounds,
    // Behind the connection: given back once that is closed.
    _lent: Option<Lent>,
}

impl Reader {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, bounds: QueryBounds::default(), _lent: None }
    }

    /// The same, counted by whoever must know when nobody reads.
    pub(super) fn counted(self, lent: Lent) -> Self {
        Self { _lent: Some(lent), ..self }
    }

    /// The same, for questions of users that may take no more than `bounds`.
    pub(super) fn within(self, bounds: QueryBounds) -> Self {
        Self { bounds, ..self }
    }

    /// Rows of a registered statement, each read into `T` by column name.
    pub(crate) fn rows<T: DeserializeOwned>(
        &self,
        what: &'static str,
        statement: &str,
        parameters: &Parameters<'_>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = self.run(statement, parameters).map_err(StoreError::sql(what))?;
        rows.into_iter()
            .map(|row| serde_json::from_value(Value::Object(row)).map_err(StoreError::shape(what)))
            .collect()
    }

    /// Record batches of a registered statement, for what is too large to be read row by row.
    pub(super) fn batches(
        &self,
        what: &'static str,
        statement: &str,
        parameters: &Parameters<'_>,
    ) -> Result<Vec<RecordBatch>, StoreError> {
        let mut statement = self.connection.prepare(statement).map_err(StoreError::sql(what))?;
        Ok(statement.query_arrow(parameters).map_err(StoreError::sql(what))?.collect())
    }

    /// Runs a registered statement that makes something of this connection's own.
    pub(super) fn execute(
        &self,
        what: &'static str,
        statement: &str,
        parameters: &Parameters<'_>,
    ) -> Result<(), StoreError> {
        let mut statement = self.connection.prepare(statement).map_err(StoreError::sql(what))?;
        let done = if parameters.is_empty() { statement.execute([]) } else { statement.execute(parameters) };
        done.map(drop).map_err(StoreError::sql(what))
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Runs, newest last; `limit` 0 is all.
    pub fn runs(&self, pipeline: Option<&str>, run: Option<&str>, limit: u32) -> Result<Vec<Run>, StoreError> {
        let limit = i64::from(limit);
        let parameters =
            Parameters::from([("pipeline", &pipeline as &dyn ToSql), ("run", &run), ("limit_count", &limit)]);
        self.rows("list runs", sql::RUNS, &parameters)
    }

    /// Every attempt of every step of the runs with this run_key or run_id.
    pub fn steps(&self, run: &str) -> Result<Vec<Step>, StoreError> {
        self.rows("list steps", sql::STEPS, &Parameters::from([("run", &run as &dyn ToSql)]))
    }

    /// Every pipeline with a run, by name.
    pub(crate) fn pipelines(&self) -> Result<Vec<String>, StoreError> {
        let rows = self.run(sql::PIPELINES, &Parameters::new()).map_err(StoreError::sql("list pipelines"))?;
        Ok(rows.iter().filter_map(|row| row.get("pipeline")?.as_str().map(str::to_owned)).collect())
    }

    /// Totals of closed runs, by pipeline and outcome.
    pub(crate) fn run_totals<T: DeserializeOwned>(&self) -> Result<Vec<T>, StoreError> {
        self.rows("count runs", sql::METRICS_RUNS, &Parameters::new())
    }

    /// Durations of runs and steps, in buckets.
    pub(crate) fn duration_buckets<T: DeserializeOwned>(&self) -> Result<Vec<T>, StoreError> {
        self.rows("distribute durations", sql::METRICS_DURATIONS, &Parameters::new())
    }

    /// Rows of a statement that the user wrote. Read-only: one query over the views, nothing that writes. All of them, or
    /// [`StoreError::Exceeded`].
    pub fn query(&self, text: &str) -> Result<Vec<Row>, StoreError> {
        let text = text.trim().trim_end_matches(';').trim_end();
        self.connection.execute_batch("begin transaction read only").map_err(said)?;
        let found =
            read_only(text).and_then(|text| self.bounds.hold(&self.connection, |meter| self.run_typed(&text, meter)));
        drop(self.connection.execute_batch("rollback"));
        found
    }

    /// As `run_metered`, with JSON columns as JSON.
    fn run_typed(&self, text: &str, meter: &mut Meter) -> Result<Vec<Row>, StoreError> {
        let mut rows = self.run_metered(text, meter)?;
        // A plan is no query that could be described.
        let types = if text.starts_with("select") && !rows.is_empty() {
            self.run(&format!("describe {text}"), &HashMap::new()).map_err(said)?
        } else {
            Vec::new()
        };
        let word = |row: &'_ Row, name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let types: Vec<(String, String)> =
            types.iter().map(|row| (word(row, "column_name"), word(row, "column_type"))).collect();
        let columns = json_columns(types.iter().map(|(name, kind)| (name.as_str(), kind.as_str())));
        for row in &mut rows {
            for column in &columns {
                row.get_mut(column).map(read_json);
            }
        }
        Ok(rows)
    }

    /// Row by row, so that what is too much is never in memory as a whole.
    fn run_metered(&self, text: &str, meter: &mut Meter) -> Result<Vec<Row>, StoreError> {
        let mut statement = self.connection.prepare(text).map_err(said)?;
        // Only begins it: the iterator that it gives would panic where a later chunk fails, as one that is interrupted.
        let _ = statement.stream_arrow([]).map_err(said)?;
        let mut rows = Vec::new();
        while let Some(chunk) = statement.step().map_err(said)? {
            for row in batch_to_rows(&RecordBatch::from(&chunk)) {
                meter.take(&row)?;
                rows.push(row);
            }
        }
        Ok(rows)
    }

    fn run(&self, statement: &str, parameters: &Parameters<'_>) -> duckdb::Result<Vec<Row>> {
        let mut statement = self.connection.prepare(statement)?;
        let batches: Vec<RecordBatch> = if parameters.is_empty() {
            statement.query_arrow([])?.collect()
        } else {
            statement.query_arrow(parameters)?.collect()
        };
        Ok(batches.iter().flat_map(batch_to_rows).collect())
    }
}

/// The series of one pipeline or of all, as one query without parameters.
pub(crate) fn series_question(pipeline: Option<&str>) -> String {
    let value = pipeline.map_or("null".to_owned(), |name| format!("'{}'", name.replace('\0', "").replace('\'', "''")));
    // The head of the file is a comment that names the parameter too; only its use counts.
    sql::SERIES.replace("cast($pipeline as varchar)", &format!("cast({value} as varchar)"))
}

/// Wraps a query so that only a query can run. DuckDB itself reads the text as one `select` and nothing else: pasted
/// between parentheses it could close them, end the transaction and go on with statements of its own.
fn read_only(text: &str) -> Result<String, StoreError> {
    let (first, rest) = first_word(text);
    match first.as_str() {
        "" => Err(StoreError::Query("the query is empty".to_owned())),
        "select" | "with" | "from" | "values" | "describe" | "show" | "summarize" => Ok(as_one_query(text)),
        "explain" => match first_word(rest) {
            (word, rest) if word == "analyze" => Ok(format!("explain analyze {}", as_one_query(rest))),
            _ => Ok(format!("explain {}", as_one_query(rest))),
        },
        word if word.starts_with('(') || word.starts_with("--") || word.starts_with("/*") => Ok(as_one_query(text)),
        word => {
            Err(StoreError::Query(format!("`{word}` is not a query: this command only reads (select, with, from)")))
        }
    }
}

fn as_one_query(text: &str) -> String {
    format!("select * from query('{}')", text.replace('\'', "''"))
}

/// The first word in lower case, and what follows it.
fn first_word(text: &str) -> (String, &str) {
    let text = text.trim_start();
    let (word, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    (word.to_ascii_lowercase(), rest)
}

fn said(error: duckdb::Error) -> StoreError {
    StoreError::Query(explain(&error))
}

// DuckDB's messages repeat the statement with a pointer under it: keep the sentence and the candidates. What it advises
// against want of memory are settings of its own, which nobody here can reach: ours is the help.
fn explain(error: &duckdb::Error) -> String {
    let text = error.to_string();
    if text.starts_with("Out of Memory Error") {
        return text.lines().next().unwrap_or_default().to_owned();
    }
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim_end)
        .take_while(|line| !line.starts_with("LINE "))
        .filter(|line| !line.is_empty())
        .collect();
    lines.join("\n")
}

/// Makes the views that users query; they hold no data, so every open replaces them.
pub(super) fn define_views(connection: &Connection) -> Result<(), StoreError> {
    for text in sql::VIEWS {
        connection.execute_batch(text).map_err(StoreError::sql("define the views"))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader() -> Reader {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("create table run_rows as select 1 as a; create view runs as from run_rows").unwrap();
        Reader::new(connection)
    }

    #[test]
    fn every_form_of_a_query_is_answered() {
        let reader = reader();
        for text in [
            "select a from runs;",
            "with one as (select 1 as a) from one",
            "from runs",
            "values (1)",
            "(select a from runs)",
            "-- why\nselect 'it''s; fine' as a",
            "/* why */ select $$a;b$$ as a -- and more",
            "describe runs",
            "show tables",
            "Summarize runs",
            "explain select a from runs",
            "EXPLAIN ANALYZE\nselect a from runs",
        ] {
            assert!(!reader.query(text).unwrap().is_empty(), "{text}");
        }
        let json = reader.query("select '{\"k\": 1}'::json as a").unwrap();
        assert_eq!(json[0]["a"]["k"], 1);
    }

    #[test]
    fn nothing_but_one_query_runs_however_the_text_is_cut() {
        let reader = reader();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out.csv").display().to_string();
        for text in [
            "select 1) as query; commit; drop view runs; drop table run_rows; begin; select * from (select 1"
                .to_owned(),
            "select 1; drop table run_rows".to_owned(),
            "select 1'); commit; drop table run_rows; select * from query('select 1".to_owned(),
            format!("select 1) as query; copy (select 1) to '{file}'; select * from (select 1"),
            format!("explain analyze copy (select 1) to '{file}'"),
            "explain analyze drop table run_rows".to_owned(),
            "drop table run_rows".to_owned(),
            String::new(),
        ] {
            assert!(matches!(reader.query(&text), Err(StoreError::Query(_))), "{text}");
        }
        assert_eq!(reader.query("select a from runs").unwrap().len(), 1);
        assert!(!std::path::Path::new(&file).exists());
    }

    #[test]
    fn a_mistake_is_told_in_one_sentence() {
        let StoreError::Query(said) = reader().query("select nope from runs").unwrap_err() else { panic!("a query") };
        assert!(said.contains("nope") && !said.contains("query('"), "{said}");
    }
}
