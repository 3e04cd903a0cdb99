//! Where a run's time goes: its steps from start to end, the critical path among them; median and slowest run.

use serde::{Deserialize, Serialize};

use super::axes::{self, Key};
use super::element::{Form, Mark};
use super::error::{ChartError, at_most, not_negative};
use super::frame::{Canvas, Frame, MARGIN, Place, Plan, Plot, Type, count};
use super::ink::Ink;
use super::quantity::Unit;
use super::text::{Face, brief, clean};

/// Most steps of one run.
pub const STEPS_MAX: usize = 5_000;
/// Steps drawn of one run: the longest.
const SHOWN: usize = 24;
const ROW: f64 = 20.0;
const ROW_NARROW: f64 = 32.0;
const CAPTION: f64 = 24.0;
const FOOT: f64 = 22.0;
/// Narrower charts write names above the bars.
const WIDE: f64 = 520.0;

/// Spec of a step waterfall.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepWaterfall {
    /// Id, message, width.
    #[serde(flatten)]
    pub frame: Frame,
    /// Pipeline.
    pub subject: String,
    /// One to four runs on one scale: usually the median and the slowest.
    pub runs: Vec<RunSteps>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSteps {
    /// What it is: `median run 471`.
    pub label: String,
    /// Seconds.
    pub duration_s: f64,
    /// Its steps, in any order.
    pub steps: Vec<StepBar>,
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepBar {
    /// Name.
    pub step: String,
    /// Seconds since the run began.
    pub start_s: f64,
    /// Seconds.
    pub duration_s: f64,
    /// It failed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
}

impl StepBar {
    fn end(&self) -> f64 {
        self.start_s + self.duration_s
    }
}

impl RunSteps {
    /// Steps to draw, by start, each with whether it lies on the critical path; and how many are left out.
    fn rows(&self) -> (Vec<(&StepBar, bool)>, usize) {
        let critical = self.critical_path();
        let mut rows: Vec<(&StepBar, bool)> =
            self.steps.iter().enumerate().map(|(at, step)| (step, critical.contains(&at))).collect();
        rows.sort_by(|a, b| b.1.cmp(&a.1).then(b.0.duration_s.total_cmp(&a.0.duration_s)));
        rows.truncate(SHOWN);
        rows.sort_by(|a, b| a.0.start_s.total_cmp(&b.0.start_s).then(b.0.end().total_cmp(&a.0.end())));
        let hidden = self.steps.len() - rows.len();
        (rows, hidden)
    }

    /// The chain of steps that the run's end waited for: from the step that ends last, back each time to the
    /// step that ended last before that one began. Steps that contain others count as one; ties go to the longer.
    fn critical_path(&self) -> Vec<usize> {
        // Clocks of two processes differ a little; half a percent of the run is no overlap.
        let slack = self.duration_s * 0.005;
        let mut chain: Vec<usize> = Vec::new();
        let mut before = f64::INFINITY;
        // Each link ends before the one that follows, so the chain is no longer than the steps.
        while chain.len() < self.steps.len() {
            let ends_before = |(at, step): &(usize, &StepBar)| {
                step.end() <= before + slack && step.start_s <= before && !chain.contains(at)
            };
            let by_end = |(_, a): &(usize, &StepBar), (_, b): &(usize, &StepBar)| {
                a.end().total_cmp(&b.end()).then(a.duration_s.total_cmp(&b.duration_s))
            };
            let Some((at, step)) = self.steps.iter().enumerate().filter(ends_before).max_by(by_end) else { break };
            chain.push(at);
            before = step.start_s;
            if chain.len() >= 500 || before <= slack {
                break;
            }
        }
        chain
    }

    fn height(&self, row: f64) -> f64 {
        let (rows, hidden) = self.rows();
        CAPTION + row * count(rows.len()) + if hidden > 0 { 16.0 } else { 0.0 } + 6.0
    }
}

impl StepWaterfall {
    /// Checks the spec and says what the chart says.
    pub(super) fn plan(&self) -> Result<Plan, ChartError> {
        at_most("waterfall runs", self.runs.len(), 4)?;
        if self.runs.is_empty() {
            return Err(ChartError::Empty("waterfall runs"));
        }
        for run in &self.runs {
            at_most("waterfall steps", run.steps.len(), STEPS_MAX)?;
            not_negative("run duration", run.duration_s)?;
            let times = run.steps.iter().flat_map(|step| [step.start_s, step.duration_s]);
            times.into_iter().try_for_each(|seconds| not_negative("step time", seconds))?;
        }
        let title = self.frame.title.as_deref().map_or_else(|| self.message(), clean);
        let note = "time since the run began; bold times are the critical path, the chain that the end waited for";
        let subtitle = self.frame.subtitle.as_deref().map_or_else(|| note.to_owned(), clean);
        let description = self.frame.description.as_deref().map_or_else(|| self.description(), clean);
        let runs: f64 = self.runs.iter().map(|run| run.height(self.row())).sum();
        Ok(Plan { title, subtitle, description, height: self.legend() + runs + FOOT, header: true })
    }

    fn row(&self) -> f64 {
        if f64::from(self.frame.width) >= WIDE { ROW } else { ROW_NARROW }
    }

    fn legend(&self) -> f64 {
        let keys = self.keys();
        let texts: Vec<&str> = keys.iter().map(|key| key.text.as_str()).collect();
        axes::legend_height(&texts, f64::from(self.frame.width))
    }

    fn keys(&self) -> Vec<Key> {
        let mut keys = vec![
            Key { mark: |at| axes::swatch(Ink::Series, at), text: "on the critical path".to_owned() },
            Key { mark: |at| axes::swatch(Ink::Quiet, at), text: "beside it".to_owned() },
        ];
        if self.runs.iter().flat_map(|run| &run.steps).any(|step| step.failed) {
            keys.push(Key { mark: |at| cross(at), text: "failed".to_owned() });
        }
        keys
    }

    fn message(&self) -> String {
        let subject = brief(&self.subject);
        let [first, .., last] = self.runs.as_slice() else {
            let run = &self.runs[0];
            return format!("{subject}: {} took {}", clean(&run.label), Unit::Seconds.text(run.duration_s));
        };
        let longer = |step: &StepBar| {
            let same = first.steps.iter().find(|other| other.step == step.step);
            step.duration_s - same.map_or(0.0, |other| other.duration_s)
        };
        let worst = last.steps.iter().max_by(|a, b| longer(a).total_cmp(&longer(b)));
        let which = worst.filter(|step| longer(step) > 0.0).map_or_else(String::new, |step| {
            format!("; {} took {} longer", brief(&step.step), Unit::Seconds.text(longer(step)))
        });
        format!(
            "{subject}: {} {}, {} {}{which}",
            clean(&first.label),
            Unit::Seconds.text(first.duration_s),
            clean(&last.label),
            Unit::Seconds.text(last.duration_s),
        )
    }

    fn description(&self) -> String {
        let said = |(step, critical): &(&StepBar, bool)| {
            let path = if *critical { ", on the critical path" } else { "" };
            let failed = if step.failed { ", failed" } else { "" };
            let (start, took) = (Unit::Seconds.text(step.start_s), Unit::Seconds.text(step.duration_s));
            format!("{} from {start} for {took}{path}{failed}", brief(&step.step))
        };
        let run = |run: &RunSteps| {
            let steps = run.rows().0.iter().map(said).collect::<Vec<_>>().join("; ");
            format!("{}: {steps}", clean(&run.label))
        };
        self.runs.iter().map(run).collect::<Vec<_>>().join(". ")
    }

    /// Draws the chart.
    pub(super) fn draw(&self, canvas: &Canvas<'_>) -> Result<(), ChartError> {
        axes::draw_legend(canvas, &self.keys(), canvas.top)?;
        let rows = || self.runs.iter().flat_map(|run| run.rows().0);
        let ends = rows().map(|(step, _)| step.end()).chain(self.runs.iter().map(|run| run.duration_s));
        let end = ends.fold(0.0, f64::max).max(1e-9);
        let wide = canvas.width >= WIDE;
        let names = rows().map(|(step, _)| Face::LABEL.width(&clean(&step.step))).fold(0.0, f64::max);
        let left = if wide { MARGIN + names.clamp(60.0, canvas.width * 0.28) + 10.0 } else { MARGIN };
        let place =
            Place { left, top: canvas.top + self.legend(), right: canvas.width - 64.0, bottom: canvas.height - FOOT };
        let plot = canvas.plot(place, 0.0..end, 0.0..1.0);
        axes::draw_values_below(canvas, &plot, &Unit::Seconds.ticks(0.0, end, if wide { 6 } else { 3 }))?;
        let mut y = place.top;
        for run in &self.runs {
            self.draw_run(canvas, &plot, run, y)?;
            y += run.height(self.row());
        }
        Ok(())
    }

    fn draw_run(&self, canvas: &Canvas<'_>, plot: &Plot<'_>, run: &RunSteps, top: f64) -> Result<(), ChartError> {
        let label = format!("{} · {}", clean(&run.label), Unit::Seconds.text(run.duration_s));
        let label = Face::STRONG.fit(&label, canvas.width - 2.0 * MARGIN);
        canvas.text((MARGIN, top + 7.0), &label, Type::new(Face::STRONG, Ink::Text))?;
        let (rows, hidden) = run.rows();
        let bar = |place: usize| top + CAPTION + self.row() * count(place) + self.row() - 16.0;
        self.draw_bars(canvas, plot, &rows, bar)?;
        for (place, (step, critical)) in rows.iter().enumerate() {
            self.draw_name(canvas, plot, step, top + CAPTION + self.row() * count(place))?;
            self.draw_time(canvas, plot, (step, *critical), bar(place))?;
        }
        if hidden > 0 {
            let text = format!("{hidden} shorter steps not drawn");
            canvas.text(
                (plot.place.left, bar(rows.len()) - self.row() + 19.0),
                &text,
                Type::new(Face::LABEL, Ink::Muted),
            )?;
        }
        Ok(())
    }

    /// Bars, and lines from the end of each critical step to the one that waited for it.
    fn draw_bars(
        &self,
        canvas: &Canvas<'_>,
        plot: &Plot<'_>,
        rows: &[(&StepBar, bool)],
        bar: impl Fn(usize) -> f64,
    ) -> Result<(), ChartError> {
        let mut waited: Option<(f64, f64)> = None;
        for (place, (step, critical)) in rows.iter().enumerate() {
            let (a, b) = span(plot, step);
            let y = bar(place);
            if let (Some((x, from)), true) = (waited, *critical && canvas.width >= WIDE) {
                canvas.mark(Mark::new(Form::Line, Ink::Series, [(x, from), (x, y), (a, y)]))?;
            }
            let ink = if *critical { Ink::Series } else { Ink::Quiet };
            let (took, start) = (Unit::Seconds.text(step.duration_s), Unit::Seconds.text(step.start_s));
            let tip = format!("{} · {took} from {start}", brief(&step.step));
            canvas.mark(Mark::new(Form::Bar, ink, [(a, y), (b, y + 12.0)]).tip(tip))?;
            if *critical {
                waited = Some((b, y + 12.0));
            }
        }
        Ok(())
    }

    fn draw_time(
        &self,
        canvas: &Canvas<'_>,
        plot: &Plot<'_>,
        (step, critical): (&StepBar, bool),
        y: f64,
    ) -> Result<(), ChartError> {
        let b = span(plot, step).1;
        let x = b + if step.failed { 16.0 } else { 5.0 };
        let (ink, face) = if critical { (Ink::Text, Face::STRONG) } else { (Ink::Muted, Face::LABEL) };
        let took = face.fit(&Unit::Seconds.text(step.duration_s), canvas.width - x);
        // Paper behind the words: a connecting line may pass.
        let ground = [(b + 3.0, y), (x + face.width(&took) + 2.0, y + 12.0)];
        canvas.mark(Mark::new(Form::Bar, Ink::Paper, ground))?;
        if step.failed {
            canvas.mark(cross((b + 8.0, y + 6.0)))?;
        }
        canvas.text((x, y + 6.0), &took, Type::new(face, ink).middle())
    }

    fn draw_name(&self, canvas: &Canvas<'_>, plot: &Plot<'_>, step: &StepBar, y: f64) -> Result<(), ChartError> {
        let kind = Type::new(Face::LABEL, Ink::Text);
        if canvas.width >= WIDE {
            let name = Face::LABEL.fit_middle(&clean(&step.step), plot.place.left - MARGIN - 8.0);
            return canvas.text((plot.place.left - 8.0, y + 10.0), &name, kind.right().middle());
        }
        let name = Face::LABEL.fit_middle(&clean(&step.step), canvas.width - 2.0 * MARGIN);
        canvas.text((MARGIN, y + 1.0), &name, kind)
    }
}

/// Left and right end of a step's bar, in pixels.
fn span(plot: &Plot<'_>, step: &StepBar) -> (f64, f64) {
    let (a, b) = (plot.pixel((step.start_s, 0.0)).0, plot.pixel((step.end(), 0.0)).0);
    (a, b.max(a + 1.5))
}

fn cross(at: (f64, f64)) -> Mark<(f64, f64)> {
    Mark::new(Form::Cross(3.2), Ink::Failed, [at]).stroke(1.6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bar(step: &str, start_s: f64, duration_s: f64) -> StepBar {
        StepBar { step: step.to_owned(), start_s, duration_s, failed: false }
    }

    #[test]
    fn the_critical_path_is_the_chain_that_the_end_waited_for() {
        let steps =
            vec![bar("a", 0.0, 2.0), bar("b", 2.0, 5.0), bar("c", 2.0, 1.0), bar("d", 7.0, 1.0), bar("e", 3.0, 3.0)];
        let run = RunSteps { label: String::new(), duration_s: 8.0, steps };
        assert_eq!(run.critical_path(), [3, 1, 0]);
    }

    #[test]
    fn the_critical_path_of_steps_without_length_ends() {
        let steps = (0..3000).map(|_| bar("x", 0.0, 0.0)).collect();
        let run = RunSteps { label: String::new(), duration_s: 0.0, steps };
        assert!(run.critical_path().len() <= 500);
        assert_eq!(run.rows().0.len(), SHOWN);
    }
}
