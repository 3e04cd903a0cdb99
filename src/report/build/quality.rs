//! What the reader should know of the data before trusting it.

use std::collections::BTreeMap;

use crate::model::Verdict;
use crate::model::clock::UnixNanos;
use crate::model::unit::{format_duration, format_minute, format_time};
use crate::report::bundle::{DataQuality, Drop, Note};

use super::pipeline::Told;
use super::rows::{Owner, ProfileRow};
use super::{PIPELINES_MAX, Read};

/// Notes about single pipelines.
const PIPELINE_NOTES_MAX: usize = 20;
/// A store whose newest run is older than this holds history: silence is measured inside it.
const LIVE_NS: i64 = 24 * 3_600 * 1_000_000_000;
/// A pipeline's usual interval is never taken for shorter, seconds: bursts are no rhythm.
const INTERVAL_MIN_S: f64 = 3_600.0;

/// Against which moment silence is measured: the present of a store that still receives, else its newest run, and what a
/// service has listened for in vain since. Imported history is judged like live data.
pub(super) fn present(
    store_last_ns: Option<UnixNanos>,
    receives_since: Option<UnixNanos>,
    now: UnixNanos,
) -> UnixNanos {
    match store_last_ns {
        Some(newest) if now.saturating_sub(newest) > LIVE_NS => {
            let silence = receives_since.map_or(0, |since| now.saturating_sub(since.max(newest)).max(0));
            newest.saturating_add(silence)
        }
        _ => now,
    }
}

/// Time since the last run, in the pipeline's usual intervals.
pub(super) fn silent_intervals(row: &ProfileRow, present: UnixNanos) -> Option<f64> {
    intervals_of_silence(row.gap_s, row.to_ns, present)
}

/// Time since a last run; `usual_s` is the gap that 95 of 100 of the newest gaps stay under.
pub(super) fn intervals_of_silence(usual_s: Option<f64>, last: UnixNanos, present: UnixNanos) -> Option<f64> {
    let usual = usual_s.filter(|gap| gap.is_finite())?.max(INTERVAL_MIN_S);
    let silent_s = present.saturating_sub(last).max(0) as f64 / 1e9;
    Some(silent_s / usual)
}

/// As in the gate: scores above 1 are points of a hundred.
pub(super) fn as_share(quality: f64) -> f64 {
    if quality > 1.0 { quality / 100.0 } else { quality }
}

/// Counts, drops and notes.
pub(super) fn describe(
    read: &Read,
    told: &BTreeMap<Owner, Told>,
    verdict: &Verdict,
    undecodable: u64,
    (present, now): (UnixNanos, UnixNanos),
) -> DataQuality {
    let row = &read.quality;
    let drop = (undecodable > 0).then(|| Drop {
        signal: "any".to_owned(),
        reason: "acknowledged, yet not decodable (since the store was opened)".to_owned(),
        count: undecodable,
    });
    DataQuality {
        runs: row.runs,
        runs_open: row.runs_open,
        runs_outcome_unknown: row.runs_outcome_unknown,
        first_run: row.first_ns.map(format_time),
        last_run: row.last_ns.map(format_time),
        drops: drop.into_iter().collect(),
        notes: notes(read, told, verdict, (present, now)),
    }
}

fn notes(
    read: &Read,
    told: &BTreeMap<Owner, Told>,
    verdict: &Verdict,
    (present, now): (UnixNanos, UnixNanos),
) -> Vec<Note> {
    let row = &read.quality;
    let note = |warning: bool, text: String| Note { warning, pipeline: None, text };
    let mut notes = Vec::new();
    if row.runs == 0 {
        notes.push(note(true, "the store holds no run".to_owned()));
    }
    if read.profiles_over > 0 {
        let text =
            format!("{} pipelines are left out: the {PIPELINES_MAX} with the newest runs are told", read.profiles_over);
        notes.push(note(true, text));
    }
    if row.runs_outcome_unknown > 0 {
        let text = format!(
            "{} of {} runs do not say how they ended: they count neither as success nor as failure",
            row.runs_outcome_unknown, row.runs
        );
        notes.push(note(true, text));
    }
    notes.extend(young(read, told));
    if let Some(newest) = row.store_last_ns.filter(|newest| now.saturating_sub(*newest) > LIVE_NS) {
        #[allow(clippy::cast_precision_loss, reason = "seconds, not nanoseconds, matter here")]
        let age = format_duration(now.saturating_sub(newest) as f64 / 1e9);
        #[allow(clippy::cast_precision_loss, reason = "seconds, not nanoseconds, matter here")]
        let silence_s = present.saturating_sub(newest) as f64 / 1e9;
        let is_silent = silence_s >= INTERVAL_MIN_S;
        let measured = if is_silent {
            format!("none has come in the {} that this service has listened since", format_duration(silence_s))
        } else {
            "read as history, silence is measured against that run".to_owned()
        };
        let text = format!("the newest run started {} ({age} before this report): {measured}", format_minute(newest));
        notes.push(note(is_silent, text));
    }
    let (unpriced, calls) = super::models::unpriced(read.model_days.values().flatten());
    if unpriced > 0 {
        let text =
            format!("{unpriced} of {calls} model calls have no known cost: what is told of cost leaves them out");
        notes.push(note(true, text));
    }
    if row.runs_open > 0 {
        notes.push(note(false, format!("{} runs are still open and not counted in any metric", row.runs_open)));
    }
    if verdict.series_insufficient > 0 {
        let text = format!(
            "{} of {} series have too few values for a baseline",
            verdict.series_insufficient,
            verdict.series_insufficient + verdict.series_checked
        );
        notes.push(note(false, text));
    }
    notes
}

// Pipelines of which nothing can be said yet, those with the most runs first.
fn young(read: &Read, told: &BTreeMap<Owner, Told>) -> Vec<Note> {
    let has_baseline = |owner: &Owner| told.get(owner).is_some_and(|told| told.has_baseline);
    let mut young: Vec<&ProfileRow> = read.profiles.iter().filter(|row| !has_baseline(&row.owner)).collect();
    young.sort_by_key(|row| std::cmp::Reverse(row.runs));
    young
        .into_iter()
        .take(PIPELINE_NOTES_MAX)
        .map(|row| Note {
            warning: true,
            pipeline: Some(row.owner.pipeline.clone()),
            text: format!("no series has enough values for a baseline: {} runs so far", row.runs),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR_NS: i64 = 3_600 * 1_000_000_000;

    #[test]
    fn history_is_as_fresh_as_its_newest_run_and_a_service_hears_silence() {
        let now = 1_000 * HOUR_NS;
        let week_old = Some(now - 168 * HOUR_NS);
        assert_eq!(present(Some(now - HOUR_NS), None, now), now);
        assert_eq!(present(week_old, None, now), now - 168 * HOUR_NS);
        // It listened all the time, or for the last two hours.
        assert_eq!(present(week_old, Some(now - 500 * HOUR_NS), now), now);
        assert_eq!(present(week_old, Some(now - 2 * HOUR_NS), now), now - 166 * HOUR_NS);
    }
}
