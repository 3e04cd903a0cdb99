//! What runs use: models and money over time, resources within one run.

use crate::chart::models::{MODELS_MAX, ModelUsage, PERIODS_MAX, Period, UsagePanel};
use crate::chart::resources::{ResourcePanel, Resources, StepSpan};
use crate::chart::{Frame, Spec, Unit};
use crate::model::Metric;
use crate::model::unit::{format_bytes, format_duration, format_usd, parse_time, significant};

use super::super::clean;
use super::super::grid::{Cell, Grid};
use super::super::profile::{ModelHistory, PipelineProfile, ResourceSample};
use super::{Drawn, draw};

/// Cost and tokens by model, period by period.
pub(in crate::report) fn model_usage(subject: &str, history: &ModelHistory) -> Option<Drawn> {
    usage(subject, history, Frame::new("usage"))
}

/// Cost alone, for half a page.
pub(in crate::report) fn model_cost(subject: &str, history: &ModelHistory) -> Option<Drawn> {
    let cost = ModelHistory { input_tokens: Vec::new(), output_tokens: Vec::new(), ..history.clone() };
    usage(subject, &cost, Frame { width: 600, ..Frame::new("cost-chart") })
}

fn usage(subject: &str, history: &ModelHistory, frame: Frame) -> Option<Drawn> {
    let first = history.periods.len().saturating_sub(PERIODS_MAX);
    let periods: Vec<Period> =
        history.periods[first..].iter().filter_map(|at| parse_time(at).ok()).map(|from| Period { from }).collect();
    // Without every start the columns would stand at the wrong days.
    if periods.is_empty() || periods.len() != history.periods.len() - first {
        return None;
    }
    let rows = |rows: &[Vec<Option<f64>>]| -> Vec<Vec<Option<f64>>> {
        let of =
            |row: &Vec<Option<f64>>| (first..history.periods.len()).map(|at| row.get(at).copied().flatten()).collect();
        rows.iter().take(history.models.len().min(MODELS_MAX)).map(of).collect()
    };
    let panel = |quantity: &str, unit, values: &[Vec<Option<f64>>]| {
        let known = values.iter().flatten().any(Option::is_some);
        known.then(|| UsagePanel { quantity: quantity.to_owned(), unit, values: rows(values) })
    };
    let panels: Vec<_> = [
        panel("cost", Unit::Usd, &history.cost_usd),
        panel("input tokens", Unit::Count, &history.input_tokens),
        panel("output tokens", Unit::Count, &history.output_tokens),
    ]
    .into_iter()
    .flatten()
    .collect();
    if panels.is_empty() {
        return None;
    }
    let spec = ModelUsage {
        frame,
        subject: clean::name(subject),
        periods,
        period: clean::shorten(&history.period, 12),
        models: history.models.iter().take(MODELS_MAX).map(|model| clean::name(model)).collect(),
        panels,
    };
    let caption = format!("{}: usage by model and {}", clean::name(subject), clean::shorten(&history.period, 12));
    Some(draw(&Spec::ModelUsage(spec), caption.clone(), usage_table(history, caption)))
}

fn usage_table(history: &ModelHistory, caption: String) -> Grid {
    let places: Vec<(usize, usize)> =
        (0..history.periods.len()).flat_map(|at| (0..history.models.len()).map(move |model| (at, model))).collect();
    let at = |rows: &[Vec<Option<f64>>], (at, model): (usize, usize)| rows.get(model)?.get(at).copied()?;
    Grid::new(caption, &["From", "Model", "#Cost", "#Tokens in", "#Tokens out"]).fill_newest(&places, |place| {
        vec![
            Cell::time(history.periods.get(place.0).map(String::as_str)),
            Cell::text(history.models.get(place.1).map_or("", String::as_str)),
            Cell::number(at(&history.cost_usd, *place), format_usd),
            Cell::metric(Metric::InputTokens, at(&history.input_tokens, *place)),
            Cell::metric(Metric::OutputTokens, at(&history.output_tokens, *place)),
        ]
    })
}

/// CPU, memory and disk within one run, above its steps.
pub(in crate::report) fn resources(profile: &PipelineProfile) -> Option<Drawn> {
    let used = profile.resources.as_ref().filter(|used| !used.samples.is_empty())?;
    let told = told(&used.samples);
    let panel = |quantity: &str, unit, value: fn(&Told<'_>) -> Option<f64>| {
        let samples: Vec<_> = told.iter().map(|one| (one.sample.at_s, value(one))).collect();
        let known = samples.iter().any(|(_, value)| value.is_some());
        known.then(|| ResourcePanel { quantity: quantity.to_owned(), unit, samples, limit: None })
    };
    let panels: Vec<_> = [
        panel("CPU, cores", Unit::Score, |one| one.sample.cpu_cores),
        panel("memory", Unit::Bytes, |one| one.sample.memory_bytes),
        panel("disk read", Unit::BytesPerSecond, |one| one.read),
        panel("disk written", Unit::BytesPerSecond, |one| one.written),
    ]
    .into_iter()
    .flatten()
    .collect();
    let run = profile.waterfalls.iter().find(|waterfall| waterfall.run_id == used.run_id);
    let bars = run.map_or(&[][..], |run| &run.bars);
    let steps = bars.iter().map(|bar| StepSpan {
        step: clean::name(&bar.step),
        parent: bar.parent.as_deref().map(clean::name),
        start_s: bar.start_s,
        duration_s: bar.duration_s,
    });
    let last = used.samples.iter().map(|sample| sample.at_s).fold(0.0, f64::max);
    let spec = Resources {
        frame: Frame::new("resources"),
        subject: clean::name(&profile.pipeline),
        run: clean::shorten(&used.run_id, 40),
        duration_s: run.map_or(last, |run| run.duration_s.max(last)),
        panels,
        steps: steps.take(crate::chart::resources::STEPS_MAX).collect(),
    };
    let caption = format!("{}: resources of run {}", clean::name(&profile.pipeline), clean::shorten(&used.run_id, 40));
    let heads = ["After", "#CPU, cores", "#Memory", "#Disk read", "#Disk written"];
    let rate = |bytes: f64| format!("{}/s", format_bytes(bytes));
    let table = Grid::new(caption.clone(), &heads).fill(&told, |one| {
        vec![
            Cell::text(format_duration(one.sample.at_s)),
            Cell::number(one.sample.cpu_cores, significant),
            Cell::number(one.sample.memory_bytes, format_bytes),
            Cell::number(one.read, rate),
            Cell::number(one.written, rate),
        ]
    });
    Some(draw(&Spec::Resources(spec), caption, table))
}

/// A sample, with its bytes as bytes per second: samples do not come at even distances.
struct Told<'a> {
    sample: &'a ResourceSample,
    read: Option<f64>,
    written: Option<f64>,
}

// Of the first sample nobody knows since when it counts.
fn told(samples: &[ResourceSample]) -> Vec<Told<'_>> {
    let before = std::iter::once(None).chain(samples.iter().map(|sample| Some(sample.at_s)));
    let rates = samples.iter().zip(before).map(|(sample, before)| {
        let took = before.map(|before| sample.at_s - before).filter(|took| *took > 0.0);
        let rate = |bytes: Option<f64>| bytes.zip(took).map(|(bytes, took)| bytes / took);
        Told { sample, read: rate(sample.disk_read_bytes), written: rate(sample.disk_write_bytes) }
    });
    rates.collect()
}
