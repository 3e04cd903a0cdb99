//! Why a certificate cannot be used.

use std::path::PathBuf;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// A certificate or a key could not be read.
    #[error("read {what} `{}`", path.display())]
    Pem {
        /// "the certificate", "the key", "the authority".
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: rustls::pki_types::pem::Error,
    },
    /// A file holds no certificate.
    #[error("`{}` holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// A certificate and a key that do not go together, or an authority that is none.
    #[error("{what} `{}` cannot be used", path.display())]
    Unusable {
        /// "the certificate", "the authority".
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: rustls::Error,
    },
    /// The certificates of clients cannot be checked.
    #[error("the authority `{}` cannot be used", path.display())]
    Verifier {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: rustls::server::VerifierBuilderError,
    },
    /// TLS itself cannot be set up.
    #[error("set up TLS")]
    Setup(#[source] rustls::Error),
}

use tokio_rustls::rustls;
