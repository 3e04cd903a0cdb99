//! The life of one wrapped command.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::child::{Child, Ending, explain_start};
use super::context::Context;
use super::encode::encode;
use super::error::MonitorError;
use super::export::{Parcel, Target, send};
use super::host::Host;
use super::identity::{Identity, Wish};
use super::points::PointRecorder;
use super::propagation::{Inherited, format_traceparent};
use super::signals::{Signals, asks_to_end};
use super::spans::{Account, resource, run_attributes};
use super::tree::TreeSampler;
use super::usage::{Ledger, Usage, UsageMeter};
use super::{Destination, RunReport, RunRequest, git, outputs};
use crate::model::Outcome;

/// Sampling may cost this share of one core: a reading is followed by at least 200 times its cost.
const COST_FACTOR: u32 = 200;

/// Runs the command to its end and sends what it took.
///
/// # Errors
/// Only where the command cannot be watched at all; a command that cannot be started is a report with
/// exit code 127 or 126, and telemetry that cannot be sent is a warning in it.
pub async fn run(request: RunRequest) -> Result<RunReport, MonitorError> {
    let program = request.command.first().ok_or(MonitorError::NoCommand)?.to_string_lossy().into_owned();
    let mut signals = Signals::listen().map_err(MonitorError::Signals)?;
    let plan = Plan::make(&request, &program).await;
    let mut watch = Watch::begin(&request, &plan);
    let started_ns = request.clock.now();
    let began = Instant::now();
    let mut warnings = Vec::new();
    let (ending, asked) = match Child::spawn(&request.command, &plan.variables, request.adopt_orphans) {
        Ok(mut child) => {
            let sampler = TreeSampler::new(child.id(), request.adopt_orphans);
            watch.follow(&mut child, sampler, &mut signals, began).await?
        }
        Err(error) => {
            let (code, words) = explain_start(&program, &error);
            warnings.push(words);
            (Ending::NotStarted(code), None)
        }
    };
    let duration = began.elapsed();
    let usage = match ending {
        Ending::NotStarted(_) => Usage::default(),
        _ => watch.meter.finish(&watch.before, &Ledger::read()),
    };
    let account = Account {
        started_ns,
        // By the monotonic clock: a wall clock that is set meanwhile must not bend the duration.
        ended_ns: started_ns.saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)),
        outcome: judge(ending, asked),
        ending,
        usage,
        outputs: (!request.outputs.is_empty()).then(|| outputs::measure(&request.outputs)),
        command_line: request.record_command.then(|| command_line(&request.command)),
        identity: plan.identity,
        context: plan.context,
        host_class: plan.host_class,
    };
    let mut report = report(&account, duration, warnings);
    if account.outputs.is_some_and(|outputs| outputs.truncated) {
        report.warnings.push("the outputs hold more files than are counted".to_owned());
    }
    if plan.disabled {
        return Ok(report);
    }
    let parcel = Parcel {
        spans: account.spans(),
        resource: plan.resource,
        readings: watch.points.map(PointRecorder::finish).unwrap_or_default(),
    };
    deliver(&request, parcel, &mut report).await;
    Ok(report)
}

/// What is known before the command begins.
struct Plan {
    identity: Identity,
    context: Context,
    host_class: String,
    resource: opentelemetry_sdk::Resource,
    variables: Vec<(String, String)>,
    disabled: bool,
}

impl Plan {
    async fn make(request: &RunRequest, program: &str) -> Self {
        let lookup = |name: &str| request.environment.get(name).cloned();
        let mut context = Context::read(lookup);
        if context.revision.is_none() || context.branch.is_none() || context.repository.is_none() {
            // A git that cannot be asked leaves these unknown.
            context.fill_from(tokio::task::spawn_blocking(git::read_context).await.unwrap_or_default());
        }
        let inherited = Inherited::read(lookup);
        let wish = Wish {
            pipeline: request.pipeline.as_deref(),
            step: request.step.as_deref(),
            run_id: request.run_id.as_deref(),
            program,
        };
        let identity = Identity::choose(wish, &context, &inherited);
        let host = Host::read();
        let host_class = lookup("PERFLINE_HOST_CLASS")
            .filter(|text| !text.is_empty())
            .unwrap_or_else(|| host.class(context.runner.as_deref()));
        Self {
            resource: resource(&identity, &host, &host_class, context.environment.as_deref()),
            variables: variables(&identity, &inherited),
            disabled: lookup("OTEL_SDK_DISABLED").is_some_and(|text| text.trim().eq_ignore_ascii_case("true")),
            identity,
            context,
            host_class,
        }
    }
}

/// What the command gets, so that its own spans and nested commands join the run.
fn variables(identity: &Identity, inherited: &Inherited) -> Vec<(String, String)> {
    let span = identity.innermost();
    let mut list = vec![
        ("TRACEPARENT".to_owned(), format_traceparent(&span)),
        ("PERFLINE_PIPELINE".to_owned(), identity.pipeline.clone()),
        ("PERFLINE_RUN_ID".to_owned(), identity.run_id.clone()),
    ];
    let state = span.trace_state().header();
    list.extend((!state.is_empty()).then(|| ("TRACESTATE".to_owned(), state)));
    list.extend(inherited.baggage.clone().map(|baggage| ("BAGGAGE".to_owned(), baggage)));
    list
}

/// The readings of one run.
struct Watch {
    before: Ledger,
    meter: UsageMeter,
    points: Option<PointRecorder>,
}

impl Watch {
    fn begin(request: &RunRequest, plan: &Plan) -> Self {
        let mut attributes = run_attributes(&plan.identity);
        attributes.extend(
            plan.identity.step.clone().map(|step| opentelemetry::KeyValue::new("cicd.pipeline.task.name", step)),
        );
        let wanted = !plan.disabled && !request.command.is_empty();
        Self {
            before: Ledger::read(),
            meter: UsageMeter::default(),
            points: wanted.then(|| PointRecorder::new(plan.resource.clone(), &attributes)),
        }
    }

    /// Samples and passes signals on until the command ends. Gives the ending and the first signal
    /// that asked it to end.
    async fn follow(
        &mut self,
        child: &mut Child,
        mut sampler: Option<TreeSampler>,
        signals: &mut Signals,
        began: Instant,
    ) -> Result<(Ending, Option<Signal>), MonitorError> {
        let group = child.group();
        let mut asked = None;
        let mut next = tokio::time::Instant::from_std(began + first_pause());
        loop {
            tokio::select! {
                biased;
                ending = child.ended() => return Ok((ending.map_err(MonitorError::Wait)?, asked)),
                signal = signals.next() => {
                    group.send(signal);
                    asked = asked.or(asks_to_end(signal).then_some(signal));
                }
                () = tokio::time::sleep_until(next), if sampler.is_some() => {
                    let cost = self.sample(sampler.as_mut(), began);
                    next = tokio::time::Instant::now() + pause(began.elapsed(), cost);
                }
            }
        }
    }

    fn sample(&mut self, sampler: Option<&mut TreeSampler>, began: Instant) -> Duration {
        let Some(sample) = sampler.and_then(TreeSampler::sample) else { return Duration::ZERO };
        self.meter.push(&sample, began.elapsed());
        if let Some(points) = &mut self.points {
            points.record(&sample);
        }
        sample.cost
    }
}

fn first_pause() -> Duration {
    Duration::from_millis(3)
}

/// Close readings at first, so that short commands are seen; 250 ms in the first minute, 1 s after ten;
/// slower wherever reading is dear.
fn pause(elapsed: Duration, cost: Duration) -> Duration {
    let wanted = match elapsed.as_millis() {
        0..20 => Duration::from_millis(15),
        20..50 => Duration::from_millis(40),
        50..500 => Duration::from_millis(100),
        500..60_000 => Duration::from_millis(250),
        60_000..600_000 => Duration::from_millis(500),
        _ => Duration::from_secs(1),
    };
    wanted.max(cost.saturating_mul(COST_FACTOR)).min(Duration::from_secs(30))
}

/// A command that ends on a signal which we passed on was cancelled; one that ends by itself is
/// judged by its code, whatever it was asked.
fn judge(ending: Ending, asked: Option<Signal>) -> Outcome {
    match ending {
        Ending::Exited(0) => Outcome::Success,
        Ending::Exited(code) if asked.is_some_and(|signal| code == 128 + signal as i32) => Outcome::Cancelled,
        // Ctrl-C reaches the command straight from the terminal: nobody else sends SIGINT.
        Ending::Killed(Signal::SIGINT) => Outcome::Cancelled,
        Ending::Killed(signal) if asked == Some(signal) => Outcome::Cancelled,
        Ending::Exited(_) | Ending::Killed(_) | Ending::NotStarted(_) => Outcome::Failure,
    }
}

fn command_line(command: &[OsString]) -> String {
    let words: Vec<_> = command.iter().map(|word| word.to_string_lossy()).collect();
    words.join(" ").chars().take(4096).collect()
}

fn report(account: &Account, duration: Duration, warnings: Vec<String>) -> RunReport {
    RunReport {
        pipeline: account.identity.pipeline.clone(),
        step: account.identity.step.clone(),
        run_id: account.identity.run_id.clone(),
        trace_id: account.identity.trace_id.to_string(),
        exit_code: account.ending.exit_code(),
        outcome: account.outcome,
        started_ns: account.started_ns,
        duration,
        usage: account.usage,
        outputs: account.outputs,
        requests: None,
        delivered: false,
        warnings,
    }
}

async fn deliver(request: &RunRequest, parcel: Parcel, report: &mut RunReport) {
    match &request.destination {
        Destination::Caller => {
            report.requests = Some(encode(&parcel.resource, parcel.spans, &parcel.readings));
        }
        Destination::Collector(endpoint) => {
            let target = Target::choose(endpoint.as_deref(), |name| request.environment.get(name).cloned());
            match send(target, parcel, request.export_deadline).await {
                Ok(()) => report.delivered = true,
                Err(words) => report.warnings.push(words),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::path::PathBuf;

    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind};
    use prost::Message;

    use super::super::receiver::{Receiver, metrics_in, spans_in, texts};
    use super::*;
    use crate::model::clock::Clock;

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
            let report =
                run(RunRequest { command: vec![program.into_os_string()], ..shell("") }).await.expect("reports");
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
        request
            .environment
            .insert("TRACEPARENT".into(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into());
        request.environment.insert("TRACESTATE".into(), "vendor=7".into());
        request.environment.insert("BAGGAGE".into(), "who=me".into());
        let report = run(RunRequest { outputs: vec![file.clone()], ..request }).await.expect("runs");
        let span = &spans_of(&report)[0];
        assert_eq!(report.trace_id, "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(span.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
        let told = std::fs::read_to_string(file).expect("read");
        let own: String = span.span_id.iter().map(|byte| format!("{byte:02x}")).collect();
        for line in [
            format!("TRACEPARENT=00-{}-{own}-01", report.trace_id),
            "TRACESTATE=vendor=7".into(),
            "BAGGAGE=who=me".into(),
        ] {
            assert!(told.lines().any(|found| found == line), "{line}");
        }
        let outputs = report.outputs.expect("measured");
        assert_eq!((outputs.files, outputs.bytes), (1, told.len() as u64));
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
}
