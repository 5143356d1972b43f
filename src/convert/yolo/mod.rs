//! YOLO's form, as Ultralytics and darknet have it: a text file of rows a photo, beside it or in `labels` for its `images`.

mod config;
mod rows;

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use super::files::{inside, name_below, read_small, read_whole};
use super::outline::area;
use super::{
    Annotations, ConvertError, LabelCounts, LabelFailure, LabelSource, LabelledObject, LabelledPhoto,
    ReadOptions, Whose, read_each,
};
use crate::photo::{self, DecodeOptions, Listing, PhotoEntry};
use coco_eval::escaped;
use config::{Allowed, YoloConfig, config_of, holds_names};
pub use rows::{KeyPoints, YoloKind, YoloRow, YoloRows, read_text};
pub(super) use rows::{write, write_outlines};

/// Whether a folder is a data set of this form: it says so, or has `labels`, or photos with text files beside them.
pub(super) fn is_here(folder: &Path) -> bool {
    has_labels(&folder.join("labels")) || config_of(folder).is_some() || has_labels_beside(folder)
}

/// Whether a folder of labels holds text files, or nothing yet; other tools have folders of that name, too.
fn has_labels(labels: &Path) -> bool {
    let mut files =
        WalkDir::new(labels).into_iter().flatten().filter(|entry| entry.file_type().is_file()).peekable();
    labels.is_dir()
        && (files.peek().is_none()
            || files.any(|entry| entry.path().extension().is_some_and(|end| end == "txt")))
}

fn has_labels_beside(folder: &Path) -> bool {
    let files = WalkDir::new(folder).follow_links(true).into_iter().flatten();
    files.filter(|entry| entry.path().extension().is_some_and(|end| end == "txt")).any(|entry| {
        let name = entry.file_name().to_string_lossy();
        !holds_names(&name) && ENDS.iter().any(|end| entry.path().with_extension(end).is_file())
    })
}

/// Ends of photos that are looked for beside a text file; others are found by the listing of photos.
const ENDS: [&str; 10] = ["jpg", "JPG", "jpeg", "JPEG", "png", "PNG", "bmp", "webp", "tif", "tiff"];

/// A photo to read.
struct YoloItem {
    photo: PathBuf,
    name: String,
    /// Its file of labels, where there is one.
    labels: Option<PathBuf>,
}

/// A photo as it was read.
struct YoloRead {
    photo: LabelledPhoto,
    labelled: bool,
    bad: Vec<LabelFailure>,
    repeated: usize,
    lost: LabelCounts,
}

/// Reads a data set by its folder or the file that describes it. Photos are named from the data set's folder; those
/// without a file of labels have no objects.
pub(super) fn read(
    path: &Path,
    options: &ReadOptions,
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<LabelSource, ConvertError> {
    let config_path = if path.is_dir() { config_of(path) } else { Some(path.to_owned()) };
    let mut config = config_path.as_deref().map(YoloConfig::read).transpose()?.unwrap_or_default();
    let beside = config_path.as_deref().and_then(Path::parent).unwrap_or(path);
    let allowed = Allowed { own: beside, photos: options.photos.as_deref() };
    let by = config_path.as_deref().unwrap_or(path);
    let root = config.root(by, beside, &allowed)?;
    let mut source = LabelSource::default();
    let items = items(by, &root, &config, &allowed, options, &mut source)?;
    let key_points = config.key_points();
    let (read, mut failed) = read_each(path, &items, progress, |item| {
        read_photo(item, &root, key_points).map_err(|detail| LabelFailure::new(item.name.clone(), detail))
    })?;
    source.failed.append(&mut failed);
    let (all, unlabelled) = (read.len(), read.iter().filter(|read| !read.labelled).count());
    if unlabelled > 0 {
        source
            .warnings
            .push(format!("{unlabelled} of {all} photos have no file of labels, and so no objects"));
    }
    let repeated: usize = read.iter().map(|read| read.repeated).sum();
    if repeated > 0 {
        source.warnings.push(format!("{repeated} rows of labels are there twice, and are taken once"));
    }
    for (mut read, id) in read.into_iter().zip(1..) {
        read.photo.id = id;
        source.annotations.photos.push(read.photo);
        source.failed.append(&mut read.bad);
        source.lost.extend(&read.lost);
    }
    let objects = source.annotations.photos.iter().flat_map(|photo| &photo.objects);
    let most = objects.map(|object| object.category + 1).max().unwrap_or(0);
    let mut names = config::names(&root, &mut config, most, &mut source.warnings)?;
    if names.is_empty() && root != beside {
        names = config::names(beside, &mut config, most, &mut source.warnings)?;
    }
    source.annotations.categories = super::counted(names);
    Ok(source)
}

/// The photos of the parts that are named, or of the whole folder, in their order.
fn items(
    by: &Path,
    root: &Path,
    config: &YoloConfig,
    allowed: &Allowed<'_>,
    options: &ReadOptions,
    source: &mut LabelSource,
) -> Result<Vec<YoloItem>, ConvertError> {
    let mut places = Vec::new();
    for part in config.parts(by, options.split.as_deref())? {
        match allowed.place(by, root, part)? {
            Some(place) => places.push(place),
            None if options.split.is_some() => {
                let path = by.to_owned();
                let what = format!(
                    "names photos at `{}`, where there is no such file or folder",
                    part.escape_debug()
                );
                return Err(ConvertError::Shape { path, what });
            }
            // Parts of a published data set that were not fetched are no reason to refuse the others.
            None => {}
        }
    }
    let mut met = HashSet::new();
    places.retain(|place| met.insert(place.clone()));
    if places.is_empty() {
        let images = root.join("images");
        places.push(if images.is_dir() { images } else { root.to_owned() });
    }
    let (lists, folders): (Vec<PathBuf>, Vec<PathBuf>) =
        places.into_iter().partition(|place| place.is_file());
    let mut items = Vec::new();
    for list in lists {
        listed(&list, root, allowed, &mut items, &mut source.failed)?;
    }
    if !folders.is_empty() {
        let elsewhere = options.photos.as_deref();
        match (photo::list(&folders, None), elsewhere) {
            (Ok(found), _) => {
                let entries = note_listing(found, source);
                items.extend(entries.into_iter().map(|entry| item(entry.path, root)));
            }
            // Labels without photos: those are in the folder that the user named.
            (Err(_), Some(photos)) if items.is_empty() => {
                let entries = note_listing(photo::list(&[photos], None)?, source);
                items.extend(entries.into_iter().map(|entry| {
                    let labels = labels_below(root, &entry.name).or_else(|| labels_of(&entry.path, root));
                    YoloItem { photo: entry.path, name: entry.name, labels }
                }));
            }
            (Err(error), _) if items.is_empty() => return Err(error.into()),
            (Err(_), _) => {}
        }
    }
    let mut met = HashSet::new();
    items.retain(|item| met.insert(item.photo.clone()));
    if items.is_empty() {
        let first = source.failed.first().cloned();
        let LabelFailure { file, detail } =
            first.unwrap_or_else(|| LabelFailure::new("", "no photos are named"));
        return Err(ConvertError::AllFailed { path: by.to_owned(), file, detail });
    }
    Ok(items)
}

/// The photos of folders, with a word about what could not be looked into.
fn note_listing(found: Listing, source: &mut LabelSource) -> Vec<PhotoEntry> {
    source.warnings.extend(found.warnings);
    source
        .failed
        .extend(found.unread.into_iter().map(|unread| LabelFailure::new(unread.folder, unread.detail)));
    found.entries
}

/// The photos of a list, a path a line, wherever the tool that wrote it had them.
fn listed(
    list: &Path,
    root: &Path,
    allowed: &Allowed<'_>,
    items: &mut Vec<YoloItem>,
    failed: &mut Vec<LabelFailure>,
) -> Result<(), ConvertError> {
    let text = read_whole(list)?;
    let beside = list.parent().unwrap_or(root);
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let found = [Some(root), Some(beside), Some(allowed.own), allowed.photos]
            .into_iter()
            .flatten()
            .find_map(|folder| inside(folder, line).filter(|path| path.is_file()));
        match found {
            Some(photo) => {
                let mut item = item(photo, root);
                if item.labels.is_none() {
                    item.labels = inside(root, &Path::new(line).with_extension("txt").to_string_lossy());
                }
                items.push(item);
            }
            None => failed.push(LabelFailure::new(
                line,
                format!(
                    "is listed in `{}` and not in the data set's folder: -i names that of the photos",
                    escaped(list)
                ),
            )),
        }
    }
    Ok(())
}

fn item(photo: PathBuf, root: &Path) -> YoloItem {
    YoloItem { name: name_below(root, &photo), labels: labels_of(&photo, root), photo }
}

/// Where the labels of a photo are: in `labels` for the last `images` of its path, or beside it, or in `labels` of the
/// data set's folder.
fn labels_of(photo: &Path, root: &Path) -> Option<PathBuf> {
    let below = photo.strip_prefix(root).ok();
    let places = [
        below.and_then(labels_for).map(|path| root.join(path)),
        Some(photo.with_extension("txt")),
        labels_for(photo),
    ];
    let found = places.into_iter().flatten().find(|path| path.is_file());
    found.or_else(|| labels_below(root, &below?.to_string_lossy()))
}

/// The labels of a photo, by its name, in a folder that has no photos.
fn labels_below(root: &Path, name: &str) -> Option<PathBuf> {
    let name = Path::new(name).with_extension("txt");
    [root.join("labels").join(&name), root.join(&name)].into_iter().find(|path| path.is_file())
}

/// The path with `labels` for its last folder of the name `images` and the end `.txt`, as Ultralytics' readers look.
pub(super) fn labels_for(photo: &Path) -> Option<PathBuf> {
    let mut parts: Vec<Component<'_>> = photo.components().collect();
    let folders = parts.len().saturating_sub(1);
    let images = parts[..folders].iter_mut().rfind(|part| part.as_os_str() == "images")?;
    *images = Component::Normal("labels".as_ref());
    Some(parts.iter().collect::<PathBuf>().with_extension("txt"))
}

fn read_photo(item: &YoloItem, root: &Path, key_points: Option<KeyPoints>) -> Result<YoloRead, String> {
    let (width, height) = photo::size(&item.photo, &DecodeOptions::default())
        .map_err(|error| format!("has no size: {error}"))?;
    let found = match &item.labels {
        None => YoloRows::default(),
        Some(labels) => {
            let wrong = |detail| format!("has labels in `{}` that {detail}", escaped(labels));
            let text = read_small(labels).map_err(wrong)?;
            let found = read_text(&text, key_points);
            // Where no row can be read, the photo is not one without objects.
            if let (true, Some(first)) = (found.rows.is_empty(), found.bad.first()) {
                return Err(wrong(first.clone()));
            }
            found
        }
    };
    let (wide, high) = (f64::from(width), f64::from(height));
    let object = |row: &YoloRow| {
        let [x, y, w, h] = row.shape;
        let bbox = [(x - w / 2.0) * wide, (y - h / 2.0) * high, w * wide, h * high].map(settled);
        let corner = |[x, y]: &[f64; 2]| [settled(x * wide), settled(y * high)];
        let outline: Vec<[f64; 2]> = row.outline.iter().map(corner).collect();
        LabelledObject {
            category: row.class,
            bbox,
            score: row.score,
            area: (!outline.is_empty()).then(|| settled(area(&outline))),
            outlines: if outline.is_empty() { Vec::new() } else { vec![outline] },
            ..LabelledObject::default()
        }
    };
    let mut lost = LabelCounts::default();
    let poses = found.rows.iter().filter(|row| row.kind == YoloKind::KeyPoints).count();
    lost.add(Whose::Object, "key points", poses);
    let labels = item.labels.as_deref().map(|labels| name_below(root, labels)).unwrap_or_default();
    Ok(YoloRead {
        photo: LabelledPhoto {
            file: item.name.clone(),
            size: Some((width, height)),
            objects: found.rows.iter().map(object).collect(),
            path: Some(item.photo.clone()),
            ..LabelledPhoto::default()
        },
        labelled: item.labels.is_some(),
        bad: found
            .bad
            .into_iter()
            .map(|what| LabelFailure::new(labels.clone(), format!("has labels that {what}")))
            .collect(),
        repeated: found.repeated,
        lost,
    })
}

/// Shares have six digits or so, which is what a box is worth: thousandths of a pixel.
fn settled(pixels: f64) -> f64 {
    (pixels * 1e3).round() / 1e3
}

/// Writes `data.yaml`: where the photos are, from its own folder, and the classes.
pub(crate) fn write_config(annotations: &Annotations, out: &mut impl Write) -> io::Result<()> {
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
    fn labels_lie_beside_the_last_images() {
        assert_eq!(
            labels_for(Path::new("images/x/images/train/a.b.jpg")),
            Some("images/x/labels/train/a.b.txt".into())
        );
        assert_eq!(labels_for(Path::new("a/b.png")), None);
        assert_eq!(labels_for(Path::new("a/images")), None);
    }
}
