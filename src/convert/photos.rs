//! The photos of a data set: where they are, and whether they have the size that the annotations give them.
//!
//! Boxes are worth nothing on a photo of another size: what cannot be mended surely is left out and named.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::files::contains;
use super::{Annotations, LabelFailure, LabelledPhoto};
use crate::photo::{self, DecodeOptions};
use coco_eval::{FileNames, Seeker, scaled_as_a_whole};

/// What to do where a photo has another size than the annotations say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SizePolicy {
    /// Scale the boxes where the photo was scaled as a whole, and leave out what cannot be explained so.
    #[default]
    Scale,
    /// Take the photo's size and leave the boxes as they are: the annotated size is what is wrong.
    Photos,
}

/// How a photo's size and the annotated one go together.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fit {
    Same,
    /// The annotations tell none.
    Unstated,
    /// The photo was scaled after it had been annotated.
    Scaled,
    /// The annotated size is that of the stored pixels, which the EXIF orientation turns.
    Turned,
    /// Width and height are swapped, without an orientation that would explain it.
    Swapped,
    Other,
}

/// How the sizes go together, and the real one.
type SizeVerdict = (Fit, (u32, u32));

/// What the photos' sizes did to a data set.
#[derive(Debug, Default)]
pub(super) struct Settled {
    pub(super) warnings: Vec<String>,
    pub(super) failed: Vec<LabelFailure>,
}

/// How many photos something holds for, and one of them.
#[derive(Debug, Default)]
struct Affected {
    count: usize,
    example: String,
}

impl Affected {
    fn add(&mut self, photo: &LabelledPhoto, real: (u32, u32)) {
        self.count += 1;
        if self.example.is_empty() {
            let (width, height) = photo.size.unwrap_or_default();
            let (wide, high) = real;
            self.example =
                format!("`{}` is {wide}x{high}, annotated as {width}x{height}", photo.file.escape_debug());
        }
    }
}

/// Finds the photos in the folder that the user named, and compares their sizes with the annotated ones. Those that are
/// not there, or contradict their annotations, are taken out. Sizes that are told nowhere are read from the photos.
/// With `keep`, nothing is scaled: what goes with the boxes as it is, segmentations for one, could not be scaled with them.
pub(super) fn settle(
    annotations: &mut Annotations,
    folder: Option<&Path>,
    sizes: SizePolicy,
    keep: bool,
) -> Settled {
    let mut photos = std::mem::take(&mut annotations.photos);
    if let Some(folder) = folder {
        locate(&mut photos, folder);
    }
    let judged: Vec<_> = photos
        .into_par_iter()
        .map(|photo| {
            let fit = judge(&photo, folder.is_some());
            (photo, fit)
        })
        .collect();
    let mut settled = Settled::default();
    let [mut scaled, mut taken] = [Affected::default(), Affected::default()];
    for (mut photo, fit) in judged {
        match fit {
            Ok(None | Some((Fit::Same, _))) => {}
            Ok(Some((Fit::Unstated, real))) => photo.size = Some(real),
            Ok(Some((_, real))) if sizes == SizePolicy::Photos => {
                taken.add(&photo, real);
                photo.size = Some(real);
            }
            Ok(Some((Fit::Scaled, real))) => {
                scaled.add(&photo, real);
                if !keep {
                    scale(&mut photo, real);
                }
            }
            Ok(Some((fit, real))) => {
                settled.failed.push(LabelFailure::new(photo.file.clone(), contradiction(&photo, fit, real)));
                continue;
            }
            Err(detail) => {
                settled.failed.push(LabelFailure::new(photo.file.clone(), detail));
                continue;
            }
        }
        annotations.photos.push(photo);
    }
    if scaled.count > 0 {
        let Affected { count, example } = scaled;
        let done = if keep {
            "sizes and boxes are left as annotated"
        } else {
            "their boxes are scaled alike; --photo-sizes leaves the boxes as they are"
        };
        settled
            .warnings
            .push(format!("{count} photos were scaled after they had been annotated ({example}): {done}"));
    }
    if taken.count > 0 {
        let Affected { count, example } = taken;
        settled
            .warnings
            .push(format!("{count} photos have another size than annotated ({example}): theirs is taken"));
    }
    settled
}

/// Where each photo is in the folder that the user named: by its own name, else by the longest common end of the paths.
fn locate(photos: &mut [LabelledPhoto], folder: &Path) {
    let mut taken = HashSet::new();
    for photo in photos.iter_mut() {
        let own = photo.path.take().filter(|path| contains(folder, path));
        photo.path = own.or_else(|| find(folder, &photo.file));
        taken.extend(photo.path.clone());
    }
    let missing: Vec<usize> = (0..photos.len()).filter(|place| photos[*place].path.is_none()).collect();
    if missing.is_empty() {
        return;
    }
    let listed = photo::list(&[folder], None).map(|listing| listing.entries).unwrap_or_default();
    let free: Vec<_> = listed.into_iter().filter(|entry| !taken.contains(&entry.path)).collect();
    let names = FileNames::new(missing.iter().map(|place| (*place, photos[*place].file.as_str())));
    let seekers: Vec<Seeker> = free.iter().map(|entry| Seeker::new(&entry.name)).collect();
    for (entry, found) in free.into_iter().zip(names.match_all(&seekers)) {
        if let Some(place) = found.entry() {
            photos[place].path = Some(entry.path);
        }
    }
}

/// The photo of a name in a folder: by the whole name, or by the name that it gets in a new data set.
fn find(folder: &Path, file: &str) -> Option<PathBuf> {
    let whole = folder.join(photo::cleaned(Path::new(file)));
    let names = [whole, folder.join(super::target::inner_name(file))];
    names.into_iter().find(|path| path.is_file())
}

/// Where the photo is, its real size, and how the two sizes go together; nothing where no size can be compared.
fn judge(photo: &LabelledPhoto, in_folder: bool) -> Result<Option<SizeVerdict>, String> {
    let Some(path) = &photo.path else {
        return if in_folder { Err("is not in the folder of photos".into()) } else { Ok(None) };
    };
    // The sizes of annotations are compared with photos that the user names.
    if photo.size.is_some() && !in_folder {
        return Ok(None);
    }
    let size = |ignore_orientation| {
        let options = DecodeOptions { ignore_orientation, ..DecodeOptions::default() };
        photo::size(path, &options).map_err(|error| format!("has no size: {error}"))
    };
    let real = size(false)?;
    let Some(stated) = photo.size else { return Ok(Some((Fit::Unstated, real))) };
    let (wide, high) = real;
    let fit = if stated == real {
        Fit::Same
    } else if alike(stated, real) {
        Fit::Scaled
    } else if alike(stated, (high, wide)) {
        if size(true)? == real { Fit::Swapped } else { Fit::Turned }
    } else {
        Fit::Other
    };
    Ok(Some((fit, real)))
}

/// Whether two sizes are one photo's, scaled as a whole or not at all.
fn alike(stated: (u32, u32), real: (u32, u32)) -> bool {
    let float = |(width, height): (u32, u32)| (f64::from(width), f64::from(height));
    stated == real || scaled_as_a_whole(float(stated), float(real))
}

fn contradiction(photo: &LabelledPhoto, fit: Fit, (wide, high): (u32, u32)) -> String {
    let (width, height) = photo.size.unwrap_or_default();
    let sizes = format!("is {wide}x{high} pixels, and annotated as {width}x{height}");
    match fit {
        Fit::Turned => format!(
            "{sizes}: the annotations were made before the EXIF orientation turns the photo; take the orientation out of the \
             photos (`exiftool -Orientation=`), or annotate them upright"
        ),
        Fit::Swapped => format!(
            "{sizes}: width and height are swapped; if the boxes are right, --photo-sizes takes the photos' sizes"
        ),
        _ => format!("{sizes}: if the boxes are right all the same, --photo-sizes takes the photos' sizes"),
    }
}

fn scale(photo: &mut LabelledPhoto, real: (u32, u32)) {
    let (width, height) = photo.size.unwrap_or(real);
    let (by_x, by_y) = (f64::from(real.0) / f64::from(width), f64::from(real.1) / f64::from(height));
    for object in &mut photo.objects {
        let [x, y, w, h] = object.bbox;
        object.bbox = [x * by_x, y * by_y, w * by_x, h * by_y];
        object.area = object.area.map(|area| area * by_x * by_y);
        object.outlines.iter_mut().flatten().for_each(|[x, y]| (*x, *y) = (*x * by_x, *y * by_y));
    }
    photo.size = Some(real);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaled_photos_are_known_to_a_pixel() {
        for (stated, real) in [
            ((600, 600), (300, 300)),
            ((480, 640), (48, 64)),
            ((1000, 667), (500, 334)),
            ((1000, 667), (500, 333)),
        ] {
            assert!(alike(stated, real), "{stated:?} {real:?}");
        }
        for (stated, real) in [
            ((600, 400), (600, 399)),
            ((64, 48), (48, 64)),
            ((300, 200), (300, 300)),
            ((1000, 667), (500, 336)),
        ] {
            assert!(!alike(stated, real), "{stated:?} {real:?}");
        }
    }

    #[test]
    fn boxes_are_scaled_with_their_photo() {
        let object = super::super::LabelledObject {
            bbox: [10.0, 20.0, 30.0, 40.0],
            area: Some(1200.0),
            ..Default::default()
        };
        let mut photo =
            LabelledPhoto { size: Some((100, 200)), objects: vec![object], ..LabelledPhoto::default() };
        scale(&mut photo, (50, 100));
        assert_eq!((photo.objects[0].bbox, photo.objects[0].area), ([5.0, 10.0, 15.0, 20.0], Some(300.0)));
    }
}
