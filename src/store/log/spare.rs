//! Full segments that nobody needs any more are written over instead of being deleted: a sync of bytes that lie within
//! a file costs the kernel less than one that makes the file longer, since no block is sought and no page is new.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::LogError;

/// How many are kept.
const SPARES_MAX: usize = 3;

/// Takes a segment out of the log: kept where it is that long and room is left, else deleted.
pub(super) fn retire(folder: &Path, segment: &Path, bytes_min: u64) -> Result<(), LogError> {
    let failed = || LogError::io("delete segment", segment);
    let meta = fs::metadata(segment).map_err(failed())?;
    // A second name is a copy that is kept for study: it must not change.
    let usable = meta.len() >= bytes_min && meta.nlink() == 1;
    if usable && list(folder)?.len() < SPARES_MAX {
        return fs::rename(segment, segment.with_extension("spare")).map_err(failed());
    }
    fs::remove_file(segment).map_err(failed())
}

/// A file to write over, where there is one.
pub(super) fn find(folder: &Path) -> Result<Option<PathBuf>, LogError> {
    Ok(list(folder)?.into_iter().min())
}

/// Deletes all.
pub(super) fn delete_all(folder: &Path) -> Result<(), LogError> {
    list(folder)?.iter().try_for_each(|spare| fs::remove_file(spare).map_err(LogError::io("delete segment", spare)))
}

fn list(folder: &Path) -> Result<Vec<PathBuf>, LogError> {
    let failed = || LogError::io("list segments in", folder);
    let files = fs::read_dir(folder).map_err(failed())?.map(|file| file.map(|file| file.path()).map_err(failed()));
    files.filter(|path| path.as_ref().map_or(true, |path| path.extension().is_some_and(|end| end == "spare"))).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::super::{Appender, OnDamage, Position, Segments, replay, segment_path};
    use super::*;
    use crate::model::Signal;
    use crate::otlp::sink::Accepted;

    const FULL: u64 = 64 * 1024;

    /// As a process that is killed: nothing is cut off and nothing deleted.
    struct Log {
        folder: tempfile::TempDir,
        segments: Segments,
        log: std::mem::ManuallyDrop<Appender>,
    }

    impl Log {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let segments = Segments::open(folder.path()).unwrap().with_segments_of(FULL);
            let log = std::mem::ManuallyDrop::new(appender(folder.path()));
            Self { folder, segments, log }
        }

        /// One request whose body is `letter` over and over.
        fn append(&mut self, letter: u8, bytes: u64) -> Position {
            let body = Bytes::from(vec![letter; usize::try_from(bytes).unwrap()]);
            self.log.append(&[Accepted { signal: Signal::Logs, body, items: 1 }]).unwrap()[0]
        }

        fn files(&self) -> Vec<String> {
            let files = fs::read_dir(self.folder.path()).unwrap();
            let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }

        fn letters(&self, from: Position) -> Vec<u8> {
            let mut letters = Vec::new();
            replay(self.folder.path(), from, OnDamage::Stop, |entry| {
                assert!(entry.request.body.iter().all(|byte| *byte == entry.request.body[0]));
                letters.push(entry.request.body[0]);
                Ok::<_, LogError>(())
            })
            .unwrap();
            letters
        }
    }

    fn appender(folder: &Path) -> Appender {
        let replayed = replay(folder, Position::default(), OnDamage::Stop, |_| Ok::<_, LogError>(())).unwrap();
        Appender::new(folder.to_owned(), &replayed).with_segments_of(FULL)
    }

    fn name(number: u64, end: &str) -> String {
        format!("{number:020}.{end}")
    }

    #[test]
    fn a_full_segment_is_written_over_and_what_it_held_is_never_read_again() {
        let mut log = Log::new();
        let first = log.append(b'a', FULL);
        let second = log.append(b'b', FULL + 4096);
        log.segments.release(second).unwrap();
        assert_eq!(log.files(), [name(1, "spare"), name(2, "segment")]);
        let inode = fs::metadata(log.folder.path().join(name(1, "spare"))).unwrap().ino();
        let third = log.append(b'c', 100);
        assert_eq!((first.segment, third.segment), (1, 3));
        assert_eq!(fs::metadata(segment_path(log.folder.path(), 3)).unwrap().ino(), inode);
        assert_eq!(log.files(), [name(2, "segment"), name(3, "segment")]);
        log.append(b'd', 100);
        // Behind these two stands most of the first segment.
        assert!(fs::metadata(segment_path(log.folder.path(), 3)).unwrap().len() > FULL);
        assert_eq!(log.letters(second), [b'c', b'd']);
        assert!(fs::metadata(segment_path(log.folder.path(), 3)).unwrap().len() < 1000);
        assert_eq!(log.letters(Position::default()), [b'b', b'c', b'd']);
    }

    #[test]
    fn a_segment_that_is_closed_ends_with_its_last_entry() {
        let mut log = Log::new();
        log.append(b'a', FULL * 2);
        let second = log.append(b'b', 100);
        log.segments.release(second).unwrap();
        drop(std::mem::ManuallyDrop::into_inner(std::mem::replace(
            &mut log.log,
            std::mem::ManuallyDrop::new(appender(log.folder.path())),
        )));
        let third = log.append(b'c', FULL);
        assert_eq!(third.segment, 3);
        assert!(fs::metadata(segment_path(log.folder.path(), 3)).unwrap().len() > third.offset);
        log.append(b'd', 100);
        assert_eq!(fs::metadata(segment_path(log.folder.path(), 3)).unwrap().len(), third.offset);
        assert_eq!(log.letters(second), [b'c', b'd']);
    }

    #[test]
    fn few_are_kept_and_none_that_has_a_second_name_or_is_short() {
        let mut log = Log::new();
        let ends: Vec<Position> = (0..6).map(|at| log.append(b'a' + at, FULL)).collect();
        let short = log.append(b'z', 10);
        fs::hard_link(segment_path(log.folder.path(), 2), log.folder.path().join("kept")).unwrap();
        log.segments.release(Position { segment: short.segment, offset: 0 }).unwrap();
        let spares = [name(1, "spare"), name(3, "spare"), name(4, "spare"), name(7, "segment")];
        assert_eq!(log.files(), [&spares[..], &["kept".to_owned()]].concat());
        assert_eq!(ends.len(), 6);
        log.segments.delete_spares().unwrap();
        assert_eq!(log.files(), [name(7, "segment"), "kept".to_owned()]);
        log.segments.release(Position { segment: 8, offset: 0 }).unwrap();
        assert_eq!(log.files(), ["kept"]);
    }
}
