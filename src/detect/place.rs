//! Where among some values a change lies.

use super::stats::robust::median;

/// Values by which the likeliest place may lie before that of the best evidence.
const PLACE_REACH: usize = 6;

/// The likeliest place of a change that the evidence puts at `split`: where two levels leave the least rest. Evidence
/// may well be greatest for a window that begins among values that lie apart by chance.
#[must_use]
pub fn likeliest_split(values: &[f64], split: usize) -> usize {
    let (before, after) = (median(&values[..split]), median(&values[split..]));
    let (low, high) = (before.min(after), before.max(after));
    let reach = 0.5 * (high - low);
    let first = split.saturating_sub(PLACE_REACH);
    let clipped: Vec<f64> = values.iter().map(|v| v.clamp(low - reach, high + reach)).collect();
    let place = best_split(&clipped, 2);
    if place >= first && place < values.len() { place } else { split }
}

/// Position that splits values into the two parts whose means lie farthest apart, weighed by their sizes.
#[must_use]
pub fn best_split(values: &[f64], count_min: usize) -> usize {
    let total: f64 = values.iter().sum();
    let n = values.len() as f64;
    let (mut best, mut place, mut left) = (-1.0, values.len() / 2, 0.0);
    for (index, value) in values.iter().enumerate() {
        if index >= count_min && values.len() - index >= count_min {
            let k = index as f64;
            let gain = (left - total * k / n).powi(2) / (k * (n - k)).max(1.0);
            if gain > best {
                (best, place) = (gain, index);
            }
        }
        left += value;
    }
    place
}
