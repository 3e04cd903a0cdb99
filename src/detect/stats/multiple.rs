//! False discoveries over many series.

/// Benjamini-Hochberg adjusted p-values, in the order given (Benjamini and Hochberg 1995).
#[must_use]
pub fn adjust_false_discovery(p_values: &[f64]) -> Vec<f64> {
    let count = p_values.len();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|&a, &b| p_values[b].total_cmp(&p_values[a]));
    let mut adjusted = vec![1.0; count];
    let mut smallest = 1.0_f64;
    for (passed, &index) in order.iter().enumerate() {
        let rank = count - passed;
        smallest = smallest.min(p_values[index] * count as f64 / rank as f64);
        adjusted[index] = smallest;
    }
    adjusted
}

/// The same where some tests are given more of the budget than others: each p-value is divided by its weight first, and
/// the weights are scaled to a mean of 1 (Genovese, Roeder and Wasserman 2006). `weights` is as long as `p_values`.
#[must_use]
pub fn adjust_weighted(p_values: &[f64], weights: &[f64]) -> Vec<f64> {
    let mean = weights.iter().sum::<f64>() / weights.len().max(1) as f64;
    let weighted: Vec<f64> = p_values.iter().zip(weights).map(|(p, weight)| p * mean / weight).collect();
    adjust_false_discovery(&weighted).into_iter().map(|p| p.min(1.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // SciPy 1.16.3: stats.false_discovery_control([0.01, 0.04, 0.03, 0.005, 0.5]).
    #[test]
    fn adjusted_values_match_scipy() {
        let adjusted = adjust_false_discovery(&[0.01, 0.04, 0.03, 0.005, 0.5]);
        for (got, want) in adjusted.iter().zip([0.025, 0.05, 0.05, 0.025, 0.5]) {
            assert!((got - want).abs() < 1e-12, "{adjusted:?}");
        }
    }

    // The same by SciPy with each p-value divided by its weight: [0.01 * 4/3, 0.04 * 4/3, 0.01 / 1.5 * 4/3].
    #[test]
    fn a_weight_buys_a_larger_share_of_the_budget() {
        let adjusted = adjust_weighted(&[0.01, 0.04, 0.01], &[1.0, 1.0, 2.0]);
        for (got, want) in adjusted.iter().zip([0.02, 0.053_333_333, 0.02]) {
            assert!((got - want).abs() < 1e-6, "{adjusted:?}");
        }
    }
}
