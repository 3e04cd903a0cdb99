//! Metric points belong to runs: by an id, by their process and time; counters, histograms and exemplars are read.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint, Metric,
    NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, exemplar, exponential_histogram_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use perfline::model::Signal;
use perfline::otlp::sink::Accepted;
use prost::Message;
use serde_json::{Value, json};

use super::scenario::{BEGIN_NS, Scenario};
use super::support::{TempStore, fixtures, requests};

fn text(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(Any::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}

fn request(resource: Vec<KeyValue>, metrics: Vec<Metric>) -> Accepted {
    let part = ResourceMetrics {
        resource: Some(Resource { attributes: resource, ..Resource::default() }),
        scope_metrics: vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }],
        ..ResourceMetrics::default()
    };
    let body = ExportMetricsServiceRequest { resource_metrics: vec![part] }.encode_to_vec();
    Accepted { signal: Signal::Metrics, body: body.into(), items: 1 }
}

fn counter(name: &str, temporality: i32, points: Vec<NumberDataPoint>) -> Metric {
    let sum = Sum { data_points: points, aggregation_temporality: temporality, is_monotonic: true };
    Metric { name: name.to_owned(), data: Some(Data::Sum(sum)), ..Metric::default() }
}

fn point(start_s: u64, at_s: u64, value: f64, attributes: Vec<KeyValue>) -> NumberDataPoint {
    NumberDataPoint {
        start_time_unix_nano: BEGIN_NS + start_s * 1_000_000_000,
        time_unix_nano: BEGIN_NS + at_s * 1_000_000_000,
        value: Some(Number::AsDouble(value)),
        attributes,
        ..NumberDataPoint::default()
    }
}

fn gauge(name: &str, points: Vec<NumberDataPoint>) -> Metric {
    Metric { name: name.to_owned(), data: Some(Data::Gauge(Gauge { data_points: points })), ..Metric::default() }
}

fn scenario(name: &str, spans: Value) -> Scenario {
    let document = json!({
        "tool": name,
        "resource": {"service.name": "etl", "service.instance.id": "i-1", "telemetry.sdk.name": "opentelemetry"},
        "scope": "app", "spans": spans, "want": {},
    });
    Scenario::parse(&document.to_string())
}

fn two_runs() -> Scenario {
    scenario(
        "two runs",
        json!([
            {"id": "a", "trace": "1", "name": "load", "at": [0, 20]},
            {"id": "b", "trace": "2", "name": "load", "at": [30, 50]},
        ]),
    )
}

#[test]
fn points_join_the_run_of_their_process_in_whatever_order_they_come() {
    // The metrics' resource says less than the spans': the instance is the same.
    let process = vec![text("service.name", "etl"), text("service.instance.id", "i-1")];
    let points = [5, 15, 25, 35, 45, 70].map(|at| point(0, at, at as f64, Vec::new())).to_vec();
    let metrics = request(process, vec![counter("process.cpu.time", 2, points)]);
    let spans = two_runs().requests();
    for order in [[vec![metrics.clone()], spans.clone()].concat(), [spans, vec![metrics]].concat()] {
        let store = TempStore::filled_one_by_one(order);
        let rows = store.query(
            "select r.started_at::varchar as run, count(*) as points from metric_points as p join runs as r using (run_key) \
             group by all order by all",
        );
        assert_eq!(rows.len(), 2, "{rows:?}");
        assert!(rows.iter().all(|row| row["points"] == 2), "{rows:?}");
        assert_eq!(store.value("select count(*) from metric_points where run_key is null"), 2);
        // Ten seconds of CPU time within each run are known from the points in and around it.
        let cpu = store.query("select cpu_s from runs order by started_at");
        assert!(cpu.iter().all(|row| (row["cpu_s"].as_f64().unwrap() - 20.0).abs() < 1e-6), "{cpu:?}");
    }
}

#[test]
fn a_step_has_what_its_process_used_while_it_went_on() {
    let spans = scenario(
        "steps",
        json!([
            {"id": "a", "trace": "1", "name": "load", "at": [0, 60]},
            {"id": "b", "trace": "1", "parent": "a", "name": "read", "at": [5, 25], "events": [
                {"name": "gen_ai.evaluation.result", "at": 20, "attributes": {"gen_ai.evaluation.name": "whole", "gen_ai.evaluation.score.value": 0.5}},
                {"name": "gen_ai.evaluation.result", "at": 21, "attributes": {"gen_ai.evaluation.name": "clean", "gen_ai.evaluation.score.value": 1.0}},
            ]},
            {"id": "c", "trace": "1", "parent": "a", "name": "write", "at": [30, 55], "attributes": {"cicd.pipeline.task.name": "write", "items": 50}},
            {"id": "d", "trace": "1", "parent": "a", "name": "blink", "at": [56, 57]},
        ]),
    )
    .requests();
    let process = vec![text("service.name", "etl"), text("service.instance.id", "i-1")];
    let used = [(0, 0.0), (10, 5.0), (20, 10.0), (30, 15.0), (40, 25.0), (50, 35.0), (60, 45.0)];
    let used = used.map(|(at, cpu_s)| point(0, at, cpu_s, Vec::new())).to_vec();
    let held = [(10, 1e8), (20, 3e8), (40, 2e8)].map(|(at, bytes)| point(0, at, bytes, Vec::new())).to_vec();
    let metrics = request(process, vec![counter("process.cpu.time", 2, used), gauge("process.memory.usage", held)]);
    for order in [[vec![metrics.clone()], spans.clone()].concat(), [spans, vec![metrics]].concat()] {
        let store = TempStore::filled_one_by_one(order);
        let of = |step: &str| {
            let question = format!(
                "select peak_memory_bytes, cpu_s, quality_score, items / duration_s as rate from steps where step = '{step}'"
            );
            store.query(&question).remove(0)
        };
        let (read, write, blink) = (of("read"), of("write"), of("blink"));
        assert_eq!((&read["peak_memory_bytes"], &read["cpu_s"]), (&json!(300_000_000), &json!(10.0)));
        assert_eq!((&read["quality_score"], &read["rate"]), (&json!(0.75), &Value::Null));
        assert_eq!((&write["peak_memory_bytes"], &write["cpu_s"]), (&json!(200_000_000), &json!(25.0)));
        assert_eq!((&write["quality_score"], &write["rate"]), (&Value::Null, &json!(2.0)));
        assert_eq!((&blink["peak_memory_bytes"], &blink["cpu_s"]), (&Value::Null, &Value::Null));
    }
}

#[test]
fn a_run_id_on_a_point_wins_over_its_process() {
    let spans = scenario(
        "ids",
        json!([
            {"id": "a", "trace": "1", "name": "load", "at": [0, 20], "attributes": {"cicd.pipeline.name": "load", "cicd.pipeline.run.id": "r-1", "cicd.pipeline.result": "success"}},
        ]),
    );
    let named = point(0, 40, 1.0, vec![text("cicd.pipeline.run.id", "r-1")]);
    let other = point(0, 41, 1.0, vec![text("cicd.pipeline.run.id", "r-2")]);
    let metrics = request(
        vec![text("service.name", "collector")],
        vec![counter("cicd.pipeline.run.errors", 1, vec![named, other])],
    );
    let store = TempStore::filled_one_by_one(spans.requests().into_iter().chain([metrics]));
    assert_eq!(store.value("select count(*) from metric_points where run_id = 'r-1'"), 1);
    assert_eq!(store.value("select count(*) from metric_points where run_id is null"), 1);
}

#[test]
fn increases_know_deltas_totals_and_resets() {
    let total = [(0, 10, 5.0), (0, 20, 9.0), (25, 30, 2.0), (25, 40, 6.0)];
    let points = |list: &[(u64, u64, f64)]| {
        list.iter().map(|(start, at, value)| point(*start, *at, *value, Vec::new())).collect()
    };
    let delta = [(0, 10, 5.0), (10, 20, 4.0)];
    let metrics = vec![counter("rows.total", 2, points(&total)), counter("rows.delta", 1, points(&delta))];
    let store = TempStore::filled_one_by_one([request(vec![text("service.name", "x")], metrics)]);
    let rows = store.query("select name, increase, is_reset from metric_increases order by name, time");
    let told: Vec<(&str, f64, bool)> = rows
        .iter()
        .map(|row| {
            (row["name"].as_str().unwrap(), row["increase"].as_f64().unwrap(), row["is_reset"].as_bool().unwrap())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("rows.delta", 5.0, false),
            ("rows.delta", 4.0, false),
            ("rows.total", 5.0, false),
            ("rows.total", 4.0, false),
            ("rows.total", 2.0, true),
            ("rows.total", 4.0, false),
        ]
    );
}

#[test]
fn histograms_of_both_kinds_give_quantiles_and_exemplars_lead_to_their_run() {
    let spans = two_runs();
    let exemplar = Exemplar {
        time_unix_nano: BEGIN_NS + 10_000_000_000,
        trace_id: spans.trace_id("1"),
        span_id: spans.id("a").to_be_bytes().to_vec(),
        value: Some(exemplar::Value::AsDouble(3.5)),
        ..Exemplar::default()
    };
    let explicit = HistogramDataPoint {
        time_unix_nano: BEGIN_NS + 60_000_000_000,
        count: 20,
        sum: Some(50.0),
        bucket_counts: vec![0, 10, 10, 0],
        explicit_bounds: vec![1.0, 2.0, 4.0],
        exemplars: vec![exemplar],
        ..HistogramDataPoint::default()
    };
    let exponential = ExponentialHistogramDataPoint {
        time_unix_nano: BEGIN_NS + 60_000_000_000,
        count: 8,
        scale: 0,
        positive: Some(exponential_histogram_data_point::Buckets { offset: 0, bucket_counts: vec![4, 4] }),
        ..ExponentialHistogramDataPoint::default()
    };
    let metrics = vec![
        Metric {
            name: "rows.duration".to_owned(),
            data: Some(Data::Histogram(Histogram { data_points: vec![explicit], aggregation_temporality: 2 })),
            ..Metric::default()
        },
        Metric {
            name: "rows.size".to_owned(),
            data: Some(Data::ExponentialHistogram(ExponentialHistogram {
                data_points: vec![exponential],
                aggregation_temporality: 1,
            })),
            ..Metric::default()
        },
    ];
    let store = TempStore::filled_one_by_one(
        spans.requests().into_iter().chain([request(vec![text("service.name", "elsewhere")], metrics)]),
    );
    let quantile = "select bucket_quantile(buckets, bounds, 0.5) from metric_points where name = 'rows.duration'";
    // Half of 20 lies at the end of the bucket (1, 2].
    assert_eq!(store.value(quantile), 2.0);
    let quantile = "select exponential_quantile(scale, zero_count, positive_offset, positive, negative_offset, negative, 0.5) \
                    from metric_points where name = 'rows.size'";
    assert_eq!(store.value(quantile), 2.0);
    let found = store.query("select value, pipeline, run_key from metric_exemplars");
    assert_eq!((found.len(), &found[0]["value"], &found[0]["pipeline"]), (1, &json!(3.5), &json!("load")));
    assert_eq!(found[0]["run_key"], store.value("select arg_min(run_key, started_at) from runs"));
}

#[test]
fn both_spellings_of_a_resource_are_one_figure() {
    let store = TempStore::filled_one_by_one(requests(&fixtures().join("otlp/system-metrics")));
    let named = |figure: &str| {
        let question = format!(
            "select distinct name from resource_samples where figure = '{figure}' and scope = 'process' order by name"
        );
        store.query(&question).iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(named("cpu"), ["process.cpu.time", "process.runtime.cpython.cpu_time"]);
    assert_eq!(named("memory"), ["process.memory.usage", "process.runtime.cpython.memory"]);
    assert_eq!(store.value("select count(*) from runs where peak_memory_bytes > 1000000"), 6);
    // The first run of each process has no reading before it.
    assert_eq!(store.value("select count(*) from runs where cpu_s > 0"), 4);
    let hosts = store.value("select count(distinct run_key) from resource_samples where scope = 'host'");
    assert_eq!(hosts, 4);
}

#[test]
fn points_that_name_their_run_find_it_whoever_comes_first() {
    let run = scenario(
        "named",
        json!([
            {"id": "a", "trace": "1", "name": "load", "at": [0, 20], "attributes": {"cicd.pipeline.name": "load", "cicd.pipeline.run.id": "r-1", "cicd.pipeline.result": "success"}},
            {"id": "b", "trace": "1", "parent": "a", "name": "late", "at": [18, 19], "attributes": {"cicd.pipeline.task.name": "late"}},
        ]),
    )
    .requests();
    let named = || vec![text("cicd.pipeline.run.id", "r-1")];
    // Another process, of which nothing but the point itself says whose it is.
    let points = vec![point(0, 5, 1.0, named()), point(0, 15, 2.0, named()), point(0, 15, 2.0, Vec::new())];
    let metrics = request(vec![text("service.name", "watcher")], vec![counter("rows.read", 1, points)]);
    let orders = [
        vec![run[0].clone(), run[1].clone(), metrics.clone()],
        vec![metrics.clone(), run[0].clone(), run[1].clone()],
        // Derived anew by a span that comes last, the run keeps its points.
        vec![run[0].clone(), metrics, run[1].clone()],
    ];
    for order in orders {
        let store = TempStore::filled_one_by_one(order);
        assert_eq!(store.value("select count(*) from metric_points where run_id = 'r-1'"), 2);
        assert_eq!(store.value("select count(*) from metric_points where run_id is null"), 1);
    }
}

#[test]
fn a_point_may_name_its_run_by_any_attribute_from_which_the_conventions_take_an_id() {
    let run = scenario(
        "dbos",
        json!([{"id": "a", "trace": "1", "name": "checkout", "at": [0, 20], "attributes": {
            "dbos.operation.type": "workflow", "dbos.operation.workflow_id": "w-1"}}]),
    )
    .requests();
    let named = |key: &str, id: &str| vec![text(key, id)];
    let points = vec![
        point(0, 5, 1.0, named("dbos.operation.workflow_id", "w-1")),
        point(0, 5, 1.0, named("dbos.operation.workflow_id", "w-2")),
        // A plain word may be anything on a point, although a rule takes an id from it.
        point(0, 5, 1.0, named("build", "w-1")),
    ];
    let metrics = request(vec![text("service.name", "watcher")], vec![counter("rows.read", 1, points)]);
    let store = TempStore::filled(&[run[0].clone(), metrics]);
    assert_eq!(store.value("select count(*) from metric_points where run_id = 'w-1'"), 1);
    assert_eq!(store.value("select count(*) from metric_points where run_id is null"), 2);
}
