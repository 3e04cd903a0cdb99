//! A copy of a store that a service has open.

use std::io::{Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::error::ApiError;
use super::parts::{Parts, send_part};
use super::remote::Remote;
use super::v1;
use crate::store::{Copied, Store, StoreError, TableRows};

/// Bytes of the file that one message carries.
const PART_BYTES: usize = 256 * 1024;

/// Copies the store into a file beside it and hands that on part by part. Ends early where nobody takes it any more.
pub(super) fn send_copy(store: &Store, parts: &Parts<v1::BackupResponse>) -> Result<(), ApiError> {
    let folder = store.way_out()?;
    let path = folder.path().join("copy.duckdb");
    let Copied { held, rows } = store.copy_to(&path)?;
    let (mut file, mut hash) = (std::fs::File::open(&path)?, Sha256::new());
    loop {
        let mut part = Vec::with_capacity(PART_BYTES);
        let count = (&mut file).take(PART_BYTES as u64).read_to_end(&mut part)?;
        hash.update(&part);
        let is_end = count == 0;
        let end = is_end.then(|| v1::BackupEnd {
            held: held.iter().map(told).collect(),
            rows: rows.iter().map(told).collect(),
            sha256: hex(&hash.clone().finalize()),
        });
        if !send_part(parts, Ok(v1::BackupResponse { part, end })) || is_end {
            return Ok(());
        }
    }
}

fn told(table: &TableRows) -> v1::TableRows {
    v1::TableRows { table: table.table.clone(), rows: table.rows }
}

fn read(tables: Vec<v1::TableRows>) -> Vec<TableRows> {
    tables.into_iter().map(|v1::TableRows { table, rows }| TableRows { table, rows }).collect()
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Remote {
    /// Writes what the service sends into a new file.
    pub(super) fn backup(&self, file: &Path) -> Result<Copied, ApiError> {
        let failed = |source: std::io::Error| StoreError::File { action: "write", path: file.to_owned(), source };
        let mut copy = std::fs::File::create_new(file).map_err(failed)?;
        let mut hash = Sha256::new();
        let (runtime, mut client) = self.client();
        let end = runtime.block_on(async {
            let mut parts =
                client.backup(v1::BackupRequest {}).await.map_err(|status| self.refused(&status))?.into_inner();
            while let Some(next) = parts.message().await.map_err(|status| self.refused(&status))? {
                copy.write_all(&next.part).map_err(failed)?;
                hash.update(&next.part);
                if let Some(end) = next.end {
                    return Ok(end);
                }
            }
            Err(ApiError::Answer("the copy ended early".to_owned()))
        })?;
        if hex(&hash.finalize()) != end.sha256 {
            return Err(ApiError::Answer("the copy is not what the service sent".to_owned()));
        }
        Ok(Copied { held: read(end.held), rows: read(end.rows) })
    }
}
