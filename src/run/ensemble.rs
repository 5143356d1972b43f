//! Saved results of several models, or of several views, as one list of results. Sees no network.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::journal::{JournalRow, rows};
use super::results::CocoResult;
use crate::atomic;
use crate::detector::{MergeRule, Prediction, Selection, merge, most_alike};
use crate::geometry::BBox;
use coco_eval::{JsonList, ResultId, Rle};

/// Why results cannot be fused.
#[derive(Debug, thiserror::Error)]
pub enum EnsembleError {
    /// A file of results, or the table of their names, cannot be read.
    #[error(
        "cannot read `{}`: {source}: a run's folder, its detections.jsonl or a COCO results list is needed",
        path.display()
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: io::Error,
    },
    /// Two runs call different photos by one id.
    #[error(
        "image {id} is `{}` in one of the results and `{}` in `{}`: all of them must be of the same photos",
        one.escape_debug(), other.escape_debug(), path.display()
    )]
    OtherPhotos {
        /// The id.
        id: ResultId,
        /// The first file's name for it.
        one: String,
        /// Another name for it.
        other: String,
        /// Where that stands.
        path: PathBuf,
    },
    /// The fused results cannot be written.
    #[error("cannot write `{}`: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
}

/// What fusing gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fused {
    /// Images with results.
    pub images: usize,
    /// Results that were read.
    pub read: usize,
    /// Results that were written.
    pub written: usize,
}

/// How results are fused.
#[derive(Clone, Debug)]
pub struct Fusing<'a> {
    /// A weight, above 0, for each of the results; equal ones where there is none.
    pub weights: Option<&'a [f64]>,
    /// The rule.
    pub rule: MergeRule,
    /// IoU above which NMS drops a box, in the rules that have NMS.
    pub nms: f64,
    /// Most detections of an image.
    pub most: usize,
}

/// The categories of all results: those of one name are one, or those of one id where a file has no names.
#[derive(Default)]
struct United {
    ids: Vec<ResultId>,
    names: Vec<Option<String>>,
}

impl United {
    /// The place of a category, which is added where it is new; another one's id is not taken again.
    fn place(&mut self, id: &ResultId, name: Option<&str>) -> usize {
        let same = |other: &Option<String>| match (other.as_deref(), name) {
            (Some(other), Some(name)) => Some(other.eq_ignore_ascii_case(name)),
            _ => None,
        };
        let named = self.names.iter().position(|other| same(other) == Some(true));
        let numbered =
            || (0..self.ids.len()).find(|&at| self.ids[at] == *id && same(&self.names[at]).is_none());
        if let Some(at) = named.or_else(numbered) {
            return at;
        }
        let taken = self.ids.contains(id);
        let next = || self.ids.iter().filter_map(ResultId::number).max().unwrap_or(0).saturating_add(1);
        self.ids.push(if taken { ResultId::Number(next()) } else { id.clone() });
        self.names.push(name.map(str::to_owned));
        self.ids.len() - 1
    }
}

/// One image in all results.
#[derive(Default)]
struct FusedImage {
    file: Option<String>,
    /// A list for each of the results.
    lists: Vec<Vec<Prediction>>,
    /// Masks in the same order.
    masks: Vec<Vec<Option<Rle>>>,
}

/// A result of an image, with its mask where it has one.
type MaskedResult = (Prediction, Option<Rle>);

/// Fuses results, each a run's folder, its journal or a COCO results list, and writes a COCO results list.
///
/// Images are those of equal ids. Categories are united by name, in any case of its letters, and have the id that the
/// first of the results gives them; a results list's names are those of the `images.json` beside it, and where there is
/// none its ids count.
///
/// # Errors
/// When a file cannot be read or written, or two of the results are of different photos.
pub fn ensemble(results: &[PathBuf], out: &Path, how: &Fusing<'_>) -> Result<Fused, EnsembleError> {
    let mut united = United::default();
    let mut images: BTreeMap<ResultId, FusedImage> = BTreeMap::new();
    for (number, path) in results.iter().enumerate() {
        let mut add = |id: &ResultId, file: Option<&str>, found: Vec<MaskedResult>| {
            let image = images.entry(id.clone()).or_default();
            match (&image.file, file) {
                (Some(one), Some(other)) if one != other => {
                    let (one, other, path) = (one.clone(), other.to_owned(), path.clone());
                    return Err(EnsembleError::OtherPhotos { id: id.clone(), one, other, path });
                }
                (None, Some(file)) => image.file = Some(file.to_owned()),
                _ => {}
            }
            image.lists.resize(results.len(), Vec::new());
            image.masks.resize(results.len(), Vec::new());
            for (one, mask) in found {
                image.lists[number].push(one);
                image.masks[number].push(mask);
            }
            Ok(())
        };
        let journal = if path.is_dir() { path.join("detections.jsonl") } else { path.clone() };
        if journal.extension().is_some_and(|end| end.eq_ignore_ascii_case("jsonl")) {
            read_journal(&journal, &mut united, &mut add)?;
        } else {
            read_list(path, &mut united, &mut add)?;
        }
    }
    let weights = how.weights.map_or_else(|| vec![1.0; results.len()], <[f64]>::to_vec);
    let selection = Selection {
        scores: vec![0.0; united.ids.len()],
        nms: how.nms,
        class_agnostic: false,
        soft_nms: false,
        most: how.most,
    };
    let mut fused = Fused { images: images.len(), read: 0, written: 0 };
    let written = atomic::write(out, |file| {
        let mut list = JsonList::begin(&mut *file, "[")?;
        for (id, image) in images {
            fused.read += image.lists.iter().map(Vec::len).sum::<usize>();
            let masked = image.masks.iter().flatten().any(Option::is_some);
            for found in merge(&image.lists, &weights, how.rule, &selection) {
                let category = united.ids[found.class].clone();
                let alike = if masked { most_alike(&found, &image.lists) } else { None };
                let mask = alike.and_then(|(list, place)| image.masks[list][place].clone());
                let result = CocoResult::new(id.clone(), category, found.bbox, found.score);
                list.add(&result.with_mask(mask))?;
                fused.written += 1;
            }
        }
        list.end("]\n")?;
        file.flush()
    });
    written.map_err(|source| EnsembleError::Write { path: out.to_owned(), source })?;
    Ok(fused)
}

/// What is done with an image's results: its id, its file where that is known, and the results.
type Add<'a> = dyn FnMut(&ResultId, Option<&str>, Vec<MaskedResult>) -> Result<(), EnsembleError> + 'a;

fn unread(path: &Path) -> impl Fn(io::Error) -> EnsembleError + '_ {
    move |source| EnsembleError::Read { path: path.to_owned(), source }
}

fn read_journal(path: &Path, united: &mut United, add: &mut Add<'_>) -> Result<(), EnsembleError> {
    for row in rows(path).map_err(unread(path))? {
        let JournalRow::Found(row) = row.map_err(unread(path))? else { continue };
        let found = row.detections.into_iter().map(|item| {
            let [x1, y1, x2, y2] = item.r#box;
            let class = united.place(&item.category_id, Some(&item.label));
            let bbox = BBox::new(x1, y1, x2, y2);
            (Prediction { class, score: item.score, bbox, mask: None }, item.mask)
        });
        add(&row.image_id, Some(&row.file), found.collect())?;
    }
    Ok(())
}

/// A result of a COCO results list; other keys than these are passed over.
#[derive(Deserialize)]
struct ListedResult {
    image_id: ResultId,
    category_id: ResultId,
    /// x, y, width, height; of a mask without it, that around the mask.
    bbox: Option<[f32; 4]>,
    score: f32,
    segmentation: Option<ListedMask>,
}

/// What a result has as its segmentation; polygons are passed over.
#[derive(Deserialize)]
#[serde(untagged)]
enum ListedMask {
    Rle(Rle),
    Other(serde::de::IgnoredAny),
}

/// The tables that a run leaves beside its results.
#[derive(Deserialize)]
struct RunTables {
    images: Vec<TableImage>,
    categories: Vec<TableCategory>,
}

#[derive(Deserialize)]
struct TableImage {
    id: ResultId,
    file_name: String,
}

#[derive(Deserialize)]
struct TableCategory {
    id: ResultId,
    name: String,
}

fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, EnsembleError> {
    let file = File::open(path).map_err(unread(path))?;
    serde_json::from_reader(BufReader::new(file)).map_err(|error| unread(path)(error.into()))
}

fn read_list(path: &Path, united: &mut United, add: &mut Add<'_>) -> Result<(), EnsembleError> {
    let beside = path.with_file_name("images.json");
    let tables: Option<RunTables> = if beside.is_file() { Some(read_json(&beside)?) } else { None };
    let tables = tables.as_ref();
    let names: BTreeMap<&ResultId, &str> = tables
        .iter()
        .flat_map(|tables| tables.categories.iter().map(|one| (&one.id, one.name.as_str())))
        .collect();
    let files: BTreeMap<&ResultId, &str> = tables
        .iter()
        .flat_map(|tables| tables.images.iter().map(|one| (&one.id, one.file_name.as_str())))
        .collect();
    for result in read_json::<Vec<ListedResult>>(path)? {
        let mask = match result.segmentation {
            Some(ListedMask::Rle(mask)) => Some(mask),
            Some(ListedMask::Other(_)) | None => None,
        };
        let around = || Some(mask.as_ref()?.bbox().ok()?.map(|side| side as f32));
        let missing = || io::Error::new(io::ErrorKind::InvalidData, "a result has neither `bbox` nor a mask");
        let [x, y, width, height] = result.bbox.or_else(around).ok_or_else(|| unread(path)(missing()))?;
        let class = united.place(&result.category_id, names.get(&result.category_id).copied());
        let bbox = BBox::new(x, y, x + width, y + height);
        let found = Prediction { class, score: result.score, bbox, mask: None };
        add(&result.image_id, files.get(&result.image_id).copied(), vec![(found, mask)])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn categories_are_united_by_name_and_else_by_id() {
        let mut united = United::default();
        let id = |id: i64| ResultId::Number(id);
        assert_eq!(united.place(&id(1), Some("bolt")), 0);
        assert_eq!(united.place(&id(2), Some("nut")), 1);
        // Another model has them the other way round, and calls a third by a number that is taken.
        assert_eq!(united.place(&id(1), Some("Nut")), 1);
        assert_eq!(united.place(&id(2), Some("Bolt")), 0);
        assert_eq!(united.place(&id(2), Some("screw")), 2);
        assert_eq!(united.ids, [id(1), id(2), id(3)]);
        assert_eq!(united.place(&id(2), None), 1, "without a name the number counts");
        assert_eq!(united.place(&id(9), None), 3);
    }
}
