//! The rules, asked about spans as real tools send them.

use super::*;
use crate::model::Outcome;

const INTERNAL: u8 = 1;
const SERVER: u8 = 2;
const CLIENT: u8 = 3;

fn rules() -> Rules {
    Rules::embedded().expect("the embedded conventions are right")
}

fn span<'a>(name: &'a str, scope: &'a str) -> SpanShape<'a> {
    SpanShape { name, scope, kind: INTERNAL, has_parent: true, ..SpanShape::default() }
}

fn known(span: &SpanShape<'_>, attributes: &Attributes<'_>) -> SpanFacts {
    known_on(span, &[], attributes)
}

fn known_on(span: &SpanShape<'_>, resource: &Attributes<'_>, attributes: &Attributes<'_>) -> SpanFacts {
    let rules = rules();
    match rules.classify(span, &rules.resource_facts(resource), attributes) {
        Verdict::Known(facts) => *facts,
        other => panic!("{} is {other:?}", span.name),
    }
}

fn text(text: &str) -> AttrValue<'_> {
    AttrValue::Str(text)
}

#[test]
fn a_task_of_airflow_has_name_attempt_and_run() {
    let facts = known(
        &span("task_run.transform[1]", "airflow.api"),
        &[
            ("airflow.dag_id", text("orders_daily")),
            ("airflow.task_id", text("transform")),
            ("airflow.dag_run.run_id", text("manual-1")),
            ("airflow.task_instance.try_number", AttrValue::Int(2)),
            ("airflow.task_instance.state", text("up_for_retry")),
        ],
    );
    assert_eq!(facts.step.as_deref(), Some("transform[1]"));
    assert_eq!(facts.pipeline.as_deref(), Some("orders_daily"));
    assert_eq!(facts.run_id.as_deref(), Some("manual-1"));
    assert_eq!(facts.attempt, Some(2));
    assert!(facts.retried);
    assert_eq!(facts.outcome, Some(Outcome::Failure));
    assert_eq!(facts.rule, "airflow.task + airflow");
}

#[test]
fn an_id_may_be_a_number_and_the_span_wins_over_its_resource() {
    let facts = known_on(
        &SpanShape { kind: SERVER, has_parent: false, ..span("RUN build", "ci") },
        &[("cicd.pipeline.name", text("build")), ("cicd.pipeline.run.id", text("8812"))],
        &[("cicd.pipeline.run.id", AttrValue::Int(880)), ("cicd.pipeline.result", text("timeout"))],
    );
    assert_eq!(facts.marker, Some(Marker::Run));
    assert_eq!(facts.run_id.as_deref(), Some("880"));
    assert_eq!(facts.pipeline.as_deref(), Some("build"));
    assert_eq!(facts.outcome, Some(Outcome::TimedOut));
}

#[test]
fn only_the_span_named_as_its_test_is_a_step() {
    let attributes = [("pytest.nodeid", text("t.py::test_a")), ("pytest.span_type", text("test"))];
    let facts = known(&span("t.py::test_a", "pytest-opentelemetry"), &attributes);
    assert_eq!(facts.step.as_deref(), Some("t.py::test_a"));
    assert_eq!(facts.unset_outcome, Some(Outcome::Skipped));
    let rules = rules();
    let phase = span("t.py::test_a::call", "pytest-opentelemetry");
    assert_eq!(rules.classify(&phase, &ResourceFacts::default(), &attributes), Verdict::Plain);
}

#[test]
fn plain_requests_are_quiet_until_a_rule_knows_them() {
    let rules = rules();
    let request = SpanShape { kind: CLIENT, ..span("POST", "opentelemetry.instrumentation.httpx") };
    let http = [("http.method", text("POST")), ("error.type", text("500"))];
    assert_eq!(rules.classify(&request, &ResourceFacts::default(), &http), Verdict::Quiet);
    let chat = [("http.method", text("POST")), ("gen_ai.operation.name", text("chat"))];
    let facts = known(&request, &chat);
    assert!(!facts.quiet);
    assert_eq!(facts.usage, Usage::Call);
}

#[test]
fn usage_inside_json_is_read_and_cost_is_summed() {
    let facts = known(
        &span("judge", "langfuse-sdk"),
        &[
            ("langfuse.observation.type", text("generation")),
            ("langfuse.observation.usage_details", text(r#"{"input": 120, "output": 14}"#)),
            ("langfuse.observation.cost_details", text(r#"{"input": 0.25, "output": 0.5}"#)),
        ],
    );
    assert_eq!((facts.input_tokens, facts.output_tokens), (Some(120), Some(14)));
    assert_eq!(facts.cost_usd, Some(0.75));
    assert_eq!(facts.step.as_deref(), Some("judge"));
    assert_eq!(facts.usage, Usage::Call);
}

#[test]
fn words_in_json_quotes_count_as_words() {
    let facts = known(
        &span("chat", "mlflow"),
        &[("mlflow.spanType", text("\"CHAT_MODEL\"")), ("mlflow.traceRequestId", text("\"tr-1\""))],
    );
    assert_eq!(facts.usage, Usage::Call);
    assert_eq!(facts.run_id.as_deref(), Some("tr-1"));
}

#[test]
fn usage_on_a_span_that_is_no_call_is_a_sum() {
    let facts = known(
        &span("CodeAgent.run", "openinference.instrumentation.smolagents"),
        &[("openinference.span.kind", text("AGENT")), ("llm.token_count.prompt", AttrValue::Int(4292))],
    );
    assert_eq!(facts.usage, Usage::Aggregate);
    assert_eq!(facts.marker, Some(Marker::Root));
}

#[test]
fn a_name_that_is_an_id_falls_back_to_the_service() {
    let facts = known_on(
        &SpanShape {
            has_parent: false,
            ..span("4d29ce2d-0752-4793-b376-27dbb661a24b", "hamilton.plugins.h_opentelemetry")
        },
        &[("service.name", text("hamilton-orders"))],
        &[("graph_version", text("c62a"))],
    );
    assert_eq!(facts.pipeline.as_deref(), Some("hamilton-orders"));
    assert_eq!(facts.run_id.as_deref(), Some("4d29ce2d-0752-4793-b376-27dbb661a24b"));
}

#[test]
fn the_title_of_a_commit_is_no_pipeline() {
    let attributes = [("gitlab.pipeline.source", text("push"))];
    let shape = SpanShape { kind: SERVER, has_parent: false, ..span("Fix the bug", "gitlabreceiver") };
    let resource =
        [("service.name", text("group/shop")), ("vcs.ref.head.revision.message", text("Fix the bug\n\nAt last."))];
    assert_eq!(known_on(&shape, &resource, &attributes).pipeline.as_deref(), Some("group/shop"));
    let named = SpanShape { name: "nightly", ..shape };
    assert_eq!(known_on(&named, &resource, &attributes).pipeline.as_deref(), Some("nightly"));
}

#[test]
fn retries_within_a_span_are_counted_from_its_events() {
    let none: [(&str, AttrValue<'_>); 0] = [];
    let state = [("prefect.state.type", text("COMPLETED"))];
    let events = [
        EventShape { name: "Retrying", time_ns: 1, attributes: &none },
        EventShape { name: "Completed", time_ns: 2, attributes: &state },
    ];
    let shape = SpanShape { events: &events, ..span("extract-512", "prefect") };
    let facts = known(&shape, &[("prefect.run.type", text("task")), ("prefect.run.id", text("t1"))]);
    assert_eq!(facts.attempt, Some(2));
    assert_eq!(facts.step.as_deref(), Some("extract"));
    assert_eq!(facts.outcome, Some(Outcome::Success));
    assert_eq!(facts.name_id.as_deref(), Some("t1"));
}

#[test]
fn an_evaluation_event_is_a_score() {
    let attributes =
        [("gen_ai.evaluation.name", text("Relevance")), ("gen_ai.evaluation.score.value", AttrValue::Double(0.9))];
    let events = [EventShape { name: "gen_ai.evaluation.result", time_ns: 7, attributes: &attributes }];
    let facts = known(&SpanShape { events: &events, ..span("work", "app") }, &[]);
    let expected = Score { name: "Relevance".into(), score: Some(0.9), label: None, at_ns: Some(7) };
    assert_eq!(facts.scores, std::slice::from_ref(&expected));
    let logged = rules().classify_log("gen_ai.evaluation.result", 7, &attributes);
    assert_eq!(logged, [LogFact::Score(expected)]);
}

#[test]
fn log_records_name_what_spans_do_not() {
    let named = rules().classify_log("", 0, &[("flow_run_id", text("f1")), ("flow_name", text("orders-etl"))]);
    assert_eq!(named, [LogFact::Name { id: "f1".into(), name: "orders-etl".into() }]);
    assert_eq!(rules().classify_log("", 0, &[("flow_run_id", text("f1"))]), []);
}

#[test]
fn errors_are_kept_and_cut() {
    let long = "x".repeat(10_000);
    let shape = SpanShape { status: 2, status_message: &long, ..span("load", "app") };
    let facts = known(&shape, &[("error.type", text("ValueError"))]);
    assert_eq!(facts.error.map(|error| error.chars().count()), Some(ERROR_CHARS_MAX));
    assert_eq!(facts.error_type.as_deref(), Some("ValueError"));
}

#[test]
fn hostile_values_are_no_facts() {
    let facts = known(
        &span("chat", "app"),
        &[
            ("gen_ai.operation.name", text("chat")),
            ("gen_ai.usage.input_tokens", AttrValue::Int(-5)),
            ("gen_ai.usage.output_tokens", AttrValue::Double(f64::INFINITY)),
            ("gen_ai.usage.cost", text("much")),
            ("gen_ai.response.model", AttrValue::Nested(&[0xff; 9])),
            ("gen_ai.request.model", AttrValue::Bytes(&[0, 1])),
        ],
    );
    assert_eq!((facts.input_tokens, facts.output_tokens, facts.cost_usd, facts.model), (None, None, None, None));
}

#[test]
fn the_users_rules_come_first() {
    let directory = tempfile::tempdir().expect("a directory");
    let toml = r#"
        convention = "ours"
        [[rule]]
        id = "ours.run"
        role = "run"
        when = [{ key = "batch.name" }]
        facts.pipeline = ["batch.name"]
        facts.items = [{ from = "batch.rows", scale = 1000 }]
    "#;
    std::fs::write(directory.path().join("ours.toml"), toml).expect("a file");
    let rules = Rules::with_directory(Some(directory.path())).expect("rules");
    let attributes = [("batch.name", text("nightly")), ("batch.rows", text("2.5"))];
    let verdict = rules.classify(&span("main", "app"), &ResourceFacts::default(), &attributes);
    let Verdict::Known(facts) = verdict else { panic!("{verdict:?}") };
    assert_eq!(facts.pipeline.as_deref(), Some("nightly"));
    assert_eq!(facts.items, Some(2500.0));
}

#[test]
fn one_of_several_keys_may_hold_the_word() {
    for (key, word) in [("agentops.span.kind", "llm"), ("lmnr.span.type", "LLM")] {
        assert_eq!(known(&span("call", "app"), &[(key, text(word))]).usage, Usage::Call, "{key}");
    }
    let rules = rules();
    let other = [("lmnr.span.type", text("DEFAULT")), ("agentops.span.kind", text("none"))];
    assert_eq!(rules.classify(&span("call", "app"), &ResourceFacts::default(), &other), Verdict::Plain);
}

#[test]
fn a_cache_that_is_counted_beside_the_input_is_added_to_it() {
    let facts = known(
        &span("claude_code.llm_request", "com.anthropic.claude_code.tracing"),
        &[
            ("span.type", text("llm_request")),
            ("input_tokens", AttrValue::Int(9_000)),
            ("cache_read_tokens", AttrValue::Int(500)),
            ("cache_creation_tokens", AttrValue::Int(20)),
        ],
    );
    assert_eq!((facts.input_tokens, facts.cached_tokens, facts.cache_write_tokens), (Some(9_520), Some(500), Some(20)));
}

#[test]
fn a_name_leaves_a_span_as_plain_and_as_quiet_as_it_was() {
    let names = [("workflow.name", text("nightly")), ("workflow.run_id", AttrValue::Int(7))];
    let facts = known(&span("load", "app"), &names);
    assert_eq!((facts.pipeline.as_deref(), facts.run_id.as_deref()), (Some("nightly"), Some("7")));
    assert_eq!(facts.rule, "plain + names.run");
    let query = SpanShape { kind: CLIENT, ..span("SELECT", "app") };
    let facts = known(&query, &[names[0], names[1], ("db.system", text("postgresql"))]);
    assert!(facts.quiet && facts.run_id.is_none(), "{facts:?}");
}

#[test]
fn what_is_ignored_is_nothing_else() {
    let facts = known(
        &span("Pipeline: shop", "circleci"),
        &[
            ("com.circleci.pipeline.id", text("p-1")),
            ("cicd.pipeline.name", text("shop")),
            ("cicd.pipeline.run.id", text("p-1")),
            ("cicd.pipeline.action.name", text("RUN")),
        ],
    );
    assert!(facts.ignored);
    assert_eq!((facts.marker, facts.run_id, facts.step), (None, None, None));
}

#[test]
fn names_are_taken_apart_and_put_together() {
    let shape = SpanShape { has_parent: false, ..span("build", "concourse") };
    let build = [("team", text("main")), ("pipeline", text("shop")), ("job", text("unit")), ("build_id", text("9"))];
    assert_eq!(known(&shape, &build).pipeline.as_deref(), Some("shop/unit"));
    let shape = SpanShape { name: "PipelineRun:Reconciler", ..shape };
    let named = |name| known(&shape, &[("pipelinerun", text(name)), ("namespace", text("ci"))]).pipeline;
    assert_eq!(named("nightly-x7k2p").as_deref(), Some("nightly"));
    assert_eq!(named("nightly-tests").as_deref(), Some("nightly-tests"));
}

#[test]
fn a_wrong_file_says_what_is_wrong() {
    let wrong = |toml: &str| {
        let mut tables = Tables::default();
        add(&mut tables, "ours.toml", toml).expect_err("must be refused").to_string()
    };
    let rule = "convention = 'x'\n[[rule]]\nid = 'a'\nrole = 'run'\n";
    for (toml, says) in [
        ("convention = 'x'\nrules = []", "unknown field `rules`"),
        ("convention = 'x'\n[facts]\ntokens = ['a']", "unknown variant `tokens`"),
        (&format!("{rule}when = [{{ name = 'x' }}]"), "`when` needs at least one `key`"),
        (&format!("{rule}when = [{{ key = 'x', scope = 'y' }}]"), "exactly one subject, this one has 2"),
        (&format!("{rule}when = [{{ key = 'x' }}]\nfacts.run_id = ['@nam']"), "`@nam` is unknown"),
        (&format!("{rule}when = [{{ key = 'x' }}, {{ kind = ['clint'] }}]"), "kind `clint` is none of"),
        ("convention = 'x'\n[[rule]]\nid = 'a'\nrole = 'step'\nwhen = [{ key = 'x' }]", "where the step's name is"),
        ("convention = 'x'\n[[score]]\nvalue = 'x'", "a score needs `name`"),
    ] {
        let message = wrong(toml);
        assert!(message.contains(says) && message.contains("ours.toml"), "{toml}\n{message}");
    }
}

#[test]
fn an_outcome_is_one_word_however_it_is_written() {
    let ended = |word: &'static str| {
        let attributes = [("cicd.pipeline.name", text("x")), ("cicd.pipeline.result", text(word))];
        known(&span("run", "ci"), &attributes).outcome
    };
    for word in ["timed_out", "Timed Out", "timed-out", "timedOut", "RunState.TIMED_OUT"] {
        assert_eq!(ended(word), Some(Outcome::TimedOut), "{word}");
    }
    for word in ["UP-TO-DATE", "FROM_CACHE", "true", "SUCCEEDED"] {
        assert_eq!(ended(word), Some(Outcome::Success), "{word}");
    }
    assert_eq!(ended("no idea"), None);
}

#[test]
fn what_went_wrong_is_kept_for_every_end_but_a_good_one() {
    let kind = |word: &'static str| {
        let attributes =
            [("cicd.pipeline.name", text("x")), ("cicd.pipeline.result", text(word)), ("error.type", text("Timeout"))];
        known(&span("run", "ci"), &attributes).error_type
    };
    assert_eq!(kind("timeout").as_deref(), Some("Timeout"));
    assert_eq!(kind("cancellation").as_deref(), Some("Timeout"));
    assert_eq!(kind("success"), None);
}

#[test]
fn a_branch_is_the_same_with_what_git_puts_in_front() {
    let resource = rules().resource_facts(&[("vcs.ref.head.name", text("refs/heads/main"))]);
    assert_eq!(resource.branch.as_deref(), Some("main"));
    let plain = rules().resource_facts(&[("vcs.ref.head.name", text("feature/x"))]);
    assert_eq!(plain.branch.as_deref(), Some("feature/x"));
}

#[test]
fn ids_that_points_may_name_say_that_they_are_ids() {
    let rules = rules();
    let keys = rules.run_id_keys();
    for key in ["cicd.pipeline.run.id", "dagster.run_id", "kestra.executionId"] {
        assert!(keys.contains(&key), "{key}: {keys:?}");
    }
    assert!(!keys.contains(&"build") && !keys.contains(&"name"), "{keys:?}");
}
