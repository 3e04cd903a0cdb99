//! Pages: templates filled with views. Every text is cleaned and escaped on its way out; each page stands alone.

use minijinja::syntax::SyntaxConfig;
use minijinja::{AutoEscape, Environment, Output, State, UndefinedBehavior, Value, escape_formatter};
use sha2::{Digest, Sha256};

use crate::chart::{dark_declarations, light_declarations};

use super::clean::{TEXT_MAX, clean};
use super::{Branding, ReportError, format};

const SCRIPT: &str = include_str!("templates/script.js");
const STYLE: &str = include_str!("templates/style.css");

/// Every template with its built-in source; the names that a user may override.
const TEMPLATES: [(&str, &str); 6] = [
    ("base.html", include_str!("templates/base.html")),
    ("macros.html", include_str!("templates/macros.html")),
    ("executive.html", include_str!("templates/executive.html")),
    ("pipeline.html", include_str!("templates/pipeline.html")),
    ("alerts.html", include_str!("templates/alerts.html")),
    ("comparison.html", include_str!("templates/comparison.html")),
];

/// Fills templates. Built once, used for every page.
pub(super) struct Pages {
    env: Environment<'static>,
    style: String,
}

impl Pages {
    /// The built-in templates.
    pub(super) fn new() -> Result<Self, ReportError> {
        let mut env = Environment::new();
        env.set_auto_escape_callback(|_every_template| AutoEscape::Html);
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        env.set_formatter(formatter);
        env.set_syntax(syntax()?);
        format::register(&mut env);
        for (name, source) in TEMPLATES {
            env.add_template(name, source).map_err(|source| ReportError::template(name, source))?;
        }
        Ok(Self { env, style: STYLE.to_owned() })
    }

    /// Puts a user's template, or `style.css`, in the place of a built-in one.
    pub(super) fn put(&mut self, name: &str, source: String) -> Result<(), ReportError> {
        if name == "style.css" {
            self.style = source;
            return Ok(());
        }
        if !TEMPLATES.iter().any(|(known, _)| *known == name) {
            let known: Vec<_> = TEMPLATES.iter().map(|(known, _)| *known).chain(["style.css"]).collect();
            return Err(ReportError::UnknownTemplate { name: clean(name, 200, false), known: known.join(", ") });
        }
        self.env.add_template_owned(name.to_owned(), source).map_err(|source| ReportError::template(name, source))
    }

    /// One page.
    pub(super) fn page(&self, template: &str, page: Value) -> Result<String, ReportError> {
        let template_of = |source| ReportError::template(template, source);
        self.env.get_template(template).and_then(|found| found.render(page)).map_err(template_of)
    }

    /// What every page carries: style, script, policy, logo.
    pub(super) fn shell(&self, branding: &Branding) -> Value {
        let own_css = branding.css.as_deref().map(inert_css).unwrap_or_default();
        let policy = format!(
            "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{}'; \
             base-uri 'none'; form-action 'none'",
            base64(&Sha256::digest(SCRIPT))
        );
        minijinja::context! {
            style => Value::from_safe_string(format!("{}{}{own_css}", palette(), inert_css(&self.style))),
            script => Value::from_safe_string(SCRIPT.to_owned()),
            policy => policy,
            logo => branding.logo.as_deref().filter(|logo| is_image(logo)),
            title => branding.title.as_deref().unwrap_or("perfline"),
        }
    }
}

/// Tags on lines of their own leave no blank lines.
fn syntax() -> Result<SyntaxConfig, ReportError> {
    let built = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    built.map_err(|source| ReportError::template("syntax", source))
}

/// The charts' palette and the page's own, each for both themes; paper is always light.
fn palette() -> String {
    let light = "--ground:#f6f8fa;--line:#dde3e9;--tint:#eef2f6;--bad:#a3320b;--bad-wash:#fcebe3;--warn-wash:#faf1d8;\
                 --good-wash:#e0f3ec;--unsure:#5b4b8a;--unsure-wash:#efecf7";
    let dark = "--ground:#0d1116;--line:#2a313b;--tint:#1e252e;--bad:#ff9a6b;--bad-wash:#3a1f14;--warn-wash:#33290f;\
                --good-wash:#10312a;--unsure:#b9aaf0;--unsure-wash:#262038";
    format!(
        ":root{{{};{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{};{dark}}}}}\n",
        light_declarations(),
        dark_declarations()
    )
}

/// Only pictures that are part of the page.
fn is_image(uri: &str) -> bool {
    let data = uri.strip_prefix("data:image/");
    data.is_some_and(|data| {
        data.len() <= 200_000 && data.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=;,-.%".contains(&b))
    })
}

/// CSS that cannot leave its element: what would be a tag becomes an escape. What it may load, the page's
/// policy decides: nothing.
fn inert_css(css: &str) -> String {
    let mut out = String::with_capacity(css.len());
    let mut chars = css.chars().peekable();
    while let Some(ch) = chars.next() {
        // `width<400px` of a media query stays.
        let tag = ch == '<' && chars.peek().is_some_and(|next| next.is_ascii_alphabetic() || "/!?".contains(*next));
        if tag { out.push_str("\\3c ") } else { out.push(ch) }
    }
    out
}

/// Strings are cleaned before they are escaped; numbers and our own markup pass as they are.
fn formatter(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), minijinja::Error> {
    match value.as_str() {
        Some(text) if !value.is_safe() => {
            // A long picture is no text: it was checked to be plain.
            if is_image(text) {
                return escape_formatter(out, state, value);
            }
            // A number stays on the line of its percent sign.
            let text = clean(text, TEXT_MAX, false).replace(" %", "\u{a0}%");
            escape_formatter(out, state, &Value::from(text))
        }
        _ => escape_formatter(out, state, value),
    }
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| (bits << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let index = (bits >> (18 - 6 * place)) & 63;
            let letter = ALPHABET.get(index as usize).copied().unwrap_or(b'=');
            out.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_agrees_with_rfc_4648() {
        for (plain, coded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn only_embedded_pictures_are_logos() {
        assert!(is_image("data:image/png;base64,iVBORw0KGgo="));
        assert!(!is_image("https://example.org/x.png"));
        assert!(!is_image("data:image/png,\"><script>"));
        assert!(!is_image("data:text/html,x"));
    }

    #[test]
    fn css_cannot_close_its_element() {
        assert_eq!(inert_css("a{}</style><script>"), "a{}\\3c /style>\\3c script>");
        assert_eq!(inert_css("@media (width<400px){}"), "@media (width<400px){}");
    }
}
