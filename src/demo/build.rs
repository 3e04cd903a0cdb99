//! A CI job, after the CI/CD semantic conventions. Nothing is planted: it is the pipeline that must
//! stay quiet, with failures, branches and two kinds of machine in it.

use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;

use super::noise::Noise;
use super::sample::{SampleRun, SampleSpan, starts};
use crate::model::clock::UnixNanos;

pub(super) const PIPELINE: &str = "web-ci";
pub(super) const RUNS: usize = 76;

const FAILURE_SHARE: f64 = 0.05;
const BRANCH_SHARE: f64 = 0.15;
const SMALL_HOST_SHARE: f64 = 0.12;
/// The small machine needs so much longer.
const SMALL_HOST_FACTOR: f64 = 1.6;
const FIRST_RUN_ID: usize = 10_411;
const BRANCHES: [&str; 3] = ["fix/login-redirect", "feature/basket", "deps/weekly"];

pub(super) fn runs(seed: u64, now: UnixNanos, days: u32) -> Vec<SampleRun> {
    let mut noise = Noise::new(seed ^ 0xC1);
    let starts = starts(&mut noise, now, days, RUNS, 900.0);
    starts.into_iter().enumerate().map(|(index, start)| run(&mut noise, index, start)).collect()
}

fn run(noise: &mut Noise, index: usize, start_ns: UnixNanos) -> SampleRun {
    let run_id = (FIRST_RUN_ID + index).to_string();
    let branch = if noise.happens(BRANCH_SHARE) { BRANCHES[index % BRANCHES.len()] } else { "main" };
    let small = noise.happens(SMALL_HOST_SHARE);
    let factor = if small { SMALL_HOST_FACTOR } else { 1.0 };
    let host_class = if small { "x86_64 4c 16g hosted" } else { "x86_64 8c 32g hosted" };
    let tests_fail = noise.happens(FAILURE_SHARE).then_some("3 tests failed");
    let context = [
        KeyValue::new("cicd.pipeline.run.id", run_id.clone()),
        KeyValue::new("vcs.ref.head.name", branch),
        KeyValue::new("vcs.ref.head.revision", format!("{}{}{}", noise.hex(16), noise.hex(16), noise.hex(8))),
        KeyValue::new("perfline.host_class", host_class),
    ];
    let mut root = SampleSpan::new(format!("RUN {PIPELINE}"), SpanKind::Server, start_ns, noise.around(2.0, 0.2))
        .with(context.clone())
        .with([
            KeyValue::new("cicd.pipeline.name", PIPELINE),
            KeyValue::new("cicd.pipeline.action.name", "RUN"),
            KeyValue::new("cicd.pipeline.result", if tests_fail.is_some() { "failure" } else { "success" }),
            KeyValue::new("vcs.repository.url.full", "https://git.example/acme/web"),
            KeyValue::new("vcs.provider.name", "gitlab"),
        ])
        .with(tests_fail.map(|_| KeyValue::new("error.type", "test_failure")));

    let compile_s = noise.duration_s(64.0 * factor, 0.07);
    root.push(task(&context, "compile", "build", root.end_ns, compile_s, None));
    // Tests stop at the first broken suite.
    let test_s =
        noise.duration_s(118.0 * factor, 0.07) * if tests_fail.is_some() { noise.between(0.3, 0.9) } else { 1.0 };
    root.push(task(&context, "test", "test", root.end_ns, test_s, tests_fail));
    if tests_fail.is_none() && branch == "main" {
        root.push(task(&context, "deploy", "deploy", root.end_ns, noise.duration_s(21.0, 0.10), None));
    }
    let cpu_s = noise.around(3.1, 0.05) * (compile_s + test_s) / factor;
    root = root.with([
        KeyValue::new("perfline.cpu_s", cpu_s),
        KeyValue::new("perfline.peak_memory_bytes", noise.count(1.4e9, 0.05)),
    ]);
    SampleRun { run_id: Some(run_id), root: root.failed(tests_fail) }
}

fn task(
    context: &[KeyValue; 4],
    name: &'static str,
    kind: &'static str,
    start_ns: UnixNanos,
    duration_s: f64,
    error: Option<&'static str>,
) -> SampleSpan {
    SampleSpan::new(name, SpanKind::Internal, start_ns, duration_s)
        .with(context.iter().cloned())
        .with([
            KeyValue::new("cicd.pipeline.task.name", name),
            KeyValue::new("cicd.pipeline.task.type", kind),
            KeyValue::new("cicd.pipeline.task.run.result", if error.is_some() { "failure" } else { "success" }),
        ])
        .with(error.map(|_| KeyValue::new("error.type", "test_failure")))
        .failed(error)
}
