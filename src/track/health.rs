//! Health of a pipeline, 0 to 100, that cannot hide failure, silence or missing data.
//!
//! Six parts are scored 0 to 100 and averaged by weight. A part that cannot be known leaves the average,
//! and is shown as unknown. Then caps: the whole never stands more than 20 above the reliability or the
//! regressions, nor more than 40 above the freshness, so that no mean can outvote a pipeline that fails,
//! has become slower, or has gone silent; and it is not "excellent" while outcomes or baselines are unknown.
//! Without enough runs there is no number at all.

use serde::{Deserialize, Serialize};

use crate::model::Severity;
use crate::model::unit::{format_count, format_share, significant};

use super::trend::TrendWord;

/// Fewer finished runs than this give no score.
pub const RUNS_MIN: u64 = 5;

/// What is known of a pipeline's recent past.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HealthInput {
    /// Runs in the period, of any outcome.
    pub runs: u64,
    /// Runs that succeeded.
    pub succeeded: u64,
    /// Runs that failed or ran out of time.
    pub failed: u64,
    /// Severities of the open findings for the worse; none where too few runs for any baseline.
    pub regressions: Option<Vec<Severity>>,
    /// Trends of the metrics; `NotEnoughData` ones count as unknown.
    pub trends: Vec<TrendWord>,
    /// Robust spread of the duration: 1.4826 x MAD / median, 0 or more.
    pub spread: Option<f64>,
    /// Median quality score, 0 to 1.
    pub quality: Option<f64>,
    /// Time since the last run, in the pipeline's usual intervals; none for imported history.
    pub silent_intervals: Option<f64>,
}

/// What a part judges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// Share of runs that succeed.
    Reliability,
    /// Confirmed changes for the worse.
    Regressions,
    /// Where the metrics are heading.
    Trend,
    /// How alike the runs are.
    Stability,
    /// Quality of the results.
    Quality,
    /// Whether runs still come.
    Freshness,
}

impl PartKind {
    /// Share of the whole; all six add up to 1.
    #[must_use]
    pub fn weight(self) -> f64 {
        match self {
            Self::Reliability => 0.35,
            Self::Regressions => 0.25,
            Self::Trend | Self::Stability | Self::Quality | Self::Freshness => 0.10,
        }
    }

    /// The word used in JSON and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reliability => "reliability",
            Self::Regressions => "regressions",
            Self::Trend => "trend",
            Self::Stability => "stability",
            Self::Quality => "quality",
            Self::Freshness => "freshness",
        }
    }

    /// The whole never stands more than this above the part; none where the part only averages.
    fn cap_above(self) -> Option<f64> {
        match self {
            Self::Reliability | Self::Regressions => Some(20.0),
            Self::Freshness => Some(40.0),
            Self::Trend | Self::Stability | Self::Quality => None,
        }
    }
}

/// One part of the score with its reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthPart {
    /// What it judges.
    pub part: PartKind,
    /// 0 to 100; null where it cannot be known.
    pub score: Option<f64>,
    /// Share of the whole, 0 to 1, before unknown parts leave.
    pub weight: f64,
    /// Why this score.
    pub reason: String,
}

/// The score as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthWord {
    /// Not enough runs to say.
    Unknown,
    /// Below 40.
    Critical,
    /// 40 or more.
    Poor,
    /// 60 or more.
    Fair,
    /// 75 or more.
    Good,
    /// 90 or more.
    Excellent,
}

impl HealthWord {
    /// The word used in JSON and tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Critical => "critical",
            Self::Poor => "poor",
            Self::Fair => "fair",
            Self::Good => "good",
            Self::Excellent => "excellent",
        }
    }

    fn of(score: f64) -> Self {
        if score >= 90.0 {
            Self::Excellent
        } else if score >= 75.0 {
            Self::Good
        } else if score >= 60.0 {
            Self::Fair
        } else if score >= 40.0 {
            Self::Poor
        } else {
            Self::Critical
        }
    }
}

/// Health of a pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// 0 to 100; null where unknown.
    pub score: Option<f64>,
    /// The score as a word.
    pub word: HealthWord,
    /// Why the score is what it is, in one sentence.
    pub reason: String,
    /// What it is made of, heaviest first.
    pub parts: Vec<HealthPart>,
}

/// Scores a pipeline.
#[must_use]
pub fn score(input: &HealthInput) -> Health {
    let parts = vec![
        reliability(input),
        regressions(input.regressions.as_deref()),
        trend(&input.trends),
        stability(input.spread),
        quality(input.quality),
        freshness(input.silent_intervals),
    ];
    if input.runs < RUNS_MIN {
        let reason = format!("not enough data: {} of the {RUNS_MIN} runs that a score needs", input.runs);
        return Health { score: None, word: HealthWord::Unknown, reason, parts };
    }
    let Some((whole, reason)) = whole(&parts) else {
        let reason = "not enough data: no part can be known".to_owned();
        return Health { score: None, word: HealthWord::Unknown, reason, parts };
    };
    Health { score: Some(whole), word: HealthWord::of(whole), reason, parts }
}

/// The capped mean, rounded down so that a word is never reached by rounding.
fn whole(parts: &[HealthPart]) -> Option<(f64, String)> {
    let known = || parts.iter().filter_map(|part| part.score.map(|score| (part, score)));
    let weight: f64 = known().map(|(part, _)| part.weight).sum();
    if weight <= 0.0 {
        return None;
    }
    let mean = known().map(|(part, score)| part.weight * score).sum::<f64>() / weight;
    let mut best = (mean, mean_reason(parts));
    for part in parts {
        let cap = match (part.score, part.part.cap_above()) {
            (Some(score), Some(above)) => score + above,
            (None, Some(_)) if part.part != PartKind::Freshness => 89.0,
            _ => continue,
        };
        if cap < best.0 {
            best = (cap, format!("held down by {}: {}", part.part.as_str(), part.reason));
        }
    }
    // The tiny addend undoes what summing weights loses, so that all-100 parts give 100.
    Some(((best.0 + 1e-9).floor().clamp(0.0, 100.0), best.1))
}

/// Names the part that costs most.
fn mean_reason(parts: &[HealthPart]) -> String {
    let cost = |part: &HealthPart| part.score.map_or(0.0, |score| (100.0 - score) * part.weight);
    let worst = parts.iter().max_by(|a, b| cost(a).total_cmp(&cost(b)));
    match worst {
        Some(part) if cost(part) > 0.5 => format!("costs most: {}, {}", part.part.as_str(), part.reason),
        _ => "nothing speaks against it".to_owned(),
    }
}

fn part(kind: PartKind, score: Option<f64>, reason: String) -> HealthPart {
    let score = score.filter(|score| score.is_finite()).map(|score| score.clamp(0.0, 100.0));
    HealthPart { part: kind, score, weight: kind.weight(), reason }
}

/// 100 where every run succeeds, 0 where half or fewer do.
#[allow(clippy::cast_precision_loss, reason = "counts of runs lie far below 2^53")]
fn reliability(input: &HealthInput) -> HealthPart {
    let judged = input.succeeded.saturating_add(input.failed);
    if judged == 0 {
        return part(PartKind::Reliability, None, "no run says how it ended".to_owned());
    }
    let rate = input.succeeded as f64 / judged as f64;
    let reason = format!("{} of {judged} runs succeeded ({})", input.succeeded, format_share(rate));
    part(PartKind::Reliability, Some((rate - 0.5) * 200.0), reason)
}

/// 100 with none; the worst sets the level, each further one takes a little more.
fn regressions(found: Option<&[Severity]>) -> HealthPart {
    let kind = PartKind::Regressions;
    let Some(found) = found else {
        return part(kind, None, "not enough runs for a baseline".to_owned());
    };
    let penalty = |severity: &Severity| match severity {
        Severity::None => 0.0,
        Severity::Low => 10.0,
        Severity::Medium => 30.0,
        Severity::High => 55.0,
        Severity::Critical => 80.0,
    };
    let worst = found.iter().map(penalty).fold(0.0, f64::max);
    let all: f64 = found.iter().map(penalty).sum();
    let reason = match found.iter().filter(|severity| **severity > Severity::None).count() {
        0 => "no confirmed regression".to_owned(),
        // Findings: what moved together is one regression, and several of these.
        1 => format!("1 open finding for the worse, {}", worst_word(found)),
        n => format!("{n} open findings for the worse, the worst {}", worst_word(found)),
    };
    part(kind, Some(100.0 - worst - 0.1 * (all - worst)), reason)
}

fn worst_word(found: &[Severity]) -> &'static str {
    found.iter().max().copied().unwrap_or_default().as_str()
}

/// 100 with nothing degrading, 0 with everything.
#[allow(clippy::cast_precision_loss, reason = "a pipeline has eleven metrics")]
fn trend(words: &[TrendWord]) -> HealthPart {
    let known = words.iter().filter(|word| **word != TrendWord::NotEnoughData).count();
    let degrading = words.iter().filter(|word| **word == TrendWord::Degrading).count();
    if known == 0 {
        return part(PartKind::Trend, None, "not enough runs for a trend".to_owned());
    }
    let reason = if degrading == 0 {
        format!("none of {known} metrics degrades")
    } else {
        format!("{degrading} of {known} metrics degrade")
    };
    // By count, not by share: a metric more that is known must not dilute one that degrades.
    part(PartKind::Trend, Some(100.0 - 40.0 * degrading as f64), reason)
}

/// 100 up to a spread of 5 %, 0 from 100 % on.
fn stability(spread: Option<f64>) -> HealthPart {
    let Some(spread) = spread.filter(|spread| spread.is_finite()) else {
        return part(PartKind::Stability, None, "no spread of the duration known".to_owned());
    };
    let reason = format!("durations spread {} around their median", format_share(spread));
    part(PartKind::Stability, Some(100.0 * (1.0 - (spread - 0.05) / 0.95)), reason)
}

fn quality(score: Option<f64>) -> HealthPart {
    match score.filter(|score| score.is_finite()) {
        None => part(PartKind::Quality, None, "no quality score sent".to_owned()),
        Some(score) => part(PartKind::Quality, Some(score * 100.0), format!("median quality {}", significant(score))),
    }
}

/// 100 up to two usual intervals of silence, 0 from ten on.
fn freshness(silent: Option<f64>) -> HealthPart {
    let Some(silent) = silent.filter(|silent| !silent.is_nan()) else {
        return part(PartKind::Freshness, None, "not judged for imported history".to_owned());
    };
    let reason = if silent <= 2.0 {
        "runs come as usual".to_owned()
    } else {
        format!("silent for {} of its usual intervals", format_count(silent.min(1e6).round()))
    };
    part(PartKind::Freshness, Some(100.0 * (1.0 - (silent.min(1e6) - 2.0) / 8.0)), reason)
}

#[cfg(test)]
mod tests;
