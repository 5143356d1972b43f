//! The ids of a data set, for commands whose results take them.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::Context;
use rcnn::coco::{DataSet, Id, SizeCheck, Want};
use rcnn::family::Class;
use rcnn::photo::Entry;
use rcnn::run::{self, Row, Task};

/// The images and categories of an annotations file, by id and name.
pub(crate) struct Annotated {
    path: PathBuf,
    images: Vec<(u64, String)>,
    categories: Vec<(u64, String)>,
    /// Widths and heights by the images' ids.
    sizes: HashMap<u64, (f64, f64)>,
    notes: Vec<String>,
}

impl Annotated {
    /// Reads the tables and skips the annotations.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Annotated> {
        let mut data = DataSet::read(path, Want::Tables)?;
        // Only annotations tell which of several categories of one name is meant.
        if repeated_name(&data).is_some() {
            data = DataSet::open(path)?;
        }
        let categories = data.named_categories_by_use();
        let notes = repeated_name(&data).map(|name| {
            let id = categories.iter().find(|(_, other)| *other == name).map(|(id, _)| data.id_json(*id));
            format!(
                "several categories of `{}` are named `{}`: {} is taken, the first that annotations use",
                path.display(),
                name.escape_debug(),
                id.unwrap_or_default()
            )
        });
        Ok(Annotated {
            path: path.into(),
            images: numbered(data.named_images(), "images", path)?,
            categories: numbered(categories.into_iter(), "categories", path)?,
            sizes: sizes(&data),
            notes: notes.into_iter().collect(),
        })
    }

    /// The photos that are annotated, with their ids; notes about the others.
    pub(crate) fn photos(&self, entries: Vec<Entry>) -> anyhow::Result<(Vec<Task>, Vec<String>)> {
        let (tasks, notes) = run::match_photos(entries, &borrowed(&self.images));
        anyhow::ensure!(
            !tasks.is_empty(),
            "none of the photos is among the {} images of `{}`: {}",
            self.images.len(),
            self.path.display(),
            notes.first().map_or("their file names differ", String::as_str)
        );
        Ok((tasks, [self.notes.as_slice(), &notes].concat()))
    }

    /// A sentence about photos of a run whose sizes the annotations contradict, if there are any.
    pub(crate) fn check_sizes(&self, run: &Path) -> std::io::Result<Option<String>> {
        let mut check = SizeCheck::default();
        for row in run::rows(run)? {
            if let Row::Found(found) = row?
                && let Some(&annotated) = self.sizes.get(&found.image_id)
            {
                check.add(&found.file, (found.width, found.height), annotated);
            }
        }
        Ok(check.sentence())
    }

    /// A model's classes with the categories' ids; notes about those without one.
    pub(crate) fn classes(&self, classes: &[Class]) -> (Vec<Class>, Vec<String>) {
        run::match_classes(classes, &borrowed(&self.categories))
    }
}

/// A name that several categories have.
fn repeated_name(data: &DataSet) -> Option<&str> {
    let mut seen = HashSet::new();
    data.named_categories().map(|(_, name)| name).find(|name| !seen.insert(*name))
}

fn sizes(data: &DataSet) -> HashMap<u64, (f64, f64)> {
    let size = |image: &rcnn::coco::Image| {
        Some((u64::try_from(image.id.integer()?).ok()?, (image.width?, image.height?)))
    };
    data.images().iter().filter_map(size).collect()
}

fn borrowed(pairs: &[(u64, String)]) -> Vec<(u64, &str)> {
    pairs.iter().map(|(id, name)| (*id, name.as_str())).collect()
}

/// Results have whole numbers from 0 up as ids.
fn numbered<'a>(
    entries: impl Iterator<Item = (Id, &'a str)>,
    what: &str,
    path: &Path,
) -> anyhow::Result<Vec<(u64, String)>> {
    let number = |(id, name): (Id, &'a str)| {
        let id = id.integer().and_then(|id| u64::try_from(id).ok());
        let id = id.with_context(|| {
            let name = name.escape_debug();
            format!(
                "{what} of `{}` have ids that are no whole numbers (such as that of `{name}`)",
                path.display()
            )
        })?;
        Ok((id, name.to_owned()))
    };
    entries.map(number).collect()
}
