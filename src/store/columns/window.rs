//! Rows of one table on their way into the store: gathered, recognised when they come twice, and taken in pieces of
//! DuckDB's row group, which are written once and never again.

use std::collections::HashSet;
use std::hash::{BuildHasher, Hash};

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
}

impl<K, S: Default> Default for Window<K, S> {
    fn default() -> Self {
        Self { seen: HashSet::default(), order: Vec::new(), left: None }
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

    /// Rows gathered.
    pub(super) fn rows(&self) -> usize {
        self.order.len()
    }

    /// Takes the rows that a cut leaves in: `fresh` are those that were built since the last time.
    pub(super) fn take(&mut self, fresh: RecordBatch, cut: Cut) -> Vec<RecordBatch> {
        let mut batches: Vec<RecordBatch> = self.left.take().into_iter().chain([fresh]).collect();
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
        batches
    }
}

#[cfg(test)]
mod tests {
    use std::hash::RandomState;
    use std::sync::Arc;

    use duckdb::arrow::array::{ArrayRef, Int64Array};

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
        assert_eq!(rows(&window.take(fresh, Cut::RowGroups)), ROW_GROUP);
        assert_eq!(window.rows(), 10);
        assert!(!window.insert(group + 5), "what was left behind is known");
        let fresh = gather(&mut window, group + 10..group + 30);
        let batches = window.take(fresh, Cut::Whole);
        assert_eq!(rows(&batches), 30);
        assert_eq!(window.rows(), 0);
    }

    #[test]
    fn less_than_a_row_group_is_taken_whole() {
        let mut window = Window::default();
        let fresh = gather(&mut window, 0..7);
        assert_eq!(rows(&window.take(fresh, Cut::RowGroups)), 7);
        assert!(window.insert(3), "whether it is stored is asked of the store");
    }
}
