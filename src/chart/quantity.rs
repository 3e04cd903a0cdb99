//! What is measured on an axis: units, ticks at round places, and words.

use serde::{Deserialize, Serialize};

use crate::model::Size;
use crate::model::metric::Metric;
use crate::model::unit::{
    format_bytes, format_change_percent, format_count, format_duration, format_points, format_share, format_usd,
    significant,
};

/// Unit of the numbers in a spec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// US dollars.
    Usd,
    /// Bytes per second.
    BytesPerSecond,
    /// Things counted: tokens, calls.
    Count,
    /// Things per second.
    PerSecond,
    /// A share of one, shown as percent.
    Share,
    /// Already percent, e.g. of one CPU core.
    Percent,
    /// A number without a unit, e.g. a quality or health score.
    #[default]
    Score,
}

impl From<Metric> for Unit {
    fn from(metric: Metric) -> Self {
        match metric {
            Metric::Duration | Metric::Cpu => Self::Seconds,
            Metric::Cost => Self::Usd,
            Metric::PeakMemory => Self::Bytes,
            Metric::SuccessRate => Self::Share,
            Metric::Quality => Self::Score,
            Metric::Throughput => Self::PerSecond,
            Metric::InputTokens | Metric::OutputTokens | Metric::ApiCalls | Metric::Retries => Self::Count,
        }
    }
}

impl Unit {
    /// A value with its unit, three significant digits.
    pub(super) fn text(self, value: f64) -> String {
        match self {
            Self::Seconds => format_duration(value),
            Self::Bytes => format_bytes(value),
            Self::BytesPerSecond => format!("{}/s", format_bytes(value)),
            Self::Usd => format_usd(value),
            Self::Count => format_count(if value.abs() >= 100.0 { value.round() } else { value }),
            Self::PerSecond => format!("{}/s", format_count(value)),
            Self::Share => format_share(value),
            Self::Percent => format!("{} %", significant(value)),
            Self::Score => significant(value),
        }
    }

    /// A difference with its sign; shares differ by points.
    pub(super) fn signed(self, value: f64) -> String {
        let sign = if value < 0.0 { "-" } else { "+" };
        match self {
            Self::Share => format!("{sign}{} points", significant(value.abs() * 100.0)),
            _ if value == 0.0 => format!("±{}", self.text(0.0)),
            _ => format!("{sign}{}", self.text(value.abs())),
        }
    }

    /// How far a level moved: `+31 %`, and points where shares or scores are compared, as the findings tell it.
    pub(super) fn change(self, before: f64, after: f64) -> String {
        let size = Size { before, after };
        match self {
            Self::Share | Self::Score => format_points(size.points()),
            _ => format_change_percent(size.change_percent()),
        }
    }

    /// One unit for a whole axis that reaches up to `most`: its size and how a number of them is written.
    fn axis(self, most: f64) -> (f64, fn(&str) -> String) {
        match self {
            Self::Seconds => match most {
                m if m >= 172_800.0 => (86_400.0, |n| format!("{n} d")),
                m if m >= 7_200.0 => (3_600.0, |n| format!("{n} h")),
                m if m >= 120.0 => (60.0, |n| format!("{n} min")),
                m if m >= 1.5 => (1.0, |n| format!("{n} s")),
                m if m >= 1.5e-3 => (1e-3, |n| format!("{n} ms")),
                m if m >= 1.5e-6 => (1e-6, |n| format!("{n} µs")),
                _ => (1e-9, |n| format!("{n} ns")),
            },
            Self::BytesPerSecond => bytes_axis(most, true),
            Self::Bytes => bytes_axis(most, false),
            Self::Usd => (1.0, |n| match n.strip_prefix('-') {
                Some(n) => format!("-${n}"),
                None => format!("${n}"),
            }),
            Self::Share => (0.01, |n| format!("{n} %")),
            Self::Percent => (1.0, |n| format!("{n} %")),
            Self::PerSecond if most >= 10_000.0 => (1_000.0, |n| format!("{n}k/s")),
            Self::PerSecond => (1.0, |n| format!("{n}/s")),
            Self::Count | Self::Score => match most {
                m if m >= 1e9 => (1e9, |n| format!("{n}G")),
                m if m >= 1e6 => (1e6, |n| format!("{n}M")),
                m if m >= 10_000.0 => (1e3, |n| format!("{n}k")),
                _ => (1.0, str::to_owned),
            },
        }
    }

    /// Nothing is nothing in any unit; only percent keeps its sign.
    fn tick_text(self, place: f64, decimals: f64, write: fn(&str) -> String) -> String {
        let number = trimmed(place, decimals);
        if number == "0" && !matches!(self, Self::Share | Self::Percent | Self::Usd) { number } else { write(&number) }
    }

    /// Round places between `low` and `high`, about `wanted` of them, each with its text.
    pub(super) fn ticks(self, low: f64, high: f64, wanted: usize) -> Vec<Tick> {
        let (size, write) = self.axis(low.abs().max(high.abs()));
        let (low, high) = (low / size, high / size);
        let step = round_step(
            (high - low) / super::frame::count(wanted.max(1)),
            matches!(self, Self::Bytes | Self::BytesPerSecond),
        );
        // Counts of things have no halves.
        let step = if self == Self::Count && size <= 1.0 { step.max(1.0) } else { step };
        if !(step.is_finite() && step > 0.0) {
            return Vec::new();
        }
        let decimals = (-step.log10().floor()).clamp(0.0, 12.0);
        // Twice the wanted number is reached by no step chosen above; the bound holds all the same.
        (0..=4 * wanted.max(1))
            .map(|n| ((low / step).ceil() + super::frame::count(n)) * step)
            .take_while(|place| *place <= high + step * 1e-9)
            .map(|place| Tick { at: place * size, text: self.tick_text(place, decimals, write) })
            .collect()
    }
}

/// The binary unit that fits, and how a number of them is written.
fn bytes_axis(most: f64, rate: bool) -> (f64, fn(&str) -> String) {
    type Write = fn(&str) -> String;
    const UNITS: [(i32, Write, Write); 6] = [
        (50, |n| format!("{n} PiB"), |n| format!("{n} PiB/s")),
        (40, |n| format!("{n} TiB"), |n| format!("{n} TiB/s")),
        (30, |n| format!("{n} GiB"), |n| format!("{n} GiB/s")),
        (20, |n| format!("{n} MiB"), |n| format!("{n} MiB/s")),
        (10, |n| format!("{n} KiB"), |n| format!("{n} KiB/s")),
        (0, |n| format!("{n} B"), |n| format!("{n} B/s")),
    ];
    let fits = |(power, ..): &&(i32, Write, Write)| most >= 1.5 * f64::powi(2.0, *power);
    let (power, amount, per_second) = UNITS.iter().find(fits).unwrap_or(&UNITS[5]);
    (f64::powi(2.0, *power), if rate { *per_second } else { *amount })
}

/// A place on an axis and its text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tick {
    pub at: f64,
    pub text: String,
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=12 by the caller")]
fn trimmed(place: f64, decimals: f64) -> String {
    let text = format!("{:.*}", decimals as usize + 1, place);
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

/// The next of 1, 2, 2.5 and 5 times a power of ten (of two, where bytes are counted) that is no smaller.
fn round_step(least: f64, binary: bool) -> f64 {
    if !(least.is_finite() && least > 0.0) {
        return 1.0;
    }
    if binary && least >= 1.0 {
        return f64::powf(2.0, least.log2().ceil());
    }
    let power = f64::powf(10.0, least.log10().floor());
    let steps = [1.0, 2.0, 2.5, 5.0, 10.0];
    steps.into_iter().map(|step| step * power).find(|step| *step >= least * 0.999_999).unwrap_or(10.0 * power)
}

/// Room for values on an axis: a little air on both sides, and from zero where zero is near.
pub(super) fn domain(low: f64, high: f64) -> (f64, f64) {
    let span = high - low;
    if span <= high.abs().max(low.abs()) * 1e-9 {
        let air = if high == 0.0 { 1.0 } else { high.abs() * 0.2 };
        let low = if high > 0.0 { (low - air).max(0.0) } else { low - air };
        return (low, high + air);
    }
    // Noise of a few percent should look like it: the axis spans a fifth of its middle at least.
    let short = (0.1 * (low + high).abs() - span).max(0.0) / 2.0;
    let air = span * 0.06 + short;
    let from = if low >= 0.0 && low < 0.4 * high { 0.0 } else { low - air };
    (from, high + air)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(unit: Unit, low: f64, high: f64) -> Vec<String> {
        unit.ticks(low, high, 5).into_iter().map(|tick| tick.text).collect()
    }

    #[test]
    fn ticks_stand_at_round_places_of_one_unit() {
        assert_eq!(texts(Unit::Seconds, 0.0, 330.0), ["0", "2 min", "4 min"]);
        assert_eq!(texts(Unit::Seconds, 0.0, 0.9), ["0", "200 ms", "400 ms", "600 ms", "800 ms"]);
        assert_eq!(texts(Unit::Bytes, 0.0, 1024.0 * 1024.0 * 900.0), ["0", "256 MiB", "512 MiB", "768 MiB"]);
        assert_eq!(texts(Unit::Usd, 0.0, 0.1), ["$0", "$0.02", "$0.04", "$0.06", "$0.08", "$0.1"]);
        assert_eq!(texts(Unit::Share, 0.9, 1.0), ["90 %", "92 %", "94 %", "96 %", "98 %", "100 %"]);
        assert_eq!(texts(Unit::Count, 0.0, 3.0), ["0", "1", "2", "3"]);
    }

    #[test]
    fn ticks_stay_within_the_axis_and_are_never_many() {
        for (low, high) in [(0.0, 1e-12), (-1e15, 1e15), (5.0, 5.000_001), (0.0, 1e15), (-3.0, 2.0)] {
            for unit in [Unit::Seconds, Unit::Bytes, Unit::Usd, Unit::Count, Unit::Share, Unit::Score] {
                let ticks = unit.ticks(low, high, 5);
                assert!(ticks.len() <= 21, "{unit:?} {low}..{high}: {}", ticks.len());
                let air = (high - low) * 1e-6;
                assert!(ticks.iter().all(|tick| tick.at >= low - air && tick.at <= high + air), "{unit:?} {ticks:?}");
            }
        }
    }

    #[test]
    fn an_axis_of_one_value_has_room_around_it() {
        let (low, high) = domain(5.0, 5.0);
        assert!(low < 5.0 && high > 5.0);
        assert_eq!(domain(0.0, 0.0), (-1.0, 1.0));
        assert_eq!(domain(1.0, 10.0).0, 0.0);
    }

    #[test]
    fn differences_carry_their_sign() {
        assert_eq!(Unit::Seconds.signed(-90.0), "-90 s");
        assert_eq!(Unit::Share.signed(0.1), "+10 points");
        assert_eq!(Unit::Usd.signed(0.0), "±$0");
    }

    #[test]
    fn shares_and_scores_move_by_points_and_all_else_by_percent() {
        assert_eq!(Unit::Share.change(0.986, 0.75), "-23.6 points");
        assert_eq!(Unit::Score.change(0.9, 0.773), "-12.7 points");
        assert_eq!(Unit::Score.change(92.0, 85.0), "-7 points");
        assert_eq!(Unit::Seconds.change(10.0, 13.0), "+30 %");
        assert_eq!(Unit::Usd.change(0.0, 1.0), "from zero");
    }
}
