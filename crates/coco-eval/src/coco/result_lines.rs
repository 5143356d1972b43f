//! Results as detections.jsonl has them: a line a photo.

use std::collections::HashSet;
use std::path::Path;

use super::error::{ReadError, quoted};
use super::names::Map;
use super::number::shortest;
use super::result_record::{BoxSource, ResultsPart, id_text};
use super::results::{Detections, Lookup, NOWHERE, ResultDetection, ResultsForm, bump};
use super::shapes::{Belongs, IouType};
use super::stream::JsonStream;
use super::value::{JsonValue, Object};

impl Detections {
    pub(super) fn lines(&mut self, mut stream: JsonStream, lookup: &Lookup) -> Result<(), ReadError> {
        self.noticed.form = ResultsForm::Lines;
        let map = match &lookup.names {
            Some(names) => Some(Map::of_files(files_in_lines(&self.path)?.iter().map(|name| &**name), names)),
            None => None,
        };
        self.start_overlaps(BoxSource::Boxes, lookup);
        let mut line = 0;
        let mut trouble = None;
        while stream.peek()?.is_some() {
            line += 1;
            let value = match stream.one("a line", JsonValue::read) {
                Err(ReadError::EndsEarly { .. }) if line > 1 => {
                    self.noticed.cut_line = true;
                    break;
                }
                value => value?,
            };
            let mut part = ResultsPart::default();
            let JsonValue::Object(object) = value else {
                return Err(ReadError::shape(&self.path, format!("line {line} is no object")));
            };
            photo(&object, &mut part, lookup, map.as_ref()).map_err(|what| ReadError::Record {
                path: self.path.clone(),
                record: "photo",
                number: line,
                what,
            })?;
            self.take(part, &mut trouble);
        }
        self.judge(trouble)
    }
}

/// The files that the lines of detections.jsonl name.
fn files_in_lines(path: &Path) -> Result<HashSet<Box<str>>, ReadError> {
    let mut files = HashSet::new();
    let mut stream = JsonStream::open(path)?;
    while stream.peek()?.is_some() {
        // What is wrong with a line is said where it is read for good.
        let Ok(value) = stream.one("a line", JsonValue::read) else { break };
        if let JsonValue::Object(object) = value {
            files.extend(object.get("file").and_then(JsonValue::text).map(Into::into));
        }
    }
    Ok(files)
}

/// One line of detections.jsonl.
fn photo(object: &Object, part: &mut ResultsPart, lookup: &Lookup, map: Option<&Map>) -> Result<(), String> {
    if object.get("error").is_some() {
        part.noticed.failed_photos += 1;
        return Ok(());
    }
    let names = lookup.names.as_ref();
    let file = object.get("file").and_then(JsonValue::text);
    let image_id = object.get("image_id").ok_or("has no `image_id`")?;
    let by_id = lookup.ids.find(image_id);
    part.noticed.images.extend(by_id.zip(file.map(Into::into)));
    let named = map.zip(file).and_then(|(map, file)| map.file(file));
    let image = named.map_or(by_id, |named| named.id).and_then(|id| lookup.images.get(id));
    part.noticed.seen.get_or_insert_default().extend(image);
    let Some(JsonValue::List(list)) = object.get("detections") else {
        return Err("has no list `detections`".into());
    };
    for value in list {
        part.noticed.count += 1;
        part.noticed.masks += u64::from(value_has_mask(value));
        let JsonValue::Object(detection) = value else {
            return Err("has a detection that is no object".into());
        };
        let Some(image) = image else {
            match named {
                Some(named) => part.noticed.unknown_file(&named.name),
                None => part.noticed.unknown_image(id_text(image_id)?),
            }
            continue;
        };
        let label = detection.get("label").and_then(JsonValue::text);
        let id = match names.zip(label) {
            Some((names, label)) => names.category(label),
            None => detection.get("category_id").and_then(|id| lookup.ids.find(id)),
        };
        let category = id.and_then(|id| lookup.categories.get(id));
        let rank = lookup.ranks.get(image as usize).copied().unwrap_or(NOWHERE);
        if category.is_none() {
            match (id, label) {
                (Some(id), _) => part.noticed.foreign_category(id),
                (None, label) => bump(&mut part.noticed.foreign_words, quoted(label.unwrap_or("?")), 1),
            }
        }
        if rank == NOWHERE || (category.is_none() && !lookup.keep_foreign) {
            continue;
        }
        let corners = corners(detection).ok_or("has a detection whose `box` is not four numbers")?;
        let score = detection
            .get("score")
            .and_then(JsonValue::number)
            .ok_or("has a detection without a number as `score`")?;
        let bbox = sides(corners);
        if let Some(truths) = lookup.truths.as_deref() {
            let category = category.unwrap_or(NOWHERE);
            let at = Belongs { image: rank, category, among: lookup.among };
            let compared = if truths.kind() == IouType::Keypoints {
                part.comparer.points(detection.get("keypoints"), truths, at, &mut part.overlaps)
            } else {
                part.comparer.segment.take(detection.get("mask"));
                part.comparer.mask(truths, at, Some(bbox), &mut part.overlaps).map(|_| ())
            };
            compared.map_err(|what| format!("has a detection that has {what}"))?;
        }
        let row = ResultDetection { bbox, score, image: rank, order: 0 };
        part.rows.push((category.unwrap_or(NOWHERE), row));
    }
    Ok(())
}

fn value_has_mask(detection: &JsonValue) -> bool {
    matches!(detection, JsonValue::Object(detection) if detection.get("mask").is_some_and(JsonValue::truthy))
}

fn corners(detection: &Object) -> Option<[f64; 4]> {
    let Some(JsonValue::List(list)) = detection.get("box") else { return None };
    let numbers: Option<Vec<f64>> = list.iter().map(JsonValue::number).collect();
    numbers?.try_into().ok()
}

/// Corners as sides, with the numbers that detections.json has: those are float32 in their shortest spelling.
fn sides([x1, y1, x2, y2]: [f64; 4]) -> [f64; 4] {
    let single = |number: f64| shortest(number as f32) == number;
    if [x1, y1, x2, y2].into_iter().all(single) {
        return [x1, y1, shortest(x2 as f32 - x1 as f32), shortest(y2 as f32 - y1 as f32)];
    }
    [x1, y1, x2 - x1, y2 - y1]
}
