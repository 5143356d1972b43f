//! The ids of a data set, for commands whose results take them.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use coco_eval::{DataSet, Id, Image, ReadError, ResultId, SizeCheck, Want};

use super::Task;
use super::naming::{self, ResultCategory};
use crate::family::Class;
use crate::photo::PhotoEntry;

/// Why results cannot take a data set's ids.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AnnotatedError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// No photo is among its images.
    #[error("none of the photos is among the {images} images of `{}`: {why}", path.display())]
    NoPhoto {
        /// How many images it has.
        images: usize,
        /// The file.
        path: PathBuf,
        /// Why the first photo is none of them.
        why: String,
    },
    /// Its ids are of a kind that results cannot have.
    #[error(
        "{what} of `{}` have ids that are neither whole numbers nor strings (such as that of `{}`)",
        path.display(),
        name.escape_debug()
    )]
    Id {
        /// `images` or `categories`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Name of one of them.
        name: String,
        /// What the id is.
        source: serde_json::Error,
    },
}

/// The images and categories of an annotations file, by id and name.
#[derive(Debug)]
pub struct Annotated {
    path: PathBuf,
    images: Vec<(ResultId, String)>,
    categories: Vec<(ResultId, String)>,
    /// Widths and heights by the images' ids.
    sizes: HashMap<ResultId, (f64, f64)>,
    warnings: Vec<String>,
    /// A sentence about images that no photo is matched with.
    left_out: Option<String>,
}

impl Annotated {
    /// Reads the tables and skips the annotations.
    ///
    /// # Errors
    /// When the file cannot be read, or its ids are no ids of results.
    pub fn open(path: &Path) -> Result<Annotated, AnnotatedError> {
        let mut data = DataSet::read(path, Want::Tables)?;
        // Only annotations tell which of several categories of one name is meant.
        if repeated_name(&data).is_some() {
            data = DataSet::open(path)?;
        }
        let categories = data.named_categories_by_use();
        let warnings = repeated_name(&data).map(|name| {
            let id = categories.iter().find(|(_, other)| *other == name).map(|(id, _)| data.id_json(*id));
            format!(
                "several categories of `{}` are named `{}`: {} is taken, the first that annotations use",
                path.display(),
                name.escape_debug(),
                id.unwrap_or_default()
            )
        });
        let mut images = written(&data, data.named_images(), "images")?;
        let left_out = leave_out_shared_ids(&mut images, path);
        Ok(Annotated {
            path: path.into(),
            images,
            categories: written(&data, categories.into_iter(), "categories")?,
            sizes: sizes(&data),
            warnings: warnings.into_iter().collect(),
            left_out,
        })
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The photos that are annotated, with their ids; warnings about the others.
    ///
    /// # Errors
    /// When no photo is annotated.
    pub fn photos(&self, entries: Vec<PhotoEntry>) -> Result<(Vec<Task>, Vec<String>), AnnotatedError> {
        let (tasks, warnings) = naming::match_photos(entries, &borrowed(&self.images));
        if tasks.is_empty() {
            return Err(AnnotatedError::NoPhoto {
                images: self.images.len(),
                path: self.path.clone(),
                why: (self.left_out.iter().chain(&warnings).next())
                    .map_or("their file names differ", String::as_str)
                    .to_owned(),
            });
        }
        Ok((tasks, self.warnings.iter().chain(&self.left_out).chain(&warnings).cloned().collect()))
    }

    /// A sentence about photos of a run whose sizes the annotations contradict, if there are any.
    ///
    /// # Errors
    /// When the run's `images.json` cannot be read.
    pub fn check_sizes(&self, run: &Path) -> Result<Option<String>, ReadError> {
        let photos = DataSet::read(&run.join("images.json"), Want::Tables)?;
        let mut check = SizeCheck::default();
        for (image, id) in with_ids(&photos) {
            if let (Some(photo), Some(&annotated)) = (size(image), self.sizes.get(&id)) {
                check.add(image.file_name.as_deref().unwrap_or_default(), photo, annotated);
            }
        }
        Ok(check.sentence())
    }

    /// Width and height that an image is annotated with.
    pub fn size(&self, image: &ResultId) -> Option<(f64, f64)> {
        self.sizes.get(image).copied()
    }

    /// A model's classes with the categories' ids; warnings about those without one.
    pub fn classes(&self, classes: &[Class]) -> (Vec<ResultCategory>, Vec<String>) {
        naming::match_classes(classes, &borrowed(&self.categories))
    }
}

/// Leaves out images whose id another image has: results of both photos would stand under one image.
fn leave_out_shared_ids(images: &mut Vec<(ResultId, String)>, path: &Path) -> Option<String> {
    let mut names: HashMap<&ResultId, (&str, bool)> = HashMap::new();
    for (id, name) in images.iter() {
        let (first, shared) = names.entry(id).or_insert((name, false));
        *shared |= first != name;
    }
    let shared: HashSet<ResultId> =
        names.into_iter().filter(|(_, (_, shared))| *shared).map(|(id, _)| id.clone()).collect();
    let first = images.iter().find(|(id, _)| shared.contains(id))?.1.escape_debug().to_string();
    let before = images.len();
    images.retain(|(id, _)| !shared.contains(id));
    let (count, path) = (before - images.len(), path.display());
    Some(format!(
        "{count} images of `{path}` are left out, as others have the same ids (such as that of `{first}`): number images anew"
    ))
}

/// A name that several categories have.
fn repeated_name(data: &DataSet) -> Option<&str> {
    let mut seen = HashSet::new();
    data.named_categories().map(|(_, name)| name).find(|name| !seen.insert(*name))
}

fn sizes(data: &DataSet) -> HashMap<ResultId, (f64, f64)> {
    with_ids(data).filter_map(|(image, id)| Some((id, size(image)?))).collect()
}

fn size(image: &Image) -> Option<(f64, f64)> {
    image.width.zip(image.height)
}

/// The images whose ids results can have.
fn with_ids(data: &DataSet) -> impl Iterator<Item = (&Image, ResultId)> {
    data.images()
        .iter()
        .filter_map(|image| Some((image, serde_json::from_value(data.id_json(image.id)).ok()?)))
}

fn borrowed(pairs: &[(ResultId, String)]) -> Vec<(ResultId, &str)> {
    pairs.iter().map(|(id, name)| (id.clone(), name.as_str())).collect()
}

/// Ids as results write them.
fn written<'a>(
    data: &DataSet,
    entries: impl Iterator<Item = (Id, &'a str)>,
    what: &'static str,
) -> Result<Vec<(ResultId, String)>, AnnotatedError> {
    let entry = |(id, name): (Id, &'a str)| {
        let id = serde_json::from_value(data.id_json(id)).map_err(|source| AnnotatedError::Id {
            what,
            path: data.path().to_owned(),
            name: name.to_owned(),
            source,
        })?;
        Ok((id, name.to_owned()))
    };
    entries.map(entry).collect()
}
