//! A results file: a COCO results list, a data set whose annotations carry scores, or our own detections.jsonl.
//!
//! Only numbers are kept, and images and categories only as places in the lists that the caller gives.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::dataset::{DataSet, Image, Want};
use super::error::{ReadError, quoted};
use super::id::{Id, Ids, Index};
use super::names::{DatasetNames, Map, called, file_of, sibling_tables};
use super::number::shortest;
use super::result_record::{BoxSource, ResultsPart, kind_of, read, shown};
use super::rows::{Grouped, MOST_GROUPS, Rows};
use super::stream::Stream;
use super::value::{JsonValue, Object, text};

/// The place of an image or a category that is not asked for.
pub const NOWHERE: u32 = u32::MAX;

/// One detection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detection {
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
    pub images: Index,
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
    path: PathBuf,
    /// The detections of evaluated images, grouped by place of their category; those of other categories, if they
    /// are kept, in one group more.
    pub rows: Grouped<Detection>,
    /// Areas that are not width times height, in the file's order; else empty.
    pub areas: Rows<f64>,
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
    pub(super) fn unknown_image(&mut self, shown: String) {
        self.unknown_images += 1;
        bump(&mut self.unknown_image_ids, shown, 1);
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
        let mut stream = Stream::open(path)?;
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
    pub fn with_boxes(&self, change: impl Fn(&Detection) -> [f64; 4]) -> Detections {
        Detections {
            path: self.path.clone(),
            rows: self.rows.map(|row| Detection { bbox: change(row), ..*row }),
            areas: Rows::default(),
            noticed: self.noticed.clone(),
        }
    }

    /// Those detections that `change` gives for their categories' places and themselves.
    pub fn changed(&self, change: impl FnMut(usize, &Detection) -> Option<(usize, Detection)>) -> Detections {
        Detections {
            path: self.path.clone(),
            rows: self.rows.filter_map(change),
            areas: self.areas.clone(),
            noticed: self.noticed.clone(),
        }
    }

    fn list(&mut self, path: &Path, mut stream: Stream, lookup: &Lookup) -> Result<(), ReadError> {
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
        let mut stream = Stream::open(path)?;
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
        stream: &mut Stream,
        kind: BoxSource,
        lookup: &Lookup,
        map: Option<&Map>,
    ) -> Result<(), ReadError> {
        self.noticed.boxes_from = match kind {
            BoxSource::Boxes => None,
            BoxSource::Masks => Some("masks"),
            BoxSource::KeyPoints => Some("key points"),
        };
        let mut trouble = None;
        stream.list(
            |cursor, part: &mut ResultsPart| read(cursor, part, kind, lookup, map),
            |part| self.take(part, &mut trouble),
        )?;
        self.judge(trouble)
    }

    fn take(&mut self, part: ResultsPart, trouble: &mut Option<(u64, String)>) {
        if let Some((place, what)) = part.trouble {
            trouble.get_or_insert((self.noticed.count + place, what));
        }
        let other = self.rows.groups() - 1;
        for &(category, row) in &part.rows {
            let order = self.rows.len() as u32;
            self.rows.push((category as usize).min(other), Detection { order, ..row });
        }
        self.areas.extend(&part.areas);
        self.noticed.merge(part.noticed);
    }

    fn judge(&self, trouble: Option<(u64, String)>) -> Result<(), ReadError> {
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
        let mut stream = Stream::open(path)?;
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

    fn lines(&mut self, mut stream: Stream, lookup: &Lookup) -> Result<(), ReadError> {
        self.noticed.form = ResultsForm::Lines;
        let map = match &lookup.names {
            Some(names) => Some(Map::of_files(files_in_lines(&self.path)?.iter().map(|name| &**name), names)),
            None => None,
        };
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

/// The first result decides what all of them are taken for.
fn first_kind(path: &Path, stream: &mut Stream) -> Result<BoxSource, ReadError> {
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
    Stream::open(path)?.list(
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

/// The files that the lines of detections.jsonl name.
fn files_in_lines(path: &Path) -> Result<HashSet<Box<str>>, ReadError> {
    let mut files = HashSet::new();
    let mut stream = Stream::open(path)?;
    while stream.peek()?.is_some() {
        // What is wrong with a line is said where it is read for good.
        let Ok(value) = stream.one("a line", JsonValue::read) else { break };
        if let JsonValue::Object(object) = value {
            files.extend(object.get("file").and_then(JsonValue::text).map(Into::into));
        }
    }
    Ok(files)
}

/// Whether an object at the start of a file is the first of many lines.
fn is_lines(path: &Path) -> Result<bool, ReadError> {
    let name = path.to_string_lossy();
    if name.ends_with(".jsonl") || name.ends_with(".jsonl.gz") {
        return Ok(true);
    }
    let mut stream = Stream::open(path)?;
    stream.one("the file", |cursor| cursor.expect(b'{', "`{`"))?;
    if stream.peek()? != Some(b'"') {
        return Ok(false);
    }
    let key = stream.one("a key", text)?;
    Ok(matches!(key.as_str(), "image_id" | "file"))
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
                None => part.noticed.unknown_image(shown(image_id)?),
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
        let row = Detection { bbox: sides(corners), score, image: rank, order: 0 };
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
