//! Looking after a store that a service has open: pruning, and views as files.

use std::io::{Read, Write};
use std::path::Path;

use tonic::Status;

use super::error::ApiError;
use super::parts::{Parts, send_part};
use super::remote::Remote;
use super::v1;
use crate::store::{EXPORT_VIEWS, ExportFormat, PruneRequest, Pruned, Store, StoreError, TableRows};

/// Bytes of a file that one message carries.
const PART_BYTES: usize = 256 * 1024;

impl From<PruneRequest> for v1::PruneRequest {
    fn from(request: PruneRequest) -> Self {
        let PruneRequest { before_ns, bytes_max, dry_run } = request;
        Self { before_ns, bytes_max, dry_run }
    }
}

impl From<v1::PruneRequest> for PruneRequest {
    fn from(request: v1::PruneRequest) -> Self {
        let v1::PruneRequest { before_ns, bytes_max, dry_run } = request;
        Self { before_ns, bytes_max, dry_run }
    }
}

impl From<Pruned> for v1::PruneResponse {
    fn from(pruned: Pruned) -> Self {
        let Pruned { cutoff_ns, removed, bytes_before, bytes_after, dry_run } = pruned;
        let removed = removed.into_iter().map(|TableRows { table, rows }| v1::TableRows { table, rows }).collect();
        Self { cutoff_ns, removed, bytes_before, bytes_after, dry_run }
    }
}

impl From<v1::PruneResponse> for Pruned {
    fn from(pruned: v1::PruneResponse) -> Self {
        let v1::PruneResponse { cutoff_ns, removed, bytes_before, bytes_after, dry_run } = pruned;
        let removed = removed.into_iter().map(|v1::TableRows { table, rows }| TableRows { table, rows }).collect();
        Self { cutoff_ns, removed, bytes_before, bytes_after, dry_run }
    }
}

/// What an export is asked for, where it can be given.
pub(super) fn wanted(request: &v1::ExportRequest) -> Result<ExportFormat, Status> {
    if !EXPORT_VIEWS.contains(&request.view.as_str()) {
        return Err(Status::invalid_argument(format!(
            "`{}` is no view; one of {}",
            request.view,
            EXPORT_VIEWS.join(", ")
        )));
    }
    let format = ExportFormat::from_word(&request.format);
    format.ok_or_else(|| Status::invalid_argument(format!("`{}` is no format; one of parquet, csv", request.format)))
}

/// Writes a view into a file beside the store and hands it on part by part. Ends early where nobody takes it any more.
pub(super) fn send_view(
    store: &Store,
    view: &str,
    format: ExportFormat,
    parts: &Parts<v1::ExportResponse>,
) -> Result<(), ApiError> {
    let folder = store.way_out()?;
    let path = folder.path().join("view");
    let rows = store.export(view, format, &path)?;
    let mut file = std::fs::File::open(&path)?;
    loop {
        let mut part = Vec::with_capacity(PART_BYTES);
        let count = (&mut file).take(PART_BYTES as u64).read_to_end(&mut part)?;
        let rows = (count == 0).then_some(rows);
        if !send_part(parts, Ok(v1::ExportResponse { part, rows })) || rows.is_some() {
            return Ok(());
        }
    }
}

impl Remote {
    pub(super) fn prune(&self, request: PruneRequest) -> Result<Pruned, ApiError> {
        let (runtime, mut client) = self.client();
        let answer = runtime.block_on(client.prune(v1::PruneRequest::from(request)));
        Ok(answer.map_err(|status| self.refused(&status))?.into_inner().into())
    }

    /// The file takes its name once it is whole.
    pub(super) fn export(&self, view: &str, format: ExportFormat, file: &Path) -> Result<u64, ApiError> {
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let failed = |source: std::io::Error| StoreError::File { action: "write", path: file.to_owned(), source };
        // Made for others to read, as far as the user's mask allows.
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        let mut aside = tempfile::Builder::new().permissions(readable).tempfile_in(folder).map_err(failed)?;
        let (runtime, mut client) = self.client();
        let request = v1::ExportRequest { view: view.to_owned(), format: format.as_str().to_owned() };
        let rows = runtime.block_on(async {
            let mut parts = client.export(request).await.map_err(|status| self.refused(&status))?.into_inner();
            while let Some(next) = parts.message().await.map_err(|status| self.refused(&status))? {
                aside.write_all(&next.part).map_err(failed)?;
                if let Some(rows) = next.rows {
                    return Ok(rows);
                }
            }
            Err(ApiError::Answer("the file ended early".to_owned()))
        })?;
        aside.persist(file).map_err(|error| failed(error.error))?;
        Ok(rows)
    }
}
