//! What one query of the user's may take: rows, bytes and time.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use duckdb::{Connection, InterruptHandle};

use super::StoreError;
use super::rows::Row;
use crate::model::unit::{format_bytes, format_count, format_duration};

/// DuckDB forgets an interruption when it begins its next statement, so that one alone may fall between two.
const INTERRUPT_AGAIN: Duration = Duration::from_millis(50);

/// What one query may take; `None`: as much as it wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryBounds {
    /// Rows of the answer.
    pub rows_max: Option<usize>,
    /// Bytes of the answer as JSON.
    pub bytes_max: Option<usize>,
    /// From the beginning of the query until its last row was read.
    pub time_max: Option<Duration>,
}

/// The bound that a query went past. Nothing of its answer is given: a part could be taken for the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// More rows exist.
    #[error(
        "the answer has more than {} rows: aggregate, filter, or add a `limit`; or raise limits.query_rows_max of the \
         service",
        format_count(*.0 as f64)
    )]
    Rows(usize),
    /// The rows are too long.
    #[error(
        "the answer takes more than {}: ask for fewer columns or rows; or raise limits.query_bytes_max of the service",
        format_bytes(*.0 as f64)
    )]
    Bytes(usize),
    /// It was interrupted.
    #[error(
        "the query took more than {}, and was stopped: ask for fewer runs or a shorter period; or raise \
         limits.query_timeout of the service",
        format_duration(.0.as_secs_f64())
    )]
    Time(Duration),
}

impl Exceeded {
    /// The setting that bounds it.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Rows(_) => "limits.query_rows_max",
            Self::Bytes(_) => "limits.query_bytes_max",
            Self::Time(_) => "limits.query_timeout",
        }
    }

    /// What to do where the answer is needed whole.
    pub(crate) const HELP: &str = "`perfline export` writes whole views, and works through a service too; a DuckDB file \
                                   that no service has open is asked without these limits";
}

impl QueryBounds {
    /// Runs `job`, and interrupts what it does on `connection` once its time is over.
    pub(super) fn hold<T>(
        self,
        connection: &Connection,
        job: impl FnOnce(&mut Meter) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut meter = Meter { bounds: self, begun: Instant::now(), rows: 0, bytes: 0 };
        let Some(time_max) = self.time_max else { return job(&mut meter) };
        let interrupt = connection.interrupt_handle();
        let (done, waiting) = sync_channel::<()>(0);
        thread::scope(move |scope| {
            thread::Builder::new()
                .name("perfline-limit".to_owned())
                .spawn_scoped(scope, move || interrupt_after(time_max, &interrupt, &waiting))
                .map_err(no_thread)?;
            let answer = job(&mut meter);
            // Wakes the thread, and the scope waits for its end: what runs on the connection next is not interrupted.
            drop(done);
            match answer {
                Err(StoreError::Query(_)) if meter.is_late() => Err(Exceeded::Time(time_max).into()),
                answer => answer,
            }
        })
    }
}

fn interrupt_after(time_max: Duration, interrupt: &InterruptHandle, done: &Receiver<()>) {
    let mut patience = time_max;
    while let Err(RecvTimeoutError::Timeout) = done.recv_timeout(patience) {
        interrupt.interrupt();
        patience = INTERRUPT_AGAIN;
    }
}

fn no_thread(source: io::Error) -> StoreError {
    StoreError::File { action: "start thread for", path: PathBuf::from("perfline-limit"), source }
}

/// What a query has taken so far.
pub(super) struct Meter {
    bounds: QueryBounds,
    begun: Instant,
    rows: usize,
    bytes: usize,
}

impl Meter {
    /// Counts one more row of the answer.
    pub(super) fn take(&mut self, row: &Row) -> Result<(), Exceeded> {
        self.rows += 1;
        if let Some(rows_max) = self.bounds.rows_max.filter(|max| self.rows > *max) {
            return Err(Exceeded::Rows(rows_max));
        }
        if let Some(bytes_max) = self.bounds.bytes_max {
            self.bytes = self.bytes.saturating_add(json_length(row));
            if self.bytes > bytes_max {
                return Err(Exceeded::Bytes(bytes_max));
            }
        }
        match self.bounds.time_max {
            // Between two chunks DuckDB has nothing to be interrupted in.
            Some(time_max) if self.is_late() => Err(Exceeded::Time(time_max)),
            _ => Ok(()),
        }
    }

    fn is_late(&self) -> bool {
        self.bounds.time_max.is_some_and(|time_max| self.begun.elapsed() >= time_max)
    }
}

/// Counts what is written to it, and keeps none of it.
struct Length(usize);

impl Write for Length {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn json_length(row: &Row) -> usize {
    let mut length = Length(0);
    // Neither a row nor the counter has a way to fail.
    drop(serde_json::to_writer(&mut length, row));
    length.0
}

#[cfg(test)]
mod tests {
    use super::super::read::Reader;
    use super::*;

    /// Would take hours.
    const LONG: &str = "select sum((a.range * b.range) % 7) as a from range(100000000) as a, range(100000000) as b";
    const SHORT_TIME: Duration = Duration::from_millis(200);

    fn within(bounds: QueryBounds) -> Reader {
        Reader::new(Connection::open_in_memory().unwrap()).within(bounds)
    }

    fn exceeded(reader: &Reader, text: &str) -> Exceeded {
        match reader.query(text) {
            Err(StoreError::Exceeded(bound)) => bound,
            other => panic!("{text}: {:?}", other.map(|rows| rows.len())),
        }
    }

    #[test]
    fn an_answer_has_as_many_rows_as_it_may_or_there_is_none() {
        let reader = within(QueryBounds { rows_max: Some(3_000), ..QueryBounds::default() });
        assert_eq!(reader.query("from range(3000)").unwrap().len(), 3_000);
        assert_eq!(exceeded(&reader, "from range(3001)"), Exceeded::Rows(3_000));
        assert_eq!(exceeded(&reader, "from range(100000000000)"), Exceeded::Rows(3_000));
        assert_eq!(reader.query("select 1 as a").unwrap().len(), 1, "what was given up stands in nobody's way");
    }

    #[test]
    fn an_answer_has_as_many_bytes_as_it_may_or_there_is_none() {
        // {"a":"xx..."} has 8 bytes beside the text.
        let text = "select repeat('x', 100) as a from range(10)";
        let with = |bytes| within(QueryBounds { bytes_max: Some(bytes), ..QueryBounds::default() });
        assert_eq!(with(1_080).query(text).unwrap().len(), 10);
        assert_eq!(exceeded(&with(1_079), text), Exceeded::Bytes(1_079));
    }

    #[test]
    fn a_query_that_takes_too_long_is_stopped_and_the_next_is_answered() {
        let reader = within(QueryBounds { time_max: Some(SHORT_TIME), ..QueryBounds::default() });
        assert_eq!(exceeded(&reader, LONG), Exceeded::Time(SHORT_TIME));
        assert_eq!(reader.query("select 1 as a").unwrap().len(), 1);
    }

    #[test]
    fn rows_that_come_for_too_long_are_stopped() {
        let reader = within(QueryBounds { time_max: Some(SHORT_TIME), ..QueryBounds::default() });
        assert_eq!(exceeded(&reader, "from range(100000000000)"), Exceeded::Time(SHORT_TIME));
    }

    #[test]
    fn a_query_that_fails_among_its_rows_says_why() {
        let reader = within(QueryBounds { time_max: Some(Duration::from_secs(60)), ..QueryBounds::default() });
        let failed = reader.query("select cast(if(range < 100000, '1', 'x') as integer) as a from range(200000)");
        assert!(matches!(failed, Err(StoreError::Query(said)) if said.contains("Conversion")));
    }

    #[test]
    fn every_bound_names_its_key_and_what_to_do() {
        for (bound, key) in [
            (
                Exceeded::Rows(100_000),
                "100,000 rows: aggregate, filter, or add a `limit`; or raise limits.query_rows_max",
            ),
            (Exceeded::Bytes(64 << 20), "limits.query_bytes_max"),
            (Exceeded::Time(Duration::from_secs(60)), "limits.query_timeout"),
        ] {
            assert!(bound.to_string().contains(key), "{bound}");
        }
    }
}
