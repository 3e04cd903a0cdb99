//! How often findings of a given strength are real: simulated, so that confidence may be stated as a chance.
//!
//! One series in ten changes, by 0.5 to 4 deviations, evenly; its noise is any of [`Noise::GATE`].

use super::gate::{Plan, draw_pipeline};
use super::noise::{Draws, Noise};
use super::parallel::map_seeds;
use crate::detect::confidence::{confidence_of_gate, estimate_changed_share, with_changed_share};
use crate::detect::gate::{GateSettings, likeliest_change};
use crate::detect::online::replay;
use crate::detect::segment::find_with_alarms;
use crate::detect::settings::Settings;
use crate::model::Metric;

/// One finding: its strength, and whether a change was there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outcome {
    /// Evidence as a normal deviate; at the gate minus the decimal logarithm of the p-value.
    pub strength: f64,
    /// Whether the series had changed there.
    pub real: bool,
}

/// Findings of the gate over `count` series, of which `share` changed.
#[must_use]
pub fn draw_gate_outcomes(seed: u64, count: usize, share: f64) -> Vec<Outcome> {
    map_seeds(count, |place| {
        let mut draws = Draws::new(seed, place as u64);
        let (noise, real) = (any_noise(&mut draws), draws.uniform() < share);
        let size = 0.5 + 3.5 * draws.uniform();
        let before = 20 + (draws.uniform() * 41.0) as usize;
        let after = 5 + (draws.uniform() * 15.0) as usize;
        let change = real.then_some((Metric::Duration, size));
        let series = draw_pipeline(&Plan { noise, before, after, branch: false, change }, &mut draws);
        let found = likeliest_change(&series[..1], &GateSettings::default()).filter(|found| found.reaches_floor);
        found.map(|found| Outcome { strength: -found.p_value.max(1e-300).log10(), real })
    })
    .into_iter()
    .flatten()
    .collect()
}

/// Confidence as the gate states it, with whether a change was there: `families` of `size` series each, of which `share`
/// changed, every family estimating its own share.
#[must_use]
pub fn draw_gate_confidences(seed: u64, families: usize, size: usize, share: f64) -> Vec<(f64, bool)> {
    let drawn = draw_gate_outcomes(seed, families * size, share);
    drawn
        .chunks(size.max(1))
        .flat_map(|family| {
            let p_values: Vec<f64> = family.iter().map(|o| 10_f64.powf(-o.strength)).collect();
            let changed = estimate_changed_share(&p_values);
            let stated = p_values.into_iter().zip(family);
            stated.map(|(p, o)| (with_changed_share(confidence_of_gate(p), changed), o.real)).collect::<Vec<_>>()
        })
        .collect()
}

/// Alarms of the online detector and change points with hindsight, over `count` series of 80 values, of which `share`
/// changed after 60.
#[must_use]
pub fn draw_series_outcomes(seed: u64, count: usize, share: f64) -> (Vec<Outcome>, Vec<Outcome>) {
    let settings = Settings::default();
    let both = map_seeds(count, |place| {
        let mut draws = Draws::new(seed, place as u64);
        let (noise, real) = (any_noise(&mut draws), draws.uniform() < share);
        let sign = if draws.uniform() < 0.5 { -1.0 } else { 1.0 };
        let factor = (sign * (0.5 + 3.5 * draws.uniform()) * noise.log_sigma()).exp();
        let mut values = noise.draw(80, &mut draws);
        for value in values.iter_mut().skip(60).filter(|_| real) {
            *value *= factor;
        }
        let raised = replay(&values, &settings);
        let whole = find_with_alarms(&values, &raised, &settings);
        let outcome =
            |index: usize, evidence: f64| Outcome { strength: evidence.abs(), real: real && index.abs_diff(60) <= 5 };
        let online: Vec<Outcome> = raised.iter().map(|a| outcome(a.index, a.evidence)).collect();
        (online, whole.iter().map(|p| outcome(p.index, p.evidence)).collect::<Vec<_>>())
    });
    let (online, whole): (Vec<_>, Vec<_>) = both.into_iter().unzip();
    (online.concat(), whole.concat())
}

fn any_noise(draws: &mut Draws) -> Noise {
    let place = (draws.uniform() * Noise::GATE.len() as f64) as usize;
    Noise::GATE[place.min(Noise::GATE.len() - 1)].1
}

/// Share of real findings by strength, never falling (pool adjacent violators), as (strength, share) knots.
#[must_use]
pub fn fit_confidence(outcomes: &[Outcome], per_bin: usize) -> Vec<(f64, f64)> {
    let mut sorted = outcomes.to_vec();
    sorted.sort_by(|a, b| a.strength.total_cmp(&b.strength));
    let mut bins: Vec<(f64, f64, f64)> = Vec::new();
    for bin in sorted.chunks(per_bin.max(1)) {
        let n = bin.len() as f64;
        let strength = bin.iter().map(|o| o.strength).sum::<f64>() / n;
        bins.push((strength, bin.iter().filter(|o| o.real).count() as f64 / n, n));
        while let [.., a, b] = bins[..]
            && a.1 > b.1
        {
            let total = a.2 + b.2;
            bins.truncate(bins.len() - 2);
            bins.push(((a.0 * a.2 + b.0 * b.2) / total, (a.1 * a.2 + b.1 * b.2) / total, total));
        }
    }
    bins.into_iter().map(|(strength, share, _)| (strength, share)).collect()
}

/// Expected calibration error over ten bins of stated confidence: mean distance from the share that was real.
#[must_use]
pub fn calibration_error(outcomes: &[(f64, bool)]) -> f64 {
    let mut bins = [(0.0, 0.0, 0.0); 10];
    for (stated, real) in outcomes {
        let bin = &mut bins[((stated * 10.0) as usize).min(9)];
        *bin = (bin.0 + 1.0, bin.1 + stated, bin.2 + f64::from(u8::from(*real)));
    }
    bins.iter().map(|(_, stated, real)| (stated - real).abs()).sum::<f64>() / outcomes.len().max(1) as f64
}
