//! What calls of models cost, by whose word, and what pricing again changes.

use std::path::Path;
use std::sync::Arc;

use perfline::price::Prices;

use super::scenario::Scenario;
use super::support::{TempStore, fixtures, requests};

fn priced(store: &TempStore) -> Vec<(String, String)> {
    let rows = store.query(
        "select coalesce(cost_source, 'unknown') as source, round(sum(cost_usd) * 1e6, 6)::varchar as usd \
         from calls group by all order by all",
    );
    let text = |value: &serde_json::Value| value.as_str().unwrap_or("none").to_owned();
    rows.iter().map(|row| (text(&row["source"]), text(&row["usd"]))).collect()
}

/// Two calls of gpt-4o-mini, one of which states its cost.
fn store_with(prices: Option<&Path>) -> TempStore {
    let prices = Prices::with_file(prices).unwrap();
    let store = TempStore::with(|options| options.prices = Arc::new(prices));
    let scenario = Scenario::read(&fixtures().join("costs.json"));
    for request in scenario.requests() {
        store.store.submit_blocking(request).unwrap();
    }
    store.store.settle().unwrap();
    store
}

fn own_prices(folder: &Path) -> std::path::PathBuf {
    let file = folder.join("prices.toml");
    std::fs::write(&file, "[[price]]\nmodel = 'our-model'\ninput = 2\noutput = 4\n[[price]]\nmodel = 'gpt-4o-mini'\nprovider = 'openai'\ninput = 10\n").unwrap();
    file
}

#[test]
fn a_stated_cost_wins_over_the_users_price_over_the_bundled_one_and_the_rest_is_unknown() {
    let own = |source: &str, usd: &str| (source.to_owned(), usd.to_owned());
    let store = store_with(None);
    // gpt-4o-mini: 0.15 and 0.60 USD a million tokens; 1,000 in and 500 out.
    assert_eq!(priced(&store), [own("bundled", "450.0"), own("stated", "7000.0"), own("unknown", "none")]);
    // What is bundled does not top up what is stated.
    assert_eq!(store.value("select cost_source from runs where pipeline = 'both'"), "stated");
    assert_eq!(store.value("select unpriced_calls from runs where pipeline = 'both'"), 2);
    assert_eq!(store.value("select cost_source from runs where pipeline = 'plain'"), "bundled");
    assert_eq!(store.value("select cost_usd is null and unpriced_calls = 1 from runs where pipeline = 'ours'"), true);
    let folder = tempfile::tempdir().unwrap();
    let store = store_with(Some(&own_prices(folder.path())));
    // Twice 1,000 x 10, and twice 1,000 x 2 + 500 x 4.
    assert_eq!(priced(&store), [own("stated", "7000.0"), own("user", "28000.0")]);
    assert_eq!(store.value("select cost_source from runs where pipeline = 'both'"), "mixed");
}

#[test]
fn pricing_again_changes_what_no_span_stated_and_the_sums_of_steps_and_runs() {
    let folder = tempfile::tempdir().unwrap();
    let prices = Prices::with_file(Some(&own_prices(folder.path()))).unwrap();
    let fresh = store_with(Some(&own_prices(folder.path())));
    let store = TempStore::with(|_| {});
    for request in Scenario::read(&fixtures().join("costs.json")).requests() {
        store.store.submit_blocking(request).unwrap();
    }
    store.store.settle().unwrap();
    let path = store.store.path().to_owned();
    store.store.close().unwrap();
    let options =
        perfline::store::StoreOptions { prices: Arc::new(prices), ..perfline::store::StoreOptions::new(&path) };
    let rules = Arc::new(perfline::otlp::conventions::Rules::embedded().unwrap());
    let again = perfline::store::Store::open(&options, rules).unwrap();
    let done = again.recost().unwrap();
    assert_eq!((done.stated, done.user, done.bundled, done.unknown, done.changed), (1, 4, 0, 0, 4));
    assert_eq!(again.recost().unwrap().changed, 0);
    let reader = again.reader().unwrap();
    for view in ["runs", "steps", "calls"] {
        let question = format!("select * from {view} order by all");
        assert_eq!(reader.query(&question).unwrap(), fresh.query(&question), "{view}");
    }
    drop(reader);
    again.close().unwrap();
}

#[test]
fn an_error_is_one_whatever_its_ids_and_numbers() {
    let store = TempStore::new();
    for request in requests(&fixtures().join("otlp/pytest-opentelemetry")) {
        store.store.submit_blocking(request).unwrap();
    }
    store.store.settle().unwrap();
    let errors = store.query("select * from errors where step is not null");
    assert!(!errors.is_empty());
    assert!(errors.iter().all(|row| row["runs"].as_i64().unwrap() >= 1 && !row["last_run_id"].is_null()), "{errors:?}");
    let same = "select error_fingerprint('E', 'no row 12 in \\'a\\'') = error_fingerprint('E', 'No row 7 in \\'b\\'')";
    let same = same.replace("\\'", "''");
    assert_eq!(store.value(&same), true);
    assert_eq!(store.value("select error_fingerprint('E', 'a') = error_fingerprint('E', 'b')"), false);
}
