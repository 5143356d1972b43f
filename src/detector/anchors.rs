//! Anchors: the boxes around a position, and where positions are.

use crate::family::{AnchorCell, AnchorRule, AnchorStride};
use crate::geometry::BBox;

/// The boxes around one position of a level, whose stride in the network is given, in the order of the RPN's channels: around
/// the origin, or around the middle of the position's pixels where they are made of a window.
pub(super) fn cell(anchors: &AnchorRule, level: usize, stride: usize) -> Vec<BBox> {
    let (sizes, ratios) = (&anchors.sizes[level], &anchors.ratios[level]);
    match anchors.cell {
        AnchorCell::RatioMajorRounded => ratio_major(sizes, ratios, rounded),
        AnchorCell::RatioMajor => ratio_major(sizes, ratios, plain),
        AnchorCell::Window => ratio_major(sizes, ratios, |size, ratio| window(size, ratio, stride)),
        AnchorCell::SizeMajor => {
            sizes.iter().flat_map(|&size| ratios.iter().map(move |&ratio| exact(size, ratio))).collect()
        }
    }
}

fn ratio_major(sizes: &[f32], ratios: &[f32], make: impl Fn(f32, f32) -> BBox) -> Vec<BBox> {
    let make = &make;
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

/// Detectron's `generate_anchors`, in float64 until the end: a window of `stride` pixels a side is given the ratio with
/// whole sides, and then the size.
fn window(size: f32, ratio: f32, stride: usize) -> BBox {
    let (size, ratio, base) = (f64::from(size), f64::from(ratio), stride as f64);
    let w = (base * base / ratio).sqrt().round_ties_even();
    let h = (w * ratio).round_ties_even();
    let (w, h) = (w * (size / base), h * (size / base));
    let middle = 0.5 * (base - 1.0);
    // The last pixel's number is half a side less one from the middle; the edge is one behind it.
    let (near, far) =
        (|side: f64| (middle - 0.5 * (side - 1.0)) as f32, |side: f64| (middle + 0.5 * (side + 1.0)) as f32);
    BBox::new(near(w), near(h), far(w), far(h))
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

    /// Those that py-faster-rcnn and Detectron list for a stride of 16, from MATLAB, where pixels are counted from 1.
    #[test]
    fn windows_of_detectron() {
        let anchors = AnchorRule {
            sizes: vec![vec![128.0, 256.0, 512.0]],
            ratios: vec![vec![0.5, 1.0, 2.0]],
            cell: AnchorCell::Window,
            stride: AnchorStride::Fixed,
        };
        let expected = [
            [-83.0, -39.0, 100.0, 56.0],
            [-175.0, -87.0, 192.0, 104.0],
            [-359.0, -183.0, 376.0, 200.0],
            [-55.0, -55.0, 72.0, 72.0],
            [-119.0, -119.0, 136.0, 136.0],
            [-247.0, -247.0, 264.0, 264.0],
            [-35.0, -79.0, 52.0, 96.0],
            [-79.0, -167.0, 96.0, 184.0],
            [-167.0, -343.0, 184.0, 360.0],
        ];
        let found: Vec<[f32; 4]> =
            cell(&anchors, 0, 16).iter().map(|b| [b.x1 + 1.0, b.y1 + 1.0, b.x2, b.y2]).collect();
        assert_eq!(found, expected);
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
