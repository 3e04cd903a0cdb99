//! File names and element ids for hostile names: short, safe, unique.

use sha2::{Digest, Sha256};

/// Name of a pipeline's page: `pipeline-SLUG-HASH.html`, the same for the same pipeline and service.
#[must_use]
pub fn page_name(pipeline: &str, service: Option<&str>) -> String {
    format!("pipeline-{}-{}.html", slug(pipeline), hash(pipeline, service))
}

/// Lower-case ASCII letters, digits and single hyphens, at most 40; `x` where nothing is left.
#[must_use]
pub fn slug(text: &str) -> String {
    let mut out = String::new();
    for ch in text.chars() {
        if out.len() >= 40 {
            break;
        }
        if ch.is_ascii_alphanumeric() {
            out.push(ch.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    let out = out.trim_end_matches('-');
    if out.is_empty() { "x".to_owned() } else { out.to_owned() }
}

/// Twelve hex digits: two of a million pipelines share one in less than one case of 500.
fn hash(pipeline: &str, service: Option<&str>) -> String {
    let mut digest = Sha256::new();
    // A length before each part, so that moving a letter from one to the other gives another name.
    digest.update(pipeline.len().to_le_bytes());
    digest.update(pipeline);
    if let Some(service) = service {
        digest.update([1]);
        digest.update(service);
    }
    digest.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn services_with_a_pipeline_of_the_same_name_get_different_pages() {
        assert_ne!(page_name("build", None), page_name("build", Some("ci")));
        assert_ne!(page_name("build", Some("")), page_name("build", None));
        assert_ne!(page_name("buildc", Some("i")), page_name("build", Some("ci")));
    }

    #[test]
    fn paths_and_empty_names_are_harmless() {
        assert!(page_name("../../etc/passwd", None).starts_with("pipeline-etc-passwd-"));
        assert!(page_name("", None).starts_with("pipeline-x-"));
        assert!(page_name("\u{202e}日本", None).starts_with("pipeline-x-"));
    }

    proptest! {
        #[test]
        fn page_names_are_short_and_plain(name in ".{0,300}") {
            let page = page_name(&name, None);
            prop_assert!(page.len() <= 67);
            prop_assert!(page.chars().all(|ch| ch.is_ascii_lowercase() || ch.is_ascii_digit() || "-.".contains(ch)));
            prop_assert!(!page.contains(".."));
        }
    }
}
