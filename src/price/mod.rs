//! What a call of a model costs where the emitter does not say: the user's own prices first, then the
//! bundled table at the date of the call, else nothing: unknown is never 0.

mod bundled;
mod error;
mod litellm;
mod name;
mod table;

use std::path::Path;

pub use error::PriceError;
pub use litellm::{Imported, import_litellm};
use table::Table;

use crate::model::clock::UnixNanos;

/// One call of a model.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The model that answered, as the emitter names it.
    pub model: &'a str,
    /// Who serves it, as the emitter names it.
    pub provider: Option<&'a str>,
    /// When.
    pub at_ns: UnixNanos,
    /// Tokens of it.
    pub tokens: Tokens,
}

/// Tokens of one call. `None` is not said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tokens {
    /// Sent, with what was read from a cache and written to one.
    pub input: Option<i64>,
    /// Received, with what was spent on reasoning.
    pub output: Option<i64>,
    /// Part of the input that was read from a cache.
    pub cache_read: Option<i64>,
    /// Part of the input that was written to a cache.
    pub cache_write: Option<i64>,
}

impl Tokens {
    /// The same with the cache inside the input: parts that are more than the whole were counted beside it.
    #[must_use]
    fn inclusive(self) -> Self {
        let parts = self.cache_read.unwrap_or(0).saturating_add(self.cache_write.unwrap_or(0));
        match self.input {
            Some(input) if parts > input => Self { input: Some(input.saturating_add(parts)), ..self },
            _ => self,
        }
    }
}

/// Who says what a call costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The user's price file.
    User,
    /// The table that is built in.
    Bundled,
}

impl Source {
    /// The word in `cost_source`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Bundled => "bundled",
        }
    }
}

/// What a call costs, and who says so.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// US dollars.
    pub usd: f64,
    /// Who says so.
    pub source: Source,
}

/// The prices in force: the user's, then the bundled ones.
#[derive(Clone, Debug, Default)]
pub struct Prices {
    own: Table,
}

impl Prices {
    /// The bundled prices, behind those of the user's file where there is one.
    pub fn with_file(file: Option<&Path>) -> Result<Self, PriceError> {
        let Some(path) = file else { return Ok(Self::default()) };
        let text =
            std::fs::read_to_string(path).map_err(|source| PriceError::Read { path: path.to_owned(), source })?;
        Ok(Self { own: Table::parse(&text, &path.display().to_string())? })
    }

    /// What a call costs; `None` where nobody knows the model, or no token was counted.
    #[must_use]
    pub fn cost(&self, call: &Call<'_>) -> Option<Cost> {
        if call.tokens.input.is_none() && call.tokens.output.is_none() {
            return None;
        }
        let call = Call { tokens: call.tokens.inclusive(), ..*call };
        let own = self.own.cost(&call).map(|usd| Cost { usd, source: Source::User });
        own.or_else(|| bundled::cost(&call).map(|usd| Cost { usd, source: Source::Bundled }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2025-03-01T00:00:00Z.
    const MARCH_2025: i64 = 1_740_787_200_000_000_000;

    fn call(model: &str, tokens: Tokens) -> Call<'_> {
        Call { model, provider: Some("openai"), at_ns: MARCH_2025, tokens }
    }

    fn spent(input: i64, output: i64) -> Tokens {
        Tokens { input: Some(input), output: Some(output), ..Tokens::default() }
    }

    fn own(toml: &str) -> Prices {
        Prices { own: Table::parse(toml, "prices.toml").unwrap() }
    }

    #[test]
    fn the_users_price_wins_over_the_bundled_one_and_nobody_s_is_unknown() {
        let prices = own("[[price]]\nmodel = 'gpt-4o-mini'\ninput = 1\noutput = 2\n");
        let cost = prices.cost(&call("gpt-4o-mini", spent(1_000_000, 500_000))).unwrap();
        assert_eq!((cost.usd, cost.source), (2.0, Source::User));
        let bundled = prices.cost(&call("gpt-4o", spent(1_000, 100))).unwrap();
        assert_eq!(bundled.source, Source::Bundled);
        assert_eq!(prices.cost(&call("our-own-model", spent(1_000, 100))), None);
        assert_eq!(prices.cost(&call("gpt-4o-mini", Tokens::default())), None);
    }

    #[test]
    fn the_cache_is_part_of_the_input_unless_it_is_more_than_that() {
        let prices = own("[[price]]\nmodel = 'm'\ninput = 10\noutput = 0\ncache_read = 1\ncache_write = 20\n");
        let cost = |input, read, write| {
            let tokens = Tokens { cache_read: Some(read), cache_write: Some(write), ..spent(input, 0) };
            prices.cost(&call("m", tokens)).unwrap().usd * 1e6
        };
        // (100 - 60 - 10) x 10 + 60 x 1 + 10 x 20
        assert!((cost(100, 60, 10) - 560.0).abs() < 1e-9);
        // 100 x 10 + 160 x 1 + 10 x 20: the parts do not fit into the input.
        assert!((cost(100, 160, 10) - 1_360.0).abs() < 1e-9);
    }
}
