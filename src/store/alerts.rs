//! Alerts, baselines, evaluations and the audit trail: read, and written in one transaction.

use std::collections::HashMap;

use duckdb::{Connection, ToSql, params};
use serde::Deserialize;

use super::read::Parameters;
use super::track::json_of;
use super::{Reader, Store, StoreError, sql};
use crate::model::clock::UnixNanos;
use crate::model::{AlertRecord, AlertState, AuditRecord, BaselineKind, BaselineVersion, SeriesKey, Verdict};

/// What one transaction writes.
#[derive(Debug, Default)]
pub(crate) struct AlertChanges {
    /// Replace those with the same id.
    pub(crate) alerts: Vec<AlertRecord>,
    /// Appended; the version is counted on, the time is the present.
    pub(crate) baselines: Vec<(BaselineVersion, Option<String>)>,
    /// What was said of each pipeline, under which settings.
    pub(crate) evaluations: Vec<(String, Verdict)>,
    /// Fingerprint of the settings of `evaluations`.
    pub(crate) settings: String,
    /// Pipelines whose marks of being stale were answered.
    pub(crate) judged: Vec<String>,
    /// Pipelines that must be judged again.
    pub(crate) stale: Vec<String>,
    /// Appended.
    pub(crate) audit: Vec<AuditRecord>,
}

/// What the screen says of one pipeline.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Screened {
    pub(crate) pipeline: String,
    /// Its series.
    pub(crate) series: usize,
    /// Those with too few runs.
    pub(crate) insufficient: usize,
    /// More runs that the longest of them needs.
    pub(crate) runs_needed: Option<usize>,
    /// One of the others may have changed.
    pub(crate) passes: bool,
}

/// What the screen looks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Screen {
    pub(crate) run_count_max: i64,
    pub(crate) newest_count: i64,
    pub(crate) baseline_count: i64,
    pub(crate) newest_min: i64,
    pub(crate) needed_count: i64,
    pub(crate) known_min: i64,
    pub(crate) chance_max: f64,
    pub(crate) search_factor: f64,
    pub(crate) odd_min: f64,
    pub(crate) pattern_max: f64,
}

#[derive(Deserialize)]
struct AlertRow {
    alert_id: String,
    state: AlertState,
    finding: String,
    members: Option<String>,
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
    version: u32,
    kind: BaselineKind,
    since_ns: UnixNanos,
    until_ns: Option<UnixNanos>,
    runs: Option<String>,
    set_ns: UnixNanos,
    set_by: Option<String>,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct NameRow {
    pipeline: String,
}

#[derive(Deserialize)]
struct EvaluationRow {
    pipeline: String,
    verdict: String,
}

impl Reader {
    /// Every alert, oldest first.
    pub fn alerts(&self) -> Result<Vec<AlertRecord>, StoreError> {
        let rows: Vec<AlertRow> = self.rows("read alerts", sql::ALERTS, &Parameters::new())?;
        rows.into_iter().map(AlertRow::read).collect()
    }

    /// Everything that was decided about baselines, oldest version first, with the runs of pinned ones as JSON.
    pub(crate) fn baseline_versions(&self) -> Result<Vec<(BaselineVersion, Option<String>)>, StoreError> {
        let rows: Vec<BaselineRow> = self.rows("read baselines", sql::BASELINES, &Parameters::new())?;
        let read = |row: BaselineRow| {
            let version = BaselineVersion {
                key: serde_json::from_str(&row.series).map_err(StoreError::shape("a baseline"))?,
                version: row.version,
                kind: row.kind,
                since_ns: row.since_ns,
                until_ns: row.until_ns,
                set_ns: row.set_ns,
                set_by: row.set_by,
                reason: row.reason,
            };
            Ok((version, row.runs))
        };
        rows.into_iter().map(read).collect()
    }

    /// Pipelines that have to be judged under these settings.
    pub(crate) fn stale_pipelines(&self, settings: &str) -> Result<Vec<String>, StoreError> {
        let rows: Vec<NameRow> =
            self.rows("find stale pipelines", sql::DETECT_STALE, &Parameters::from([("settings", &settings as _)]))?;
        Ok(rows.into_iter().map(|row| row.pipeline).collect())
    }

    /// What was said of each pipeline under these settings.
    pub(crate) fn evaluations(&self, settings: &str) -> Result<Vec<(String, Verdict)>, StoreError> {
        let parameters = Parameters::from([("settings", &settings as &dyn ToSql)]);
        let rows: Vec<EvaluationRow> = self.rows("read evaluations", sql::DETECT_EVALUATIONS, &parameters)?;
        let read = |row: EvaluationRow| {
            let verdict = serde_json::from_str(&row.verdict).map_err(StoreError::shape("an evaluation"))?;
            Ok((row.pipeline, verdict))
        };
        rows.into_iter().map(read).collect()
    }

    /// Looks at every series of these pipelines at once.
    pub(crate) fn screen(&self, pipelines: &[String], screen: &Screen) -> Result<Vec<Screened>, StoreError> {
        #[derive(Deserialize)]
        struct Reach {
            from_ns: UnixNanos,
        }
        let names = json_of(pipelines);
        let reach = Parameters::from([("pipelines", &names as &dyn ToSql), ("run_count_max", &screen.run_count_max)]);
        let reach: Vec<Reach> = self.rows("look how far back to look", sql::DETECT_SCREEN_FROM, &reach)?;
        let from_ns = reach.first().map_or(0, |reach| reach.from_ns);
        let parameters = Parameters::from([
            ("pipelines", &names as &dyn ToSql),
            ("from_ns", &from_ns),
            ("run_count_max", &screen.run_count_max),
            ("newest_count", &screen.newest_count),
            ("baseline_count", &screen.baseline_count),
            ("newest_min", &screen.newest_min),
            ("needed_count", &screen.needed_count),
            ("known_min", &screen.known_min),
            ("chance_max", &screen.chance_max),
            ("search_factor", &screen.search_factor),
            ("odd_min", &screen.odd_min),
            ("pattern_max", &screen.pattern_max),
        ]);
        self.rows("screen series", sql::DETECT_SCREEN, &parameters)
    }

    /// Attributes that are more frequent in the runs of a series' context since a time.
    pub(crate) fn lift<T: serde::de::DeserializeOwned>(
        &self,
        key: &SeriesKey,
        since_ns: UnixNanos,
        run_count: i64,
        row_count: i64,
    ) -> Result<Vec<T>, StoreError> {
        let context = &key.context;
        let parameters = Parameters::from([
            ("pipeline", &key.pipeline as &dyn ToSql),
            ("service", &context.service),
            ("branch", &context.branch),
            ("environment", &context.environment),
            ("host_class", &context.host_class),
            ("since_ns", &since_ns),
            ("run_count", &run_count),
            ("row_count", &row_count),
        ]);
        self.rows("compare attributes", sql::DETECT_LIFT, &parameters)
    }
}

impl AlertRow {
    fn read(self) -> Result<AlertRecord, StoreError> {
        let failed = || StoreError::shape("an alert");
        Ok(AlertRecord {
            finding: serde_json::from_str(&self.finding).map_err(failed())?,
            members: self.members.map_or(Ok(Vec::new()), |text| serde_json::from_str(&text)).map_err(failed())?,
            alert_id: self.alert_id,
            state: self.state,
            opened_ns: self.opened_ns,
            seen_ns: self.seen_ns,
            changed_ns: self.changed_ns,
            latest_run_ns: self.latest_run_ns,
            missed: self.missed,
            muted_until_ns: self.muted_until_ns,
            changed_by: self.changed_by,
            note: self.note,
        })
    }
}

impl Store {
    /// Marks what is stale now as taken: what becomes stale from here on is the next evaluation's.
    pub(crate) fn take_stale(&self) -> Result<(), StoreError> {
        self.write(|connection, _| connection.execute(sql::DETECT_TAKE_STALE, []).map(drop))?
            .map_err(StoreError::sql("begin an evaluation"))
    }

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
    changes.alerts.iter().try_for_each(|alert| write_alert(connection, alert))?;
    changes.baselines.iter().try_for_each(|(version, runs)| write_baseline(connection, version, runs.as_ref(), now))?;
    write_evaluations(connection, changes, now)?;
    changes.stale.iter().try_for_each(|pipeline| mark_stale(connection, pipeline))?;
    for line in &changes.audit {
        let row = params![now, line.actor, line.action, line.subject, line.note];
        connection
            .execute("insert into audit_rows values (?, ?, ?, ?, ?)", row)
            .map_err(StoreError::sql("write the audit trail"))?;
    }
    Ok(())
}

fn write_alert(connection: &Connection, a: &AlertRecord) -> Result<(), StoreError> {
    let failed = || StoreError::sql("write alerts");
    let finding = serde_json::to_string(&a.finding).map_err(StoreError::shape("an alert"))?;
    let members = serde_json::to_string(&a.members).map_err(StoreError::shape("an alert"))?;
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
        a.note,
        members
    ];
    connection
        .execute("insert into alert_rows values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        .map(drop)
        .map_err(failed())
}

fn write_baseline(
    connection: &Connection,
    version: &BaselineVersion,
    runs: Option<&String>,
    now: UnixNanos,
) -> Result<(), StoreError> {
    let failed = || StoreError::sql("write baselines");
    let series = serde_json::to_string(&version.key).map_err(StoreError::shape("a series"))?;
    let next: i64 = connection
        .query_row(
            "select coalesce(max(version), 0) + 1 from baseline_versions where series = ?",
            params![series],
            |row| row.get(0),
        )
        .map_err(failed())?;
    let row = params![
        series,
        next,
        version.kind.as_str(),
        version.since_ns,
        version.until_ns,
        runs,
        now,
        version.set_by,
        version.reason
    ];
    connection.execute("insert into baseline_versions values (?, ?, ?, ?, ?, ?, ?, ?, ?)", row).map_err(failed())?;
    mark_stale(connection, &version.key.pipeline)
}

fn mark_stale(connection: &Connection, pipeline: &str) -> Result<(), StoreError> {
    let named = HashMap::from([("pipeline", &pipeline as &dyn ToSql)]);
    connection.execute(sql::DETECT_MARK_STALE, &named).map(drop).map_err(StoreError::sql("mark a pipeline as stale"))
}

fn write_evaluations(connection: &Connection, changes: &AlertChanges, now: UnixNanos) -> Result<(), StoreError> {
    if changes.judged.is_empty() {
        return Ok(());
    }
    let failed = || StoreError::sql("write evaluations");
    let names = json_of(&changes.judged);
    let judged = HashMap::from([("pipelines", &names as &dyn ToSql)]);
    connection.execute(sql::DETECT_FORGET_STALE, &judged).map_err(failed())?;
    connection.execute(sql::DETECT_FORGET_EVALUATIONS, &judged).map_err(failed())?;
    let mut appender = connection.appender("evaluation_rows").map_err(failed())?;
    for (pipeline, verdict) in &changes.evaluations {
        let verdict = serde_json::to_string(verdict).map_err(StoreError::shape("an evaluation"))?;
        appender.append_row(params![pipeline, changes.settings, verdict, now]).map_err(failed())?;
    }
    appender.flush().map_err(failed())
}
