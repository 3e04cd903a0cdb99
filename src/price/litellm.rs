//! The price table of LiteLLM (`model_prices_and_context_window.json`) as a price file of ours.

use serde_json::{Map, Value};

use super::PriceError;
use super::table::{PriceFile, PriceSpec};

/// A price table that was read.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The price file.
    pub toml: String,
    /// Prices in it.
    pub prices: usize,
    /// Entries without a price per token: images, audio, search.
    pub skipped: usize,
}

/// Reads LiteLLM's table. Entries without a price per token are left out, and counted.
pub fn import_litellm(json: &[u8]) -> Result<Imported, PriceError> {
    let read: Map<String, Value> = serde_json::from_slice(json).map_err(|e| PriceError::LiteLlm(e.to_string()))?;
    let mut file = PriceFile::default();
    let mut skipped = 0;
    for (name, entry) in &read {
        // The table explains its own keys in an entry of this name.
        if name == "sample_spec" {
            continue;
        }
        let found = entry.as_object().map(|entry| prices_of(name, entry)).unwrap_or_default();
        skipped += usize::from(found.is_empty());
        file.prices.extend(found);
    }
    if file.prices.is_empty() {
        return Err(PriceError::LiteLlm("no entry has `input_cost_per_token`; is it the right file?".to_owned()));
    }
    let prices = file.prices.len();
    let body = toml::to_string(&file).map_err(|e| PriceError::LiteLlm(e.to_string()))?;
    let toml = format!("# {prices} prices, imported from LiteLLM's table. US dollars per million tokens.\n\n{body}");
    Ok(Imported { toml, prices, skipped })
}

/// The prices of one entry: what costs more above a number of tokens comes first.
fn prices_of(name: &str, entry: &Map<String, Value>) -> Vec<PriceSpec> {
    let provider = entry.get("litellm_provider").and_then(Value::as_str).map(ToOwned::to_owned);
    // `azure/gpt-4o`: calls name the model without it.
    let model = match (&provider, name.split_once('/')) {
        (Some(provider), Some((head, rest))) if head.eq_ignore_ascii_case(provider) => rest,
        _ => name,
    };
    let amount = |key: &str, above: &str| {
        let per_token = entry.get(&format!("{key}{above}")).and_then(Value::as_f64)?;
        Some(per_million(per_token)).filter(|amount| (0.0..=1e9).contains(amount))
    };
    let price = |above: &str, tokens: Option<i64>| {
        Some(PriceSpec {
            model: model.to_owned(),
            provider: provider.clone(),
            above_input_tokens: tokens,
            input: amount("input_cost_per_token", above)?,
            output: amount("output_cost_per_token", above)
                .or_else(|| amount("output_cost_per_token", ""))
                .unwrap_or(0.0),
            cache_read: amount("cache_read_input_token_cost", above),
            cache_write: amount("cache_creation_input_token_cost", above),
            ..PriceSpec::default()
        })
    };
    let mut limits: Vec<(i64, &str)> = entry.keys().filter_map(|key| limit_of(key)).collect();
    limits.sort_unstable_by_key(|(tokens, _)| std::cmp::Reverse(*tokens));
    let tiers = limits.into_iter().filter_map(|(tokens, above)| price(above, Some(tokens)));
    tiers.chain(price("", None)).collect()
}

/// `input_cost_per_token_above_200k_tokens` starts at 200,000.
fn limit_of(key: &str) -> Option<(i64, &str)> {
    let above = key.strip_prefix("input_cost_per_token")?;
    let thousands = above.strip_prefix("_above_")?.strip_suffix("k_tokens")?;
    Some((thousands.parse::<i64>().ok()?.checked_mul(1_000)?, above))
}

/// Rounded to what a price list would say: a product of doubles has digits that mean nothing.
fn per_million(per_token: f64) -> f64 {
    (per_token * 1e15).round() / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::price::table::Table;
    use crate::price::{Call, Tokens};

    const TABLE: &str = r#"{
        "sample_spec": {"input_cost_per_token": 0, "litellm_provider": "one of https://..."},
        "gpt-4o-mini": {"input_cost_per_token": 1.5e-07, "output_cost_per_token": 6e-07,
            "cache_read_input_token_cost": 7.5e-08, "litellm_provider": "openai", "mode": "chat"},
        "azure/gpt-4o-mini": {"input_cost_per_token": 1.65e-07, "output_cost_per_token": 6.6e-07, "litellm_provider": "azure"},
        "gemini-2.5-pro": {"input_cost_per_token": 1.25e-06, "input_cost_per_token_above_200k_tokens": 2.5e-06,
            "output_cost_per_token": 1e-05, "output_cost_per_token_above_200k_tokens": 1.5e-05, "litellm_provider": "vertex_ai-language-models"},
        "dall-e-3": {"input_cost_per_pixel": 3.81469e-08, "litellm_provider": "openai"}
    }"#;

    fn cost(table: &Table, provider: Option<&str>, model: &str, input: i64) -> f64 {
        let tokens = Tokens { input: Some(input), output: Some(1_000_000), ..Tokens::default() };
        table.cost(&Call { model, provider, at_ns: 0, tokens }).unwrap()
    }

    #[test]
    fn a_litellm_table_becomes_a_price_file_that_prices_the_same() {
        let imported = import_litellm(TABLE.as_bytes()).unwrap();
        assert_eq!((imported.prices, imported.skipped), (4, 1));
        let table = Table::parse(&imported.toml, "prices.toml").unwrap();
        for (provider, model, input, wanted) in [
            (Some("openai"), "gpt-4o-mini", 1_000_000, 0.75),
            (Some("az.ai.openai"), "gpt-4o-mini", 1_000_000, 0.825),
            (None, "gemini-2.5-pro", 100_000, 10.125),
            (None, "gemini-2.5-pro", 1_000_000, 17.5),
        ] {
            assert!((cost(&table, provider, model, input) - wanted).abs() < 1e-9, "{model} {input}");
        }
    }

    #[test]
    fn what_is_no_price_table_is_refused() {
        for json in ["[]", "{", "{}", r#"{"gpt": {"cost": 1}}"#] {
            assert!(import_litellm(json.as_bytes()).is_err(), "{json}");
        }
    }
}
