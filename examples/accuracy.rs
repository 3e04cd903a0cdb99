//! `accuracy [SEED [SERIES [PIPELINES]]]`: prints the simulated tables of docs/accuracy.md.

use perfline::detect::simulate::{SimulateOptions, simulate};

fn main() -> anyhow::Result<()> {
    let mut numbers = std::env::args().skip(1).map(|text| text.parse::<usize>());
    let mut options = SimulateOptions::default();
    if let Some(seed) = numbers.next() {
        options.seed = seed? as u64;
    }
    if let Some(series) = numbers.next() {
        options.series = series?;
    }
    if let Some(pipelines) = numbers.next() {
        options.pipelines = pipelines?;
    }
    Ok(simulate(options, &mut std::io::stdout().lock())?)
}
