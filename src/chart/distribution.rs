//! How values spread in each of a few groups: every run as a dot, and a box of quantiles below.

use serde::{Deserialize, Serialize};

use crate::model::metric::{Better, Metric};

use super::axes;
use super::element::{Form, Mark};
use super::error::{ChartError, at_most, finite};
use super::frame::{Canvas, Frame, MARGIN, Place, Plan, Plot, Type, count};
use super::ink::Ink;
use super::quantity::{Unit, domain};
use super::text::{Face, brief, clean};
use super::thin::quantile;

/// Most values of one group.
pub const VALUES_MAX: usize = 200_000;
/// Most groups.
pub const GROUPS_MAX: usize = 12;
/// Dots drawn of one group.
const DOTS_MAX: usize = 500;
const ROW: f64 = 82.0;
const FOOT: f64 = 24.0;

/// Spec of a distribution: strips of runs over boxes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// Id, message, width.
    #[serde(flatten)]
    pub frame: Frame,
    /// Whose values.
    pub subject: String,
    /// What is measured: `duration`.
    pub quantity: String,
    /// Unit of every value.
    #[serde(default)]
    pub unit: Unit,
    /// Which way is better.
    #[serde(default = "lower")]
    pub better: Better,
    /// Top to bottom; the first is what the last is compared with.
    pub groups: Vec<Group>,
}

fn lower() -> Better {
    Better::Lower
}

/// Values under one name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Name: `before run 483`.
    pub label: String,
    /// Values, in any order.
    pub values: Vec<f64>,
    /// Quantiles of every value, where `values` are a sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<Quantiles>,
}

/// How many values spread.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantiles {
    /// Values.
    pub n: u64,
    /// Lowest.
    pub low: f64,
    /// 5th percentile.
    pub p05: f64,
    /// Lower quarter.
    pub p25: f64,
    /// Median.
    pub p50: f64,
    /// Upper quarter.
    pub p75: f64,
    /// 95th percentile.
    pub p95: f64,
    /// Highest.
    pub high: f64,
}

impl Quantiles {
    /// Those of sorted values; none of none.
    #[must_use]
    pub fn of(sorted: &[f64]) -> Option<Self> {
        let (low, high) = (*sorted.first()?, *sorted.last()?);
        let [p05, p25, p50, p75, p95] = [0.05, 0.25, 0.5, 0.75, 0.95].map(|share| quantile(sorted, share));
        Some(Self { n: sorted.len() as u64, low, p05, p25, p50, p75, p95, high })
    }

    fn numbers(self) -> [f64; 7] {
        [self.low, self.p05, self.p25, self.p50, self.p75, self.p95, self.high]
    }
}

impl Group {
    fn sorted(&self) -> Vec<f64> {
        let mut values = self.values.clone();
        values.sort_by(f64::total_cmp);
        values
    }

    /// Of every value; none without one.
    fn quantiles(&self) -> Option<Quantiles> {
        self.whole.or_else(|| Quantiles::of(&self.sorted()))
    }
}

impl Distribution {
    /// A distribution of one metric.
    #[must_use]
    pub fn new(frame: Frame, subject: impl Into<String>, metric: Metric, groups: Vec<Group>) -> Self {
        let quantity = metric.label().to_owned();
        Self { frame, subject: subject.into(), quantity, unit: metric.into(), better: metric.better(), groups }
    }

    /// Checks the spec and says what the chart says.
    pub(super) fn plan(&self) -> Result<Plan, ChartError> {
        at_most("distribution groups", self.groups.len(), GROUPS_MAX)?;
        if self.groups.iter().all(|group| group.values.is_empty()) {
            return Err(ChartError::Empty("distribution groups"));
        }
        for group in &self.groups {
            at_most("distribution values", group.values.len(), VALUES_MAX)?;
            let whole = group.whole.map(Quantiles::numbers);
            let numbers = group.values.iter().chain(whole.iter().flatten());
            numbers.copied().try_for_each(|value| finite("distribution value", value))?;
        }
        let title = self.frame.title.as_deref().map_or_else(|| self.message(), clean);
        let note = "every dot a run; box: middle half with its median; whiskers: 5th to 95th percentile";
        let subtitle = self.frame.subtitle.as_deref().map_or_else(|| note.to_owned(), clean);
        let described = || self.groups.iter().map(|group| self.words(group)).collect::<Vec<_>>().join(". ");
        let description = self.frame.description.as_deref().map_or_else(described, clean);
        let height = 4.0 + ROW * count(self.groups.len()) + FOOT;
        Ok(Plan { title, subtitle, description, height, header: true })
    }

    fn message(&self) -> String {
        let what = format!("{} {}", brief(&self.subject), clean(&self.quantity));
        let medians: Vec<f64> = self.groups.iter().map(|group| group.quantiles().map_or(f64::NAN, |q| q.p50)).collect();
        match medians.as_slice() {
            [first, .., last] if first.is_finite() && last.is_finite() => {
                let change = self.unit.change(*first, *last);
                format!("{what}: median {} → {} ({change})", self.unit.text(*first), self.unit.text(*last))
            }
            _ => match medians.iter().find(|median| median.is_finite()) {
                Some(median) => format!("{what}: median {}", self.unit.text(*median)),
                None => what,
            },
        }
    }

    fn words(&self, group: &Group) -> String {
        let Some(quantiles) = group.quantiles() else { return format!("{}: no runs", brief(&group.label)) };
        let n = quantiles.n;
        let [low, middle, high] = [quantiles.p05, quantiles.p50, quantiles.p95].map(|value| self.unit.text(value));
        format!("{}: {n} runs, median {middle}, 5th to 95th percentile {low} to {high}", brief(&group.label))
    }

    /// Lowest and highest value of the axis: whiskers and what lies within six boxes of them.
    fn range(&self) -> (f64, f64) {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for (group, quantiles) in self.groups.iter().filter_map(|group| Some((group, group.quantiles()?))) {
            let Quantiles { p05, p25, p75, p95, .. } = quantiles;
            let reach = (6.0 * (p75 - p25)).max(0.3 * p75.abs());
            let near = group.values.iter().filter(|value| **value >= p25 - reach && **value <= p75 + reach);
            (low, high) = near.fold((low, high), |(low, high), value| (low.min(*value), high.max(*value)));
            (low, high) = (low.min(p05), high.max(p95));
        }
        if low > high { domain(0.0, 1.0) } else { domain(low, high) }
    }

    /// Draws the chart.
    pub(super) fn draw(&self, canvas: &Canvas<'_>) -> Result<(), ChartError> {
        let (low, high) = self.range();
        let top = canvas.top + 4.0;
        let place = Place { left: MARGIN + 6.0, top, right: canvas.width - 14.0, bottom: canvas.height - FOOT };
        let plot = canvas.plot(place, low..high, 0.0..1.0);
        axes::draw_values_below(canvas, &plot, &self.unit.ticks(low, high, if canvas.width < 500.0 { 3 } else { 6 }))?;
        let last = self.groups.len().saturating_sub(1);
        let first = self.groups.first().and_then(Group::quantiles).map_or(f64::NAN, |quantiles| quantiles.p50);
        for (number, group) in self.groups.iter().enumerate() {
            let sorted = group.sorted();
            let quantiles = group.quantiles();
            let y = top + ROW * count(number);
            let moved = quantiles.map_or(f64::NAN, |quantiles| quantiles.p50) - first;
            let ink = if number == 0 || number < last || !moved.is_finite() || moved == 0.0 {
                Ink::Text
            } else if (moved > 0.0) == (self.better == Better::Lower) {
                Ink::Worse
            } else {
                Ink::Better
            };
            self.draw_label(canvas, group, quantiles, (y, ink))?;
            if let Some(quantiles) = quantiles.filter(|_| !sorted.is_empty()) {
                draw_strip(&plot, canvas, &sorted, (y + 20.0, low, high))?;
                self.draw_box(canvas, &plot, quantiles, (y + 50.0, ink))?;
                let sampled = group.whole.is_some_and(|whole| whole.n > sorted.len() as u64);
                self.draw_beyond(canvas, (&sorted, sampled), (y + 65.0, low, high))?;
            }
        }
        Ok(())
    }

    fn draw_label(
        &self,
        canvas: &Canvas<'_>,
        group: &Group,
        quantiles: Option<Quantiles>,
        (y, ink): (f64, Ink),
    ) -> Result<(), ChartError> {
        let said = match (quantiles, canvas.width < 420.0) {
            (None, _) => "no runs".to_owned(),
            (Some(quantiles), true) => self.unit.text(quantiles.p50),
            (Some(Quantiles { n, p50, p95, .. }), false) => {
                let runs = if n == 1 { "run" } else { "runs" };
                format!("median {} · p95 {} · {n} {runs}", self.unit.text(p50), self.unit.text(p95))
            }
        };
        let said = Face::STRONG.fit(&said, canvas.width * 0.7);
        canvas.text((canvas.width - MARGIN, y + 4.0), &said, Type::new(Face::STRONG, ink).right())?;
        let room = canvas.width - 2.0 * MARGIN - Face::STRONG.width(&said) - 10.0;
        let name = Face::STRONG.fit_middle(&clean(&group.label), room.max(20.0));
        canvas.text((MARGIN, y + 4.0), &name, Type::new(Face::STRONG, Ink::Text))
    }

    fn draw_box(
        &self,
        canvas: &Canvas<'_>,
        plot: &Plot<'_>,
        quantiles: Quantiles,
        (y, ink): (f64, Ink),
    ) -> Result<(), ChartError> {
        let values = [quantiles.p05, quantiles.p25, quantiles.p50, quantiles.p75, quantiles.p95];
        let [p05, p25, p50, p75, p95] = values.map(|value| plot.pixel((value, 0.0)).0);
        let mid = y + 6.0;
        canvas.line((p05, mid), (p25, mid), Ink::Muted, 1.2)?;
        canvas.line((p75, mid), (p95, mid), Ink::Muted, 1.2)?;
        for end in [p05, p95] {
            canvas.line((end, mid - 3.0), (end, mid + 3.0), Ink::Muted, 1.2)?;
        }
        let said = values.map(|value| self.unit.text(value));
        let tip = format!("p5 {} · p25 {} · median {} · p75 {} · p95 {}", said[0], said[1], said[2], said[3], said[4]);
        let body = Mark::new(Form::Bar, Ink::Band, [(p25, y), (p75.max(p25 + 1.0), y + 12.0)]);
        canvas.mark(body.outline(Ink::Muted, 1.0).tip(tip))?;
        canvas.line((p50, y - 3.0), (p50, y + 15.0), ink, 2.4)
    }

    /// Says how many runs lie beyond the axis, and how far; a sample knows how far alone.
    fn draw_beyond(
        &self,
        canvas: &Canvas<'_>,
        (sorted, sampled): (&[f64], bool),
        (y, low, high): (f64, f64, f64),
    ) -> Result<(), ChartError> {
        let said = |count: usize| if sampled { "some".to_owned() } else { count.to_string() };
        let above = sorted.iter().filter(|value| **value > high).count();
        if let (Some(most), true) = (sorted.last(), above > 0) {
            let text = format!("{} beyond, up to {} →", said(above), self.unit.text(*most));
            canvas.text((canvas.width - MARGIN, y), &text, Type::new(Face::LABEL, Ink::Outlier).right())?;
        }
        let below = sorted.iter().filter(|value| **value < low).count();
        if let (Some(least), true) = (sorted.first(), below > 0) {
            let text = format!("← {} below, down to {}", said(below), self.unit.text(*least));
            canvas.text((MARGIN, y), &text, Type::new(Face::LABEL, Ink::Outlier))?;
        }
        Ok(())
    }
}

/// Runs as dots that are spread over a few pixels so that they do not hide each other.
fn draw_strip(
    plot: &Plot<'_>,
    canvas: &Canvas<'_>,
    sorted: &[f64],
    (y, low, high): (f64, f64, f64),
) -> Result<(), ChartError> {
    let step = sorted.len().div_ceil(DOTS_MAX).max(1);
    let last = sorted.len() - 1;
    let kept = sorted.iter().enumerate().filter(|(at, _)| at % step == 0 || *at == last);
    let inside = kept.filter(|(_, value)| **value >= low && **value <= high);
    let dots = inside.map(|(at, value)| (plot.pixel((*value, 0.0)).0, y + 22.0 * spread(at / step)));
    canvas.mark(Mark::new(Form::Dots(if sorted.len() > 150 { 3.2 } else { 4.2 }), Ink::Series, dots).opacity(0.55))
}

/// Van der Corput's sequence in base 2: even, never twice the same, and no dice.
fn spread(number: usize) -> f64 {
    let (mut rest, mut part, mut place) = (number, 0.5, 0.0);
    while rest > 0 && part > 1e-6 {
        if rest % 2 == 1 {
            place += part;
        }
        (rest, part) = (rest / 2, part / 2.0);
    }
    place
}
