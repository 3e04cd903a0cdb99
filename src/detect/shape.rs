//! The shape of a change: at one value, or over many.

use super::online::ChangeKind;
use super::place::best_split;
use super::stats::robust::{MAD_TO_SIGMA, mad, median};

/// Twice the logarithm of how much likelier a ramp must make the values than a step: "strong" in Kass and Raftery (1995,
/// JASA 90, 773). A step is what most changes are.
const RAMP_EVIDENCE_MIN: f64 = 6.0;
/// Deviations beyond either level at which a value is clipped.
const CLIP_SIGMA: f64 = 3.0;

/// Whether values whose level changed at `splits`, ascending, are better described by one ramp than by steps.
///
/// Each step has a size and a place; a ramp is a level that begins to rise or fall at some value, or does so until some
/// value. What needs more numbers pays for them (Schwarz 1978). Work grows with the square of the number of values.
#[must_use]
pub fn shape_of(values: &[f64], splits: &[usize]) -> ChangeKind {
    let inside =
        splits.windows(2).all(|pair| pair[0] < pair[1]) && splits.iter().all(|s| (1..values.len()).contains(s));
    let (Some(first), Some(last), true) = (splits.first(), splits.last(), inside) else { return ChangeKind::Step };
    let (before, after) = (median(&values[..*first]), median(&values[*last..]));
    let sigma = MAD_TO_SIGMA * mad(&values[..*first], before);
    // The far end of a ramp lies as far beyond the median of its values as its begin lies below.
    let reach = (after - before).abs().max(CLIP_SIGMA * sigma);
    let (low, high) = (before.min(after) - reach, before.max(after) + reach);
    let mut clipped: Vec<f64> = values.iter().map(|v| v.clamp(low, high)).collect();
    let mut steps = rest_of_steps(&clipped, splits);
    if splits.len() == 1 {
        steps = steps.min(rest_of_steps(&clipped, &[best_split(&clipped, 2)]));
    }
    let mut ramp = rest_of_ramp(&clipped);
    clipped.reverse();
    ramp = ramp.min(rest_of_ramp(&clipped));
    let n = values.len() as f64;
    let more_numbers = 2.0 * (splits.len() - 1) as f64;
    if ramp > 0.0 && n * (steps / ramp).ln() + more_numbers * n.ln() >= RAMP_EVIDENCE_MIN {
        ChangeKind::Drift
    } else {
        ChangeKind::Step
    }
}

// Squares that the means between the splits leave over.
fn rest_of_steps(values: &[f64], splits: &[usize]) -> f64 {
    let ends = splits.iter().copied().chain(std::iter::once(values.len()));
    let starts = std::iter::once(0).chain(splits.iter().copied());
    let about_mean = |part: &[f64]| {
        let mean = part.iter().sum::<f64>() / part.len().max(1) as f64;
        part.iter().map(|v| (v - mean).powi(2)).sum::<f64>()
    };
    starts.zip(ends).filter_map(|(start, end)| values.get(start..end)).map(about_mean).sum()
}

// Squares that the best level with a slope from some value on leaves over: least squares at each place.
fn rest_of_ramp(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let all: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let explained = |bend: usize| {
        let (mut x, mut xx, mut xy) = (0.0, 0.0, 0.0);
        for (place, value) in values[bend..].iter().enumerate() {
            let along = place as f64;
            x += along;
            xx += along * along;
            xy += along * (value - mean);
        }
        let spread = xx - x * x / n;
        if spread > 0.0 { xy * xy / spread } else { 0.0 }
    };
    all - (0..values.len().saturating_sub(2)).map(explained).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::simulate::noise::Draws;

    fn drawn(seed: u64, level: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut draws = Draws::new(seed, 21);
        (0..80).map(|at| level(at) + draws.normal()).collect()
    }

    #[test]
    fn a_ramp_leaves_over_what_least_squares_says() {
        // Level 1 up to the third value, then 2 more a value: nothing is left.
        assert!(rest_of_ramp(&[1.0, 1.0, 1.0, 3.0, 5.0, 7.0]) < 1e-9);
        assert!((rest_of_steps(&[1.0, 3.0, 5.0, 5.0], &[2]) - 2.0).abs() < 1e-12);
    }

    #[test]
    fn hardly_any_step_is_called_a_drift() {
        for (size, after) in [(1.5, 20), (2.0, 10), (3.0, 5), (6.0, 4)] {
            let step = |at: usize| if at >= 80 - after { size } else { 0.0 };
            let called = |seed: &u64| shape_of(&drawn(*seed, step), &[80 - after]) == ChangeKind::Drift;
            let count = (0..200).filter(called).count();
            assert!(count <= 6, "{size}: {count} of 200");
        }
    }

    #[test]
    fn two_steps_the_same_way_are_no_drift() {
        let steps = |at: usize| {
            if at < 30 {
                0.0
            } else if at < 60 {
                2.0
            } else {
                4.0
            }
        };
        let called = |seed: &u64| shape_of(&drawn(*seed, steps), &[30, 60]) == ChangeKind::Drift;
        let count = (0..200).filter(called).count();
        assert!(count <= 8, "{count} of 200");
    }

    #[test]
    fn most_slow_ramps_are_drifts() {
        let ramp = |at: usize| 0.05 * at as f64;
        let called = |seed: &u64| shape_of(&drawn(*seed, ramp), &[60]) == ChangeKind::Drift;
        let count = (0..200).filter(called).count();
        assert!(count >= 160, "{count} of 200");
    }
}
