//! Runs by context, period and model; steps by context and period.

use crate::model::unit::{format_duration, format_share};
use crate::model::{Metric, SeriesContext};
use crate::report::clean;
use crate::report::format::{UNKNOWN, when};
use crate::report::grid::{Cell, Grid};
use crate::report::profile::PipelineProfile;
use crate::report::slices::{Slice, StepSlice};
use crate::report::view::context as context_words;

/// `branch main, host class ci-4core`, without the service, which the page names.
fn place(context: &SeriesContext) -> String {
    context_words(&SeriesContext { service: None, ..context.clone() }).unwrap_or_else(|| "not told".to_owned())
}

fn day(time: &str) -> String {
    let said = when(time);
    said.get(..10).map_or(said.clone(), str::to_owned)
}

/// What a slice is called within its table.
fn label(slice: &Slice, several: bool) -> String {
    match (&slice.from, &slice.model, &slice.context) {
        (_, Some(model), _) => clean::name(model),
        (Some(from), _, Some(context)) if several => format!("{} · {}", day(from), place(context)),
        (Some(from), ..) => day(from),
        (_, _, Some(context)) => place(context),
        _ => UNKNOWN.to_owned(),
    }
}

/// What was spent, used and made, in the order of its columns wherever these stand.
const USED: [Metric; 7] = [
    Metric::Cost,
    Metric::InputTokens,
    Metric::OutputTokens,
    Metric::PeakMemory,
    Metric::Cpu,
    Metric::Throughput,
    Metric::Quality,
];

/// Cells of [`USED`].
pub(super) fn used(values: [Option<f64>; 7]) -> impl Iterator<Item = Cell> {
    USED.into_iter().zip(values).map(|(metric, value)| Cell::metric(metric, value))
}

fn row(slice: &Slice, several: bool) -> Vec<Cell> {
    let mut cells = vec![
        Cell::line(label(slice, several)),
        Cell::count(slice.runs),
        Cell::share_between(slice.success_rate),
        Cell::number(slice.p50_s, format_duration),
        Cell::number(slice.p95_s, format_duration),
        Cell::number(slice.p99_s, format_duration),
        Cell::number(slice.spread, format_share),
    ];
    cells.extend(used([
        slice.cost_usd,
        slice.input_tokens.map(f64::round),
        slice.output_tokens.map(f64::round),
        slice.peak_memory_bytes,
        slice.cpu_s,
        slice.throughput,
        slice.quality_score,
    ]));
    cells.push(Cell::count(slice.retries));
    cells
}

const HEADS: [&str; 14] = [
    "#Runs",
    "#Success (95 %)",
    "#p50",
    "#p95",
    "#p99",
    "#Spread",
    "#Cost",
    "#Tokens in",
    "#Tokens out",
    "#Memory",
    "#CPU time",
    "#Throughput",
    "#Quality",
    "#Retries in all",
];

fn grid(caption: &str, first: &'static str, slices: &[&Slice], several: bool) -> Option<Grid> {
    let heads: Vec<&'static str> = std::iter::once(first).chain(HEADS).collect();
    let full = Grid::new(caption, &heads).fill(slices, |slice| row(slice, several));
    (!slices.is_empty()).then(|| full.without_unknown())
}

/// Up to three tables: by period, by context, by model.
pub(in crate::report) fn slices(profile: &PipelineProfile) -> Vec<Grid> {
    let of = |wanted: &str| profile.slices.iter().filter(|slice| slice.slice == wanted).collect::<Vec<_>>();
    let contexts = of("context");
    let mut grids = Vec::new();
    for unit in ["day", "week", "month"] {
        let mut own = of(unit);
        // Newest first, and of each period the busiest context first.
        own.sort_by(|a, b| b.from.cmp(&a.from).then(b.runs.cmp(&a.runs)));
        let caption = format!("By {unit}, median of a run");
        grids.extend(grid(&caption, "From", &own, contexts.len() > 1));
    }
    if contexts.len() > 1 {
        grids.extend(grid("By context, median of a run", "Context", &contexts, true));
    }
    grids.extend(grid("By model of the run, median of a run", "Model", &of("model"), false));
    grids
}

/// Steps by context, then by period of the busiest one.
pub(in crate::report) fn step_slices(profile: &PipelineProfile) -> Option<Grid> {
    let told: Vec<&StepSlice> = profile.step_slices.iter().collect();
    let heads = [
        "Step",
        "Where and when",
        "#Times",
        "#Success (95 %)",
        "#p50",
        "#p95",
        "#p99",
        "#Spread",
        "#Cost in all",
        "#Tokens in, all",
        "#Tokens out, all",
        "#Memory",
        "#CPU time",
        "#Throughput",
        "#Quality",
        "#Retries",
        "Model",
    ];
    let full = Grid::new("Steps by context, and by period of the busiest one", &heads).fill(&told, |slice| {
        let from = slice.from.as_deref().map(|from| format!("{} {}", slice.slice, day(from)));
        let mut cells = vec![
            Cell::text(&slice.step),
            Cell::line(from.unwrap_or_else(|| place(&slice.context))),
            Cell::count(slice.n),
            Cell::share_between(slice.success_rate),
            Cell::number(slice.p50_s, format_duration),
            Cell::number(slice.p95_s, format_duration),
            Cell::number(slice.p99_s, format_duration),
            Cell::number(slice.spread, format_share),
        ];
        cells.extend(used([
            slice.cost_usd,
            slice.input_tokens,
            slice.output_tokens,
            slice.peak_memory_bytes,
            slice.cpu_s,
            slice.throughput,
            slice.quality_score,
        ]));
        cells.extend([Cell::count(slice.retries), Cell::known(slice.model.as_deref())]);
        cells
    });
    (!told.is_empty()).then(|| full.without_unknown())
}
