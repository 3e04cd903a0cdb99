//! From the strength of a finding to the chance that it is real.
//!
//! The tables are data: shares of real findings in a simulation (`examples/calibrate.rs` prints them) in which one series
//! in ten changes by 0.5 to 4 deviations, evenly, under any of the noises of the gate; seed 1, 12,000 series for the
//! gate and 7,000 for the others, pooled until they never fall (pool adjacent violators).

/// A knot of a table: strength, share of real findings.
type Knot = (f64, f64);

/// Gate: minus the decimal logarithm of the p-value adjusted for the search.
const GATE: [Knot; 19] = [
    (0.000, 0.000),
    (0.160, 0.008),
    (0.338, 0.012),
    (0.506, 0.013),
    (0.657, 0.023),
    (0.711, 0.027),
    (0.749, 0.033),
    (0.795, 0.033),
    (0.897, 0.033),
    (1.015, 0.040),
    (1.125, 0.053),
    (1.281, 0.083),
    (1.505, 0.147),
    (1.715, 0.227),
    (2.104, 0.400),
    (2.926, 0.780),
    (4.236, 0.927),
    (5.938, 0.980),
    (7.703, 0.999),
];

/// Alarms as values come: evidence as a normal deviate.
const ONLINE: [Knot; 11] = [
    (3.812, 0.420),
    (3.840, 0.500),
    (3.901, 0.513),
    (4.039, 0.680),
    (4.210, 0.740),
    (4.356, 0.840),
    (4.586, 0.860),
    (4.968, 0.940),
    (5.453, 0.980),
    (6.540, 0.990),
    (10.862, 0.999),
];

/// Change points with hindsight: evidence as a normal deviate.
const WHOLE: [Knot; 7] =
    [(3.522, 0.260), (3.829, 0.580), (4.137, 0.600), (4.595, 0.800), (5.458, 0.960), (7.581, 0.997), (9.284, 0.999)];

/// Share of changed series for which the tables hold.
const TABLE_SHARE: f64 = 0.1;
/// Series that the tables' share counts for where the share of a family is estimated from its own p-values.
const SHARE_WEIGHT: f64 = 20.0;

/// Chance that a gate's finding with this p-value (adjusted for the search) is real, 0 to 1.
#[must_use]
pub fn confidence_of_gate(p_value: f64) -> f64 {
    look_up(&GATE, -p_value.clamp(1e-300, 1.0).log10())
}

/// Chance that an alarm with this evidence is real, 0 to 1.
#[must_use]
pub fn confidence_of_alarm(evidence: f64) -> f64 {
    look_up(&ONLINE, evidence.abs())
}

/// Chance that a change point of a whole series with this evidence is real, 0 to 1.
#[must_use]
pub fn confidence_of_change(evidence: f64) -> f64 {
    look_up(&WHOLE, evidence.abs())
}

/// The same chance where another share of the series changes than the tables' one in ten: Bayes' rule on the odds.
#[must_use]
pub fn with_changed_share(confidence: f64, share: f64) -> f64 {
    let odds = |chance: f64| chance / (1.0 - chance);
    let moved = odds(confidence.clamp(0.0, 0.999)) * odds(share.clamp(0.001, 0.999)) / odds(TABLE_SHARE);
    moved / (1.0 + moved)
}

/// Share of a family's series that changed, from their p-values at the gate: empirical Bayes (Efron 2010), by expectation
/// and maximisation, held near one in ten where the series are few.
#[must_use]
pub fn estimate_changed_share(p_values: &[f64]) -> f64 {
    let stated: Vec<f64> = p_values.iter().map(|p| confidence_of_gate(*p)).collect();
    let mut share = TABLE_SHARE;
    for _ in 0..50 {
        let changed: f64 = stated.iter().map(|confidence| with_changed_share(*confidence, share)).sum();
        share = (changed + SHARE_WEIGHT * TABLE_SHARE) / (stated.len() as f64 + SHARE_WEIGHT);
    }
    share
}

// Straight lines between knots; beyond the first and the last their values.
fn look_up(table: &[Knot], strength: f64) -> f64 {
    let above = table.partition_point(|(knot, _)| *knot < strength);
    match (above.checked_sub(1).and_then(|below| table.get(below)), table.get(above)) {
        (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * (strength - x0) / (x1 - x0),
        (Some((_, share)), None) | (None, Some((_, share))) => *share,
        (None, None) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::simulate::calibrate::{calibration_error, draw_gate_outcomes};

    #[test]
    fn confidence_never_falls_with_strength() {
        for table in [&GATE[..], &ONLINE, &WHOLE] {
            assert!(table.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1));
        }
        assert!(confidence_of_alarm(4.6) > confidence_of_alarm(4.0));
        assert!(confidence_of_gate(1e-9) > 0.99 && confidence_of_gate(0.5) < 0.05);
    }

    #[test]
    fn a_family_that_changes_as_a_whole_makes_each_finding_likelier() {
        let (quiet, moved) = (estimate_changed_share(&[0.5; 60]), estimate_changed_share(&[1e-4; 60]));
        assert!(quiet < 0.05 && moved > 0.6, "{quiet} {moved}");
        assert!((with_changed_share(0.5, TABLE_SHARE) - 0.5).abs() < 1e-12);
        // Odds 1 at one in ten are odds 9 at one in two.
        assert!((with_changed_share(0.5, 0.5) - 0.9).abs() < 1e-12);
    }

    // Another seed than that of the table.
    #[test]
    fn stated_confidence_is_the_share_of_real_findings() {
        let drawn = draw_gate_outcomes(11, 600, 0.1);
        let stated: Vec<(f64, bool)> =
            drawn.iter().map(|o| (confidence_of_gate(10_f64.powf(-o.strength)), o.real)).collect();
        assert!(calibration_error(&stated) < 0.05, "{}", calibration_error(&stated));
    }
}
