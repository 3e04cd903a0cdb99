//! What a command shows to a running service, and whom it trusts.

use std::path::PathBuf;

use clap::Args;

use super::Failure;
use crate::api::ServiceAccess;
use crate::net::ClientFiles;

/// The variable that holds a token. It is no flag: command lines can be read by others.
const TOKEN_VARIABLE: &str = "PERFLINE_TOKEN";

/// What a command shows to a running service, and whom it trusts.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Access to a service")]
pub(crate) struct AccessArg {
    /// A file with the bearer token that a service asks for; else PERFLINE_TOKEN is the token.
    #[arg(long, env = "PERFLINE_TOKEN_FILE", value_name = "FILE", global = true)]
    token_file: Option<PathBuf>,
    /// An authority (PEM) to trust beside the public ones, for https.
    #[arg(long, env = "PERFLINE_CA_FILE", value_name = "FILE", global = true)]
    ca_file: Option<PathBuf>,
    /// A certificate (PEM) to show, where the service asks for one.
    #[arg(long, env = "PERFLINE_CERT_FILE", value_name = "FILE", requires = "key_file", global = true)]
    cert_file: Option<PathBuf>,
    /// The key of the certificate (PEM).
    #[arg(long, env = "PERFLINE_KEY_FILE", value_name = "FILE", requires = "cert_file", global = true)]
    key_file: Option<PathBuf>,
}

impl AccessArg {
    /// The token, from the file or the environment.
    pub(crate) fn token(&self) -> Result<Option<String>, Failure> {
        let Some(path) = &self.token_file else {
            return Ok(std::env::var(TOKEN_VARIABLE).ok().filter(|token| !token.is_empty()));
        };
        let text = std::fs::read_to_string(path)
            .map_err(|e| Failure::machine(&format!("read the token `{}`", path.display()), &e))?;
        let token = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
        match token {
            Some(token) => Ok(Some(token.to_owned())),
            None => Err(Failure::usage(
                format!("`{}` holds no token", path.display()),
                "write the token into it, on a line of its own",
            )),
        }
    }

    /// Certificates and keys.
    pub(crate) fn files(&self) -> ClientFiles {
        ClientFiles { ca: self.ca_file.clone(), cert: self.cert_file.clone(), key: self.key_file.clone() }
    }

    /// Both.
    pub(crate) fn service(&self) -> Result<ServiceAccess, Failure> {
        Ok(ServiceAccess { token: self.token()?, files: self.files() })
    }
}
