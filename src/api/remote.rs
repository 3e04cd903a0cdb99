//! The client: asks a running `perfline serve`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use super::backend::{CheckQuery, RunQuery};
use super::error::ApiError;
use super::status::{from_status, is_busy};
use super::v1;
use super::v1::perfline_client::PerflineClient;
use crate::model::{Run, Signal, Step, Verdict};
use crate::net::ClientFiles;
use crate::otlp::sink::{Accepted, SubmitError};
use crate::otlp::veil::Veil;
use crate::report;
use crate::store::{Recosted, Row};

/// How long an import waits for room in the service, and how long from one look to the next.
const IMPORT_PATIENCE: Duration = Duration::from_secs(120);
const IMPORT_PAUSE: Duration = Duration::from_millis(200);

/// Answers larger than this are refused: a report of thousands of pipelines stays far below.
const ANSWER_BYTES_MAX: usize = 1024 * 1024 * 1024;

/// What a client shows to a service, and whom it trusts.
#[derive(Clone, Default)]
pub struct ServiceAccess {
    /// A bearer token.
    pub token: Option<String>,
    /// An authority beside the public ones, and the client's own certificate and key.
    pub files: ClientFiles,
}

impl ServiceAccess {
    fn tls(&self) -> Result<ClientTlsConfig, ApiError> {
        let mut tls = ClientTlsConfig::new().with_enabled_roots();
        if let Some(path) = &self.files.ca {
            tls = tls.ca_certificate(Certificate::from_pem(pem(path)?));
        }
        match (&self.files.cert, &self.files.key) {
            (Some(cert), Some(key)) => Ok(tls.identity(Identity::from_pem(pem(cert)?, pem(key)?))),
            (None, None) => Ok(tls),
            _ => Err(ApiError::HalfIdentity),
        }
    }
}

fn pem(path: &Path) -> Result<Vec<u8>, ApiError> {
    std::fs::read(path).map_err(|source| ApiError::Certificate { path: PathBuf::from(path), source })
}

/// Puts the token into every call.
#[derive(Clone)]
pub(super) struct Bearer(Option<MetadataValue<Ascii>>);

impl Bearer {
    fn new(token: Option<&str>) -> Result<Self, ApiError> {
        let Some(token) = token else { return Ok(Self(None)) };
        let mut value: MetadataValue<Ascii> = format!("Bearer {token}").parse().map_err(|_e| ApiError::Token)?;
        value.set_sensitive(true);
        Ok(Self(Some(value)))
    }
}

impl Interceptor for Bearer {
    fn call(&mut self, mut request: tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status> {
        if let Some(value) = &self.0 {
            request.metadata_mut().insert("authorization", value.clone());
        }
        Ok(request)
    }
}

/// A running service.
pub struct Remote {
    url: String,
    runtime: Runtime,
    client: PerflineClient<InterceptedService<Channel, Bearer>>,
    veil: Option<Arc<Veil>>,
}

impl Remote {
    /// Connects to either port of a service.
    pub(super) fn connect(url: &str, access: &ServiceAccess, veil: Option<Arc<Veil>>) -> Result<Self, ApiError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let unreachable = |source| ApiError::Unreachable { url: url.to_owned(), source };
        let mut endpoint = Endpoint::from_shared(url.to_owned()).map_err(unreachable)?;
        if url.starts_with("https://") {
            endpoint = endpoint.tls_config(access.tls()?).map_err(unreachable)?;
        }
        let channel = runtime.block_on(endpoint.connect()).map_err(unreachable)?;
        let bearer = Bearer::new(access.token.as_deref())?;
        let client = PerflineClient::with_interceptor(channel, bearer).max_decoding_message_size(ANSWER_BYTES_MAX);
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
        let request = covered
            .map_err(|e| SubmitError::Unfit(format!("its names cannot be made private: {e}")))?
            .unwrap_or(request);
        let request = v1::ImportRequest { signal: signal.as_str().to_owned(), body: request.body.to_vec() };
        // An import may outrun the service: it waits for room, as long as the service says that it will have some.
        let until = Instant::now() + IMPORT_PATIENCE;
        loop {
            match self.runtime.block_on(client.import(request.clone())) {
                Ok(_) => return Ok(()),
                Err(status) if is_busy(&status) && Instant::now() < until => {
                    std::thread::sleep(IMPORT_PAUSE);
                }
                Err(status) => return Err(self.refused(&status)),
            }
        }
    }

    pub(super) fn settle(&self) -> Result<(), ApiError> {
        let mut client = self.client.clone();
        self.runtime.block_on(client.settle(v1::SettleRequest {})).map_err(|status| self.refused(&status))?;
        Ok(())
    }

    pub(super) fn client(&self) -> (&Runtime, PerflineClient<InterceptedService<Channel, Bearer>>) {
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
        from_status(&self.url, status)
    }
}
