//! The confusion matrix: what is taken for what, at one IoU threshold and one score.
//!
//! It agrees with the curves: a detection that is right there is right here. Only what the curves leave unmatched is
//! paired across categories, the largest IoU first.

use super::analysis::Verdicts;
use super::mistakes::{LeastScores, Mistakes, by_image};
use super::problem::{CategoryProblem, EvaluatedTruth, Problem};

/// One cell of the matrix that is not 0. A side that is absent is the background.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Confused {
    /// Category of the ground truth, by its place; `None`: there is none, the detection is wrong.
    pub truth: Option<usize>,
    /// Category of the detection; `None`: there is none, the ground truth is missed.
    pub detection: Option<usize>,
    /// How often.
    pub count: u64,
}

/// Counts pairs over the detections with at least this score.
pub(super) fn confusion(
    problem: &Problem<'_>,
    verdicts: &[Verdicts],
    score: f64,
    threshold: f64,
) -> Vec<Confused> {
    let least = LeastScores { right: score, wrong: score };
    let mut counts = std::collections::BTreeMap::new();
    let mut count = |truth, detection| *counts.entry((truth, detection)).or_insert(0u64) += 1;
    let categories: Vec<CategoryProblem<'_>> = (0..problem.len()).map(|k| problem.category(k)).collect();
    for Mistakes { right, wrong, missed, .. } in by_image(problem, verdicts, least) {
        for detection in right {
            count(Some(detection.category), Some(detection.category));
        }
        let mut pairs = Vec::new();
        for (d, detection) in wrong.iter().enumerate() {
            for (g, truth) in missed.iter().enumerate() {
                if detection.category == truth.category {
                    continue;
                }
                let object = EvaluatedTruth {
                    crowd: false,
                    ..categories[truth.category].truths[truth.place as usize]
                };
                let iou = problem.overlap(detection.place, &object);
                if iou >= threshold {
                    pairs.push((iou, d, g));
                }
            }
        }
        // Equal overlaps go by the detections' order, which is that of categories and scores.
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let (mut taken, mut found) = (vec![false; wrong.len()], vec![false; missed.len()]);
        for (_, d, g) in pairs {
            if !taken[d] && !found[g] {
                (taken[d], found[g]) = (true, true);
                count(Some(missed[g].category), Some(wrong[d].category));
            }
        }
        for (detection, _) in wrong.iter().zip(&taken).filter(|&(_, &taken)| !taken) {
            count(None, Some(detection.category));
        }
        for (truth, _) in missed.iter().zip(&found).filter(|&(_, &found)| !found) {
            count(Some(truth.category), None);
        }
    }
    counts.into_iter().map(|((truth, detection), count)| Confused { truth, detection, count }).collect()
}
