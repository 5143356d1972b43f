//! One category: its detections in order of score, each matched to its image's ground truths for every area range
//! and IoU threshold at once.
//!
//! A category's order restricted to one image is that image's own order, so one sort serves the matching of every
//! image and the curve of the category. Ranges and thresholds are bits of masks.

#![expect(
    clippy::neg_cmp_op_on_partial_ord,
    reason = "a NaN is not below anything, and that is how it matches"
)]

use super::overlap::overlap;
use super::problem::{CategoryProblem, EvaluatedTruth};
use crate::coco::{Overlaps, ResultDetection};

/// What holds for every category.
#[derive(Clone, Debug)]
pub(super) struct Rules {
    /// What an IoU must not be below, a threshold each.
    pub(super) floors: Vec<f64>,
    /// Low and high end of every area range.
    pub(super) ranges: Vec<(f64, f64)>,
    /// The limits on detections of an image, ascending.
    pub(super) limits: Vec<u32>,
    /// How many images there are.
    pub(super) images: usize,
    /// Range and limit, as `range * limits + limit`, for which plain detections are counted.
    pub(super) counted: Vec<usize>,
}

impl Rules {
    /// A bit for every threshold.
    pub(super) fn all(&self) -> u64 {
        u64::MAX >> (64 - self.floors.len())
    }

    /// A bit for each range that an area lies outside of. NaN lies in all.
    #[inline]
    pub(super) fn outside(&self, area: f64) -> u32 {
        let outside = |&(low, high): &(f64, f64)| u32::from(area < low || area > high);
        self.ranges.iter().enumerate().fold(0, |bits, (place, range)| bits | outside(range) << place)
    }
}

/// A detection that reaches some threshold with some ground truth.
#[derive(Clone, Debug)]
pub(super) struct MatchCandidate {
    /// Its place among the category's detections of the image.
    pub(super) rank: u32,
    /// Its score.
    pub(super) score: f64,
}

/// Outcome for one range: a bit each threshold.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ThresholdBits {
    /// Matched, and read as matched.
    pub(super) hit: u64,
    /// Ignored.
    pub(super) off: u64,
}

/// A detection within the limits, whether it reaches something or not.
#[derive(Clone, Copy, Debug)]
pub(super) struct DetectionRow {
    /// Its row among all detections.
    pub(super) row: u32,
    /// Its image.
    pub(super) image: u32,
    /// Its place among the category's detections of the image.
    pub(super) rank: u32,
    /// A bit for each range in which it does not count while unmatched.
    pub(super) outside: u32,
    /// Whether it is in the list of touched detections.
    pub(super) touched: bool,
}

/// A category after matching.
#[derive(Clone, Debug, Default)]
pub(super) struct Matched {
    /// Ground truths that count, a range each.
    pub(super) positives: Vec<u32>,
    /// All kept detections by falling score; only if asked for.
    pub(super) kept: Vec<DetectionRow>,
    /// How many there are.
    pub(super) count: u32,
    /// Score of the first of them.
    pub(super) first_score: Option<f64>,
    /// Those that reach something.
    pub(super) touched: Vec<MatchCandidate>,
    /// Their outcomes, `ranges` each.
    pub(super) masks: Vec<ThresholdBits>,
    /// For each of them and each of the rules' `counted`: how many counted before it that reach nothing.
    pub(super) before: Vec<u32>,
    /// For each ground truth the score of the detection that took it first, in the first range; only if asked for.
    pub(super) takers: Vec<Option<f64>>,
}

/// Memory that is used again for every category.
#[derive(Debug, Default)]
pub(super) struct MatchBuffers {
    /// Detections seen of each image.
    ranks: Vec<u32>,
    /// Place + 1 of each image's first ground truth.
    starts: Vec<u32>,
    /// Overlaps of one detection.
    overlaps: Vec<f64>,
    /// Ground truths that it may take.
    candidates: Vec<(usize, f64)>,
}

/// Sorts and matches. With `keep`, all detections are listed in the outcome.
pub(super) fn run(
    category: &CategoryProblem<'_>,
    rules: &Rules,
    scratch: &mut MatchBuffers,
    keep: bool,
) -> Matched {
    let (ranges, limits) = (rules.ranges.len(), rules.limits.len());
    scratch.ranks.resize(rules.images, 0);
    scratch.starts.resize(rules.images, 0);
    let mut state = MatchState::new(category, rules, keep);
    let positives = |a: usize| state.ignored.iter().filter(|&&bits| bits >> a & 1 == 0).count() as u32;
    let mut matched = Matched { positives: (0..ranges).map(positives).collect(), ..Matched::default() };
    for (place, truth) in category.truths.iter().enumerate().rev() {
        scratch.starts[truth.image as usize] = place as u32 + 1;
    }
    let (order, looks) = by_score(category, &state, scratch);
    let cut = rules.limits.last().copied().unwrap_or(0);
    let mut before = vec![0u32; ranges * limits];
    for &(_, image, position) in &order {
        let rank = scratch.ranks[image as usize];
        if rank >= cut {
            continue;
        }
        scratch.ranks[image as usize] = rank + 1;
        let (outside, touched) = looks.at(position);
        let row = || category.rows[position as usize];
        if matched.count == 0 {
            matched.first_score = Some(category.detection(row()).score);
        }
        if touched {
            let detection = category.detection(row());
            let first = scratch.starts[image as usize].max(1) as usize - 1;
            let (all, some) = (&mut scratch.overlaps, &mut scratch.candidates);
            state.collect(detection, first, all, some);
            state.score = detection.score;
            for a in 0..ranges {
                let mut mask = state.take(&scratch.candidates, a);
                if outside >> a & 1 == 1 {
                    mask.off |= rules.all() & !mask.hit;
                }
                matched.masks.push(mask);
            }
            matched.touched.push(MatchCandidate { rank, score: state.score });
            matched.before.extend(rules.counted.iter().map(|&cell| before[cell]));
        } else {
            let level = rules.limits.partition_point(|&limit| limit <= rank);
            for (a, counts) in before.chunks_exact_mut(limits).enumerate() {
                if outside >> a & 1 == 0 {
                    counts[level..].iter_mut().for_each(|count| *count += 1);
                }
            }
        }
        if keep {
            matched.kept.push(DetectionRow { row: row(), image, rank, outside, touched });
        }
        matched.count += 1;
    }
    if keep {
        matched.takers = state.takers;
    }
    for &(_, image, _) in &order {
        scratch.ranks[image as usize] = 0;
    }
    for truth in &category.truths {
        scratch.starts[truth.image as usize] = 0;
    }
    matched
}

/// A category's ground truths while they are taken.
struct MatchState<'a> {
    truths: &'a [EvaluatedTruth],
    /// Overlaps of masks or key points; none where boxes are compared.
    overlaps: Option<&'a Overlaps>,
    rules: &'a Rules,
    lowest: f64,
    /// A bit for each range in which a ground truth is ignored.
    ignored: Vec<u32>,
    /// For each ground truth and range: a bit for each threshold at which it is taken.
    used: Vec<u64>,
    /// For each ground truth the score of its first taker, if that is asked for.
    takers: Vec<Option<f64>>,
    /// Score of the detection at hand.
    score: f64,
}

impl<'a> MatchState<'a> {
    fn new(category: &'a CategoryProblem<'_>, rules: &'a Rules, keep: bool) -> MatchState<'a> {
        let truths = &category.truths;
        let ignored =
            |truth: &EvaluatedTruth| if truth.ignored { u32::MAX } else { rules.outside(truth.area) };
        MatchState {
            truths,
            overlaps: category.overlaps(),
            rules,
            lowest: rules.floors.iter().copied().fold(f64::INFINITY, f64::min),
            ignored: truths.iter().map(ignored).collect(),
            used: vec![0; truths.len() * rules.ranges.len()],
            takers: if keep { vec![None; truths.len()] } else { Vec::new() },
            score: f64::NAN,
        }
    }

    /// The overlap of a detection with a ground truth of its image.
    #[inline]
    fn overlap(&self, detection: &ResultDetection, truth: &EvaluatedTruth) -> f64 {
        match self.overlaps {
            None => overlap(&detection.bbox, &truth.bbox, truth.crowd),
            Some(overlaps) => overlaps.of(detection.order, truth.shape, truth.crowd),
        }
    }

    /// Whether some IoU is not below every floor.
    #[inline]
    fn reaches(&self, detection: &ResultDetection, first: usize) -> bool {
        let alone =
            |overlaps: &Overlaps| overlaps.nothing || (self.lowest > 0.0 && !overlaps.any(detection.order));
        if self.overlaps.is_some_and(alone) {
            return false;
        }
        let own = self.truths[first..].iter().take_while(|truth| truth.image == detection.image);
        own.fold(false, |reached, truth| reached | !(self.overlap(detection, truth) < self.lowest))
    }

    /// The image's ground truths whose IoU is not below every floor, in their order.
    #[inline]
    fn collect(
        &self,
        detection: &ResultDetection,
        first: usize,
        all: &mut Vec<f64>,
        some: &mut Vec<(usize, f64)>,
    ) {
        let own = self.truths[first..].iter().take_while(|truth| truth.image == detection.image);
        all.clear();
        some.clear();
        all.extend(own.map(|truth| self.overlap(detection, truth)));
        // Once a NaN is the best overlap nothing is below it, so that even far boxes may be taken.
        let nan = all.iter().any(|iou| iou.is_nan());
        let passes = |iou: f64| nan || !(iou < self.lowest);
        some.extend((first..).zip(all.iter().copied()).filter(|&(_, iou)| passes(iou)));
    }

    /// Takes the best candidate at every threshold. A later equal is better, a regular ground truth is better than
    /// any ignored one, and only crowds are taken twice.
    #[inline]
    fn take(&mut self, candidates: &[(usize, f64)], a: usize) -> ThresholdBits {
        let mut mask = ThresholdBits::default();
        if let &[(place, iou)] = candidates {
            let mut bits = 0;
            for (t, &floor) in self.rules.floors.iter().enumerate() {
                bits |= u64::from(!(iou < floor)) << t;
            }
            self.mark(place, a, self.free(place, a) & bits, &mut mask);
            return mask;
        }
        for (t, &floor) in self.rules.floors.iter().enumerate() {
            let (mut best, mut found) = (floor, None);
            let mut regular = false;
            for pass in [false, true] {
                if pass && regular {
                    break;
                }
                for &(place, iou) in candidates {
                    let ignored = self.ignored[place] >> a & 1 == 1;
                    if ignored != pass || self.free(place, a) >> t & 1 == 0 || iou < best {
                        continue;
                    }
                    (best, found) = (iou, Some(place));
                    regular = !ignored;
                }
            }
            if let Some(place) = found {
                self.mark(place, a, 1 << t, &mut mask);
            }
        }
        mask
    }

    /// The thresholds at which a ground truth can be taken.
    #[inline]
    fn free(&self, place: usize, a: usize) -> u64 {
        if self.truths[place].crowd { u64::MAX } else { !self.used[place * self.rules.ranges.len() + a] }
    }

    #[inline]
    fn mark(&mut self, place: usize, a: usize, bits: u64, mask: &mut ThresholdBits) {
        self.used[place * self.rules.ranges.len() + a] |= bits;
        if a == 0
            && bits != 0
            && let Some(taker) = self.takers.get_mut(place)
        {
            taker.get_or_insert(self.score);
        }
        if !self.truths[place].unread {
            mask.hit |= bits;
        }
        if self.ignored[place] >> a & 1 == 1 {
            mask.off |= bits;
        }
    }
}

/// What is seen of detections before they have their places among the others, in few bytes: they are looked up in an
/// order that is foreign to them.
#[derive(Debug, Default)]
struct Looks {
    /// Twice the place of its pattern, and 1 if it reaches some ground truth.
    codes: Vec<u16>,
    /// Bits for the ranges in which a detection does not count while unmatched.
    patterns: Vec<u32>,
}

impl Looks {
    #[inline]
    fn push(&mut self, outside: u32, touched: bool) {
        let known = self.patterns.iter().position(|&pattern| pattern == outside);
        let place = known.unwrap_or_else(|| {
            self.patterns.push(outside);
            self.patterns.len() - 1
        });
        // 32 ranges have 64 ends and so fewer than 200 patterns.
        self.codes.push(2 * place as u16 + u16::from(touched));
    }

    #[inline]
    fn at(&self, position: u32) -> (u32, bool) {
        let code = self.codes[position as usize];
        (self.patterns[usize::from(code / 2)], code % 2 == 1)
    }
}

/// Rows that are fetched before they are looked at.
const GATHER: usize = 256;

/// Score (falling, NaN last), image and position in the category's list, in order.
type Order = Vec<(u64, u32, u32)>;

/// Looks at the detections in the file's order, which is kind to memory, and puts them in order.
fn by_score(
    category: &CategoryProblem<'_>,
    state: &MatchState<'_>,
    scratch: &MatchBuffers,
) -> (Order, Looks) {
    let mut order = Vec::with_capacity(category.rows.len());
    let mut looks = Looks { codes: Vec::with_capacity(category.rows.len()), ..Looks::default() };
    let mut gathered = Vec::with_capacity(GATHER);
    let mut position = 0;
    for rows in category.rows.chunks(GATHER) {
        // Rows lie scattered in memory. Fetched in a loop that does nothing else, many are under way at once.
        gathered.clear();
        gathered.extend(rows.iter().map(|&row| (*category.detection(row), category.area(row))));
        for (detection, area) in &gathered {
            let image = detection.image;
            let first = scratch.starts[image as usize].checked_sub(1);
            let touched = first.is_some_and(|first| state.reaches(detection, first as usize));
            let lenient =
                !category.not_exhaustive.is_empty() && category.not_exhaustive.binary_search(&image).is_ok();
            let outside = if lenient { u32::MAX } else { state.rules.outside(*area) };
            looks.push(outside, touched);
            order.push((falling(detection.score), image, position));
            position += 1;
        }
    }
    order.sort_unstable();
    (order, looks)
}

/// A key that rises as the score falls. -0 equals 0, all NaN are equal and last.
pub(super) fn falling(score: f64) -> u64 {
    if score.is_nan() {
        return u64::MAX;
    }
    let bits = (-score + 0.0).to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}
