//! Python literals as JSON: what programs write that print a value instead of encoding it.

use serde_json::Value;

/// The document in a text: JSON, or what Python prints of a dictionary, list or tuple.
#[must_use]
pub fn document(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().or_else(|| python(text))
}

/// A dictionary, list or tuple as Python prints it; `None` where it is none, or holds what JSON cannot.
fn python(text: &str) -> Option<Value> {
    let text = text.trim();
    if !text.starts_with(['{', '[', '(']) {
        return None;
    }
    let mut json = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '\'' | '"' => push_string(rest, first, &mut json)?,
            '(' => push("[", first, &mut json),
            ')' => push("]", first, &mut json),
            _ if first.is_ascii_alphabetic() => push_word(rest, &mut json)?,
            _ => {
                json.push(first);
                first.len_utf8()
            }
        };
        rest = rest.get(taken..)?;
    }
    serde_json::from_str(&json).ok()
}

fn push(text: &str, for_char: char, json: &mut String) -> usize {
    json.push_str(text);
    for_char.len_utf8()
}

fn push_word(rest: &str, json: &mut String) -> Option<usize> {
    let word = rest.split(|c: char| !c.is_ascii_alphanumeric()).next()?;
    json.push_str(match word {
        "None" => "null",
        "True" => "true",
        "False" => "false",
        // The exponent of a number.
        other if other.starts_with(['e', 'E']) && json.ends_with(|c: char| c.is_ascii_digit() || c == '.') => other,
        _ => return None,
    });
    Some(word.len())
}

/// Bytes that the string takes, quotes included.
fn push_string(rest: &str, quote: char, json: &mut String) -> Option<usize> {
    let mut plain = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next()?.1 {
                'n' => plain.push('\n'),
                't' => plain.push('\t'),
                'r' => plain.push('\r'),
                // \x41 and its like: nothing that is looked for has them.
                other => plain.push(other),
            },
            _ if c == quote => {
                json.push_str(&Value::String(plain).to_string());
                return Some(at + c.len_utf8());
            }
            _ => plain.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::python;

    #[test]
    fn what_python_prints_is_read() {
        let printed = "{'completion_tokens': 11, 'details': {'cached': None, 'ok': True}, 'text': \"it's\", 'pair': (1, 2.5e-06)}";
        let wanted = json!({"completion_tokens": 11, "details": {"cached": null, "ok": true}, "text": "it's", "pair": [1, 2.5e-06]});
        assert_eq!(python(printed), Some(wanted));
        assert_eq!(python(r"{'a': 'l\'x\n'}"), Some(json!({"a": "l'x\n"})));
    }

    #[test]
    fn what_is_no_literal_is_nothing_and_never_a_panic() {
        for text in
            ["", "x", "{", "{'a", "{'a': <object at 0x7f>}", "[1, 2", "{'a\\", "{datetime.now()}", "(é)", "['é'"]
        {
            assert_eq!(python(text), None, "{text}");
        }
    }
}
