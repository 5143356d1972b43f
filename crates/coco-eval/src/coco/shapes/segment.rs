//! A `segmentation` as a file has it: polygons, or run lengths as text or numbers.

use super::super::annotation::double;
use super::super::scan::{Cursor, Scan, Stop, unescape};
use super::super::value::{JsonValue, Object};
use crate::mask::{CornerPlace, Rle};

/// What a `segmentation` is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum SegmentKind {
    /// There is none.
    #[default]
    Absent,
    /// Polygons.
    Polygons,
    /// COCO's text of the run lengths of a mask of some height and width.
    Mask(u32, u32),
    /// Something that pycocotools stops at; words that follow "has".
    Wrong(&'static str),
}

/// A `segmentation`, in memory that is used again.
#[derive(Clone, Debug, Default)]
pub(crate) struct Segment {
    pub(crate) kind: SegmentKind,
    /// Corners of all polygons, x and y in turn.
    pub(crate) corners: Vec<CornerPlace>,
    /// Where each polygon ends among the corners.
    pub(crate) ends: Vec<u32>,
    /// Text of run lengths.
    pub(crate) text: Vec<u8>,
    /// The run lengths were told as numbers, which results without boxes must not have.
    pub(crate) numbers: bool,
}

const SHAPELESS: &str = "a `segmentation` that is neither polygons nor a mask of `size` and `counts`";
const FEW: &str =
    "a `segmentation` whose first polygon has fewer than three corners, which stops pycocotools";
const COUNTS: &str = "a mask whose `counts` are not run lengths of 0 to 4294967295";

impl Segment {
    pub(crate) fn clear(&mut self) {
        self.kind = SegmentKind::Absent;
        self.corners.clear();
        self.ends.clear();
        self.text.clear();
        self.numbers = false;
    }

    /// Whether it is run lengths as text.
    pub(crate) fn compressed(&self) -> bool {
        matches!(self.kind, SegmentKind::Mask(..)) && !self.numbers
    }

    /// The polygons.
    pub(crate) fn polygons(&self) -> impl Iterator<Item = &[CornerPlace]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| &self.corners[start as usize..end as usize])
    }

    /// Reads the usual spellings; [`Stop::Odd`] for any other, and then what is here means nothing.
    pub(crate) fn read(&mut self, cursor: &mut Cursor<'_>) -> Scan<()> {
        self.clear();
        match cursor.next_byte()? {
            b'[' => self.read_polygons(cursor),
            b'{' => self.read_mask(cursor),
            _ => Err(Stop::Odd),
        }
    }

    fn read_polygons(&mut self, cursor: &mut Cursor<'_>) -> Scan<()> {
        cursor.at += 1;
        loop {
            if cursor.next_byte()? != b'[' {
                return Err(Stop::Odd);
            }
            cursor.at += 1;
            loop {
                self.corners.push(CornerPlace::of(double(cursor)?));
                if !cursor.more(b']')? {
                    break;
                }
            }
            self.ends.push(self.corners.len() as u32);
            if !cursor.more(b']')? {
                break;
            }
        }
        self.kind = polygons_kind(self.ends[0] as usize);
        Ok(())
    }

    fn read_mask(&mut self, cursor: &mut Cursor<'_>) -> Scan<()> {
        cursor.at += 1;
        let (mut size, mut counts) = (None, false);
        loop {
            // An object without anything in it is not read here.
            if cursor.next_byte()? == b'}' {
                return Err(Stop::Odd);
            }
            match cursor.key()? {
                b"size" if size.is_none() => size = Some(read_size(cursor)?),
                b"counts" if !counts => {
                    counts = true;
                    if cursor.next_byte()? != b'"' {
                        return Err(Stop::Odd);
                    }
                    let (raw, escaped) = cursor.raw_string()?;
                    append(raw, escaped, &mut self.text);
                }
                _ => return Err(Stop::Odd),
            }
            if !cursor.more(b'}')? {
                break;
            }
        }
        let (Some((height, width)), true) = (size, counts) else { return Err(Stop::Odd) };
        self.kind = SegmentKind::Mask(height, width);
        Ok(())
    }

    /// Takes any value.
    pub(crate) fn take(&mut self, value: Option<&JsonValue>) {
        self.clear();
        self.kind = match value {
            None => SegmentKind::Absent,
            Some(JsonValue::List(list)) => self.take_list(list),
            Some(JsonValue::Object(mask)) => self.take_mask(mask),
            Some(_) => SegmentKind::Wrong(SHAPELESS),
        };
    }

    fn take_list(&mut self, list: &[JsonValue]) -> SegmentKind {
        let first = match list.first() {
            None => return SegmentKind::Wrong("an empty `segmentation`, which stops pycocotools"),
            Some(JsonValue::List(first)) => first.len(),
            Some(JsonValue::Object(_)) => return self.take_masks(list),
            Some(_) => return SegmentKind::Wrong(SHAPELESS),
        };
        for polygon in list {
            let JsonValue::List(numbers) = polygon else { return SegmentKind::Wrong(SHAPELESS) };
            for number in numbers {
                let Some(number) = number.converted() else { return SegmentKind::Wrong(SHAPELESS) };
                self.corners.push(CornerPlace::of(number));
            }
            self.ends.push(self.corners.len() as u32);
        }
        polygons_kind(first)
    }

    fn take_mask(&mut self, mask: &Object) -> SegmentKind {
        let (height, width) = match size_of(mask) {
            Ok(size) => size,
            Err(what) => return SegmentKind::Wrong(what),
        };
        match mask.get("counts") {
            Some(JsonValue::Text(text)) => self.text.extend_from_slice(text.as_bytes()),
            Some(JsonValue::List(list)) => {
                let Some(runs) = runs_of(list) else { return SegmentKind::Wrong(COUNTS) };
                self.text.extend_from_slice(Rle::new(height, width, runs).text().as_bytes());
                self.numbers = true;
            }
            _ => return SegmentKind::Wrong(SHAPELESS),
        }
        SegmentKind::Mask(height, width)
    }

    /// Several masks of run lengths as numbers, which are one.
    fn take_masks(&mut self, list: &[JsonValue]) -> SegmentKind {
        let mut masks = Vec::new();
        for entry in list {
            let JsonValue::Object(mask) = entry else { return SegmentKind::Wrong(SHAPELESS) };
            let (Ok((height, width)), Some(JsonValue::List(counts))) = (size_of(mask), mask.get("counts"))
            else {
                return SegmentKind::Wrong(SHAPELESS);
            };
            let Some(runs) = runs_of(counts) else { return SegmentKind::Wrong(COUNTS) };
            masks.push(Rle::new(height, width, runs));
        }
        let merged = Rle::merge(&masks, false);
        self.text.extend_from_slice(merged.text().as_bytes());
        self.numbers = true;
        SegmentKind::Mask(merged.height(), merged.width())
    }
}

/// What polygons are whose first one has so many numbers: four are taken for a box, which pycocotools then does not take.
fn polygons_kind(first: usize) -> SegmentKind {
    if first > 4 { SegmentKind::Polygons } else { SegmentKind::Wrong(FEW) }
}

fn runs_of(list: &[JsonValue]) -> Option<Vec<u32>> {
    let run = |value: &JsonValue| {
        let run = value.number()?.trunc();
        (0.0..4_294_967_296.0).contains(&run).then_some(run as u32)
    };
    list.iter().map(run).collect()
}

fn size_of(mask: &Object) -> Result<(u32, u32), &'static str> {
    let Some(JsonValue::List(size)) = mask.get("size") else { return Err(SHAPELESS) };
    let side = |place: usize| match size.get(place) {
        Some(JsonValue::Int(side)) => u32::try_from(*side).map_err(|_| "a mask of impossible size"),
        Some(JsonValue::Bool(side)) => Ok(u32::from(*side)),
        _ => Err("a mask without a size of two whole numbers"),
    };
    Ok((side(0)?, side(1)?))
}

fn read_size(cursor: &mut Cursor<'_>) -> Scan<(u32, u32)> {
    use super::super::annotation::integer;
    if cursor.next_byte()? != b'[' {
        return Err(Stop::Odd);
    }
    cursor.at += 1;
    let mut side = |close: u8| {
        let side = integer(cursor)?.integer().and_then(|side| u32::try_from(side).ok()).ok_or(Stop::Odd)?;
        if cursor.next_byte()? != close {
            return Err(Stop::Odd);
        }
        cursor.at += 1;
        Ok(side)
    };
    Ok((side(b',')?, side(b']')?))
}

/// Appends a string of a file. The one character of run lengths that JSON escapes is the backslash.
fn append(raw: &[u8], escaped: bool, text: &mut Vec<u8>) {
    if !escaped {
        text.extend_from_slice(raw);
        return;
    }
    let start = text.len();
    let mut rest = raw;
    while let Some(at) = rest.iter().position(|&byte| byte == b'\\') {
        if rest.get(at + 1) != Some(&b'\\') {
            text.truncate(start);
            text.extend_from_slice(unescape(raw).as_bytes());
            return;
        }
        text.extend_from_slice(&rest[..=at]);
        rest = &rest[at + 2..];
    }
    text.extend_from_slice(rest);
}
