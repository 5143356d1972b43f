//! Pascal VOC's form: an XML file a photo (Everingham et al. 2010, "The Pascal Visual Object Classes Challenge").
//!
//! Pixels are counted from 1 and a box names its first and last ones, so that its left edge lies at `xmin - 1` and its
//! right one at `xmax` (as VOC's development kit and detectron2's reader have it).

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use super::error::io_error;
use super::{
    Annotations, Category, Error, Failed, Object, Photo, ReadOptions, Source, name_below, read_each,
    read_small, said,
};

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename = "annotation")]
struct File {
    filename: Option<String>,
    size: Option<Size>,
    #[serde(default, rename = "object")]
    objects: Vec<Entry>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Size {
    width: String,
    height: String,
    #[serde(default)]
    depth: String,
}

#[derive(Debug, Deserialize, Serialize)]
struct Entry {
    name: String,
    #[serde(default)]
    pose: String,
    #[serde(default)]
    truncated: String,
    #[serde(default)]
    difficult: String,
    bndbox: Option<Corners>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Corners {
    xmin: String,
    ymin: String,
    xmax: String,
    ymax: String,
}

/// What one file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Text {
    /// The photo's file name, where there is one.
    pub file: Option<String>,
    /// Width and height of the photo in pixels.
    pub size: (u32, u32),
    /// Names of the objects, boxes as COCO has them, and whether each is `difficult`.
    pub objects: Vec<(String, [f64; 4], bool)>,
}

/// Reads the text of one XML file.
///
/// # Errors
/// What is wrong with it, to stand behind its name.
pub fn read_text(text: &str) -> Result<Text, String> {
    let file: File = quick_xml::de::from_str(text)
        .map_err(|error| format!("is not XML of Pascal VOC's form: {}", said(&error)))?;
    let side = |side: &str| {
        side.trim().parse::<f64>().ok().filter(|side| side.fract() == 0.0 && (1.0..1e9).contains(side))
    };
    let size =
        file.size.as_ref().and_then(|size| Some((side(&size.width)? as u32, side(&size.height)? as u32)));
    let size =
        size.ok_or("does not tell the photo's size in whole pixels (`size` with `width` and `height`)")?;
    let mut objects = Vec::new();
    for (place, entry) in file.objects.into_iter().enumerate() {
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let corners = entry.bndbox.and_then(|corners| {
            Some([
                number(&corners.xmin)?,
                number(&corners.ymin)?,
                number(&corners.xmax)?,
                number(&corners.ymax)?,
            ])
        });
        let Some([left, top, right, bottom]) = corners else {
            return Err(format!("has no box of four numbers (`bndbox`) for object {}", place + 1));
        };
        let (left, top) = (left - 1.0, top - 1.0);
        if right < left || bottom < top {
            return Err(format!("has a box for object {} that ends before it begins", place + 1));
        }
        let difficult = matches!(entry.difficult.trim(), "1" | "true" | "True");
        objects.push((entry.name.trim().to_owned(), [left, top, right - left, bottom - top], difficult));
    }
    Ok(Text {
        file: file.filename.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()),
        size,
        objects,
    })
}

/// Reads the XML files in a folder, or in `Annotations` in it, in the order of their names. Categories are sorted by
/// their names.
pub(super) fn read(
    root: &Path,
    options: &ReadOptions,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Source, Error> {
    let inner = root.join("Annotations");
    let folder = if inner.is_dir() { inner } else { root.to_owned() };
    let files = match &options.split {
        None => files_below(&folder)?,
        Some(split) => files_of(root, &folder, split)?,
    };
    if files.is_empty() {
        return Err(Error::Nothing(root.to_owned()));
    }
    let (texts, failed) = read_each(root, &files, progress, |path| {
        let name = name_below(&folder, path);
        match read_small(path).and_then(|text| read_text(&text)) {
            Ok(text) => Ok((name, text)),
            Err(detail) => Err(Failed { file: name, detail }),
        }
    })?;
    let names: BTreeSet<&str> =
        texts.iter().flat_map(|(_, text)| text.objects.iter().map(|(name, ..)| name.as_str())).collect();
    let names: Vec<&str> = names.into_iter().collect();
    let categories =
        names.iter().zip(1..).map(|(name, id)| Category { id, name: (*name).to_owned() }).collect();
    let photo = |((xml, text), id): (&(String, Text), i64)| Photo {
        id,
        file: photo_name(xml, text.file.as_deref()),
        width: text.size.0,
        height: text.size.1,
        objects: text
            .objects
            .iter()
            .map(|(name, bbox, difficult)| Object {
                category: names.binary_search(&name.as_str()).unwrap_or(0),
                bbox: *bbox,
                area: None,
                crowd: *difficult,
                score: None,
            })
            .collect(),
    };
    let photos: Vec<Photo> = texts.iter().zip(1..).map(photo).collect();
    let difficult = photos.iter().flat_map(|photo| &photo.objects).filter(|object| object.crowd).count();
    let mut notes = Vec::new();
    if difficult > 0 {
        notes.push(format!("{difficult} difficult objects count as crowds, which evaluation ignores"));
    }
    Ok(Source { annotations: Annotations { categories, photos }, notes, failed })
}

/// The photo's name beside the XML file's: folders are those of the XML file.
fn photo_name(xml: &str, file: Option<&str>) -> String {
    let (folder, stem) = match xml.rsplit_once('/') {
        Some((folder, name)) => (format!("{folder}/"), name),
        None => (String::new(), xml),
    };
    let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
    let last =
        file.map(|file| file.rsplit(['/', '\\']).next().unwrap_or(file)).filter(|name| !name.is_empty());
    format!("{folder}{}", last.map_or_else(|| format!("{stem}.jpg"), str::to_owned))
}

fn files_below(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut files = Vec::new();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.map_err(|error| io_error("read", folder)(error.into()))?;
        let is_xml = entry.path().extension().is_some_and(|end| end.eq_ignore_ascii_case("xml"));
        if is_xml && entry.path().is_file() {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

/// The files that a list in `ImageSets/Main` names, the first word of each line.
fn files_of(root: &Path, folder: &Path, split: &str) -> Result<Vec<PathBuf>, Error> {
    let lists = root.join("ImageSets/Main");
    let list = lists.join(format!("{split}.txt"));
    if !list.is_file() || split.contains(['/', '\\']) {
        let entries = std::fs::read_dir(&lists).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut known: Vec<String> =
            names.filter_map(|name| Some(format!("`{}`", name.strip_suffix(".txt")?))).collect();
        known.sort();
        known.truncate(10);
        return Err(Error::NoSplit { path: lists, split: split.to_owned(), known });
    }
    let text = crate::text::read(&list).map_err(io_error("read", &list))?;
    let words = text.lines().filter_map(|line| line.split_whitespace().next());
    Ok(words.map(|word| folder.join(format!("{word}.xml"))).collect())
}

/// Writes the file of one photo. VOC has whole pixels, so boxes are rounded to the nearest edges between them; each is
/// a pixel wide and high at least. `boxes` are places of categories, left, top, right, bottom inside the photo, and
/// whether evaluation ignores them.
pub(super) fn write(
    annotations: &Annotations,
    photo: &Photo,
    boxes: &[(usize, [f64; 4], bool)],
    out: &mut impl Write,
) -> io::Result<()> {
    let entry = |&(category, [left, top, right, bottom], crowd): &(usize, [f64; 4], bool)| {
        let span = |from: f64, to: f64, side: u32| {
            let first = (from.round() + 1.0).min(f64::from(side));
            (first.to_string(), to.round().max(first).to_string())
        };
        let ((xmin, xmax), (ymin, ymax)) = (span(left, right, photo.width), span(top, bottom, photo.height));
        Entry {
            name: annotations.categories[category].name.clone(),
            pose: "Unspecified".into(),
            truncated: "0".into(),
            difficult: u8::from(crowd).to_string(),
            bndbox: Some(Corners { xmin, ymin, xmax, ymax }),
        }
    };
    let file = File {
        filename: Some(photo.file.rsplit('/').next().unwrap_or(&photo.file).to_owned()),
        size: Some(Size {
            width: photo.width.to_string(),
            height: photo.height.to_string(),
            depth: "3".into(),
        }),
        objects: boxes.iter().map(entry).collect(),
    };
    let mut text = String::new();
    let mut serializer = quick_xml::se::Serializer::new(&mut text);
    serializer.indent(' ', 2);
    file.serialize(serializer).map_err(io::Error::other)?;
    text.push('\n');
    out.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file as VOC 2007 has them, its box by hand: pixels 48 to 195 are 148 wide.
    #[test]
    fn pixels_are_counted_from_one() {
        let text = read_text(
            "<annotation><folder>VOC2007</folder><filename>000001.jpg</filename>\
             <size><width>353</width><height>500</height><depth>3</depth></size><segmented>0</segmented>\
             <object><name>dog</name><pose>Left</pose><truncated>1</truncated><difficult>0</difficult>\
             <bndbox><xmin>48</xmin><ymin>240</ymin><xmax>195</xmax><ymax>371</ymax></bndbox>\
             <part><name>head</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox></part>\
             </object><source><annotation>x</annotation></source>\
             <object><name> person &amp; co </name><difficult>1</difficult>\
             <bndbox><xmax>352</xmax><ymin>12.5</ymin><xmin>8</xmin><ymax>498</ymax></bndbox></object></annotation>",
        );
        let text = text.unwrap();
        assert_eq!((text.file.as_deref(), text.size), (Some("000001.jpg"), (353, 500)));
        let dog = ("dog".to_owned(), [47.0, 239.0, 148.0, 132.0], false);
        assert_eq!(text.objects, [dog, ("person & co".to_owned(), [7.0, 11.5, 345.0, 486.5], true)]);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let size = "<size><width>9</width><height>9</height></size>";
        let object =
            |inner: &str| format!("<annotation>{size}<object><name>a</name>{inner}</object></annotation>");
        for (text, words) in [
            ("", "is not XML"),
            ("<annotation>", "is not XML"),
            ("<annotation></annotation>", "photo's size"),
            ("<annotation><size><width>0</width><height>3</height></size></annotation>", "photo's size"),
            (&object(""), "no box of four numbers (`bndbox`) for object 1"),
            (
                &object("<bndbox><xmin>x</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>"),
                "no box of four numbers",
            ),
            (
                &object("<bndbox><xmin>5</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>"),
                "ends before it begins",
            ),
        ] {
            let said = read_text(text).unwrap_err();
            assert!(said.contains(words), "{text}: {said}");
        }
    }

    #[test]
    fn photos_lie_in_the_folders_of_their_xml_files() {
        assert_eq!(photo_name("a/b/1.xml", Some("C:\\x\\1.png")), "a/b/1.png");
        assert_eq!(photo_name("1.v2.xml", None), "1.v2.jpg");
    }
}
