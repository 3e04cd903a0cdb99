//! Simulations that state the error rates of the detector and the gate; `docs/accuracy.md` holds what they print.

pub mod calibrate;
pub mod gate;
pub mod noise;
pub mod online;
mod parallel;

use std::io::{self, Write};

use super::settings::Settings;
use crate::model::Metric;
use calibrate::{calibration_error, draw_gate_confidences};
use gate::{Plan, oracle_power, simulate_gate};
use noise::Noise;
use online::{simulate_false_alarms, simulate_step};

/// How much to simulate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SimulateOptions {
    /// Seed; the tables of docs/accuracy.md use 11.
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

/// Error of the oracle: 1 % of pipelines of six metrics, one-sided.
const ORACLE_ALPHA: f64 = 0.01 / 6.0;

/// Prints every table as Markdown. Takes a few minutes at the default size.
pub fn simulate(options: SimulateOptions, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "Seed {}, {} series, {} pipelines a row.\n", options.seed, options.series, options.pipelines)?;
    print_false_alarms(options, out)?;
    print_online_power(options, out)?;
    print_gate_errors(options, out)?;
    print_gate_power(options, out)?;
    print_calibration(options, out)
}

fn print_false_alarms(options: SimulateOptions, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "### Online: alarms per 1,000 looks without change\n\n| noise | alarms | 95 % |\n|---|---|---|")?;
    for (name, noise) in Noise::ONLINE {
        let rate = simulate_false_alarms(noise, &Settings::default(), options.seed, options.series);
        let looks = options.series as f64 * 0.28;
        let half = 1.96 * (rate * looks).max(1.0).sqrt() / looks;
        writeln!(out, "| {name} | {rate:.2} | {:.2} to {:.2} |", (rate - half).max(0.0), rate + half)?;
    }
    writeln!(out)
}

fn print_online_power(options: SimulateOptions, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "### Online: one step, found within 20 values (normal noise, CV 5 %)\n")?;
    writeln!(out, "| step, sigma | after 20 values | after 40 | after 60 | after 120 |\n|---|---|---|---|---|")?;
    for sigma in [1.0, 1.5, 2.0, 3.0, 4.0] {
        write!(out, "| {sigma} |")?;
        for before in [20, 40, 60, 120] {
            let factor = 1.0 + 0.05 * sigma;
            let noise = Noise::Normal(0.05);
            let power = simulate_step(noise, factor, before, &Settings::default(), options.seed, options.series);
            write!(out, " {:.0} % @ {} |", power.found * 100.0, power.delay)?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

fn print_gate_errors(options: SimulateOptions, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "### Gate: share of pipelines with an actionable finding, no change, six metrics, 5 % failing\n")?;
    writeln!(
        out,
        "| noise | 30 + 10, last 20 | branch, 3 new | branch, 5 new | branch, 10 new |\n|---|---|---|---|---|"
    )?;
    for (name, noise) in Noise::GATE {
        write!(out, "| {name} |")?;
        for (after, branch) in [(10, false), (3, true), (5, true), (10, true)] {
            let plan = Plan { noise, before: 30, after, branch, change: None };
            write!(out, " {:.2} % |", simulate_gate(&plan, options.seed, options.pipelines).actionable * 100.0)?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

fn print_gate_power(options: SimulateOptions, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "### Gate: found / oracle's z-test (place and noise known, 1 % of pipelines), 30 + 10\n")?;
    writeln!(out, "| noise | 1 sigma | 1.5 | 2 | 3 |\n|---|---|---|---|---|")?;
    for (name, noise) in Noise::GATE.into_iter().filter(|(name, _)| !matches!(*name, "spiky" | "bimodal")) {
        write!(out, "| {name} |")?;
        for sigma in [1.0, 1.5, 2.0, 3.0] {
            let change = Some((Metric::Duration, sigma));
            let plan = Plan { noise, before: 30, after: 10, branch: false, change };
            let found = simulate_gate(&plan, options.seed, options.pipelines / 4).found;
            write!(out, " {found:.2} / {:.2} |", oracle_power(sigma, 30, 10, ORACLE_ALPHA))?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

fn print_calibration(options: SimulateOptions, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "### Confidence of the gate: stated against real, expected calibration error\n")?;
    writeln!(out, "| changed | series judged alone | in families of 30 |\n|---|---|---|")?;
    for share in [0.01, 0.1, 0.5] {
        let alone = draw_gate_confidences(options.seed, options.pipelines * 2, 1, share);
        let family = draw_gate_confidences(options.seed, options.pipelines / 15, 30, share);
        let (alone, family) = (calibration_error(&alone), calibration_error(&family));
        writeln!(out, "| {:.0} % | {alone:.3} | {family:.3} |", share * 100.0)?;
    }
    Ok(())
}
