//! Reads a Parquet file as a table of text: no store is opened.

use std::collections::HashMap;
use std::path::Path;

use duckdb::arrow::array::{Array, StringArray};
use duckdb::arrow::record_batch::RecordBatch;
use duckdb::{Connection, ToSql};

use super::{StoreError, sql};

/// A table, column by column; a cell that holds nothing is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextColumns {
    /// Names of the columns.
    pub names: Vec<String>,
    /// Cells of each column, in the order of the file.
    pub cells: Vec<Vec<String>>,
}

/// Reads the whole file.
pub fn read_parquet(file: &Path) -> Result<TextColumns, StoreError> {
    let failed = "read the Parquet file";
    let connection = Connection::open_in_memory().map_err(StoreError::sql(failed))?;
    let path = file.display().to_string();
    let parameters: HashMap<&str, &dyn ToSql> = HashMap::from([("path", &path as &dyn ToSql)]);
    let mut statement = connection.prepare(sql::FILE_PARQUET).map_err(StoreError::sql(failed))?;
    let found = statement.query_arrow(&parameters).map_err(StoreError::sql(failed))?;
    let mut table = TextColumns::default();
    for batch in found {
        add(&mut table, &batch);
    }
    Ok(table)
}

fn add(table: &mut TextColumns, batch: &RecordBatch) {
    if table.names.is_empty() {
        table.names = batch.schema().fields().iter().map(|field| field.name().clone()).collect();
        table.cells = vec![Vec::new(); table.names.len()];
    }
    for (cells, column) in table.cells.iter_mut().zip(batch.columns()) {
        let texts = column.as_any().downcast_ref::<StringArray>();
        let cell =
            |row: usize| texts.filter(|texts| !texts.is_null(row)).map_or("", |texts| texts.value(row)).to_owned();
        cells.extend((0..column.len()).map(cell));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_times_and_nothing_are_read_as_text() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.parquet");
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(&format!(
                "copy (select * from (values (timestamp '2026-01-02', 1.5, 7), (timestamp '2026-01-01', null, 8)) \
                 as t(time, a, b)) to '{}' (format parquet)",
                file.display()
            ))
            .unwrap();
        let table = read_parquet(&file).unwrap();
        assert_eq!(table.names, ["time", "a", "b"]);
        assert_eq!(table.cells[1], ["1.5", ""]);
        assert_eq!(table.cells[0][0], "2026-01-02 00:00:00");
    }

    #[test]
    fn what_is_no_parquet_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "a,b\n1,2\n").unwrap();
        assert!(read_parquet(file.path()).is_err());
    }
}
