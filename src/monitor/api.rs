//! For pipelines written in Rust: say where a run and its steps begin and end.
//!
//! ```no_run
//! use perfline::model::Outcome;
//! use perfline::monitor::Pipeline;
//!
//! let run = Pipeline::start("nightly-import");
//! let mut load = run.step("load");
//! load.set("perfline.items", 1200);
//! load.finish(Outcome::Success);
//! let delivery = run.finish(Outcome::Success);
//! for warning in delivery.warnings {
//!     eprintln!("perfline: {warning}");
//! }
//! ```
//!
//! Nothing is sent before the end, and a collector that is away costs a warning. A step or a run that is
//! dropped without `finish` counts as failed: an early return or a panic must not read as success.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags};
use opentelemetry::{Key, KeyValue, Value};
use opentelemetry_sdk::trace::{IdGenerator, RandomIdGenerator, SpanData, SpanEvents, SpanLinks};

use super::encode::encode;
use super::export::{Parcel, Target, send_within};
use super::host::Place;
use super::identity::{Identity, Wish};
use super::propagation::{Inherited, format_traceparent};
use super::spans::{context_attributes, resource, result_word, run_attributes, scope, system_time};
use super::usage::OwnUsage;
use super::{Destination, Requests};
use crate::model::Outcome;
use crate::model::clock::{Clock, UnixNanos};
use crate::monitor::context::Context;

/// Most steps that one run keeps; later ones are counted and named in a warning.
const STEPS_MAX: usize = 10_000;

/// How a run finds its place and its collector.
#[derive(Clone, Debug)]
pub struct PipelineOptions {
    /// The run's id; else what CI or an outer `perfline run` says, else the trace id.
    pub run_id: Option<String>,
    /// Where the run goes.
    pub destination: Destination,
    /// Environment variables to learn from; only allow-listed names are looked up.
    pub environment: BTreeMap<String, String>,
    /// Source of the run's times.
    pub clock: Clock,
    /// Longest time that `finish` may take to send.
    pub export_deadline: Duration,
}

impl Default for PipelineOptions {
    fn default() -> Self {
        Self {
            run_id: None,
            destination: Destination::Collector(None),
            environment: super::own_environment(),
            clock: Clock::Wall,
            export_deadline: Duration::from_secs(5),
        }
    }
}

/// A run that is under way. May be shared between threads.
#[derive(Debug)]
pub struct Pipeline {
    shared: Arc<Shared>,
    finished: bool,
}

/// What became of the telemetry of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Delivery {
    /// Whether a collector has acknowledged the run.
    pub delivered: bool,
    /// The OTLP requests, for [`Destination::Caller`].
    pub requests: Option<Requests>,
    /// What did not work.
    pub warnings: Vec<String>,
}

#[derive(Debug)]
struct Shared {
    options: PipelineOptions,
    identity: Identity,
    root: SpanId,
    context: Context,
    place: Place,
    started_ns: UnixNanos,
    began: Instant,
    before: OwnUsage,
    attributes: Mutex<Vec<KeyValue>>,
    steps: Mutex<Steps>,
}

#[derive(Debug, Default)]
struct Steps {
    spans: Vec<SpanData>,
    left_out: usize,
}

impl Pipeline {
    /// Begins a run that goes to the collector which the environment names.
    #[must_use]
    pub fn start(name: &str) -> Self {
        Self::start_with(name, PipelineOptions::default())
    }

    /// Begins a run.
    #[must_use]
    pub fn start_with(name: &str, options: PipelineOptions) -> Self {
        let lookup = |name: &str| options.environment.get(name).cloned();
        let mut context = Context::read(lookup);
        context.read_event_file(lookup);
        let wish = Wish { pipeline: Some(name), step: None, run_id: options.run_id.as_deref(), program: name };
        let identity = Identity::choose(wish, &context, &Inherited::read(lookup));
        let place = Place::read(&context, lookup);
        let shared = Shared {
            root: identity.root.unwrap_or_else(|| RandomIdGenerator::default().new_span_id()),
            started_ns: options.clock.now(),
            began: Instant::now(),
            before: OwnUsage::read(),
            attributes: Mutex::default(),
            steps: Mutex::default(),
            options,
            identity,
            context,
            place,
        };
        Self { shared: Arc::new(shared), finished: false }
    }

    /// The run's id.
    #[must_use]
    pub fn run_id(&self) -> &str {
        &self.shared.identity.run_id
    }

    /// The run's `traceparent`, to hand to whatever the pipeline calls.
    #[must_use]
    pub fn traceparent(&self) -> String {
        format_traceparent(&self.shared.span_context(self.shared.root))
    }

    /// States a fact about the run, for example `perfline.items` or `perfline.cost_usd`.
    pub fn set(&self, key: impl Into<Key>, value: impl Into<Value>) {
        self.shared.attributes.lock().unwrap_or_else(PoisonError::into_inner).push(KeyValue::new(key, value));
    }

    /// Begins a step. Steps may overlap.
    #[must_use]
    pub fn step(&self, name: &str) -> PipelineStep {
        PipelineStep {
            shared: Arc::clone(&self.shared),
            name: name.to_owned(),
            id: RandomIdGenerator::default().new_span_id(),
            began: Instant::now(),
            attributes: Vec::new(),
            finished: false,
        }
    }

    /// Ends the run and sends it. Blocks for the export deadline at most; steps that are still under
    /// way are not part of it.
    pub fn finish(mut self, outcome: Outcome) -> Delivery {
        self.finished = true;
        self.shared.send(outcome)
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        if !self.finished {
            // Nobody is left to read a warning.
            drop(self.shared.send(Outcome::Failure));
        }
    }
}

/// A step that is under way.
#[derive(Debug)]
pub struct PipelineStep {
    shared: Arc<Shared>,
    name: String,
    id: SpanId,
    began: Instant,
    attributes: Vec<KeyValue>,
    finished: bool,
}

impl PipelineStep {
    /// States a fact about the step, for example `perfline.items` or `gen_ai.usage.input_tokens`.
    pub fn set(&mut self, key: impl Into<Key>, value: impl Into<Value>) {
        self.attributes.push(KeyValue::new(key, value));
    }

    /// The step's `traceparent`.
    #[must_use]
    pub fn traceparent(&self) -> String {
        format_traceparent(&self.shared.span_context(self.id))
    }

    /// Ends the step.
    pub fn finish(mut self, outcome: Outcome) {
        self.end(outcome);
    }

    fn end(&mut self, outcome: Outcome) {
        self.finished = true;
        let mut attributes = run_attributes(&self.shared.identity);
        attributes.push(KeyValue::new("cicd.pipeline.task.name", self.name.clone()));
        attributes.push(KeyValue::new("cicd.pipeline.task.run.id", self.id.to_string()));
        attributes.push(KeyValue::new("cicd.pipeline.task.run.result", result_word(outcome)));
        attributes.append(&mut self.attributes);
        let span = self.shared.span(
            self.name.clone(),
            SpanKind::Internal,
            self.id,
            self.shared.root,
            self.began,
            attributes,
            outcome,
        );
        let mut steps = self.shared.steps.lock().unwrap_or_else(PoisonError::into_inner);
        if steps.spans.len() < STEPS_MAX {
            steps.spans.push(span);
        } else {
            steps.left_out += 1;
        }
    }
}

impl Drop for PipelineStep {
    fn drop(&mut self) {
        if !self.finished {
            self.end(Outcome::Failure);
        }
    }
}

impl Shared {
    fn span_context(&self, id: SpanId) -> SpanContext {
        SpanContext::new(self.identity.trace_id, id, TraceFlags::SAMPLED, false, self.identity.trace_state())
    }

    #[expect(clippy::too_many_arguments, reason = "a span has that many parts, and both callers name all of them")]
    fn span(
        &self,
        name: String,
        kind: SpanKind,
        id: SpanId,
        parent: SpanId,
        began: Instant,
        attributes: Vec<KeyValue>,
        outcome: Outcome,
    ) -> SpanData {
        // From one reading of the clock and the monotonic time since, so that steps lie within their run.
        let at = |instant: Instant| {
            let since = instant.saturating_duration_since(self.began).as_nanos();
            self.started_ns.saturating_add(i64::try_from(since).unwrap_or(i64::MAX))
        };
        SpanData {
            span_context: self.span_context(id),
            parent_span_id: parent,
            parent_span_is_remote: id == self.root && self.identity.parent.is_some(),
            span_kind: kind,
            name: name.into(),
            start_time: system_time(at(began)),
            end_time: system_time(at(Instant::now())),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if outcome == Outcome::Success { Status::Unset } else { Status::error(outcome.as_str()) },
            instrumentation_scope: scope(),
        }
    }

    fn send(&self, outcome: Outcome) -> Delivery {
        let Steps { mut spans, left_out } =
            std::mem::take(&mut *self.steps.lock().unwrap_or_else(PoisonError::into_inner));
        let warnings =
            if left_out > 0 { vec![format!("{left_out} steps beyond {STEPS_MAX} were left out")] } else { Vec::new() };
        let mut delivery = Delivery { warnings, ..Delivery::default() };
        let environment = &self.options.environment;
        if environment.get("OTEL_SDK_DISABLED").is_some_and(|text| text.trim().eq_ignore_ascii_case("true")) {
            return delivery;
        }
        spans.insert(0, self.root_span(outcome));
        let lookup = |name: &str| environment.get(name).cloned();
        let resource = resource(&self.identity, &self.place, self.context.environment.as_deref(), lookup);
        match &self.options.destination {
            Destination::Caller => delivery.requests = Some(encode(&resource, spans, &[])),
            Destination::Collector(endpoint) => {
                let target = Target::choose(endpoint.as_deref(), |name| environment.get(name).cloned());
                let parcel = Parcel { resource, spans, readings: Vec::new() };
                match send_within(target, parcel, self.options.export_deadline) {
                    Ok(()) => delivery.delivered = true,
                    Err(words) => delivery.warnings.push(words),
                }
            }
        }
        delivery
    }

    fn root_span(&self, outcome: Outcome) -> SpanData {
        let mut attributes = run_attributes(&self.identity);
        attributes.push(KeyValue::new("cicd.pipeline.action.name", "RUN"));
        attributes.push(KeyValue::new("cicd.pipeline.result", result_word(outcome)));
        attributes.extend(context_attributes(&self.context, &self.place.class));
        attributes.extend(self.before.until_now());
        attributes.append(&mut self.attributes.lock().unwrap_or_else(PoisonError::into_inner));
        let parent = self.identity.parent.as_ref().map_or(SpanId::INVALID, SpanContext::span_id);
        let name = format!("RUN {}", self.identity.pipeline);
        self.span(name, SpanKind::Server, self.root, parent, self.began, attributes, outcome)
    }
}

#[cfg(test)]
mod tests;
