//! Connections that we open ourselves: plain, or over TLS that trusts the public authorities and the user's own.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::error::NetError;
use super::tls::{ClientFiles, chain, key, provider, trust};

/// Whom a connection leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Name or address, an IPv6 address without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// Whether the connection is encrypted.
    pub tls: bool,
}

impl Peer {
    /// As it stands in a URL: `host:port`, an IPv6 address in brackets.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Connects. `protocol` is what is offered by ALPN: `h2` or `http/1.1`. The files are read each time, so that a
    /// renewed certificate needs no restart.
    pub async fn connect(&self, files: &ClientFiles, protocol: &[u8]) -> Result<Stream, NetError> {
        let failed = |source| NetError::Connect { peer: self.authority(), source };
        let config = if self.tls { Some(client_config(files, protocol)?) } else { None };
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(failed)?;
        stream.set_nodelay(true).map_err(failed)?;
        let Some(config) = config else { return Ok(Stream::Plain(stream)) };
        let name = ServerName::try_from(self.host.clone()).map_err(|_e| NetError::Name(self.host.clone()))?;
        let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
        Ok(Stream::Tls(Box::new(connected.map_err(|source| NetError::Handshake { peer: self.authority(), source })?)))
    }
}

/// What a client trusts, and what it shows. Also a check of the files.
pub fn client_config(files: &ClientFiles, protocol: &[u8]) -> Result<ClientConfig, NetError> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = &files.ca {
        trust(&mut roots, path)?;
    }
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(NetError::Setup)?
        .with_root_certificates(roots);
    let mut config = match (&files.cert, &files.key) {
        (None, None) => builder.with_no_client_auth(),
        (Some(cert), Some(key_file)) => builder
            .with_client_auth_cert(chain(cert)?, key(key_file)?)
            .map_err(|source| NetError::Unusable { what: "the certificate", path: cert.clone(), source })?,
        (Some(one), None) | (None, Some(one)) => return Err(NetError::HalfIdentity(one.clone())),
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(config)
}

/// A connection.
#[derive(Debug)]
pub enum Stream {
    /// Unencrypted.
    Plain(TcpStream),
    /// Encrypted.
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
