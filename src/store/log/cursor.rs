//! The file in which a queue keeps up to where it has got: `<name>.cursor` beside the segments.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use super::append::sync_folder;
use super::{LogError, Position};

/// Longest name of a queue.
const NAME_MAX: usize = 64;
/// How a cursor begins: what it is, and in which form.
const HEAD: &str = "perfline cursor 1";

/// The name of a queue: also a file's, so letters, digits, `-` and `_` only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct QueueName(String);

impl QueueName {
    /// `None` where a text cannot be a name.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let right = !text.is_empty() && text.len() <= NAME_MAX && text.chars().all(fits);
        right.then(|| Self(text.to_owned()))
    }

    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

fn path(folder: &Path, name: &QueueName) -> PathBuf {
    folder.join(format!("{name}.cursor"))
}

/// The cursors in a folder. One that cannot be read is an error: nobody knows what its segments are needed for.
pub(super) fn list(folder: &Path) -> Result<BTreeMap<QueueName, Position>, LogError> {
    let mut found = BTreeMap::new();
    for file in fs::read_dir(folder).map_err(LogError::io("list cursors in", folder))? {
        let path = file.map_err(LogError::io("list cursors in", folder))?.path();
        let stem = path.file_name().and_then(|name| name.to_str()?.strip_suffix(".cursor"));
        let Some(name) = stem.and_then(QueueName::new) else { continue };
        let text = fs::read_to_string(&path).map_err(LogError::io("read cursor", &path))?;
        found.insert(name, parse(&text).ok_or(LogError::Cursor { path })?);
    }
    Ok(found)
}

/// Replaces a cursor: either the old one or the new one is there, whenever the power goes.
pub(super) fn write(folder: &Path, name: &QueueName, position: Position) -> Result<(), LogError> {
    let path = path(folder, name);
    let beside = path.with_extension("cursor-new");
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(format(position).as_bytes())?;
        file.sync_all()
    });
    written.and_then(|()| fs::rename(&beside, &path)).map_err(LogError::io("write cursor", &path))?;
    sync_folder(folder)
}

/// Takes a cursor away.
pub(super) fn remove(folder: &Path, name: &QueueName) -> Result<(), LogError> {
    let path = path(folder, name);
    fs::remove_file(&path).map_err(LogError::io("delete cursor", &path))?;
    sync_folder(folder)
}

fn format(position: Position) -> String {
    let text = format!("{HEAD}\nsegment {}\noffset {}\n", position.segment, position.offset);
    let checksum = xxh3_64(text.as_bytes());
    format!("{text}checksum {checksum:016x}\n")
}

fn parse(text: &str) -> Option<Position> {
    let mut lines = text.lines().skip(1);
    let segment = lines.next()?.strip_prefix("segment ")?.parse().ok()?;
    let offset = lines.next()?.strip_prefix("offset ")?.parse().ok()?;
    let position = Position { segment, offset };
    (format(position) == text).then_some(position)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written_and_a_damaged_one_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let name = QueueName::new("central").unwrap();
        let position = Position { segment: 12, offset: u64::MAX };
        write(folder.path(), &name, Position::default()).unwrap();
        write(folder.path(), &name, position).unwrap();
        assert_eq!(list(folder.path()).unwrap(), BTreeMap::from([(name.clone(), position)]));
        let path = path(folder.path(), &name);
        let damaged = fs::read_to_string(&path).unwrap().replace("12", "13");
        fs::write(&path, damaged).unwrap();
        let said = list(folder.path()).unwrap_err().to_string();
        assert!(said.contains("central.cursor"), "{said}");
        remove(folder.path(), &name).unwrap();
        assert!(list(folder.path()).unwrap().is_empty());
    }

    #[test]
    fn a_name_cannot_leave_the_folder() {
        for wrong in ["", "..", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert_eq!(QueueName::new(wrong), None, "{wrong}");
        }
        assert!(QueueName::new("eu-west_1").is_some());
    }
}
