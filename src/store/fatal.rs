//! Faults that only a restart mends.

use super::StoreError;

/// Exit code of a fault of our own.
const EXIT_INTERNAL: i32 = 70;

/// After a failed sync, or a checkpoint that broke off, DuckDB refuses everything until the file is opened again. What
/// was acknowledged lies in the log: ending at once loses nothing, and the next start goes on.
pub(super) fn stop_where_only_a_restart_helps(error: &StoreError) {
    let told = told(error);
    if told.contains("database has been invalidated") {
        tracing::error!(
            error = told,
            "the store must be opened again: perfline ends here, start it again; the log keeps everything"
        );
        std::process::exit(EXIT_INTERNAL);
    }
}

/// An error with its causes.
pub(super) fn told(error: &StoreError) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    causes.fold(error.to_string(), |told, cause| format!("{told}: {cause}"))
}
