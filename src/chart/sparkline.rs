//! A trend the size of a word, and a grid of them.

use serde::{Deserialize, Serialize};

use crate::model::metric::{Better, Metric};
use crate::model::unit::format_change_percent;

use super::element::{Form, Mark};
use super::error::{ChartError, at_most, finite};
use super::frame::{Canvas, Frame, MARGIN, Place, Plan, Plot, Type, count};
use super::ink::Ink;
use super::quantity::Unit;
use super::text::{Face, brief, clean};
use super::thin::columns;

/// Most values of one trend.
pub const VALUES_MAX: usize = 100_000;
/// Most cells of a grid.
pub const CELLS_MAX: usize = 400;
const CELL_HEIGHT: f64 = 62.0;
const CELL_WIDTH_MIN: f64 = 168.0;
const CELL_GAP: f64 = 24.0;

/// Values run by run, and what is known of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    /// Whose values.
    pub subject: String,
    /// Oldest first; null where a run failed or has none.
    pub values: Vec<Option<f64>>,
    /// Lower and upper edge of the expected range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<(f64, f64)>,
    /// Index of the first value at the newest level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<usize>,
    /// How far the level moved there, in percent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_percent: Option<f64>,
    /// Unit of the values, where it is not that of the whole grid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
}

/// Spec of a sparkline: no axes, no words; its title is read aloud and shown on hover.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sparkline {
    /// Id, message, width.
    #[serde(flatten)]
    pub frame: Frame,
    /// The values.
    #[serde(flatten)]
    pub trend: Trend,
    /// Unit of every value.
    #[serde(default)]
    pub unit: Unit,
    /// Which way is better.
    #[serde(default = "lower")]
    pub better: Better,
    /// Pixels, 10 to 400.
    #[serde(default = "default_height")]
    pub height: u32,
}

/// Spec of a grid of sparklines on one page: each with its name, its newest value and its change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SparklineGrid {
    /// Id, message, width.
    #[serde(flatten)]
    pub frame: Frame,
    /// What is measured: `duration`.
    pub quantity: String,
    /// Unit of every value.
    #[serde(default)]
    pub unit: Unit,
    /// Which way is better.
    #[serde(default = "lower")]
    pub better: Better,
    /// The cells, in reading order. Each has a scale of its own.
    pub cells: Vec<Trend>,
}

fn lower() -> Better {
    Better::Lower
}

fn default_height() -> u32 {
    28
}

impl Trend {
    fn validate(&self) -> Result<(), ChartError> {
        at_most("sparkline values", self.values.len(), VALUES_MAX)?;
        let band = self.band.into_iter().flat_map(|(low, high)| [low, high]);
        self.values.iter().flatten().copied().chain(band).try_for_each(|value| finite("sparkline value", value))
    }

    fn newest(&self) -> Option<f64> {
        self.values.iter().rev().find_map(|value| *value)
    }

    /// What the line says, in words.
    fn words(&self, unit: Unit) -> String {
        let known = || self.values.iter().flatten().copied();
        let (Some(newest), missing) = (self.newest(), self.values.iter().filter(|v| v.is_none()).count()) else {
            return format!("{}: no values yet", brief(&self.subject));
        };
        let (low, high) = (known().fold(f64::INFINITY, f64::min), known().fold(f64::NEG_INFINITY, f64::max));
        let change = self.change_percent.map(|by| format!(", {}", format_change_percent(by))).unwrap_or_default();
        let missing = if missing == 0 { String::new() } else { format!(", {missing} without a value") };
        format!(
            "{}: {} now{change}; {} to {} over {} runs{missing}",
            brief(&self.subject),
            unit.text(newest),
            unit.text(low),
            unit.text(high),
            self.values.len()
        )
    }

    fn ink(&self, better: Better) -> Ink {
        match self.change_percent {
            Some(by) if by != 0.0 => {
                if (by > 0.0) == (better == Better::Lower) {
                    Ink::Worse
                } else {
                    Ink::Better
                }
            }
            _ => Ink::Series,
        }
    }

    fn draw(&self, canvas: &Canvas<'_>, place: Place, better: Better) -> Result<(), ChartError> {
        let known = || self.values.iter().enumerate().filter_map(|(at, value)| value.map(|value| (count(at), value)));
        let all = known().map(|(_, value)| value).chain(self.band.into_iter().flat_map(|(a, b)| [a, b]));
        let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        if low > high {
            let y = f64::midpoint(place.top, place.bottom);
            return canvas.mark(Mark::new(Form::Line, Ink::Axis, [(place.left, y), (place.right, y)]).dash("2 3"));
        }
        let air = if high > low { 0.0 } else { low.abs().max(1.0) * 0.1 };
        let end = count(self.values.len().saturating_sub(1)).max(1.0);
        let plot = canvas.plot(place, 0.0..end, low - air..high + air);
        if let Some((a, b)) = self.band {
            plot.mark(&Mark::new(Form::Bar, Ink::Band, [(0.0, a.min(b)), (end, a.max(b))]))?;
        }
        self.draw_lines(&plot, end)?;
        if let (Some(at), Some(_)) = (self.change.map(count), self.change_percent) {
            let x = plot.pixel((at, low)).0;
            let line = Mark::new(Form::Line, self.ink(better), [(x, place.top), (x, place.bottom)]);
            canvas.mark(line.dash("1 2"))?;
        }
        let missing = self.values.iter().enumerate().filter(|(_, value)| value.is_none());
        let feet: Vec<(f64, f64)> = missing.map(|(at, _)| (plot.pixel((count(at), low)).0, place.bottom)).collect();
        if feet.len() <= 60 {
            let ticks = feet.into_iter().flat_map(|(x, y)| [(x, y - 4.0), (x, y)]);
            canvas.mark(Mark::new(Form::Strokes, Ink::Failed, ticks).stroke(1.5))?;
        }
        let newest = known().next_back().unwrap_or((0.0, low));
        plot.mark(&Mark::new(Form::Disc(2.4), self.ink(better), [newest]))
    }

    /// A line that breaks where values are missing, thinned to two points a pixel.
    fn draw_lines(&self, plot: &Plot<'_>, end: f64) -> Result<(), ChartError> {
        let width = plot.place.right - plot.place.left;
        let known = || self.values.iter().enumerate().filter_map(|(at, value)| value.map(|value| (count(at), value)));
        if count(self.values.len()) > 2.0 * width {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 4000 pixels")]
            let thin = columns(known(), 0.0, end, width as usize);
            let line = thin.iter().flat_map(|column| [(column.x, column.low), (column.x, column.high)]);
            return plot.mark(&Mark::new(Form::Line, Ink::Series, line));
        }
        for stretch in self.values.iter().enumerate().collect::<Vec<_>>().split(|(_, value)| value.is_none()) {
            let line: Vec<(f64, f64)> = stretch.iter().filter_map(|(at, v)| v.map(|v| (count(*at), v))).collect();
            match line.as_slice() {
                [] => {}
                [only] => plot.mark(&Mark::new(Form::Dots(1.6), Ink::Series, [*only]))?,
                _ => plot.mark(&Mark::new(Form::Line, Ink::Series, line).stroke(1.3))?,
            }
        }
        Ok(())
    }
}

impl Sparkline {
    /// A sparkline of a metric, 28 pixels high.
    #[must_use]
    pub fn new(frame: Frame, trend: Trend, metric: Metric) -> Self {
        Self { frame, trend, unit: metric.into(), better: metric.better(), height: default_height() }
    }

    /// Checks the spec and says what the chart says.
    pub(super) fn plan(&self) -> Result<Plan, ChartError> {
        self.trend.validate()?;
        if !(10..=400).contains(&self.height) {
            let value = self.height.to_string();
            return Err(ChartError::Number { what: "sparkline height", value, expected: "10 to 400 pixels" });
        }
        let words = self.trend.words(self.unit);
        let title = self.frame.title.as_deref().map_or_else(|| words.clone(), clean);
        let description = self.frame.description.as_deref().map_or(words, clean);
        Ok(Plan { title, subtitle: String::new(), description, height: f64::from(self.height), header: false })
    }

    /// Draws the chart.
    pub(super) fn draw(&self, canvas: &Canvas<'_>) -> Result<(), ChartError> {
        let place = Place { left: 2.0, top: 3.0, right: canvas.width - 4.0, bottom: canvas.height - 3.0 };
        self.trend.draw(canvas, place, self.better)
    }
}

impl SparklineGrid {
    /// A grid of one metric.
    #[must_use]
    pub fn new(frame: Frame, metric: Metric, cells: Vec<Trend>) -> Self {
        Self { frame, quantity: metric.label().to_owned(), unit: metric.into(), better: metric.better(), cells }
    }

    /// Checks the spec and says what the chart says.
    pub(super) fn plan(&self) -> Result<Plan, ChartError> {
        at_most("sparkline grid cells", self.cells.len(), CELLS_MAX)?;
        if self.cells.is_empty() {
            return Err(ChartError::Empty("sparkline grid cells"));
        }
        self.cells.iter().try_for_each(Trend::validate)?;
        let worse = self.cells.iter().filter(|cell| cell.ink(self.better) == Ink::Worse).count();
        let (all, quantity) = (self.cells.len(), clean(&self.quantity));
        let message = match worse {
            0 => format!("{quantity}: none of {all} got worse"),
            worse => format!("{quantity}: {worse} of {all} got worse"),
        };
        let title = self.frame.title.as_deref().map_or(message, clean);
        let note = "newest value and its change; the band is the expected range; each cell has its own scale";
        let subtitle = self.frame.subtitle.as_deref().map_or_else(|| note.to_owned(), clean);
        let described =
            || self.cells.iter().take(12).map(|cell| cell.words(self.unit_of(cell))).collect::<Vec<_>>().join(". ");
        let description = self.frame.description.as_deref().map_or_else(described, clean);
        let (columns, _) = self.layout();
        let height = count(self.cells.len().div_ceil(columns)) * CELL_HEIGHT + 4.0;
        Ok(Plan { title, subtitle, description, height, header: true })
    }

    fn unit_of(&self, cell: &Trend) -> Unit {
        cell.unit.unwrap_or(self.unit)
    }

    /// Number of columns, and the width of one.
    fn layout(&self) -> (usize, f64) {
        let width = f64::from(self.frame.width) - 2.0 * MARGIN;
        let columns = (((width + CELL_GAP) / (CELL_WIDTH_MIN + CELL_GAP)).floor()).clamp(1.0, 8.0);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1..=8")]
        (columns as usize, (width - CELL_GAP * (columns - 1.0)) / columns)
    }

    /// Draws the chart.
    pub(super) fn draw(&self, canvas: &Canvas<'_>) -> Result<(), ChartError> {
        let (columns, width) = self.layout();
        for (place, cell) in self.cells.iter().enumerate() {
            let left = MARGIN + count(place % columns) * (width + CELL_GAP);
            let top = canvas.top + 4.0 + count(place / columns) * CELL_HEIGHT;
            self.draw_cell(canvas, cell, (left, top), width)?;
        }
        Ok(())
    }

    fn draw_cell(&self, canvas: &Canvas<'_>, cell: &Trend, at: (f64, f64), width: f64) -> Result<(), ChartError> {
        let ((left, top), ink) = (at, cell.ink(self.better));
        let right = left + width;
        let value = cell.newest().map_or_else(|| "no values".to_owned(), |value| self.unit_of(cell).text(value));
        let value = Face::STRONG.fit(&value, width * 0.45);
        let mut room = width - Face::STRONG.width(&value) - 8.0;
        canvas.text((right, top), &value, Type::new(Face::STRONG, Ink::Text).right())?;
        let line = Place { left, top: top + 19.0, right: right - 3.0, bottom: top + 45.0 };
        if let Some(by) = cell.change_percent {
            let arrow = if by > 0.0 { "▲ " } else { "▼ " };
            let text = format!("{arrow}{}", format_change_percent(by));
            let text = Face::STRONG.fit(&text, width * 0.35);
            room -= Face::STRONG.width(&text) + 8.0;
            let x = right - Face::STRONG.width(&value) - 8.0;
            canvas.text((x, top), &text, Type::new(Face::STRONG, ink).right())?;
        }
        let name = Face::LABEL.fit_middle(&clean(&cell.subject), room.max(30.0));
        canvas.text((left, top), &name, Type::new(Face::LABEL, Ink::Text))?;
        cell.draw(canvas, line, self.better)?;
        let ground = Mark::new(Form::Bar, Ink::Paper, [(left, top - 2.0), (right, top + 48.0)]);
        canvas.mark(ground.opacity(0.0).tip(cell.words(self.unit_of(cell))))
    }
}
