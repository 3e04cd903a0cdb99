//! Where the marks of a timeline go.

use crate::chart::axes::{self, Key, TIME_AXIS_HEIGHT, seconds};
use crate::chart::calendar;
use crate::chart::element::{Form, Mark};
use crate::chart::error::ChartError;
use crate::chart::frame::{Canvas, MARGIN, Place, Plot, Type, count};
use crate::chart::ink::Ink;
use crate::chart::quantity::domain;
use crate::chart::text::{Face, brief};
use crate::chart::thin::{Column, columns, quantile};
use crate::model::clock::UnixNanos;
use crate::model::unit::format_minute;

use super::{Change, Level, Point, PointMark, Timeline};

/// Pixels above the plot, for the words of change points.
pub(super) const LABELS: f64 = 24.0;
/// Up to so many ordinary runs each has a tooltip of its own.
const TIPS_MAX: usize = 160;
/// Narrower charts name the levels in the subtitle only.
const WIDE: f64 = 520.0;

/// Everything that the drawing steps share.
struct Scene<'c, 'a> {
    spec: &'c Timeline,
    canvas: &'c Canvas<'a>,
    plot: Plot<'a>,
    from: UnixNanos,
    to: UnixNanos,
    low: f64,
    high: f64,
}

pub(super) fn draw(spec: &Timeline, canvas: &Canvas<'_>) -> Result<(), ChartError> {
    let (from, to) = spec.times();
    let (low, high) = range(spec);
    let ticks = spec.unit.ticks(low, high, 4);
    let place = Place {
        left: axes::gutter(&ticks),
        top: canvas.top + spec.legend_height() + LABELS,
        right: canvas.width - if canvas.width >= WIDE { level_gutter(spec) } else { 10.0 },
        bottom: canvas.height - TIME_AXIS_HEIGHT,
    };
    // Half a percent of air keeps the first and the last mark whole.
    let air = (seconds(from, to) * 0.008).max(0.5);
    let plot = canvas.plot(place, -air..seconds(from, to) + air, low..high);
    let scene = Scene { spec, canvas, plot, from, to, low, high };
    axes::draw_legend(canvas, &spec.keys(), canvas.top)?;
    scene.draw_bands()?;
    axes::draw_values(canvas, &scene.plot, &ticks)?;
    axes::draw_times(canvas, &scene.plot, from, to)?;
    scene.draw_runs()?;
    scene.draw_levels()?;
    scene.draw_changes()?;
    scene.draw_marked(PointMark::Failed)?;
    scene.draw_marked(PointMark::Outlier)?;
    scene.draw_newest()
}

/// Entries for what is there.
pub(super) fn keys(spec: &Timeline) -> Vec<Key> {
    let mut keys = vec![Key { mark: |at| Mark::new(Form::Disc(2.4), Ink::Series, [at]), text: "run".to_owned() }];
    let super::Tally { failed, outliers, .. } = spec.tally();
    if failed > 0 {
        keys.push(Key { mark: |at| cross([at]), text: format!("failed ({failed})") });
    }
    if outliers > 0 {
        keys.push(Key { mark: diamond, text: format!("outlier ({outliers})") });
    }
    if !spec.levels.is_empty() {
        let mark = |(x, y): (f64, f64)| Mark::new(Form::Bar, Ink::Band, [(x - 7.0, y - 5.0), (x + 5.0, y + 5.0)]);
        keys.push(Key { mark, text: "expected range".to_owned() });
        let mark = |(x, y): (f64, f64)| Mark::new(Form::Line, Ink::Text, [(x - 7.0, y), (x + 5.0, y)]).stroke(1.6);
        keys.push(Key { mark, text: "level".to_owned() });
    }
    if !spec.changes.is_empty() {
        let mark = |at| Mark::new(Form::Up(4.5), Ink::Muted, [at]);
        keys.push(Key { mark, text: "change".to_owned() });
    }
    keys
}

fn cross(at: impl IntoIterator<Item = (f64, f64)>) -> Mark<(f64, f64)> {
    Mark::new(Form::Cross(3.2), Ink::Failed, at).stroke(1.6)
}

fn diamond(at: (f64, f64)) -> Mark<(f64, f64)> {
    Mark::new(Form::Diamond(4.4), Ink::Paper, [at]).outline(Ink::Outlier, 1.5)
}

/// Lowest and highest value of the axis: all that is ordinary, and of the odd what does not flatten the rest.
fn range(spec: &Timeline) -> (f64, f64) {
    let valued = |point: &Point| point.value.map(|value| (value, point.mark));
    let mut ordinary: Vec<f64> =
        spec.points.iter().filter_map(valued).filter(|(_, mark)| *mark == PointMark::Ok).map(|(v, _)| v).collect();
    if ordinary.is_empty() {
        ordinary = spec.points.iter().filter_map(|point| point.value).collect();
    }
    ordinary.extend(spec.levels.iter().map(|level| level.value));
    ordinary.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (ordinary.first().copied(), ordinary.last().copied()) else {
        return domain(0.0, 1.0);
    };
    let (p10, p90) = (quantile(&ordinary, 0.1), quantile(&ordinary, 0.9));
    let reach = (2.5 * (p90 - p10)).max(0.3 * p90.abs());
    let (mut low, mut high) = (least.max(p10 - reach), most.min(p90 + reach));
    for value in spec.points.iter().filter_map(|point| point.value) {
        if value >= p10 - reach && value <= p90 + reach {
            (low, high) = (low.min(value), high.max(value));
        }
    }
    // Runs that fail early are short: rather show all from zero than pile them up at the foot.
    let marked = spec.points.iter().filter(|point| point.mark != PointMark::Ok).filter_map(|point| point.value);
    if low >= 0.0 && marked.fold(low, f64::min) < low {
        low = 0.0;
    }
    for level in &spec.levels {
        low = low.min(level.low.max(p10 - reach)).min(level.value);
        high = high.max(level.high.min(p90 + reach)).max(level.value);
    }
    domain(low, high)
}

fn level_gutter(spec: &Timeline) -> f64 {
    let words = level_words(spec).into_iter().map(|(_, text, _)| Face::STRONG.width(&text));
    words.fold(0.0, f64::max).min(f64::from(spec.frame.width) * 0.25) + 12.0
}

/// The newest level and the one before it: value, words, whether it is the newest.
fn level_words(spec: &Timeline) -> Vec<(f64, String, bool)> {
    let mut words = Vec::new();
    let mut newest_first = spec.levels.iter().rev();
    if let Some(level) = newest_first.next() {
        words.push((level.value, spec.unit.text(level.value), true));
    }
    if let (Some(level), false) = (newest_first.next(), spec.changes.is_empty()) {
        words.push((level.value, format!("was {}", spec.unit.text(level.value)), false));
    }
    words
}

impl Scene<'_, '_> {
    fn at(&self, time: UnixNanos, value: f64) -> (f64, f64) {
        (seconds(self.from, time), value.clamp(self.low, self.high))
    }

    fn draw_bands(&self) -> Result<(), ChartError> {
        for Level { from, to, low, high, .. } in &self.spec.levels {
            let (a, b) = (self.at(*from, low.min(*high)), self.at(self.until(*to), low.max(*high)));
            let said = format!("expected {} to {}", self.spec.unit.text(*low), self.spec.unit.text(*high));
            self.plot.mark(&Mark::new(Form::Bar, Ink::Band, [a, b]).tip(said))?;
        }
        Ok(())
    }

    /// A level lasts until the next one begins.
    fn until(&self, to: UnixNanos) -> UnixNanos {
        self.spec.levels.iter().map(|level| level.from).filter(|from| *from > to).min().unwrap_or(self.to)
    }

    fn draw_runs(&self) -> Result<(), ChartError> {
        let runs = || self.spec.points.iter().filter(|point| point.mark == PointMark::Ok && point.value.is_some());
        let at = |point: &Point| self.at(point.time, point.value.unwrap_or_default());
        let (number, width) = (runs().count(), self.plot.place.right - self.plot.place.left);
        if number <= TIPS_MAX {
            let tips = runs().map(|point| self.tip(point)).collect();
            return self.plot.mark(&Mark::new(Form::Discs(2.4), Ink::Series, runs().map(at)).opacity(0.8).tips(tips));
        }
        if count(number) <= 2.0 * width {
            let (size, solid) = if count(number) <= 0.6 * width { (4.4, 0.7) } else { (3.2, 0.55) };
            return self.plot.mark(&Mark::new(Form::Dots(size), Ink::Series, runs().map(at)).opacity(solid));
        }
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a width of at most 4000 pixels")]
        let thin = columns(runs().map(at), 0.0, seconds(self.from, self.to), (width / 2.0) as usize);
        let strokes = thin.iter().flat_map(|column| [(column.x, column.low), (column.x, column.high)]);
        self.plot.mark(&Mark::new(Form::Strokes, Ink::Series, strokes).stroke(1.6).opacity(0.4))?;
        let middles = thin.iter().map(|column| (column.x, column.middle));
        self.plot.mark(&Mark::new(Form::Dots(2.4), Ink::Series, middles))
    }

    fn tip(&self, point: &Point) -> String {
        let value = point.value.map_or_else(|| "no value".to_owned(), |value| self.spec.unit.text(value));
        let run = if point.run.is_empty() { String::new() } else { format!("run {} · ", brief(&point.run)) };
        let kind = match point.mark {
            PointMark::Ok => "",
            PointMark::Failed => " · failed",
            PointMark::Outlier => " · outlier",
        };
        format!("{run}{value} · {}{kind}", format_minute(point.time))
    }

    fn draw_levels(&self) -> Result<(), ChartError> {
        let newest = self.spec.levels.len().saturating_sub(1);
        for (place, level) in self.spec.levels.iter().enumerate() {
            let (a, b) = (self.at(level.from, level.value), self.at(self.until(level.to), level.value));
            let (ink, width) = if place == newest { (self.newest_ink(), 2.2) } else { (Ink::Text, 1.4) };
            self.plot.mark(&Mark::new(Form::Line, ink, [a, b]).stroke(width).tip(self.spec.unit.text(level.value)))?;
            if place + 1 == newest && !self.spec.changes.is_empty() {
                let end = self.at(self.to, level.value);
                self.plot.mark(&Mark::new(Form::Line, Ink::Muted, [b, end]).dash("2 3"))?;
            }
        }
        if self.canvas.width < WIDE {
            return Ok(());
        }
        self.write_levels()
    }

    fn write_levels(&self) -> Result<(), ChartError> {
        let words = level_words(self.spec);
        let mut ys: Vec<f64> = words.iter().map(|(value, ..)| self.plot.pixel(self.at(self.to, *value)).1).collect();
        if let [newest, before] = ys.as_mut_slice() {
            let gap = 14.0 - (*newest - *before).abs();
            if gap > 0.0 {
                let down = if newest > before { gap / 2.0 } else { -gap / 2.0 };
                (*newest, *before) = (*newest + down, *before - down);
            }
        }
        for ((_, text, newest), y) in words.iter().zip(ys) {
            let kind =
                if *newest { Type::new(Face::STRONG, self.newest_ink()) } else { Type::new(Face::LABEL, Ink::Muted) };
            self.canvas.text((self.plot.place.right + 5.0, y), text, kind.middle())?;
        }
        Ok(())
    }

    fn newest_ink(&self) -> Ink {
        self.spec.changes.last().map_or(Ink::Text, |change| self.ink(change))
    }

    fn ink(&self, change: &Change) -> Ink {
        if change.is_worse(self.spec.better) { Ink::Worse } else { Ink::Better }
    }

    fn draw_changes(&self) -> Result<(), ChartError> {
        let Place { right, top, bottom, .. } = self.plot.place;
        let x = |change: &Change| self.plot.pixel(self.at(change.time, change.after)).0;
        let mut taken: Vec<(f64, f64)> = self.spec.changes.iter().map(|c| (x(c) - 7.0, x(c) + 7.0)).collect();
        for change in self.spec.changes.iter().rev() {
            let (ink, x) = (self.ink(change), x(change));
            let (run, day) = (brief(&change.run), calendar::day(change.time));
            let tip = format!("run {run}, {day} · {}", change.words(self.spec.unit));
            self.canvas.mark(Mark::new(Form::Line, ink, [(x, top - 1.0), (x, bottom)]).dash("1 2").tip(tip.clone()))?;
            let form = if change.after > change.before { Form::Up(5.0) } else { Form::Down(5.0) };
            self.canvas.mark(Mark::new(form, ink, [(x, top - 10.0)]).tip(tip))?;
            let run = Face::STRONG.fit_middle(&run, if self.canvas.width < WIDE { 60.0 } else { 130.0 });
            // Beside its marker where nothing else stands, else shorter, else left to the tooltip.
            let places = [format!("run {run}, {day}"), format!("run {run}")].into_iter().flat_map(|words| {
                let wide = Face::STRONG.width(&words);
                [x + 9.0, x - 9.0 - wide].map(|start| (words.clone(), start, start + wide))
            });
            let free = |(_, start, end): &(String, f64, f64)| {
                let apart = |(a, b): &(f64, f64)| *start > *b || *end < *a;
                *start >= MARGIN && *end <= right.max(self.canvas.width - MARGIN) && taken.iter().all(apart)
            };
            if let Some((words, start, end)) = places.into_iter().find(free) {
                // What stands before the marker ends there, however wide the reader's font is.
                let kind = Type::new(Face::STRONG, ink).middle();
                let (at, kind) = if end < x { (end, kind.right()) } else { (start, kind) };
                self.canvas.text((at, top - 10.0), &words, kind)?;
                taken.push((start - 6.0, end + 6.0));
            }
        }
        Ok(())
    }

    fn draw_marked(&self, kind: PointMark) -> Result<(), ChartError> {
        let marked: Vec<&Point> = self.spec.points.iter().filter(|point| point.mark == kind).collect();
        let at = |point: &Point| self.at(point.time, point.value.unwrap_or(self.low));
        if marked.len() > TIPS_MAX {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 4000 pixels")]
            let room = ((self.plot.place.right - self.plot.place.left) / 5.0) as usize;
            let thin = columns(marked.iter().map(|point| at(point)), 0.0, seconds(self.from, self.to), room);
            for ends in [|c: &Column| (c.x, c.low), |c: &Column| (c.x, c.high)] {
                let ends: Vec<(f64, f64)> = thin.iter().map(ends).collect();
                match kind {
                    PointMark::Failed => self.plot.mark(&Mark::new(Form::Cross(2.2), Ink::Failed, ends).stroke(1.1))?,
                    _ => ends.into_iter().try_for_each(|end| self.plot.mark(&diamond(end)))?,
                }
            }
            return self.write_extremes(&marked);
        }
        for point in &marked {
            let mark = if kind == PointMark::Failed { cross([at(point)]) } else { diamond(at(point)) };
            self.plot.mark(&mark.tip(self.tip(point)))?;
        }
        self.write_extremes(&marked)
    }

    /// Values that lie beyond the axis are drawn at its edge; the largest say how far off they are.
    fn write_extremes(&self, marked: &[&Point]) -> Result<(), ChartError> {
        let mut beyond: Vec<(f64, &&Point)> =
            marked.iter().filter_map(|p| p.value.filter(|v| *v > self.high || *v < self.low).map(|v| (v, p))).collect();
        beyond.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
        let near = if self.spec.points.len() > 600 { marked.to_vec() } else { self.spec.points.iter().collect() };
        let spots = near.iter().filter_map(|p| p.value.map(|value| self.plot.pixel(self.at(p.time, value))));
        let mut taken: Vec<(f64, f64, f64)> = spots.map(|(x, y)| (x - 5.0, x + 5.0, y)).collect();
        for (value, point) in beyond.into_iter().take(3) {
            let (x, y) = self.plot.pixel(self.at(point.time, value));
            let text = format!("{} {}", self.spec.unit.text(value), if value > self.high { "↑" } else { "↓" });
            let wide = Face::LABEL.width(&text);
            let y = y.clamp(self.plot.place.top + 6.0, self.plot.place.bottom - 6.0);
            let lower = if value > self.high { y + 13.0 } else { y - 13.0 };
            let places = [(x + 9.0, y), (x - 9.0 - wide, y), (x - wide / 2.0, lower)];
            let free = |(start, y): &(f64, f64)| {
                let inside = *start > self.plot.place.left && start + wide < self.plot.place.right;
                let lines = self.spec.changes.iter().map(|change| self.plot.pixel(self.at(change.time, 0.0)).0);
                let crossed = lines.into_iter().any(|line| *start < line + 2.0 && start + wide > line - 2.0);
                inside
                    && !crossed
                    && taken
                        .iter()
                        .all(|(a, b, at)| (at - y).abs() > 11.0 || *start > b + 3.0 || start + wide < a - 3.0)
            };
            if let Some((start, y)) = places.into_iter().find(free) {
                let ink = if point.mark == PointMark::Failed { Ink::Failed } else { Ink::Outlier };
                self.canvas.text((start, y), &text, Type::new(Face::LABEL, ink).middle())?;
                taken.push((start, start + wide, y));
            }
        }
        Ok(())
    }

    fn draw_newest(&self) -> Result<(), ChartError> {
        let ordinary = |point: &&Point| point.mark == PointMark::Ok && point.value.is_some();
        let Some(point) = self.spec.points.iter().filter(ordinary).max_by_key(|point| point.time) else {
            return Ok(());
        };
        let at = self.at(point.time, point.value.unwrap_or_default());
        self.plot.mark(&Mark::new(Form::Disc(3.4), Ink::Series, [at]).outline(Ink::Paper, 1.5).tip(self.tip(point)))
    }
}
