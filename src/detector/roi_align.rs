//! RoIAlign on the processor: bilinear samples of a map of features, averaged in each bin (He et al. 2017, Mask R-CNN,
//! section 3).
//!
//! The arithmetic is that of torchvision's `roi_align` and ONNX's RoiAlign in mode `avg`, sample by sample in their
//! order. It is quick because channels lie together: a map is turned to (height, width, channels) first, so that a
//! sample is four contiguous rows of numbers.

use std::sync::{Mutex, PoisonError};

use super::rois::Rois;
use crate::runtime::{Error, Value};

/// How boxes become bins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// Bins a side.
    pub(super) bins: usize,
    /// Samples a side of a bin; 0: as many as the bin has pixels, rounded up.
    pub(super) samples: usize,
    /// Whether boxes move by half a pixel, as pixels have their values at their centres.
    pub(super) aligned: bool,
}

/// RoIAlign with the memory that it uses again.
pub(super) struct RoiAlign {
    rule: Rule,
    threads: usize,
    turned: Mutex<Vec<f32>>,
}

/// One picture's features, (height, width, channels).
struct Map<'a> {
    values: &'a [f32],
    height: usize,
    width: usize,
    channels: usize,
}

/// The two pixels that a sample lies between along one axis, and their weights.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Between {
    low: usize,
    high: usize,
    low_weight: f32,
    high_weight: f32,
}

impl RoiAlign {
    /// On so many threads, at least one.
    pub(super) fn new(rule: Rule, threads: usize) -> RoiAlign {
        RoiAlign { rule, threads: threads.max(1), turned: Mutex::new(Vec::new()) }
    }

    /// Pools boxes from maps (pictures, channels, height, width), finest first: (boxes, channels, bins, bins), the
    /// boxes of all maps one after another.
    ///
    /// # Errors
    /// When a map is no float32 tensor of four dimensions on the host.
    pub(super) fn run(&self, maps: &[Value], rois: &Rois) -> Result<Value, Error> {
        let channels = maps.first().map_or(0, |map| map.shape().get(1).copied().unwrap_or(0));
        let bins = self.rule.bins;
        let size = channels * bins * bins;
        let count: usize = rois.images.iter().map(Vec::len).sum();
        let mut out = vec![0.0; count * size];
        let mut rest = out.as_mut_slice();
        let mut turned = self.turned.lock().unwrap_or_else(PoisonError::into_inner);
        for ((map, boxes), images) in maps.iter().zip(&rois.boxes).zip(&rois.images) {
            let (own, later) = std::mem::take(&mut rest).split_at_mut(images.len() * size);
            rest = later;
            let shape = map.shape();
            if own.is_empty() || shape.len() != 4 || shape.contains(&0) {
                continue;
            }
            let plane = shape[1] * shape[2] * shape[3];
            if turned.len() < shape[0] * plane {
                turned.resize(shape[0] * plane, 0.0);
            }
            turn(map.as_f32()?, &shape, &mut turned, self.threads);
            let boxes = boxes.as_chunks::<4>().0;
            let each = images.len().div_ceil(self.threads);
            std::thread::scope(|scope| {
                let parts = own.chunks_mut(each * size).zip(boxes.chunks(each)).zip(images.chunks(each));
                for ((out, boxes), images) in parts {
                    let turned = &turned[..];
                    let shape = &shape;
                    scope.spawn(move || {
                        let mut sums = Vec::new();
                        for ((out, bbox), &image) in out.chunks_exact_mut(size).zip(boxes).zip(images) {
                            let from = usize::try_from(image).unwrap_or(0).min(shape[0] - 1) * plane;
                            let values = &turned[from..from + plane];
                            let map = Map { values, height: shape[2], width: shape[3], channels };
                            pool(&map, bbox, self.rule, &mut sums, out);
                        }
                    });
                }
            });
        }
        Value::from_f32(&[count, channels, bins, bins], out)
    }
}

/// (pictures, channels, height, width) to (pictures, height, width, channels).
fn turn(from: &[f32], shape: &[usize], to: &mut [f32], threads: usize) {
    let (channels, height, width) = (shape[1], shape[2], shape[3]);
    let rows = shape[0] * height;
    let each = rows.div_ceil(threads);
    std::thread::scope(|scope| {
        for (part, to) in to[..rows * width * channels].chunks_mut(each * width * channels).enumerate() {
            scope.spawn(move || {
                for (row, to) in (part * each..).zip(to.chunks_exact_mut(width * channels)) {
                    let (picture, y) = (row / height, row % height);
                    let start = (picture * channels * height + y) * width;
                    turn_row(&from[start..], height * width, width, channels, to);
                }
            });
        }
    });
}

/// Channels that are written together: a line of the cache.
const TILE: usize = 16;

fn turn_row(from: &[f32], plane: usize, width: usize, channels: usize, to: &mut [f32]) {
    for first in (0..channels).step_by(TILE) {
        for channel in first..channels.min(first + TILE) {
            let row = &from[channel * plane..][..width];
            for (x, &value) in row.iter().enumerate() {
                to[x * channels + channel] = value;
            }
        }
    }
}

/// Where samples lie along one axis: `bins` times the number of samples in each, which comes second. `None` stands
/// for a sample too far outside, which counts as 0.
fn samples(low: f32, high: f32, size: usize, rule: Rule) -> (Vec<Option<Between>>, usize) {
    let shift = if rule.aligned { 0.5 } else { 0.0 };
    let start = low - shift;
    let length = if rule.aligned { (high - shift) - start } else { ((high - shift) - start).max(1.0) };
    let bin = length / rule.bins as f32;
    // `as` turns what is negative or no number into 0.
    let count = if rule.samples > 0 { rule.samples } else { (length / rule.bins as f32).ceil() as usize };
    let all = (0..rule.bins).flat_map(|k| {
        (0..count).map(move |i| {
            let inside = (i as f32 + 0.5) * bin / count as f32;
            between(start + k as f32 * bin + inside, size)
        })
    });
    (all.collect(), count)
}

fn between(at: f32, size: usize) -> Option<Between> {
    if !(-1.0..=size as f32).contains(&at) {
        return None;
    }
    let at = at.max(0.0);
    let low = at as usize;
    if low + 1 >= size {
        return Some(Between { low: size - 1, high: size - 1, low_weight: 1.0, high_weight: 0.0 });
    }
    let part = at - low as f32;
    Some(Between { low, high: low + 1, low_weight: 1.0 - part, high_weight: part })
}

/// Pools one box into (channels, bins, bins); `sums` is memory to use.
fn pool(map: &Map<'_>, bbox: &[f32; 4], rule: Rule, sums: &mut Vec<f32>, out: &mut [f32]) {
    let [x1, y1, x2, y2] = *bbox;
    let (columns, across) = samples(x1, x2, map.width, rule);
    let (rows, down) = samples(y1, y2, map.height, rule);
    let (channels, bins) = (map.channels, rule.bins);
    sums.clear();
    sums.resize(channels * bins * bins, 0.0);
    for (place, sums) in sums.chunks_exact_mut(channels).enumerate() {
        let (y, x) = (place / bins, place % bins);
        for row in rows[y * down..][..down].iter().flatten() {
            for column in columns[x * across..][..across].iter().flatten() {
                add_sample(map, row, column, sums);
            }
        }
    }
    let count = (across * down).max(1) as f32;
    let cells = bins * bins;
    for (place, sums) in sums.chunks_exact(channels).enumerate() {
        for (channel, sum) in sums.iter().enumerate() {
            out[channel * cells + place] = sum / count;
        }
    }
}

#[inline]
fn add_sample(map: &Map<'_>, row: &Between, column: &Between, sums: &mut [f32]) {
    let at = |y: usize, x: usize| &map.values[(y * map.width + x) * map.channels..][..sums.len()];
    let (a, b) = (at(row.low, column.low), at(row.low, column.high));
    let (c, d) = (at(row.high, column.low), at(row.high, column.high));
    let (wa, wb) = (row.low_weight * column.low_weight, row.low_weight * column.high_weight);
    let (wc, wd) = (row.high_weight * column.low_weight, row.high_weight * column.high_weight);
    for (k, sum) in sums.iter_mut().enumerate() {
        *sum += wa * a[k] + wb * b[k] + wc * c[k] + wd * d[k];
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{Options, Runtime};

    const RULE: Rule = Rule { bins: 1, samples: 1, aligned: false };

    fn one(map: &[f32], shape: [usize; 4], boxes: &[f32], image: i64, rule: Rule) -> Vec<f32> {
        // Tensors are ONNX Runtime's: it is opened before any is made.
        let _runtime = Runtime::open(&Options::default(), &mut |_| {}).unwrap();
        let map = Value::from_f32(&shape, map.to_vec()).unwrap();
        let mut rois = Rois::new(1);
        rois.boxes[0] = boxes.to_vec();
        rois.images[0] = vec![image; boxes.len() / 4];
        RoiAlign::new(rule, 2).run(&[map], &rois).unwrap().as_f32().unwrap().to_vec()
    }

    #[test]
    fn samples_are_weighted_by_hand() {
        // Two pictures of two channels, 2x3 pixels. The box's centre is (1.25, 0.5).
        let map: Vec<f32> = (0..24).map(|k| k as f32).collect();
        let found = one(&map, [2, 2, 2, 3], &[0.25, 0.0, 2.25, 1.0], 1, RULE);
        // Rows 12 13 14 and 15 16 17 of the first channel: (13.25 + 16.25) / 2.
        assert_eq!(found, [14.75, 20.75]);
        // Half a pixel up and left: (0.75, 0).
        let aligned = Rule { aligned: true, ..RULE };
        assert_eq!(one(&map, [2, 2, 2, 3], &[0.25, 0.0, 2.25, 1.0], 1, aligned), [12.75, 18.75]);
    }

    #[test]
    fn beyond_the_edge_there_is_the_edge_and_then_nothing() {
        let map = [1.0, 2.0, 3.0, 4.0];
        let at = |x: f32| one(&map, [1, 1, 1, 4], &[x - 0.5, -0.5, x + 0.5, 0.5], 0, RULE)[0];
        assert_eq!([at(-1.5), at(-0.75), at(3.0), at(3.75), at(4.5)], [0.0, 1.0, 4.0, 4.0, 0.0]);
    }

    #[test]
    fn as_many_samples_as_pixels_where_none_are_given() {
        // Of a ramp every average is the value at the bin's centre.
        let map: Vec<f32> = (0..16).map(|k| k as f32).collect();
        let rule = Rule { bins: 2, samples: 0, aligned: true };
        let found = one(&map, [1, 1, 1, 16], &[1.5, 0.0, 11.5, 1.0], 0, rule);
        assert_eq!(found, [3.0, 8.0, 3.0, 8.0].map(|centre| centre + 0.5));
        let empty = one(&map, [1, 1, 1, 16], &[f32::NAN, 0.0, 5.0, 1.0], 0, rule);
        assert_eq!(empty, [0.0; 4]);
    }
}
