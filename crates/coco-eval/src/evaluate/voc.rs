//! PASCAL VOC's average precision: 11 points as in 2007, and all points as from 2010 on.
//!
//! A ground truth is taken by the first detection that has it as its best one, and an overlap must be above the
//! threshold. Crowds and ignored ones are VOC's difficult ones. Widths are what they say, as `rcnn convert` makes them of
//! VOC's first and last pixel; where they are the last less the first, as some converters leave them, 1 is added.

use rayon::prelude::*;

use super::matching::falling;
use super::overlap::overlap;
use super::problem::Problem;

/// What widths and heights are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sides {
    /// Numbers of pixels, as in COCO.
    #[default]
    Pixels,
    /// The last pixel's number less the first one's.
    LastLessFirst,
}

impl Sides {
    /// A box with its number of pixels.
    fn counted(self, [x, y, width, height]: [f64; 4]) -> [f64; 4] {
        match self {
            Sides::Pixels => [x, y, width, height],
            Sides::LastLessFirst => [x, y, width + 1.0, height + 1.0],
        }
    }
}

/// One category's numbers; `None` where it has no ground truth.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct VocAp {
    /// Mean of the best precision at 11 recalls.
    pub eleven_point: f64,
    /// Area under the envelope of the curve.
    pub all_point: f64,
}

/// Both means and every category's numbers.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Voc {
    /// Mean over the categories that have ground truth; -1 where none has.
    pub mean: VocAp,
    /// In the categories' order.
    pub categories: Vec<Option<VocAp>>,
}

/// Evaluates. `difficult` says of an annotation, by its place, whether it is one.
pub(super) fn run(
    problem: &Problem<'_>,
    threshold: f64,
    sides: Sides,
    difficult: impl Fn(u32) -> bool + Sync,
) -> Voc {
    let categories: Vec<Option<VocAp>> = (0..problem.len())
        .into_par_iter()
        .map(|k| category(problem, k, threshold, sides, &difficult))
        .collect();
    let some: Vec<VocAp> = categories.iter().copied().flatten().collect();
    let mean = |pick: fn(&VocAp) -> f64| {
        if some.is_empty() { -1.0 } else { some.iter().map(pick).sum::<f64>() / some.len() as f64 }
    };
    Voc {
        mean: VocAp { eleven_point: mean(|ap| ap.eleven_point), all_point: mean(|ap| ap.all_point) },
        categories,
    }
}

fn category(
    problem: &Problem<'_>,
    k: usize,
    threshold: f64,
    sides: Sides,
    difficult: &impl Fn(u32) -> bool,
) -> Option<VocAp> {
    let category = problem.category(k);
    let easy = |place: usize| !difficult(category.truths[place].annotation);
    let positives = (0..category.truths.len()).filter(|&place| easy(place)).count();
    if positives == 0 {
        return None;
    }
    let key = |&row: &u32| (falling(category.detection(row).score), row);
    let mut order: Vec<(u64, u32)> = category.rows.iter().map(key).collect();
    order.sort_unstable();
    let mut taken = vec![false; category.truths.len()];
    let mut curve = Vec::new();
    let (mut right, mut wrong) = (0u32, 0u32);
    for (_, row) in order {
        let detection = category.detection(row);
        let bbox = sides.counted(detection.bbox);
        let first = category.truths.partition_point(|truth| truth.image < detection.image);
        let own = category.truths[first..].iter().take_while(|truth| truth.image == detection.image);
        let best = own
            .enumerate()
            .map(|(offset, truth)| (first + offset, overlap(&bbox, &sides.counted(truth.bbox), false)))
            .reduce(|best, next| if next.1 > best.1 { next } else { best });
        match best.filter(|&(_, iou)| iou > threshold) {
            Some((place, _)) if !easy(place) => continue,
            Some((place, _)) if !std::mem::replace(&mut taken[place], true) => right += 1,
            _ => wrong += 1,
        }
        let found = f64::from(right);
        curve.push((found / positives as f64, found / (found + f64::from(wrong)).max(f64::EPSILON)));
    }
    Some(VocAp { eleven_point: eleven_point(&curve), all_point: all_point(&curve) })
}

fn eleven_point(curve: &[(f64, f64)]) -> f64 {
    let best = |i: u32| {
        let recall = f64::from(i) * 0.1;
        curve.iter().filter(|point| point.0 >= recall).map(|point| point.1).fold(0.0, f64::max)
    };
    (0..11).map(|i| best(i) / 11.0).sum()
}

fn all_point(curve: &[(f64, f64)]) -> f64 {
    let mut precision: Vec<f64> = curve.iter().map(|point| point.1).collect();
    for k in (1..precision.len()).rev() {
        precision[k - 1] = precision[k - 1].max(precision[k]);
    }
    let before = std::iter::once(0.0).chain(curve.iter().map(|point| point.0));
    curve
        .iter()
        .zip(before)
        .zip(precision)
        .map(|((point, before), precision)| (point.0 - before) * precision)
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_has_the_kits_numbers() {
        // Three to find, in order right, wrong, right, right.
        let third = 1.0 / 3.0;
        let curve = [(third, 1.0), (third, 0.5), (2.0 / 3.0, 2.0 / 3.0), (1.0, 0.75)];
        assert!((eleven_point(&curve) - 9.25 / 11.0).abs() < 1e-15);
        assert!((all_point(&curve) - 0.8333333333333333).abs() < 1e-15);
        assert_eq!(Sides::LastLessFirst.counted([0.0, 0.0, 9.0, 9.0]), [0.0, 0.0, 10.0, 10.0]);
    }
}
