//! Plain series from JSON, JSON lines, CSV, and tables of text.

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use super::PlainSeries;

/// Column names that order the rows of a CSV file.
const TIME_COLUMNS: [&str; 4] = ["time", "timestamp", "date", "started_at"];
/// Most series in one input.
const SERIES_COUNT_MAX: usize = 100_000;

/// What the caller knows of the format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FormatHint {
    /// Look at the first character.
    #[default]
    Unknown,
    /// CSV with a header.
    Csv,
    /// One JSON document, or lines of them.
    Json,
}

impl FormatHint {
    /// From the ending of a file's name.
    #[must_use]
    pub fn from_file_name(name: &str) -> Self {
        let lower = name.to_ascii_lowercase();
        match lower.rsplit('.').next() {
            Some("csv") => Self::Csv,
            Some("json" | "jsonl" | "ndjson") => Self::Json,
            _ => Self::Unknown,
        }
    }
}

/// Why plain series could not be read.
#[derive(Debug, thiserror::Error)]
pub enum AnalyzeError {
    /// Not text.
    #[error("the input is not UTF-8 text (byte {0})")]
    NotText(usize),
    /// Nothing in it.
    #[error("the input holds no series")]
    Empty,
    /// Broken JSON.
    #[error("line {line}: no JSON")]
    Json {
        /// 1-based.
        line: usize,
        /// What the parser says.
        #[source]
        source: serde_json::Error,
    },
    /// Broken CSV.
    #[error("read CSV")]
    Csv(#[from] csv::Error),
    /// No numeric column.
    #[error("no column holds numbers")]
    NoNumbers,
    /// Too many.
    #[error("more than {SERIES_COUNT_MAX} series in one input")]
    TooMany,
}

/// Reads JSON (`{"name"?, "values":[...]}`, an array of those, or lines of them) or CSV with a header.
pub fn read_series(bytes: &[u8], hint: FormatHint) -> Result<Vec<PlainSeries>, AnalyzeError> {
    let text = std::str::from_utf8(bytes).map_err(|e| AnalyzeError::NotText(e.valid_up_to()))?;
    let text = text.trim_start_matches('\u{feff}');
    let is_json = match hint {
        FormatHint::Json => true,
        FormatHint::Csv => false,
        FormatHint::Unknown => text.trim_start().starts_with(['{', '[']),
    };
    let series = if is_json { read_json(text)? } else { read_csv(text)? };
    match series.len() {
        0 => Err(AnalyzeError::Empty),
        count if count > SERIES_COUNT_MAX => Err(AnalyzeError::TooMany),
        _ => Ok(series),
    }
}

fn read_json(text: &str) -> Result<Vec<PlainSeries>, AnalyzeError> {
    let mut series = Vec::new();
    // Documents one after the other: a single one over many lines, and one a line, read alike.
    let mut documents = serde_json::Deserializer::from_str(text).into_iter::<Document>();
    loop {
        match documents.next() {
            None => return Ok(series),
            Some(Ok(Document::One(one))) => push(&mut series, one),
            Some(Ok(Document::Many(many))) => many.into_iter().for_each(|one| push(&mut series, one)),
            Some(Err(source)) => {
                let read = text.get(..documents.byte_offset()).unwrap_or(text);
                return Err(AnalyzeError::Json { line: read.matches('\n').count() + 1, source });
            }
        }
    }
}

enum Document {
    One(Given),
    Many(Vec<Given>),
}

// Told apart by their first character: to try one after the other, every number would have to be kept twice.
impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;
        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Document;

            fn expecting(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                out.write_str("a series {\"values\": [...]} or an array of such")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Document, A::Error> {
                Given::deserialize(MapAccessDeserializer::new(map)).map(Document::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Document, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(Document::Many)
            }
        }
        deserializer.deserialize_any(OneOrMany)
    }
}

#[derive(Deserialize)]
struct Given {
    name: Option<String>,
    values: Vec<Option<f64>>,
    #[serde(default, alias = "time", alias = "timestamps")]
    times: Vec<Value>,
}

fn push(series: &mut Vec<PlainSeries>, given: Given) {
    let name = given.name.unwrap_or_else(|| format!("series {}", series.len() + 1));
    let times = given.times.into_iter().map(|t| t.as_str().map_or_else(|| t.to_string(), str::to_owned)).collect();
    series.push(PlainSeries { name, values: given.values, times });
}

fn read_csv(text: &str) -> Result<Vec<PlainSeries>, AnalyzeError> {
    let mut reader = csv::ReaderBuilder::new().flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let names: Vec<String> = reader.headers()?.iter().map(str::to_owned).collect();
    let rows = reader.records().collect::<Result<Vec<_>, _>>()?;
    let cells: Vec<Vec<&str>> =
        (0..names.len()).map(|column| rows.iter().map(|row| row.get(column).unwrap_or("")).collect()).collect();
    series_of_columns(&names, &cells)
}

/// Series of a table of text, column by column: numeric columns are series, a time column orders them.
pub fn series_of_columns<S: AsRef<str>>(names: &[String], cells: &[Vec<S>]) -> Result<Vec<PlainSeries>, AnalyzeError> {
    let time_column = names.iter().position(|h| TIME_COLUMNS.contains(&h.to_ascii_lowercase().as_str()));
    let mut order: Vec<usize> = (0..cells.first().map_or(0, Vec::len)).collect();
    if let Some(times) = time_column.map(|column| &cells[column]) {
        let keys: Vec<_> = times.iter().map(|time| order_of(Some(time.as_ref()))).collect();
        // Stable: rows of one instant keep their order.
        order.sort_by(|a, b| keys[*a].partial_cmp(&keys[*b]).unwrap_or(std::cmp::Ordering::Equal));
    }
    let sorted = |column: usize| -> Vec<&str> { order.iter().map(|row| cells[column][*row].as_ref()).collect() };
    let times: Vec<String> =
        time_column.map(|c| sorted(c).into_iter().map(str::to_owned).collect()).unwrap_or_default();
    let series: Vec<PlainSeries> = (0..names.len())
        .filter(|column| Some(*column) != time_column)
        .filter_map(|column| {
            let values = read_numbers(&sorted(column))?;
            let name = if names[column].is_empty() { format!("column {}", column + 1) } else { names[column].clone() };
            Some(PlainSeries { name, values, times: times.clone() })
        })
        .collect();
    if series.len() > SERIES_COUNT_MAX {
        return Err(AnalyzeError::TooMany);
    }
    if series.is_empty() { Err(AnalyzeError::NoNumbers) } else { Ok(series) }
}

// A column is a series where every cell that says anything is a number, and at least one is.
fn read_numbers(cells: &[&str]) -> Option<Vec<Option<f64>>> {
    let values = cells
        .iter()
        .map(|cell| match cell.to_ascii_lowercase().as_str() {
            "" | "null" | "na" | "n/a" | "nan" | "none" => Some(None),
            text => text.parse::<f64>().ok().map(Some),
        })
        .collect::<Option<Vec<Option<f64>>>>()?;
    values.iter().any(Option::is_some).then_some(values)
}

// Times as numbers, as RFC 3339, else as text: in that order.
fn order_of(cell: Option<&str>) -> (u8, f64, String) {
    let cell = cell.unwrap_or("");
    if let Ok(number) = cell.parse::<f64>() {
        return (0, number, String::new());
    }
    match cell.parse::<jiff::Timestamp>() {
        Ok(stamp) => (0, stamp.as_nanosecond() as f64, String::new()),
        Err(_) => (1, 0.0, cell.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<PlainSeries> {
        read_series(text.as_bytes(), FormatHint::Unknown).unwrap()
    }

    #[test]
    fn one_object_an_array_and_lines_read_alike() {
        let one = read(r#"{"name":"a","values":[1,null,2.5]}"#);
        assert_eq!(one, read(r#"[{"name":"a","values":[1,null,2.5]}]"#));
        let lines = read("{\"name\":\"a\",\"values\":[1,null,2.5]}\n{\"values\":[3]}\n");
        assert_eq!((&lines[0], lines[1].name.as_str()), (&one[0], "series 2"));
    }

    #[test]
    fn a_time_column_orders_the_rows_of_a_csv() {
        let series = read("time,a,note,b\n2026-01-02T00:00:00Z,2,x,\n2026-01-01T00:00:00Z,1,y,5\n");
        assert_eq!(series.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(series[0].values, [Some(1.0), Some(2.0)]);
        assert_eq!(series[1].values, [Some(5.0), None]);
        assert_eq!(series[0].times[0], "2026-01-01T00:00:00Z");
    }

    #[test]
    fn what_cannot_be_read_is_said_with_its_line() {
        let broken = read_series(b"{\"values\":[1]}\n{\"values\":", FormatHint::Json);
        assert!(matches!(broken, Err(AnalyzeError::Json { line: 1 | 2, .. })), "{broken:?}");
        assert!(matches!(read_series(b"a,b\nx,y\n", FormatHint::Csv), Err(AnalyzeError::NoNumbers)));
        assert!(matches!(read_series(b"\xff", FormatHint::Csv), Err(AnalyzeError::NotText(0))));
        assert!(matches!(read_series(b"", FormatHint::Json), Err(AnalyzeError::Empty)));
    }
}
