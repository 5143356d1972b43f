//! Confidence intervals by resampling images.
//!
//! A resample draws as many images as there are, with replacement: every image gets a weight, and the sorted, matched
//! detections are walked once more with these weights. Nothing is sorted or matched again. An image drawn twice
//! counts as two images that stand side by side; of equal scores within an image, all copies of the first come first.

use rayon::prelude::*;

use super::curve::ones;
use super::error::EvaluateError;
use super::evaluation::{each_category, rules};
use super::matching::{Matched, Rules};
use super::params::{MOST_THRESHOLDS, Params};
use super::problem::Problem;
use super::summary;

/// Where a number lies in 95 of 100 resamples.
#[derive(Clone, Copy, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Interval {
    /// Lower end: the 2.5th percentile.
    pub low: f64,
    /// Upper end: the 97.5th percentile.
    pub high: f64,
    /// Standard deviation over the resamples.
    pub deviation: f64,
    /// Images that have something to find for the number.
    #[cfg_attr(feature = "serde", serde(default))]
    pub images: usize,
}

/// Fewer images than these give no interval: what is drawn from a few is hardly ever something else than they are.
pub const LEAST_IMAGES: usize = 10;

/// Intervals that are narrower come from numbers that are the same in every draw, but for rounding.
const NO_WIDTH: f64 = 1e-9;

impl Interval {
    /// What stands for an interval where there is none.
    fn none(images: usize) -> Interval {
        Interval { low: -1.0, high: -1.0, deviation: -1.0, images }
    }

    /// The interval of resampled values of a number for which `images` have something to find; -1 throughout where they are
    /// too few, or all values are the same.
    pub fn of(values: &[f64], images: usize) -> Interval {
        let interval = Interval::over(values, images);
        if interval.high - interval.low < NO_WIDTH { Interval::none(images) } else { interval }
    }

    /// The same of differences, which may be 0 in every draw: those of results that find the same.
    pub fn of_differences(values: &[f64], images: usize) -> Interval {
        let none = values.iter().all(|value| *value == 0.0);
        if none { Interval::over(values, images) } else { Interval::of(values, images) }
    }

    fn over(values: &[f64], images: usize) -> Interval {
        if values.is_empty() || images < LEAST_IMAGES {
            return Interval::none(images);
        }
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let quantile = |share: f64| {
            let place = share * (sorted.len() - 1) as f64;
            let at = |place: f64| sorted.get(place as usize).copied().unwrap_or(f64::NAN);
            let (low, high) = (at(place.floor()), at(place.ceil()));
            low + (high - low) * place.fract()
        };
        let count = sorted.len() as f64;
        let mean = sorted.iter().sum::<f64>() / count;
        let squares: f64 = sorted.iter().map(|value| (value - mean) * (value - mean)).sum();
        Interval {
            low: quantile(0.025),
            high: quantile(0.975),
            deviation: (squares / (count - 1.0).max(1.0)).sqrt(),
            images,
        }
    }

    /// Whether there is one.
    pub fn exists(&self) -> bool {
        self.deviation >= 0.0
    }

    /// Why there is none.
    pub fn why_none(&self) -> String {
        match self.images {
            0 => "nothing to measure".into(),
            1 => "1 image has any: too few for an interval".into(),
            few @ ..LEAST_IMAGES => format!("{few} images have any: too few for an interval"),
            _ => "the same in every draw, which says nothing of other images".into(),
        }
    }
}

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
struct Touched {
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
    touched: Vec<Touched>,
    bits: Vec<Bits>,
    /// For each code and cell whether such a detection counts there.
    counts: Vec<Vec<bool>>,
}

/// A range and a limit whose curves some line needs.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cell {
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
    cells: Vec<Cell>,
    plans: Vec<Plan>,
    limits: Vec<u32>,
    recalls: Vec<f64>,
    thresholds: usize,
    ranges: usize,
    images: usize,
    /// For each line the images that have something to find.
    carriers: Vec<usize>,
}

/// Memory that each thread uses again.
#[derive(Default)]
struct Scratch {
    weights: Vec<u32>,
    sums: Vec<u32>,
    before: Vec<u32>,
    needs: Vec<u32>,
    hits: Vec<Vec<(u32, f64)>>,
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
        let mut cells: Vec<Cell> = Vec::new();
        let mut plans = Vec::new();
        for line in summary::lines(params) {
            let mut places = Vec::new();
            for (a, m) in line.cells(params) {
                let place = cells.iter().position(|cell| (cell.a, cell.m) == (a, m)).unwrap_or_else(|| {
                    cells.push(Cell { a, m, precise: false });
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
        let carriers = plans
            .iter()
            .map(|plan| carriers(plan, &cells, &categories, groups.as_deref(), problem.images))
            .collect();
        Ok(Resampler {
            carriers,
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

    /// The summary's numbers in each of `count` resamples. The same seed gives the same resamples on any machine.
    pub(super) fn run(&self, count: usize, seed: u64) -> Vec<Vec<f64>> {
        (0..count as u64)
            .into_par_iter()
            .map_init(Scratch::default, |scratch, number| {
                draw(&mut scratch.weights, self.images, seed, number);
                self.stats(scratch)
            })
            .collect()
    }

    /// For each of the numbers the images that have something to find.
    pub(super) fn carriers(&self) -> &[usize] {
        &self.carriers
    }

    /// The numbers where each image has a given weight; images without one have none.
    pub(super) fn weighted(&self, weights: &[u32]) -> Vec<f64> {
        let mut scratch = Scratch { weights: weights.to_vec(), ..Scratch::default() };
        scratch.weights.resize(self.images, 0);
        self.stats(&mut scratch)
    }

    /// The numbers under the weights in `scratch`.
    fn stats(&self, scratch: &mut Scratch) -> Vec<f64> {
        // For each line the sum of its values and their number.
        let mut sums = vec![(0.0, 0.0); self.plans.len()];
        for (k, category) in self.categories.iter().enumerate() {
            let group = self.groups.as_ref().map(|groups| groups[k]);
            self.add(category, group, scratch, &mut sums);
        }
        sums.iter().map(|&(sum, count)| if count == 0.0 { -1.0 } else { sum / count }).collect()
    }

    fn add(&self, category: &Sorted, group: Option<usize>, scratch: &mut Scratch, sums: &mut [(f64, f64)]) {
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
                if plan.group.is_some() && plan.group != group {
                    continue;
                }
                for _ in plan.cells.iter().filter(|&&place| place == c) {
                    for t in (0..self.thresholds).filter(|t| plan.thresholds >> t & 1 == 1) {
                        if plan.precision {
                            sum.0 += all_precisions[t];
                            sum.1 += self.recalls.len() as f64;
                        } else {
                            sum.0 += f64::from(right[t]) / f64::from(positives);
                            sum.1 += 1.0;
                        }
                    }
                }
            }
        }
    }

    /// For each touched detection and precise cell: the weight of the plain ones that count before it.
    fn count_plain(&self, category: &Sorted, scratch: &mut Scratch) {
        let Scratch { weights, sums, before, .. } = scratch;
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
    fn walk(&self, category: &Sorted, c: usize, scratch: &mut Scratch) -> [u32; THRESHOLDS] {
        let cell = self.cells[c];
        let precise_cells = self.cells.iter().filter(|cell| cell.precise).count();
        let slot = self.cells[..c].iter().filter(|cell| cell.precise).count();
        let limit = self.limits[cell.m];
        let every = u64::MAX >> (64 - self.thresholds);
        let mut right = [0u32; THRESHOLDS];
        let mut off_before = [0u32; THRESHOLDS];
        let mut seen = 0u32;
        let Scratch { weights, before, hits, .. } = scratch;
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

/// How many images have something to find for a line.
fn carriers(
    plan: &Plan,
    cells: &[Cell],
    categories: &[Sorted],
    groups: Option<&[usize]>,
    images: usize,
) -> usize {
    let mut carries = vec![false; images];
    let in_group = |k: usize| plan.group.is_none() || groups.map(|groups| groups[k]) == plan.group;
    for (_, category) in categories.iter().enumerate().filter(|(k, _)| in_group(*k)) {
        for &cell in &plan.cells {
            category.positives[cells[cell].a].iter().for_each(|&image| carries[image as usize] = true);
        }
    }
    carries.into_iter().filter(|carries| *carries).count()
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

fn compact(matched: &Matched, positives: Vec<Vec<u32>>, rules: &Rules, cells: &[Cell]) -> Sorted {
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
            sorted.touched.push(Touched { image: kept.image, rank: kept.rank, plain });
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

/// How often each image is drawn in resample `number`.
fn draw(weights: &mut Vec<u32>, images: usize, seed: u64, number: u64) {
    weights.clear();
    weights.resize(images, 0);
    // Steele, Lea and Flood's SplitMix64; each resample has a stream of its own, so that threads do not matter.
    let mut state = mix(seed ^ mix(number.wrapping_add(0x9e37_79b9_7f4a_7c15)));
    for _ in 0..images {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let place = (u128::from(mix(state)) * images as u128) >> 64;
        weights[place as usize] += 1;
    }
}

fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_draws() {
        let mut weights = Vec::new();
        draw(&mut weights, 1000, 1, 0);
        assert_eq!(weights.iter().sum::<u32>(), 1000);
        let first = weights.clone();
        draw(&mut weights, 1000, 1, 1);
        assert_ne!(first, weights);
        draw(&mut weights, 1000, 1, 0);
        assert_eq!(first, weights);
    }

    #[test]
    fn an_interval_holds_the_middle() {
        let values: Vec<f64> = (0..=1000).map(f64::from).collect();
        let interval = Interval::of(&values, 10);
        assert_eq!((interval.low, interval.high), (25.0, 975.0));
        assert!(interval.exists() && !Interval::of(&[], 10).exists());
    }

    #[test]
    fn few_images_and_equal_draws_give_no_interval() {
        let values = [0.25, 0.5, 0.75];
        assert!(!Interval::of(&values, 9).exists());
        assert!(Interval::of(&values, 9).why_none().starts_with("9 images have any"));
        assert!(!Interval::of(&[0.5; 3], 100).exists());
        assert!(!Interval::of_differences(&[0.5; 3], 100).exists());
        assert!(Interval::of_differences(&[0.0; 3], 10).exists());
        assert!(!Interval::of_differences(&[0.0; 3], 1).exists());
    }
}
