//! Rows of one table on their way into the store: gathered, recognised when they come twice, and taken in pieces of
//! DuckDB's row group, which are written once and never again.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash};

use duckdb::arrow::array::BooleanArray;
use duckdb::arrow::compute::filter_record_batch;
use duckdb::arrow::error::ArrowError;
use duckdb::arrow::record_batch::RecordBatch;

/// DuckDB's row group: a transaction that brings as many rows of a table writes them straight to the file.
pub(in crate::store) const ROW_GROUP: usize = 122_880;

/// What of the gathered rows is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Cut {
    /// Everything.
    Whole,
    /// Whole row groups where there is one, everything of the other tables.
    RowGroups,
}

/// Identities of the rows gathered since the last commit, and rows that were left behind by a cut.
pub(super) struct Window<K, S> {
    seen: HashSet<K, S>,
    order: Vec<K>,
    left: Option<RecordBatch>,
    /// Places of the rows, as far as `placed`: filled only where rows come again.
    places: HashMap<K, usize, S>,
    placed: usize,
    /// Places of rows in whose stead others came.
    replaced: Vec<usize>,
}

impl<K, S: Default> Default for Window<K, S> {
    fn default() -> Self {
        Self {
            seen: HashSet::default(),
            order: Vec::new(),
            left: None,
            places: HashMap::default(),
            placed: 0,
            replaced: Vec::new(),
        }
    }
}

impl<K: Copy + Eq + Hash, S: BuildHasher + Default> Window<K, S> {
    /// Notes a row; `false` where the same was gathered already.
    pub(super) fn insert(&mut self, identity: K) -> bool {
        let is_new = self.seen.insert(identity);
        if is_new {
            self.order.push(identity);
        }
        is_new
    }

    /// The place of a row that was gathered already, among all of them.
    pub(super) fn place(&mut self, identity: K) -> Option<usize> {
        for (place, known) in self.order.iter().enumerate().skip(self.placed) {
            self.places.insert(*known, place);
        }
        self.placed = self.order.len();
        self.places.get(&identity).copied()
    }

    /// A row of the same identity comes instead of the one at this place.
    pub(super) fn replace(&mut self, identity: K, place: usize) {
        self.replaced.push(place);
        self.order.push(identity);
    }

    /// Rows that the last cut left behind: they have the first places.
    pub(super) fn left(&self) -> Option<&RecordBatch> {
        self.left.as_ref()
    }

    /// Rows gathered.
    pub(super) fn rows(&self) -> usize {
        self.order.len()
    }

    /// Takes the rows that a cut leaves in: `fresh` are those that were built since the last time.
    pub(super) fn take(&mut self, fresh: RecordBatch, cut: Cut) -> Result<Vec<RecordBatch>, ArrowError> {
        let mut batches: Vec<RecordBatch> = self.left.take().into_iter().chain([fresh]).collect();
        self.drop_replaced(&mut batches)?;
        let total: usize = batches.iter().map(RecordBatch::num_rows).sum();
        let taken = if cut == Cut::Whole || total < ROW_GROUP { total } else { total - total % ROW_GROUP };
        if let Some(last) = batches.last_mut().filter(|_| taken < total) {
            // What was left before is less than a row group: the cut lies within the fresh rows.
            let keep = last.num_rows() - (total - taken);
            self.left = Some(last.slice(keep, total - taken));
            *last = last.slice(0, keep);
        }
        // Taken rows are asked of the store from here on: they are committed before more is gathered.
        self.order.drain(..taken.min(self.order.len()));
        self.seen.clear();
        self.seen.extend(self.order.iter().copied());
        batches.retain(|batch| batch.num_rows() > 0);
        self.places.clear();
        self.placed = 0;
        Ok(batches)
    }

    fn drop_replaced(&mut self, batches: &mut [RecordBatch]) -> Result<(), ArrowError> {
        if self.replaced.is_empty() {
            return Ok(());
        }
        let mut keep = vec![true; self.order.len()];
        for place in self.replaced.drain(..) {
            keep[place] = false;
        }
        let mut from = 0;
        for batch in batches {
            let kept = BooleanArray::from(keep[from..from + batch.num_rows()].to_vec());
            from += batch.num_rows();
            *batch = filter_record_batch(batch, &kept)?;
        }
        let mut kept = keep.into_iter();
        self.order.retain(|_| kept.next().unwrap_or(true));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::hash::RandomState;
    use std::sync::Arc;

    use duckdb::arrow::array::{ArrayRef, AsArray, Int64Array};
    use duckdb::arrow::datatypes::Int64Type;

    use super::*;

    fn gather(window: &mut Window<i64, RandomState>, values: std::ops::Range<i64>) -> RecordBatch {
        let values: Vec<i64> = values.filter(|value| window.insert(*value)).collect();
        let array: ArrayRef = Arc::new(Int64Array::from(values));
        RecordBatch::try_from_iter([("value", array)]).unwrap()
    }

    fn rows(batches: &[RecordBatch]) -> usize {
        batches.iter().map(RecordBatch::num_rows).sum()
    }

    #[test]
    fn a_cut_takes_row_groups_and_leaves_the_rest_for_the_next_time() {
        let mut window = Window::default();
        let group = i64::try_from(ROW_GROUP).unwrap();
        let fresh = gather(&mut window, 0..group + 10);
        assert_eq!(rows(&window.take(fresh, Cut::RowGroups).unwrap()), ROW_GROUP);
        assert_eq!(window.rows(), 10);
        assert!(!window.insert(group + 5), "what was left behind is known");
        let fresh = gather(&mut window, group + 10..group + 30);
        let batches = window.take(fresh, Cut::Whole).unwrap();
        assert_eq!(rows(&batches), 30);
        assert_eq!(window.rows(), 0);
    }

    #[test]
    fn less_than_a_row_group_is_taken_whole() {
        let mut window = Window::default();
        let fresh = gather(&mut window, 0..7);
        assert_eq!(rows(&window.take(fresh, Cut::RowGroups).unwrap()), 7);
        assert!(window.insert(3), "whether it is stored is asked of the store");
    }

    #[test]
    fn a_row_that_came_again_goes_wherever_it_is() {
        let mut window = Window::default();
        let group = i64::try_from(ROW_GROUP).unwrap();
        let fresh = gather(&mut window, 0..group + 10);
        window.take(fresh, Cut::RowGroups).unwrap();
        let mut values: Vec<i64> = (0..5).filter(|value| window.insert(*value)).collect();
        // One of those that were left behind, one of the fresh ones, and that one again.
        for again in [group + 3, 2, 2] {
            let place = window.place(again).unwrap();
            window.replace(again, place);
            values.push(again);
        }
        let array: ArrayRef = Arc::new(Int64Array::from(values));
        let fresh = RecordBatch::try_from_iter([("value", array)]).unwrap();
        let batches = window.take(fresh, Cut::Whole).unwrap();
        let taken: Vec<i64> =
            batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect();
        let left = (group..group + 10).filter(|value| *value != group + 3);
        assert_eq!(taken, left.chain([0, 1, 3, 4, group + 3, 2]).collect::<Vec<_>>());
        assert_eq!(window.rows(), 0);
    }
}
