//! Which ground truths are missed: by size, by crowding, by category.

use super::analysis::Verdicts;
use super::overlap::overlap;
use super::params::AreaRange;
use super::problem::{CategoryProblem, EvaluatedTruth, Problem};

/// Ground truths of one sort.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MissedShare {
    /// The sort.
    pub label: String,
    /// How many there are.
    pub count: u64,
    /// How many of them no detection found.
    pub missed: u64,
}

/// Missed ground truths, sorted in three ways.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Missed {
    /// By area range.
    pub by_size: Vec<MissedShare>,
    /// By the largest IoU with another ground truth of the image, of any category.
    pub by_crowding: Vec<MissedShare>,
    /// By category, in the categories' order.
    pub by_category: Vec<MissedShare>,
}

/// Where crowding begins, and where it is heavy.
const CROWDING: [(f64, &str); 3] = [(0.0, "alone"), (0.1, "touching"), (0.5, "crowded")];

/// Counts what is missed. `ranges` are the area ranges but for the one that holds everything.
pub(super) fn missed(
    problem: &Problem<'_>,
    verdicts: &[Verdicts],
    ranges: &[AreaRange],
    names: &[String],
) -> Missed {
    let share = |label: &str| MissedShare { label: label.into(), count: 0, missed: 0 };
    let mut by_size: Vec<MissedShare> = ranges.iter().map(|range| share(&range.label)).collect();
    let mut by_crowding: Vec<MissedShare> = CROWDING.iter().map(|&(_, label)| share(label)).collect();
    let mut by_category: Vec<MissedShare> = names.iter().map(|name| share(name)).collect();
    let mut by_image: Vec<Vec<&EvaluatedTruth>> = vec![Vec::new(); problem.images];
    let categories: Vec<CategoryProblem<'_>> = (0..problem.len()).map(|k| problem.category(k)).collect();
    for category in &categories {
        for truth in &category.truths {
            by_image[truth.image as usize].push(truth);
        }
    }
    for (k, verdicts) in verdicts.iter().enumerate() {
        let truths = categories[k].truths.iter().zip(&verdicts.found).zip(&verdicts.counts);
        for ((truth, found), _) in truths.filter(|&(_, &counts)| counts) {
            let count = |share: &mut MissedShare| {
                share.count += 1;
                share.missed += u64::from(found.is_none());
            };
            count(&mut by_category[k]);
            for (range, share) in ranges.iter().zip(&mut by_size) {
                if truth.area >= range.low && truth.area <= range.high {
                    count(share);
                    break;
                }
            }
            let others = by_image[truth.image as usize].iter().filter(|other| !std::ptr::eq(**other, truth));
            let nearest =
                others.map(|other| overlap(&truth.bbox, &other.bbox, other.crowd)).fold(0.0, f64::max);
            let level = CROWDING.iter().rposition(|&(floor, _)| nearest >= floor).unwrap_or(0);
            count(&mut by_crowding[level]);
        }
    }
    Missed { by_size, by_crowding, by_category }
}
