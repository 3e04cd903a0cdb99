//! What is compared with what: for every series its points, and where the newest begin.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;

use super::GateSettings;
use crate::model::clock::UnixNanos;
use crate::model::{Series, SeriesKey, SeriesPoint};

/// Which runs are the newest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Newest {
    /// The change point is searched among the newest runs of each series.
    #[default]
    Last,
    /// All runs from this instant on, against those before it.
    Since(UnixNanos),
    /// The newest runs of a branch, against those of its base branch.
    Branch {
        /// Branch that is judged.
        branch: String,
        /// Branch that it is compared with.
        base: String,
    },
}

/// One series made ready: finite points, oldest first.
#[derive(Clone, Debug)]
pub(super) struct Case<'a> {
    /// The series.
    pub(super) key: &'a SeriesKey,
    /// Its points; on branches those of the base, then those of the branch.
    pub(super) points: Cow<'a, [SeriesPoint]>,
    /// The values of `points`.
    pub(super) values: Vec<f64>,
    /// First of the newest where they are fixed; none where a change point is searched.
    pub(super) fixed_split: Option<usize>,
}

pub(super) fn collect_cases<'a, S: Borrow<Series>>(series: &'a [S], settings: &GateSettings) -> Vec<Case<'a>> {
    let series = series.iter().map(Borrow::borrow);
    match &settings.newest {
        Newest::Last => series.map(|one| make_case(&one.key, known(one, settings), None)).collect(),
        Newest::Since(start) => series
            .map(|one| {
                let points = known(one, settings);
                let split = points.partition_point(|p| p.started_at < *start);
                make_case(&one.key, points, Some(split))
            })
            .collect(),
        Newest::Branch { branch, base } => collect_branch_cases(series, settings, branch, base),
    }
}

fn collect_branch_cases<'a>(
    series: impl Iterator<Item = &'a Series> + Clone,
    settings: &GateSettings,
    branch: &str,
    base: &str,
) -> Vec<Case<'a>> {
    let on_base: BTreeMap<SeriesKey, &Series> = series
        .clone()
        .filter(|one| one.key.context.branch.as_deref() == Some(base))
        .map(|one| (without_branch(&one.key), one))
        .collect();
    series
        .filter(|one| one.key.context.branch.as_deref() == Some(branch))
        .map(|one| {
            let mut points =
                on_base.get(&without_branch(&one.key)).map_or_else(Vec::new, |b| known(b, settings).into_owned());
            let split = points.len();
            let head = known(one, settings);
            points.extend_from_slice(&head[head.len() - head.len().min(settings.last)..]);
            make_case(&one.key, Cow::Owned(points), Some(split))
        })
        .collect()
}

fn without_branch(key: &SeriesKey) -> SeriesKey {
    let mut key = key.clone();
    key.context.branch = None;
    key
}

// Finite values since the last accepted change; the newest behind the pinned ones where there are such.
fn known<'a>(series: &'a Series, settings: &GateSettings) -> Cow<'a, [SeriesPoint]> {
    let finite = series.points.iter().filter(|p| p.value.is_finite());
    if let Some(pinned) = settings.pinned.get(&series.key) {
        let last = pinned.last().map_or(UnixNanos::MIN, |p| p.started_at);
        let newest: Vec<&SeriesPoint> = finite.filter(|p| p.started_at > last).collect();
        let from = newest.len().saturating_sub(settings.last);
        return pinned.iter().chain(newest[from..].iter().copied()).cloned().collect();
    }
    let from = settings.accepted.get(&series.key).copied().unwrap_or(UnixNanos::MIN);
    if series.points.iter().all(|p| p.value.is_finite() && p.started_at >= from) {
        return Cow::Borrowed(&series.points);
    }
    finite.filter(|p| p.started_at >= from).cloned().collect()
}

fn make_case<'a>(key: &'a SeriesKey, points: Cow<'a, [SeriesPoint]>, fixed_split: Option<usize>) -> Case<'a> {
    let values = points.iter().map(|p| p.value).collect();
    Case { key, points, values, fixed_split }
}
