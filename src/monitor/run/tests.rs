//! Real commands, a real receiver.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
use prost::Message;

use super::*;
use crate::model::clock::Clock;
use crate::monitor::receiver::{Receiver, metrics_in, spans_in, texts};

const NOON: i64 = 1_795_000_000_000_000_000;

fn shell(script: &str) -> RunRequest {
    RunRequest {
        command: ["sh", "-c", script].map(OsString::from).to_vec(),
        destination: Destination::Caller,
        environment: BTreeMap::new(),
        clock: Clock::Fixed(NOON),
        ..RunRequest::new(Vec::new())
    }
}

fn to(endpoint: &str, request: RunRequest) -> RunRequest {
    RunRequest { destination: Destination::Collector(Some(endpoint.to_owned())), ..request }
}

fn spans_of(report: &RunReport) -> Vec<Span> {
    let bytes = &report.requests.as_ref().expect("requests").traces;
    spans_in([ExportTraceServiceRequest::decode(bytes.as_slice()).expect("decodes")].iter())
}

#[tokio::test]
async fn the_exit_code_of_the_command_comes_out() {
    for (script, code, outcome) in [
        ("exit 0", 0, Outcome::Success),
        ("exit 3", 3, Outcome::Failure),
        ("kill -KILL $$", 137, Outcome::Failure),
        ("kill -TERM $$", 143, Outcome::Failure),
    ] {
        let report = run(shell(script)).await.expect("runs");
        assert_eq!((report.exit_code, report.outcome), (code, outcome), "{script}");
    }
}

#[tokio::test]
async fn what_cannot_be_started_gives_127_or_126_and_a_failed_run() {
    let place = tempfile::tempdir().expect("tempdir");
    let plain = place.path().join("plain");
    std::fs::write(&plain, "text").expect("write");
    for (program, code, error) in [
        (PathBuf::from("no-such-program-here"), 127, "command_not_found"),
        (plain, 126, "command_not_executable"),
        (place.path().to_owned(), 126, "command_not_executable"),
    ] {
        let report = run(RunRequest { command: vec![program.into_os_string()], ..shell("") }).await.expect("reports");
        assert_eq!((report.exit_code, report.outcome), (code, Outcome::Failure));
        assert_eq!(report.warnings.len(), 1);
        assert_eq!(texts(&spans_of(&report)[0].attributes)["error.type"], error);
    }
}

#[tokio::test]
async fn no_command_is_a_usage_error() {
    let error = run(RunRequest { command: Vec::new(), ..shell("") }).await.expect_err("nothing to run");
    assert_eq!(error.exit_code(), 2);
}

#[tokio::test]
async fn a_run_arrives_by_grpc_with_its_span_its_step_and_its_samples() {
    let receiver = Receiver::default();
    let request = RunRequest { pipeline: Some("nightly".into()), step: Some("load".into()), ..shell("exit 4") };
    let report = run(to(&receiver.grpc().await, request)).await.expect("runs");
    assert!(report.delivered, "{:?}", report.warnings);
    let spans = receiver.spans();
    let (root, step) = (&spans[0], &spans[1]);
    assert_eq!((root.name.as_str(), root.kind), ("RUN nightly", SpanKind::Server as i32));
    assert_eq!(step.parent_span_id, root.span_id);
    assert_eq!(root.start_time_unix_nano, NOON.unsigned_abs());
    assert_eq!(u128::from(root.end_time_unix_nano - root.start_time_unix_nano), report.duration.as_nanos());
    let said = texts(&root.attributes);
    assert_eq!(said["cicd.pipeline.name"], "nightly");
    assert_eq!(said["cicd.pipeline.run.id"], report.run_id);
    assert_eq!(said["cicd.pipeline.result"], "failure");
    assert_eq!(said["error.type"], "exit_code_4");
    assert_eq!(said["perfline.exit_code"], "4");
    assert!(said["perfline.cpu_s"].parse::<f64>().expect("number") >= 0.0);
    assert_eq!(root.status.as_ref().map(|status| status.code), Some(2));
    assert_eq!(texts(&step.attributes)["cicd.pipeline.task.name"], "load");
    let resource = receiver.trace_requests()[0].resource_spans[0].resource.clone().expect("resource");
    assert_eq!(texts(&resource.attributes)["service.name"], "nightly");
}

#[tokio::test]
async fn a_run_arrives_by_http_as_well() {
    let receiver = Receiver::default();
    let report = run(to(&receiver.http().await, shell("sleep 0.1"))).await.expect("runs");
    assert!(report.delivered, "{:?}", report.warnings);
    assert_eq!(receiver.spans().len(), 1);
    let names: BTreeSet<String> = receiver.metrics().into_iter().map(|metric| metric.name).collect();
    let wanted = ["process.cpu.time", "process.disk.io", "process.memory.usage", "process.thread.count"];
    assert_eq!(names, wanted.map(str::to_owned).into());
}

#[tokio::test]
async fn the_caller_gets_the_same_run_as_request_bytes() {
    let report = run(shell("sleep 0.2")).await.expect("runs");
    let requests = report.requests.clone().expect("requests");
    assert_eq!((requests.spans, spans_of(&report).len()), (1, 1));
    let metrics = ExportMetricsServiceRequest::decode(requests.metrics.as_slice()).expect("decodes");
    assert_eq!(metrics.resource_metrics.len(), 1);
    // Each reading gives CPU, memory, threads and two directions of disk.
    assert_eq!(u64::from(requests.points), report.usage.samples * 5);
    assert!(!metrics_in([metrics].iter()).is_empty());
}

#[tokio::test]
async fn a_collector_that_is_away_costs_a_warning_only() {
    // A port that was free a moment ago: nobody listens there.
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("bind").local_addr().expect("address").port();
    for endpoint in [format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{port}/otlp")] {
        let report = run(to(&endpoint, shell("exit 5"))).await.expect("runs");
        assert_eq!((report.exit_code, report.delivered), (5, false));
        assert!(report.warnings[0].contains(&port.to_string()), "{:?}", report.warnings);
    }
}

#[tokio::test]
async fn a_collector_that_never_answers_is_given_up_at_the_deadline() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    for path in ["", "/otlp"] {
        let endpoint = format!("http://{}{path}", silent.local_addr().expect("address"));
        let request = RunRequest { export_deadline: Duration::from_millis(200), ..shell("exit 6") };
        let report = run(to(&endpoint, request)).await.expect("runs");
        assert_eq!((report.exit_code, report.delivered, report.warnings.len()), (6, false, 1));
    }
}

#[tokio::test]
async fn the_command_is_told_its_place_in_the_trace() {
    let place = tempfile::tempdir().expect("tempdir");
    let file = place.path().join("told");
    let mut request = shell(&format!("env > {}", file.display()));
    request.environment.insert("TRACEPARENT".into(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into());
    request.environment.insert("TRACESTATE".into(), "vendor=7".into());
    request.environment.insert("BAGGAGE".into(), "who=me".into());
    let report = run(RunRequest { outputs: vec![file.clone()], ..request }).await.expect("runs");
    let span = &spans_of(&report)[0];
    assert_eq!(report.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(span.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    let told = std::fs::read_to_string(file).expect("read");
    let own: String = span.span_id.iter().map(|byte| format!("{byte:02x}")).collect();
    for line in
        [format!("TRACEPARENT=00-{}-{own}-01", report.trace_id), "TRACESTATE=vendor=7".into(), "BAGGAGE=who=me".into()]
    {
        assert!(told.lines().any(|found| found == line), "{line}");
    }
    let outputs = report.outputs.expect("measured");
    assert_eq!((outputs.files, outputs.bytes), (1, told.len() as u64));
}

#[tokio::test]
async fn the_service_name_of_the_environment_wins() {
    let receiver = Receiver::default();
    let mut request = to(&receiver.grpc().await, shell("true"));
    request.environment.insert("OTEL_SERVICE_NAME".into(), "mine".into());
    request.environment.insert("OTEL_RESOURCE_ATTRIBUTES".into(), "team=data,service.name=other".into());
    run(request).await.expect("runs");
    let resource = receiver.trace_requests()[0].resource_spans[0].resource.clone().expect("resource");
    let said = texts(&resource.attributes);
    assert_eq!((said["service.name"].as_str(), said["team"].as_str()), ("mine", "data"));
}

#[tokio::test]
async fn a_disabled_sdk_sends_nothing_and_still_runs() {
    let mut request = shell("exit 7");
    request.environment.insert("OTEL_SDK_DISABLED".into(), "TRUE".into());
    let report = run(request).await.expect("runs");
    assert_eq!((report.exit_code, report.requests), (7, None));
    assert_eq!(report.warnings, Vec::<String>::new());
}

#[tokio::test]
async fn the_command_line_leaves_only_when_asked() {
    let secret = "echo s3cr3t >/dev/null";
    let quiet = run(shell(secret)).await.expect("runs");
    assert!(!String::from_utf8_lossy(&quiet.requests.expect("requests").traces).contains("s3cr3t"));
    let open = run(RunRequest { record_command: true, ..shell(secret) }).await.expect("runs");
    assert_eq!(texts(&spans_of(&open)[0].attributes)["perfline.command_line"], format!("sh -c {secret}"));
}

#[tokio::test]
async fn memory_cpu_and_disk_of_a_real_program_are_seen() {
    let place = tempfile::tempdir_in("/var/tmp").expect("tempdir");
    let program = format!(
        "import os,time\nb=bytearray(60<<20)\nx=sum(i*i for i in range(3000000))\n\
         f=open('{}/out','wb');f.write(os.urandom(5<<20));f.flush();os.fsync(f.fileno())\ntime.sleep(0.3)",
        place.path().display()
    );
    let command = ["python3", "-c", &program].map(OsString::from).to_vec();
    let report = run(RunRequest { command, ..shell("") }).await.expect("runs");
    assert_eq!(report.exit_code, 0);
    let usage = report.usage;
    let peak = usage.peak_memory_bytes.expect("peak");
    assert!((60 << 20..400 << 20).contains(&peak), "{usage:?}");
    assert!(usage.mean_memory_bytes.expect("mean") <= peak, "{usage:?}");
    assert!(usage.cpu_s.expect("cpu") > 0.05, "{usage:?}");
    assert!(usage.threads_max.expect("threads") >= 1, "{usage:?}");
    assert!(usage.samples >= 3, "{usage:?}");
}

#[test]
fn a_signal_that_was_passed_on_makes_a_cancelled_run() {
    assert_eq!(judge(Ending::Killed(Signal::SIGTERM), Some(Signal::SIGTERM)), Outcome::Cancelled);
    assert_eq!(judge(Ending::Exited(143), Some(Signal::SIGTERM)), Outcome::Cancelled);
    assert_eq!(judge(Ending::Exited(0), Some(Signal::SIGTERM)), Outcome::Success);
    assert_eq!(judge(Ending::Killed(Signal::SIGKILL), Some(Signal::SIGTERM)), Outcome::Failure);
    assert_eq!(judge(Ending::Killed(Signal::SIGTERM), None), Outcome::Failure);
}

#[test]
fn readings_grow_apart_with_time_and_with_their_cost() {
    let at = |seconds| pause(Duration::from_secs_f64(seconds), Duration::from_micros(100));
    assert_eq!(at(2.0), Duration::from_millis(250));
    assert_eq!(at(3600.0), Duration::from_secs(1));
    assert_eq!(pause(Duration::from_secs(2), Duration::from_millis(5)), Duration::from_secs(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_reaches_the_command_and_its_answer_comes_out() {
    let place = tempfile::tempdir().expect("tempdir");
    let ready = place.path().join("ready");
    nix::unistd::mkfifo(&ready, nix::sys::stat::Mode::S_IRWXU).expect("fifo");
    // SIGWINCH: the only one of them that leaves the commands of other tests alone.
    let script = format!("trap 'exit 42' WINCH; echo > {}; while :; do sleep 0.02; done", ready.display());
    let command = tokio::spawn(run(shell(&script)));
    // Opening the pipe blocks until the command, its trap set, writes to it.
    tokio::task::spawn_blocking(move || std::fs::read(ready)).await.expect("thread").expect("read");
    nix::sys::signal::kill(nix::unistd::Pid::this(), Signal::SIGWINCH).expect("kill");
    let report = command.await.expect("task").expect("runs");
    assert_eq!((report.exit_code, report.outcome), (42, Outcome::Failure));
}

#[tokio::test]
async fn a_process_started_in_the_background_counts_as_part_of_the_command() {
    let report = run(shell("sleep 0.3 & wait")).await.expect("runs");
    assert_eq!(report.usage.processes_max, Some(2), "{:?}", report.usage);
}

#[tokio::test]
async fn the_machine_is_told_part_by_part_on_the_resource() {
    let environment =
        [("PERFLINE_HOST_CLASS", "bench"), ("GITHUB_ACTIONS", "true"), ("RUNNER_ENVIRONMENT", "github-hosted")];
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let report = run(RunRequest { environment, ..shell("exit 0") }).await.expect("runs");
    let requests = report.requests.expect("requests");
    let traces = ExportTraceServiceRequest::decode(requests.traces.as_slice()).expect("decodes");
    let said = texts(&traces.resource_spans[0].resource.as_ref().expect("a resource").attributes);
    assert_eq!(said["perfline.host_class"], "bench");
    assert_eq!(said["perfline.runner"], "github-hosted");
    let cores = std::thread::available_parallelism().expect("cores").get().to_string();
    assert_eq!(said["perfline.host.cores"], cores);
    assert!(said["perfline.host.memory_bytes"].parse::<u64>().expect("a number") > 1 << 20);
}
