//! What binds spans to a run, attempts to a step, and records to a call: ids that several pipelines share, steps side by
//! side, two records of one call.

use serde_json::{Value, json};

use super::scenario::Scenario;
use super::support::TempStore;

fn scenario(resource: Value, spans: Value) -> Scenario {
    let document = json!({"tool": "binding", "resource": resource, "scope": "app", "spans": spans, "want": {}});
    Scenario::parse(&document.to_string())
}

fn shop() -> Value {
    json!({"service.name": "shop"})
}

#[test]
fn runs_of_two_pipelines_that_share_an_id_stay_apart_while_one_is_still_open() {
    let task = |id: &str, trace: &str, dag: &str, name: &str, at: [f64; 2], state: &str| {
        json!({"id": id, "trace": trace, "parent": format!("of {dag}"), "name": name, "at": at, "attributes": {
            "airflow.dag_run.run_id": "scheduled__1", "airflow.task.task_id": name, "airflow.task.dag_id": dag,
            "airflow.task.state": state, "airflow.task.try_number": 1}})
    };
    let run = json!({"id": "of orders", "trace": "1", "name": "orders", "at": [0, 6], "attributes": {
        "airflow.dag_run.run_id": "scheduled__1", "airflow.dag_run.dag_id": "orders", "airflow.dag_run.state": "success"}});
    let spans = [
        task("a", "1", "orders", "extract", [1.0, 5.0], "success"),
        run,
        task("b", "2", "billing", "load", [2.0, 9.0], "failed"),
    ];
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let picked: Vec<Value> = order.iter().map(|place| spans[*place].clone()).collect();
        let requests = scenario(json!({"service.name": "Airflow"}), json!(picked)).requests();
        let store = TempStore::filled_one_by_one(requests);
        let runs = store.query("select pipeline, outcome, steps, duration_s from runs order by pipeline");
        assert_eq!(runs.len(), 2, "{order:?}: {runs:?}");
        assert_eq!((runs[0]["pipeline"].clone(), runs[0]["outcome"].clone()), (json!("billing"), json!("failure")));
        assert_eq!(
            (runs[1]["pipeline"].clone(), runs[1]["outcome"].clone(), runs[1]["duration_s"].clone()),
            (json!("orders"), json!("success"), json!(6.0))
        );
    }
}

#[test]
fn a_job_that_names_its_run_on_the_resource_is_not_swallowed_by_a_test_run_beside_it() {
    let resource = json!({"service.name": "ci", "cicd.pipeline.name": "CI", "cicd.pipeline.run.id": "77"});
    let spans = json!([
        {"id": "t", "trace": "1", "name": "test run", "at": [0, 5], "attributes": {"pytest.span_type": "run"}},
        {"id": "c", "trace": "1", "parent": "t", "name": "test_a", "at": [1, 2], "attributes": {"pytest.span_type": "test", "pytest.nodeid": "test_a"}},
        {"id": "l", "trace": "2", "name": "lint", "at": [6, 7]},
        {"id": "b", "trace": "3", "name": "build", "at": [8, 9], "status": "error"},
    ]);
    let store = TempStore::filled(&scenario(resource, spans).requests());
    let failed = store.query("select pipeline, run_id, outcome from runs where outcome = 'failure'");
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!((failed[0]["pipeline"].clone(), failed[0]["run_id"].clone()), (json!("CI"), json!("77")));
}

#[test]
fn steps_of_one_name_side_by_side_are_no_retries_and_their_failure_counts() {
    let fan_out = json!([
        {"id": "r", "name": "batch", "at": [0, 10]},
        {"id": "a", "parent": "r", "name": "process", "at": [1, 5]},
        {"id": "b", "parent": "r", "name": "process", "at": [1.1, 6], "status": "error"},
        {"id": "c", "parent": "r", "name": "process", "at": [1.2, 7]},
    ]);
    let store = TempStore::filled(&scenario(shop(), fan_out).requests());
    assert_eq!(store.value("select retries from runs"), 0);
    assert_eq!(store.value("select count(*) from steps where outcome = 'failure' and last_attempt"), 1);
    let retried = json!([
        {"id": "r", "name": "batch", "at": [0, 10]},
        {"id": "a", "parent": "r", "name": "process", "at": [1, 5], "status": "error"},
        {"id": "b", "parent": "r", "name": "process", "at": [5, 6], "status": "error"},
        {"id": "c", "parent": "r", "name": "process", "at": [6.5, 7]},
    ]);
    let store = TempStore::filled(&scenario(shop(), retried).requests());
    assert_eq!(store.value("select retries from runs"), 2);
    assert_eq!(store.value("select count(*) from steps where outcome = 'failure' and last_attempt"), 0);
}

#[test]
fn the_outer_record_of_a_call_adds_what_the_inner_one_does_not_say() {
    let usage = |more: &[(&str, u64)]| {
        let mut attributes = json!({"gen_ai.operation.name": "chat", "gen_ai.system": "openai",
            "gen_ai.request.model": "gpt-4o-mini", "gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 50});
        for (key, value) in more {
            attributes[*key] = json!(value);
        }
        attributes
    };
    let details = [("gen_ai.usage.cache_read_input_tokens", 40), ("gen_ai.usage.reasoning_tokens", 20)];
    let spans = json!([
        {"id": "r", "name": "answer", "at": [0, 9]},
        {"id": "o", "parent": "r", "name": "ChatOpenAI.chat", "scope": "outer", "at": [1, 8], "attributes": usage(&details)},
        {"id": "i", "parent": "o", "name": "openai.chat", "kind": "client", "scope": "inner", "at": [2, 7], "attributes": usage(&[])},
    ]);
    let store = TempStore::filled(&scenario(shop(), spans).requests());
    let runs = store.query("select input_tokens, output_tokens, cached_tokens, reasoning_tokens, api_calls from runs");
    assert_eq!(
        Value::Object(runs[0].clone()),
        json!({"input_tokens": 100, "output_tokens": 50, "cached_tokens": 40, "reasoning_tokens": 20, "api_calls": 1})
    );
}

#[test]
fn a_run_under_a_request_takes_the_name_of_the_request_without_its_ids() {
    let spans = json!([
        {"id": "r", "name": "GET /orders/12345", "kind": "server", "at": [0, 9], "attributes": {"http.request.method": "GET"}},
        {"id": "i", "parent": "r", "name": "compute", "at": [1, 8]},
    ]);
    let store = TempStore::filled(&scenario(shop(), spans).requests());
    assert_eq!(store.value("select pipeline from runs"), "GET /orders/{id}");
}

#[test]
fn runs_of_two_pipelines_whose_shared_id_stands_on_the_resource_stay_apart() {
    let of = |name: &str| json!({"service.name": "ci", "cicd.pipeline.name": name, "cicd.pipeline.run.id": "1"});
    let spans = json!([
        {"id": "a", "trace": "1", "name": "compile", "at": [0, 5], "resource": of("shop")},
        {"id": "b", "trace": "2", "name": "compile", "at": [0, 9], "resource": of("api"), "status": "error"},
        {"id": "c", "trace": "3", "name": "publish", "at": [6, 8], "resource": of("shop")},
    ]);
    let store = TempStore::filled(&scenario(shop(), spans).requests());
    let runs = store.query("select pipeline, run_id, outcome, duration_s from runs order by pipeline");
    assert_eq!(
        Value::from(runs.into_iter().map(Value::Object).collect::<Vec<_>>()),
        json!([
            {"pipeline": "api", "run_id": "1", "outcome": "failure", "duration_s": 9.0},
            {"pipeline": "shop", "run_id": "1", "outcome": "success", "duration_s": 8.0},
        ])
    );
    assert_eq!(store.value("select count(distinct run_key) from runs"), 2);
}

#[test]
fn steps_that_nobody_names_are_called_without_their_dates_and_numbers() {
    let spans: Vec<Value> = (1..4)
        .flat_map(|day| {
            let (run, at) = (format!("r{day}"), f64::from(day) * 100.0);
            [
                json!({"id": run, "trace": run, "name": "nightly", "at": [at, at + 9.0]}),
                json!({"id": format!("a{day}"), "trace": run, "parent": run, "name": format!("load 2026-05-0{day}"), "at": [at + 1.0, at + 2.0]}),
                json!({"id": format!("b{day}"), "trace": run, "parent": run, "name": format!("batch_{day}0017"), "at": [at + 2.0, at + 3.0]}),
                json!({"id": format!("c{day}"), "trace": run, "parent": run, "name": "page 2 of 3", "at": [at + 3.0, at + 4.0]}),
            ]
        })
        .collect();
    let store = TempStore::filled(&scenario(shop(), Value::Array(spans)).requests());
    let steps = "select string_agg(distinct step, ', ' order by step) from steps";
    assert_eq!(store.value(steps), "batch_{id}, load {id}, page 2 of 3");
}

#[test]
fn a_call_that_failed_is_no_more_a_step_than_one_that_did_not() {
    let spans = json!([
        {"id": "r", "name": "nightly", "at": [0, 9]},
        {"id": "a", "parent": "r", "name": "load", "at": [1, 5]},
        {"id": "b", "parent": "r", "name": "notify", "kind": "client", "at": [5, 6], "status": "error"},
        {"id": "c", "parent": "r", "name": "notify", "kind": "client", "at": [6, 7]},
    ]);
    let store = TempStore::filled(&scenario(shop(), spans).requests());
    assert_eq!(store.value("select string_agg(step, ', ') from steps"), "load");
}

#[test]
fn what_a_server_of_tools_is_asked_is_no_run() {
    let spans = json!([
        {"id": "a", "trace": "1", "name": "tools/list", "kind": "server", "at": [0, 1], "attributes": {"mcp.method.name": "tools/list"}},
        {"id": "b", "trace": "2", "name": "initialize", "kind": "server", "at": [2, 3], "attributes": {"mcp.method.name": "initialize"}},
    ]);
    let store = TempStore::filled(&scenario(shop(), spans).requests());
    assert_eq!(store.value("select count(*) from runs"), 0);
}
