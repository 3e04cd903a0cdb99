//! `perfline backup`, `restore`, `prune`, `export`: looking after a store.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::output::{print, print_json};
use super::report::write_whole;
use super::{Failure, Format, StoreArg, rules};
use crate::model::clock::Clock;
use crate::model::unit::{format_bytes, format_time, parse_bytes, parse_duration};
use crate::store::{
    Copied, EXPORT_VIEWS, ExportFormat, PruneRequest, Pruned, Store, StoreOptions, TableRows, log_folder,
};

/// Name of the DuckDB file within a backup.
const COPY: &str = "perfline.duckdb";
/// Smaller limits are refused, bytes.
const SIZE_MIN: u64 = 100_000_000;
/// Name of the list of what a backup holds.
const MANIFEST: &str = "manifest.json";

/// Copy the whole store into a new folder: also what was acknowledged and not loaded yet. The copy is
/// read again and checked before it takes its name.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline backup backup-$(date +%F) --store runs.duckdb
  perfline backup backup-$(date +%F) --store http://127.0.0.1:4318")]
pub(crate) struct BackupArgs {
    /// The folder; must not exist.
    dir: PathBuf,
    #[command(flatten)]
    store: StoreArg,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Make a store from a backup, checked. Never overwrites one.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  perfline restore backup-2026-11-23 --store restored.duckdb")]
pub(crate) struct RestoreArgs {
    /// The folder that `perfline backup` wrote.
    dir: PathBuf,
    /// The new store; must not exist.
    #[arg(long, value_name = "FILE")]
    store: PathBuf,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Take away what is old or too much, whole runs at a time. Open runs, and runs that went on past the
/// limit, stay whole.
#[derive(Debug, Args)]
#[command(after_help = "Freed space is used again by the same file; a backup that is restored is as small as can be.

Examples:
  perfline prune --older-than 90d --dry-run
  perfline prune --older-than 90d --max-size 10GB")]
#[group(required = true, multiple = true, args = ["older_than", "max_size"])]
pub(crate) struct PruneArgs {
    #[command(flatten)]
    store: StoreArg,
    /// What ended longer ago than this: 90d, 12w, 36h.
    #[arg(long, value_name = "AGE", value_parser = parse_age)]
    older_than: Option<i64>,
    /// The oldest, so that about this much stays in use: 500MB, 10GB, 2GiB; 100MB at least.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    max_size: Option<u64>,
    /// Say what would go, and keep it.
    #[arg(long)]
    dry_run: bool,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

/// Write views as files for other tools.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline export parquet out
  perfline export csv out --views runs,steps")]
pub(crate) struct ExportArgs {
    /// Format of the files.
    #[arg(value_enum)]
    kind: ExportKind,
    /// Folder to write to; made where it is missing.
    dir: PathBuf,
    #[command(flatten)]
    store: StoreArg,
    /// Views, separated by commas.
    #[arg(long, value_delimiter = ',', default_values = EXPORT_VIEWS)]
    views: Vec<String>,
    /// How the answer is printed.
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum ExportKind {
    Parquet,
    Csv,
}

/// What a backup holds.
#[derive(Serialize, Deserialize)]
struct Manifest {
    perfline: String,
    created_at: String,
    bytes: u64,
    sha256: String,
    rows: Vec<TableRows>,
}

pub(super) fn run_backup(args: &BackupArgs) -> Result<ExitCode, Failure> {
    if args.dir.exists() {
        return Err(Failure::usage(format!("back up to `{}`: it exists", args.dir.display()), "name a new folder"));
    }
    let backend = args.store.open_existing()?;
    let parent = args.dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(|e| Failure::machine(&format!("create `{}`", parent.display()), &e))?;
    let aside = tempfile::Builder::new()
        .prefix(".perfline-backup-")
        .tempdir_in(parent)
        .map_err(|e| Failure::machine(&format!("create a folder in `{}`", parent.display()), &e))?;
    let copy = aside.path().join(COPY);
    let copied = backend.backup(&copy);
    backend.close()?;
    let (Copied { held, rows }, now) = (copied?, Clock::Wall.now());
    if held != rows {
        return Err(Failure::usage("the copy does not hold what the store holds", "try again; see `perfline doctor`"));
    }
    let (bytes, sha256) = digest(&copy)?;
    let manifest =
        Manifest { perfline: env!("CARGO_PKG_VERSION").to_owned(), created_at: format_time(now), bytes, sha256, rows };
    let text = serde_json::to_string_pretty(&manifest).map_err(|e| Failure::internal(&e))?;
    let list = aside.path().join(MANIFEST);
    write_whole(&list, (text + "\n").as_bytes())?;
    sync(&list)?;
    sync(&copy)?;
    sync(aside.path())?;
    let aside = aside.keep();
    std::fs::rename(&aside, &args.dir)
        .map_err(|e| Failure::machine(&format!("move `{}` to `{}`", aside.display(), args.dir.display()), &e))?;
    sync(parent)?;
    match args.format {
        Format::Json => print_json(&manifest)?,
        Format::Text => {
            print(&format!("backed up to {}: {}\n", args.dir.display(), told(&manifest)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn run_restore(args: &RestoreArgs) -> Result<ExitCode, Failure> {
    let mut wal = args.store.as_os_str().to_owned();
    wal.push(".wal");
    for taken in [args.store.clone(), PathBuf::from(wal), log_folder(&args.store)] {
        if taken.exists() {
            return Err(Failure::usage(
                format!("restore to `{}`: `{}` exists", args.store.display(), taken.display()),
                "name a new file by --store, or move the old one away",
            ));
        }
    }
    let list = args.dir.join(MANIFEST);
    let text =
        std::fs::read_to_string(&list).map_err(|e| Failure::machine(&format!("read `{}`", list.display()), &e))?;
    let damaged = |what: String| {
        Failure::usage(format!("the backup in `{}` is damaged: {what}", args.dir.display()), "restore another one")
    };
    let manifest: Manifest = serde_json::from_str(&text).map_err(|e| damaged(format!("{MANIFEST}: {e}")))?;
    let parent = args.store.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let aside = tempfile::Builder::new()
        .prefix(".perfline-restore-")
        .tempdir_in(parent)
        .map_err(|e| Failure::machine(&format!("create a folder in `{}`", parent.display()), &e))?;
    let (source, copy) = (args.dir.join(COPY), aside.path().join(COPY));
    std::fs::copy(&source, &copy).map_err(|e| Failure::machine(&format!("copy `{}`", source.display()), &e))?;
    let (bytes, sha256) = digest(&copy)?;
    if (bytes, &sha256) != (manifest.bytes, &manifest.sha256) {
        return Err(damaged(format!("{COPY} has {bytes} bytes and checksum {sha256}, {MANIFEST} says otherwise")));
    }
    let store = Store::open(&StoreOptions::new(copy.clone()), rules()?)?;
    let rows = store.table_rows();
    store.close()?;
    if rows? != manifest.rows {
        return Err(damaged("it does not hold the rows that it lists".to_owned()));
    }
    sync(&copy)?;
    // A link fails where the name was taken meanwhile, a move would overwrite.
    std::fs::hard_link(&copy, &args.store)
        .map_err(|e| Failure::machine(&format!("make `{}`", args.store.display()), &e))?;
    sync(parent)?;
    match args.format {
        Format::Json => print_json(&manifest)?,
        Format::Text => print(&format!("restored {}: {}\n", args.store.display(), told(&manifest)))?,
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn run_prune(args: &PruneArgs) -> Result<ExitCode, Failure> {
    let backend = args.store.open_existing()?;
    let before_ns = args.older_than.map(|age| Clock::Wall.now().saturating_sub(age));
    let pruned = backend.prune(PruneRequest { before_ns, bytes_max: args.max_size, dry_run: args.dry_run });
    backend.close()?;
    let pruned = pruned?;
    match args.format {
        Format::Json => print_json(&pruned)?,
        Format::Text => print(&tell_pruned(&pruned))?,
    }
    Ok(ExitCode::SUCCESS)
}

#[allow(clippy::cast_precision_loss, reason = "bytes are shown with three digits")]
fn tell_pruned(pruned: &Pruned) -> String {
    let Some(cutoff) = pruned.cutoff_ns else {
        return format!("nothing to prune: {} in use\n", format_bytes(pruned.bytes_before as f64));
    };
    let gone: Vec<String> = pruned
        .removed
        .iter()
        .filter(|table| table.rows > 0)
        .map(|table| format!("{} {}", table.rows, table.table.replace('_', " ")))
        .collect();
    let gone = if gone.is_empty() { "nothing".to_owned() } else { gone.join(", ") };
    let verb = if pruned.dry_run { "would remove" } else { "removed" };
    let mut out = format!("{verb} what ended before {}: {gone}\n", format_time(cutoff));
    if !pruned.dry_run {
        let (before, after) = (format_bytes(pruned.bytes_before as f64), format_bytes(pruned.bytes_after as f64));
        out += &format!("in use: {before} before, {after} after\n");
    }
    out
}

pub(super) fn run_export(args: &ExportArgs) -> Result<ExitCode, Failure> {
    for view in &args.views {
        if !EXPORT_VIEWS.contains(&view.as_str()) {
            return Err(Failure::usage(
                format!("export `{view}`: no such view"),
                format!("one of {}", EXPORT_VIEWS.join(", ")),
            ));
        }
    }
    let backend = args.store.open_existing()?;
    std::fs::create_dir_all(&args.dir)
        .map_err(|e| Failure::machine(&format!("create `{}`", args.dir.display()), &e))?;
    let format = match args.kind {
        ExportKind::Parquet => ExportFormat::Parquet,
        ExportKind::Csv => ExportFormat::Csv,
    };
    let ending = format.as_str();
    let mut written = Vec::new();
    for view in &args.views {
        let file = args.dir.join(format!("{view}.{ending}"));
        match backend.export(view, format, &file) {
            Ok(rows) => written.push(TableRows { table: view.clone(), rows }),
            Err(error) => {
                backend.close()?;
                return Err(error.into());
            }
        }
    }
    backend.close()?;
    match args.format {
        Format::Json => print_json(&written)?,
        Format::Text => {
            for view in &written {
                print(&format!(
                    "{}  {} rows\n",
                    args.dir.join(format!("{}.{ending}", view.table)).display(),
                    view.rows
                ))?;
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

#[allow(clippy::cast_precision_loss, reason = "bytes are shown with three digits")]
fn told(manifest: &Manifest) -> String {
    let rows = |name: &str| manifest.rows.iter().find(|table| table.table == name).map_or(0, |table| table.rows);
    format!(
        "{} runs, {} spans, {} points, {} logs, {}, checked",
        rows("runs"),
        rows("spans"),
        rows("metric_points"),
        rows("logs"),
        format_bytes(manifest.bytes as f64)
    )
}

/// Length and SHA-256 of a file.
fn digest(path: &Path) -> Result<(u64, String), Failure> {
    use sha2::{Digest, Sha256};
    use std::io::Read;
    let failed = |e: std::io::Error| Failure::machine(&format!("read `{}`", path.display()), &e);
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        let count = file.read(&mut buffer).map_err(failed)?;
        if count == 0 {
            break;
        }
        bytes += count as u64;
        hash.update(&buffer[..count]);
    }
    Ok((bytes, hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()))
}

fn sync(path: &Path) -> Result<(), Failure> {
    std::fs::File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|e| Failure::machine(&format!("sync `{}`", path.display()), &e))
}

/// `90d` as nanoseconds.
fn parse_age(text: &str) -> Result<i64, String> {
    i64::try_from(parse_duration(text)?.as_nanos()).map_err(|_e| "longer than 292 years".to_owned())
}

/// `10GB` as bytes.
fn parse_size(text: &str) -> Result<u64, String> {
    let size = parse_bytes(text)?;
    if size < SIZE_MIN {
        return Err("less than 100MB: an empty store takes some MB, so a small limit would take everything".to_owned());
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_and_sizes_have_units() {
        assert_eq!(parse_age("90d"), Ok(90 * 86_400 * 1_000_000_000));
        assert_eq!(parse_size("10GB"), Ok(10_000_000_000));
        assert_eq!(parse_size("2GiB"), Ok(2 << 30));
        assert!(parse_age("90").is_err() && parse_age("-1d").is_err() && parse_size("1.5x").is_err());
        assert!(parse_size("99MB").is_err());
        assert!(parse_age("99999999999999w").is_err());
    }
}
