//! Change points of a whole series, with hindsight: every stretch may use what came after it.

use super::compare::{Comparison, Level, compare, describe};
use super::judged::JudgedValues;
use super::online::{Alarm, ChangeKind, noise_correlation, replay};
use super::rates::{count_binary, settle_rate_splits};
use super::search::adjust_for_search;
use super::settings::Settings;
use super::shape::shape_of;
use super::stats::normal::two_sided;
use super::stats::robust::{MAD_TO_SIGMA, difference_correlation, from_key, to_key};

/// Longest stretch on either side of a split that evidence is drawn from.
const REACH: usize = 100;

/// Share of the evidence that an interval's split must show before it is compared in full.
const SCREEN_SHARE: f64 = 0.6;
/// Largest chance, adjusted for the search between its neighbours, of a change point that stands: in tens of thousands of
/// values, evidence that is rare at one split is common at some.
const SURPRISE_MAX: f64 = 0.05;
/// Correlation of differences from which on a series wanders rather than jumps.
const TREND_CORRELATION: f64 = 0.6;

/// One change point of a whole series; positions refer to the values handed in.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangePoint {
    /// First value at the new level.
    pub index: usize,
    /// Start of the stretch before.
    pub start: usize,
    /// End of the stretch after (exclusive).
    pub end: usize,
    /// At one value, or over many.
    pub kind: ChangeKind,
    /// Signed normal deviate.
    pub evidence: f64,
    /// Shift in deviations of the noise.
    pub effect_sigma: f64,
}

/// Finds the level changes of finite values.
///
/// Seeded intervals (Kovacs, Li, Buhlmann and Munk 2023) are scanned for their best split; the narrowest that carries
/// enough evidence wins (Baranowski, Chen and Fryzlewicz 2019), so that each decision sees one change. Then the changes
/// are placed anew between their neighbours, and the weakest falls until all that remain stand.
#[must_use]
pub fn find_change_points(values: &[f64], settings: &Settings) -> Vec<ChangePoint> {
    find_with_alarms(values, &replay(values, settings), settings)
}

/// The same but for bumps of a dozen values that only showed as they came (in 1 of 100 series): who asks since when the
/// level has held need not know them, and most of the work is spared.
#[must_use]
pub fn find_lasting_changes(values: &[f64], settings: &Settings) -> Vec<ChangePoint> {
    if values.len() < 2 * settings.segment_count_min {
        return Vec::new();
    }
    if count_binary(values) == values.len() {
        return find_rate_changes(values, &replay(values, settings), settings);
    }
    let judged = JudgedValues::new(values);
    let scan = Scan::new(&judged, values.len(), settings);
    let splits = scan.seed();
    let mut standing = splits.clone();
    scan.settle(&mut standing);
    // What showed as it came, and lasted, is only hidden from hindsight by other changes.
    if standing.is_empty() { Vec::new() } else { scan.finish(splits, &replay(values, settings)) }
}

/// The same where the alarms of [`replay`] are at hand, which are then all candidates.
#[must_use]
pub fn find_with_alarms(values: &[f64], alarms: &[Alarm], settings: &Settings) -> Vec<ChangePoint> {
    let n = values.len();
    if n < 2 * settings.segment_count_min {
        return Vec::new();
    }
    if count_binary(values) == n {
        return find_rate_changes(values, alarms, settings);
    }
    let judged = JudgedValues::new(values);
    let scan = Scan::new(&judged, n, settings);
    scan.finish(scan.seed(), alarms)
}

// A share's changes show slowly: what was plain to see as it came is what there is, placed and weighed with hindsight.
fn find_rate_changes(values: &[f64], alarms: &[Alarm], settings: &Settings) -> Vec<ChangePoint> {
    let splits = alarms.iter().map(|alarm| alarm.index).collect();
    settle_rate_splits(values, splits, settings.whole_evidence_min)
        .into_iter()
        .map(|(index, span, evidence)| ChangePoint {
            index,
            start: span.start,
            end: span.end,
            kind: ChangeKind::Step,
            evidence,
            effect_sigma: evidence / ((span.end - index) as f64).sqrt(),
        })
        .collect()
}

/// What differences say of the noise: level changes do not touch them, trends and random walks show in full.
struct Correlation {
    at_least: f64,
    at_most: f64,
}

impl Correlation {
    fn of(values: &[f64]) -> Self {
        let rho = difference_correlation(values);
        let chance = 1.5 / (values.len() as f64).sqrt();
        Self {
            at_least: if rho > TREND_CORRELATION + chance { rho.min(0.97) } else { 0.0 },
            at_most: (rho + chance).max(0.0),
        }
    }
}

struct Scan<'a> {
    judged: &'a JudgedValues<'a>,
    settings: &'a Settings,
    n: usize,
    rho: Correlation,
}

impl<'a> Scan<'a> {
    fn new(judged: &'a JudgedValues<'a>, n: usize, settings: &'a Settings) -> Self {
        Self { judged, settings, n, rho: Correlation::of(judged.slice(0, n)) }
    }

    fn finish(&self, mut splits: Vec<usize>, alarms: &[Alarm]) -> Vec<ChangePoint> {
        let count_min = self.settings.segment_count_min;
        // What was plain to see as it came is a candidate too: later changes may have hidden it from wider intervals.
        for alarm in alarms {
            if splits.iter().all(|s| s.abs_diff(alarm.index) >= count_min)
                && alarm.index >= count_min
                && self.n - alarm.index >= count_min
            {
                splits.push(alarm.index);
            }
        }
        splits.sort_unstable();
        self.settle(&mut splits);
        self.evaluate_all(&splits)
    }

    fn seed(&self) -> Vec<usize> {
        let mut splits: Vec<usize> = Vec::new();
        let mut length = (4 * self.settings.segment_count_min) as f64;
        let mut scratch = Scratch::default();
        loop {
            let width = (length.round() as usize).min(self.n);
            let step = (width / 4).max(1);
            let mut found: Vec<(f64, usize)> = Vec::new();
            let mut start = 0;
            loop {
                let from = start.min(self.n - width);
                let inside = splits.iter().any(|s| *s > from && *s < from + width);
                if !inside && let Some(hit) = self.scan_interval(from, from + width, &mut scratch) {
                    found.push(hit);
                }
                if from + width >= self.n {
                    break;
                }
                start += step;
            }
            // Of intervals of one width the strongest go first; those that then hold a change are passed over.
            found.sort_by(|a, b| b.0.total_cmp(&a.0));
            for (_, split) in found {
                if splits.iter().all(|s| s.abs_diff(split) >= width / 2) {
                    splits.push(split);
                }
            }
            if width >= self.n {
                break;
            }
            length *= std::f64::consts::SQRT_2;
        }
        splits.sort_unstable();
        splits
    }

    // The best split of an interval, where it stands on its own.
    fn scan_interval(&self, from: usize, to: usize, scratch: &mut Scratch) -> Option<(f64, usize)> {
        let values = &self.judged.slice(0, self.n)[from..to];
        let split = from + scratch.best_split(values, self.settings.segment_count_min)?;
        if scratch.strength < SCREEN_SHARE * self.settings.whole_evidence_min {
            return None;
        }
        let found = self.compare_around(from, split, to);
        self.accepts(&found).then_some((found.evidence.abs(), split))
    }

    fn accepts(&self, found: &Judgement) -> bool {
        let s = self.settings;
        found.evidence.abs() >= s.whole_evidence_min
            && found.share.abs() >= s.whole_effect_share_min
            && found.effect_sigma.abs() >= s.whole_effect_sigma_min
            && found.far_share >= s.whole_far_share_min
    }

    fn compare_around(&self, from: usize, split: usize, to: usize) -> Judgement {
        let all = self.judged.slice(0, self.n);
        let floor = self.judged.sigma_floor(from, self.n.min(to));
        let before = &all[from.max(split.saturating_sub(REACH))..split];
        let after = &all[split..to.min(split + REACH)];
        // The longer side sets the level, the shorter one is judged.
        let (long, short, sign) =
            if before.len() >= after.len() { (before, after, 1.0) } else { (after, before, -1.0) };
        let mut level: Level = describe(long, None, floor);
        level.rho = self.rho.at_least.max(noise_correlation(long, &level).min(self.rho.at_most));
        let found: Comparison = compare(&level, short);
        Judgement {
            evidence: sign * found.evidence,
            effect_sigma: sign * found.effect_sigma,
            share: self.judged.shift_share(self.n, sign * found.shift, level.median),
            far_share: found.far_share,
        }
    }

    // Places every split anew between its neighbours and drops the weakest until all stand.
    fn settle(&self, splits: &mut Vec<usize>) {
        let mut scratch = Scratch::default();
        let all = self.judged.slice(0, self.n);
        loop {
            for place in 0..splits.len() {
                let (from, to) = neighbours(splits, place, self.n);
                let (from, to) = (from.max(splits[place].saturating_sub(REACH)), to.min(splits[place] + REACH));
                if let Some(split) = scratch.best_split(&all[from..to], self.settings.segment_count_min) {
                    splits[place] = from + split;
                }
            }
            let mut weakest: Option<(f64, usize)> = None;
            for place in 0..splits.len() {
                let (from, to) = neighbours(splits, place, self.n);
                let found = self.compare_around(from, splits[place], to);
                let surprise = adjust_for_search(two_sided(found.evidence), to - from);
                let stands = self.accepts(&found) && surprise <= SURPRISE_MAX;
                let strength = if stands { f64::INFINITY } else { found.evidence.abs() };
                if strength.is_finite() && weakest.is_none_or(|(held, _)| strength < held) {
                    weakest = Some((strength, place));
                }
            }
            let Some((_, place)) = weakest else { return };
            splits.remove(place);
        }
    }

    // A slow ramp is cut into steps: beside neighbours that go the same way it is seen as one.
    fn shape_of_point(&self, points: &[ChangePoint], place: usize) -> ChangeKind {
        let point = &points[place];
        let same = |other: Option<&ChangePoint>| other.copied().filter(|other| other.evidence * point.evidence > 0.0);
        let (before, after) = (same(place.checked_sub(1).and_then(|at| points.get(at))), same(points.get(place + 1)));
        let from = before.map_or(point.start, |other| other.start).max(point.index.saturating_sub(REACH));
        let to = after.map_or(point.end, |other| other.end).min(point.index + REACH);
        let around = [before, Some(*point), after].into_iter().flatten().map(|other| other.index);
        let splits: Vec<usize> = around.filter(|at| *at > from && *at < to).map(|at| at - from).collect();
        shape_of(&self.judged.slice(0, self.n)[from..to], &splits)
    }

    fn evaluate_all(&self, splits: &[usize]) -> Vec<ChangePoint> {
        let mut points: Vec<ChangePoint> = (0..splits.len())
            .map(|place| {
                let (start, end) = neighbours(splits, place, self.n);
                let found = self.compare_around(start, splits[place], end);
                ChangePoint {
                    index: splits[place],
                    start,
                    end,
                    kind: ChangeKind::Step,
                    evidence: found.evidence,
                    effect_sigma: found.effect_sigma,
                }
            })
            .collect();
        let kinds: Vec<ChangeKind> = (0..points.len()).map(|place| self.shape_of_point(&points, place)).collect();
        points.iter_mut().zip(kinds).for_each(|(point, kind)| point.kind = kind);
        points
    }
}

fn neighbours(splits: &[usize], place: usize, n: usize) -> (usize, usize) {
    (if place == 0 { 0 } else { splits[place - 1] }, splits.get(place + 1).copied().unwrap_or(n))
}

struct Judgement {
    evidence: f64,
    effect_sigma: f64,
    share: f64,
    far_share: f64,
}

#[derive(Default)]
struct Scratch {
    /// Keys of the values.
    sorted: Vec<i64>,
    deviations: Vec<i64>,
    /// Of the last split found: distance of the two means in their standard error, by the interval's own spread.
    strength: f64,
}

impl Scratch {
    // Splits where the clipped values before and after lie farthest apart; none where a side would be too short.
    fn best_split(&mut self, values: &[f64], count_min: usize) -> Option<usize> {
        let n = values.len();
        if n < 2 * count_min {
            return None;
        }
        // Selecting, not sorting: this runs for every interval of every width.
        self.sorted.clear();
        self.sorted.extend(values.iter().map(|v| to_key(*v)));
        let median = from_key(*self.sorted.select_nth_unstable((n - 1) / 2).1);
        self.deviations.clear();
        self.deviations.extend(values.iter().map(|v| to_key((v - median).abs())));
        let (below, at, _) = self.deviations.select_nth_unstable((n - 1) * 7 / 10);
        // Wide enough for two levels that share the interval, too narrow for a spike to rule it.
        let reach = 2.0 * from_key(*at).max(f64::MIN_POSITIVE);
        let middle = ((n - 1) / 2).min(below.len().saturating_sub(1));
        let sigma = MAD_TO_SIGMA * from_key(*below.select_nth_unstable(middle).1);
        let clip = |v: f64| (v - median).clamp(-reach, reach);
        let total: f64 = values.iter().map(|v| clip(*v)).sum();
        let (mut best, mut place, mut left) = (0.0, None, 0.0);
        for (index, value) in values.iter().enumerate() {
            if index >= count_min && n - index >= count_min {
                let (k, all) = (index as f64, n as f64);
                let gain = (left - total * k / all).powi(2) / (k * (all - k));
                if gain > best {
                    (best, place) = (gain, Some(index));
                }
            }
            left += clip(*value);
        }
        self.strength = if sigma > 0.0 { (best * n as f64).sqrt() / sigma } else { f64::INFINITY };
        place
    }
}
