//! The line against SciPy, the interval against statsmodels and against what came.

use rand::SeedableRng;
use rand::rngs::StdRng;
use rand_distr::{Distribution, LogNormal, Normal};

use super::*;

// 100 + 0.8 x + 3 z, x = 0, 0.5, 1 ...; z from numpy's default_rng(6), rounded.
const RISING: [f64; 40] = [
    103.16, 105.73, 93.14, 100.79, 104.64, 106.06, 104.36, 107.29, 104.07, 105.25, 104.54, 101.18, 102.26, 106.34,
    103.86, 109.81, 110.28, 112.2, 107.12, 111.75, 105.28, 105.95, 109.04, 110.04, 104.8, 104.81, 111.47, 108.21,
    114.83, 112.78, 112.92, 113.03, 115.49, 112.74, 116.86, 112.42, 113.73, 112.76, 116.99, 115.71,
];

fn rising() -> Vec<(f64, f64)> {
    (0_u32..).map(|at| f64::from(at) * 0.5).zip(RISING).collect()
}

// SciPy 1.17.1: theilslopes(y, x, 0.95, method="separate"), slope and intercept carried on.
#[test]
fn the_middle_is_the_line_of_scipy() {
    let found = forecast(Metric::PeakMemory, &rising());
    assert_eq!(found.len(), STEPS + 1);
    for (step, day, middle) in
        [(0, 19.5, 114.44007575757576), (15, 29.25, 121.13015151515151), (30, 39.0, 127.82022727272727)]
    {
        let at = found[step];
        assert!((at.day - day).abs() < 1e-9 && (at.middle - middle).abs() < 1e-9, "{at:?}");
    }
}

// statsmodels 0.15.0: OLS(y, [1, x]).get_prediction(...).summary_frame(alpha=0.05), the width of obs_ci.
#[test]
fn the_interval_is_about_as_wide_as_that_of_least_squares() {
    let found = forecast(Metric::PeakMemory, &rising());
    for (step, width) in [(0, 12.763_308), (15, 13.953_612), (30, 15.738_657)] {
        let own = found[step].high_95 - found[step].low_95;
        assert!((0.75..1.35).contains(&(own / width)), "step {step}: {own} against {width}");
        assert!(found[step].low_50 > found[step].low_95 && found[step].high_50 < found[step].high_95);
    }
}

/// Share of later runs within the interval of 95 of 100, over many series.
fn coverage(seed: u64, slope: f64, draw: impl Fn(&mut StdRng) -> f64) -> f64 {
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut inside, mut all) = (0_u32, 0_u32);
    for _ in 0..200 {
        let mut value = |day: f64| 100.0 + slope * day + draw(&mut rng);
        let values: Vec<(f64, f64)> = (0_u32..60).map(|at| (f64::from(at), value(f64::from(at)))).collect();
        for at in forecast(Metric::Duration, &values).iter().step_by(6) {
            inside += u32::from((at.low_95..=at.high_95).contains(&value(at.day)));
            all += 1;
        }
    }
    f64::from(inside) / f64::from(all)
}

#[test]
fn nineteen_of_twenty_later_runs_lie_within_the_interval() {
    let normal = Normal::new(0.0, 3.0).unwrap();
    let skewed = LogNormal::new(1.0, 0.5).unwrap();
    for (name, found) in [
        ("level, normal", coverage(1, 0.0, |rng| normal.sample(rng))),
        ("rising, normal", coverage(2, 0.5, |rng| normal.sample(rng))),
        ("level, skewed", coverage(3, 0.0, |rng| skewed.sample(rng))),
        ("rising, skewed", coverage(4, 0.5, |rng| skewed.sample(rng))),
    ] {
        assert!((0.93..=0.995).contains(&found), "{name}: {found}");
    }
}

#[test]
fn without_a_trend_the_level_stays() {
    let values: Vec<(f64, f64)> = (0_u32..40).map(|at| (f64::from(at), f64::from((at * 7919) % 101))).collect();
    let found = forecast(Metric::Duration, &values);
    assert!(found.iter().all(|at| at.middle.total_cmp(&found[0].middle).is_eq()), "{found:?}");
}

#[test]
fn few_values_one_moment_and_nonsense_give_none() {
    assert_eq!(forecast(Metric::Duration, &rising()[..19]), []);
    assert_eq!(forecast(Metric::Duration, &[(1.0, 2.0); 30]), []);
    assert_eq!(forecast(Metric::Duration, &[(f64::NAN, 2.0); 30]), []);
}

#[test]
fn it_looks_no_further_ahead_than_back_and_never_below_nothing() {
    let falling: Vec<(f64, f64)> = (0_u32..40).map(|at| (f64::from(at) * 10.0, 40.0 - f64::from(at))).collect();
    let found = forecast(Metric::Cost, &falling);
    assert!((found[STEPS].day - 480.0).abs() < 1e-9, "390 days back, 90 ahead");
    assert!(found.iter().all(|at| at.low_95 >= 0.0 && at.middle >= 0.0));
    assert!(is_beyond(Metric::Cost, 2.0, 2.0) && !is_beyond(Metric::Quality, 2.0, 1.9));
}
