//! Two stretches of one series, side by side: how far apart, and how sure.

use std::ops::Range;

use super::stats::normal::{student_to_normal, upper_quantile};
use super::stats::robust::{
    IQR_TO_SIGMA, MAD_TO_SIGMA, mad_sorted, mean_variance_inflation, median, median_sorted, quantile_sorted, sort,
};

/// Values farther from the level than this many deviations count as if they lay there.
const CLIP_BASELINE: f64 = 3.0;
const CLIP_WINDOW: f64 = 2.5;
/// Length of the pieces whose spread is looked at alone: noise that comes and goes must not hide in an average.
const PIECE_COUNT: usize = 20;
/// Weight, in values, of the spread known before, where the stretch itself is short.
const PRIOR_WEIGHT: f64 = 8.0;
/// Weight, in values, of the baseline's spread when that of a short window is judged.
const WINDOW_PRIOR_WEIGHT: f64 = 6.0;

/// Level and noise of one stretch, in the scale in which it is judged (logarithms where all values are positive).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Level {
    /// Mean of the clipped values.
    pub center: f64,
    /// Median.
    pub median: f64,
    /// Standard deviation: that of the clipped values, or of the noisiest piece.
    pub sigma: f64,
    /// Lag-1 correlation used for the noise of means, 0 to 1.
    pub rho: f64,
    /// Values behind it.
    pub count: usize,
}

/// Looks at a stretch. `sigma_prior` is the spread known from before the last change, `sigma_floor` what the values'
/// resolution allows at best.
#[must_use]
pub fn describe(values: &[f64], sigma_prior: Option<f64>, sigma_floor: f64) -> Level {
    describe_beside(values, noisiest_spread(values), sigma_prior, sigma_floor)
}

/// The same where the noisiest piece is known.
#[must_use]
pub fn describe_beside(values: &[f64], noisiest: f64, sigma_prior: Option<f64>, sigma_floor: f64) -> Level {
    let count = values.len();
    let mut sorted = values.to_vec();
    sort(&mut sorted);
    let median = median_sorted(&sorted);
    let iqr_sigma = (quantile_sorted(&sorted, 0.75) - quantile_sorted(&sorted, 0.25)) * IQR_TO_SIGMA;
    let mut core = (mad_sorted(&sorted, median) * MAD_TO_SIGMA).max(iqr_sigma);
    if core <= 0.0 {
        // More than half of the values are equal: let the others speak, but the largest tenth not for itself.
        for value in &mut sorted {
            *value = (*value - median).abs();
        }
        sort(&mut sorted);
        core = quantile_sorted(&sorted, 0.9);
    }
    let core = core.max(sigma_floor);
    let (low, high) = (median - CLIP_BASELINE * core, median + CLIP_BASELINE * core);
    let (center, variance) = clipped_moments(values, low, high);
    let mut sigma = variance.sqrt();
    sigma = sigma.max(noisiest);
    if let Some(prior) = sigma_prior
        && count < 3 * PIECE_COUNT
    {
        let weight = count as f64;
        sigma = ((weight * sigma * sigma + PRIOR_WEIGHT * prior * prior) / (weight + PRIOR_WEIGHT)).sqrt();
    }
    Level { center, median, sigma: sigma.max(sigma_floor), rho: 0.0, count }
}

// Mean and variance (n - 1) of values clipped to an interval.
fn clipped_moments(values: &[f64], low: f64, high: f64) -> (f64, f64) {
    let clipped = values.iter().map(|v| v.clamp(low, high));
    let center = clipped.clone().sum::<f64>() / values.len() as f64;
    (center, clipped.map(|v| (v - center).powi(2)).sum::<f64>() / (values.len().max(2) - 1) as f64)
}

/// Spread of the noisiest piece of a stretch, less what the largest of so many is larger by chance; 0 below two pieces.
///
/// Noise that was there once comes back, and must not hide in an average of quiet times. Each piece is clipped by its own
/// spread, and they are counted from the newest value back, so that the latest noise is seen whole.
#[must_use]
pub fn noisiest_spread(values: &[f64]) -> f64 {
    noisiest_of(values.rchunks_exact(PIECE_COUNT).map(spread_of_piece), values.len() / PIECE_COUNT)
}

fn noisiest_of(spreads: impl Iterator<Item = f64>, pieces: usize) -> f64 {
    if pieces < 2 {
        return 0.0;
    }
    let largest = spreads.fold(0.0, f64::max);
    // Expected largest of `pieces` normal deviates (Blom 1958), each spread being known to about one sixth.
    let m = pieces as f64;
    let chance = upper_quantile(1.0 - (m - 0.375) / (m + 0.25));
    largest / (1.0 + chance / 6.0)
}

/// [`noisiest_spread`] of many stretches of the same values: the spread of each piece is taken once.
#[derive(Debug, Default)]
pub struct PieceSpreads {
    /// By the end of the piece; NaN where not yet taken.
    by_end: Vec<f64>,
}

impl PieceSpreads {
    /// Of `values[range]`. The values of a range that was asked for must not change.
    pub fn noisiest(&mut self, values: &[f64], range: Range<usize>) -> f64 {
        let pieces = range.len() / PIECE_COUNT;
        if pieces < 2 {
            return 0.0;
        }
        if self.by_end.len() <= range.end {
            self.by_end.resize(values.len().max(range.end) + 1, f64::NAN);
        }
        let spread = |piece: usize| {
            let end = range.end - piece * PIECE_COUNT;
            if self.by_end[end].is_nan() {
                self.by_end[end] = spread_of_piece(&values[end - PIECE_COUNT..end]);
            }
            self.by_end[end]
        };
        noisiest_of((0..pieces).map(spread), pieces)
    }
}

fn spread_of_piece(piece: &[f64]) -> f64 {
    let mut sorted = piece.to_vec();
    sort(&mut sorted);
    let center = median_sorted(&sorted);
    let reach = CLIP_BASELINE * MAD_TO_SIGMA * mad_sorted(&sorted, center);
    if reach <= 0.0 {
        return 0.0;
    }
    clipped_moments(piece, center - reach, center + reach).1.sqrt()
}

/// How two neighbouring stretches differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Level after minus level before, in the judged scale.
    pub shift: f64,
    /// The shift in deviations of the noise.
    pub effect_sigma: f64,
    /// Evidence as a normal deviate, signed: the chance of it under no change, at this one split, is that of |Z| > |evidence|.
    pub evidence: f64,
    /// Share of the values after that lie beyond the median before, in the direction of the shift.
    pub far_share: f64,
    /// Median after, in the judged scale.
    pub median_after: f64,
}

/// Compares a window with the level before it.
#[must_use]
pub fn compare(before: &Level, after: &[f64]) -> Comparison {
    let count = after.len();
    let median = median(after);
    let (low, high) = (median - CLIP_WINDOW * before.sigma, median + CLIP_WINDOW * before.sigma);
    let center = after.iter().map(|v| v.clamp(low, high)).sum::<f64>() / count as f64;
    let shift = center - before.center;
    // The window's own spread counts where it is larger than the baseline's; unclipped up to four deviations.
    let (wide_low, wide_high) = (median - 4.0 * before.sigma, median + 4.0 * before.sigma);
    let own = after.iter().map(|v| (v.clamp(wide_low, wide_high) - center).powi(2)).sum::<f64>();
    let base_variance = before.sigma * before.sigma;
    let window_variance = ((own + WINDOW_PRIOR_WEIGHT * base_variance)
        / ((count.max(2) - 1) as f64 + WINDOW_PRIOR_WEIGHT))
        .max(base_variance);
    let (n, k) = (before.count as f64, count as f64);
    let error = (base_variance / n * mean_variance_inflation(before.rho, n)
        + window_variance / k * mean_variance_inflation(before.rho, k))
    .sqrt();
    let t = if error > 0.0 { shift / error } else { 0.0 };
    // A spread taken from the window itself is known only as well as a window can tell (after Welch and Satterthwaite).
    let known = if window_variance > 0.0 { base_variance / window_variance } else { 1.0 };
    let freedom = (known * (n - 1.0 + (k - 1.0) * 0.5) + (1.0 - known) * (k - 1.0 + WINDOW_PRIOR_WEIGHT)).max(1.0);
    let far = after.iter().filter(|v| (**v - before.median) * shift.signum() > 0.0).count();
    Comparison {
        shift,
        effect_sigma: if before.sigma > 0.0 { shift / before.sigma } else { 0.0 },
        evidence: student_to_normal(t, freedom),
        far_share: far as f64 / k.max(1.0),
        median_after: median,
    }
}
