//! The service: answers other perfline commands from the store that it has open.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::backend::{AlertChange, Backend, CheckQuery, RunQuery};
use super::backup::send_copy;
use super::convert_alerts::BaselineChange;
use super::error::ApiError;
use super::parts::{send_part, send_rows};
use super::questions::Questions;
use super::status::to_status;
use super::upkeep;
use super::v1;
use super::v1::perfline_server::{Perfline, PerflineServer};
use crate::detect::Decision;
use crate::model::live::Live;
use crate::model::{SeriesSelector, Signal};
use crate::otlp::budget::Budget;
use crate::otlp::door::{self, Encoding};
use crate::otlp::receive::{DoorSettings, DoorState};
use crate::otlp::sink::{Accepted, Sink as _, SubmitError};
use crate::report;
use crate::store::{Recosted, Store};

/// What a call may have beside its largest field, in bytes.
const CALL_BYTES: usize = 64 * 1024;

/// When who is turned away for want of room should come again.
const BUSY_AFTER: std::time::Duration = std::time::Duration::from_secs(1);
/// Changes that have a thread; they are made one after the other all the same, and more wait without one.
const CHANGES_MAX: usize = 16;

/// Parts of a file that wait for a slow reader.
const PARTS_AHEAD: usize = 4;

/// The messages of the service, for gRPC reflection.
#[must_use]
pub fn descriptor() -> &'static [u8] {
    include_bytes!("generated/perfline.v1.binpb")
}

/// Serves one store.
#[derive(Clone)]
pub struct Service {
    store: Store,
    /// Memory for the bodies of imports, shared with OTLP's.
    budget: Budget,
    settings: Live<DoorSettings>,
    questions: Questions,
    changes: Arc<Semaphore>,
}

impl Service {
    /// A tonic service over `store`; what it imports may be as large as what OTLP's door takes now.
    #[must_use]
    pub fn new<S>(store: Store, door: &DoorState<S>, questions: Questions) -> PerflineServer<Self> {
        let (budget, settings) = (door.budget.clone(), door.settings.clone());
        let call_bytes_max = settings.get().limits.body_bytes_max.saturating_add(CALL_BYTES);
        let changes = Arc::new(Semaphore::new(CHANGES_MAX));
        PerflineServer::new(Self { store, budget, settings, questions, changes })
            .max_decoding_message_size(call_bytes_max)
    }

    /// Answers a question in its turn.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Backend) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, Status> {
        let turn = self.questions.turn().await?;
        Ok(self.run(turn, question).await?.0)
    }

    /// Changes something: that stands behind no question, and is not turned away.
    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Backend) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, Status> {
        let place = Arc::clone(&self.changes).acquire_owned().await.map_err(|e| Status::internal(e.to_string()))?;
        Ok(self.run(place, change).await?.0)
    }

    // Queries take as long as they take: off the network threads with them. The place is held by the job itself, which
    // goes on where its client has gone.
    async fn run<T: Send + 'static, P: Send + 'static>(
        &self,
        place: P,
        job: impl FnOnce(&Backend) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<(T, P), Status> {
        let backend = Backend::Local(self.store.clone());
        tokio::task::spawn_blocking(move || job(&backend).map(|done| (done, place)))
            .await
            .map_err(|e| Status::internal(format!("the question failed: {e}")))?
            .map_err(|error| to_status(&error))
    }
}

fn to_json<T: serde::Serialize>(rows: &[T]) -> Result<Vec<String>, Status> {
    let texts: Result<_, _> = rows.iter().map(serde_json::to_string).collect();
    texts.map_err(|e| Status::internal(e.to_string()))
}

#[tonic::async_trait]
impl Perfline for Service {
    type QueryStream = ReceiverStream<Result<v1::QueryResponse, Status>>;

    async fn query(&self, request: Request<v1::QueryRequest>) -> Result<Response<Self::QueryStream>, Status> {
        let sql = request.into_inner().sql;
        let turn = self.questions.turn().await?;
        let (rows, turn) = self.run(turn, move |backend| backend.query(&sql)).await?;
        let (send, parts) = tokio::sync::mpsc::channel(1);
        tokio::spawn(send_rows(rows, turn, send));
        Ok(Response::new(ReceiverStream::new(parts)))
    }

    async fn list_runs(&self, request: Request<v1::ListRunsRequest>) -> Result<Response<v1::ListRunsResponse>, Status> {
        let asked = request.into_inner();
        let query = RunQuery { pipeline: asked.pipeline, run: asked.run, limit: asked.limit };
        let runs = self.ask(move |backend| backend.runs(&query)).await?;
        Ok(Response::new(v1::ListRunsResponse { runs: runs.into_iter().map(Into::into).collect() }))
    }

    async fn list_steps(
        &self,
        request: Request<v1::ListStepsRequest>,
    ) -> Result<Response<v1::ListStepsResponse>, Status> {
        let run = request.into_inner().run;
        let steps = self.ask(move |backend| backend.steps(&run)).await?;
        Ok(Response::new(v1::ListStepsResponse { steps: steps.into_iter().map(Into::into).collect() }))
    }

    async fn check(&self, request: Request<v1::CheckRequest>) -> Result<Response<v1::CheckResponse>, Status> {
        let query = CheckQuery::from(request.into_inner());
        let verdict = self.ask(move |backend| backend.check(&query)).await?;
        Ok(Response::new(verdict.into()))
    }

    async fn build_report(
        &self,
        request: Request<v1::BuildReportRequest>,
    ) -> Result<Response<v1::BuildReportResponse>, Status> {
        let asked = request.into_inner();
        let kind = report::Kind::parse(&asked.kind).map_err(|e| Status::invalid_argument(e.to_string()))?;
        let bundle = self.ask(move |backend| backend.bundle(kind, asked.pipeline.as_deref())).await?;
        let bundle_json = serde_json::to_vec(&bundle).map_err(|e| Status::internal(e.to_string()))?;
        Ok(Response::new(v1::BuildReportResponse { bundle_json }))
    }

    async fn import(&self, request: Request<v1::ImportRequest>) -> Result<Response<v1::ImportResponse>, Status> {
        let asked = request.into_inner();
        let signal = Signal::ALL
            .into_iter()
            .find(|signal| signal.as_str() == asked.signal)
            .ok_or_else(|| Status::invalid_argument(format!("`{}` is no signal", asked.signal)))?;
        // The call itself, and what is admitted of it.
        let mut lease = self.budget.lease();
        if !lease.reserve(2 * asked.body.len()) {
            return Err(to_status(&ApiError::Submit(SubmitError::Busy { retry_after: BUSY_AFTER })));
        }
        let limits = self.settings.get().limits;
        let admit = move || door::admit(signal, Encoding::Protobuf, asked.body.into(), &limits);
        let admitted = tokio::task::spawn_blocking(admit)
            .await
            .map_err(|e| Status::internal(format!("the decoder failed: {e}")))?
            .map_err(|e| Status::invalid_argument(e.to_string()))?;
        let refused = admitted.refused.iter().map(|(reason, count)| (reason.as_str().to_owned(), *count)).collect();
        let mut accepted = 0;
        if let Some(request) = admitted.accepted {
            accepted = u64::from(request.items);
            let request = Accepted { signal, ..request };
            self.store.submit(request).await.map_err(|error| to_status(&error.into()))?;
        }
        Ok(Response::new(v1::ImportResponse { accepted, refused }))
    }

    async fn detect(&self, _request: Request<v1::DetectRequest>) -> Result<Response<v1::DetectResponse>, Status> {
        let moved = self.change(Backend::detect).await?;
        Ok(Response::new(v1::DetectResponse { transitions: moved.into_iter().map(Into::into).collect() }))
    }

    async fn change_alert(
        &self,
        request: Request<v1::ChangeAlertRequest>,
    ) -> Result<Response<v1::ChangeAlertResponse>, Status> {
        let (id, change): (String, AlertChange) = request.into_inner().try_into().map_err(Status::invalid_argument)?;
        let alerts = self.change(move |backend| backend.change_alert(&id, &change)).await?;
        Ok(Response::new(v1::ChangeAlertResponse { alerts: alerts.into_iter().map(Into::into).collect() }))
    }

    async fn list_baselines(
        &self,
        request: Request<v1::ListBaselinesRequest>,
    ) -> Result<Response<v1::ListBaselinesResponse>, Status> {
        let selector: SeriesSelector = request.into_inner().selector.map(Into::into).unwrap_or_default();
        let baselines = self.ask(move |backend| backend.baselines(&selector)).await?;
        Ok(Response::new(v1::ListBaselinesResponse { baselines_json: to_json(&baselines)? }))
    }

    async fn change_baseline(
        &self,
        request: Request<v1::ChangeBaselineRequest>,
    ) -> Result<Response<v1::ChangeBaselineResponse>, Status> {
        let (change, decision): (BaselineChange, Decision) =
            request.into_inner().try_into().map_err(Status::invalid_argument)?;
        let mut answer = v1::ChangeBaselineResponse::default();
        match change {
            BaselineChange::Promote(id) => {
                let alerts = self.change(move |backend| backend.promote(&id, &decision)).await?;
                answer.alerts = alerts.into_iter().map(Into::into).collect();
            }
            BaselineChange::Decide(selector, runs) => {
                let versions = self.change(move |backend| backend.decide_baseline(&selector, &runs, &decision)).await?;
                answer.versions_json = to_json(&versions)?;
            }
        }
        Ok(Response::new(answer))
    }

    async fn settle(&self, _request: Request<v1::SettleRequest>) -> Result<Response<v1::SettleResponse>, Status> {
        self.change(Backend::settle).await?;
        Ok(Response::new(v1::SettleResponse {}))
    }

    async fn recost(&self, _request: Request<v1::RecostRequest>) -> Result<Response<v1::RecostResponse>, Status> {
        let Recosted { stated, user, bundled, unknown, changed } = self.change(Backend::recost).await?;
        Ok(Response::new(v1::RecostResponse { stated, user, bundled, unknown, changed }))
    }

    async fn prune(&self, request: Request<v1::PruneRequest>) -> Result<Response<v1::PruneResponse>, Status> {
        let request = request.into_inner().into();
        let pruned = self.change(move |backend| backend.prune(request)).await?;
        Ok(Response::new(pruned.into()))
    }

    type BackupStream = ReceiverStream<Result<v1::BackupResponse, Status>>;

    async fn backup(&self, _request: Request<v1::BackupRequest>) -> Result<Response<Self::BackupStream>, Status> {
        let turn = self.questions.turn().await?;
        let (send, parts) = tokio::sync::mpsc::channel(PARTS_AHEAD);
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            if let Err(error) = send_copy(&store, &send) {
                // Nobody may be left to hear it.
                send_part(&send, Err(to_status(&error)));
            }
        });
        Ok(Response::new(ReceiverStream::new(parts)))
    }

    type ExportStream = ReceiverStream<Result<v1::ExportResponse, Status>>;

    async fn export(&self, request: Request<v1::ExportRequest>) -> Result<Response<Self::ExportStream>, Status> {
        let asked = request.into_inner();
        let format = upkeep::wanted(&asked)?;
        let turn = self.questions.turn().await?;
        let (send, parts) = tokio::sync::mpsc::channel(PARTS_AHEAD);
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || {
            let _turn = turn;
            if let Err(error) = upkeep::send_view(&store, &asked.view, format, &send) {
                // Nobody may be left to hear it.
                send_part(&send, Err(to_status(&error)));
            }
        });
        Ok(Response::new(ReceiverStream::new(parts)))
    }
}
