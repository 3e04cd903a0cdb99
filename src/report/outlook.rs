//! Where a pipeline comes from and where it is going: health over time, forecasts, limits.

use serde::{Deserialize, Serialize};

use crate::model::{Metric, SeriesContext};
use crate::track::HealthWord;

/// Health as it would have been told at one time, from the runs until then.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthPoint {
    /// RFC 3339.
    pub at: String,
    /// 0 to 100; null where unknown.
    pub score: Option<f64>,
    /// The score as a word.
    pub word: HealthWord,
    /// Why it is what it is.
    pub reason: String,
}

/// Where a metric of the whole run is expected to stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// Metric.
    pub metric: Metric,
    /// Branch, environment, host class: the busiest.
    #[serde(default)]
    pub context: SeriesContext,
    /// Runs behind it: those since the level last changed.
    pub n: usize,
    /// Start of the first of them, RFC 3339.
    pub since: String,
    /// From the newest run on.
    pub points: Vec<ForecastPoint>,
    /// The limit of its metric, where one was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<CrossedLimit>,
}

/// A limit, and whether runs were at or beyond it before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrossedLimit {
    /// In the metric's unit.
    pub value: f64,
    /// Runs of the series that were at or beyond it.
    pub crossed: usize,
    /// Some runs are left out of the series: they may have been more.
    pub crossed_at_least: bool,
    /// Start of the newest of them, RFC 3339; null where there was none.
    pub last_crossed: Option<String>,
}

/// What is expected at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForecastPoint {
    /// RFC 3339.
    pub at: String,
    /// Middle.
    pub middle: f64,
    /// Lower end of the interval that holds half of the runs.
    pub low_50: f64,
    /// Its upper end.
    pub high_50: f64,
    /// Lower end of the interval that holds 95 of 100 runs.
    pub low_95: f64,
    /// Its upper end.
    pub high_95: f64,
}

/// What a metric must not cross: a ceiling, or a floor where more is better.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// Whose; every pipeline's where none.
    #[serde(default)]
    pub pipeline: Option<String>,
    /// Metric.
    pub metric: Metric,
    /// In the metric's unit.
    pub value: f64,
}

impl Limit {
    /// Reads `[PIPELINE:]METRIC=VALUE`: `peak_memory=2GiB`, `nightly:duration=45m`, `cost=$1.50`. The error names what
    /// was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("`{}`: {what}", super::clean::name(text));
        let (name, value) =
            text.rsplit_once('=').ok_or_else(|| wrong("give [PIPELINE:]METRIC=VALUE, such as peak_memory=2GiB"))?;
        let (pipeline, metric) =
            name.rsplit_once(':').map_or((None, name), |(pipeline, metric)| (Some(pipeline), metric));
        let metric = Metric::from_word(metric.trim()).ok_or_else(|| wrong("no such metric"))?;
        let value = amount(metric, value.trim()).ok_or_else(|| wrong(expected(metric)))?;
        Ok(Self { pipeline: pipeline.map(str::to_owned), metric, value })
    }
}

fn expected(metric: Metric) -> &'static str {
    match metric {
        Metric::Duration | Metric::Cpu => "give a time, such as 90s, 45m or 1h30m",
        Metric::PeakMemory => "give bytes, such as 500MB or 2GiB",
        Metric::SuccessRate => "give a share, such as 0.95 or 95%",
        _ => "give a number that is not negative",
    }
}

fn amount(metric: Metric, text: &str) -> Option<f64> {
    let plain = |text: &str| text.trim().parse::<f64>().ok();
    let value = match metric {
        Metric::Duration | Metric::Cpu => {
            plain(text).or_else(|| text.parse::<jiff::SignedDuration>().ok().map(|d| d.as_secs_f64()))
        }
        Metric::PeakMemory => bytes(text),
        Metric::Cost => plain(text.trim_start_matches('$')),
        Metric::SuccessRate => plain(text).or_else(|| Some(plain(text.strip_suffix('%')?)? / 100.0)),
        _ => plain(text),
    };
    value.filter(|value| value.is_finite() && *value >= 0.0)
}

fn bytes(text: &str) -> Option<f64> {
    let split = text.find(|ch: char| ch.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 1.0,
        "kb" => 1e3,
        "mb" => 1e6,
        "gb" => 1e9,
        "tb" => 1e12,
        "kib" => 1024.0,
        "mib" => 1_048_576.0,
        "gib" => 1_073_741_824.0,
        "tib" => 1_099_511_627_776.0,
        _ => return None,
    };
    Some(number.trim().parse::<f64>().ok()? * factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_with_the_units_that_people_write() {
        let read = |text: &str| Limit::parse(text).map(|limit| (limit.pipeline, limit.metric, limit.value));
        assert_eq!(read("peak_memory=2GiB"), Ok((None, Metric::PeakMemory, 2_147_483_648.0)));
        assert_eq!(read("a:b:duration=1h30m"), Ok((Some("a:b".to_owned()), Metric::Duration, 5400.0)));
        assert_eq!(read("duration=90"), Ok((None, Metric::Duration, 90.0)));
        assert_eq!(read("cost=$1.50"), Ok((None, Metric::Cost, 1.5)));
        assert_eq!(read("success_rate=95%"), Ok((None, Metric::SuccessRate, 0.95)));
    }

    #[test]
    fn what_is_no_limit_says_what_was_expected() {
        for (text, part) in [
            ("duration", "give [PIPELINE:]METRIC=VALUE"),
            ("speed=3", "no such metric"),
            ("duration=soon", "give a time"),
            ("peak_memory=2 parsecs", "give bytes"),
            ("cost=-1", "not negative"),
            ("cost=inf", "not negative"),
        ] {
            let error = Limit::parse(text).expect_err("refused");
            assert!(error.contains(part), "{error}");
        }
    }
}
