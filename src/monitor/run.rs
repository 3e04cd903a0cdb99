//! The life of one wrapped command.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::child::{Child, Ended, Ending, explain_start};
use super::context::Context;
use super::encode::encode;
use super::error::MonitorError;
use super::export::{Parcel, Target, send};
use super::host::Place;
use super::identity::{Identity, Wish};
use super::points::PointRecorder;
use super::propagation::{Inherited, format_traceparent};
use super::signals::{Signals, asks_to_end};
use super::spans::{Account, resource, run_attributes};
use super::tree::TreeSampler;
use super::usage::{Ledger, Usage, UsageMeter};
use super::{Destination, RunReport, RunRequest, git, outputs};
use crate::model::Outcome;

/// A reading is followed by at least so many times its cost: half a percent of one core.
const COST_FACTOR: u32 = 200;
/// The same for the first half second, in which a short command would otherwise not be seen at all.
const COST_FACTOR_EARLY: u32 = 50;

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
    let (ended, asked) = match Child::spawn(&request.command, &plan.variables, request.adopt_orphans) {
        Ok(mut child) => {
            let sampler = TreeSampler::new(child.id(), request.adopt_orphans);
            watch.follow(&mut child, sampler, &mut signals, began).await?
        }
        Err(error) => {
            let (code, words) = explain_start(&program, &error);
            warnings.push(words);
            (Ended { ending: Ending::NotStarted(code), at_terminal: None }, None)
        }
    };
    let duration = began.elapsed();
    let ending = ended.ending;
    let usage = match ending {
        Ending::NotStarted(_) => Usage::default(),
        _ => watch.meter.finish(&watch.before, &Ledger::read()),
    };
    let account = Account {
        started_ns,
        // By the monotonic clock: a wall clock that is set meanwhile must not bend the duration.
        ended_ns: started_ns.saturating_add(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)),
        outcome: judge(ending, asked.or(ended.at_terminal)),
        ending,
        usage,
        outputs: (!request.outputs.is_empty()).then(|| outputs::measure(&request.outputs)),
        command_line: request.record_command.then(|| command_line(&request.command)),
        identity: plan.identity,
        context: plan.context,
        host_class: plan.host_class,
    };
    let mut report = report(&account, duration, warnings);
    report.at_terminal = ended.at_terminal.map(|signal| signal as i32);
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
        context.read_event_file(lookup);
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
        let place = Place::read(&context, lookup);
        Self {
            resource: resource(&identity, &place, context.environment.as_deref(), lookup),
            variables: variables(&identity, &inherited),
            disabled: lookup("OTEL_SDK_DISABLED").is_some_and(|text| text.trim().eq_ignore_ascii_case("true")),
            identity,
            context,
            host_class: place.class,
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
    ) -> Result<(Ended, Option<Signal>), MonitorError> {
        let group = child.group();
        let mut asked = None;
        let mut next = tokio::time::Instant::from_std(began + first_pause());
        loop {
            tokio::select! {
                biased;
                ended = child.ended() => return Ok((ended.map_err(MonitorError::Wait)?, asked)),
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
    let factor = if elapsed < Duration::from_millis(500) { COST_FACTOR_EARLY } else { COST_FACTOR };
    wanted.max(cost.saturating_mul(factor)).min(Duration::from_secs(30))
}

/// A command that ends on a signal which we passed on was cancelled; one that ends by itself is
/// judged by its code, whatever it was asked.
fn judge(ending: Ending, asked: Option<Signal>) -> Outcome {
    match ending {
        Ending::Exited(0) => Outcome::Success,
        Ending::Exited(code) if asked.is_some_and(|signal| code == 128 + signal as i32) => Outcome::Cancelled,
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
        at_terminal: None,
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
            let target = Target::choose(endpoint.as_deref(), |name| request.environment.get(name).cloned())
                .with_access(request.collector_token.clone(), &request.collector_files);
            match send(target, parcel, request.export_deadline).await {
                Ok(()) => report.delivered = true,
                Err(words) => report.warnings.push(words),
            }
        }
    }
}

#[cfg(test)]
mod tests;
