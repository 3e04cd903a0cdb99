//! What a derivation does grows with what it reads, not with its square. DuckDB orders joins by what it expects, and of
//! tables made a moment ago it expects a row: then a comparison of times looks cheaper than the equality beside it, and
//! every row is held against every other. Told by the plans as they ran, not by the clock.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value::Value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric::Data, number_data_point,
};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prost::Message as _;
use serde_json::Value as Json;

use super::super::options::connect;
use super::super::{Store, StoreOptions, prices, read, sql};
use crate::model::Signal;
use crate::otlp::conventions::Rules;
use crate::otlp::sink::Accepted;
use crate::price::Prices;

/// Runs of a store.
const RUNS: u64 = 1_000;
/// Rows that one operator may make, or hold against one another, for each span and point; the square has a thousand.
const ROWS_EACH_MAX: u64 = 60;
const BEGIN_NS: u64 = 1_790_000_000_000_000_000;
const SECOND_NS: u64 = 1_000_000_000;

fn text(key: &str, value: &str) -> KeyValue {
    let value = Some(AnyValue { value: Some(Value::StringValue(value.to_owned())) });
    KeyValue { key: key.to_owned(), value, ..KeyValue::default() }
}

fn count(key: &str, value: i64) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Value::IntValue(value)) }),
        ..KeyValue::default()
    }
}

/// Span `number` of trace `trace`, under span `parent` of it (0: its root). Traces begin a second apart and overlap; the
/// second thousand goes beside the first.
fn span(trace: u64, number: u64, parent: u64, name: &str, attributes: Vec<KeyValue>) -> Span {
    let id = |number: u64| (trace * 10 + number).to_be_bytes().to_vec();
    let begin = BEGIN_NS + trace % RUNS * SECOND_NS + number;
    Span {
        trace_id: u128::from(trace).to_be_bytes().to_vec(),
        span_id: id(number),
        parent_span_id: if parent > 0 { id(parent) } else { Vec::new() },
        name: name.to_owned(),
        kind: 1,
        start_time_unix_nano: begin,
        end_time_unix_nano: begin + 5 * SECOND_NS,
        attributes,
        ..Span::default()
    }
}

fn of_run(run: u64) -> Vec<KeyValue> {
    vec![text("cicd.pipeline.name", "nightly"), text("cicd.pipeline.run.id", &run.to_string())]
}

fn call() -> Vec<KeyValue> {
    let tokens = ["gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"];
    let mut all = vec![text("gen_ai.operation.name", "chat"), text("gen_ai.request.model", "gpt-4o-mini")];
    all.extend(tokens.map(|key| count(key, 10)));
    all
}

/// Derives a store of these spans, and of a point a second of one process, and looks at every plan.
fn derived(spans: Vec<Span>) {
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions::new(folder.path().join("growth.duckdb"));
    let store = Store::open(&options, std::sync::Arc::new(Rules::embedded().unwrap())).unwrap();
    let rows = spans.len() as u64 + RUNS;
    let items = u32::try_from(spans.len()).unwrap();
    let scope_spans = vec![ScopeSpans { spans, ..ScopeSpans::default() }];
    let traces =
        ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..ResourceSpans::default() }] };
    let point = |at: u64| NumberDataPoint {
        time_unix_nano: BEGIN_NS + at * SECOND_NS,
        value: Some(number_data_point::Value::AsInt(7)),
        ..NumberDataPoint::default()
    };
    let data = Some(Data::Gauge(Gauge { data_points: (0..RUNS).map(point).collect() }));
    let metrics = vec![Metric { name: "process.memory.usage".to_owned(), data, ..Metric::default() }];
    let scope_metrics = vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }];
    let points = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }],
    };
    let submit = |signal, body: Vec<u8>, items| {
        store.submit_blocking(Accepted { signal, body: body.into(), items }).unwrap();
    };
    submit(Signal::Traces, traces.encode_to_vec(), items);
    submit(Signal::Metrics, points.encode_to_vec(), u32::try_from(RUNS).unwrap());
    store.settle().unwrap();
    store.close().unwrap();
    drop(store);
    again(&options, rows);
}

/// Everything once more, statement by statement, beside the runs that are stored already.
fn again(options: &StoreOptions, rows: u64) {
    let connection = connect(options).unwrap();
    read::define_views(&connection).unwrap();
    let touched = "insert into pending_traces by name
        select trace_hi, trace_lo, min(start_ns) as from_ns, max(start_ns + duration_ns) as to_ns, false as quiet
        from span_rows group by all;
        insert into pending_resources by name
        select resource_id, min(time_ns) as from_ns, max(time_ns) as to_ns from point_rows group by all;
        begin transaction;";
    connection.execute_batch(touched).unwrap();
    let run = |texts: &[&str]| {
        for text in texts {
            let code = |line: &str| line.split("--").next().unwrap_or_default().to_owned();
            let plain = text.lines().map(code).collect::<Vec<_>>().join("\n");
            for statement in plain.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
                look_at_plan(&connection, statement, rows * ROWS_EACH_MAX);
                connection.execute_batch(statement).unwrap();
            }
        }
    };
    run(sql::DERIVE_FIND);
    run(sql::DERIVE_RECOGNISE);
    prices::fill(&connection, &Prices::default()).unwrap();
    run(sql::DERIVE_REWRITE);
    run(sql::DERIVE_FINISH);
}

fn look_at_plan(connection: &duckdb::Connection, statement: &str, rows_max: u64) {
    let Some((_, body)) = statement.strip_prefix("create or replace temp table ").and_then(|s| s.split_once(" as\n"))
    else {
        return;
    };
    let plan: String =
        connection.query_row(&format!("explain (analyze, format json) {body}"), [], |row| row.get(1)).unwrap();
    look_at(&serde_json::from_str(&plan).unwrap(), statement, rows_max);
}

fn look_at(operator: &Json, statement: &str, rows_max: u64) {
    let children: Vec<&Json> = operator["children"].as_array().map(|all| all.iter().collect()).unwrap_or_default();
    let made = |operator: &Json| operator["operator_cardinality"].as_u64().unwrap_or(0);
    let name = operator["operator_name"].as_str().unwrap_or_default();
    let is_loop = ["NESTED_LOOP", "NL_JOIN", "CROSS_PRODUCT"].iter().any(|loops| name.contains(loops));
    let held = if is_loop { children.iter().map(|child| made(child)).product() } else { 0 };
    assert!(
        made(operator).max(held) <= rows_max,
        "{name} makes {} rows of {:?}, where at most {rows_max} are right: {}\n{statement}",
        made(operator),
        children.iter().map(|child| made(child)).collect::<Vec<_>>(),
        operator["extra_info"]
    );
    children.into_iter().for_each(|child| look_at(child, statement, rows_max));
}

#[test]
fn of_runs_that_fail() {
    let failed = |run| {
        let attributes = vec![text("error.type", "ValueError"), text("exception.message", &format!("bad value {run}"))];
        Span {
            status: Some(Status { code: 2, message: format!("number {run}") }),
            ..span(run, 1, 0, "job", attributes)
        }
    };
    derived((1..=RUNS).map(failed).collect());
}

#[test]
fn of_runs_with_workers_in_traces_of_their_own() {
    let both = |run| {
        let mut step = of_run(run);
        step.remove(0);
        step.push(text("cicd.pipeline.task.name", "work"));
        [span(run, 1, 0, "nightly", of_run(run)), span(RUNS + run, 1, 0, "work", step)]
    };
    derived((1..=RUNS).flat_map(both).collect());
}

#[test]
fn of_calls_with_a_sum_around_them_and_of_calls_alone() {
    let both = |run| {
        let aggregate = vec![count("gen_ai.usage.input_tokens", 10), count("gen_ai.usage.output_tokens", 10)];
        [
            span(run, 1, 0, "answer", aggregate),
            span(run, 2, 1, "chat gpt-4o-mini", call()),
            span(RUNS + run, 1, 0, "openai.chat", call()),
        ]
    };
    derived((1..=RUNS).flat_map(both).collect());
}

#[test]
fn of_one_run_of_many_steps_that_are_tried_again() {
    let step = |at: u64| {
        let one = span(at, 1, 0, "flaky", vec![text("cicd.pipeline.task.name", "flaky")]);
        Span {
            trace_id: u128::from(1_u64).to_be_bytes().to_vec(),
            parent_span_id: 11_u64.to_be_bytes().to_vec(),
            status: Some(Status { code: if at.is_multiple_of(2) { 2 } else { 1 }, ..Status::default() }),
            ..one
        }
    };
    let root = span(1, 1, 0, "nightly", of_run(1));
    derived(std::iter::once(root).chain((2..=RUNS).map(step)).collect());
}
