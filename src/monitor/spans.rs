//! One finished run as OpenTelemetry spans, after the CI/CD semantic conventions (v1.43).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::TelemetryResourceDetector;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::child::Ending;
use super::context::Context;
use super::host::Place;
use super::identity::Identity;
use super::outputs::Outputs;
use super::usage::Usage;
use crate::model::Outcome;
use crate::model::clock::UnixNanos;

/// Most attributes that are taken from `OTEL_RESOURCE_ATTRIBUTES`.
const ATTRIBUTES_MAX: usize = 128;

/// Everything that is known about a run once it is over.
#[derive(Clone, Debug)]
pub struct Account {
    /// Names and ids.
    pub identity: Identity,
    /// What CI and git said.
    pub context: Context,
    /// Kind of machine.
    pub host_class: String,
    /// Begin, Unix nanoseconds.
    pub started_ns: UnixNanos,
    /// End, Unix nanoseconds.
    pub ended_ns: UnixNanos,
    /// How the command ended.
    pub ending: Ending,
    /// How the run is judged.
    pub outcome: Outcome,
    /// What it took.
    pub usage: Usage,
    /// What it wrote, where asked.
    pub outputs: Option<Outputs>,
    /// The command line, only where the user allowed it.
    pub command_line: Option<String>,
}

/// The scope under which perfline emits.
pub(super) fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("perfline.monitor").with_version(env!("CARGO_PKG_VERSION")).build()
}

/// The attributes of the emitter. `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` win over what we find.
/// The run stands here as well, so that a step or a point that comes alone is still told apart.
pub(super) fn resource(
    identity: &Identity,
    place: &Place,
    environment: Option<&str>,
    lookup: impl Fn(&str) -> Option<String>,
) -> Resource {
    let mut attributes = place.attributes();
    attributes.push(KeyValue::new("service.name", identity.pipeline.clone()));
    attributes.extend(environment.map(|name| KeyValue::new("deployment.environment.name", name.to_owned())));
    // Of equal keys the last one stays.
    attributes.extend(said_attributes(&lookup("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default()));
    let service = lookup("OTEL_SERVICE_NAME").filter(|name| !name.trim().is_empty());
    attributes.extend(service.map(|name| KeyValue::new("service.name", name)));
    attributes.extend(run_attributes(identity));
    let sdk = TelemetryResourceDetector;
    Resource::builder_empty().with_detector(Box::new(sdk)).with_attributes(attributes).build()
}

/// `key=value,key=value`, values percent-encoded (OpenTelemetry, Resource SDK); what does not parse is left out.
fn said_attributes(text: &str) -> Vec<KeyValue> {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    let attributes = pairs.filter_map(|(key, value)| {
        let key = key.trim();
        (!key.is_empty()).then(|| KeyValue::new(key.to_owned(), percent_decoded(value.trim())))
    });
    attributes.take(ATTRIBUTES_MAX).collect()
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%').and_then(|hex| std::str::from_utf8(hex).ok());
        let decoded = digits
            .filter(|hex| hex.bytes().all(|digit| digit.is_ascii_hexdigit()))
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        bytes.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Account {
    /// The run's span and the step's, the run first.
    #[must_use]
    pub fn spans(&self) -> Vec<SpanData> {
        let caller = self.identity.parent.as_ref().map_or(SpanId::INVALID, SpanContext::span_id);
        let mut spans = Vec::with_capacity(2);
        if let Some(root) = self.identity.root {
            let mut attributes = self.run_attributes();
            attributes.push(KeyValue::new("cicd.pipeline.action.name", "RUN"));
            attributes.push(KeyValue::new("cicd.pipeline.result", result_word(self.outcome)));
            attributes.extend(self.shared_attributes());
            let name = format!("RUN {}", self.identity.pipeline);
            spans.push(self.span(name, SpanKind::Server, root, caller, attributes));
        }
        if let (Some(id), Some(step)) = (self.identity.step_span, &self.identity.step) {
            let mut attributes = self.run_attributes();
            attributes.push(KeyValue::new("cicd.pipeline.task.name", step.clone()));
            attributes.push(KeyValue::new("cicd.pipeline.task.run.id", id.to_string()));
            attributes.push(KeyValue::new("cicd.pipeline.task.run.result", result_word(self.outcome)));
            attributes.extend(self.shared_attributes());
            spans.push(self.span(
                step.clone(),
                SpanKind::Internal,
                id,
                self.identity.root.unwrap_or(caller),
                attributes,
            ));
        }
        spans
    }

    fn span(&self, name: String, kind: SpanKind, id: SpanId, parent: SpanId, attributes: Vec<KeyValue>) -> SpanData {
        let is_remote = self.identity.parent.as_ref().is_some_and(|caller| caller.span_id() == parent);
        SpanData {
            span_context: SpanContext::new(
                self.identity.trace_id,
                id,
                TraceFlags::SAMPLED,
                false,
                self.identity.trace_state(),
            ),
            parent_span_id: parent,
            parent_span_is_remote: is_remote,
            span_kind: kind,
            name: name.into(),
            start_time: system_time(self.started_ns),
            end_time: system_time(self.ended_ns),
            attributes,
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: match self.outcome {
                Outcome::Success => Status::Unset,
                _ => Status::error(self.ending_words()),
            },
            instrumentation_scope: scope(),
        }
    }

    /// What ties a span or a point to its run.
    #[must_use]
    pub fn run_attributes(&self) -> Vec<KeyValue> {
        run_attributes(&self.identity)
    }

    /// What the command was, where it ran and what it took: on each span, as steps may come alone.
    fn shared_attributes(&self) -> Vec<KeyValue> {
        let usage = &self.usage;
        let mut list = Attributes(context_attributes(&self.context, &self.host_class));
        list.text("perfline.command_line", self.command_line.as_deref());
        list.count("perfline.exit_code", u64::try_from(self.ending.exit_code()).ok());
        list.text("error.type", (self.outcome != Outcome::Success).then(|| self.error_type()).as_deref());
        list.count("perfline.peak_memory_bytes", usage.peak_memory_bytes);
        list.count("perfline.mean_memory_bytes", usage.mean_memory_bytes);
        list.number("perfline.cpu_s", usage.cpu_s);
        list.count("perfline.disk_read_bytes", usage.disk_read_bytes);
        list.count("perfline.disk_write_bytes", usage.disk_write_bytes);
        list.count("perfline.network_receive_bytes", usage.network.map(|traffic| traffic.receive_bytes));
        list.count("perfline.network_transmit_bytes", usage.network.map(|traffic| traffic.transmit_bytes));
        list.count("perfline.threads_max", usage.threads_max);
        list.count("perfline.processes_max", usage.processes_max);
        list.count("perfline.samples", Some(usage.samples));
        list.count("perfline.output_files", self.outputs.map(|outputs| outputs.files));
        list.count("perfline.output_bytes", self.outputs.map(|outputs| outputs.bytes));
        list.0
    }

    fn error_type(&self) -> String {
        match self.ending {
            Ending::Exited(code) => format!("exit_code_{code}"),
            Ending::Killed(signal) => signal.as_str().to_owned(),
            Ending::NotStarted(127) => "command_not_found".to_owned(),
            Ending::NotStarted(_) => "command_not_executable".to_owned(),
        }
    }

    fn ending_words(&self) -> String {
        match self.ending {
            Ending::Exited(code) => format!("exit code {code}"),
            Ending::Killed(signal) => format!("killed by {signal}"),
            Ending::NotStarted(127) => "command not found".to_owned(),
            Ending::NotStarted(_) => "command not executable".to_owned(),
        }
    }
}

/// Where a run comes from and where it ran.
pub(super) fn context_attributes(context: &Context, host_class: &str) -> Vec<KeyValue> {
    let provider = context.ci.filter(|ci| matches!(*ci, "github" | "gitlab"));
    let mut list = Attributes(Vec::with_capacity(32));
    list.text("cicd.pipeline.run.url.full", context.run_url.as_deref());
    list.text("vcs.ref.head.name", context.branch.as_deref());
    list.text("vcs.ref.head.revision", context.revision.as_deref());
    list.text("vcs.ref.base.name", context.base_branch.as_deref());
    list.text("vcs.ref.base.revision", context.base_revision.as_deref());
    list.text("vcs.change.id", context.change_id.as_deref());
    list.text("vcs.repository.url.full", context.repository.as_deref());
    list.text("vcs.provider.name", provider);
    list.text("deployment.environment.name", context.environment.as_deref());
    list.text("perfline.ci", context.ci);
    list.text("perfline.ci.job", context.job.as_deref());
    list.text("perfline.host_class", Some(host_class));
    list.0
}

/// What ties a span or a point to its run.
pub(super) fn run_attributes(identity: &Identity) -> Vec<KeyValue> {
    vec![
        KeyValue::new("cicd.pipeline.name", identity.pipeline.clone()),
        KeyValue::new("cicd.pipeline.run.id", identity.run_id.clone()),
    ]
}

/// The words of `cicd.pipeline.result`.
pub(super) fn result_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Success => "success",
        Outcome::Failure => "failure",
        Outcome::Cancelled => "cancellation",
        Outcome::Skipped => "skip",
        Outcome::TimedOut => "timeout",
        Outcome::Unknown => "error",
    }
}

pub(crate) fn system_time(at: UnixNanos) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(u64::try_from(at).unwrap_or(0))
}

/// A list of attributes that leaves out what is unknown.
struct Attributes(Vec<KeyValue>);

impl Attributes {
    fn text(&mut self, key: &'static str, value: Option<&str>) {
        self.push(key, value.map(|text| Value::from(text.to_owned())));
    }

    fn count(&mut self, key: &'static str, value: Option<u64>) {
        self.push(key, value.map(|count| Value::I64(i64::try_from(count).unwrap_or(i64::MAX))));
    }

    fn number(&mut self, key: &'static str, value: Option<f64>) {
        self.push(key, value.map(Value::F64));
    }

    fn push(&mut self, key: &'static str, value: Option<Value>) {
        self.0.extend(value.map(|value| KeyValue::new(key, value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resource_attributes_are_decoded_and_rubbish_is_left_out() {
        let said = said_attributes("team=data%20eng, x = 50% ,=no,plain,bad=%zz%4");
        let pairs: Vec<(String, String)> =
            said.iter().map(|pair| (pair.key.to_string(), pair.value.to_string())).collect();
        let wanted = [("team", "data eng"), ("x", "50%"), ("bad", "%zz%4")];
        assert_eq!(pairs, wanted.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}
