//! A file of labels a photo, as tools for annotating take them.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::folder::ExportFolder;
use super::{ExportError, Source};
use crate::atomic;
use crate::convert::{
    Annotations, LabelCategory, LabelledObject, LabelledPhoto, Target, outlines_of, write_labels,
};
use crate::photo;
use crate::run::{Exported, FoundPhoto, JournalRow, ResultCategory};
use coco_eval::ResultId;

/// Writes the shown detections of every photo that did not fail; photos without any have an empty file.
pub(super) fn write(
    source: &Source<'_>,
    target: Target,
    root: &Path,
    key: &str,
    watch: &mut dyn FnMut(&'static str, usize),
) -> Result<Exported, ExportError> {
    ExportFolder::fill("label files", root, key, |folder| fill(source, target, folder, watch))
}

fn fill(
    source: &Source<'_>,
    target: Target,
    folder: &mut ExportFolder,
    watch: &mut dyn FnMut(&'static str, usize),
) -> Result<bool, ExportError> {
    let set = Annotations { categories: categories(source.classes), ..Annotations::default() };
    let places: HashMap<&ResultId, usize> =
        source.classes.iter().enumerate().map(|(place, class)| (&class.id, place)).collect();
    let yolo = matches!(target, Target::Yolo | Target::YoloSeg);
    let (below, ending) = if yolo { ("labels", "txt") } else { ("", "json") };
    let mut taken = HashSet::new();
    for (done, row) in source.rows()?.enumerate() {
        if source.is_stopped() {
            return Ok(false);
        }
        watch("label files", done + 1);
        let JournalRow::Found(found) = row? else { continue };
        let name = PathBuf::from(photo::cleaned(Path::new(&found.file)));
        let name = Path::new(below).join(name).with_extension(ending);
        if !taken.insert(hashed(&name)) {
            folder.fail(&found.file, "another photo has the same name but for its end");
            continue;
        }
        let labelled = labelled(&found, &places, source.shown_from());
        folder.add(&name.to_string_lossy().replace('\\', "/"), |path| {
            atomic::write_quickly(path, |out| write_labels(target, &set, &labelled, out))
        })?;
    }
    if yolo {
        folder.add("data.yaml", |path| {
            atomic::write_quickly(path, |out| crate::convert::write_yolo_config(&set, out))
        })?;
    }
    Ok(true)
}

/// A name's place among those that are taken: 16 bytes in place of a long name.
fn hashed(name: &Path) -> u128 {
    xxhash_rust::xxh3::xxh3_128(name.as_os_str().as_encoded_bytes())
}

fn categories(classes: &[ResultCategory]) -> Vec<LabelCategory> {
    let category = |(id, class): (i64, &ResultCategory)| {
        let id = class.id.number().unwrap_or(id);
        LabelCategory { id, name: class.name.clone(), ..LabelCategory::default() }
    };
    (1..).zip(classes).map(category).collect()
}

fn labelled(found: &FoundPhoto, places: &HashMap<&ResultId, usize>, shown_from: f32) -> LabelledPhoto {
    let drawn = found.detections.iter().filter(|item| item.score >= shown_from);
    let object = |item: &crate::run::ResultItem| {
        let [x1, y1, x2, y2] = item.r#box.map(f64::from);
        Some(LabelledObject {
            category: *places.get(&item.category_id)?,
            bbox: [x1, y1, x2 - x1, y2 - y1],
            score: Some(item.score.into()),
            outlines: item.mask.as_ref().map(outlines_of).unwrap_or_default(),
            ..LabelledObject::default()
        })
    };
    LabelledPhoto {
        id: found.image_id.number().unwrap_or_default(),
        file: found.file.clone(),
        size: Some((found.width, found.height)),
        objects: drawn.filter_map(object).collect(),
        ..LabelledPhoto::default()
    }
}
