//! A mask by itself.

use std::ops::Range;

use ndarray::{Array2, ShapeBuilder};

use super::error::MaskError;
use super::facts::{MaskFacts, in_common};
use super::{outline, polygon, text, walk};
use crate::overlap;

/// The most pixels that a mask is decoded into.
pub const MOST_PIXELS: u64 = 1 << 30;

/// A mask: lengths of runs of unset and set pixels in turn, column by column, unset ones first.
///
/// Run lengths are kept as they are given, even if they are not of as many pixels as the size says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rle {
    height: u32,
    width: u32,
    runs: Vec<u32>,
}

impl Rle {
    /// A mask of these run lengths.
    pub fn new(height: u32, width: u32, runs: Vec<u32>) -> Rle {
        Rle { height, width, runs }
    }

    /// Reads COCO's text of run lengths, the `counts` of a compressed mask (`rleFrString`).
    ///
    /// # Errors
    /// When the text ends inside a number.
    pub fn from_text(height: u32, width: u32, text: &[u8]) -> Result<Rle, MaskError> {
        let mut reader = text::CountsReader::new(text);
        let mut runs = Vec::new();
        while let Some(run) = reader.next() {
            runs.push(run?);
        }
        Ok(Rle { height, width, runs })
    }

    /// The inside of a polygon: x and y of its corners in turn, in pixels (`rleFrPoly`). Two corners and fewer have none.
    ///
    /// # Errors
    /// When a corner is no number or farther than 10^8 from 0, or the mask has no size or 2^32 pixels and more.
    pub fn from_polygon(corners: &[f64], height: u32, width: u32) -> Result<Rle, MaskError> {
        Ok(Rle { height, width, runs: polygon::runs(corners, height, width)? })
    }

    /// The inside of a box of left, top, width and height in pixels (`rleFrBbox`).
    ///
    /// # Errors
    /// As [`Rle::from_polygon`].
    pub fn from_box([left, top, wide, tall]: [f64; 4], height: u32, width: u32) -> Result<Rle, MaskError> {
        let (right, bottom) = (left + wide, top + tall);
        Rle::from_polygon(&[left, top, left, bottom, right, bottom, right, top], height, width)
    }

    /// The mask of pixels column by column, of which those are set that are not 0 (`rleEncode` for 0 and 1). `pixels` must be
    /// of height times width, or what is missing is missing in the mask.
    pub fn from_pixels(pixels: &[u8], height: u32, width: u32) -> Rle {
        let mut runs = Vec::new();
        let (mut value, mut start) = (false, 0);
        for (place, &pixel) in pixels.iter().enumerate() {
            if (pixel != 0) != value {
                runs.push((place - start) as u32);
                (value, start) = (!value, place);
            }
        }
        runs.push((pixels.len() - start) as u32);
        Rle { height, width, runs }
    }

    /// The mask of set pixels in a row, column by column, each from the first to behind the last: in rising order, without
    /// overlap, and inside the size. What is not, is left out.
    pub fn from_intervals(set: impl IntoIterator<Item = Range<u32>>, height: u32, width: u32) -> Rle {
        let pixels = (u64::from(height) * u64::from(width)).min(u64::from(u32::MAX)) as u32;
        let (mut runs, mut at) = (Vec::new(), 0);
        for Range { start, end } in set {
            let (start, end) = (start.max(at), end.min(pixels));
            if start >= end {
                continue;
            }
            match runs.last_mut() {
                // The last run is of set pixels.
                Some(last) if start == at => *last += end - start,
                _ => runs.extend([start - at, end - start]),
            }
            at = end;
        }
        if at < pixels || runs.is_empty() {
            runs.push(pixels - at);
        }
        Rle { height, width, runs }
    }

    /// The set pixels in a row, column by column, each from the first to behind the last; what 32 bits do not hold is left
    /// out.
    pub fn intervals(&self) -> impl Iterator<Item = Range<u32>> {
        let (mut at, mut set) = (0u32, true);
        self.runs
            .iter()
            .map_while(move |&run| {
                let start = at;
                at = at.checked_add(run)?;
                set = !set;
                Some((start..at, set))
            })
            .filter(|(run, set)| *set && !run.is_empty())
            .map(|(run, _)| run)
    }

    /// The edges of the mask as closed lines along the edges of its pixels: each corner's column and row, counted from the
    /// upper left corner. Lines around set pixels run clockwise, those around holes the other way; pixels that touch at a corner
    /// only are apart. What is inside an odd number of lines is the mask.
    pub fn outlines(&self) -> Vec<Vec<[u32; 2]>> {
        let pixels = u64::from(self.height) * u64::from(self.width);
        let inside = self.intervals().take_while(|run| u64::from(run.end) <= pixels);
        outline::outlines(inside, self.height)
    }

    /// Height in pixels.
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Width in pixels.
    pub fn width(&self) -> u32 {
        self.width
    }

    /// The run lengths.
    pub fn runs(&self) -> &[u32] {
        &self.runs
    }

    /// COCO's text of the run lengths (`rleToString`).
    pub fn text(&self) -> String {
        let mut text = Vec::with_capacity(2 * self.runs.len());
        text::write(&self.runs, &mut text);
        String::from_utf8_lossy(&text).into_owned()
    }

    /// Set pixels, as 32 bits count them (`rleArea`).
    pub fn area(&self) -> u32 {
        self.runs.iter().skip(1).step_by(2).fold(0, |area, &run| area.wrapping_add(run))
    }

    /// The box around the set pixels: left, top, width and height (`rleToBbox`). Four zeros of fewer than two runs; where there
    /// are runs and no pixel is set, what is left when pycocotools' 32 bits run over.
    ///
    /// # Errors
    /// When pixels are set in a mask without height.
    pub fn bbox(&self) -> Result<[f64; 4], MaskError> {
        Ok(MaskFacts::of_runs(&self.runs, (self.height, self.width), &mut Vec::new())?.bbox)
    }

    /// The pixels column by column, 1 where set (`rleDecode`).
    ///
    /// # Errors
    /// When the run lengths are of another number of pixels than the size says, or of more than [`MOST_PIXELS`].
    pub fn pixels(&self) -> Result<Vec<u8>, MaskError> {
        let runs: u64 = self.runs.iter().map(|&run| u64::from(run)).sum();
        let size = u64::from(self.height) * u64::from(self.width);
        if runs != size {
            return Err(MaskError::Contradicts { runs, size });
        }
        if size > MOST_PIXELS {
            return Err(MaskError::TooLarge { height: self.height, width: self.width });
        }
        let mut pixels = Vec::with_capacity(size as usize);
        for (place, &run) in self.runs.iter().enumerate() {
            pixels.resize(pixels.len() + run as usize, (place % 2) as u8);
        }
        Ok(pixels)
    }

    /// The pixels as an array of height x width, whose columns lie one after another in memory.
    ///
    /// # Errors
    /// As [`Rle::pixels`].
    pub fn array(&self) -> Result<Array2<bool>, MaskError> {
        let pixels: Vec<bool> = self.pixels()?.into_iter().map(|pixel| pixel != 0).collect();
        let (runs, size) = (pixels.len() as u64, u64::from(self.height) * u64::from(self.width));
        Array2::from_shape_vec((self.height as usize, self.width as usize).f(), pixels)
            .map_err(|_| MaskError::Contradicts { runs, size })
    }

    /// What is in any of the masks, or with `intersect` in all of them (`rleMerge`). Nothing, without a size, of no mask and of
    /// masks of several sizes; a single mask as it is.
    pub fn merge(masks: &[Rle], intersect: bool) -> Rle {
        let Some((first, others)) = masks.split_first() else { return Rle::default() };
        let mut merged = first.clone();
        for other in others {
            if (other.height, other.width) != (merged.height, merged.width) {
                return Rle::default();
            }
            merged.runs = walk::merged(&merged.runs, &other.runs, intersect);
        }
        merged
    }

    /// Intersection over union with a ground truth; with a crowd the share of this mask that it covers (`rleIou`). -1 where the
    /// masks are not of one size and their boxes meet.
    ///
    /// # Errors
    /// As [`Rle::bbox`].
    pub fn iou(&self, truth: &Rle, crowd: bool) -> Result<f64, MaskError> {
        let (mut own_set, mut others_set) = (Vec::new(), Vec::new());
        let own = MaskFacts::of_runs(&self.runs, (self.height, self.width), &mut own_set)?;
        let other = MaskFacts::of_runs(&truth.runs, (truth.height, truth.width), &mut others_set)?;
        if overlap(&own.bbox, &other.bbox, crowd) <= 0.0 {
            return Ok(0.0);
        }
        if (self.height, self.width) != (truth.height, truth.width) {
            return Ok(-1.0);
        }
        let (both, any) = if own.plain && other.plain {
            let both = in_common(&own_set, &others_set);
            (both, own.area + other.area - both)
        } else {
            walk::common(&self.runs, &truth.runs)
        };
        let of = if crowd { own.area } else { any };
        Ok(if both == 0 { 0.0 } else { f64::from(both) / f64::from(of) })
    }
}
