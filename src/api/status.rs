//! Our errors over gRPC: how the service says them, and how the client understands them.

use std::error::Error as _;
use std::time::Duration;

use tonic::{Code, Status};

use super::error::ApiError;
use crate::otlp::come_again;
use crate::otlp::sink::SubmitError;
use crate::store::{Exceeded, MEMORY_KEY, StoreError};

/// Names the setting that a question went past. The code alone does not tell it from what a proxy says, or a deadline.
const LIMIT: &str = "perfline-limit";
/// When who met a fault that passes should come again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What the service answers.
pub(super) fn to_status(error: &ApiError) -> Status {
    match error {
        ApiError::Store(StoreError::Exceeded(bound)) => {
            let code = match bound {
                Exceeded::Rows(_) | Exceeded::Bytes(_) => Code::ResourceExhausted,
                Exceeded::Time(_) => Code::DeadlineExceeded,
            };
            limited(code, bound.to_string(), bound.key())
        }
        ApiError::Store(error) if error.wants_memory() => limited(Code::ResourceExhausted, told(error), MEMORY_KEY),
        ApiError::Store(error @ (StoreError::Stalled | StoreError::Full { .. } | StoreError::Closed)) => {
            come_again(&error.to_string(), AGAIN_AFTER)
        }
        // The file is being opened again; what DuckDB says of that helps nobody who asks.
        ApiError::Store(error) if error.is_passing() => come_again(&StoreError::Stalled.to_string(), AGAIN_AFTER),
        ApiError::Store(StoreError::Query(message)) => Status::invalid_argument(message.clone()),
        ApiError::Submit(error @ SubmitError::Unfit(_)) => Status::invalid_argument(error.to_string()),
        ApiError::Submit(error) => come_again(&error.to_string(), AGAIN_AFTER),
        ApiError::Answer(message) => Status::invalid_argument(message.clone()),
        other => Status::internal(told(other)),
    }
}

fn limited(code: Code, message: String, key: &'static str) -> Status {
    let mut status = Status::new(code, message);
    status.metadata_mut().insert(LIMIT, tonic::metadata::MetadataValue::from_static(key));
    status
}

fn told(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}

/// What a status of the service at `url` means.
pub(super) fn from_status(url: &str, status: &Status) -> ApiError {
    let said = match status.message() {
        "" => status.code().description(),
        message => message,
    };
    let (url, message) = (url.to_owned(), said.to_owned());
    let limit = status.metadata().get(LIMIT).and_then(|key| key.to_str().ok());
    match (status.code(), limit) {
        (Code::Unauthenticated | Code::PermissionDenied, _) => ApiError::Denied { url, message },
        (_, Some(key)) => ApiError::Exceeded { url, message, key: key.to_owned() },
        // Made here, where the connection broke: the service said nothing.
        _ if status.source().is_some() => ApiError::Broken { url, message: told(status) },
        (Code::Unavailable, _) => ApiError::Busy { url, message },
        _ => ApiError::Refused { url, message },
    }
}

/// Whether the service says that it cannot now, and may soon.
pub(super) fn is_busy(status: &Status) -> bool {
    status.code() == Code::Unavailable && status.source().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn understood(error: StoreError) -> (Code, ApiError) {
        let status = to_status(&error.into());
        (status.code(), from_status("http://x", &status))
    }

    #[test]
    fn a_query_that_wants_too_much_is_told_with_its_setting() {
        for (bound, code, wanted) in [
            (Exceeded::Rows(1), Code::ResourceExhausted, "limits.query_rows_max"),
            (Exceeded::Bytes(1), Code::ResourceExhausted, "limits.query_bytes_max"),
            (Exceeded::Time(AGAIN_AFTER), Code::DeadlineExceeded, "limits.query_timeout"),
        ] {
            let (said, understood) = understood(bound.into());
            assert_eq!((said, understood.limit()), (code, Some(wanted)));
            assert!(understood.to_string().contains(wanted), "{understood}");
        }
        let (code, memory) = understood(StoreError::Query("Out of Memory Error: no".to_owned()));
        assert_eq!((code, memory.limit()), (Code::ResourceExhausted, Some("store.duckdb_memory_bytes_max")));
        assert!(memory.help().is_some_and(|help| help.contains("store.duckdb_memory_bytes_max")));
    }

    #[test]
    fn the_code_alone_is_no_limit_of_a_query() {
        for status in [Status::resource_exhausted("too large"), Status::deadline_exceeded("")] {
            let understood = from_status("http://x", &status);
            assert!(matches!(understood, ApiError::Refused { .. }) && understood.limit().is_none(), "{understood}");
            assert!(!understood.to_string().ends_with(": "), "{understood}");
        }
    }

    #[test]
    fn what_passes_is_asked_to_come_again() {
        for error in [
            StoreError::Stalled,
            StoreError::Full { free: 0 },
            StoreError::Query("FATAL Error: Failed: database has been invalidated because of ...".to_owned()),
            StoreError::Query("INTERRUPT Error: Interrupted!".to_owned()),
        ] {
            let status = to_status(&error.into());
            assert!(is_busy(&status) && !status.details().is_empty(), "{status:?}");
            assert!(!status.message().contains("invalidated"), "{status:?}");
            assert!(matches!(from_status("http://x", &status), ApiError::Busy { .. }));
        }
        let mistake = StoreError::Query("Invalid Input Error: FATAL Error".to_owned());
        assert_eq!(to_status(&mistake.into()).code(), Code::InvalidArgument);
    }
}
