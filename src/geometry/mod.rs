//! Boxes, overlap and non-maximum suppression on plain numbers.
//!
//! Knows nothing of pictures, networks or files. All arithmetic is float32, in torchvision's order.

mod fuse;
mod soften;

use pulp::{Arch, Simd, WithSimd};

pub use fuse::{ScoredBox, fuse, vote};
pub use soften::soften;

/// A box by its corners, in pixels of whatever picture its owner names; `x1 <= x2` and `y1 <= y2`
/// unless a decoder left it inside out.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct BBox {
    /// Left edge.
    pub x1: f32,
    /// Upper edge.
    pub y1: f32,
    /// Right edge.
    pub x2: f32,
    /// Lower edge.
    pub y2: f32,
}

impl BBox {
    /// A box from its corners.
    pub fn new(x1: f32, y1: f32, x2: f32, y2: f32) -> BBox {
        BBox { x1, y1, x2, y2 }
    }

    /// `x2 - x1`.
    pub fn width(&self) -> f32 {
        self.x2 - self.x1
    }

    /// `y2 - y1`.
    pub fn height(&self) -> f32 {
        self.y2 - self.y1
    }

    /// Width times height; no pixel is added.
    pub fn area(&self) -> f32 {
        self.width() * self.height()
    }

    /// The part inside a picture of this size; the far edges are the size itself, not one less.
    pub fn clip(&self, width: f32, height: f32) -> BBox {
        BBox {
            x1: self.x1.clamp(0.0, width),
            y1: self.y1.clamp(0.0, height),
            x2: self.x2.clamp(0.0, width),
            y2: self.y2.clamp(0.0, height),
        }
    }

    /// Each axis times its factor.
    pub fn scale(&self, x: f32, y: f32) -> BBox {
        BBox { x1: self.x1 * x, y1: self.y1 * y, x2: self.x2 * x, y2: self.y2 * y }
    }

    /// Whether no corner is NaN or infinite.
    pub fn is_finite(&self) -> bool {
        [self.x1, self.y1, self.x2, self.y2].iter().all(|value| value.is_finite())
    }

    /// Area that both boxes cover.
    pub fn intersection(&self, other: &BBox) -> f32 {
        let wide = (self.x2.min(other.x2) - self.x1.max(other.x1)).max(0.0);
        let tall = (self.y2.min(other.y2) - self.y1.max(other.y1)).max(0.0);
        wide * tall
    }

    /// Intersection over union; NaN where both areas are 0.
    pub fn iou(&self, other: &BBox) -> f32 {
        let both = self.intersection(other);
        both / (self.area() + other.area() - both)
    }
}

/// Non-maximum suppression within groups (classes, levels): indices of the boxes that stay, by falling score.
///
/// Boxes of equal score keep the order of the list. A box goes if its overlap with a kept box of its group is
/// **above** the threshold, compared as torchvision's CPU kernel does: overlap in float32, threshold in float64.
/// Groups are small numbers counted from 0. The three slices have one length.
pub fn suppress(boxes: &[BBox], scores: &[f32], groups: &[usize], threshold: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..boxes.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let threshold = largest_f32_up_to(threshold);
    let count = groups.iter().max().map_or(0, |&last| last + 1);
    let mut places: Vec<Vec<usize>> = vec![Vec::new(); count];
    for (place, &index) in order.iter().enumerate() {
        places[groups[index]].push(place);
    }
    let mut stays = vec![false; order.len()];
    let arch = Arch::new();
    for places in places {
        let group = Group::new(places.iter().map(|&place| boxes[order[place]]));
        for kept in arch.dispatch(Suppression { group, threshold }) {
            stays[places[kept]] = true;
        }
    }
    order.iter().zip(stays).filter(|(_, stays)| *stays).map(|(&index, _)| index).collect()
}

/// `f64::from(x) > threshold` is the same as `x > largest_f32_up_to(threshold)` for every float32 x.
fn largest_f32_up_to(threshold: f64) -> f32 {
    let near = threshold as f32;
    if f64::from(near) > threshold { near.next_down() } else { near }
}

/// Boxes of one group, best first, column by column so that the inner loop runs on vectors.
struct Group {
    x1: Vec<f32>,
    y1: Vec<f32>,
    x2: Vec<f32>,
    y2: Vec<f32>,
    area: Vec<f32>,
    gone: Vec<bool>,
}

impl Group {
    fn new(boxes: impl ExactSizeIterator<Item = BBox> + Clone) -> Group {
        Group {
            x1: boxes.clone().map(|b| b.x1).collect(),
            y1: boxes.clone().map(|b| b.y1).collect(),
            x2: boxes.clone().map(|b| b.x2).collect(),
            y2: boxes.clone().map(|b| b.y2).collect(),
            area: boxes.clone().map(|b| b.area()).collect(),
            gone: vec![false; boxes.len()],
        }
    }

    /// Marks everything behind box `i` that overlaps it too much.
    #[inline(always)]
    fn strike(&mut self, i: usize, threshold: f32) {
        let (x1, y1, x2, y2, area) = (self.x1[i], self.y1[i], self.x2[i], self.y2[i], self.area[i]);
        let rest = i + 1..self.gone.len();
        let lows = self.x1[rest.clone()].iter().zip(&self.y1[rest.clone()]);
        let highs = self.x2[rest.clone()].iter().zip(&self.y2[rest.clone()]);
        let others = lows.zip(highs).zip(&self.area[rest.clone()]);
        for (gone, (((&ox1, &oy1), (&ox2, &oy2)), &other)) in self.gone[rest].iter_mut().zip(others) {
            let wide = (x2.min(ox2) - x1.max(ox1)).max(0.0);
            let tall = (y2.min(oy2) - y1.max(oy1)).max(0.0);
            let both = wide * tall;
            *gone |= both / (area + other - both) > threshold;
        }
    }
}

/// The suppression of one group, on the processor's widest vectors.
struct Suppression {
    group: Group,
    threshold: f32,
}

impl WithSimd for Suppression {
    /// The boxes that stay.
    type Output = Vec<usize>;

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) -> Vec<usize> {
        let mut kept = Vec::new();
        for i in 0..self.group.gone.len() {
            if !self.group.gone[i] {
                kept.push(i);
                self.group.strike(i, self.threshold);
            }
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(x1: f32, x2: f32) -> BBox {
        BBox::new(x1, 0.0, x2, 10.0)
    }

    #[test]
    fn thresholds_are_doubles() {
        // Two boxes of 10 x 10 that share 6 columns of 10: 60 / 140. And of 8 x 10 within 10 x 10: 80 / 100.
        // An overlap of 60/100 goes at 0.6, as f32(0.6) is above 0.6; one of 70/100 stays at 0.7.
        let keep =
            |x2: f32, threshold| suppress(&[row(0.0, 10.0), row(0.0, x2)], &[0.9, 0.8], &[0, 0], threshold);
        assert_eq!(keep(6.0, 0.6), [0]);
        assert_eq!(keep(7.0, 0.7), [0, 1]);
        assert_eq!(keep(5.0, 0.5), [0, 1]);
    }

    #[test]
    fn groups_do_not_see_each_other_and_ties_keep_their_order() {
        let same = [row(0.0, 10.0); 4];
        assert_eq!(suppress(&same, &[0.5, 0.5, 0.5, 0.7], &[0, 1, 0, 2], 0.5), [3, 0, 1]);
    }

    #[test]
    fn boxes_without_area_stay() {
        let empty = BBox::new(3.0, 3.0, 3.0, 3.0);
        assert_eq!(suppress(&[empty, empty], &[0.9, 0.8], &[0, 0], 0.1), [0, 1]);
    }

    proptest! {
        /// The definition, one box at a time.
        #[test]
        fn suppression_by_columns_is_suppression(
            rows in prop::collection::vec((0.0f32..50.0, 0.0f32..50.0, 0.0f32..30.0, 0.0f32..30.0, 0u8..20, 0usize..3), 0..60),
            threshold in 0.0f64..1.0,
        ) {
            let boxes: Vec<BBox> = rows.iter().map(|r| BBox::new(r.0, r.1, r.0 + r.2, r.1 + r.3)).collect();
            let scores: Vec<f32> = rows.iter().map(|r| f32::from(r.4) / 20.0).collect();
            let groups: Vec<usize> = rows.iter().map(|r| r.5).collect();
            let mut order: Vec<usize> = (0..rows.len()).collect();
            order.sort_by(|&a, &b| scores[b].partial_cmp(&scores[a]).unwrap());
            let mut kept: Vec<usize> = Vec::new();
            for i in order {
                let beaten = |&k: &usize| groups[k] == groups[i] && f64::from(boxes[k].iou(&boxes[i])) > threshold;
                if !kept.iter().any(beaten) {
                    kept.push(i);
                }
            }
            prop_assert_eq!(suppress(&boxes, &scores, &groups, threshold), kept);
        }
    }
}
