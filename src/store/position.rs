//! How far the log is loaded: written in the transaction that loads.

use duckdb::Connection;

use super::StoreError;
use super::log::Position;

/// Where to go on.
pub(super) fn read_position(connection: &Connection) -> Result<Position, StoreError> {
    let found = connection.query_row(
        "select coalesce(max(segment), 0), coalesce(max_by(position, segment), 0) from ingest_positions",
        [],
        |row| Ok(Position { segment: row.get(0)?, offset: row.get(1)? }),
    );
    found.map_err(StoreError::sql("read the log position"))
}

/// Replaces the position.
pub(super) fn write_position(connection: &Connection, end: Position) -> Result<(), StoreError> {
    connection
        .execute_batch("delete from ingest_positions where collector = 'local'")
        .and_then(|()| {
            connection.execute(
                "insert into ingest_positions values ('local', ?, ?)",
                duckdb::params![end.segment, end.offset],
            )
        })
        .map(drop)
        .map_err(StoreError::sql("write the log position"))
}
