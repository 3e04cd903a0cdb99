//! What a rule can find out about one span, one resource, one log record.

use crate::model::Outcome;
use crate::otlp::value::AttrValue;

/// Attributes as the decoder hands them over.
pub type Attributes<'a> = [(&'a str, AttrValue<'a>)];

/// What the rules see in the name of a key or a scope.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyTraits {
    /// Some rule or fact reads it.
    pub is_read: bool,
    /// It marks plain request instrumentation.
    pub is_quiet: bool,
}

impl KeyTraits {
    /// Sees what both see.
    pub fn add(&mut self, other: Self) {
        self.is_read |= other.is_read;
        self.is_quiet |= other.is_quiet;
    }
}

/// One event of a span.
#[derive(Clone, Copy, Debug)]
pub struct EventShape<'a> {
    /// Name.
    pub name: &'a str,
    /// Nanoseconds since the Unix epoch.
    pub time_ns: i64,
    /// Attributes.
    pub attributes: &'a Attributes<'a>,
}

/// What a span is, apart from its attributes.
#[derive(Clone, Copy, Debug, Default)]
pub struct SpanShape<'a> {
    /// Name.
    pub name: &'a str,
    /// Name of its instrumentation scope.
    pub scope: &'a str,
    /// OTLP `SpanKind`.
    pub kind: u8,
    /// OTLP `StatusCode`.
    pub status: u8,
    /// Status message.
    pub status_message: &'a str,
    /// Whether it names a parent.
    pub has_parent: bool,
    /// Events.
    pub events: &'a [EventShape<'a>],
}

/// Whether a span marks a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// It is a run wherever it stands, unless a run is around it.
    Run,
    /// It is a run where nothing but quiet spans is around it.
    Root,
}

/// Whether a span's usage counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Usage {
    /// It has none.
    #[default]
    None,
    /// One call of a model.
    Call,
    /// A sum over the calls below it: counts only where they state nothing.
    Aggregate,
}

/// One quality score.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// Name of the measure.
    pub name: String,
    /// Value, in the measure's own scale.
    pub score: Option<f64>,
    /// A word for it, such as `pass`.
    pub label: Option<String>,
    /// Nanoseconds since the Unix epoch; `None`: the span's end.
    pub at_ns: Option<i64>,
}

/// What is known of one span: a row of `span_facts`. Absent facts are `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpanFacts {
    /// The rules that matched, joined by ` + `; `local-root`, `plain` or `quiet` where none did.
    pub rule: String,
    /// It names no parent.
    pub root: bool,
    /// Whether it marks a run.
    pub marker: Option<Marker>,
    /// Plain request instrumentation.
    pub quiet: bool,
    /// No part of any run.
    pub ignored: bool,
    /// Name of the pipeline, said by the span itself.
    pub pipeline: Option<String>,
    /// Name that the run takes where nothing better is known: the span's name, folded, or the service.
    pub fallback: Option<String>,
    /// Id of the run, said by the span itself.
    pub run_id: Option<String>,
    /// Id by which a log record may name this run or step.
    pub name_id: Option<String>,
    /// Name of the step; for a marker: what it is inside another run.
    pub step: Option<String>,
    /// Counts only where no other step is around it.
    pub top_only: bool,
    /// 1 is the first; `None`: not said.
    pub attempt: Option<i32>,
    /// It failed and will be tried again.
    pub retried: bool,
    /// Its failure fails the run even if work went on (`final`), or only if none did (`recovers`).
    pub failure_is_final: bool,
    /// Its failure says nothing about the run.
    pub failure_is_nothing: bool,
    /// It failed if a span inside it failed.
    pub fails_inside: bool,
    /// How it ended, said by an attribute.
    pub outcome: Option<Outcome>,
    /// How it ended where the status is unset.
    pub unset_outcome: Option<Outcome>,
    /// How its run ended if the run span never comes.
    pub lost_outcome: Option<Outcome>,
    /// A status of OK proves nothing.
    pub ok_is_weak: bool,
    /// What went wrong, at most [`super::ERROR_CHARS_MAX`] characters.
    pub error: Option<String>,
    /// The class of what went wrong.
    pub error_type: Option<String>,
    /// Whether its usage counts.
    pub usage: Usage,
    /// Model that answered.
    pub model: Option<String>,
    /// Who serves the model.
    pub provider: Option<String>,
    /// chat, embeddings, ...
    pub operation: Option<String>,
    /// Tokens sent, cached ones included.
    pub input_tokens: Option<i64>,
    /// Tokens received, reasoning included.
    pub output_tokens: Option<i64>,
    /// Part of the input that came from a cache.
    pub cached_tokens: Option<i64>,
    /// Part of the input that was written to a cache.
    pub cache_write_tokens: Option<i64>,
    /// Part of the output spent on reasoning.
    pub reasoning_tokens: Option<i64>,
    /// US dollars, as stated.
    pub cost_usd: Option<f64>,
    /// Branch of the source.
    pub branch: Option<String>,
    /// Revision of the source.
    pub revision: Option<String>,
    /// Deployment environment.
    pub environment: Option<String>,
    /// Kind of machine.
    pub host_class: Option<String>,
    /// Model of its processor.
    pub cpu_model: Option<String>,
    /// Its usable cores.
    pub cpu_cores: Option<i64>,
    /// Its usable memory, bytes.
    pub host_memory_bytes: Option<i64>,
    /// Kind of runner or agent that it is.
    pub runner: Option<String>,
    /// Items processed.
    pub items: Option<f64>,
    /// Size of the input, in the pipeline's own unit.
    pub input_size: Option<f64>,
    /// Calls counted by the emitter itself.
    pub api_calls: Option<i64>,
    /// Seconds, where the emitter states them.
    pub duration_s: Option<f64>,
    /// Largest resident memory, bytes.
    pub peak_memory_bytes: Option<i64>,
    /// Mean resident memory, bytes.
    pub mean_memory_bytes: Option<i64>,
    /// CPU seconds.
    pub cpu_s: Option<f64>,
    /// Bytes read from disk.
    pub disk_read_bytes: Option<i64>,
    /// Bytes written to disk.
    pub disk_write_bytes: Option<i64>,
    /// What a run says of itself, as a JSON object: every attribute but perfline's own and long text.
    pub attributes: Option<String>,
    /// Quality scores: rows of `score_rows`.
    pub scores: Vec<Score>,
}

/// What the loader should do with a span.
#[derive(Clone, Debug, PartialEq)]
pub enum Verdict {
    /// No row of `span_facts`, and its trace need not be derived again for its sake.
    Quiet,
    /// No row of `span_facts`, but its trace is touched.
    Plain,
    /// One row of `span_facts`, and its trace is touched.
    Known(Box<SpanFacts>),
}

/// What is known of a resource: a row of `resource_facts`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceFacts {
    /// `service.name`.
    pub service: Option<String>,
    /// `service.instance.id`.
    pub instance: Option<String>,
    /// Name of the pipeline.
    pub pipeline: Option<String>,
    /// Id of the run.
    pub run_id: Option<String>,
    /// Branch of the source.
    pub branch: Option<String>,
    /// Revision of the source.
    pub revision: Option<String>,
    /// Deployment environment.
    pub environment: Option<String>,
    /// Kind of machine: as stated, else put together from what follows.
    pub host_class: Option<String>,
    /// Model of its processor.
    pub cpu_model: Option<String>,
    /// Its usable cores.
    pub cpu_cores: Option<i64>,
    /// Its usable memory, bytes.
    pub host_memory_bytes: Option<i64>,
    /// Kind of runner or agent that it is.
    pub runner: Option<String>,
    /// Which process this is, over resources that say more or less of it.
    pub process: Option<String>,
    /// Values of the attributes that rules look at, by key number.
    pub(super) known: Vec<(u16, String)>,
}

impl ResourceFacts {
    /// Whether `resource_facts` needs a row: beside service and instance there is something to know.
    #[must_use]
    pub fn is_worth_a_row(&self) -> bool {
        let texts = [
            &self.pipeline,
            &self.run_id,
            &self.branch,
            &self.revision,
            &self.environment,
            &self.host_class,
            &self.cpu_model,
            &self.runner,
            &self.process,
        ];
        texts.into_iter().any(Option::is_some) || self.cpu_cores.is_some() || self.host_memory_bytes.is_some()
    }
}

/// What a log record says about a run.
#[derive(Clone, Debug, PartialEq)]
pub enum LogFact {
    /// It names an id: a row of `id_names`.
    Name {
        /// The id of a run or a step.
        id: String,
        /// Its name.
        name: String,
    },
    /// It scores the span that it belongs to: a row of `score_rows`.
    Score(Score),
}
