//! YOLO's form, as Ultralytics has it: a text file a photo, a line an object: the place of its class, then the box's
//! centre, width and height as shares of the upright photo's sides. A line of more numbers is a polygon around the object.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::io_error;
use super::{
    Annotations, Category, Error, Failed, Object, Photo, ReadOptions, Source, name_below, read_each,
    read_small, said,
};
use crate::coco::shown;
use crate::photo::{self, DecodeOptions, Entry};

/// What `data.yaml` says.
#[derive(Debug, Default, Deserialize)]
struct Config {
    path: Option<PathBuf>,
    train: Option<OneOrMore>,
    val: Option<OneOrMore>,
    test: Option<OneOrMore>,
    names: Option<Names>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Names {
    List(Vec<String>),
    Table(BTreeMap<usize, String>),
}

/// Files of class names, a line a class, from before there was `data.yaml`.
const NAME_FILES: [&str; 4] = ["classes.txt", "obj.names", "labels/classes.txt", "labels/obj.names"];

/// Whether a folder is a data set of this form.
pub(super) fn is_here(folder: &Path) -> bool {
    folder.join("labels").is_dir() || config_of(folder).is_some()
}

fn config_of(folder: &Path) -> Option<PathBuf> {
    ["data.yaml", "dataset.yaml", "data.yml"].iter().map(|name| folder.join(name)).find(|path| path.is_file())
}

/// Reads a data set by its folder or its `data.yaml`. Photos are named from the data set's folder; those without a
/// file of labels have no objects.
pub(super) fn read(
    path: &Path,
    options: &ReadOptions,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<Source, Error> {
    let config_path = if path.is_dir() { config_of(path) } else { Some(path.to_owned()) };
    let config = config_path.as_deref().map(read_config).transpose()?.unwrap_or_default();
    let beside = config_path.as_deref().and_then(Path::parent).unwrap_or(path);
    // A path of the machine that trained, which is not here, is the same as none.
    let root = config.path.as_ref().map(|inner| beside.join(inner)).filter(|root| root.is_dir());
    let root = root.unwrap_or_else(|| beside.to_owned());
    let photos = photo::list(&inputs(path, &root, &config, options)?, None)?;
    let (read, mut failed) = read_each(path, &photos.entries, progress, |entry| {
        read_photo(entry, &root).map_err(|detail| Failed { file: name_below(&root, &entry.path), detail })
    })?;
    failed.extend(
        photos.unread.into_iter().map(|unread| Failed { file: unread.folder, detail: unread.detail }),
    );
    let mut notes = photos.notes;
    let unlabelled = read.iter().filter(|(_, labelled)| !labelled).count();
    if unlabelled > 0 {
        notes
            .push(format!("{unlabelled} of {} photos have no file of labels, and so no objects", read.len()));
    }
    let photos: Vec<Photo> =
        read.into_iter().zip(1..).map(|((photo, _), id)| Photo { id, ..photo }).collect();
    let most = photos.iter().flat_map(|photo| &photo.objects).map(|object| object.category + 1).max();
    let names = names(&root, config.names, most.unwrap_or(0), &mut notes)?;
    let categories = names.into_iter().zip(1..).map(|(name, id)| Category { id, name }).collect();
    Ok(Source { annotations: Annotations { categories, photos }, notes, failed })
}

fn read_config(path: &Path) -> Result<Config, Error> {
    let text = read_small(path).map_err(|what| Error::Shape { path: path.to_owned(), what })?;
    serde_saphyr::from_str(&text).map_err(|error| Error::Shape {
        path: path.to_owned(),
        what: format!("is no data.yaml: {}", said(&error)),
    })
}

/// The folders, or lists, of photos.
fn inputs(path: &Path, root: &Path, config: &Config, options: &ReadOptions) -> Result<Vec<String>, Error> {
    let parts = [("train", &config.train), ("val", &config.val), ("test", &config.test)];
    if let Some(split) = &options.split
        && !parts.iter().any(|(name, part)| name == split && part.is_some())
    {
        let known = parts.iter().filter(|(_, part)| part.is_some()).map(|(name, _)| format!("`{name}`"));
        return Err(Error::NoSplit { path: path.to_owned(), split: split.clone(), known: known.collect() });
    }
    let chosen =
        parts.into_iter().filter(|(name, _)| options.split.as_deref().is_none_or(|split| split == *name));
    let named: Vec<&String> = chosen
        .filter_map(|(_, part)| part.as_ref())
        .flat_map(|part| match part {
            OneOrMore::One(one) => std::slice::from_ref(one),
            OneOrMore::More(more) => more.as_slice(),
        })
        .collect();
    let mut found: Vec<PathBuf> = named.into_iter().map(|part| place_of(root, part)).collect();
    // Parts of a published data set that were not fetched are no reason to refuse the others.
    found.retain(|path| options.split.is_some() || path.exists());
    let mut met = HashSet::new();
    found.retain(|path| met.insert(path.clone()));
    if found.is_empty() {
        let images = root.join("images");
        found.push(if images.is_dir() { images } else { root.to_owned() });
    }
    Ok(found.iter().map(|path| path.to_string_lossy().into_owned()).collect())
}

/// Where a part is. Some tools write `../train/images` of a folder that is beside the file, as Ultralytics minds.
fn place_of(root: &Path, part: &str) -> PathBuf {
    let beside = || part.strip_prefix("../").map(|inner| root.join(inner)).filter(|path| path.exists());
    Some(root.join(part)).filter(|path| path.exists()).or_else(beside).unwrap_or_else(|| root.join(part))
}

/// A photo with its objects, and whether it has a file of labels.
fn read_photo(entry: &Entry, root: &Path) -> Result<(Photo, bool), String> {
    let (width, height) = photo::size(&entry.path, &DecodeOptions::default())
        .map_err(|error| format!("has no size: {error}"))?;
    let labels = labels_of(&entry.path);
    let labelled = labels.is_file();
    let wrong = |detail| format!("has labels in `{}` that {detail}", shown(&labels));
    let objects = match labelled {
        true => read_small(&labels).map_err(wrong).and_then(|text| read_text(&text).map_err(wrong))?,
        false => Vec::new(),
    };
    let (wide, high) = (f64::from(width), f64::from(height));
    let object = |(category, [x, y, w, h]): (usize, [f64; 4])| Object {
        category,
        bbox: [(x - w / 2.0) * wide, (y - h / 2.0) * high, w * wide, h * high].map(settled),
        area: None,
        crowd: false,
        score: None,
    };
    let file = name_below(root, &entry.path);
    let photo = Photo { id: 0, file, width, height, objects: objects.into_iter().map(object).collect() };
    Ok((photo, labelled))
}

/// Shares have six digits or so, which is what a box is worth: thousandths of a pixel.
fn settled(pixels: f64) -> f64 {
    (pixels * 1e3).round() / 1e3
}

/// Where the labels of a photo are: in `labels` for the last `images` of its path, with the end `.txt`.
fn labels_of(photo: &Path) -> PathBuf {
    let mut parts: Vec<_> = photo.components().collect();
    let folders = parts.len().saturating_sub(1);
    if let Some(images) = parts[..folders].iter_mut().rfind(|part| part.as_os_str() == "images") {
        *images = std::path::Component::Normal("labels".as_ref());
    }
    parts.iter().collect::<PathBuf>().with_extension("txt")
}

/// Reads the lines of one file: places of classes, and centre, width and height as shares of the photo's sides.
///
/// # Errors
/// What is wrong with it, and in which line.
pub fn read_text(text: &str) -> Result<Vec<(usize, [f64; 4])>, String> {
    let mut objects = Vec::new();
    for (place, line) in text.lines().enumerate() {
        let wrong = |what: &str| format!("{what}: line {}", place + 1);
        let numbers: Option<Vec<f64>> = line.split_whitespace().map(|word| word.parse().ok()).collect();
        let numbers = numbers.ok_or_else(|| wrong("are no numbers"))?;
        let [class, shares @ ..] = numbers.as_slice() else { continue };
        if class.fract() != 0.0 || !(0.0..1e6).contains(class) {
            return Err(wrong("name no class by a whole number from 0"));
        }
        let points = shares.as_chunks::<2>().0;
        let shape = match shares.len() {
            4 => [shares[0], shares[1], shares[2], shares[3]],
            length if length >= 6 && length % 2 == 0 => around(points),
            _ => {
                return Err(wrong("are neither a box of four numbers nor a polygon of three points or more"));
            }
        };
        // A hundredth beyond the edge is rounding; more is pixels where shares are meant, or damage.
        if shares.iter().any(|share| !(0.0..=1.01).contains(share)) {
            return Err(wrong("lie outside the photo: shares of its sides are expected, from 0 to 1"));
        }
        objects.push((*class as usize, shape));
    }
    Ok(objects)
}

/// The box around a polygon.
fn around(points: &[[f64; 2]]) -> [f64; 4] {
    let span = |axis: usize| {
        let low = points.iter().map(|point| point[axis]).fold(f64::INFINITY, f64::min);
        let high = points.iter().map(|point| point[axis]).fold(f64::NEG_INFINITY, f64::max);
        ((low + high) / 2.0, high - low)
    };
    let ((x, width), (y, height)) = (span(0), span(1));
    [x, y, width, height]
}

/// Names of classes: those of the config, those of a file of names, or numbers.
fn names(
    root: &Path,
    known: Option<Names>,
    most: usize,
    notes: &mut Vec<String>,
) -> Result<Vec<String>, Error> {
    let mut names = match known {
        Some(Names::List(names)) => names,
        Some(Names::Table(table)) => {
            let count = table.keys().max().map_or(0, |most| most + 1);
            // A table of a few classes with one far out is a slip, not a reason to make a million.
            if count > table.len().saturating_mul(100).max(10_000) {
                let what = format!("names a class {}, and only {} in all", count - 1, table.len());
                return Err(Error::Shape { path: root.to_owned(), what });
            }
            (0..count).map(|place| table.get(&place).cloned().unwrap_or_else(|| numbered(place))).collect()
        }
        None => match NAME_FILES.iter().map(|name| root.join(name)).find(|path| path.is_file()) {
            Some(path) => {
                let text = crate::text::read(&path).map_err(io_error("read", &path))?;
                text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
            }
            None => Vec::new(),
        },
    };
    if names.len() < most {
        notes.push(format!(
            "{} classes have no name and are called by their numbers, counted from 1",
            most - names.len()
        ));
        names.extend((names.len()..most).map(numbered));
    }
    Ok(names)
}

fn numbered(place: usize) -> String {
    format!("class {}", place + 1)
}

/// Writes the lines of one photo. `boxes` are places of categories with left, top, right, bottom inside the photo.
pub(super) fn write(
    photo: &Photo,
    boxes: &[(usize, [f64; 4], bool)],
    out: &mut impl Write,
) -> io::Result<()> {
    let (wide, high) = (f64::from(photo.width), f64::from(photo.height));
    for &(category, [left, top, right, bottom], _) in boxes {
        let shares = [
            (left + right) / 2.0 / wide,
            (top + bottom) / 2.0 / high,
            (right - left) / wide,
            (bottom - top) / high,
        ];
        // Trainers read float32: its digits are all that counts.
        let [x, y, w, h] = shares.map(|share| share as f32);
        writeln!(out, "{category} {x} {y} {w} {h}")?;
    }
    Ok(())
}

/// Writes `data.yaml`: where the photos are, from its own folder, and the classes.
pub(super) fn write_config(annotations: &Annotations, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "train: images\nval: images\nnames:")?;
    for (place, category) in annotations.categories.iter().enumerate() {
        // What is a string in JSON is one in YAML.
        writeln!(out, "  {place}: {}", serde_json::to_string(&category.name)?)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_boxes_or_polygons() {
        let read = read_text("0 0.5 0.25 0.5 0.5\n\n 3 0.1 0.2 0.3 0.2 0.3 0.6 0.2 0.5\r\n").unwrap();
        assert_eq!(read.len(), 2);
        assert_eq!(read[0], (0, [0.5, 0.25, 0.5, 0.5]));
        let (class, [x, y, w, h]) = read[1];
        assert_eq!(class, 3);
        for (is, should) in [(x, 0.2), (y, 0.4), (w, 0.2), (h, 0.4)] {
            assert!((is - should).abs() < 1e-12, "{is} {should}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, words) in [
            ("0 1 1", "neither a box"),
            ("0 .1 .1 .1 .1 .9", "neither a box"),
            ("0.5 .1 .1 .1 .1", "name no class"),
            ("-1 .1 .1 .1 .1", "name no class"),
            ("a .1 .1 .1 .1", "no numbers"),
            ("0 100 20 30 40", "outside the photo"),
            ("0 .1 NaN .1 .1", "outside the photo"),
        ] {
            let said = read_text(&format!("0 .1 .1 .1 .1\n{text}")).unwrap_err();
            assert!(said.contains(words) && said.ends_with("line 2"), "{text}: {said}");
        }
    }

    #[test]
    fn labels_lie_beside_the_images() {
        assert_eq!(
            labels_of(Path::new("images/x/images/train/a.b.jpg")),
            Path::new("images/x/labels/train/a.b.txt")
        );
        assert_eq!(labels_of(Path::new("a/b.png")), Path::new("a/b.txt"));
        assert_eq!(labels_of(Path::new("a/images")), Path::new("a/images.txt"));
    }
}
