//! What cannot be derived is set apart, so that one odd trace does not keep all others from being derived: the pending
//! traces and resources are halved until the one that fails stands alone.

use duckdb::{Connection, params};

use super::super::StoreError;
use super::super::fatal::told;

/// One of so many equal shares of what is pending, by a hash of its ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    shares: u64,
    number: u64,
}

/// Halved so often, a share holds one id, whatever came.
const SHARES_MAX: u64 = 1 << 62;

impl Share {
    const WHOLE: Self = Self { shares: 1, number: 0 };

    fn halves(self) -> Option<[Self; 2]> {
        let shares = self.shares * 2;
        (shares <= SHARES_MAX).then(|| [self.number, self.number + self.shares].map(|number| Self { shares, number }))
    }

    /// Tells the statements which share they look at.
    pub(super) fn choose(self, connection: &Connection) -> duckdb::Result<()> {
        let Self { shares, number } = self;
        connection
            .execute_batch(&format!("set variable derive_shares = {shares}; set variable derive_share = {number}"))
    }

    /// How many traces and resources it holds, and one of them.
    fn content(self, connection: &Connection) -> duckdb::Result<(u64, Option<String>)> {
        let mut statement = connection.prepare(
            "select count(*), min(name) from ( \
               select format('trace {:016x}{:016x}', trace_hi, trace_lo) as name \
               from pending_traces where hash(trace_hi, trace_lo) % ? = ? group by all \
               union all \
               select format('resource {}', resource_id) \
               from pending_resources where hash('resource', resource_id) % ? = ? group by all)",
        )?;
        let Self { shares, number } = self;
        statement.query_row(params![shares, number, shares, number], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    fn forget(self, connection: &Connection) -> duckdb::Result<()> {
        let named = params![self.shares, self.number];
        connection.execute("delete from pending_traces where hash(trace_hi, trace_lo) % ? = ?", named)?;
        connection.execute("delete from pending_resources where hash('resource', resource_id) % ? = ?", named).map(drop)
    }
}

/// Derives everything that is pending by `derive`, which takes a share in a transaction of its own.
pub(super) fn derive(
    connection: &Connection,
    mut derive: impl FnMut(Share) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut shares = vec![Share::WHOLE];
    while let Some(share) = shares.pop() {
        let Err(error) = derive(share) else { continue };
        if !is_about_content(&error) {
            return Err(error);
        }
        let failed = StoreError::sql("set apart what cannot be derived");
        let (count, name) = share.content(connection).map_err(failed)?;
        match share.halves().filter(|_| count > 1) {
            Some(halves) => shares.extend(halves),
            None => {
                // It is derived again when more of it comes.
                tracing::error!(
                    what = name.unwrap_or_default(),
                    error = told(&error),
                    "its runs cannot be derived; what was sent is stored, and everything else is derived"
                );
                share.forget(connection).map_err(StoreError::sql("set apart what cannot be derived"))?;
            }
        }
    }
    Ok(())
}

/// Whether a value is to blame, and not the disk, the memory or ourselves: then trying again ends the same way.
fn is_about_content(error: &StoreError) -> bool {
    let StoreError::Sql { source, .. } = error else { return false };
    let said = source.to_string();
    ["Out of Range Error", "Conversion Error"].iter().any(|kind| said.contains(kind))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::super::{Store, StoreOptions};
    use super::*;
    use crate::otlp::conventions::Rules;

    #[test]
    fn halves_hold_together_what_the_whole_holds() {
        let mut shares = vec![Share::WHOLE];
        for _ in 0..4 {
            shares = shares.into_iter().flat_map(|share| share.halves().unwrap()).collect();
        }
        for hash in [0, 1, 15, 16, 12_345, u64::MAX] {
            assert_eq!(shares.iter().filter(|share| hash % share.shares == share.number).count(), 1, "{hash}");
        }
        let mut last = Share::WHOLE;
        while let Some([_, half]) = last.halves() {
            last = half;
        }
        assert_eq!((last.shares, last.number), (SHARES_MAX, SHARES_MAX - 1));
    }

    #[test]
    fn a_fault_that_is_not_in_the_content_is_tried_again_later() {
        let store = Connection::open_in_memory().unwrap();
        let mut asked = 0;
        let answer = derive(&store, |_| {
            asked += 1;
            Err(StoreError::Full { free: 0 })
        });
        assert!(matches!(answer, Err(StoreError::Full { .. })));
        assert_eq!(asked, 1);
    }

    // Ends of 64 bits came into stores before the door of the columns cut them.
    #[test]
    fn one_trace_and_one_resource_that_cannot_be_derived_do_not_keep_the_others_from_it() {
        let folder = tempfile::tempdir().unwrap();
        let options = StoreOptions::new(folder.path().join("apart.duckdb"));
        let store = Store::open(&options, Arc::new(Rules::embedded().unwrap())).unwrap();
        let written = store.write(|connection, _| {
            connection.execute_batch(
                "insert into span_rows by name
                 select 0::ubigint as trace_hi, n::ubigint as trace_lo, 1::ubigint as span_id, 0::ubigint as parent_span_id,
                     1790000000000000000 + n as start_ns,
                     case when n = 7 then 9223372036854775807 - 1790000000000000000 - n else 1000 end as duration_ns,
                     1::ubigint as resource_id, 1::ubigint as scope_id, 1::utinyint as kind, 1::utinyint as status,
                     0::uinteger as set_id, 'job' as name
                 from range(20) as r(n);
                 insert into span_facts by name
                 select trace_hi, trace_lo, span_id, start_ns, 'local-root' as rule, true as root, 'job' as fallback
                 from span_rows;
                 insert into pending_traces select trace_hi, trace_lo, start_ns, start_ns + duration_ns, false from span_rows;
                 insert into pending_resources values (3, 9223372036854775807, 9223372036854775807), (4, 5, 6)",
            )
        });
        written.unwrap().unwrap();
        let known = crate::price::Prices::default();
        let stats = super::super::super::stats::LoaderStats::default();
        let derived = store.write(move |connection, _| {
            let wal = std::path::PathBuf::new();
            let committer = super::super::Committer { wal: &wal, stats: &stats };
            super::super::derive_pending(connection, &known, &committer)
        });
        derived.unwrap().unwrap();
        let left = store.reader().unwrap().query(
            "select (select count(*) from run_rows) as runs, \
            (select count(*) from pending_traces) + (select count(*) from pending_resources) as pending",
        );
        let left = left.unwrap();
        assert_eq!((left[0]["runs"].as_u64(), left[0]["pending"].as_u64()), (Some(19), Some(0)));
        store.close().unwrap();
    }
}
