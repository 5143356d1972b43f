//! What goes wrong at one IoU threshold: every detection right, wrong or ignored, and every ground truth found or missed.
//!
//! The verdicts are those of the curve at that threshold, over all areas; what is drawn from them lies beside this file.

use super::evaluation::each_category;
use super::matching::Rules;
use super::problem::Problem;

/// A detection's verdict.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct JudgedDetection {
    pub(super) score: f64,
    pub(super) row: u32,
    pub(super) image: u32,
    /// Right or wrong; ignored ones are left out.
    pub(super) right: bool,
}

/// One category's verdicts.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdicts {
    /// Detections that count, by falling score.
    pub(super) judged: Vec<JudgedDetection>,
    /// For each of the category's ground truths the score of the detection that found it.
    pub(super) found: Vec<Option<f64>>,
    /// For each of them whether it counts.
    pub(super) counts: Vec<bool>,
}

impl Verdicts {
    /// How many ground truths count.
    pub(super) fn positives(&self) -> u64 {
        self.counts.iter().filter(|&&counts| counts).count() as u64
    }
}

/// Judges every category at one threshold.
pub(super) fn judge(problem: &Problem<'_>, threshold: f64, limit: u32) -> Vec<Verdicts> {
    let rules = Rules {
        floors: vec![threshold.min(1.0 - 1e-10)],
        ranges: vec![(0.0, 1e10)],
        limits: vec![limit],
        images: problem.images,
        counted: Vec::new(),
    };
    each_category(problem, &rules, true, |category, matched| {
        let truths = &category.truths;
        let mut touched = matched.touched.iter().zip(&matched.masks);
        let mut judged = Vec::new();
        for kept in &matched.kept {
            let (right, ignored) = if kept.touched {
                touched.next().map_or((false, true), |(_, mask)| (mask.hit & 1 == 1, mask.off & 1 == 1))
            } else {
                (false, kept.outside & 1 == 1)
            };
            if !ignored {
                let score = problem.detections.rows.at(kept.row).score;
                judged.push(JudgedDetection { score, row: kept.row, image: kept.image, right });
            }
        }
        Verdicts {
            judged,
            found: matched.takers,
            counts: truths.iter().map(|truth| !truth.ignored && rules.outside(truth.area) == 0).collect(),
        }
    })
}
