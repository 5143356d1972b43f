//! One annotation: the usual spelling read straight from the bytes, any other through a [`JsonValue`].
//!
//! What is missing or strange is noted, not refused: pycocotools looks at most of it only where it needs it.

use super::id::{Id, Ids};
use super::number;
use super::scan::{Cursor, NumberText, Scan, Stop};
use super::shapes::{IouType, Outlines, shape_key};
use super::value::{JsonValue, Object};

/// A ground truth box and what evaluation needs to know of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Annotation {
    /// Its own id.
    pub id: Id,
    /// Image that it is on.
    pub image: Id,
    /// Category that it is of.
    pub category: Id,
    /// Left, top, width and height.
    pub bbox: [f64; 4],
    /// The file's `area`; 0 where [`Traits::NO_AREA`].
    pub area: f64,
    /// What else is to be known.
    pub traits: Traits,
    /// Its place among the file's annotations, by which results know how much they overlap its mask or key points.
    pub shape: u32,
}

/// Yes-or-no facts about an annotation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traits(u16);

impl Traits {
    /// `iscrowd` is true in Python's sense: the annotation is ignored.
    pub const IGNORED: Traits = Traits(1);
    /// `int(iscrowd)` is not 0: the annotation is a crowd.
    pub const CROWD: Traits = Traits(1 << 1);
    /// `ignore` is true, which COCO overwrites and LVIS uses.
    pub const IGNORE_KEY: Traits = Traits(1 << 2);
    /// There is no `iscrowd`.
    pub const NO_CROWD: Traits = Traits(1 << 3);
    /// `iscrowd` is a number that fits no byte.
    pub const CROWD_RANGE: Traits = Traits(1 << 4);
    /// `iscrowd` is no number.
    pub const CROWD_KIND: Traits = Traits(1 << 5);
    /// There is no `area`.
    pub const NO_AREA: Traits = Traits(1 << 6);
    /// `area` is no number.
    pub const AREA_KIND: Traits = Traits(1 << 7);
    /// There is no `bbox`.
    pub const NO_BOX: Traits = Traits(1 << 8);
    /// `bbox` is no list of four numbers.
    pub const BOX_KIND: Traits = Traits(1 << 9);
    /// There is no `category_id`.
    pub const NO_CATEGORY: Traits = Traits(1 << 10);
    /// The id reads as the number 0.
    pub const ID_ZERO: Traits = Traits(1 << 11);
    /// The id is a string that is no number.
    pub const ID_WORD: Traits = Traits(1 << 12);
    /// `iscrowd` is neither 0 nor 1.
    pub const CROWD_UNUSUAL: Traits = Traits(1 << 13);
    /// `num_keypoints` is 0: where key points are compared, the annotation is ignored.
    pub const NO_POINTS: Traits = Traits(1 << 14);
    /// There is no `num_keypoints`.
    pub const NO_POINT_COUNT: Traits = Traits(1 << 15);

    /// Whether all of the other's facts hold.
    pub fn has(self, other: Traits) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) fn set(&mut self, other: Traits, yes: bool) {
        if yes {
            self.0 |= other.0;
        }
    }
}

/// Annotations of one piece of a file.
#[derive(Default)]
pub(super) struct AnnotationsPart {
    pub(super) rows: Vec<Annotation>,
    /// Masks or key points of the same annotations, where they are compared.
    pub(super) outlines: Outlines,
    pub(super) ids: Ids,
    /// The first annotation that cannot be one, by its place in this part.
    pub(super) trouble: Option<(u64, String)>,
    /// How many carry a score, as results do.
    pub(super) scored: u64,
}

/// Reads one annotation, with the shape that is compared.
pub(super) fn read(cursor: &mut Cursor<'_>, part: &mut AnnotationsPart, kind: IouType) -> Scan<()> {
    let start = cursor.at;
    let typed = typed(cursor, &mut part.outlines, kind);
    if typed.is_err() {
        part.outlines.truncate(part.rows.len());
    }
    match typed {
        Ok((row, scored)) => {
            part.scored += u64::from(scored);
            part.rows.push(row);
            Ok(())
        }
        Err(Stop::Odd) => {
            cursor.at = start;
            let value = JsonValue::read(cursor)?;
            if let Err(what) = general(&value, part, kind) {
                let place = part.rows.len() as u64;
                part.trouble.get_or_insert((place, what));
            }
            Ok(())
        }
        Err(stop) => Err(stop),
    }
}

const ID: u16 = 1;
const IMAGE: u16 = 2;
const CATEGORY: u16 = 4;
const BOX: u16 = 8;
const AREA: u16 = 16;
const CROWD: u16 = 32;
const IGNORE: u16 = 64;
const SCORE: u16 = 128;
const SHAPE: u16 = 256;
const POINTS: u16 = 512;

fn typed(cursor: &mut Cursor<'_>, outlines: &mut Outlines, kind: IouType) -> Scan<(Annotation, bool)> {
    if cursor.next_byte()? != b'{' {
        return Err(Stop::Odd);
    }
    cursor.at += 1;
    let zero = Id::new(0).ok_or(Stop::Odd)?;
    let mut row = Annotation {
        id: zero,
        image: zero,
        category: zero,
        bbox: [0.0; 4],
        area: 0.0,
        traits: Traits::default(),
        shape: 0,
    };
    let shape_key = shape_key(kind);
    let mut seen = 0;
    loop {
        cursor.next_byte()?;
        let known = if cursor.literal(b"\"area\":") {
            AREA
        } else if cursor.literal(b"\"iscrowd\":") {
            CROWD
        } else if cursor.literal(b"\"image_id\":") {
            IMAGE
        } else if cursor.literal(b"\"bbox\":") {
            BOX
        } else if cursor.literal(b"\"category_id\":") {
            CATEGORY
        } else if cursor.literal(b"\"id\":") {
            ID
        } else {
            match cursor.key()? {
                b"id" => ID,
                b"image_id" => IMAGE,
                b"category_id" => CATEGORY,
                b"bbox" => BOX,
                b"area" => AREA,
                b"iscrowd" => CROWD,
                b"ignore" => IGNORE,
                b"score" => SCORE,
                b"num_keypoints" => POINTS,
                key if Some(key) == shape_key => SHAPE,
                _ => 0,
            }
        };
        if seen & known != 0 {
            return Err(Stop::Odd);
        }
        seen |= known;
        match known {
            SHAPE => outlines.read(cursor, kind)?,
            POINTS if kind == IouType::Keypoints => {
                let count = double(cursor)?;
                row.traits.set(Traits::NO_POINTS, count == 0.0);
            }
            ID => row.id = integer(cursor)?,
            IMAGE => row.image = integer(cursor)?,
            CATEGORY => row.category = integer(cursor)?,
            BOX => row.bbox = four(cursor)?,
            AREA => row.area = double(cursor)?,
            CROWD => {
                let crowd = flag(cursor)?;
                row.traits.set(Traits(Traits::IGNORED.0 | Traits::CROWD.0), crowd);
            }
            IGNORE => {
                let ignore = flag(cursor)?;
                row.traits.set(Traits::IGNORE_KEY, ignore);
            }
            _ => cursor.skip()?,
        }
        if !cursor.more(b'}')? {
            break;
        }
    }
    if shape_key.is_some() && seen & SHAPE == 0 {
        return Err(Stop::Odd);
    }
    row.traits.set(Traits::NO_POINT_COUNT, seen & POINTS == 0);
    let needed = ID | IMAGE | CATEGORY | BOX | AREA | CROWD;
    if seen & needed & !CROWD != needed & !CROWD {
        return Err(Stop::Odd);
    }
    row.traits.set(Traits::NO_CROWD, seen & CROWD == 0);
    row.traits.set(Traits::ID_ZERO, row.id == zero);
    Ok((row, seen & SCORE != 0))
}

/// An id in its usual form.
#[inline]
pub(super) fn integer(cursor: &mut Cursor<'_>) -> Scan<Id> {
    let byte = cursor.next_byte()?;
    if let Some((value, end)) = number::quick_integer(cursor.data, cursor.at) {
        cursor.at = end;
        return Id::new(value).ok_or(Stop::Odd);
    }
    match byte {
        b'0'..=b'9' | b'-' => match cursor.number()? {
            NumberText::Int(value) => Id::new(value).ok_or(Stop::Odd),
            _ => Err(Stop::Odd),
        },
        _ => Err(Stop::Odd),
    }
}

/// A number in its usual form.
#[inline]
pub(super) fn double(cursor: &mut Cursor<'_>) -> Scan<f64> {
    let byte = cursor.next_byte()?;
    if let Some((value, end)) = number::quick(cursor.data, cursor.at) {
        cursor.at = end;
        return Ok(value);
    }
    match byte {
        b'0'..=b'9' | b'-' | b'N' | b'I' => Ok(cursor.number()?.double()),
        _ => Err(Stop::Odd),
    }
}

/// A box in its usual form.
#[inline]
pub(super) fn four(cursor: &mut Cursor<'_>) -> Scan<[f64; 4]> {
    if cursor.next_byte()? != b'[' {
        return Err(Stop::Odd);
    }
    cursor.at += 1;
    let mut numbers = [0.0; 4];
    for (place, number) in numbers.iter_mut().enumerate() {
        *number = double(cursor)?;
        if cursor.next_byte()? != if place < 3 { b',' } else { b']' } {
            return Err(Stop::Odd);
        }
        cursor.at += 1;
    }
    Ok(numbers)
}

fn flag(cursor: &mut Cursor<'_>) -> Scan<bool> {
    match cursor.next_byte()? {
        b't' => cursor.word("true").map(|()| true),
        b'f' => cursor.word("false").map(|()| false),
        b'0' | b'1' => match cursor.number()? {
            NumberText::Int(0) => Ok(false),
            NumberText::Int(1) => Ok(true),
            _ => Err(Stop::Odd),
        },
        _ => Err(Stop::Odd),
    }
}

fn general(value: &JsonValue, part: &mut AnnotationsPart, kind: IouType) -> Result<(), String> {
    let JsonValue::Object(object) = value else { return Err("is no object".into()) };
    let mut id_of = |key: &str| match object.get(key) {
        None => Ok(None),
        Some(value) => part
            .ids
            .of(value)
            .map(Some)
            .ok_or_else(|| format!("has a `{key}` that can name nothing: a number or a string expected")),
    };
    let id = id_of("id")?.ok_or("has no `id`")?;
    let image = id_of("image_id")?.ok_or("has no `image_id`")?;
    let category = id_of("category_id")?;
    let mut traits = Traits::default();
    traits.set(Traits::NO_CATEGORY, category.is_none());
    let zero = object.get("id").and_then(JsonValue::converted) == Some(0.0);
    traits.set(Traits::ID_ZERO, zero);
    traits.set(Traits::ID_WORD, object.get("id").is_some_and(|id| id.converted().is_none()));
    crowd(object, &mut traits);
    traits.set(Traits::IGNORE_KEY, object.get("ignore").is_some_and(JsonValue::truthy));
    let area = match object.get("area") {
        None => {
            traits.set(Traits::NO_AREA, true);
            0.0
        }
        Some(area) => area.number().unwrap_or_else(|| {
            traits.set(Traits::AREA_KIND, true);
            0.0
        }),
    };
    let bbox = match object.get("bbox") {
        None => {
            traits.set(Traits::NO_BOX, true);
            None
        }
        Some(JsonValue::List(list)) => {
            let numbers: Option<Vec<f64>> = list.iter().map(JsonValue::converted).collect();
            numbers.and_then(|numbers| <[f64; 4]>::try_from(numbers).ok())
        }
        Some(_) => None,
    };
    traits.set(Traits::BOX_KIND, bbox.is_none() && !traits.has(Traits::NO_BOX));
    match object.get("num_keypoints") {
        None => traits.set(Traits::NO_POINT_COUNT, true),
        Some(count) => {
            traits.set(Traits::NO_POINTS, kind == IouType::Keypoints && count.number() == Some(0.0))
        }
    }
    part.outlines.take(object, kind);
    part.scored += u64::from(object.get("score").is_some());
    let category = category.unwrap_or(id);
    part.rows.push(Annotation {
        id,
        image,
        category,
        bbox: bbox.unwrap_or([0.0; 4]),
        area,
        traits,
        shape: 0,
    });
    Ok(())
}

/// `iscrowd` is asked twice: whether it is true, and which byte `int(iscrowd)` is.
fn crowd(object: &Object, traits: &mut Traits) {
    let Some(crowd) = object.get("iscrowd") else {
        traits.set(Traits::NO_CROWD, true);
        return;
    };
    traits.set(Traits::IGNORED, crowd.truthy());
    let whole = match crowd {
        // `int("0.5")` is an error, `int(0.5)` is 0.
        JsonValue::Text(text) => text.trim().parse::<i64>().ok().map(|whole| whole as f64),
        other => other.number().filter(|number| number.is_finite()).map(f64::trunc),
    };
    match whole {
        None => traits.set(Traits::CROWD_KIND, true),
        Some(whole) => {
            traits.set(Traits::CROWD, whole != 0.0);
            traits.set(Traits::CROWD_RANGE, !(0.0..256.0).contains(&whole));
        }
    }
    let usual = matches!(crowd, JsonValue::Bool(_) | JsonValue::Int(0 | 1));
    traits.set(Traits::CROWD_UNUSUAL, !usual);
}
