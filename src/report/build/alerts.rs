//! The store's alerts with their life.

use std::collections::HashMap;

use crate::model::unit::format_time;
use crate::model::{AlertRecord, AlertState as State};
use crate::report::bundle::{Alert, AlertEvent, AlertState};
use crate::store::{Reader, StoreError};

use super::rows::AlertEventRow;

/// Alerts that are over and still told: the newest.
const OVER_MAX: usize = 100;
/// What happened to one alert: the newest.
const EVENTS_MAX: usize = 50;

/// Live alerts, and the newest of those that are over.
pub(super) fn read(reader: &Reader, pipeline: Option<&str>) -> Result<Vec<Alert>, StoreError> {
    let mut known = reader.alerts()?;
    known.retain(|alert| pipeline.is_none_or(|name| alert.finding.pipeline == name));
    if known.is_empty() {
        return Ok(Vec::new());
    }
    let mut events: HashMap<String, Vec<AlertEventRow>> = HashMap::new();
    for event in reader.track_alert_history::<AlertEventRow>()? {
        events.entry(event.alert_id.clone()).or_default().push(event);
    }
    let (live, mut over): (Vec<_>, Vec<_>) = known.into_iter().partition(|alert| alert.state.is_live());
    over.sort_by_key(|alert| std::cmp::Reverse(alert.changed_ns));
    over.truncate(OVER_MAX);
    Ok(live.into_iter().chain(over).map(|alert| told(alert, &mut events)).collect())
}

fn told(alert: AlertRecord, events: &mut HashMap<String, Vec<AlertEventRow>>) -> Alert {
    let mut own = events.remove(&alert.alert_id).unwrap_or_default();
    own.drain(..own.len().saturating_sub(EVENTS_MAX));
    let history = own.into_iter().map(|event| AlertEvent {
        at: format_time(event.at_ns),
        actor: event.actor,
        action: match event.note.filter(|note| !note.is_empty()) {
            Some(note) => format!("{}: {note}", event.action),
            None => event.action,
        },
    });
    Alert {
        state: match alert.state {
            State::Suspected => AlertState::Suspected,
            State::Open => AlertState::Open,
            State::Acknowledged => AlertState::Acknowledged,
            State::Muted => AlertState::Muted,
            State::Resolved => AlertState::Resolved,
            State::FalsePositive => AlertState::FalsePositive,
        },
        opened_at: format_time(alert.opened_ns),
        seen_at: Some(format_time(alert.seen_ns)),
        history: history.collect(),
        id: alert.alert_id,
        finding: alert.finding,
    }
}
