//! How well change points agree with those that people marked: the scores of TCPDBench (van den Burg and Williams,
//! arXiv:2003.06222), and how sure a lead is over few series.

use std::collections::BTreeSet;

use super::simulate::noise::Draws;
use super::stats::robust::{mean, quantile_sorted, sort};

/// Values by which a change point may lie beside a marked one and still be it.
pub const MARGIN: usize = 5;
/// Resamples of a bootstrap interval.
const RESAMPLES: usize = 10_000;

/// F1 at [`MARGIN`]: precision against what anybody marked, recall as the mean over those who marked. Position 0 counts as
/// marked and found by all, so that to find nothing where nothing is scores 1.
#[must_use]
pub fn f1(marked: &[Vec<usize>], found: &[usize]) -> f64 {
    let with_start = |points: &[usize]| -> BTreeSet<usize> { points.iter().copied().chain([0]).collect() };
    let found = with_start(found);
    let marked: Vec<BTreeSet<usize>> = marked.iter().map(|points| with_start(points)).collect();
    let anybody: BTreeSet<usize> = marked.iter().flatten().copied().collect();
    let precision = true_positives(&anybody, &found) / found.len() as f64;
    let recalls: Vec<f64> = marked.iter().map(|one| true_positives(one, &found) / one.len() as f64).collect();
    let recall = mean(&recalls);
    if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 }
}

// Marked points that have a found one of their own within the margin, the nearest first come.
fn true_positives(marked: &BTreeSet<usize>, found: &BTreeSet<usize>) -> f64 {
    let mut left = found.clone();
    let mut count = 0.0;
    for point in marked {
        let near = left.range(point.saturating_sub(MARGIN)..=point + MARGIN).min_by_key(|other| other.abs_diff(*point));
        if let Some(near) = near.copied() {
            left.remove(&near);
            count += 1.0;
        }
    }
    count
}

/// Covering: for each stretch between marked points the best overlap (Jaccard) of a found one, weighted by its length;
/// mean over those who marked. `count` is that of the values.
#[must_use]
pub fn covering(marked: &[Vec<usize>], found: &[usize], count: usize) -> f64 {
    let found = stretches(found, count);
    let of_one = |points: &Vec<usize>| -> f64 {
        let best = |(from, to): (usize, usize)| {
            let overlap = |(a, b): &(usize, usize)| {
                let shared = to.min(*b).saturating_sub(from.max(*a)) as f64;
                if shared > 0.0 { shared / (to.max(*b) - from.min(*a)) as f64 } else { 0.0 }
            };
            (to - from) as f64 * found.iter().map(overlap).fold(0.0, f64::max)
        };
        stretches(points, count).into_iter().map(best).sum::<f64>() / count as f64
    };
    mean(&marked.iter().map(of_one).collect::<Vec<f64>>())
}

fn stretches(points: &[usize], count: usize) -> Vec<(usize, usize)> {
    let inner: BTreeSet<usize> = points.iter().copied().filter(|at| (1..count).contains(at)).collect();
    let bounds: Vec<usize> = std::iter::once(0).chain(inner).chain([count]).collect();
    bounds.windows(2).map(|pair| (pair[0], pair[1])).collect()
}

/// Mean of what one has over another on each series, with its 95 % interval (bootstrap over the series, percentiles; Efron
/// and Tibshirani 1993, 13).
#[must_use]
pub fn lead(ours: &[f64], theirs: &[f64], seed: u64) -> (f64, f64, f64) {
    let leads: Vec<f64> = ours.iter().zip(theirs).map(|(a, b)| a - b).collect();
    let mut draws = Draws::new(seed, 0);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn = leads.iter().map(|_| leads[(draws.uniform() * leads.len() as f64) as usize]);
            drawn.sum::<f64>() / leads.len().max(1) as f64
        })
        .collect();
    sort(&mut means);
    (mean(&leads), quantile_sorted(&means, 0.025), quantile_sorted(&means, 0.975))
}

#[cfg(test)]
mod tests {
    use super::*;

    // By hand: of four found (with the start) three are marked; the first marked both, the others one of two, beside the
    // start. Then the first's stretches against those found.
    #[test]
    fn scores_are_those_of_the_benchmark() {
        let marked = [vec![50, 98], vec![50, 120], vec![52, 160]];
        let found = [49, 100, 180];
        let (precision, recall) = (3.0 / 4.0, (1.0 + 2.0 / 3.0 + 2.0 / 3.0) / 3.0);
        let expected = 2.0 * precision * recall / (precision + recall);
        assert!((f1(&marked, &found) - expected).abs() < 1e-12, "{}", f1(&marked, &found));
        let first = 50.0 * (49.0 / 50.0) + 48.0 * (48.0 / 51.0) + 102.0 * (80.0 / 102.0);
        assert!((covering(&marked[..1], &found, 200) - first / 200.0).abs() < 1e-12);
    }

    #[test]
    fn to_find_nothing_where_nothing_is_is_right() {
        assert!((f1(&[vec![]], &[]) - 1.0).abs() < 1e-12 && (covering(&[vec![]], &[], 30) - 1.0).abs() < 1e-12);
        assert!((f1(&[vec![]], &[10]) - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn one_change_point_is_not_counted_for_two_marks() {
        assert!(f1(&[vec![20, 24]], &[22]) < f1(&[vec![20, 24]], &[20, 24]));
    }

    #[test]
    fn a_lead_on_every_series_is_sure_and_one_on_a_few_is_not() {
        let theirs = [0.5; 12];
        let (mean, low, high) = lead(&[0.7; 12], &theirs, 1);
        assert!((mean - 0.2).abs() < 1e-12 && low > 0.19 && high < 0.21);
        let mixed: Vec<f64> = (0..12).map(|at| if at % 2 == 0 { 0.2 } else { 0.9 }).collect();
        let (_, low, high) = lead(&mixed, &theirs, 1);
        assert!(low < 0.0 && high > 0.0);
    }
}
