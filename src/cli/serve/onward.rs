//! Destinations of forwarding as the configuration and the environment name them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::Failure;
use super::named;
use crate::config::{Config, ForwardTo};
use crate::forward::{
    Backoff, Destination, DestinationError, Endpoint, HeaderError, Headers, Protocol, Scheme, from_environment,
};
use crate::net::ClientFiles;
use crate::store::Store;
use crate::store::log::{Queue, QueueName};

/// What to do about a destination that is wrong.
const HELP: &str = "docs/forwarding.md says what a destination takes";

/// Every destination; an error names the one that is wrong.
pub(crate) fn destinations(config: &Config) -> Result<Vec<Destination>, Failure> {
    let wrong = |error: DestinationError| {
        let help = match error {
            DestinationError::Loop { .. } => "name another collector; from_env takes OTEL_EXPORTER_OTLP_ENDPOINT",
            _ => HELP,
        };
        Failure::machine("configure: forward", &error).with_help(help)
    };
    let mut found = Vec::new();
    for to in &config.forward.to {
        found.push(destination(to).map_err(wrong)?);
    }
    if config.forward.from_env {
        let named = from_environment(|name| std::env::var(name).ok());
        found.extend(named.map_err(|e| Failure::machine("configure: forward.from_env", &e).with_help(HELP))?);
    }
    let mut names = BTreeSet::new();
    for destination in &found {
        destination.check(&[config.listen.grpc, config.listen.http]).map_err(wrong)?;
        if !names.insert(&destination.name) {
            return Err(wrong(DestinationError::Twice(destination.name.to_string())));
        }
    }
    Ok(found)
}

fn destination(to: &ForwardTo) -> Result<Destination, DestinationError> {
    let name = QueueName::new(&to.name).ok_or_else(|| DestinationError::Name(to.name.clone()))?;
    let owner = || to.name.clone();
    let word =
        |setting, value: &str, known| DestinationError::Word { name: owner(), setting, value: value.to_owned(), known };
    let protocol = match &to.protocol {
        None => Protocol::Grpc,
        Some(text) => Protocol::named(text).ok_or_else(|| word("protocol", text, "grpc, http/protobuf"))?,
    };
    let endpoint = Endpoint::parse(&to.endpoint, Scheme::Needed, protocol.port(), false)
        .map_err(|source| DestinationError::Endpoint { name: owner(), source })?;
    let mut made = Destination::new(name, endpoint, protocol);
    made.gzip = match to.compression.as_deref() {
        None | Some("gzip") => true,
        Some("none") => false,
        Some(other) => return Err(word("compression", other, "gzip, none")),
    };
    made.signals = to.signals.clone().unwrap_or(made.signals);
    made.headers = headers(to).map_err(|source| DestinationError::Headers { name: owner(), source })?;
    let file = |path: &Option<PathBuf>| path.as_deref().and_then(named).map(Path::to_owned);
    made.files = ClientFiles { ca: file(&to.ca_file), cert: file(&to.cert_file), key: file(&to.key_file) };
    made.timeout = to.timeout.map_or(made.timeout, |period| period.0.max(Duration::from_millis(1)));
    made.queue_bytes_max = to.queue_bytes_max.map_or(made.queue_bytes_max, |size| size.0);
    made.age_max = to.age_max.map_or(made.age_max, |period| period.0);
    made.request_bytes_max = to.request_bytes_max.map_or(made.request_bytes_max, |size| size.as_usize());
    made.backoff = Backoff {
        first: to.retry_wait.map_or(made.backoff.first, |period| period.0),
        max: to.retry_wait_max.map_or(made.backoff.max, |period| period.0),
    };
    Ok(made)
}

fn headers(to: &ForwardTo) -> Result<Headers, HeaderError> {
    let fixed = to.headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let file = to.headers_file.as_deref().and_then(named);
    let variable = to.headers_env.as_deref().filter(|name| !name.is_empty());
    let from_variable = variable.map(|name| std::env::var(name).map_err(|_e| HeaderError::Variable(name.to_owned())));
    Headers::new(fixed, from_variable.transpose()?.as_deref(), file)
}

/// The queue of each destination. Queues of destinations that are no longer named are given up, and said to be.
pub(super) fn queues(store: &Store, destinations: Vec<Destination>) -> Result<Vec<(Destination, Queue)>, Failure> {
    for name in store.queues() {
        if !destinations.iter().any(|destination| destination.name == name) {
            let waited = store.queue(name.clone())?.waiting().map_err(crate::store::StoreError::from)?;
            tracing::warn!(
                destination = name.as_str(),
                bytes = waited.bytes,
                "this destination is no longer configured: what waited for it is given up"
            );
            store.forget_queue(&name)?;
        }
    }
    let with_queue = |destination: Destination| {
        let queue = store.queue(destination.name.clone())?;
        Ok((destination, queue))
    };
    destinations.into_iter().map(with_queue).collect()
}
