//! How much of each pipeline is read and told, by the kind of report.

use std::collections::BTreeMap;

use crate::detect::GATE_RUNS;
use crate::model::Verdict;
use crate::report::render::Kind;

use super::compare::WINDOW_RUNS;
use super::outlook;

/// Points of a series on an overview.
const OVERVIEW_POINTS_MAX: usize = 100;
/// Points of a series on a page.
const POINTS_MAX: usize = 1_000;
/// Runs that a page's series reach back.
const RUNS_MAX: usize = 5_000;
/// Runs that are listed on a page.
const RECENT_RUNS_MAX: usize = 500;

/// How much of each pipeline is told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Depth {
    /// Newest runs of a context that are read.
    pub(super) runs_max: usize,
    /// Those of them whose steps are read.
    pub(super) step_runs_max: usize,
    /// Points of a series.
    pub(super) points_max: usize,
    /// Runs that are listed.
    pub(super) recent_max: usize,
    /// Steps, waterfalls, resources and every series, for the pages of single pipelines.
    pub(super) pages: bool,
    /// Use of models.
    pub(super) models: bool,
    /// Series of the steps that have findings.
    pub(super) step_series: bool,
    /// Times at which health is told, before the present.
    pub(super) history_max: usize,
    /// The comparison.
    pub(super) compared: bool,
}

impl Depth {
    // A report over many pipelines tells less of each, so that the whole stays bounded.
    pub(super) fn of(kind: Kind, pipelines: usize) -> Self {
        let share = |all: usize, least: usize, most: usize| (all / pipelines.max(1)).clamp(least, most);
        let overview = Self {
            runs_max: GATE_RUNS,
            step_runs_max: GATE_RUNS,
            points_max: OVERVIEW_POINTS_MAX,
            recent_max: 0,
            pages: false,
            models: true,
            step_series: true,
            history_max: 0,
            compared: false,
        };
        match kind {
            Kind::Executive => overview,
            Kind::Alerts => Self { models: false, ..overview },
            Kind::Comparison => {
                Self { step_runs_max: 2 * WINDOW_RUNS, models: false, step_series: false, compared: true, ..overview }
            }
            Kind::Pipeline => Self {
                runs_max: share(60_000, GATE_RUNS, RUNS_MAX),
                points_max: share(40_000, OVERVIEW_POINTS_MAX, POINTS_MAX),
                recent_max: share(10_000, 50, RECENT_RUNS_MAX),
                pages: true,
                history_max: share(1_000, 5, outlook::TIMES_MAX),
                compared: true,
                ..overview
            },
        }
    }

    /// Pipelines whose steps are read; all of them where none. An overview shows those with a finding in a step.
    pub(super) fn stepped(&self, pipeline: Option<&str>, verdicts: &BTreeMap<String, Verdict>) -> Option<Vec<String>> {
        if self.pages || self.compared {
            return pipeline.map(|name| vec![name.to_owned()]);
        }
        let tells = |verdict: &Verdict| verdict.findings.iter().any(|finding| finding.step.is_some());
        let own = verdicts.iter().filter(|(name, verdict)| pipeline.is_none_or(|one| one == *name) && tells(verdict));
        Some(own.map(|(name, _)| name.clone()).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Finding;
    use crate::report::samples::{finding, verdict};

    #[test]
    fn an_overview_reads_the_steps_of_pipelines_that_have_a_finding_in_one() {
        let of = |step: Option<&str>| verdict(vec![Finding { step: step.map(str::to_owned), ..finding() }]);
        let verdicts: BTreeMap<String, Verdict> = [("a", of(None)), ("b", of(Some("load"))), ("c", of(Some("load")))]
            .map(|(name, verdict)| (name.to_owned(), verdict))
            .into();
        let stepped = |kind, pipeline| Depth::of(kind, 3).stepped(pipeline, &verdicts);
        assert_eq!(stepped(Kind::Executive, None), Some(vec!["b".to_owned(), "c".to_owned()]));
        assert_eq!(stepped(Kind::Alerts, Some("b")), Some(vec!["b".to_owned()]));
        assert_eq!(stepped(Kind::Alerts, Some("a")), Some(Vec::new()));
        for kind in [Kind::Pipeline, Kind::Comparison] {
            assert_eq!((stepped(kind, None), stepped(kind, Some("a"))), (None, Some(vec!["a".to_owned()])));
        }
    }
}
