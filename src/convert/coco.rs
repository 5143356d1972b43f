//! COCO's form: one JSON file. A run's detections have the same tables, beside a journal with the boxes.
//!
//! What else stands in a COCO file goes along as it is, for COCO's own form; the others have no place for it.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::error::io_error;
use super::{
    Annotations, ConvertError, LabelCategory, LabelFailure, LabelSource, LabelledObject, LabelledPhoto,
    ReadOptions, Whose, outline,
};
use crate::run::{JournalRow, ResultItem, journal_rows};
use coco_eval::{
    CategoryEntry, DataSet, Id, Ids, JsonList, Want, WholeAnnotation, WholeSet, says_something, shortest,
};

/// Reads a data set, with everything that stands in it where that is to be kept.
pub(super) fn read(path: &Path, options: &ReadOptions) -> Result<LabelSource, ConvertError> {
    let keep = options.keep;
    let mut set = WholeSet::read(path, keep || options.outlines)?;
    let mut outlines = HashMap::new();
    if options.outlines && !keep {
        outlines = take_outlines(&mut set);
    }
    let missing = |key: &str| {
        let what = format!("has no `{key}`: COCO annotations have images, annotations and categories");
        ConvertError::Shape { path: path.to_owned(), what }
    };
    let images = set.images.ok_or_else(|| missing("images"))?;
    let annotations = set.annotations.ok_or_else(|| missing("annotations"))?;
    let categories = set.categories.ok_or_else(|| missing("categories"))?;
    let ids = &set.ids;
    let mut source = LabelSource::default();
    let mut fail = |table: &str, bad: Vec<(u64, String)>| {
        source
            .failed
            .extend(bad.into_iter().map(|(place, what)| LabelFailure::new(format!("{table} {place}"), what)));
    };
    fail("image", images.bad);
    fail("category", categories.bad);
    fail("annotation", annotations.bad);
    for (whose, more) in
        [(Whose::Object, annotations.more), (Whose::Photo, images.more), (Whose::Category, categories.more)]
    {
        more.into_iter().for_each(|(name, count)| source.more.add(whose, &format!("`{name}`"), count));
    }
    for (name, _) in set.more.iter().filter(|(_, value)| says_something(value)) {
        source.more.add(Whose::Set, &format!("`{name}`"), 1);
    }
    source.annotations.more = if keep { set.more } else { Vec::new() };

    let wrong = |table: &str, place: u64, what: &str| shape(path, format!("has {what} in {table} {place}"));
    let numbers = WholeIds::of(ids, categories.good.iter().map(|(_, category)| category.id));
    source.warnings.extend(numbers.note("category", ids));
    let mut category_places = HashMap::new();
    for (place, category) in categories.good {
        if category_places.insert(category.id, source.annotations.categories.len()).is_some() {
            return Err(wrong("category", place, "the `id` of an earlier category"));
        }
        let id = numbers.get(category.id);
        let name = category.name.unwrap_or_else(|| format!("class {id}"));
        source.annotations.categories.push(LabelCategory { id, name, more: category.more });
    }

    let numbers = WholeIds::of(ids, images.good.iter().map(|(_, image)| image.id));
    source.warnings.extend(numbers.note("image", ids));
    let mut photo_places = HashMap::new();
    for (place, image) in images.good {
        if photo_places.insert(image.id, source.annotations.photos.len()).is_some() {
            return Err(wrong("image", place, "the `id` of an earlier image"));
        }
        let side = |side: Option<f64>| {
            let whole = side.filter(|side| (1.0..=f64::from(u32::MAX)).contains(side) && side.fract() == 0.0);
            whole.map(|side| side as u32)
        };
        let size = side(image.sides[0]).zip(side(image.sides[1]));
        let Some(file) = image.file_name else {
            source.failed.push(LabelFailure::new(format!("image {place}"), "has no `file_name`"));
            // Its annotations go with it.
            photo_places.insert(image.id, usize::MAX);
            source.annotations.photos.push(LabelledPhoto::default());
            continue;
        };
        source.annotations.photos.push(LabelledPhoto {
            id: numbers.get(image.id),
            file,
            size,
            more: image.more,
            ..LabelledPhoto::default()
        });
    }
    let unnamed = photo_places.values().filter(|place| **place == usize::MAX).count();
    objects(&mut source, annotations.good, outlines, ids, (&photo_places, &category_places));
    if unnamed > 0 {
        source.annotations.photos.retain(|photo| !photo.file.is_empty());
    }
    Ok(source)
}

/// Lines around annotations, by their places in the file.
type OutlinesById = HashMap<u64, Vec<outline::Line>>;

/// Reads what of the annotations' further members are shapes, and forgets these members; shapes count no more as something
/// that has no place.
fn take_outlines(set: &mut WholeSet) -> OutlinesById {
    let mut found = OutlinesById::new();
    let Some(annotations) = &mut set.annotations else { return found };
    for (place, row) in &mut annotations.good {
        let more: Option<serde_json::Value> =
            serde_json::from_str(&format!("{{{}}}", std::mem::take(&mut row.more))).ok();
        let lines = more.and_then(|more| outline::of_segmentation(more.get("segmentation")?));
        found.extend(lines.map(|lines| (*place, lines)));
    }
    if let Some(count) = annotations.more.get_mut("segmentation") {
        *count = count.saturating_sub(found.len());
    }
    let images = set.images.iter_mut().flat_map(|table| &mut table.good).map(|(_, row)| &mut row.more);
    let categories =
        set.categories.iter_mut().flat_map(|table| &mut table.good).map(|(_, row)| &mut row.more);
    images.chain(categories).for_each(|more| *more = Box::default());
    found
}

/// Puts annotations into their photos.
fn objects(
    source: &mut LabelSource,
    annotations: Vec<(u64, WholeAnnotation)>,
    mut outlines: OutlinesById,
    ids: &Ids,
    (photos, categories): (&HashMap<Id, usize>, &HashMap<Id, usize>),
) {
    let photo_words = words(ids, photos);
    let category_words = words(ids, categories);
    let (mut strangers, mut loose) = (0, 0);
    let mut find = |id: Id, places: &HashMap<Id, usize>, words: &HashMap<String, usize>| {
        places.get(&id).copied().or_else(|| {
            let place = words.get(&word(ids, id)).copied();
            loose += usize::from(place.is_some());
            place
        })
    };
    let mut known_ids = HashSet::new();
    let mut kept_ids = true;
    for (place, row) in annotations {
        let photo = find(row.image, photos, &photo_words);
        let category = find(row.category, categories, &category_words);
        let (Some(photo), Some(category)) = (photo, category) else {
            strangers += 1;
            continue;
        };
        let id = row.id.and_then(Id::integer);
        kept_ids &= id.is_some_and(|id| known_ids.insert(id));
        if let Some(photo) = source.annotations.photos.get_mut(photo) {
            photo.objects.push(LabelledObject {
                category,
                bbox: row.bbox,
                area: row.area,
                crowd: row.crowd,
                score: row.score,
                outlines: outlines.remove(&place).unwrap_or_default(),
                id,
                more: row.more,
            });
        }
    }
    // Repeated ids and such that are no numbers name nothing.
    if !kept_ids {
        let objects = source.annotations.photos.iter_mut().flat_map(|photo| &mut photo.objects);
        objects.for_each(|object| object.id = None);
        source
            .warnings
            .push("ids of annotations are counted anew: some are repeated, or no whole numbers".into());
    }
    if strangers > 0 {
        source.warnings.push(format!("{strangers} annotations are on images or of categories that the file does not list, and are left out"));
    }
    if loose > 0 {
        source.warnings.push(format!("{loose} ids in annotations are strings where their table has numbers, or the other way round, and are taken for the same"));
    }
}

/// An id without the quotes of a string, for what a tool wrote now as a number and now as a string.
fn word(ids: &Ids, id: Id) -> String {
    ids.text(id).map_or_else(|| ids.show(id).to_string(), |text| text.trim().to_owned())
}

fn words(ids: &Ids, places: &HashMap<Id, usize>) -> HashMap<String, usize> {
    places.iter().map(|(id, place)| (word(ids, *id), *place)).collect()
}

/// Whole numbers for ids: their own, or new ones where any is something else.
enum WholeIds {
    Own,
    /// Strings of digits, all different.
    Digits(HashMap<Id, i64>),
    Counted(HashMap<Id, i64>),
}

impl WholeIds {
    fn of(ids: &Ids, all: impl Iterator<Item = Id>) -> WholeIds {
        let all: Vec<Id> = all.collect();
        if all.iter().all(|id| id.integer().is_some()) {
            return WholeIds::Own;
        }
        let digits: Option<HashMap<Id, i64>> =
            all.iter().map(|id| Some((*id, word(ids, *id).parse().ok()?))).collect();
        match digits {
            Some(numbers) if numbers.values().collect::<HashSet<_>>().len() == numbers.len() => {
                WholeIds::Digits(numbers)
            }
            _ => WholeIds::Counted(all.into_iter().zip(1..).collect()),
        }
    }

    fn get(&self, id: Id) -> i64 {
        match self {
            WholeIds::Own => id.integer().unwrap_or_default(),
            WholeIds::Digits(numbers) | WholeIds::Counted(numbers) => {
                numbers.get(&id).copied().unwrap_or_default()
            }
        }
    }

    fn note(&self, what: &str, ids: &Ids) -> Option<String> {
        match self {
            WholeIds::Own => None,
            WholeIds::Digits(_) => {
                Some(format!("{what} ids that are strings of digits become those numbers"))
            }
            WholeIds::Counted(numbers) => {
                let first = numbers.iter().min_by_key(|(_, number)| **number);
                let example = first.map(|(id, _)| ids.show(*id).to_string()).unwrap_or_default();
                Some(format!(
                    "{what} ids are not all whole numbers, and are counted from 1 in the file's order: {example} becomes 1"
                ))
            }
        }
    }
}

/// Reads what a run found, from a score up. Photos that failed are not annotated.
pub(super) fn read_run(folder: &Path, options: &ReadOptions) -> Result<LabelSource, ConvertError> {
    let tables = folder.join("images.json");
    let set = DataSet::read(&tables, Want::Tables)?;
    let (categories, places, mut warnings) = run_categories(&set, &tables)?;
    let journal = folder.join("detections.jsonl");
    let mut photos = Vec::new();
    let (mut failures, mut strings) = (0, false);
    for row in journal_rows(&journal).map_err(io_error("read", &journal))? {
        let found = match row.map_err(io_error("read", &journal))? {
            JournalRow::Found(found) => found,
            JournalRow::Failed(_) => {
                failures += 1;
                continue;
            }
        };
        let mut objects = Vec::new();
        for item in found.detections.iter().filter(|item| item.score >= options.score) {
            let Some(&category) = places.get(&item.category_id.to_string()) else {
                return Err(shape(
                    &journal,
                    format!(
                        "has a detection of category {}, which images.json does not list",
                        item.category_id
                    ),
                ));
            };
            let [x1, y1, x2, y2] = item.r#box;
            // The same differences in float32 as detections.json has.
            let bbox = [x1, y1, x2 - x1, y2 - y1].map(shortest);
            objects.push(LabelledObject {
                category,
                bbox,
                score: Some(shortest(item.score)),
                ..masked(item, options)
            });
        }
        strings |= found.image_id.number().is_none();
        let id = found.image_id.number().unwrap_or(photos.len() as i64 + 1);
        let size = Some((found.width, found.height));
        photos.push(LabelledPhoto { id, file: found.file, size, objects, ..LabelledPhoto::default() });
    }
    if strings {
        warnings.push("image ids of the run are strings, and are counted from 1".into());
        photos.iter_mut().zip(1..).for_each(|(photo, id)| photo.id = id);
    }
    if failures > 0 {
        warnings.push(format!("{failures} photos failed in the run and are left out"));
    }
    let annotations = Annotations { categories, photos, ..Annotations::default() };
    Ok(LabelSource { annotations, warnings, ..LabelSource::default() })
}

/// The mask of a detection: as it is for COCO's form, and else what encloses it.
fn masked(item: &ResultItem, options: &ReadOptions) -> LabelledObject {
    let Some(mask) = &item.mask else { return LabelledObject::default() };
    let segmentation = serde_json::to_string(mask).ok().filter(|_| options.keep);
    LabelledObject {
        area: Some(mask.area().into()),
        outlines: if options.keep { Vec::new() } else { outline::of_mask(mask) },
        more: segmentation.map(|mask| format!("\"segmentation\":{mask}").into()).unwrap_or_default(),
        ..LabelledObject::default()
    }
}

fn shape(path: &Path, what: String) -> ConvertError {
    ConvertError::Shape { path: path.to_owned(), what }
}

/// Categories of a run, their places by their ids, and a note where these are not taken over.
fn run_categories(set: &DataSet, path: &Path) -> Result<RunCategories, ConvertError> {
    let numbers = WholeIds::of(set.ids(), set.categories().iter().map(|category| category.id));
    let mut categories = Vec::new();
    let mut places = HashMap::new();
    for (place, category) in set.categories().iter().enumerate() {
        if places.insert(word(set.ids(), category.id), categories.len()).is_some() {
            return Err(shape(
                path,
                format!("has the `id` of an earlier category in category {}", place + 1),
            ));
        }
        let id = numbers.get(category.id);
        let name = category.name.as_deref().map_or_else(|| format!("class {id}"), str::to_owned);
        categories.push(LabelCategory { id, name, ..LabelCategory::default() });
    }
    Ok((categories, places, numbers.note("category", set.ids()).into_iter().collect()))
}

type RunCategories = (Vec<LabelCategory>, HashMap<String, usize>, Vec<String>);

#[derive(Serialize)]
struct KeptImage<'a> {
    id: i64,
    file_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
}

#[derive(Serialize)]
struct AnnotationEntry {
    id: i64,
    image_id: i64,
    category_id: i64,
    bbox: [f64; 4],
    area: f64,
    iscrowd: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    /// Polygons, x and y in turn.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    segmentation: Vec<Vec<f64>>,
}

/// How files that are written here begin, but for those with further members.
pub(super) const OPENING: &str = "{\"images\":[\n";

/// Writes one file, an entry a line.
pub(super) fn write(annotations: &Annotations, out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"{")?;
    for (name, value) in &annotations.more {
        writeln!(out, "{}:{value},", serde_json::to_string(name)?)?;
    }
    let mut images = JsonList::begin(out, "\"images\":[")?;
    for LabelledPhoto { id, file, size, more, .. } in &annotations.photos {
        let (width, height) = size.unzip();
        images.add_with(&KeptImage { id: *id, file_name: file, width, height }, more)?;
    }
    images.end("],\n")?;
    let mut categories = JsonList::begin(out, "\"categories\":[")?;
    for LabelCategory { id, name, more } in &annotations.categories {
        categories.add_with(&CategoryEntry { id, name }, more)?;
    }
    categories.end("],\n")?;
    let mut rows = JsonList::begin(out, "\"annotations\":[")?;
    let mut count = 0;
    for photo in &annotations.photos {
        for object in &photo.objects {
            count += 1;
            let entry = AnnotationEntry {
                id: object.id.unwrap_or(count),
                image_id: photo.id,
                category_id: annotations.categories[object.category].id,
                bbox: object.bbox,
                area: object.area.unwrap_or(object.bbox[2] * object.bbox[3]),
                iscrowd: object.crowd.into(),
                score: object.score,
                segmentation: object.outlines.iter().map(|line| line.concat()).collect(),
            };
            rows.add_with(&entry, &object.more)?;
        }
    }
    rows.end("]}\n")
}
