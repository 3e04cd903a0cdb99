//! Daily and weekly patterns: what the hour of the day or the weekday explains is taken out before values are judged.
//!
//! The level of a value is the median of the whole cycle around it, so that a step spoils half a cycle and no more. The
//! effect of an hour or weekday is the median of what it leaves over, cycle by cycle, and each value is held against the
//! *other* cycles alone: a pattern that is chance does not repeat, and none is made by looking. Hours and days are those
//! of UTC.

use crate::model::clock::UnixNanos;

use super::stats::robust::{mad, median, median_sorted};

/// Whole cycles that it takes to know a pattern.
const CYCLES_MIN: i64 = 3;
/// Newest cycles of which a pattern is learned: older ones may have had another.
const CYCLES_MAX: i64 = 12;
/// Share of the MAD that must go, or the pattern stays where it is.
const GAIN_MIN: f64 = 0.15;
/// Standard errors by which the distances from the level must shrink on average: the MAD of few values also shrinks by
/// chance.
const GAIN_ERRORS_MIN: f64 = 2.5;
/// Fewest values that tell a pattern.
const COUNT_MIN: usize = 15;
/// Fewest values a cycle on average: of one a day nobody can tell the hour.
const COUNT_PER_CYCLE_MIN: f64 = 3.0;

const HOUR: UnixNanos = 3_600_000_000_000;
const DAY: UnixNanos = 24 * HOUR;

/// What repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cycle {
    /// A day, by the hour.
    Day,
    /// A week, by the day.
    Week,
}

impl Cycle {
    /// In the order in which they are taken out.
    const ALL: [Self; 2] = [Self::Day, Self::Week];

    /// The word used in JSON: what the effects belong to.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "hour",
            Self::Week => "weekday",
        }
    }

    fn length(self) -> UnixNanos {
        match self {
            Self::Day => DAY,
            Self::Week => 7 * DAY,
        }
    }

    fn bin_count(self) -> usize {
        match self {
            Self::Day => 24,
            Self::Week => 7,
        }
    }

    // The cycle that holds an instant, and its hour or weekday. 1970-01-01 was a Thursday; weeks begin on Monday.
    fn place(self, at: UnixNanos) -> (i64, usize) {
        let since = if self == Self::Week { at.saturating_add(3 * DAY) } else { at };
        let bin = since.rem_euclid(self.length()) / (self.length() / self.bin_count() as i64);
        (since.div_euclid(self.length()), bin as usize)
    }
}

/// Patterns that were found, in the order in which they are taken out.
#[derive(Clone, Debug, Default)]
pub struct Patterns(Vec<Pattern>);

impl Patterns {
    /// Looks for patterns in values at ascending times, in the scale in which they are judged.
    #[must_use]
    pub fn find(times: &[UnixNanos], values: &[f64]) -> Self {
        let mut found = Self::default();
        if values.len() < COUNT_MIN || times.len() != values.len() || !times.is_sorted() {
            return found;
        }
        let mut left = values.to_vec();
        for cycle in Cycle::ALL {
            if let Some(pattern) = Pattern::find(cycle, times, &left) {
                for (value, at) in left.iter_mut().zip(times) {
                    *value -= pattern.effect(*at);
                }
                found.0.push(pattern);
            }
        }
        found
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What they hang on: `hour`, `weekday`.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|pattern| pattern.cycle.as_str().to_owned()).collect()
    }

    /// How far a value at an instant lies from where it would lie without them. Of an instant within the cycles that were
    /// learned of, by the other cycles.
    #[must_use]
    pub fn effect(&self, at: UnixNanos) -> f64 {
        self.0.iter().map(|pattern| pattern.effect(at)).sum()
    }
}

#[derive(Clone, Debug)]
struct Pattern {
    cycle: Cycle,
    /// For each hour or weekday what it left over, a median for each cycle, ascending, with the cycle.
    bins: Vec<Vec<(f64, i64)>>,
    /// Usual effect: taking a pattern out leaves the level where it is.
    usual: f64,
}

impl Pattern {
    fn find(cycle: Cycle, times: &[UnixNanos], values: &[f64]) -> Option<Self> {
        let last = *times.last()?;
        let first = times.partition_point(|at| last.saturating_sub(*at) >= CYCLES_MAX * cycle.length());
        let (times, values) = (&times[first..], &values[first..]);
        if values.len() < COUNT_MIN || !spans_enough(cycle, times) {
            return None;
        }
        let rests = rests_about_cycles(cycle, times, values);
        let mut pattern = Self { cycle, bins: gather(cycle, times, &rests), usual: 0.0 };
        if pattern.bins.iter().filter(|bin| bin.len() as i64 >= CYCLES_MIN).count() < 2 {
            return None;
        }
        let effects: Vec<f64> = times.iter().map(|at| pattern.effect(*at)).collect();
        let without: Vec<f64> = rests.iter().zip(&effects).map(|(rest, effect)| rest - effect).collect();
        let spread = |values: &[f64]| mad(values, median(values));
        pattern.usual = median(&effects);
        let gains: Vec<f64> = rests.iter().zip(&without).map(|(rest, left)| rest.abs() - left.abs()).collect();
        let cuts = spread(&without) <= (1.0 - GAIN_MIN) * spread(&rests) && errors_from_zero(&gains) >= GAIN_ERRORS_MIN;
        cuts.then_some(pattern)
    }

    fn effect(&self, at: UnixNanos) -> f64 {
        let (own, bin) = self.cycle.place(at);
        let cells = &self.bins[bin];
        let own = cells.iter().position(|(_, cycle)| *cycle == own);
        let others = cells.len() - usize::from(own.is_some());
        if (cells.len() as i64) < CYCLES_MIN {
            return 0.0;
        }
        // The place among the others is that among all, but for one's own.
        let nth = |place: usize| cells[place + usize::from(own.is_some_and(|own| own <= place))].0;
        0.5 * (nth((others - 1) / 2) + nth(others / 2)) - self.usual
    }
}

// Mean in its standard errors; 0 where the values do not vary.
fn errors_from_zero(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let error = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0) / n).sqrt();
    if error > 0.0 { mean / error } else { 0.0 }
}

// Three whole cycles: the last value stands for the time until the next one would have come.
fn spans_enough(cycle: Cycle, times: &[UnixNanos]) -> bool {
    let count = times.len() as f64;
    let span = times.last().zip(times.first()).map_or(0.0, |(last, first)| last.saturating_sub(*first) as f64);
    let cycles = span * count / (count - 1.0) / cycle.length() as f64;
    cycles >= CYCLES_MIN as f64 - 1e-6 && count >= COUNT_PER_CYCLE_MIN * cycles
}

// Values about the median of the cycle around them; at the ends about that of the first and the last whole cycle.
fn rests_about_cycles(cycle: Cycle, times: &[UnixNanos], values: &[f64]) -> Vec<f64> {
    let length = cycle.length();
    let (first, last) = (times[0], times[times.len() - 1]);
    let (mut from, mut to, mut window) = (0, 0, Window::default());
    times
        .iter()
        .zip(values)
        .map(|(at, value)| {
            let begin = (at - length / 2).min(last - length + 1).max(first);
            while to < times.len() && times[to] < begin + length {
                window.insert(values[to]);
                to += 1;
            }
            while times[from] < begin {
                window.remove(values[from]);
                from += 1;
            }
            value - median_sorted(&window.0)
        })
        .collect()
}

/// The values of a window that slides, ascending: its median need not be looked for each time.
#[derive(Default)]
struct Window(Vec<f64>);

impl Window {
    fn place(&self, value: f64) -> usize {
        self.0.partition_point(|held| held.total_cmp(&value).is_lt())
    }

    fn insert(&mut self, value: f64) {
        self.0.insert(self.place(value), value);
    }

    // What was put in; the window holds it.
    fn remove(&mut self, value: f64) {
        self.0.remove(self.place(value));
    }
}

fn gather(cycle: Cycle, times: &[UnixNanos], rests: &[f64]) -> Vec<Vec<(f64, i64)>> {
    let mut placed: Vec<(usize, i64, f64)> = times
        .iter()
        .zip(rests)
        .map(|(at, rest)| (cycle.place(*at), *rest))
        .map(|((c, b), rest)| (b, c, rest))
        .collect();
    placed.sort_by_key(|(bin, cycle, _)| (*bin, *cycle));
    let mut bins = vec![Vec::new(); cycle.bin_count()];
    for cell in placed.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
        let rests: Vec<f64> = cell.iter().map(|(_, _, rest)| *rest).collect();
        bins[cell[0].0].push((median(&rests), cell[0].1));
    }
    for bin in &mut bins {
        bin.sort_by(|a: &(f64, i64), b| a.0.total_cmp(&b.0));
    }
    bins
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::simulate::noise::Draws;

    // 2026-01-05 00:30, a Monday.
    const MONDAY: UnixNanos = 1_767_573_000_000_000_000;

    fn weekly(days: usize, weekend: f64, seed: u64) -> (Vec<UnixNanos>, Vec<f64>) {
        let mut draws = Draws::new(seed, 3);
        let value = |day: usize| if day % 7 >= 5 { weekend } else { 0.0 } + 0.03 * draws.normal();
        ((0..days as i64).map(|day| MONDAY + day * DAY).collect(), (0..days).map(value).collect())
    }

    #[test]
    fn hours_and_weekdays_are_those_of_utc() {
        assert_eq!(Cycle::Week.place(MONDAY).1, 0);
        assert_eq!(Cycle::Week.place(MONDAY - DAY).1, 6);
        assert_eq!(Cycle::Day.place(MONDAY + 13 * HOUR).1, 13);
    }

    #[test]
    fn quiet_weekends_are_known_after_three_weeks_and_not_before() {
        let (times, values) = weekly(21, -0.3, 1);
        let found = Patterns::find(&times, &values);
        assert_eq!(found.names(), ["weekday"]);
        let (saturday, tuesday) = (found.effect(MONDAY + 26 * DAY), found.effect(MONDAY + 22 * DAY));
        assert!((saturday + 0.3).abs() < 0.05 && tuesday.abs() < 0.05, "{saturday} {tuesday}");
        assert!(Patterns::find(&times[..20], &values[..20]).is_empty());
    }

    #[test]
    fn a_step_is_no_pattern_and_stays_beside_one() {
        let (times, mut values) = weekly(56, -0.3, 2);
        values.iter_mut().skip(45).for_each(|value| *value += 0.2);
        let found = Patterns::find(&times, &values);
        let without: Vec<f64> = values.iter().zip(&times).map(|(value, at)| value - found.effect(*at)).collect();
        let step = median(&without[45..]) - median(&without[..45]);
        assert!((step - 0.2).abs() < 0.04, "{step}");
        let (times, mut values) = weekly(56, 0.0, 2);
        values.iter_mut().skip(45).for_each(|value| *value += 0.2);
        assert!(Patterns::find(&times, &values).is_empty());
    }

    #[test]
    fn noise_has_no_pattern() {
        let found = (0..400).filter(|seed| {
            let (times, values) = weekly(28, 0.0, *seed);
            !Patterns::find(&times, &values).is_empty()
        });
        let count = found.count();
        assert!(count <= 4, "{count}");
    }

    #[test]
    fn hourly_noise_of_any_kind_has_no_pattern() {
        use crate::detect::simulate::noise::Noise;
        let kinds = [
            Noise::Normal(0.05),
            Noise::HeavyTailed(0.05),
            Noise::Bimodal,
            Noise::Spiky,
            Noise::Ticks,
            Noise::Autoregressive(0.5),
        ];
        for noise in kinds {
            for count in [75, 120, 200] {
                let times: Vec<UnixNanos> = (0..count as i64).map(|at| MONDAY + at * HOUR).collect();
                let found = (0..50).filter(|seed| {
                    let values: Vec<f64> =
                        noise.draw(count, &mut Draws::new(*seed, 6)).iter().map(|v| v.ln()).collect();
                    !Patterns::find(&times, &values).is_empty()
                });
                let found = found.count();
                assert!(found <= 1, "{noise:?} {count}: {found} of 50");
            }
        }
    }

    #[test]
    fn the_hour_and_the_weekday_are_told_apart() {
        let mut draws = Draws::new(9, 4);
        let times: Vec<UnixNanos> = (0..28 * 8).map(|at| MONDAY + at * 3 * HOUR).collect();
        let values: Vec<f64> = times
            .iter()
            .map(|at| {
                let (hour, weekday) = (Cycle::Day.place(*at).1, Cycle::Week.place(*at).1);
                let of_hour = if (9..18).contains(&hour) { 0.2 } else { 0.0 };
                of_hour + if weekday >= 5 { -0.3 } else { 0.0 } + 0.03 * draws.normal()
            })
            .collect();
        let found = Patterns::find(&times, &values);
        assert_eq!(found.names(), ["hour", "weekday"]);
        let apart = found.effect(MONDAY + 28 * DAY + 12 * HOUR) - found.effect(MONDAY + 28 * DAY + 3 * HOUR);
        assert!((apart - 0.2).abs() < 0.04, "{apart}");
    }
}
