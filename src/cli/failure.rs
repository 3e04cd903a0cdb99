//! How a command fails: what is wrong, the remedy, the exit code.

use std::fmt::Write as _;
use std::io::ErrorKind;
use std::process::ExitCode;

use crate::api::ApiError;
use crate::store::StoreError;

/// Usage or configuration.
const EXIT_USAGE: u8 = 2;
/// A fault of perfline's own.
const EXIT_INTERNAL: u8 = 70;

/// Why a command stops.
#[derive(Debug)]
pub(crate) struct Failure {
    message: String,
    help: Option<String>,
    code: u8,
}

impl Failure {
    /// The user can mend it.
    pub(crate) fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: Some(help.into()), code: EXIT_USAGE }
    }

    /// The machine refused: a file, a socket.
    pub(crate) fn machine(action: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        Self { message: format!("{action}: {}", Self::chain(error)), help: remedy(error), code: EXIT_USAGE }
    }

    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        self.code
    }

    /// The same, with a remedy.
    pub(crate) fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    /// Nobody but us can mend it.
    pub(crate) fn internal(error: &dyn std::error::Error) -> Self {
        Self { message: Self::chain(error), help: None, code: EXIT_INTERNAL }
    }

    /// An error with its causes.
    pub(crate) fn chain(error: &dyn std::error::Error) -> String {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(source) = cause {
            // Writing to a String cannot fail.
            let _ = write!(text, ": {source}");
            cause = source.source();
        }
        text
    }

    /// What is wrong, and the remedy.
    pub(crate) fn into_parts(self) -> (String, Option<String>) {
        (self.message, self.help)
    }

    /// Prints it to standard error as something that is no failure of the command.
    pub(crate) fn warn(self, what: &str) {
        anstream::eprintln!("perfline: {what}: {}", crate::report::clean::line(&self.message));
        if let Some(help) = self.help {
            anstream::eprintln!("perfline: {help}");
        }
    }

    /// Prints it to standard error.
    pub(crate) fn report(self) -> ExitCode {
        anstream::eprintln!("\x1b[1;31merror:\x1b[0m {}", crate::report::clean::line(&self.message));
        if let Some(help) = self.help {
            anstream::eprintln!("\x1b[1mhelp:\x1b[0m {help}");
        }
        ExitCode::from(self.code)
    }
}

/// What to do where the machine refused.
fn remedy(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let mut error = Some(error);
    while let Some(one) = error {
        if let Some(refused) = one.downcast_ref::<std::io::Error>() {
            let said = match refused.kind() {
                ErrorKind::NotFound => "is the path right? it is taken from the folder in which the command runs",
                ErrorKind::PermissionDenied => "is this user allowed to? look at the owner and the mode of the path",
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room on that disk, or name another place",
                ErrorKind::ReadOnlyFilesystem => "name a place that can be written",
                ErrorKind::AddrInUse => {
                    "another process listens there: name another address (--grpc, --http); port 0 takes a free one"
                }
                ErrorKind::AddrNotAvailable => "this machine has no such address: name one that it has, or 0.0.0.0",
                ErrorKind::IsADirectory => "name a file, not a folder",
                ErrorKind::NotADirectory => "a part of the path is a file where a folder is needed",
                ErrorKind::InvalidData => "is it text (UTF-8)?",
                _ => return None,
            };
            return Some(said.to_owned());
        }
        error = one.source();
    }
    None
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let code = match &error {
            // What was asked was too much: nothing is wrong with us.
            error if error.limit().is_some() => EXIT_USAGE,
            ApiError::Store(StoreError::Sql { .. } | StoreError::Shape { .. }) | ApiError::Runtime(_) => EXIT_INTERNAL,
            _ => EXIT_USAGE,
        };
        Self { help: error.help().or_else(|| remedy(&error)), message: Self::chain(&error), code }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<crate::price::PriceError> for Failure {
    fn from(error: crate::price::PriceError) -> Self {
        let help = "docs/costs.md shows a price file; `perfline prices import` makes one from LiteLLM's table";
        Self { message: Self::chain(&error), help: Some(help.to_owned()), code: EXIT_USAGE }
    }
}

impl From<crate::otlp::conventions::ConventionError> for Failure {
    fn from(error: crate::otlp::conventions::ConventionError) -> Self {
        let help = "docs/conventions.md says what a rule takes; PERFLINE_CONVENTIONS names the folder";
        Self { message: Self::chain(&error), help: Some(help.to_owned()), code: EXIT_USAGE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_refused_names_a_remedy() {
        for (kind, word) in [
            (ErrorKind::NotFound, "path"),
            (ErrorKind::PermissionDenied, "owner"),
            (ErrorKind::StorageFull, "room"),
            (ErrorKind::AddrInUse, "port 0"),
        ] {
            let failure = Failure::machine("do it", &std::io::Error::from(kind));
            assert!(failure.help.as_deref().is_some_and(|help| help.contains(word)), "{failure:?}");
            // Also where it lies deeper.
            let path = std::path::PathBuf::from("ca.pem");
            let failure = Failure::from(ApiError::Certificate { path, source: kind.into() });
            assert!(failure.help.is_some_and(|help| help.contains(word)));
        }
        let query = Failure::from(StoreError::Query("no such table".to_owned()));
        assert!(query.help.is_some_and(|help| help.contains("docs/query.md")));
    }
}
