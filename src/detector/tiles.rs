//! Large photos in tiles: what is small in a large photo reaches the network as large as it is.
//!
//! Tiles of one level are squares of the network's shorter side times a power of two, so that each level shows the photo
//! half as large as the one before, up to the whole photo. Neighbours overlap by a fifth, as in SAHI (Akyon et al. 2022,
//! "Slicing Aided Hyper Inference and Fine-Tuning for Small Object Prediction"). An object that no tile of a level holds
//! as a whole is held by one of a higher level, or by the whole photo; what the edge of a tile cuts is taken only where
//! nothing better covers it.

use std::ops::ControlFlow;

use super::{Detector, DetectorError, Prediction, Selection};
use crate::clock::{StageTimes, timed};
use crate::geometry::BBox;
use crate::photo::Photo;

/// Least share of a tile's side that its neighbour sees too.
const OVERLAP: f64 = 0.2;
/// Least gain in size, against the whole photo, that a level of tiles is worth its time for.
const GAIN: f64 = 1.4;
/// A box that comes so near to a tile's edge, in shares of the side, may be part of a larger one.
const EDGE: f32 = 0.02;
/// A cut box goes where a kept one of its class covers more of it.
const COVERED: f32 = 0.5;

/// A part of a photo, in its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tile {
    /// Its left edge.
    pub x: u32,
    /// Its upper edge.
    pub y: u32,
    /// Its width.
    pub width: u32,
    /// Its height.
    pub height: u32,
}

impl Tile {
    /// Whether a box, in the tile's own pixels, comes to an edge of it that is none of the photo's.
    fn cuts(&self, bbox: &BBox, (width, height): (u32, u32)) -> bool {
        let edge = |side: u32| side as f32 * EDGE;
        let at = |low: f32, high: f32, start: u32, side: u32, whole: u32| {
            start > 0 && low < edge(side) || start + side < whole && high > side as f32 - edge(side)
        };
        at(bbox.x1, bbox.x2, self.x, self.width, width) || at(bbox.y1, bbox.y2, self.y, self.height, height)
    }
}

impl Detector {
    /// The tiles of a photo of a width and height, those of the smallest side first, beside which the whole photo is
    /// looked at; none where the network sees the whole photo at nearly the same size.
    #[doc(hidden)]
    pub fn tiles(&self, (width, height): (u32, u32)) -> Vec<Tile> {
        let input = &self.conventions.input;
        let least = input.min_size.min(input.max_size);
        let mut tiles = Vec::new();
        let mut side = least;
        while side > 0 && (side < width || side < height) {
            let (wide, high) = (side.min(width), side.min(height));
            if self.scale(wide, high) < GAIN * self.scale(width, height) {
                break;
            }
            for y in starts(height, high) {
                tiles.extend(starts(width, wide).map(|x| Tile { x, y, width: wide, height: high }));
            }
            side = side.saturating_mul(2);
        }
        tiles
    }

    /// As large as the network sees a picture of this size.
    fn scale(&self, width: u32, height: u32) -> f64 {
        f64::from(self.preprocessor.resized((width, height)).0) / f64::from(width)
    }

    /// Detections of a photo by its tiles, `batch` of one size at once, and those of the `whole` photo, by falling score.
    /// The model's limit of detections holds for each tile; one that was chosen instead, for the photo too.
    /// `watch` hears after each batch how many more tiles are done, and says whether to go on; nothing comes of a photo that
    /// is given up.
    ///
    /// # Errors
    /// When a session fails.
    #[doc(hidden)]
    pub fn infer_tiles(
        &self,
        photo: &Photo,
        whole: Vec<Prediction>,
        batch: usize,
        watch: &dyn Fn(usize) -> ControlFlow<()>,
    ) -> Result<Option<(Vec<Prediction>, StageTimes)>, DetectorError> {
        let size = (photo.width, photo.height);
        let (tiles, mut times) = (self.tiles(size), StageTimes::default());
        if tiles.is_empty() {
            return Ok(Some((whole, times)));
        }
        let mut found: Vec<TileDetection> =
            whole.into_iter().map(|detection| TileDetection { detection, cut: false }).collect();
        let of_one_size = tiles.chunk_by(|a, b| (a.width, a.height) == (b.width, b.height));
        for tiles in of_one_size.flat_map(|tiles| tiles.chunks(batch.max(1))) {
            let inputs = timed(&mut times.prepare, || {
                tiles
                    .iter()
                    .map(|tile| self.prepare(&photo.part(tile.x, tile.y, tile.width, tile.height)))
                    .collect::<Result<Vec<_>, DetectorError>>()
            })?;
            let (of_tiles, spent) = self.infer(inputs)?;
            times += spent;
            if watch(tiles.len()).is_break() {
                return Ok(None);
            }
            for (tile, detections) in tiles.iter().zip(of_tiles) {
                found
                    .extend(detections.into_iter().map(|detection| TileDetection::of(tile, detection, size)));
            }
        }
        let mut found = timed(&mut times.postprocess, || merge(found, &self.selection));
        if let Some(most) = self.postprocess.max_detections {
            found.truncate(most);
        }
        Ok(Some((found, times)))
    }

    /// One photo from pixels to detections, by tiles and as a whole.
    ///
    /// # Errors
    /// As [`Detector::detect`].
    #[doc(hidden)]
    pub fn detect_in_tiles(&self, photo: &Photo) -> Result<Vec<Prediction>, DetectorError> {
        let found = self.infer_tiles(photo, self.predict(photo)?, 1, &|_| ControlFlow::Continue(()))?;
        Ok(found.map(|(found, _)| found).unwrap_or_default())
    }
}

/// Where tiles of a side start on a length, evenly spread.
fn starts(length: u32, side: u32) -> impl Iterator<Item = u32> + Clone {
    let free = length - side;
    let steps = (f64::from(free) / (f64::from(side) * (1.0 - OVERLAP))).ceil() as u32;
    let start = move |step: u32| u64::from(free) * u64::from(step) / u64::from(steps.max(1));
    (0..=steps).map(move |step| start(step) as u32)
}

/// What one tile, or the whole photo, shows.
#[derive(Clone, Debug, PartialEq)]
struct TileDetection {
    /// In the photo's pixels.
    detection: Prediction,
    /// Whether an edge of the tile may cut it.
    cut: bool,
}

impl TileDetection {
    fn of(tile: &Tile, detection: Prediction, photo: (u32, u32)) -> TileDetection {
        let (x, y, b) = (tile.x as f32, tile.y as f32, detection.bbox);
        let bbox = BBox::new(b.x1 + x, b.y1 + y, b.x2 + x, b.y2 + y);
        let mask = detection.mask.map(|mask| mask.moved(x, y));
        let detection = Prediction { bbox, mask, ..detection };
        TileDetection { detection, cut: tile.cuts(&b, photo) }
    }
}

/// One detection of each object, by falling score: whole ones before cut ones, and among these the best first, each
/// unless a better one of its class, or of any where classes do not matter, overlaps it by more than the threshold of NMS
/// (intersection over union) or, where it is cut, covers it.
fn merge(mut found: Vec<TileDetection>, selection: &Selection) -> Vec<Prediction> {
    found.sort_by(|a, b| a.cut.cmp(&b.cut).then(b.detection.score.total_cmp(&a.detection.score)));
    let mut kept: Vec<Vec<Prediction>> = Vec::new();
    for TileDetection { detection, cut } in found {
        let group = selection.group(detection.class);
        if kept.len() <= group {
            kept.resize(group + 1, Vec::new());
        }
        let of_group = &mut kept[group];
        let again = |better: &Prediction| {
            f64::from(better.bbox.iou(&detection.bbox)) > selection.nms
                || cut && better.bbox.intersection(&detection.bbox) > COVERED * detection.bbox.area()
        };
        if !of_group.iter().any(again) {
            of_group.push(detection);
        }
    }
    let mut kept = kept.concat();
    kept.sort_by(|a, b| b.score.total_cmp(&a.score));
    kept
}

#[cfg(test)]
mod tests {
    use super::super::RoiMask;
    use super::*;
    use crate::family::{MaskRule, MaskThreshold, PasteRule};

    fn part(class: usize, score: f32, [x1, y1, x2, y2]: [f32; 4], cut: bool) -> TileDetection {
        let bbox = BBox::new(x1, y1, x2, y2);
        TileDetection { detection: Prediction { class, score, bbox, mask: None }, cut }
    }

    fn selection(class_agnostic: bool) -> Selection {
        Selection { scores: vec![0.0; 2], nms: 0.5, class_agnostic, soft_nms: false, most: 100 }
    }

    #[test]
    fn tiles_spread_evenly_and_overlap_by_a_fifth_or_more() {
        assert_eq!(starts(800, 800).collect::<Vec<_>>(), [0]);
        // One pixel more needs a second tile.
        assert_eq!(starts(801, 800).collect::<Vec<_>>(), [0, 1]);
        // 800 + 640 is reached by two tiles; one pixel more needs three.
        assert_eq!(starts(1440, 800).collect::<Vec<_>>(), [0, 640]);
        assert_eq!(starts(1441, 800).collect::<Vec<_>>(), [0, 320, 641]);
    }

    #[test]
    fn only_edges_inside_the_photo_cut() {
        let tile = Tile { x: 0, y: 100, width: 100, height: 100 };
        let photo = (180, 200);
        let cuts = |x1, y1, x2, y2| tile.cuts(&BBox::new(x1, y1, x2, y2), photo);
        assert!(!cuts(0.0, 50.0, 20.0, 100.0), "the photo ends at the left and below");
        assert!(cuts(0.0, 1.0, 20.0, 50.0), "there is more above");
        assert!(cuts(50.0, 50.0, 99.0, 60.0), "and at the right");
        assert!(!cuts(50.0, 50.0, 97.0, 60.0));
    }

    #[test]
    fn a_cut_part_gives_way_to_the_whole_object() {
        let whole = part(0, 0.6, [0.0, 0.0, 100.0, 40.0], false);
        let left = part(0, 0.9, [0.0, 0.0, 50.0, 40.0], true);
        let other_class = part(1, 0.5, [0.0, 0.0, 50.0, 40.0], true);
        let alone = part(0, 0.3, [300.0, 0.0, 350.0, 40.0], true);
        let parts = [left, whole.clone(), other_class.clone(), alone.clone()];
        let found = merge(parts.to_vec(), &selection(false));
        assert_eq!(found, [whole.clone(), other_class, alone.clone()].map(|part| part.detection));
        let found = merge(parts.to_vec(), &selection(true));
        assert_eq!(found, [whole, alone].map(|part| part.detection), "where classes do not matter");
    }

    #[test]
    fn the_better_of_two_whole_ones_stays_and_small_ones_inside_large_ones_too() {
        let better = part(0, 0.9, [0.0, 0.0, 100.0, 100.0], false);
        let again = part(0, 0.8, [0.0, 10.0, 100.0, 100.0], false);
        let inside = part(0, 0.7, [10.0, 10.0, 40.0, 40.0], false);
        let found = merge(vec![inside.clone(), again, better.clone()], &selection(false));
        assert_eq!(found, [better, inside].map(|part| part.detection));
    }

    #[test]
    fn a_mask_moves_with_its_box() {
        let rule = MaskRule { paste: PasteRule::Sample, threshold: MaskThreshold::AtLeast(0.5) };
        let bbox = BBox::new(1.0, 2.0, 3.0, 4.0);
        let mask = Some(RoiMask::new(rule, bbox, 1, &[1.0]));
        let tile = Tile { x: 10, y: 20, width: 8, height: 8 };
        let found = TileDetection::of(&tile, Prediction { class: 0, score: 1.0, bbox, mask }, (40, 40));
        let pasted = found.detection.mask.unwrap().paste((40, 40));
        assert_eq!(pasted.bbox().unwrap(), [11.0, 22.0, 2.0, 2.0]);
        assert_eq!(pasted.area(), 4);
    }
}
