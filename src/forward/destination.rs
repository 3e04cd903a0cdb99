//! A destination as it is configured.

use std::time::Duration;

use super::backoff::Backoff;
use super::endpoint::{Endpoint, EndpointError};
use super::headers::{HeaderError, Headers};
use crate::model::Signal;
use crate::net::{ClientFiles, NetError, client_config};
use crate::store::log::QueueName;

/// How a destination is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// OTLP/gRPC.
    Grpc,
    /// OTLP/HTTP, protobuf.
    Http,
}

impl Protocol {
    /// The protocol that a setting names. OTLP/JSON is not sent.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        match text {
            "grpc" => Some(Self::Grpc),
            "http/protobuf" => Some(Self::Http),
            _ => None,
        }
    }

    /// As a setting names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http/protobuf",
        }
    }

    /// The port where a URL names none.
    #[must_use]
    pub fn port(self) -> u16 {
        match self {
            Self::Grpc => 4317,
            Self::Http => 4318,
        }
    }

    /// What is offered by ALPN.
    pub(super) fn alpn(self) -> &'static [u8] {
        match self {
            Self::Grpc => b"h2",
            Self::Http => b"http/1.1",
        }
    }
}

/// Why a destination cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DestinationError {
    /// A name that is none.
    #[error("`{0}` is no name: letters, digits, - and _, 64 at most")]
    Name(String),
    /// Two of one name.
    #[error("two destinations are named `{0}`")]
    Twice(String),
    /// An endpoint that is none.
    #[error("{name}: endpoint: {source}")]
    Endpoint {
        /// The destination.
        name: String,
        /// The cause.
        source: EndpointError,
    },
    /// A setting with a word that it does not take.
    #[error("{name}: {setting}: `{value}` is none of {known}")]
    Word {
        /// The destination.
        name: String,
        /// The setting.
        setting: &'static str,
        /// What it says.
        value: String,
        /// What it takes.
        known: &'static str,
    },
    /// Headers that cannot be sent.
    #[error("{name}: headers: {source}")]
    Headers {
        /// The destination.
        name: String,
        /// The cause.
        source: HeaderError,
    },
    /// Certificates that cannot be used.
    #[error("{name}: {source}")]
    Tls {
        /// The destination.
        name: String,
        /// The cause.
        source: Box<NetError>,
    },
    /// It would get back what it sends.
    #[error("{name}: the endpoint {endpoint} is our own listener: everything would come back")]
    Loop {
        /// The destination.
        name: String,
        /// Where it leads.
        endpoint: String,
    },
}

/// A destination.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Its name, and its queue's.
    pub name: QueueName,
    /// Where it is.
    pub endpoint: Endpoint,
    /// How it is spoken to.
    pub protocol: Protocol,
    /// What it gets.
    pub signals: Vec<Signal>,
    /// Whether bodies are compressed (gzip).
    pub gzip: bool,
    /// What goes with each request.
    pub headers: Headers,
    /// Whom it trusts, and what it shows.
    pub files: ClientFiles,
    /// How long one attempt may take, connecting included.
    pub timeout: Duration,
    /// What may wait, bytes of the log; beyond it the oldest is given up.
    pub queue_bytes_max: u64,
    /// What is older is given up.
    pub age_max: Duration,
    /// Longer requests are cut, before compression.
    pub request_bytes_max: usize,
    /// How long it waits before it tries again.
    pub backoff: Backoff,
}

impl Destination {
    /// A destination with the default of every setting.
    #[must_use]
    pub fn new(name: QueueName, endpoint: Endpoint, protocol: Protocol) -> Self {
        Self {
            name,
            endpoint,
            protocol,
            signals: Signal::ALL.to_vec(),
            gzip: true,
            headers: Headers::default(),
            files: ClientFiles::default(),
            timeout: Duration::from_secs(10),
            queue_bytes_max: 1 << 30,
            age_max: Duration::from_secs(7 * 24 * 3600),
            request_bytes_max: 4 << 20,
            backoff: Backoff::default(),
        }
    }

    /// What its files and the others tell only now: certificates that cannot be read, a way back to ourselves.
    pub fn check(&self, listeners: &[std::net::SocketAddr]) -> Result<(), DestinationError> {
        let name = || self.name.to_string();
        client_config(&self.files, self.protocol.alpn())
            .map_err(|source| DestinationError::Tls { name: name(), source: Box::new(source) })?;
        if listeners.iter().any(|listener| self.endpoint.leads_to(*listener)) {
            return Err(DestinationError::Loop { name: name(), endpoint: self.endpoint.shown() });
        }
        Ok(())
    }
}
