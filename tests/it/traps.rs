//! The fourteen traps of real instrumentation, one test each: on captured payloads where one springs the trap, else
//! on spans written down.

use std::collections::BTreeSet;

use bytes::Bytes;
use perfline::model::Signal;
use perfline::otlp::door::{self, Encoding, Limits};
use serde_json::{Value, json};

use super::scenario::Scenario;
use super::support::{TempStore, fixtures, requests};

fn captured(folder: &str) -> TempStore {
    TempStore::filled(&requests(&fixtures().join("otlp").join(folder)))
}

fn written(spans: Value) -> TempStore {
    TempStore::filled(&scenario(spans).requests())
}

fn scenario(spans: Value) -> Scenario {
    let document =
        json!({"tool": "trap", "resource": {"service.name": "shop"}, "scope": "app", "spans": spans, "want": {}});
    Scenario::parse(&document.to_string())
}

fn number(store: &TempStore, question: &str) -> f64 {
    let value = store.value(question);
    value.as_f64().unwrap_or_else(|| panic!("{question}: {value}"))
}

#[test]
fn trap_1_a_run_is_a_group_not_a_span_without_parent() {
    // (a) an explicit id, over traces: Dagster has no run span at all.
    let store = captured("dagster");
    assert_eq!(store.value("select count(*) from runs"), 6);
    assert_eq!(store.value("select count(distinct run_id) from runs where run_id <> trace_id"), 6);
    // (b) a marker, the outermost, below a root that is none.
    let store = captured("traceloop-langgraph");
    assert_eq!(store.value("select string_agg(distinct pipeline, ',') from runs"), "support_graph");
    // (c) the local root.
    let store = written(json!([
        {"id": "a", "trace": "1", "name": "nightly", "at": [0, 9]},
        {"id": "b", "trace": "1", "parent": "a", "name": "load", "at": [1, 2]},
        {"id": "c", "trace": "2", "parent": "elsewhere", "name": "nightly", "at": [20, 29]},
        {"id": "d", "trace": "2", "parent": "c", "name": "load", "at": [21, 22]},
    ]));
    assert_eq!(store.value("select count(*) from runs where pipeline = 'nightly' and duration_s = 9"), 2);
}

#[test]
fn trap_2_the_span_wins_over_its_resource_and_ids_are_compared_as_text() {
    let resource = json!({"service.name": "ci", "cicd.pipeline.name": "of the resource", "cicd.pipeline.run.id": "0", "vcs.ref.head.name": "resource"});
    let store = written(json!([
        {"id": "a", "trace": "1", "name": "x", "at": [0, 9], "resource": resource,
         "attributes": {"cicd.pipeline.name": "of the span", "cicd.pipeline.run.id": 17, "cicd.pipeline.result": "success", "vcs.ref.head.name": "span"}},
        {"id": "b", "trace": "2", "name": "compile", "at": [1, 5], "resource": resource,
         "attributes": {"cicd.pipeline.task.name": "compile", "cicd.pipeline.run.id": "17"}},
    ]));
    let runs = store.query("select pipeline, run_id, branch, steps from runs");
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(
        Value::Object(runs[0].clone()),
        json!({"pipeline": "of the span", "run_id": "17", "branch": "span", "steps": 1})
    );
}

#[test]
fn trap_3_trace_and_span_ids_come_again() {
    // Two attempts of one task under one span id.
    let store = captured("airflow");
    let again = "select count(*) from (select trace_id, span_id from spans group by all having count(*) > 1)";
    assert!(number(&store, again) > 0.0);
    assert_eq!(store.value("select max(attempt) from steps where step = 'flaky'"), 2);
    // Five executions of a program whose generator is seeded: the same trace ids each time.
    let store = captured("sdk-python");
    assert_eq!(store.value("select count(*) from runs where pipeline = 'nightly orders'"), 20);
    assert!(number(&store, "select count(distinct trace_id) from runs where pipeline = 'nightly orders'") < 20.0);
}

#[test]
fn trap_4_a_run_whose_root_never_comes_ends_all_the_same_and_reopens_when_it_does() {
    let store = captured("traceloop-old");
    assert_eq!(store.value("select count(*) from runs where outcome = 'failure' and state = 'closed'"), 1);
    let spans = scenario(json!([
        {"id": "b", "trace": "1", "parent": "a", "name": "load", "at": [1, 4]},
        {"id": "c", "trace": "1", "parent": "a", "name": "report", "at": [3, 8]},
        {"id": "a", "trace": "1", "name": "nightly", "at": [0, 9], "status": "error"},
    ]))
    .requests();
    let store = TempStore::filled(&spans[..2]);
    let open = store.query("select pipeline, state, outcome, duration_s from runs");
    // Nobody named it: the service does.
    assert_eq!(
        Value::Object(open[0].clone()),
        json!({"pipeline": "shop", "state": "closed", "outcome": "success", "duration_s": 7.0})
    );
    store.store.submit_blocking(spans[2].clone()).unwrap();
    store.store.flush().unwrap();
    let late = store.query("select pipeline, state, outcome, duration_s from runs");
    assert_eq!(late.len(), 1, "{late:?}");
    assert_eq!(
        Value::Object(late[0].clone()),
        json!({"pipeline": "nightly", "state": "closed", "outcome": "failure", "duration_s": 9.0})
    );
}

#[test]
fn trap_5_a_run_lasts_as_long_as_its_steps() {
    for folder in ["dagster", "celery"] {
        let store = captured(folder);
        let short = "select count(*) from runs as r where duration_s < (select (epoch_ns(max(ended_at)) - epoch_ns(r.started_at)) / 1e9 - 1e-6 from steps as s where s.run_key = r.run_key)";
        assert_eq!(store.value(short), 0, "{folder}");
    }
    // The producer alone took a few milliseconds, the work behind it longer.
    let store = captured("celery");
    let longest = "select count(*) from runs as r join spans as s on s.trace_id = r.trace_id and s.parent_span_id is null where r.duration_s * 1000 > s.duration_ms";
    assert!(number(&store, longest) > 0.0);
}

#[test]
fn trap_6_an_outcome_is_what_is_said_else_the_run_spans_else_the_steps() {
    let failures = |folder: &str| captured(folder).value("select count(*) from runs where outcome = 'failure'");
    // Roots that say OK or nothing though the run failed.
    assert_eq!(failures("openinference-openai-agents"), 1);
    assert_eq!(failures("vitest"), 1);
    assert_eq!(failures("celery"), 1);
    assert_eq!(failures("dagster"), 1);
    // Unset is a skipped test for some.
    let store = captured("pytest-opentelemetry");
    assert!(number(&store, "select count(*) from steps where outcome = 'skipped'") > 0.0);
    assert_eq!(
        captured("ansible")
            .value("select count(*) from steps where outcome = 'skipped' and step = 'Skipped on purpose'")
            .as_i64()
            .map(|count| count > 0),
        Some(true)
    );
    // A retried attempt fails no run.
    for folder in ["airflow", "dagster", "celery", "prefect", "vitest"] {
        let store = captured(folder);
        let recovered = "select count(*) from runs as r where outcome = 'success' and exists (from steps as s where s.run_key = r.run_key and not last_attempt)";
        if folder != "vitest" && folder != "prefect" {
            assert!(number(&store, recovered) > 0.0, "{folder}");
        }
        assert!(number(&store, "select count(*) from runs where outcome = 'success'") > 0.0, "{folder}");
    }
}

#[test]
fn trap_7_names_that_differ_from_run_to_run_make_one_pipeline() {
    for (folder, pipelines) in [("prefect", 1), ("hamilton", 1)] {
        let store = captured(folder);
        assert_eq!(store.value("select count(distinct pipeline) from runs"), pipelines, "{folder}");
    }
    let spans: Vec<Value> = (0..40)
        .map(|run| {
            let name = match run % 4 {
                0 => format!("import {run:08}"),
                1 => format!("import #{run}"),
                2 => format!("import 0b5e3d{run:02}-0c8a-4f6f-9a51-3ad0b4e9c1{run:02}"),
                _ => format!("import 2026-05-{:02}T03:00:{run:02}Z", run % 28 + 1),
            };
            json!({"id": format!("r{run}"), "trace": format!("{run}"), "name": name, "at": [run * 10, run * 10 + 5]})
        })
        .collect();
    let store = written(Value::Array(spans));
    assert_eq!(
        store.value("select string_agg(distinct pipeline, ', ' order by pipeline) from runs"),
        "import #{id}, import {id}"
    );
    // The title of a commit is no name, whoever sends it.
    let store = written(json!([
        {"id": "a", "name": "Fix the totals of returns", "at": [0, 5], "attributes": {"vcs.change.title": "Fix the totals of returns"}},
        {"id": "b", "trace": "2", "name": "build", "at": [10, 15], "attributes": {"vcs.change.title": "build: pin the compiler"}},
    ]));
    assert_eq!(store.value("select string_agg(pipeline, ', ' order by started_at) from runs"), "shop, build");
}

#[test]
fn trap_8_what_looks_like_a_run_and_is_none() {
    let store = captured("prefect");
    let roots = number(&store, "select count(*) from spans where parent_span_id is null");
    assert!(roots > 3.0 * number(&store, "select count(*) from runs"), "{roots} roots");
    assert!(number(&store, "select sum(traces) from unmapped where reason = 'ignored'") > 0.0);
    // A model call that a run holds already; a worker's session; a program that tells of itself.
    assert_eq!(
        captured("openinference-langgraph").value("select count(*) from runs where pipeline = 'ChatCompletion'"),
        0
    );
    let store = captured("pytest-opentelemetry");
    assert_eq!(store.value("select count(*) from runs where pipeline like '%gw%'"), 0);
    assert_eq!(captured("haystack").value("select count(*) from runs where pipeline like '%auto_enable%'"), 0);
}

#[test]
fn trap_9_tokens_count_once_per_model_call() {
    for (folder, key) in [
        ("smolagents", "llm.token_count.prompt"),
        ("openinference-langgraph", "llm.token_count.prompt"),
        ("vercel-ai-sdk", "ai.usage.promptTokens"),
        ("pydantic-ai-logfire", "gen_ai.usage.input_tokens"),
    ] {
        let store = captured(folder);
        let counted = number(&store, "select sum(input_tokens) from runs");
        let said =
            number(&store, &format!("select coalesce(sum(cast(attributes ->> '{key}' as bigint)), 0) from spans"));
        let again = number(
            &store,
            "select coalesce(sum(cast(attributes ->> 'gen_ai.aggregated_usage.input_tokens' as bigint)), 0) from spans",
        );
        assert!(
            counted > 0.0 && (said + again > counted || folder == "vercel-ai-sdk"),
            "{folder}: {said} said, {counted} counted"
        );
        let of_calls = number(&store, "select sum(input_tokens) from calls");
        assert!((of_calls - counted).abs() < 0.5, "{folder}: {of_calls} in calls, {counted} in runs");
    }
}

#[test]
fn trap_10_json_and_python_inside_attributes_are_read() {
    let store = captured("mlflow");
    assert_eq!(store.value("select count(*) from runs where run_id like 'tr-%'"), 4);
    assert_eq!(store.value("select sum(input_tokens) from runs"), 50);
    assert_eq!(captured("langfuse").value("select sum(input_tokens) from runs"), 260);
    assert_eq!(captured("haystack").value("select sum(output_tokens) from runs"), 33);
    // Dictionaries as Python prints them.
    assert_eq!(captured("litellm").value("select input_tokens from runs where pipeline = 'summarise'"), 16);
    assert_eq!(captured("langsmith").value("select sum(cached_tokens) from runs"), 8);
}

#[test]
fn trap_11_old_spans_of_whole_seconds_and_no_length_are_runs_like_any() {
    // The scenario begins on 1 May 2026, months before it is sent.
    let store = written(json!([
        {"id": "a", "name": "RUN build", "at": [0, 0], "attributes": {"cicd.pipeline.name": "build", "cicd.pipeline.run.id": 1, "cicd.pipeline.result": "success"}},
        {"id": "b", "parent": "a", "name": "setup", "at": [0, 0], "attributes": {"cicd.pipeline.task.name": "setup"}},
        {"id": "c", "parent": "a", "name": "test", "at": [0, 0], "attributes": {"cicd.pipeline.task.name": "test"}},
        {"id": "d", "trace": "2", "name": "RUN build", "at": [-8000000, -7999990], "attributes": {"cicd.pipeline.name": "build", "cicd.pipeline.run.id": 0, "cicd.pipeline.result": "failure"}},
    ]));
    let runs = store.query("select run_id, outcome, state, duration_s, steps from runs order by started_at");
    assert_eq!(
        Value::from(runs.into_iter().map(Value::Object).collect::<Vec<_>>()),
        json!([
            {"run_id": "0", "outcome": "failure", "state": "closed", "duration_s": 10.0, "steps": 0},
            {"run_id": "1", "outcome": "success", "state": "closed", "duration_s": 0.0, "steps": 2},
        ])
    );
}

#[test]
fn trap_12_one_run_comes_from_several_processes_children_first() {
    for (folder, processes) in [("airflow", 2), ("celery", 3), ("vitest", 2)] {
        let mut all = requests(&fixtures().join("otlp").join(folder));
        all.reverse();
        let store = TempStore::filled(&all);
        let most = number(
            &store,
            "select max(n) from (select count(distinct resource_attributes::varchar) as n from spans where run_key is not null group by run_key)",
        );
        assert!(most >= f64::from(processes), "{folder}: {most} processes");
        let wanted = captured(folder)
            .query("select pipeline, run_id, outcome, steps, retries, duration_s from runs order by all");
        assert_eq!(
            store.query("select pipeline, run_id, outcome, steps, retries, duration_s from runs order by all"),
            wanted,
            "{folder}"
        );
    }
}

#[test]
fn trap_13_metrics_of_every_kind_are_kept_and_alike_series_stay_apart() {
    let store = captured("sdk-python");
    let types = store.query("select distinct type from metric_points order by type");
    let types: BTreeSet<&str> = types.iter().map(|row| row["type"].as_str().unwrap()).collect();
    assert!(types.is_superset(&["gauge", "histogram", "sum"].into()), "{types:?}");
    // Programs that ran one after another send the same cumulative series: only the instance tells them apart.
    let alike = "select count(*) from (select name, attributes::varchar as a from metric_points where temporality = 'cumulative' and (resource_attributes ->> 'service.instance.id') is not null group by all having count(distinct (resource_attributes ->> 'service.instance.id')) > 1)";
    assert!(number(&store, alike) > 0.0);
    let resets = "select count(*) from metric_increases where increase < 0";
    assert_eq!(store.value(resets), 0);
    // Names of metrics that hold ids are metrics all the same.
    let store = captured("airflow");
    assert!(number(&store, "select count(distinct name) from metric_points") > 90.0);
    assert!(number(&store, "select count(*) from metric_points where name like '%.host-1'") > 0.0);
}

#[test]
fn trap_14_json_as_node_writes_it_is_the_same_as_protobuf() {
    let folder = fixtures().join("otlp/sdk-node");
    let store = TempStore::new();
    let mut read = 0;
    let mut files: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.to_string_lossy().ends_with(".wire.json")) {
        let name = file.file_name().unwrap().to_str().unwrap();
        let signal = Signal::ALL.into_iter().find(|signal| name.contains(signal.as_str())).unwrap();
        let body = Bytes::from(std::fs::read(file).unwrap());
        let admitted = door::admit(signal, Encoding::Json, body, &Limits::default()).unwrap();
        assert_eq!(admitted.refused_count(), 0, "{name}: {:?}", admitted.message);
        store.store.submit_blocking(admitted.accepted.unwrap()).unwrap();
        read += 1;
    }
    assert!(read > 0, "no JSON as sent in {}", folder.display());
    store.store.settle().unwrap();
    assert!(number(&store, "select count(*) from runs where pipeline = 'build-and-test'") > 0.0);
    let protobuf = captured("sdk-node");
    // Where Node sent JSON, what the same request says as protobuf is all in it.
    let spans = "select trace_id, span_id, name, start_time, duration_ms, status, attributes::varchar as attributes from spans order by all";
    let (json, all) = (store.query(spans), protobuf.query(spans));
    let all: BTreeSet<String> = all.into_iter().map(|row| Value::Object(row).to_string()).collect();
    for row in json {
        let row = Value::Object(row).to_string();
        assert!(all.contains(&row), "{row}");
    }
}
