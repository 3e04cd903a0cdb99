//! Why prices were not taken.

use std::path::PathBuf;

/// What is wrong, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum PriceError {
    /// The file could not be read.
    #[error("read prices `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// It is no price file; the cause names the line and the keys that exist.
    #[error("read prices `{file}`")]
    Parse {
        /// The file.
        file: String,
        /// The cause.
        source: Box<toml::de::Error>,
    },
    /// One price makes no sense.
    #[error("read prices `{file}`: price {place} (`{model}`): {problem}")]
    Price {
        /// The file.
        file: String,
        /// 1 is the first.
        place: usize,
        /// Its model.
        model: String,
        /// What is wrong.
        problem: String,
    },
    /// It is no table of LiteLLM.
    #[error("read the price table of LiteLLM: {0}")]
    LiteLlm(String),
}
