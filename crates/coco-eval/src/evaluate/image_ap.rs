//! The AP of single images, for finding those on which two results differ.

use std::collections::HashMap;

use super::matching::{Matched, Rules};
use super::problem::EvaluatedTruth;

/// AP over thresholds and 101 recalls of each image that has ground truth of this category, in the first area range.
pub(super) fn of_category(truths: &[EvaluatedTruth], matched: &Matched, rules: &Rules) -> Vec<(u32, f64)> {
    let mut positives: HashMap<u32, u32> = HashMap::new();
    for truth in truths.iter().filter(|truth| !truth.ignored && rules.outside(truth.area) & 1 == 0) {
        *positives.entry(truth.image).or_default() += 1;
    }
    let mut own: HashMap<u32, Vec<(u64, u64)>> = HashMap::new();
    let ranges = rules.ranges.len();
    let mut touched = (0..).step_by(ranges);
    for kept in &matched.kept {
        let outcome = if kept.touched {
            let mask = touched.next().map_or_else(Default::default, |at: usize| matched.masks[at]);
            (mask.hit, mask.off)
        } else {
            (0, if kept.outside & 1 == 1 { u64::MAX } else { 0 })
        };
        if positives.contains_key(&kept.image) {
            own.entry(kept.image).or_default().push(outcome);
        }
    }
    let thresholds = rules.floors.len();
    let mut aps: Vec<(u32, f64)> = positives
        .into_iter()
        .map(|(image, count)| {
            let outcomes = own.get(&image).map_or(&[][..], Vec::as_slice);
            let sum: f64 = (0..thresholds).map(|t| average(outcomes, t, count)).sum();
            (image, sum / thresholds as f64)
        })
        .collect();
    aps.sort_unstable_by_key(|&(image, _)| image);
    aps
}

fn average(outcomes: &[(u64, u64)], t: usize, positives: u32) -> f64 {
    let (mut right, mut count) = (0u32, 0u32);
    let mut curve = Vec::new();
    for (hit, off) in outcomes {
        if off >> t & 1 == 1 {
            continue;
        }
        count += 1;
        if hit >> t & 1 == 1 {
            right += 1;
            curve.push((right, f64::from(right) / f64::from(count)));
        }
    }
    let (mut sum, mut best, mut reached) = (0.0, 0.0f64, 101u32);
    for &(right, precision) in curve.iter().rev() {
        // Recall thresholds up to this recall; those above it belong to later hits.
        let upto = (right * 100 / positives + 1).min(reached);
        if reached == 101 {
            reached = upto;
        }
        best = best.max(precision);
        let below = if right == 1 { 0 } else { (right - 1) * 100 / positives + 1 };
        sum += best * f64::from(reached.saturating_sub(below));
        reached = reached.min(below);
    }
    sum / 101.0
}
