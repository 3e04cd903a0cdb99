//! What single values cannot say: settings that do not go together.

use std::net::SocketAddr;

use super::error::ConfigError;
use super::sections::Config;

/// How often a body may be in memory while it is read.
const BODY_COPIES: u64 = 3;

impl Config {
    /// Everything that `perfline serve` would refuse, as far as it shows in the settings alone.
    #[must_use]
    pub fn conflicts(&self) -> Vec<ConfigError> {
        let mut found = Vec::new();
        let mut add = |what: String, help: &str| found.push(ConfigError::Conflict { what, help: help.to_owned() });
        if self.store.path.to_str().is_some_and(|path| path.contains("://")) {
            add(format!("store.path: `{}` is a URL", self.store.path.display()), "`serve` needs the DuckDB file");
        }
        if self.tls.cert_file.as_os_str().is_empty() != self.tls.key_file.as_os_str().is_empty() {
            add("tls.cert_file and tls.key_file belong together: one of them is missing".to_owned(), "name both");
        }
        if self.tls.asks_clients() && !self.tls.is_on() {
            add("tls.client_ca_file works only with TLS".to_owned(), "name tls.cert_file and tls.key_file too");
        }
        let guarded = self.tls.is_on() && (self.access.is_on() || self.tls.asks_clients());
        for address in [self.listen.grpc, self.listen.http] {
            if !address.ip().is_loopback() && !guarded && !self.listen.allow_insecure_bind {
                add(
                    format!("listen on {address}: others could read and write the store"),
                    "listen on 127.0.0.1; or set tls.cert_file, tls.key_file and access.token_file; or accept the risk \
                     with --allow-insecure-bind",
                );
            }
        }
        if same_port(self.listen.grpc, self.listen.http) {
            add(format!("listen.grpc and listen.http are both {}", self.listen.http), "give each a port of its own");
        }
        for (key, is_zero) in [
            ("limits.connections_max", self.limits.connections_max == 0),
            ("limits.body_bytes_max", self.limits.body_bytes_max.0 == 0),
            ("limits.body_timeout", self.limits.body_timeout.0.is_zero()),
            ("limits.header_timeout", self.limits.header_timeout.0.is_zero()),
        ] {
            if is_zero {
                add(format!("{key} is 0: nothing could be received"), "give it more, or leave it out for the default");
            }
        }
        // The body as it came, and what it becomes in a buffer that doubles as it grows.
        if self.limits.body_bytes_max.0.saturating_mul(BODY_COPIES) > self.limits.bodies_bytes_max.0 {
            add(
                "limits.bodies_bytes_max is less than three times limits.body_bytes_max: a body of that size, with what \
                 it is inflated or decoded to, never fits, and its client would be told to come again for ever"
                    .to_owned(),
                "raise limits.bodies_bytes_max, or lower limits.body_bytes_max",
            );
        }
        if self.limits.body_bytes_max.0 >= self.store.buffer_bytes_max.0 {
            add(
                "store.buffer_bytes_max is no more than limits.body_bytes_max: a request of that size never fits, and \
                 its client would be told to come again for ever"
                    .to_owned(),
                "raise store.buffer_bytes_max, or lower limits.body_bytes_max",
            );
        }
        found
    }
}

fn same_port(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() != 0 && a.port() == b.port() && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

#[cfg(test)]
mod tests {
    use crate::config::Layers;

    fn conflicts(assignments: &[&str]) -> Vec<String> {
        let mut layers = Layers::new().unwrap();
        for assignment in assignments {
            layers.assign(assignment).unwrap();
        }
        layers.config().unwrap().conflicts().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_defaults_go_together() {
        assert_eq!(conflicts(&[]), Vec::<String>::new());
    }

    #[test]
    fn listening_beyond_this_machine_unprotected_is_refused_unless_it_is_allowed() {
        let open = "listen.http=0.0.0.0:4318";
        assert!(conflicts(&[open])[0].starts_with("listen on 0.0.0.0:4318"));
        assert_eq!(conflicts(&[open, "listen.allow_insecure_bind=true"]), Vec::<String>::new());
        let tls = ["tls.cert_file=c.pem", "tls.key_file=k.pem"];
        assert_eq!(conflicts(&[open, tls[0], tls[1]]).len(), 1, "encryption alone lets everybody in");
        assert_eq!(conflicts(&[open, "access.token_file=t"]).len(), 1, "a token alone can be read on the way");
        assert_eq!(conflicts(&[open, tls[0], tls[1], "access.token_file=t"]), Vec::<String>::new());
        assert_eq!(conflicts(&[open, tls[0], tls[1], "tls.client_ca_file=a"]), Vec::<String>::new());
    }

    #[test]
    fn half_of_tls_is_refused() {
        assert_eq!(conflicts(&["tls.cert_file=c.pem"]).len(), 1);
        assert_eq!(conflicts(&["tls.client_ca_file=a"]).len(), 1);
    }

    #[test]
    fn a_body_that_never_fits_into_memory_is_refused_at_the_limit_and_not_below() {
        let with = |body: &str, bodies: &str, buffer: &str| {
            let keys = ["limits.body_bytes_max", "limits.bodies_bytes_max", "store.buffer_bytes_max"];
            let said: Vec<String> =
                keys.iter().zip([body, bodies, buffer]).map(|(key, value)| format!("{key}={value}")).collect();
            conflicts(&said.iter().map(String::as_str).collect::<Vec<_>>())
        };
        assert_eq!(with("64MiB", "192MiB", "65MiB"), Vec::<String>::new());
        assert!(with("65MiB", "192MiB", "256MiB")[0].starts_with("limits.bodies_bytes_max"));
        assert!(with("64MiB", "256MiB", "64MiB")[0].starts_with("store.buffer_bytes_max"));
    }

    #[test]
    fn one_port_for_both_a_url_for_a_file_and_a_body_that_never_fits_are_refused() {
        let found = conflicts(&["listen.http=127.0.0.1:4317", "store.path=http://x", "limits.body_bytes_max=1GiB"]);
        assert_eq!(found.len(), 4, "{found:?}");
    }
}
