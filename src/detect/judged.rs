//! The scale in which values are judged.

use std::borrow::Cow;

use super::stats::robust::median;

/// Values in the scale in which they are judged: logarithms as long as all values so far are positive.
#[derive(Debug)]
pub struct JudgedValues<'a> {
    pub(super) raw: Cow<'a, [f64]>,
    logs: Vec<f64>,
    /// From this position on the raw values are judged.
    pub(super) raw_from: usize,
}

impl<'a> JudgedValues<'a> {
    /// Takes finite values.
    #[must_use]
    pub fn new(raw: impl Into<Cow<'a, [f64]>>) -> Self {
        let raw = raw.into();
        let raw_from = raw.iter().position(|v| *v <= 0.0).unwrap_or(raw.len());
        Self { logs: raw[..raw_from].iter().map(|v| v.ln()).collect(), raw, raw_from }
    }

    /// Values `start..end` as judged when `end - 1` has just arrived.
    #[must_use]
    pub fn slice(&self, start: usize, end: usize) -> &[f64] {
        if end <= self.raw_from { &self.logs[start..end] } else { &self.raw[start..end] }
    }

    /// Whether `slice` up to `end` gives logarithms.
    #[must_use]
    pub fn is_log(&self, end: usize) -> bool {
        end <= self.raw_from
    }

    /// A shift as a share of the level.
    #[must_use]
    pub fn shift_share(&self, end: usize, shift: f64, level: f64) -> f64 {
        if self.is_log(end) {
            shift.exp_m1()
        } else if level == 0.0 {
            f64::INFINITY * shift.signum()
        } else {
            shift / level.abs()
        }
    }

    /// Least deviation that noise may have: 0.1 % of the level.
    #[must_use]
    pub fn sigma_floor(&self, start: usize, end: usize) -> f64 {
        let slice = self.slice(start, end);
        if self.is_log(end) { 0.001 } else { (median(slice).abs() * 0.001).max(f64::MIN_POSITIVE) }
    }
}
