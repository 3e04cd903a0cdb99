//! TLS of our listeners, by rustls with ring; certificates are read again without a restart.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use super::error::NetError;

/// What a server shows, and what it asks of clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFiles {
    /// The certificate, and those between it and its authority (PEM).
    pub cert: PathBuf,
    /// Its key (PEM).
    pub key: PathBuf,
    /// The authority of clients (PEM): without one of its certificates nobody is let in.
    pub client_ca: Option<PathBuf>,
}

/// What a client trusts, and what it shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientFiles {
    /// An authority beside the public ones (PEM).
    pub ca: Option<PathBuf>,
    /// The client's own certificate (PEM).
    pub cert: Option<PathBuf>,
    /// Its key (PEM).
    pub key: Option<PathBuf>,
}

/// A server's side of TLS. Clones share it; new connections use what was read last.
#[derive(Clone, Debug)]
pub struct ServerTls {
    files: ServerFiles,
    current: Arc<RwLock<Arc<ServerConfig>>>,
}

impl ServerTls {
    /// Reads the files.
    pub fn read(files: ServerFiles) -> Result<Self, NetError> {
        let config = server_config(&files)?;
        Ok(Self { files, current: Arc::new(RwLock::new(Arc::new(config))) })
    }

    /// Reads the files again. Where they are wrong, what was read before stays in force.
    pub fn reload(&self) -> Result<(), NetError> {
        let config = Arc::new(server_config(&self.files)?);
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = config;
        Ok(())
    }

    /// The files.
    #[must_use]
    pub fn files(&self) -> &ServerFiles {
        &self.files
    }

    /// For one new connection.
    #[must_use]
    pub fn acceptor(&self) -> TlsAcceptor {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)).into()
    }
}

pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn server_config(files: &ServerFiles) -> Result<ServerConfig, NetError> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(NetError::Setup)?;
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            trust(&mut roots, path)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider())
                .build()
                .map_err(|source| NetError::Verifier { path: path.clone(), source })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut config = builder
        .with_single_cert(chain(&files.cert)?, key(&files.key)?)
        .map_err(|source| NetError::Unusable { what: "the certificate", path: files.cert.clone(), source })?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

pub(super) fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, NetError> {
    let failed = |source| NetError::Pem { what: "the certificate", path: path.to_owned(), source };
    let chain: Vec<_> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(failed)?;
    if chain.is_empty() { Err(NetError::NoCertificate(path.to_owned())) } else { Ok(chain) }
}

pub(super) fn key(path: &Path) -> Result<PrivateKeyDer<'static>, NetError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| NetError::Pem {
        what: "the key",
        path: path.to_owned(),
        source,
    })
}

pub(super) fn trust(roots: &mut RootCertStore, path: &Path) -> Result<(), NetError> {
    for certificate in chain(path)? {
        roots.add(certificate).map_err(|source| NetError::Unusable {
            what: "the authority",
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(())
}
