//! What a run used while it went: CPU, memory, disk, one below the other on one clock, with its steps.

use serde::{Deserialize, Serialize};

use super::axes;
use super::element::{Form, Mark};
use super::error::{ChartError, at_most, finite, not_negative};
use super::frame::{Canvas, Frame, MARGIN, Place, Plan, Plot, Type, count};
use super::ink::Ink;
use super::quantity::Unit;
use super::text::{Face, brief, clean};
use super::thin::columns;

/// Most samples of one quantity.
pub const SAMPLES_MAX: usize = 200_000;
/// Most quantities.
pub const PANELS_MAX: usize = 8;
/// Most steps.
pub const STEPS_MAX: usize = 2_000;
/// Steps named along the foot: the longest.
const SHOWN: usize = 12;
const PANEL: f64 = 78.0;
const CAPTION: f64 = 22.0;
const STEP_ROW: f64 = 17.0;
const FOOT: f64 = 22.0;

/// Spec of resource use within a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resources {
    /// Id, message, width.
    #[serde(flatten)]
    pub frame: Frame,
    /// Pipeline.
    pub subject: String,
    /// Run.
    pub run: String,
    /// Seconds.
    pub duration_s: f64,
    /// Quantities, top to bottom.
    pub panels: Vec<ResourcePanel>,
    /// Steps, drawn below.
    #[serde(default)]
    pub steps: Vec<StepSpan>,
}

/// One quantity.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ResourcePanel {
    /// What is measured: `memory`.
    pub quantity: String,
    /// Unit of every value.
    pub unit: Unit,
    /// Seconds since the run began, and the value then; null where a sample is missing.
    pub samples: Vec<(f64, Option<f64>)>,
    /// A limit that matters, e.g. of the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
}

/// When a step ran.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepSpan {
    /// Name.
    pub step: String,
    /// Step that it lies in; none where it stands beside the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Seconds since the run began.
    pub start_s: f64,
    /// Seconds.
    pub duration_s: f64,
}

impl ResourcePanel {
    fn known(&self) -> impl Iterator<Item = (f64, f64)> {
        self.samples.iter().filter_map(|(at, value)| value.map(|value| (*at, value)))
    }

    fn peak(&self) -> Option<(f64, f64)> {
        self.known().max_by(|a, b| a.1.total_cmp(&b.1))
    }
}

impl Resources {
    /// Checks the spec and says what the chart says.
    pub(super) fn plan(&self) -> Result<Plan, ChartError> {
        at_most("resource panels", self.panels.len(), PANELS_MAX)?;
        at_most("resource steps", self.steps.len(), STEPS_MAX)?;
        not_negative("run duration", self.duration_s)?;
        if self.panels.is_empty() {
            return Err(ChartError::Empty("resource panels"));
        }
        for panel in &self.panels {
            at_most("resource samples", panel.samples.len(), SAMPLES_MAX)?;
            for (at, value) in &panel.samples {
                finite("sample time", *at)?;
                not_negative("sample", value.unwrap_or(0.0))?;
            }
            not_negative("resource limit", panel.limit.unwrap_or(0.0))?;
        }
        for step in &self.steps {
            finite("step start", step.start_s)?;
            not_negative("step duration", step.duration_s)?;
        }
        let title = self.frame.title.as_deref().map_or_else(|| self.message(), clean);
        let note = format!("run {} · {}", brief(&self.run), Unit::Seconds.text(self.duration_s));
        let subtitle = self.frame.subtitle.as_deref().map_or(note, clean);
        let described = || self.panels.iter().map(|panel| self.words(panel)).collect::<Vec<_>>().join(". ");
        let description = self.frame.description.as_deref().map_or_else(described, clean);
        let steps = STEP_ROW * count(self.lanes().len()) + if self.steps.is_empty() { 0.0 } else { 8.0 };
        let height = count(self.panels.len()) * (PANEL + CAPTION) + steps + FOOT;
        Ok(Plan { title, subtitle, description, height, header: true })
    }

    fn words(&self, panel: &ResourcePanel) -> String {
        let Some((at, most)) = panel.peak() else {
            return format!("{}: no samples", clean(&panel.quantity));
        };
        let during = self.during(at);
        let share = panel.limit.filter(|limit| *limit > 0.0);
        let share = share.map_or_else(String::new, |limit| format!(", {:.0} % of the limit", most / limit * 100.0));
        let (most, at) = (panel.unit.text(most), Unit::Seconds.text(at));
        format!("{} peaked at {most}{share} after {at}{during}", clean(&panel.quantity))
    }

    /// ` in compile`: the innermost step under way at a moment. Of steps side by side no one is to blame: all are named.
    fn during(&self, at: f64) -> String {
        let under_way: Vec<&StepSpan> =
            self.steps.iter().filter(|step| step.start_s <= at && at < step.start_s + step.duration_s).collect();
        let holds = |step: &StepSpan| under_way.iter().any(|inner| inner.parent.as_ref() == Some(&step.step));
        let innermost: Vec<&StepSpan> = under_way.iter().copied().filter(|step| !holds(step)).collect();
        match innermost.as_slice() {
            [] => String::new(),
            [one] => format!(" in {}", brief(&one.step)),
            [one, other] => format!(" while {} and {} ran", brief(&one.step), brief(&other.step)),
            several => format!(" while {} steps ran", several.len()),
        }
    }

    /// The quantity that comes nearest to its limit; the first where none has one.
    fn message(&self) -> String {
        let near = |panel: &ResourcePanel| match (panel.peak(), panel.limit) {
            (Some((_, most)), Some(limit)) if limit > 0.0 => most / limit,
            _ => 0.0,
        };
        let first_of_largest = self.panels.iter().rev().max_by(|a, b| near(a).total_cmp(&near(b)));
        let words = first_of_largest.map_or_else(String::new, |panel| self.words(panel));
        format!("{}: {words}", brief(&self.subject))
    }

    /// Steps below the panels: the longest, by start, those that do not overlap on one line.
    fn lanes(&self) -> Vec<Vec<&StepSpan>> {
        let mut steps: Vec<&StepSpan> = self.steps.iter().collect();
        steps.sort_by(|a, b| b.duration_s.total_cmp(&a.duration_s).then(a.start_s.total_cmp(&b.start_s)));
        steps.truncate(SHOWN);
        steps.sort_by(|a, b| a.start_s.total_cmp(&b.start_s).then(b.duration_s.total_cmp(&a.duration_s)));
        let mut lanes: Vec<Vec<&StepSpan>> = Vec::new();
        for step in steps {
            let slack = self.duration_s * 0.002;
            let free = |lane: &&mut Vec<&StepSpan>| {
                lane.last().is_none_or(|last| last.start_s + last.duration_s <= step.start_s + slack)
            };
            match lanes.iter_mut().find(free) {
                Some(lane) => lane.push(step),
                None => lanes.push(vec![step]),
            }
        }
        lanes
    }

    /// Draws the chart.
    pub(super) fn draw(&self, canvas: &Canvas<'_>) -> Result<(), ChartError> {
        let tops: Vec<f64> = self.panels.iter().map(top).collect();
        let gutters = self.panels.iter().zip(&tops).map(|(panel, top)| axes::gutter(&panel.unit.ticks(0.0, *top, 2)));
        let left = gutters.fold(0.0, f64::max);
        let last = self.panels.iter().flat_map(|panel| panel.samples.last()).map(|(at, _)| *at);
        let end = last.fold(self.duration_s, f64::max).max(1e-9);
        let mut y = canvas.top;
        for (panel, top) in self.panels.iter().zip(&tops) {
            let place = Place { left, top: y + CAPTION, right: canvas.width - 10.0, bottom: y + CAPTION + PANEL - 4.0 };
            let plot = canvas.plot(place, 0.0..end, 0.0..*top);
            self.draw_panel(canvas, &plot, panel, (y, *top))?;
            y += PANEL + CAPTION;
        }
        let place = Place { left, top: y, right: canvas.width - 10.0, bottom: canvas.height - FOOT };
        let plot = canvas.plot(place, 0.0..end, 0.0..1.0);
        let wanted = if canvas.width < 500.0 { 3 } else { 7 };
        axes::draw_values_below(canvas, &plot, &Unit::Seconds.ticks(0.0, end, wanted))?;
        self.draw_steps(canvas, &plot, y + 4.0)
    }

    fn draw_panel(
        &self,
        canvas: &Canvas<'_>,
        plot: &Plot<'_>,
        panel: &ResourcePanel,
        (y, top): (f64, f64),
    ) -> Result<(), ChartError> {
        let Place { left, right, bottom, .. } = plot.place;
        axes::draw_values(canvas, plot, &panel.unit.ticks(0.0, top, 2))?;
        let mut x = right;
        if let Some(limit) = panel.limit {
            let text = format!("limit {}", panel.unit.text(limit));
            canvas.text((x, y + 4.0), &text, Type::new(Face::LABEL, Ink::Worse).right())?;
            x -= Face::LABEL.width(&text) + 10.0;
        }
        if let Some((_, most)) = panel.peak() {
            let text = format!("peak {}", panel.unit.text(most));
            canvas.text((x, y + 4.0), &text, Type::new(Face::LABEL, Ink::Muted).right())?;
            x -= Face::LABEL.width(&text) + 10.0;
        }
        let name = Face::STRONG.fit(&clean(&panel.quantity), x - MARGIN);
        canvas.text((MARGIN, y + 4.0), &name, Type::new(Face::STRONG, Ink::Text))?;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 4000 pixels")]
        let room = (right - left) as usize;
        for stretch in panel.samples.split(|(_, value)| value.is_none()) {
            let at = || stretch.iter().filter_map(|(at, value)| value.map(|value| (*at, value)));
            let (Some(first), Some(last)) = (at().next(), at().next_back()) else { continue };
            let line: Vec<(f64, f64)> = if stretch.len() > 2 * room {
                let thin = columns(at(), first.0, last.0, room);
                thin.iter().flat_map(|column| [(column.x, column.low), (column.x, column.high)]).collect()
            } else {
                at().collect()
            };
            let ground = line.iter().copied().chain([(last.0, 0.0), (first.0, 0.0)]);
            plot.mark(&Mark::new(Form::Area, Ink::Band, ground))?;
            plot.mark(&Mark::new(Form::Line, Ink::Series, line).stroke(1.3))?;
        }
        if let Some(limit) = panel.limit {
            let at = plot.pixel((0.0, limit)).1;
            canvas.mark(Mark::new(Form::Line, Ink::Worse, [(left, at), (right, at)]).dash("5 3").stroke(1.2))?;
        }
        if let Some((at, most)) = panel.peak() {
            let tip = format!("{} · {}", panel.unit.text(most), Unit::Seconds.text(at));
            plot.mark(&Mark::new(Form::Disc(3.0), Ink::Series, [(at, most)]).outline(Ink::Paper, 1.2).tip(tip))?;
        }
        canvas.line((left, bottom), (right, bottom), Ink::Axis, 1.0)
    }

    fn draw_steps(&self, canvas: &Canvas<'_>, plot: &Plot<'_>, top: f64) -> Result<(), ChartError> {
        for (number, lane) in self.lanes().into_iter().enumerate() {
            let y = top + STEP_ROW * count(number);
            for step in lane {
                let (a, b) = (plot.pixel((step.start_s, 0.0)).0, plot.pixel((step.start_s + step.duration_s, 0.0)).0);
                let b = (b - 1.0).max(a + 1.0);
                let tip = format!("{} · {}", brief(&step.step), Unit::Seconds.text(step.duration_s));
                canvas
                    .mark(Mark::new(Form::Bar, Ink::Grid, [(a, y), (b, y + 14.0)]).outline(Ink::Axis, 0.8).tip(tip))?;
                let room = b - a - 6.0;
                if room >= 18.0 {
                    let name = Face::LABEL.fit_middle(&clean(&step.step), room);
                    canvas.text((a + 3.0, y + 7.0), &name, Type::new(Face::LABEL, Ink::Text).middle())?;
                }
            }
        }
        Ok(())
    }
}

/// Top of a panel's axis: above its peak and its limit, unless the limit is far away.
fn top(panel: &ResourcePanel) -> f64 {
    let most = panel.peak().map_or(0.0, |(_, most)| most);
    let limit = panel.limit.unwrap_or(0.0);
    let most = if limit > 0.0 { most.max(limit * 1.12) } else { most };
    if most > 0.0 { most * 1.1 } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_put_on_the_innermost_step_and_on_no_single_one_of_several_side_by_side() {
        let step = |step: &str, parent: Option<&str>, start_s: f64, duration_s: f64| StepSpan {
            step: step.to_owned(),
            parent: parent.map(str::to_owned),
            start_s,
            duration_s,
        };
        let used = Resources {
            frame: Frame::new("r"),
            subject: "build".to_owned(),
            run: "1".to_owned(),
            duration_s: 30.0,
            panels: Vec::new(),
            steps: vec![
                step("compile", None, 0.0, 20.0),
                step("link", Some("compile"), 15.0, 5.0),
                step("lint", None, 5.0, 5.0),
                step("docs", None, 20.0, 5.0),
            ],
        };
        let told = [2.0, 7.0, 17.0, 20.0, 29.0].map(|at| used.during(at));
        assert_eq!(told, [" in compile", " while compile and lint ran", " in link", " in docs", ""]);
    }
}
