//! What a results file's own tables call its images and categories, and what the data set knows by those names.
//!
//! The ids of the two files are never mixed up here: each is looked up in the table of its own file.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use super::dataset::{DataSet, Want};
use super::id::{Id, Ids};
use super::results::Lookup;
use super::value::Value;

/// Ids by file name. Of a repeated name the first entry counts.
#[derive(Clone, Debug)]
pub(crate) struct FileNames<I> {
    whole: HashMap<String, I>,
    /// By the last part of the path, where it is one name's only.
    last_parts: HashMap<String, Option<I>>,
}

impl<I: Copy> FileNames<I> {
    pub(crate) fn new<'a>(entries: impl IntoIterator<Item = (I, &'a str)>) -> FileNames<I> {
        let (mut whole, mut last_parts) = (HashMap::new(), HashMap::new());
        for (id, name) in entries {
            if let Entry::Vacant(place) = whole.entry(name.to_owned()) {
                place.insert(id);
                let last = last_parts.entry(last_part(name).to_owned());
                last.and_modify(|other| *other = None).or_insert(Some(id));
            }
        }
        FileNames { whole, last_parts }
    }

    /// By the whole name.
    pub(crate) fn whole(&self, name: &str) -> Option<I> {
        self.whole.get(name).copied()
    }

    /// By the last part of the name.
    pub(crate) fn last_part(&self, name: &str) -> Option<I> {
        self.last_parts.get(last_part(name)).copied().flatten()
    }
}

/// Ids by the name of a category, or of a class. Of a repeated name the first entry counts.
#[derive(Clone, Debug)]
pub(crate) struct ClassNames<I> {
    exact: HashMap<String, I>,
    /// By the name in small letters.
    loose: HashMap<String, I>,
}

impl<I: Copy> ClassNames<I> {
    pub(crate) fn new<'a>(entries: impl IntoIterator<Item = (I, &'a str)>) -> ClassNames<I> {
        let (mut exact, mut loose) = (HashMap::new(), HashMap::new());
        for (id, name) in entries {
            exact.entry(name.to_owned()).or_insert(id);
            loose.entry(name.to_lowercase()).or_insert(id);
        }
        ClassNames { exact, loose }
    }

    /// By the name, else by the name in any case.
    pub(crate) fn get(&self, name: &str) -> Option<I> {
        self.exact.get(name).or_else(|| self.loose.get(&name.to_lowercase())).copied()
    }
}

/// The data set's images by file name and its categories by name, found as `rcnn detect -a` finds them.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    images: FileNames<Id>,
    categories: ClassNames<Id>,
}

impl Names {
    pub(crate) fn of(set: &DataSet) -> Names {
        Names {
            images: FileNames::new(set.named_images()),
            categories: ClassNames::new(set.named_categories()),
        }
    }

    /// An image by the whole name, else by its last part.
    pub(super) fn image(&self, name: &str) -> Option<Id> {
        self.images.whole(name).or_else(|| self.images.last_part(name))
    }

    /// A category by its name, else by its name in any case.
    pub(super) fn category(&self, name: &str) -> Option<Id> {
        self.categories.get(name)
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
        Map {
            ids: tables.ids.clone(),
            images: tables.named_images().map(|(id, name)| (id, image(name))).collect(),
            categories: tables.named_categories().map(|(id, name)| (id, category(name))).collect(),
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
    let called = |(id, name): (Id, &str)| Some((own(id)?, name.to_owned()));
    (
        tables.named_images().filter_map(called).collect(),
        tables.named_categories().filter_map(called).collect(),
    )
}

/// `images.json` beside a results list: the tables that its ids belong to, as `rcnn detect` writes them.
pub(super) fn sibling_tables(path: &Path) -> Option<DataSet> {
    DataSet::read(&path.parent()?.join("images.json"), Want::Tables).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_by_their_whole_and_by_their_last_part() {
        let names = FileNames::new([(1, "a/x.jpg"), (2, "b/x.jpg"), (3, r"c\y.jpg"), (4, "a/x.jpg")]);
        assert_eq!([names.whole("a/x.jpg"), names.whole("x.jpg")], [Some(1), None]);
        assert_eq!([names.last_part("elsewhere/y.jpg"), names.last_part("x.jpg")], [Some(3), None]);
    }

    #[test]
    fn class_names_in_their_own_case_first() {
        let names = ClassNames::new([(1, "Nut"), (2, "nut"), (3, "nut"), (4, "Bolt")]);
        assert_eq!(["nut", "Nut", "NUT", "bolt"].map(|name| names.get(name)), [2, 1, 1, 4].map(Some));
        assert_eq!(names.get("pen"), None);
    }
}
