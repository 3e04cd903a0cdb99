//! Axes and legends: quiet, with units, never in each other's way.

use crate::model::clock::UnixNanos;

use super::calendar;
use super::element::{Form, Mark};
use super::error::ChartError;
use super::frame::{Canvas, MARGIN, Place, Plot, Type};
use super::ink::Ink;
use super::quantity::Tick;
use super::text::Face;

/// Pixels that the words of a time axis need below a plot.
pub(super) const TIME_AXIS_HEIGHT: f64 = 22.0;

/// Pixels that these ticks need left of a plot.
pub(super) fn gutter(ticks: &[Tick]) -> f64 {
    ticks.iter().map(|tick| Face::LABEL.width(&tick.text)).fold(0.0, f64::max).min(120.0) + MARGIN + 7.0
}

/// Faint lines across the plot, and their values left of it.
pub(super) fn draw_values(canvas: &Canvas<'_>, plot: &Plot<'_>, ticks: &[Tick]) -> Result<(), ChartError> {
    let Place { left, right, .. } = plot.place;
    for tick in ticks {
        let y = plot.pixel((0.0, tick.at)).1;
        canvas.line((left, y), (right, y), Ink::Grid, 1.0)?;
        canvas.text((left - 6.0, y), &tick.text, Type::new(Face::LABEL, Ink::Muted).right().middle())?;
    }
    Ok(())
}

/// Times below the plot, whose x axis counts seconds since `from`.
pub(super) fn draw_times(
    canvas: &Canvas<'_>,
    plot: &Plot<'_>,
    from: UnixNanos,
    to: UnixNanos,
) -> Result<(), ChartError> {
    let Place { left, right, bottom, .. } = plot.place;
    canvas.line((left, bottom), (right, bottom), Ink::Axis, 1.0)?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a width of at most 4000 pixels")]
    let most = ((right - left) / 62.0).clamp(2.0, 14.0) as usize;
    let mut ticks = calendar::ticks(from, to, most);
    if ticks.is_empty() || from == to {
        ticks.clear();
        ticks.push((from, calendar::day(from)));
    }
    let mut free_from = f64::NEG_INFINITY;
    for (at, text) in ticks {
        let x = plot.pixel((seconds(from, at), 0.0)).0;
        canvas.line((x, bottom), (x, bottom + 4.0), Ink::Axis, 1.0)?;
        let half = Face::LABEL.width(&text) / 2.0;
        let centre = x.clamp(half.min(canvas.width / 2.0), (canvas.width - half).max(canvas.width / 2.0));
        if centre - half > free_from {
            canvas.text((centre, bottom + 6.0), &text, Type::new(Face::LABEL, Ink::Muted).centre())?;
            free_from = centre + half + 6.0;
        }
    }
    Ok(())
}

/// Seconds from one instant to another.
#[allow(clippy::cast_precision_loss, reason = "microseconds are lost over years: far below a pixel")]
pub(super) fn seconds(from: UnixNanos, to: UnixNanos) -> f64 {
    to.saturating_sub(from) as f64 / 1e9
}

/// Draws a legend's mark at a position.
pub(super) type Swatch = fn((f64, f64)) -> Mark<(f64, f64)>;

/// One entry of a legend: a mark as it is drawn, and what it means.
pub(super) struct Key {
    /// Drawn at the position given.
    pub mark: Swatch,
    /// What it means.
    pub text: String,
}

const KEY_HEIGHT: f64 = 17.0;
const SWATCH: f64 = 16.0;
const KEY_GAP: f64 = 12.0;
/// By how much a reader's font may be wider than the measured one: the next mark must not lie on the words.
pub(super) const WIDE_FONT: f64 = 1.15;

/// Where each entry begins: x, and the row.
fn places(texts: &[&str], width: f64) -> Vec<(f64, f64)> {
    let (mut x, mut row) = (MARGIN, 0.0);
    let mut found = Vec::new();
    for text in texts {
        let wide = SWATCH + Face::LABEL.width(text) * WIDE_FONT;
        if x > MARGIN && x + wide > width - MARGIN {
            (x, row) = (MARGIN, row + 1.0);
        }
        found.push((x, row));
        x += wide + KEY_GAP;
    }
    found
}

/// Pixels that a legend needs.
pub(super) fn legend_height(texts: &[&str], width: f64) -> f64 {
    places(texts, width).last().map_or(0.0, |(_, row)| (row + 1.0) * KEY_HEIGHT + 3.0)
}

/// Draws a legend from `top` on.
pub(super) fn draw_legend(canvas: &Canvas<'_>, keys: &[Key], top: f64) -> Result<(), ChartError> {
    let texts: Vec<&str> = keys.iter().map(|key| key.text.as_str()).collect();
    for (key, (x, row)) in keys.iter().zip(places(&texts, canvas.width)) {
        let y = top + row * KEY_HEIGHT + KEY_HEIGHT / 2.0;
        canvas.mark((key.mark)((x + SWATCH / 2.0 - 2.0, y)))?;
        let text = Face::LABEL.fit(&key.text, canvas.width - x - SWATCH - MARGIN);
        canvas.text((x + SWATCH, y), &text, Type::new(Face::LABEL, Ink::Muted).middle())?;
    }
    Ok(())
}

/// A square swatch around a position.
pub(super) fn swatch(ink: Ink, (x, y): (f64, f64)) -> Mark<(f64, f64)> {
    Mark::new(Form::Bar, ink, [(x - 5.0, y - 5.0), (x + 5.0, y + 5.0)])
}

/// Faint lines down the plot, and their values below it; a value that has no room is left out.
pub(super) fn draw_values_below(canvas: &Canvas<'_>, plot: &Plot<'_>, ticks: &[Tick]) -> Result<(), ChartError> {
    let Place { top, bottom, .. } = plot.place;
    let mut free_from = f64::NEG_INFINITY;
    for tick in ticks {
        let x = plot.pixel((tick.at, 0.0)).0;
        canvas.line((x, top), (x, bottom), Ink::Grid, 1.0)?;
        let half = Face::LABEL.width(&tick.text) / 2.0;
        let x = x.clamp(half.min(canvas.width / 2.0), (canvas.width - half).max(canvas.width / 2.0));
        if x - half > free_from {
            canvas.text((x, bottom + 5.0), &tick.text, Type::new(Face::LABEL, Ink::Muted).centre())?;
            free_from = x + half + 6.0;
        }
    }
    Ok(())
}
