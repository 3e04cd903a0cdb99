//! Where a quantity is heading: its history, a fan of what is likely, and when it meets a limit.

mod crossed;
mod words;

use serde::{Deserialize, Serialize};

use crate::model::Better;
use crate::model::clock::UnixNanos;

use super::axes::{self, Key, TIME_AXIS_HEIGHT, seconds};
use super::calendar;
use super::element::{Form, Mark};
use super::error::{ChartError, at_most, finite};
use super::frame::{Canvas, Frame, Place, Plan, Plot, Type, count};
use super::ink::Ink;
use super::quantity::{Unit, domain};
use super::text::{Face, clean};
use super::thin::columns;

/// Most values of the history.
pub const HISTORY_MAX: usize = 100_000;
/// Most steps into the future.
pub const AHEAD_MAX: usize = 2_000;
const PLOT: f64 = 200.0;

/// Spec of a forecast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Id, message, width.
    #[serde(flatten)]
    pub frame: Frame,
    /// Whose values.
    pub subject: String,
    /// What is measured: `peak memory`.
    pub quantity: String,
    /// Unit of every value.
    #[serde(default)]
    pub unit: Unit,
    /// What was measured, oldest first.
    pub history: Vec<Past>,
    /// What is expected, nearest first; empty where nothing can be said.
    pub ahead: Vec<Ahead>,
    /// What must not be crossed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// Which way is better: says on which side of the limit it is already too late.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub better: Option<Better>,
}

/// When the limit is met, going by the fan. None: not within it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meeting {
    /// The metric stands beyond it already.
    pub already: bool,
    /// By the middle of the forecast.
    pub expected: Option<UnixNanos>,
    /// By the end of the outer interval that comes first.
    pub earliest: Option<UnixNanos>,
    /// By its other end.
    pub latest: Option<UnixNanos>,
}

/// A value that was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Past {
    /// Unix nanoseconds, or RFC 3339 in JSON.
    #[serde(deserialize_with = "super::timeline::time")]
    pub time: UnixNanos,
    /// Value.
    pub value: f64,
}

/// What is expected at one time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ahead {
    /// Unix nanoseconds, or RFC 3339 in JSON.
    #[serde(deserialize_with = "super::timeline::time")]
    pub time: UnixNanos,
    /// Middle of the forecast.
    pub middle: f64,
    /// Lower end of the inner interval (50 %).
    pub low_50: f64,
    /// Upper end of the inner interval.
    pub high_50: f64,
    /// Lower end of the outer interval (95 %).
    pub low_95: f64,
    /// Upper end of the outer interval.
    pub high_95: f64,
}

/// A line that must not be crossed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// Value.
    pub value: f64,
    /// What it is: `container limit`.
    pub label: String,
}

/// Picks a line of the fan.
type Line = fn(&Ahead) -> f64;

impl Forecast {
    /// Checks the spec and says what the chart says.
    pub(super) fn plan(&self) -> Result<Plan, ChartError> {
        at_most("forecast history", self.history.len(), HISTORY_MAX)?;
        at_most("forecast steps", self.ahead.len(), AHEAD_MAX)?;
        if self.history.is_empty() {
            return Err(ChartError::Empty("forecast history"));
        }
        let ahead = self.ahead.iter().flat_map(|a| [a.middle, a.low_50, a.high_50, a.low_95, a.high_95]);
        let limit = self.limit.iter().map(|limit| limit.value);
        let mut all = self.history.iter().map(|past| past.value).chain(ahead).chain(limit);
        all.try_for_each(|value| finite("forecast value", value))?;
        let title = self.frame.title.as_deref().map_or_else(|| self.message(), clean);
        let (from, to) = self.times();
        let note = format!("{} values · {}", self.history.len(), calendar::span(from, to));
        let subtitle = self.frame.subtitle.as_deref().map_or(note, clean);
        let description = self.frame.description.as_deref().map_or_else(|| self.description(), clean);
        let height = self.legend() + 14.0 + PLOT + TIME_AXIS_HEIGHT;
        Ok(Plan { title, subtitle, description, height, header: true })
    }

    fn times(&self) -> (UnixNanos, UnixNanos) {
        let times = || self.history.iter().map(|past| past.time).chain(self.ahead.iter().map(|ahead| ahead.time));
        (times().min().unwrap_or_default(), times().max().unwrap_or_default())
    }

    /// End of the history.
    fn now(&self) -> UnixNanos {
        self.history.iter().map(|past| past.time).max().unwrap_or_default()
    }

    /// Where it stands now: the fan's beginning where it begins at the present, else the newest value.
    fn level(&self) -> f64 {
        let newest = || self.history.iter().max_by_key(|past| past.time).map_or(0.0, |past| past.value);
        self.ahead.first().filter(|ahead| ahead.time <= self.now()).map_or_else(newest, |ahead| ahead.middle)
    }

    /// When the limit is met.
    #[must_use]
    pub fn meeting(&self) -> Meeting {
        let Some(limit) = self.limit.as_ref().map(|limit| limit.value) else { return Meeting::default() };
        let below = self.level() < limit;
        let already = match self.better {
            Some(Better::Lower) => !below,
            Some(Better::Higher) => self.level() <= limit,
            None => false,
        };
        if already {
            return Meeting { already, ..Meeting::default() };
        }
        let (early, late): (Line, Line) =
            if below { (|a| a.high_95, |a| a.low_95) } else { (|a| a.low_95, |a| a.high_95) };
        Meeting {
            already,
            expected: self.crossing(|ahead| ahead.middle, limit, below),
            earliest: self.crossing(early, limit, below),
            latest: self.crossing(late, limit, below),
        }
    }

    /// When a line of the fan first reaches a value, coming from one side; straight between its points.
    fn crossing(&self, line: Line, limit: f64, below: bool) -> Option<UnixNanos> {
        let reached = |value: f64| if below { value >= limit } else { value <= limit };
        let at = self.ahead.iter().position(|ahead| reached(line(ahead)))?;
        let (time, value) = (self.ahead[at].time, line(&self.ahead[at]));
        let Some((start, from)) = at.checked_sub(1).map(|at| (self.ahead[at].time, line(&self.ahead[at]))) else {
            return Some(time);
        };
        #[allow(clippy::cast_possible_truncation, reason = "a share of the time between two points")]
        let passed = (time.saturating_sub(start) as f64 * ((limit - from) / (value - from)).clamp(0.0, 1.0)) as i64;
        Some(start.saturating_add(passed))
    }

    fn keys(&self) -> Vec<Key> {
        let mut keys =
            vec![Key { mark: |at| Mark::new(Form::Disc(2.2), Ink::Series, [at]), text: "measured".to_owned() }];
        keys.extend(self.crossed_key());
        if self.ahead.is_empty() {
            return keys;
        }
        let middle = |(x, y): (f64, f64)| {
            Mark::new(Form::Line, Ink::Series, [(x - 7.0, y), (x + 5.0, y)]).dash("4 2").stroke(1.8)
        };
        keys.push(Key { mark: middle, text: "expected".to_owned() });
        let inner = |at| axes::swatch(Ink::Series, at).opacity(0.32);
        keys.push(Key { mark: inner, text: "50 % of outcomes".to_owned() });
        keys.push(Key { mark: |at| axes::swatch(Ink::Series, at).opacity(0.14), text: "95 %".to_owned() });
        keys
    }

    fn legend(&self) -> f64 {
        let keys = self.keys();
        let texts: Vec<&str> = keys.iter().map(|key| key.text.as_str()).collect();
        axes::legend_height(&texts, f64::from(self.frame.width))
    }

    /// Lowest and highest value of the axis; a limit that is far away does not flatten the rest.
    fn range(&self) -> (f64, f64) {
        let fan = self.ahead.iter().flat_map(|ahead| [ahead.low_95, ahead.high_95, ahead.middle]);
        let all = self.history.iter().map(|past| past.value).chain(fan);
        let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        let near = |limit: &&Limit| limit.value <= high + 1.5 * (high - low) && limit.value >= low - 1.5 * (high - low);
        match self.limit.as_ref().filter(near) {
            Some(limit) => domain(low.min(limit.value), high.max(limit.value)),
            None => domain(low, high),
        }
    }

    /// Draws the chart.
    pub(super) fn draw(&self, canvas: &Canvas<'_>) -> Result<(), ChartError> {
        axes::draw_legend(canvas, &self.keys(), canvas.top)?;
        let ((low, high), (from, to)) = (self.range(), self.times());
        let ticks = self.unit.ticks(low, high, 5);
        let top = canvas.top + self.legend() + 14.0;
        let place = Place { left: axes::gutter(&ticks), top, right: canvas.width - 12.0, bottom: top + PLOT };
        let air = (seconds(from, to) * 0.008).max(0.5);
        let plot = canvas.plot(place, -air..seconds(from, to) + air, low..high);
        axes::draw_values(canvas, &plot, &ticks)?;
        axes::draw_times(canvas, &plot, from, to)?;
        self.draw_fan(&plot, (low, high))?;
        self.draw_history(&plot)?;
        self.draw_crossed(&plot)?;
        self.draw_now(canvas, &plot)?;
        self.draw_limit(canvas, &plot, (low, high))
    }

    fn draw_fan(&self, plot: &Plot<'_>, (low, high): (f64, f64)) -> Result<(), ChartError> {
        let first = self.times().0;
        // A fan that begins at the present needs no tip.
        let tip = self.ahead.first().filter(|ahead| ahead.time > self.now());
        let start = tip.map(|_| (seconds(first, self.now()), self.level()));
        let line = |value: Line| -> Vec<(f64, f64)> {
            self.ahead.iter().map(|ahead| (seconds(first, ahead.time), value(ahead).clamp(low, high))).collect()
        };
        let fans: [(Line, Line, f64); 2] = [(|a| a.low_95, |a| a.high_95, 0.14), (|a| a.low_50, |a| a.high_50, 0.22)];
        for (lower, upper, solid) in fans {
            if !self.ahead.is_empty() {
                let around = start.into_iter().chain(line(upper)).chain(line(lower).into_iter().rev());
                plot.mark(&Mark::new(Form::Area, Ink::Series, around).opacity(solid))?;
            }
        }
        let middle = start.into_iter().chain(line(|ahead| ahead.middle));
        plot.mark(&Mark::new(Form::Line, Ink::Series, middle).dash("4 2").stroke(1.8))
    }

    fn draw_history(&self, plot: &Plot<'_>) -> Result<(), ChartError> {
        let (first, now) = (self.times().0, self.now());
        let at = |past: &Past| (seconds(first, past.time), past.value);
        let width = plot.place.right - plot.place.left;
        if count(self.history.len()) > 2.0 * width {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 4000 pixels")]
            let thin = columns(self.history.iter().map(at), 0.0, seconds(first, now), (width / 2.0) as usize);
            let strokes = thin.iter().flat_map(|column| [(column.x, column.low), (column.x, column.high)]);
            return plot.mark(&Mark::new(Form::Strokes, Ink::Series, strokes).stroke(1.6).opacity(0.6));
        }
        let size = if count(self.history.len()) > width / 3.0 { 2.6 } else { 4.0 };
        plot.mark(&Mark::new(Form::Dots(size), Ink::Series, self.history.iter().map(at)).opacity(0.8))
    }

    fn draw_now(&self, canvas: &Canvas<'_>, plot: &Plot<'_>) -> Result<(), ChartError> {
        if self.ahead.is_empty() {
            return Ok(());
        }
        let x = plot.pixel((seconds(self.times().0, self.now()), 0.0)).0;
        let Place { top, bottom, .. } = plot.place;
        canvas.mark(Mark::new(Form::Line, Ink::Muted, [(x, top), (x, bottom)]).dash("1 2"))?;
        canvas.text((x, top - 2.0), "newest run", Type::new(Face::LABEL, Ink::Muted).centre().above())
    }

    // Where the limit's words, that many pixels wide, cover the fewest values: at the right or at the left, and their
    // foot above its line or below.
    fn free_place(&self, plot: &Plot<'_>, y: f64, width: f64) -> (bool, f64) {
        let Place { left, right, top, bottom } = plot.place;
        let first = self.times().0;
        let at = |time, value| plot.pixel((seconds(first, time), value));
        let fan = self.ahead.iter().flat_map(|ahead| {
            [ahead.low_95, ahead.low_50, ahead.middle, ahead.high_50, ahead.high_95].map(|value| at(ahead.time, value))
        });
        // The day on which it is met stands beside the line as well.
        let met = self.meeting().expected.map(|time| self.day_place(plot, (at(time, 0.0).0, y), &calendar::day(time)));
        let day = met.into_iter().flat_map(|(x, top)| (-3..=3).map(move |part| (x + 12.0 * f64::from(part), top)));
        let past = self.history.iter().map(|past| at(past.time, past.value));
        let drawn: Vec<(f64, f64)> = past.chain(fan).chain(day).collect();
        let line = Face::STRONG.size + 2.0;
        let feet = [y - 3.0, y + 3.0 + line].into_iter().filter(|foot| foot - line > top && *foot < bottom);
        let places = feet.flat_map(|foot| [(false, foot), (true, foot)]);
        let covered = |(on_right, foot): (bool, f64)| {
            let x = if on_right { right - 4.0 - width } else { left + 4.0 };
            let inside = |at: &&(f64, f64)| {
                (x - 4.0..x + width + 4.0).contains(&at.0) && (foot - line..foot + 2.0).contains(&at.1)
            };
            drawn.iter().filter(inside).count()
        };
        places.min_by_key(|place| covered(*place)).unwrap_or((false, y - 3.0))
    }

    // Where the day on which the limit is met covers the fewest values, as its middle and its top: below the diamond, to
    // the right or to the left of there, or above it.
    fn day_place(&self, plot: &Plot<'_>, (x, y): (f64, f64), day: &str) -> (f64, f64) {
        let Place { left, right, .. } = plot.place;
        let (half, line) = (Face::STRONG.width(day) / 2.0, Face::STRONG.size + 2.0);
        let (first, now) = (self.times().0, plot.pixel((seconds(self.times().0, self.now()), 0.0)).0);
        let past: Vec<(f64, f64)> =
            self.history.iter().map(|past| plot.pixel((seconds(first, past.time), past.value))).collect();
        let side = half - 6.0;
        let places = [(x, y + 9.0), (x + side, y + 9.0), (x - side, y + 9.0), (x, y - 9.0 - line)];
        let covered = |(middle, top): &(f64, f64)| {
            let across = middle - half - 3.0..middle + half + 3.0;
            let values = past.iter().filter(|at| across.contains(&at.0) && (top - 2.0..top + line).contains(&at.1));
            values.count() + usize::from(across.contains(&now))
        };
        let places = places.map(|(middle, top)| (middle.clamp(left + half, (right - half).max(left + half)), top));
        places.into_iter().min_by_key(covered).unwrap_or((x, y + 9.0))
    }

    fn draw_limit(&self, canvas: &Canvas<'_>, plot: &Plot<'_>, (low, high): (f64, f64)) -> Result<(), ChartError> {
        let Some(limit) = self.limit.as_ref() else { return Ok(()) };
        let Place { left, right, top, bottom } = plot.place;
        let words = format!("{} {}", clean(&limit.label), self.unit.text(limit.value));
        let inside = limit.value >= low && limit.value <= high;
        let y = if inside {
            plot.pixel((0.0, limit.value)).1
        } else if limit.value > high {
            top + 14.0
        } else {
            bottom
        };
        let words = if inside { words } else { format!("{words}: beyond this chart") };
        let words = Face::STRONG.fit_middle(&words, right - left - 8.0);
        let (on_right, foot) =
            if inside { self.free_place(plot, y, Face::STRONG.width(&words)) } else { (false, y - 3.0) };
        let kind = Type::new(Face::STRONG, Ink::Worse).above();
        if on_right {
            canvas.text((right - 4.0, foot), &words, kind.right())?;
        } else {
            canvas.text((left + 4.0, foot), &words, kind)?;
        }
        if !inside {
            return Ok(());
        }
        canvas.mark(Mark::new(Form::Line, Ink::Worse, [(left, y), (right, y)]).dash("5 3").stroke(1.3))?;
        let Some(at) = self.meeting().expected else { return Ok(()) };
        let x = plot.pixel((seconds(self.times().0, at), limit.value)).0;
        let tip = format!("expected {}", calendar::day(at));
        canvas.mark(Mark::new(Form::Diamond(5.0), Ink::Paper, [(x, y)]).outline(Ink::Worse, 1.8).tip(tip))?;
        let day = calendar::day(at);
        canvas.text(self.day_place(plot, (x, y), &day), &day, Type::new(Face::STRONG, Ink::Worse).centre())
    }
}
