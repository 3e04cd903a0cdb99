//! Two windows side by side.

use minijinja::Value;
use serde::Serialize;

use crate::model::Metric;
use crate::report::bundle::Bundle;
use crate::report::charts::{self, Drawn};
use crate::report::clean;
use crate::report::comparison::{ChangeWord, Comparison, PipelineComparison, StepChange};
use crate::report::format::when;
use crate::report::grid::{Cell, Grid};
use crate::report::names::page_name;
use crate::report::view::{self, change_badge};

/// Pipelines that are shown in full.
pub(in crate::report) const PIPELINES_MAX: usize = 100;

#[derive(Serialize)]
struct Section {
    name: String,
    href: Option<String>,
    windows: [String; 2],
    /// Which runs, and what was left out.
    which: Option<String>,
    metrics: Grid,
    chart: Option<Drawn>,
    /// Without a chart, the steps as a table.
    quiet_steps: Option<Grid>,
    only_a: Vec<String>,
    only_b: Vec<String>,
}

/// The page's own part of the context.
pub(in crate::report) fn context(bundle: &Bundle) -> Value {
    let Some(comparison) = &bundle.comparison else {
        return minijinja::context! { compared => false };
    };
    let sections: Vec<_> = comparison
        .pipelines
        .iter()
        .take(PIPELINES_MAX)
        .enumerate()
        .map(|(place, pipeline)| section(bundle, comparison, pipeline, place))
        .collect();
    minijinja::context! {
        compared => true,
        a => clean::name(&comparison.a),
        b => clean::name(&comparison.b),
        tally => view::value(tally(comparison)),
        left_out => comparison.pipelines.len().saturating_sub(PIPELINES_MAX),
        sections => view::value(sections),
    }
}

/// How many metrics became what.
pub(in crate::report) fn tally(comparison: &Comparison) -> Vec<(&'static str, &'static str, String)> {
    let words = [
        ChangeWord::Regressed,
        ChangeWord::Improved,
        ChangeWord::WithinNoise,
        ChangeWord::NoChange,
        ChangeWord::NotEnoughData,
    ];
    let all = || comparison.pipelines.iter().flat_map(|pipeline| &pipeline.metrics);
    words
        .into_iter()
        .map(|word| {
            let (tone, glyph, said) = change_badge(word);
            (tone, glyph, format!("{} {said}", all().filter(|change| change.word == word).count()))
        })
        .collect()
}

fn section(bundle: &Bundle, comparison: &Comparison, pipeline: &PipelineComparison, place: usize) -> Section {
    let known = bundle
        .pipelines
        .iter()
        .any(|profile| profile.pipeline == pipeline.pipeline && profile.service == pipeline.service);
    let only = |here: fn(&StepChange) -> bool| {
        pipeline.steps.iter().filter(|step| here(step)).take(50).map(|step| clean::name(&step.step)).collect()
    };
    let chart = charts::compared_steps(pipeline, place);
    Section {
        name: clean::name(&pipeline.pipeline),
        href: known.then(|| page_name(&pipeline.pipeline, pipeline.service.as_deref())),
        windows: windows(comparison, pipeline),
        which: which(pipeline),
        metrics: metrics(pipeline),
        quiet_steps: (chart.is_none() && !pipeline.steps.is_empty()).then(|| steps(pipeline)),
        chart,
        only_a: only(|step| step.a_s.is_some() && step.b_s.is_none()),
        only_b: only(|step| step.a_s.is_none() && step.b_s.is_some()),
    }
}

/// `newest 20 runs of a context: 20 runs, 2026-05-01 08:00 UTC to 2026-05-20 08:00 UTC`, of A and of B.
pub(in crate::report) fn windows(comparison: &Comparison, pipeline: &PipelineComparison) -> [String; 2] {
    [(&comparison.a, &pipeline.a), (&comparison.b, &pipeline.b)].map(|(label, window)| {
        let span = match (&window.from, &window.to) {
            (Some(from), Some(to)) => format!(", {} to {}", when(from), when(to)),
            _ => String::new(),
        };
        let runs = if window.runs == 1 { "run" } else { "runs" };
        format!("{}: {} {runs}{span}", clean::name(label), window.runs)
    })
}

/// `branch main, host class ci-4core; 12 runs in other contexts are left out`.
pub(in crate::report) fn which(pipeline: &PipelineComparison) -> Option<String> {
    let context = pipeline.context.as_ref().and_then(view::context);
    let note = pipeline.note.as_deref().map(|note| clean::shorten(note, 300));
    let parts: Vec<String> = context.into_iter().chain(note).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// Metrics of the whole run.
pub(in crate::report) fn metrics(pipeline: &PipelineComparison) -> Grid {
    let caption = format!("{}: the whole run", clean::name(&pipeline.pipeline));
    Grid::new(caption, &["Metric", "#A", "#B", "#Change (95 %)", "#p", "Verdict"]).fill(&pipeline.metrics, |change| {
        vec![
            Cell::text(change.metric.label()),
            Cell::metric(change.metric, change.a),
            Cell::metric(change.metric, change.b),
            Cell::change_between(change.metric, change.a, change.b, change.change_percent),
            Cell::number(change.p_value, crate::report::words::p_value),
            Cell::badge(change_badge(change.word)),
        ]
    })
}

/// Steps aligned by name.
pub(in crate::report) fn steps(pipeline: &PipelineComparison) -> Grid {
    let caption = format!("{}: step by step, median duration", clean::name(&pipeline.pipeline));
    Grid::new(caption, &["Step", "#A", "#B", "#Difference", "#Change (95 %)", "Verdict"]).fill(
        &pipeline.steps,
        |step| {
            let badge = match (step.a_s, step.b_s) {
                (Some(_), None) => ("quiet", "A", "only in A"),
                (None, Some(_)) => ("quiet", "B", "only in B"),
                _ => change_badge(step.word),
            };
            let difference = step.a_s.zip(step.b_s).map(|(a, b)| b - a);
            vec![
                Cell::text(&step.step),
                Cell::metric(Metric::Duration, step.a_s),
                Cell::metric(Metric::Duration, step.b_s),
                Cell::metric(Metric::Duration, difference),
                Cell::change_between(Metric::Duration, step.a_s, step.b_s, step.change_percent),
                Cell::badge(badge),
            ]
        },
    )
}
