//! From the strength of a finding to the chance that it is real.
//!
//! The tables are data: shares of real findings in a simulation (`examples/calibrate.rs` prints them) in which one series
//! in ten changes by 0.5 to 4 deviations, evenly, under any of the noises of the gate; seed 1, 12,000 series for the
//! gate and 7,000 for the others, pooled until they never fall (pool adjacent violators).

/// A knot of a table: strength, share of real findings.
type Knot = (f64, f64);

/// Gate: minus the decimal logarithm of the p-value adjusted for the search.
const GATE: [Knot; 14] = [
    (0.111, 0.013),
    (0.628, 0.020),
    (0.861, 0.033),
    (1.014, 0.047),
    (1.166, 0.053),
    (1.346, 0.113),
    (1.580, 0.193),
    (1.956, 0.333),
    (2.632, 0.660),
    (3.801, 0.887),
    (5.815, 0.973),
    (7.620, 0.990),
    (9.721, 0.998),
    (13.165, 0.999),
];

/// Alarms as values come: evidence as a normal deviate.
const ONLINE: [Knot; 12] = [
    (3.918, 0.620),
    (3.955, 0.620),
    (4.028, 0.667),
    (4.122, 0.700),
    (4.201, 0.740),
    (4.335, 0.820),
    (4.502, 0.820),
    (4.727, 0.880),
    (5.174, 0.960),
    (5.724, 0.980),
    (7.428, 0.990),
    (12.427, 0.999),
];

/// Change points with hindsight: evidence as a normal deviate.
const WHOLE: [Knot; 8] = [
    (3.518, 0.240),
    (3.831, 0.600),
    (4.153, 0.640),
    (4.637, 0.760),
    (5.172, 0.960),
    (5.802, 0.960),
    (7.654, 0.997),
    (9.426, 0.999),
];

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

    // Another seed than that of the table.
    #[test]
    fn stated_confidence_is_the_share_of_real_findings() {
        let drawn = draw_gate_outcomes(11, 600, 0.1);
        let stated: Vec<(f64, bool)> =
            drawn.iter().map(|o| (confidence_of_gate(10_f64.powf(-o.strength)), o.real)).collect();
        assert!(calibration_error(&stated) < 0.05, "{}", calibration_error(&stated));
    }
}
