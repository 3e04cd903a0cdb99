//! Tails of the normal and Student distributions, and the road between them.

use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::erf::{erfc, erfc_inv};

/// P(Z > z) of the standard normal.
#[must_use]
pub fn upper_tail(z: f64) -> f64 {
    0.5 * erfc(z / std::f64::consts::SQRT_2)
}

/// P(|Z| > |z|) of the standard normal.
#[must_use]
pub fn two_sided(z: f64) -> f64 {
    erfc(z.abs() / std::f64::consts::SQRT_2)
}

/// The z above which a share `p` of the standard normal lies; `p` in (0, 1).
#[must_use]
pub fn upper_quantile(p: f64) -> f64 {
    std::f64::consts::SQRT_2 * erfc_inv(2.0 * p.clamp(1e-300, 1.0))
}

/// P(|T| > |t|) of Student's t with `freedom` degrees of freedom. 1 where there is no freedom.
#[must_use]
pub fn student_two_sided(t: f64, freedom: f64) -> f64 {
    StudentsT::new(0.0, 1.0, freedom).map_or(1.0, |student| (2.0 * student.sf(t.abs())).min(1.0))
}

/// The normal deviate as rare as `t` under Student's t with `freedom` degrees of freedom: sign kept.
///
/// Bailey (1980), "Accurate normalizing transformations of a Student's t variate": error under 0.5 % from 5 degrees on.
/// It grows with the root of the logarithm, so that few values can never give boundless evidence.
#[must_use]
pub fn student_to_normal(t: f64, freedom: f64) -> f64 {
    let shrink = (8.0 * freedom + 1.0) / (8.0 * freedom + 3.0);
    t.signum() * shrink * (freedom * (t * t / freedom).ln_1p()).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    // SciPy 1.16.3: norm.sf, norm.isf, t.sf.
    #[test]
    fn tails_match_scipy() {
        assert!((upper_tail(1.96) / 0.024_997_895_148_220_435 - 1.0).abs() < 1e-9);
        assert!((two_sided(4.4) / 1.082_508_781_540_768_1e-05 - 1.0).abs() < 1e-6);
        assert!((upper_quantile(0.025) - 1.959_963_984_540_054).abs() < 1e-9);
        assert!((student_two_sided(2.5, 10.0) / 0.031_446_844_236_608_77 - 1.0).abs() < 1e-8);
    }

    // SciPy 1.16.3: norm.isf(t.sf(4, 14)) = 3.2125, norm.isf(t.sf(5, 60)) = 4.5530.
    #[test]
    fn a_student_deviate_becomes_the_normal_deviate_of_the_same_rarity() {
        assert!((student_to_normal(4.0, 14.0) - 3.2125).abs() < 0.01);
        assert!((student_to_normal(-5.0, 60.0) + 4.5530).abs() < 0.01);
    }
}
