//! The user's price file.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{Call, PriceError};
use crate::model::clock::UnixNanos;

/// A price file (TOML), as its author writes it.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PriceFile {
    /// The first price that fits a call counts.
    #[serde(default, rename = "price", skip_serializing_if = "Vec::is_empty")]
    pub(super) prices: Vec<PriceSpec>,
}

/// One price. All amounts are US dollars per million tokens.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PriceSpec {
    /// The model's name without regard to case; `*` at its end stands for anything.
    pub(super) model: String,
    /// Only where this provider serves it; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) provider: Option<String>,
    /// From this date or time on (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) from: Option<String>,
    /// Before this date or time (UTC).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<String>,
    /// Only calls with more input tokens than this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) above_input_tokens: Option<i64>,
    /// Input that came from no cache.
    #[serde(default)]
    pub(super) input: f64,
    /// Output, reasoning included.
    #[serde(default)]
    pub(super) output: f64,
    /// Input that was read from a cache; absent: as input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cache_read: Option<f64>,
    /// Input that was written to a cache; absent: as input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cache_write: Option<f64>,
    /// US dollars for the call itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) request: Option<f64>,
}

/// The prices of a file, ready to be asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    prices: Vec<Price>,
    /// Places of the prices with a whole name, by it.
    by_name: HashMap<String, Vec<usize>>,
    /// Places and beginnings of the others.
    by_beginning: Vec<(String, usize)>,
}

#[derive(Clone, Debug)]
struct Price {
    spec: PriceSpec,
    from: UnixNanos,
    until: UnixNanos,
}

impl Table {
    pub(super) fn parse(text: &str, file: &str) -> Result<Self, PriceError> {
        let read: PriceFile = toml::from_str(text)
            .map_err(|source| PriceError::Parse { file: file.to_owned(), source: Box::new(source) })?;
        let mut table = Self::default();
        for (place, spec) in read.prices.into_iter().enumerate() {
            let model = spec.model.trim().to_lowercase();
            let wrong = |problem: String| PriceError::Price {
                file: file.to_owned(),
                place: place + 1,
                model: spec.model.clone(),
                problem,
            };
            check(&spec).map_err(wrong)?;
            let time = |text: &Option<String>, otherwise| text.as_deref().map_or(Ok(otherwise), parse_day);
            let from = time(&spec.from, UnixNanos::MIN).map_err(wrong)?;
            let until = time(&spec.until, UnixNanos::MAX).map_err(wrong)?;
            match model.strip_suffix('*') {
                Some(beginning) => table.by_beginning.push((beginning.to_owned(), place)),
                None => table.by_name.entry(model).or_default().push(place),
            }
            table.prices.push(Price { spec, from, until });
        }
        Ok(table)
    }

    /// What a call costs by the first price that fits, US dollars.
    pub(super) fn cost(&self, call: &Call<'_>) -> Option<f64> {
        if self.prices.is_empty() {
            return None;
        }
        let whole = call.model.trim().to_lowercase();
        // Gateways put the provider before the model's name.
        let bare = whole.rsplit_once('/').map(|(_, bare)| bare);
        let names = || std::iter::once(whole.as_str()).chain(bare);
        let exact = names().filter_map(|name| self.by_name.get(name)).flatten().copied();
        let begun = self.by_beginning.iter().filter(|(beginning, _)| names().any(|name| name.starts_with(beginning)));
        let mut places: Vec<usize> = exact.chain(begun.map(|(_, place)| *place)).collect();
        places.sort_unstable();
        places.into_iter().filter_map(|place| self.prices.get(place)).find(|price| price.fits(call)).map(|price| {
            let spec = &price.spec;
            spec.amount(call)
        })
    }
}

impl Price {
    fn fits(&self, call: &Call<'_>) -> bool {
        let served = match (&self.spec.provider, call.provider) {
            (Some(wanted), Some(said)) => is_same_provider(wanted, said),
            _ => true,
        };
        let is_large = self.spec.above_input_tokens.is_none_or(|limit| call.tokens.input.unwrap_or(0) > limit);
        served && is_large && (self.from..self.until).contains(&call.at_ns)
    }
}

impl PriceSpec {
    #[expect(clippy::cast_precision_loss, reason = "tokens of one call stay far below 2^53")]
    fn amount(&self, call: &Call<'_>) -> f64 {
        let count = |tokens: Option<i64>| tokens.unwrap_or(0).max(0) as f64;
        let (read, write) = (count(call.tokens.cache_read), count(call.tokens.cache_write));
        let fresh = (count(call.tokens.input) - read - write).max(0.0);
        let per_million = fresh * self.input
            + read * self.cache_read.unwrap_or(self.input)
            + write * self.cache_write.unwrap_or(self.input)
            + count(call.tokens.output) * self.output;
        per_million / 1e6 + self.request.unwrap_or(0.0)
    }
}

fn check(spec: &PriceSpec) -> Result<(), String> {
    if spec.model.trim().is_empty() {
        return Err("`model` is empty; name it, or `*` for any".to_owned());
    }
    let amounts = [Some(spec.input), Some(spec.output), spec.cache_read, spec.cache_write, spec.request];
    match amounts.into_iter().flatten().find(|amount| !(0.0..=1e9).contains(amount)) {
        Some(amount) => Err(format!("{amount} is no price; give US dollars per million tokens, 0 or more")),
        None => Ok(()),
    }
}

/// The beginning of a day, or a moment; UTC.
fn parse_day(text: &str) -> Result<UnixNanos, String> {
    let day = |text: &str| TimeZone::UTC.to_timestamp(text.parse::<Date>().ok()?.at(0, 0, 0, 0)).ok();
    let moment = text.parse::<Timestamp>().ok().or_else(|| day(text));
    let nanoseconds = moment.and_then(|moment| UnixNanos::try_from(moment.as_nanosecond()).ok());
    nanoseconds.ok_or_else(|| format!("`{text}` is no date; write 2026-05-01 or 2026-05-01T12:00:00Z"))
}

/// One provider's names: in the price table's words, then as emitters spell it.
const PROVIDERS: &[(&str, &[&str])] = &[
    ("openai", &["openai"]),
    (
        "azure",
        &[
            "azure",
            "azure_ai",
            "azure.ai.openai",
            "az.ai.openai",
            "azure.ai.inference",
            "az.ai.inference",
            "azure_openai",
            "azure-openai",
        ],
    ),
    ("aws", &["aws", "aws.bedrock", "bedrock", "bedrock_converse", "amazon-bedrock", "amazon_bedrock"]),
    (
        "google",
        &[
            "google",
            "gemini",
            "gcp.gemini",
            "gcp.gen_ai",
            "gcp.vertex_ai",
            "vertex_ai",
            "vertexai",
            "vertex",
            "google_genai",
            "google-vertex",
            "google_vertexai",
            "google.generative-ai",
            "google-gla",
            "googleai",
            "google_ai_studio",
        ],
    ),
    ("anthropic", &["anthropic"]),
    ("mistral", &["mistral", "mistral_ai", "mistralai"]),
    ("x-ai", &["x-ai", "xai", "x_ai"]),
    ("together", &["together", "together_ai", "together-ai", "togetherai"]),
    ("groq", &["groq"]),
    ("deepseek", &["deepseek"]),
    ("cohere", &["cohere", "cohere_chat"]),
    ("perplexity", &["perplexity"]),
    ("fireworks", &["fireworks", "fireworks_ai"]),
    ("moonshotai", &["moonshotai", "moonshot_ai", "moonshot"]),
    ("openrouter", &["openrouter"]),
    ("voyageai", &["voyageai", "voyage", "voyage_ai"]),
];

/// Frameworks and gateways that name themselves where the provider belongs: the model's name alone must tell.
const NO_PROVIDERS: &[&str] = &[
    "",
    "agno",
    "autogen",
    "crewai",
    "custom",
    "dspy",
    "gateway",
    "haystack",
    "langchain",
    "langgraph",
    "litellm",
    "llama_index",
    "llamaindex",
    "microsoft.agent_framework",
    "none",
    "openllmetry",
    "semantic_kernel",
    "smolagents",
    "spring_ai",
    "strands",
    "strands-agents",
    "traceloop",
    "unknown",
    "vercel",
];

/// The names by which the bundled table may know a provider, best first; `None` stands for any provider.
pub(super) fn provider_names(said: &str) -> impl Iterator<Item = Option<&str>> {
    let said = said.trim();
    let any = NO_PROVIDERS.iter().any(|name| name.eq_ignore_ascii_case(said)).then_some(None);
    let known = canonical(said).map(Some);
    // `openai.chat`: the API behind the provider's name.
    let before_dot = said.split_once('.').and_then(|(head, _)| canonical(head)).map(Some);
    any.into_iter().chain(known).chain(before_dot).chain(std::iter::once(Some(said)))
}

pub(super) fn canonical(said: &str) -> Option<&'static str> {
    let is_same = |name: &&str| name.eq_ignore_ascii_case(said);
    PROVIDERS.iter().find(|(_, spellings)| spellings.iter().any(is_same)).map(|(name, _)| *name)
}

fn is_same_provider(wanted: &str, said: &str) -> bool {
    let names = |text: &str| canonical(text).or_else(|| text.split_once('.').and_then(|(head, _)| canonical(head)));
    wanted.eq_ignore_ascii_case(said)
        || names(wanted).is_some_and(|name| names(said) == Some(name))
        || NO_PROVIDERS.iter().any(|name| name.eq_ignore_ascii_case(said))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::price::Tokens;

    /// 2026-05-01T00:00:00Z.
    const MAY: i64 = 1_777_593_600_000_000_000;

    fn cost(toml: &str, provider: Option<&str>, model: &str, at_ns: i64, input: i64) -> Option<f64> {
        let tokens = Tokens { input: Some(input), output: Some(0), ..Tokens::default() };
        Table::parse(toml, "p.toml").unwrap().cost(&Call { model, provider, at_ns, tokens })
    }

    #[test]
    fn the_first_price_that_fits_counts() {
        let toml = "[[price]]\nmodel = 'a'\nabove_input_tokens = 1000\ninput = 9\n\
                    [[price]]\nmodel = 'a'\nuntil = '2026-05-01'\ninput = 1\n\
                    [[price]]\nmodel = 'A*'\ninput = 2\nrequest = 0.5\n";
        assert_eq!(cost(toml, None, "a", MAY, 1_000_000), Some(9.0));
        assert_eq!(cost(toml, None, "a", MAY - 1, 1_000), Some(0.001));
        assert_eq!(cost(toml, None, "gateway/A", MAY, 1_000), Some(0.502));
        assert_eq!(cost(toml, None, "abc", MAY, 0), Some(0.5));
        assert_eq!(cost(toml, None, "b", MAY, 1_000), None);
    }

    #[test]
    fn a_provider_is_known_by_each_of_its_names() {
        let toml = "[[price]]\nmodel = 'gpt-4o'\nprovider = 'azure'\ninput = 5\n";
        for (provider, fits) in [
            (Some("az.ai.openai"), true),
            (Some("azure"), true),
            (None, true),
            (Some("litellm"), true),
            (Some("openai"), false),
        ] {
            assert_eq!(cost(toml, provider, "gpt-4o", MAY, 1_000_000).is_some(), fits, "{provider:?}");
        }
    }

    #[test]
    fn a_wrong_file_says_what_is_wrong() {
        for (toml, says) in [
            ("[[price]]\nmodel = 'a'\nprice = 1\n", "unknown field `price`"),
            ("[[price]]\ninput = 1\n", "missing field `model`"),
            ("[[price]]\nmodel = 'a'\ninput = -1\n", "is no price"),
            ("[[price]]\nmodel = 'a'\nfrom = 'May'\n", "`May` is no date"),
            ("[[price]]\nmodel = ' '\n", "`model` is empty"),
        ] {
            let error = Table::parse(toml, "p.toml").unwrap_err();
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            assert!(format!("{error} {cause}").contains(says), "{toml}: {error} {cause}");
        }
    }
}
