//! Trends in SQL are those of SciPy, and those of the reference in Rust.

use perfline::track::Pairs;

use super::support::TempStore;

type Points = Vec<(f64, f64)>;

/// What `trend_sums` says of some series, in their order.
fn asked(store: &TempStore, series: &[Points]) -> Vec<serde_json::Value> {
    let rows = series.iter().enumerate().flat_map(|(at, points)| {
        points.iter().enumerate().map(move |(place, (x, y))| format!("({at}, {place}, {x:e}::double, {y:e}::double)"))
    });
    let rows = rows.collect::<Vec<_>>().join(", ");
    let question = format!(
        "with points as (select * from (values {rows}) as p(series, place, x, y)) \
         select * from trend_sums('points') order by series"
    );
    store.query(&question).into_iter().map(serde_json::Value::Object).collect()
}

fn close(row: &serde_json::Value, name: &str, wanted: f64) {
    let found = row[name].as_f64().unwrap_or_else(|| panic!("{name} in {row}"));
    assert!((found - wanted).abs() <= 1e-9 * wanted.abs().max(1.0), "{name}: {found}, not {wanted}");
}

// SciPy 1.17.1: theilslopes(y, x, 0.95), and kendalltau of y and its places.
#[test]
fn slope_interval_and_tau_agree_with_scipy() {
    let y = [10.0, 12.0, 11.0, 13.0, 13.0, 14.0, 13.0, 16.0, 15.0, 17.0, 16.0, 18.0];
    let rises: Points = (0_u32..).map(f64::from).zip(y).collect();
    let x = [0.0, 0.5, 0.5, 1.0, 2.0, 2.25, 3.0, 4.0, 5.5, 6.0, 6.0, 7.0, 9.0];
    let y = [5.0, 5.0, 4.0, 6.0, 5.0, 5.0, 7.0, 5.0, 4.0, 6.0, 5.0, 5.0, 6.0];
    let tied: Points = x.into_iter().zip(y).collect();
    let y = [100.0, 98.5, 97.0, 97.0, 95.0, 96.0, 92.0, 91.0, 91.0, 88.0];
    let falls: Points = (0_u32..).map(f64::from).zip(y).collect();
    let found = asked(&TempStore::new(), &[rises, tied, falls]);
    for (row, [slope, low, high, tau]) in found.iter().zip([
        [0.625, 0.5, 0.8, 0.844_162_289_298_975_2],
        [0.0, 0.0, 0.2, 0.171_083_233_151_875_74],
        [-1.285_714_285_714_285_8, -1.5, -1.0, -0.932_058_930_609_647_1],
    ]) {
        close(row, "slope", slope);
        close(row, "slope_low", low);
        close(row, "slope_high", high);
        close(row, "tau", tau);
    }
}

#[test]
fn sql_and_rust_say_the_same_of_any_points() {
    let mut series: Vec<Points> = vec![
        // One moment; no change; too few; differences that overflow; two zeros.
        (0_u32..12).map(|at| (1.0, f64::from(at))).collect(),
        (0_u32..12).map(|at| (f64::from(at), 3.0)).collect(),
        vec![(0.0, 1.0), (1.0, 2.0)],
        vec![(0.0, -1e308), (1e-14, 1e308), (1.0, 1e308)],
        vec![(0.0, 0.0), (1.0, 0.0), (2.0, 1.0)],
    ];
    // Made up, the same each time: ties in time and value, more or fewer of them.
    let mut state = 1_u64;
    let mut next = move |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f64::from(u32::try_from((state >> 33) % below).unwrap())
    };
    for case in 0..100_u64 {
        let (count, grain) = (2 + case % 59, [3, 40, 5_000][usize::try_from(case % 3).unwrap()]);
        let mut x = 0.0;
        let points = (0..count).map(|_| {
            x += next(4) * 0.37;
            (x, 100.0 + next(grain) / 7.0)
        });
        series.push(points.collect());
    }
    let found = asked(&TempStore::new(), &series);
    assert_eq!(found.len(), series.len());
    for (row, points) in found.iter().zip(&series) {
        let sql: Pairs = serde_json::from_value(row.clone()).unwrap();
        // To the bit: a page and an overview must not differ.
        assert_eq!(sql, Pairs::of(points), "{points:?}");
        assert_eq!(row["n"], points.len());
    }
}

#[test]
fn the_newest_thousand_points_count_and_what_is_not_finite_does_not() {
    let rows = "select 1 as series, range as place, range as x, case when range < 500 then 1e6 else range end as y \
                from range(1500) union all select 1, 2000, 2000, 'nan'::double";
    let found = TempStore::new().query(&format!("with points as ({rows}) select * from trend_sums('points')"));
    let row = serde_json::Value::Object(found[0].clone());
    assert_eq!((&row["n"], &row["s"]), (&1000.into(), &499_500.into()));
    close(&row, "slope", 1.0);
}
