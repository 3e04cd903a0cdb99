//! Names that differ from run to run: detected and folded, so that few pipelines remain.

/// Stands for what was folded.
const PLACEHOLDER: &str = "{id}";
/// Length of a UUID as text.
pub(in crate::otlp) const UUID_BYTES: usize = 36;
/// Words behind which any number counts runs.
const COUNTED: [&str; 10] =
    ["run", "build", "execution", "iteration", "attempt", "pr", "mr", "pull", "issue", "commit"];

/// Words that say of a name only that something runs.
const GENERIC: [&str; 32] = [
    "run",
    "runs",
    "running",
    "runner",
    "execute",
    "executes",
    "execution",
    "executor",
    "exec",
    "engine",
    "pipeline",
    "workflow",
    "job",
    "flow",
    "dag",
    "task",
    "process",
    "main",
    "root",
    "start",
    "invoke",
    "invocation",
    "handle",
    "handler",
    "perform",
    "work",
    "worker",
    "call",
    "app",
    "my",
    "the",
    "script",
];

/// Whether a name is made of words that say only that something runs: `run_pipeline`, `WorkflowExecution`, `main`.
#[must_use]
pub(super) fn is_generic(name: &str) -> bool {
    let mut words: Vec<String> = Vec::new();
    let mut was_lower = false;
    for c in name.chars() {
        let is_break = !c.is_alphanumeric() || (was_lower && c.is_uppercase());
        if is_break || words.is_empty() {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
        was_lower = c.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    !words.is_empty() && words.iter().all(|word| GENERIC.contains(&word.as_str()))
}

/// Folds UUIDs, hashes, random words, dates, times, long and counting numbers; `None` where nothing of a name remains.
#[must_use]
pub(in crate::otlp) fn fold(name: &str) -> Option<String> {
    let folded = fold_words(name.trim());
    let letters = folded.replace(PLACEHOLDER, "").chars().filter(|c| c.is_alphabetic()).count();
    (letters >= 2).then_some(folded)
}

/// Folds as [`fold`] does, word by word, whatever remains.
#[must_use]
pub(super) fn fold_words(name: &str) -> String {
    let mut folded = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let id = length_of_id(rest, &folded);
        if id > 0 {
            // Ids in a row are one: a date and its time, a counter with dots.
            let joint = folded.trim_end_matches(is_joint);
            if joint.ends_with(PLACEHOLDER) && folded.len() - joint.len() <= 1 {
                folded.truncate(joint.len());
            } else {
                folded.push_str(PLACEHOLDER);
            }
            rest = rest.get(id..).unwrap_or_default();
            continue;
        }
        let length = if first.is_alphanumeric() { word(rest).len() } else { first.len_utf8() };
        let (head, tail) = rest.split_at(length);
        folded.push_str(head);
        rest = tail;
    }
    folded
}

/// Bytes of the id at the beginning of `rest`; 0 where there is none. `before`: what stands before it.
fn length_of_id(rest: &str, before: &str) -> usize {
    if rest.get(..UUID_BYTES).is_some_and(is_uuid) {
        return UUID_BYTES;
    }
    let chain = length_of_numbers(rest);
    if chain > 0 {
        return chain;
    }
    let word = word(rest);
    let counts = word.bytes().all(|byte| byte.is_ascii_digit()) && !word.is_empty() && is_counted(before);
    if counts || is_random(word) { word.len() } else { 0 }
}

/// Up to the next character that is no letter and no digit.
fn word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default()
}

#[must_use]
pub(in crate::otlp) fn is_joint(c: char) -> bool {
    matches!(c, '-' | '_' | ':' | '.' | '/' | '+' | ' ')
}

/// A number of four digits or more, a date, a time: numbers joined by punctuation, six digits or more in all.
fn length_of_numbers(text: &str) -> usize {
    let (mut digits, mut groups, mut end, mut longest) = (0, 0, 0, 0);
    let mut at = 0;
    while let Some(group) = text.get(at..).map(word).filter(|group| is_numeric(group)) {
        let count = group.bytes().filter(u8::is_ascii_digit).count();
        longest = longest.max(count);
        digits += count;
        groups += 1;
        end = at + group.len();
        match text.get(end..).and_then(|rest| rest.chars().next()) {
            Some(joint) if is_joint(joint) && joint != ' ' => at = end + 1,
            _ => break,
        }
    }
    let is_id = longest >= 4 || (groups >= 3 && digits >= 6);
    if is_id { end } else { 0 }
}

/// Digits, or a part of a date with its time: `01T03`, `00Z`.
#[must_use]
pub(in crate::otlp) fn is_numeric(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
        && word.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'T' | b'Z'))
}

/// `#17`, `run 17`, `build-17`; also another number behind an id.
fn is_counted(before: &str) -> bool {
    let said = before.trim_end_matches(is_joint);
    if before.ends_with('#') || (said.ends_with(PLACEHOLDER) && said.len() < before.len()) {
        return true;
    }
    let last = said.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    said.len() < before.len() && is_counter(last)
}

/// Whether a number behind this word counts runs.
#[must_use]
pub(in crate::otlp) fn is_counter(word: &str) -> bool {
    COUNTED.iter().any(|counted| word.eq_ignore_ascii_case(counted))
}

/// A hash, or what a random generator makes: digits and letters in turn.
#[must_use]
pub(in crate::otlp) fn is_random(word: &str) -> bool {
    if !word.is_ascii() {
        return false;
    }
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let is_hex = word.bytes().all(|byte| byte.is_ascii_hexdigit());
    // Seven digits are a short commit id.
    let is_hash = is_hex && digits >= 1 && digits < word.len() && word.len() >= 7;
    let turns = word.as_bytes().windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit()).count();
    is_hash || (word.len() >= 12 && turns >= 4) || (word.len() >= 8 && turns >= 5)
}

/// What Kubernetes picks from: no vowels, and no digits that look like one.
pub(in crate::otlp) const GENERATED: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Five characters of those.
#[must_use]
pub(in crate::otlp) fn is_generated(tail: &str) -> bool {
    tail.len() == 5 && tail.bytes().all(|byte| GENERATED.contains(&byte))
}

/// Hexadecimal digits and hyphens in their places.
#[must_use]
pub(in crate::otlp) fn is_uuid(word: &str) -> bool {
    word.len() == UUID_BYTES
        && word
            .char_indices()
            .all(|(i, c)| if matches!(i, 8 | 13 | 18 | 23) { c == '-' } else { c.is_ascii_hexdigit() })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use xxhash_rust::xxh3::xxh3_128_with_seed;

    use super::{fold, fold_words, is_generic};

    #[test]
    fn ids_dates_and_long_numbers_are_folded() {
        assert_eq!(fold("order 12345 import"), Some("order {id} import".into()));
        assert_eq!(fold("etl-2026-05-01"), Some("etl-{id}".into()));
        assert_eq!(fold("etl 2026-05-01T03:00:00.125Z"), Some("etl {id}".into()));
        assert_eq!(fold("etl 2026-05-01 03:00:00"), Some("etl {id}".into()));
        assert_eq!(fold("etl/01.05.26"), Some("etl/{id}".into()));
        assert_eq!(fold("etl 2026/05/01/7"), Some("etl {id}".into()));
        assert_eq!(fold("job_deadbeef01"), Some("job_{id}".into()));
        assert_eq!(fold("deploy a1b2c3d"), Some("deploy {id}".into()));
        assert_eq!(fold("load 01HV3K8Q2ZJ4M5N6P7R8S9T0AB now"), Some("load {id} now".into()));
        assert_eq!(fold_words("Crew_4d29ce2d-0752-4793-b376-27dbb661a24b.kickoff"), "Crew_{id}.kickoff");
        assert_eq!(fold_words("load-4d29ce2d-0752-4793-b376-27dbb661a24b-é"), "load-{id}-é");
    }

    #[test]
    fn numbers_that_count_runs_are_folded_however_short() {
        for (name, folded) in
            [("build #7", "build #{id}"), ("run-12", "run-{id}"), ("Nightly run 3", "Nightly run {id}")]
        {
            assert_eq!(fold(name).as_deref(), Some(folded));
        }
    }

    #[test]
    fn a_name_that_is_only_an_id_is_no_name() {
        assert_eq!(fold("4d29ce2d-0752-4793-b376-27dbb661a24b"), None);
        assert_eq!(fold("20260501"), None);
        assert_eq!(fold("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"), None);
        assert_eq!(fold("  "), None);
    }

    #[test]
    fn names_with_small_numbers_and_templates_stay() {
        for name in [
            "test (1.23)",
            "triage ticket {ticket_id}",
            "python3.11",
            "stage-2",
            "play.yml",
            "Grüße 東京",
            "x86_64-linux",
            "node 20.11.1",
            "h264 to h265",
            "facade",
            "i18n",
            "load s3 to db2",
            "test_f[2]",
            "Step 1",
        ] {
            assert_eq!(fold(name).as_deref(), Some(name));
        }
    }

    #[test]
    fn a_name_that_says_only_that_something_runs_is_generic() {
        for name in ["run", "run_pipeline", "pipeline.run", "WorkflowExecution", "dag-run", "main", "Execute Job"] {
            assert!(is_generic(name), "{name}");
        }
        for name in ["nightly orders", "run_orders", "pipeline 7", "RunETL", "", "--", "load"] {
            assert!(!is_generic(name), "{name}");
        }
    }

    #[test]
    fn ten_thousand_names_become_one() {
        let shapes: [fn(u64, u128) -> String; 8] = [
            |_, r| {
                let hex = format!("{r:032x}");
                format!("etl {}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
            },
            |_, r| format!("etl-{r:032x}"),
            |i, _| format!("etl run {i}"),
            |i, _| format!("etl #{i}"),
            |i, _| format!("etl {:06}", i * 7),
            |i, _| {
                format!("etl 2026-{:02}-{:02}T{:02}:{:02}:{:02}Z", i % 12 + 1, i % 28 + 1, i % 24, i % 60, i * 7 % 60)
            },
            |i, _| format!("etl/{}/{:02}/{:02}", 2000 + i % 30, i % 12 + 1, i % 28 + 1),
            |i, _| format!("etl_{}", 1_767_225_600 + i * 60),
        ];
        for shape in shapes {
            let names: BTreeSet<_> = (0..10_000).map(|i| fold(&shape(i, xxh3_128_with_seed(b"name", i)))).collect();
            assert_eq!(names.len(), 1, "{:?}", names.iter().take(3).collect::<Vec<_>>());
        }
        // A short commit id may be all letters, or a word of the language: one in a thousand is.
        let short = (0..10_000).map(|i| fold(&format!("deploy {:07x}", xxh3_128_with_seed(b"short", i) & 0xfff_ffff)));
        let names: BTreeSet<_> = short.collect();
        assert!(names.len() <= 30, "{} names", names.len());
    }
}
