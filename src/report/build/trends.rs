//! Where the metrics of runs and the durations of steps are heading: for pages asked of the store, for overviews and times
//! past counted here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::detect::stats::robust::{mean, median};
use crate::model::Metric;
use crate::model::clock::UnixNanos;
use crate::store::{Reader, StoreError};
use crate::track::trend::{trend, trend_of_pairs};
use crate::track::{Pairs, Trend};

use super::pipeline::busiest;
use super::rows::Owner;
use super::tracks::Track;

/// Pieces into which more values than these are gathered: the work grows with the square.
const PIECES_MAX: usize = 60;
/// Runs of a piece of a success rate.
const RATE_PIECE_RUNS: usize = 10;

/// A series as `track/trends.sql` takes it.
#[derive(Serialize)]
struct Points {
    x: Vec<f64>,
    y: Vec<f64>,
}

/// What it says of one of them.
#[derive(Deserialize)]
struct Row {
    /// Its place, from 1 on.
    series: usize,
    #[serde(flatten)]
    pairs: Pairs,
}

/// Trends of one pipeline of one service.
#[derive(Debug, Default)]
pub(super) struct Trends {
    /// Of whole runs, metric by metric.
    pub(super) runs: Vec<Trend>,
    /// Of the durations of steps, in the context of the run's own.
    pub(super) steps: BTreeMap<String, Trend>,
}

/// Trends of every pipeline of every service, by one statement. For pages: the pairs of hundreds of pipelines are more
/// than an overview, which shows nothing but the word, has time for.
pub(super) fn read(
    reader: &Reader,
    tracks: &BTreeMap<String, Vec<Track>>,
) -> Result<BTreeMap<Owner, Trends>, StoreError> {
    let mut of_service: BTreeMap<Owner, Vec<&Track>> = BTreeMap::new();
    for (pipeline, tracks) in tracks {
        for track in tracks {
            let owner = Owner { pipeline: pipeline.clone(), service: track.context().service.clone() };
            of_service.entry(owner).or_default().push(track);
        }
    }
    let shown: Vec<(Owner, &Track)> = of_service
        .into_iter()
        .flat_map(|(owner, tracks)| {
            let busiest = busiest(&tracks);
            let steps = steps_beside(&tracks, &busiest);
            busiest.into_values().chain(steps).map(move |track| (owner.clone(), track))
        })
        .collect();
    let gathered: Vec<Vec<(f64, f64)>> = shown.iter().map(|(_, track)| gathered(track)).collect();
    let points = gathered.iter().map(|values| values.iter().copied().unzip()).map(|(x, y)| Points { x, y });
    let rows: Vec<Row> = reader.track_trends(&points.collect::<Vec<_>>())?;
    let found: BTreeMap<usize, Pairs> = rows.into_iter().map(|row| (row.series, row.pairs)).collect();
    let mut trends: BTreeMap<Owner, Trends> = BTreeMap::new();
    for (place, (owner, track)) in shown.into_iter().enumerate() {
        let values = &gathered[place];
        // A single point makes no pair: no row.
        let pairs = found.get(&(place + 1)).copied().unwrap_or_else(|| Pairs::of(values));
        let told = Trend { n: track.recent().len(), ..trend_of_pairs(track.metric(), values, &pairs) };
        let trends = trends.entry(owner).or_default();
        match track.step() {
            Some(step) => drop(trends.steps.insert(step.to_owned(), told)),
            None => trends.runs.push(told),
        }
    }
    Ok(trends)
}

/// How long the steps took, in the context in which the run's own duration is told.
fn steps_beside<'a>(tracks: &[&'a Track], busiest: &BTreeMap<Metric, &'a Track>) -> Vec<&'a Track> {
    let Some(run) = busiest.get(&Metric::Duration) else { return Vec::new() };
    let is_beside = |track: &&Track| {
        track.step().is_some() && track.metric() == Metric::Duration && track.context() == run.context()
    };
    tracks.iter().copied().filter(is_beside).collect()
}

/// Those of the whole runs of one service, counted here.
pub(super) fn recent_trends(busiest: &BTreeMap<Metric, &Track>) -> Vec<Trend> {
    let of = |track: &Track| Trend { n: track.recent().len(), ..trend(track.metric(), &gathered(track)) };
    busiest.values().map(|track| of(track)).collect()
}

/// The newest values by day, gathered.
fn gathered(track: &Track) -> Vec<(f64, f64)> {
    let newest = track.recent();
    let first = newest.first().map_or(0, |point| point.started_at);
    #[allow(clippy::cast_precision_loss, reason = "a day has fewer nanoseconds than 2^53")]
    let day = |at: UnixNanos| at.saturating_sub(first) as f64 / 86_400e9;
    let values: Vec<(f64, f64)> = newest.iter().map(|point| (day(point.started_at), point.value)).collect();
    gather(&values, track.metric() == Metric::SuccessRate)
}

// Pieces of equal count: by their medians, rates by their means.
fn gather(values: &[(f64, f64)], is_rate: bool) -> Vec<(f64, f64)> {
    let smallest = if is_rate { RATE_PIECE_RUNS } else { 1 };
    let width = values.len().div_ceil(PIECES_MAX).max(smallest);
    if width <= 1 {
        return values.to_vec();
    }
    values
        .rchunks(width)
        .rev()
        .filter(|piece| piece.len() == width || !is_rate)
        .map(|piece| {
            let (x, y): (Vec<f64>, Vec<f64>) = piece.iter().copied().unzip();
            (mean(&x), if is_rate { mean(&y) } else { median(&y) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gathering_keeps_a_slope_and_bounds_the_count() {
        let values: Vec<(f64, f64)> = (0..200).map(|at| (f64::from(at), 2.0 * f64::from(at))).collect();
        let gathered = gather(&values, false);
        assert_eq!(gathered.len(), 50);
        assert!(gathered.iter().all(|(x, y)| (y - 2.0 * x).abs() < 1e-9));
    }

    #[test]
    fn a_rate_is_gathered_into_shares_of_ten_runs() {
        let values: Vec<(f64, f64)> = (0..95).map(|at| (f64::from(at), f64::from(at % 2))).collect();
        let gathered = gather(&values, true);
        assert_eq!(gathered.len(), 9);
        assert!(gathered.iter().all(|(_, y)| (y - 0.5).abs() < 1e-12), "{gathered:?}");
    }
}
