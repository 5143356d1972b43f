//! RoIAlign on the processor: bilinear samples of a map of features, averaged in each bin (He et al. 2017, Mask R-CNN,
//! section 3).
//!
//! The arithmetic is that of torchvision's `roi_align` and ONNX's RoiAlign in mode `avg`, sample by sample in their
//! order. It is quick because channels lie together: a map is turned to (height, width, channels) first, so that a
//! sample is four contiguous rows of numbers.

mod pool;
mod turn;

use std::iter;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;

use pulp::Arch;

use self::pool::{FeatureMap, Pool};
use self::turn::Turn;
use super::features::Features;
use super::rois::Rois;
use crate::runtime::{RuntimeError, Value};

/// How boxes become bins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RoiAlignRule {
    /// Bins a side.
    pub(super) bins: usize,
    /// Samples a side of a bin; 0: as many as the bin has pixels, rounded up.
    pub(super) samples: usize,
    /// Whether boxes move by half a pixel, as pixels have their values at their centres.
    pub(super) aligned: bool,
    /// Whether the channels of a bin lie together in the result, instead of the bins of a channel.
    pub(super) channels_last: bool,
}

/// RoIAlign with the memory that it uses again.
pub(super) struct RoiAlign {
    rule: RoiAlignRule,
    threads: usize,
    /// All maps, turned: what would take long to be given anew for each photo.
    turned: TurnedMaps,
    /// An earlier result that nobody needs any more.
    spare: Mutex<Option<Value>>,
}

/// Memory for turned maps, which heads that run one after another share.
pub(super) type TurnedMaps = Arc<Mutex<Vec<f32>>>;

impl RoiAlign {
    /// On so many threads, at least one.
    pub(super) fn new(rule: RoiAlignRule, threads: usize) -> RoiAlign {
        RoiAlign { rule, threads: threads.max(1), turned: TurnedMaps::default(), spare: Mutex::default() }
    }

    /// Turns maps in memory that others use too; those that would work at the same time wait for one another.
    pub(super) fn share(&mut self, turned: &TurnedMaps) {
        self.turned = Arc::clone(turned);
    }

    /// Pools boxes from maps of features: (boxes, channels, bins, bins), or with the channels last; the boxes of all
    /// maps one after another.
    ///
    /// # Errors
    /// When a map is no float32 tensor on the host.
    pub(super) fn run(&self, features: &Features, rois: &Rois) -> Result<Value, RuntimeError> {
        let shape = |level| features.shape(level).unwrap_or_default();
        let [_, channels, ..] = shape(0);
        // A map without boxes is not looked at.
        let looked_at = rois.images.iter().enumerate();
        let shapes: Vec<[usize; 4]> =
            looked_at.map(|(level, images)| if images.is_empty() { [0; 4] } else { shape(level) }).collect();
        let RoiAlignRule { bins, channels_last, .. } = self.rule;
        let count = rois.images.iter().map(Vec::len).sum();
        let mut turned = self.turned.lock().unwrap_or_else(PoisonError::into_inner);
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).take();
        let maps = if features.channels_last {
            as_they_are(&features.maps, &shapes)?
        } else {
            self.turn(&features.maps, &shapes, &mut turned)?
        };
        let shape = if channels_last { [count, bins, bins, channels] } else { [count, channels, bins, bins] };
        let mut out = match spare.filter(|spare| spare.shape() == shape) {
            Some(spare) => spare,
            None => Value::from_f32(&shape, vec![0.0; shape.iter().product()])?,
        };
        self.pool(&maps, rois, out.as_f32_mut()?);
        Ok(out)
    }

    /// Takes a result back, whose memory the next one may have.
    pub(super) fn take_back(&self, pooled: Value) {
        *self.spare.lock().unwrap_or_else(PoisonError::into_inner) = Some(pooled);
    }

    /// A result as (boxes, channels, bins, bins), whatever its order.
    pub(super) fn channels_first(&self, pooled: Value) -> Result<Value, RuntimeError> {
        if self.rule.channels_last { channels_first(&pooled) } else { Ok(pooled) }
    }

    /// Each picture's maps with the channels together, level by level; none of a level without pixels.
    fn turn<'a>(
        &self,
        maps: &[Value],
        shapes: &[[usize; 4]],
        memory: &'a mut Vec<f32>,
    ) -> Result<Vec<Vec<FeatureMap<'a>>>, RuntimeError> {
        let length: usize = shapes.iter().map(|shape| shape.iter().product::<usize>()).sum();
        if memory.len() < length {
            memory.resize(length, 0.0);
        }
        let mut rest = memory.as_mut_slice();
        let mut parts = Vec::new();
        for (map, &[pictures, channels, height, width]) in maps.iter().zip(shapes) {
            let from = map.as_f32()?;
            let line = width * channels;
            let (own, later) = std::mem::take(&mut rest).split_at_mut(pictures * height * line);
            rest = later;
            let rows = (pictures * height).div_ceil(self.threads).max(1);
            for (part, to) in own.chunks_mut((rows * line).max(1)).enumerate() {
                parts.push(Turn { from, plane: (height, width), channels, first: part * rows, to });
            }
        }
        self.share_out(parts, |part| Arch::new().dispatch(part));
        let mut rest = memory.as_slice();
        let mut turned = Vec::new();
        for shape in shapes {
            let (own, later) = rest.split_at(shape.iter().product());
            rest = later;
            turned.push(pictures(own, shape));
        }
        Ok(turned)
    }

    /// Fills `out`, which holds the bins of all boxes.
    fn pool(&self, maps: &[Vec<FeatureMap<'_>>], rois: &Rois, out: &mut [f32]) {
        let size = out.len() / rois.images.iter().map(Vec::len).sum::<usize>().max(1);
        let mut rest = out;
        let mut parts = Vec::new();
        for ((maps, boxes), images) in maps.iter().zip(&rois.boxes).zip(&rois.images) {
            let (own, later) = std::mem::take(&mut rest).split_at_mut(images.len() * size);
            rest = later;
            if maps.is_empty() || own.is_empty() {
                own.fill(0.0);
                continue;
            }
            let boxes = boxes.as_chunks::<4>().0;
            let each = images.len().div_ceil(self.threads);
            let chunks = own.chunks_mut(each * size).zip(boxes.chunks(each)).zip(images.chunks(each));
            parts.extend(chunks.map(|((out, boxes), images)| Pool {
                maps,
                boxes,
                images,
                rule: self.rule,
                out,
            }));
        }
        self.share_out(parts, |part| Arch::new().dispatch(part));
    }

    /// Works on parts on all threads, this one among them. Of each level as many parts come one after another as there
    /// are threads, so that each has its share of every level.
    fn share_out<P: Send>(&self, parts: Vec<P>, work: impl Fn(P) + Sync) {
        let mut hands: Vec<Vec<P>> = (0..self.threads).map(|_| Vec::new()).collect();
        for (place, part) in parts.into_iter().enumerate() {
            hands[place % self.threads].push(part);
        }
        hands.retain(|hand| !hand.is_empty());
        let others = hands.len().saturating_sub(1);
        let hands = Mutex::new(hands);
        let next = || hands.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let share = || iter::from_fn(next).flatten().for_each(&work);
        std::thread::scope(|scope| {
            // Where the system gives fewer threads, these do the others' shares.
            let _all = (0..others).try_for_each(|_| Builder::new().spawn_scoped(scope, share).map(drop));
            share();
        });
    }
}

/// A level's maps, one a picture.
fn pictures<'a>(values: &'a [f32], &[count, channels, height, width]: &[usize; 4]) -> Vec<FeatureMap<'a>> {
    let map = |values| FeatureMap { values, height, width, channels };
    values.chunks_exact((height * width * channels).max(1)).take(count).map(map).collect()
}

/// Maps whose channels lie together already.
fn as_they_are<'a>(
    maps: &'a [Value],
    shapes: &[[usize; 4]],
) -> Result<Vec<Vec<FeatureMap<'a>>>, RuntimeError> {
    maps.iter().zip(shapes).map(|(map, shape)| Ok(pictures(map.as_f32()?, shape))).collect()
}

/// (n, height, width, channels) to (n, channels, height, width).
pub(super) fn channels_first(value: &Value) -> Result<Value, RuntimeError> {
    let shape = value.shape();
    let &[count, height, width, channels] = shape.as_slice() else {
        return Value::from_f32(&shape, value.as_f32()?.to_vec());
    };
    let mut turned = vec![0.0; shape.iter().product()];
    let size = (height * width * channels).max(1);
    for (to, from) in turned.chunks_exact_mut(size).zip(value.as_f32()?.chunks_exact(size)) {
        pool::channels_first(from, channels, to);
    }
    Value::from_f32(&[count, channels, height, width], turned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::{Runtime, RuntimeOptions};

    const RULE: RoiAlignRule = RoiAlignRule { bins: 1, samples: 1, aligned: false, channels_last: false };

    fn one(map: &[f32], shape: [usize; 4], boxes: &[f32], image: i64, rule: RoiAlignRule) -> Vec<f32> {
        // Tensors are ONNX Runtime's: it is opened before any is made.
        let _runtime = Runtime::open(&RuntimeOptions::default(), &mut |_| {}).unwrap();
        let map = Value::from_f32(&shape, map.to_vec()).unwrap();
        let mut rois = Rois::new(1);
        rois.boxes[0] = boxes.to_vec();
        rois.images[0] = vec![image; boxes.len() / 4];
        RoiAlign::new(rule, 2)
            .run(&Features { maps: vec![map], channels_last: false }, &rois)
            .unwrap()
            .as_f32()
            .unwrap()
            .to_vec()
    }

    #[test]
    fn samples_are_weighted_by_hand() {
        // Two pictures of two channels, 2x3 pixels. The box's centre is (1.25, 0.5).
        let map: Vec<f32> = (0..24).map(|k| k as f32).collect();
        let found = one(&map, [2, 2, 2, 3], &[0.25, 0.0, 2.25, 1.0], 1, RULE);
        // Rows 12 13 14 and 15 16 17 of the first channel: (13.25 + 16.25) / 2.
        assert_eq!(found, [14.75, 20.75]);
        // Half a pixel up and left: (0.75, 0).
        let aligned = RoiAlignRule { aligned: true, ..RULE };
        assert_eq!(one(&map, [2, 2, 2, 3], &[0.25, 0.0, 2.25, 1.0], 1, aligned), [12.75, 18.75]);
    }

    #[test]
    fn maps_with_the_channels_last_give_the_same() {
        // 65 channels: a block and one more.
        let (channels, height, width) = (65, 5, 4);
        let first: Vec<f32> = (0..channels * height * width).map(|k| (k * 37 % 101) as f32).collect();
        let last = (0..first.len()).map(|k| first[k % channels * height * width + k / channels]).collect();
        let rule = RoiAlignRule { bins: 2, samples: 2, aligned: false, channels_last: false };
        let found = one(&first, [1, channels, height, width], &[0.3, 0.6, 3.1, 4.4], 0, rule);
        let maps = vec![Value::from_f32(&[1, height, width, channels], last).unwrap()];
        let mut rois = Rois::new(1);
        rois.push(0, 0, &crate::geometry::BBox::new(0.3, 0.6, 3.1, 4.4), 0, 1.0);
        let features = Features { maps, channels_last: true };
        let turned = RoiAlign::new(rule, 1).run(&features, &rois).unwrap();
        assert_eq!((turned.shape(), turned.as_f32().unwrap()), (vec![1, channels, 2, 2], found.as_slice()));
        let rule = RoiAlignRule { channels_last: true, ..rule };
        let turned = RoiAlign::new(rule, 1).run(&features, &rois).unwrap();
        assert_eq!(turned.shape(), [1, 2, 2, channels]);
        assert_eq!(channels_first(&turned).unwrap().as_f32().unwrap(), found);
        // By hand: samples of the first bin at x = 0.3 + 0.35 and + 1.05, y = 0.6 + 0.475 and + 1.425, on a plane of
        // the last channel.
        let plane = &first[64 * height * width..];
        let at = |y: f32, x: f32| {
            let value = |y: usize, x: usize| plane[y * width + x];
            let (row, column) = (y as usize, x as usize);
            let (down, across) = (y - y.floor(), x - x.floor());
            let upper = value(row, column) * (1.0 - across) + value(row, column + 1) * across;
            let lower = value(row + 1, column) * (1.0 - across) + value(row + 1, column + 1) * across;
            upper * (1.0 - down) + lower * down
        };
        let mean = (at(1.075, 0.65) + at(1.075, 1.35) + at(2.025, 0.65) + at(2.025, 1.35)) / 4.0;
        assert!((found[64 * 4] - mean).abs() < 1e-3, "{} {mean}", found[64 * 4]);
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
        let rule = RoiAlignRule { bins: 2, samples: 0, aligned: true, channels_last: false };
        let found = one(&map, [1, 1, 1, 16], &[1.5, 0.0, 11.5, 1.0], 0, rule);
        assert_eq!(found, [3.0, 8.0, 3.0, 8.0].map(|centre| centre + 0.5));
        let empty = one(&map, [1, 1, 1, 16], &[f32::NAN, 0.0, 5.0, 1.0], 0, rule);
        assert_eq!(empty, [0.0; 4]);
    }
}
