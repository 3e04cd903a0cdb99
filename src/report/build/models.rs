//! Use of models over time: days, or weeks where there are many.

use std::collections::BTreeMap;

use crate::model::unit::format_time;
use crate::report::profile::ModelHistory;

use super::rows::ModelDayRow;

/// More days than these are told as weeks.
const DAYS_MAX: i64 = 92;
/// Newest periods that are told.
const PERIODS_MAX: i64 = 520;
const DAY_NS: i64 = 86_400_000_000_000;

/// What one model used in one period; none where nothing says.
#[derive(Clone, Copy, Default)]
struct Used {
    cost_usd: Option<f64>,
    input_tokens: Option<f64>,
    output_tokens: Option<f64>,
}

impl Used {
    fn add(&mut self, row: &ModelDayRow) {
        let sum = |a: Option<f64>, b: Option<f64>| a.map_or(b, |a| Some(a + b.unwrap_or(0.0)));
        self.cost_usd = sum(self.cost_usd, row.cost_usd);
        self.input_tokens = sum(self.input_tokens, row.input_tokens);
        self.output_tokens = sum(self.output_tokens, row.output_tokens);
    }
}

/// The rows of one pipeline, or of all, as one history; none without a call.
pub(super) fn history<'a>(rows: impl IntoIterator<Item = &'a ModelDayRow>) -> Option<ModelHistory> {
    let rows: Vec<&ModelDayRow> = rows.into_iter().collect();
    let (first, last) = (rows.iter().map(|row| row.day).min()?, rows.iter().map(|row| row.day).max()?);
    let width = if last - first < DAYS_MAX { 1 } else { 7 };
    // 1970-01-01 was a Thursday: weeks begin on Mondays.
    let period = |day: i64| if width == 1 { day } else { (day + 3).div_euclid(7) * 7 - 3 };
    let newest = period(last);
    let oldest = period(first).max(newest - (PERIODS_MAX - 1) * width);
    let mut used: BTreeMap<&str, BTreeMap<i64, Used>> = BTreeMap::new();
    for row in rows.iter().filter(|row| period(row.day) >= oldest) {
        used.entry(&row.model).or_default().entry(period(row.day)).or_default().add(row);
    }
    // A model that counts what it is sent and never what it answers makes vectors: it has no output to count.
    for own in used.values_mut() {
        let says = |value: fn(&Used) -> Option<f64>| own.values().any(|used| value(used).is_some());
        if says(|used| used.input_tokens) && !says(|used| used.output_tokens) {
            own.values_mut().for_each(|used| used.output_tokens = Some(0.0));
        }
    }
    let periods: Vec<i64> = (0..=(newest - oldest) / width).map(|at| oldest + at * width).collect();
    let none = Used { cost_usd: Some(0.0), input_tokens: Some(0.0), output_tokens: Some(0.0) };
    let table = |value: fn(&Used) -> Option<f64>| -> Vec<Vec<Option<f64>>> {
        let row = |own: &BTreeMap<i64, Used>| periods.iter().map(|at| value(own.get(at).unwrap_or(&none))).collect();
        let rows: Vec<Vec<Option<f64>>> = used.values().map(row).collect();
        // What no call ever says is not told as nothing.
        let said = used.values().flat_map(BTreeMap::values).any(|one| value(one).is_some_and(|value| value > 0.0));
        if said { rows } else { Vec::new() }
    };
    Some(ModelHistory {
        period: if width == 1 { "day".to_owned() } else { "week".to_owned() },
        cost_usd: table(|used| used.cost_usd),
        input_tokens: table(|used| used.input_tokens),
        output_tokens: table(|used| used.output_tokens),
        models: used.keys().map(|model| (*model).to_owned()).collect(),
        periods: periods.into_iter().map(|day| format_time(day.saturating_mul(DAY_NS))).collect(),
    })
}

/// Calls without a known cost, and all calls.
pub(super) fn unpriced<'a>(rows: impl IntoIterator<Item = &'a ModelDayRow>) -> (u64, u64) {
    rows.into_iter().fold((0, 0), |(unpriced, calls), row| (unpriced + row.calls_unpriced, calls + row.calls))
}

#[cfg(test)]
mod tests {
    use super::super::rows::Owner;
    use super::*;

    fn row(model: &str, day: i64, cost_usd: Option<f64>) -> ModelDayRow {
        ModelDayRow {
            owner: Owner::default(),
            model: model.to_owned(),
            day,
            calls: 1,
            calls_unpriced: u64::from(cost_usd.is_none()),
            cost_usd,
            input_tokens: None,
            output_tokens: None,
        }
    }

    fn told(rows: &[ModelDayRow]) -> ModelHistory {
        history(rows).unwrap()
    }

    #[test]
    fn a_day_without_calls_is_zero_and_one_without_a_price_unknown() {
        let found =
            told(&[row("a", 10, Some(1.0)), row("a", 12, None), row("b", 10, Some(2.0)), row("a", 10, Some(0.5))]);
        assert_eq!((found.period.as_str(), found.periods.len()), ("day", 3));
        assert_eq!(found.periods[0], "1970-01-11T00:00:00Z");
        assert_eq!(found.cost_usd, [[Some(1.5), Some(0.0), None], [Some(2.0), Some(0.0), Some(0.0)]]);
        assert_eq!(found.output_tokens, Vec::<Vec<Option<f64>>>::new(), "no call says it");
    }

    #[test]
    fn a_model_that_makes_vectors_has_no_unknown_output() {
        let sent = |model: &str, output_tokens| ModelDayRow {
            input_tokens: Some(9.0),
            output_tokens,
            ..row(model, 3, Some(1.0))
        };
        let found = told(&[sent("embed", None), sent("talk", Some(4.0)), ModelDayRow { day: 4, ..sent("talk", None) }]);
        assert_eq!(found.output_tokens, [[Some(0.0), Some(0.0)], [Some(4.0), None]]);
    }

    #[test]
    fn a_long_history_is_told_in_weeks_from_monday_and_bounded() {
        // 2024-01-01 was a Monday: day 19723.
        let found = told(&[row("a", 19_725, Some(1.0)), row("a", 19_725 + 100, Some(1.0))]);
        assert_eq!((found.period.as_str(), found.periods[0].as_str()), ("week", "2024-01-01T00:00:00Z"));
        assert_eq!(found.cost_usd[0].iter().flatten().sum::<f64>(), 2.0);
        let ages = told(&[row("a", 0, Some(1.0)), row("a", 1_000_000, Some(1.0))]);
        assert_eq!(i64::try_from(ages.periods.len()), Ok(PERIODS_MAX));
    }

    #[test]
    fn unpriced_calls_are_counted() {
        assert_eq!(unpriced(&[row("a", 1, None), row("b", 2, Some(0.0))]), (1, 2));
    }
}
