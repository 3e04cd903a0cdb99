//! Brings a store's schema to this build's version; refuses what is newer.

use duckdb::Connection;
use sha2::{Digest, Sha256};

use super::StoreError;
use super::sql::{MIGRATIONS, Migration};
use crate::model::clock::Clock;

/// Applies what is missing, in one transaction each. Errors where the store is newer than this
/// build, or where a migration that was applied differs from this build's text.
pub(super) fn migrate(connection: &Connection, store: &str, clock: Clock) -> Result<(), StoreError> {
    connection
        .execute_batch(
            "create table if not exists schema_migrations \
             (version integer not null, name varchar not null, checksum varchar not null, applied_ns bigint not null)",
        )
        .map_err(StoreError::sql("create the migration table"))?;
    let applied = applied(connection)?;
    let newest = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    if let Some((version, ..)) = applied.iter().find(|(version, ..)| *version > newest) {
        return Err(StoreError::NewerSchema { store: store.to_owned(), found: *version, known: newest });
    }
    for migration in MIGRATIONS {
        match applied.iter().find(|(version, ..)| *version == migration.version) {
            Some((_, checksum)) if *checksum == checksum_of(migration) => {}
            Some(_) => {
                return Err(StoreError::ChangedMigration { store: store.to_owned(), version: migration.version });
            }
            None => apply(connection, migration, clock)?,
        }
    }
    Ok(())
}

fn applied(connection: &Connection) -> Result<Vec<(i32, String)>, StoreError> {
    let failed = "read the migration table";
    let mut statement = connection
        .prepare("select version, checksum from schema_migrations order by version")
        .map_err(StoreError::sql(failed))?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(StoreError::sql(failed))?;
    rows.collect::<Result<_, _>>().map_err(StoreError::sql(failed))
}

fn apply(connection: &Connection, migration: &Migration, clock: Clock) -> Result<(), StoreError> {
    let failed = "apply a migration";
    connection.execute_batch("begin transaction").map_err(StoreError::sql(failed))?;
    let applied = connection.execute_batch(migration.text).and_then(|()| {
        connection.execute(
            "insert into schema_migrations values (?, ?, ?, ?)",
            duckdb::params![migration.version, migration.name, checksum_of(migration), clock.now()],
        )
    });
    match applied {
        Ok(_) => connection.execute_batch("commit").map_err(StoreError::sql(failed)),
        Err(source) => {
            // The first failure is the one to report.
            drop(connection.execute_batch("rollback"));
            Err(StoreError::Sql { action: failed, source })
        }
    }
}

fn checksum_of(migration: &Migration) -> String {
    let digest = Sha256::digest(migration.text.as_bytes());
    digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
