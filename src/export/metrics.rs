//! What `/metrics` says of pipelines: computed from the store, so that counters survive a restart.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::exposition::{Exemplar, Family, FamilyKind, Sample};
use super::service::as_f64;
use crate::model::{FindingKind, Verdict};
use crate::store::{Reader, StoreError};

/// Series of a family beyond this many pipelines go to the label `__other__`.
const PIPELINES_MAX: usize = 1_000;
const OTHER: &str = "__other__";

/// Totals of the runs of one pipeline with one outcome.
#[derive(Debug, Deserialize)]
pub struct RunTotals {
    pipeline: String,
    service: String,
    outcome: String,
    run_count: f64,
    cost_usd: Option<f64>,
    input_tokens: Option<f64>,
    output_tokens: Option<f64>,
    last_started_s: f64,
}

/// One bucket of durations.
#[derive(Debug, Deserialize)]
pub struct DurationBucket {
    pipeline: String,
    service: String,
    step: Option<String>,
    bound: Option<f64>,
    run_count: f64,
    duration_sum_s: f64,
    exemplar_s: f64,
    exemplar_at_s: f64,
    exemplar_trace_id: Option<String>,
}

const BOUNDS: [f64; 15] =
    [0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 14400.0, 86400.0];

/// Health of one pipeline of one service.
#[derive(Clone, Debug)]
pub struct Score {
    /// The pipeline.
    pub pipeline: String,
    /// Empty where unknown.
    pub service: String,
    /// 0 to 100; `None`: not enough is known.
    pub score: Option<f64>,
}

/// Everything that is said of pipelines.
pub fn pipeline_families(reader: &Reader, verdict: &Verdict, scores: &[Score]) -> Result<Vec<Family>, StoreError> {
    let totals = reader.run_totals()?;
    let buckets = reader.duration_buckets()?;
    let mut families = run_families(&totals);
    families.extend(duration_families(&buckets));
    families.push(health_family(scores));
    families.extend(verdict_families(verdict));
    Ok(families)
}

fn health_family(scores: &[Score]) -> Family {
    let mut family = Family::new(
        "perfline_pipeline_health_score",
        FamilyKind::Gauge,
        "Health, 0 to 100, as reports tell it; no sample where too little is known to say.",
    );
    // Scores of several pipelines have no sum: those without a label of their own are left out.
    let known = Known::of(scores.iter().map(|score| score.pipeline.as_str()));
    for score in scores.iter().filter(|score| known.0.contains(&score.pipeline)) {
        if let Some(value) = score.score {
            family.add(vec![("pipeline", score.pipeline.clone()), ("service", score.service.clone())], value);
        }
    }
    family
}

fn run_families(totals: &[RunTotals]) -> Vec<Family> {
    let mut runs = BTreeMap::new();
    let mut cost = BTreeMap::new();
    let mut tokens = BTreeMap::new();
    let mut last: BTreeMap<(String, String), f64> = BTreeMap::new();
    let known = Known::of(totals.iter().map(|total| total.pipeline.as_str()));
    for total in totals {
        let (pipeline, service) = (known.label(&total.pipeline), total.service.clone());
        let pair = (pipeline.clone(), service.clone());
        *runs.entry((pipeline, service, total.outcome.clone())).or_insert(0.0) += total.run_count;
        if let Some(usd) = total.cost_usd {
            *cost.entry(pair.clone()).or_insert(0.0) += usd;
        }
        for (kind, count) in [("input", total.input_tokens), ("output", total.output_tokens)] {
            if let Some(count) = count {
                *tokens.entry((pair.0.clone(), pair.1.clone(), kind.to_owned())).or_insert(0.0) += count;
            }
        }
        let newest = last.entry(pair).or_insert(total.last_started_s);
        *newest = newest.max(total.last_started_s);
    }
    let pair = |(pipeline, service): (String, String)| vec![("pipeline", pipeline), ("service", service)];
    let triple = |name: &'static str| {
        move |(pipeline, service, third): (String, String, String)| {
            vec![("pipeline", pipeline), ("service", service), (name, third)]
        }
    };
    vec![
        filled("pipeline_runs", FamilyKind::Counter, "Closed runs by outcome.", runs, triple("outcome")),
        filled(
            "pipeline_llm_cost_usd",
            FamilyKind::Counter,
            "Cost of model calls, US dollars, where known.",
            cost,
            pair,
        ),
        filled("pipeline_llm_tokens", FamilyKind::Counter, "Tokens of model calls by type.", tokens, triple("type")),
        filled(
            "pipeline_last_run_timestamp_seconds",
            FamilyKind::Gauge,
            "Start of the newest closed run, seconds since the Unix epoch.",
            last,
            pair,
        ),
    ]
}

fn filled<K>(
    name: &'static str,
    kind: FamilyKind,
    help: &'static str,
    values: BTreeMap<K, f64>,
    labels: impl Fn(K) -> Vec<(&'static str, String)>,
) -> Family {
    let mut family = Family::new(name, kind, help);
    for (key, value) in values {
        family.add(labels(key), value);
    }
    family
}

/// The pipelines that have labels of their own: the first by name.
struct Known(std::collections::BTreeSet<String>);

impl Known {
    fn of<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let all: std::collections::BTreeSet<&str> = names.collect();
        Self(all.into_iter().take(PIPELINES_MAX).map(ToOwned::to_owned).collect())
    }

    fn label(&self, pipeline: &str) -> String {
        if self.0.contains(pipeline) { pipeline.to_owned() } else { OTHER.to_owned() }
    }
}

fn duration_families(buckets: &[DurationBucket]) -> Vec<Family> {
    let mut runs =
        Family::new("pipeline_run_duration_seconds", FamilyKind::Histogram, "Wall time of closed runs, seconds.");
    let mut steps = Family::new(
        "pipeline_step_duration_seconds",
        FamilyKind::Histogram,
        "Wall time of steps, last attempt, seconds.",
    );
    let mut groups: BTreeMap<(String, &str, Option<&str>), Vec<&DurationBucket>> = BTreeMap::new();
    let known = Known::of(buckets.iter().map(|bucket| bucket.pipeline.as_str()));
    for bucket in buckets {
        let pipeline = known.label(&bucket.pipeline);
        // Of pipelines that have no label of their own the steps have none either.
        let step = bucket.step.as_deref().map(|step| if pipeline == OTHER { OTHER } else { step });
        groups.entry((pipeline, bucket.service.as_str(), step)).or_default().push(bucket);
    }
    for ((pipeline, service, step), group) in groups {
        let mut labels = vec![("pipeline", pipeline), ("service", service.to_owned())];
        labels.extend(step.map(|step| ("step", step.to_owned())));
        let family = if step.is_some() { &mut steps } else { &mut runs };
        family.samples.extend(histogram(&labels, &group));
    }
    vec![runs, steps]
}

fn histogram(labels: &[(&'static str, String)], group: &[&DurationBucket]) -> Vec<Sample> {
    let mut samples = Vec::with_capacity(BOUNDS.len() + 3);
    let mut cumulative = 0.0;
    for bound in BOUNDS.into_iter().map(Some).chain([None]) {
        let here: Vec<&&DurationBucket> = group.iter().filter(|bucket| bucket.bound == bound).collect();
        cumulative += here.iter().map(|bucket| bucket.run_count).sum::<f64>();
        let mut bucket_labels = labels.to_vec();
        bucket_labels.push(("le", bound.map_or("+Inf".to_owned(), |bound| bound.to_string())));
        let exemplar = here.first().and_then(|bucket| {
            let trace_id = bucket.exemplar_trace_id.clone()?;
            Some(Exemplar { trace_id, value: bucket.exemplar_s, at_s: bucket.exemplar_at_s })
        });
        samples.push(Sample { suffix: "_bucket", labels: bucket_labels, value: cumulative, exemplar });
    }
    let sum = group.iter().map(|bucket| bucket.duration_sum_s).sum();
    samples.push(Sample { suffix: "_sum", labels: labels.to_vec(), value: sum, exemplar: None });
    samples.push(Sample { suffix: "_count", labels: labels.to_vec(), value: cumulative, exemplar: None });
    samples
}

fn verdict_families(verdict: &Verdict) -> Vec<Family> {
    let mut active = BTreeMap::new();
    // The same as Prometheus sees it: two samples of one name and labels are refused.
    let mut ratios: BTreeMap<Vec<(&'static str, String)>, f64> = BTreeMap::new();
    let known = Known::of(verdict.findings.iter().map(|finding| finding.pipeline.as_str()));
    let mut ratio = Family::new(
        "pipeline_baseline_ratio",
        FamilyKind::Gauge,
        "Level after a found change over the level before it; the metric has no sample where nothing changed.",
    );
    for finding in &verdict.findings {
        let severity = finding.severity.as_str().to_ascii_lowercase();
        if finding.actionable {
            *active.entry((known.label(&finding.pipeline), severity)).or_insert(0.0) += 1.0;
        }
        // Levels of several pipelines have no sum: those without a label of their own are left out.
        let confirmed = finding.kind != FindingKind::Suspected && known.0.contains(&finding.pipeline);
        if confirmed && finding.baseline != 0.0 && finding.step.is_none() {
            let labels = vec![
                ("pipeline", finding.pipeline.clone()),
                ("metric", finding.metric.as_str().to_owned()),
                ("kind", finding.kind.as_str().to_owned()),
                ("since_run", finding.since_run.clone()),
                ("branch", finding.context.branch.clone().unwrap_or_default()),
                ("environment", finding.context.environment.clone().unwrap_or_default()),
                ("host_class", finding.context.host_class.clone().unwrap_or_default()),
                ("service", finding.context.service.clone().unwrap_or_default()),
            ];
            ratios.entry(labels).or_insert(finding.current / finding.baseline);
        }
    }
    for (labels, value) in ratios {
        ratio.add(labels, value);
    }
    let mut regressions = Family::new(
        "pipeline_regressions_active",
        FamilyKind::Gauge,
        "Findings for the worse, MEDIUM or above, within the newest runs.",
    );
    for ((pipeline, severity), count) in active {
        regressions.add(vec![("pipeline", pipeline), ("severity", severity)], count);
    }
    let checked = Family::new("perfline_series_checked", FamilyKind::Gauge, "Series with enough runs to judge.")
        .with(Vec::new(), as_f64(verdict.series_checked as u64));
    let thin = Family::new("perfline_series_insufficient", FamilyKind::Gauge, "Series with too few runs to judge.")
        .with(Vec::new(), as_f64(verdict.series_insufficient as u64));
    vec![regressions, ratio, checked, thin]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Explanation, Finding, FindingKind, Metric, SeriesContext, Severity, VerdictWord};

    fn bucket(pipeline: &str, step: Option<&str>, run_count: f64) -> DurationBucket {
        DurationBucket {
            pipeline: pipeline.to_owned(),
            service: String::new(),
            step: step.map(str::to_owned),
            bound: Some(1.0),
            run_count,
            duration_sum_s: run_count / 2.0,
            exemplar_s: 0.5,
            exemplar_at_s: 1.0,
            exemplar_trace_id: None,
        }
    }

    #[test]
    fn durations_of_further_pipelines_are_summed_as_their_runs_are() {
        let names: Vec<String> = (0..PIPELINES_MAX + 2).map(|at| format!("p{at:04}")).collect();
        let buckets: Vec<_> =
            names.iter().flat_map(|name| [bucket(name, None, 3.0), bucket(name, Some(name), 5.0)]).collect();
        for (family, count) in duration_families(&buckets).iter().zip([3.0, 5.0]) {
            let of = |pipeline: &str, suffix: &str| -> Vec<f64> {
                let own = family.samples.iter().filter(|one| one.labels[0].1 == pipeline && one.suffix == suffix);
                own.map(|one| one.value).collect()
            };
            assert_eq!((of("p0000", "_count"), of(OTHER, "_count")), (vec![count], vec![2.0 * count]));
            assert_eq!((of(OTHER, "_sum"), of(OTHER, "_bucket").len()), (vec![count], BOUNDS.len() + 1));
        }
    }

    #[test]
    fn what_is_not_known_has_no_sample_and_further_pipelines_have_no_score_in_common() {
        let score = |name: String, score| Score { pipeline: name, service: "etl".to_owned(), score };
        let mut scores = vec![score("a".to_owned(), Some(0.0)), score("b".to_owned(), None)];
        scores.extend((0..PIPELINES_MAX).map(|at| score(format!("p{at:04}"), Some(99.0))));
        let family = health_family(&scores);
        let told = |sample: &Sample| (sample.labels[0].1.clone(), sample.value);
        assert_eq!(family.samples.first().map(told), Some(("a".to_owned(), 0.0)));
        assert_eq!(family.samples.len(), PIPELINES_MAX - 1);
        assert!(family.samples.iter().all(|sample| sample.labels[0].1 != "b" && sample.labels[0].1 != OTHER));
    }

    fn finding(kind: FindingKind, baseline: f64) -> Finding {
        Finding {
            pipeline: "build".to_owned(),
            step: None,
            metric: Metric::Duration,
            kind,
            severity: Severity::High,
            actionable: true,
            confidence: 0.99,
            p_value: 0.001,
            baseline,
            current: 2.0,
            change_percent: 0.0,
            n_baseline: 20,
            n_current: 20,
            since_run: "7".to_owned(),
            since_run_key: "k7".to_owned(),
            since_time: "2026-05-01T08:00:00Z".to_owned(),
            since_revision: None,
            difference_low: 0.0,
            difference_high: 0.0,
            context: SeriesContext::default(),
            recommendation: String::new(),
            explanation: Explanation::default(),
        }
    }

    #[test]
    fn a_limit_and_a_change_of_one_metric_at_one_run_are_two_series_and_none_comes_twice() {
        let findings = [(FindingKind::Step, 1.0), (FindingKind::Limit, 1.6), (FindingKind::Step, 1.5)];
        let findings = findings.map(|(kind, baseline)| finding(kind, baseline)).to_vec();
        let verdict = Verdict {
            verdict: VerdictWord::Fail,
            findings,
            series_checked: 1,
            series_insufficient: 0,
            runs_needed: None,
        };
        let families = verdict_families(&verdict);
        let ratio = families.iter().find(|family| family.name == "pipeline_baseline_ratio").expect("told");
        let told: Vec<(&str, f64)> = ratio.samples.iter().map(|one| (one.labels[2].1.as_str(), one.value)).collect();
        assert_eq!(told, [("limit", 1.25), ("step", 2.0)]);
    }
}
