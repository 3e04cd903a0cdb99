//! Words for how something ended, behind whatever an emitter puts in front: `State.FAILED`, `JOB_STATUS_FAILED`.

use super::value::{outcome_key, plain_word};

/// In front of a word these turn it round, weaken it, or say it of something else: the whole is another word.
const TURNING: [&str; 70] = [
    "no",
    "not",
    "non",
    "none",
    "never",
    "without",
    "nothing",
    "zero",
    "un",
    "in",
    "is",
    "isnt",
    "didnt",
    "cannot",
    "dont",
    "almost",
    "nearly",
    "half",
    "partial",
    "partially",
    "partly",
    "maybe",
    "possibly",
    "perhaps",
    "expected",
    "allow",
    "allowed",
    "ignore",
    "ignoring",
    "continue",
    "with",
    "but",
    "to",
    "on",
    "for",
    "of",
    "after",
    "before",
    "until",
    "unless",
    "if",
    "when",
    "while",
    "and",
    "or",
    "awaiting",
    "waiting",
    "wait",
    "will",
    "may",
    "can",
    "could",
    "should",
    "upstream",
    "downstream",
    "dependency",
    "dependencies",
    "parent",
    "child",
    "children",
    "previous",
    "previously",
    "last",
    "next",
    "first",
    "some",
    "other",
    "any",
    "all",
    "max",
];

/// Words that mean something only by themselves: behind another word they say nothing about an end.
const ALONE: [&str; 12] =
    ["true", "false", "run", "only", "default", "manual", "info", "debug", "warning", "changed", "expected", "todo"];

/// Looks a word up: whole, else by its longest end that is known and that nothing in front of it turns round.
pub(super) fn read<T>(word: &str, known: impl Fn(&str) -> Option<T>) -> Option<T> {
    let whole = known(&outcome_key(word));
    whole.or_else(|| known(&outcome_key(split(word, |key| known(key).is_some())?.1)))
}

/// A word that is not known, as what stands in front and the longest end that is.
pub(super) fn split(word: &str, is_known: impl Fn(&str) -> bool) -> Option<(&str, &str)> {
    let ends = word.char_indices().filter(|(_, c)| is_sign(*c)).map(|(at, c)| word.split_at(at + c.len_utf8()));
    let is_end = |end: &str| !ALONE.contains(&plain_word(end).as_str()) && is_known(&outcome_key(end));
    let (front, end) = ends.into_iter().find(|(_, end)| is_end(end))?;
    // Of a word behind a dot the front is a name: whatever it is made of, it is the name of an enumeration.
    let is_name = front.ends_with(['.', ':']);
    let mut words = front.split(is_sign).filter(|part| !part.is_empty()).map(str::to_lowercase);
    let turns = words.any(|part| TURNING.contains(&part.as_str()) || is_known(&part));
    (is_name || !turns).then_some((front, end))
}

fn is_sign(c: char) -> bool {
    matches!(c, '_' | '-' | '.' | ':' | '/' | ' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [(&str, &str); 9] = [
        ("failed", "failure"),
        ("failure", "failure"),
        ("error", "failure"),
        ("success", "success"),
        ("cancelled", "cancelled"),
        ("timedout", "timed_out"),
        ("notrun", "skipped"),
        ("retry", "retry"),
        ("true", "success"),
    ];

    fn said(word: &str) -> Option<&'static str> {
        read(word, |key| KNOWN.iter().find(|(known, _)| *known == key).map(|(_, outcome)| *outcome))
    }

    #[test]
    fn the_name_of_an_enumeration_in_front_does_not_count() {
        for (word, outcome) in [
            ("WORKFLOW_STATUS_FAILED", "failure"),
            ("STATUS_CODE_ERROR", "failure"),
            ("TASK_STATE_SUCCESS", "success"),
            ("EXECUTION_STATE_CANCELLED", "cancelled"),
            ("JOB_RUN_RESULT_TIMED_OUT", "timed_out"),
            ("State.FAILED", "failure"),
            ("run.v1.State.TIMED_OUT", "timed_out"),
            ("JobState::Failed", "failure"),
            ("task-state-success", "success"),
            ("TEST_NOT_RUN", "skipped"),
            ("Build failed", "failure"),
        ] {
            assert_eq!(said(word), Some(outcome), "{word}");
        }
    }

    #[test]
    fn what_is_turned_round_or_said_of_something_else_is_unknown() {
        for word in [
            "NOT_FAILED",
            "NO_ERROR",
            "STATUS_NO_ERROR",
            "UNSUCCESSFUL",
            "INCOMPLETE",
            "State.NOT_FAILED",
            "non-failure",
            "without error",
            "CANCEL_ON_FAILURE",
            "FAILED_RETRY",
            "SUCCESS_WITH_ERROR",
            "PARTIAL_SUCCESS",
            "DEPENDENCY_FAILED",
            "IGNORED_ON_ERROR",
            "has_errors: true",
            "IS_TRUE",
            "STATUS_",
            "",
            "no idea",
        ] {
            assert_eq!(said(word), None, "{word}");
        }
    }
}
