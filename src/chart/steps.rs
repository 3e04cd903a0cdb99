//! Steps before and after: which of them moved, and how much of the whole change each carries.

use serde::{Deserialize, Serialize};

use crate::model::metric::{Better, Metric};
use crate::model::unit::format_change_percent;

use super::axes::{self, Key};
use super::element::{Form, Mark};
use super::error::{ChartError, at_most, finite};
use super::frame::{Canvas, Frame, MARGIN, Place, Plan, Type, count};
use super::ink::Ink;
use super::quantity::Unit;
use super::text::{Face, brief, clean};

/// Most steps that are taken.
pub const STEPS_MAX: usize = 2_000;
/// Steps drawn one by one; the rest is summed.
const SHOWN: usize = 14;
const ROW: f64 = 34.0;
const ROW_NARROW: f64 = 46.0;
/// From this width on bars and waterfall stand side by side.
const WIDE: f64 = 560.0;
/// Pixels for the change and its share at the right.
const WORDS: f64 = 104.0;
const FOOT: f64 = 22.0;

/// Spec of a comparison of steps between two windows: bars before and after, and a differential waterfall.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepComparison {
    /// Id, message, width.
    #[serde(flatten)]
    pub frame: Frame,
    /// Whose steps.
    pub subject: String,
    /// What is measured: `duration`.
    pub quantity: String,
    /// Unit of every value.
    #[serde(default)]
    pub unit: Unit,
    /// Which way is better.
    #[serde(default = "lower")]
    pub better: Better,
    /// What the first window is: `before run 482`.
    #[serde(default = "before")]
    pub before_label: String,
    /// What the second window is.
    #[serde(default = "after")]
    pub after_label: String,
    /// The steps, in any order.
    pub steps: Vec<StepChange>,
    /// The run as a whole; where none, the sum of the steps that both windows have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<(f64, f64)>,
}

fn lower() -> Better {
    Better::Lower
}

fn before() -> String {
    "before".to_owned()
}

fn after() -> String {
    "after".to_owned()
}

/// One step in two windows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepChange {
    /// Name.
    pub step: String,
    /// Median before; none where the step did not exist.
    pub before: Option<f64>,
    /// Median after; none where the step is gone.
    pub after: Option<f64>,
}

impl StepChange {
    fn by(&self) -> f64 {
        self.after.unwrap_or(0.0) - self.before.unwrap_or(0.0)
    }
}

/// A row of the chart: a step, or what many small ones sum to.
struct Row {
    change: StepChange,
    /// Sum of the changes above.
    start: f64,
    /// Many small steps in one row: its bars would dwarf the others and are left out.
    rest: bool,
}

impl StepComparison {
    /// A comparison of one metric, its windows named `before` and `after`.
    #[must_use]
    pub fn new(frame: Frame, subject: impl Into<String>, metric: Metric, steps: Vec<StepChange>) -> Self {
        Self {
            frame,
            subject: subject.into(),
            quantity: metric.label().to_owned(),
            unit: metric.into(),
            better: metric.better(),
            before_label: before(),
            after_label: after(),
            steps,
            whole: None,
        }
    }

    /// Checks the spec and says what the chart says.
    pub(super) fn plan(&self) -> Result<Plan, ChartError> {
        at_most("steps", self.steps.len(), STEPS_MAX)?;
        if self.steps.is_empty() {
            return Err(ChartError::Empty("steps"));
        }
        let whole = self.whole.into_iter().flat_map(|(a, b)| [a, b]);
        let values = self.steps.iter().flat_map(|step| [step.before, step.after]).flatten();
        values.chain(whole).try_for_each(|value| super::error::not_negative("step value", value))?;
        finite("sum of steps", self.steps.iter().map(StepChange::by).sum())?;
        let title = self.frame.title.as_deref().map_or_else(|| self.message(), clean);
        let (a, b) = self.totals();
        let note = format!(
            "{}{} {} → {} ({}) · {} against {}",
            if self.whole.is_none() { "sum of the steps' " } else { "" },
            clean(&self.quantity),
            self.unit.text(a),
            self.unit.text(b),
            self.unit.signed(b - a),
            brief(&self.after_label),
            brief(&self.before_label),
        );
        let subtitle = self.frame.subtitle.as_deref().map_or_else(|| note, clean);
        let description = self.frame.description.as_deref().map_or_else(|| self.description(), clean);
        let row = if self.is_wide() { ROW } else { ROW_NARROW };
        let height = self.head() + (count(self.rows().len()) + f64::from(u8::from(self.is_wide()))) * row + FOOT;
        Ok(Plan { title, subtitle, description, height, header: true })
    }

    fn is_wide(&self) -> bool {
        f64::from(self.frame.width) >= WIDE
    }

    fn head(&self) -> f64 {
        let keys = self.keys();
        let texts: Vec<&str> = keys.iter().map(|key| key.text.as_str()).collect();
        let captions = if self.is_wide() { 18.0 } else { 0.0 };
        axes::legend_height(&texts, f64::from(self.frame.width)) + 4.0 + captions
    }

    fn keys(&self) -> Vec<Key> {
        let mut keys = vec![
            Key { mark: |at| axes::swatch(Ink::Quiet, at), text: clean(&self.before_label) },
            Key { mark: |at| axes::swatch(Ink::Series, at), text: clean(&self.after_label) },
        ];
        if self.is_wide() {
            let mark = |(x, y): (f64, f64)| Mark::new(Form::Up(4.5), Ink::Worse, [(x, y)]);
            keys.push(Key { mark, text: "worse by".to_owned() });
            let mark = |(x, y): (f64, f64)| Mark::new(Form::Down(4.5), Ink::Better, [(x, y)]);
            keys.push(Key { mark, text: "better by".to_owned() });
        }
        keys
    }

    /// The whole before and after.
    fn totals(&self) -> (f64, f64) {
        let sum = |pick: fn(&StepChange) -> Option<f64>| self.steps.iter().filter_map(pick).sum();
        self.whole.unwrap_or_else(|| (sum(|step| step.before), sum(|step| step.after)))
    }

    /// Change of the whole that steps can carry; zero where it is within 1 % of the whole.
    fn change(&self) -> f64 {
        let (a, b) = self.totals();
        if (b - a).abs() <= 0.01 * a.abs().max(b.abs()) { 0.0 } else { b - a }
    }

    fn share(&self, by: f64) -> Option<f64> {
        let change = self.change();
        (change != 0.0).then(|| by / change)
    }

    /// Largest change first, those against the direction of the whole last; small ones summed.
    fn rows(&self) -> Vec<Row> {
        let mut steps = self.steps.clone();
        steps.sort_by(|a, b| b.by().abs().total_cmp(&a.by().abs()).then_with(|| a.step.cmp(&b.step)));
        let rest_named = steps.len() > SHOWN + 1;
        if rest_named {
            let rest = steps.split_off(SHOWN);
            let sum = |pick: fn(&StepChange) -> Option<f64>| Some(rest.iter().filter_map(pick).sum());
            let step = format!("{} other steps", rest.len());
            steps.push(StepChange { step, before: sum(|step| step.before), after: sum(|step| step.after) });
        }
        let (mut start, shown) = (0.0, if rest_named { SHOWN } else { usize::MAX });
        let row = |(place, change): (usize, StepChange)| {
            let row = Row { start, change, rest: place >= shown };
            start += row.change.by();
            row
        };
        steps.into_iter().enumerate().map(row).collect()
    }

    fn message(&self) -> String {
        let (a, b) = self.totals();
        // Steps side by side add up to more than their run: a sum is not told as if it were the run.
        let subject = match self.whole {
            Some(_) => brief(&self.subject),
            None => format!("steps of {} together", brief(&self.subject)),
        };
        let largest = self.steps.iter().max_by(|x, y| x.by().abs().total_cmp(&y.by().abs()));
        let (Some(largest), true) = (largest, self.change() != 0.0) else {
            return format!("{subject} {}: no step moved the whole", clean(&self.quantity));
        };
        let change = format_change_percent((b - a) / a * 100.0);
        match self.share(largest.by()) {
            // Others gave some of it back: a share of more than all puzzles whoever reads it first.
            Some(share) if share >= 1.005 => format!("{subject} {change}: {} alone carries more", brief(&largest.step)),
            Some(share) if share >= 0.5 => {
                format!("{subject} {change}: {} carries {} of it", brief(&largest.step), percent(share))
            }
            _ => format!("{subject} {change}: spread over several steps"),
        }
    }

    fn description(&self) -> String {
        let words = |row: &Row| {
            let value = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |value| self.unit.text(value));
            format!("{}: {} to {}", brief(&row.change.step), value(row.change.before), value(row.change.after))
        };
        self.rows().iter().map(words).collect::<Vec<_>>().join("; ")
    }

    /// Draws the chart.
    pub(super) fn draw(&self, canvas: &Canvas<'_>) -> Result<(), ChartError> {
        axes::draw_legend(canvas, &self.keys(), canvas.top)?;
        if self.is_wide() { self.draw_wide(canvas) } else { self.draw_narrow(canvas) }
    }

    fn most(&self) -> f64 {
        let values = self
            .rows()
            .into_iter()
            .filter(|row| !row.rest)
            .flat_map(|row| [row.change.before, row.change.after])
            .flatten();
        values.fold(0.0, f64::max).max(1e-12)
    }

    fn draw_wide(&self, canvas: &Canvas<'_>) -> Result<(), ChartError> {
        let rows = self.rows();
        let widest = rows.iter().map(|row| Face::STRONG.width(&clean(&row.change.step))).fold(0.0, f64::max);
        let names = widest.max(96.0).min(canvas.width * 0.27);
        let room = canvas.width - 2.0 * MARGIN - names - WORDS - 40.0;
        let (top, bottom) = (canvas.top + self.head(), canvas.height - FOOT);
        let left = MARGIN + names + 14.0;
        let bars = Place { left, top, right: left + room * 0.46, bottom };
        let falls = Place { left: bars.right + 26.0, top, right: bars.right + 26.0 + room * 0.54, bottom };
        let bars = canvas.plot(bars, 0.0..self.most() * 1.02, 0.0..1.0);
        let sums = rows.iter().flat_map(|row| [row.start, row.start + row.change.by()]);
        let (low, high) = sums.fold((0.0f64, 0.0f64), |(low, high), sum| (low.min(sum), high.max(sum)));
        let air = ((high - low) * 0.02).max(1e-12);
        let falls = canvas.plot(falls, low - air..high + air, 0.0..1.0);
        axes::draw_values_below(canvas, &bars, &self.unit.ticks(0.0, self.most() * 1.02, 3))?;
        axes::draw_values_below(canvas, &falls, &self.unit.ticks(low - air, high + air, 3))?;
        for (plot, words) in [(&bars, "each step"), (&falls, "what each adds to the change")] {
            let words = Face::LABEL.fit(words, plot.place.right - plot.place.left);
            canvas.text((plot.place.left, top - 6.0), &words, Type::new(Face::LABEL, Ink::Muted).above())?;
        }
        let mut y = top;
        for (place, row) in rows.iter().enumerate() {
            self.name(canvas, row, (MARGIN, y + 4.0), names)?;
            self.draw_pair(canvas, row, y + 8.0, |value| bars.pixel((value, 0.0)).0)?;
            let (a, b) = (falls.pixel((row.start, 0.0)).0, falls.pixel((row.start + row.change.by(), 0.0)).0);
            self.draw_fall(canvas, row, (a, b), y + 9.0)?;
            let next = if place + 1 == rows.len() { ROW } else { ROW - 15.0 };
            canvas.line((b, y + 24.0), (b, y + next + 9.0), Ink::Axis, 1.0)?;
            self.delta(canvas, row, (canvas.width - MARGIN, y + 4.0), true)?;
            y += ROW;
        }
        let (zero, sum) = (falls.pixel((0.0, 0.0)).0, rows.last().map_or(0.0, |row| row.start + row.change.by()));
        canvas.line((zero, top), (zero, bottom), Ink::Axis, 1.0)?;
        let end = falls.pixel((sum, 0.0)).0;
        canvas.text((MARGIN, y + 17.0), "sum of the steps", Type::new(Face::STRONG, Ink::Text).middle())?;
        canvas.mark(Mark::new(Form::Bar, Ink::Text, [(zero, y + 9.0), (end, y + 24.0)]).tip(self.unit.signed(sum)))?;
        let sum = self.unit.signed(sum);
        canvas.text((canvas.width - MARGIN, y + 17.0), &sum, Type::new(Face::STRONG, Ink::Text).right().middle())
    }

    fn draw_narrow(&self, canvas: &Canvas<'_>) -> Result<(), ChartError> {
        let (top, bottom) = (canvas.top + self.head(), canvas.height - FOOT);
        let place = Place { left: MARGIN + 4.0, top, right: canvas.width - MARGIN - 12.0, bottom };
        let bars = canvas.plot(place, 0.0..self.most() * 1.02, 0.0..1.0);
        axes::draw_values_below(canvas, &bars, &self.unit.ticks(0.0, self.most() * 1.02, 4))?;
        let mut y = top;
        for row in self.rows() {
            let delta = self.delta(canvas, &row, (canvas.width - MARGIN, y + 4.0), false)?;
            let name = Face::STRONG.fit_middle(&clean(&row.change.step), canvas.width - 2.0 * MARGIN - delta - 10.0);
            canvas.text((MARGIN, y + 4.0), &name, Type::new(Face::STRONG, Ink::Text))?;
            self.draw_pair(canvas, &row, y + 21.0, |value| bars.pixel((value, 0.0)).0)?;
            y += ROW_NARROW;
        }
        Ok(())
    }

    /// Name, and below it both values.
    fn name(&self, canvas: &Canvas<'_>, row: &Row, (x, y): (f64, f64), room: f64) -> Result<(), ChartError> {
        let name = Face::STRONG.fit_middle(&clean(&row.change.step), room);
        canvas.text((x, y), &name, Type::new(Face::STRONG, Ink::Text))?;
        let values = Face::LABEL.fit(&self.values(row), room);
        canvas.text((x, y + 14.0), &values, Type::new(Face::LABEL, Ink::Muted))
    }

    fn values(&self, row: &Row) -> String {
        match (row.change.before, row.change.after) {
            (Some(a), Some(b)) => format!("{} → {}", self.unit.text(a), self.unit.text(b)),
            (None, Some(b)) => format!("new: {}", self.unit.text(b)),
            (Some(a), None) => format!("gone: {}", self.unit.text(a)),
            (None, None) => "no value".to_owned(),
        }
    }

    fn draw_pair(&self, canvas: &Canvas<'_>, row: &Row, y: f64, x: impl Fn(f64) -> f64) -> Result<(), ChartError> {
        if row.rest {
            return Ok(());
        }
        let tip = format!("{} · {}", brief(&row.change.step), self.values(row));
        for (value, ink, y) in [(row.change.before, Ink::Quiet, y), (row.change.after, Ink::Series, y + 9.0)] {
            let Some(value) = value else { continue };
            let right = x(value).max(x(0.0) + 1.0);
            canvas.mark(Mark::new(Form::Bar, ink, [(x(0.0), y), (right, y + 8.0)]).tip(tip.clone()))?;
        }
        Ok(())
    }

    fn draw_fall(&self, canvas: &Canvas<'_>, row: &Row, (a, b): (f64, f64), y: f64) -> Result<(), ChartError> {
        let by = row.change.by();
        let share = self.share(by).map(|share| format!(", {} of the change", percent(share))).unwrap_or_default();
        let tip = format!("{} {}{share}", brief(&row.change.step), self.unit.signed(by));
        let b = if (b - a).abs() < 1.0 { a + 1.0 } else { b };
        canvas.mark(Mark::new(Form::Bar, self.ink(by), [(a, y), (b, y + 15.0)]).tip(tip))
    }

    fn ink(&self, by: f64) -> Ink {
        if by == 0.0 {
            Ink::Muted
        } else if (by > 0.0) == (self.better == Better::Lower) {
            Ink::Worse
        } else {
            Ink::Better
        }
    }

    /// Writes the change and its share, right-aligned; gives the width used.
    fn delta(&self, canvas: &Canvas<'_>, row: &Row, (x, y): (f64, f64), stacked: bool) -> Result<f64, ChartError> {
        let by = row.change.by();
        let arrow = if by > 0.0 {
            "▲ "
        } else if by < 0.0 {
            "▼ "
        } else {
            ""
        };
        let strong = format!("{arrow}{}", self.unit.signed(by));
        let share = self.share(by).map(|share| format!("{} of change", percent(share))).unwrap_or_default();
        let text = if stacked || share.is_empty() { strong } else { format!("{strong} · {share}") };
        let text = Face::STRONG.fit(&text, if stacked { WORDS } else { canvas.width * 0.7 });
        canvas.text((x, y), &text, Type::new(Face::STRONG, self.ink(by)).right())?;
        if stacked {
            canvas.text((x, y + 14.0), &share, Type::new(Face::LABEL, Ink::Muted).right())?;
        }
        Ok(Face::STRONG.width(&text))
    }
}

/// A share in whole percent.
fn percent(share: f64) -> String {
    if share.abs() < 0.005 { "under 1 %".to_owned() } else { format!("{:.0} %", share * 100.0) }
}
