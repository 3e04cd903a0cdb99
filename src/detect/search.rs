//! The price of looking at many splits and keeping the best.

/// Chance of the best of `splits` overlapping looks being this good, where one look gives `p_value`: Sidak's bound over
/// as many independent looks as the overlapping ones are worth.
#[must_use]
pub fn adjust_for_search(p_value: f64, splits: usize) -> f64 {
    let looks = if splits <= 1 { 1.0 } else { 1.0 + 0.35 * (splits as f64 - 1.0) };
    -(looks * (-p_value.clamp(0.0, 1.0)).ln_1p()).exp_m1()
}
