//! Marks that plotters draws for us: its own operations, with tooltip, dash and outline.

use plotters::element::{Drawable, PointCollection};
use plotters::style::{Color, RGBAColor, ShapeStyle};
use plotters_backend::{BackendCoord, BackendStyle, DrawingBackend, DrawingErrorKind};

use super::ink::Ink;
use super::svg::{Extra, SvgBackend, fine};

/// What a mark looks like. Sizes in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Form {
    /// A line through the positions.
    Line,
    /// A filled polygon around the positions.
    Area,
    /// A filled rectangle between two positions.
    Bar,
    /// Many filled rectangles, each between two positions.
    Bars,
    /// Many dots of this diameter.
    Dots(f64),
    /// Many strokes, each between two positions.
    Strokes,
    /// Filled circles of this radius, each with a tooltip of its own.
    Discs(f64),
    /// A filled circle of this radius.
    Disc(f64),
    /// Two crossed strokes of this half-size at each position.
    Cross(f64),
    /// A diamond with paper inside.
    Diamond(f64),
    /// A filled triangle whose tip, this far away, is up.
    Up(f64),
    /// A filled triangle whose tip, this far away, is down.
    Down(f64),
}

/// A mark in the coordinates `C` of the area it is drawn on.
#[derive(Clone, Debug)]
pub(super) struct Mark<C> {
    at: Vec<C>,
    form: Form,
    color: RGBAColor,
    width: u32,
    extra: Extra,
    /// One for each position, where there are any.
    tips: Vec<String>,
}

impl<C> Mark<C> {
    /// A mark at these positions.
    pub(super) fn new(form: Form, ink: Ink, at: impl IntoIterator<Item = C>) -> Self {
        let at = at.into_iter().collect();
        Self { at, form, color: ink.rgb().to_rgba(), width: 10, extra: Extra::default(), tips: Vec::new() }
    }

    /// With a stroke of this many pixels.
    pub(super) fn stroke(mut self, pixels: f64) -> Self {
        self.width = fine(pixels).unsigned_abs();
        self
    }

    /// Partly transparent: 0 is clear, 1 is solid.
    pub(super) fn opacity(mut self, alpha: f64) -> Self {
        self.color = self.color.mix(alpha);
        self
    }

    /// With dashes, e.g. `4 3`.
    pub(super) fn dash(mut self, dash: &'static str) -> Self {
        self.extra.dash = Some(dash);
        self
    }

    /// With an outline of this many pixels.
    pub(super) fn outline(mut self, ink: Ink, pixels: f64) -> Self {
        self.extra.outline = Some((ink, fine(pixels).unsigned_abs()));
        self
    }

    /// With a text shown on hover.
    pub(super) fn tip(mut self, text: impl Into<String>) -> Self {
        self.extra.tip = Some(text.into());
        self
    }

    /// With a text for each position.
    pub(super) fn tips(mut self, texts: Vec<String>) -> Self {
        self.tips = texts;
        self
    }

    fn style(&self, filled: bool) -> ShapeStyle {
        ShapeStyle { color: self.color, filled, stroke_width: self.width }
    }
}

impl<'a, C: 'a> PointCollection<'a, C> for &'a Mark<C> {
    type Point = &'a C;
    type IntoIter = &'a [C];

    fn point_iter(self) -> &'a [C] {
        &self.at
    }
}

impl<C> Drawable<SvgBackend<'_>> for Mark<C> {
    fn draw<I: Iterator<Item = BackendCoord>>(
        &self,
        at: I,
        backend: &mut SvgBackend<'_>,
        _size: (u32, u32),
    ) -> Result<(), DrawingErrorKind<std::fmt::Error>> {
        let at: Vec<BackendCoord> = at.collect();
        backend.with(&self.extra, |backend| self.draw_at(&at, backend))
    }
}

impl<C> Mark<C> {
    fn draw_at(
        &self,
        at: &[BackendCoord],
        backend: &mut SvgBackend<'_>,
    ) -> Result<(), DrawingErrorKind<std::fmt::Error>> {
        let (Some(first), Some(last)) = (at.first().copied(), at.last().copied()) else {
            return Ok(());
        };
        let color = self.style(true).color();
        match self.form {
            Form::Line => backend.draw_path(at.iter().copied(), &self.style(false)),
            Form::Area => backend.fill_polygon(at.iter().copied(), &self.style(true)),
            Form::Bar => backend.draw_rect(first, last, &self.style(true), true),
            Form::Bars => {
                backend.draw_bars(at, color);
                Ok(())
            }
            Form::Dots(size) => {
                backend.draw_dots(at.iter().copied(), fine(size).unsigned_abs(), color);
                Ok(())
            }
            Form::Strokes => {
                backend.draw_strokes(at.iter().copied(), self.width, color);
                Ok(())
            }
            Form::Cross(half) => {
                let r = fine(half);
                let arms = |(x, y): &BackendCoord| [(x - r, y - r), (x + r, y + r), (x - r, y + r), (x + r, y - r)];
                backend.draw_strokes(at.iter().flat_map(arms), self.width, color);
                Ok(())
            }
            Form::Discs(radius) => {
                backend.draw_discs(at, &self.tips, fine(radius), color);
                Ok(())
            }
            Form::Disc(radius) => backend.draw_circle(first, fine(radius).unsigned_abs(), &self.style(true), true),
            Form::Diamond(half) => backend.fill_polygon(around(first, half, DIAMOND), &self.style(true)),
            Form::Up(half) => backend.fill_polygon(around(first, half, UP), &self.style(true)),
            Form::Down(half) => backend.fill_polygon(around(first, half, DOWN), &self.style(true)),
        }
    }
}

const DIAMOND: &[(f64, f64)] = &[(0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (-1.0, 0.0)];
const UP: &[(f64, f64)] = &[(0.0, -1.0), (0.95, 0.7), (-0.95, 0.7)];
const DOWN: &[(f64, f64)] = &[(0.0, 1.0), (0.95, -0.7), (-0.95, -0.7)];

fn around((x, y): BackendCoord, half: f64, corners: &[(f64, f64)]) -> Vec<BackendCoord> {
    corners.iter().map(|(dx, dy)| (x + fine(dx * half), y + fine(dy * half))).collect()
}

impl<C> Mark<C> {
    /// The same mark in other coordinates.
    pub(super) fn map<D>(self, to: impl FnMut(C) -> D) -> Mark<D> {
        let Self { at, form, color, width, extra, tips } = self;
        Mark { at: at.into_iter().map(to).collect(), form, color, width, extra, tips }
    }
}
