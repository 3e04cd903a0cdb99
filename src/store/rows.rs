//! Query results as JSON: DuckDB's Arrow batches to objects, value by value.

use duckdb::arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, Decimal128Array, FixedSizeListArray, LargeBinaryArray, LargeStringArray,
    ListArray, MapArray, StringArray, StructArray,
};
use duckdb::arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimeUnit, UInt8Type,
    UInt16Type, UInt32Type, UInt64Type,
};
use duckdb::arrow::record_batch::RecordBatch;
use duckdb::arrow::util::display::{ArrayFormatter, FormatOptions};
use serde_json::{Map, Number, Value};

use crate::model::unit::format_time;

/// One row: column name to value, in the order of the query.
pub type Row = Map<String, Value>;

/// Every row of a batch as an object. 64-bit integers stay numbers, times become RFC 3339 with Z,
/// NaN and infinities become text, bytes lower-case hex.
pub(crate) fn batch_to_rows(batch: &RecordBatch) -> impl Iterator<Item = Row> {
    let schema = batch.schema();
    (0..batch.num_rows()).map(move |row| {
        let columns = schema.fields().iter().zip(batch.columns());
        columns.map(|(field, column)| (field.name().clone(), value_at(column, row))).collect()
    })
}

/// Which columns hold JSON, by DuckDB's names of their types: as Arrow they are text like any.
pub(crate) fn json_columns<'a>(types: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<String> {
    let is_json = |kind: &str| kind.trim_end_matches("[]") == "JSON";
    types.into_iter().filter(|(_, kind)| is_json(kind)).map(|(name, _)| name.to_owned()).collect()
}

/// Makes JSON of the text of a JSON column, or of a list of it.
pub(crate) fn read_json(value: &mut Value) {
    match value {
        Value::String(text) => {
            if let Ok(read) = serde_json::from_str(text) {
                *value = read;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(read_json),
        _ => {}
    }
}

fn value_at(array: &ArrayRef, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    match array.data_type() {
        DataType::Null => Value::Null,
        DataType::Boolean => Value::Bool(array.as_boolean().value(row)),
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into(),
        DataType::Float32 => number(f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => number(array.as_primitive::<Float64Type>().value(row)),
        DataType::Timestamp(unit, _) => timestamp(array, *unit, row),
        DataType::Date32 => date(array.as_primitive::<Date32Type>().value(row)),
        _ => composite(array, row),
    }
}

fn composite(array: &ArrayRef, row: usize) -> Value {
    let any = array.as_any();
    if let Some(text) = any.downcast_ref::<StringArray>() {
        text.value(row).into()
    } else if let Some(text) = any.downcast_ref::<LargeStringArray>() {
        text.value(row).into()
    } else if let Some(bytes) = any.downcast_ref::<BinaryArray>() {
        hex(bytes.value(row)).into()
    } else if let Some(bytes) = any.downcast_ref::<LargeBinaryArray>() {
        hex(bytes.value(row)).into()
    } else if let Some(decimal) = any.downcast_ref::<Decimal128Array>() {
        decimal_value(&decimal.value_as_string(row))
    } else if let Some(list) = any.downcast_ref::<ListArray>() {
        items(&list.value(row))
    } else if let Some(list) = any.downcast_ref::<FixedSizeListArray>() {
        items(&list.value(row))
    } else if let Some(map) = any.downcast_ref::<MapArray>() {
        entries(&map.value(row))
    } else if let Some(object) = any.downcast_ref::<StructArray>() {
        members(object, row)
    } else {
        ArrayFormatter::try_new(array, &FormatOptions::default())
            .map_or(Value::Null, |formatter| formatter.value(row).to_string().into())
    }
}

fn items(array: &ArrayRef) -> Value {
    (0..array.len()).map(|index| value_at(array, index)).collect()
}

fn entries(pairs: &StructArray) -> Value {
    let (keys, values) = (pairs.column(0), pairs.column(1));
    let object: Row = (0..pairs.len())
        .map(|index| {
            let key = match value_at(keys, index) {
                Value::String(text) => text,
                other => other.to_string(),
            };
            (key, value_at(values, index))
        })
        .collect();
    Value::Object(object)
}

fn members(object: &StructArray, row: usize) -> Value {
    let fields: Row = object
        .column_names()
        .into_iter()
        .zip(object.columns())
        .map(|(name, column)| (name.to_owned(), value_at(column, row)))
        .collect();
    Value::Object(fields)
}

fn number(value: f64) -> Value {
    Number::from_f64(value).map_or_else(|| Value::String(value.to_string()), Value::Number)
}

// Sums of integers are 128 bits wide in DuckDB: a number wherever it fits.
fn decimal_value(text: &str) -> Value {
    if let Ok(whole) = text.parse::<i64>() {
        return whole.into();
    }
    text.parse::<f64>().map_or_else(|_| text.into(), number)
}

fn timestamp(array: &ArrayRef, unit: TimeUnit, row: usize) -> Value {
    use duckdb::arrow::datatypes::{
        TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
    };
    let (value, scale) = match unit {
        TimeUnit::Second => (array.as_primitive::<TimestampSecondType>().value(row), 1_000_000_000),
        TimeUnit::Millisecond => (array.as_primitive::<TimestampMillisecondType>().value(row), 1_000_000),
        TimeUnit::Microsecond => (array.as_primitive::<TimestampMicrosecondType>().value(row), 1_000),
        TimeUnit::Nanosecond => (array.as_primitive::<TimestampNanosecondType>().value(row), 1),
    };
    value.checked_mul(scale).map_or(Value::Null, |nanos| format_time(nanos).into())
}

fn date(days: i32) -> Value {
    jiff::civil::date(1970, 1, 1)
        .checked_add(jiff::Span::new().days(days))
        .map_or(Value::Null, |date| date.to_string().into())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
