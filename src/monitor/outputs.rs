//! Measures what a run wrote: the files behind `--output`.

use std::fs;
use std::path::{Path, PathBuf};

/// Most directory entries that are looked at, over all paths.
const ENTRIES_MAX: u64 = 100_000;

/// Files found and their size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outputs {
    /// Regular files.
    pub files: u64,
    /// Their size, bytes.
    pub bytes: u64,
    /// Whether there was more than is ever looked at.
    pub truncated: bool,
}

/// Counts the files at and below `paths`. A path that is absent counts as no file; symbolic links
/// are not followed, so that a link cannot lead out of the tree or in a circle.
#[must_use]
pub fn measure(paths: &[PathBuf]) -> Outputs {
    let mut outputs = Outputs::default();
    let mut waiting: Vec<PathBuf> = paths.to_vec();
    let mut entries = 0;
    while let Some(path) = waiting.pop() {
        entries += 1;
        if entries > ENTRIES_MAX {
            outputs.truncated = true;
            break;
        }
        let Ok(found) = fs::symlink_metadata(&path) else { continue };
        if found.is_file() {
            outputs.files += 1;
            outputs.bytes = outputs.bytes.saturating_add(found.len());
        } else if found.is_dir() {
            list_into(&path, &mut waiting);
        }
    }
    outputs
}

fn list_into(directory: &Path, waiting: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let room = usize::try_from(ENTRIES_MAX).unwrap_or(usize::MAX).saturating_sub(waiting.len());
    // One more than there is room for, so that the caller notices the rest.
    waiting.extend(entries.flatten().take(room + 1).map(|entry| entry.path()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_below_a_directory_are_counted_and_links_are_not() {
        let place = tempfile::tempdir().expect("tempdir");
        fs::create_dir(place.path().join("inner")).expect("mkdir");
        fs::write(place.path().join("a"), b"12345").expect("write");
        fs::write(place.path().join("inner/b"), b"123").expect("write");
        std::os::unix::fs::symlink(place.path(), place.path().join("circle")).expect("link");
        let outputs = measure(&[place.path().to_owned(), PathBuf::from("/does/not/exist")]);
        assert_eq!(outputs, Outputs { files: 2, bytes: 8, truncated: false });
    }
}
