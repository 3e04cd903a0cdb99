//! The reports as Markdown that GitHub, GitLab and plain eyes read. Names are escaped until they are only text.

use super::grid::Grid;
use super::pages::{
    alerts as alert_page, comparison as comparison_page, executive, pipeline as pipeline_page, slices as slices_page,
    trends,
};
use super::profile::PipelineProfile;
use super::view::{FindingView, VerdictView};
use super::{Bundle, clean, words};
use crate::model::VerdictWord;

/// Findings of a pipeline that are told in full.
const FINDINGS_MAX: usize = 20;

/// Escapes a text for one line of Markdown, also inside a table cell.
#[must_use]
pub fn escape(text: &str) -> String {
    let text = clean::line(text);
    let mut out = String::with_capacity(text.len() + 16);
    for ch in text.chars() {
        match ch {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // Mentions and references call people and issues where this is posted, and are looked for once entities
            // are characters again: what keeps the sign from its name is the space of no width.
            '@' => out.push_str("&#64;&#8203;"),
            '#' => out.push_str("&#35;&#8203;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '(' | ')' | '|' | '~' | '!' | '$' | '^' => {
                out.push('\\');
                out.push(ch);
            }
            // A bare address becomes a link without its colon being broken.
            ':' => out.push_str("&#58;"),
            // `www.` and mail addresses are linked without a scheme.
            '.' if out.to_ascii_lowercase().ends_with("www") => out.push_str("&#46;"),
            _ => out.push(ch),
        }
    }
    out
}

/// Line that cannot start a list, a heading or a rule.
fn row(cells: impl Iterator<Item = String>) -> String {
    format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

/// A table; empty ones say so.
pub(super) fn table(grid: &Grid) -> String {
    if grid.rows.is_empty() {
        return format!("_{}: no data._\n\n", escape(&grid.caption));
    }
    let mut out = row(grid.heads.iter().map(|head| escape(head.text)));
    out.push_str(&row(grid.heads.iter().map(|head| if head.number { "---:".to_owned() } else { "---".to_owned() })));
    for cells in &grid.rows {
        out.push_str(&row(cells.iter().map(|cell| match cell.glyph {
            Some(glyph) => format!("{} {}", escape(glyph), escape(&cell.text)),
            None => escape(&cell.text),
        })));
    }
    if let Some(note) = &grid.note {
        out.push_str(&format!("\n_{}_\n", escape(note)));
    }
    out.push('\n');
    out
}

fn strip(verdict: &VerdictView) -> String {
    format!(
        "# {} {}: {}\n\n{}\n\n",
        verdict.glyph,
        escape(verdict.word),
        escape(&verdict.line),
        escape(&verdict.coverage)
    )
}

pub(super) fn finding(f: &FindingView) -> String {
    let state = f.state.map_or(String::new(), |state| format!(", {state}"));
    let mut out = format!("### {} {} · {}: {}\n\n", f.glyph, f.severity, escape(&f.place), escape(&f.what));
    out.push_str(&format!("- Kind: {}{state}\n", f.kind));
    out.push_str(&format!("- How much: {}\n", escape(&f.levels)));
    out.push_str(&format!("- Since: {}, {}\n", escape(&f.since), escape(&super::format::when(&f.since_time))));
    out.push_str(&format!("- How sure: {}\n", escape(&f.sureness)));
    if let Some(context) = &f.context {
        out.push_str(&format!("- Where: {}\n", escape(context)));
    }
    if let Some(also) = &f.also {
        out.push_str(&format!("- Also since then: {}\n", escape(also)));
    }
    if let Some(next) = &f.next {
        out.push_str(&format!("- **Look at first: {}**\n", escape(next)));
    }
    for event in &f.history {
        let (who, when) = (clean::name(event.actor.as_deref().unwrap_or("perfline")), super::format::when(&event.at));
        out.push_str(&format!(
            "- {} · {}: {}\n",
            escape(&when),
            escape(&who),
            escape(&clean::shorten(&event.action, 300))
        ));
    }
    out.push('\n');
    out
}

fn foot(bundle: &Bundle) -> String {
    let made = super::format::when(&bundle.generated_at);
    format!(
        "---\n\nStore {} · made {} by perfline. “–” means not known, never zero.\n",
        escape(&clean::name(&bundle.store)),
        escape(&made)
    )
}

/// The overview.
pub(super) fn executive(bundle: &Bundle) -> String {
    let mut out = strip(&VerdictView::of(bundle));
    let ranked = executive::ranked(bundle);
    out.push_str(&look_at_first(bundle, &ranked));
    out.push_str("## Health\n\n");
    out.push_str(&table(&executive::overview(&ranked)));
    if let Some(cost) = executive::cost(bundle) {
        out.push_str(&format!("## Cost\n\n{}\n\n", escape(&cost.caption)));
        out.push_str(&table(&cost));
    }
    out.push_str("## How far to trust this page\n\n");
    out.push_str(&format!("- {}\n", escape(&words::coverage(&bundle.verdict))));
    let data = &bundle.data_quality;
    out.push_str(&format!(
        "- {} runs, {} still open, {} do not say how they ended\n",
        data.runs, data.runs_open, data.runs_outcome_unknown
    ));
    for note in data.notes.iter().take(50) {
        let of = note.pipeline.as_deref().map_or(String::new(), |name| format!("{}: ", escape(&clean::name(name))));
        let kind = if note.warning { "**warning** " } else { "" };
        out.push_str(&format!("- {kind}{of}{}\n", escape(&clean::shorten(&note.text, 400))));
    }
    for drop in data.drops.iter().take(50) {
        let (signal, reason) = (escape(&clean::name(&drop.signal)), escape(&clean::shorten(&drop.reason, 300)));
        out.push_str(&format!("- refused: {} items of {signal}, {reason}\n", drop.count));
    }
    out.push('\n');
    out.push_str(&foot(bundle));
    out
}

/// The worst findings, and what is in a bad way without one: the page and this say the same.
fn look_at_first(bundle: &Bundle, ranked: &[&PipelineProfile]) -> String {
    let (worst, told) = executive::worst(bundle);
    let mut out = "## What to look at first\n\n".to_owned();
    for found in &worst {
        out.push_str(&finding(found));
    }
    let all = bundle.verdict.findings.iter().filter(|finding| finding.actionable).count();
    if all > told {
        out.push_str(&format!("{} more in the alerts report.\n\n", all - told));
    }
    if worst.is_empty() {
        out.push_str(match bundle.verdict.verdict {
            VerdictWord::InsufficientData => "**Not enough data to find a regression. This is no all-clear.**\n\n",
            _ => "No confirmed regression of MEDIUM or above.\n\n",
        });
    }
    let ailing = executive::ailing(ranked);
    for one in &ailing {
        let (_, glyph, word) = one.badge;
        out.push_str(&format!("- {glyph} {word}: {}: {}\n", escape(&one.name), escape(&one.reason)));
    }
    let more = executive::ailing_more(ranked);
    if more > 0 {
        out.push_str(&format!("- {more} more in bad health: see the table\n"));
    }
    if !ailing.is_empty() {
        out.push('\n');
    }
    out
}

/// Where nothing was found: why, so that silence never reads as green.
fn nothing_found(verdict: &VerdictView) -> &'static str {
    if verdict.tone == "unsure" {
        "**Not enough data to find anything. This is no all-clear.**\n\n"
    } else {
        "Nothing was found.\n\n"
    }
}

/// One pipeline.
pub(super) fn pipeline(bundle: &Bundle, profile: &PipelineProfile) -> String {
    let score = profile.health.score.map_or("no score".to_owned(), |score| format!("{score:.0}"));
    let verdict = pipeline_page::verdict(profile, bundle);
    let mut out = strip(&verdict);
    out.push_str(&format!(
        "Health {score}, {}: {}\n\n",
        profile.health.word.as_str(),
        escape(&clean::shorten(&profile.health.reason, 300))
    ));
    for (place, found) in profile.findings.iter().take(FINDINGS_MAX).enumerate() {
        out.push_str(&finding(&FindingView::of(found, place, bundle)));
    }
    if profile.findings.is_empty() {
        out.push_str(nothing_found(&verdict));
    }
    if profile.findings.len() > FINDINGS_MAX {
        out.push_str(&format!("{} more in report.json.\n\n", profile.findings.len() - FINDINGS_MAX));
    }
    let mut grids = vec![
        pipeline_page::health(profile),
        pipeline_page::metrics(profile),
        pipeline_page::outcomes(profile),
        trends::trends(profile),
    ];
    if !profile.forecasts.is_empty() {
        grids.push(super::charts::forecasts(profile, &bundle.limits));
    }
    grids.push(pipeline_page::steps(profile));
    grids.extend(slices_page::slices(profile));
    grids.extend(slices_page::step_slices(profile));
    if !profile.models.is_empty() {
        grids.push(pipeline_page::models(profile));
    }
    grids.extend([pipeline_page::runs(&profile.recent_runs), pipeline_page::baselines(profile)]);
    for grid in grids {
        out.push_str(&format!("## {}\n\n{}", escape(&grid.caption), table(&grid)));
    }
    out.push_str(&foot(bundle));
    out
}

/// Every finding.
pub(super) fn alerts(bundle: &Bundle) -> String {
    let cards = alert_page::cards(bundle);
    let verdict = VerdictView::of(bundle);
    let mut out = strip(&verdict);
    let all = alert_page::count(bundle);
    out.push_str(&format!("## {all} finding{}\n\n", if all == 1 { "" } else { "s" }));
    if cards.is_empty() {
        out.push_str(nothing_found(&verdict));
    }
    if alert_page::several_in_one(bundle) {
        out.push_str("What moved together is one alert, and counts as one regression above.\n\n");
    }
    for card in &cards {
        out.push_str(&finding(card));
    }
    if all > cards.len() {
        out.push_str(&format!("{} more in report.json.\n\n", all - cards.len()));
    }
    out.push_str(&foot(bundle));
    out
}

/// Two windows side by side.
pub(super) fn comparison(bundle: &Bundle) -> String {
    let Some(compared) = &bundle.comparison else {
        return format!("# Nothing was compared\n\n{}", foot(bundle));
    };
    let (a, b) = (escape(&clean::name(&compared.a)), escape(&clean::name(&compared.b)));
    let mut out = format!("# A: {a}, B: {b}\n\nMetrics:\n\n");
    for (_, glyph, said) in comparison_page::tally(compared) {
        out.push_str(&format!("- {} {said}\n", escape(glyph)));
    }
    out.push('\n');
    if compared.pipelines.is_empty() {
        out.push_str("No pipeline has runs in either window.\n\n");
    }
    for pipeline in compared.pipelines.iter().take(comparison_page::PIPELINES_MAX) {
        out.push_str(&format!("## {}\n\n", escape(&clean::name(&pipeline.pipeline))));
        let [a, b] = comparison_page::windows(compared, pipeline).map(|window| escape(&window));
        out.push_str(&format!("- A: {a}\n- B: {b}\n\n"));
        if let Some(which) = comparison_page::which(pipeline) {
            out.push_str(&format!("{}\n\n", escape(&which)));
        }
        out.push_str(&table(&comparison_page::metrics(pipeline)));
        if !pipeline.steps.is_empty() {
            out.push_str(&table(&comparison_page::steps(pipeline)));
        }
    }
    let left = compared.pipelines.len().saturating_sub(comparison_page::PIPELINES_MAX);
    if left > 0 {
        out.push_str(&format!("{left} more pipelines in report.json.\n\n"));
    }
    out.push_str(&foot(bundle));
    out
}
