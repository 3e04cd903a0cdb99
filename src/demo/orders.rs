//! A nightly data flow, in the shape in which Airflow 3 emits it: `dag_run.*` over `task_run.*` over
//! `worker.*`, a retry being a second `task_run` of the same task.
//!
//! Planted: from [`SLOWER_SINCE`] on the task `transform` takes [`SLOWER`] times as long.

use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;

use super::noise::Noise;
use super::sample::{SampleRun, SampleSpan, after, starts};
use crate::model::clock::UnixNanos;

pub(super) const PIPELINE: &str = "orders_etl";
pub(super) const RUNS: usize = 72;
/// Index of the first slow run.
pub(super) const SLOWER_SINCE: usize = 60;
/// How much longer `transform` takes from then on.
pub(super) const SLOWER: f64 = 1.45;

const FAILURE_SHARE: f64 = 0.03;
const RETRY_SHARE: f64 = 0.05;
const RETRY_DELAY_S: f64 = 5.0;

pub(super) fn runs(seed: u64, now: UnixNanos, days: u32) -> Vec<SampleRun> {
    let mut noise = Noise::new(seed ^ 0x04DE);
    let starts = starts(&mut noise, now, days, RUNS, 1_800.0);
    starts.into_iter().enumerate().map(|(index, start)| run(&mut noise, index, start)).collect()
}

fn run(noise: &mut Noise, index: usize, start_ns: UnixNanos) -> SampleRun {
    let begun = jiff::Timestamp::from_nanosecond(i128::from(start_ns)).unwrap_or_default();
    let run_id = format!("scheduled__{begun:.0}");
    let base = [KeyValue::new("airflow.dag_id", PIPELINE), KeyValue::new("airflow.dag_run.run_id", run_id.clone())];
    let rows = noise.count(120_000.0, 0.08);
    // The first slow run succeeds: a failed one may not be compared with the others.
    let load_fails = noise.happens(FAILURE_SHARE) && index != SLOWER_SINCE;
    let mut root = SampleSpan::new(format!("dag_run.{PIPELINE}"), SpanKind::Internal, start_ns, noise.around(1.0, 0.3))
        .with(base.clone())
        .with([KeyValue::new("airflow.dag_run.run_type", "scheduled"), KeyValue::new("perfline.items", rows)]);

    let extract_fails_once = noise.happens(RETRY_SHARE);
    if extract_fails_once {
        let ends_s = noise.around(12.0, 0.3);
        root.push(task(&base, "extract", 1, root.end_ns, ends_s, Some("up_for_retry")));
        root.end_ns = after(root.end_ns, RETRY_DELAY_S);
    }
    let attempt = if extract_fails_once { 2 } else { 1 };
    let extract_s = noise.duration_s(38.0, 0.08);
    root.push(task(&base, "extract", attempt, root.end_ns, extract_s, None));

    let slower = if index >= SLOWER_SINCE { SLOWER } else { 1.0 };
    let transform_s = noise.duration_s(95.0 * slower, 0.08);
    root.push(task(&base, "transform", 1, root.end_ns, transform_s, None));

    if load_fails {
        root.push(task(&base, "load", 1, root.end_ns, noise.around(9.0, 0.2), Some("up_for_retry")));
        root.end_ns = after(root.end_ns, RETRY_DELAY_S);
        root.push(task(&base, "load", 2, root.end_ns, noise.around(9.0, 0.2), Some("failed")));
    } else {
        root.push(task(&base, "load", 1, root.end_ns, noise.duration_s(27.0, 0.10), None));
    }
    SampleRun { run_id: Some(run_id), root: root.failed(load_fails.then_some("task load failed")) }
}

/// One attempt of a task; `bad_state` where it failed.
fn task(
    base: &[KeyValue; 2],
    name: &'static str,
    attempt: i64,
    start_ns: UnixNanos,
    duration_s: f64,
    bad_state: Option<&'static str>,
) -> SampleSpan {
    let attributes = || {
        base.iter().cloned().chain([
            KeyValue::new("airflow.task_id", name),
            KeyValue::new("airflow.task_instance.try_number", attempt),
            KeyValue::new("airflow.task_instance.map_index", -1),
        ])
    };
    let mut span = SampleSpan::new(format!("task_run.{name}"), SpanKind::Internal, start_ns, duration_s)
        .with(attributes())
        .with([KeyValue::new("airflow.task_instance.state", bad_state.unwrap_or("success"))])
        .failed(bad_state.map(|_| "the connection to the warehouse was reset"));
    let queued_s = (duration_s * 0.02).min(1.0);
    span.push(
        SampleSpan::new(format!("worker.{name}"), SpanKind::Internal, after(start_ns, queued_s), duration_s - queued_s)
            .with(attributes()),
    );
    span
}
