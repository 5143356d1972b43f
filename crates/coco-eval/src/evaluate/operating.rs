//! The score to cut at: where F1 is best, over all categories and for each.

use super::analysis::Verdicts;

/// What a cut at a score gives.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OperatingPoint {
    /// Detections with this score or more are kept.
    pub score: f64,
    /// Harmonic mean of precision and recall.
    pub f1: f64,
    /// Share of the kept detections that are right.
    pub precision: f64,
    /// Share of the ground truths that are found.
    pub recall: f64,
}

/// The best cut of one category; `None` without ground truths or without right detections.
pub(super) fn best(verdicts: &Verdicts) -> Option<OperatingPoint> {
    best_of(verdicts.judged.iter().map(|judged| (judged.score, judged.right)), verdicts.positives())
}

/// The best cut for all categories together, each detection and each ground truth with the same weight.
pub(super) fn best_overall(categories: &[Verdicts]) -> Option<OperatingPoint> {
    let judged = categories.iter().flat_map(|verdicts| &verdicts.judged);
    let mut all: Vec<(f64, bool)> = judged.map(|judged| (judged.score, judged.right)).collect();
    all.sort_by(|a, b| b.0.total_cmp(&a.0));
    best_of(all.into_iter(), categories.iter().map(Verdicts::positives).sum())
}

/// Cuts lie between different scores only. Of equal F1 the higher score is taken.
fn best_of(falling: impl Iterator<Item = (f64, bool)>, positives: u64) -> Option<OperatingPoint> {
    let mut falling = falling.filter(|(score, _)| !score.is_nan()).peekable();
    let (mut right, mut count) = (0u64, 0u64);
    let mut best: Option<OperatingPoint> = None;
    while let Some((score, is_right)) = falling.next() {
        count += 1;
        right += u64::from(is_right);
        if right == 0 || falling.peek().is_some_and(|&(next, _)| next == score) {
            continue;
        }
        let f1 = 2.0 * right as f64 / (count + positives) as f64;
        if best.is_none_or(|best| f1 > best.f1) {
            let (precision, recall) = (right as f64 / count as f64, right as f64 / positives.max(1) as f64);
            best = Some(OperatingPoint { score, f1, precision, recall });
        }
    }
    best.filter(|_| positives > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cut_is_where_f1_is_best() {
        // Right, right, wrong, right, wrong, wrong with three to find: F1 is 4/5, then 6/7 at the fourth.
        let scores = [(0.9, true), (0.8, true), (0.7, false), (0.6, true), (0.5, false), (0.5, false)];
        let cut = best_of(scores.into_iter(), 3).unwrap();
        assert_eq!((cut.score, cut.f1), (0.6, 6.0 / 7.0));
        assert_eq!(best_of(scores.into_iter(), 0), None);
        // A cut cannot part equal scores.
        let tied = [(0.9, true), (0.9, false)];
        assert_eq!(best_of(tied.into_iter(), 1).map(|cut| cut.precision), Some(0.5));
    }
}
