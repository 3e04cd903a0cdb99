//! `perfline bench detect --series-of`: the detector on real series, beside other detectors.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::peers::{Found, ask};
use crate::cli::Failure;
use crate::detect::marked::{MARGIN, covering, f1, lead};
use crate::detect::segment::find_change_points;
use crate::detect::settings::Settings;
use crate::detect::simulate::noise::Draws;
use crate::detect::simulate::parallel::map_seeds;
use crate::detect::stats::robust::{mean, median};

/// Fewest values of a series.
const COUNT_MIN: usize = 21;
/// Newest values into which a step is put, and the fewest that it takes.
const INJECTED_COUNT: std::ops::RangeInclusive<usize> = 80..=200;
/// Fewest distinct values of such a series.
const DISTINCT_MIN: usize = 11;
/// Values before a step, and from it on, at least.
const MARGINS: (usize, usize) = (40, 30);
const FACTORS: [f64; 4] = [1.05, 1.1, 1.2, 1.5];
const OURS: &str = "perfline";
const NOTHING: &str = "nothing";

#[derive(Deserialize)]
struct File {
    values: Vec<Option<f64>>,
    change_points: Option<Vec<usize>>,
    #[serde(default)]
    annotators: BTreeMap<String, Option<Vec<usize>>>,
}

/// A series, its gaps filled with the value before.
struct Real {
    values: Vec<f64>,
    /// Change points by each who marked some; none: nobody looked.
    marked: Option<Vec<Vec<usize>>>,
}

/// By the name of the folder.
type Folders = BTreeMap<String, Vec<Real>>;

/// The tables of docs/accuracy.md about real series.
pub(super) fn measure(paths: &[PathBuf], peers: Option<&Path>, seed: u64, places: u32) -> Result<String, Failure> {
    let mut folders = Folders::new();
    for path in paths {
        gather(path, &mut folders)?;
    }
    let mut text = String::new();
    write_marked(&folders, peers, seed, &mut text)?;
    write_injected(&folders, peers, seed, places, &mut text)?;
    Ok(text)
}

fn gather(path: &Path, folders: &mut Folders) -> Result<(), Failure> {
    let failed = |e: std::io::Error| Failure::machine(&format!("read `{}`", path.display()), &e);
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
        let mut inner: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
        inner.sort();
        let is_series = |path: &PathBuf| path.is_dir() || path.extension().is_some_and(|end| end == "json");
        return inner.iter().filter(|path| is_series(path)).try_for_each(|path| gather(path, folders));
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    let file: File = serde_json::from_slice(&bytes).map_err(|e| {
        Failure::usage(
            format!("`{}` is no series: {e}", path.display()),
            "give JSON files with `values`, and with `change_points` where people marked them",
        )
    })?;
    if file.values.iter().flatten().count() < COUNT_MIN {
        return Ok(());
    }
    let mut last = file.values.iter().flatten().next().copied().unwrap_or_default();
    let fill = |value: Option<f64>| {
        last = value.unwrap_or(last);
        last
    };
    let values = file.values.into_iter().map(fill).collect();
    let by_each: Vec<Vec<usize>> = file.annotators.into_values().flatten().collect();
    let marked = file.change_points.map(|agreed| if by_each.len() > 1 { by_each } else { vec![agreed] });
    let name = path.parent().and_then(Path::file_name).map_or_else(String::new, |name| name.to_string_lossy().into());
    folders.entry(name).or_default().push(Real { values, marked });
    Ok(())
}

fn find_all(series: &[Vec<f64>], peers: Option<&Path>) -> Result<Found, Failure> {
    let mut found = peers.map_or_else(|| Ok(Found::new()), |python| ask(python, series, false))?;
    let of_one = |place: usize| {
        find_change_points(&series[place], &Settings::default()).iter().map(|point| point.index).collect()
    };
    found.insert(OURS.to_owned(), map_seeds(series.len(), of_one));
    Ok(found)
}

fn write_marked(folders: &Folders, peers: Option<&Path>, seed: u64, text: &mut String) -> Result<(), Failure> {
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "### Series marked by people: F1 at margin {MARGIN}, covering\n\n\
         | folder | series | detector | F1 | covering | our lead in F1, 95 % |\n|---|---|---|---|---|---|\n"
    );
    for (folder, all) in folders {
        let known: Vec<(&Real, &Vec<Vec<usize>>)> =
            all.iter().filter_map(|one| one.marked.as_ref().map(|marked| (one, marked))).collect();
        if known.is_empty() {
            continue;
        }
        let series: Vec<Vec<f64>> = known.iter().map(|(one, _)| one.values.clone()).collect();
        let mut found = find_all(&series, peers)?;
        found.insert(NOTHING.to_owned(), vec![Vec::new(); series.len()]);
        let score = |found: &[Vec<usize>]| -> Vec<f64> {
            known.iter().zip(found).map(|((_, marked), points)| f1(marked, points)).collect()
        };
        let ours = score(&found[OURS]);
        for (name, points) in &found {
            let scores = score(points);
            let covered = |((one, marked), points): (&(&Real, &Vec<Vec<usize>>), &Vec<usize>)| {
                covering(marked, points, one.values.len())
            };
            let cover = mean(&known.iter().zip(points).map(covered).collect::<Vec<_>>());
            let (middle, low, high) = lead(&ours, &scores, seed);
            let ahead = if name == OURS { String::new() } else { format!("{middle:.3} ({low:.3} to {high:.3})") };
            let (count, score) = (known.len(), mean(&scores));
            let _ = writeln!(text, "| {folder} | {count} | {name} | {score:.3} | {cover:.3} | {ahead} |");
        }
    }
    Ok(())
}

fn write_injected(
    folders: &Folders,
    peers: Option<&Path>,
    seed: u64,
    places: u32,
    text: &mut String,
) -> Result<(), Failure> {
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        "\n### Steps put into real noise, at {places} places a series: share found within {MARGIN} values, and change points\n\n\
         Those per 1,000 values of the series as they are.\n\n\
         | folder | series | detector | +5 % | +10 % | +20 % | +50 % | change points |\n|---|---|---|---|---|---|---|---|\n"
    );
    for (folder, all) in folders {
        let plain: Vec<Vec<f64>> =
            all.iter().filter(|one| one.marked.is_none()).filter_map(|one| injectable(&one.values)).collect();
        if plain.is_empty() {
            continue;
        }
        let mut draws = Draws::new(seed, 0);
        let cuts: Vec<(usize, usize)> = (0..places)
            .flat_map(|_| 0..plain.len())
            .map(|at| {
                let room = plain[at].len() - MARGINS.0 - MARGINS.1 + 1;
                (at, MARGINS.0 + (draws.uniform() * room as f64) as usize)
            })
            .collect();
        let as_they_are = find_all(&plain, peers)?;
        let values = plain.iter().map(Vec::len).sum::<usize>() as f64;
        let mut recalls: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for factor in FACTORS {
            let changed: Vec<Vec<f64>> = cuts.iter().map(|(at, cut)| inject(&plain[*at], *cut, factor)).collect();
            for (name, found) in find_all(&changed, peers)? {
                let hits = found
                    .iter()
                    .zip(&cuts)
                    .filter(|(points, (_, cut))| points.iter().any(|point| point.abs_diff(*cut) <= MARGIN));
                recalls.entry(name).or_default().push(hits.count() as f64 / cuts.len() as f64);
            }
        }
        for (name, recalls) in &recalls {
            let shares: Vec<String> = recalls.iter().map(|share| format!("{share:.2}")).collect();
            let points = as_they_are[name].iter().map(Vec::len).sum::<usize>() as f64 / values * 1000.0;
            let _ = writeln!(text, "| {folder} | {} | {name} | {} | {points:.1} |", plain.len(), shares.join(" | "));
        }
    }
    Ok(())
}

// The newest values, where they are enough, above zero in the middle, and vary.
fn injectable(values: &[f64]) -> Option<Vec<f64>> {
    let newest = &values[values.len().saturating_sub(*INJECTED_COUNT.end())..];
    let mut distinct: Vec<u64> = newest.iter().map(|value| value.to_bits()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    (newest.len() >= *INJECTED_COUNT.start() && median(newest) > 0.0 && distinct.len() >= DISTINCT_MIN)
        .then(|| newest.to_vec())
}

fn inject(values: &[f64], cut: usize, factor: f64) -> Vec<f64> {
    values.iter().enumerate().map(|(at, value)| if at < cut { *value } else { value * factor }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_take_the_value_before_and_marks_are_those_of_all_who_marked() {
        let folder = tempfile::tempdir().unwrap();
        let mut values = vec!["null".to_owned(), "null".to_owned()];
        values.extend((0..30).map(|at| if at == 5 { "null".to_owned() } else { at.to_string() }));
        let text = format!(
            "{{\"values\": [{}], \"change_points\": [4], \"annotators\": {{\"6\": [4], \"7\": []}}}}",
            values.join(",")
        );
        std::fs::write(folder.path().join("one.json"), text).unwrap();
        let mut folders = Folders::new();
        gather(folder.path(), &mut folders).unwrap();
        let real = folders.values().next().unwrap().first().unwrap();
        assert_eq!(real.values[..9], [0.0, 0.0, 0.0, 1.0, 2.0, 3.0, 4.0, 4.0, 6.0]);
        assert_eq!(real.marked, Some(vec![vec![4], vec![]]));
    }

    #[test]
    fn a_step_is_put_where_it_was_drawn() {
        assert_eq!(inject(&[10.0, 10.0, 10.0], 1, 1.5), [10.0, 15.0, 15.0]);
        assert_eq!(injectable(&[1.0; 200]), None);
        let varied: Vec<f64> = (0..300).map(f64::from).collect();
        assert_eq!(injectable(&varied).map(|newest| (newest.len(), newest[0])), Some((200, 100.0)));
    }
}
