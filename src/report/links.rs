//! Links lead to what was written beside the page, and nowhere else.

use std::collections::BTreeSet;

const OPENS: &str = "<a href=\"";
const CLOSES: &str = "</a>";

/// A page without the links to files that were not written: their text stays. What is said on the page itself is
/// escaped, so that these are the tags of templates.
pub(super) fn keep_known(page: &str, files: &BTreeSet<String>) -> String {
    let mut out = String::with_capacity(page.len());
    let mut rest = page;
    while let Some(at) = rest.find(OPENS) {
        let target = rest[at + OPENS.len()..].split('"').next().unwrap_or_default();
        let (tag_end, close) = (rest[at..].find('>'), rest[at..].find(CLOSES));
        let (Some(tag_end), Some(close)) = (tag_end, close.filter(|close| Some(*close) > tag_end)) else { break };
        let end = at + close + CLOSES.len();
        if is_elsewhere(target) && !files.contains(target) {
            out.push_str(&rest[..at]);
            out.push_str(&rest[at + tag_end + 1..at + close]);
        } else {
            out.push_str(&rest[..end]);
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

fn is_elsewhere(target: &str) -> bool {
    let plain = |ch: char| ch.is_ascii_lowercase() || ch.is_ascii_digit() || ch == '-';
    target.strip_suffix(".html").is_some_and(|stem| !stem.is_empty() && stem.chars().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_what_is_not_there_leaves_its_text() {
        let files = BTreeSet::from(["index.html".to_owned()]);
        let page = "<p><a href=\"index.html\" class=\"x\">Overview</a> <a href=\"alerts.html\">3 more</a> \
                    <a href=\"#main\">down</a> <a href=\"pipeline-a-1.html\"><b>a</b></a></p>";
        let kept = "<p><a href=\"index.html\" class=\"x\">Overview</a> 3 more <a href=\"#main\">down</a> <b>a</b></p>";
        assert_eq!(keep_known(page, &files), kept);
        assert_eq!(keep_known("<a href=\"alerts.html\"", &files), "<a href=\"alerts.html\"");
    }
}
