//! A COCO data set: images, categories, annotations. Masks and key points are read only where they are compared; else they are
//! checked as JSON and skipped.
//!
//! Knows nothing of results and of evaluation; any command may use it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::annotation::{self, Annotation};
use super::error::{ReadError, printable, quoted};
use super::id::{Id, Ids};
use super::rows::Rows;
use super::scan::Cursor;
use super::shapes::{IouType, Outlines, ShapeTroubles};
use super::stream::JsonStream;
use super::value::{JsonValue, Object};

/// An image's entry.
#[derive(Clone, Debug)]
pub struct Image {
    /// Its id.
    pub id: Id,
    /// The file's `file_name`, if there is one.
    pub file_name: Option<Box<str>>,
    /// The file's `width` in pixels, if it is a number.
    pub width: Option<f64>,
    /// The file's `height` in pixels, if it is a number.
    pub height: Option<f64>,
    /// What LVIS says of the image.
    pub verified: Option<Box<Verified>>,
    /// Short members that are not COCO's own, such as the video that the image is of: names and values.
    pub fields: Box<[(Box<str>, Box<str>)]>,
}

/// Which categories LVIS has looked for in an image.
#[derive(Clone, Debug, Default)]
pub struct Verified {
    /// `neg_category_ids`: categories known to be absent.
    pub negative: Option<Vec<Id>>,
    /// `not_exhaustive_category_ids`: categories of which not every object is annotated.
    pub not_exhaustive: Option<Vec<Id>>,
}

/// A category's entry.
#[derive(Clone, Debug)]
pub struct Category {
    /// Its id.
    pub id: Id,
    /// Its name, if it has one.
    pub name: Option<Box<str>>,
    /// LVIS: how often it is annotated (`r`, `c`, `f`).
    pub frequency: Option<Box<str>>,
}

/// What of a file to keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Everything but masks and key points.
    All,
    /// Everything that is needed to compare masks or key points.
    Shapes(IouType),
    /// Images and categories; annotations are checked and skipped.
    Tables,
}

/// A data set as its file has it: repeated entries are still there.
#[derive(Clone, Debug, Default)]
pub struct DataSet {
    path: PathBuf,
    /// The ids that are no plain integers.
    pub(crate) ids: Ids,
    images: Option<Vec<Image>>,
    categories: Option<Vec<Category>>,
    annotations: Option<Rows<Annotation>>,
    /// Masks or key points of the annotations, a part after the other.
    outlines: Vec<Outlines>,
    /// What is wrong with those that were wanted.
    shape_troubles: ShapeTroubles,
    scored: u64,
    encoding: Option<&'static str>,
}

impl DataSet {
    /// Its ids that are no plain integers.
    pub fn ids(&self) -> &Ids {
        &self.ids
    }

    /// Reads a data set, packed with gzip or not.
    pub fn open(path: impl AsRef<Path>) -> Result<DataSet, ReadError> {
        DataSet::read(path.as_ref(), Want::All)
    }

    /// Reads what is wanted of a data set.
    pub fn read(path: &Path, want: Want) -> Result<DataSet, ReadError> {
        let mut stream = JsonStream::open_set(path)?;
        let mut set = DataSet { path: path.to_owned(), encoding: stream.encoding(), ..DataSet::default() };
        stream.object(|stream, key| set.member(stream, key, want))?;
        stream.end()?;
        Ok(set)
    }

    pub(super) fn of_tables(
        name: &Path,
        images: Vec<Image>,
        categories: Vec<Category>,
        annotations: Rows<Annotation>,
    ) -> DataSet {
        DataSet {
            path: name.to_owned(),
            images: Some(images),
            categories: Some(categories),
            annotations: Some(annotations),
            ..DataSet::default()
        }
    }

    fn member(&mut self, stream: &mut JsonStream, key: &str, want: Want) -> Result<(), ReadError> {
        match key {
            "images" => self.images = Some(self.entries(stream, "images", "image", image)?),
            "categories" => {
                self.categories = Some(self.entries(stream, "categories", "category", category)?);
            }
            "annotations" if want != Want::Tables => {
                self.read_annotations(
                    stream,
                    if let Want::Shapes(kind) = want { kind } else { IouType::Bbox },
                )?;
            }
            _ if stream.peek()? == Some(b'[') => {
                stream.list(|cursor, _: &mut ()| cursor.skip(), |()| {})?;
            }
            _ => stream.one("a value", |cursor| cursor.skip())?,
        }
        Ok(())
    }

    fn entries<T: TableEntry + Send>(
        &mut self,
        stream: &mut JsonStream,
        key: &str,
        record: &'static str,
        read: impl Fn(&Object, &mut Ids) -> Result<T, String> + Sync,
    ) -> Result<Vec<T>, ReadError> {
        if stream.peek()? != Some(b'[') {
            stream.one("a value", |cursor| cursor.skip())?;
            return Err(ReadError::shape(stream.path(), format!("`{key}` is not a list")));
        }
        let mut entries: Vec<T> = Vec::new();
        let mut trouble = None;
        let ids = &mut self.ids;
        stream.list(
            |cursor, part: &mut (Vec<Result<T, String>>, Ids)| {
                let made = match JsonValue::read(cursor)? {
                    JsonValue::Object(object) => read(&object, &mut part.1),
                    _ => Err("is no object".into()),
                };
                part.0.push(made);
                Ok(())
            },
            |(part, own)| {
                for made in part {
                    match made {
                        Ok(mut made) => {
                            made.each_id(|id| *id = ids.adopt(*id, &own));
                            entries.push(made);
                        }
                        Err(what) => {
                            trouble.get_or_insert((entries.len() as u64 + 1, what));
                        }
                    }
                }
            },
        )?;
        match trouble {
            None => Ok(entries),
            Some((number, what)) => Err(ReadError::Record { path: self.path.clone(), record, number, what }),
        }
    }

    fn read_annotations(&mut self, stream: &mut JsonStream, kind: IouType) -> Result<(), ReadError> {
        if stream.peek()? != Some(b'[') {
            stream.one("a value", |cursor| cursor.skip())?;
            return Err(ReadError::shape(stream.path(), "`annotations` is not a list"));
        }
        let mut rows = Rows::default();
        let mut trouble = None;
        let mut scored = 0;
        let ids = &mut self.ids;
        let mut outlines = Vec::new();
        let read = |cursor: &mut Cursor<'_>, part: &mut annotation::AnnotationsPart| {
            annotation::read(cursor, part, kind)
        };
        stream.list(read, |mut part| {
            if !part.ids.is_empty() {
                for row in &mut part.rows {
                    for id in [&mut row.id, &mut row.image, &mut row.category] {
                        *id = ids.adopt(*id, &part.ids);
                    }
                }
            }
            if let Some((place, what)) = part.trouble {
                trouble.get_or_insert((rows.len() as u64 + place + 1, what));
            }
            if kind != IouType::Bbox {
                (rows.len() as u32..).zip(&mut part.rows).for_each(|(place, row)| row.shape = place);
                part.outlines.shrink();
                outlines.push(part.outlines);
            }
            rows.extend(&part.rows);
            scored += part.scored;
        })?;
        if let Some((number, what)) = trouble {
            return Err(ReadError::Record { path: self.path.clone(), record: "annotation", number, what });
        }
        self.scored = scored;
        self.outlines = outlines;
        self.annotations = Some(rows);
        Ok(())
    }

    /// Takes the masks or key points of the annotations, in the file's order.
    pub(crate) fn take_outlines(&mut self) -> Vec<Outlines> {
        std::mem::take(&mut self.outlines)
    }

    /// Keeps what is wrong with some of them.
    pub(crate) fn keep_troubles(&mut self, troubles: ShapeTroubles) {
        self.shape_troubles = troubles;
    }

    /// What is wrong with masks or key points.
    pub(crate) fn shape_troubles(&self) -> &ShapeTroubles {
        &self.shape_troubles
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The images in the file's order.
    pub fn images(&self) -> &[Image] {
        self.images.as_deref().unwrap_or(&[])
    }

    /// The categories in the file's order.
    pub fn categories(&self) -> &[Category] {
        self.categories.as_deref().unwrap_or(&[])
    }

    /// The annotations in the file's order.
    pub fn annotations(&self) -> impl Iterator<Item = &Annotation> {
        self.annotations.iter().flat_map(Rows::iter)
    }

    /// The same data set with a number in place of every string of digits that names an image or a category; as it is where
    /// two ids would become one.
    pub(crate) fn with_numbers(mut self) -> DataSet {
        let number = |ids: &Ids, id: Id| match ids.text(id) {
            Some(_) => ids.of_other_kind(id).unwrap_or(id),
            None => id,
        };
        let ids = self.ids.clone();
        let distinct = |all: &[Id]| all.iter().collect::<HashSet<_>>().len();
        let images: Vec<Id> = self.images().iter().map(|image| image.id).collect();
        let categories: Vec<Id> = self.categories().iter().map(|category| category.id).collect();
        for listed in [images, categories] {
            let numbers: Vec<Id> = listed.iter().map(|&id| number(&ids, id)).collect();
            if distinct(&numbers) < distinct(&listed) {
                return self;
            }
        }
        self.images.iter_mut().flatten().for_each(|image| image.each_id(|id| *id = number(&ids, *id)));
        self.categories.iter_mut().flatten().for_each(|entry| entry.each_id(|id| *id = number(&ids, *id)));
        if let Some(rows) = &mut self.annotations {
            rows.each(|row| {
                row.image = number(&ids, row.image);
                row.category = number(&ids, row.category);
            });
        }
        self.ids.take_digits_for_numbers();
        self
    }

    /// The same data set with other boxes.
    pub(crate) fn with_boxes(&self, change: impl Fn(&Annotation) -> [f64; 4]) -> DataSet {
        let mut changed = self.clone();
        if let Some(rows) = &mut changed.annotations {
            rows.each(|annotation| annotation.bbox = change(annotation));
        }
        changed
    }

    /// With those annotations alone that are kept.
    pub(crate) fn only(&self, keep: impl FnMut(&Annotation) -> bool) -> DataSet {
        DataSet { annotations: self.annotations.as_ref().map(|rows| rows.only(keep)), ..self.clone() }
    }

    /// How many annotations there are.
    pub fn annotation_count(&self) -> usize {
        self.annotations.as_ref().map_or(0, Rows::len)
    }

    /// An annotation by its place in the file.
    pub fn annotation(&self, place: u32) -> Option<&Annotation> {
        self.annotations.as_ref().filter(|rows| (place as usize) < rows.len()).map(|rows| rows.at(place))
    }

    /// Whether the file has a key at all: `images`, `categories` or `annotations`.
    pub fn has(&self, key: &str) -> bool {
        match key {
            "images" => self.images.is_some(),
            "categories" => self.categories.is_some(),
            _ => self.annotations.is_some(),
        }
    }

    /// How the file is written, if not in UTF-8 without a byte order mark.
    pub fn encoding(&self) -> Option<&'static str> {
        self.encoding
    }

    /// How many annotations carry a score.
    pub fn scored(&self) -> u64 {
        self.scored
    }

    /// Ids and file names of the images that have one.
    pub fn named_images(&self) -> impl Iterator<Item = (Id, &str)> {
        self.images().iter().filter_map(|image| Some((image.id, image.file_name.as_deref()?)))
    }

    /// Ids and names of the categories that have one.
    pub fn named_categories(&self) -> impl Iterator<Item = (Id, &str)> {
        self.categories().iter().filter_map(|category| Some((category.id, category.name.as_deref()?)))
    }

    /// The name of a category, or its id where it has none.
    pub fn category_name(&self, id: Id) -> String {
        let entry = self.categories().iter().find(|category| category.id == id);
        match entry.and_then(|category| category.name.as_deref()) {
            Some(name) => printable(name),
            None => self.ids.show(id).to_string(),
        }
    }

    /// The id as a JSON value, for writing results.
    pub fn id_json(&self, id: Id) -> serde_json::Value {
        self.ids.json(id)
    }
}

/// An entry of `images` or `categories`.
trait TableEntry {
    /// Every id that it holds.
    fn each_id(&mut self, change: impl FnMut(&mut Id));
}

impl TableEntry for Image {
    fn each_id(&mut self, mut change: impl FnMut(&mut Id)) {
        change(&mut self.id);
        let verified = self.verified.as_deref_mut().into_iter();
        let lists = verified.flat_map(|verified| [&mut verified.negative, &mut verified.not_exhaustive]);
        lists.flatten().flatten().for_each(change);
    }
}

impl TableEntry for Category {
    fn each_id(&mut self, mut change: impl FnMut(&mut Id)) {
        change(&mut self.id);
    }
}

fn id(object: &Object, ids: &mut Ids) -> Result<Id, String> {
    let value = object.get("id").ok_or("has no `id`")?;
    ids.of(value).ok_or_else(|| "has an `id` that can name nothing: a number or a string expected".into())
}

fn image(object: &Object, ids: &mut Ids) -> Result<Image, String> {
    let mut list = |key: &str| match object.get(key) {
        Some(JsonValue::List(list)) => {
            let known: Option<Vec<Id>> = list.iter().map(|value| ids.of(value)).collect();
            known.map(Some).ok_or_else(|| format!("has a `{key}` with something that is no id"))
        }
        Some(_) => Err(format!("has a `{key}` that is not a list")),
        None => Ok(None),
    };
    let verified = Verified {
        negative: list("neg_category_ids")?,
        not_exhaustive: list("not_exhaustive_category_ids")?,
    };
    let some = verified.negative.is_some() || verified.not_exhaustive.is_some();
    Ok(Image {
        id: id(object, ids)?,
        file_name: object.get("file_name").and_then(JsonValue::text).map(Into::into),
        width: object.get("width").and_then(JsonValue::number),
        height: object.get("height").and_then(JsonValue::number),
        verified: some.then(|| Box::new(verified)),
        fields: object.members().filter_map(|(key, value)| field(key, value)).collect(),
    })
}

/// Members of COCO's own images, of which none says what belongs together.
const KNOWN: [&str; 8] =
    ["id", "file_name", "width", "height", "license", "coco_url", "flickr_url", "date_captured"];
/// A longer text names no group.
const LONGEST: usize = 200;

/// A member with one short value.
fn field(key: &str, value: &JsonValue) -> Option<(Box<str>, Box<str>)> {
    let text = match value {
        JsonValue::Text(text) if text.len() <= LONGEST => text.clone(),
        JsonValue::Int(number) => number.to_string(),
        JsonValue::Float(number) => number.to_string(),
        JsonValue::Bool(truth) => truth.to_string(),
        _ => return None,
    };
    (!KNOWN.contains(&key) && key.len() <= LONGEST).then(|| (key.into(), text.into()))
}

fn category(object: &Object, ids: &mut Ids) -> Result<Category, String> {
    Ok(Category {
        id: id(object, ids)?,
        name: object.get("name").and_then(JsonValue::text).map(Into::into),
        frequency: match object.get("frequency") {
            Some(JsonValue::Text(text)) => Some(text.as_str().into()),
            Some(other) => Some(quoted(&format!("{other:?}")).into()),
            None => None,
        },
    })
}
