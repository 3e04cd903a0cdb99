//! Values of the history that lay at or beyond the limit: counted in words, marked by crosses.

use crate::chart::axes::{Key, seconds};
use crate::chart::calendar;
use crate::chart::element::{Form, Mark};
use crate::chart::error::ChartError;
use crate::chart::frame::Plot;
use crate::chart::ink::Ink;
use crate::model::Better;

use super::{Forecast, Past};

/// Crosses that are drawn, of the newest: more would be a smear.
const CROSSES_MAX: usize = 200;

impl Forecast {
    /// Oldest first; none where it is not said which side of the limit is the wrong one.
    fn crossed(&self) -> Vec<&Past> {
        let (Some(limit), Some(better)) = (&self.limit, self.better) else { return Vec::new() };
        let beyond = |past: &&Past| match better {
            Better::Lower => past.value >= limit.value,
            Better::Higher => past.value <= limit.value,
        };
        let mut crossed: Vec<&Past> = self.history.iter().filter(beyond).collect();
        crossed.sort_by_key(|past| past.time);
        crossed
    }

    pub(super) fn crossed_key(&self) -> Option<Key> {
        let count = self.crossed().len();
        let text = format!("at or beyond the limit: {count} measured");
        let mark = |at| Mark::new(Form::Cross(3.5), Ink::Worse, [at]).stroke(1.5);
        (count > 0).then_some(Key { mark, text })
    }

    /// `. Measured at or beyond the limit: 3 values, last on 4 Oct 2024`, or nothing.
    pub(super) fn say_crossed(&self) -> String {
        let crossed = self.crossed();
        let Some(last) = crossed.last() else { return String::new() };
        let values = if crossed.len() == 1 { "value" } else { "values" };
        let (count, day) = (crossed.len(), calendar::day(last.time));
        format!(". Measured at or beyond the limit: {count} {values}, last on {day}")
    }

    pub(super) fn draw_crossed(&self, plot: &Plot<'_>) -> Result<(), ChartError> {
        let crossed = self.crossed();
        let newest = &crossed[crossed.len().saturating_sub(CROSSES_MAX)..];
        if newest.is_empty() {
            return Ok(());
        }
        let first = self.times().0;
        let at = newest.iter().map(|past| (seconds(first, past.time), past.value));
        plot.mark(&Mark::new(Form::Cross(3.5), Ink::Worse, at).stroke(1.5))
    }
}
