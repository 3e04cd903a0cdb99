//! Names that differ from run to run: detected and folded, so that few pipelines remain.

/// Stands for what was folded.
const PLACEHOLDER: &str = "{id}";
/// Length of a UUID as text.
const UUID_BYTES: usize = 36;

/// Folds UUIDs, long hex words, dates and long numbers; `None` where nothing of a name remains.
#[must_use]
pub(super) fn fold(name: &str) -> Option<String> {
    let folded = fold_words(name.trim());
    let letters = folded.replace(PLACEHOLDER, "").chars().filter(|c| c.is_alphabetic()).count();
    (letters >= 2).then_some(folded)
}

/// Folds as [`fold`] does, word by word, whatever remains.
#[must_use]
pub(super) fn fold_words(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    let mut word = String::new();
    for c in name.chars() {
        if c.is_alphanumeric() || c == '-' || c == '_' {
            word.push(c);
        } else {
            push_word(&mut folded, &word);
            word.clear();
            folded.push(c);
        }
    }
    push_word(&mut folded, &word);
    folded
}

fn push_word(folded: &mut String, word: &str) {
    if let Some((head, tail)) = split_uuid(word) {
        push_word(folded, head);
        push_placeholder(folded);
        return push_word(folded, tail);
    }
    let mut part = String::new();
    for c in word.chars() {
        if c == '-' || c == '_' {
            push_part(folded, &part);
            part.clear();
            folded.push(c);
        } else {
            part.push(c);
        }
    }
    push_part(folded, &part);
}

fn push_part(folded: &mut String, part: &str) {
    let digits = part.chars().filter(char::is_ascii_digit).count();
    let is_hex = part.len() >= 8 && part.chars().all(|c| c.is_ascii_hexdigit()) && digits >= 2;
    let is_long_number = digits >= 4 && digits == part.len();
    // A short number counts only beside another one: dates and dotted counters.
    let continues = digits > 0
        && digits == part.len()
        && (folded.ends_with("{id}-") || folded.ends_with("{id}_") || folded.ends_with("{id}:"));
    if is_hex || is_long_number {
        push_placeholder(folded);
    } else if continues {
        folded.pop();
    } else {
        folded.push_str(part);
    }
}

fn push_placeholder(folded: &mut String) {
    folded.push_str(PLACEHOLDER);
}

/// What stands before and after the first UUID of a word.
fn split_uuid(word: &str) -> Option<(&str, &str)> {
    let mut starts = word.char_indices().map(|(start, _)| start);
    let start = starts.find(|start| word.get(*start..*start + UUID_BYTES).is_some_and(is_uuid))?;
    let (head, rest) = word.split_at(start);
    Some((head, rest.get(UUID_BYTES..).unwrap_or_default()))
}

fn is_uuid(word: &str) -> bool {
    word.len() == UUID_BYTES
        && word
            .char_indices()
            .all(|(i, c)| if matches!(i, 8 | 13 | 18 | 23) { c == '-' } else { c.is_ascii_hexdigit() })
}

#[cfg(test)]
mod tests {
    use super::{fold, fold_words};

    #[test]
    fn ids_dates_and_long_numbers_are_folded() {
        assert_eq!(fold("order 12345 import"), Some("order {id} import".into()));
        assert_eq!(fold("etl-2026-05-01"), Some("etl-{id}".into()));
        assert_eq!(fold("job_deadbeef01"), Some("job_{id}".into()));
        assert_eq!(fold_words("Crew_4d29ce2d-0752-4793-b376-27dbb661a24b.kickoff"), "Crew_{id}.kickoff");
        assert_eq!(fold_words("load-4d29ce2d-0752-4793-b376-27dbb661a24b-é"), "load-{id}-é");
    }

    #[test]
    fn a_name_that_is_only_an_id_is_no_name() {
        assert_eq!(fold("4d29ce2d-0752-4793-b376-27dbb661a24b"), None);
        assert_eq!(fold("20260501"), None);
        assert_eq!(fold("  "), None);
    }

    #[test]
    fn names_with_small_numbers_and_templates_stay() {
        for name in ["test (1.23)", "triage ticket {ticket_id}", "python3.11", "stage-2", "play.yml", "Grüße 東京"]
        {
            assert_eq!(fold(name).as_deref(), Some(name));
        }
    }
}
