//! From evidence to the chance that a finding is real.

/// Chance that a finding with this evidence is real.
#[must_use]
pub fn confidence_of(evidence: f64) -> f64 {
    let x = (evidence.abs() - 3.0) * 2.0;
    1.0 / (1.0 + (-x).exp())
}
