//! The tables of `docs/accuracy.md`, as Markdown.

use std::io::{self, Write};

use super::SimulateOptions;
use super::calibrate::{calibration_error, draw_gate_confidences};
use super::gate::{METRICS, Plan, oracle_rate_power, simulate_coverage, simulate_gate, simulate_p_values};
use super::noise::Noise;
use super::online::{simulate_false_alarms, simulate_step};
use super::oracle::History;
use super::patterns::simulate_pattern;
use super::shapes::{Shape, simulate_rate, simulate_shape};
use crate::detect::settings::Settings;
use crate::detect::stats::robust::median;
use crate::model::Metric;

/// Error of the oracle: 1 % of pipelines of six metrics, one-sided.
const ORACLE_ALPHA: f64 = 0.01 / 6.0;

pub(super) fn print_false_alarms(options: SimulateOptions, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "### Online: alarms per 1,000 looks without change\n\n| noise | alarms | 95 % |\n|---|---|---|")?;
    for (name, noise) in Noise::ONLINE {
        let rate = simulate_false_alarms(noise, &Settings::default(), options.seed, options.series);
        let looks = options.series as f64 * 0.28;
        let half = 1.96 * (rate * looks).max(1.0).sqrt() / looks;
        writeln!(out, "| {name} | {rate:.2} | {:.2} to {:.2} |", (rate - half).max(0.0), rate + half)?;
    }
    writeln!(out)
}

pub(super) fn print_online_power(options: SimulateOptions, out: &mut impl Write) -> io::Result<()> {
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

pub(super) fn print_gate_errors(options: SimulateOptions, out: &mut impl Write) -> io::Result<()> {
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

pub(super) fn print_gate_power(options: SimulateOptions, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "### Gate: found / scan that knows all but the place / z-test that knows all, 30 + 10\n")?;
    writeln!(
        out,
        "Both oracles know noise, correlation and size, and err in 1 % of pipelines; for normal noise. The last"
    )?;
    writeln!(
        out,
        "column: median of found / z-test over eight sizes, 0.5 to 4 sigma, as in the table of confidence.\n"
    )?;
    writeln!(out, "| noise | 1 sigma | 1.5 | 2 | 2.5 | 3 | median |\n|---|---|---|---|---|---|---|")?;
    for (name, noise) in Noise::GATE.into_iter().filter(|(name, _)| !matches!(*name, "spiky")) {
        write!(out, "| {name} |")?;
        let history = History { before: 30, after: 10, rho: noise.correlation() };
        let mut shares = Vec::new();
        for sigma in [0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0] {
            let found = found_of_step(noise, Metric::Duration, sigma, options);
            let place = history.power_of_place(sigma, ORACLE_ALPHA);
            shares.push(found / place);
            if (1.0..=3.0).contains(&sigma) {
                let scan = history.power_of_scan(sigma, ORACLE_ALPHA, options.seed, 2_000);
                write!(out, " {found:.2} / {scan:.2} / {place:.2} |")?;
            }
        }
        writeln!(out, " {:.2} |", median(&shares))?;
    }
    writeln!(out)
}

pub(super) fn print_gate_metrics(options: SimulateOptions, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "### Gate: found by metric, log-normal .3, 30 + 10, changed for the worse\n")?;
    writeln!(out, "| metric | 1.5 sigma | 2 | 3 |\n|---|---|---|---|")?;
    for metric in METRICS.into_iter().filter(|metric| *metric != Metric::SuccessRate) {
        write!(out, "| {} |", metric.title())?;
        for sigma in [1.5, 2.0, 3.0] {
            write!(out, " {:.2} |", found_of_step(Noise::LogNormal(0.3), metric, sigma, options))?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

fn found_of_step(noise: Noise, metric: Metric, sigma: f64, options: SimulateOptions) -> f64 {
    let plan = Plan { noise, before: 30, after: 10, branch: false, change: Some((metric, sigma)) };
    simulate_gate(&plan, options.seed, options.pipelines).found
}

pub(super) fn print_rates(options: SimulateOptions, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "### Failure rate, from 5 % on: found at the gate (30 + 10, branch of 10), and as runs come\n")?;
    writeln!(out, "| to | gate | branch | oracle | within 20 runs | 40 | 60 |\n|---|---|---|---|---|---|---|")?;
    for after in [0.15, 0.25, 0.5] {
        let found = |branch: bool| {
            let change = Some((Metric::SuccessRate, after));
            let plan = Plan { noise: Noise::LogNormal(0.1), before: 30, after: 10, branch, change };
            simulate_gate(&plan, options.seed, options.pipelines / 2).found
        };
        let row = simulate_rate(0.05, after, options.seed, options.series * 2);
        let oracle = oracle_rate_power(0.05, after, 10, ORACLE_ALPHA);
        let (gate, branch, [a, b, c]) = (found(false), found(true), row.found);
        let to = after * 100.0;
        writeln!(out, "| {to:.0} % | {gate:.2} | {branch:.2} | {oracle:.2} | {a:.2} | {b:.2} | {c:.2} |")?;
    }
    writeln!(out, "\nAlarms per 1,000 looks without change, by the share of failures:\n")?;
    for share in [0.02, 0.05, 0.1, 0.3] {
        let row = simulate_rate(share, share, options.seed, options.series);
        writeln!(out, "- {:.0} %: {:.2}", share * 100.0, row.false_alarms)?;
    }
    writeln!(out)
}

pub(super) fn print_shapes(options: SimulateOptions, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "### Other shapes: share of series with each word (normal noise, CV 3 %, after 100 values)\n")?;
    writeln!(
        out,
        "| shape | alarm | of alarms drift | of change points drift | variance event | outlier event |\n|---|---|---|---|---|---|"
    )?;
    let shapes = [
        ("ramp of 0.1 % a value, 200 values", Shape::Ramp(0.001), 200),
        ("ramp of 0.3 % a value, 100 values", Shape::Ramp(0.003), 100),
        ("step of 6 %, 60 values", Shape::Step(0.06), 60),
        ("step of 12 %, 60 values", Shape::Step(0.12), 60),
        ("spread x 1.41 (variance doubled), 100 values", Shape::Spread(std::f64::consts::SQRT_2), 100),
        ("spread x 2, 60 values", Shape::Spread(2.0), 60),
        ("one value 30 % higher, 40 values", Shape::Outlier(1.3), 40),
        ("one value twice as high, 40 values", Shape::Outlier(2.0), 40),
        ("nothing, 100 values", Shape::Spread(1.0), 100),
    ];
    for (name, shape, after) in shapes {
        let row = simulate_shape(shape, 0.03, 100, after, options.seed, options.series);
        let told = |share: f64| if share.is_nan() { String::new() } else { format!("{share:.2}") };
        let (alarms, points) = (told(row.alarms_drift), told(row.points_drift));
        let (alarm, variance, outlier) = (row.alarm, row.variance, row.outlier);
        writeln!(out, "| {name} | {alarm:.2} | {alarms} | {points} | {variance:.2} | {outlier:.2} |")?;
    }
    writeln!(out)
}

pub(super) fn print_patterns(options: SimulateOptions, out: &mut impl Write) -> io::Result<()> {
    writeln!(
        out,
        "### Weekly pattern: a step after 70 daily runs found within 20, and alarms per 1,000 looks without one\n"
    )?;
    writeln!(out, "Weekends lie lower by so much; noise 3 %. Times are known, or not.\n")?;
    writeln!(out, "| weekend | times | +5 % | +10 % | alarms |\n|---|---|---|---|---|")?;
    for swing in [0.0, 0.1, 0.3] {
        for timed in [true, false] {
            let row = |factor: f64| simulate_pattern(swing, factor, timed, options.seed, options.series);
            let (small, large) = (row(1.05), row(1.1));
            let known = if timed { "known" } else { "unknown" };
            let (percent, alarms) = (swing * 100.0, large.false_alarms);
            writeln!(out, "| {percent:.0} % | {known} | {:.2} | {:.2} | {alarms:.2} |", small.found, large.found)?;
        }
    }
    writeln!(out)
}

pub(super) fn print_p_values(options: SimulateOptions, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "### Gate, 30 + 10: share of p-values at or below a level without change, and intervals\n")?;
    writeln!(out, "The last columns: share of the 95 % intervals that hold a true change of 2 sigma.\n")?;
    writeln!(out, "| noise | .01 | .05 | .2 | .5 | split known | searched |\n|---|---|---|---|---|---|---|")?;
    for (name, noise) in Noise::GATE {
        let plan = Plan { noise, before: 30, after: 10, branch: false, change: None };
        let levels = [0.01, 0.05, 0.2, 0.5];
        write!(out, "| {name} |")?;
        for share in simulate_p_values(&plan, Metric::Duration, &levels, options.seed, options.pipelines) {
            write!(out, " {share:.3} |")?;
        }
        for branch in [true, false] {
            let plan = Plan { branch, change: Some((Metric::Duration, 2.0)), ..plan };
            write!(out, " {:.3} |", simulate_coverage(&plan, options.seed, options.pipelines))?;
        }
        writeln!(out)?;
    }
    writeln!(out)
}

pub(super) fn print_calibration(options: SimulateOptions, out: &mut impl Write) -> io::Result<()> {
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
