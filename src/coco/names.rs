//! What a results file's own tables call its images and categories, and what the data set knows by those names.
//!
//! The ids of the two files are never mixed up here: each is looked up in the table of its own file.

use std::collections::HashMap;
use std::path::Path;

use super::dataset::{DataSet, Want};
use super::id::{Id, Ids};
use super::results::Lookup;
use super::value::Value;

/// The data set's images by file name and its categories by name, found as `rcnn detect -a` finds them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Names {
    images: HashMap<String, Id>,
    /// By the last part of the path, where it is one image's only.
    last_parts: HashMap<String, Option<Id>>,
    categories: HashMap<String, Id>,
    /// By the name in small letters.
    loose: HashMap<String, Id>,
}

impl Names {
    pub(crate) fn of(set: &DataSet) -> Names {
        let mut names = Names::default();
        for (name, id) in set.images_by_name() {
            names.images.insert(name.to_owned(), id);
            let last = names.last_parts.entry(last_part(name).to_owned());
            last.and_modify(|other| *other = None).or_insert(Some(id));
        }
        for category in set.categories() {
            let Some(name) = category.name.as_deref() else { continue };
            // Of a repeated name the first entry counts.
            names.categories.entry(name.to_owned()).or_insert(category.id);
            names.loose.entry(name.to_lowercase()).or_insert(category.id);
        }
        names
    }

    /// An image by the whole name, else by its last part.
    pub(super) fn image(&self, name: &str) -> Option<Id> {
        let whole = self.images.get(name).copied();
        whole.or_else(|| self.last_parts.get(last_part(name)).copied().flatten())
    }

    /// A category by its name, else by its name in any case.
    pub(super) fn category(&self, name: &str) -> Option<Id> {
        self.categories.get(name).or_else(|| self.loose.get(&name.to_lowercase())).copied()
    }
}

/// The last part of a path as any system writes it.
pub(crate) fn last_part(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name)
}

/// Something that a results file has a name for.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) name: Box<str>,
    /// What the data set knows by that name, if anything.
    pub(super) id: Option<Id>,
}

/// The names of a results file, by its own ids, and what they stand for in the data set.
#[derive(Debug)]
pub(super) struct Map {
    ids: Ids,
    images: HashMap<Id, Named>,
    categories: HashMap<Id, Named>,
}

impl Map {
    pub(super) fn new(tables: &DataSet, names: &Names) -> Map {
        let image = |name: &str| Named { name: name.into(), id: names.image(name) };
        let category = |name: &str| Named { name: name.into(), id: names.category(name) };
        let (images, categories) = (tables.images().iter(), tables.categories().iter());
        Map {
            ids: tables.ids.clone(),
            images: images.filter_map(|entry| Some((entry.id, image(entry.file_name.as_ref()?)))).collect(),
            categories: categories
                .filter_map(|entry| Some((entry.id, category(entry.name.as_ref()?))))
                .collect(),
        }
    }

    /// What the results file calls an image, if it has a name for it.
    pub(super) fn image(&self, id: &Value) -> Option<&Named> {
        self.images.get(&self.ids.find(id)?)
    }

    /// What the results file calls a category, if it has a name for it.
    pub(super) fn category(&self, id: &Value) -> Option<&Named> {
        self.categories.get(&self.ids.find(id)?)
    }
}

/// Ids of the data set with the names that the results file has for them.
pub(super) type Called = Vec<(Id, String)>;

/// What a results file calls those images and categories that have the same id in the data set.
pub(super) fn called(tables: &DataSet, lookup: &Lookup) -> (Called, Called) {
    let own = |id| lookup.ids.translate(id, &tables.ids);
    let images = tables.images().iter();
    let categories = tables.categories().iter();
    (
        images.filter_map(|entry| Some((own(entry.id)?, entry.file_name.as_deref()?.into()))).collect(),
        categories.filter_map(|entry| Some((own(entry.id)?, entry.name.as_deref()?.into()))).collect(),
    )
}

/// `images.json` beside a results list: the tables that its ids belong to, as `rcnn detect` writes them.
pub(super) fn sibling_tables(path: &Path) -> Option<DataSet> {
    DataSet::read(&path.parent()?.join("images.json"), Want::Tables).ok()
}
