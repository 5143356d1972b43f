//! The numbers where images are drawn anew.
//!
//! Every image gets a weight, how often it is drawn, and the sorted, matched detections are walked once more with these
//! weights. Nothing is sorted or matched again. An image drawn twice counts as two images that stand side by side; of equal
//! scores within an image, all copies of the first come first.

use rayon::prelude::*;

use super::bias::{self, Shift};
use super::curve::ones;
use super::draws::{Drawing, DrawnUnits, Draws, Resampling};
use super::error::EvaluateError;
use super::evaluation::{each_category, rules};
use super::interval::{Bias, IntervalKind};
use super::matching::{Matched, Rules};
use super::params::{MOST_THRESHOLDS, Params};
use super::problem::Problem;
use super::summary;

/// Room for every threshold.
const THRESHOLDS: usize = MOST_THRESHOLDS;

/// Outcome for one range: a bit each threshold.
#[derive(Clone, Copy, Debug)]
struct Bits {
    hit: u64,
    off: u64,
}

/// A detection that reaches something.
#[derive(Clone, Copy, Debug)]
struct ResampleCandidate {
    image: u32,
    rank: u32,
    /// How many of the plain detections come before it.
    plain: u32,
}

/// A category, sorted and matched, in few bytes.
#[derive(Debug)]
struct Sorted {
    /// For each range the images of the ground truths that count, one entry each.
    positives: Vec<Vec<u32>>,
    /// Image and code of each detection that reaches nothing.
    plain: Vec<(u32, u16)>,
    touched: Vec<ResampleCandidate>,
    bits: Vec<Bits>,
    /// For each code and cell whether such a detection counts there.
    counts: Vec<Vec<bool>>,
}

/// A range and a limit whose curves some line needs.
#[derive(Clone, Copy, Debug, PartialEq)]
struct CurveCell {
    a: usize,
    m: usize,
    precise: bool,
}

/// One line of the summary over cells.
#[derive(Debug)]
struct Plan {
    precision: bool,
    thresholds: u64,
    /// Places in the list of cells.
    cells: Vec<usize>,
    group: Option<usize>,
}

/// Everything that resampling needs, made once.
#[derive(Debug)]
pub(super) struct Resampler {
    categories: Vec<Sorted>,
    groups: Option<Vec<usize>>,
    cells: Vec<CurveCell>,
    plans: Vec<Plan>,
    limits: Vec<u32>,
    recalls: Vec<f64>,
    thresholds: usize,
    ranges: usize,
    images: usize,
}

/// Memory that each thread uses again.
#[derive(Default)]
struct ResampleBuffers {
    weights: Vec<u32>,
    sums: Vec<u32>,
    before: Vec<u32>,
    needs: Vec<u32>,
    hits: Vec<Vec<(u32, f64)>>,
    drawing: Drawing,
    own: Vec<Tally>,
}

/// A sum of values and how many they are.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    sum: f64,
    count: f64,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.sum += other.sum;
        self.count += other.count;
    }

    /// `None` of nothing.
    fn mean(self) -> Option<f64> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }
}

/// Draws that one thread makes in a row, so that sums do not depend on the number of threads.
const BLOCK: usize = 16;

/// What a block of draws leaves.
struct Block {
    /// The numbers in each draw.
    values: Vec<Vec<f64>>,
    /// For each category and line its numbers, summed over the draws in which it is.
    categories: Vec<Tally>,
}

impl Resampler {
    /// Sorts and matches once.
    pub(super) fn new(
        problem: &Problem<'_>,
        params: &Params,
        groups: Option<Vec<usize>>,
    ) -> Result<Resampler, EvaluateError> {
        if !params.recall_thresholds.is_sorted() {
            return Err(EvaluateError::Params("intervals need ascending recall thresholds".into()));
        }
        let rules = rules(params, problem.images);
        let mut cells: Vec<CurveCell> = Vec::new();
        let mut plans = Vec::new();
        for line in summary::lines(params) {
            let mut places = Vec::new();
            for (a, m) in line.cells(params) {
                let place = cells.iter().position(|cell| (cell.a, cell.m) == (a, m)).unwrap_or_else(|| {
                    cells.push(CurveCell { a, m, precise: false });
                    cells.len() - 1
                });
                cells[place].precise |= line.precision;
                places.push(place);
            }
            plans.push(Plan {
                precision: line.precision,
                thresholds: line.thresholds(params).iter().fold(0, |bits, t| bits | 1 << t),
                cells: places,
                group: line.group,
            });
        }
        let categories = each_category(problem, &rules, true, |category, matched| {
            let truths = &category.truths;
            let counting = |a: usize| {
                let counts =
                    truths.iter().filter(|truth| !truth.ignored && rules.outside(truth.area) >> a & 1 == 0);
                counts.map(|truth| truth.image).collect()
            };
            compact(&matched, (0..rules.ranges.len()).map(counting).collect(), &rules, &cells)
        });
        Ok(Resampler {
            categories,
            groups,
            cells,
            plans,
            limits: rules.limits.clone(),
            recalls: params.recall_thresholds.clone(),
            thresholds: rules.floors.len(),
            ranges: rules.ranges.len(),
            images: problem.images,
        })
    }

    /// The numbers over all images and in each draw.
    pub(super) fn draws(&self, resampling: &Resampling<'_>) -> Draws {
        let Resampling { count, seed, method, clusters } = *resampling;
        let units = match clusters {
            Some(clusters) => DrawnUnits { of: Some(&clusters.of), count: clusters.count },
            None => DrawnUnits { of: None, count: self.images },
        };
        let lines = self.plans.len();
        let (stats, of_all) = self
            .numbers(&mut ResampleBuffers { weights: vec![1; self.images], ..ResampleBuffers::default() });
        let numbers: Vec<u64> = (0..count as u64).collect();
        let blocks: Vec<Block> = numbers
            .par_chunks(BLOCK)
            .map_init(ResampleBuffers::default, |scratch, numbers| {
                let mut block =
                    Block { values: Vec::new(), categories: vec![Tally::default(); of_all.len()] };
                for &number in numbers {
                    let ResampleBuffers { weights, drawing, .. } = scratch;
                    units.draw((method, seed, number), self.images, drawing, weights);
                    let (values, own) = self.numbers(scratch);
                    block.values.push(values.into_iter().map(|value| value.unwrap_or(f64::NAN)).collect());
                    for (sum, own) in block.categories.iter_mut().zip(own) {
                        if let Some(value) = own {
                            sum.add(Tally { sum: value, count: 1.0 });
                        }
                    }
                }
                block
            })
            .collect();
        let mut categories = vec![Tally::default(); of_all.len()];
        for block in &blocks {
            categories.iter_mut().zip(&block.categories).for_each(|(sum, own)| sum.add(*own));
        }
        let single = DrawnUnits { of: None, count: self.images };
        let bias = |line: usize| {
            let shifts = (0..self.categories.len()).filter_map(|k| {
                let at = k * lines + line;
                let value = of_all[at]?;
                let units = self.units_of(std::iter::once(k), line, &units);
                Some(Shift { units, shift: categories[at].mean().map(|mean| mean - value) })
            });
            bias::estimate(&shifts.collect::<Vec<_>>())
        };
        let all = |units: &DrawnUnits<'_>| -> Vec<usize> {
            (0..lines).map(|line| self.units_of(0..self.categories.len(), line, units)).collect()
        };
        Draws {
            method,
            biases: match method {
                IntervalKind::Subsampling => (0..lines).into_par_iter().map(bias).collect(),
                IntervalKind::Basic | IntervalKind::Percentile => vec![Bias::default(); lines],
            },
            stats: stats.into_iter().map(|value| value.unwrap_or(-1.0)).collect(),
            values: blocks.into_iter().flat_map(|block| block.values).collect(),
            images: all(&single),
            clusters: clusters.map(|_| all(&units)),
            difference: false,
        }
    }

    /// How many units have something to find for a line in some of the categories.
    fn units_of(
        &self,
        categories: impl Iterator<Item = usize>,
        line: usize,
        units: &DrawnUnits<'_>,
    ) -> usize {
        let plan = &self.plans[line];
        let mut carries = vec![false; units.count];
        for k in categories.filter(|&k| self.counts_in(plan, k)) {
            for &cell in &plan.cells {
                let positives = &self.categories[k].positives[self.cells[cell].a];
                positives.iter().for_each(|&image| carries[units.unit(image) as usize] = true);
            }
        }
        carries.into_iter().filter(|carries| *carries).count()
    }

    /// Whether a category is among those that a line is of.
    fn counts_in(&self, plan: &Plan, k: usize) -> bool {
        plan.group.is_none() || self.groups.as_ref().map(|groups| groups[k]) == plan.group
    }

    /// The numbers where each image has a given weight; images without one have none.
    pub(super) fn weighted(&self, weights: &[u32]) -> Vec<f64> {
        let mut scratch = ResampleBuffers { weights: weights.to_vec(), ..ResampleBuffers::default() };
        scratch.weights.resize(self.images, 0);
        self.numbers(&mut scratch).0.into_iter().map(|value| value.unwrap_or(-1.0)).collect()
    }

    /// The numbers under the weights in `scratch`, and those of each category, lines innermost.
    fn numbers(&self, scratch: &mut ResampleBuffers) -> (Vec<Option<f64>>, Vec<Option<f64>>) {
        let mut sums = vec![Tally::default(); self.plans.len()];
        let mut of_categories = Vec::with_capacity(self.categories.len() * self.plans.len());
        for (k, category) in self.categories.iter().enumerate() {
            let mut own = std::mem::take(&mut scratch.own);
            own.clear();
            own.resize(self.plans.len(), Tally::default());
            self.add(category, k, scratch, &mut own);
            sums.iter_mut().zip(&own).for_each(|(sum, own)| sum.add(*own));
            of_categories.extend(own.iter().map(|own| own.mean()));
            scratch.own = own;
        }
        (sums.into_iter().map(Tally::mean).collect(), of_categories)
    }

    /// Adds a category's values to its sums, a line each.
    fn add(&self, category: &Sorted, k: usize, scratch: &mut ResampleBuffers, sums: &mut [Tally]) {
        let weights = &scratch.weights;
        let positives: Vec<u32> = category
            .positives
            .iter()
            .map(|images| images.iter().map(|&image| weights[image as usize]).sum())
            .collect();
        if positives.iter().all(|&count| count == 0) {
            return;
        }
        self.count_plain(category, scratch);
        for (c, cell) in self.cells.iter().enumerate() {
            let positives = positives[cell.a];
            if positives == 0 {
                continue;
            }
            let right = self.walk(category, c, scratch);
            let all_precisions: Vec<f64> = if cell.precise {
                needs(positives, &self.recalls, &mut scratch.needs);
                scratch.hits[..self.thresholds].iter().map(|hits| area(hits, &scratch.needs)).collect()
            } else {
                Vec::new()
            };
            for (plan, sum) in self.plans.iter().zip(sums.iter_mut()) {
                if !self.counts_in(plan, k) {
                    continue;
                }
                for _ in plan.cells.iter().filter(|&&place| place == c) {
                    for t in (0..self.thresholds).filter(|t| plan.thresholds >> t & 1 == 1) {
                        if plan.precision {
                            sum.sum += all_precisions[t];
                            sum.count += self.recalls.len() as f64;
                        } else {
                            sum.sum += f64::from(right[t]) / f64::from(positives);
                            sum.count += 1.0;
                        }
                    }
                }
            }
        }
    }

    /// For each touched detection and precise cell: the weight of the plain ones that count before it.
    fn count_plain(&self, category: &Sorted, scratch: &mut ResampleBuffers) {
        let ResampleBuffers { weights, sums, before, .. } = scratch;
        sums.clear();
        sums.resize(category.counts.len(), 0);
        before.clear();
        let mut start = 0;
        for touched in &category.touched {
            for &(image, code) in &category.plain[start..touched.plain as usize] {
                sums[code as usize] += weights[image as usize];
            }
            start = touched.plain as usize;
            for (c, _) in self.cells.iter().enumerate().filter(|(_, cell)| cell.precise) {
                let counting = category.counts.iter().zip(sums.iter()).filter(|(counts, _)| counts[c]);
                before.push(counting.map(|(_, &sum)| sum).sum());
            }
        }
    }

    /// Lists recall steps and precision at every true positive, and returns how many there are at each threshold.
    fn walk(&self, category: &Sorted, c: usize, scratch: &mut ResampleBuffers) -> [u32; THRESHOLDS] {
        let cell = self.cells[c];
        let precise_cells = self.cells.iter().filter(|cell| cell.precise).count();
        let slot = self.cells[..c].iter().filter(|cell| cell.precise).count();
        let limit = self.limits[cell.m];
        let every = u64::MAX >> (64 - self.thresholds);
        let mut right = [0u32; THRESHOLDS];
        let mut off_before = [0u32; THRESHOLDS];
        let mut seen = 0u32;
        let ResampleBuffers { weights, before, hits, .. } = scratch;
        hits.resize_with(self.thresholds.max(hits.len()), Vec::new);
        hits.iter_mut().for_each(Vec::clear);
        for (k, touched) in category.touched.iter().enumerate() {
            let weight = weights[touched.image as usize];
            let bits = category.bits[k * self.ranges + cell.a];
            if weight == 0 || touched.rank >= limit || bits.off == every {
                continue;
            }
            seen += weight;
            for t in ones(bits.off) {
                off_before[t] += weight;
            }
            for t in ones(bits.hit & !bits.off) {
                right[t] += weight;
                if cell.precise {
                    let counted = before[k * precise_cells + slot] + seen - off_before[t];
                    hits[t].push((right[t], f64::from(right[t]) / (f64::from(counted) + f64::EPSILON)));
                }
            }
        }
        right
    }
}

/// How many true positives each recall threshold takes; one more than there can be where none will do.
fn needs(positives: u32, recalls: &[f64], needs: &mut Vec<u32>) {
    let all = f64::from(positives);
    needs.clear();
    needs.extend(recalls.iter().map(|&recall| {
        let mut need = (recall * all).ceil().clamp(0.0, all + 1.0) as u32;
        // The product may be off by one rounding; the quotient decides, as in the evaluation.
        while need > 0 && f64::from(need - 1) / all >= recall {
            need -= 1;
        }
        while need <= positives && f64::from(need) / all < recall {
            need += 1;
        }
        need
    }));
}

/// The sum of the precisions at all recall thresholds.
fn area(hits: &[(u32, f64)], needs: &[u32]) -> f64 {
    let mut reached = match hits.last() {
        Some(&(last, _)) => needs.partition_point(|&need| need <= last),
        None => return 0.0,
    };
    let (mut sum, mut best) = (0.0, 0.0f64);
    for (k, &(_, precision)) in hits.iter().enumerate().rev() {
        best = best.max(precision);
        let before = if k == 0 { 0 } else { hits[k - 1].0 };
        while reached > 0 && needs[reached - 1] > before {
            sum += best;
            reached -= 1;
        }
    }
    // What is left is reached by the first detection already.
    sum + best * reached as f64
}

fn compact(matched: &Matched, positives: Vec<Vec<u32>>, rules: &Rules, cells: &[CurveCell]) -> Sorted {
    let mut codes: Vec<(u32, usize)> = Vec::new();
    let mut sorted = Sorted {
        positives,
        plain: Vec::new(),
        touched: Vec::new(),
        bits: matched.masks.iter().map(|mask| Bits { hit: mask.hit, off: mask.off }).collect(),
        counts: Vec::new(),
    };
    let used = (1u64 << rules.ranges.len()) - 1;
    for kept in &matched.kept {
        if kept.touched {
            let plain = sorted.plain.len() as u32;
            sorted.touched.push(ResampleCandidate { image: kept.image, rank: kept.rank, plain });
            continue;
        }
        let outside = kept.outside & used as u32;
        let level = rules.limits.iter().filter(|&&limit| kept.rank >= limit).count();
        let code = codes.iter().position(|&code| code == (outside, level)).unwrap_or_else(|| {
            codes.push((outside, level));
            codes.len() - 1
        });
        sorted.plain.push((kept.image, code as u16));
    }
    let counts = |&(outside, level): &(u32, usize)| {
        cells.iter().map(|cell| outside >> cell.a & 1 == 0 && cell.m >= level).collect()
    };
    sorted.counts = codes.iter().map(counts).collect();
    sorted
}
