//! Why a command could not be answered, by a file or by a running service.

use std::path::PathBuf;

use crate::otlp::sink::SubmitError;
use crate::store::{Exceeded, MEMORY_HELP, MEMORY_KEY, StoreError};

/// Why a command could not be answered.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store did not take a request.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// Nothing answers at the address.
    #[error("reach the service at {url}")]
    Unreachable {
        /// The address.
        url: String,
        /// The cause.
        source: tonic::transport::Error,
    },
    /// The service refused.
    #[error("the service at {url} refused: {message}")]
    Refused {
        /// The address.
        url: String,
        /// What it said.
        message: String,
    },
    /// A question wants more than the service gives.
    #[error("the service at {url} refused: {message}")]
    Exceeded {
        /// The address.
        url: String,
        /// What it said.
        message: String,
        /// The setting that bounds it.
        key: String,
    },
    /// The service cannot answer now, and may soon.
    #[error("the service at {url} cannot answer now: {message}")]
    Busy {
        /// The address.
        url: String,
        /// What it said.
        message: String,
    },
    /// The connection broke while the service was asked.
    #[error("the connection to the service at {url} broke: {message}")]
    Broken {
        /// The address.
        url: String,
        /// The cause.
        message: String,
    },
    /// The service wants another token.
    #[error("the service at {url} refused: {message}")]
    Denied {
        /// The address.
        url: String,
        /// What it said.
        message: String,
    },
    /// A certificate or a key could not be read.
    #[error("read `{}`", path.display())]
    Certificate {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A certificate without its key, or a key without its certificate.
    #[error("a certificate needs its key, and a key its certificate")]
    HalfIdentity,
    /// The token cannot stand in a header.
    #[error("the token has characters that no token has")]
    Token,
    /// The answer was not understood.
    #[error("the service answered with something this build does not know: {0}")]
    Answer(String),
    /// The client could not be started.
    #[error("start the client")]
    Runtime(#[from] std::io::Error),
}

impl ApiError {
    /// The setting that a question went past, where that is why it was not answered: it says nothing of the store.
    pub(crate) fn limit(&self) -> Option<&str> {
        match self {
            Self::Exceeded { key, .. } => Some(key),
            Self::Store(StoreError::Exceeded(bound)) => Some(bound.key()),
            Self::Store(error) if error.wants_memory() => Some(MEMORY_KEY),
            _ => None,
        }
    }

    /// What to do about it, where there is something to do.
    #[must_use]
    pub fn help(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.help(),
            Self::Unreachable { .. } => {
                Some("is `perfline serve` running there? --store also takes a DuckDB file".to_owned())
            }
            Self::Exceeded { key, .. } if key == MEMORY_KEY => Some(MEMORY_HELP.to_owned()),
            Self::Exceeded { .. } => Some(Exceeded::HELP.to_owned()),
            Self::Busy { url, .. } => {
                Some(format!("try again in a few seconds; `perfline doctor --store {url}` says how it is"))
            }
            Self::Broken { .. } => Some("does it still run? the service's own log may say more".to_owned()),
            Self::Denied { .. } => {
                Some("give a token that may do this: PERFLINE_TOKEN, or --token-file FILE".to_owned())
            }
            Self::Token => Some("a token is one line of letters, digits and signs, without spaces".to_owned()),
            Self::Refused { url, .. } => {
                Some(format!("the service's own log may say more; `perfline doctor --store {url}` says how it is"))
            }
            Self::HalfIdentity => Some("give both --cert-file and --key-file".to_owned()),
            Self::Answer(_) => Some("are both ends of the same version? compare `perfline --version`".to_owned()),
            _ => None,
        }
    }
}
