//! Every statement perfline runs, by name. The text lives in `sql/`, one question a file.

macro_rules! statements {
    ($($name:ident = $file:literal;)*) => {
        $(
            #[doc = concat!("`sql/", $file, "`")]
            pub(crate) const $name: &str = include_str!(concat!("sql/", $file));
        )*

        /// Every registered file, for the test that compares the registry with the folder.
        #[cfg(test)]
        const FILES: &[&str] = &[$($file),*];
    };
}

/// A migration: applied once, in order, checked by its checksum ever after.
pub(crate) struct Migration {
    /// 1, 2, 3 ...
    pub(crate) version: i32,
    /// The file's name without number and ending.
    pub(crate) name: &'static str,
    /// The statements.
    pub(crate) text: &'static str,
}

statements! {
    SCHEMA_TELEMETRY = "schema/0001_telemetry.sql";
    SCHEMA_RUNS = "schema/0002_runs.sql";
    SCHEMA_ALERTS = "schema/0003_alerts.sql";
    SCHEMA_USAGE = "schema/0004_usage.sql";
    LOAD_QUIET_TRACES = "load/quiet_traces.sql";
    LOAD_REMEMBERED_SETS = "load/remembered_sets.sql";
    LOAD_LONGER_SPANS = "load/longer_spans.sql";
    LOAD_REPLACE_SPANS = "load/replace_spans.sql";
    SCHEMA_ALERT_GROUPS = "schema/0005_alert_groups.sql";
    SCHEMA_NAMED_POINTS = "schema/0006_named_points.sql";
    SCHEMA_NUMBERS = "schema/0007_numbers.sql";
    SCHEMA_STEP_FIGURES = "schema/0008_step_figures.sql";
    DERIVE_PENDING = "derive/00_pending.sql";
    DERIVE_TOUCHED = "derive/01_touched.sql";
    DERIVE_NODES = "derive/02_nodes.sql";
    DERIVE_TREES = "derive/03_trees.sql";
    DERIVE_UNITS = "derive/04_units.sql";
    DERIVE_HEADS = "derive/05_heads.sql";
    DERIVE_STEPS = "derive/06_steps.sql";
    DERIVE_CALLS = "derive/07_calls.sql";
    DERIVE_PRICES = "derive/08_prices.sql";
    DERIVE_RUNS = "derive/09_runs.sql";
    DERIVE_WRITE = "derive/10_write.sql";
    DERIVE_POINTS = "derive/11_points.sql";
    DERIVE_SAMPLES = "derive/12_samples.sql";
    DERIVE_DONE = "derive/13_done.sql";
    DERIVE_STALE = "derive/20_stale.sql";
    DERIVE_STALE_SAMPLES = "derive/21_stale_samples.sql";
    DERIVE_RUN_IDS = "derive/run_ids.sql";
    SETTLE = "derive/settle.sql";
    PRICE_CALLS = "price/calls.sql";
    RECOST_BEGIN = "price/recost_begin.sql";
    RECOST_CALLS = "price/recost_calls.sql";
    RECOST_THIN = "price/recost_thin.sql";
    RECOST_COUNT = "price/recost_count.sql";
    RECOST_WRITE = "price/recost_write.sql";
    MACRO_ERROR_FINGERPRINT = "macro/error_fingerprint.sql";
    MACRO_FOLD_IDS = "macro/fold_ids.sql";
    MACRO_BUCKET_QUANTILE = "macro/bucket_quantile.sql";
    MACRO_EXPONENTIAL_QUANTILE = "macro/exponential_quantile.sql";
    MACRO_TREND_SUMS = "macro/trend_sums.sql";
    VIEW_RESOURCE_NAMES = "view/00_resource_names.sql";
    SETTLE_STALE = "derive/settle_stale.sql";
    DETECT_STALE = "detect/stale.sql";
    DETECT_TAKE_STALE = "detect/take_stale.sql";
    DETECT_FORGET_STALE = "detect/forget_stale.sql";
    DETECT_FORGET_EVALUATIONS = "detect/forget_evaluations.sql";
    DETECT_MARK_STALE = "detect/mark_stale.sql";
    DETECT_EVALUATIONS = "detect/evaluations.sql";
    DETECT_SCREEN_FROM = "detect/screen_from.sql";
    DETECT_SCREEN = "detect/screen.sql";
    DETECT_LIFT = "detect/lift.sql";
    VIEW_SPAN_MEMBERSHIP = "view/01_span_membership.sql";
    VIEW_SPANS = "view/02_spans.sql";
    VIEW_SPAN_EVENTS = "view/03_span_events.sql";
    VIEW_SPAN_LINKS = "view/04_span_links.sql";
    VIEW_RUNS = "view/05_runs.sql";
    VIEW_STEPS = "view/06_steps.sql";
    VIEW_POINT_RUNS = "view/07_point_runs.sql";
    VIEW_METRIC_POINTS = "view/08_metric_points.sql";
    VIEW_LOGS = "view/09_logs.sql";
    VIEW_RESOURCE_SAMPLES = "view/10_resource_samples.sql";
    VIEW_UNMAPPED = "view/11_unmapped.sql";
    VIEW_EXPLAIN_TRACE = "view/12_explain_trace.sql";
    VIEW_RUN_VALUES = "view/13_run_values.sql";
    VIEW_STEP_PARTS = "view/14_step_parts.sql";
    VIEW_STEP_SUMS = "view/14_step_sums.sql";
    VIEW_METRIC_EXEMPLARS = "view/13_metric_exemplars.sql";
    VIEW_METRIC_INCREASES = "view/14_metric_increases.sql";
    VIEW_ERRORS = "view/15_errors.sql";
    VIEW_CALLS = "view/16_calls.sql";
    VIEW_ALERTS = "view/20_alerts.sql";
    VIEW_BASELINES = "view/21_baselines.sql";
    VIEW_AUDIT = "view/22_audit.sql";
    VIEW_ALERT_PRECISION = "view/23_alert_precision.sql";
    PIPELINES = "query/pipelines.sql";
    ALERTS = "query/alerts.sql";
    BASELINES = "query/baselines.sql";
    RUNS = "query/runs.sql";
    STEPS = "query/steps.sql";
    SERIES = "query/series.sql";
    METRICS_RUNS = "query/metrics_runs.sql";
    METRICS_DURATIONS = "query/metrics_durations.sql";
    FILE_PARQUET = "file/parquet.sql";
    UPKEEP_COUNTS = "upkeep/counts.sql";
    UPKEEP_OLDEST = "upkeep/oldest.sql";
    UPKEEP_PRUNE = "upkeep/prune.sql";
    TRACK_ONLY_RUNS = "track/only_runs.sql";
    TRACK_ONLY_STEPS = "track/only_steps.sql";
    TRACK_ONLY_CALLS = "track/only_calls.sql";
    TRACK_ONLY_HELD = "track/only_held.sql";
    TRACK_PROFILES = "track/profiles.sql";
    TRACK_METRICS = "track/metrics.sql";
    TRACK_SPENDING = "track/spending.sql";
    TRACK_MODELS = "track/models.sql";
    TRACK_STEPS = "track/steps.sql";
    TRACK_SERIES_RUNS = "track/series_runs.sql";
    TRACK_SERIES_STEPS = "track/series_steps.sql";
    TRACK_WATERFALLS = "track/waterfalls.sql";
    TRACK_RESOURCES = "track/resources.sql";
    TRACK_RECENT_RUNS = "track/recent_runs.sql";
    TRACK_QUALITY = "track/quality.sql";
    TRACK_SLICES = "track/slices.sql";
    TRACK_STEP_SLICES = "track/step_slices.sql";
    TRACK_MODEL_DAYS = "track/model_days.sql";
    TRACK_TRENDS = "track/trends.sql";
    TRACK_ALERT_HISTORY = "track/alert_history.sql";
    BENCH_REPORT_RUNS = "bench/report_runs.sql";
    BENCH_REPORT_STEPS = "bench/report_steps.sql";
    BENCH_REPORT_CALLS = "bench/report_calls.sql";
}

/// The macros and views that users query, in the order in which they build on one another.
pub(crate) const VIEWS: &[&str] = &[
    MACRO_ERROR_FINGERPRINT,
    MACRO_FOLD_IDS,
    MACRO_BUCKET_QUANTILE,
    MACRO_EXPONENTIAL_QUANTILE,
    MACRO_TREND_SUMS,
    VIEW_RESOURCE_NAMES,
    VIEW_SPAN_MEMBERSHIP,
    VIEW_SPANS,
    VIEW_SPAN_EVENTS,
    VIEW_SPAN_LINKS,
    VIEW_RUNS,
    VIEW_STEPS,
    VIEW_POINT_RUNS,
    VIEW_METRIC_POINTS,
    VIEW_LOGS,
    VIEW_RESOURCE_SAMPLES,
    VIEW_UNMAPPED,
    VIEW_EXPLAIN_TRACE,
    VIEW_RUN_VALUES,
    VIEW_STEP_PARTS,
    VIEW_STEP_SUMS,
    VIEW_METRIC_EXEMPLARS,
    VIEW_METRIC_INCREASES,
    VIEW_ERRORS,
    VIEW_CALLS,
    VIEW_ALERTS,
    VIEW_BASELINES,
    VIEW_AUDIT,
    VIEW_ALERT_PRECISION,
];

/// Finds the traces whose runs may change; leaves them in `derive_traces`.
pub(crate) const DERIVE_FIND: &[&str] = &[DERIVE_PENDING, DERIVE_TOUCHED];

/// Recognises the runs of `derive_traces`, their steps and their model calls. Calls without a cost are priced
/// behind it, into `derive_prices`.
pub(crate) const DERIVE_RECOGNISE: &[&str] =
    &[DERIVE_NODES, DERIVE_TREES, DERIVE_UNITS, DERIVE_HEADS, DERIVE_STEPS, DERIVE_CALLS];

/// Sums the runs up and writes them.
pub(crate) const DERIVE_REWRITE: &[&str] = &[DERIVE_PRICES, DERIVE_RUNS, DERIVE_WRITE, DERIVE_STALE];

/// What follows every derivation, also one without a trace to derive.
pub(crate) const DERIVE_FINISH: &[&str] = &[DERIVE_POINTS, DERIVE_SAMPLES, DERIVE_STALE_SAMPLES, DERIVE_DONE];

/// Every migration, oldest first.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration { version: 1, name: "telemetry", text: SCHEMA_TELEMETRY },
    Migration { version: 2, name: "runs", text: SCHEMA_RUNS },
    Migration { version: 3, name: "alerts", text: SCHEMA_ALERTS },
    Migration { version: 4, name: "usage", text: SCHEMA_USAGE },
    Migration { version: 5, name: "alert_groups", text: SCHEMA_ALERT_GROUPS },
    Migration { version: 6, name: "named_points", text: SCHEMA_NAMED_POINTS },
    Migration { version: 7, name: "numbers", text: SCHEMA_NUMBERS },
    Migration { version: 8, name: "step_figures", text: SCHEMA_STEP_FIGURES },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_sql_file_is_registered_and_every_registered_file_exists() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/sql");
        let mut found = BTreeSet::new();
        for folder in std::fs::read_dir(&root).unwrap() {
            let folder = folder.unwrap().path();
            for file in std::fs::read_dir(&folder).unwrap() {
                let file = file.unwrap().path();
                found.insert(file.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
            }
        }
        let registered: BTreeSet<String> = FILES.iter().map(|file| (*file).to_owned()).collect();
        assert_eq!(found, registered);
    }
}
