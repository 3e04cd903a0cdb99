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
}
