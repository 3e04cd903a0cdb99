//! Faults that only opening the file again mends, or only a restart, and how they are kept away.

use std::path::Path;

use super::StoreError;

/// Exit code of a fault of our own.
const EXIT_INTERNAL: i32 = 70;

/// What must be free on the disk for a load, bytes.
const ROOM_BYTES_MIN: u64 = 64 * 1024 * 1024;

/// A checkpoint of DuckDB's that finds no room breaks off, and only opening the file again mends that: better not begin.
pub(super) fn has_room(folder: &Path) -> Result<(), StoreError> {
    // Where the system does not say, the write itself does.
    let Ok(disk) = nix::sys::statvfs::statvfs(folder) else { return Ok(()) };
    let free = disk.blocks_available().saturating_mul(disk.fragment_size());
    if free < ROOM_BYTES_MIN { Err(StoreError::Full { free }) } else { Ok(()) }
}

/// Somebody reads on although every statement fails: a fault of ours. The log keeps everything.
pub(super) fn stop_with_readers() -> ! {
    tracing::error!(
        "the store must be opened again and somebody still reads it: perfline ends here, start it again; the log keeps \
         everything"
    );
    std::process::exit(EXIT_INTERNAL)
}

/// The loader outlives the log's thread, so that only a fault of ours can have ended it: to go on would acknowledge what
/// nobody loads. The log keeps everything, and the next start loads it.
pub(super) fn stop_without_loader() {
    tracing::error!("the loader has ended by a fault: perfline ends here, start it again; the log keeps everything");
    std::process::exit(EXIT_INTERNAL);
}

/// An error with its causes.
pub(super) fn told(error: &StoreError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}
