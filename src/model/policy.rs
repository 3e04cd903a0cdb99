//! What a team wants judged otherwise than by default: bands, limits, controls, per pipeline, step and metric.

use serde::{Deserialize, Serialize};

use super::metric::{Bands, Better, Metric};
use super::series::SeriesKey;

/// How series are judged. The section `[detect]` of the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// Seconds between two looks of a running service at what is stale.
    pub interval_s: u64,
    /// A change that has stood for this many runs is accepted by itself; 0: only people accept.
    pub promote_after_runs: usize,
    /// A baseline with fewer runs is called thin.
    pub baseline_thin_runs: usize,
    /// A baseline whose newest run is older than this many days, against the newest run of the store, is called stale.
    pub baseline_stale_days: u64,
    /// What holds for some series only; of several that fit, the last one that says something counts.
    pub rules: Vec<Rule>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            interval_s: 10,
            promote_after_runs: 0,
            baseline_thin_runs: 20,
            baseline_stale_days: 30,
            rules: Vec::new(),
        }
    }
}

/// What holds for the series that fit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rule {
    /// Pipelines; `*` stands for any text. None: all.
    pub pipeline: Option<String>,
    /// Steps, likewise. None: the whole run and every step; but a limit then holds for the whole run alone.
    pub step: Option<String>,
    /// Metric. None: all.
    pub metric: Option<Metric>,
    /// From here on MEDIUM; percent, or points for rates and scores.
    pub medium: Option<f64>,
    /// From here on HIGH.
    pub high: Option<f64>,
    /// From here on CRITICAL.
    pub critical: Option<f64>,
    /// What must not be exceeded (or fallen below, where more is better), in the metric's unit.
    pub limit: Option<f64>,
    /// Which quantile of the newest runs must keep the limit, 0 to 1. None: .95 (.05 where more is better); a rate
    /// always keeps it by its mean.
    pub limit_quantile: Option<f64>,
    /// Newest runs over which it is taken. None: 20.
    pub limit_runs: Option<usize>,
    /// The series measures the machine: where it moves too, others are not blamed.
    pub control: Option<bool>,
    /// The series is not judged.
    pub ignore: Option<bool>,
    /// As in [`Policy`], for these series.
    pub promote_after_runs: Option<usize>,
}

/// A static limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    /// The value that must be kept, in the metric's unit.
    pub value: f64,
    /// Which quantile must keep it.
    pub quantile: f64,
    /// Newest runs over which it is taken.
    pub runs: usize,
}

impl Rule {
    fn fits(&self, key: &SeriesKey) -> bool {
        self.pipeline.as_deref().is_none_or(|pattern| matches(pattern, &key.pipeline))
            && self.step.as_deref().is_none_or(|pattern| key.step.as_deref().is_some_and(|step| matches(pattern, step)))
            && self.metric.is_none_or(|metric| metric == key.metric)
    }
}

impl Policy {
    /// Says what is wrong with it, if anything is.
    pub fn check(&self) -> Result<(), String> {
        for (place, rule) in self.rules.iter().enumerate() {
            let wrong = |what: &str| Err(format!("detect.rules, number {}: {what}", place + 1));
            let bands = [rule.medium, rule.high, rule.critical];
            if bands.iter().flatten().any(|band| !band.is_finite() || *band < 0.0) {
                return wrong("a band must be a number from 0 on");
            }
            let known: Vec<f64> = bands.into_iter().flatten().collect();
            if !known.is_sorted() {
                return wrong("medium, high and critical must not fall");
            }
            if rule.limit.is_some_and(|limit| !limit.is_finite()) {
                return wrong("limit must be a number");
            }
            if rule.limit.is_some() && rule.metric.is_none() {
                return wrong("a limit needs a metric: its unit is that metric's");
            }
            if rule.limit_quantile.is_some_and(|quantile| !(0.0..=1.0).contains(&quantile)) {
                return wrong("limit_quantile lies between 0 and 1");
            }
            if rule.limit_runs == Some(0) {
                return wrong("limit_runs must be 1 or more");
            }
        }
        Ok(())
    }

    fn last<T>(&self, key: &SeriesKey, said: impl Fn(&Rule) -> Option<T>) -> Option<T> {
        self.rules.iter().rev().filter(|rule| rule.fits(key)).find_map(said)
    }

    /// Severity bands of a series.
    #[must_use]
    pub fn bands(&self, key: &SeriesKey) -> Bands {
        let usual = key.metric.bands();
        let medium = self.last(key, |rule| rule.medium).unwrap_or(usual.medium);
        // A band that was raised carries the ones above it along: HIGH is never below MEDIUM.
        let high = self.last(key, |rule| rule.high).unwrap_or(usual.high).max(medium);
        let critical = self.last(key, |rule| rule.critical).unwrap_or(usual.critical).max(high);
        Bands { medium, high, critical, points: usual.points }
    }

    /// The static limit of a series, where it has one.
    #[must_use]
    pub fn limit(&self, key: &SeriesKey) -> Option<Limit> {
        let rule = self
            .rules
            .iter()
            .rev()
            .find(|rule| rule.limit.is_some() && rule.fits(key) && (rule.step.is_some() || key.step.is_none()))?;
        let usual = if key.metric.better() == Better::Lower { 0.95 } else { 0.05 };
        Some(Limit {
            value: rule.limit?,
            quantile: rule.limit_quantile.unwrap_or(usual),
            runs: rule.limit_runs.unwrap_or(20),
        })
    }

    /// Whether a series measures the machine.
    #[must_use]
    pub fn is_control(&self, key: &SeriesKey) -> bool {
        self.last(key, |rule| rule.control).unwrap_or(false)
    }

    /// Whether a series is left alone.
    #[must_use]
    pub fn is_ignored(&self, key: &SeriesKey) -> bool {
        self.last(key, |rule| rule.ignore).unwrap_or(false)
    }

    /// Runs after which a change of a series is accepted by itself; none: never.
    #[must_use]
    pub fn promote_after(&self, key: &SeriesKey) -> Option<usize> {
        let runs = self.last(key, |rule| rule.promote_after_runs).unwrap_or(self.promote_after_runs);
        (runs > 0).then_some(runs)
    }
}

/// Whether a text fits a pattern in which `*` stands for any text.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = pieces.collect();
    let Some(last) = pieces.pop() else { return rest.is_empty() };
    for piece in pieces {
        match rest.find(piece) {
            Some(at) => rest = &rest[at + piece.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SeriesContext;

    fn key(pipeline: &str, step: Option<&str>, metric: Metric) -> SeriesKey {
        let step = step.map(str::to_owned);
        SeriesKey { pipeline: pipeline.to_owned(), step, metric, context: SeriesContext::default() }
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("nightly", "nightly", true),
            ("nightly", "nightly-2", false),
            ("night*", "nightly", true),
            ("*ly", "nightly", true),
            ("n*g*y", "nightly", true),
            ("n*g*z", "nightly", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn the_last_rule_that_says_something_counts() {
        let rules = vec![
            Rule { metric: Some(Metric::Duration), medium: Some(10.0), high: Some(20.0), ..Rule::default() },
            Rule { pipeline: Some("night*".to_owned()), high: Some(50.0), ..Rule::default() },
        ];
        let policy = Policy { rules, ..Policy::default() };
        let bands = policy.bands(&key("nightly", None, Metric::Duration));
        assert_eq!((bands.medium, bands.high, bands.critical), (10.0, 50.0, 100.0));
        assert_eq!(policy.bands(&key("build", None, Metric::Duration)).high, 20.0);
        assert_eq!(policy.bands(&key("build", None, Metric::Cost)), Metric::Cost.bands());
    }

    #[test]
    fn a_limit_without_a_step_is_the_whole_runs() {
        let rules = vec![Rule { metric: Some(Metric::Duration), limit: Some(600.0), ..Rule::default() }];
        let policy = Policy { rules, ..Policy::default() };
        assert_eq!(policy.limit(&key("a", None, Metric::Duration)).map(|l| (l.value, l.quantile)), Some((600.0, 0.95)));
        assert_eq!(policy.limit(&key("a", Some("s"), Metric::Duration)), None);
        assert_eq!(policy.limit(&key("a", None, Metric::Cost)), None);
    }

    #[test]
    fn what_cannot_hold_is_refused_with_its_place() {
        let bad = |rule: Rule| Policy { rules: vec![Rule::default(), rule], ..Policy::default() }.check().unwrap_err();
        assert!(bad(Rule { medium: Some(9.0), high: Some(3.0), ..Rule::default() }).contains("number 2"));
        assert!(bad(Rule { limit: Some(1.0), ..Rule::default() }).contains("metric"));
        assert!(bad(Rule { limit_quantile: Some(1.5), ..Rule::default() }).contains("between"));
    }
}
