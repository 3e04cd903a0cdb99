//! Run history, one row per run, as OTLP: every row becomes a root span that says what the row says
//! in the attributes of `config/conventions/perfline.toml`. So imported history takes the same way
//! through the house as live telemetry, and a second import of a row is the same span.

use std::collections::BTreeMap;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use serde_json::{Map, Value};
use xxhash_rust::xxh3::xxh3_128;

use crate::model::Outcome;
use crate::model::unit::parse_time;

/// Columns with a meaning of their own; every other becomes an attribute.
const NUMBERS: [&str; 9] = [
    "duration_s",
    "cost_usd",
    "input_tokens",
    "output_tokens",
    "api_calls",
    "peak_memory_bytes",
    "cpu_s",
    "quality_score",
    "items",
];
const WORDS: [&str; 5] = ["branch", "revision", "environment", "host_class", "outcome"];
/// Scope of the spans that rows become.
pub(super) const HISTORY_SCOPE: &str = "perfline.history";
/// Spans in one request.
const ROWS_PER_REQUEST: usize = 1_000;

/// What a history held.
#[derive(Debug, Default)]
pub struct History {
    /// Export requests, oldest row first.
    pub requests: Vec<ExportTraceServiceRequest>,
    /// Rows that were read.
    pub rows: usize,
    /// Rows that were refused: line (1-based) and why.
    pub refused: Vec<(usize, String)>,
}

/// Reads CSV with a header.
pub fn read_csv(bytes: &[u8]) -> Result<History, String> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
    let header = reader.headers().map_err(|e| e.to_string())?.clone();
    expect_needed(header.iter())?;
    let rows = reader.records().map(|record| {
        let record = record.map_err(|e| e.to_string())?;
        Ok(header
            .iter()
            .zip(record.iter())
            .filter(|(_, cell)| !cell.is_empty())
            .map(|(column, cell)| (column.to_owned(), Value::String(cell.to_owned())))
            .collect())
    });
    // The header is line 1.
    Ok(collect(rows, 2))
}

/// A table whose cells are text, column by column, as a Parquet file is read. A time without a zone is UTC.
pub fn read_columns(names: &[String], cells: &[Vec<String>]) -> Result<History, String> {
    expect_needed(names.iter().map(String::as_str))?;
    let rows = (0..cells.first().map_or(0, Vec::len)).map(|row| {
        let cells = names.iter().zip(cells).filter_map(|(name, column)| Some((name, column.get(row)?)));
        let known = cells.filter(|(_, cell)| !cell.is_empty());
        Ok(known.map(|(name, cell)| (name.clone(), Value::String(zoned(name, cell)))).collect())
    });
    Ok(collect(rows, 1))
}

fn zoned(name: &str, cell: &str) -> String {
    if name == "started_at" && parse_time(cell).is_err() { format!("{cell}Z") } else { cell.to_owned() }
}

fn expect_needed<'a>(columns: impl Iterator<Item = &'a str> + Clone) -> Result<(), String> {
    for needed in ["pipeline", "run_id", "started_at"] {
        if !columns.clone().any(|column| column == needed) {
            return Err(format!("the header has no column `{needed}`; needed are pipeline, run_id, started_at"));
        }
    }
    Ok(())
}

/// Rows that were read as JSON objects, `first_line` being the line of the first.
#[must_use]
pub fn from_rows(rows: Vec<Map<String, Value>>, first_line: usize) -> History {
    collect(rows.into_iter().map(Ok), first_line)
}

fn collect(rows: impl Iterator<Item = Result<Map<String, Value>, String>>, first_line: usize) -> History {
    let mut history = History::default();
    let mut spans: Vec<Span> = Vec::new();
    for (place, row) in rows.enumerate() {
        match row.and_then(|row| span_of(&row)) {
            Ok(span) => spans.push(span),
            Err(why) => history.refused.push((first_line + place, why)),
        }
    }
    history.rows = spans.len();
    history.requests = spans.chunks(ROWS_PER_REQUEST).map(|part| request(part.to_vec())).collect();
    history
}

fn request(spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope = InstrumentationScope { name: HISTORY_SCOPE.to_owned(), ..InstrumentationScope::default() };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource::default()),
            scope_spans: vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }],
            ..ResourceSpans::default()
        }],
    }
}

fn span_of(row: &Map<String, Value>) -> Result<Span, String> {
    let needed = |column: &str| text(row.get(column)).ok_or_else(|| format!("`{column}` is missing"));
    let (pipeline, run_id, started) = (needed("pipeline")?, needed("run_id")?, needed("started_at")?);
    let start = parse_time(&started).map_err(|e| format!("started_at: {e}"))?;
    let start_ns = u64::try_from(start).map_err(|_e| "started_at lies before 1970".to_owned())?;
    let mut attributes = BTreeMap::from([
        ("perfline.pipeline".to_owned(), Any::StringValue(pipeline.clone())),
        ("perfline.run.id".to_owned(), Any::StringValue(run_id.clone())),
        // A row that does not say how it ended must not read as a success, as a span without a status would.
        ("perfline.outcome".to_owned(), Any::StringValue(Outcome::Unknown.as_str().to_owned())),
    ]);
    let mut duration = None;
    for (column, value) in row {
        let column = column.as_str();
        if matches!(column, "pipeline" | "run_id" | "started_at") || value.is_null() {
            continue;
        }
        if NUMBERS.contains(&column) {
            let number = number(value).ok_or_else(|| format!("`{column}` is no number: {value}"))?;
            if column == "duration_s" {
                duration = Some(number);
            }
            attributes.insert(format!("perfline.{column}"), Any::DoubleValue(number));
        } else if WORDS.contains(&column) {
            attributes.extend(text(Some(value)).map(|word| (format!("perfline.{column}"), Any::StringValue(word))));
        } else {
            attributes.insert(column.to_owned(), Any::StringValue(text(Some(value)).unwrap_or_default()));
        }
    }
    let end_ns = start_ns.saturating_add(nanoseconds(duration.unwrap_or(0.0))?);
    let identity = xxh3_128(format!("{pipeline}\0{run_id}\0{start}").as_bytes());
    Ok(Span {
        trace_id: identity.max(1).to_be_bytes().to_vec(),
        span_id: identity.to_be_bytes()[8..].to_vec(),
        name: pipeline,
        kind: 1,
        start_time_unix_nano: start_ns,
        end_time_unix_nano: end_ns,
        attributes: attributes.into_iter().map(|(key, value)| key_value(key, value)).collect(),
        status: Some(status_of(row.get("outcome"))),
        ..Span::default()
    })
}

fn nanoseconds(seconds: f64) -> Result<u64, String> {
    if !(0.0..9e9).contains(&seconds) {
        return Err(format!("`duration_s` is no duration: {seconds}"));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above: 0 to 9e18")]
    Ok((seconds * 1e9).round() as u64)
}

fn status_of(outcome: Option<&Value>) -> Status {
    let failed = text(outcome).is_some_and(|word| {
        matches!(Outcome::from_word(&word), Outcome::Failure | Outcome::TimedOut | Outcome::Cancelled)
    });
    Status { code: if failed { 2 } else { 0 }, message: String::new() }
}

fn key_value(key: String, value: Any) -> KeyValue {
    KeyValue { key, value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.clone()),
        Value::Null => None,
        other => Some(other.to_string()),
    }
}

fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_becomes_one_span_and_a_bad_row_is_refused_with_its_line() {
        let csv = b"pipeline,run_id,started_at,duration_s,outcome,team\n\
                    etl,1,2026-05-01T00:00:00Z,12.5,failure,blue\n\
                    etl,2,yesterday,1,success,\n\
                    etl,3,2026-05-02T00:00:00Z,fast,success,\n";
        let history = read_csv(csv).unwrap();
        assert_eq!(history.rows, 1);
        assert_eq!(history.refused.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 4]);
        let span = &history.requests[0].resource_spans[0].scope_spans[0].spans[0];
        assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 12_500_000_000);
        assert!(span.attributes.iter().any(|a| a.key == "team"));
        assert_eq!(span.status.as_ref().unwrap().code, 2);
    }

    #[test]
    fn columns_of_text_are_rows_and_a_time_without_a_zone_is_utc() {
        let names = ["pipeline", "run_id", "started_at", "duration_s", "team"].map(str::to_owned);
        let cells =
            [["etl", "etl"], ["1", "2"], ["2026-05-01 00:00:00", "2026-05-01 02:00:00+02"], ["1.5", ""], ["", "b"]];
        let cells: Vec<Vec<String>> = cells.map(|column| column.map(str::to_owned).to_vec()).to_vec();
        let history = read_columns(&names, &cells).unwrap();
        assert_eq!((history.rows, history.refused.len()), (2, 0), "{:?}", history.refused);
        let spans = &history.requests[0].resource_spans[0].scope_spans[0].spans;
        assert_eq!(spans[0].start_time_unix_nano, spans[1].start_time_unix_nano);
        assert_eq!(spans[0].end_time_unix_nano - spans[0].start_time_unix_nano, 1_500_000_000);
        assert!(read_columns(&names[..2], &cells[..2]).unwrap_err().contains("started_at"));
    }

    #[test]
    fn a_header_without_a_needed_column_is_named() {
        assert!(read_csv(b"pipeline,started_at\na,b\n").unwrap_err().contains("run_id"));
    }
}
