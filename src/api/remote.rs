//! The client: asks a running `perfline serve`.

use std::sync::Arc;

use tokio::runtime::Runtime;
use tonic::transport::{Channel, Endpoint};

use super::backend::{ApiError, CheckQuery, RunQuery};
use super::v1;
use super::v1::perfline_client::PerflineClient;
use crate::model::{Run, Signal, Step, Verdict};
use crate::otlp::sink::{Accepted, SubmitError};
use crate::otlp::veil::Veil;
use crate::report;
use crate::store::{Recosted, Row};

/// Answers larger than this are refused: a report of thousands of pipelines stays far below.
const ANSWER_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// A running service.
pub struct Remote {
    url: String,
    runtime: Runtime,
    client: PerflineClient<Channel>,
    veil: Option<Arc<Veil>>,
}

impl Remote {
    /// Connects to either port of a service.
    pub(super) fn connect(url: &str, veil: Option<Arc<Veil>>) -> Result<Self, ApiError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let unreachable = |source| ApiError::Unreachable { url: url.to_owned(), source };
        let endpoint = Endpoint::from_shared(url.to_owned()).map_err(unreachable)?;
        let channel = runtime.block_on(endpoint.connect()).map_err(unreachable)?;
        let client = PerflineClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
        Ok(Self { url: url.to_owned(), runtime, client, veil })
    }

    pub(super) fn query(&self, sql: &str) -> Result<Vec<Row>, ApiError> {
        let mut client = self.client.clone();
        let request = v1::QueryRequest { sql: sql.to_owned() };
        let texts: Vec<String> = self.runtime.block_on(async {
            let mut stream = client.query(request).await.map_err(|status| self.refused(&status))?.into_inner();
            let mut texts = Vec::new();
            while let Some(part) = stream.message().await.map_err(|status| self.refused(&status))? {
                texts.extend(part.rows_json);
            }
            Ok::<_, ApiError>(texts)
        })?;
        texts.iter().map(|text| serde_json::from_str(text).map_err(|e| ApiError::Answer(e.to_string()))).collect()
    }

    pub(super) fn runs(&self, query: &RunQuery) -> Result<Vec<Run>, ApiError> {
        let request =
            v1::ListRunsRequest { pipeline: query.pipeline.clone(), run: query.run.clone(), limit: query.limit };
        let mut client = self.client.clone();
        let answer = self.runtime.block_on(client.list_runs(request)).map_err(|status| self.refused(&status))?;
        Ok(answer.into_inner().runs.into_iter().map(Into::into).collect())
    }

    pub(super) fn steps(&self, run: &str) -> Result<Vec<Step>, ApiError> {
        let mut client = self.client.clone();
        let request = v1::ListStepsRequest { run: run.to_owned() };
        let answer = self.runtime.block_on(client.list_steps(request)).map_err(|status| self.refused(&status))?;
        Ok(answer.into_inner().steps.into_iter().map(Into::into).collect())
    }

    pub(super) fn check(&self, query: &CheckQuery) -> Result<Verdict, ApiError> {
        let mut client = self.client.clone();
        let answer = self
            .runtime
            .block_on(client.check(v1::CheckRequest::from(query)))
            .map_err(|status| self.refused(&status))?;
        answer.into_inner().try_into().map_err(ApiError::Answer)
    }

    pub(super) fn bundle(&self, kind: report::Kind, pipeline: Option<&str>) -> Result<report::Bundle, ApiError> {
        let mut client = self.client.clone();
        let request =
            v1::BuildReportRequest { kind: kind.as_str().to_owned(), pipeline: pipeline.map(ToOwned::to_owned) };
        let answer = self.runtime.block_on(client.build_report(request)).map_err(|status| self.refused(&status))?;
        serde_json::from_slice(&answer.into_inner().bundle_json).map_err(|e| ApiError::Answer(e.to_string()))
    }

    pub(super) fn import(&self, signal: Signal, request: Accepted) -> Result<(), ApiError> {
        let mut client = self.client.clone();
        // Covered here, so that names do not even leave this machine.
        let covered = self.veil.as_ref().map(|veil| veil.cover(request.clone())).transpose();
        let request = covered.map_err(|e| SubmitError::Unwritable(e.to_string()))?.unwrap_or(request);
        let request = v1::ImportRequest { signal: signal.as_str().to_owned(), body: request.body.to_vec() };
        self.runtime.block_on(client.import(request)).map_err(|status| self.refused(&status))?;
        Ok(())
    }

    pub(super) fn settle(&self) -> Result<(), ApiError> {
        let mut client = self.client.clone();
        self.runtime.block_on(client.settle(v1::SettleRequest {})).map_err(|status| self.refused(&status))?;
        Ok(())
    }

    pub(super) fn client(&self) -> (&Runtime, PerflineClient<Channel>) {
        (&self.runtime, self.client.clone())
    }

    pub(super) fn recost(&self) -> Result<Recosted, ApiError> {
        let mut client = self.client.clone();
        let answer =
            self.runtime.block_on(client.recost(v1::RecostRequest {})).map_err(|status| self.refused(&status))?;
        let v1::RecostResponse { stated, user, bundled, unknown, changed } = answer.into_inner();
        Ok(Recosted { stated, user, bundled, unknown, changed })
    }

    pub(super) fn refused(&self, status: &tonic::Status) -> ApiError {
        ApiError::Refused { url: self.url.clone(), message: status.message().to_owned() }
    }
}
