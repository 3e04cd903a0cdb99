//! Why a chart could not be drawn.

/// Why a chart could not be drawn. Each names what the caller can change.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ChartError {
    /// The id would not be a safe prefix of element ids.
    #[error("chart id `{0}`: give a letter, then letters, digits, `-` or `_`, 80 at most")]
    Id(String),
    /// The width lies outside what the layouts know.
    #[error("chart width {0}: give 240 to 4000 pixels (a sparkline: 24 or more)")]
    Width(u32),
    /// A list is longer than the chart takes.
    #[error("{what}: {count} given, {limit} at most")]
    TooMany {
        /// The list.
        what: &'static str,
        /// Its length.
        count: usize,
        /// What is taken.
        limit: usize,
    },
    /// A list that must hold something is empty.
    #[error("{0}: nothing to draw")]
    Empty(&'static str),
    /// A number is not finite, or lies outside its range.
    #[error("{what}: {value} is not {expected}")]
    Number {
        /// The field.
        what: &'static str,
        /// What it held.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// plotters refused.
    #[error("draw: {0}")]
    Draw(String),
}

/// Refuses lists that are too long.
pub(super) fn at_most(what: &'static str, count: usize, limit: usize) -> Result<(), ChartError> {
    if count > limit { Err(ChartError::TooMany { what, count, limit }) } else { Ok(()) }
}

/// Largest number that an axis holds.
pub const VALUE_MAX: f64 = 1e15;

/// Refuses numbers that cannot be placed on an axis: NaN, infinities, and sizes beyond [`VALUE_MAX`].
pub(super) fn finite(what: &'static str, value: f64) -> Result<(), ChartError> {
    if value.is_finite() && value.abs() <= VALUE_MAX {
        Ok(())
    } else {
        Err(ChartError::Number { what, value: value.to_string(), expected: "a finite number within 1e15" })
    }
}

/// Refuses numbers below zero, and what `finite` refuses.
pub(super) fn not_negative(what: &'static str, value: f64) -> Result<(), ChartError> {
    finite(what, value)?;
    if value < 0.0 {
        return Err(ChartError::Number { what, value: value.to_string(), expected: "zero or more" });
    }
    Ok(())
}
