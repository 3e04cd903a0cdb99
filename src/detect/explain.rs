//! What else is different in the runs since a change: attributes of the runs, read from the store.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::model::clock::UnixNanos;
use crate::model::unit::{format_share, parse_time};
use crate::model::{Finding, FindingKind, Lift, SeriesContext};
use crate::store::{Reader, StoreError};

/// Newest runs on either side of a change that are looked at.
const RUNS_MAX: i64 = 60;
/// Attributes that are told.
const LIFTS_MAX: i64 = 10;
/// Changes that are explained at one time, worst first: each is a query.
const EVENTS_MAX: usize = 200;

#[derive(Deserialize)]
struct LiftRow {
    attribute: String,
    value: String,
    before: f64,
    after: f64,
    lift: f64,
}

type Event = (String, SeriesContext, UnixNanos);

/// Fills in the attributes of findings that are regressions, and names the most telling one.
pub(super) fn explain_attributes<'a>(
    reader: &Reader,
    findings: impl Iterator<Item = &'a mut Finding>,
) -> Result<(), StoreError> {
    let mut known: BTreeMap<Event, Vec<Lift>> = BTreeMap::new();
    for finding in findings.filter(|finding| finding.actionable && finding.kind != FindingKind::Limit) {
        let Ok(since) = parse_time(&finding.since_time) else { continue };
        let event = (finding.pipeline.clone(), finding.context.clone(), since);
        if !known.contains_key(&event) {
            if known.len() >= EVENTS_MAX {
                continue;
            }
            let rows: Vec<LiftRow> = reader.lift(&finding.series_key(), since, RUNS_MAX, LIFTS_MAX)?;
            let lifts = rows
                .into_iter()
                .map(|row| Lift {
                    attribute: row.attribute,
                    value: row.value,
                    before: row.before,
                    after: row.after,
                    lift: row.lift,
                })
                .collect();
            known.insert(event.clone(), lifts);
        }
        finding.explanation.attributes = known.get(&event).cloned().unwrap_or_default();
        // Revision and model are told already, and an outcome is no cause.
        let told = ["model", "revision", "outcome"];
        if let Some(lift) = finding.explanation.attributes.iter().find(|l| !told.contains(&l.attribute.as_str())) {
            finding.recommendation.push_str(&format!(
                " {} is {} in {} of these runs, in {} of those before.",
                lift.attribute,
                lift.value,
                format_share(lift.after),
                format_share(lift.before)
            ));
        }
    }
    Ok(())
}
