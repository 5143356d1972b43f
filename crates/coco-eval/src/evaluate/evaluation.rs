//! The evaluation itself: every category on its own, on all threads, then the arrays and the numbers drawn from them.

use ndarray::{Array4, Array5};
use rayon::prelude::*;

use super::curve::{self, Curves, WantedCurves};
use super::error::EvaluateError;
use super::matching::{self, MatchBuffers, Matched, Rules};
use super::mean::mean_of_valid;
use super::params::{Params, Protocol};
use super::problem::{CategoryProblem, Problem};
use super::summary::{self, AreaNumbers};

/// Precision, recall and scores over thresholds, recalls, categories, ranges and limits.
#[derive(Clone, Debug)]
pub struct Arrays {
    /// Sizes: IoU thresholds, recall thresholds, categories, area ranges, limits.
    pub shape: [usize; 5],
    /// For each range and limit its slot in the curves' precision, if it has one.
    slots: Vec<Option<usize>>,
    /// How many slots there are.
    slot_count: usize,
    /// A category each; `None` where no ground truth counts.
    curves: Vec<Option<Curves>>,
}

/// An evaluation's outcome.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The twelve numbers in pycocotools' order, or lvis' thirteen.
    pub stats: Vec<f64>,
    /// AP and AR of the area ranges that the summary does not ask for.
    pub areas: Vec<AreaNumbers>,
    /// The arrays behind them.
    pub arrays: Arrays,
    /// Detections beyond the largest limit of their image and category.
    pub unused: u64,
    /// LVIS: detections of categories that nobody looked for in their image.
    pub unverified: u64,
    /// Ground truths of each category, crowds included.
    pub boxes: Vec<usize>,
}

/// The rules that parameters say.
pub(super) fn rules(params: &Params, images: usize) -> Rules {
    let mut limits: Vec<u32> =
        params.max_dets.iter().map(|&limit| limit.min(u32::MAX as usize) as u32).collect();
    limits.sort_unstable();
    if params.protocol == Protocol::Lvis {
        // The limit is one of images, applied before.
        limits = vec![u32::MAX];
    }
    Rules {
        floors: params.iou_thresholds.iter().map(|&threshold| threshold.min(1.0 - 1e-10)).collect(),
        ranges: params.area_ranges.iter().map(|range| (range.low, range.high)).collect(),
        limits,
        images,
        counted: Vec::new(),
    }
}

/// Evaluates; with `full`, all arrays are there, else only what the summary needs.
pub(super) fn run(
    problem: &Problem<'_>,
    params: &Params,
    groups: Option<&[usize]>,
    full: bool,
) -> Evaluation {
    let mut rules = rules(params, problem.images);
    let all_cells = rules.ranges.len() * rules.limits.len();
    let all = vec![true; all_cells];
    let wanted = WantedCurves {
        recalls: params.recall_thresholds.clone(),
        precision: if full { all.clone() } else { summary::needed(params, true) },
        recall: if full { all } else { summary::needed(params, false) },
        scores: full && params.protocol == Protocol::Coco,
    };
    rules.counted = (0..all_cells).filter(|&cell| wanted.precision[cell]).collect();
    let made = each_category(problem, &rules, false, |category, matched| {
        let unused = category.rows.len() as u64 - u64::from(matched.count);
        (curve::run(&matched, &rules, &wanted), unused)
    });
    let (unverified, over) = problem.left_out();
    let boxes = (0..problem.len()).map(|k| problem.truths_of(k)).collect();
    let unused: u64 = made.iter().map(|&(_, unused)| unused).sum();
    let curves = made.into_iter().map(|(curves, _)| curves).collect();
    let shape = [
        rules.floors.len(),
        params.recall_thresholds.len(),
        problem.len(),
        rules.ranges.len(),
        rules.limits.len(),
    ];
    let slots = wanted.slots();
    let slot_count = slots.iter().flatten().count();
    let arrays = Arrays { shape, slots, slot_count, curves };
    Evaluation {
        stats: summary::stats(&arrays, params, groups),
        areas: summary::own_ranges(&arrays, params),
        arrays,
        unused: unused + over,
        unverified,
        boxes,
    }
}

/// Matches every category, largest first so that no thread is left with it at the end, and returns what is made of
/// each in the categories' order.
pub(super) fn each_category<T: Send>(
    problem: &Problem<'_>,
    rules: &Rules,
    keep: bool,
    make: impl Fn(&CategoryProblem<'_>, Matched) -> T + Sync,
) -> Vec<T> {
    let mut order: Vec<usize> = (0..problem.len()).collect();
    order.sort_by_key(|&k| std::cmp::Reverse(problem.size_of(k)));
    let mut made: Vec<(usize, T)> = order
        .into_par_iter()
        .with_max_len(1)
        .map_init(MatchBuffers::default, |scratch, k| {
            let category = problem.category(k);
            (k, make(&category, matching::run(&category, rules, scratch, keep)))
        })
        .collect();
    made.sort_by_key(|&(k, _)| k);
    made.into_iter().map(|(_, made)| made).collect()
}

impl Arrays {
    /// Precision over thresholds, recalls, categories, ranges and limits; -1 where a category has no ground truth, or
    /// the array was not asked for.
    pub fn precision(&self) -> Array5<f64> {
        Array5::from_shape_fn(self.shape, |(t, r, k, a, m)| self.precision_at(t, r, k, a, m))
    }

    /// Recall over thresholds, categories, ranges and limits.
    pub fn recall(&self) -> Array4<f64> {
        let [t, _, k, a, m] = self.shape;
        Array4::from_shape_fn([t, k, a, m], |(t, k, a, m)| self.recall_at(t, k, a, m))
    }

    /// Scores at which recalls are reached, of precision's shape; only in a full evaluation.
    pub fn scores(&self) -> Array5<f64> {
        Array5::from_shape_fn(self.shape, |(t, r, k, a, m)| self.score_at(t, r, k, a, m))
    }

    /// Precision at a threshold, recall, category, range and limit, by their places; -1 where it was not asked for.
    pub fn precision_at(&self, t: usize, r: usize, k: usize, a: usize, m: usize) -> f64 {
        let at = self.cell(t, r, a, m);
        self.curves[k].as_ref().zip(at).map_or(-1.0, |(curves, at)| curves.precision[at])
    }

    /// Recall at a threshold, category, range and limit.
    pub fn recall_at(&self, t: usize, k: usize, a: usize, m: usize) -> f64 {
        let [_, _, _, ranges, limits] = self.shape;
        self.curves[k].as_ref().map_or(-1.0, |curves| curves.recall[(t * ranges + a) * limits + m])
    }

    /// Score at which a recall is reached; only in a full evaluation.
    pub fn score_at(&self, t: usize, r: usize, k: usize, a: usize, m: usize) -> f64 {
        let at = self.cell(t, r, a, m);
        self.curves[k]
            .as_ref()
            .zip(at)
            .and_then(|(curves, at)| curves.scores.get(at).copied())
            .unwrap_or(-1.0)
    }

    #[inline]
    fn cell(&self, t: usize, r: usize, a: usize, m: usize) -> Option<usize> {
        let [_, recalls, _, _, limits] = self.shape;
        self.slots[a * limits + m].map(|slot| (t * recalls + r) * self.slot_count + slot)
    }

    /// Mean precision of one category over thresholds and recalls; -1 where it has no ground truth.
    pub fn category_ap(&self, k: usize, thresholds: &[usize], a: usize, m: usize) -> f64 {
        let recalls = 0..self.shape[1];
        mean_of_valid(
            thresholds
                .iter()
                .flat_map(|&t| recalls.clone().map(move |r| (t, r)))
                .map(|(t, r)| self.precision_at(t, r, k, a, m)),
        )
    }

    /// Mean recall of one category over thresholds.
    pub fn category_ar(&self, k: usize, a: usize, m: usize) -> f64 {
        mean_of_valid((0..self.shape[0]).map(|t| self.recall_at(t, k, a, m)))
    }
}

/// Checks parameters before anything is read.
pub(super) fn check(params: &Params) -> Result<(), EvaluateError> {
    params.trouble().map_or(Ok(()), |trouble| Err(EvaluateError::Params(trouble)))
}
