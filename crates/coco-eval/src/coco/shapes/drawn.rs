//! A `segmentation` as a mask: its intervals and what is known of it.

use super::segment::{Segment, SegmentKind};
use crate::mask::{CornerPlace, MaskError, MaskFacts, PixelRun, PolygonDrawing, Rle, runs_of};

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
    drawing: &mut PolygonDrawing,
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
            let size = image.ok_or(
                "a `segmentation` of polygons on an image without whole numbers as `width` and `height`",
            )?;
            draw_polygons(segment.polygons(), size, drawing, intervals).map_err(in_words)
        }
    }
}

/// Draws what is inside any of some polygons.
fn draw_polygons<'a>(
    polygons: impl Iterator<Item = &'a [CornerPlace]>,
    size: (u32, u32),
    drawing: &mut PolygonDrawing,
    intervals: &mut Vec<PixelRun>,
) -> Result<ParsedMask, MaskError> {
    let first = intervals.len();
    let mut starts = Vec::new();
    for polygon in polygons {
        starts.push(intervals.len());
        drawing.draw(polygon.iter().copied(), size, intervals)?;
    }
    if starts.len() > 1 && u64::from(size.0) * u64::from(size.1) >= 1 << 31 {
        // Where two runs together may not fit 32 bits, merging as pycocotools does may end early.
        let mut parts = Vec::new();
        for start in starts.into_iter().rev() {
            let part = intervals.split_off(start);
            let facts = MaskFacts::of_intervals(&part, size)?;
            parts.push(Rle::new(size.0, size.1, runs_of(&part, facts.sum)));
        }
        parts.reverse();
        return of_rle(&Rle::merge(&parts, false), intervals);
    }
    if starts.len() > 1 {
        join(first, intervals);
    }
    let own = &intervals[first..];
    let facts = MaskFacts::of_intervals(own, size)?;
    Ok((facts, (!facts.plain).then(|| runs_of(own, facts.sum).into())))
}

/// Makes one of runs that overlap or touch, from a place on.
fn join(first: usize, intervals: &mut Vec<PixelRun>) {
    intervals[first..].sort_unstable_by_key(|run| run.start);
    let mut kept = first;
    for at in first + 1..intervals.len() {
        let run = intervals[at];
        if run.start <= intervals[kept].end {
            intervals[kept].end = intervals[kept].end.max(run.end);
        } else {
            kept += 1;
            intervals[kept] = run;
        }
    }
    intervals.truncate(kept + 1);
}

/// The same of a box, which stands for the mask of a result that has none.
pub(super) fn draw_box(
    bbox: [f64; 4],
    image: ImageSize,
    intervals: &mut Vec<PixelRun>,
) -> Result<ParsedMask, String> {
    let (height, width) = image.ok_or("no mask, and its image no whole numbers as `width` and `height`")?;
    let mask = Rle::from_box(bbox, height, width).map_err(|error| words(&error))?;
    of_rle(&mask, intervals).map_err(|error| words(&error))
}

fn of_rle(mask: &Rle, intervals: &mut Vec<PixelRun>) -> Result<ParsedMask, MaskError> {
    let size = (mask.height(), mask.width());
    let facts = MaskFacts::of_runs(mask.runs(), size, intervals)?;
    Ok((facts, (!facts.plain).then(|| mask.runs().into())))
}
