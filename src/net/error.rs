//! Why a connection cannot be made, or a certificate not be used.

use std::path::PathBuf;

/// Why a connection cannot be made, or a certificate not be used.
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
    /// A certificate without its key, or a key without its certificate.
    #[error("`{}`: a certificate needs its key, and a key its certificate", .0.display())]
    HalfIdentity(PathBuf),
    /// Nobody answers.
    #[error("connect to {peer}: {source}")]
    Connect {
        /// Host and port.
        peer: String,
        /// The cause.
        source: std::io::Error,
    },
    /// Who answers cannot be trusted, or does not trust us.
    #[error("TLS with {peer}: {source}")]
    Handshake {
        /// Host and port.
        peer: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A host that no certificate can name.
    #[error("`{0}` is no name that a certificate can have")]
    Name(String),
    /// TLS itself cannot be set up.
    #[error("set up TLS")]
    Setup(#[source] rustls::Error),
}

use tokio_rustls::rustls;
