//! Names kept private: the store holds the same runs, steps, outcomes and tokens, and no name that came in.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use perfline::otlp::conventions::Rules;
use perfline::otlp::sink::Accepted;
use perfline::otlp::veil::{Key, Veil};
use perfline::store::{Row, StoreOptions};

use super::support::{TempStore, fixtures, requests};

fn veil() -> Arc<Veil> {
    let key = Key::new(b"a key for tests, no secret").unwrap();
    Arc::new(Veil::new(key, Arc::new(Rules::embedded().unwrap())))
}

fn filled(requests: &[Accepted], change: impl FnOnce(&mut StoreOptions)) -> TempStore {
    let store = TempStore::with(change);
    for request in requests {
        store.store.submit_blocking(request.clone()).unwrap();
    }
    store.store.settle().unwrap();
    store
}

fn folders() -> Vec<PathBuf> {
    let all = std::fs::read_dir(fixtures().join("otlp")).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<PathBuf> = all.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// Everything that must stay the same: numbers, words for outcomes, and how names fall together.
fn shape(store: &TempStore) -> Vec<Row> {
    [
        "select outcome, state, steps, retries, input_tokens, output_tokens, cached_tokens, round(cost_usd, 9) as usd, \
         cost_source, api_calls, model, duration_s, started_at, quality_score is null as unscored from runs order by all",
        "select count(*) as runs from runs group by pipeline order by all",
        "select outcome, attempt, duration_s, input_tokens, started_at from steps order by all",
        "select count(*) as attempts from steps group by pipeline, step order by all",
        "select count(*) as scores, round(sum(score), 9) as sum from quality_scores",
        "select reason, sum(traces) as traces from unmapped group by reason order by all",
    ]
    .into_iter()
    .flat_map(|question| store.query(question))
    .collect()
}

/// Names of pipelines, steps, services and runs that are no plain number.
fn names(store: &TempStore) -> BTreeSet<String> {
    let rows = store.query(
        "select distinct unnest([pipeline, service]) as name from runs union select distinct step from steps \
         union select distinct error from runs",
    );
    rows.iter().filter_map(|row| row["name"].as_str()).filter(|name| name.len() > 3).map(ToOwned::to_owned).collect()
}

/// Every text in every column of every table.
fn texts(store: &TempStore) -> BTreeSet<String> {
    let columns = store.query(
        "select table_name as t, column_name as c from duckdb_columns() where data_type = 'VARCHAR' and not internal \
         and table_name not in (select view_name from duckdb_views()) and table_name not like 'schema%'",
    );
    let rules = Rules::embedded().unwrap();
    let mut all = BTreeSet::new();
    for column in columns {
        let (table, name) = (column["t"].as_str().unwrap(), column["c"].as_str().unwrap());
        // Rules are ours; libraries keep their names.
        if matches!(name, "rule" | "run_key") || (table, name) == ("scopes", "name") || name.starts_with("key_") {
            continue;
        }
        // Keys of attributes stay: only values are looked at.
        let rows = store.query(&format!(
            "select distinct regexp_replace(\"{name}\", '\"[^\"]*\":', '', 'g') as text from \"{table}\""
        ));
        // What a metric of the semantic conventions is called says nothing of anybody.
        let is_metric = |text: &&str| (table, name) == ("point_rows", "name") && rules.readable().is_metric(text);
        let texts = rows.iter().filter_map(|row| row["text"].as_str()).filter(|text| !is_metric(text));
        all.extend(texts.map(ToOwned::to_owned));
    }
    all
}

/// Words of the conventions themselves, which a name may happen to be.
fn is_known_word(name: &str) -> bool {
    let rules = Rules::embedded().unwrap();
    let (head, middle, tail) = rules.readable().split_name(name);
    !(middle.contains(char::is_alphabetic) || head.is_empty() && tail.is_empty())
}

#[test]
fn the_same_runs_are_recognised_and_no_name_is_left() {
    for folder in folders() {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let requests = requests(&folder);
        let open = filled(&requests, |_| {});
        let covered = filled(&requests, |options| options.veil = Some(veil()));
        assert_eq!(shape(&covered), shape(&open), "{name}");
        let texts = texts(&covered);
        // Kinds of tasks (`cicd.pipeline.task.type`) are words of the conventions; a step may be called by one.
        let is_kind = |told: &str| matches!(told, "build" | "test" | "deploy");
        // Signs and numbers stay: an error of nothing else (`1 != 2`) names nobody.
        let has_words = |told: &str| told.chars().any(char::is_alphabetic);
        for told in names(&open).iter().filter(|told| has_words(told) && !is_known_word(told) && !is_kind(told)) {
            let found = texts.iter().find(|text| text.contains(told.as_str()));
            assert!(found.is_none(), "{name}: `{told}` is still there: {found:?}");
        }
    }
}

#[test]
fn pseudonyms_are_the_same_after_a_restart_and_for_every_process_with_the_key() {
    let requests = requests(&fixtures().join("otlp/airflow"));
    let pipelines = |store: &TempStore| store.query("select distinct pipeline, run_id from runs order by all");
    let first = filled(&requests[..requests.len() / 2], |options| options.veil = Some(veil()));
    let second = filled(&requests, |options| options.veil = Some(veil()));
    let (first, second) = (pipelines(&first), pipelines(&second));
    assert!(!first.is_empty() && first.iter().all(|row| second.contains(row)), "{first:?} {second:?}");
    assert!(first[0]["pipeline"] != "orders_daily");
}

#[test]
fn an_import_with_a_key_stores_pseudonyms_and_a_bad_key_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("key"), "a key for tests, no secret\n").unwrap();
    std::fs::write(path("short"), "secret").unwrap();
    let history =
        "pipeline,run_id,started_at,duration_s,outcome,customer\nnightly,r-1,2026-05-01T00:00:00Z,5,failure,acme\n";
    std::fs::write(path("history.csv"), history).unwrap();
    let run = |key: &str| {
        let mut command = assert_cmd::Command::cargo_bin("perfline").unwrap();
        command.args(["import", &path("history.csv"), "--store", &path("s.duckdb"), "--anonymize", &path(key)]);
        command.assert()
    };
    let refused = run("short").code(2).get_output().clone();
    assert!(String::from_utf8(refused.stderr).unwrap().contains("16"), "the message says how long a key must be");
    assert!(!Path::new(&path("s.duckdb")).exists());
    run("key").success();
    let mut command = assert_cmd::Command::cargo_bin("perfline").unwrap();
    let asked = command.args(["runs", "--store", &path("s.duckdb"), "--format", "json"]).assert().success();
    let text = String::from_utf8(asked.get_output().stdout.clone()).unwrap();
    assert!(text.contains("\"failure\"") && text.contains("\"customer\""), "{text}");
    assert!(!text.contains("nightly") && !text.contains("acme") && !text.contains("r-1"), "{text}");
}
