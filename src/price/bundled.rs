//! The bundled prices (crate genai-prices): asked by provider and model, at the date of the call.

use std::time::{Duration, UNIX_EPOCH};

use genai_prices::{Calculator, PriceRequest, Usage, UsageKey};

use super::Call;
use super::table::provider_names;

/// What a call costs by the bundled table, US dollars.
pub(super) fn cost(call: &Call<'_>) -> Option<f64> {
    let usage = usage(call)?;
    let at = UNIX_EPOCH + Duration::from_nanos(u64::try_from(call.at_ns).ok()?);
    let ask = |provider: Option<&str>| {
        let mut request = PriceRequest::new(call.model, &usage).with_timestamp(at);
        request.provider_id = provider;
        let found = Calculator::bundled().calculate(&request).ok()?;
        Some(found.total_price).filter(|usd| usd.is_finite() && *usd >= 0.0)
    };
    match call.provider {
        // Whoever serves it has a price of its own: a model of that name elsewhere says nothing about it.
        Some(provider) => provider_names(provider).find_map(|name| match name {
            Some(name) => ask(Some(name)),
            None => ask(None),
        }),
        None => ask(None),
    }
}

#[expect(clippy::cast_precision_loss, reason = "tokens of one call stay far below 2^53")]
fn usage(call: &Call<'_>) -> Option<Usage> {
    let tokens = call.tokens;
    let mut usage = Usage::new();
    for (key, count) in [
        (UsageKey::INPUT_TOKENS, tokens.input),
        (UsageKey::OUTPUT_TOKENS, tokens.output),
        (UsageKey::CACHE_READ_TOKENS, tokens.cache_read),
        (UsageKey::CACHE_WRITE_TOKENS, tokens.cache_write),
    ] {
        if let Some(count) = count {
            usage.insert(key, count as f64);
        }
    }
    (!usage.is_empty()).then_some(usage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::price::Tokens;

    fn usd(provider: Option<&str>, model: &str, at_ns: i64) -> Option<f64> {
        let tokens = Tokens { input: Some(1_000_000), output: Some(1_000_000), ..Tokens::default() };
        cost(&Call { model, provider, at_ns, tokens })
    }

    /// 2025-06-01 and 2025-06-20: o3 became cheaper on 2025-06-10.
    const BEFORE: i64 = 1_748_736_000_000_000_000;
    const AFTER: i64 = 1_750_377_600_000_000_000;

    #[test]
    fn the_price_is_that_of_the_day() {
        // OpenAI, price list before and after 2025-06-10: o3 10/40, then 2/8 USD per million tokens.
        assert_eq!(usd(Some("openai"), "o3", BEFORE), Some(50.0));
        assert_eq!(usd(Some("openai"), "o3", AFTER), Some(10.0));
    }

    #[test]
    fn every_spelling_of_a_provider_finds_it() {
        let wanted = usd(Some("openai"), "gpt-4o", AFTER);
        assert!(wanted.is_some());
        for name in ["OpenAI", "openai.chat", "openai.responses", "litellm", "langchain"] {
            assert_eq!(usd(Some(name), "gpt-4o", AFTER), wanted, "{name}");
        }
        assert_eq!(usd(None, "gpt-4o", AFTER), wanted);
        assert!(usd(Some("az.ai.openai"), "gpt-4o", AFTER).is_some());
        assert!(usd(Some("gcp.vertex_ai"), "gemini-2.0-flash", AFTER).is_some());
        assert!(usd(Some("aws.bedrock"), "anthropic.claude-3-5-sonnet-20241022-v2:0", AFTER).is_some());
    }

    #[test]
    fn a_model_that_is_served_at_home_has_no_price() {
        for provider in ["ollama", "vllm", "lmstudio", "our-gateway"] {
            assert_eq!(usd(Some(provider), "gpt-4o", AFTER), None, "{provider}");
        }
    }
}
