//! Which map each proposal is pooled from, and where on it.

use crate::family::{Conventions, FinestLevel, LevelRule, RoiScale};
use crate::geometry::BBox;

/// Proposals of a batch sorted by the map they are pooled from.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Rois {
    /// For each map: boxes in its pixels, four numbers each.
    pub(super) boxes: Vec<Vec<f32>>,
    /// For each map: the picture of each box.
    pub(super) images: Vec<Vec<i64>>,
    /// For each map: the number of each box among all proposals of the batch.
    pub(super) order: Vec<Vec<usize>>,
}

impl Rois {
    pub(super) fn new(maps: usize) -> Rois {
        Rois { boxes: vec![Vec::new(); maps], images: vec![Vec::new(); maps], order: vec![Vec::new(); maps] }
    }

    /// Adds the next proposal of the batch.
    pub(super) fn push(&mut self, number: usize, image: usize, bbox: &BBox, map: usize, scale: f32) {
        let b = bbox.scale(scale, scale);
        self.boxes[map].extend([b.x1, b.y1, b.x2, b.y2]);
        self.images[map].push(image as i64);
        self.order[map].push(number);
    }
}

/// Map pixels per input pixel. torchvision takes the power of two nearest to the quotient of the heights.
pub(super) fn scales(
    conventions: &Conventions,
    strides: &[usize],
    map_heights: &[usize],
    resized_height: usize,
) -> Vec<f32> {
    match conventions.roi.scale {
        RoiScale::Fixed => strides.iter().map(|&stride| 1.0 / stride as f32).collect(),
        RoiScale::Inferred => map_heights
            .iter()
            .map(|&height| {
                let quotient = (height as f64 / resized_height.max(1) as f64) as f32;
                quotient.log2().round_ties_even().exp2()
            })
            .collect(),
    }
}

/// The map of a box, 0 for the finest.
pub(super) fn map_of(rule: &LevelRule, scales: &[f32], bbox: &BBox) -> usize {
    let (Some(first), Some(last)) = (scales.first(), scales.last()) else { return 0 };
    let (finest, coarsest) = match rule.finest {
        FinestLevel::ByScale => (-first.log2(), -last.log2()),
        FinestLevel::Zero => (0.0, scales.len() as f32 - 1.0),
    };
    let side = bbox.area().sqrt() / rule.size;
    let level = if rule.epsilon_inside {
        rule.level + (side + rule.epsilon).log2()
    } else {
        (rule.level + side.log2()) + rule.epsilon
    };
    // A box without area has the level minus infinity, a NaN that of the finest map.
    let level = level.floor().max(finest).min(coarsest.max(finest));
    ((level - finest) as usize).min(scales.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_detectron2_lie_at_powers_of_two() {
        let rule = LevelRule {
            size: 224.0,
            level: 4.0,
            epsilon: 1e-8,
            epsilon_inside: true,
            finest: FinestLevel::ByScale,
        };
        let scales = [0.25, 0.125, 0.0625, 0.03125];
        let map = |side: f32| map_of(&rule, &scales, &BBox::new(0.0, 0.0, side, side));
        assert_eq!([0.0, 50.0, 111.9, 112.0, 224.0, 447.0, 448.0, 5000.0].map(map), [0, 0, 0, 1, 2, 2, 3, 3]);
    }
}
