//! The shape of a conventions file (TOML), as its author writes it.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One file of `config/conventions/`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConventionFile {
    /// Name of the instrumentation.
    #[expect(dead_code, reason = "says to its reader what the file is for; must be there")]
    pub(super) convention: String,
    /// What it is, in one line.
    #[serde(default)]
    #[expect(dead_code, reason = "says to its reader what the file is for")]
    pub(super) about: String,
    /// Facts read from the attributes of any span.
    #[serde(default)]
    pub(super) facts: BTreeMap<Fact, Vec<SourceSpec>>,
    /// Facts read from the attributes of a resource.
    #[serde(default)]
    pub(super) resource: BTreeMap<Fact, Vec<SourceSpec>>,
    /// What gives a span its part in a run; the first match wins, role by role.
    #[serde(default, rename = "rule")]
    pub(super) rules: Vec<RuleSpec>,
    /// Plain request instrumentation: alone it never makes a run.
    #[serde(default)]
    pub(super) quiet: QuietSpec,
    /// The emitter's words for outcomes, without regard to case.
    #[serde(default)]
    pub(super) outcomes: BTreeMap<String, OutcomeWord>,
    /// Names that log records give to ids.
    #[serde(default, rename = "log_name")]
    pub(super) log_names: Vec<LogNameSpec>,
    /// Quality scores.
    #[serde(default, rename = "score")]
    pub(super) scores: Vec<ScoreSpec>,
    /// What stays readable where names are kept private, beside what the rules compare with.
    #[serde(default)]
    pub(super) readable: ReadableSpec,
}

/// What stays readable where names are kept private; `*` at the end stands for anything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReadableSpec {
    /// Attributes whose every value stays.
    #[serde(default)]
    pub(super) keys: Vec<String>,
    /// Names of scopes.
    #[serde(default)]
    pub(super) scopes: Vec<String>,
    /// Names of events and log records.
    #[serde(default)]
    pub(super) events: Vec<String>,
    /// Names of metrics.
    #[serde(default)]
    pub(super) metrics: Vec<String>,
    /// Attributes whose every value stays on the points of these metrics, and nowhere else.
    #[serde(default)]
    pub(super) points: Vec<String>,
}

/// A typed thing to know of a span.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fact {
    /// Name of the pipeline.
    Pipeline,
    /// Its name where nothing else says one.
    Fallback,
    /// Id of the run, as text.
    RunId,
    /// Name of the step.
    Step,
    /// Attempt; 1 is the first.
    Attempt,
    /// How it ended, in the emitter's words.
    Outcome,
    /// What went wrong.
    Error,
    /// The class of what went wrong.
    ErrorType,
    /// Id by which a log record may name this run or step.
    NameId,
    /// Model that answered.
    Model,
    /// Who serves the model.
    Provider,
    /// chat, embeddings, ...
    Operation,
    /// Tokens sent, cached ones included.
    InputTokens,
    /// Tokens received, reasoning included.
    OutputTokens,
    /// Part of the input that came from a cache.
    CachedTokens,
    /// Part of the input that was written to a cache.
    CacheWriteTokens,
    /// Part of the output spent on reasoning.
    ReasoningTokens,
    /// US dollars, as stated by the emitter.
    CostUsd,
    /// Branch of the source.
    Branch,
    /// Revision of the source.
    Revision,
    /// Deployment environment.
    Environment,
    /// Kind of machine, as one text.
    HostClass,
    /// Model of its processor.
    CpuModel,
    /// Its usable cores.
    CpuCores,
    /// Its usable memory, bytes.
    HostMemoryBytes,
    /// Kind of runner or agent that it is.
    Runner,
    /// Items processed.
    Items,
    /// Size of the input, in the pipeline's own unit.
    InputSize,
    /// Calls counted by the emitter itself.
    ApiCalls,
    /// Seconds, where the emitter states them beside the span's own length.
    DurationS,
    /// Largest resident memory, bytes.
    PeakMemoryBytes,
    /// Mean resident memory, bytes.
    MeanMemoryBytes,
    /// CPU seconds.
    CpuS,
    /// Bytes read from disk.
    DiskReadBytes,
    /// Bytes written to disk.
    DiskWriteBytes,
    /// Score of quality.
    QualityScore,
}

/// Where a fact is read: a key, or a key with what to do to its value.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum SourceSpec {
    /// An attribute key, `@name`, `@scope`, `@service`, `@status_message`, `resource:KEY` or `@event:NAME:KEY`.
    Key(String),
    /// The same with treatment.
    Treated(Box<Treatment>),
}

/// A source and its treatment, applied in the order of the fields.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Treatment {
    /// As in [`SourceSpec::Key`].
    pub(super) from: String,
    /// The value is JSON: the dotted path into it.
    #[serde(default)]
    pub(super) json: Option<String>,
    /// The value is a JSON object: the sum of its numbers.
    #[serde(default)]
    pub(super) json_sum: bool,
    /// The value is a JSON object that counts kinds apart from each other: the sum of its numbers under this word, and
    /// under those that begin with it and `_`. Only where its `total` says that `input` and `output` are not all.
    #[serde(default)]
    pub(super) json_parts: Option<String>,
    /// Text to take from the front, if it is there.
    #[serde(default)]
    pub(super) strip_prefix: Option<String>,
    /// Texts to take from the end, the first that is there.
    #[serde(default)]
    pub(super) strip_suffixes: Vec<String>,
    /// Take `-` and so many hex digits from the end, if they are there.
    #[serde(default)]
    pub(super) strip_hex_suffix: Option<usize>,
    /// Keep what stands before the first of these.
    #[serde(default)]
    pub(super) before: Option<String>,
    /// Keep what stands after the last of these.
    #[serde(default)]
    pub(super) after: Option<String>,
    /// Whatever the value is: that there is one means this word.
    #[serde(default)]
    pub(super) becomes: Option<String>,
    /// Put in front.
    #[serde(default)]
    pub(super) prepend: Option<String>,
    /// Fold ids, dates and long numbers, so that few names remain.
    #[serde(default)]
    pub(super) fold: bool,
    /// Take `-` and five letters and digits from the end, as Kubernetes puts them behind names that it generates.
    #[serde(default)]
    pub(super) strip_generated: bool,
    /// Put the text of this attribute and `/` in front, where it has one: a name is only one within it.
    #[serde(default)]
    pub(super) within: Option<String>,
    /// What stands between the two instead of `/`.
    #[serde(default)]
    pub(super) joint: Option<String>,
    /// No value at all where one of these attributes, of the span or its resource, begins with it.
    #[serde(default)]
    pub(super) unless_begins: Vec<String>,
    /// Added to a number.
    #[serde(default)]
    pub(super) add: f64,
    /// A number is multiplied by this; 0 means 1.
    #[serde(default)]
    pub(super) scale: f64,
}

/// The part that a matching span plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    /// It is a run, if no run is around it.
    Run,
    /// It is a run, if it is the root of its trace or only quiet spans are around it.
    Root,
    /// It is a step.
    Step,
    /// It is one call of a model.
    Model,
    /// It repeats the sum of the model calls below it.
    Aggregate,
    /// It is no part of any run.
    Ignore,
    /// It only adds facts.
    Context,
}

/// What a nested run is to the run around it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Nested {
    /// One of its steps.
    #[default]
    Step,
    /// Nothing of its own.
    Nothing,
}

/// Which steps count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Depth {
    /// Also inside another step.
    #[default]
    Any,
    /// Only where no other step is around it.
    Top,
}

/// What a failed step does to its run, where the run itself says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Failure {
    /// The run failed.
    #[default]
    Final,
    /// The run failed if nothing started after it.
    Recovers,
    /// Nothing.
    Nothing,
}

/// perfline's words for outcomes, and the one that says "once more".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OutcomeWord {
    /// It did what it should.
    Success,
    /// It did not.
    Failure,
    /// Somebody stopped it.
    Cancelled,
    /// It was passed over.
    Skipped,
    /// It ran out of time.
    TimedOut,
    /// It failed and will be tried again.
    Retry,
    /// It says nothing about the end.
    Unknown,
}

/// One rule.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleSpec {
    /// Name shown by `perfline explain`.
    pub(super) id: String,
    /// The part that a matching span plays.
    pub(super) role: Role,
    /// All must hold.
    pub(super) when: Vec<ConditionSpec>,
    /// Facts of matching spans; they come before the file's own.
    #[serde(default)]
    pub(super) facts: BTreeMap<Fact, Vec<SourceSpec>>,
    /// For `run`: what it is inside another run.
    #[serde(default)]
    pub(super) nested: Nested,
    /// For `step`: which count.
    #[serde(default)]
    pub(super) depth: Depth,
    /// For `step`: what its failure does to the run.
    #[serde(default)]
    pub(super) failure: Failure,
    /// The outcome where the span's status is not set.
    #[serde(default)]
    pub(super) unset: Option<OutcomeWord>,
    /// How the run ended if its run span never comes, though spans of it did.
    #[serde(default)]
    pub(super) lost_root: Option<OutcomeWord>,
    /// For `run` and `root`: a status of OK proves nothing.
    #[serde(default)]
    pub(super) ok_is_weak: bool,
    /// It failed if a span inside it failed, whatever its own status.
    #[serde(default)]
    pub(super) fails_inside: bool,
    /// Events that each tell of a retry within the span; `*` at the end stands for anything.
    #[serde(default)]
    pub(super) retry_events: Vec<String>,
    /// Its cached tokens are counted beside its input tokens, not in them: the sum is the input.
    #[serde(default)]
    pub(super) cache_is_beside: bool,
    /// For `context`: the span stays as plain as it was, and may be a step for want of a rule.
    #[serde(default)]
    pub(super) stays_plain: bool,
}

/// One condition: exactly one subject (`key`, `any`, `resource`, `absent`, `scope`, `name`, `kind`, `parent`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConditionSpec {
    /// The span has this attribute.
    #[serde(default)]
    pub(super) key: Option<String>,
    /// The resource has this attribute.
    #[serde(default)]
    pub(super) resource: Option<String>,
    /// The span has one of these attributes.
    #[serde(default)]
    pub(super) any: Option<Vec<String>>,
    /// The span does not have this attribute.
    #[serde(default)]
    pub(super) absent: Option<String>,
    /// The scope's name; `*` at the end or the beginning stands for anything.
    #[serde(default)]
    pub(super) scope: Option<String>,
    /// The span's name; `*` at the end or the beginning stands for anything.
    #[serde(default)]
    pub(super) name: Option<String>,
    /// The span's kind is one of these: internal, server, client, producer, consumer, unspecified.
    #[serde(default)]
    pub(super) kind: Option<Vec<String>>,
    /// Whether the span has a parent.
    #[serde(default)]
    pub(super) parent: Option<bool>,
    /// With `key`, `any` or `resource`: a value is one of these, without regard to case or JSON quotes.
    #[serde(default)]
    pub(super) equals: Option<Vec<String>>,
    /// With `key` or `resource`: the value is none of these.
    #[serde(default)]
    pub(super) unlike: Option<Vec<String>>,
    /// With `key` or `resource`: the value is the span's name.
    #[serde(default)]
    pub(super) is_name: bool,
    /// It must not hold.
    #[serde(default)]
    pub(super) not: bool,
}

/// Marks of plain request instrumentation.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QuietSpec {
    /// Any of these attributes marks a span as quiet, unless a rule knows it.
    #[serde(default)]
    pub(super) keys: Vec<String>,
    /// Scopes of quiet spans; `*` at the end stands for anything.
    #[serde(default)]
    pub(super) scopes: Vec<String>,
}

/// A log record that names a run or a step.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogNameSpec {
    /// Attribute that holds the id.
    pub(super) id: String,
    /// Attribute that holds the name.
    pub(super) name: String,
}

/// Where a quality score is read.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScoreSpec {
    /// Attribute that holds the score: a number.
    pub(super) value: String,
    /// Attribute that holds its name; else `called`.
    #[serde(default)]
    pub(super) name: Option<String>,
    /// Its name where no attribute holds one.
    #[serde(default)]
    pub(super) called: Option<String>,
    /// Attribute that holds a word for it.
    #[serde(default)]
    pub(super) label: Option<String>,
    /// Name of the event or log record that carries it; else any span.
    #[serde(default)]
    pub(super) event: Option<String>,
}
