//! A row of `span_sets`: what its spans share, and how the values that stay with them are put back.

use duckdb::types::Value;
use duckdb::{Connection, Row, ToSql};
use serde_json::json;

use crate::store::read::Parameters;
use crate::store::sql;

/// A set as it is stored.
#[derive(Clone, Debug, Default)]
pub(super) struct Set {
    /// Attributes as JSON members.
    pub(super) members: String,
    /// What the spans' own values are, column by column.
    pub(super) places: Vec<Place>,
    pub(super) name: Option<String>,
    pub(super) events: Option<String>,
}

/// How a value that stays with its span becomes a JSON member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// By this key, as it stands before the value.
    Text(String),
    /// By this format, into which the number is put.
    Number(String),
}

impl Set {
    /// The newest sets with their ids, newest first: `count_max` of them, and fewer where those have more bytes than
    /// `bytes_max`; the newest itself in any case.
    pub(super) fn stored_in(
        connection: &Connection,
        count_max: usize,
        bytes_max: usize,
    ) -> duckdb::Result<Vec<(u32, Self)>> {
        let mut statement = connection.prepare(sql::LOAD_REMEMBERED_SETS)?;
        let [count_max, bytes_max] = [count_max, bytes_max].map(|most| i64::try_from(most).unwrap_or(i64::MAX));
        let bounds = Parameters::from([("count_max", &count_max as &dyn ToSql), ("bytes_max", &bytes_max)]);
        let rows = statement.query_map(&bounds, Self::of_row)?;
        rows.collect()
    }

    fn of_row(row: &Row<'_>) -> duckdb::Result<(u32, Self)> {
        let (keys, formats) = (texts(row.get(2)?), texts(row.get(3)?));
        let place = |(key, format): (Option<String>, Option<String>)| {
            key.map(Place::Text).or_else(|| format.map(Place::Number))
        };
        let places = keys.into_iter().zip(formats).map_while(place).collect();
        Ok((row.get(0)?, Self { members: row.get(1)?, places, name: row.get(4)?, events: row.get(5)? }))
    }

    /// Everything in one text; no two sets have the same.
    pub(super) fn content(&self) -> String {
        let places: Vec<(bool, &str)> = self.places.iter().map(Place::parts).collect();
        json!([self.members, places, self.name, self.events]).to_string()
    }

    /// The row, by column name.
    pub(super) fn row(&self, set_id: u32) -> String {
        let mut row = json!({
            "set_id": set_id, "attributes": self.members, "name": self.name, "events": self.events
        });
        for (at, place) in self.places.iter().enumerate() {
            let (is_number, text) = place.parts();
            row[format!("{}_{}", if is_number { "format" } else { "key" }, at + 1)] = json!(text);
        }
        row.to_string()
    }
}

impl Place {
    /// Whether it takes a number, and its text.
    fn parts(&self) -> (bool, &str) {
        match self {
            Self::Text(key) => (false, key),
            Self::Number(format) => (true, format),
        }
    }
}

fn texts(list: Value) -> Vec<Option<String>> {
    let text = |value| if let Value::Text(text) = value { Some(text) } else { None };
    match list {
        Value::List(values) => values.into_iter().map(text).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_restart_no_more_is_remembered_than_memory_is_meant_for_it() {
        let connection = Connection::open_in_memory().unwrap();
        connection
            .execute_batch(
                "create table span_sets (set_id uinteger, attributes varchar, key_1 varchar, key_2 varchar, key_3 varchar,
                    key_4 varchar, format_1 varchar, format_2 varchar, format_3 varchar, format_4 varchar, name varchar,
                    events varchar);
                insert into span_sets (set_id, attributes, name) select range, repeat('x', 99), 'n' from range(1, 11)",
            )
            .unwrap();
        let ids = |count_max, bytes_max| {
            let found = Set::stored_in(&connection, count_max, bytes_max).unwrap();
            found.into_iter().map(|(id, _)| id).collect::<Vec<_>>()
        };
        assert_eq!(ids(3, 1_000_000), [10, 9, 8]);
        assert_eq!(ids(100, 200), [10, 9]);
        assert_eq!(ids(100, 201), [10, 9, 8], "the last one may end behind the limit");
        assert_eq!(ids(100, 1), [10], "the next id is known by the newest");
    }
}
