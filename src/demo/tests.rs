//! The demo against a real receiver, and its numbers against what it claims.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::sample::SampleSpan;
use super::*;
use crate::monitor::receiver::{Receiver, texts};

const NOON: i64 = 1_795_000_000_000_000_000;

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Durations of the last attempt of a step, seconds, by run.
fn step_s(runs: &[SampleRun], name: &str) -> Vec<f64> {
    let last =
        |run: &SampleRun| run.root.children.iter().rev().find(|span| span.name == name).map(SampleSpan::duration_s);
    runs.iter().filter_map(last).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_span_arrives_over_grpc_and_http() {
    let (by_grpc, by_http) = (Receiver::default(), Receiver::default());
    let (grpc, http) = (by_grpc.grpc().await, by_http.http().await);
    let seen = RefCell::new(Vec::new());
    let truth = emit(&grpc, &http, DemoOptions::until(NOON), |done, total| seen.borrow_mut().push((done, total)))
        .await
        .expect("emits");

    let spans: usize = truth.pipelines.iter().map(|pipeline| pipeline.spans).sum();
    assert_eq!(by_grpc.spans().len() + by_http.spans().len(), spans);
    let unique: BTreeSet<(Vec<u8>, Vec<u8>)> =
        by_grpc.spans().into_iter().chain(by_http.spans()).map(|span| (span.trace_id, span.span_id)).collect();
    assert_eq!(unique.len(), spans, "ids repeat");
    let runs: usize = truth.pipelines.iter().map(|pipeline| pipeline.runs).sum();
    let seen = seen.into_inner();
    assert_eq!((seen[0], seen[seen.len() - 1]), ((0, runs), (runs, runs)));
    assert!(seen.is_sorted());

    // The dearer model begins in the run that the truth names.
    let since = &truth.planted[1].since_run_id;
    let mut dear: Vec<_> = by_grpc.spans().into_iter().filter(|span| span.name == "chat gpt-4.1").collect();
    dear.sort_by_key(|span| span.start_time_unix_nano);
    let trace: String = dear[0].trace_id.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(&trace, since);
    let newest = by_grpc.spans().iter().map(|span| span.end_time_unix_nano).max();
    assert!(newest < Some(NOON.unsigned_abs()));
    let event = by_grpc.spans().into_iter().find_map(|span| span.events.first().cloned()).expect("a score");
    assert_eq!(texts(&event.attributes)["gen_ai.evaluation.name"], "faithfulness");
}

#[tokio::test]
async fn a_collector_that_is_away_is_an_error_with_numbers() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address").port();
    let url = format!("http://127.0.0.1:{port}");
    let error = emit(&url, &url, DemoOptions::until(NOON), |_, _| {}).await.expect_err("nobody listens");
    assert!(matches!(error, DemoError::Lost { acknowledged: 0, .. }), "{error}");
}

#[test]
fn the_same_options_give_the_same_runs() {
    let describe = |options| format!("{:?}", programs(options).map(|program| program.runs));
    assert_eq!(describe(DemoOptions::until(NOON)), describe(DemoOptions::until(NOON)));
    assert_ne!(describe(DemoOptions::until(NOON)), describe(DemoOptions { seed: 3, ..DemoOptions::until(NOON) }));
}

#[test]
fn failures_are_few_but_there() {
    for program in programs(DemoOptions::until(NOON)) {
        let failures = program.runs.iter().filter(|run| run.root.error.is_some()).count();
        let share = failures as f64 / program.runs.len() as f64;
        assert!((0.01..=0.08).contains(&share), "{}: {failures}", program.name);
        assert!((60..=80).contains(&program.runs.len()));
    }
}

#[test]
fn the_first_run_of_each_planted_change_succeeds() {
    for seed in 0..50 {
        let [assistant, orders, _] = programs(DemoOptions { seed, ..DemoOptions::until(NOON) });
        assert_eq!(assistant.runs[assistant::DEARER_SINCE].root.error, None, "seed {seed}");
        assert_eq!(orders.runs[orders::SLOWER_SINCE].root.error, None, "seed {seed}");
    }
}

#[test]
fn transform_and_nothing_else_becomes_slower() {
    let [_, orders, _] = programs(DemoOptions::until(NOON));
    let (before, after) = orders.runs.split_at(orders::SLOWER_SINCE);
    for (step, factor) in [("task_run.extract", 1.0), ("task_run.transform", orders::SLOWER), ("task_run.load", 1.0)] {
        let ratio = median(step_s(after, step)) / median(step_s(before, step));
        assert!((ratio / factor - 1.0).abs() < 0.1, "{step}: {ratio}");
    }
}

#[test]
fn draft_becomes_dearer_and_not_slower() {
    let [assistant, ..] = programs(DemoOptions::until(NOON));
    let (before, after) = assistant.runs.split_at(assistant::DEARER_SINCE);
    let cost = |runs: &[SampleRun]| {
        let calls = runs.iter().flat_map(|run| &run.root.children).filter(|span| span.name == "invoke_agent draft");
        let costs = calls.flat_map(|span| &span.children[0].attributes);
        median(costs.filter(|pair| pair.key.as_str() == "gen_ai.usage.cost").filter_map(number).collect())
    };
    let change = (cost(after) / cost(before) - 1.0) * 100.0;
    let claimed = assistant::draft_cost_change_percent();
    assert!((change / claimed - 1.0).abs() < 0.1, "{change} {claimed}");
    let ratio = median(step_s(after, "invoke_agent draft")) / median(step_s(before, "invoke_agent draft"));
    assert!((ratio - 1.0).abs() < 0.1, "{ratio}");
}

#[test]
fn the_ci_job_is_as_fast_at_the_end_as_at_the_beginning() {
    let [.., build] = programs(DemoOptions::until(NOON));
    let (before, after) = build.runs.split_at(56);
    for step in ["compile", "test", "deploy"] {
        let ratio = median(step_s(after, step)) / median(step_s(before, step));
        assert!((ratio - 1.0).abs() < 0.08, "{step}: {ratio}");
    }
}

fn number(pair: &opentelemetry::KeyValue) -> Option<f64> {
    match pair.value {
        opentelemetry::Value::F64(value) => Some(value),
        _ => None,
    }
}
