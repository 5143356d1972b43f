//! One look at every detection: numbers that are no numbers, boxes that no picture has.

use rayon::prelude::*;

use crate::coco::{Detection, Detections};

/// What a look at all detections shows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Look {
    pub(super) count: u64,
    pub(super) nan_scores: u64,
    /// Scores below 0 or above 1.
    pub(super) odd_scores: u64,
    /// Boxes with NaN, infinity or sides whose area is no number.
    pub(super) odd_boxes: u64,
    pub(super) negative_sides: u64,
    pub(super) empty: u64,
    /// All four numbers between 0 and 1.
    pub(super) normalised: u64,
    /// Boxes in images whose size is known.
    pub(super) sized: u64,
    /// Boxes that reach more than a pixel and a tenth beyond their image.
    pub(super) outside: u64,
    /// Boxes that would be good corners: third and fourth number beyond the first two, inside the image if its size
    /// is known.
    pub(super) corners: u64,
}

impl Look {
    /// Looks at all detections. `sizes` are width and height of the evaluated images, NaN where unknown.
    pub(super) fn at(detections: &Detections, sizes: &[(f64, f64)]) -> Look {
        let chunks = detections.rows.chunks().par_iter();
        let of_chunk = |chunk: &Vec<Detection>| {
            let mut look = Look::default();
            chunk.iter().for_each(|row| look.add(row, sizes));
            look
        };
        chunks.map(of_chunk).reduce(Look::default, |a, b| Look {
            count: a.count + b.count,
            nan_scores: a.nan_scores + b.nan_scores,
            odd_scores: a.odd_scores + b.odd_scores,
            odd_boxes: a.odd_boxes + b.odd_boxes,
            negative_sides: a.negative_sides + b.negative_sides,
            empty: a.empty + b.empty,
            normalised: a.normalised + b.normalised,
            sized: a.sized + b.sized,
            outside: a.outside + b.outside,
            corners: a.corners + b.corners,
        })
    }

    fn add(&mut self, row: &Detection, sizes: &[(f64, f64)]) {
        let [x, y, width, height] = row.bbox;
        let (wide, high) = sizes.get(row.image as usize).copied().unwrap_or((f64::NAN, f64::NAN));
        let sized = (wide > 0.0) & (high > 0.0);
        // Without branches: what the conditions say follows no pattern.
        self.count += 1;
        self.nan_scores += u64::from(row.score.is_nan());
        self.odd_scores += u64::from((row.score < 0.0) | (row.score > 1.0));
        self.odd_boxes += u64::from(!(x + y + width * height).is_finite());
        self.negative_sides += u64::from((width < 0.0) | (height < 0.0));
        self.empty += u64::from((width == 0.0) | (height == 0.0));
        self.normalised +=
            u64::from(row.bbox.iter().fold(true, |all, value| all & (0.0..=1.0).contains(value)));
        self.sized += u64::from(sized);
        let over = (x + width > 1.1 * wide + 1.0)
            | (y + height > 1.1 * high + 1.0)
            | (x < -0.1 * wide - 1.0)
            | (y < -0.1 * high - 1.0);
        self.outside += u64::from(sized & over);
        let inside = !sized | ((width <= wide + 1.0) & (height <= high + 1.0));
        self.corners += u64::from((width > x) & (height > y) & inside);
    }
}
