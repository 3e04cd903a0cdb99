//! The bundled prices (crate genai-prices): asked by provider and model, at the date of the call.

use std::time::{Duration, UNIX_EPOCH};

use genai_prices::{Calculator, PriceRequest, Usage, UsageKey};

use super::{Call, name};

/// What a call costs by the bundled table, US dollars.
pub(super) fn cost(call: &Call<'_>) -> Option<f64> {
    let usage = usage(call)?;
    let at = UNIX_EPOCH + Duration::from_nanos(u64::try_from(call.at_ns).ok()?);
    name::questions(call.provider, call.model).into_iter().find_map(|(provider, model)| {
        let mut request = PriceRequest::new(&model, &usage).with_timestamp(at);
        request.provider_id = provider;
        let found = Calculator::bundled().calculate(&request).ok()?;
        Some(found.total_price).filter(|usd| usd.is_finite() && *usd >= 0.0)
    })
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
    fn a_name_as_a_cloud_or_a_gateway_writes_it_finds_its_price() {
        // Price lists in mid 2025, USD per million tokens, input and output: Claude 3.5 Sonnet 3/15, Haiku 3 0.25/1.25,
        // Nova Pro 0.8/3.2, Llama 3.1 70B on Bedrock 0.72/0.72 (0.99/0.99 before), GPT-4o 2.5/10, Gemini 2.0 Flash
        // 0.1/0.4, Gemini 1.5 Flash 0.075/0.3, gpt-oss-120b on Fireworks 0.15/0.6.
        let sonnet = Some(18.0);
        for (model, wanted) in [
            ("anthropic.claude-3-5-sonnet-20241022-v2:0", sonnet),
            ("us.anthropic.claude-3-5-sonnet-20241022-v2:0", sonnet),
            ("bedrock/us.anthropic.claude-3-5-sonnet-20241022-v2:0", sonnet),
            ("bedrock/eu-west-1/anthropic.claude-3-5-sonnet-20241022-v2:0", sonnet),
            ("bedrock:anthropic.claude-3-5-sonnet-20241022-v2:0", sonnet),
            (
                "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-3-5-sonnet-20241022-v2:0",
                sonnet,
            ),
            ("arn:aws:bedrock:us-east-1::foundation-model/anthropic.claude-3-haiku-20240307-v1:0", Some(1.5)),
            ("eu.amazon.nova-pro-v1:0", Some(4.0)),
            ("us-gov.anthropic.claude-3-haiku-20240307-v1:0", Some(1.5)),
            ("meta.llama3-1-70b-instruct-v1:0", usd(Some("aws.bedrock"), "meta.llama3-1-70b-instruct-v1:0", AFTER)),
            ("azure/gpt-4o", Some(12.5)),
            ("openai/gpt-4o", Some(12.5)),
            ("openai:gpt-4o", Some(12.5)),
            ("vertex_ai/gemini-2.0-flash", Some(0.5)),
            ("google-gla:gemini-2.0-flash", Some(0.5)),
            ("googleai/gemini-2.0-flash", Some(0.5)),
            ("models/gemini-2.0-flash", Some(0.5)),
            ("publishers/google/models/gemini-2.0-flash", Some(0.5)),
            ("projects/p/locations/us-central1/publishers/google/models/gemini-2.0-flash@001", Some(0.5)),
            ("publishers/anthropic/models/claude-3-5-sonnet@20240620", sonnet),
            ("anthropic/claude-3-5-sonnet-20241022", sonnet),
            ("accounts/fireworks/models/gpt-oss-120b", Some(0.75)),
            ("fireworks_ai/accounts/fireworks/models/gpt-oss-120b", Some(0.75)),
            ("fireworks_ai/gpt-oss-120b", Some(0.75)),
        ] {
            let found = usd(None, model, AFTER);
            let near = found.zip(wanted).is_some_and(|(found, wanted)| (found - wanted).abs() < 1e-9);
            assert!(near, "{model}: {found:?}, not {wanted:?}");
        }
        // The client of the maker is what calls the cloud.
        assert_eq!(usd(Some("anthropic"), "us.anthropic.claude-3-5-sonnet-20241022-v2:0", AFTER), sonnet);
        assert_eq!(usd(Some("gcp.vertex_ai"), "publishers/google/models/gemini-2.0-flash", AFTER), Some(0.5));
        assert_eq!(usd(Some("litellm"), "azure/gpt-4o", AFTER), Some(12.5));
    }

    #[test]
    fn a_name_that_says_nothing_of_its_server_stays_unknown() {
        for model in [
            "ollama/gpt-4o",
            "hosted_vllm/claude-3-5-sonnet-20241022",
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6",
            "projects/p/locations/us-central1/endpoints/123456",
            "accounts/acme/models/gpt-oss-120b",
            "azure/our-deployment",
            "/",
            "@",
            ":",
            ".",
        ] {
            assert_eq!(usd(None, model, AFTER), None, "{model}");
        }
    }

    #[test]
    fn a_model_that_is_served_at_home_has_no_price() {
        for provider in ["ollama", "vllm", "lmstudio", "our-gateway"] {
            assert_eq!(usd(Some(provider), "gpt-4o", AFTER), None, "{provider}");
        }
    }
}
