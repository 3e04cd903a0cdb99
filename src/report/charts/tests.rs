//! What charts say where series are thinned, runs failed, clocks disagree or values spread by orders of magnitude.

use super::*;
use crate::report::{Bundle, Statistics};

const SAMPLE: &str = include_str!("../../../tests/fixtures/report/sample.json");

/// The first pipeline, and the place of its duration among its series.
fn sample() -> (PipelineProfile, usize) {
    let profile = Bundle::from_json(SAMPLE).expect("fixture").pipelines.remove(0);
    let place = profile.series.iter().position(|series| series.metric == Metric::Duration).expect("a duration");
    (profile, place)
}

fn texts(drawn: &Drawn) -> String {
    drawn.svg.as_ref().map(ToString::to_string).unwrap_or_else(|| panic!("no chart: {}", drawn.why))
}

#[test]
fn a_thinned_series_speaks_of_all_its_runs() {
    let (mut profile, place) = sample();
    let series = &mut profile.series[place];
    let mut all = Statistics::of(series);
    (all.runs, all.failed) = (5_000, 12);
    all.spread.iter_mut().for_each(|one| one.quantiles.n = 2_400);
    series.whole = Some(all);
    let series = &profile.series[place];
    let line = timeline(&profile, series, 0);
    assert!(texts(&line).contains("5,000 runs, 12 failed"), "{}", texts(&line));
    assert!(line.table.note.as_ref().is_some_and(|note| note.contains("of 5000 rows")), "{:?}", line.table.note);
    let spread = spread(&profile, series, 0).expect("a spread");
    assert!(texts(&spread).contains("2400 runs"), "{}", texts(&spread));
    assert!(spread.table.rows.iter().all(|row| row[1].sort == Some(2_400.0)));
    let steady = steady(&profile, &[series]).expect("a grid");
    assert_eq!(steady.table.rows[0][2].sort, Some(5_000.0));
}

#[test]
fn runs_that_died_early_are_no_values_of_the_small_charts() {
    let (mut profile, place) = sample();
    let newest = profile.series[place].points.last_mut().expect("a point");
    (newest.value, newest.outcome) = (Some(0.003), Outcome::Failure);
    let series = &profile.series[place];
    assert_eq!(series.value(series.points.last().expect("a point")), None);
    let steady = steady(&profile, &[series]).expect("a grid");
    let newest = steady.table.rows[0][6].sort.expect("a value");
    assert!(newest > 1.0, "{newest}");
    assert!(!texts(&spark(&profile, 0)).contains("3 ms"));
}

#[test]
fn a_band_over_orders_of_magnitude_does_not_take_the_chart_away() {
    let (mut profile, place) = sample();
    for level in &mut profile.series[place].levels {
        level.high = 1e300;
    }
    let series = &profile.series[place];
    assert!(!series.levels.is_empty());
    for drawn in [timeline(&profile, series, 0), steady(&profile, &[series]).expect("a grid"), spark(&profile, 0)] {
        assert!(drawn.svg.is_some(), "{}", drawn.why);
    }
}

#[test]
fn a_step_that_begins_before_its_run_by_another_clock_is_drawn_from_the_run_s_start() {
    let (mut profile, _) = sample();
    let bar = &mut profile.waterfalls[0].bars[0];
    (bar.start_s, bar.duration_s) = (-0.002, 0.5);
    let drawn = waterfalls(&profile).expect("a waterfall");
    assert!(drawn.svg.is_some(), "{}", drawn.why);
    // The table keeps what was measured.
    assert_eq!((drawn.table.rows[0][2].sort, drawn.table.rows[0][3].sort), (Some(-0.002), Some(0.5)));
}
