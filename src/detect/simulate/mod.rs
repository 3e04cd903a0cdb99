//! Simulations that state the error rates of the detector and the gate; `docs/accuracy.md` holds what they print.

pub mod calibrate;
pub mod gate;
pub mod noise;
pub mod online;
pub mod oracle;
pub(crate) mod parallel;
pub mod patterns;
pub mod shapes;
mod tables;

use std::io::{self, Write};

/// How much to simulate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimulateOptions {
    /// Seed; the tables of docs/accuracy.md use 22.
    pub seed: u64,
    /// Series a row of the online tables.
    pub series: usize,
    /// Pipelines a row of the gate's tables.
    pub pipelines: usize,
}

impl Default for SimulateOptions {
    fn default() -> Self {
        Self { seed: 11, series: 200, pipelines: 1000 }
    }
}

/// Prints every table as Markdown. Takes a few minutes at the default size.
pub fn simulate(options: SimulateOptions, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "Seed {}, {} series, {} pipelines a row.\n", options.seed, options.series, options.pipelines)?;
    tables::print_false_alarms(options, out)?;
    tables::print_online_power(options, out)?;
    tables::print_gate_errors(options, out)?;
    tables::print_gate_power(options, out)?;
    tables::print_gate_metrics(options, out)?;
    tables::print_rates(options, out)?;
    tables::print_shapes(options, out)?;
    tables::print_patterns(options, out)?;
    tables::print_p_values(options, out)?;
    tables::print_calibration(options, out)
}
