//! `perfline import`: files into the store, by the same way as live telemetry.

mod content;
mod source;

use std::collections::BTreeMap;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use bytes::Bytes;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use prost::Message;
use serde_json::{Map, Value};

use self::content::{Content, is_telemetry, signal_of_name};
use self::source::Source;
use super::output::{print, print_json};
use super::{Failure, Format, StoreArg};
use crate::api::Backend;
use crate::detect::alerts::Action;
use crate::model::Signal;
use crate::otlp::door::{self, Encoding, Limits};
use crate::otlp::history::{self, History};
use crate::otlp::json::{Document, DocumentError, read_documents};
use crate::otlp::sink::Accepted;
use crate::report::clean::line as sanitize;
use crate::store::read_parquet;

/// Read OTLP (protobuf requests, JSON documents or lines) and run history (CSV, JSON, Parquet) into
/// the store. Imported twice, nothing doubles.
#[derive(Debug, Args)]
#[command(after_help = "Run history needs the columns pipeline, run_id, started_at; see docs/import.md for the others.

Examples:
  perfline import traces/*.pb
  perfline import history.csv
  zcat export.jsonl.gz | perfline import -")]
pub(crate) struct ImportArgs {
    /// Files, folders (read whole), or - for standard input.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    store: StoreArg,
    /// What protobuf files hold, where their names do not say: traces, metrics, logs.
    #[arg(long, value_parser = parse_signal)]
    signal: Option<Signal>,
    /// Keep names private: store pseudonyms made by the key in this file (docs/privacy.md).
    #[arg(long, env = "PERFLINE_ANONYMIZE", value_name = "KEYFILE")]
    anonymize: Option<PathBuf>,
    /// Exit 1 when anything was refused.
    #[arg(long)]
    strict: bool,
    /// How the summary is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

pub(super) fn parse_signal(word: &str) -> Result<Signal, String> {
    Signal::ALL
        .into_iter()
        .find(|signal| signal.as_str() == word)
        .ok_or_else(|| format!("`{word}` is no signal; one of traces, metrics, logs"))
}

/// What an import did.
#[derive(Debug, Default, serde::Serialize)]
pub(super) struct Summary {
    files: usize,
    spans: u64,
    points: u64,
    log_records: u64,
    history_rows: u64,
    /// Alerts that what was read opened.
    alerts_opened: usize,
    /// Refused items by reason.
    refused: BTreeMap<String, u64>,
    /// The first refusals, with file and cause.
    examples: Vec<String>,
}

/// Refusals that are told one by one.
const EXAMPLES_MAX: usize = 10;

pub(super) fn run(args: &ImportArgs) -> Result<ExitCode, Failure> {
    let files = expand(&args.paths)?;
    let backend = args.store.open_with(None, args.anonymize.as_deref())?;
    let (mut summary, imported) = read_files(&backend, &files, args.signal);
    // What was read before a failure is stored: settle it all the same.
    let settled = backend.settle().and_then(|()| backend.detect());
    backend.close()?;
    imported?;
    summary.alerts_opened = settled?.iter().filter(|one| one.action == Action::Open).count();
    match args.format {
        Format::Json => print_json(&summary)?,
        Format::Text => print(&told(&summary))?,
    }
    Ok(ExitCode::from(u8::from(args.strict && !summary.refused.is_empty())))
}

/// Reads files into a store, up to the first that cannot be read; what was read stays.
pub(super) fn read_files(
    backend: &Backend,
    files: &[PathBuf],
    signal: Option<Signal>,
) -> (Summary, Result<(), Failure>) {
    let progress = progress_bar(files.len());
    let mut importer = Importer { backend, signal, summary: Summary::default() };
    let read = files.iter().try_for_each(|path| {
        progress.inc(1);
        importer.file(path)
    });
    progress.finish_and_clear();
    (importer.summary, read)
}

fn progress_bar(files: usize) -> ProgressBar {
    // indicatif draws on standard error and only on a terminal.
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} files, {elapsed}");
    ProgressBar::new(files as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The summary in words.
pub(super) fn told(summary: &Summary) -> String {
    let counts = [
        (summary.spans, "spans"),
        (summary.points, "points"),
        (summary.log_records, "log records"),
        (summary.history_rows, "runs of history"),
    ];
    let read: Vec<String> =
        counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    let read = if read.is_empty() { "nothing".to_owned() } else { read.join(", ") };
    let mut text = format!("read {} {}: {read}\n", summary.files, if summary.files == 1 { "file" } else { "files" });
    match summary.alerts_opened {
        0 => {}
        1 => text += "1 new alert: see `perfline alerts`\n",
        count => text += &format!("{count} new alerts: see `perfline alerts`\n"),
    }
    for (reason, count) in &summary.refused {
        text += &format!("refused {count}: {}\n", sanitize(reason));
    }
    for example in &summary.examples {
        text += &format!("  {}\n", sanitize(example));
    }
    text
}

/// The files of a list of paths: of a folder, those in it that hold telemetry.
pub(super) fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = files.len();
            let listed =
                std::fs::read_dir(path).map_err(|e| Failure::machine(&format!("list `{}`", path.display()), &e))?;
            let inside: Vec<PathBuf> = listed.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect();
            files.extend(inside.into_iter().filter(|file| file.is_file() && is_telemetry(file)));
            files[before..].sort();
        } else {
            files.push(path.clone());
        }
    }
    Ok(files)
}

struct Importer<'a> {
    backend: &'a Backend,
    signal: Option<Signal>,
    summary: Summary,
}

impl Importer<'_> {
    fn file(&mut self, path: &Path) -> Result<(), Failure> {
        let name = path.display().to_string();
        let opened = source::open(&name)?;
        self.summary.files += 1;
        match opened {
            Source::Json(source) => self.json(&name, source),
            Source::Whole(Content::Protobuf | Content::Json, bytes) => self.protobuf(&name, bytes),
            Source::Whole(Content::Csv, bytes) => {
                let read = history::read_csv(&bytes).map_err(|e| {
                    Failure::usage(
                        format!("read `{name}`: {e}"),
                        "run history is CSV with a header; OTLP is .pb or .json",
                    )
                })?;
                self.history(&name, read)
            }
            Source::Whole(Content::Parquet, bytes) => self.parquet(&name, &bytes),
        }
    }

    // DuckDB reads files: what came otherwise, or was compressed, is one for a moment.
    fn parquet(&mut self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let written = tempfile::NamedTempFile::new().and_then(|mut file| file.write_all(bytes).map(|()| file));
        let file = written.map_err(|e| Failure::machine(&format!("put `{name}` aside"), &e))?;
        let table = read_parquet(file.path()).map_err(|e| {
            Failure::usage(format!("read `{name}`: {}", Failure::chain(&e)), "is it a whole Parquet file?")
        })?;
        let rows = history::read_columns(&table.names, &table.cells)
            .map_err(|e| Failure::usage(format!("read `{name}`: {e}"), "Parquet holds run history: docs/import.md"))?;
        self.history(name, rows)
    }

    fn protobuf(&mut self, name: &str, bytes: Bytes) -> Result<(), Failure> {
        let signal = self.signal.or_else(|| signal_of_name(name)).or_else(|| door::strict_signal(&bytes));
        let Some(signal) = signal else {
            return Err(Failure::usage(
                format!("read `{name}`: it could be more than one kind of telemetry, or none"),
                "say which: --signal traces, metrics or logs",
            ));
        };
        self.request(name, signal, Encoding::Protobuf, bytes)
    }

    /// A long document goes on in pieces, once it was checked to its end.
    fn json(&mut self, name: &str, source: impl Read + Seek) -> Result<(), Failure> {
        let mut rows = Vec::new();
        let read = read_documents(source, |at, document| match document {
            Document::Telemetry(signal, text) => {
                let named = if at == 0 { name.to_owned() } else { format!("{name}, byte {at}") };
                self.request(&named, signal, Encoding::Json, text).map_err(Stop::Failed)
            }
            Document::Other(text) => self.other(name, at, &text, &mut rows).map_err(Stop::Failed),
        });
        read.map_err(|stop| match stop {
            Stop::Failed(failure) => failure,
            Stop::Document(DocumentError::Read(error)) => Failure::machine(&format!("read `{name}`"), &error),
            Stop::Document(error) => Failure::usage(
                format!("read `{name}`: {error}"),
                "give OTLP/JSON (a document, or one a line) or run history",
            ),
        })?;
        if rows.is_empty() { Ok(()) } else { self.history(name, history::from_rows(rows, 1)) }
    }

    /// JSON that is no telemetry: one row of history, if anything.
    fn other(&mut self, name: &str, at: u64, text: &[u8], rows: &mut Vec<Map<String, Value>>) -> Result<(), Failure> {
        let value: Value = serde_json::from_slice(text).map_err(|e| {
            Failure::usage(
                format!("read `{name}`, byte {at}: {e}"),
                "run history is one flat object a run: docs/import.md",
            )
        })?;
        match value {
            Value::Object(row) if row.is_empty() => {}
            Value::Object(row) => rows.push(row),
            other => self.refuse(name, "neither OTLP nor run history", 1, &other.to_string()),
        }
        Ok(())
    }

    fn history(&mut self, name: &str, read: History) -> Result<(), Failure> {
        self.summary.history_rows += read.rows as u64;
        for (line, why) in read.refused {
            self.refuse(&format!("{name}:{line}"), "bad run history row", 1, &why);
        }
        for request in read.requests {
            let items =
                request.resource_spans.iter().flat_map(|r| &r.scope_spans).map(|s| s.spans.len()).sum::<usize>();
            let items = u32::try_from(items).unwrap_or(u32::MAX);
            let body = Bytes::from(request.encode_to_vec());
            self.backend.import(Signal::Traces, Accepted { signal: Signal::Traces, body, items })?;
        }
        Ok(())
    }

    fn request(&mut self, name: &str, signal: Signal, encoding: Encoding, bytes: Bytes) -> Result<(), Failure> {
        let admitted = door::admit(signal, encoding, bytes, &Limits::default()).map_err(|e| {
            Failure::usage(
                format!("read `{name}` as {}: {e}", signal.as_str()),
                "is it an OTLP export request? --signal says of what",
            )
        })?;
        let message = admitted.message.unwrap_or_default();
        for (reason, count) in &admitted.refused {
            self.refuse(name, reason.as_str(), *count, &message);
        }
        let Some(request) = admitted.accepted else {
            return Ok(());
        };
        let counter = match signal {
            Signal::Traces => &mut self.summary.spans,
            Signal::Metrics => &mut self.summary.points,
            Signal::Logs => &mut self.summary.log_records,
        };
        *counter += u64::from(request.items);
        Ok(self.backend.import(signal, request)?)
    }

    fn refuse(&mut self, name: &str, reason: &str, count: u64, why: &str) {
        *self.summary.refused.entry(reason.to_owned()).or_default() += count;
        if self.summary.examples.len() < EXAMPLES_MAX {
            self.summary.examples.push(format!("{name}: {why}"));
        }
    }
}

/// Why a file of JSON is not read on.
enum Stop {
    Document(DocumentError),
    Failed(Failure),
}

impl From<DocumentError> for Stop {
    fn from(error: DocumentError) -> Self {
        Self::Document(error)
    }
}
