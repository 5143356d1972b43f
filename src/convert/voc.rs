//! Pascal VOC's form: an XML file a photo (Everingham et al. 2010, "The Pascal Visual Object Classes Challenge").
//!
//! Pixels are counted from 1 and a box names its first and last ones, so that its left edge lies at `xmin - 1` and its
//! right one at `xmax` (as VOC's development kit and detectron2's reader have it).

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::clip::ClippedObject;
use super::files::{
    error_line, name_below, photo_name, read_small, read_whole, stays_inside, with_extension,
};
use super::{
    Annotations, ConvertError, LabelCounts, LabelFailure, LabelSource, LabelledObject, LabelledPhoto,
    ReadOptions, Whose, read_each,
};
use coco_eval::last_part;

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename = "annotation")]
struct VocFile {
    filename: Option<String>,
    size: Option<VocSize>,
    #[serde(default, rename = "object")]
    objects: Vec<VocObject>,
}

#[derive(Debug, Deserialize, Serialize)]
struct VocSize {
    #[serde(default)]
    width: String,
    #[serde(default)]
    height: String,
    #[serde(default)]
    depth: String,
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct VocObject {
    #[serde(default)]
    name: String,
    #[serde(default)]
    pose: String,
    #[serde(default)]
    truncated: String,
    #[serde(default)]
    difficult: String,
    bndbox: Option<VocCorners>,
    #[serde(default, skip_serializing)]
    occluded: String,
    #[serde(default, rename = "part", skip_serializing)]
    parts: Vec<Anything>,
    #[serde(skip_serializing)]
    polygon: Option<Anything>,
    #[serde(skip_serializing)]
    attributes: Option<Anything>,
}

/// An element of which only the presence counts.
#[derive(Debug, Deserialize)]
struct Anything {}

#[derive(Debug, Deserialize, Serialize)]
struct VocCorners {
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
    /// Width and height of the photo in pixels, where they are told.
    pub size: Option<(u32, u32)>,
    /// Names of the objects, their first and last pixels (left, top, right, bottom), and whether each is `difficult`.
    pub objects: Vec<(String, [f64; 4], bool)>,
    /// What is wrong with other objects.
    pub bad: Vec<String>,
    /// What else is said about the objects.
    pub lost: LabelCounts,
}

/// Reads the text of one XML file.
///
/// # Errors
/// What is wrong with it, to stand behind its name.
pub(super) fn read_text(text: &str) -> Result<Text, String> {
    let file: VocFile = quick_xml::de::from_str(text)
        .map_err(|error| format!("is not XML of Pascal VOC's form: {}", error_line(&error)))?;
    let side = |side: &str| {
        side.trim().parse::<f64>().ok().filter(|side| side.fract() == 0.0 && (1.0..1e9).contains(side))
    };
    let size =
        file.size.as_ref().and_then(|size| Some((side(&size.width)? as u32, side(&size.height)? as u32)));
    let mut found = Text {
        file: file.filename.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()),
        size,
        ..Text::default()
    };
    for (place, entry) in file.objects.into_iter().enumerate() {
        match corners(&entry) {
            Ok(corners) => {
                lost(&entry, &mut found.lost);
                let difficult = is_true(&entry.difficult);
                found.objects.push((entry.name.trim().to_owned(), corners, difficult));
            }
            Err(what) => found.bad.push(format!("has {what} for object {}", place + 1)),
        }
    }
    Ok(found)
}

fn is_true(flag: &str) -> bool {
    matches!(flag.trim(), "1" | "true" | "True")
}

/// First and last pixels of an object.
fn corners(entry: &VocObject) -> Result<[f64; 4], &'static str> {
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
    let corners = entry.bndbox.as_ref().and_then(|corners| {
        Some([number(&corners.xmin)?, number(&corners.ymin)?, number(&corners.xmax)?, number(&corners.ymax)?])
    });
    let [left, top, right, bottom] = corners.ok_or("no box of four numbers (`bndbox`)")?;
    if right < left - 1.0 || bottom < top - 1.0 {
        return Err("a box that ends before it begins");
    }
    if entry.name.trim().is_empty() {
        return Err("no `name`");
    }
    Ok([left, top, right, bottom])
}

/// Counts what else is said about an object.
fn lost(entry: &VocObject, lost: &mut LabelCounts) {
    let posed = !matches!(entry.pose.trim(), "" | "Unspecified" | "unspecified" | "Unknown");
    for (what, here) in [
        ("`pose`", posed),
        ("`truncated`", is_true(&entry.truncated)),
        ("`occluded`", is_true(&entry.occluded)),
        ("`part`", !entry.parts.is_empty()),
        ("`polygon`", entry.polygon.is_some()),
        ("`attributes`", entry.attributes.is_some()),
    ] {
        lost.add(Whose::Object, what, here.into());
    }
}

/// Reads the XML files in a folder, or in `Annotations` in it, in the order of their names. Categories are sorted by
/// their names.
pub(super) fn read(
    root: &Path,
    options: &ReadOptions,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<LabelSource, ConvertError> {
    let inner = root.join("Annotations");
    let folder = if inner.is_dir() { inner } else { root.to_owned() };
    let mut failed = Vec::new();
    let files = match &options.split {
        None => with_extension(&folder, "xml")?,
        Some(split) => files_of(root, &folder, split, &mut failed)?,
    };
    if files.is_empty() {
        return Err(ConvertError::Nothing(root.to_owned()));
    }
    let (texts, mut unread) = read_each(root, &files, progress, |path| {
        let name = name_below(&folder, path);
        match read_small(path).and_then(|text| read_text(&text)).and_then(nothing_but_bad) {
            Ok(text) => Ok((name, text, path.clone())),
            Err(detail) => Err(LabelFailure { file: name, detail }),
        }
    })?;
    failed.append(&mut unread);
    let names: BTreeSet<&str> =
        texts.iter().flat_map(|(_, text, _)| text.objects.iter().map(|(name, ..)| name.as_str())).collect();
    let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
    let mut source = LabelSource { failed, ..LabelSource::default() };
    let mut zero = Zero::default();
    for ((xml, text, path), id) in texts.into_iter().zip(1..) {
        source.failed.extend(text.bad.into_iter().map(|detail| LabelFailure::new(xml.clone(), detail)));
        source.lost.extend(&text.lost);
        let file = photo_name(&xml, text.file.as_deref());
        let path = if text.size.is_none() { photo_beside(root, &path, &file) } else { None };
        let object = |(name, corners, crowd): (String, [f64; 4], bool)| LabelledObject {
            category: names.binary_search(&name).unwrap_or(0),
            bbox: zero.bbox(corners, options.from_zero, &xml),
            crowd,
            ..LabelledObject::default()
        };
        let objects = text.objects.into_iter().map(object).collect();
        source.annotations.photos.push(LabelledPhoto {
            id,
            file,
            size: text.size,
            objects,
            path,
            ..LabelledPhoto::default()
        });
    }
    let objects = source.annotations.photos.iter().flat_map(|photo| &photo.objects);
    let difficult = objects.filter(|object| object.crowd).count();
    if difficult > 0 {
        source
            .warnings
            .push(format!("{difficult} difficult objects count as crowds, which evaluation ignores"));
    }
    source.warnings.extend(zero.note());
    source.annotations.categories = super::counted(names);
    Ok(source)
}

/// A file whose objects are all wrong is wrong as a whole: its photo is not one without objects.
fn nothing_but_bad(text: Text) -> Result<Text, String> {
    match text.bad.first() {
        Some(first) if text.objects.is_empty() => Err(first.clone()),
        _ => Ok(text),
    }
}

/// Boxes whose first pixel is 0, which VOC's form does not have.
#[derive(Default)]
struct Zero {
    count: usize,
    first: String,
}

impl Zero {
    /// The box of first and last pixels: they are counted from 1, or else from 0 and the last one is not the box's own.
    fn bbox(&mut self, [left, top, right, bottom]: [f64; 4], from_zero: bool, xml: &str) -> [f64; 4] {
        if from_zero {
            return [left, top, (right - left).max(0.0), (bottom - top).max(0.0)];
        }
        let (x, y) = (left - 1.0, top - 1.0);
        // Beyond the edge by this pixel only; what lies farther outside is left as it is.
        let [from_x, from_y] = [x, y].map(|edge| if (-1.0..0.0).contains(&edge) { 0.0 } else { edge });
        if from_x != x || from_y != y {
            self.count += 1;
            if self.first.is_empty() {
                xml.clone_into(&mut self.first);
            }
        }
        [from_x, from_y, (right - from_x).max(0.0), (bottom - from_y).max(0.0)]
    }

    fn note(&self) -> Option<String> {
        (self.count > 0).then(|| {
            format!(
                "{} boxes begin at pixel 0, as in `{}`, where VOC's form counts from 1: they are cut at the photo's edge; if \
                 the tool that wrote them counts from 0, all boxes are a pixel off, and --from-zero reads them rightly",
                self.count,
                self.first.escape_debug()
            )
        })
    }
}

/// The photo of an XML file without a size: beside it, or in the folders where VOC's and other tools' photos are.
fn photo_beside(root: &Path, xml: &Path, file: &str) -> Option<PathBuf> {
    let near = xml.parent().map(|folder| folder.join(last_part(file)));
    let folders = ["JPEGImages", "images", ""].map(|folder| root.join(folder).join(file));
    near.into_iter().chain(folders).find(|path| path.is_file())
}

/// The files that a list in `ImageSets/Main` names, the first word of each line.
fn files_of(
    root: &Path,
    folder: &Path,
    split: &str,
    failed: &mut Vec<LabelFailure>,
) -> Result<Vec<PathBuf>, ConvertError> {
    let lists = root.join("ImageSets/Main");
    let list = lists.join(format!("{split}.txt"));
    if !list.is_file() || split.contains(['/', '\\']) {
        let entries = std::fs::read_dir(&lists).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut known: Vec<String> =
            names.filter_map(|name| Some(format!("`{}`", name.strip_suffix(".txt")?))).collect();
        known.sort();
        known.truncate(10);
        return Err(ConvertError::NoSplit { path: lists, split: split.to_owned(), known });
    }
    let text = read_whole(&list)?;
    let words = text.lines().filter_map(|line| line.split_whitespace().next());
    let (inside, outside): (Vec<&str>, Vec<&str>) = words.partition(|word| stays_inside(word));
    let name = list.to_string_lossy();
    failed.extend(outside.into_iter().map(|word| {
        LabelFailure::new(
            name.clone(),
            format!("names `{}`, which is not in the data set's folder", word.escape_debug()),
        )
    }));
    Ok(inside.into_iter().map(|word| folder.join(format!("{word}.xml"))).collect())
}

/// Writes the file of one photo. VOC has whole pixels, so boxes are rounded to the nearest edges between them; each is
/// a pixel wide and high at least.
pub(super) fn write(
    annotations: &Annotations,
    photo: &LabelledPhoto,
    (width, height): (u32, u32),
    cuts: &[ClippedObject<'_>],
    out: &mut impl Write,
) -> io::Result<()> {
    let entry = |cut: &ClippedObject<'_>| {
        let [left, top, right, bottom] = cut.corners;
        let span = |from: f64, to: f64, side: u32| {
            let first = (from.round() + 1.0).min(f64::from(side));
            (first.to_string(), to.round().max(first).to_string())
        };
        let ((xmin, xmax), (ymin, ymax)) = (span(left, right, width), span(top, bottom, height));
        VocObject {
            name: annotations.categories[cut.object.category].name.clone(),
            pose: "Unspecified".into(),
            truncated: "0".into(),
            difficult: u8::from(cut.object.crowd).to_string(),
            bndbox: Some(VocCorners { xmin, ymin, xmax, ymax }),
            ..VocObject::default()
        }
    };
    let file = VocFile {
        filename: Some(last_part(&photo.file).to_owned()),
        size: Some(VocSize { width: width.to_string(), height: height.to_string(), depth: "3".into() }),
        objects: cuts.iter().map(entry).collect(),
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
        assert_eq!((text.file.as_deref(), text.size), (Some("000001.jpg"), Some((353, 500))));
        let dog = ("dog".to_owned(), [48.0, 240.0, 195.0, 371.0], false);
        assert_eq!(text.objects, [dog, ("person & co".to_owned(), [8.0, 12.5, 352.0, 498.0], true)]);
        assert_eq!(text.lost.to_string(), "`part` of 1 object, `pose` of 1 object, `truncated` of 1 object");
        let mut zero = Zero::default();
        let boxes = [0, 1].map(|place| zero.bbox(text.objects[place].1, false, "a.xml"));
        assert_eq!(boxes, [[47.0, 239.0, 148.0, 132.0], [7.0, 11.5, 345.0, 486.5]]);
        assert_eq!(zero.note(), None);
    }

    #[test]
    fn what_is_wrong_is_said() {
        let object = |inner: &str| format!("<annotation><object><name>a</name>{inner}</object></annotation>");
        for text in ["", "<annotation>"] {
            assert!(read_text(text).unwrap_err().contains("is not XML"), "{text}");
        }
        for (text, words) in [
            (object(""), "no box of four numbers (`bndbox`) for object 1"),
            (
                object("<bndbox><xmin>x</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>"),
                "no box of four numbers",
            ),
            (
                object("<bndbox><xmin>5</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>"),
                "ends before it begins",
            ),
        ] {
            let found = read_text(&text).unwrap();
            assert!(found.bad[0].contains(words), "{text}: {:?}", found.bad);
            assert!(nothing_but_bad(found).is_err());
        }
        let sizeless = read_text("<annotation><size><width>0</width><height>3</height></size></annotation>");
        assert_eq!(sizeless.unwrap().size, None);
    }

    /// Pixel 0 does not exist where they are counted from 1; a tool that counts from 0 means its right edge.
    #[test]
    fn pixel_zero_is_told() {
        let mut zero = Zero::default();
        assert_eq!(zero.bbox([0.0, 11.0, 99.0, 50.0], false, "a.xml"), [0.0, 10.0, 99.0, 40.0]);
        assert!(zero.note().unwrap().contains("1 boxes begin at pixel 0, as in `a.xml`"));
        assert_eq!(zero.bbox([0.0, 11.0, 99.0, 50.0], true, "a.xml"), [0.0, 11.0, 99.0, 39.0]);
    }

    #[test]
    fn photos_lie_in_the_folders_of_their_xml_files() {
        assert_eq!(photo_name("a/b/1.xml", Some("C:\\x\\1.png")), "a/b/1.png");
        assert_eq!(photo_name("1.v2.xml", None), "1.v2.jpg");
        assert_eq!(photo_name("1.xml", Some("../..")), "1.jpg");
    }
}
