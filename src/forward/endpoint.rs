//! Where a destination is: a URL, and what of it is used.

use std::net::{IpAddr, SocketAddr};

use crate::model::Signal;
use crate::net::Peer;

/// Why a text is no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// No `http://` or `https://`.
    #[error("`{0}` does not begin with http:// or https://")]
    Scheme(String),
    /// No host, or a port that is none.
    #[error("`{0}` names no host and port")]
    Authority(String),
    /// A user and a password have no place in a URL: it is shown.
    #[error("the endpoint holds a user or a password: give them as a header")]
    User,
    /// A question mark, a hash, or characters that no path has.
    #[error("`{0}` has a path that cannot be used")]
    Path(String),
}

/// What a URL without a scheme means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// It is an error.
    Needed,
    /// Encrypted or not.
    Implied {
        /// Encrypted.
        tls: bool,
    },
}

/// Which path a request goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Paths {
    /// Behind this prefix (without a slash at its end) stands `/v1/traces` and so on.
    Base(String),
    /// This one, whatever it is.
    Exact(String),
}

/// Where a destination is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Whom to connect to.
    pub peer: Peer,
    /// Where requests go there; gRPC has paths of its own.
    pub paths: Paths,
}

impl Endpoint {
    /// Reads a URL. `port` is meant where it names none; `exact`: its path is used as it is.
    pub fn parse(text: &str, scheme: Scheme, port: u16, exact: bool) -> Result<Self, EndpointError> {
        let text = text.trim();
        // What may hold a secret is not repeated: a password, or a key behind a question mark.
        let shown = || text.split(['?', '#']).next().unwrap_or_default().chars().take(100).collect::<String>();
        let before_path = text.split_once("://").map_or(text, |(_, rest)| rest);
        if before_path.split('/').next().is_some_and(|authority| authority.contains('@')) {
            return Err(EndpointError::User);
        }
        let (tls, rest) = match (text.split_once("://"), scheme) {
            (Some(("http", rest)), _) => (false, rest),
            (Some(("https", rest)), _) => (true, rest),
            (None, Scheme::Implied { tls }) => (tls, text),
            _ => return Err(EndpointError::Scheme(shown())),
        };
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = host_and_port(authority, port).ok_or_else(|| EndpointError::Authority(shown()))?;
        if !path.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'?' | b'#' | b'"' | b'<' | b'>')) {
            return Err(EndpointError::Path(shown()));
        }
        let paths = match (exact, path) {
            (true, "") => Paths::Exact("/".to_owned()),
            (true, path) => Paths::Exact(path.to_owned()),
            (false, path) => Paths::Base(path.trim_end_matches('/').to_owned()),
        };
        Ok(Self { peer: Peer { host, port, tls }, paths })
    }

    /// The path of one signal over HTTP.
    #[must_use]
    pub fn path(&self, signal: Signal) -> String {
        match &self.paths {
            Paths::Base(prefix) => format!("{prefix}/v1/{}", signal.as_str()),
            Paths::Exact(path) => path.clone(),
        }
    }

    /// For people.
    #[must_use]
    pub fn shown(&self) -> String {
        let (Paths::Base(path) | Paths::Exact(path)) = &self.paths;
        format!("{}://{}{path}", if self.peer.tls { "https" } else { "http" }, self.peer.authority())
    }

    /// Whether it leads to one of our own listeners, as far as an address tells.
    #[must_use]
    pub fn leads_to(&self, listener: SocketAddr) -> bool {
        if self.peer.port != listener.port() {
            return false;
        }
        let name = self.peer.host.to_ascii_lowercase();
        let address: Option<IpAddr> = name.parse().ok();
        let loopback = name == "localhost" || name.ends_with(".localhost");
        let here = loopback || address.is_some_and(|address| address.is_loopback() || address.is_unspecified());
        // Who listens everywhere is reached by every address of this machine.
        address == Some(listener.ip()) || (here && (listener.ip().is_loopback() || listener.ip().is_unspecified()))
    }
}

fn host_and_port(authority: &str, default: u16) -> Option<(String, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = port.map_or(Some(default), |port| port.parse().ok().filter(|port| *port > 0))?;
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    (!host.is_empty() && host.chars().all(fits)).then(|| (host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(text: &str) -> Result<Endpoint, EndpointError> {
        Endpoint::parse(text, Scheme::Needed, 4318, false)
    }

    #[test]
    fn the_base_endpoint_appends_a_path_and_the_exact_one_does_not_point_46() {
        assert_eq!(base("http://h:1/otlp/").unwrap().path(Signal::Traces), "/otlp/v1/traces");
        assert_eq!(base("https://h").unwrap().path(Signal::Logs), "/v1/logs");
        let exact = |text| Endpoint::parse(text, Scheme::Needed, 4318, true).unwrap().path(Signal::Metrics);
        assert_eq!(exact("http://h/custom/"), "/custom/");
        assert_eq!(exact("http://h"), "/");
    }

    #[test]
    fn a_scheme_says_whether_it_is_encrypted_and_where_none_is_needed_the_setting_does() {
        let peer = |text, scheme| Endpoint::parse(text, scheme, 4317, false).unwrap().peer;
        assert!(peer("https://h", Scheme::Needed).tls);
        assert!(!peer("http://h", Scheme::Implied { tls: true }).tls);
        let implied = peer("h:99", Scheme::Implied { tls: true });
        assert!(implied.tls && implied.host == "h" && implied.port == 99);
        assert_eq!(peer("[::1]", Scheme::Implied { tls: false }).authority(), "[::1]:4317");
    }

    #[test]
    fn what_is_no_endpoint_is_refused_and_a_password_is_not_repeated() {
        for wrong in
            ["h:4317", "ftp://h", "http://", "http://h:x", "http://h:0", "http://h/a?b", "http://h/a b", "http://[h]"]
        {
            assert!(base(wrong).is_err(), "{wrong}");
        }
        let said = base("http://user:secret@h").unwrap_err().to_string();
        assert!(!said.contains("secret"));
    }

    #[test]
    fn an_endpoint_that_is_our_own_listener_is_known() {
        let leads = |text: &str, listener: &str| base(text).unwrap().leads_to(listener.parse().unwrap());
        assert!(leads("http://localhost:4318", "127.0.0.1:4318"));
        assert!(leads("http://127.0.0.1:4318", "0.0.0.0:4318"));
        assert!(leads("http://[::1]:4318", "0.0.0.0:4318"));
        assert!(leads("http://0.0.0.0:4318", "127.0.0.1:4318"));
        assert!(leads("http://10.0.0.1:4318", "10.0.0.1:4318"));
        assert!(!leads("http://localhost:4319", "127.0.0.1:4318"));
        assert!(!leads("http://central:4318", "0.0.0.0:4318"));
        assert!(!leads("http://localhost:4318", "10.0.0.1:4318"));
    }
}
