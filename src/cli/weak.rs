//! Baselines too thin or too old to lean on: a gate that compares with them must say so.

use serde::Serialize;

use super::Failure;
use super::show::literal;
use crate::api::Backend;
use crate::detect::weakness;
use crate::model::{FindingKind, Policy, Verdict};
use crate::report::clean::line;
use crate::store::Row;

/// Most warnings that are told in text.
const TOLD_MAX: usize = 5;

/// What weakens the baselines of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Weak {
    /// The pipeline.
    pub(super) pipeline: String,
    /// How so.
    pub(super) warning: String,
}

/// Of the context in which each pipeline ran last, or of those that ran on `branch`: thin or stale by the policy. Also
/// pinned ones that have become stale, wherever they are.
pub(super) fn weak_baselines(
    backend: &Backend,
    pipeline: Option<&str>,
    branch: Option<&str>,
    policy: &Policy,
) -> Result<Vec<Weak>, Failure> {
    let only = |column: &str, wanted: Option<&str>| {
        wanted.map_or_else(String::new, |wanted| format!(" and {column} = {}", literal(wanted)))
    };
    let (own, on_branch) = (only("pipeline", pipeline), only("branch", branch));
    let day = "86_400_000_000_000";
    let learned = backend.query(&format!(
        "with contexts as (
            select pipeline, count(*) as runs, max(epoch_ns(started_at)) as newest_ns
            from runs
            where state = 'closed'{own}{on_branch}
            group by pipeline, service, branch, environment, host_class
        ),
        placed as (
            select *, row_number() over (partition by pipeline order by newest_ns desc, runs desc) as place
            from contexts
        ),
        newest as (
            select pipeline, runs, ((select max(epoch_ns(started_at)) from runs) - newest_ns) // {day} as age_days
            from placed
            where place = 1
        )
        select pipeline, runs, age_days
        from newest
        where runs < {} or age_days >= {}
        order by pipeline",
        policy.baseline_thin_runs, policy.baseline_stale_days
    ))?;
    let pinned = backend.query(&format!(
        "select pipeline, count(*) as series, max(age_days) as age_days
        from (
            select pipeline, ((select max(epoch_ns(started_at)) from runs) - epoch_ns(until)) // {day} as age_days
            from baselines
            where is_newest and kind = 'pinned'{own}
        )
        where age_days >= {}
        group by pipeline
        order by pipeline",
        policy.baseline_stale_days
    ))?;
    let mut all: Vec<Weak> = learned.iter().filter_map(|row| weak(row, policy)).collect();
    all.extend(pinned.iter().filter_map(stale_pins));
    Ok(all)
}

fn weak(row: &Row, policy: &Policy) -> Option<Weak> {
    let runs = usize::try_from(number(row, "runs")?).ok()?;
    let warning = weakness(runs, number(row, "age_days")?, policy)?;
    Some(Weak { pipeline: name(row)?, warning })
}

fn stale_pins(row: &Row) -> Option<Weak> {
    let (series, days) = (number(row, "series")?, number(row, "age_days")?);
    let warning = format!("stale: pinned for {series} series, and {days} days older than the newest run of the store");
    Some(Weak { pipeline: name(row)?, warning })
}

fn name(row: &Row) -> Option<String> {
    row.get("pipeline")?.as_str().map(ToOwned::to_owned)
}

fn number(row: &Row, column: &str) -> Option<i64> {
    row.get(column)?.as_i64()
}

/// Adds the findings whose own baseline is thin, where their pipeline is not told of already: a change among the newest
/// runs leaves less behind it than the pipeline has.
pub(super) fn add_of_findings(all: &mut Vec<Weak>, verdict: &Verdict, policy: &Policy) {
    let thin = policy.baseline_thin_runs;
    for finding in verdict.findings.iter().filter(|f| f.kind != FindingKind::Limit && f.n_baseline < thin) {
        if all.iter().all(|weak| weak.pipeline != finding.pipeline) {
            let (metric, n) = (finding.metric.label(), finding.n_baseline);
            let warning = format!("thin: {metric} was compared with {n} runs, from {thin} on it is trusted");
            all.push(Weak { pipeline: finding.pipeline.clone(), warning });
        }
    }
}

/// A line each; of many the first, and how many more.
pub(super) fn tell(all: &[Weak]) -> String {
    let mut out: String = all
        .iter()
        .take(TOLD_MAX)
        .map(|weak| format!("warning: baseline of {}: {}\n", line(&weak.pipeline), line(&weak.warning)))
        .collect();
    if all.len() > TOLD_MAX {
        out += &format!("warning: and {} more: `perfline baseline list --warnings`\n", all.len() - TOLD_MAX);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_the_first_are_told_and_the_rest_counted() {
        let one = |at: usize| Weak { pipeline: format!("p{at}"), warning: "thin: 12 runs".to_owned() };
        assert_eq!(tell(&[]), "");
        assert_eq!(tell(&[one(1)]), "warning: baseline of p1: thin: 12 runs\n");
        let many: Vec<Weak> = (0..8).map(one).collect();
        let told = tell(&many);
        assert_eq!(told.lines().count(), 6);
        assert!(told.ends_with("warning: and 3 more: `perfline baseline list --warnings`\n"), "{told}");
    }
}
