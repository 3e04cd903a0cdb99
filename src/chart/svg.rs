//! plotters' drawing operations as SVG text.
//!
//! plotters counts in whole pixels and knows no titles, dashes or variables. Here a backend unit is a tenth
//! of a pixel, a colour of the palette becomes its CSS variable, and what plotters cannot say about the next
//! mark (tooltip, dash, outline) is laid down beforehand in `Extra` by our own elements.

use std::fmt::Write as _;

use plotters_backend::text_anchor::{HPos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind, FontStyle,
    FontTransform,
};

use super::frame::Home;
use super::ink::{Ink, hex};
use super::text::{Face, escape};

/// Backend units per pixel.
pub(super) const FINE: f64 = 10.0;

/// Pixels to backend units.
#[allow(clippy::cast_possible_truncation, reason = "clamped to the range that fits before the cast")]
pub(super) fn fine(pixels: f64) -> i32 {
    (pixels * FINE).round().clamp(-1e6, 1e6) as i32
}

/// Backend units as pixels in text: `12`, `12.3`.
pub(super) fn px(units: i32) -> String {
    let sign = if units < 0 { "-" } else { "" };
    let (whole, tenth) = (units.unsigned_abs() / 10, units.unsigned_abs() % 10);
    if tenth == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{tenth}") }
}

/// What plotters cannot say about a mark.
#[derive(Clone, Debug, Default)]
pub(super) struct Extra {
    /// Shown on hover without any script; also what a screen reader finds in the mark.
    pub tip: Option<String>,
    /// Lengths of dash and gap, in pixels.
    pub dash: Option<&'static str>,
    /// A second colour around a filled mark, and its width in backend units.
    pub outline: Option<(Ink, u32)>,
}

/// Writes SVG elements into a string.
pub(super) struct SvgBackend<'a> {
    out: &'a mut String,
    size: (u32, u32),
    home: Home,
    extra: Extra,
}

type Drawn = Result<(), DrawingErrorKind<std::fmt::Error>>;

impl<'a> SvgBackend<'a> {
    /// A backend of this size in backend units.
    pub(super) fn new(out: &'a mut String, size: (u32, u32), home: Home) -> Self {
        Self { out, size, home, extra: Extra::default() }
    }

    /// Draws with what plotters cannot say.
    pub(super) fn with(&mut self, extra: &Extra, draw: impl FnOnce(&mut Self) -> Drawn) -> Drawn {
        self.extra = extra.clone();
        if self.home == Home::Phone {
            self.extra.tip = None;
        }
        let drawn = draw(self);
        self.extra = Extra::default();
        drawn
    }

    /// Many round dots of one colour in one element: a tenth of the bytes of circles.
    pub(super) fn draw_dots(&mut self, at: impl Iterator<Item = BackendCoord>, diameter: u32, color: BackendColor) {
        let mut path = String::new();
        for (x, y) in at {
            let _ = write!(path, "M{} {}h0", px(x), px(y));
        }
        if path.is_empty() {
            return;
        }
        let stroke = stroke(self.home, color, diameter);
        let _ = write!(self.out, "<path d=\"{path}\"{stroke} stroke-linecap=\"round\"");
        self.close("path");
    }

    /// Circles that share a colour, each with a tooltip; the colour is written once.
    pub(super) fn draw_discs(&mut self, at: &[BackendCoord], tips: &[String], radius: i32, color: BackendColor) {
        if self.home == Home::Phone {
            return self.draw_dots(at.iter().copied(), 2 * radius.unsigned_abs(), color);
        }
        let _ = writeln!(self.out, "<g{}>", fill_of(self.home, color));
        for (place, (x, y)) in at.iter().enumerate() {
            let tip = tips.get(place).map_or_else(String::new, |tip| format!("<title>{}</title>", escape(tip)));
            let _ =
                writeln!(self.out, "<circle cx=\"{}\" cy=\"{}\" r=\"{}\">{tip}</circle>", px(*x), px(*y), px(radius));
        }
        self.out.push_str("</g>\n");
    }

    /// Many filled rectangles of one colour in one element, each between two corners.
    pub(super) fn draw_bars(&mut self, corners: &[BackendCoord], color: BackendColor) {
        let mut path = String::new();
        for pair in corners.chunks_exact(2) {
            let ((x, y), (right, bottom)) = (pair[0], pair[1]);
            let _ = write!(path, "M{} {}H{}V{}H{}Z", px(x), px(y), px(right), px(bottom), px(x));
        }
        if !path.is_empty() {
            let _ = writeln!(self.out, "<path d=\"{path}\"{}/>", fill_of(self.home, color));
        }
    }

    /// Many short strokes, each between two positions, in one element.
    pub(super) fn draw_strokes(&mut self, at: impl Iterator<Item = BackendCoord>, width: u32, color: BackendColor) {
        let mut path = String::new();
        for (place, (x, y)) in at.enumerate() {
            let _ = write!(path, "{}{} {}", if place % 2 == 0 { 'M' } else { 'L' }, px(x), px(y));
        }
        if path.is_empty() {
            return;
        }
        let stroke = stroke(self.home, color, width);
        let _ = write!(self.out, "<path d=\"{path}\"{stroke} stroke-linecap=\"round\"");
        self.close("path");
    }

    fn close(&mut self, tag: &str) {
        match &self.extra.tip {
            Some(tip) => {
                let _ = writeln!(self.out, "><title>{}</title></{tag}>", escape(tip));
            }
            None => self.out.push_str("/>\n"),
        }
    }

    /// Fill or stroke of a shape, and its outline or dash.
    fn paint<S: BackendStyle>(&self, style: &S, fill: bool) -> String {
        let color = style.color();
        let mut paint = if fill { fill_of(self.home, color) } else { stroke(self.home, color, style.stroke_width()) };
        if let (true, Some((ink, width))) = (fill, self.extra.outline) {
            let _ = write!(paint, " stroke=\"{}\"", css(self.home, ink));
            if width != 10 {
                let _ = write!(paint, " stroke-width=\"{}\"", px(i32::try_from(width).unwrap_or(10)));
            }
        }
        if let Some(dash) = self.extra.dash {
            let _ = write!(paint, " stroke-dasharray=\"{dash}\"");
        }
        paint
    }
}

// A page sets every variable: what stands in for one is said in files alone.
fn css(home: Home, ink: Ink) -> String {
    if home == Home::File { ink.css() } else { format!("var({})", ink.variable()) }
}

fn colour(home: Home, color: BackendColor) -> String {
    let (r, g, b) = color.rgb;
    let plain = || format!("#{}", hex(u32::from_be_bytes([0, r, g, b])));
    Ink::from_rgb(color.rgb).map_or_else(plain, |ink| css(home, ink))
}

fn opacity(attribute: &str, alpha: f64) -> String {
    if alpha >= 0.995 { String::new() } else { format!(" {attribute}=\"{}\"", (alpha * 100.0).round() / 100.0) }
}

fn fill_of(home: Home, color: BackendColor) -> String {
    format!(" fill=\"{}\"{}", colour(home, color), opacity("fill-opacity", color.alpha))
}

fn stroke(home: Home, color: BackendColor, width: u32) -> String {
    let mut text =
        format!(" fill=\"none\" stroke=\"{}\"{}", colour(home, color), opacity("stroke-opacity", color.alpha));
    if width != 10 {
        let _ = write!(text, " stroke-width=\"{}\"", px(i32::try_from(width).unwrap_or(10)));
    }
    text
}

fn path_data(points: impl IntoIterator<Item = BackendCoord>, closed: bool) -> String {
    let mut data = String::new();
    let mut last = None;
    for (x, y) in points {
        if last == Some((x, y)) {
            continue;
        }
        let lead = if last.is_none() {
            "M"
        } else if data.ends_with('L') {
            ""
        } else {
            "L"
        };
        let _ = write!(data, "{lead}{} {}", px(x), px(y));
        last = Some((x, y));
    }
    if closed {
        data.push('Z');
    }
    data
}

impl DrawingBackend for SvgBackend<'_> {
    type ErrorType = std::fmt::Error;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Drawn {
        self.draw_rect(point, (point.0 + 10, point.1 + 10), &color, true)
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(&mut self, a: BackendCoord, b: BackendCoord, style: &S, fill: bool) -> Drawn {
        if style.color().alpha == 0.0 && self.extra.tip.is_none() {
            return Ok(());
        }
        let (x, y) = (a.0.min(b.0), a.1.min(b.1));
        let paint = self.paint(style, fill);
        let (w, h) = (px((b.0 - a.0).abs()), px((b.1 - a.1).abs()));
        let _ = write!(self.out, "<rect x=\"{}\" y=\"{}\" width=\"{w}\" height=\"{h}\"{paint}", px(x), px(y));
        self.close("rect");
        Ok(())
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn {
        let data = path_data(path, false);
        if style.color().alpha == 0.0 || data.is_empty() {
            return Ok(());
        }
        let paint = self.paint(style, false);
        let _ = write!(self.out, "<path d=\"{data}\"{paint}");
        self.close("path");
        Ok(())
    }

    fn draw_circle<S: BackendStyle>(&mut self, center: BackendCoord, radius: u32, style: &S, fill: bool) -> Drawn {
        let paint = self.paint(style, fill);
        let radius = px(i32::try_from(radius).unwrap_or(0));
        let _ = write!(self.out, "<circle cx=\"{}\" cy=\"{}\" r=\"{radius}\"{paint}", px(center.0), px(center.1));
        self.close("circle");
        Ok(())
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, vert: I, style: &S) -> Drawn {
        let data = path_data(vert, true);
        let paint = self.paint(style, true);
        let _ = write!(self.out, "<path d=\"{data}\"{paint}");
        self.close("path");
        Ok(())
    }

    fn draw_text<T: BackendTextStyle>(&mut self, text: &str, style: &T, pos: BackendCoord) -> Drawn {
        if text.is_empty() || style.color().alpha == 0.0 {
            return Ok(());
        }
        let size = style.size() / FINE;
        // Ascent 0.905, cap height 0.716, descent 0.212 of the type size: Liberation Sans.
        let drop = match style.anchor().v_pos {
            VPos::Top => 0.905 * size,
            VPos::Center => 0.358 * size,
            VPos::Bottom => -0.212 * size,
        };
        let (x, y) = (px(pos.0), px(pos.1 + fine(drop)));
        let _ = write!(self.out, "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{}", fill_of(self.home, style.color()));
        match style.anchor().h_pos {
            HPos::Left => {}
            HPos::Center => self.out.push_str(" text-anchor=\"middle\""),
            HPos::Right => self.out.push_str(" text-anchor=\"end\""),
        }
        if matches!(style.style(), FontStyle::Bold) {
            self.out.push_str(" font-weight=\"700\"");
        }
        let turn = match style.transform() {
            FontTransform::None => 0,
            FontTransform::Rotate90 => 90,
            FontTransform::Rotate180 => 180,
            FontTransform::Rotate270 => 270,
        };
        if turn != 0 {
            let _ = write!(self.out, " transform=\"rotate({turn} {} {})\"", px(pos.0), px(pos.1));
        }
        let tip = self.extra.tip.as_deref().map_or_else(String::new, |tip| format!("<title>{}</title>", escape(tip)));
        let _ = writeln!(self.out, ">{}{tip}</text>", escape(text));
        Ok(())
    }

    fn estimate_text_size<T: BackendTextStyle>(
        &self,
        text: &str,
        style: &T,
    ) -> Result<(u32, u32), DrawingErrorKind<Self::ErrorType>> {
        let face = Face { size: style.size(), bold: matches!(style.style(), FontStyle::Bold) };
        let (width, height) = (face.width(text).ceil().clamp(0.0, 1e6), (style.size() * 1.117).ceil().clamp(0.0, 1e6));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped above")]
        Ok((width as u32, height as u32))
    }
}
