//! The shapes of annotations as their file has them, until the images' sizes are known.

use std::ops::Range;

use super::super::scan::{Cursor, Scan, Stop};
use super::super::value::{JsonValue, Object};
use super::IouType;
use super::points;
use super::segment::{Segment, SegmentKind};
use crate::mask::CornerPlace;

/// Where the shape of one annotation lies.
#[derive(Clone, Debug)]
enum ShapePlace {
    /// Polygons, by their places.
    Polygons(Range<u32>),
    /// Text of run lengths, and height and width.
    Mask(Range<u32>, (u32, u32)),
    /// Key points, by the places of their numbers.
    Points(Range<u32>),
    /// There is none that could be used: words that follow "has".
    Wrong(&'static str),
}

/// Shapes of the annotations of a piece of a file, in their order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Outlines {
    rows: Vec<ShapePlace>,
    /// Key points.
    numbers: Vec<f64>,
    /// Corners of polygons, x and y in turn, as far as they count.
    corners: Vec<CornerPlace>,
    /// Where each polygon ends among the corners.
    ends: Vec<u32>,
    text: Vec<u8>,
    segment: Segment,
}

/// The member of an annotation that holds its shape; none where boxes are compared.
pub(in crate::coco) fn shape_key(kind: IouType) -> Option<&'static [u8]> {
    match kind {
        IouType::Bbox => None,
        IouType::Segm => Some(b"segmentation"),
        IouType::Keypoints => Some(b"keypoints"),
    }
}

impl Outlines {
    /// How many annotations there are.
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Forgets all annotations behind so many.
    pub(in crate::coco) fn truncate(&mut self, annotations: usize) {
        self.rows.truncate(annotations);
    }

    /// Gives back memory that was only reserved.
    pub(in crate::coco) fn shrink(&mut self) {
        self.rows.shrink_to_fit();
        self.numbers.shrink_to_fit();
        self.corners.shrink_to_fit();
        self.ends.shrink_to_fit();
        self.text.shrink_to_fit();
        self.segment = Segment::default();
    }

    /// Reads the value of an annotation's shape in its usual spelling.
    pub(in crate::coco) fn read(&mut self, cursor: &mut Cursor<'_>, kind: IouType) -> Scan<()> {
        let outline = match kind {
            IouType::Bbox => return Err(Stop::Odd),
            IouType::Segm => {
                let mut segment = std::mem::take(&mut self.segment);
                let read = segment.read(cursor);
                let outline = self.keep(&segment);
                self.segment = segment;
                read?;
                outline
            }
            IouType::Keypoints => {
                let start = self.numbers.len() as u32;
                let value = JsonValue::read(cursor)?;
                match points::take(Some(&value), &mut self.numbers) {
                    Some(()) => ShapePlace::Points(start..self.numbers.len() as u32),
                    None => ShapePlace::Wrong(POINTLESS),
                }
            }
        };
        self.rows.push(outline);
        Ok(())
    }

    /// Takes the shape of an annotation in any spelling, also where it has none.
    pub(in crate::coco) fn take(&mut self, object: &Object, kind: IouType) {
        let outline = match kind {
            IouType::Bbox => return,
            IouType::Segm => {
                let mut segment = std::mem::take(&mut self.segment);
                segment.take(object.get("segmentation"));
                let outline = self.keep(&segment);
                self.segment = segment;
                outline
            }
            IouType::Keypoints => {
                let start = self.numbers.len() as u32;
                match points::take(object.get("keypoints"), &mut self.numbers) {
                    Some(()) => ShapePlace::Points(start..self.numbers.len() as u32),
                    None => ShapePlace::Wrong(POINTLESS),
                }
            }
        };
        self.rows.push(outline);
    }

    fn keep(&mut self, segment: &Segment) -> ShapePlace {
        match segment.kind {
            SegmentKind::Absent => ShapePlace::Wrong("no `segmentation`"),
            SegmentKind::Wrong(what) => ShapePlace::Wrong(what),
            SegmentKind::Mask(height, width) => {
                let start = self.text.len() as u32;
                self.text.extend_from_slice(&segment.text);
                ShapePlace::Mask(start..self.text.len() as u32, (height, width))
            }
            SegmentKind::Polygons => {
                let (start, first) = (self.corners.len() as u32, self.ends.len() as u32);
                self.corners.extend_from_slice(&segment.corners);
                self.ends.extend(segment.ends.iter().map(|end| start + end));
                ShapePlace::Polygons(first..self.ends.len() as u32)
            }
        }
    }

    /// The `segmentation` of an annotation, by its place here.
    pub(super) fn segment(&self, place: usize, segment: &mut Segment) {
        segment.clear();
        segment.kind = match &self.rows[place] {
            ShapePlace::Wrong(what) => SegmentKind::Wrong(what),
            ShapePlace::Points(_) => SegmentKind::Absent,
            ShapePlace::Mask(text, (height, width)) => {
                segment.text.extend_from_slice(&self.text[text.start as usize..text.end as usize]);
                SegmentKind::Mask(*height, *width)
            }
            ShapePlace::Polygons(polygons) => {
                let ends = &self.ends[polygons.start as usize..polygons.end as usize];
                let start = polygons.start.checked_sub(1).map_or(0, |before| self.ends[before as usize]);
                let end = ends.last().copied().unwrap_or(start);
                segment.corners.extend_from_slice(&self.corners[start as usize..end as usize]);
                segment.ends.extend(ends.iter().map(|end| end - start));
                SegmentKind::Polygons
            }
        };
    }

    /// The key points of an annotation, by its place here.
    pub(super) fn points(&self, place: usize) -> Result<&[f64], &'static str> {
        match &self.rows[place] {
            ShapePlace::Points(span) => Ok(&self.numbers[span.start as usize..span.end as usize]),
            ShapePlace::Wrong(what) => Err(what),
            _ => Err(POINTLESS),
        }
    }
}

const POINTLESS: &str = "no `keypoints` that are a list of numbers";
