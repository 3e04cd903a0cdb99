//! What comes days after its run: scores by people, by judges that run once a night.

use serde_json::{Value, json};

use super::scenario::Scenario;
use super::support::TempStore;

const DAY: u64 = 86_400;

fn scenario(spans: Value, logs: Value) -> Scenario {
    let document = json!({"tool": "late", "resource": {"service.name": "bot"}, "scope": "app", "spans": spans, "logs": logs, "want": {}});
    Scenario::parse(&document.to_string())
}

fn score(value: f64, day: u64, of: Value) -> Value {
    let mut log = json!({"at": day * DAY + 5, "event": "gen_ai.evaluation.result",
        "attributes": {"gen_ai.evaluation.name": "helpful", "gen_ai.evaluation.score.value": value}});
    log.as_object_mut().unwrap().extend(of.as_object().unwrap().clone());
    log
}

fn scores(store: &TempStore) -> Vec<Value> {
    let rows = store.query("select quality_score from runs order by started_at");
    rows.into_iter().map(|row| row["quality_score"].clone()).collect()
}

#[test]
fn a_score_reaches_its_run_however_much_later_it_comes() {
    let all = scenario(
        json!([
            {"id": "r", "trace": "1", "name": "triage", "at": [0, 9]},
            {"id": "c", "trace": "1", "parent": "r", "name": "answer", "at": [1, 8]},
            {"id": "late", "trace": "1", "parent": "r", "name": "check", "at": [8, 8.5]},
            {"id": "other", "trace": "2", "name": "triage", "at": [3 * DAY, 3 * DAY + 9]},
        ]),
        json!([score(0.25, 3, json!({"span": "c"})), score(0.75, 40, json!({"trace_only": "1"}))]),
    )
    .requests();
    let [run, step, late, other, of_span, of_trace] = all.as_slice() else { panic!("{} requests", all.len()) };
    let orders = [
        vec![run, step, late, other, of_span, of_trace],
        vec![of_trace, of_span, other, late, step, run],
        // Derived anew by a span that comes after the scores, the run keeps them.
        vec![run, step, other, of_trace, of_span, late],
    ];
    for order in orders {
        let store = TempStore::filled_one_by_one(order.into_iter().cloned());
        assert_eq!(scores(&store), [json!(0.5), Value::Null]);
        assert_eq!(store.value("select count(*) from quality_scores"), 2);
    }
}

#[test]
fn a_score_of_a_trace_id_that_came_again_is_of_the_run_before_it() {
    let all = scenario(
        json!([
            {"id": "a", "trace": "1", "name": "triage", "at": [0, 9]},
            {"id": "a", "trace": "1", "name": "triage", "at": [10 * DAY, 10 * DAY + 9]},
        ]),
        json!([
            score(0.25, 4, json!({"trace_only": "1"})),
            score(0.5, 14, json!({"trace_only": "1"})),
            score(1.0, 15, json!({"span": "a"})),
        ]),
    )
    .requests();
    let backwards = all.iter().rev().cloned().collect::<Vec<_>>();
    for order in [all, backwards] {
        assert_eq!(scores(&TempStore::filled_one_by_one(order)), [json!(0.25), json!(0.75)]);
    }
}
