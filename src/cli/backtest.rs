//! `perfline backtest`: what the detector would have said over the stored history, and when.

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::health::unknown_pipeline;
use super::output::{print, print_json, terminal_width};
use super::{Failure, Format, StoreArg};
use crate::api::Backend;
use crate::detect::confidence::confidence_of_alarm;
use crate::detect::gate::{Size, grade};
use crate::detect::online::{Alarm, ChangeKind, replay};
use crate::detect::series_question;
use crate::detect::settings::Settings;
use crate::detect::stats::robust::{mean, median};
use crate::model::unit::{format_change_percent, format_metric, format_minute, format_time};
use crate::model::{Better, Metric, Policy, Series, SeriesContext, Severity};
use crate::report::{Align, Table};

/// What the detector would have said over the stored history, run by run, had it watched all along: each
/// level change once, with the run at which it began and the run on whose arrival it was raised.
#[derive(Debug, Args)]
#[command(
    after_help = "Severities are by the bands of [detect] in the configuration that PERFLINE_CONFIG names; what it ignores, and controls,
are left out. A service may have other bands of its own.

It judges every series by itself, value by value; `perfline check` judges the newest runs of all series of a
pipeline together, and is stricter.

Examples:
  perfline backtest --pipeline nightly
  perfline backtest --format json | jq '.alarms[] | select(.worse)'"
)]
pub(crate) struct BacktestArgs {
    #[command(flatten)]
    store: StoreArg,
    /// Only this pipeline.
    #[arg(long)]
    pipeline: Option<String>,
    /// Only from this severity on: LOW, MEDIUM, HIGH, CRITICAL.
    #[arg(long, default_value = "LOW", value_parser = Severity::parse)]
    severity: Severity,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// What would have been said once.
#[derive(Debug, Serialize)]
struct Said {
    pipeline: String,
    step: Option<String>,
    metric: Metric,
    context: SeriesContext,
    kind: ChangeKind,
    worse: bool,
    severity: Severity,
    confidence: f64,
    baseline: f64,
    current: f64,
    change_percent: Option<f64>,
    /// The first run at the new level.
    since_run: String,
    since_run_key: String,
    since_time: String,
    /// The run on whose arrival it was raised.
    seen_run: String,
    seen_run_key: String,
    seen_time: String,
    /// Runs from the first at the new level to that one, both counted.
    runs_to_see: usize,
    #[serde(skip)]
    seen_ns: i64,
}

#[derive(Serialize)]
struct Answer {
    series: usize,
    values: usize,
    alarms: Vec<Said>,
}

pub(super) fn run(args: &BacktestArgs) -> Result<ExitCode, Failure> {
    let backend = args.store.open_existing()?;
    let series = read(&backend, args.pipeline.as_deref())?;
    backend.close()?;
    if let (Some(name), true) = (&args.pipeline, series.is_empty()) {
        return Err(unknown_pipeline(name));
    }
    let policy = super::policy()?;
    let series = judged(series, &policy);
    let played = series.iter().flat_map(|series| play(series, &policy));
    let mut alarms: Vec<Said> = played.filter(|said| said.severity >= args.severity).collect();
    alarms.sort_by(|x, y| {
        let place = |said: &Said| (said.seen_ns, said.pipeline.clone(), said.step.clone(), said.metric);
        place(x).cmp(&place(y))
    });
    let values = series.iter().map(|series| series.points.len()).sum();
    let answer = Answer { series: series.len(), values, alarms };
    match args.format {
        Format::Json => print_json(&answer)?,
        Format::Text => print(&tell(&answer))?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Every series, from a file and from a service alike.
pub(super) fn read(backend: &Backend, pipeline: Option<&str>) -> Result<Vec<Series>, Failure> {
    let rows = backend.query(&series_question(pipeline))?;
    crate::detect::series_of_rows(rows).map_err(|e| Failure::internal(&e))
}

/// Those that the gate judges as well.
fn judged(mut series: Vec<Series>, policy: &Policy) -> Vec<Series> {
    series.retain(|one| !policy.is_ignored(&one.key) && !policy.is_control(&one.key));
    series
}

fn play(series: &Series, policy: &Policy) -> Vec<Said> {
    let values: Vec<f64> = series.points.iter().map(|point| point.value).collect();
    replay(&values, &Settings::default()).iter().map(|alarm| say(series, &values, alarm, policy)).collect()
}

fn say(series: &Series, values: &[f64], alarm: &Alarm, policy: &Policy) -> Said {
    let key = &series.key;
    let level = |values: &[f64]| if key.metric == Metric::SuccessRate { mean(values) } else { median(values) };
    let baseline = level(&values[alarm.baseline_start..alarm.index]);
    let current = level(&values[alarm.index..=alarm.seen_at]);
    let size = Size { before: baseline, after: current };
    let (since, seen) = (&series.points[alarm.index], &series.points[alarm.seen_at]);
    Said {
        pipeline: key.pipeline.clone(),
        step: key.step.clone(),
        metric: key.metric,
        context: key.context.clone(),
        kind: alarm.kind,
        worse: (current > baseline) == (key.metric.better() == Better::Lower),
        severity: grade(size, key.metric, &policy.bands(key)),
        confidence: confidence_of_alarm(alarm.evidence),
        baseline,
        current,
        change_percent: Some(size.change_percent()).filter(|percent| percent.is_finite()),
        since_run: since.run_id.to_string(),
        since_run_key: since.run_key.to_string(),
        since_time: format_time(since.started_at),
        seen_run: seen.run_id.to_string(),
        seen_run_key: seen.run_key.to_string(),
        seen_time: format_time(seen.started_at),
        runs_to_see: alarm.seen_at - alarm.index + 1,
        seen_ns: seen.started_at,
    }
}

fn tell(answer: &Answer) -> String {
    let worse = answer.alarms.iter().filter(|said| said.worse).count();
    let sum = format!(
        "{} series, {} values: {} changes would have been raised, {worse} of them for the worse\n",
        answer.series,
        answer.values,
        answer.alarms.len()
    );
    if answer.alarms.is_empty() {
        return sum;
    }
    let mut table = Table::new(&[
        ("raised", Align::Left),
        ("severity", Align::Left),
        ("where", Align::Left),
        ("metric", Align::Left),
        ("change", Align::Right),
        ("levels", Align::Left),
        ("runs to see", Align::Right),
        ("since run", Align::Left),
    ]);
    for said in &answer.alarms {
        let step = said.step.as_ref().map_or(String::new(), |step| format!(" / {step}"));
        table.row([
            format_minute(said.seen_ns),
            if said.worse { said.severity.as_str().to_owned() } else { "better".to_owned() },
            format!("{}{step}", said.pipeline),
            said.metric.label().to_owned(),
            said.change_percent.map_or("–".to_owned(), format_change_percent),
            format!("{} to {}", format_metric(said.metric, said.baseline), format_metric(said.metric, said.current)),
            said.runs_to_see.to_string(),
            said.since_run.clone(),
        ]);
    }
    format!("{}\n{sum}", table.ansi(terminal_width()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::policy::Rule;
    use crate::model::{SeriesKey, SeriesPoint};

    /// 40 runs of ten seconds, then 30 of fifteen.
    fn series() -> Series {
        let value = |at: i32| if at < 40 { 10.0 } else { 15.0 } * (1.0 + f64::from(at * 37 % 17) / 400.0);
        let point = |at: i32| SeriesPoint {
            run_key: format!("k{at}").into(),
            run_id: at.to_string().into(),
            started_at: i64::from(at) * 3_600_000_000_000,
            value: value(at),
            revision: None,
            model: None,
            input_size: None,
        };
        let (metric, context) = (Metric::Duration, SeriesContext::default());
        Series {
            key: SeriesKey { pipeline: "nightly".to_owned(), step: None, metric, context },
            points: (0..70).map(point).collect(),
        }
    }

    #[test]
    fn the_bands_in_force_grade_what_would_have_been_said() {
        let of = |rule: Rule| Policy { rules: vec![rule], ..Policy::default() };
        let severities = |policy: &Policy| play(&series(), policy).iter().map(|said| said.severity).collect::<Vec<_>>();
        assert_eq!(severities(&Policy::default()), [Severity::High]);
        assert_eq!(severities(&of(Rule { high: Some(60.0), ..Rule::default() })), [Severity::Medium]);
        let ignored = of(Rule { pipeline: Some("night*".to_owned()), ignore: Some(true), ..Rule::default() });
        assert_eq!((judged(vec![series()], &ignored).len(), judged(vec![series()], &Policy::default()).len()), (0, 1));
    }
}
