//! From evidence to the chance that a finding is real.

/// Chance that a finding with this evidence is real.
#[must_use]
pub fn confidence_of(evidence: f64) -> f64 {
    let x = (evidence.abs() - 3.0) * 2.0;
    1.0 / (1.0 + (-x).exp())
}

/// Chance that a gate's finding is real, from its p-value adjusted for the search.
#[must_use]
pub fn confidence_of_gate(p_value: f64) -> f64 {
    // One series in ten has changed: odds by Sellke, Bayarri and Berger's bound.
    let p = p_value.clamp(1e-12, 0.36);
    let odds = 9.0 * (-std::f64::consts::E * p * p.ln());
    1.0 / (1.0 + odds)
}
