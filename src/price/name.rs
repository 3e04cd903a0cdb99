//! Names of models as gateways and clouds write them: who serves the model, and what it is called there.

use std::borrow::Cow;

use super::table::{canonical, provider_names};

/// Who makes the models of Bedrock: the first part of their ids, behind a region where there is one.
const BEDROCK_MAKERS: [&str; 18] = [
    "ai21",
    "amazon",
    "anthropic",
    "cohere",
    "deepseek",
    "google",
    "luma",
    "meta",
    "minimax",
    "mistral",
    "moonshot",
    "moonshotai",
    "nvidia",
    "openai",
    "qwen",
    "stability",
    "twelvelabs",
    "writer",
];

/// Regions of Bedrock's inference profiles that are longer than a country's two letters.
const BEDROCK_REGIONS: [&str; 3] = ["apac", "global", "us-gov"];

/// One question to the bundled table: a provider (`None`: any), and a model as that provider may call it.
pub(super) type Question<'a> = (Option<&'a str>, Cow<'a, str>);

/// What to ask for one call, best first. Whoever serves a model has a price of its own: where that is said, by the
/// provider or by the model's own name, nobody else is asked.
pub(super) fn questions<'a>(provider: Option<&'a str>, model: &'a str) -> Vec<Question<'a>> {
    let model = model.trim();
    let place = place_of(model);
    let mut providers: Vec<Option<&str>> = match provider {
        Some(said) => provider_names(said).collect(),
        None => vec![None],
    };
    if let Some(place) = place
        && (providers.first() == Some(&None) || place.is_of(provider))
    {
        providers = vec![Some(place.provider)];
    }
    let asked = providers.into_iter().flat_map(|provider| {
        // Without a provider a prefix that nobody knows (`ollama/`) may be a server at home: the name stays whole.
        let names = if provider.is_some() { spellings(provider, model) } else { vec![Cow::Borrowed(model)] };
        names.into_iter().map(move |name| (provider, name))
    });
    asked.collect()
}

/// Who serves a model, by the form of its name, and whose make it is.
#[derive(Clone, Copy)]
struct Place<'a> {
    provider: &'static str,
    maker: Option<&'a str>,
}

impl Place<'_> {
    /// Whether a provider that is said is this one, or the maker whose client calls it.
    fn is_of(self, said: Option<&str>) -> bool {
        said.is_some_and(|said| {
            canonical(said) == Some(self.provider) || self.maker.is_some_and(|maker| maker.eq_ignore_ascii_case(said))
        })
    }
}

fn place_of(model: &str) -> Option<Place<'_>> {
    let at = |provider| Some(Place { provider, maker: bedrock_maker(last_part(model)) });
    if model.starts_with("arn:aws") && model.contains(":bedrock:") {
        return at("aws");
    }
    // `azure/gpt-4o`, `openai:gpt-4o`.
    if let Some(provider) = model.split_once(['/', ':']).and_then(|(head, _)| canonical(head)) {
        return at(provider);
    }
    match model.split('/').next() {
        Some("models" | "publishers" | "tunedModels") => at("google"),
        Some("projects") if model.contains("/publishers/") => at("google"),
        Some("accounts") if model.starts_with("accounts/fireworks/") => at("fireworks"),
        _ if !model.contains('/') && bedrock_maker(model).is_some() => at("aws"),
        _ => None,
    }
}

/// `anthropic` of `us.anthropic.claude-3-haiku-20240307-v1:0`.
fn bedrock_maker(id: &str) -> Option<&str> {
    let maker = |id: &'_ str| id.split_once('.').map(|(head, _)| head.len());
    let known = |head: &str| BEDROCK_MAKERS.iter().any(|maker| maker.eq_ignore_ascii_case(head));
    let (head, rest) = id.split_once('.')?;
    if known(head) {
        return Some(head);
    }
    let is_region = head.len() == 2 || BEDROCK_REGIONS.contains(&head);
    let behind = rest.get(..maker(rest)?)?;
    (is_region && known(behind)).then_some(behind)
}

fn last_part(model: &str) -> &str {
    model.rsplit('/').next().unwrap_or(model)
}

/// A model's name whole, then without what stands in front, part by part; each also without the sign before a version.
fn spellings<'a>(provider: Option<&str>, model: &'a str) -> Vec<Cow<'a, str>> {
    let mut names: Vec<Cow<'a, str>> = vec![Cow::Borrowed(model)];
    if let Some((head, rest)) = model.split_once(':')
        && canonical(head).is_some()
    {
        names.push(Cow::Borrowed(rest));
    }
    names.extend(model.match_indices('/').map(|(at, _)| Cow::Borrowed(&model[at + 1..])));
    // Vertex: `claude-3-5-sonnet@20240620`, `gemini-1.5-pro@001`.
    for name in names.clone() {
        if let Some((bare, version)) = name.split_once('@') {
            names.push(Cow::Owned(format!("{bare}-{version}")));
            names.push(Cow::Owned(bare.to_owned()));
        }
    }
    if provider == Some("fireworks") && !model.contains("accounts/") {
        names.push(Cow::Owned(format!("accounts/fireworks/models/{}", last_part(model))));
    }
    names
}
