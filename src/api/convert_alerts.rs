//! Alerts, explanations and decisions between the wire and the model.

use super::backend::{AlertChange, BaselineRuns};
use super::convert::{read_word, word};
use super::v1;
use crate::detect::Decision;
use crate::detect::alerts::{Action, Transition};
use crate::model::{
    AlertAction, AlertRecord, AlertState, Cause, Explanation, Finding, Lift, SeriesSelector, StepShare,
};

impl From<Explanation> for v1::Explanation {
    fn from(explanation: Explanation) -> Self {
        let cause = |cause: Cause| v1::Cause { attribute: cause.attribute, before: cause.before, after: cause.after };
        let step =
            |one: StepShare| v1::StepShare { step: one.step, before: one.before, after: one.after, share: one.share };
        let lift = |one: Lift| v1::Lift {
            attribute: one.attribute,
            value: one.value,
            before: one.before,
            after: one.after,
            lift: one.lift,
        };
        Self {
            cause: explanation.cause.map(cause),
            steps: explanation.steps.into_iter().map(step).collect(),
            attributes: explanation.attributes.into_iter().map(lift).collect(),
            adjusted_for: explanation.adjusted_for,
            alert_id: explanation.alert_id,
            alert_state: explanation.alert_state,
        }
    }
}

impl From<v1::Explanation> for Explanation {
    fn from(explanation: v1::Explanation) -> Self {
        let cause = |cause: v1::Cause| Cause { attribute: cause.attribute, before: cause.before, after: cause.after };
        let step =
            |one: v1::StepShare| StepShare { step: one.step, before: one.before, after: one.after, share: one.share };
        let lift = |one: v1::Lift| Lift {
            attribute: one.attribute,
            value: one.value,
            before: one.before,
            after: one.after,
            lift: one.lift,
        };
        Self {
            cause: explanation.cause.map(cause),
            steps: explanation.steps.into_iter().map(step).collect(),
            attributes: explanation.attributes.into_iter().map(lift).collect(),
            adjusted_for: explanation.adjusted_for,
            alert_id: explanation.alert_id,
            alert_state: explanation.alert_state,
        }
    }
}

impl From<AlertRecord> for v1::Alert {
    fn from(alert: AlertRecord) -> Self {
        Self {
            alert_id: alert.alert_id,
            state: alert.state.as_str().to_owned(),
            finding: Some(alert.finding.into()),
            opened_ns: alert.opened_ns,
            changed_ns: alert.changed_ns,
            changed_by: alert.changed_by,
            note: alert.note,
            members: alert.members.into_iter().map(Into::into).collect(),
            seen_ns: alert.seen_ns,
            latest_run_ns: alert.latest_run_ns,
            missed: alert.missed,
            muted_until_ns: alert.muted_until_ns,
        }
    }
}

impl TryFrom<v1::Alert> for AlertRecord {
    type Error = String;

    fn try_from(alert: v1::Alert) -> Result<Self, String> {
        Ok(Self {
            state: read_word::<AlertState>("state", &alert.state)?,
            finding: alert.finding.ok_or("an alert without a finding")?.try_into()?,
            members: alert.members.into_iter().map(Finding::try_from).collect::<Result<_, _>>()?,
            alert_id: alert.alert_id,
            opened_ns: alert.opened_ns,
            seen_ns: alert.seen_ns,
            changed_ns: alert.changed_ns,
            latest_run_ns: alert.latest_run_ns,
            missed: alert.missed,
            muted_until_ns: alert.muted_until_ns,
            changed_by: alert.changed_by,
            note: alert.note,
        })
    }
}

impl From<Transition> for v1::Transition {
    fn from(one: Transition) -> Self {
        Self { action: word(&one.action), alert: Some(one.alert.into()) }
    }
}

impl TryFrom<v1::Transition> for Transition {
    type Error = String;

    fn try_from(one: v1::Transition) -> Result<Self, String> {
        let alert = one.alert.ok_or("a transition without an alert")?.try_into()?;
        Ok(Self { action: read_word::<Action>("action", &one.action)?, alert })
    }
}

impl From<&SeriesSelector> for v1::SeriesSelector {
    fn from(selector: &SeriesSelector) -> Self {
        let selector = selector.clone();
        Self {
            pipeline: selector.pipeline,
            step: selector.step,
            metric: selector.metric,
            branch: selector.branch,
            environment: selector.environment,
            host_class: selector.host_class,
        }
    }
}

impl From<v1::SeriesSelector> for SeriesSelector {
    fn from(selector: v1::SeriesSelector) -> Self {
        Self {
            pipeline: selector.pipeline,
            step: selector.step,
            metric: selector.metric,
            branch: selector.branch,
            environment: selector.environment,
            host_class: selector.host_class,
        }
    }
}

impl TryFrom<v1::ChangeAlertRequest> for (String, AlertChange) {
    type Error = String;

    fn try_from(asked: v1::ChangeAlertRequest) -> Result<Self, String> {
        let action = AlertAction::from_word(&asked.action)
            .ok_or_else(|| format!("`{}` is nothing an alert takes", asked.action))?;
        let decision = Decision { by: asked.by, note: asked.note };
        Ok((asked.alert_id, AlertChange { action, until_ns: asked.until_ns, decision }))
    }
}

/// What a request decides.
pub(super) enum BaselineChange {
    /// The change behind an alert is accepted.
    Promote(String),
    /// Runs are set, or what was set is taken back.
    Decide(SeriesSelector, BaselineRuns),
}

impl TryFrom<v1::ChangeBaselineRequest> for (BaselineChange, Decision) {
    type Error = String;

    fn try_from(asked: v1::ChangeBaselineRequest) -> Result<Self, String> {
        let selector: SeriesSelector = asked.selector.map(Into::into).unwrap_or_default();
        let change = match asked.action.as_str() {
            "promote" => BaselineChange::Promote(asked.alert_id),
            "set" => BaselineChange::Decide(selector, BaselineRuns::Between { from: asked.from_run, to: asked.to_run }),
            "reset" => BaselineChange::Decide(selector, BaselineRuns::Learned),
            other => return Err(format!("`{other}` is nothing a baseline takes")),
        };
        Ok((change, Decision { by: asked.by, note: asked.note }))
    }
}
