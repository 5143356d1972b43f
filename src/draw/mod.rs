//! Masks, boxes and labels drawn on photos. Knows pictures and plain boxes, nothing of models.
//!
//! Line width and text follow the picture's size, so that a thumbnail and a 12-megapixel photo read alike.

mod colour;
mod font;
mod ink;
mod mask;
mod place;

use coco_eval::Rle;
use image::RgbImage;

use crate::geometry::BBox;
use crate::photo::Photo;
use place::LabelPlacer;

pub use colour::colour;
pub use font::Fonts;
pub(crate) use place::Rect;

/// One box to draw.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Where, in the photo's pixels; may reach outside.
    pub bbox: BBox,
    /// Which class, for the colour: the same class has the same colour in every picture.
    pub class: usize,
    /// What to write, e.g. `bolt 0.97`.
    pub label: String,
    /// Red, green and blue in place of the class's colour.
    pub colour: Option<[u8; 3]>,
    /// Pixels in a mask of the photo's height and width, drawn translucent with a contour.
    pub mask: Option<Rle>,
}

impl Mark {
    /// A mark without a mask in its class's colour.
    pub fn new(bbox: BBox, class: usize, label: String) -> Mark {
        Mark { bbox, class, label, colour: None, mask: None }
    }

    fn colour(&self) -> [u8; 3] {
        self.colour.unwrap_or_else(|| colour(self.class))
    }
}

/// Draws masks, boxes and labels onto the photo: the first mark on top, boxes over all masks, labels over all boxes.
///
/// A box with a NaN corner or wholly outside is left out; one that is inside out is drawn with its corners
/// swapped. Earlier marks choose the place of their label first. Labels stay inside the picture and never cover
/// each other: where there is no room the text shrinks, and where that does not help the label is left out and
/// the box stands alone, as it does where the label is empty. Letters that no font has are empty boxes: see [`Fonts::can_write`].
pub fn annotate(photo: &mut Photo, marks: &[Mark], fonts: &Fonts) {
    annotate_in(photo, marks, fonts, DrawSizes::of(photo.width, photo.height));
}

/// As [`annotate`], with lines and text of these sizes.
pub(crate) fn annotate_in(photo: &mut Photo, marks: &[Mark], fonts: &Fonts, sizes: DrawSizes) {
    let (width, height) = (photo.width, photo.height);
    if photo.pixels.len() as u64 != 3 * u64::from(width) * u64::from(height) {
        return;
    }
    let Some(mut picture) = RgbImage::from_raw(width, height, std::mem::take(&mut photo.pixels)) else {
        return;
    };
    let page = Rect { x: 0, y: 0, width: i64::from(width), height: i64::from(height) };
    let frames: Vec<(Rect, &Mark)> =
        marks.iter().filter_map(|mark| Some((frame(&mark.bbox, page, sizes.line)?, mark))).collect();
    for mark in marks.iter().rev() {
        mark.mask.iter().for_each(|mask| mask::draw(&mut picture, mask, sizes.line, mark.colour()));
    }
    for (frame, mark) in frames.iter().rev() {
        ink::outline(&mut picture, *frame, sizes.line, mark.colour());
    }
    for label in labels(page, &frames, sizes, fonts) {
        ink::label(&mut picture, fonts, &label.text, label.rect, label.size, label.colour);
    }
    photo.pixels = picture.into_raw();
}

/// Lengths in pixels that suit a picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct DrawSizes {
    /// Width of a box's line.
    pub(crate) line: i64,
    /// Height of a line of text.
    pub(crate) text: i64,
}

/// Text of fewer pixels than this cannot be read.
const SMALLEST_TEXT: i64 = 9;

impl DrawSizes {
    /// By the geometric mean of the sides: 2 and 13 for 300 x 300, 2 and 16 for 640 x 480, 10 and 55 for 12 MP.
    pub(crate) fn of(width: u32, height: u32) -> DrawSizes {
        let mean = (f64::from(width) * f64::from(height)).sqrt();
        DrawSizes { line: (1.0 + mean / 400.0).round() as i64, text: (9.0 + mean / 75.0).round() as i64 }
    }
}

/// The outer edge of a box's line: around the box, so that the line hides nothing of a small object, but never
/// outside the picture.
fn frame(bbox: &BBox, page: Rect, line: i64) -> Option<Rect> {
    let corners = [bbox.x1, bbox.y1, bbox.x2, bbox.y2];
    if corners.iter().any(|corner| corner.is_nan()) {
        return None;
    }
    let (wide, tall) = (page.width as f32, page.height as f32);
    let (left, right) = (bbox.x1.min(bbox.x2), bbox.x1.max(bbox.x2));
    let (top, bottom) = (bbox.y1.min(bbox.y2), bbox.y1.max(bbox.y2));
    if right < 0.0 || bottom < 0.0 || left > wide || top > tall {
        return None;
    }
    let outer = |low: f32, high: f32, end: i64| {
        let low = (low.clamp(0.0, end as f32).round() as i64 - line).max(0);
        let high = (high.clamp(0.0, end as f32).round() as i64 + line).min(end);
        (low, high - low)
    };
    let ((x, width), (y, height)) = (outer(left, right, page.width), outer(top, bottom, page.height));
    Some(Rect { x, y, width, height })
}

/// Where labels of one height go beside their boxes, each `x, y, width, height`, in a picture of this width and height;
/// none where there is no room. `widths` are the labels', in the boxes' order, of which earlier ones choose first.
pub(crate) fn place_labels(
    size: (u32, u32),
    boxes: &[BBox],
    widths: &[i64],
    height: i64,
) -> Vec<Option<[i64; 4]>> {
    let page = Rect { x: 0, y: 0, width: size.0.into(), height: size.1.into() };
    let frames: Vec<Option<Rect>> = boxes.iter().map(|bbox| frame(bbox, page, 1)).collect();
    let known: Vec<Rect> = frames.iter().flatten().copied().collect();
    let mut place = LabelPlacer::new(page, &known);
    let mut index = 0;
    let placed = frames.iter().zip(widths).map(|(frame, &width)| {
        (*frame)?;
        index += 1;
        let rect = place.find(index - 1, width, height)?;
        place.take(rect);
        Some([rect.x, rect.y, rect.width, rect.height])
    });
    placed.collect()
}

/// A label that found its place.
struct Label {
    text: String,
    rect: Rect,
    size: i64,
    colour: [u8; 3],
}

/// Places labels, one after the other, each where it covers least; text shrinks before a label is given up.
fn labels(page: Rect, frames: &[(Rect, &Mark)], sizes: DrawSizes, fonts: &Fonts) -> Vec<Label> {
    let boxes: Vec<Rect> = frames.iter().map(|(frame, _)| *frame).collect();
    let mut place = LabelPlacer::new(page, &boxes);
    let mut placed = Vec::new();
    for (index, (_, mark)) in frames.iter().enumerate().filter(|(_, (_, mark))| !mark.label.is_empty()) {
        let smaller = [sizes.text, sizes.text * 4 / 5, sizes.text * 3 / 5];
        let found = smaller.into_iter().filter(|&size| size >= SMALLEST_TEXT).find_map(|size| {
            let (text, (width, height)) = ink::fit(fonts, &mark.label, size, page.width)?;
            let rect = place.find(index, width, height)?;
            Some(Label { text, rect, size, colour: mark.colour() })
        });
        if let Some(label) = found {
            place.take(label.rect);
            placed.push(label);
        }
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn page(width: i64, height: i64) -> Rect {
        Rect { x: 0, y: 0, width, height }
    }

    fn mark(x1: f32, y1: f32, x2: f32, y2: f32, class: usize) -> Mark {
        Mark::new(BBox::new(x1, y1, x2, y2), class, format!("AdjustableWrench 0.{class:02}"))
    }

    fn placed(width: u32, height: u32, marks: &[Mark]) -> Vec<Rect> {
        let (page, sizes) = (page(i64::from(width), i64::from(height)), DrawSizes::of(width, height));
        let frames: Vec<(Rect, &Mark)> =
            marks.iter().filter_map(|mark| Some((frame(&mark.bbox, page, sizes.line)?, mark))).collect();
        labels(page, &frames, sizes, &Fonts::default()).into_iter().map(|label| label.rect).collect()
    }

    fn assert_apart_and_inside(page: Rect, labels: &[Rect]) {
        for (index, label) in labels.iter().enumerate() {
            assert!(page.contains(label), "{label:?} leaves the picture");
            for other in &labels[index + 1..] {
                assert_eq!(label.overlap(other), 0, "{label:?} covers {other:?}");
            }
        }
    }

    #[test]
    fn sizes_follow_the_picture() {
        assert_eq!(DrawSizes::of(300, 300), DrawSizes { line: 2, text: 13 });
        assert_eq!(DrawSizes::of(640, 480), DrawSizes { line: 2, text: 16 });
        assert_eq!(DrawSizes::of(4000, 3000), DrawSizes { line: 10, text: 55 });
    }

    #[test]
    fn twenty_crowded_labels_all_find_room() {
        let marks: Vec<Mark> = (0..20)
            .map(|i| mark(200.0 + 3.0 * i as f32, 150.0 + 5.0 * i as f32, 300.0, 330.0 + i as f32, i))
            .collect();
        let labels = placed(640, 480, &marks);
        assert_eq!(labels.len(), 20);
        assert_apart_and_inside(page(640, 480), &labels);
    }

    #[test]
    fn a_label_does_not_cover_its_object_where_there_is_room_beside_it() {
        for (x, y) in [(0.0, 0.0), (260.0, 0.0), (0.0, 270.0), (260.0, 270.0), (120.0, 120.0)] {
            let marks = [mark(x, y, x + 40.0, y + 30.0, 0)];
            let own = frame(&marks[0].bbox, page(300, 300), 2).expect("inside");
            let labels = placed(300, 300, &marks);
            assert_eq!(labels[0].overlap(&own), 0, "{labels:?} covers {own:?}");
        }
    }

    #[test]
    fn a_box_that_fills_the_picture_has_its_label_inside() {
        assert_eq!(placed(300, 300, &[mark(-5.0, -5.0, 305.0, 305.0, 0)]).len(), 1);
    }

    #[test]
    fn a_photo_whose_pixels_do_not_match_its_size_is_left_alone() {
        let mut photo = Photo { width: 9, height: 9, pixels: vec![1, 2, 3] };
        annotate(&mut photo, &[mark(0.0, 0.0, 5.0, 5.0, 0)], &Fonts::default());
        assert_eq!(photo.pixels, [1, 2, 3]);
    }

    proptest! {
        #[test]
        fn no_box_or_size_panics(
            width in 1u32..400, height in 1u32..400,
            rows in prop::collection::vec(
                (prop::num::f32::ANY, -50.0f32..450.0, -50.0f32..450.0, prop::num::f32::ANY, any::<usize>(), ".{0,12}"),
                0..12,
            ),
        ) {
            let marks: Vec<Mark> = rows
                .into_iter()
                .map(|r| Mark::new(BBox::new(r.0, r.1, r.2, r.3), r.4, r.5))
                .collect();
            let blank = Photo { width, height, pixels: vec![90; 3 * (width * height) as usize] };
            let (mut once, mut again) = (blank.clone(), blank);
            annotate(&mut once, &marks, &Fonts::default());
            annotate(&mut again, &marks, &Fonts::default());
            prop_assert_eq!(once, again);
        }

        #[test]
        fn labels_stay_apart_and_inside(
            width in 1u32..500, height in 1u32..500,
            rows in prop::collection::vec((-50.0f32..500.0, -50.0f32..500.0, 0.0f32..300.0, 0.0f32..300.0, 0usize..99), 0..40),
        ) {
            let marks: Vec<Mark> = rows.iter().map(|r| mark(r.0, r.1, r.0 + r.2, r.1 + r.3, r.4)).collect();
            assert_apart_and_inside(page(i64::from(width), i64::from(height)), &placed(width, height, &marks));
        }
    }
}
