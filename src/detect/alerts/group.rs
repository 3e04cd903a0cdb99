//! Which findings are one event: those that began at the same run of the same pipeline in the same context.

use std::collections::BTreeMap;

use crate::model::clock::UnixNanos;
use crate::model::unit::parse_time;
use crate::model::{Finding, FindingKind, Series, SeriesContext};

/// Runs by which the first runs of two changes may differ and still be the same event.
const SAME_EVENT_RUNS: usize = 2;
/// Runs by which more data may move the place of a change.
pub(super) const SAME_PLACE_RUNS: usize = 6;

/// How an event is told from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// It began at one run.
    Step,
    /// It came slowly: it has no run of its own.
    Drift,
    /// A limit is crossed, whenever that began.
    Limit,
}

impl Class {
    pub(super) fn of(finding: &Finding) -> Self {
        match finding.kind {
            FindingKind::Drift => Self::Drift,
            FindingKind::Limit => Self::Limit,
            _ => Self::Step,
        }
    }
}

/// Findings that are one event.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    /// The cause, as far as is known.
    pub(super) head: Finding,
    /// What moved with it.
    pub(super) members: Vec<Finding>,
}

impl Group {
    pub(super) fn all(&self) -> impl Iterator<Item = &Finding> {
        std::iter::once(&self.head).chain(&self.members)
    }
}

type Place = (String, SeriesContext);

/// The runs of each pipeline and context in order.
#[derive(Debug, Default)]
pub(in super::super) struct RunOrder {
    starts: BTreeMap<Place, Vec<UnixNanos>>,
}

impl RunOrder {
    pub(in super::super) fn of(series: &[Series]) -> Self {
        let mut starts: BTreeMap<Place, Vec<UnixNanos>> = BTreeMap::new();
        for one in series {
            let place = (one.key.pipeline.clone(), one.key.context.clone());
            starts.entry(place).or_default().extend(one.points.iter().map(|p| p.started_at));
        }
        for own in starts.values_mut() {
            own.sort_unstable();
            own.dedup();
        }
        Self { starts }
    }

    fn runs(&self, finding: &Finding) -> Option<&Vec<UnixNanos>> {
        self.starts.get(&(finding.pipeline.clone(), finding.context.clone()))
    }

    /// Place of the run with which a finding began; none where it lies before what is known.
    pub(super) fn index(&self, finding: &Finding) -> Option<usize> {
        let (runs, since) = (self.runs(finding)?, parse_time(&finding.since_time).ok()?);
        (*runs.first()? <= since).then(|| runs.partition_point(|start| *start < since))
    }

    /// Runs since it began, that one counted; all that are known where it lies before them.
    pub(super) fn runs_since(&self, finding: &Finding) -> usize {
        self.runs(finding).map_or(0, |runs| runs.len() - self.index(finding).unwrap_or(0))
    }

    /// Whether two findings began within so many runs of one another.
    pub(super) fn are_near(&self, a: &Finding, b: &Finding, runs: usize) -> bool {
        if a.since_run_key == b.since_run_key {
            return true;
        }
        self.index(a).zip(self.index(b)).is_some_and(|(a, b)| a.abs_diff(b) <= runs)
    }

    /// Start of the newest run of a pipeline.
    pub(super) fn newest(&self, pipeline: &str) -> Option<UnixNanos> {
        let own = self.starts.iter().filter(|((name, _), _)| name == pipeline);
        own.filter_map(|(_, starts)| starts.last().copied()).max()
    }
}

/// Gathers findings into events. They come with the cause first; so do the groups.
pub(super) fn group(findings: &[Finding], order: &RunOrder) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for finding in findings {
        let class = Class::of(finding);
        let place = groups.iter_mut().find(|group| {
            let head = &group.head;
            Class::of(head) == class
                && (&head.pipeline, &head.context) == (&finding.pipeline, &finding.context)
                && match class {
                    // Each limit is a promise of its own.
                    Class::Limit => false,
                    Class::Drift => true,
                    Class::Step => order.are_near(head, finding, SAME_EVENT_RUNS),
                }
        });
        match place {
            Some(group) => group.members.push(finding.clone()),
            None => groups.push(Group { head: finding.clone(), members: Vec::new() }),
        }
    }
    groups
}
