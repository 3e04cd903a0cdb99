//! A client of one HTTP connection, plain or over TLS, that shows exactly what a test wants shown.

use std::error::Error;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use perfline::net::ClientFiles;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

pub type Failed = Box<dyn Error + Send + Sync>;

/// Sends one request over HTTP/1.1 to `url`, which names scheme and address alone.
pub async fn send(url: &str, files: &ClientFiles, request: Request<Body>) -> Result<Response<Incoming>, Failed> {
    let (scheme, address) = url.split_once("://").ok_or("no scheme")?;
    let stream = TcpStream::connect(address).await?;
    if scheme == "http" {
        return speak(TokioIo::new(stream), request).await;
    }
    let host = address.rsplit_once(':').ok_or("no port")?.0;
    let connector = TlsConnector::from(Arc::new(config(files)?));
    let stream = connector.connect(ServerName::try_from(host.to_owned())?, stream).await?;
    speak(TokioIo::new(stream), request).await
}

async fn speak<S>(stream: S, request: Request<Body>) -> Result<Response<Incoming>, Failed>
where
    S: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(stream).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}

/// A plain HTTP/2 connection.
pub async fn http2(address: &str) -> Result<http2::SendRequest<Body>, Failed> {
    let stream = TokioIo::new(TcpStream::connect(address).await?);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
    tokio::spawn(connection);
    Ok(sender)
}

fn config(files: &ClientFiles) -> Result<ClientConfig, Failed> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = &files.ca {
        roots.add(CertificateDer::from_pem_file(path)?)?;
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let (Some(cert), Some(key)) = (&files.cert, &files.key) else { return Ok(builder.with_no_client_auth()) };
    Ok(builder.with_client_auth_cert(vec![CertificateDer::from_pem_file(cert)?], PrivateKeyDer::from_pem_file(key)?)?)
}
