//! The client's part for alerts and baselines.

use super::backend::{AlertChange, BaselineRuns};
use super::error::ApiError;
use super::remote::Remote;
use super::v1;
use crate::detect::Decision;
use crate::detect::alerts::Transition;
use crate::model::{AlertRecord, Baseline, BaselineVersion, SeriesSelector};

impl Remote {
    pub(super) fn detect(&self) -> Result<Vec<Transition>, ApiError> {
        let (runtime, mut client) = self.client();
        let answer =
            runtime.block_on(client.detect(v1::DetectRequest {})).map_err(|status| self.refused(&status))?.into_inner();
        answer.transitions.into_iter().map(|one| one.try_into().map_err(ApiError::Answer)).collect()
    }

    pub(super) fn change_alert(&self, id: &str, change: &AlertChange) -> Result<Vec<AlertRecord>, ApiError> {
        let (runtime, mut client) = self.client();
        let request = v1::ChangeAlertRequest {
            alert_id: id.to_owned(),
            action: change.action.as_str().to_owned(),
            until_ns: change.until_ns,
            by: change.decision.by.clone(),
            note: change.decision.note.clone(),
        };
        let answer = runtime.block_on(client.change_alert(request)).map_err(|status| self.refused(&status))?;
        read_alerts(answer.into_inner().alerts)
    }

    pub(super) fn baselines(&self, selector: &SeriesSelector) -> Result<Vec<Baseline>, ApiError> {
        let (runtime, mut client) = self.client();
        let request = v1::ListBaselinesRequest { selector: Some(selector.into()) };
        let answer = runtime.block_on(client.list_baselines(request)).map_err(|status| self.refused(&status))?;
        read_json(&answer.into_inner().baselines_json)
    }

    pub(super) fn promote(&self, id: &str, decision: &Decision) -> Result<Vec<AlertRecord>, ApiError> {
        let request = v1::ChangeBaselineRequest {
            action: "promote".to_owned(),
            alert_id: id.to_owned(),
            ..asked(&SeriesSelector::default(), decision)
        };
        read_alerts(self.change_baseline(request)?.alerts)
    }

    pub(super) fn decide_baseline(
        &self,
        selector: &SeriesSelector,
        runs: &BaselineRuns,
        decision: &Decision,
    ) -> Result<Vec<BaselineVersion>, ApiError> {
        let mut request = asked(selector, decision);
        match runs {
            BaselineRuns::Learned => "reset".clone_into(&mut request.action),
            BaselineRuns::Between { from, to } => {
                "set".clone_into(&mut request.action);
                (request.from_run, request.to_run) = (from.clone(), to.clone());
            }
        }
        read_json(&self.change_baseline(request)?.versions_json)
    }

    fn change_baseline(&self, request: v1::ChangeBaselineRequest) -> Result<v1::ChangeBaselineResponse, ApiError> {
        let (runtime, mut client) = self.client();
        let answer = runtime.block_on(client.change_baseline(request)).map_err(|status| self.refused(&status))?;
        Ok(answer.into_inner())
    }
}

fn asked(selector: &SeriesSelector, decision: &Decision) -> v1::ChangeBaselineRequest {
    v1::ChangeBaselineRequest {
        selector: Some(selector.into()),
        by: decision.by.clone(),
        note: decision.note.clone(),
        ..v1::ChangeBaselineRequest::default()
    }
}

fn read_alerts(alerts: Vec<v1::Alert>) -> Result<Vec<AlertRecord>, ApiError> {
    alerts.into_iter().map(|alert| alert.try_into().map_err(ApiError::Answer)).collect()
}

fn read_json<T: serde::de::DeserializeOwned>(texts: &[String]) -> Result<Vec<T>, ApiError> {
    texts.iter().map(|text| serde_json::from_str(text).map_err(|e| ApiError::Answer(e.to_string()))).collect()
}
