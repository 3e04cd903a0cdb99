//! Autocorrelation of a pipeline's series: what makes runs in a row say less than so many runs apart.

use super::GateSettings;
use super::case::Case;
use super::permute::clipped_scores;
use crate::detect::judged::JudgedValues;
use crate::detect::place::best_split;
use crate::detect::stats::robust::{autocorrelation, mean};
use crate::model::Metric;

/// Lag-1 correlation of a pipeline of which nothing is known; counts as one series.
const USUAL_CORRELATION: f64 = 0.05;
/// Correlation below which an estimate is mostly chance.
const CHANCE_CORRELATION: f64 = 0.15;
/// Factor on it: too low an estimate costs more (a false finding) than one too high.
const CORRELATION_MARGIN: f64 = 1.4;
/// Largest correlation that is believed of so few runs.
const CORRELATION_MAX: f64 = 0.75;
/// Fewest runs that tell anything of it.
const RUNS_MIN: usize = 12;
/// Runs at which a series' own correlation counts as much as that of its pipeline, where there are too few series to
/// tell whether they differ.
const OWN_WEIGHT: f64 = 120.0;
/// Series from which on their own differences tell it.
const COMPARED_COUNT_MIN: usize = 4;

/// For each case the correlation to allow for, 0 to 1. A short series says little of its own; those of one pipeline,
/// which ran on the same machines, say more together.
pub(super) fn correlate_noise<'a>(
    cases: &[Case<'_>],
    families: impl Iterator<Item = &'a Vec<usize>>,
    settings: &GateSettings,
) -> Vec<f64> {
    let mut noise = vec![0.0; cases.len()];
    for places in families {
        let own: Vec<Own> =
            places.iter().filter_map(|place| own_correlation(&cases[*place], *place, settings)).collect();
        let shared = (own.iter().map(|one| one.rho).sum::<f64>() + USUAL_CORRELATION) / (own.len() + 1) as f64;
        let differing = variance_beyond_chance(&own);
        for one in &own {
            let weight = match differing {
                Some(variance) => variance / (variance + 1.0 / one.count),
                None => one.count / (one.count + OWN_WEIGHT),
            };
            let rho = (weight * one.rho + (1.0 - weight) * shared).clamp(0.0, CORRELATION_MAX);
            // What chance alone would show is let fade out, not counted in full.
            noise[one.place] = CORRELATION_MARGIN * rho * (rho / CHANCE_CORRELATION).min(1.0).powi(2);
        }
    }
    noise
}

struct Own {
    place: usize,
    rho: f64,
    /// Runs behind it.
    count: f64,
}

// How much the series of a pipeline differ in their correlation, where they differ more than estimates of one
// correlation do in 95 of 100 cases (Cochran's Q; an estimate's variance is 1 / runs); none where they are too few.
fn variance_beyond_chance(own: &[Own]) -> Option<f64> {
    if own.len() < COMPARED_COUNT_MIN {
        return None;
    }
    let rhos: Vec<f64> = own.iter().map(|one| one.rho).collect();
    let (center, freedom) = (mean(&rhos), (own.len() - 1) as f64);
    let between = rhos.iter().map(|rho| (rho - center).powi(2)).sum::<f64>() / freedom;
    let within = own.iter().map(|one| 1.0 / one.count).sum::<f64>() / own.len() as f64;
    Some((between - within * (1.0 + 1.645 * (2.0 / freedom).sqrt())).max(0.0))
}

// Of a series' noise with levels before and after its likeliest split taken out; none where it is too short or a rate.
fn own_correlation(case: &Case<'_>, place: usize, settings: &GateSettings) -> Option<Own> {
    let n = case.values.len();
    let newest = n.min(settings.last + settings.baseline_count_max);
    if case.key.metric == Metric::SuccessRate || newest < RUNS_MIN {
        return None;
    }
    let judged = JudgedValues::new(&case.values);
    let all = &judged.slice(0, n)[n - newest..];
    let split = case.fixed_split.map_or_else(|| best_split(all, 4), |s| s.saturating_sub(n - newest));
    let scores = clipped_scores(all);
    let rests: Vec<f64> = [&scores[..split], &scores[split..]]
        .into_iter()
        .filter(|part| !part.is_empty())
        .flat_map(|part| {
            let center = mean(part);
            part.iter().map(move |v| v - center)
        })
        .collect();
    let count = newest as f64;
    let rho = autocorrelation(&rests);
    // Two means are estimated: each costs about (1 + 3 rho) / n (Kendall and Ord 1990, 6.5), and the search a little.
    Some(Own { place, rho: rho + (4.0 + 10.0 * rho) / count, count })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::gate::case::collect_cases;
    use crate::detect::simulate::gate::{Plan, draw_pipeline};
    use crate::detect::simulate::noise::{Draws, Noise};

    fn own(rhos: &[f64]) -> Vec<Own> {
        rhos.iter().enumerate().map(|(place, rho)| Own { place, rho: *rho, count: 40.0 }).collect()
    }

    fn allowed(noise: Noise, seed: u64) -> Vec<f64> {
        let plan = Plan { noise, before: 30, after: 10, branch: false, change: None };
        let settings = GateSettings::default();
        let series = draw_pipeline(&plan, &mut Draws::new(seed, 0));
        let cases = collect_cases(&series, &settings);
        correlate_noise(&cases, std::iter::once(&(0..cases.len()).collect()), &settings)
    }

    #[test]
    fn series_that_differ_by_chance_share_one_correlation() {
        assert_eq!(variance_beyond_chance(&own(&[0.1, -0.1, 0.2, 0.0, -0.15])), Some(0.0));
        let differing = variance_beyond_chance(&own(&[0.0, 0.05, 0.7, -0.05, 0.0])).unwrap();
        assert!((0.02..0.08).contains(&differing), "{differing}");
        assert_eq!(variance_beyond_chance(&own(&[0.0, 0.9])), None);
    }

    #[test]
    fn correlated_noise_is_allowed_for_and_plain_noise_hardly() {
        let mean_of = |noise: Noise| -> f64 {
            let all: Vec<f64> = (0..40).flat_map(|seed| allowed(noise, seed)).collect();
            mean(&all)
        };
        let (plain, correlated) = (mean_of(Noise::Normal(0.1)), mean_of(Noise::Autoregressive(0.5)));
        assert!(plain < 0.03 && correlated > 0.35, "{plain} {correlated}");
    }
}
