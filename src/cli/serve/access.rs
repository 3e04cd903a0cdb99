//! Tokens and certificates as the configuration names them.

use std::path::{Path, PathBuf};

use super::super::Failure;
use crate::config::{AccessConfig, Config, TlsConfig};
use crate::net::{ServerFiles, ServerTls};
use crate::otlp::access::{TokenError, Tokens};

/// What is asked of tokens, for messages.
const TOKEN_HELP: &str = "`TOKEN`, `write:TOKEN` or `read:TOKEN`, one a line: `openssl rand -hex 32` makes a good one";

/// Encryption, where the configuration asks for it.
pub(crate) fn tls(config: &TlsConfig) -> Result<Option<ServerTls>, Failure> {
    if !config.is_on() {
        return Ok(None);
    }
    let files = ServerFiles {
        cert: config.cert_file.clone(),
        key: config.key_file.clone(),
        client_ca: config.asks_clients().then(|| config.client_ca_file.clone()),
    };
    ServerTls::read(files).map(Some).map_err(|e| Failure::machine("configure: tls", &e))
}

/// The tokens, where the configuration names some.
pub(crate) fn tokens(config: &AccessConfig) -> Result<Option<Tokens>, Failure> {
    let wrong = |place: &str, error: &TokenError| Failure::machine(place, error).with_help(TOKEN_HELP);
    let listed = match config.tokens.as_slice() {
        [] => None,
        tokens => {
            Some(Tokens::read(tokens.iter().map(String::as_str)).map_err(|e| wrong("configure: access.tokens", &e))?)
        }
    };
    let file = match config.token_file.as_path() {
        path if path.as_os_str().is_empty() => None,
        path => Some(read_file(path)?),
    };
    Ok(match (listed, file) {
        (Some(listed), Some(file)) => Some(listed.and(file)),
        (listed, file) => listed.or(file),
    })
}

fn read_file(path: &Path) -> Result<Tokens, Failure> {
    let place = format!("configure: access.token_file: `{}`", path.display());
    let text = std::fs::read_to_string(path).map_err(|e| Failure::machine(&place, &e))?;
    Tokens::read_file(&text).map_err(|e| Failure::machine(&place, &e).with_help(TOKEN_HELP))
}

/// The files that are watched, so that what they hold can change without a restart.
pub(super) fn watched(config: &Config) -> Vec<PathBuf> {
    let named = [&config.access.token_file, &config.tls.cert_file, &config.tls.key_file, &config.tls.client_ca_file];
    named.into_iter().filter(|path| !path.as_os_str().is_empty()).cloned().collect()
}
