//! What annotations are written as: a table of forms, and what of a data set each has a place for.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use super::clip::{BoxClipper, ClippedObject};
use super::error::io_error;
use super::photos::{SizePolicy, settle};
use super::{
    Annotations, ConvertError, LabelCategory, LabelCounts, LabelFailure, LabelSource, LabelledObject,
    LabelledPhoto, Whose, coco, csv, cvat, folder, label_studio, labelme, open_images, voc, yolo,
};
use crate::atomic;
use crate::photo;
use crate::within::is_of_one_name;
use coco_eval::printable;

/// A form to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// COCO: one JSON file.
    Coco,
    /// Pascal VOC: `Annotations/` with an XML file a photo.
    Voc,
    /// YOLO: `labels/` with a text file a photo, and `data.yaml`.
    Yolo,
    /// The same with polygons, for segmentation.
    YoloSeg,
    /// LabelMe: a JSON file a photo, beside it.
    LabelMe,
    /// CVAT for images 1.1: one XML file.
    Cvat,
    /// Label Studio: one JSON file of tasks.
    LabelStudio,
    /// Open Images: one CSV file of shares.
    OpenImages,
    /// One CSV file of pixels.
    Csv,
}

/// What a form has a place for.
struct FormPlaces {
    /// Its name in messages.
    name: &'static str,
    layout: FileLayout,
    /// Objects that evaluation ignores.
    crowds: bool,
    scores: bool,
    /// Polygons around objects.
    outlines: bool,
    /// COCO's ids, areas and whatever stands in its file.
    everything: bool,
}

/// The files of a form.
enum FileLayout {
    /// One file.
    File,
    /// A file a photo, and folders for both.
    Folder { photos: &'static str, labels: LabelFiles },
}

/// Where a photo's file of labels is.
#[derive(Clone, Copy)]
enum LabelFiles {
    /// In a folder of its own, with an end of its own.
    In(&'static str, &'static str),
    /// Where YOLO's readers look.
    ForImages,
}

impl Target {
    fn form(self) -> FormPlaces {
        let plain = |name, layout| FormPlaces {
            name,
            layout,
            crowds: false,
            scores: false,
            outlines: false,
            everything: false,
        };
        let folder = |photos, labels| FileLayout::Folder { photos, labels };
        match self {
            Target::Coco => FormPlaces {
                crowds: true,
                scores: true,
                outlines: true,
                everything: true,
                ..plain("COCO", FileLayout::File)
            },
            Target::Voc => FormPlaces {
                crowds: true,
                ..plain("VOC", folder("JPEGImages", LabelFiles::In("Annotations", "xml")))
            },
            Target::Yolo => plain("YOLO", folder("images", LabelFiles::ForImages)),
            Target::YoloSeg => FormPlaces {
                outlines: true,
                ..plain("YOLO segmentation", folder("images", LabelFiles::ForImages))
            },
            Target::LabelMe => FormPlaces {
                crowds: true,
                outlines: true,
                ..plain("LabelMe", folder("", LabelFiles::In("", "json")))
            },
            Target::Cvat => plain("CVAT", FileLayout::File),
            Target::LabelStudio => FormPlaces { scores: true, ..plain("Label Studio", FileLayout::File) },
            Target::OpenImages => {
                FormPlaces { crowds: true, scores: true, ..plain("Open Images", FileLayout::File) }
            }
            Target::Csv => FormPlaces { scores: true, ..plain("CSV", FileLayout::File) },
        }
    }

    /// Whether the form has a place for polygons, beside COCO's.
    pub fn has_outlines(self) -> bool {
        self.form().outlines && self != Target::Coco
    }

    /// Whether the form is one file.
    pub fn is_file(self) -> bool {
        matches!(self.form().layout, FileLayout::File)
    }
}

/// How to write.
#[derive(Clone, Debug, Default)]
pub struct WriteOptions {
    /// The folder that file names are relative to. Sizes are compared with the photos there, and the forms that are
    /// folders get the photos as well, as hard links where the file system has them.
    pub photos: Option<PathBuf>,
    /// What to do where a photo has another size than annotated.
    pub sizes: SizePolicy,
}

/// What was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Photos.
    pub photos: usize,
    /// Objects.
    pub objects: usize,
    /// Categories.
    pub categories: usize,
    /// Sentences about what was left out or assumed, by reading and by writing.
    pub warnings: Vec<String>,
    /// What is not in the result, of the source and of its photos.
    pub failed: Vec<LabelFailure>,
}

/// Writes annotations to a place where nothing is yet, whole or not at all.
///
/// # Errors
/// When something is at the place, or the system refuses.
pub fn write(
    source: LabelSource,
    target: Target,
    out: &Path,
    options: &WriteOptions,
) -> Result<Written, ConvertError> {
    let form = target.form();
    match target {
        Target::Coco => folder::refuse_other_kind(out, coco::OPENING)?,
        _ => folder::refuse_taken(out)?,
    }
    let replaced = std::fs::symlink_metadata(out).is_ok_and(|file| file.is_file());
    let LabelSource { mut annotations, mut warnings, failed, mut lost, more } = source;
    if replaced {
        warnings.push(format!(
            "`{}`, which an earlier conversion wrote, is replaced",
            printable(&out.to_string_lossy())
        ));
    }
    let mut written = Written { warnings, failed, ..Written::default() };
    if !form.everything {
        written.warnings.extend(join_names(&mut annotations));
    }
    let settled = settle(&mut annotations, options.photos.as_deref(), options.sizes, form.everything);
    written.warnings.extend(settled.warnings);
    written.failed.extend(settled.failed);
    written.categories = annotations.categories.len();
    match form.layout {
        FileLayout::File => write_file(&annotations, target, &form, out, &mut written)?,
        FileLayout::Folder { photos, labels } => {
            let with_photos = options.photos.is_some();
            folder::whole(out, |fresh| {
                write_folder(&annotations, target, &form, (photos, labels, with_photos), fresh, &mut written)
            })?;
        }
    }
    if !form.everything {
        lost.extend(&more);
        count_lost(&annotations, &form, &mut lost);
    }
    if !lost.is_empty() {
        written.warnings.push(match target {
            // COCO's form would have a place for more.
            Target::Coco => format!("what is no box is left out: {lost}"),
            _ => format!("what has no place in {}'s form is left out: {lost}", form.name),
        });
    }
    Ok(written)
}

fn write_file(
    annotations: &Annotations,
    target: Target,
    form: &FormPlaces,
    out: &Path,
    written: &mut Written,
) -> Result<(), ConvertError> {
    if target == Target::Coco {
        let sizeless = annotations.photos.iter().filter(|photo| photo.size.is_none()).count();
        if sizeless > 0 {
            let words = "photos have no size: -i names their folder, to read it from them";
            written.warnings.push(format!("{sizeless} {words}"));
        }
        atomic::write(out, |file| coco::write(annotations, file)).map_err(io_error("write", out))?;
        written.photos = annotations.photos.len();
        written.objects = annotations.photos.iter().map(|photo| photo.objects.len()).sum();
        return Ok(());
    }
    let mut cutter = BoxClipper::new(form.name, form.crowds);
    let photos = annotations.photos.iter().filter_map(|photo| match photo.size {
        Some(size) => {
            let cuts = cutter.cut(photo, size);
            written.photos += 1;
            written.objects += cuts.len();
            Some((photo, size, cuts))
        }
        None => {
            written.failed.push(LabelFailure::new(photo.file.clone(), NO_SIZE));
            None
        }
    });
    let put = atomic::write(out, |file| match target {
        Target::Cvat => cvat::write(annotations, photos, file),
        Target::LabelStudio => label_studio::write(annotations, photos, file),
        Target::OpenImages => open_images::write(annotations, photos, file),
        _ => csv::write(annotations, photos, file),
    });
    put.map_err(io_error("write", out))?;
    let bare = annotations.photos.iter().filter(|photo| photo.objects.is_empty()).count();
    if target == Target::OpenImages && bare > 0 {
        written.warnings.push(format!(
            "{bare} photos without objects are left out: {} has rows of boxes only",
            form.name
        ));
    }
    written.warnings.extend(cutter.warnings());
    Ok(())
}

/// Why a photo cannot be written.
const NO_SIZE: &str = "has no size: -i names the folder of the photos, to read it from them";

fn write_folder(
    annotations: &Annotations,
    target: Target,
    form: &FormPlaces,
    (pictures, labels, with_photos): (&str, LabelFiles, bool),
    fresh: &Path,
    written: &mut Written,
) -> Result<(), ConvertError> {
    let mut cutter = BoxClipper::new(form.name, form.crowds);
    let mut taken = HashSet::new();
    for photo in &annotations.photos {
        let mut fail = |detail: String| written.failed.push(LabelFailure::new(photo.file.clone(), detail));
        let name = inner_name(&photo.file);
        let picture = Path::new(pictures).join(&name);
        let file = match labels {
            LabelFiles::In(folder, end) => Some(Path::new(folder).join(&name).with_extension(end)),
            LabelFiles::ForImages => yolo::labels_for(&picture),
        };
        let Some(file) = file.filter(|_| name.file_name().is_some()) else {
            fail("names no file".into());
            continue;
        };
        let Some(size) = photo.size else {
            fail(NO_SIZE.into());
            continue;
        };
        if !taken.insert(file.clone()) {
            fail("has the name of an earlier photo, but for its end".into());
            continue;
        }
        let cuts = cutter.cut(photo, size);
        let put = folder::write(&fresh.join(file), |out| {
            write_clipped(target, annotations, photo, size, &cuts, out)
        });
        let link = |()| match &photo.path {
            Some(path) if with_photos => folder::link(path, &fresh.join(picture)),
            _ => Ok(()),
        };
        match put.and_then(link) {
            Ok(()) => {}
            Err(ConvertError::Io { source, .. }) if is_of_one_name(&source) => {
                fail(format!("its file cannot be written here: {source}"));
                continue;
            }
            Err(error) => return Err(error),
        }
        written.photos += 1;
        written.objects += cuts.len();
    }
    if matches!(target, Target::Yolo | Target::YoloSeg) {
        folder::write(&fresh.join("data.yaml"), |out| yolo::write_config(annotations, out))?;
    }
    written.warnings.extend(cutter.warnings());
    Ok(())
}

/// Writes a photo's file of labels, in a form that has one a photo. Of `annotations` only the categories count.
///
/// # Errors
/// When the photo has no size, or `out` takes no more.
pub(crate) fn write_labels(
    target: Target,
    annotations: &Annotations,
    photo: &LabelledPhoto,
    out: &mut impl io::Write,
) -> io::Result<()> {
    let size = photo.size.ok_or_else(|| io::Error::other(NO_SIZE))?;
    let form = target.form();
    let cuts = BoxClipper::new(form.name, form.crowds).cut(photo, size);
    write_clipped(target, annotations, photo, size, &cuts, out)
}

fn write_clipped(
    target: Target,
    annotations: &Annotations,
    photo: &LabelledPhoto,
    size: (u32, u32),
    cuts: &[ClippedObject<'_>],
    out: &mut impl io::Write,
) -> io::Result<()> {
    match target {
        Target::Yolo => yolo::write(size, cuts, out),
        Target::YoloSeg => yolo::write_outlines(size, cuts, out),
        Target::LabelMe => labelme::write(annotations, photo, size, cuts, out),
        _ => voc::write(annotations, photo, size, cuts, out),
    }
}

/// The photo's path inside the result: nothing that leads out of it, and not the folder that is made for photos anyway.
pub(super) fn inner_name(file: &str) -> PathBuf {
    let name = PathBuf::from(photo::cleaned(Path::new(&file.replace('\\', "/"))));
    ["images", "JPEGImages"]
        .iter()
        .find_map(|folder| name.strip_prefix(folder).ok())
        .map_or(name.clone(), Path::to_owned)
}

/// Counts what of the data set itself a form has no place for.
fn count_lost(annotations: &Annotations, form: &FormPlaces, lost: &mut LabelCounts) {
    let counted = |ids: &mut dyn Iterator<Item = i64>| ids.zip(1..).all(|(id, place)| id == place);
    let photos = &annotations.photos;
    if !counted(&mut photos.iter().map(|photo| photo.id)) {
        lost.add(Whose::Photo, "ids", photos.len());
    }
    if !counted(&mut annotations.categories.iter().map(|category| category.id)) {
        lost.add(Whose::Category, "ids", annotations.categories.len());
    }
    let objects = || photos.iter().flat_map(|photo| &photo.objects);
    if !counted(&mut objects().filter_map(|object| object.id)) {
        lost.add(Whose::Object, "ids", objects().count());
    }
    let other_area = |object: &&LabelledObject| {
        let whole = object.bbox[2] * object.bbox[3];
        object.area.is_some_and(|area| (area - whole).abs() > 1.0_f64.max(0.01 * whole))
    };
    let other_area =
        objects().filter(|object| object.outlines.is_empty() || !form.outlines).filter(other_area);
    lost.add(Whose::Object, "`area` other than the box's", other_area.count());
    if !form.outlines {
        lost.add(Whose::Object, "polygons", objects().filter(|object| !object.outlines.is_empty()).count());
    }
    if !form.scores {
        lost.add(Whose::Object, "scores", objects().filter(|object| object.score.is_some()).count());
    }
}

/// Makes categories of one name one, for forms that know categories by their names: those without objects go, and the
/// others are joined.
fn join_names(annotations: &mut Annotations) -> Option<String> {
    let Annotations { categories, photos, .. } = annotations;
    let mut used = vec![false; categories.len()];
    photos.iter().flat_map(|photo| &photo.objects).for_each(|object| used[object.category] = true);
    // The first of a name that has objects, or else the first.
    let keeper = |name: &str| {
        let of_name =
            || categories.iter().zip(&used).enumerate().filter(|(_, (other, _))| other.name == name);
        of_name().find(|(_, (_, used))| **used).or_else(|| of_name().next()).map(|(place, _)| place)
    };
    let mut met = HashSet::new();
    if categories.iter().all(|category| met.insert(category.name.as_str())) {
        return None;
    }
    let keepers: Vec<usize> = categories
        .iter()
        .enumerate()
        .map(|(place, category)| keeper(&category.name).unwrap_or(place))
        .collect();
    let mut joined: Vec<LabelCategory> = Vec::new();
    let mut places = vec![0; categories.len()];
    for (place, category) in categories.iter().enumerate().filter(|(place, _)| keepers[*place] == *place) {
        places[place] = joined.len();
        joined.push(category.clone());
    }
    let objects = photos.iter_mut().flat_map(|photo| &mut photo.objects);
    objects.for_each(|object| object.category = places[keepers[object.category]]);
    let note = format!(
        "{} categories have the name of another: of each name the first one with objects is taken, for all",
        categories.len() - joined.len()
    );
    *categories = joined;
    Some(note)
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
    fn of_two_categories_of_a_name_the_one_with_objects_is_taken() {
        let category = |id, name: &str| LabelCategory { id, name: name.into(), ..LabelCategory::default() };
        let object = |category| LabelledObject { category, ..LabelledObject::default() };
        let mut set = Annotations {
            categories: vec![
                category(0, "bolt"),
                category(1, "bolt"),
                category(2, "nut"),
                category(3, "nut"),
            ],
            photos: vec![LabelledPhoto {
                objects: vec![object(1), object(2), object(3)],
                ..LabelledPhoto::default()
            }],
            ..Annotations::default()
        };
        assert!(join_names(&mut set).unwrap().starts_with("2 categories"));
        assert_eq!(set.categories, [category(1, "bolt"), category(2, "nut")]);
        let places: Vec<usize> = set.photos[0].objects.iter().map(|object| object.category).collect();
        assert_eq!(places, [0, 1, 1]);
    }
}
