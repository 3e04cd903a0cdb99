//! Health of every pipeline: within a report, and alone for those who ask often.

use std::collections::BTreeMap;

use crate::detect::GATE_RUNS;
use crate::detect::gate::GateSettings;
use crate::detect::stats::robust::MAD_TO_SIGMA;
use crate::model::clock::UnixNanos;
use crate::model::{Finding, Metric, Severity, Verdict};
use crate::store::{Reader, RunValues, StepValues, Store, StoreError};
use crate::track::health::{HealthInput, score};
use crate::track::trend::TrendWord;
use crate::track::{Health, Trend};

use super::pipeline::{Told, busiest, open_severities};
use super::read::{RECENT_RUNS, count};
use super::rows::{Owner, ProfileRow, QualityRow};
use super::tracks::{Track, collect_tracks};
use super::trends::recent_trends;
use super::{parallel, quality};

/// Health of one pipeline of one service.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineHealth {
    /// The pipeline.
    pub pipeline: String,
    /// Whose it is.
    pub service: Option<String>,
    /// As its page tells it.
    pub health: Health,
}

/// What the series of a pipeline say of its health.
#[derive(Debug)]
pub(super) struct Known {
    /// Open findings for the worse; none without a baseline.
    regressions: Option<Vec<Severity>>,
    trends: Vec<TrendWord>,
}

impl Known {
    pub(super) fn of(told: &Told) -> Self {
        Self::new(told.has_baseline, told.findings.iter(), &told.trends)
    }

    fn new<'a>(has_baseline: bool, findings: impl Iterator<Item = &'a Finding>, trends: &[Trend]) -> Self {
        Self {
            regressions: has_baseline.then(|| open_severities(findings)),
            // The success rate is judged by itself: reliability.
            trends: trends.iter().filter(|trend| trend.metric != Metric::SuccessRate).map(|trend| trend.word).collect(),
        }
    }

    pub(super) fn health(self, row: &ProfileRow, present: UnixNanos) -> Health {
        score(&HealthInput {
            runs: row.recent_runs,
            succeeded: row.recent_succeeded,
            failed: row.recent_failed,
            regressions: self.regressions,
            trends: self.trends,
            spread: row
                .recent_median_s
                .zip(row.recent_mad_s)
                .filter(|(median, _)| *median > 0.0)
                .map(|(median, mad)| MAD_TO_SIGMA * mad / median),
            quality: row.recent_quality.map(quality::as_share),
            silent_intervals: quality::silent_intervals(row, present),
        })
    }
}

/// Health of every pipeline as the executive page tells it. Judges nothing that was judged already, reads no steps and
/// renders nothing: it may be asked with every scrape.
pub fn health_of_all(store: &Store) -> Result<Vec<PipelineHealth>, StoreError> {
    let verdicts = crate::detect::verdicts(store)?;
    let settings = crate::detect::settings(store)?;
    let (profiles, quality, runs) = store.reader()?.in_snapshot(read)?;
    let present = quality::present(quality.store_last_ns, store.receives_since(), store.clock().now());
    let tracks = collect_tracks(&runs, StepValues::default());
    Ok(parallel::map(&profiles, |row| {
        let Owner { pipeline, service } = row.owner.clone();
        let health = known(&row.owner, &tracks, verdicts.get(&pipeline), &settings).health(row, present);
        PipelineHealth { pipeline, service, health }
    }))
}

fn read(reader: &Reader) -> Result<(Vec<ProfileRow>, QualityRow, RunValues), StoreError> {
    let profiles = reader.track_profiles(None, count(RECENT_RUNS))?;
    let quality = reader.track_quality(None)?.into_iter().next().unwrap_or_default();
    Ok((profiles, quality, reader.run_values(None, count(GATE_RUNS))?))
}

fn known(
    owner: &Owner,
    tracks: &BTreeMap<String, Vec<Track>>,
    verdict: Option<&Verdict>,
    settings: &GateSettings,
) -> Known {
    let own: Vec<&Track> = tracks
        .get(&owner.pipeline)
        .into_iter()
        .flatten()
        .filter(|track| track.context().service == owner.service)
        .collect();
    let needed = settings.baseline_count_min + settings.newest_count_min;
    let has_baseline = own.iter().any(|track| track.recent().len() >= needed);
    let findings = verdict.into_iter().flat_map(|verdict| &verdict.findings);
    let findings = findings.filter(|finding| finding.context.service == owner.service);
    Known::new(has_baseline, findings, &recent_trends(&busiest(&own)))
}
