//! A table before it has a face: HTML, Markdown and terminal write the same cells.

use serde::Serialize;

use crate::model::Metric;
use crate::model::unit::{format_change_percent, format_metric, format_share};

use super::clean;
use super::estimate::Estimate;
use super::format::{UNKNOWN, when};
use super::words::change_of;

/// Most rows of a table on a page; `report.json` has the rest.
pub(super) const ROWS_MAX: usize = 200;
/// Most rows of the table behind a chart: a page holds many of them.
const DATA_ROWS_MAX: usize = 40;

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
    pub(super) fn fill<T>(self, items: &[T], row: impl Fn(&T) -> Vec<Cell>) -> Self {
        self.fill_from(items.iter(), ROWS_MAX, row)
    }

    fn fill_from<'a, T: 'a>(
        mut self,
        items: impl ExactSizeIterator<Item = &'a T>,
        most: usize,
        row: impl Fn(&T) -> Vec<Cell>,
    ) -> Self {
        let count = items.len();
        self.rows = items.take(most).map(row).collect();
        if count > most {
            self.note = Some(format!("{most} of {count} rows; all are in report.json"));
        }
        self
    }

    /// Without the columns in which nothing is known: they would only make it wider.
    pub(super) fn without_unknown(mut self) -> Self {
        let says = |place: usize| self.rows.iter().any(|row| row.get(place).is_some_and(|cell| cell.text != UNKNOWN));
        let keep: Vec<bool> = (0..self.heads.len()).map(|place| place == 0 || says(place)).collect();
        let kept = |place: &mut usize| {
            *place += 1;
            keep.get(*place - 1).copied().unwrap_or(false)
        };
        let mut place = 0;
        self.heads.retain(|_| kept(&mut place));
        for row in &mut self.rows {
            let mut place = 0;
            row.retain(|_| kept(&mut place));
        }
        self
    }

    /// The table behind a chart: the newest of items that come oldest first.
    pub(super) fn fill_newest<T>(self, items: &[T], row: impl Fn(&T) -> Vec<Cell>) -> Self {
        self.fill_from(items.iter().rev(), DATA_ROWS_MAX, row)
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

    /// A change from `a` to `b` with its interval; alone where too few values have none.
    pub(super) fn change_between(metric: Metric, a: Option<f64>, b: Option<f64>, change: Option<Estimate>) -> Self {
        let Some(levels) = a.zip(b) else { return Self::text(UNKNOWN) };
        let Some(e) = change else {
            let percent = (levels.0 != 0.0).then(|| (levels.1 - levels.0) / levels.0.abs() * 100.0);
            return Self::number(percent, |percent| change_of(metric, levels, percent));
        };
        let [value, low, high] = [e.value, e.low, e.high].map(|percent| change_of(metric, levels, percent));
        Self::number(Some(e.value), |_| format!("{value} ({low} to {high})"))
    }

    /// A share with its interval.
    pub(super) fn share_between(share: Option<Estimate>) -> Self {
        let Some(e) = share else { return Self::text(UNKNOWN) };
        let [low, high] = [e.low, e.high].map(format_share);
        Self::number(Some(e.value), |value| format!("{} ({low} to {high})", format_share(value)))
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
