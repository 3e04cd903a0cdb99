//! How a command fails: what is wrong, the remedy, the exit code.

use std::fmt::Write as _;
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
    pub(crate) fn machine(action: &str, error: &dyn std::error::Error) -> Self {
        Self { message: format!("{action}: {}", Self::chain(error)), help: None, code: EXIT_USAGE }
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

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let code = match &error {
            ApiError::Store(StoreError::Sql { .. } | StoreError::Shape { .. }) | ApiError::Runtime(_) => EXIT_INTERNAL,
            _ => EXIT_USAGE,
        };
        Self { help: error.help(), message: Self::chain(&error), code }
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
        Self { message: Self::chain(&error), help: None, code: EXIT_USAGE }
    }
}
