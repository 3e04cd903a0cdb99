//! Alerts, accepted changes and the audit trail: read, and written in one transaction.

use duckdb::{Connection, params};
use serde::Deserialize;

use super::read::Parameters;
use super::{Reader, Store, StoreError, sql};
use crate::model::clock::UnixNanos;
use crate::model::{AcceptedChange, AlertRecord, AlertState, AuditRecord, SeriesKey};

/// What one transaction writes.
#[derive(Debug, Default)]
pub(crate) struct AlertChanges {
    /// Replace those with the same id.
    pub(crate) alerts: Vec<AlertRecord>,
    /// Replace those of the same series.
    pub(crate) accepted: Vec<AcceptedChange>,
    /// Series whose accepted changes go.
    pub(crate) forgotten: Vec<SeriesKey>,
    /// Appended.
    pub(crate) audit: Vec<AuditRecord>,
}

#[derive(Deserialize)]
struct AlertRow {
    alert_id: String,
    state: AlertState,
    finding: String,
    opened_ns: UnixNanos,
    seen_ns: UnixNanos,
    changed_ns: UnixNanos,
    latest_run_ns: UnixNanos,
    missed: u32,
    muted_until_ns: Option<UnixNanos>,
    changed_by: Option<String>,
    note: Option<String>,
}

#[derive(Deserialize)]
struct BaselineRow {
    series: String,
    since_ns: UnixNanos,
    set_ns: UnixNanos,
    set_by: Option<String>,
    reason: Option<String>,
}

impl Reader {
    /// Every alert, oldest first.
    pub fn alerts(&self) -> Result<Vec<AlertRecord>, StoreError> {
        let rows: Vec<AlertRow> = self.rows("read alerts", sql::ALERTS, &Parameters::new())?;
        rows.into_iter()
            .map(|row| {
                Ok(AlertRecord {
                    finding: serde_json::from_str(&row.finding).map_err(StoreError::shape("an alert"))?,
                    alert_id: row.alert_id,
                    state: row.state,
                    opened_ns: row.opened_ns,
                    seen_ns: row.seen_ns,
                    changed_ns: row.changed_ns,
                    latest_run_ns: row.latest_run_ns,
                    missed: row.missed,
                    muted_until_ns: row.muted_until_ns,
                    changed_by: row.changed_by,
                    note: row.note,
                })
            })
            .collect()
    }

    /// Every accepted change, newest last.
    pub fn accepted_changes(&self) -> Result<Vec<AcceptedChange>, StoreError> {
        let rows: Vec<BaselineRow> = self.rows("read baselines", sql::BASELINES, &Parameters::new())?;
        rows.into_iter()
            .map(|row| {
                Ok(AcceptedChange {
                    key: serde_json::from_str(&row.series).map_err(StoreError::shape("a baseline"))?,
                    since_ns: row.since_ns,
                    set_ns: row.set_ns,
                    set_by: row.set_by,
                    reason: row.reason,
                })
            })
            .collect()
    }
}

impl Store {
    /// Hands the known alerts and the present to `job` and writes what it returns, in one transaction. Nothing else
    /// writes meanwhile.
    pub(crate) fn change_alerts<T: Send + 'static>(
        &self,
        job: impl FnOnce(&[AlertRecord], UnixNanos) -> (AlertChanges, T) + Send + 'static,
    ) -> Result<T, StoreError> {
        self.write(move |connection, clock| {
            let now = clock.now();
            let reader = Reader::new(connection.try_clone().map_err(StoreError::sql("open a reader"))?);
            let (changes, answer) = job(&reader.alerts()?, now);
            drop(reader);
            connection.execute_batch("begin transaction").map_err(StoreError::sql("write alerts"))?;
            let written = apply(connection, &changes, now)
                .and_then(|()| connection.execute_batch("commit").map_err(StoreError::sql("write alerts")));
            if written.is_err() {
                // The first failure is the one to report.
                drop(connection.execute_batch("rollback"));
            }
            written.map(|()| answer)
        })?
    }
}

fn apply(connection: &Connection, changes: &AlertChanges, now: UnixNanos) -> Result<(), StoreError> {
    let failed = || StoreError::sql("write alerts");
    for a in &changes.alerts {
        let finding = serde_json::to_string(&a.finding).map_err(StoreError::shape("an alert"))?;
        connection.execute("delete from alert_rows where alert_id = ?", params![a.alert_id]).map_err(failed())?;
        let row = params![
            a.alert_id,
            a.state.as_str(),
            finding,
            a.opened_ns,
            a.seen_ns,
            a.changed_ns,
            a.latest_run_ns,
            a.missed,
            a.muted_until_ns,
            a.changed_by,
            a.note
        ];
        connection.execute("insert into alert_rows values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row).map_err(failed())?;
    }
    for key in changes.forgotten.iter().chain(changes.accepted.iter().map(|change| &change.key)) {
        connection.execute("delete from baseline_rows where series = ?", params![text_of(key)?]).map_err(failed())?;
    }
    for change in &changes.accepted {
        let row = params![text_of(&change.key)?, change.since_ns, now, change.set_by, change.reason];
        connection.execute("insert into baseline_rows values (?, ?, ?, ?, ?)", row).map_err(failed())?;
    }
    for line in &changes.audit {
        let row = params![now, line.actor, line.action, line.subject, line.note];
        connection.execute("insert into audit_rows values (?, ?, ?, ?, ?)", row).map_err(failed())?;
    }
    Ok(())
}

fn text_of(key: &SeriesKey) -> Result<String, StoreError> {
    serde_json::to_string(key).map_err(StoreError::shape("a series"))
}
