//! `perfline report`: pages that people forward.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::compare::{Operands, compare};
use super::health::unknown_pipeline;
use super::output::print;
use super::{Failure, StoreArg, branding};
use crate::report::{Bundle, Format, Kind, Limit, RenderedFile, Renderer, ReportError};

/// Write reports: self-contained HTML pages, JSON and Markdown.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  perfline report --out report
  perfline report --kind pipeline --pipeline nightly --format html --out nightly
  perfline report --title 'Data platform' --logo logo.svg --css house.css --out report
  perfline report --kind comparison --branch fix/cache --base-branch main --out compared
  perfline report --limit peak_memory=2GiB --limit nightly:duration=45m --out report
  perfline report --from report/report.json --out again")]
pub(crate) struct ReportArgs {
    #[command(flatten)]
    store: StoreArg,
    /// Folder to write to; made where it is missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Only this report: executive, pipeline, alerts, comparison; without it all of them, indexed.
    #[arg(long, value_parser = Kind::parse)]
    kind: Option<Kind>,
    /// Only this pipeline.
    #[arg(long, conflicts_with_all = ["from", "a"])]
    pipeline: Option<String>,
    /// Formats, separated by commas: html, json, md.
    #[arg(long, value_delimiter = ',', default_value = "html,json,md", value_parser = Format::parse)]
    format: Vec<Format>,
    /// Put the files of this folder in the place of built-in templates of the same name: base.html, style.css.
    #[arg(long, value_name = "DIR")]
    templates: Option<PathBuf>,
    /// Title of the pages.
    #[arg(long)]
    title: Option<String>,
    /// Logo: a PNG, JPEG, GIF, WebP or SVG file, held within the page.
    #[arg(long, value_name = "FILE")]
    logo: Option<PathBuf>,
    /// CSS that is appended to the page's own.
    #[arg(long, value_name = "FILE")]
    css: Option<PathBuf>,
    /// What a metric must not cross: [PIPELINE:]METRIC=VALUE, such as peak_memory=2GiB; drawn in its forecast.
    #[arg(long, value_name = "LIMIT", value_parser = Limit::parse)]
    limit: Vec<Limit>,
    /// Render a report.json again instead of reading the store.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
    #[command(flatten)]
    operands: Operands,
}

pub(super) fn run(args: &ReportArgs) -> Result<ExitCode, Failure> {
    let mut kind = args.kind;
    if args.operands.are_given() && (args.from.is_some() || kind.is_some_and(|kind| kind != Kind::Comparison)) {
        return Err(Failure::usage(
            "what is compared is asked of the store, for the comparison",
            "leave out --from, and name --kind comparison, or no kind for all reports",
        ));
    }
    let mut bundle = match &args.from {
        Some(path) => {
            let bundle = read_bundle(path)?;
            kind = kind_within(&bundle, kind, path)?;
            bundle
        }
        None => {
            let backend = args.store.open_existing()?;
            let mut bundle = backend.bundle(args.kind.unwrap_or(Kind::Pipeline), args.pipeline.as_deref())?;
            if let (Some(name), true) = (&args.pipeline, bundle.pipelines.is_empty()) {
                return Err(unknown_pipeline(name));
            }
            if args.operands.are_given() {
                bundle.comparison = Some(compare(&backend, args.pipeline.as_deref(), &args.operands)?);
            }
            backend.close()?;
            bundle
        }
    };
    if !args.limit.is_empty() {
        bundle.set_limits(&args.limit);
    }
    branding::brand(&mut bundle, args.title.as_deref(), args.logo.as_deref(), args.css.as_deref())?;
    let renderer = branding::renderer(args.templates.as_deref())?;
    let written = write_with(&renderer, &bundle, kind, &args.format, &args.out)?;
    let first = written.first().map_or_else(|| args.out.clone(), |name| args.out.join(name));
    print(&format!("wrote {} files; open {}\n", written.len(), first.display()))?;
    Ok(ExitCode::SUCCESS)
}

/// What is rendered of a bundle: what it was filled for, where that is one report alone.
fn kind_within(bundle: &Bundle, asked: Option<Kind>, path: &Path) -> Result<Option<Kind>, Failure> {
    let only = bundle.kind.filter(|kind| *kind != Kind::Pipeline);
    match (asked, only) {
        (Some(asked), Some(only)) if asked != only => Err(Failure::usage(
            format!("`{}` holds what the {} report shows, and no more", path.display(), only.as_str()),
            "write it without --kind, or with --kind pipeline, to render other reports from it",
        )),
        (asked, only) => Ok(asked.or(only)),
    }
}

fn read_bundle(path: &Path) -> Result<Bundle, Failure> {
    let text =
        std::fs::read_to_string(path).map_err(|e| Failure::machine(&format!("read `{}`", path.display()), &e))?;
    Bundle::from_json(&text).map_err(|e| {
        Failure::usage(format!("read `{}`: {e}", path.display()), "give a report.json that `perfline report` wrote")
    })
}

/// Renders and writes every format; returns the file names, the page to open first.
pub(super) fn write_report(
    bundle: &Bundle,
    kind: Option<Kind>,
    formats: &[Format],
    out: &Path,
) -> Result<Vec<String>, Failure> {
    write_with(&branding::renderer(None)?, bundle, kind, formats, out)
}

fn write_with(
    renderer: &Renderer,
    bundle: &Bundle,
    kind: Option<Kind>,
    formats: &[Format],
    out: &Path,
) -> Result<Vec<String>, Failure> {
    let files = match kind {
        None => renderer.render_all(bundle, formats),
        Some(kind) => formats.iter().try_fold(Vec::new(), |mut files, format| {
            files.extend(renderer.render(bundle, kind, *format)?);
            Ok(files)
        }),
    };
    let files: Vec<RenderedFile> = files.map_err(|e| match e {
        ReportError::Template { .. } if renderer.has_own_templates() => Failure::usage(
            format!("render: {e}"),
            "--templates: start from the built-in ones, which name what there is",
        ),
        other => Failure::internal(&other),
    })?;
    std::fs::create_dir_all(out).map_err(|e| Failure::machine(&format!("create `{}`", out.display()), &e))?;
    for file in &files {
        write_whole(&out.join(&file.name), file.content.as_bytes())?;
    }
    Ok(files.into_iter().map(|file| file.name).collect())
}

/// Written aside and moved into place: a reader never sees half a page.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let action = format!("write `{}`", path.display());
    let folder = path.parent().unwrap_or(Path::new("."));
    // Pages are made to be shared: readable by others, as far as the user's mask allows.
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    let aside = tempfile::Builder::new()
        .permissions(readable)
        .tempfile_in(folder)
        .map_err(|e| Failure::machine(&action, &e))?;
    std::fs::write(aside.path(), bytes).map_err(|e| Failure::machine(&action, &e))?;
    aside.persist(path).map_err(|e| Failure::machine(&action, &e.error))?;
    Ok(())
}
