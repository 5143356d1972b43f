//! One result: the usual spelling read straight from the bytes, any other through a [`JsonValue`].
//!
//! The rules are those of pycocotools' `loadRes`: the first result decides what all of them are taken for.

use super::annotation::{double, four, integer};
use super::error::quoted;
use super::id::Id;
use super::names::Map;
use super::results::{Lookup, NOWHERE, Noticed, ResultDetection, bump};
use super::scan::{Cursor, Scan, Stop};
use super::shapes::{Belongs, Comparer, IouType, OverlapsPart};
use super::value::{JsonValue, Object};

/// Where the boxes of a results file come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BoxSource {
    Boxes,
    Masks,
    KeyPoints,
}

/// Results of one piece of a file.
#[derive(Default)]
pub(super) struct ResultsPart {
    /// Category and detection.
    pub(super) rows: Vec<(u32, ResultDetection)>,
    /// Areas that are not width times height; empty or as long as `rows`.
    pub(super) areas: Vec<f64>,
    /// Overlaps of masks or key points; empty or of as many results as `rows`.
    pub(super) overlaps: OverlapsPart,
    /// Compares masks and key points.
    pub(super) comparer: Comparer,
    pub(super) noticed: Noticed,
    /// The first result that cannot be used, by its place in this part counted from 1.
    pub(super) trouble: Option<(u64, String)>,
    /// The last image that was looked up; results of an image stand together.
    last_image: Option<(Id, u32)>,
}

/// What all results are, by the first one.
pub(super) fn kind_of(first: &Object) -> Result<BoxSource, String> {
    if first.get("caption").is_some() {
        return Err("is a caption: boxes expected".into());
    }
    match first.get("bbox") {
        Some(JsonValue::List(list)) if list.is_empty() => {}
        Some(_) => return Ok(BoxSource::Boxes),
        None => {}
    }
    if first.get("segmentation").is_some() {
        return Ok(BoxSource::Masks);
    }
    if first.get("keypoints").is_some() {
        return Ok(BoxSource::KeyPoints);
    }
    Err(match first.get("bbox") {
        Some(_) => "has an empty `bbox`: [x, y, width, height] expected".into(),
        None => "has no `bbox`: [x, y, width, height] expected".into(),
    })
}

/// Bytes that a result takes at least, as most are written.
const TYPICAL: usize = 100;

/// Reads one result.
pub(super) fn read(
    cursor: &mut Cursor<'_>,
    part: &mut ResultsPart,
    kind: BoxSource,
    lookup: &Lookup,
    map: Option<&Map>,
) -> Scan<()> {
    let start = cursor.at;
    if part.rows.capacity() == 0 {
        part.rows.reserve(cursor.data.len().saturating_sub(start) / TYPICAL);
    }
    let points = kind == BoxSource::KeyPoints || lookup.kind() == IouType::Keypoints;
    let plain = if points || map.is_some() { Err(Stop::Odd) } else { typed(cursor, part, kind, lookup) };
    match plain {
        Ok(result) => {
            part.noticed.count += 1;
            part.noticed.masks += u64::from(result.masked && kind == BoxSource::Boxes);
            if let Err(what) = keep(result, part, kind, lookup) {
                let number = part.noticed.count;
                part.trouble.get_or_insert((number, what));
            }
            Ok(())
        }
        Err(Stop::Odd) => {
            cursor.at = start;
            let value = JsonValue::read(cursor)?;
            part.noticed.count += 1;
            if let Err(what) = general(&value, part, kind, lookup, map) {
                let number = part.noticed.count;
                part.trouble.get_or_insert((number, what));
            }
            Ok(())
        }
        Err(stop) => Err(stop),
    }
}

/// A result in its usual spelling; its mask lies in the part's comparer.
struct TypedResult {
    image: Id,
    category: Id,
    bbox: Option<[f64; 4]>,
    score: f64,
    masked: bool,
}

/// Keeps a result, if it is one of an evaluated image and category.
fn keep(result: TypedResult, part: &mut ResultsPart, kind: BoxSource, lookup: &Lookup) -> Result<(), String> {
    let TypedResult { image, category, bbox, score, .. } = result;
    let place = match part.last_image {
        Some((id, place)) if id == image => place,
        _ => {
            let Some(place) = lookup.images.get(image) else {
                part.noticed.unknown_image(lookup.ids.show(image).to_string());
                return Ok(());
            };
            part.last_image = Some((image, place));
            place
        }
    };
    let category = lookup.categories.get(category).unwrap_or_else(|| {
        part.noticed.foreign_category(category);
        NOWHERE
    });
    let rank = lookup.ranks.get(place as usize).copied().unwrap_or(NOWHERE);
    if rank == NOWHERE || (category == NOWHERE && !lookup.keep_foreign) {
        return Ok(());
    }
    let bbox = match lookup.truths.as_deref() {
        Some(truths) => {
            let at = Belongs { image: rank, category, among: lookup.among };
            let facts = part.comparer.mask(truths, at, bbox, &mut part.overlaps).map_err(has)?;
            bbox.unwrap_or(facts.bbox)
        }
        None if kind == BoxSource::Masks => {
            let facts = part.comparer.facts().map_err(has)?;
            part.areas.push(f64::from(facts.area));
            bbox.unwrap_or(facts.bbox)
        }
        None => bbox.ok_or("has no `bbox`")?,
    };
    part.rows.push((category, ResultDetection { bbox, score, image: rank, order: 0 }));
    Ok(())
}

fn has(what: String) -> String {
    format!("has {what}")
}

fn typed(
    cursor: &mut Cursor<'_>,
    part: &mut ResultsPart,
    kind: BoxSource,
    lookup: &Lookup,
) -> Scan<TypedResult> {
    const IMAGE: u8 = 1;
    const CATEGORY: u8 = 2;
    const BOX: u8 = 4;
    const SCORE: u8 = 8;
    const MASK: u8 = 16;
    if cursor.next_byte()? != b'{' {
        return Err(Stop::Odd);
    }
    cursor.at += 1;
    let zero = Id::new(0).ok_or(Stop::Odd)?;
    let (mut image, mut category, mut bbox, mut score) = (zero, zero, None, 0.0);
    let (mut seen, mut masked) = (0, false);
    let masks = kind == BoxSource::Masks || lookup.truths.is_some();
    part.comparer.segment.clear();
    loop {
        cursor.next_byte()?;
        let known = if cursor.literal(b"\"image_id\":") {
            IMAGE
        } else if cursor.literal(b"\"category_id\":") {
            CATEGORY
        } else if cursor.literal(b"\"bbox\":") {
            BOX
        } else if cursor.literal(b"\"score\":") {
            SCORE
        } else {
            match cursor.key()? {
                b"image_id" => IMAGE,
                b"category_id" => CATEGORY,
                b"bbox" => BOX,
                b"score" => SCORE,
                b"segmentation" => MASK,
                _ => 0,
            }
        };
        if seen & known != 0 {
            return Err(Stop::Odd);
        }
        seen |= known;
        match known {
            IMAGE => image = integer(cursor)?,
            CATEGORY => category = integer(cursor)?,
            BOX => bbox = Some(four(cursor)?),
            SCORE => score = double(cursor)?,
            MASK if masks => {
                part.comparer.segment.read(cursor)?;
                masked = true;
            }
            MASK => {
                cursor.next_byte()?;
                let start = cursor.at;
                cursor.skip()?;
                masked = !matches!(&cursor.data[start..cursor.at], b"[]" | b"{}" | b"null");
            }
            _ => cursor.skip()?,
        }
        if !cursor.more(b'}')? {
            break;
        }
    }
    let needed = match kind {
        BoxSource::Masks => IMAGE | CATEGORY | MASK | SCORE,
        _ => IMAGE | CATEGORY | BOX | SCORE,
    };
    // Results without boxes must have compressed masks.
    let polygons = kind == BoxSource::Masks && !part.comparer.segment.compressed();
    if seen & needed != needed || polygons {
        return Err(Stop::Odd);
    }
    Ok(TypedResult { image, category, bbox, score, masked })
}

fn general(
    value: &JsonValue,
    part: &mut ResultsPart,
    kind: BoxSource,
    lookup: &Lookup,
    map: Option<&Map>,
) -> Result<(), String> {
    let JsonValue::Object(object) = value else { return Err("is no object".into()) };
    let id = object.get("image_id").ok_or("has no `image_id`")?;
    let named = map.and_then(|map| map.image(object));
    let image = named.map_or_else(|| lookup.ids.find(id), |named| named.id);
    let Some(place) = image.and_then(|id| lookup.images.get(id)) else {
        match named {
            Some(named) => part.noticed.unknown_file(&named.name),
            None => part.noticed.unknown_image(id_text(id)?),
        }
        return Ok(());
    };
    let masked = kind == BoxSource::Boxes && object.get("segmentation").is_some_and(JsonValue::truthy);
    part.noticed.masks += u64::from(masked);
    // Boxes are looked at before categories and scores: a bad one stops pycocotools wherever it is.
    let (bbox, area) = match kind {
        BoxSource::Boxes => (plain_box(object)?, None),
        BoxSource::Masks => mask_box(object, &mut part.comparer)?,
        BoxSource::KeyPoints => (points_box(object)?, None),
    };
    let id = object.get("category_id").ok_or("has no `category_id`")?;
    let named = map.and_then(|map| map.category(id));
    let category = named.map_or_else(|| lookup.ids.find(id), |named| named.id);
    let found = category.and_then(|id| lookup.categories.get(id));
    if found.is_none() {
        match (category, named) {
            (Some(id), _) => part.noticed.foreign_category(id),
            (None, Some(named)) => bump(&mut part.noticed.foreign_words, quoted(&named.name), 1),
            (None, None) => bump(&mut part.noticed.foreign_words, id_text(id)?, 1),
        }
    }
    let rank = lookup.ranks.get(place as usize).copied().unwrap_or(NOWHERE);
    if rank == NOWHERE || (found.is_none() && !lookup.keep_foreign) {
        return Ok(());
    }
    let score = match object.get("score") {
        None => return Err("has no `score`".into()),
        Some(JsonValue::Null) => return Err("has null as `score`: a number expected".into()),
        Some(score) => {
            part.noticed.bool_scores += u64::from(matches!(score, JsonValue::Bool(_)));
            score.number().ok_or("has a `score` that is no number")?
        }
    };
    let bbox = bbox.ok_or("has a `bbox` that is not four numbers: [x, y, width, height] expected")?;
    if let Some(truths) = lookup.truths.as_deref() {
        let category = found.unwrap_or(NOWHERE);
        let at = Belongs { image: rank, category, among: lookup.among };
        if truths.kind() == IouType::Keypoints {
            let compared = part.comparer.points(object.get("keypoints"), truths, at, &mut part.overlaps);
            if let Err(what) = compared {
                part.overlaps.skip(part.noticed.count, has(what));
            }
        } else {
            part.comparer.segment.take(object.get("segmentation"));
            part.comparer.mask(truths, at, Some(bbox), &mut part.overlaps).map_err(has)?;
        }
    }
    part.rows.push((found.unwrap_or(NOWHERE), ResultDetection { bbox, score, image: rank, order: 0 }));
    if let Some(area) = area.filter(|_| lookup.kind() != IouType::Segm) {
        part.areas.push(area);
    }
    Ok(())
}

/// An id as it stands in the file.
pub(super) fn id_text(id: &JsonValue) -> Result<String, String> {
    Ok(match id {
        JsonValue::Null => "null".into(),
        JsonValue::Bool(value) => value.to_string(),
        JsonValue::Int(value) => value.to_string(),
        JsonValue::Big(digits) => digits.clone(),
        JsonValue::Float(value) => value.to_string(),
        JsonValue::Text(text) => quoted(text),
        JsonValue::List(_) | JsonValue::Object(_) => return Err("has a list or an object as an id".into()),
    })
}

/// A box of numbers; `None` where it is too long, which matters only if it is evaluated.
fn plain_box(object: &Object) -> Result<Option<[f64; 4]>, String> {
    let list = match object.get("bbox") {
        Some(JsonValue::List(list)) => list,
        Some(_) => return Err("has a `bbox` that is not a list".into()),
        None => return Err("has no `bbox`".into()),
    };
    if list.len() < 4 {
        return Err(format!("has a `bbox` of {} numbers: [x, y, width, height] expected", list.len()));
    }
    let numbers: Option<Vec<f64>> = list[..4].iter().map(JsonValue::number).collect();
    let numbers = numbers.ok_or("has a `bbox` with something that is no number")?;
    Ok(if list.len() == 4 { numbers.try_into().ok() } else { None })
}

type WithBox = (Option<[f64; 4]>, Option<f64>);

fn mask_box(object: &Object, comparer: &mut Comparer) -> Result<WithBox, String> {
    comparer.segment.take(object.get("segmentation"));
    if !comparer.segment.compressed() {
        return Err("has no compressed mask as `segmentation`, which results without boxes must have: `size` and a text as `counts`".into());
    }
    let facts = comparer.facts().map_err(has)?;
    let bbox = match object.get("bbox") {
        None => Some(facts.bbox),
        Some(JsonValue::List(list)) => {
            let numbers: Option<Vec<f64>> = list.iter().map(JsonValue::converted).collect();
            numbers.and_then(|numbers| numbers.try_into().ok())
        }
        Some(_) => None,
    };
    Ok((bbox, Some(f64::from(facts.area))))
}

fn points_box(object: &Object) -> Result<Option<[f64; 4]>, String> {
    let Some(JsonValue::List(points)) = object.get("keypoints") else {
        return Err("has no `keypoints`".into());
    };
    let numbers: Option<Vec<f64>> = points.iter().map(JsonValue::number).collect();
    let numbers = numbers.ok_or("has `keypoints` with something that is no number")?;
    if numbers.len() < 2 {
        return Err("has no `keypoints`".into());
    }
    // As in numpy's min and max, a NaN wins over all numbers.
    let over = |wins: bool, a: f64, b: f64| if wins || b.is_nan() { b } else { a };
    let least = |values: &mut dyn Iterator<Item = f64>| values.reduce(|a, b| over(b < a, a, b));
    let most = |values: &mut dyn Iterator<Item = f64>| values.reduce(|a, b| over(b > a, a, b));
    let axis = |from: usize| numbers.iter().copied().skip(from).step_by(3);
    let corner = |from| least(&mut axis(from)).unwrap_or(f64::NAN);
    let far = |from| most(&mut axis(from)).unwrap_or(f64::NAN);
    Ok(Some([corner(0), corner(1), far(0) - corner(0), far(1) - corner(1)]))
}
