//! Reads the log again after a restart.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::record::{ENTRY_MAGIC, Entry, Position, SEGMENT_HEADER, read_entry};
use super::{LogError, list_segments, segment_path};

/// What a replay found.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    /// Entries handed over.
    pub(crate) entries: u64,
    /// Bytes of a torn last write that were cut off; they were never acknowledged.
    pub(crate) torn_bytes: u64,
    /// The next free segment number.
    pub(crate) next_segment: u64,
}

/// Hands every entry after `from` to `take`, oldest first.
///
/// A segment may end in a torn write (the power went while it was written, so it was never
/// acknowledged): it is cut off. Whole entries behind a damaged one are another matter:
/// those were acknowledged, so this is an error, not a silent loss.
pub(crate) fn replay<E: From<LogError>>(
    folder: &Path,
    from: Position,
    mut take: impl FnMut(Entry) -> Result<(), E>,
) -> Result<Replay, E> {
    let mut found = Replay { next_segment: from.segment + 1, ..Replay::default() };
    for number in list_segments(folder)? {
        found.next_segment = found.next_segment.max(number + 1);
        if number < from.segment {
            continue;
        }
        let path = segment_path(folder, number);
        let bytes = Bytes::from(fs::read(&path).map_err(LogError::io("read segment", &path))?);
        let mut offset = if number == from.segment { to_index(from.offset) } else { SEGMENT_HEADER };
        while offset < bytes.len() {
            let Some((request, length)) = read_entry(&bytes.slice(offset..)) else {
                break;
            };
            offset += length;
            found.entries += 1;
            take(Entry { request, end: Position { segment: number, offset: offset as u64 } })?;
        }
        if offset < bytes.len() {
            found.torn_bytes += cut_torn_tail(&path, &bytes, offset)?;
        }
    }
    Ok(found)
}

fn to_index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX).max(SEGMENT_HEADER)
}

fn cut_torn_tail(path: &PathBuf, bytes: &Bytes, offset: usize) -> Result<u64, LogError> {
    if whole_entry_follows(bytes, offset) {
        return Err(LogError::Damaged { path: path.clone(), at: offset as u64 });
    }
    let file = OpenOptions::new().write(true).open(path).map_err(LogError::io("open segment", path))?;
    file.set_len(offset as u64).map_err(LogError::io("cut the torn end of segment", path))?;
    file.sync_all().map_err(LogError::io("sync segment", path))?;
    Ok((bytes.len() - offset) as u64)
}

fn whole_entry_follows(bytes: &Bytes, damaged: usize) -> bool {
    let tail = &bytes[damaged + 1..];
    tail.windows(ENTRY_MAGIC.len())
        .enumerate()
        .filter(|(_, window)| *window == ENTRY_MAGIC)
        .any(|(at, _)| read_entry(&bytes.slice(damaged + 1 + at..)).is_some())
}
