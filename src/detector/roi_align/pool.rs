//! Boxes to bins, on maps whose channels lie together.

use pulp::{Simd, WithSimd};

use super::RoiAlignRule;

/// Channels whose sums stay in registers.
const BLOCK: usize = 64;

/// Rows of pixels that boxes are sorted by: those of a band share what the cache holds.
const BAND: f32 = 8.0;

/// One picture's features, (height, width, channels).
#[derive(Clone, Copy)]
pub(super) struct FeatureMap<'a> {
    pub(super) values: &'a [f32],
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
}

/// Some boxes on the maps of one level.
pub(super) struct Pool<'a> {
    /// Of each picture, at least one.
    pub(super) maps: &'a [FeatureMap<'a>],
    pub(super) boxes: &'a [[f32; 4]],
    /// The picture of each box.
    pub(super) images: &'a [i64],
    pub(super) rule: RoiAlignRule,
    /// Each box's bins, in the rule's order.
    pub(super) out: &'a mut [f32],
}

impl WithSimd for Pool<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Pool { maps, boxes, images, rule, out } = self;
        let size = out.len() / boxes.len().max(1);
        let mut order: Vec<usize> = (0..boxes.len()).collect();
        let place = |number: &usize| {
            let [x, y, ..] = boxes[*number];
            (images[*number], (y / BAND) as i32, x as i32)
        };
        order.sort_by_cached_key(place);
        let mut bins = Bins::default();
        let mut turned = vec![0.0; if rule.channels_last { 0 } else { size }];
        for number in order {
            let image = usize::try_from(images[number]).unwrap_or(0).min(maps.len() - 1);
            let map = maps[image];
            bins.place(&map, boxes[number], rule);
            let out = &mut out[number * size..][..size];
            if rule.channels_last {
                bins.average(&map, out);
            } else {
                bins.average(&map, &mut turned);
                channels_first(&turned, map.channels, out);
            }
        }
    }
}

/// One box's bins from (bins, bins, channels) to (channels, bins, bins).
pub(super) fn channels_first(from: &[f32], channels: usize, to: &mut [f32]) {
    let bins = (from.len() / channels.max(1)).max(1);
    for (channel, to) in to.chunks_exact_mut(bins).enumerate() {
        for (to, from) in to.iter_mut().zip(from.iter().skip(channel).step_by(channels)) {
            *to = *from;
        }
    }
}

/// The two pixels that a sample lies between along one axis, and their weights.
#[derive(Clone, Copy, Debug, PartialEq)]
struct AxisSample {
    low: usize,
    high: usize,
    low_weight: f32,
    high_weight: f32,
}

/// The four pixels that a sample lies between, by where their values start, and their weights.
#[derive(Clone, Copy, Debug, PartialEq)]
struct BilinearSample {
    places: [usize; 4],
    weights: [f32; 4],
}

/// A box's samples, bin by bin.
#[derive(Default)]
struct Bins {
    samples: Vec<BilinearSample>,
    /// Where each bin's samples end.
    ends: Vec<usize>,
    /// What the sum of a bin is divided by: samples outside count as zeros.
    count: f32,
}

impl Bins {
    /// Places a box's samples.
    #[inline(always)]
    fn place(&mut self, map: &FeatureMap<'_>, [x1, y1, x2, y2]: [f32; 4], rule: RoiAlignRule) {
        let (columns, across) = samples(x1, x2, map.width, rule);
        let (rows, down) = samples(y1, y2, map.height, rule);
        self.count = (across * down).max(1) as f32;
        self.samples.clear();
        self.ends.clear();
        let at = |y: usize, x: usize| (y * map.width + x) * map.channels;
        for place in 0..rule.bins * rule.bins {
            let (y, x) = (place / rule.bins, place % rule.bins);
            for row in rows[y * down..][..down].iter().flatten() {
                for column in columns[x * across..][..across].iter().flatten() {
                    let pairs = [
                        (row.low, row.low_weight, column.low, column.low_weight),
                        (row.low, row.low_weight, column.high, column.high_weight),
                        (row.high, row.high_weight, column.low, column.low_weight),
                        (row.high, row.high_weight, column.high, column.high_weight),
                    ];
                    let places = pairs.map(|(y, _, x, _)| at(y, x));
                    let weights = pairs.map(|(_, down, _, across)| down * across);
                    self.samples.push(BilinearSample { places, weights });
                }
            }
            self.ends.push(self.samples.len());
        }
    }

    /// The bins' means, (bins, bins, channels).
    #[inline(always)]
    fn average(&self, map: &FeatureMap<'_>, out: &mut [f32]) {
        let mut start = 0;
        for (&end, out) in self.ends.iter().zip(out.chunks_exact_mut(map.channels)) {
            let samples = &self.samples[start..end];
            start = end;
            let mut channel = 0;
            while channel + BLOCK <= map.channels {
                self.sum::<BLOCK>(map, samples, channel, out);
                channel += BLOCK;
            }
            while channel < map.channels {
                self.sum::<1>(map, samples, channel, out);
                channel += 1;
            }
        }
    }

    /// Of so many channels.
    #[inline(always)]
    fn sum<const N: usize>(
        &self,
        map: &FeatureMap<'_>,
        samples: &[BilinearSample],
        channel: usize,
        out: &mut [f32],
    ) {
        let mut sums = [0.0; N];
        for BilinearSample { places, weights: [wa, wb, wc, wd] } in samples {
            let row = |place: usize| &map.values[places[place] + channel..][..N];
            let (a, b, c, d) = (row(0), row(1), row(2), row(3));
            for k in 0..N {
                sums[k] += wa * a[k] + wb * b[k] + wc * c[k] + wd * d[k];
            }
        }
        for (out, sum) in out[channel..][..N].iter_mut().zip(sums) {
            *out = sum / self.count;
        }
    }
}

/// Where samples lie along one axis: `bins` times the number of samples in each, which comes second. `None` stands
/// for a sample too far outside, which counts as 0.
fn samples(low: f32, high: f32, size: usize, rule: RoiAlignRule) -> (Vec<Option<AxisSample>>, usize) {
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

fn between(at: f32, size: usize) -> Option<AxisSample> {
    if !(-1.0..=size as f32).contains(&at) {
        return None;
    }
    let at = at.max(0.0);
    let low = at as usize;
    if low + 1 >= size {
        return Some(AxisSample { low: size - 1, high: size - 1, low_weight: 1.0, high_weight: 0.0 });
    }
    let part = at - low as f32;
    Some(AxisSample { low, high: low + 1, low_weight: 1.0 - part, high_weight: part })
}
