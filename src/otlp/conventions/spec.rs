//! The shape of a conventions file (TOML), as its author writes it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::source::{Fact, SourceSpec};

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

/// One condition: exactly one subject (`key`, `any`, `resource`, `absent`, `scope`, `name`, `kind`, `parent`, `generic`).
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
    /// Whether the span's name says only that something runs: `run_pipeline`.
    #[serde(default)]
    pub(super) generic: Option<bool>,
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
