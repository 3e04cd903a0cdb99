//! Where a metric will stand: the line of its trend carried on, with the spread of the runs around it.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::detect::stats::robust::{MAD_TO_SIGMA, mad, median};
use crate::model::{Better, Metric};

use super::trend::{P_MAX, Slope, VALUES_MAX, mann_kendall, theil_sen};

/// Fewer values than this give no forecast.
pub const VALUES_MIN: usize = 20;
/// Longest look ahead, in days.
pub const DAYS_MAX: f64 = 90.0;
/// Steps into the future, without the present.
pub const STEPS: usize = 30;
/// Pieces into which more values are gathered for the slope: the work grows with the square.
const PIECES_MAX: usize = 120;

/// What is expected at one time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// Days since the first value.
    pub day: f64,
    /// Middle of the forecast.
    pub middle: f64,
    /// Lower end of the interval that holds half of the runs.
    pub low_50: f64,
    /// Its upper end.
    pub high_50: f64,
    /// Lower end of the interval that holds 95 of 100 runs.
    pub low_95: f64,
    /// Its upper end.
    pub high_95: f64,
}

/// Expected values from the newest run on. `values` are `(day, value)` of runs at one level or along one slope, oldest
/// first. None with too few of them, or within one moment.
///
/// The line is Theil and Sen's through the medians of day and value (SciPy's `theilslopes`, method `separate`); it is
/// level where Mann-Kendall finds no trend. A run's interval joins the spread of the runs around the line with what is
/// unsure about its slope, as a prediction interval of least squares does. It looks as far ahead as the values reach
/// back, at most [`DAYS_MAX`]. Runs are taken for independent: where neighbours resemble one another, it is too narrow.
#[must_use]
pub fn forecast(metric: Metric, values: &[(f64, f64)]) -> Vec<Expected> {
    let finite: Vec<(f64, f64)> = values.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    let newest = &finite[finite.len().saturating_sub(VALUES_MAX)..];
    let (Some(first), Some(last)) = (newest.first(), newest.last()) else { return Vec::new() };
    let ahead = (last.0 - first.0).min(DAYS_MAX);
    if newest.len() < VALUES_MIN || ahead <= 0.0 {
        return Vec::new();
    }
    let Some(line) = Line::through(newest) else { return Vec::new() };
    #[allow(clippy::cast_precision_loss, reason = "at most 30 steps")]
    let day = |step: usize| last.0 + ahead * step as f64 / STEPS as f64;
    (0..=STEPS).map(|step| line.at(day(step), metric)).collect()
}

/// The line and what is unsure about it.
struct Line {
    /// Median day and value: the line turns about them.
    center: (f64, f64),
    /// The slope that is carried on, and its interval.
    slope: Slope,
    /// Residuals below and above the line: of half of the runs, of 95 of 100.
    half: (f64, f64),
    most: (f64, f64),
}

impl Line {
    fn through(values: &[(f64, f64)]) -> Option<Self> {
        let gathered = gather(values);
        let found = theil_sen(&gathered)?;
        let middle = if mann_kendall(&gathered) < P_MAX { found.middle } else { 0.0 };
        let slope = Slope { middle, low: found.low.min(middle), high: found.high.max(middle) };
        let (x, y): (Vec<f64>, Vec<f64>) = values.iter().copied().unzip();
        let center = (median(&x), median(&y));
        let mut rest: Vec<f64> = values.iter().map(|(x, y)| y - center.1 - middle * (x - center.0)).collect();
        rest.sort_by(f64::total_cmp);
        Some(Self { center, slope, half: spread(&rest, 0.5), most: spread(&rest, 0.95) })
    }

    fn at(&self, day: f64, metric: Metric) -> Expected {
        let reach = day - self.center.0;
        let middle = self.center.1 + self.slope.middle * reach;
        // The interval of the slope holds 95 of 100; that of the half is 0.6745 / 1.96 of it.
        let unsure = |share: f64| {
            (
                (self.slope.middle - self.slope.low) * reach * share,
                (self.slope.high - self.slope.middle) * reach * share,
            )
        };
        let (half, most) = (join(self.half, unsure(0.344_1)), join(self.most, unsure(1.0)));
        let held = |value: f64| possible(metric, value);
        Expected {
            day,
            middle: held(middle),
            low_50: held(middle - half.0),
            high_50: held(middle + half.1),
            low_95: held(middle - most.0),
            high_95: held(middle + most.1),
        }
    }
}

fn join(a: (f64, f64), b: (f64, f64)) -> (f64, f64) {
    (a.0.hypot(b.0), a.1.hypot(b.1))
}

/// Nothing takes less than no time; a score stays a score.
fn possible(metric: Metric, value: f64) -> f64 {
    let scored = matches!(metric, Metric::SuccessRate);
    if scored { value.clamp(0.0, 1.0) } else { value.max(0.0) }
}

/// How far `share` of the residuals lie below and above zero: their own quantiles, and never less than a robust normal
/// with Student's quantile, since few values do not show their tails.
fn spread(sorted: &[f64], share: f64) -> (f64, f64) {
    let n = sorted.len() as f64;
    let tail = (1.0 - share) / 2.0;
    let sigma = MAD_TO_SIGMA * mad(sorted, median(sorted));
    let normal = StudentsT::new(0.0, 1.0, (n - 2.0).max(1.0)).map_or(2.0, |t| t.inverse_cdf(1.0 - tail))
        * sigma
        * (1.0 + 1.0 / n).sqrt();
    let (low, high) = (quantile(sorted, tail), quantile(sorted, 1.0 - tail));
    // The half is described, not guarded: its own quantiles do.
    if share <= 0.5 { ((-low).max(0.0), high.max(0.0)) } else { ((-low).max(normal), high.max(normal)) }
}

/// Of `n` sorted values the one that a further one stays under in a share of cases: R's type 6 (Weibull 1939).
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to places in the list")]
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = (share * (sorted.len() as f64 + 1.0) - 1.0).clamp(0.0, (sorted.len() - 1) as f64);
    let (low, high) = (place.floor() as usize, place.ceil() as usize);
    sorted[low] + (sorted[high] - sorted[low]) * (place - place.floor())
}

// Pieces of equal count by their medians: the slope stays, and the work is bounded.
fn gather(values: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let width = values.len().div_ceil(PIECES_MAX).max(1);
    if width == 1 {
        return values.to_vec();
    }
    let piece = |piece: &[(f64, f64)]| {
        let (x, y): (Vec<f64>, Vec<f64>) = piece.iter().copied().unzip();
        (median(&x), median(&y))
    };
    values.chunks(width).map(piece).collect()
}

/// How far values lie from the line of their trend: the median absolute residual. None without a line.
#[must_use]
pub fn line_scale(values: &[(f64, f64)]) -> Option<f64> {
    let slope = theil_sen(&gather(values))?.middle;
    let (x, y): (Vec<f64>, Vec<f64>) = values.iter().copied().unzip();
    let center = (median(&x), median(&y));
    let rest: Vec<f64> = values.iter().map(|(x, y)| y - center.1 - slope * (x - center.0)).collect();
    Some(mad(&rest, median(&rest)))
}

/// A value that must not be crossed, seen from where a metric stands.
#[must_use]
pub fn is_beyond(metric: Metric, level: f64, limit: f64) -> bool {
    match metric.better() {
        Better::Lower => level >= limit,
        Better::Higher => level <= limit,
    }
}

#[cfg(test)]
mod tests;
