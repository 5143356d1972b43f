//! COCO's form: one JSON file. A run's detections have the same tables, beside a journal with the boxes.

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use super::error::io_error;
use super::{Annotations, Category, Error, Object, Photo, Source};
use crate::coco::{CategoryEntry, DataSet, Id, ImageEntry, List, Traits, Want, shortest};
use crate::run::{Row, journal_rows};

/// Reads a data set. Segmentations are not kept; areas are.
pub(super) fn read(path: &Path) -> Result<Source, Error> {
    let set = DataSet::open(path)?;
    for key in ["images", "annotations", "categories"] {
        if !set.has(key) {
            return Err(shape(
                path,
                format!("has no `{key}`: COCO annotations have images, annotations and categories"),
            ));
        }
    }
    let (categories, category_places) = categories(&set, path)?;
    let mut photos = Vec::new();
    let mut places = HashMap::new();
    for (place, image) in set.images().iter().enumerate() {
        let wrong = |what: &str| shape(path, format!("has {what} in image {}", place + 1));
        let side = |side: Option<f64>| {
            side.filter(|side| (1.0..=f64::from(u32::MAX)).contains(side) && side.fract() == 0.0)
        };
        let (Some(width), Some(height)) = (side(image.width), side(image.height)) else {
            return Err(wrong("no `width` and `height` in whole pixels"));
        };
        let file = image.file_name.as_deref().ok_or_else(|| wrong("no `file_name`"))?;
        let id = image.id.integer().ok_or_else(|| wrong("an `id` that is no whole number"))?;
        if places.insert(image.id, photos.len()).is_some() {
            return Err(wrong("the `id` of an earlier image"));
        }
        let (width, height) = (width as u32, height as u32);
        photos.push(Photo { id, file: file.to_owned(), width, height, objects: Vec::new() });
    }
    let (mut strangers, mut boxless) = (0, 0);
    for row in set.annotations() {
        let known = places.get(&row.image).zip(category_places.get(&row.category));
        let Some((&photo, &category)) = known.filter(|_| !row.traits.has(Traits::NO_CATEGORY)) else {
            strangers += 1;
            continue;
        };
        let no_box = row.traits.has(Traits::NO_BOX) || row.traits.has(Traits::BOX_KIND);
        if no_box || row.bbox.iter().any(|side| !side.is_finite()) {
            boxless += 1;
            continue;
        }
        let has_area = !row.traits.has(Traits::NO_AREA) && !row.traits.has(Traits::AREA_KIND);
        photos[photo].objects.push(Object {
            category,
            bbox: row.bbox,
            area: has_area.then_some(row.area),
            crowd: row.traits.has(Traits::IGNORED),
            score: None,
        });
    }
    let mut notes = Vec::new();
    if strangers > 0 {
        notes.push(format!("{strangers} annotations are on images or of categories that the file does not list, and are left out"));
    }
    if boxless > 0 {
        notes.push(format!("{boxless} annotations have no box of four numbers, and are left out"));
    }
    Ok(Source { annotations: Annotations { categories, photos }, notes, failed: Vec::new() })
}

/// Reads what a run found, from a score up. Photos that failed are not annotated.
pub(super) fn read_run(folder: &Path, score: f32) -> Result<Source, Error> {
    let tables = folder.join("images.json");
    let set = DataSet::read(&tables, Want::Tables)?;
    let (categories, places) = categories(&set, &tables)?;
    let journal = folder.join("detections.jsonl");
    let mut photos = Vec::new();
    let mut failures = 0;
    for row in journal_rows(&journal).map_err(io_error("read", &journal))? {
        let found = match row.map_err(io_error("read", &journal))? {
            Row::Found(found) => found,
            Row::Failed(_) => {
                failures += 1;
                continue;
            }
        };
        let mut objects = Vec::new();
        for item in found.detections.iter().filter(|item| item.score >= score) {
            let id = item.category_id.number().and_then(Id::new);
            let Some(&category) = id.and_then(|id| places.get(&id)) else {
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
            objects.push(Object {
                category,
                bbox,
                area: None,
                crowd: false,
                score: Some(shortest(item.score)),
            });
        }
        let (width, height) = (found.width, found.height);
        let id = found.image_id.number().unwrap_or(photos.len() as i64 + 1);
        photos.push(Photo { id, file: found.file, width, height, objects });
    }
    let mut notes = Vec::new();
    if failures > 0 {
        notes.push(format!("{failures} photos failed in the run and are left out"));
    }
    Ok(Source { annotations: Annotations { categories, photos }, notes, failed: Vec::new() })
}

fn shape(path: &Path, what: String) -> Error {
    Error::Shape { path: path.to_owned(), what }
}

/// Categories, and their places by id.
fn categories(set: &DataSet, path: &Path) -> Result<(Vec<Category>, HashMap<Id, usize>), Error> {
    let mut categories = Vec::new();
    let mut places = HashMap::new();
    let mut names = HashSet::new();
    for (place, category) in set.categories().iter().enumerate() {
        let wrong = |what: String| shape(path, format!("has {what} in category {}", place + 1));
        let id = category.id.integer().ok_or_else(|| wrong("an `id` that is no whole number".into()))?;
        if places.insert(category.id, categories.len()).is_some() {
            return Err(wrong("the `id` of an earlier category".into()));
        }
        let name = category.name.as_deref().map_or_else(|| format!("class {id}"), str::to_owned);
        // VOC's files know categories by their names only.
        if !names.insert(name.clone()) {
            return Err(wrong(format!("the `name` of an earlier category, {}", crate::coco::quoted(&name))));
        }
        categories.push(Category { id, name });
    }
    Ok((categories, places))
}

#[derive(Serialize)]
struct AnnotationEntry {
    id: u64,
    image_id: i64,
    category_id: i64,
    bbox: [f64; 4],
    area: f64,
    iscrowd: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
}

/// Writes one file, an entry a line.
pub(super) fn write(annotations: &Annotations, out: &mut impl Write) -> io::Result<()> {
    let mut images = List::begin(out, "{\"images\":[")?;
    for Photo { id, file, width, height, .. } in &annotations.photos {
        images.add(&ImageEntry { id, file_name: file, width: *width, height: *height })?;
    }
    images.end("],\n")?;
    let mut categories = List::begin(out, "\"categories\":[")?;
    for Category { id, name } in &annotations.categories {
        categories.add(&CategoryEntry { id, name })?;
    }
    categories.end("],\n")?;
    let mut rows = List::begin(out, "\"annotations\":[")?;
    let mut id = 0;
    for photo in &annotations.photos {
        for object in &photo.objects {
            id += 1;
            rows.add(&AnnotationEntry {
                id,
                image_id: photo.id,
                category_id: annotations.categories[object.category].id,
                bbox: object.bbox,
                area: object.area.unwrap_or(object.bbox[2] * object.bbox[3]),
                iscrowd: object.crowd.into(),
                score: object.score,
            })?;
        }
    }
    rows.end("]}\n")
}
