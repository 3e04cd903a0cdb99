//! The tables that commands print: runs, steps, health.

use crate::model::unit::{format_change_percent, format_duration, format_share, format_usd};
use crate::model::{Metric, Run, Step};

use super::clean::shorten;
use super::format::{UNKNOWN, when};
use super::profile::PipelineProfile;
use super::table::{Align, Table};
use super::text::sparkline;

/// Values of a sparkline.
const SPARK: usize = 24;

/// `perfline runs`: a row per run, in the order given.
#[must_use]
pub fn runs_table(runs: &[Run]) -> Table {
    let mut table = Table::new(&[
        ("run", Align::Left),
        ("pipeline", Align::Left),
        ("started", Align::Left),
        ("outcome", Align::Left),
        ("duration", Align::Right),
        ("cost", Align::Right),
        ("steps", Align::Right),
        ("retries", Align::Right),
        ("revision", Align::Left),
        ("error", Align::Left),
    ]);
    for run in runs {
        table.row([
            run.run_id.clone(),
            run.pipeline.clone(),
            when(&run.started_at),
            run.outcome.as_str().to_owned(),
            or_unknown(run.duration_s, format_duration),
            or_unknown(run.cost_usd, format_usd),
            run.steps.to_string(),
            run.retries.to_string(),
            shorten(run.revision.as_deref().unwrap_or(UNKNOWN), 12),
            shorten(run.error.as_deref().unwrap_or_default(), 60),
        ]);
    }
    table
}

/// `perfline steps --run ID`: a row per attempt, in the order given.
#[must_use]
pub fn steps_table(steps: &[Step]) -> Table {
    let mut table = Table::new(&[
        ("step", Align::Left),
        ("attempt", Align::Right),
        ("outcome", Align::Left),
        ("duration", Align::Right),
        ("model", Align::Left),
        ("tokens in", Align::Right),
        ("tokens out", Align::Right),
        ("cost", Align::Right),
        ("error", Align::Left),
    ]);
    for step in steps {
        let tokens = |count: Option<i64>| count.map_or(UNKNOWN.to_owned(), |count| count.to_string());
        table.row([
            step.step.clone(),
            step.attempt.to_string(),
            step.outcome.as_str().to_owned(),
            or_unknown(step.duration_s, format_duration),
            step.model.clone().unwrap_or(UNKNOWN.to_owned()),
            tokens(step.input_tokens),
            tokens(step.output_tokens),
            or_unknown(step.cost_usd, format_usd),
            shorten(step.error.as_deref().unwrap_or_default(), 60),
        ]);
    }
    table
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
            .map(|series| series.points.iter().map(|point| point.value).collect())
            .unwrap_or_default();
        table.row([
            profile.pipeline.clone(),
            or_unknown(profile.health.score, |score| format!("{score:.0}")),
            profile.health.word.as_str().to_owned(),
            profile.runs.to_string(),
            or_unknown(profile.success_rate.map(|rate| rate.value), format_share),
            or_unknown(median, format_duration),
            or_unknown(profile.change_7_days_percent, format_change_percent),
            sparkline(&durations, SPARK),
            shorten(&profile.health.reason, 100),
        ]);
    }
    table
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
        assert_eq!(last, ["load", "2", "unknown", "1.5", "s", "–", "–", "–", "–"]);
    }
}
