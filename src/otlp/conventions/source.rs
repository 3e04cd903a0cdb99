//! Where a fact is read, as the author of a conventions file writes it, and what is done to the text that stands there.

use serde::Deserialize;

use super::names;

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

/// What a treatment makes of text.
pub(super) fn treat(treatment: &Treatment, found: &str) -> Option<String> {
    let mut rest = found.trim().trim_matches('"');
    if let Some(prefix) = &treatment.strip_prefix {
        rest = rest.strip_prefix(prefix.as_str()).unwrap_or(rest);
    }
    if treatment.strip_generated {
        rest = rest.rsplit_once('-').filter(|(_, tail)| names::is_generated(tail)).map_or(rest, |(head, _)| head);
    }
    rest = treatment.strip_suffixes.iter().find_map(|suffix| rest.strip_suffix(suffix.as_str())).unwrap_or(rest);
    if let Some((head, tail)) = treatment.strip_hex_suffix.and_then(|digits| split_hex(rest, digits)) {
        rest = if tail.is_empty() { rest } else { head };
    }
    if let Some(mark) = &treatment.before {
        rest = rest.split_once(mark.as_str()).map_or(rest, |(head, _)| head);
    }
    if let Some(mark) = &treatment.after {
        rest = rest.rsplit_once(mark.as_str()).map_or(rest, |(_, tail)| tail);
    }
    let rest = rest.trim();
    if rest.is_empty() {
        return None;
    }
    if let Some(word) = &treatment.becomes {
        return Some(word.clone());
    }
    let rest = if treatment.fold { names::fold(rest)? } else { rest.to_owned() };
    Some(match &treatment.prepend {
        Some(head) => format!("{head}{rest}"),
        None => rest,
    })
}

fn split_hex(text: &str, digits: usize) -> Option<(&str, &str)> {
    let (head, tail) = text.rsplit_once('-')?;
    (tail.len() == digits && tail.bytes().all(|byte| byte.is_ascii_hexdigit()) && !head.is_empty())
        .then_some((head, tail))
}
