//! What wins, who said it, and what is said of mistakes.

use std::io::Write as _;
use std::time::Duration;

use super::*;
use crate::config::{ByteSize, Period};

fn with_file(text: &str) -> Layers {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let mut layers = Layers::new().unwrap();
    layers.file(file.path()).unwrap();
    layers
}

fn variables(pairs: &[(&str, &str)]) -> impl Iterator<Item = (String, String)> {
    let owned: Vec<_> = pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    owned.into_iter()
}

fn source_of(layers: &Layers, key: &str) -> String {
    layers.settings().into_iter().find(|setting| setting.key == key).unwrap().source.to_string()
}

#[test]
fn the_built_in_file_is_whole_and_listens_on_this_machine_only() {
    let config = Layers::new().unwrap().config().unwrap();
    assert!(config.listen.grpc.ip().is_loopback() && config.listen.http.ip().is_loopback());
    assert_eq!(config.limits.body_bytes_max, ByteSize(64 << 20));
    assert_eq!(config.limits.query_rows_max, 0);
    assert_eq!(config.limits.queries_max, 8);
    assert_eq!(config.limits.query_bytes_max, ByteSize(256 << 20));
    assert_eq!(config.limits.query_timeout, Period(Duration::from_secs(300)));
    assert_eq!(config.store.load_interval, Period(Duration::from_millis(1500)));
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let mut layers = with_file("[limits]\nattributes_max = 5\nbody_timeout = '5s'\nbody_bytes_max = 5\n");
    layers
        .environment(variables(&[
            ("PERFLINE_LIMITS_ATTRIBUTES_MAX", "6"),
            ("PERFLINE_LIMITS_BODY_TIMEOUT", "6s"),
            ("PERFLINE_STORE", "x.duckdb"),
            ("PERFLINE_HTTP", ""),
        ]))
        .unwrap();
    layers.assign("limits.attributes_max=7").unwrap();
    let config = layers.config().unwrap();
    assert_eq!(config.limits.attributes_max, 7);
    assert_eq!(config.limits.body_timeout, Period(Duration::from_secs(6)));
    assert_eq!(config.limits.body_bytes_max, ByteSize(5));
    assert_eq!(config.store.path, Path::new("x.duckdb"));
    assert_eq!(source_of(&layers, "limits.attributes_max"), "flag --set");
    assert_eq!(source_of(&layers, "limits.body_timeout"), "environment PERFLINE_LIMITS_BODY_TIMEOUT");
    assert!(source_of(&layers, "limits.body_bytes_max").starts_with("file "));
    assert_eq!(source_of(&layers, "listen.http"), "default");
}

#[test]
fn every_key_has_a_variable() {
    let mut layers = Layers::new().unwrap();
    let mut names = 0;
    let leaves = layers.variables();
    each_leaf(&layers.defaults.clone(), &mut Vec::new(), &mut |key, value| {
        let name = leaves.iter().find(|(_, known)| *known == key).unwrap().0.clone();
        let text = match value {
            // No words: what a list holds is its own matter.
            Value::Array(_) => ",".to_owned(),
            Value::String(text) if text.is_empty() => "x".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        layers.environment(variables(&[(&name, &text)])).unwrap();
        names += 1;
    });
    layers.config().unwrap();
    assert!(layers.settings().iter().all(|setting| matches!(setting.source, Source::Variable(_))));
    assert!(names > 15, "{names}");
}

#[test]
fn lists_and_switches_are_read_from_text() {
    let mut layers = Layers::new().unwrap();
    layers
        .environment(variables(&[
            ("PERFLINE_LISTEN_CORS_ORIGINS", "https://a.example, https://b.example"),
            ("PERFLINE_LISTEN_ALLOW_INSECURE_BIND", "yes"),
        ]))
        .unwrap();
    let listen = layers.config().unwrap().listen;
    assert_eq!(listen.cors_origins, ["https://a.example", "https://b.example"]);
    assert!(listen.allow_insecure_bind);
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_one() {
    let error = with_file("# mine\n[store]\nrun_idle_timeout = '5s'\npaht = 'x'\n").config().unwrap_err();
    assert!(error.to_string().ends_with("line 4: there is no key `store.paht`"), "{error}");
    assert_eq!(error.help().unwrap(), "did you mean `store.path`?");
    let error = with_file("[stoer]\npath = 'x'\n").config().unwrap_err();
    assert!(error.to_string().ends_with("line 1: there is no key `stoer`"), "{error}");
    assert_eq!(error.help().unwrap(), "did you mean `store`?");
    let error = with_file("[log]\nzzz = 1\n").config().unwrap_err();
    assert_eq!(error.help().unwrap(), "known here: level, format");
    let mut layers = Layers::new().unwrap();
    layers.assign("log.levle=info").unwrap();
    assert_eq!(layers.config().unwrap_err().to_string(), "--set: there is no key `log.levle`");
}

#[test]
fn an_unknown_variable_of_a_section_is_an_error_and_others_are_not_ours() {
    let environment = |name: &str| Layers::new().unwrap().environment(variables(&[(name, "1")]));
    let error = environment("PERFLINE_LIMITS_BODY_TIMEUOT").unwrap_err();
    assert_eq!(error.help().unwrap(), "did you mean PERFLINE_LIMITS_BODY_TIMEOUT?");
    for name in [
        "PERFLINE_RUN_ID",
        "PERFLINE_PIPELINE",
        "PERFLINE_ANONYMIZE",
        "PERFLINE_ANONYMIZE_KEY",
        "PERFLINE_PRICES",
        "PERFLINE_STORE_SERVICE_HOST",
        "PERFLINE_STORE_PORT_4317_TCP",
    ] {
        environment(name).unwrap();
    }
}

#[test]
fn a_wrong_value_is_named_with_its_place_and_the_remedy() {
    let error = with_file("[limits]\nbody_timeout = 30\n").config().unwrap_err().to_string();
    assert!(error.contains("line 2: limits.body_timeout: ") && error.contains("with its unit"), "{error}");
    let mut layers = Layers::new().unwrap();
    layers.environment(variables(&[("PERFLINE_LIMITS_BODY_TIMEOUT", "30")])).unwrap();
    let error = layers.config().unwrap_err().to_string();
    assert!(error.starts_with("environment variable PERFLINE_LIMITS_BODY_TIMEOUT: "), "{error}");
    let error = with_file("[listen]\ngrpc = 'nowhere'\n").config().unwrap_err().to_string();
    assert!(error.contains("line 2: listen.grpc: "), "{error}");
    let error = with_file("[listen]\nallow_insecure_bind = 'perhaps'\n").config().unwrap_err().to_string();
    assert!(error.contains("listen.allow_insecure_bind: "), "{error}");
    assert!(matches!(Layers::new().unwrap().assign("limits"), Err(ConfigError::Assignment(_))));
}
