//! Health over time, 0 to 100, with its words; where nothing is known the line stops and says so.

use serde::{Deserialize, Serialize};

use crate::model::clock::UnixNanos;

use super::axes::{self, Key, TIME_AXIS_HEIGHT, seconds};
use super::calendar;
use super::element::{Form, Mark};
use super::error::{ChartError, at_most, finite};
use super::frame::{Canvas, Frame, Place, Plan, Plot, Type};
use super::ink::Ink;
use super::quantity::Unit;
use super::text::{Face, brief, clean};

/// Most points.
pub const POINTS_MAX: usize = 5_000;
/// Most words.
pub const GRADES_MAX: usize = 12;
const PLOT: f64 = 150.0;
/// Up to so many points each has a mark and a tooltip.
const MARKS_MAX: usize = 120;

/// Spec of a health history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthHistory {
    /// Id, message, width.
    #[serde(flatten)]
    pub frame: Frame,
    /// Pipeline.
    pub subject: String,
    /// Oldest first.
    pub points: Vec<HealthPoint>,
    /// Words for scores.
    #[serde(default = "grades")]
    pub grades: Vec<Grade>,
}

/// Health at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthPoint {
    /// Unix nanoseconds, or RFC 3339 in JSON.
    #[serde(deserialize_with = "super::timeline::time")]
    pub time: UnixNanos,
    /// 0 to 100; null where it is unknown.
    pub score: Option<f64>,
    /// What happened then, where anything: `regression since run 482`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// A word for all scores from here to the next grade.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Grade {
    /// Lowest score.
    pub from: f64,
    /// Word.
    pub name: String,
}

/// The words of perfline.
#[must_use]
pub fn grades() -> Vec<Grade> {
    let words = [(0.0, "critical"), (40.0, "poor"), (60.0, "fair"), (75.0, "good"), (90.0, "excellent")];
    words.into_iter().map(|(from, name)| Grade { from, name: name.to_owned() }).collect()
}

impl HealthHistory {
    /// Checks the spec and says what the chart says.
    pub(super) fn plan(&self) -> Result<Plan, ChartError> {
        at_most("health points", self.points.len(), POINTS_MAX)?;
        at_most("health grades", self.grades.len(), GRADES_MAX)?;
        if self.points.is_empty() {
            return Err(ChartError::Empty("health points"));
        }
        for score in
            self.points.iter().filter_map(|point| point.score).chain(self.grades.iter().map(|grade| grade.from))
        {
            finite("health score", score)?;
            if !(0.0..=100.0).contains(&score) {
                return Err(ChartError::Number {
                    what: "health score",
                    value: score.to_string(),
                    expected: "0 to 100",
                });
            }
        }
        let title = self.frame.title.as_deref().map_or_else(|| self.message(), clean);
        let (from, to) = self.times();
        let unknown = self.points.iter().filter(|point| point.score.is_none()).count();
        let unknown =
            if unknown == 0 { String::new() } else { format!(" · unknown at {unknown} of {}", self.points.len()) };
        let note = format!("0 to 100 · {}{unknown}", calendar::span(from, to));
        let subtitle = self.frame.subtitle.as_deref().map_or(note, clean);
        let description = self.frame.description.as_deref().map_or_else(|| self.description(), clean);
        Ok(Plan { title, subtitle, description, height: self.legend() + 8.0 + PLOT + TIME_AXIS_HEIGHT, header: true })
    }

    fn times(&self) -> (UnixNanos, UnixNanos) {
        let times = || self.points.iter().map(|point| point.time);
        (times().min().unwrap_or_default(), times().max().unwrap_or_default())
    }

    fn grade(&self, score: f64) -> String {
        let at_or_below = self.grades.iter().filter(|grade| grade.from <= score);
        at_or_below.max_by(|a, b| a.from.total_cmp(&b.from)).map(|grade| clean(&grade.name)).unwrap_or_default()
    }

    fn message(&self) -> String {
        let subject = brief(&self.subject);
        let (first, last) =
            (self.points.iter().find_map(|point| point.score), self.points.last().and_then(|point| point.score));
        match (first, last) {
            (_, None) => format!("{subject} health unknown"),
            (Some(first), Some(last)) if (last - first).abs() >= 1.0 => {
                let way = if last < first { "down" } else { "up" };
                let by = Unit::Score.text((last - first).abs().round());
                format!(
                    "{subject} health {:.0}, {}: {way} {by} since {}",
                    last,
                    self.grade(last),
                    calendar::day(self.times().0)
                )
            }
            (_, Some(last)) => format!("{subject} health {last:.0}, {}: unchanged", self.grade(last)),
        }
    }

    fn description(&self) -> String {
        let noted = self.points.iter().filter_map(|point| point.note.as_ref().map(|note| (point, note)));
        let words = noted.map(|(point, note)| format!("{}: {}", calendar::day(point.time), clean(note)));
        format!("{}. {}", self.message(), words.take(20).collect::<Vec<_>>().join("; "))
    }

    fn keys(&self) -> Vec<Key> {
        let mut keys = Vec::new();
        if self.points.iter().any(|point| point.note.is_some()) {
            let mark = |at| Mark::new(Form::Diamond(4.4), Ink::Paper, [at]).outline(Ink::Outlier, 1.5);
            keys.push(Key { mark, text: "turned better or worse".to_owned() });
        }
        if self.points.iter().any(|point| point.score.is_none()) {
            let mark = |(x, y): (f64, f64)| {
                Mark::new(Form::Line, Ink::Muted, [(x - 7.0, y), (x + 5.0, y)]).dash("2 3").stroke(1.5)
            };
            keys.push(Key { mark, text: "unknown".to_owned() });
        }
        keys
    }

    fn legend(&self) -> f64 {
        let keys = self.keys();
        let texts: Vec<&str> = keys.iter().map(|key| key.text.as_str()).collect();
        axes::legend_height(&texts, f64::from(self.frame.width))
    }

    /// Draws the chart.
    pub(super) fn draw(&self, canvas: &Canvas<'_>) -> Result<(), ChartError> {
        axes::draw_legend(canvas, &self.keys(), canvas.top)?;
        let names = self.grades.iter().map(|grade| Face::LABEL.width(&clean(&grade.name))).fold(0.0, f64::max);
        let (from, to) = self.times();
        let ticks = Unit::Score.ticks(0.0, 100.0, 5);
        let right = canvas.width - names.min(canvas.width * 0.25) - 12.0;
        let top = canvas.top + self.legend() + 8.0;
        let place = Place { left: axes::gutter(&ticks), top, right, bottom: top + PLOT };
        let air = (seconds(from, to) * 0.008).max(0.5);
        let plot = canvas.plot(place, -air..seconds(from, to) + air, 0.0..100.0);
        self.draw_grades(canvas, &plot)?;
        axes::draw_values(canvas, &plot, &ticks)?;
        axes::draw_times(canvas, &plot, from, to)?;
        self.draw_line(&plot)?;
        self.draw_marks(&plot)
    }

    /// Every other grade shaded, each named at the right.
    fn draw_grades(&self, canvas: &Canvas<'_>, plot: &Plot<'_>) -> Result<(), ChartError> {
        let Place { left, right, .. } = plot.place;
        let mut grades: Vec<&Grade> = self.grades.iter().collect();
        grades.sort_by(|a, b| a.from.total_cmp(&b.from));
        for (number, grade) in grades.iter().enumerate() {
            let until = grades.get(number + 1).map_or(100.0, |next| next.from);
            let (low, high) = (plot.pixel((0.0, grade.from)).1, plot.pixel((0.0, until)).1);
            if number % 2 == 0 {
                canvas.mark(Mark::new(Form::Bar, Ink::Band, [(left, low), (right, high)]).opacity(0.5))?;
            }
            if low - high >= 12.0 {
                let name = Face::LABEL.fit(&clean(&grade.name), canvas.width - right - 8.0);
                let at = (right + 6.0, f64::midpoint(low, high));
                canvas.text(at, &name, Type::new(Face::LABEL, Ink::Muted).middle())?;
            }
        }
        Ok(())
    }

    /// A line that stops where the score is unknown; a dashed one at the foot bridges the gap.
    fn draw_line(&self, plot: &Plot<'_>) -> Result<(), ChartError> {
        let first = self.times().0;
        let at = |point: &HealthPoint| point.score.map(|score| (seconds(first, point.time), score));
        for stretch in self.points.split(|point| point.score.is_none()) {
            let line: Vec<(f64, f64)> = stretch.iter().filter_map(at).collect();
            if line.len() > 1 {
                plot.mark(&Mark::new(Form::Line, Ink::Series, line).stroke(1.8))?;
            }
        }
        // Neighbouring unknown points are one dashed line; a lone one reaches to its neighbours.
        let (last, air) = (self.points.len() - 1, if self.points.len() == 1 { 0.5 } else { 0.0 });
        let mut number = 0;
        for stretch in self.points.chunk_by(|a, b| a.score.is_none() == b.score.is_none()) {
            let (start, end) = (number.max(1) - 1, (number + stretch.len()).min(last));
            number += stretch.len();
            let (Some(point), Some(from), Some(to)) = (stretch.first(), self.points.get(start), self.points.get(end))
            else {
                continue;
            };
            if point.score.is_none() {
                let ends = [(seconds(first, from.time) - air, 2.0), (seconds(first, to.time) + air, 2.0)];
                plot.mark(&Mark::new(Form::Line, Ink::Muted, ends).dash("2 3").stroke(1.5).tip(self.tip(point)))?;
            }
        }
        Ok(())
    }

    fn tip(&self, point: &HealthPoint) -> String {
        let score =
            point.score.map_or_else(|| "unknown".to_owned(), |score| format!("{score:.0}, {}", self.grade(score)));
        let note = point.note.as_ref().map(|note| format!(" · {}", clean(note))).unwrap_or_default();
        format!("{score} · {}{note}", calendar::day(point.time))
    }

    fn draw_marks(&self, plot: &Plot<'_>) -> Result<(), ChartError> {
        let first = self.times().0;
        let last = self.points.len() - 1;
        for (number, point) in self.points.iter().enumerate() {
            let at = (seconds(first, point.time), point.score.unwrap_or(2.0));
            let mark = if point.note.is_some() {
                Mark::new(Form::Diamond(4.4), Ink::Paper, [at]).outline(Ink::Outlier, 1.5)
            } else if point.score.is_some() && number == last {
                Mark::new(Form::Disc(3.6), Ink::Series, [at]).outline(Ink::Paper, 1.5)
            } else if point.score.is_some() && self.points.len() <= MARKS_MAX {
                Mark::new(Form::Disc(2.2), Ink::Series, [at])
            } else {
                continue;
            };
            plot.mark(&mark.tip(self.tip(point)))?;
        }
        Ok(())
    }
}
