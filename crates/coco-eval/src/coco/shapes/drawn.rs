//! A `segmentation` as a mask: its intervals and what is known of it.

use super::segment::{Segment, SegmentKind};
use crate::mask::{MaskError, MaskFacts, PixelRun, Rle};

/// Height and width of an image, where the file has them as whole numbers.
pub(super) type ImageSize = Option<(u32, u32)>;

/// A mask's facts, and its run lengths where it is not written as usual.
pub(super) type ParsedMask = (MaskFacts, Option<Box<[u32]>>);

/// Why a `segmentation` is no mask; words that follow "has".
pub(super) fn words(error: &MaskError) -> String {
    error.to_string()
}

/// A mask's facts, and its run lengths where it is not written as usual; its intervals are added to those that are there.
pub(super) fn draw(
    segment: &Segment,
    image: ImageSize,
    intervals: &mut Vec<PixelRun>,
) -> Result<ParsedMask, String> {
    let in_words = |error: MaskError| words(&error);
    match segment.kind {
        SegmentKind::Absent => Err("no `segmentation`".into()),
        SegmentKind::Wrong(what) => Err(what.into()),
        SegmentKind::Mask(height, width) => {
            let facts = MaskFacts::read(&segment.text, (height, width), intervals).map_err(in_words)?;
            if facts.plain {
                return Ok((facts, None));
            }
            let mask = Rle::from_text(height, width, &segment.text).map_err(in_words)?;
            Ok((facts, Some(mask.runs().into())))
        }
        SegmentKind::Polygons => {
            let (height, width) = image.ok_or(
                "a `segmentation` of polygons on an image without whole numbers as `width` and `height`",
            )?;
            let parts = segment.polygons().map(|corners| Rle::from_polygon(corners, height, width));
            let parts = parts.collect::<Result<Vec<Rle>, MaskError>>().map_err(in_words)?;
            of_rle(&Rle::merge(&parts, false), intervals)
        }
    }
}

/// The same of a box, which stands for the mask of a result that has none.
pub(super) fn draw_box(
    bbox: [f64; 4],
    image: ImageSize,
    intervals: &mut Vec<PixelRun>,
) -> Result<ParsedMask, String> {
    let (height, width) = image.ok_or("no mask, and its image no whole numbers as `width` and `height`")?;
    let mask = Rle::from_box(bbox, height, width).map_err(|error| words(&error))?;
    of_rle(&mask, intervals)
}

fn of_rle(mask: &Rle, intervals: &mut Vec<PixelRun>) -> Result<ParsedMask, String> {
    let size = (mask.height(), mask.width());
    let facts = MaskFacts::of_runs(mask.runs(), size, intervals).map_err(|error| words(&error))?;
    Ok((facts, (!facts.plain).then(|| mask.runs().into())))
}
