//! Anchors: the boxes around a position, and where positions are.

use crate::family::{AnchorCell, AnchorRule, AnchorStride};
use crate::geometry::BBox;

/// The boxes around one position of a level, centred on the origin, in the order of the RPN's channels.
pub(super) fn cell(anchors: &AnchorRule, level: usize) -> Vec<BBox> {
    let (sizes, ratios) = (&anchors.sizes[level], &anchors.ratios[level]);
    match anchors.cell {
        AnchorCell::RatioMajorRounded => ratio_major(sizes, ratios, rounded),
        AnchorCell::RatioMajor => ratio_major(sizes, ratios, plain),
        AnchorCell::SizeMajor => {
            sizes.iter().flat_map(|&size| ratios.iter().map(move |&ratio| exact(size, ratio))).collect()
        }
    }
}

fn ratio_major(sizes: &[f32], ratios: &[f32], make: fn(f32, f32) -> BBox) -> Vec<BBox> {
    ratios.iter().flat_map(|&ratio| sizes.iter().map(move |&size| make(size, ratio))).collect()
}

/// torchvision's `generate_anchors`: corners rounded, half to even.
fn rounded(size: f32, ratio: f32) -> BBox {
    let tall = ratio.sqrt();
    let (w, h) = (1.0 / tall * size, tall * size);
    let half = |side: f32| (side / 2.0).round_ties_even();
    BBox::new(half(-w), half(-h), half(w), half(h))
}

/// mmdetection's `gen_single_level_base_anchors`. Its base size times scale is our size: both are powers of two
/// in the usual models, so that the order of the factors does not show.
fn plain(size: f32, ratio: f32) -> BBox {
    let tall = ratio.sqrt();
    let (w, h) = (size * (1.0 / tall), size * tall);
    BBox::new(-0.5 * w, -0.5 * h, 0.5 * w, 0.5 * h)
}

/// detectron2's `generate_cell_anchors`, in float64 until the end.
fn exact(size: f32, ratio: f32) -> BBox {
    let (size, ratio) = (f64::from(size), f64::from(ratio));
    let w = (size * size / ratio).sqrt();
    let h = ratio * w;
    BBox::new((-w / 2.0) as f32, (-h / 2.0) as f32, (w / 2.0) as f32, (h / 2.0) as f32)
}

/// Distance of positions (vertical, horizontal) for a map of a padded input; sides are (height, width).
pub(super) fn stride(
    anchors: &AnchorRule,
    fixed: usize,
    padded: (usize, usize),
    map: (usize, usize),
) -> (usize, usize) {
    match anchors.stride {
        AnchorStride::FromInput => (padded.0 / map.0.max(1), padded.1 / map.1.max(1)),
        AnchorStride::Fixed => (fixed, fixed),
    }
}

/// The anchor at a position.
pub(super) fn at(cell: &BBox, row: usize, column: usize, stride: (usize, usize)) -> BBox {
    let (y, x) = ((row * stride.0) as f32, (column * stride.1) as f32);
    BBox::new(x + cell.x1, y + cell.y1, x + cell.x2, y + cell.y2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_are_rounded_half_to_even() {
        assert_eq!(rounded(32.0, 0.5), BBox::new(-23.0, -11.0, 23.0, 11.0));
        assert_eq!(rounded(13.0, 1.0), BBox::new(-6.0, -6.0, 6.0, 6.0));
        assert_eq!(rounded(15.0, 1.0), BBox::new(-8.0, -8.0, 8.0, 8.0));
    }

    #[test]
    fn strides_are_whole_quotients() {
        let anchors = AnchorRule {
            sizes: vec![],
            ratios: vec![],
            cell: AnchorCell::RatioMajorRounded,
            stride: AnchorStride::FromInput,
        };
        assert_eq!(stride(&anchors, 64, (800, 1088), (13, 17)), (61, 64));
    }
}
