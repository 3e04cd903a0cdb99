//! Reads bodies back from the log, one after another, into one buffer: what was acknowledged need not stay in memory
//! until it is loaded.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use super::record::{Entry, Position};
use super::{LogError, segment_path};
use crate::model::Signal;

/// Where the body of an acknowledged request lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// What it holds.
    pub(crate) signal: Signal,
    /// Spans, points or records in it.
    pub(crate) items: u32,
    /// Bytes of the body.
    pub(crate) length: usize,
    /// Where the next entry begins; the body ends there.
    pub(crate) end: Position,
}

impl Place {
    /// Where an entry's body lies.
    pub(crate) fn of(entry: &Entry) -> Self {
        let request = &entry.request;
        Self { signal: request.signal, items: request.items, length: request.body.len(), end: entry.end }
    }
}

/// The segment that is being read, and the last body.
#[derive(Debug)]
pub(crate) struct Bodies {
    folder: PathBuf,
    open: Option<(u64, File)>,
    buffer: Vec<u8>,
}

/// A buffer that grew beyond this for one large body is given back.
const BUFFER_BYTES_MAX: usize = 4 * 1024 * 1024;

impl Bodies {
    /// Bodies of the log in this folder.
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder, open: None, buffer: Vec::new() }
    }

    /// The body at a place. It was checked when it was written, or when the log was replayed.
    pub(crate) fn read(&mut self, place: &Place) -> Result<&[u8], LogError> {
        let path = segment_path(&self.folder, place.end.segment);
        let failed = LogError::io("read segment", &path);
        let file = match &self.open {
            Some((number, file)) if *number == place.end.segment => file,
            _ => {
                &self
                    .open
                    .insert((place.end.segment, File::open(&path).map_err(LogError::io("open segment", &path))?))
                    .1
            }
        };
        if self.buffer.len() > BUFFER_BYTES_MAX.max(place.length) {
            self.buffer = Vec::new();
        }
        if self.buffer.len() < place.length {
            self.buffer.resize(place.length, 0);
        }
        let body = &mut self.buffer[..place.length];
        file.read_exact_at(body, place.end.offset.saturating_sub(place.length as u64)).map_err(failed)?;
        Ok(body)
    }
}
