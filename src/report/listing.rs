//! The tables that commands print: runs, steps, health.

use std::collections::HashMap;

use crate::model::unit::{
    format_change_percent, format_count, format_duration, format_metric, format_share, format_usd,
};
use crate::model::{Metric, Outcome, Run, Severity, Step};
use crate::track::HealthWord;

use super::clean::shorten;
use super::format::{UNKNOWN, when};
use super::profile::PipelineProfile;
use super::table::{Align, Table, Tone};
use super::text::sparkline;

/// Values of a sparkline.
const SPARK: usize = 24;

/// Eight heights, low to high.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// `perfline runs`: a row per run, in the order given. The bar is the duration among the runs of its pipeline that are
/// listed.
#[must_use]
pub fn runs_table(runs: &[Run]) -> Table {
    let mut table = Table::new(&[
        ("run", Align::Left),
        ("pipeline", Align::Left),
        ("started", Align::Left),
        ("outcome", Align::Left),
        ("duration", Align::Right),
        ("", Align::Right),
        ("cost", Align::Right),
        ("steps", Align::Right),
        ("retries", Align::Right),
        ("revision", Align::Left),
        ("error", Align::Left),
    ]);
    let mut longest: HashMap<&str, f64> = HashMap::new();
    for run in runs {
        let known = longest.entry(&run.pipeline).or_default();
        *known = known.max(run.duration_s.unwrap_or(0.0));
    }
    for run in runs {
        let plain = |text: String| (text, Tone::Plain);
        let most = longest.get(run.pipeline.as_str()).copied().unwrap_or(0.0);
        table.toned([
            plain(run.run_id.clone()),
            plain(run.pipeline.clone()),
            (when(&run.started_at), Tone::Quiet),
            (run.outcome.as_str().to_owned(), outcome_tone(run.outcome)),
            plain(or_unknown(run.duration_s, format_duration)),
            (bar(run.duration_s, most), Tone::Quiet),
            plain(or_unknown(run.cost_usd, format_usd)),
            plain(run.steps.to_string()),
            (run.retries.to_string(), if run.retries > 0 { Tone::Warn } else { Tone::Plain }),
            plain(shorten(run.revision.as_deref().unwrap_or(UNKNOWN), 12)),
            plain(shorten(run.error.as_deref().unwrap_or_default(), 60)),
        ]);
    }
    table
}

/// `perfline steps --run ID`: a row per attempt, in the order given.
#[must_use]
pub fn steps_table(steps: &[Step]) -> Table {
    let used = used_columns(steps);
    let mut heads = vec![
        ("step", Align::Left),
        ("attempt", Align::Right),
        ("outcome", Align::Left),
        ("duration", Align::Right),
        ("", Align::Right),
        ("model", Align::Left),
        ("tokens in", Align::Right),
        ("tokens out", Align::Right),
        ("cost", Align::Right),
    ];
    heads.extend(used.iter().map(|column| (column.head, Align::Right)));
    heads.push(("error", Align::Left));
    let mut table = Table::new(&heads);
    let longest = steps.iter().filter_map(|step| step.duration_s).fold(0.0, f64::max);
    for step in steps {
        let plain = |text: String| (text, Tone::Plain);
        let tokens = |count: Option<i64>| plain(count.map_or(UNKNOWN.to_owned(), count_of));
        let mut cells = vec![
            plain(step.step.clone()),
            (step.attempt.to_string(), if step.attempt > 1 { Tone::Warn } else { Tone::Plain }),
            (step.outcome.as_str().to_owned(), outcome_tone(step.outcome)),
            plain(or_unknown(step.duration_s, format_duration)),
            (bar(step.duration_s, longest), Tone::Quiet),
            plain(step.model.clone().unwrap_or(UNKNOWN.to_owned())),
            tokens(step.input_tokens),
            tokens(step.output_tokens),
            plain(or_unknown(step.cost_usd, format_usd)),
        ];
        cells.extend(used.iter().map(|column| plain((column.tell)(step))));
        cells.push(plain(shorten(step.error.as_deref().unwrap_or_default(), 60)));
        table.toned(cells);
    }
    table
}

/// A column of what steps used, made or scored.
pub struct UsedColumn {
    /// Its head.
    pub head: &'static str,
    /// What it says of a step.
    pub tell: fn(&Step) -> String,
    is_known: fn(&Step) -> bool,
}

/// Those columns of which at least one step has something: most steps tell nothing of it, and the terminal is narrow.
#[must_use]
pub fn used_columns(steps: &[Step]) -> Vec<UsedColumn> {
    #[allow(clippy::cast_precision_loss, reason = "bytes are shown with three digits")]
    let memory = |step: &Step| told(Metric::PeakMemory, step.peak_memory_bytes.map(|bytes| bytes as f64));
    let columns = [
        UsedColumn { head: "peak memory", tell: memory, is_known: |step| step.peak_memory_bytes.is_some() },
        UsedColumn {
            head: "CPU time",
            tell: |step| told(Metric::Cpu, step.cpu_s),
            is_known: |step| step.cpu_s.is_some(),
        },
        UsedColumn {
            head: "items",
            tell: |step| or_unknown(step.items, format_count),
            is_known: |step| step.items.is_some(),
        },
        UsedColumn {
            head: "quality",
            tell: |step| told(Metric::Quality, step.quality_score),
            is_known: |step| step.quality_score.is_some(),
        },
    ];
    columns.into_iter().filter(|column| steps.iter().any(column.is_known)).collect()
}

fn told(metric: Metric, value: Option<f64>) -> String {
    or_unknown(value, |value| format_metric(metric, value))
}

/// `perfline health`: a row per pipeline, in the order given, with its newest durations as a sparkline.
#[must_use]
pub fn health_table(profiles: &[PipelineProfile]) -> Table {
    let mut table = Table::new(&[
        ("pipeline", Align::Left),
        ("score", Align::Right),
        ("health", Align::Left),
        ("runs", Align::Right),
        ("success", Align::Right),
        ("median", Align::Right),
        ("7 days", Align::Right),
        ("newest runs", Align::Right),
        ("why", Align::Left),
    ]);
    for profile in profiles {
        let median = profile.metrics.iter().find(|summary| summary.metric == Metric::Duration).and_then(|s| s.p50);
        let durations: Vec<_> = profile
            .run_series(Metric::Duration)
            .map(|series| series.points.iter().map(|point| series.value(point)).collect())
            .unwrap_or_default();
        let plain = |text: String| (text, Tone::Plain);
        let tone = health_tone(profile.health.word);
        table.toned([
            plain(profile.pipeline.clone()),
            (or_unknown(profile.health.score, |score| format!("{score:.0}")), tone),
            (profile.health.word.as_str().to_owned(), tone),
            plain(count_of(i64::try_from(profile.runs).unwrap_or(i64::MAX))),
            plain(or_unknown(profile.success_rate.map(|rate| rate.value), format_share)),
            plain(or_unknown(median, format_duration)),
            plain(or_unknown(profile.change_7_days_percent, format_change_percent)),
            (sparkline(&durations, SPARK), Tone::Quiet),
            plain(shorten(&profile.health.reason, 100)),
        ]);
    }
    table
}

/// The colour of an outcome.
#[must_use]
pub fn outcome_tone(outcome: Outcome) -> Tone {
    match outcome {
        Outcome::Success => Tone::Good,
        Outcome::Failure | Outcome::TimedOut => Tone::Bad,
        Outcome::Cancelled | Outcome::Skipped => Tone::Quiet,
        Outcome::Unknown => Tone::Warn,
    }
}

/// The colour of a severity.
#[must_use]
pub fn severity_tone(severity: Severity) -> Tone {
    match severity {
        Severity::Critical | Severity::High => Tone::Bad,
        Severity::Medium => Tone::Warn,
        Severity::Low | Severity::None => Tone::Plain,
    }
}

/// The colour of a health word.
#[must_use]
pub fn health_tone(word: HealthWord) -> Tone {
    match word {
        HealthWord::Excellent | HealthWord::Good => Tone::Good,
        HealthWord::Fair | HealthWord::Unknown => Tone::Warn,
        HealthWord::Poor | HealthWord::Critical => Tone::Bad,
    }
}

/// How much of the longest it is, as one character; nothing where unknown.
fn bar(value: Option<f64>, longest: f64) -> String {
    let Some(share) = value.map(|value| value / longest).filter(|share| share.is_finite()) else {
        return String::new();
    };
    BARS[((share.clamp(0.0, 1.0) * 8.0).ceil() as usize).clamp(1, 8) - 1].to_string()
}

/// `12,345`: counts look the same in every face.
#[allow(clippy::cast_precision_loss, reason = "counts lie far below 2^53")]
fn count_of(count: i64) -> String {
    format_count(count as f64)
}

fn or_unknown(value: Option<f64>, format: impl Fn(f64) -> String) -> String {
    value.filter(|value| value.is_finite()).map_or(UNKNOWN.to_owned(), format)
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;
    use crate::report::Bundle;

    const SAMPLE: &str = include_str!("../../tests/fixtures/report/sample.json");
    const HOSTILE: &str = include_str!("../../tests/fixtures/report/hostile.json");

    #[test]
    fn a_pipeline_without_enough_runs_shows_no_number() {
        let bundle = Bundle::from_json(SAMPLE).expect("fixture");
        let text = health_table(&bundle.pipelines).render(None);
        let line = text.lines().find(|line| line.starts_with("nightly-export")).expect("listed");
        let words: Vec<_> = line.split_whitespace().take(4).collect();
        assert_eq!(words, ["nightly-export", "–", "unknown", "3"]);
    }

    #[test]
    fn hostile_runs_stay_within_a_terminal() {
        let bundle = Bundle::from_json(HOSTILE).expect("fixture");
        let runs: Vec<_> = bundle.pipelines.iter().flat_map(|profile| profile.recent_runs.clone()).collect();
        for (text, rows) in [
            (runs_table(&runs).render(Some(140)), runs.len()),
            (health_table(&bundle.pipelines).render(Some(140)), bundle.pipelines.len()),
        ] {
            assert_eq!(text.lines().count(), rows + 1);
            assert!(text.lines().all(|line| line.width() <= 140), "{text}");
            assert!(text.chars().all(|ch| ch == '\n' || !ch.is_control()));
        }
    }

    #[test]
    fn steps_show_what_is_not_known() {
        let step = Step { step: "load".to_owned(), attempt: 2, duration_s: Some(1.5), ..Step::default() };
        let text = steps_table(&[step]).render(None);
        let last: Vec<_> = text.lines().last().unwrap_or_default().split_whitespace().collect();
        assert_eq!(last, ["load", "2", "unknown", "1.5", "s", "█", "–", "–", "–", "–"]);
    }

    #[test]
    fn what_a_step_used_is_told_where_at_least_one_step_knows_it() {
        let load =
            Step { step: "load".to_owned(), peak_memory_bytes: Some(1 << 30), cpu_s: Some(75.0), ..Step::default() };
        let ask = Step { step: "ask".to_owned(), quality_score: Some(0.5), ..Step::default() };
        let text = steps_table(&[load, ask]).render(None);
        let head = text.lines().next().unwrap_or_default();
        assert!(["peak memory", "CPU time", "quality"].iter().all(|name| head.contains(name)), "{text}");
        assert!(!head.contains("items") && text.contains("1 GiB") && text.contains("0.5"), "{text}");
    }
}
