//! A results file: a COCO results list, a data set whose annotations carry scores, or our own detections.jsonl.
//!
//! Only numbers are kept, and images and categories only as places in the lists that the caller gives.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::dataset::{DataSet, Image, Want};
use super::error::{ReadError, quoted};
use super::id::{Id, Ids, Index};
use super::names::{DatasetNames, Map, called, file_of, sibling_tables};
use super::result_record::{BoxSource, ResultsPart, kind_of, read};
use super::rows::{Grouped, MOST_GROUPS, Rows};
use super::shapes::{Among, IouType, MaskNotes, Overlaps, TruthShapes};
use super::stream::JsonStream;
use super::value::{JsonValue, text};

/// The place of an image or a category that is not asked for.
pub const NOWHERE: u32 = u32::MAX;

/// One detection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ResultDetection {
    /// Left, top, width and height.
    pub bbox: [f64; 4],
    /// Score; NaN is allowed.
    pub score: f64,
    /// Place of the image among those that are evaluated.
    pub image: u32,
    /// Place among the kept detections in the file's order.
    pub order: u32,
}

/// What a results file is read against.
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    /// The ids of the data set that are no plain integers.
    pub ids: Ids,
    /// The data set's images.
    pub images: Arc<Index>,
    /// From places in `images` to places among the evaluated images.
    pub ranks: Vec<u32>,
    /// The evaluated categories.
    pub categories: Index,
    /// How many there are.
    pub category_count: usize,
    /// Whether detections of other categories are kept, with [`NOWHERE`] as category.
    pub keep_foreign: bool,
    /// By name instead of by id, where the results file has names.
    pub names: Option<DatasetNames>,
    /// The annotations' masks or key points, with which those of results are compared; boxes need none.
    pub(crate) truths: Option<Arc<TruthShapes>>,
    /// With which of them.
    pub(crate) among: Among,
}

impl Lookup {
    /// What is compared.
    pub(crate) fn kind(&self) -> IouType {
        self.truths.as_ref().map_or(IouType::Bbox, |truths| truths.kind())
    }
}

/// The shape of a results file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResultsForm {
    /// A list of results.
    #[default]
    List,
    /// A data set with scores.
    DataSet,
    /// A line a photo.
    Lines,
}

/// All detections of a file, and what was noticed while reading it.
#[derive(Debug, Default)]
pub struct Detections {
    pub(super) path: PathBuf,
    /// The detections of evaluated images, grouped by place of their category; those of other categories, if they
    /// are kept, in one group more.
    pub rows: Grouped<ResultDetection>,
    /// Areas that are not width times height, in the file's order; else empty.
    pub areas: Rows<f64>,
    /// What their masks or key points have in common with annotations; none where boxes are compared.
    pub(crate) overlaps: Option<Arc<Overlaps>>,
    /// What was noticed.
    pub noticed: Noticed,
}

/// What was noticed while a results file was read.
#[derive(Clone, Debug, Default)]
pub struct Noticed {
    /// How many results the file has.
    pub count: u64,
    /// The file's shape.
    pub form: ResultsForm,
    /// How the file is written, if not in UTF-8 without a byte order mark.
    pub encoding: Option<&'static str>,
    /// The boxes come from masks or key points.
    pub boxes_from: Option<&'static str>,
    /// Results on images that the data set does not list.
    pub unknown_images: u64,
    /// Some of their ids as they stand in the file, with how many results each.
    pub unknown_image_ids: BTreeMap<String, u64>,
    /// The same with file names, where these and not the ids are looked up.
    pub unknown_files: BTreeMap<String, u64>,
    /// Results of categories that are not evaluated, by id.
    pub foreign_categories: BTreeMap<Id, u64>,
    /// The same with ids that are no integers and with names that are looked up, as they stand in the file.
    pub foreign_words: BTreeMap<String, u64>,
    /// Results that have a mask beside their box.
    pub masks: u64,
    /// What is odd about masks, where they are compared.
    pub mask_notes: MaskNotes,
    /// Results whose score is true or false.
    pub bool_scores: u64,
    /// File names that the results file has for images, by their ids, which the data set knows too.
    pub images: Vec<(Id, String)>,
    /// Names that the results file has for categories, by their ids, which the data set knows too.
    pub categories: Vec<(Id, String)>,
    /// Photos that have no result because they failed (detections.jsonl).
    pub failed_photos: u64,
    /// The data set's images that a run has looked at, by their places in the lookup, where the file or its tables
    /// tell them.
    pub seen: Option<Vec<u32>>,
    /// The last line is not whole, as a run that was killed leaves it: it is left out.
    pub cut_line: bool,
}

/// Distinct ids that are remembered for messages.
const REMEMBERED: usize = 1000;

impl Noticed {
    pub(super) fn unknown_image(&mut self, id: String) {
        self.unknown_images += 1;
        bump(&mut self.unknown_image_ids, id, 1);
    }

    pub(super) fn unknown_file(&mut self, name: &str) {
        self.unknown_images += 1;
        bump(&mut self.unknown_files, quoted(name), 1);
    }

    pub(super) fn foreign_category(&mut self, id: Id) {
        bump(&mut self.foreign_categories, id, 1);
    }

    pub(super) fn merge(&mut self, part: Noticed) {
        self.count += part.count;
        self.unknown_images += part.unknown_images;
        self.bool_scores += part.bool_scores;
        self.masks += part.masks;
        self.failed_photos += part.failed_photos;
        self.mask_notes.add(part.mask_notes);
        if let Some(seen) = part.seen {
            self.seen.get_or_insert_default().extend(seen);
        }
        for (id, count) in part.unknown_image_ids {
            bump(&mut self.unknown_image_ids, id, count);
        }
        for (name, count) in part.unknown_files {
            bump(&mut self.unknown_files, name, count);
        }
        self.images.extend(part.images);
        for (id, count) in part.foreign_categories {
            bump(&mut self.foreign_categories, id, count);
        }
        for (id, count) in part.foreign_words {
            bump(&mut self.foreign_words, id, count);
        }
    }
}

pub(super) fn bump<K: Ord>(counts: &mut BTreeMap<K, u64>, key: K, by: u64) {
    if counts.len() < REMEMBERED || counts.contains_key(&key) {
        *counts.entry(key).or_default() += by;
    }
}

impl Detections {
    /// Reads a results file.
    pub fn open(path: &Path, lookup: &Lookup) -> Result<Detections, ReadError> {
        let mut stream = JsonStream::open(path)?;
        let groups = lookup.category_count + 1;
        if groups > MOST_GROUPS {
            return Err(ReadError::shape(
                path,
                format!("{groups} categories are more than can be evaluated"),
            ));
        }
        let mut found =
            Detections { path: path.to_owned(), rows: Grouped::new(groups), ..Detections::default() };
        found.noticed.encoding = stream.encoding();
        match stream.peek()? {
            Some(b'[') => found.list(path, stream, lookup)?,
            Some(b'{') if is_lines(path)? => found.lines(stream, lookup)?,
            Some(b'{') => found.data_set(path, lookup)?,
            _ => {
                stream.one("a value", |cursor| cursor.skip())?;
                return Err(ReadError::shape(path, "a list of results expected"));
            }
        }
        Ok(found)
    }

    pub(super) fn named(name: &Path) -> Detections {
        Detections { path: name.to_owned(), ..Detections::default() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same detections with other boxes.
    pub fn with_boxes(&self, change: impl Fn(&ResultDetection) -> [f64; 4]) -> Detections {
        Detections {
            path: self.path.clone(),
            rows: self.rows.map(|row| ResultDetection { bbox: change(row), ..*row }),
            areas: Rows::default(),
            overlaps: self.overlaps.clone(),
            noticed: self.noticed.clone(),
        }
    }

    /// Those detections that `change` gives for their categories' places and themselves.
    pub fn changed(
        &self,
        change: impl FnMut(usize, &ResultDetection) -> Option<(usize, ResultDetection)>,
    ) -> Detections {
        Detections {
            path: self.path.clone(),
            rows: self.rows.filter_map(change),
            areas: self.areas.clone(),
            overlaps: self.overlaps.clone(),
            noticed: self.noticed.clone(),
        }
    }

    fn list(&mut self, path: &Path, mut stream: JsonStream, lookup: &Lookup) -> Result<(), ReadError> {
        let map = match (sibling_tables(path), &lookup.names) {
            (Some(tables), _) => self.name(&tables, lookup),
            (None, Some(names)) => {
                Some(Map::of_files(files_in_list(path)?.iter().map(|name| &**name), names))
            }
            (None, None) => None,
        };
        stream.one("a list", |cursor| cursor.expect(b'[', "a list"))?;
        if stream.peek()? == Some(b']') {
            stream.one("a list", |cursor| cursor.expect(b']', "`]`"))?;
            return stream.end();
        }
        let kind = first_kind(path, &mut stream)?;
        let mut stream = JsonStream::open(path)?;
        self.records(&mut stream, kind, lookup, map.as_ref())?;
        stream.end()
    }

    /// Keeps what tables call things, and maps by name if that is asked for.
    fn name(&mut self, tables: &DataSet, lookup: &Lookup) -> Option<Map> {
        (self.noticed.images, self.noticed.categories) = called(tables, lookup);
        let map = lookup.names.as_ref().map(|names| Map::of_tables(tables, names));
        if tables.has("images") {
            let own = |image: &Image| lookup.ids.translate(image.id, &tables.ids);
            let seen: Vec<Id> = match &map {
                Some(map) => map.known_images().collect(),
                None => tables.images().iter().filter_map(own).collect(),
            };
            self.noticed.seen = Some(seen.into_iter().filter_map(|id| lookup.images.get(id)).collect());
        }
        map
    }

    fn records(
        &mut self,
        stream: &mut JsonStream,
        kind: BoxSource,
        lookup: &Lookup,
        map: Option<&Map>,
    ) -> Result<(), ReadError> {
        self.noticed.boxes_from = match kind {
            BoxSource::Boxes => None,
            BoxSource::Masks => Some("masks"),
            BoxSource::KeyPoints => Some("key points"),
        };
        self.start_overlaps(kind, lookup);
        let mut trouble = None;
        stream.list(
            |cursor, part: &mut ResultsPart| read(cursor, part, kind, lookup, map),
            |part| self.take(part, &mut trouble),
        )?;
        self.judge(trouble)
    }

    /// Makes room for overlaps where they are wanted.
    pub(super) fn start_overlaps(&mut self, kind: BoxSource, lookup: &Lookup) {
        self.overlaps = match lookup.kind() {
            IouType::Bbox => None,
            IouType::Segm => Some(Arc::new(Overlaps::new(true, kind == BoxSource::Masks))),
            IouType::Keypoints => {
                let mut overlaps = Overlaps::new(false, false);
                overlaps.nothing = lookup.among == Among::None;
                Some(Arc::new(overlaps))
            }
        };
    }

    pub(super) fn take(&mut self, mut part: ResultsPart, trouble: &mut Option<(u64, String)>) {
        if let Some((place, what)) = part.trouble {
            trouble.get_or_insert((self.noticed.count + place, what));
        }
        let other = self.rows.groups() - 1;
        for &(category, row) in &part.rows {
            let order = self.rows.len() as u32;
            self.rows.push((category as usize).min(other), ResultDetection { order, ..row });
        }
        self.areas.extend(&part.areas);
        if let Some(overlaps) = self.overlaps.as_mut().and_then(Arc::get_mut) {
            overlaps.extend(&part.overlaps, self.noticed.count);
        }
        part.noticed.mask_notes = part.comparer.notes;
        self.noticed.merge(part.noticed);
    }

    pub(super) fn judge(&self, trouble: Option<(u64, String)>) -> Result<(), ReadError> {
        match trouble {
            None => Ok(()),
            Some((number, what)) => {
                Err(ReadError::Record { path: self.path.clone(), record: "result", number, what })
            }
        }
    }

    fn data_set(&mut self, path: &Path, lookup: &Lookup) -> Result<(), ReadError> {
        let tables = DataSet::read(path, Want::Tables)?;
        let map = self.name(&tables, lookup);
        self.noticed.form = ResultsForm::DataSet;
        let mut stream = JsonStream::open(path)?;
        let mut empty = true;
        stream.object(|stream, key| {
            empty = false;
            if key != "annotations" {
                return stream.one("a value", |cursor| cursor.skip());
            }
            // Repeated keys: the last one counts.
            (self.rows, self.areas) = (Grouped::new(self.rows.groups()), Rows::default());
            self.noticed = Noticed {
                form: ResultsForm::DataSet,
                encoding: self.noticed.encoding,
                images: std::mem::take(&mut self.noticed.images),
                categories: std::mem::take(&mut self.noticed.categories),
                seen: self.noticed.seen.take(),
                ..Noticed::default()
            };
            self.records(stream, BoxSource::Boxes, lookup, map.as_ref()).map_err(|error| match error {
                ReadError::Record { what, .. } if what.contains("`score`") => ReadError::shape(
                    path,
                    "these are annotations, whose boxes have no `score`: results expected",
                ),
                other => other,
            })
        })?;
        if empty {
            return Err(ReadError::shape(path, "the file holds an empty object: a list of results expected"));
        }
        if !tables.has("images") && self.noticed.count == 0 {
            return Err(ReadError::shape(path, "the file holds an object: a list of results expected"));
        }
        Ok(())
    }
}

/// The first result decides what all of them are taken for.
fn first_kind(path: &Path, stream: &mut JsonStream) -> Result<BoxSource, ReadError> {
    let first = stream.one("a result", JsonValue::read)?;
    let trouble =
        |what: String| ReadError::Record { path: path.to_owned(), record: "result", number: 1, what };
    match first {
        JsonValue::Object(object) => kind_of(&object).map_err(trouble),
        _ => Err(trouble("is no object".into())),
    }
}

/// The files that a list's results name, each once.
fn files_in_list(path: &Path) -> Result<HashSet<Box<str>>, ReadError> {
    let mut files = HashSet::new();
    JsonStream::open(path)?.list(
        |cursor, part: &mut HashSet<Box<str>>| {
            if let JsonValue::Object(object) = JsonValue::read(cursor)? {
                part.extend(file_of(&object).map(Into::into));
            }
            Ok(())
        },
        |part| files.extend(part),
    )?;
    Ok(files)
}

/// Whether an object at the start of a file is the first of many lines.
fn is_lines(path: &Path) -> Result<bool, ReadError> {
    let name = path.to_string_lossy();
    if name.ends_with(".jsonl") || name.ends_with(".jsonl.gz") {
        return Ok(true);
    }
    let mut stream = JsonStream::open(path)?;
    stream.one("the file", |cursor| cursor.expect(b'{', "`{`"))?;
    if stream.peek()? != Some(b'"') {
        return Ok(false);
    }
    let key = stream.one("a key", text)?;
    Ok(matches!(key.as_str(), "image_id" | "file"))
}
