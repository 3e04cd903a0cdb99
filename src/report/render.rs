//! Which pages there are, and what their files are called.

use std::collections::BTreeSet;

use minijinja::{Value, context};
use serde::{Deserialize, Serialize};

use super::html::Pages;
use super::profile::PipelineProfile;
use super::{Bundle, ReportError, clean, links, markdown, names, pages, view};

/// A report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The whole store on one page.
    Executive,
    /// A page per pipeline.
    Pipeline,
    /// A card per finding.
    Alerts,
    /// Two windows side by side.
    Comparison,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Executive, Self::Pipeline, Self::Alerts, Self::Comparison];

    /// The word of the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Executive => "executive",
            Self::Pipeline => "pipeline",
            Self::Alerts => "alerts",
            Self::Comparison => "comparison",
        }
    }

    /// Reads the word of the command line. Errors with the words that exist.
    pub fn parse(word: &str) -> Result<Self, String> {
        match word {
            "executive" => Ok(Self::Executive),
            "pipeline" => Ok(Self::Pipeline),
            "alerts" => Ok(Self::Alerts),
            "comparison" => Ok(Self::Comparison),
            _ => Err(format!(
                "`{}` is no kind of report; one of executive, pipeline, alerts, comparison",
                clean::name(word)
            )),
        }
    }
}

/// A face of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Self-contained pages.
    Html,
    /// The bundle.
    Json,
    /// For pull requests and wikis.
    Markdown,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 3] = [Self::Html, Self::Json, Self::Markdown];

    /// Reads the word of the command line. Errors with the words that exist.
    pub fn parse(word: &str) -> Result<Self, String> {
        match word {
            "html" => Ok(Self::Html),
            "json" => Ok(Self::Json),
            "md" | "markdown" => Ok(Self::Markdown),
            _ => Err(format!("`{}` is no format; one of html, json, md", clean::name(word))),
        }
    }
}

/// A file of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderedFile {
    /// Name without a folder: lower-case ASCII letters, digits, `-` and one dot.
    pub name: String,
    /// What it holds.
    pub content: String,
}

/// One kind in one format, with the built-in templates.
pub fn render(bundle: &Bundle, kind: Kind, format: Format) -> Result<Vec<RenderedFile>, ReportError> {
    Renderer::new()?.render(bundle, kind, format)
}

/// Renders reports; knows the user's templates.
pub struct Renderer {
    pages: Pages,
    has_own_templates: bool,
}

impl Renderer {
    /// With the built-in templates.
    pub fn new() -> Result<Self, ReportError> {
        Ok(Self { pages: Pages::new()?, has_own_templates: false })
    }

    /// Puts a user's file in the place of a built-in one: `base.html`, `executive.html`, `style.css`.
    /// Errors on a name that is not known, and on a template that does not parse.
    pub fn override_template(&mut self, name: &str, source: String) -> Result<(), ReportError> {
        self.has_own_templates = true;
        self.pages.put(name, source)
    }

    /// Whether a template that fails may be the user's.
    #[must_use]
    pub fn has_own_templates(&self) -> bool {
        self.has_own_templates
    }

    /// One kind in one format. JSON is the bundle, whatever the kind.
    pub fn render(&self, bundle: &Bundle, kind: Kind, format: Format) -> Result<Vec<RenderedFile>, ReportError> {
        let one = |name: &str, content: String| vec![RenderedFile { name: name.to_owned(), content }];
        match (format, kind) {
            (Format::Html, _) => self.pages(bundle, kind, &written(bundle, &[kind])),
            (Format::Json, _) => Ok(one("report.json", bundle.to_json()?)),
            (Format::Markdown, Kind::Executive) => Ok(one("report.md", markdown::executive(bundle))),
            (Format::Markdown, Kind::Pipeline) => Ok(pipelines(bundle, "md", |p| Ok(markdown::pipeline(bundle, p)))?),
            (Format::Markdown, Kind::Alerts) => Ok(one("alerts.md", markdown::alerts(bundle))),
            (Format::Markdown, Kind::Comparison) => Ok(one("comparison.md", markdown::comparison(bundle))),
        }
    }

    /// Everything for `--out DIR`: the overview as `index.html`, a page per pipeline, alerts, comparison,
    /// `report.json` and `report.md`, as far as `formats` asks for them.
    pub fn render_all(&self, bundle: &Bundle, formats: &[Format]) -> Result<Vec<RenderedFile>, ReportError> {
        let mut files = Vec::new();
        if formats.contains(&Format::Html) {
            let written = written(bundle, &Kind::ALL);
            for kind in Kind::ALL {
                files.extend(self.pages(bundle, kind, &written)?);
            }
        }
        if formats.contains(&Format::Json) {
            files.extend(self.render(bundle, Kind::Executive, Format::Json)?);
        }
        if formats.contains(&Format::Markdown) {
            files.extend(self.render(bundle, Kind::Executive, Format::Markdown)?);
        }
        Ok(files)
    }

    /// The pages of one kind. `files` are all that is written.
    fn pages(&self, bundle: &Bundle, kind: Kind, files: &BTreeSet<String>) -> Result<Vec<RenderedFile>, ReportError> {
        let page = |template: &str, here: &str, heading: &str, own: Value| {
            self.page(bundle, files, template, here, heading, own)
        };
        let (name, content) = match kind {
            Kind::Pipeline => {
                return pipelines(bundle, "html", |profile| {
                    let own = pages::pipeline::context(bundle, profile);
                    page("pipeline.html", "", &clean::name(&profile.pipeline), own)
                });
            }
            Kind::Executive => {
                let (heading, own) = (pages::executive::heading(bundle), pages::executive::context(bundle));
                ("index.html", page("executive.html", "index.html", &heading, own)?)
            }
            Kind::Alerts => {
                ("alerts.html", page("alerts.html", "alerts.html", "Alerts", pages::alerts::context(bundle))?)
            }
            Kind::Comparison => {
                let own = pages::comparison::context(bundle);
                ("comparison.html", page("comparison.html", "comparison.html", "Comparison", own)?)
            }
        };
        Ok(vec![RenderedFile { name: name.to_owned(), content }])
    }

    fn page(
        &self,
        bundle: &Bundle,
        files: &BTreeSet<String>,
        template: &str,
        here: &str,
        heading: &str,
        own: Value,
    ) -> Result<String, ReportError> {
        let shared = context! {
            shell => self.pages.shell(&bundle.branding),
            nav => view::value(view::nav(here, files)),
            heading => heading,
            store => bundle.store.as_str(),
            generated_at => bundle.generated_at.as_str(),
        };
        let page = self.pages.page(template, context! { ..own, ..shared })?;
        Ok(links::keep_known(&page, files))
    }
}

/// Names of the pages of some kinds.
fn written(bundle: &Bundle, kinds: &[Kind]) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for kind in kinds {
        match kind {
            Kind::Executive => files.extend(["index.html".to_owned()]),
            Kind::Alerts => files.extend(["alerts.html".to_owned()]),
            Kind::Comparison => files.extend(["comparison.html".to_owned()]),
            Kind::Pipeline => files.extend(bundle.pipelines.iter().map(page_of)),
        }
    }
    files
}

fn page_of(profile: &PipelineProfile) -> String {
    names::page_name(&profile.pipeline, profile.service.as_deref())
}

/// A file per pipeline; a pipeline that comes twice is shown once.
fn pipelines(
    bundle: &Bundle,
    extension: &str,
    write: impl Fn(&PipelineProfile) -> Result<String, ReportError>,
) -> Result<Vec<RenderedFile>, ReportError> {
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    for profile in &bundle.pipelines {
        let page = page_of(profile);
        if seen.insert(page.clone()) {
            let name = format!("{}.{extension}", page.trim_end_matches(".html"));
            files.push(RenderedFile { name, content: write(profile)? });
        }
    }
    Ok(files)
}
