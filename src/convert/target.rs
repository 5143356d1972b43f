//! What annotations are written as: one COCO file, or a folder with a file a photo.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{Annotations, Error, Failed, Photo, coco, folder, voc, yolo};
use crate::atomic;
use crate::photo;

/// A form to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// COCO: one JSON file.
    Coco,
    /// Pascal VOC: `Annotations/` with an XML file a photo.
    Voc,
    /// YOLO: `labels/` with a text file a photo, and `data.yaml`.
    Yolo,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Photos.
    pub photos: usize,
    /// Objects.
    pub objects: usize,
    /// Sentences about what the form has no place for.
    pub notes: Vec<String>,
    /// Photos that are not in the result.
    pub failed: Vec<Failed>,
}

/// Writes annotations to a place where nothing is yet, whole or not at all. With `photos`, the folder that file names
/// are relative to, VOC's and YOLO's folders get the photos as well, as hard links where the file system has them.
///
/// # Errors
/// When something is at the place, or the system refuses.
pub fn write(
    annotations: &Annotations,
    target: Target,
    out: &Path,
    photos: Option<&Path>,
) -> Result<Written, Error> {
    if target == Target::Coco {
        folder::refuse_taken(out)?;
        let written = atomic::write(out, |file| coco::write(annotations, file));
        written.map_err(super::error::io_error("write", out))?;
        let objects = annotations.photos.iter().map(|photo| photo.objects.len()).sum();
        return Ok(Written { photos: annotations.photos.len(), objects, ..Written::default() });
    }
    folder::whole(out, |fresh| write_folder(annotations, target, fresh, photos))
}

fn write_folder(
    annotations: &Annotations,
    target: Target,
    fresh: &Path,
    photos: Option<&Path>,
) -> Result<Written, Error> {
    let (labels, end, pictures) = match target {
        Target::Yolo => ("labels", "txt", "images"),
        Target::Voc | Target::Coco => ("Annotations", "xml", "JPEGImages"),
    };
    let mut written = Written::default();
    let (mut outside, mut crowds) = (0, 0);
    let mut taken = HashSet::new();
    for photo in &annotations.photos {
        let fail = |detail: &str| Failed { file: photo.file.clone(), detail: detail.into() };
        let name = inner_name(&photo.file);
        if name.file_name().is_none() {
            written.failed.push(fail("names no file"));
            continue;
        }
        let file = name.with_extension(end);
        if !taken.insert(file.clone()) {
            written.failed.push(fail("has the name of an earlier photo, but for its end"));
            continue;
        }
        let picture = photos.map(|folder| picture(folder, &photo.file, &name));
        if picture.as_ref().is_some_and(|path| !path.is_file()) {
            written.failed.push(fail("is not in the folder of photos"));
            continue;
        }
        let mut boxes = Vec::new();
        for object in &photo.objects {
            match inside(object.bbox, photo) {
                // YOLO has no word for what evaluation ignores, and as an object it would be learnt.
                _ if object.crowd && target == Target::Yolo => crowds += 1,
                Some(corners) => boxes.push((object.category, corners, object.crowd)),
                None => outside += 1,
            }
        }
        folder::write(&fresh.join(labels).join(file), |out| match target {
            Target::Yolo => yolo::write(photo, &boxes, out),
            Target::Voc | Target::Coco => voc::write(annotations, photo, &boxes, out),
        })?;
        if let Some(path) = picture {
            folder::link(&path, &fresh.join(pictures).join(name))?;
        }
        written.photos += 1;
        written.objects += boxes.len();
    }
    if target == Target::Yolo {
        folder::write(&fresh.join("data.yaml"), |out| yolo::write_config(annotations, out))?;
    }
    if outside > 0 {
        written.notes.push(format!("{outside} objects have no part inside their photos, and are left out"));
    }
    if crowds > 0 {
        written
            .notes
            .push(format!("{crowds} crowds are left out: YOLO has no place for what evaluation ignores"));
    }
    Ok(written)
}

/// The photo's path inside the result: nothing that leads out of it, and not the folder that is made for photos anyway.
fn inner_name(file: &str) -> PathBuf {
    let name = PathBuf::from(photo::cleaned(Path::new(&file.replace('\\', "/"))));
    ["images", "JPEGImages"]
        .iter()
        .find_map(|folder| name.strip_prefix(folder).ok())
        .map_or(name.clone(), Path::to_owned)
}

fn picture(folder: &Path, file: &str, name: &Path) -> PathBuf {
    let whole = folder.join(photo::cleaned(Path::new(file)));
    if whole.is_file() { whole } else { folder.join(name) }
}

/// Left, top, right and bottom of what of a box lies inside the photo.
fn inside([x, y, width, height]: [f64; 4], photo: &Photo) -> Option<[f64; 4]> {
    let (wide, high) = (f64::from(photo.width), f64::from(photo.height));
    let [left, right] = [x, x + width].map(|x| x.clamp(0.0, wide));
    let [top, bottom] = [y, y + height].map(|y| y.clamp(0.0, high));
    (right > left && bottom > top).then_some([left, top, right, bottom])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        for (file, inner) in [
            ("images/train/a.jpg", "train/a.jpg"),
            ("../../etc/a.jpg", "etc/a.jpg"),
            ("..\\..\\a.jpg", "a.jpg"),
            ("/a.jpg", "a.jpg"),
            ("JPEGImages/a.jpg", "a.jpg"),
        ] {
            assert_eq!(inner_name(file), Path::new(inner), "{file}");
        }
    }

    #[test]
    fn boxes_are_cut_at_the_edges() {
        let photo = Photo { id: 1, file: "a.jpg".into(), width: 10, height: 20, objects: Vec::new() };
        assert_eq!(inside([-2.0, 5.0, 4.0, 100.0], &photo), Some([0.0, 5.0, 2.0, 20.0]));
        assert_eq!(inside([10.0, 0.0, 5.0, 5.0], &photo), None);
        assert_eq!(inside([1.0, 1.0, 0.0, 5.0], &photo), None);
        assert_eq!(inside([5.0, 5.0, -2.0, 5.0], &photo), None);
    }
}
