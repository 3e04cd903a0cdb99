//! Asks the rules about one span.

use super::compile::Tables;
use super::facts::{Attributes, Marker, ResourceFacts, SpanFacts, SpanShape, Usage, Verdict};
use super::reading::Reading;
use super::source::Fact;
use super::spec::{Depth, Failure, Nested, OutcomeWord, Role};
use super::value::{TEXT_CHARS_MAX, trimmed};
use super::{outcome, scores};
use crate::model::Outcome;
use crate::otlp::value::{AttrValue, write_attributes_json};

/// OTLP `StatusCode` of a failure.
const STATUS_ERROR: u8 = 2;

/// Attributes that a run keeps.
const RUN_ATTRIBUTES_MAX: usize = 128;

/// What a span is, by all the rules.
pub(super) fn classify(
    tables: &Tables,
    span: &SpanShape<'_>,
    resource: &ResourceFacts,
    attributes: &Attributes<'_>,
) -> Verdict {
    let mut values = Vec::new();
    let mut candidates: Vec<u16> = Vec::new();
    let mut is_quiet = tables.quiet_scopes.iter().any(|scope| scope.holds(span.scope));
    for (key, value) in attributes {
        let Some(&number) = tables.numbers.get(*key) else { continue };
        let info = &tables.keys[usize::from(number)];
        is_quiet |= info.is_quiet;
        if info.is_read && !values.iter().any(|(known, _)| *known == number) {
            values.push((number, *value));
            candidates.extend(&info.rules);
        }
    }
    candidates.extend(tables.scope_rules.iter().filter(|(scope, _)| scope.holds(span.scope)).map(|(_, rule)| *rule));
    candidates
        .extend(tables.resource_rules.iter().filter(|(key, _)| resource.known(*key).is_some()).map(|(_, rule)| *rule));
    candidates.sort_unstable();
    candidates.dedup();

    let mut reading = Reading { tables, span, resource, values, matched: Vec::new() };
    for candidate in candidates {
        let rule = &tables.rules[usize::from(candidate)];
        let taken = rule.spec.role != Role::Context
            && reading.matched.iter().any(|other| category(other.spec.role) == category(rule.spec.role));
        if !taken && rule.conditions.iter().all(|condition| reading.holds(condition) != condition.not) {
            reading.matched.push(rule);
        }
    }
    let mut verdict = reading.verdict(is_quiet);
    if let Verdict::Known(facts) = &mut verdict
        && (facts.marker.is_some() || facts.root && !facts.quiet)
    {
        facts.attributes = run_attributes(attributes);
    }
    verdict
}

/// What the span of a run says, without what has a column and without payloads.
fn run_attributes(attributes: &Attributes<'_>) -> Option<String> {
    let is_kept = |(key, value): &&(&str, AttrValue<'_>)| {
        let fits = match value {
            AttrValue::Str(text) => text.len() <= TEXT_CHARS_MAX,
            AttrValue::Bool(_) | AttrValue::Int(_) | AttrValue::Double(_) => true,
            AttrValue::Empty | AttrValue::Bytes(_) | AttrValue::Nested(_) => false,
        };
        fits && !key.starts_with("perfline.") && key.len() <= TEXT_CHARS_MAX
    };
    let mut kept = attributes.iter().filter(is_kept).take(RUN_ATTRIBUTES_MAX).copied().peekable();
    kept.peek()?;
    let mut text = String::new();
    write_attributes_json(kept, &mut text);
    Some(text)
}

/// What a span is that no rule sees; `None` where it needs a row of facts all the same.
pub(super) fn without_rules(span: &SpanShape<'_>, is_quiet: bool) -> Option<Verdict> {
    let is_internal = span.kind <= 1;
    let needs_row =
        if is_quiet { is_internal } else { !span.has_parent || !is_internal || span.status == STATUS_ERROR };
    (!needs_row).then_some(if is_quiet { Verdict::Quiet } else { Verdict::Plain })
}

/// Roles of one category exclude each other.
fn category(role: Role) -> u8 {
    match role {
        Role::Run | Role::Root => 0,
        Role::Step => 1,
        Role::Model | Role::Aggregate => 2,
        Role::Ignore => 3,
        Role::Context => 4,
    }
}

impl<'t, 'a> Reading<'t, 'a> {
    fn verdict(&self, is_quiet: bool) -> Verdict {
        let scores = scores::of_span(self);
        // A name alone changes nothing of what a span is.
        let is_known = self.matched.iter().any(|rule| !rule.spec.stays_plain) || !scores.is_empty();
        if let (true, Some(verdict)) = (self.matched.is_empty() && !is_known, without_rules(self.span, is_quiet)) {
            return verdict;
        }
        let root = !self.span.has_parent;
        let mut facts = SpanFacts { root, quiet: is_quiet && !is_known, scores, ..SpanFacts::default() };
        self.roles(&mut facts);
        if !facts.quiet && !facts.ignored {
            self.describe(&mut facts);
        }
        Verdict::Known(Box::new(facts))
    }

    fn roles(&self, facts: &mut SpanFacts) {
        let word = if facts.quiet {
            "quiet"
        } else if facts.root {
            "local-root"
        } else {
            "plain"
        };
        let is_plain = self.matched.iter().all(|rule| rule.spec.stays_plain);
        let ids = self.matched.iter().map(|rule| rule.spec.id.as_str());
        facts.rule = is_plain.then_some(word).into_iter().chain(ids).collect::<Vec<_>>().join(" + ");
        // What a rule calls a step is one; a marker is a step only for want of such a rule.
        let has_step_rule = self.matched.iter().any(|rule| rule.spec.role == Role::Step);
        for rule in &self.matched {
            let spec = &rule.spec;
            facts.lost_outcome = facts.lost_outcome.or_else(|| spec.lost_root.map(outcome_of));
            match spec.role {
                Role::Run | Role::Root => {
                    facts.marker = Some(if spec.role == Role::Run { Marker::Run } else { Marker::Root });
                    facts.ok_is_weak = spec.ok_is_weak;
                    if spec.nested == Nested::Step && !has_step_rule {
                        facts.top_only = spec.depth == Depth::Top;
                        facts.step = self.name_of(Fact::Step).or_else(|| self.name_of(Fact::Pipeline));
                    }
                }
                Role::Step => {
                    facts.step = self.name_of(Fact::Step);
                    facts.top_only = spec.depth == Depth::Top;
                }
                Role::Model => facts.usage = Usage::Call,
                Role::Aggregate => facts.usage = Usage::Aggregate,
                Role::Ignore => facts.ignored = true,
                Role::Context => {}
            }
            if matches!(spec.role, Role::Run | Role::Root | Role::Step) {
                facts.failure_is_final = spec.failure == Failure::Final;
                facts.failure_is_nothing = spec.failure == Failure::Nothing;
                facts.fails_inside |= spec.fails_inside;
                facts.unset_outcome = facts.unset_outcome.or_else(|| spec.unset.map(outcome_of));
            }
        }
        // No part of any run, whatever else it looks like.
        if facts.ignored {
            facts.marker = None;
            facts.step = None;
            facts.usage = Usage::None;
        }
    }

    fn describe(&self, facts: &mut SpanFacts) {
        facts.pipeline = self.name_of(Fact::Pipeline);
        facts.run_id = self.name_of(Fact::RunId);
        // A span that is named by the id of its run has no name.
        facts.fallback = match &facts.run_id {
            Some(id) if id == self.span.name.trim() => self.resource.service.clone(),
            _ => self.name_of(Fact::Fallback),
        };
        facts.name_id = self.name_of(Fact::NameId);
        facts.attempt = self.attempt();
        if let Some(word) = self.text_of(Fact::Outcome).and_then(|word| self.outcome_word(&word)) {
            facts.retried = word == OutcomeWord::Retry;
            facts.outcome = (word != OutcomeWord::Unknown).then(|| outcome_of(word));
        }
        let did_not_end_well = matches!(facts.outcome, Some(Outcome::Failure | Outcome::TimedOut | Outcome::Cancelled));
        if self.span.status == STATUS_ERROR || did_not_end_well {
            facts.error = self.error();
            facts.error_type = self.text_of(Fact::ErrorType);
        }
        self.describe_usage(facts);
        facts.branch = self.text_of(Fact::Branch);
        facts.revision = self.text_of(Fact::Revision);
        facts.environment = self.text_of(Fact::Environment);
        facts.host_class = self.text_of(Fact::HostClass);
        facts.cpu_model = self.text_of(Fact::CpuModel);
        facts.cpu_cores = self.count_of(Fact::CpuCores);
        facts.host_memory_bytes = self.count_of(Fact::HostMemoryBytes);
        facts.runner = self.text_of(Fact::Runner);
        facts.items = self.number_of(Fact::Items);
        facts.input_size = self.number_of(Fact::InputSize);
        facts.api_calls = self.count_of(Fact::ApiCalls);
        facts.duration_s = self.number_of(Fact::DurationS);
        facts.peak_memory_bytes = self.count_of(Fact::PeakMemoryBytes);
        facts.mean_memory_bytes = self.count_of(Fact::MeanMemoryBytes);
        facts.cpu_s = self.number_of(Fact::CpuS);
        facts.disk_read_bytes = self.count_of(Fact::DiskReadBytes);
        facts.disk_write_bytes = self.count_of(Fact::DiskWriteBytes);
    }

    fn describe_usage(&self, facts: &mut SpanFacts) {
        facts.model = self.text_of(Fact::Model);
        facts.provider = self.text_of(Fact::Provider).map(|provider| provider.to_lowercase());
        facts.operation = self.text_of(Fact::Operation);
        facts.input_tokens = self.count_of(Fact::InputTokens);
        facts.output_tokens = self.count_of(Fact::OutputTokens);
        facts.cached_tokens = self.count_of(Fact::CachedTokens);
        facts.cache_write_tokens = self.count_of(Fact::CacheWriteTokens);
        facts.reasoning_tokens = self.count_of(Fact::ReasoningTokens);
        facts.cost_usd = self.number_of(Fact::CostUsd).filter(|cost| *cost >= 0.0);
        if self.matched.iter().any(|rule| rule.spec.cache_is_beside) {
            let beside = facts.cached_tokens.unwrap_or(0).saturating_add(facts.cache_write_tokens.unwrap_or(0));
            facts.input_tokens = facts.input_tokens.map(|input| input.saturating_add(beside));
        }
    }

    fn error(&self) -> Option<String> {
        trimmed(self.span.status_message).or_else(|| self.text_of(Fact::Error))
    }

    fn attempt(&self) -> Option<i32> {
        let stated = self.count_of(Fact::Attempt).and_then(|attempt| i32::try_from(attempt).ok());
        if stated.is_some() {
            return stated.map(|attempt| attempt.max(1));
        }
        let retries = self
            .span
            .events
            .iter()
            .filter(|event| self.matched.iter().any(|rule| rule.retry_events.iter().any(|name| name.holds(event.name))))
            .count();
        (retries > 0).then(|| i32::try_from(retries).unwrap_or(i32::MAX - 1) + 1)
    }

    pub(super) fn outcome_word(&self, word: &str) -> Option<OutcomeWord> {
        outcome::read(word, |key| self.tables.outcomes.get(key).copied())
    }
}

fn outcome_of(word: OutcomeWord) -> Outcome {
    match word {
        OutcomeWord::Success => Outcome::Success,
        OutcomeWord::Failure | OutcomeWord::Retry => Outcome::Failure,
        OutcomeWord::Cancelled => Outcome::Cancelled,
        OutcomeWord::Skipped => Outcome::Skipped,
        OutcomeWord::TimedOut => Outcome::TimedOut,
        OutcomeWord::Unknown => Outcome::Unknown,
    }
}
