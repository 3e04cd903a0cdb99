//! What a user may turn; the defaults are those whose error rates docs/accuracy.md states.

/// Limits of the level detector, online and over whole series.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Most values before a window that it is compared with.
    pub baseline_count_max: usize,
    /// Fewest values before a window; below it nothing is said.
    pub baseline_count_min: usize,
    /// Shortest window of new values.
    pub window_count_min: usize,
    /// Longest window of new values.
    pub window_count_max: usize,
    /// Evidence, as a normal deviate, from which a change is an alarm (online).
    pub evidence_min: f64,
    /// The same for slow ramps against the pinned baseline.
    pub drift_evidence_min: f64,
    /// The same for series of zeros and ones.
    pub rate_evidence_min: f64,
    /// The same for change points of whole series.
    pub whole_evidence_min: f64,
    /// Of whole series: smallest change worth a word, as a share of the level.
    pub whole_effect_share_min: f64,
    /// The same in standard deviations: small, since many values may prove what few cannot.
    pub whole_effect_sigma_min: f64,
    /// Of whole series: share of the values after a change that must lie beyond the level before.
    pub whole_far_share_min: f64,
    /// Smallest change worth a word, as a share of the level (0.03 is 3 %).
    pub effect_share_min: f64,
    /// Smallest change worth a word, in standard deviations of the baseline.
    pub effect_sigma_min: f64,
    /// Share of the window that must lie beyond the baseline's level, 0 to 1.
    pub far_share_min: f64,
    /// Fewest values between two change points of a whole series.
    pub segment_count_min: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            baseline_count_max: 60,
            baseline_count_min: 10,
            window_count_min: 4,
            window_count_max: 20,
            evidence_min: 3.8,
            drift_evidence_min: 5.0,
            rate_evidence_min: 3.7,
            whole_evidence_min: 3.4,
            whole_effect_share_min: 0.015,
            whole_effect_sigma_min: 0.3,
            whole_far_share_min: 0.5,
            effect_share_min: 0.03,
            effect_sigma_min: 0.9,
            far_share_min: 0.8,
            segment_count_min: 7,
        }
    }
}
