//! What every chart has: an id, a message, a width; the paper it is drawn on and the SVG around it.

use std::fmt::Write as _;
use std::ops::Range;

use plotters::coord::types::RangedCoordf64;
use plotters::coord::{Shift, cartesian::Cartesian2d};
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::element::Text;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{FontStyle, IntoFont, TextStyle};
use serde::{Deserialize, Serialize};

use super::element::{Form, Mark};
use super::error::ChartError;
use super::ink::{Ink, dark_declarations, light_declarations};
use super::svg::{FINE, SvgBackend, fine};
use super::text::{Face, clean, escape};

/// Fonts whose widths our table knows, first those that are drawn alike everywhere.
const FONTS: &str = "'Liberation Sans',Arial,Helvetica,sans-serif";

/// Longest id, with room for the ending of a narrow drawing.
const ID_LENGTH_MAX: usize = 80;

/// What every chart's spec begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Prefix of every element id in the SVG: unique in the page that holds it.
    pub id: String,
    /// The message; where none, the chart says what it shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The line below the message; where none, the chart's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subtitle: Option<String>,
    /// What a screen reader says beyond the message; where none, the chart's own summary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Pixels, 24 to 4000; all but sparklines want 240 or more.
    #[serde(default = "default_width")]
    pub width: u32,
}

fn default_width() -> u32 {
    760
}

impl Frame {
    /// A frame with this id, 760 pixels wide.
    #[must_use]
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), title: None, subtitle: None, description: None, width: default_width() }
    }

    /// The same frame at another width.
    #[must_use]
    pub fn width(mut self, pixels: u32) -> Self {
        self.width = pixels;
        self
    }

    pub(super) fn validate(&self, width_min: u32) -> Result<(), ChartError> {
        let mut chars = self.id.chars();
        let head = chars.next().is_some_and(|ch| ch.is_ascii_alphabetic());
        if !head
            || self.id.len() > ID_LENGTH_MAX
            || !chars.all(|ch| ch.is_ascii_alphanumeric() || ch == '-' || ch == '_')
        {
            return Err(ChartError::Id(clean(&self.id)));
        }
        if !(width_min..=4000).contains(&self.width) {
            return Err(ChartError::Width(self.width));
        }
        Ok(())
    }
}

/// What a chart says of itself and how much room it wants below its header.
pub(super) struct Plan {
    pub title: String,
    pub subtitle: String,
    pub description: String,
    /// Pixels below the header.
    pub height: f64,
    /// Draw title and subtitle; a sparkline does not.
    pub header: bool,
}

/// Space at the left and right of everything, in pixels.
pub(super) const MARGIN: f64 = 4.0;

/// Title and subtitle, broken into lines.
pub(super) struct Header {
    title: Vec<String>,
    subtitle: Vec<String>,
    /// Pixels.
    pub height: f64,
}

impl Header {
    pub(super) fn lay_out(plan: &Plan, width: f64) -> Self {
        if !plan.header {
            return Self { title: Vec::new(), subtitle: Vec::new(), height: 0.0 };
        }
        let room = width - 2.0 * MARGIN;
        // A percent sign does not begin a line.
        let tied = |text: &str| text.replace(" %", "\u{A0}%");
        let lines = |face: Face, text: &str| if text.is_empty() { Vec::new() } else { face.wrap(&tied(text), room, 3) };
        let (title, subtitle) = (lines(Face::TITLE, &plan.title), lines(Face::SUBTITLE, &plan.subtitle));
        let height = 6.0 + 19.0 * count(title.len()) + 16.0 * count(subtitle.len()) + 6.0;
        Self { title, subtitle, height }
    }

    pub(super) fn draw(&self, canvas: &Canvas<'_>) -> Result<(), ChartError> {
        let mut y = 6.0;
        for line in &self.title {
            canvas.text((MARGIN, y), line, Type::new(Face::TITLE, Ink::Text))?;
            y += 19.0;
        }
        for line in &self.subtitle {
            canvas.text((MARGIN, y), line, Type::new(Face::SUBTITLE, Ink::Muted))?;
            y += 16.0;
        }
        Ok(())
    }
}

#[allow(clippy::cast_precision_loss, reason = "lengths of lists bounded far below 2^53")]
pub(super) fn count(length: usize) -> f64 {
    length as f64
}

/// How a text is set.
#[derive(Clone, Copy)]
pub(super) struct Type {
    face: Face,
    ink: Ink,
    h: HPos,
    v: VPos,
}

impl Type {
    /// Left-aligned, hanging from its top.
    pub(super) fn new(face: Face, ink: Ink) -> Self {
        Self { face, ink, h: HPos::Left, v: VPos::Top }
    }
    /// Ends at its position.
    pub(super) fn right(mut self) -> Self {
        self.h = HPos::Right;
        self
    }
    /// Centred on its position.
    pub(super) fn centre(mut self) -> Self {
        self.h = HPos::Center;
        self
    }
    /// Vertically centred on its position.
    pub(super) fn middle(mut self) -> Self {
        self.v = VPos::Center;
        self
    }
    /// Stands on its position.
    pub(super) fn above(mut self) -> Self {
        self.v = VPos::Bottom;
        self
    }
}

/// The paper, in pixels.
pub(super) struct Canvas<'a> {
    area: DrawingArea<SvgBackend<'a>, Shift>,
    /// Pixels.
    pub width: f64,
    /// Where the chart begins below its header, in pixels.
    pub top: f64,
    /// Pixels, header included.
    pub height: f64,
    /// Where the drawing will live.
    pub home: Home,
}

/// Wraps plotters' error.
fn drawn<E: std::error::Error>(result: Result<(), E>) -> Result<(), ChartError> {
    result.map_err(|source| ChartError::Draw(source.to_string()))
}

impl<'a> Canvas<'a> {
    pub(super) fn new(out: &'a mut String, width: f64, top: f64, height: f64, home: Home) -> Self {
        let size = (fine(width).unsigned_abs(), fine(height).unsigned_abs());
        Self { area: SvgBackend::new(out, size, home).into_drawing_area(), width, top, height, home }
    }

    /// Draws a mark given in pixels.
    pub(super) fn mark(&self, mark: Mark<(f64, f64)>) -> Result<(), ChartError> {
        drawn(self.area.draw(&mark.map(|(x, y)| (fine(x), fine(y)))))
    }

    /// Writes a text at a position in pixels; what would leave the paper is shortened, whatever a layout thought.
    pub(super) fn text(&self, (x, y): (f64, f64), text: &str, kind: Type) -> Result<(), ChartError> {
        let room = match kind.h {
            HPos::Left => self.width - x,
            HPos::Right => x,
            HPos::Center => 2.0 * x.min(self.width - x),
        };
        let text = kind.face.fit(text, room + 0.5);
        if kind.face.width(&text) > room + 1.0 {
            return Ok(());
        }
        let style = if kind.face.bold { FontStyle::Bold } else { FontStyle::Normal };
        let font = ("sans-serif", kind.face.size * FINE).into_font().style(style).color(&kind.ink.rgb());
        let look: TextStyle<'_> = font.pos(Pos::new(kind.h, kind.v));
        drawn(self.area.draw(&Text::new(text, (fine(x), fine(y)), look)))
    }

    /// A line of pixels.
    pub(super) fn line(&self, from: (f64, f64), to: (f64, f64), ink: Ink, width: f64) -> Result<(), ChartError> {
        self.mark(Mark::new(Form::Line, ink, [from, to]).stroke(width))
    }

    /// A part of the paper with axes of its own: `x` over left to right, `y` over bottom to top.
    pub(super) fn plot(&self, place: Place, x: Range<f64>, y: Range<f64>) -> Plot<'a> {
        let area = self.area.clone().shrink(
            (fine(place.left), fine(place.top)),
            (fine(place.right - place.left), fine(place.bottom - place.top)),
        );
        let (xs, ys) = area.get_pixel_range();
        let spec = Cartesian2d::<RangedCoordf64, RangedCoordf64>::new(x.clone(), y.clone(), (xs, ys.end..ys.start));
        Plot { area: area.apply_coord_spec(spec), place, x, y }
    }
}

/// A rectangle in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Place {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

/// A part of the paper with axes.
pub(super) struct Plot<'a> {
    area: DrawingArea<SvgBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>,
    /// Where it lies.
    pub place: Place,
    x: Range<f64>,
    y: Range<f64>,
}

impl Plot<'_> {
    /// Draws a mark given in the units of the axes; what lies outside is drawn at the edge.
    pub(super) fn mark(&self, mark: &Mark<(f64, f64)>) -> Result<(), ChartError> {
        drawn(self.area.draw(&mark.clone().map(|at| self.inside(at))))
    }

    /// plotters counts in `i32` and overflows on values far outside its axes.
    fn inside(&self, (x, y): (f64, f64)) -> (f64, f64) {
        (x.max(self.x.start).min(self.x.end), y.max(self.y.start).min(self.y.end))
    }

    /// Where a value lies, in pixels.
    pub(super) fn pixel(&self, at: (f64, f64)) -> (f64, f64) {
        let (x, y) = self.area.map_coordinate(&self.inside(at));
        let Place { left, top, right, bottom } = self.place;
        ((f64::from(x) / FINE).clamp(left, right), (f64::from(y) / FINE).clamp(top, bottom))
    }
}

/// Where the SVG will live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// A file of its own: brings paper and themes along.
    File,
    /// Inside a page that sets the variables.
    Page,
    /// The same, for wide screens only.
    Wide,
    /// The same, for narrow screens only.
    Narrow,
    /// The same, where nothing hovers: without the tooltips of marks.
    Phone,
}

/// The finished SVG.
pub(super) fn assemble(frame: &Frame, plan: &Plan, height: f64, body: &str, home: Home) -> String {
    let (id, width) = (&frame.id, frame.width);
    let height = height.ceil();
    let mut out = String::with_capacity(body.len() + 2048);
    let class = match home {
        Home::File | Home::Page | Home::Phone => "pl-chart",
        Home::Wide => "pl-chart pl-wide",
        Home::Narrow => "pl-chart pl-narrow",
    };
    let xmlns = if home == Home::File { " xmlns=\"http://www.w3.org/2000/svg\"" } else { "" };
    let _ = write!(
        out,
        "<svg{xmlns} class=\"{class}\" role=\"img\" aria-labelledby=\"{id}-t\" aria-describedby=\"{id}-d\" \
         width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" font-family=\"{FONTS}\">\n\
         <title id=\"{id}-t\">{}</title>\n<desc id=\"{id}-d\">{}</desc>\n",
        escape(&plan.title),
        escape(&plan.description),
    );
    if home == Home::File {
        // `svg:root` fits a file of its own only: pasted into a page, the rule touches nothing.
        let _ = writeln!(
            out,
            "<style>svg:root{{{}}}@media (prefers-color-scheme:dark){{svg:root{{{}}}}}</style>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"{}\"/>",
            light_declarations(),
            dark_declarations(),
            Ink::Paper.css(),
        );
    }
    out.push_str(body);
    out.push_str("</svg>\n");
    out
}
