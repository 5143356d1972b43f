//! The ids of a data set, for commands whose results take them.

use std::path::{Path, PathBuf};

use anyhow::Context;
use rcnn::coco::{DataSet, Id, Want};
use rcnn::family::Class;
use rcnn::photo::Entry;
use rcnn::run::{self, Task};

/// The images and categories of an annotations file, by id and name.
pub(crate) struct Annotated {
    path: PathBuf,
    images: Vec<(u64, String)>,
    categories: Vec<(u64, String)>,
}

impl Annotated {
    /// Reads the tables and skips the annotations.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Annotated> {
        let data = DataSet::read(path, Want::Tables)?;
        Ok(Annotated {
            path: path.into(),
            images: numbered(data.named_images(), "images", path)?,
            categories: numbered(data.named_categories(), "categories", path)?,
        })
    }

    /// The photos that are annotated, with their ids; notes about the others.
    pub(crate) fn photos(&self, entries: Vec<Entry>) -> anyhow::Result<(Vec<Task>, Vec<String>)> {
        let (tasks, notes) = run::match_photos(entries, &borrowed(&self.images));
        anyhow::ensure!(
            !tasks.is_empty(),
            "none of the photos is among the {} images of `{}`: their file names differ",
            self.images.len(),
            self.path.display()
        );
        Ok((tasks, notes))
    }

    /// A model's classes with the categories' ids; notes about those without one.
    pub(crate) fn classes(&self, classes: &[Class]) -> (Vec<Class>, Vec<String>) {
        run::match_classes(classes, &borrowed(&self.categories))
    }
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
