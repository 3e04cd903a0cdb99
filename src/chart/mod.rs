//! Charts: a spec in, SVG text out. Pure: no clock, no files, the same bytes for the same spec.
//!
//! plotters draws, through a backend of our own ([`svg`](self)) that counts in tenths of a pixel, names
//! colours by role as CSS variables (`var(--pl-ink,#1b1f24)`), measures text with a real width table and
//! gives marks tooltips that need no script.
//!
//! A page that holds charts inline sets the variables once ([`stylesheet`]);
//! a chart in a file of its own carries both themes. Everything that a caller writes is taken for hostile:
//! numbers are checked, lists bounded, text cleaned, shortened to what fits, and escaped.

mod advance;
mod axes;
mod calendar;
mod element;
mod error;
mod frame;
mod ink;
mod quantity;
mod svg;
mod text;
mod thin;

pub mod distribution;
pub mod forecast;
pub mod health;
pub mod heatmap;
pub mod models;
pub mod resources;
pub mod sparkline;
pub mod steps;
pub mod timeline;
pub mod waterfall;

#[cfg(test)]
mod gallery;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use error::{ChartError, VALUE_MAX};
pub use frame::Frame;
pub use ink::{dark_declarations, light_declarations, stylesheet};
pub use quantity::Unit;

use frame::{Canvas, Header, Home, Plan, assemble};

/// What to draw. In JSON, `"chart"` names the kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "chart", rename_all = "snake_case")]
pub enum Spec {
    /// One metric, run by run, with baseline band, levels and change points.
    Timeline(timeline::Timeline),
    /// A trend the size of a word.
    Sparkline(sparkline::Sparkline),
    /// Many of them, each named.
    SparklineGrid(sparkline::SparklineGrid),
    /// Steps before and after, and the share of the change that each carries.
    StepComparison(steps::StepComparison),
    /// Steps of the median and the slowest run, with their critical path.
    StepWaterfall(waterfall::StepWaterfall),
    /// Strips and boxes of a few groups of runs.
    Distribution(distribution::Distribution),
    /// Cost and tokens by model, stacked over time.
    ModelUsage(models::ModelUsage),
    /// CPU, memory and the like within one run.
    Resources(resources::Resources),
    /// A value for each hour and weekday.
    Heatmap(heatmap::Heatmap),
    /// Health over time.
    HealthHistory(health::HealthHistory),
    /// History, and a fan of what is likely.
    Forecast(forecast::Forecast),
}

/// The chart as a file of its own, with paper and both themes.
pub fn render(spec: &Spec) -> Result<String, ChartError> {
    draw(spec, Home::File)
}

/// The chart as an element of an HTML page that sets the palette's variables.
pub fn render_inline(spec: &Spec) -> Result<String, ChartError> {
    draw(spec, Home::Page)
}

/// The same for a screen over which nothing hovers: marks have no tooltips, and many of one colour are one element.
pub fn render_phone(spec: &Spec) -> Result<String, ChartError> {
    draw(spec, Home::Phone)
}

/// Width of the second drawing of `render_responsive`, in pixels: a phone's column.
const NARROW: u32 = 344;
/// Charts that are no wider than this are drawn once.
const NARROW_ENOUGH: u32 = 480;

/// The chart twice for an HTML page, as wide as asked and for a phone; [`stylesheet`] shows the one that fits,
/// so that text keeps its size. Twice the bytes: for the charts that matter.
pub fn render_responsive(spec: &Spec) -> Result<String, ChartError> {
    if spec.frame().width <= NARROW_ENOUGH {
        return render_inline(spec);
    }
    let mut narrow = spec.clone();
    let frame = narrow.frame_mut();
    frame.width = NARROW;
    frame.id.push_str("-narrow");
    Ok(draw(spec, Home::Wide)? + &draw(&narrow, Home::Narrow)?)
}

fn draw(spec: &Spec, home: Home) -> Result<String, ChartError> {
    let frame = spec.frame();
    frame.validate(spec.width_min())?;
    let plan = spec.plan()?;
    let width = f64::from(frame.width);
    let header = Header::lay_out(&plan, width);
    let height = (header.height + plan.height).ceil();
    let mut body = String::new();
    let canvas = Canvas::new(&mut body, width, header.height, height, home);
    header.draw(&canvas)?;
    spec.draw_on(&canvas)?;
    drop(canvas);
    Ok(assemble(frame, &plan, height, &body, home))
}

impl Spec {
    /// Id, message and width.
    #[must_use]
    pub fn frame(&self) -> &Frame {
        match self {
            Self::Timeline(chart) => &chart.frame,
            Self::Sparkline(chart) => &chart.frame,
            Self::SparklineGrid(chart) => &chart.frame,
            Self::StepComparison(chart) => &chart.frame,
            Self::Distribution(chart) => &chart.frame,
            Self::ModelUsage(chart) => &chart.frame,
            Self::Resources(chart) => &chart.frame,
            Self::Heatmap(chart) => &chart.frame,
            Self::HealthHistory(chart) => &chart.frame,
            Self::Forecast(chart) => &chart.frame,
            Self::StepWaterfall(chart) => &chart.frame,
        }
    }

    fn frame_mut(&mut self) -> &mut Frame {
        match self {
            Self::Timeline(chart) => &mut chart.frame,
            Self::Sparkline(chart) => &mut chart.frame,
            Self::SparklineGrid(chart) => &mut chart.frame,
            Self::StepComparison(chart) => &mut chart.frame,
            Self::Distribution(chart) => &mut chart.frame,
            Self::ModelUsage(chart) => &mut chart.frame,
            Self::Resources(chart) => &mut chart.frame,
            Self::Heatmap(chart) => &mut chart.frame,
            Self::HealthHistory(chart) => &mut chart.frame,
            Self::Forecast(chart) => &mut chart.frame,
            Self::StepWaterfall(chart) => &mut chart.frame,
        }
    }

    fn width_min(&self) -> u32 {
        if matches!(self, Self::Sparkline(_)) { 24 } else { 240 }
    }

    fn plan(&self) -> Result<Plan, ChartError> {
        match self {
            Self::Timeline(chart) => chart.plan(),
            Self::Sparkline(chart) => chart.plan(),
            Self::SparklineGrid(chart) => chart.plan(),
            Self::StepComparison(chart) => chart.plan(),
            Self::Distribution(chart) => chart.plan(),
            Self::ModelUsage(chart) => chart.plan(),
            Self::Resources(chart) => chart.plan(),
            Self::Heatmap(chart) => chart.plan(),
            Self::HealthHistory(chart) => chart.plan(),
            Self::Forecast(chart) => chart.plan(),
            Self::StepWaterfall(chart) => chart.plan(),
        }
    }

    fn draw_on(&self, canvas: &Canvas<'_>) -> Result<(), ChartError> {
        match self {
            Self::Timeline(chart) => chart.draw(canvas),
            Self::Sparkline(chart) => chart.draw(canvas),
            Self::SparklineGrid(chart) => chart.draw(canvas),
            Self::StepComparison(chart) => chart.draw(canvas),
            Self::Distribution(chart) => chart.draw(canvas),
            Self::ModelUsage(chart) => chart.draw(canvas),
            Self::Resources(chart) => chart.draw(canvas),
            Self::Heatmap(chart) => chart.draw(canvas),
            Self::HealthHistory(chart) => chart.draw(canvas),
            Self::Forecast(chart) => chart.draw(canvas),
            Self::StepWaterfall(chart) => chart.draw(canvas),
        }
    }
}
