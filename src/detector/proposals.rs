//! From the RPN's maps to proposals: top-k, decoding, clipping, NMS.

use super::anchors;
use super::coder::Coder;
use crate::family::{Conventions, RankBy};
use crate::geometry::{BBox, suppress};

/// The RPN's two maps of one level, for one photo.
#[derive(Clone, Copy, Debug)]
pub struct RpnLevel<'a> {
    /// (anchors, height, width).
    pub logits: &'a [f32],
    /// (4 * anchors, height, width): the four numbers of an anchor together.
    pub deltas: &'a [f32],
    /// Height and width.
    pub map: (usize, usize),
}

/// A box that the RPN suggests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proposal {
    /// In the resized picture's pixels.
    pub bbox: BBox,
    /// What it was ranked by: logit or sigmoid, as the conventions say.
    pub score: f32,
}

/// Proposals of one photo, by falling score.
///
/// `strides` are the network's own, one a level; `resized` and `padded` are (height, width) of the input without
/// and with padding.
pub fn proposals(
    conventions: &Conventions,
    levels: &[RpnLevel<'_>],
    strides: &[usize],
    resized: (usize, usize),
    padded: (usize, usize),
) -> Vec<Proposal> {
    let rule = &conventions.proposals;
    let coder = Coder { weights: [1.0; 4], clamp: conventions.clamp };
    let (mut boxes, mut scores, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    for (index, level) in levels.iter().enumerate() {
        let cell = anchors::cell(&conventions.anchors, index);
        let stride = anchors::stride(&conventions.anchors, strides[index], padded, level.map);
        for best in top(level, cell.len(), rule.pre_nms_top_n, rule.top_n_by) {
            let anchor = anchors::at(&cell[best.anchor], best.row, best.column, stride);
            let bbox = coder.decode(&anchor, level.deltas_of(&best));
            let clipped = bbox.clip(resized.1 as f32, resized.0 as f32);
            let stays = bbox.is_finite()
                && rule.min_side.allows(clipped.width(), clipped.height())
                && (rule.score_threshold <= 0.0 || sigmoid(best.logit) >= rule.score_threshold);
            if stays {
                boxes.push(clipped);
                scores.push(match rule.nms_by {
                    RankBy::Logit => best.logit,
                    RankBy::Sigmoid => sigmoid(best.logit),
                });
                groups.push(index);
            }
        }
    }
    let mut kept = suppress(&boxes, &scores, &groups, rule.nms_threshold);
    kept.truncate(rule.post_nms_top_n);
    kept.into_iter().map(|i| Proposal { bbox: boxes[i], score: scores[i] }).collect()
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// One position and anchor of a level.
struct Best {
    anchor: usize,
    row: usize,
    column: usize,
    logit: f32,
}

impl RpnLevel<'_> {
    fn deltas_of(&self, best: &Best) -> [f32; 4] {
        let plane = self.map.0 * self.map.1;
        let at = best.row * self.map.1 + best.column;
        std::array::from_fn(|i| self.deltas[(4 * best.anchor + i) * plane + at])
    }
}

/// The `count` best positions by falling rank, equal ones by row, column, anchor. NaN never is among them.
fn top(level: &RpnLevel<'_>, anchors: usize, count: usize, by: RankBy) -> Vec<Best> {
    let plane = level.map.0 * level.map.1;
    let rank = |logit: f32| match by {
        RankBy::Logit => logit,
        RankBy::Sigmoid => sigmoid(logit),
    };
    let mut keys: Vec<u64> = Vec::with_capacity(level.logits.len());
    for (anchor, logits) in level.logits.chunks_exact(plane.max(1)).enumerate() {
        for (at, &logit) in logits.iter().enumerate() {
            keys.push(u64::from(falling(rank(logit))) << 32 | (at * anchors + anchor) as u64);
        }
    }
    if keys.len() > count {
        keys.select_nth_unstable(count);
        keys.truncate(count);
    }
    keys.sort_unstable();
    let places = keys.iter().map(|key| (key & u64::from(u32::MAX)) as usize);
    places
        .map(|place| {
            let (at, anchor) = (place / anchors, place % anchors);
            let (row, column) = (at / level.map.1, at % level.map.1);
            Best { anchor, row, column, logit: level.logits[anchor * plane + at] }
        })
        .filter(|best| !best.logit.is_nan())
        .collect()
}

/// Numbers that rise as the values fall; NaN is last, and the two zeros are equal.
fn falling(value: f32) -> u32 {
    if value.is_nan() {
        return u32::MAX;
    }
    let bits = (value + 0.0).to_bits();
    let rising = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    !rising
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn falling_orders_all_floats() {
        let values = [f32::INFINITY, 3.0, 1e-40, 0.0, -1e-40, -2.0, f32::NEG_INFINITY, f32::NAN];
        assert!(values.windows(2).all(|pair| falling(pair[0]) < falling(pair[1])));
        assert_eq!(falling(0.0), falling(-0.0));
    }

    #[test]
    fn equal_logits_come_by_row_column_anchor() {
        let logits = [1.0, 5.0, 5.0, 0.0, /* second anchor */ 5.0, 2.0, 5.0, 9.0];
        let level = RpnLevel { logits: &logits, deltas: &[0.0; 32], map: (2, 2) };
        let best = top(&level, 2, 4, RankBy::Logit);
        let places: Vec<_> = best.iter().map(|b| (b.row, b.column, b.anchor)).collect();
        assert_eq!(places, [(1, 1, 1), (0, 0, 1), (0, 1, 0), (1, 0, 0)]);
    }
}
