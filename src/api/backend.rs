//! One face for commands: a store file opened here, or a running service asked over the wire.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::error::ApiError;
use super::remote::{Remote, ServiceAccess};
use crate::detect::alerts::Transition;
use crate::detect::gate::{GateSettings, Newest};
use crate::detect::{self, Decision};
use crate::model::{
    AlertAction, AlertRecord, Baseline, BaselineVersion, Policy, Run, SeriesSelector, Signal, Step, Verdict,
};
use crate::otlp::conventions::Rules;
use crate::otlp::sink::{Accepted, SubmitError};
use crate::otlp::veil::Veil;
use crate::price::Prices;
use crate::report;
use crate::store::{Copied, ExportFormat, PruneRequest, Pruned, Recosted, Row, Store, StoreOptions};

/// How long an import waits for room in the buffers before it asks again.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Which runs are asked for.
#[derive(Clone, Debug, Default)]
pub struct RunQuery {
    /// Only this pipeline.
    pub pipeline: Option<String>,
    /// Only runs with this run_key or run_id.
    pub run: Option<String>,
    /// At most this many, the newest; 0 is all.
    pub limit: u32,
}

/// What the gate is asked.
#[derive(Clone, Debug, Default)]
pub struct CheckQuery {
    /// Only this pipeline.
    pub pipeline: Option<String>,
    /// The newest runs in which a change counts; 0 is the default.
    pub last: u32,
    /// Fixes the newest set by time, nanoseconds.
    pub since_ns: Option<i64>,
    /// Fixes the newest set by branch.
    pub branch: Option<String>,
    /// The branch that it is compared with.
    pub base_branch: Option<String>,
}

impl CheckQuery {
    /// The branch that another is compared with, where none is named.
    const BASE: &'static str = "main";

    /// The branch that the other is compared with.
    #[must_use]
    pub fn base(&self) -> &str {
        self.base_branch.as_deref().unwrap_or(Self::BASE)
    }

    fn settings(&self) -> GateSettings {
        let defaults = GateSettings::default();
        let newest = match (&self.branch, self.since_ns) {
            (Some(branch), _) => Newest::Branch { branch: branch.clone(), base: self.base().to_owned() },
            (None, Some(since)) => Newest::Since(since),
            (None, None) => Newest::Last,
        };
        let last = if self.last == 0 { defaults.last } else { self.last as usize };
        GateSettings { newest, last, ..defaults }
    }
}

/// What is done with an alert.
#[derive(Clone, Debug)]
pub struct AlertChange {
    /// What.
    pub action: AlertAction,
    /// Of a mute: until when, nanoseconds; none: for good.
    pub until_ns: Option<i64>,
    /// Who and why.
    pub decision: Decision,
}

/// Which runs a baseline is made of.
#[derive(Clone, Debug)]
pub enum BaselineRuns {
    /// Those of the newest level.
    Learned,
    /// Those from one on; to another, where it is pinned.
    Between {
        /// run_id or run_key of the first.
        from: String,
        /// Of the last.
        to: Option<String>,
    },
}

/// What a store is opened with.
#[derive(Clone, Debug)]
pub struct Opening {
    /// What makes a run.
    pub rules: Arc<Rules>,
    /// What calls of models cost.
    pub prices: Arc<Prices>,
    /// Names of what is imported become pseudonyms.
    pub veil: Option<Arc<Veil>>,
}

/// A store file opened here, or a running service.
pub enum Backend {
    /// The file is ours while the command runs.
    Local(Store),
    /// Asked over gRPC.
    Remote(Box<Remote>),
}

impl Backend {
    /// Opens `store`: a DuckDB file, or the URL of a running `perfline serve` that asks for no token.
    pub fn open(store: &str, opening: Opening) -> Result<Self, ApiError> {
        Self::open_with(store, &ServiceAccess::default(), opening)
    }

    /// As [`Backend::open`]; a service is shown `access`.
    pub fn open_with(store: &str, access: &ServiceAccess, opening: Opening) -> Result<Self, ApiError> {
        if store.starts_with("http://") || store.starts_with("https://") {
            return Remote::connect(store, access, opening.veil).map(|remote| Self::Remote(Box::new(remote)));
        }
        let Opening { rules, prices, veil } = opening;
        let options = StoreOptions { prices, veil, ..StoreOptions::new(PathBuf::from(store)) };
        Ok(Self::Local(Store::open(&options, rules)?))
    }

    /// Judges the series of a file by `policy`; a service has its own.
    pub fn set_policy(&self, policy: Policy) {
        if let Self::Local(store) = self {
            store.set_policy(policy);
        }
    }

    /// Rows of one read-only query over everything acknowledged so far.
    pub fn query(&self, sql: &str) -> Result<Vec<Row>, ApiError> {
        match self {
            Self::Local(store) => {
                store.flush()?;
                Ok(store.reader()?.query(sql)?)
            }
            Self::Remote(remote) => remote.query(sql),
        }
    }

    /// Runs, newest last.
    pub fn runs(&self, query: &RunQuery) -> Result<Vec<Run>, ApiError> {
        match self {
            Self::Local(store) => {
                store.flush()?;
                Ok(store.reader()?.runs(query.pipeline.as_deref(), query.run.as_deref(), query.limit)?)
            }
            Self::Remote(remote) => remote.runs(query),
        }
    }

    /// Every attempt of every step of the runs that fit.
    pub fn steps(&self, run: &str) -> Result<Vec<Step>, ApiError> {
        match self {
            Self::Local(store) => {
                store.flush()?;
                Ok(store.reader()?.steps(run)?)
            }
            Self::Remote(remote) => remote.steps(run),
        }
    }

    /// Judges the newest runs.
    pub fn check(&self, query: &CheckQuery) -> Result<Verdict, ApiError> {
        match self {
            Self::Local(store) => {
                let own = query.settings();
                let settings = GateSettings { newest: own.newest, last: own.last, ..detect::settings(store)? };
                Ok(detect::check(store, query.pipeline.as_deref(), &settings)?)
            }
            Self::Remote(remote) => remote.check(query),
        }
    }

    /// Judges what is stale and moves the alerts; what is worth telling.
    pub fn detect(&self) -> Result<Vec<Transition>, ApiError> {
        match self {
            Self::Local(store) => Ok(detect::evaluate(store)?),
            Self::Remote(remote) => remote.detect(),
        }
    }

    /// Does something with the alert whose id begins with `id`, if that is one; those that fit.
    pub fn change_alert(&self, id: &str, change: &AlertChange) -> Result<Vec<AlertRecord>, ApiError> {
        match self {
            Self::Local(store) => {
                Ok(detect::change_alert(store, id, change.action, change.until_ns, &change.decision)?)
            }
            Self::Remote(remote) => remote.change_alert(id, change),
        }
    }

    /// The baselines of the series that fit.
    pub fn baselines(&self, selector: &SeriesSelector) -> Result<Vec<Baseline>, ApiError> {
        match self {
            Self::Local(store) => Ok(detect::baselines(store, selector)?),
            Self::Remote(remote) => remote.baselines(selector),
        }
    }

    /// Accepts the change behind the alert whose id begins with `id`, if that is one; those that fit.
    pub fn promote(&self, id: &str, decision: &Decision) -> Result<Vec<AlertRecord>, ApiError> {
        match self {
            Self::Local(store) => Ok(detect::promote(store, id, decision)?),
            Self::Remote(remote) => remote.promote(id, decision),
        }
    }

    /// Sets the baselines of the series that fit, or takes back what was set.
    pub fn decide_baseline(
        &self,
        selector: &SeriesSelector,
        runs: &BaselineRuns,
        decision: &Decision,
    ) -> Result<Vec<BaselineVersion>, ApiError> {
        match (self, runs) {
            (Self::Remote(remote), runs) => remote.decide_baseline(selector, runs, decision),
            (Self::Local(store), BaselineRuns::Between { from, to }) => {
                Ok(detect::set_baseline(store, selector, from, to.as_deref(), decision)?)
            }
            (Self::Local(store), BaselineRuns::Learned) => Ok(detect::reset_baseline(store, selector, decision)?),
        }
    }

    /// Everything that a report shows.
    pub fn bundle(&self, kind: report::Kind, pipeline: Option<&str>) -> Result<report::Bundle, ApiError> {
        match self {
            Self::Local(store) => Ok(report::build(store, kind, pipeline)?),
            Self::Remote(remote) => remote.bundle(kind, pipeline),
        }
    }

    /// Stores one export request, durably.
    pub fn import(&self, signal: Signal, request: Accepted) -> Result<(), ApiError> {
        match self {
            Self::Local(store) => {
                // Imports may outrun the loader: wait for room instead of refusing what a file holds.
                loop {
                    match store.submit_blocking(request.clone()) {
                        Err(SubmitError::Busy { .. }) => std::thread::sleep(BUSY_PAUSE),
                        other => return Ok(other?),
                    }
                }
            }
            Self::Remote(remote) => remote.import(signal, request),
        }
    }

    /// Closes every run without a root: no more is coming.
    pub fn settle(&self) -> Result<(), ApiError> {
        match self {
            Self::Local(store) => Ok(store.settle()?),
            Self::Remote(remote) => remote.settle(),
        }
    }

    /// Prices every stored call again whose cost no span stated, by the prices that the store was opened with.
    pub fn recost(&self) -> Result<Recosted, ApiError> {
        match self {
            Self::Local(store) => Ok(store.recost()?),
            Self::Remote(remote) => remote.recost(),
        }
    }

    /// Takes away what is old or too much.
    pub fn prune(&self, request: PruneRequest) -> Result<Pruned, ApiError> {
        match self {
            Self::Local(store) => Ok(store.prune(request)?),
            Self::Remote(remote) => remote.prune(request),
        }
    }

    /// Copies the whole store into a new file of this machine.
    pub fn backup(&self, file: &Path) -> Result<Copied, ApiError> {
        match self {
            Self::Local(store) => Ok(store.copy_to(file)?),
            Self::Remote(remote) => remote.backup(file),
        }
    }

    /// Writes a view into a file of this machine; how many rows it has.
    pub fn export(&self, view: &str, format: ExportFormat, file: &Path) -> Result<u64, ApiError> {
        match self {
            Self::Local(store) => Ok(store.export(view, format, file)?),
            Self::Remote(remote) => remote.export(view, format, file),
        }
    }

    /// Leaves nothing half-written.
    pub fn close(self) -> Result<(), ApiError> {
        match self {
            Self::Local(store) => Ok(store.close()?),
            Self::Remote(_) => Ok(()),
        }
    }
}
