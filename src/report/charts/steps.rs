//! Steps: before and after, and where the time of one run goes.

use crate::chart::{Frame, Spec, Unit, steps, waterfall};
use crate::model::{Metric, Outcome};

use super::super::clean;
use super::super::comparison::{ChangeWord, PipelineComparison};
use super::super::grid::{Cell, Grid};
use super::super::pages;
use super::super::profile::{PipelineProfile, StepProfile, Waterfall, WaterfallBar};
use super::super::view::outcome_badge;
use super::{Drawn, draw};

/// Steps before and after the last change: which one carries it.
pub(in crate::report) fn differential_steps(profile: &PipelineProfile, since: Option<&str>) -> Option<Drawn> {
    let changed: Vec<_> =
        profile.steps.iter().filter(|step| step.before_s.is_some() || step.after_s.is_some()).collect();
    if changed.is_empty() {
        return None;
    }
    let labels = match since {
        Some(run) => [format!("before run {run}"), format!("since run {run}")],
        None => ["older half".to_owned(), "newer half".to_owned()],
    };
    let caption = format!("{}: steps, {} and {}", clean::name(&profile.pipeline), labels[0], labels[1]);
    let table = Grid::new(caption.clone(), &["Step", "#Before", "#After", "#Difference", "#Change"])
        .fill(&changed, |step| step_row(step));
    let [before_label, after_label] = labels;
    let rows = changed.iter().map(|step| steps::StepChange {
        step: clean::name(&step.step),
        before: step.before_s,
        after: step.after_s,
    });
    let spec = steps::StepComparison {
        frame: Frame::new("steps"),
        subject: clean::name(&profile.pipeline),
        quantity: "duration".to_owned(),
        unit: Unit::Seconds,
        better: Metric::Duration.better(),
        before_label,
        after_label,
        steps: rows.take(steps::STEPS_MAX).collect(),
        whole: profile
            .run_series(Metric::Duration)
            .and_then(|series| series.changes.last())
            .map(|change| (change.before, change.after)),
    };
    Some(draw(&Spec::StepComparison(spec), caption, table))
}

fn step_row(step: &StepProfile) -> Vec<Cell> {
    let both = step.before_s.zip(step.after_s);
    vec![
        Cell::text(&step.step),
        Cell::metric(Metric::Duration, step.before_s),
        Cell::metric(Metric::Duration, step.after_s),
        Cell::metric(Metric::Duration, both.map(|(before, after)| after - before)),
        Cell::change(both.filter(|(before, _)| *before > 0.0).map(|(before, after)| (after / before - 1.0) * 100.0)),
    ]
}

/// The same between the windows of a comparison; none where no duration moved beyond
/// noise: what steps add to a change that is none would be told as if it were one.
pub(in crate::report) fn compared_steps(pipeline: &PipelineComparison, place: usize) -> Option<Drawn> {
    let moved = |word: ChangeWord| matches!(word, ChangeWord::Regressed | ChangeWord::Improved);
    let steps_moved = pipeline.steps.iter().any(|step| moved(step.word));
    let run_moved = pipeline.metrics.iter().any(|change| change.metric == Metric::Duration && moved(change.word));
    if pipeline.steps.is_empty() || !(steps_moved || run_moved) {
        return None;
    }
    let caption = format!("{}: steps in A and B", clean::name(&pipeline.pipeline));
    let rows = pipeline.steps.iter().map(|step| steps::StepChange {
        step: clean::name(&step.step),
        before: step.a_s,
        after: step.b_s,
    });
    let whole = pipeline.metrics.iter().find(|change| change.metric == Metric::Duration);
    let spec = steps::StepComparison {
        frame: Frame::new(format!("steps-{place}")),
        subject: clean::name(&pipeline.pipeline),
        quantity: "duration".to_owned(),
        unit: Unit::Seconds,
        better: Metric::Duration.better(),
        before_label: "A".to_owned(),
        after_label: "B".to_owned(),
        steps: rows.take(steps::STEPS_MAX).collect(),
        whole: whole.and_then(|change| change.a.zip(change.b)),
    };
    Some(draw(&Spec::StepComparison(spec), caption.clone(), pages::comparison::steps(pipeline)))
}

/// Median and slowest run on one scale.
pub(in crate::report) fn waterfalls(profile: &PipelineProfile) -> Option<Drawn> {
    let runs: Vec<&Waterfall> = profile.waterfalls.iter().filter(|run| !run.bars.is_empty()).take(4).collect();
    if runs.is_empty() {
        return None;
    }
    let label = |run: &Waterfall| format!("{} {}", clean::shorten(&run.label, 40), clean::shorten(&run.run_id, 24));
    let caption = format!("{}: where the time goes", clean::name(&profile.pipeline));
    let bars: Vec<_> = runs.iter().flat_map(|run| run.bars.iter().map(|bar| (label(run), bar))).collect();
    let table =
        Grid::new(caption.clone(), &["Step", "Run", "#Starts after", "#Takes", "Outcome"]).fill(&bars, |(run, bar)| {
            vec![
                Cell::text(&bar.step),
                Cell::text(run),
                Cell::metric(Metric::Duration, Some(bar.start_s)),
                Cell::metric(Metric::Duration, Some(bar.duration_s)),
                Cell::badge(outcome_badge(bar.outcome)),
            ]
        });
    let run_steps = |run: &Waterfall| waterfall::RunSteps {
        label: label(run),
        duration_s: run.duration_s,
        steps: run.bars.iter().take(waterfall::STEPS_MAX).map(step_bar).collect(),
    };
    let runs = runs.into_iter().map(run_steps).collect();
    let spec = waterfall::StepWaterfall { frame: Frame::new("runs"), subject: clean::name(&profile.pipeline), runs };
    Some(draw(&Spec::StepWaterfall(spec), caption, table))
}

// By another machine's clock a step may begin a little before its run; the chart begins with the run.
fn step_bar(bar: &WaterfallBar) -> waterfall::StepBar {
    let start_s = bar.start_s.max(0.0);
    waterfall::StepBar {
        step: clean::name(&bar.step),
        start_s,
        duration_s: (bar.start_s + bar.duration_s - start_s).max(0.0),
        failed: matches!(bar.outcome, Outcome::Failure | Outcome::TimedOut),
    }
}
