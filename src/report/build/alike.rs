//! Like with like: which runs of two sides may be compared.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Series, SeriesContext};
use crate::report::clean;

/// Two sides of one context, and what must be said of them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alike {
    /// Series of A.
    pub a: Vec<Series>,
    /// Series of B.
    pub b: Vec<Series>,
    /// What both sides have in common; none where they have nothing.
    pub context: Option<SeriesContext>,
    /// What was left out, or that the sides are not alike.
    pub note: Option<String>,
}

/// Keeps of both sides the runs of the one context in which the smaller of them has the most: the difference between
/// two machines is no change of a pipeline. Names of services may differ; branches where `across_branches` says so, or
/// where no branch has runs of both. Without a context in common both stay whole, and the note says so.
#[must_use]
pub fn alike(a: Vec<Series>, b: Vec<Series>, across_branches: bool) -> Alike {
    let tries: &[bool] = if across_branches { &[true] } else { &[false, true] };
    for across in tries {
        let (in_a, in_b) = (count_runs(&a, *across), count_runs(&b, *across));
        let shared = in_a.iter().filter_map(|(context, of_a)| Some((context, *of_a, *in_b.get(context)?)));
        let Some((context, of_a, of_b)) = shared.rev().max_by_key(|(_, a, b)| ((*a).min(*b), a + b)) else { continue };
        let left = |all: &BTreeMap<SeriesContext, usize>, kept: usize| all.values().sum::<usize>() - kept;
        let left_out = match (left(&in_a, of_a), left(&in_b, of_b)) {
            (0, 0) => None,
            (a, b) => Some(format!("{a} runs of A and {b} of B in other contexts are left out")),
        };
        let branches = (*across && !across_branches).then(|| "no branch has runs of both".to_owned());
        let note = branches.into_iter().chain(left_out).collect::<Vec<_>>().join("; ");
        let context = context.clone();
        let keep = |side: Vec<Series>| side.into_iter().filter(|one| stratum(one, *across) == context).collect();
        let note = Some(note).filter(|note| !note.is_empty());
        return Alike { a: keep(a), b: keep(b), note, context: Some(context.clone()) };
    }
    let note = "A and B have no environment and host class in common: a difference may be that of their contexts";
    let known = !a.is_empty() && !b.is_empty();
    Alike { a, b, context: None, note: known.then(|| note.to_owned()) }
}

fn stratum(series: &Series, across_branches: bool) -> SeriesContext {
    let context = &series.key.context;
    let branch = context.branch.clone().filter(|_| !across_branches);
    SeriesContext { service: None, branch, ..context.clone() }
}

fn count_runs(side: &[Series], across_branches: bool) -> BTreeMap<SeriesContext, usize> {
    let mut runs: BTreeMap<SeriesContext, BTreeSet<&str>> = BTreeMap::new();
    for series in side {
        let own = runs.entry(stratum(series, across_branches)).or_default();
        own.extend(series.points.iter().map(|point| &*point.run_key));
    }
    runs.into_iter().map(|(context, runs)| (context, runs.len())).collect()
}

/// `branch main, host class ci-4core`, without what is not known.
#[must_use]
pub fn say_context(context: &SeriesContext) -> Option<String> {
    let parts =
        [("branch", &context.branch), ("environment", &context.environment), ("host class", &context.host_class)];
    let known =
        parts.iter().filter_map(|(label, value)| Some(format!("{label} {}", clean::shorten(value.as_deref()?, 40))));
    Some(known.collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Metric, SeriesKey, SeriesPoint};

    fn series(branch: &str, host: &str, runs: std::ops::Range<i64>) -> Series {
        let context = SeriesContext {
            branch: Some(branch.to_owned()),
            host_class: Some(host.to_owned()),
            ..SeriesContext::default()
        };
        let key = SeriesKey { pipeline: "p".to_owned(), step: None, metric: Metric::Duration, context };
        let point = |at: i64| SeriesPoint {
            run_key: format!("{branch}-{host}-{at}").into(),
            run_id: at.to_string().into(),
            started_at: at,
            value: 1.0,
            revision: None,
            model: None,
            input_size: None,
        };
        Series { key, points: runs.map(point).collect() }
    }

    #[test]
    fn slow_machines_of_one_side_are_not_compared_with_quick_ones_of_the_other() {
        let a = vec![series("main", "quick", 0..30), series("main", "slow", 0..5)];
        let b = vec![series("fix", "slow", 0..20), series("fix", "quick", 0..8)];
        let found = alike(a, b, true);
        assert_eq!(found.context.and_then(|context| context.host_class).as_deref(), Some("quick"));
        assert_eq!((found.a.len(), found.b.len(), found.b[0].points.len()), (1, 1, 8));
        assert_eq!(found.note.as_deref(), Some("5 runs of A and 20 of B in other contexts are left out"));
    }

    #[test]
    fn sides_without_a_common_context_stay_whole_and_say_so() {
        let found = alike(vec![series("main", "x", 0..9)], vec![series("main", "y", 0..9)], false);
        assert_eq!((found.a.len(), found.b.len(), found.context), (1, 1, None));
        assert!(found.note.is_some_and(|note| note.contains("no environment and host class in common")));
    }

    #[test]
    fn branches_may_differ_where_none_has_runs_of_both() {
        let found = alike(vec![series("main", "x", 0..9)], vec![series("fix", "x", 0..9)], false);
        assert_eq!(found.context.and_then(|context| context.host_class).as_deref(), Some("x"));
        assert_eq!(found.note.as_deref(), Some("no branch has runs of both"));
    }

    #[test]
    fn what_is_alike_needs_no_note() {
        let found = alike(vec![series("main", "x", 0..9)], vec![series("main", "x", 9..18)], false);
        assert_eq!(found.note, None);
        assert_eq!(say_context(&found.context.unwrap()).as_deref(), Some("branch main, host class x"));
    }
}
