//! A table before it has a face: HTML, Markdown and terminal write the same cells.

use serde::Serialize;

use crate::model::Metric;
use crate::model::unit::{format_change_percent, format_metric};

use super::clean;
use super::estimate::Estimate;
use super::format::{UNKNOWN, when};

/// Most rows of a table on a page; `report.json` has the rest.
pub(super) const ROWS_MAX: usize = 200;

/// A table.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Grid {
    pub caption: String,
    /// What is left out.
    pub note: Option<String>,
    pub heads: Vec<Head>,
    pub rows: Vec<Vec<Cell>>,
}

/// A column.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Head {
    pub text: &'static str,
    pub number: bool,
}

/// A cell: text, and what a face may make of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Cell {
    pub text: String,
    pub href: Option<String>,
    /// What it sorts by.
    pub sort: Option<f64>,
    /// Colour and shape of a badge.
    pub tone: Option<&'static str>,
    pub glyph: Option<&'static str>,
}

impl Grid {
    /// An empty table; a head that begins with `#` is a column of numbers.
    pub(super) fn new(caption: impl Into<String>, heads: &[&'static str]) -> Self {
        let head = |text: &&'static str| Head { text: text.trim_start_matches('#'), number: text.starts_with('#') };
        Self { caption: caption.into(), note: None, heads: heads.iter().map(head).collect(), rows: Vec::new() }
    }

    /// Fills it from the first [`ROWS_MAX`] items and notes how many there are more.
    pub(super) fn fill<T>(mut self, items: &[T], row: impl Fn(&T) -> Vec<Cell>) -> Self {
        self.rows = items.iter().take(ROWS_MAX).map(row).collect();
        if items.len() > ROWS_MAX {
            self.note = Some(format!("{ROWS_MAX} of {} rows; all are in report.json", items.len()));
        }
        self
    }

    /// As `fill`, with the newest of items that come oldest first.
    pub(super) fn fill_newest<T>(self, items: &[T], row: impl Fn(&T) -> Vec<Cell>) -> Self {
        let newest: Vec<&T> = items.iter().rev().collect();
        self.fill(&newest, |item| row(item))
    }
}

impl Cell {
    /// A name or a word.
    pub(super) fn text(text: impl AsRef<str>) -> Self {
        Self { text: clean::name(text.as_ref()), href: None, sort: None, tone: None, glyph: None }
    }

    /// A longer text.
    pub(super) fn line(text: impl AsRef<str>) -> Self {
        Self { text: clean::shorten(text.as_ref(), 300), ..Self::text("") }
    }

    /// A name, where known.
    pub(super) fn known(text: Option<&str>) -> Self {
        Self::text(text.unwrap_or(UNKNOWN))
    }

    /// A name that leads somewhere.
    pub(super) fn link(text: impl AsRef<str>, href: String) -> Self {
        Self { href: Some(href), ..Self::text(text) }
    }

    /// A number said by `format`; unknown ones are `–`, never 0.
    pub(super) fn number(value: Option<f64>, format: impl FnOnce(f64) -> String) -> Self {
        match value.filter(|value| value.is_finite()) {
            Some(value) => Self { text: format(value), sort: Some(value), ..Self::text("") },
            None => Self::text(UNKNOWN),
        }
    }

    /// A count.
    #[allow(clippy::cast_precision_loss, reason = "counts of runs lie far below 2^53")]
    pub(super) fn count(count: u64) -> Self {
        Self::number(Some(count as f64), crate::model::unit::format_count)
    }

    /// A value of a metric.
    pub(super) fn metric(metric: Metric, value: Option<f64>) -> Self {
        Self::number(value, |value| format_metric(metric, value))
    }

    /// A change in percent.
    pub(super) fn change(percent: Option<f64>) -> Self {
        Self::number(percent, format_change_percent)
    }

    /// A change in percent with its interval.
    pub(super) fn change_between(change: Option<Estimate>) -> Self {
        let Some(e) = change else { return Self::text(UNKNOWN) };
        let [low, high] = [e.low, e.high].map(format_change_percent);
        Self::number(Some(e.value), |value| format!("{} ({low} to {high})", format_change_percent(value)))
    }

    /// A time.
    pub(super) fn time(time: Option<&str>) -> Self {
        Self::text(time.map_or(UNKNOWN.to_owned(), when))
    }

    /// A word with colour and shape.
    pub(super) fn badge((tone, glyph, word): (&'static str, &'static str, &'static str)) -> Self {
        Self { tone: Some(tone), glyph: Some(glyph), ..Self::text(word) }
    }
}
