//! When it is slow: a value for each hour and weekday, or each day; stronger colour and larger size mean more.

use serde::{Deserialize, Serialize};

use super::axes;
use super::element::{Form, Mark};
use super::error::{ChartError, at_most, finite};
use super::frame::{Canvas, Frame, MARGIN, Plan, Type, count};
use super::ink::Ink;
use super::quantity::Unit;
use super::text::{Face, brief, clean};
use super::thin::quantile;

/// Most rows.
pub const ROWS_MAX: usize = 60;
/// Most columns.
pub const COLUMNS_MAX: usize = 370;
/// Up to so many cells each has a tooltip of its own.
const TIPS_MAX: usize = 800;
const HEAD: f64 = 24.0;
const FOOT: f64 = 20.0;

/// Spec of a heatmap.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Heatmap {
    /// Id, message, width.
    #[serde(flatten)]
    pub frame: Frame,
    /// Whose values.
    pub subject: String,
    /// What is measured: `median duration`.
    pub quantity: String,
    /// Unit of every value.
    #[serde(default)]
    pub unit: Unit,
    /// Names of the rows, top to bottom: `Mon`.
    pub rows: Vec<String>,
    /// Names of the columns: `00`.
    pub columns: Vec<String>,
    /// A list for each row, a cell for each column; null where nothing ran.
    pub cells: Vec<Vec<Option<Cell>>>,
}

/// One cell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Value.
    pub value: f64,
    /// Runs behind it.
    pub runs: u32,
}

impl Heatmap {
    /// Checks the spec and says what the chart says.
    pub(super) fn plan(&self) -> Result<Plan, ChartError> {
        at_most("heatmap rows", self.rows.len(), ROWS_MAX)?;
        at_most("heatmap columns", self.columns.len(), COLUMNS_MAX)?;
        at_most("rows of heatmap cells", self.cells.len(), self.rows.len())?;
        if self.rows.is_empty() || self.columns.is_empty() {
            return Err(ChartError::Empty("heatmap"));
        }
        for row in &self.cells {
            at_most("cells of a heatmap row", row.len(), self.columns.len())?;
            row.iter().flatten().try_for_each(|cell| finite("heatmap cell", cell.value))?;
        }
        let title = self.frame.title.as_deref().map_or_else(|| self.message(), clean);
        let note = "stronger and larger is more; a dot where nothing ran; times in UTC";
        let subtitle = self.frame.subtitle.as_deref().map_or_else(|| note.to_owned(), clean);
        let description = self.frame.description.as_deref().map_or_else(|| self.description(), clean);
        let height = HEAD + self.side().1 * count(self.rows.len()) + FOOT;
        Ok(Plan { title, subtitle, description, height, header: true })
    }

    fn known(&self) -> impl Iterator<Item = (usize, usize, Cell)> {
        let row = |(r, row): (usize, &Vec<Option<Cell>>)| {
            row.iter().enumerate().filter_map(|(c, cell)| cell.map(|cell| (r, c, cell))).collect::<Vec<_>>()
        };
        self.cells.iter().enumerate().flat_map(row)
    }

    fn sorted(&self) -> Vec<f64> {
        let mut values: Vec<f64> = self.known().map(|(.., cell)| cell.value).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    /// The cell with the largest value, and its place.
    fn largest(&self) -> Option<(usize, usize, Cell)> {
        self.known().max_by(|a, b| a.2.value.total_cmp(&b.2.value))
    }

    fn message(&self) -> String {
        let what = format!("{} {}", brief(&self.subject), clean(&self.quantity));
        let Some((row, column, cell)) = self.largest() else {
            return format!("{what}: no runs yet");
        };
        let (most, usual) = (self.unit.text(cell.value), self.unit.text(quantile(&self.sorted(), 0.5)));
        format!("{what}: {} on {}, {most}; half the cells lie below {usual}", self.extreme(), self.place(row, column))
    }

    /// What the highest cell is, in words.
    fn extreme(&self) -> &'static str {
        if self.unit == Unit::Seconds { "longest" } else { "most" }
    }

    fn place(&self, row: usize, column: usize) -> String {
        let name = |names: &[String], at: usize| names.get(at).map(|name| clean(name)).unwrap_or_default();
        format!("{} {}", name(&self.rows, row), name(&self.columns, column))
    }

    fn description(&self) -> String {
        let words = |(row, name): (usize, &String)| {
            let cells = self.known().filter(|(r, ..)| *r == row).map(|(.., cell)| cell.value);
            let (low, high) = cells.fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
            let range = if low > high {
                "no runs".to_owned()
            } else {
                format!("{} to {}", self.unit.text(low), self.unit.text(high))
            };
            format!("{}: {range}", clean(name))
        };
        self.rows.iter().enumerate().map(words).collect::<Vec<_>>().join("; ")
    }

    fn gutter(&self) -> f64 {
        let names = self.rows.iter().map(|name| Face::LABEL.width(&clean(name))).fold(0.0, f64::max);
        (names + MARGIN + 6.0).min(f64::from(self.frame.width) * 0.3)
    }

    /// Width and height of a cell.
    fn side(&self) -> (f64, f64) {
        let wide = (f64::from(self.frame.width) - self.gutter() - MARGIN) / count(self.columns.len());
        (wide.min(64.0), wide.clamp(16.0, 26.0))
    }

    /// Draws the chart.
    pub(super) fn draw(&self, canvas: &Canvas<'_>) -> Result<(), ChartError> {
        let sorted = self.sorted();
        // The scale ends at the 98th percentile: one odd cell must not make all others pale.
        let (low, high) = (quantile(&sorted, 0.0), quantile(&sorted, 0.98));
        self.draw_scale(canvas, low, high)?;
        let ((wide, tall), left, top) = (self.side(), self.gutter(), canvas.top + HEAD);
        for (row, name) in self.rows.iter().enumerate() {
            let y = top + tall * (count(row) + 0.5);
            let name = Face::LABEL.fit_middle(&clean(name), left - MARGIN - 6.0);
            canvas.text((left - 6.0, y), &name, Type::new(Face::LABEL, Ink::Muted).right().middle())?;
            let empty = |column: &usize| self.cells.get(row).and_then(|cells| *cells.get(*column)?).is_none();
            let nothing = (0..self.columns.len()).filter(empty).map(|column| (left + wide * (count(column) + 0.5), y));
            canvas.mark(Mark::new(Form::Dots(1.6), Ink::Axis, nothing))?;
        }
        let dense = self.known().count() > TIPS_MAX;
        let mut plain: Vec<(Ink, Vec<(f64, f64)>)> = Ink::HEAT.into_iter().map(|ink| (ink, Vec::new())).collect();
        for (row, column, cell) in self.known() {
            let share = if high > low { ((cell.value - low) / (high - low)).clamp(0.0, 1.0) } else { 0.5 };
            let at = (left + wide * (count(column) + 0.5), top + tall * (count(row) + 0.5));
            let (w, h) = ((wide - 1.5).max(0.8) / 2.0 * size(share), (tall - 1.5) / 2.0 * size(share));
            let corners = [(at.0 - w, at.1 - h), (at.0 + w, at.1 + h)];
            let runs = if cell.runs == 1 { "run" } else { "runs" };
            let tip = format!("{} · {} · {} {runs}", self.place(row, column), self.unit.text(cell.value), cell.runs);
            match plain.iter_mut().find(|(ink, _)| dense && *ink == heat(share)) {
                Some((_, bars)) => bars.extend(corners),
                None => canvas.mark(Mark::new(Form::Bar, heat(share), corners).tip(tip))?,
            }
        }
        plain.into_iter().try_for_each(|(ink, bars)| canvas.mark(Mark::new(Form::Bars, ink, bars)))?;
        self.draw_columns(canvas, (left, top + tall * count(self.rows.len())), wide)?;
        let Some((row, column, _)) = self.largest() else { return Ok(()) };
        let (x, y) = (left + wide * count(column), top + tall * count(row));
        let corners = [(x, y), (x + wide, y), (x + wide, y + tall), (x, y + tall), (x, y)];
        canvas.mark(Mark::new(Form::Line, Ink::Worse, corners).stroke(1.6))
    }

    fn draw_columns(&self, canvas: &Canvas<'_>, (left, y): (f64, f64), wide: f64) -> Result<(), ChartError> {
        let mut free_from = f64::NEG_INFINITY;
        for (column, name) in self.columns.iter().enumerate() {
            let name = Face::LABEL.fit_middle(&clean(name), wide.max(60.0));
            let (half, x) = (Face::LABEL.width(&name) / 2.0, left + wide * (count(column) + 0.5));
            let x = x.min(canvas.width - half);
            if x - half > free_from.max(0.0) {
                canvas.text((x, y + 4.0), &name, Type::new(Face::LABEL, Ink::Muted).centre())?;
                free_from = x + half + 5.0;
            }
        }
        Ok(())
    }

    /// The steps of the scale with both ends in words.
    fn draw_scale(&self, canvas: &Canvas<'_>, low: f64, high: f64) -> Result<(), ChartError> {
        if !low.is_finite() {
            return Ok(());
        }
        let kind = Type::new(Face::LABEL, Ink::Muted).middle();
        let y = canvas.top + 9.0;
        let first = self.unit.text(low);
        canvas.text((MARGIN, y), &first, kind)?;
        let mut x = MARGIN + Face::LABEL.width(&first) + 12.0;
        for (number, ink) in Ink::HEAT.into_iter().enumerate() {
            let half = 6.0 * size(count(number) / 6.0);
            canvas.mark(Mark::new(Form::Bar, ink, [(x - half, y - half), (x + half, y + half)]))?;
            x += 14.0;
        }
        // Cells beyond the scale's end look like its end.
        let is_beyond = self.largest().is_some_and(|(_, _, cell)| cell.value > high);
        let last = format!("{}{}", if is_beyond { "from " } else { "" }, self.unit.text(high));
        canvas.text((x - 2.0, y), &last, kind)?;
        x += Face::LABEL.width(&last) + 16.0;
        if x < canvas.width - 60.0 {
            let edge = axes::swatch(Ink::Paper, (x, y)).outline(Ink::Worse, 1.6);
            canvas.mark(edge)?;
            canvas.text((x + 10.0, y), self.extreme(), kind)?;
        }
        Ok(())
    }
}

/// Half to all of a cell's side.
fn size(share: f64) -> f64 {
    0.5 + 0.5 * share
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of 0 to 1, times six")]
fn heat(share: f64) -> Ink {
    // The palest step is the empty one's neighbour: begin one darker.
    Ink::HEAT[((share * 5.0).round() as usize + 1).min(6)]
}
