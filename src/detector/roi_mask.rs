//! Masks of detections: from probabilities on a small grid over a box to bits in the photo, as each framework pastes them.
//!
//! Nothing of a photo's size is ever made: a mask is pasted column by column into run lengths, and of each column only the
//! rows are computed where the bit can change.

use std::ops::Range;
use std::sync::Arc;

use coco_eval::Rle;

use crate::family::{MaskRule, MaskThreshold, PasteRule};
use crate::geometry::BBox;

/// Where both neighbours are farther than this from the threshold, what lies between them is on their side of it,
/// however it is rounded.
const CLEAR: f32 = 1e-4;

/// The mask of one detection as a mask head gives it, with the box that it lies in.
#[derive(Clone, Debug, PartialEq)]
pub struct RoiMask {
    /// Where the grid lies, in the photo's own pixels.
    pub bbox: BBox,
    /// How it is pasted.
    pub rule: MaskRule,
    /// With a ring of zeros around them.
    grid: Arc<Grid>,
}

impl RoiMask {
    /// A mask of `side` x `side` probabilities, 0 to 1, row by row from the top; what is missing is 0.
    pub fn new(rule: MaskRule, bbox: BBox, side: usize, probabilities: &[f32]) -> RoiMask {
        RoiMask { bbox, rule, grid: Arc::new(Grid::new(side, probabilities.iter().copied())) }
    }

    /// A mask of `side` x `side` logits, of which the sigmoid is taken in float32.
    pub fn from_logits(rule: MaskRule, bbox: BBox, side: usize, logits: &[f32]) -> RoiMask {
        let sigmoid = |&logit: &f32| 1.0 / (1.0 + (-logit).exp());
        RoiMask { bbox, rule, grid: Arc::new(Grid::new(side, logits.iter().map(sigmoid))) }
    }

    /// The mean of masks, each with its weight, over another box, pasted as this one: at the middle of each of the box's cells,
    /// between the nearest of theirs; 0 outside of theirs.
    pub(super) fn mean_of(&self, bbox: BBox, masks: &[(f32, &RoiMask)]) -> RoiMask {
        let side = self.grid.side;
        let whole: f32 = masks.iter().map(|(weight, _)| weight).sum();
        let middle =
            |low: f32, high: f32, cell: usize| low + (high - low) * (cell as f32 + 0.5) / side as f32;
        let mean = (0..side * side).map(|place| {
            let x = middle(bbox.x1, bbox.x2, place % side);
            let y = middle(bbox.y1, bbox.y2, place / side);
            masks.iter().map(|(weight, mask)| weight * mask.probability(x, y)).sum::<f32>() / whole
        });
        RoiMask { bbox, rule: self.rule, grid: Arc::new(Grid::new(side, mean)) }
    }

    /// The probability at a place in the photo.
    fn probability(&self, x: f32, y: f32) -> f32 {
        let side = self.grid.side;
        let (column, row) =
            (Cell::at(x, self.bbox.x1, self.bbox.x2, side), Cell::at(y, self.bbox.y1, self.bbox.y2, side));
        let values = |row: usize| {
            let (left, right) = column.neighbours(side);
            let start = row * (side + 2);
            column.between(self.grid.values[start + left], self.grid.values[start + right])
        };
        let (above, below) = row.neighbours(side);
        row.between(values(above), values(below))
    }

    /// The same `x` pixels further to the right and `y` further down.
    #[must_use]
    pub(super) fn moved(self, x: f32, y: f32) -> RoiMask {
        let b = self.bbox;
        RoiMask { bbox: BBox::new(b.x1 + x, b.y1 + y, b.x2 + x, b.y2 + y), ..self }
    }

    /// The same in the mirror image of a photo of a width.
    #[must_use]
    pub(super) fn mirrored(self, width: f32) -> RoiMask {
        let b = self.bbox;
        let bbox = BBox::new(width - b.x2, b.y1, width - b.x1, b.y2);
        RoiMask { bbox, rule: self.rule, grid: Arc::new(self.grid.mirrored()) }
    }

    /// The mask in a photo of a width and height, in COCO's run lengths.
    pub fn paste(&self, (width, height): (u32, u32)) -> Rle {
        let axis = |low, high, pixels| match self.rule.paste {
            PasteRule::Resize => Axis::resized(low, high, pixels, self.grid.side),
            PasteRule::Sample => Axis::sampled(low, high, pixels, self.grid.side, false),
            PasteRule::SampleMiddle => Axis::sampled(low, high, pixels, self.grid.side, true),
        };
        let columns = axis(self.bbox.x1, self.bbox.x2, width);
        let rows = axis(self.bbox.y1, self.bbox.y2, height);
        let mut set = Vec::new();
        let mut values = vec![0.0; self.grid.side + 2];
        for (place, column) in columns.cells.iter().enumerate() {
            self.grid.column(*column, &mut values);
            // A photo has fewer than 2^32 pixels.
            let top = (columns.start + place as u32).wrapping_mul(height).wrapping_add(rows.start);
            rows.set(&values, self.rule.threshold, |run| set.push(top + run.start..top + run.end));
        }
        Rle::from_intervals(set, height, width)
    }
}

/// Probabilities with a ring of zeros around them, row by row.
#[derive(Debug, PartialEq)]
struct Grid {
    /// Without the ring.
    side: usize,
    values: Vec<f32>,
}

impl Grid {
    fn new(side: usize, probabilities: impl Iterator<Item = f32>) -> Grid {
        let mut values = vec![0.0; (side + 2) * (side + 2)];
        for (place, probability) in probabilities.take(side * side).enumerate() {
            values[(place / side + 1) * (side + 2) + place % side + 1] = probability;
        }
        Grid { side, values }
    }

    fn mirrored(&self) -> Grid {
        let rows = self.values.chunks_exact(self.side + 2);
        Grid { side: self.side, values: rows.flat_map(|row| row.iter().rev().copied()).collect() }
    }

    /// What each row has at the place of a column.
    fn column(&self, column: Cell, values: &mut [f32]) {
        let (left, right) = column.neighbours(self.side);
        for (value, row) in values.iter_mut().zip(self.values.chunks_exact(self.side + 2)) {
            *value = column.between(row[left], row[right]);
        }
    }
}

/// Where the middle of a pixel lies on one axis of the grid with its ring.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Cell {
    /// The place at or before it.
    low: usize,
    /// How far behind that place it is, 0 to 1.
    share: f32,
}

impl Cell {
    /// On the ring, where all is 0.
    const OUTSIDE: Cell = Cell { low: 0, share: 0.0 };

    /// Of a place between two edges of a grid's box.
    fn at(place: f32, low: f32, high: f32, side: usize) -> Cell {
        let at = (place - low) / (high - low) * side as f32 - 0.5;
        if !(at >= -1.0 && at < side as f32) {
            return Cell::OUTSIDE;
        }
        let before = at.floor();
        Cell { low: (before + 1.0) as usize, share: at - before }
    }

    fn neighbours(self, side: usize) -> (usize, usize) {
        (self.low, (self.low + 1).min(side + 1))
    }

    fn between(self, low: f32, high: f32) -> f32 {
        low * (1.0 - self.share) + high * self.share
    }
}

/// The pixels of one axis of the photo in which the mask may have something.
struct Axis {
    /// The first of them.
    start: u32,
    cells: Vec<Cell>,
    /// Those with the same neighbours, by their places in `cells`.
    groups: Vec<Range<usize>>,
    side: usize,
}

impl Axis {
    fn new(pixels: Range<u32>, side: usize, cell: impl Fn(u32) -> Cell) -> Axis {
        let cells: Vec<Cell> = pixels.clone().map(cell).collect();
        let mut start = 0;
        let alike = cells.chunk_by(|a, b| a.low == b.low).map(|group| {
            let range = start..start + group.len();
            start = range.end;
            range
        });
        Axis { start: pixels.start, groups: alike.collect(), cells, side }
    }

    /// torchvision's `paste_mask_in_image`: the box grows with the ring and is cut off to whole pixels, and the grid is
    /// resized to it, bilinear with half-pixel centres.
    fn resized(low: f32, high: f32, pixels: u32, side: usize) -> Axis {
        let ringed = (side + 2) as f32;
        // In Python it is a float64 that PyTorch makes a float32.
        let grown = ((side + 2) as f64 / side.max(1) as f64) as f32;
        let (half, centre) = ((high - low) * 0.5 * grown, (high + low) * 0.5);
        // A cast cuts off towards zero.
        let (first, last) = ((centre - half) as i64, (centre + half) as i64);
        let count = last.saturating_sub(first).saturating_add(1).max(1);
        let step = ringed / count as f32;
        Axis::new(inside(first, first.saturating_add(count), pixels), side, |pixel| {
            let at = ((i64::from(pixel).saturating_sub(first) as f32 + 0.5) * step - 0.5).max(0.0);
            let low = (at as usize).min(side + 1);
            Cell { low, share: at - low as f32 }
        })
    }

    /// detectron2's and mmdetection's `_do_paste_mask`: the grid is looked up at the middle of each pixel, as by
    /// `grid_sample` with zeros outside. A box without extent divides by 0, which in mmdetection is the middle.
    fn sampled(low: f32, high: f32, pixels: u32, side: usize, middle: bool) -> Axis {
        let (first, last) = ((low.floor() as i64).saturating_sub(1), (high.ceil() as i64).saturating_add(1));
        let sides = side as f32;
        Axis::new(inside(first, last, pixels), side, |pixel| {
            let at = (pixel as f32 + 0.5 - low) / (high - low) * 2.0 - 1.0;
            let at = if at.is_infinite() && middle { 0.0 } else { at };
            let at = ((at + 1.0) * sides - 1.0) / 2.0;
            // Between the ring before the grid and the ring behind it.
            if !(at >= -1.0 && at < sides) {
                return Cell::OUTSIDE;
            }
            let before = at.floor();
            Cell { low: (before + 1.0) as usize, share: at - before }
        })
    }

    /// Hands out the set pixels of a column that has these values at the grid's rows, by their places in `cells`.
    fn set(&self, values: &[f32], threshold: MaskThreshold, mut hand: impl FnMut(Range<u32>)) {
        for group in &self.groups {
            let (above, below) = self.cells[group.start].neighbours(self.side);
            let (above, below) = (values[above], values[below]);
            let bound = threshold.value();
            if above < bound - CLEAR && below < bound - CLEAR {
                continue;
            }
            if above > bound + CLEAR && below > bound + CLEAR {
                hand(group.start as u32..group.end as u32);
                continue;
            }
            for (row, cell) in group.clone().zip(&self.cells[group.clone()]) {
                if threshold.sets(cell.between(above, below)) {
                    hand(row as u32..row as u32 + 1);
                }
            }
        }
    }
}

/// Those of the pixels from a first to behind a last that are in the photo.
fn inside(first: i64, end: i64, pixels: u32) -> Range<u32> {
    let bound = |at: i64| at.clamp(0, i64::from(pixels)) as u32;
    bound(first)..bound(end)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value as Json;

    use super::*;

    fn rule(paste: PasteRule) -> MaskRule {
        let threshold = match paste {
            PasteRule::Resize => MaskThreshold::Above(0.5),
            PasteRule::Sample | PasteRule::SampleMiddle => MaskThreshold::AtLeast(0.5),
        };
        MaskRule { paste, threshold }
    }

    fn numbers<T: serde::de::DeserializeOwned>(value: &Json) -> T {
        serde_json::from_value(value.clone()).unwrap()
    }

    /// The cases of a framework, as masks to paste with the size and text of what comes of them.
    fn cases(name: &str, paste: PasteRule) -> Vec<(String, RoiMask, (u32, u32), String)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/mask-units");
        let text = std::fs::read_to_string(folder.join(format!("paste-{name}.json"))).unwrap();
        let listing: Json = serde_json::from_str(&text).unwrap();
        let of_case = |case: &Json| {
            let grid: Vec<Vec<f32>> = numbers(&case["probabilities"]);
            let corners: [f32; 4] = numbers(&case["box"]);
            let bbox = BBox::new(corners[0], corners[1], corners[2], corners[3]);
            let size: (u32, u32) = numbers(&case["mask"]["size"]);
            let mask = RoiMask::new(rule(paste), bbox, grid.len(), &grid.concat());
            (numbers(&case["what"]), mask, (size.1, size.0), numbers(&case["mask"]["counts"]))
        };
        listing["cases"].as_array().unwrap().iter().map(of_case).collect()
    }

    /// No value of these cases is within 1e-4 of the threshold, so that not one pixel may differ.
    #[test]
    fn pixels_are_those_of_each_framework() {
        for (name, paste, count) in [
            ("torchvision", PasteRule::Resize, 37),
            ("detectron2", PasteRule::Sample, 35),
            ("mmdet", PasteRule::SampleMiddle, 37),
        ] {
            let cases = cases(name, paste);
            assert_eq!(cases.len(), count);
            for (what, mask, size, expected) in cases {
                assert_eq!(mask.paste(size).text(), expected, "{name}: {what}: {:?}", mask.bbox);
            }
        }
    }

    /// The sum of a column's pixels does not say whether some were skipped: here every pixel is computed.
    #[test]
    fn what_is_not_computed_is_what_would_come_of_it() {
        for (name, paste) in [("torchvision", PasteRule::Resize), ("detectron2", PasteRule::Sample)] {
            for (what, mask, (width, height), expected) in cases(name, paste) {
                let axis = |low, high, pixels| match paste {
                    PasteRule::Resize => Axis::resized(low, high, pixels, mask.grid.side),
                    _ => Axis::sampled(low, high, pixels, mask.grid.side, false),
                };
                let columns = axis(mask.bbox.x1, mask.bbox.x2, width);
                let rows = axis(mask.bbox.y1, mask.bbox.y2, height);
                let mut pixels = vec![0; (width * height) as usize];
                let mut values = vec![0.0; mask.grid.side + 2];
                for (x, column) in columns.cells.iter().enumerate() {
                    mask.grid.column(*column, &mut values);
                    for (y, row) in rows.cells.iter().enumerate() {
                        let (above, below) = row.neighbours(mask.grid.side);
                        let bit = mask.rule.threshold.sets(row.between(values[above], values[below]));
                        let place = (columns.start + x as u32) * height + rows.start + y as u32;
                        pixels[place as usize] = u8::from(bit);
                    }
                }
                assert_eq!(Rle::from_pixels(&pixels, height, width).text(), expected, "{name}: {what}");
            }
        }
    }

    /// Columns of the mirror image in reverse order; sampling at pixel centres knows no left and right but in rounding.
    #[test]
    fn a_mirrored_mask_is_the_mirror_image() {
        for (what, mask, (width, height), expected) in cases("detectron2", PasteRule::Sample) {
            let straight = Rle::from_text(height, width, expected.as_bytes()).unwrap().pixels().unwrap();
            let columns = straight.chunks_exact(height as usize).rev();
            let turned: Vec<u8> = columns.flatten().copied().collect();
            let found = mask.mirrored(width as f32).paste((width, height)).pixels().unwrap();
            assert_eq!(found, turned, "{what}");
        }
    }

    /// A cell of the mean lies over the second column of one mask, beside both cells of another, and the next outside of the first.
    #[test]
    fn the_mean_of_masks_over_other_boxes_by_hand() {
        let rule = rule(PasteRule::Sample);
        let first = RoiMask::new(rule, BBox::new(0.0, 0.0, 4.0, 4.0), 2, &[0.0, 1.0, 0.0, 1.0]);
        let second = RoiMask::new(rule, BBox::new(1.0, 0.0, 5.0, 4.0), 2, &[0.25, 0.75, 0.25, 0.75]);
        let bbox = BBox::new(2.0, 0.0, 6.0, 4.0);
        // At x of 3 and 5: of the first 1 and 0 (the ring), of the second 0.5 and half of 0.75.
        let mean = RoiMask::new(rule, bbox, 2, &[0.75, 0.1875, 0.75, 0.1875]);
        assert_eq!(first.mean_of(bbox, &[(1.0, &first), (1.0, &second)]), mean);
    }

    #[test]
    fn boxes_of_any_numbers_end() {
        let ones = [1.0; 4];
        for corners in [
            [0.0, 0.0, 0.0, 0.0],
            [-1e30, -1e30, 1e30, 1e30],
            [f32::NAN, 0.0, 5.0, 5.0],
            [f32::NEG_INFINITY, 0.0, f32::INFINITY, 5.0],
            [50.0, 50.0, 60.0, 60.0],
            [5.0, 5.0, 1.0, 1.0],
        ] {
            let bbox = BBox::new(corners[0], corners[1], corners[2], corners[3]);
            for paste in [PasteRule::Resize, PasteRule::Sample, PasteRule::SampleMiddle] {
                let mask = RoiMask::new(rule(paste), bbox, 2, &ones).paste((8, 6));
                let sum: u32 = mask.runs().iter().sum();
                assert_eq!((mask.height(), mask.width(), sum), (6, 8, 48), "{corners:?} {paste:?}");
            }
        }
    }

    #[test]
    fn the_sigmoid_is_taken_of_logits() {
        let bbox = BBox::new(0.0, 0.0, 2.0, 2.0);
        let mask = RoiMask::from_logits(rule(PasteRule::Sample), bbox, 2, &[0.0, -1.0, 3.0, -0.1]);
        // The sigmoid of 0 is 0.5 exactly, which is enough here.
        assert_eq!(mask.paste((2, 2)).pixels().unwrap(), [1, 1, 0, 0]);
    }
}
