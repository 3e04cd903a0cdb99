//! Destinations as OTEL_EXPORTER_OTLP_* name them: one for each signal, since each may lead elsewhere.
//!
//! Source: the OpenTelemetry specification, "OpenTelemetry Protocol Exporter". A variable of one signal replaces the one
//! for all; an empty one counts as unset.

use std::path::PathBuf;
use std::time::Duration;

use super::destination::{Destination, Protocol};
use super::endpoint::{Endpoint, EndpointError, Scheme};
use super::headers::{HeaderError, Headers};
use crate::model::Signal;
use crate::net::ClientFiles;
use crate::store::log::QueueName;

/// Why a variable cannot be used. What it holds may be a secret, so only settings that are none are repeated.
#[derive(Debug, thiserror::Error)]
pub enum EnvironmentError {
    /// An endpoint that is none.
    #[error("environment variable {variable}: {source}")]
    Endpoint {
        /// Its name.
        variable: String,
        /// The cause.
        source: EndpointError,
    },
    /// Headers that are none.
    #[error("environment variable {variable}: {source}")]
    Headers {
        /// Its name.
        variable: String,
        /// The cause.
        source: HeaderError,
    },
    /// A word that the variable does not take.
    #[error("environment variable {variable}: `{value}` is none of {known}")]
    Word {
        /// Its name.
        variable: String,
        /// What it says.
        value: String,
        /// What it takes.
        known: &'static str,
    },
}

/// One variable that is set.
struct Said {
    variable: String,
    text: String,
    /// It speaks of one signal only.
    own: bool,
}

impl Said {
    fn wrong(self, known: &'static str) -> EnvironmentError {
        EnvironmentError::Word { variable: self.variable, value: self.text, known }
    }
}

struct Variables<'a, F> {
    signal: Signal,
    lookup: &'a F,
}

impl<F: Fn(&str) -> Option<String>> Variables<'_, F> {
    fn get(&self, setting: &str) -> Option<Said> {
        let signal = self.signal.as_str().to_uppercase();
        let names = [
            (format!("OTEL_EXPORTER_OTLP_{signal}_{setting}"), true),
            (format!("OTEL_EXPORTER_OTLP_{setting}"), false),
        ];
        names.into_iter().find_map(|(variable, own)| {
            let text = (self.lookup)(&variable)?.trim().to_owned();
            (!text.is_empty()).then_some(Said { variable, text, own })
        })
    }

    fn path(&self, setting: &str) -> Option<PathBuf> {
        self.get(setting).map(|said| said.text.into())
    }

    fn protocol(&self) -> Result<Protocol, EnvironmentError> {
        match self.get("PROTOCOL") {
            None => Ok(Protocol::Http),
            Some(said) => {
                Protocol::named(&said.text).ok_or_else(|| said.wrong("grpc, http/protobuf (OTLP/JSON is not sent)"))
            }
        }
    }

    fn flag(&self, setting: &str) -> Result<bool, EnvironmentError> {
        match self.get(setting) {
            None => Ok(false),
            Some(said) => match said.text.to_ascii_lowercase().as_str() {
                "true" => Ok(true),
                "false" => Ok(false),
                _ => Err(said.wrong("true, false")),
            },
        }
    }

    fn endpoint(&self, protocol: Protocol) -> Result<Endpoint, EnvironmentError> {
        let scheme = match protocol {
            // Only there is a host without a scheme an endpoint.
            Protocol::Grpc => Scheme::Implied { tls: !self.flag("INSECURE")? },
            Protocol::Http => Scheme::Needed,
        };
        let said = self.get("ENDPOINT").unwrap_or_else(|| Said {
            variable: "OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(),
            text: format!("http://localhost:{}", protocol.port()),
            own: false,
        });
        Endpoint::parse(&said.text, scheme, protocol.port(), said.own)
            .map_err(|source| EnvironmentError::Endpoint { variable: said.variable, source })
    }

    fn destination(&self, name: QueueName) -> Result<Destination, EnvironmentError> {
        let protocol = self.protocol()?;
        let mut destination = Destination::new(name, self.endpoint(protocol)?, protocol);
        destination.signals = vec![self.signal];
        destination.files = ClientFiles {
            ca: self.path("CERTIFICATE"),
            cert: self.path("CLIENT_CERTIFICATE"),
            key: self.path("CLIENT_KEY"),
        };
        if let Some(said) = self.get("HEADERS") {
            destination.headers = Headers::from_variable(&said.text)
                .map_err(|source| EnvironmentError::Headers { variable: said.variable, source })?;
        }
        if let Some(said) = self.get("COMPRESSION") {
            destination.gzip = match said.text.as_str() {
                "gzip" => true,
                "none" => false,
                _ => return Err(said.wrong("gzip, none")),
            };
        }
        if let Some(said) = self.get("TIMEOUT") {
            let timeout = said.text.parse().ok().filter(|milliseconds| *milliseconds > 0);
            destination.timeout = Duration::from_millis(timeout.ok_or_else(|| said.wrong("milliseconds, from 1"))?);
        }
        Ok(destination)
    }
}

/// One destination a signal: `otel-traces`, `otel-metrics`, `otel-logs`.
pub fn from_environment(lookup: impl Fn(&str) -> Option<String>) -> Result<Vec<Destination>, EnvironmentError> {
    let named = Signal::ALL.into_iter().filter_map(|signal| {
        let name = QueueName::new(&format!("otel-{}", signal.as_str()))?;
        Some(Variables { signal, lookup: &lookup }.destination(name))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Vec<Destination>, EnvironmentError> {
        from_environment(|name| {
            let found = variables.iter().find(|(known, _)| format!("OTEL_EXPORTER_OTLP_{known}") == name);
            found.map(|(_, text)| (*text).to_owned())
        })
    }

    #[test]
    fn the_base_endpoint_appends_and_a_signals_own_is_used_as_it_is_point_46() {
        let found = read(&[("ENDPOINT", "http://all:4318/x"), ("LOGS_ENDPOINT", "https://logs/here")]).unwrap();
        let told: Vec<String> = found
            .iter()
            .map(|d| format!("{} {}{}", d.name, d.endpoint.peer.authority(), d.endpoint.path(d.signals[0])))
            .collect();
        let expected =
            ["otel-traces all:4318/x/v1/traces", "otel-metrics all:4318/x/v1/metrics", "otel-logs logs:4318/here"];
        assert_eq!(told, expected);
    }

    #[test]
    fn nothing_set_means_a_local_collector_over_http_point_46() {
        let found = read(&[]).unwrap();
        assert_eq!(found[0].endpoint.shown(), "http://localhost:4318");
        assert_eq!((found[0].protocol, found[0].timeout), (Protocol::Http, Duration::from_secs(10)));
        assert_eq!(
            read(&[("PROTOCOL", "grpc"), ("ENDPOINT", "")]).unwrap()[0].endpoint.shown(),
            "http://localhost:4317"
        );
    }

    #[test]
    fn every_setting_is_read_and_a_signals_own_wins_point_46() {
        let found = read(&[
            ("PROTOCOL", "grpc"),
            ("ENDPOINT", "central:4317"),
            ("METRICS_PROTOCOL", "http/protobuf"),
            ("METRICS_ENDPOINT", "http://m:1"),
            ("HEADERS", "a=1"),
            ("TRACES_HEADERS", "b=2"),
            ("TIMEOUT", "2500"),
            ("LOGS_TIMEOUT", "100"),
            ("COMPRESSION", "none"),
            ("TRACES_COMPRESSION", "gzip"),
            ("CERTIFICATE", "ca.pem"),
            ("CLIENT_CERTIFICATE", "c.pem"),
            ("CLIENT_KEY", "k.pem"),
            ("LOGS_INSECURE", "true"),
        ])
        .unwrap();
        let [traces, metrics, logs] = found.as_slice() else { panic!("three") };
        assert_eq!((traces.protocol, metrics.protocol), (Protocol::Grpc, Protocol::Http));
        assert!(traces.endpoint.peer.tls && !logs.endpoint.peer.tls);
        assert!(traces.headers.current().contains_key("b") && !traces.headers.current().contains_key("a"));
        assert!(logs.headers.current().contains_key("a"));
        assert_eq!((traces.timeout.as_millis(), logs.timeout.as_millis()), (2500, 100));
        assert_eq!((traces.gzip, logs.gzip), (true, false));
        assert_eq!(traces.files.ca, Some("ca.pem".into()));
        assert_eq!((&traces.files.cert, &traces.files.key), (&Some("c.pem".into()), &Some("k.pem".into())));
    }

    #[test]
    fn what_is_wrong_names_its_variable_and_no_secret_point_46() {
        for (name, text) in [
            ("PROTOCOL", "http/json"),
            ("ENDPOINT", "central:4317"),
            ("TIMEOUT", "10s"),
            ("TRACES_TIMEOUT", "0"),
            ("COMPRESSION", "zstd"),
            ("HEADERS", "secret"),
        ] {
            let said = read(&[(name, text)]).unwrap_err().to_string();
            assert!(said.contains(&format!("OTEL_EXPORTER_OTLP_{name}")), "{said}");
            assert!(name != "HEADERS" || !said.contains("secret"), "{said}");
        }
    }
}
