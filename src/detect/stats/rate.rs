//! Shares: did the failure rate move?

use statrs::function::factorial::ln_binomial;

/// Fisher's exact test, one-sided: P of at least `hits_after` hits after, given the margins.
///
/// 1 where either side is empty.
#[must_use]
pub fn test_rate_rise(hits_before: u64, count_before: u64, hits_after: u64, count_after: u64) -> f64 {
    if count_before == 0 || count_after == 0 {
        return 1.0;
    }
    let hits = hits_before + hits_after;
    let total = count_before + count_after;
    let denominator = ln_binomial(total, hits);
    (hits_after..=hits.min(count_after))
        .filter(|h| hits - h <= count_before)
        .map(|h| (ln_binomial(count_after, h) + ln_binomial(count_before, hits - h) - denominator).exp())
        .sum::<f64>()
        .min(1.0)
}

/// Beta prior of a share: hits and misses that it counts for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RatePrior {
    /// Hits.
    pub hits: f64,
    /// Misses.
    pub misses: f64,
}

impl RatePrior {
    /// What is rare, as failures are. Worth five trials, so that the trials themselves soon rule.
    pub const RARE: Self = Self { hits: 0.5, misses: 4.5 };
    /// Nothing known (Jeffreys).
    pub const JEFFREYS: Self = Self { hits: 0.5, misses: 0.5 };
    /// What is usual, as successes are.
    pub const USUAL: Self = Self { hits: 4.5, misses: 0.5 };
}

/// P of each number of hits, 0 to `count_after`, after `hits_before` in `count_before`: the beta-binomial predictive
/// distribution, by its recursion.
#[must_use]
pub fn predict_hits(prior: RatePrior, hits_before: u64, count_before: u64, count_after: u64) -> Vec<f64> {
    let a = hits_before as f64 + prior.hits;
    let b = (count_before - hits_before.min(count_before)) as f64 + prior.misses;
    let n = count_after as f64;
    // In logarithms: where nearly all of many runs hit, the chance of none is too small for a number.
    let mut log_chance: f64 = (0..count_after).map(|i| ((b + i as f64) / (a + b + i as f64)).ln()).sum();
    let mut chances = vec![log_chance.exp()];
    for hits in 0..count_after {
        let h = hits as f64;
        log_chance += ((n - h) / (h + 1.0) * (a + h) / (b + n - h - 1.0)).ln();
        chances.push(log_chance.exp());
    }
    chances
}

/// Interval of the difference of two shares, after minus before (Newcombe 1998, method 10, from Wilson's scores).
#[must_use]
pub fn rate_difference_interval(hits_before: u64, count_before: u64, hits_after: u64, count_after: u64) -> (f64, f64) {
    let (l1, u1) = wilson(hits_before, count_before);
    let (l2, u2) = wilson(hits_after, count_after);
    let (p1, p2) = (share(hits_before, count_before), share(hits_after, count_after));
    let d = p2 - p1;
    (d - ((p2 - l2).powi(2) + (u1 - p1).powi(2)).sqrt(), d + ((u2 - p2).powi(2) + (p1 - l1).powi(2)).sqrt())
}

fn share(hits: u64, count: u64) -> f64 {
    if count == 0 { 0.5 } else { hits as f64 / count as f64 }
}

fn wilson(hits: u64, count: u64) -> (f64, f64) {
    if count == 0 {
        return (0.0, 1.0);
    }
    let (n, p, z) = (count as f64, share(hits, count), 1.959_963_984_540_054);
    let center = (p + z * z / (2.0 * n)) / (1.0 + z * z / n);
    let half = z / (1.0 + z * z / n) * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    ((center - half).max(0.0), (center + half).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    // SciPy 1.16.3: fisher_exact([[4, 6], [2, 38]], greater), betabinom.sf(3, 10, 2.5, 38.5).
    #[test]
    fn exact_tails_match_scipy() {
        assert!((test_rate_rise(2, 40, 4, 10) - 0.010_955_464_516_981_631).abs() < 1e-12);
        let tail: f64 = predict_hits(RatePrior::JEFFREYS, 2, 40, 10)[4..].iter().sum();
        assert!((tail - 0.006_970_396_508_563_57).abs() < 1e-9);
    }

    // statsmodels-free check: Newcombe's own example, 56/70 against 48/80: 0.0524 to 0.3339.
    #[test]
    fn the_interval_is_newcombes() {
        let (low, high) = rate_difference_interval(48, 80, 56, 70);
        assert!((low - 0.0524).abs() < 5e-5 && (high - 0.3339).abs() < 5e-5, "{low} {high}");
    }
}
