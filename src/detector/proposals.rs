//! From the RPN's maps to proposals: top-k, decoding, clipping, NMS.

use super::anchors;
use super::coder::Coder;
use crate::family::{Conventions, ProposalOrder, RankBy, TieOrder};
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

/// A position and anchor of a level, with what the RPN says there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RpnCandidate {
    /// Row, column and anchor as one number: `(row * width + column) * anchors + anchor`.
    pub place: usize,
    /// Objectness.
    pub logit: f32,
    /// The four numbers that move the anchor.
    pub deltas: [f32; 4],
}

/// The best positions of one level, for one photo.
#[derive(Clone, Debug, PartialEq)]
pub struct Ranked {
    /// Height and width of the level.
    pub map: (usize, usize),
    /// By falling rank, equal ones by place. Their logits are numbers.
    pub best: Vec<RpnCandidate>,
}

/// A box that the RPN suggests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proposal {
    /// In the resized picture's pixels.
    pub bbox: BBox,
    /// What it was ranked by: logit or sigmoid, as the conventions say.
    pub score: f32,
}

/// Proposals of one photo, by falling score or in the order that the conventions give them.
///
/// `strides` are the network's own, one a level; `resized` and `padded` are (height, width) of the input without
/// and with padding.
pub fn proposals(
    conventions: &Conventions,
    levels: &[Ranked],
    strides: &[usize],
    resized: (usize, usize),
    padded: (usize, usize),
) -> Vec<Proposal> {
    let rule = &conventions.proposals;
    let coder = Coder { weights: [1.0; 4], clamp: conventions.clamp };
    let (mut boxes, mut scores, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    for (index, level) in levels.iter().enumerate() {
        let cell = anchors::cell(&conventions.anchors, index, strides[index]);
        let stride = anchors::stride(&conventions.anchors, strides[index], padded, level.map);
        for best in &level.best {
            let (at, anchor) = (best.place / cell.len(), best.place % cell.len());
            let anchor = anchors::at(&cell[anchor], at / level.map.1, at % level.map.1, stride);
            let bbox = coder.decode(&anchor, best.deltas);
            let clipped = conventions.corners.clip(&bbox, resized.1 as f32, resized.0 as f32);
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
    let threshold = conventions.overlap.threshold(rule.nms_threshold);
    let mut kept = match rule.ties {
        TieOrder::First => suppress(&boxes, &scores, &groups, threshold),
        TieOrder::Last => suppress_last_first(&boxes, &scores, &groups, threshold),
    };
    if rule.order == ProposalOrder::ByLevel && kept.len() <= rule.post_nms_top_n {
        kept.sort_by_key(|&place| groups[place]);
    }
    kept.truncate(rule.post_nms_top_n);
    kept.into_iter().map(|i| Proposal { bbox: boxes[i], score: scores[i] }).collect()
}

/// As [`suppress`], but of equal scores the last goes first.
fn suppress_last_first(boxes: &[BBox], scores: &[f32], groups: &[usize], threshold: f64) -> Vec<usize> {
    let boxes: Vec<BBox> = boxes.iter().rev().copied().collect();
    let scores: Vec<f32> = scores.iter().rev().copied().collect();
    let groups: Vec<usize> = groups.iter().rev().copied().collect();
    suppress(&boxes, &scores, &groups, threshold).into_iter().map(|place| boxes.len() - 1 - place).collect()
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

impl RpnLevel<'_> {
    /// The `count` best positions by falling rank, equal ones by row, column, anchor. NaN never is among them.
    pub fn ranked(&self, anchors: usize, count: usize, by: RankBy) -> Ranked {
        let plane = self.map.0 * self.map.1;
        let rank = |logit: f32| match by {
            RankBy::Logit => logit,
            RankBy::Sigmoid => sigmoid(logit),
        };
        let mut keys: Vec<u64> = Vec::with_capacity(self.logits.len());
        for (anchor, logits) in self.logits.chunks_exact(plane.max(1)).enumerate() {
            for (at, &logit) in logits.iter().enumerate() {
                keys.push(u64::from(falling(rank(logit))) << 32 | (at * anchors + anchor) as u64);
            }
        }
        if keys.len() > count {
            keys.select_nth_unstable(count);
            keys.truncate(count);
        }
        keys.sort_unstable();
        let candidate = |key: u64| {
            let place = (key & u64::from(u32::MAX)) as usize;
            let (at, anchor) = (place / anchors, place % anchors);
            let deltas = std::array::from_fn(|i| self.deltas[(4 * anchor + i) * plane + at]);
            RpnCandidate { place, logit: self.logits[anchor * plane + at], deltas }
        };
        let best = keys.into_iter().map(candidate).filter(|best| !best.logit.is_nan()).collect();
        Ranked { map: self.map, best }
    }
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
        let ranked = level.ranked(2, 4, RankBy::Logit);
        let places: Vec<_> = ranked.best.iter().map(|best| best.place).collect();
        // Cells are 0 and 1, and 2 and 3 below them, with two anchors each.
        assert_eq!(places, [3 * 2 + 1, 1, 2, 2 * 2]);
    }
}
