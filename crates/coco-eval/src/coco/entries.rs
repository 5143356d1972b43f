//! A COCO data set with everything that stands in it, record by record: what conversion needs and evaluation does not.
//!
//! A record that makes no sense is told in its place, and the others are read on.

use std::collections::BTreeMap;
use std::path::Path;

use super::error::ReadError;
use super::id::{Id, Ids};
use super::scan::{Cursor, Scan};
use super::stream::JsonStream;
use super::value::{JsonValue, text};

/// An entry of `images`.
#[derive(Debug)]
pub struct WholeImage {
    pub id: Id,
    pub file_name: Option<String>,
    /// Width and height as numbers, where there are such.
    pub sides: [Option<f64>; 2],
    /// Its other members as JSON, without braces.
    pub more: Box<str>,
}

/// An entry of `categories`.
#[derive(Debug)]
pub struct WholeCategory {
    pub id: Id,
    pub name: Option<String>,
    /// Its other members as JSON, without braces.
    pub more: Box<str>,
}

/// An entry of `annotations`.
#[derive(Debug)]
pub struct WholeAnnotation {
    /// Its id, where it has one.
    pub id: Option<Id>,
    /// Id of its image.
    pub image: Id,
    /// Id of its category.
    pub category: Id,
    /// Left, top, width and height: four finite numbers.
    pub bbox: [f64; 4],
    /// Area in pixels, where it is told.
    pub area: Option<f64>,
    /// `iscrowd` is true in Python's sense.
    pub crowd: bool,
    /// Score of a result that is written as an annotation.
    pub score: Option<f64>,
    /// Its other members as JSON, without braces.
    pub more: Box<str>,
}

/// Records of a list in the file's order, each with its place counted from 1.
#[derive(Debug)]
pub struct Table<T> {
    pub good: Vec<(u64, T)>,
    /// What is wrong with the others.
    pub bad: Vec<(u64, String)>,
    /// How many records have a member beyond the known ones that says something.
    pub more: BTreeMap<String, usize>,
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table { good: Vec::new(), bad: Vec::new(), more: BTreeMap::new() }
    }
}

/// A whole file.
#[derive(Debug, Default)]
pub struct WholeSet {
    /// Ids that are not whole numbers, as they are written.
    pub ids: Ids,
    /// The images, where the file has the table.
    pub images: Option<Table<WholeImage>>,
    /// The categories.
    pub categories: Option<Table<WholeCategory>>,
    /// The annotations.
    pub annotations: Option<Table<WholeAnnotation>>,
    /// The file's other members, `info` and the like: their names and their JSON.
    pub more: Vec<(String, String)>,
}

impl WholeSet {
    /// Reads a file, packed with gzip or not. Only with `keep` are the other members' texts kept; they are counted anyway.
    pub fn read(path: &Path, keep: bool) -> Result<WholeSet, ReadError> {
        let mut stream = JsonStream::open_set(path)?;
        let mut set = WholeSet::default();
        stream.object(|stream, key| set.member(stream, key, keep))?;
        stream.end()?;
        Ok(set)
    }

    fn member(&mut self, stream: &mut JsonStream, key: &str, keep: bool) -> Result<(), ReadError> {
        let ids = &mut self.ids;
        match key {
            "images" => self.images = Some(table(stream, key, ids, keep)?),
            "categories" => self.categories = Some(table(stream, key, ids, keep)?),
            "annotations" => self.annotations = Some(table(stream, key, ids, keep)?),
            // Lists are skipped in blocks; one that is longer than any record cannot be kept.
            _ if !keep && stream.peek()? == Some(b'[') => {
                stream.list(|cursor, _: &mut ()| cursor.skip(), |()| {})?;
                self.more.push((key.to_owned(), "[…]".into()));
            }
            _ => {
                let value = stream.one("a value", |cursor| raw(cursor).map(compact))?;
                self.more.push((key.to_owned(), value));
            }
        }
        Ok(())
    }
}

/// The known members of a record by their places in a list of names, and its others.
struct Fields {
    known: Vec<Option<JsonValue>>,
    more: Vec<(String, String)>,
}

/// How records of a kind are read: the names of the known members, and what is made of them.
trait RecordReader: Sized + Send {
    const KNOWN: &'static [&'static str];
    fn make(known: Vec<Option<JsonValue>>, more: Box<str>, ids: &mut Ids) -> Result<Self, String>;
    fn each_id(&mut self, change: impl FnMut(&mut Id));
}

struct EntriesPart<T> {
    records: Vec<Result<T, String>>,
    ids: Ids,
    more: BTreeMap<String, usize>,
}

impl<T> Default for EntriesPart<T> {
    fn default() -> Self {
        EntriesPart { records: Vec::new(), ids: Ids::default(), more: BTreeMap::new() }
    }
}

fn table<T: RecordReader>(
    stream: &mut JsonStream,
    key: &str,
    ids: &mut Ids,
    keep: bool,
) -> Result<Table<T>, ReadError> {
    if stream.peek()? != Some(b'[') {
        stream.one("a value", |cursor| cursor.skip())?;
        return Err(ReadError::shape(stream.path(), format!("`{key}` is not a list")));
    }
    let mut table = Table::default();
    let mut place = 0;
    stream.list(
        |cursor, part: &mut EntriesPart<T>| {
            let made = match fields(cursor, T::KNOWN)? {
                None => Err("is no object".into()),
                Some(Fields { known, more }) => {
                    let mut kept = String::new();
                    for (name, value) in more {
                        if says_something(&value) {
                            *part.more.entry(name.clone()).or_default() += 1;
                        }
                        if keep {
                            let comma = if kept.is_empty() { "" } else { "," };
                            let name = serde_json::Value::from(name);
                            kept += &format!("{comma}{name}:{value}");
                        }
                    }
                    T::make(known, kept.into(), &mut part.ids)
                }
            };
            part.records.push(made);
            Ok(())
        },
        |part: EntriesPart<T>| {
            for made in part.records {
                place += 1;
                match made {
                    Ok(mut made) => {
                        made.each_id(|id| *id = ids.adopt(*id, &part.ids));
                        table.good.push((place, made));
                    }
                    Err(what) => table.bad.push((place, what)),
                }
            }
            for (name, count) in part.more {
                *table.more.entry(name).or_default() += count;
            }
        },
    )?;
    Ok(table)
}

/// The members of the object at the cursor; `None` for anything else.
fn fields(cursor: &mut Cursor<'_>, names: &[&str]) -> Scan<Option<Fields>> {
    if cursor.next_byte()? != b'{' {
        cursor.skip()?;
        return Ok(None);
    }
    cursor.at += 1;
    let mut found = Fields { known: vec![None; names.len()], more: Vec::new() };
    if cursor.next_byte()? == b'}' {
        cursor.at += 1;
        return Ok(Some(found));
    }
    loop {
        let key = text(cursor)?;
        cursor.expect(b':', "`:`")?;
        match names.iter().position(|name| *name == key) {
            Some(place) => found.known[place] = Some(JsonValue::read(cursor)?),
            None => {
                let value = compact(raw(cursor)?);
                found.more.push((key, value));
            }
        }
        if !cursor.more(b'}')? {
            return Ok(Some(found));
        }
    }
}

/// The bytes of the value at the cursor, checked.
fn raw<'a>(cursor: &mut Cursor<'a>) -> Scan<&'a [u8]> {
    cursor.next_byte()?;
    let start = cursor.at;
    cursor.skip()?;
    Ok(&cursor.data[start..cursor.at])
}

/// JSON without the white space between its tokens.
fn compact(raw: &[u8]) -> String {
    let (mut inside, mut escaped) = (false, false);
    let kept = raw.iter().copied().filter(|&byte| {
        let blank = !inside && byte.is_ascii_whitespace();
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            _ => {}
        }
        !blank
    });
    String::from_utf8_lossy(&kept.collect::<Vec<u8>>()).into_owned()
}

/// Whether a member is more than an empty field of a form.
pub fn says_something(json: &str) -> bool {
    !matches!(json, "null" | "[]" | "{}" | "\"\"" | "0" | "0.0" | "false" | "[[]]")
}

fn id_of(value: Option<&JsonValue>, key: &str, ids: &mut Ids) -> Result<Id, String> {
    let value = value.ok_or_else(|| format!("has no `{key}`"))?;
    ids.of(value).ok_or_else(|| format!("has a `{key}` that can name nothing: a number or a string expected"))
}

fn string(value: Option<&JsonValue>) -> Option<String> {
    value.and_then(JsonValue::text).map(str::to_owned)
}

impl RecordReader for WholeImage {
    const KNOWN: &'static [&'static str] = &["id", "file_name", "width", "height"];

    fn make(known: Vec<Option<JsonValue>>, more: Box<str>, ids: &mut Ids) -> Result<Self, String> {
        Ok(WholeImage {
            id: id_of(known[0].as_ref(), "id", ids)?,
            file_name: string(known[1].as_ref()),
            sides: [2, 3].map(|place| known[place].as_ref().and_then(JsonValue::converted)),
            more,
        })
    }

    fn each_id(&mut self, mut change: impl FnMut(&mut Id)) {
        change(&mut self.id);
    }
}

impl RecordReader for WholeCategory {
    const KNOWN: &'static [&'static str] = &["id", "name"];

    fn make(known: Vec<Option<JsonValue>>, more: Box<str>, ids: &mut Ids) -> Result<Self, String> {
        let id = id_of(known[0].as_ref(), "id", ids)?;
        Ok(WholeCategory { id, name: string(known[1].as_ref()), more })
    }

    fn each_id(&mut self, mut change: impl FnMut(&mut Id)) {
        change(&mut self.id);
    }
}

impl RecordReader for WholeAnnotation {
    const KNOWN: &'static [&'static str] =
        &["id", "image_id", "category_id", "bbox", "area", "iscrowd", "score"];

    fn make(known: Vec<Option<JsonValue>>, more: Box<str>, ids: &mut Ids) -> Result<Self, String> {
        let image = id_of(known[1].as_ref(), "image_id", ids)?;
        let category = id_of(known[2].as_ref(), "category_id", ids)?;
        let bbox = match &known[3] {
            Some(JsonValue::List(list)) => {
                let numbers: Option<Vec<f64>> = list.iter().map(JsonValue::converted).collect();
                numbers.and_then(|numbers| <[f64; 4]>::try_from(numbers).ok())
            }
            _ => None,
        };
        let bbox = bbox.filter(|bbox| bbox.iter().all(|side| side.is_finite()));
        let number = |place: usize| known[place].as_ref().and_then(JsonValue::number);
        Ok(WholeAnnotation {
            id: known[0].as_ref().and_then(|id| ids.of(id)),
            image,
            category,
            bbox: bbox.ok_or("has no box of four numbers (`bbox`)")?,
            area: number(4).filter(|area| area.is_finite()),
            crowd: known[5].as_ref().is_some_and(|crowd| match crowd {
                JsonValue::Text(text) => text.trim() != "0" && !text.is_empty(),
                other => other.truthy(),
            }),
            score: number(6),
            more,
        })
    }

    fn each_id(&mut self, mut change: impl FnMut(&mut Id)) {
        self.id.iter_mut().for_each(&mut change);
        change(&mut self.image);
        change(&mut self.category);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, keep: bool) -> WholeSet {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        WholeSet::read(file.path(), keep).unwrap()
    }

    const TEXT: &str = r#"{"info": {"a b": [1, NaN]}, "images": [{"id": "x", "license": 3, "file_name": "a.jpg"}, 5],
        "annotations": [
            {"id": 7, "image_id": "x", "category_id": 2, "bbox": [1, 2, 3, 4], "segmentation": [[1.0, 2 ]], "ignore": 0, "k\"": "a \\\" b"},
            {"id": 8, "image_id": "x", "category_id": 2, "bbox": [1, 2, 3]}]}"#;

    #[test]
    fn everything_is_kept_in_its_own_words() {
        let set = read(TEXT, true);
        let annotations = set.annotations.unwrap();
        let (place, first) = &annotations.good[0];
        assert_eq!((*place, first.bbox), (1, [1.0, 2.0, 3.0, 4.0]));
        assert_eq!(&*first.more, r#""segmentation":[[1.0,2]],"ignore":0,"k\"":"a \\\" b""#);
        assert_eq!(annotations.more, BTreeMap::from([("segmentation".into(), 1), ("k\"".into(), 1)]));
        assert_eq!(annotations.bad, [(2, "has no box of four numbers (`bbox`)".into())]);
        let images = set.images.unwrap();
        assert_eq!(images.good[0].1.id, first.image);
        assert_eq!(images.bad, [(2, "is no object".into())]);
        assert_eq!(set.more, [("info".into(), r#"{"a b":[1,NaN]}"#.into())]);
    }

    #[test]
    fn what_is_not_kept_is_counted() {
        let set = read(TEXT, false);
        let annotations = set.annotations.unwrap();
        assert_eq!(&*annotations.good[0].1.more, "");
        assert_eq!(annotations.more["segmentation"], 1);
        assert!(set.categories.is_none());
    }
}
