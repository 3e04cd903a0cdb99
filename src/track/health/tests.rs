//! Health cannot hide failure, silence or missing data.

use proptest::prelude::*;

use super::*;

fn well() -> HealthInput {
    HealthInput {
        runs: 40,
        succeeded: 40,
        failed: 0,
        regressions: Some(Vec::new()),
        trends: vec![TrendWord::Stable, TrendWord::Improving],
        spread: Some(0.04),
        quality: Some(1.0),
        silent_intervals: Some(0.5),
    }
}

#[test]
fn the_weights_add_up_to_one() {
    let sum: f64 = score(&well()).parts.iter().map(|part| part.weight).sum();
    assert!((sum - 1.0).abs() < 1e-12);
}

#[test]
fn a_pipeline_without_fault_scores_100() {
    let health = score(&well());
    assert_eq!((health.score, health.word), (Some(100.0), HealthWord::Excellent));
}

#[test]
fn a_pipeline_that_always_fails_is_critical_however_good_the_rest() {
    let health = score(&HealthInput { succeeded: 0, failed: 40, ..well() });
    assert_eq!((health.score, health.word), (Some(20.0), HealthWord::Critical));
    assert!(health.reason.contains("0 of 40 runs succeeded"), "{}", health.reason);
}

#[test]
fn no_data_and_four_runs_are_unknown_never_a_number() {
    for runs in [0, 4] {
        let health = score(&HealthInput { runs, succeeded: runs, ..HealthInput::default() });
        assert_eq!((health.score, health.word), (None, HealthWord::Unknown));
    }
}

#[test]
fn a_silent_pipeline_is_never_good() {
    let health = score(&HealthInput { silent_intervals: Some(500.0), ..well() });
    assert_eq!((health.score, health.word), (Some(40.0), HealthWord::Poor));
}

#[test]
fn a_critical_regression_is_at_best_poor() {
    let health = score(&HealthInput { regressions: Some(vec![Severity::Critical]), ..well() });
    assert_eq!((health.score, health.word), (Some(40.0), HealthWord::Poor));
}

#[test]
fn unknown_outcomes_or_baselines_are_never_excellent() {
    let blind = score(&HealthInput { succeeded: 0, failed: 0, ..well() });
    assert_eq!((blind.score, blind.word), (Some(89.0), HealthWord::Good));
    let young = score(&HealthInput { regressions: None, ..well() });
    assert_eq!((young.score, young.word), (Some(89.0), HealthWord::Good));
}

fn severity() -> impl Strategy<Value = Severity> {
    prop::sample::select(vec![Severity::None, Severity::Low, Severity::Medium, Severity::High, Severity::Critical])
}

fn word() -> impl Strategy<Value = TrendWord> {
    prop::sample::select(vec![TrendWord::Improving, TrendWord::Stable, TrendWord::Degrading, TrendWord::NotEnoughData])
}

prop_compose! {
    fn any_input()(
        succeeded in 0_u64..60, failed in 0_u64..60, other in 0_u64..10,
        regressions in prop::option::of(prop::collection::vec(severity(), 0..6)),
        trends in prop::collection::vec(word(), 0..8),
        spread in prop::option::of(0.0..3.0), quality in prop::option::of(0.0..1.0),
        silent_intervals in prop::option::of(0.0..30.0),
    ) -> HealthInput {
        let runs = succeeded + failed + other;
        HealthInput { runs, succeeded, failed, regressions, trends, spread, quality, silent_intervals }
    }
}

/// Every way in which an input can get worse, each alone.
fn worse(input: &HealthInput, extra: Severity, by: f64) -> Vec<HealthInput> {
    let mut out = Vec::new();
    if input.succeeded > 0 {
        out.push(HealthInput { succeeded: input.succeeded - 1, failed: input.failed + 1, ..input.clone() });
    }
    if let Some(found) = &input.regressions {
        let more = found.iter().copied().chain([extra]).collect();
        out.push(HealthInput { regressions: Some(more), ..input.clone() });
    }
    if let Some(at) = input.trends.iter().position(|word| matches!(word, TrendWord::Improving | TrendWord::Stable)) {
        let mut trends = input.trends.clone();
        trends[at] = TrendWord::Degrading;
        out.push(HealthInput { trends, ..input.clone() });
    }
    out.push(HealthInput { spread: input.spread.map(|spread| spread + by), ..input.clone() });
    out.push(HealthInput { quality: input.quality.map(|quality| (quality - by).max(0.0)), ..input.clone() });
    let silent_intervals = input.silent_intervals.map(|silent| silent + 10.0 * by);
    out.push(HealthInput { silent_intervals, ..input.clone() });
    out
}

proptest! {
    #[test]
    fn worse_inputs_never_score_higher(input in any_input(), extra in severity(), by in 0.0..1.0) {
        let before = score(&input);
        for worse in worse(&input, extra, by) {
            let after = score(&worse);
            prop_assert!(after.score <= before.score, "{before:?} then {after:?}");
        }
    }

    #[test]
    fn the_score_is_whole_and_matches_its_word(input in any_input()) {
        let health = score(&input);
        match health.score {
            None => prop_assert_eq!(health.word, HealthWord::Unknown),
            Some(score) => {
                prop_assert!((0.0..=100.0).contains(&score) && score.fract() == 0.0);
                prop_assert_eq!(health.word, HealthWord::of(score));
            }
        }
    }
}
