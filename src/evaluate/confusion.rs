//! The confusion matrix: what is taken for what, at one IoU threshold and one score.
//!
//! It agrees with the curves: a detection that is right there is right here. Only what the curves leave unmatched is
//! paired across categories, the largest IoU first.

use super::analysis::Verdicts;
use super::overlap::overlap;
use super::problem::{Category, Problem, Truth};

/// One cell of the matrix that is not 0. A side that is absent is the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub struct Confused {
    /// Category of the ground truth, by its place; `None`: there is none, the detection is wrong.
    pub truth: Option<usize>,
    /// Category of the detection; `None`: there is none, the ground truth is missed.
    pub detection: Option<usize>,
    /// How often.
    pub count: u64,
}

/// Detections and ground truths of one image that found no partner in their category.
#[derive(Clone, Debug, Default)]
struct Left<'a> {
    truths: Vec<(usize, &'a Truth)>,
    detections: Vec<(usize, [f64; 4])>,
}

/// Counts pairs over the detections with at least this score.
pub(super) fn confusion(
    problem: &Problem<'_>,
    verdicts: &[Verdicts],
    score: f64,
    threshold: f64,
) -> Vec<Confused> {
    let mut left: Vec<Left<'_>> = vec![Left::default(); problem.images];
    let mut counts = std::collections::BTreeMap::new();
    let mut count = |truth, detection| *counts.entry((truth, detection)).or_insert(0u64) += 1;
    let categories: Vec<Category<'_>> = (0..problem.len()).map(|k| problem.category(k)).collect();
    for (k, verdicts) in verdicts.iter().enumerate() {
        let kept = verdicts.judged.iter().filter(|judged| judged.score >= score);
        for judged in kept {
            if judged.right {
                count(Some(k), Some(k));
            } else {
                let bbox = problem.detections.rows.at(judged.row).bbox;
                left[judged.image as usize].detections.push((k, bbox));
            }
        }
        for (place, truth) in categories[k].truths.iter().enumerate() {
            if verdicts.counts[place] && verdicts.found[place].is_none_or(|found| found < score) {
                left[truth.image as usize].truths.push((k, truth));
            }
        }
    }
    for image in &left {
        let mut pairs = Vec::new();
        for (d, (own, bbox)) in image.detections.iter().enumerate() {
            for (g, (other, truth)) in image.truths.iter().enumerate() {
                let iou = overlap(bbox, &truth.bbox, false);
                if own != other && iou >= threshold {
                    pairs.push((iou, d, g));
                }
            }
        }
        // Equal overlaps go by the detections' order, which is that of categories and scores.
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let (mut taken, mut found) = (vec![false; image.detections.len()], vec![false; image.truths.len()]);
        for (_, d, g) in pairs {
            if !taken[d] && !found[g] {
                (taken[d], found[g]) = (true, true);
                count(Some(image.truths[g].0), Some(image.detections[d].0));
            }
        }
        for (&(k, _), _) in image.detections.iter().zip(&taken).filter(|&(_, &taken)| !taken) {
            count(None, Some(k));
        }
        for (&(k, _), _) in image.truths.iter().zip(&found).filter(|&(_, &found)| !found) {
            count(Some(k), None);
        }
    }
    counts.into_iter().map(|((truth, detection), count)| Confused { truth, detection, count }).collect()
}
