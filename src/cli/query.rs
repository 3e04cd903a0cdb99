//! `perfline query`: the store in SQL, read-only.

use std::process::ExitCode;

use clap::Args;

use super::output::{print, print_data, print_json, terminal_width};
use super::{Failure, StoreArg};
use crate::api::Backend;
use crate::report::{Align, Table};
use crate::store::Row;

/// Ask the store in SQL. Read-only: one query over the views spans, span_events, span_links,
/// metric_points, logs, runs, steps, calls, resource_samples, unmapped, alerts, baselines, audit, alert_precision and
/// the others of docs/query.md.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline query 'select pipeline, count(*) from runs group by all'
  perfline query --format csv 'from steps' > steps.csv")]
pub(crate) struct QueryArgs {
    /// One query; may begin with a comment.
    #[arg(allow_hyphen_values = true)]
    sql: String,
    #[command(flatten)]
    store: StoreArg,
    /// How rows are printed.
    #[arg(long, value_enum, default_value = "text")]
    format: QueryFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum QueryFormat {
    Text,
    Json,
    Csv,
}

pub(super) fn run(args: &QueryArgs) -> Result<ExitCode, Failure> {
    let backend = args.store.open_existing()?;
    let rows = backend.query(&args.sql)?;
    let heads = if args.format == QueryFormat::Csv { heads(&backend, &args.sql, &rows) } else { Vec::new() };
    backend.close()?;
    match args.format {
        QueryFormat::Json => print_json(&rows)?,
        QueryFormat::Csv => print_data(&to_csv(&heads, &rows)?)?,
        QueryFormat::Text => print(&to_table(&rows))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Names of the columns, also where no row came. What describes itself has no other description.
fn heads(backend: &Backend, sql: &str, rows: &[Row]) -> Vec<String> {
    if let Some(first) = rows.first() {
        return first.keys().cloned().collect();
    }
    let described = backend.query(&format!("describe {sql}")).unwrap_or_default();
    let name = |row: &Row| row.get("column_name").and_then(serde_json::Value::as_str).map(str::to_owned);
    described.iter().filter_map(name).collect()
}

fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

pub(super) fn to_table(rows: &[Row]) -> String {
    let Some(first) = rows.first() else {
        return "no rows\n".to_owned();
    };
    let side = |value: &serde_json::Value| if value.is_number() { Align::Right } else { Align::Left };
    let heads: Vec<(&str, Align)> = first.iter().map(|(name, value)| (name.as_str(), side(value))).collect();
    let mut table = Table::new(&heads);
    for row in rows {
        table.row(row.values().map(plain));
    }
    table.ansi(terminal_width())
}

fn to_csv(heads: &[String], rows: &[Row]) -> Result<String, Failure> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    if !heads.is_empty() {
        writer.write_record(heads).map_err(|e| Failure::internal(&e))?;
    }
    for row in rows {
        writer.write_record(row.values().map(plain)).map_err(|e| Failure::internal(&e))?;
    }
    let bytes = writer.into_inner().map_err(|e| Failure::internal(&e))?;
    String::from_utf8(bytes).map_err(|e| Failure::internal(&e))
}
