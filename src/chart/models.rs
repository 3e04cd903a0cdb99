//! Cost and tokens by model over time, stacked; what is unknown is marked, never drawn as nothing.

use serde::{Deserialize, Serialize};

use crate::model::clock::UnixNanos;

use super::axes::{self, seconds};
use super::calendar;
use super::element::{Form, Mark};
use super::error::{ChartError, at_most, not_negative};
use super::frame::{Canvas, Frame, Home, MARGIN, Place, Plan, Plot, Type, count};
use super::ink::Ink;
use super::quantity::Unit;
use super::text::{Face, brief, clean};

/// Most periods.
pub const PERIODS_MAX: usize = 1_200;
/// Most models; all but seven are drawn as one.
pub const MODELS_MAX: usize = 200;
/// Up to so many bars each has a tooltip of its own.
const TIPS_MAX: usize = 400;
const PANEL: f64 = 132.0;
const CAPTION: f64 = 24.0;
const WIDE: f64 = 520.0;
/// Pixels for a share such as `100 %`, also in a wide font.
const SHARE_COLUMN: f64 = 40.0;
const KEY_ROW: f64 = 16.0;

/// Spec of stacked usage by model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelUsage {
    /// Id, message, width.
    #[serde(flatten)]
    pub frame: Frame,
    /// Pipeline.
    pub subject: String,
    /// Starts of the periods, oldest first.
    pub periods: Vec<Period>,
    /// What one period is: `day`, `week`.
    pub period: String,
    /// Models, in any order.
    pub models: Vec<String>,
    /// One to three quantities, one below the other: cost, input tokens, output tokens.
    pub panels: Vec<UsagePanel>,
}

/// The start of a period.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Period {
    /// Unix nanoseconds, or RFC 3339 in JSON.
    #[serde(deserialize_with = "super::timeline::time")]
    pub from: UnixNanos,
}

/// One quantity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UsagePanel {
    /// What is measured: `cost`.
    pub quantity: String,
    /// Unit of every value.
    pub unit: Unit,
    /// A row for each model, a value for each period; null where it is unknown, 0 where there was none.
    pub values: Vec<Vec<Option<f64>>>,
}

/// A model as it is drawn.
struct Layer {
    name: String,
    ink: Ink,
    /// Rows of `values` that it sums.
    rows: Vec<usize>,
}

impl UsagePanel {
    fn sum(&self, rows: &[usize], period: usize) -> f64 {
        rows.iter().filter_map(|row| *self.values.get(*row)?.get(period)?).fold(0.0, |sum, value| sum + value)
    }

    fn total(&self, rows: &[usize]) -> f64 {
        // From zero: the sum of nothing would be -0.
        rows.iter().filter_map(|row| self.values.get(*row)).flatten().flatten().fold(0.0, |sum, value| sum + value)
    }

    fn is_unknown(&self, period: usize) -> bool {
        self.values.iter().any(|row| row.get(period).is_some_and(Option::is_none))
    }
}

impl ModelUsage {
    /// Checks the spec and says what the chart says.
    pub(super) fn plan(&self) -> Result<Plan, ChartError> {
        at_most("periods", self.periods.len(), PERIODS_MAX)?;
        at_most("models", self.models.len(), MODELS_MAX)?;
        at_most("usage panels", self.panels.len(), 3)?;
        if self.periods.is_empty() || self.models.is_empty() || self.panels.is_empty() {
            return Err(ChartError::Empty("model usage"));
        }
        for panel in &self.panels {
            at_most("rows of a usage panel", panel.values.len(), self.models.len())?;
            for row in &panel.values {
                at_most("values of a model", row.len(), self.periods.len())?;
                row.iter().flatten().try_for_each(|value| not_negative("usage", *value))?;
            }
        }
        let title = self.frame.title.as_deref().map_or_else(|| self.message(), clean);
        let (from, to) = self.times();
        let note = format!("per {} · {}", clean(&self.period), calendar::span(from, to));
        let subtitle = self.frame.subtitle.as_deref().map_or(note, clean);
        let description = self.frame.description.as_deref().map_or_else(|| self.description(), clean);
        let panels = count(self.panels.len()) * (self.panel() + CAPTION);
        Ok(Plan { title, subtitle, description, height: panels + axes::TIME_AXIS_HEIGHT + 2.0, header: true })
    }

    fn is_wide(&self) -> bool {
        f64::from(self.frame.width) >= WIDE
    }

    /// Pixels of one panel: in a narrow chart the names stand above the plot.
    fn panel(&self) -> f64 {
        if self.is_wide() { PANEL } else { PANEL + KEY_ROW * count(self.layers().len()) }
    }

    fn times(&self) -> (UnixNanos, UnixNanos) {
        let times = || self.periods.iter().map(|period| period.from);
        (times().min().unwrap_or_default(), times().max().unwrap_or_default())
    }

    /// Largest in the first panel first; what exceeds seven is `other`.
    fn layers(&self) -> Vec<Layer> {
        let total = |row: usize| self.panels.iter().map(|panel| panel.total(&[row])).collect::<Vec<f64>>();
        let mut order: Vec<(Vec<f64>, usize)> = (0..self.models.len()).map(|row| (total(row), row)).collect();
        order.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap_or(std::cmp::Ordering::Equal).then(a.1.cmp(&b.1)));
        let [.., other] = Ink::CATEGORY;
        let named = if order.len() > Ink::CATEGORY.len() { Ink::CATEGORY.len() - 1 } else { order.len() };
        let rest: Vec<usize> = order.split_off(named).into_iter().map(|(_, row)| row).collect();
        let layer =
            |((_, row), ink): ((Vec<f64>, usize), Ink)| Layer { name: clean(&self.models[row]), ink, rows: vec![row] };
        let mut layers: Vec<Layer> = order.into_iter().zip(Ink::CATEGORY).map(layer).collect();
        if !rest.is_empty() {
            layers.push(Layer { name: format!("{} other models", rest.len()), ink: other, rows: rest });
        }
        layers
    }

    fn message(&self) -> String {
        let panel = &self.panels[0];
        let all = panel.total(&(0..self.models.len()).collect::<Vec<_>>());
        let layers = self.layers();
        let total = panel.unit.text(all);
        let unknown = (0..self.periods.len()).filter(|period| panel.is_unknown(*period)).count();
        let known = if unknown > 0 { " known" } else { "" };
        let share = panel.total(&layers[0].rows) / all;
        let which = if all > 0.0 {
            format!(", {:.0} % of it {}", share * 100.0, brief(&layers[0].name))
        } else {
            String::new()
        };
        format!("{}: {total}{known} {}{which}", brief(&self.subject), clean(&panel.quantity))
    }

    fn description(&self) -> String {
        let layers = self.layers();
        let said = |panel: &UsagePanel| {
            let each = layers
                .iter()
                .map(|layer| format!("{} {}", brief(&layer.name), panel.unit.text(panel.total(&layer.rows))));
            format!("{}: {}", clean(&panel.quantity), each.collect::<Vec<_>>().join(", "))
        };
        self.panels.iter().map(said).collect::<Vec<_>>().join(". ")
    }

    /// Draws the chart.
    pub(super) fn draw(&self, canvas: &Canvas<'_>) -> Result<(), ChartError> {
        let layers = self.layers();
        let names = layers.iter().map(|layer| Face::LABEL.width(&layer.name)).fold(60.0, f64::max);
        let names = names * axes::WIDE_FONT + SHARE_COLUMN + 34.0;
        let right = if self.is_wide() {
            canvas.width - names.max(128.0).min(canvas.width * 0.3) - 14.0
        } else {
            canvas.width - 6.0
        };
        let tops: Vec<f64> = self.panels.iter().map(|panel| self.top(panel)).collect();
        let gutters = self.panels.iter().zip(&tops).map(|(panel, top)| axes::gutter(&panel.unit.ticks(0.0, *top, 3)));
        let left = gutters.fold(0.0, f64::max);
        let mut y = canvas.top;
        for (number, (panel, top)) in self.panels.iter().zip(&tops).enumerate() {
            canvas.text((MARGIN, y + 6.0), &clean(&panel.quantity), Type::new(Face::STRONG, Ink::Text))?;
            let above = self.panel() - PANEL;
            let place = Place { left, top: y + CAPTION + above, right, bottom: y + CAPTION + above + PANEL - 8.0 };
            let (from, to) = self.times();
            let slot = self.slot();
            let plot = canvas.plot(place, -slot / 2.0..seconds(from, to) + slot / 2.0, 0.0..*top);
            axes::draw_values(canvas, &plot, &panel.unit.ticks(0.0, *top, 3))?;
            self.draw_bars(canvas, &plot, panel, &layers)?;
            self.draw_names(canvas, &plot, panel, &layers)?;
            if number + 1 == self.panels.len() {
                axes::draw_times(canvas, &plot, from, to)?;
            } else {
                canvas.line((left, place.bottom), (right, place.bottom), Ink::Axis, 1.0)?;
            }
            y += self.panel() + CAPTION;
        }
        Ok(())
    }

    /// Seconds between neighbouring periods: the shortest distance.
    fn slot(&self) -> f64 {
        let mut times: Vec<UnixNanos> = self.periods.iter().map(|period| period.from).collect();
        times.sort_unstable();
        let gaps = times.windows(2).map(|pair| seconds(pair[0], pair[1])).filter(|gap| *gap > 0.0);
        let gap = gaps.fold(f64::INFINITY, f64::min);
        if gap.is_finite() { gap } else { 86_400.0 }
    }

    fn top(&self, panel: &UsagePanel) -> f64 {
        let rows: Vec<usize> = (0..self.models.len()).collect();
        let most = (0..self.periods.len()).map(|period| panel.sum(&rows, period)).fold(0.0, f64::max);
        if most > 0.0 { most * 1.12 } else { 1.0 }
    }

    fn draw_bars(
        &self,
        canvas: &Canvas<'_>,
        plot: &Plot<'_>,
        panel: &UsagePanel,
        layers: &[Layer],
    ) -> Result<(), ChartError> {
        let (first, slot) = (self.times().0, self.slot());
        let dense = canvas.home == Home::Phone || self.periods.len() * layers.len() > TIPS_MAX;
        let mut bars: Vec<Vec<(f64, f64)>> = vec![Vec::new(); layers.len()];
        let mut unknown: Vec<(f64, f64)> = Vec::new();
        for (number, period) in self.periods.iter().enumerate() {
            let middle = seconds(first, period.from);
            let (a, b) = (plot.pixel((middle - slot * 0.42, 0.0)).0, plot.pixel((middle + slot * 0.42, 0.0)).0);
            let mut sum = 0.0;
            for (layer, bars) in layers.iter().zip(&mut bars) {
                let value = panel.sum(&layer.rows, number);
                let (low, high) = (plot.pixel((0.0, sum)).1, plot.pixel((0.0, sum + value)).1);
                sum += value;
                // A hairline of paper keeps neighbours apart without colour.
                let high = if low - high > 2.0 && b - a > 5.0 { high + 0.8 } else { high };
                let corners = [(a, low), (b.max(a + 0.6), high)];
                if value > 0.0 && dense {
                    bars.extend(corners);
                } else if value > 0.0 {
                    let (name, day) = (brief(&layer.name), calendar::day(period.from));
                    let tip = format!("{name} · {} · {day}", panel.unit.text(value));
                    canvas.mark(Mark::new(Form::Bar, layer.ink, corners).tip(tip))?;
                }
            }
            if panel.is_unknown(number) {
                unknown.push((f64::midpoint(a, b), plot.pixel((0.0, sum)).1 - 2.0));
            }
        }
        for (layer, bars) in layers.iter().zip(bars) {
            canvas.mark(Mark::new(Form::Bars, layer.ink, bars))?;
        }
        if unknown.len() > 100 {
            let ticks = unknown.into_iter().flat_map(|(x, y)| [(x, y - 4.0), (x, y)]);
            return canvas.mark(Mark::new(Form::Strokes, Ink::Outlier, ticks).stroke(1.2));
        }
        let kind = Type::new(Face::STRONG, Ink::Outlier).centre().above();
        unknown.into_iter().try_for_each(|at| canvas.text(at, "?", kind))
    }

    /// Names beside the stack in its order, topmost last drawn first; in a narrow chart above it.
    fn draw_names(
        &self,
        canvas: &Canvas<'_>,
        plot: &Plot<'_>,
        panel: &UsagePanel,
        layers: &[Layer],
    ) -> Result<(), ChartError> {
        let Place { right, top, .. } = plot.place;
        let all: f64 = layers.iter().map(|layer| panel.total(&layer.rows)).sum();
        let (x, mut y) =
            if self.is_wide() { (right + 12.0, top) } else { (MARGIN, top - KEY_ROW * count(layers.len()) - 4.0) };
        let unknown = (0..self.periods.len()).any(|period| panel.is_unknown(period));
        for layer in layers.iter().rev() {
            let total = panel.total(&layer.rows);
            let share = if all > 0.0 { format!("{:.0} %", total / all * 100.0) } else { String::new() };
            canvas.mark(axes::swatch(layer.ink, (x + 5.0, y + 7.0)))?;
            // The share stands first, in a column: behind a name, a font that is wider than the measured one would lay
            // the two over each other.
            canvas.text((x + 16.0, y + 7.0), &share, Type::new(Face::STRONG, Ink::Muted).middle())?;
            let begin = x + 16.0 + SHARE_COLUMN;
            let name = Face::LABEL.fit_middle(&layer.name, (canvas.width - begin) / axes::WIDE_FONT);
            canvas.text((begin, y + 7.0), &name, Type::new(Face::LABEL, Ink::Text).middle())?;
            y += KEY_ROW - if layers.len() > 7 { 1.5 } else { 0.0 };
        }
        if unknown {
            let text = format!("? some {} unknown", clean(&panel.quantity));
            let at = if self.is_wide() {
                (x, plot.place.bottom - 7.0)
            } else {
                (x + 120.0, top - KEY_ROW * count(layers.len()) - 18.0 + 7.0)
            };
            let text = Face::LABEL.fit(&text, canvas.width - at.0 - MARGIN);
            canvas.text(at, &text, Type::new(Face::LABEL, Ink::Outlier).middle())?;
        }
        Ok(())
    }
}
