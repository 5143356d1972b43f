//! One look at every detection: numbers that are no numbers, boxes that no picture has.

use rayon::prelude::*;

use crate::coco::{Detections, ResultDetection};

/// What a look at all detections shows.
#[derive(Clone, Debug)]
pub(super) struct ResultsCheck {
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
    /// Least and greatest score, NaN left out.
    pub(super) scores: (f64, f64),
    /// The rows of a few images.
    pub(super) few: Vec<ResultDetection>,
}

impl Default for ResultsCheck {
    fn default() -> ResultsCheck {
        ResultsCheck {
            count: 0,
            nan_scores: 0,
            odd_scores: 0,
            odd_boxes: 0,
            negative_sides: 0,
            empty: 0,
            normalised: 0,
            sized: 0,
            outside: 0,
            corners: 0,
            scores: (f64::INFINITY, f64::NEG_INFINITY),
            few: Vec::new(),
        }
    }
}

/// Most rows of the few images that are kept of a chunk.
const MOST_FEW: usize = 64;

/// Of the images' places those without these bits are looked at for rows that are there twice: 64 or some less.
fn mask(images: usize) -> u32 {
    (images / 64).max(1).next_power_of_two() as u32 - 1
}

impl ResultsCheck {
    /// Looks at all detections. `sizes` are width and height of the evaluated images, NaN where unknown.
    pub(super) fn at(detections: &Detections, sizes: &[(f64, f64)]) -> ResultsCheck {
        let chunks = detections.rows.chunks().par_iter();
        let mask = mask(sizes.len());
        let of_chunk = |chunk: &Vec<ResultDetection>| {
            let mut check = ResultsCheck::default();
            chunk.iter().for_each(|row| check.add(row, sizes, mask));
            check
        };
        chunks.map(of_chunk).reduce(ResultsCheck::default, |a, b| ResultsCheck {
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
            scores: (a.scores.0.min(b.scores.0), a.scores.1.max(b.scores.1)),
            few: [a.few, b.few].concat(),
        })
    }

    fn add(&mut self, row: &ResultDetection, sizes: &[(f64, f64)], mask: u32) {
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
        self.scores = (self.scores.0.min(row.score), self.scores.1.max(row.score));
        if row.image & mask == 0 && self.few.len() < MOST_FEW {
            self.few.push(*row);
        }
    }
}
