//! What a results file's own tables call its images and categories, and what the data set knows by those names.
//!
//! The ids of the two files are never mixed up here: each is looked up in the table of its own file.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use super::dataset::{DataSet, Want};
use super::file_names::{FileMatch, FileNames, Seeker};
use super::id::{Id, Ids};
use super::results::Lookup;
use super::value::{JsonValue, Object};

/// Ids by the name of a category, or of a class. Of a repeated name the first entry counts.
#[derive(Clone, Debug)]
pub struct ClassNames<I> {
    exact: HashMap<String, I>,
    /// By the name in small letters, without blanks around it.
    loose: HashMap<String, I>,
}

impl<I: Copy> ClassNames<I> {
    /// Takes the id of each name.
    pub fn new<'a>(entries: impl IntoIterator<Item = (I, &'a str)>) -> ClassNames<I> {
        let (mut exact, mut loose) = (HashMap::new(), HashMap::new());
        for (id, name) in entries {
            exact.entry(name.to_owned()).or_insert(id);
            loose.entry(loosely(name)).or_insert(id);
        }
        ClassNames { exact, loose }
    }

    /// By the name, else by the name in any case and with any blanks around it.
    pub fn get(&self, name: &str) -> Option<I> {
        self.exact.get(name).or_else(|| self.loose.get(&loosely(name))).copied()
    }
}

fn loosely(name: &str) -> String {
    name.trim().to_lowercase()
}

/// The data set's images by file name and its categories by name, found as `rcnn detect -a` finds them.
#[derive(Clone, Debug)]
pub struct DatasetNames {
    images: FileNames<Id>,
    /// By file names without their extensions.
    stems: FileNames<Id>,
    categories: ClassNames<Id>,
}

impl DatasetNames {
    /// The names of a data set.
    pub fn of(set: &DataSet) -> DatasetNames {
        DatasetNames {
            images: FileNames::new(set.named_images()),
            stems: FileNames::new(set.named_images().map(|(id, name)| (id, without_extension(name)))),
            categories: ClassNames::new(set.named_categories_by_use()),
        }
    }

    /// A category by its name, else by its name in any case.
    pub(super) fn category(&self, name: &str) -> Option<Id> {
        self.categories.get(name)
    }

    /// What each of some names of images stands for; no two of them stand for one image. Names without an extension, as
    /// Ultralytics writes them, stand for the image of that stem.
    fn images<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> HashMap<Box<str>, Named> {
        let names: Vec<&str> = names.into_iter().collect::<HashSet<_>>().into_iter().collect();
        let seekers = Seeker::of_table(names.iter().copied());
        let by_name = self.images.match_all(&seekers);
        let by_stem = self.stems.match_all(&seekers);
        let taken: HashSet<Id> = by_name.iter().filter_map(|found| found.entry()).collect();
        let named = |((name, by_name), by_stem): ((&str, FileMatch<Id>), FileMatch<Id>)| {
            let id = match by_name {
                FileMatch::Nothing => by_stem.entry().filter(|id| !taken.contains(id)),
                found => found.entry(),
            };
            (name.into(), Named { name: name.into(), id })
        };
        names.into_iter().zip(by_name).zip(by_stem).map(named).collect()
    }
}

/// A name without its file's extension.
fn without_extension(name: &str) -> &str {
    let file = last_part(name);
    match file.rfind('.') {
        Some(dot) if dot > 0 => &name[..name.len() - file.len() + dot],
        _ => name,
    }
}

impl DataSet {
    /// Ids and names of the categories that have one; those that annotations use before the others, as of two categories of
    /// one name the first counts. Some tools write a category that groups the others and bears the name of one of them.
    pub fn named_categories_by_use(&self) -> Vec<(Id, &str)> {
        let used: HashSet<Id> = self.annotations().map(|annotation| annotation.category).collect();
        let mut categories: Vec<(Id, &str)> = self.named_categories().collect();
        categories.sort_by_key(|(id, _)| !used.contains(id));
        categories
    }
}

/// The last part of a path as any system writes it.
pub fn last_part(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or(name)
}

/// Something that a results file has a name for.
#[derive(Clone, Debug)]
pub(super) struct Named {
    pub(super) name: Box<str>,
    /// What the data set knows by that name, if anything.
    pub(super) id: Option<Id>,
}

/// The names of a results file, and what they stand for in the data set.
#[derive(Debug, Default)]
pub(super) struct Map {
    ids: Ids,
    /// By the ids of the results file's own tables.
    images: HashMap<Id, Named>,
    categories: HashMap<Id, Named>,
    /// By the names that single results have.
    files: HashMap<Box<str>, Named>,
}

impl Map {
    /// That of a results file with tables.
    pub(super) fn of_tables(tables: &DataSet, names: &DatasetNames) -> Map {
        let files = names.images(tables.named_images().map(|(_, name)| name));
        let image = |(id, name): (Id, &str)| Some((id, files.get(name)?.clone()));
        let category = |name: &str| Named { name: name.into(), id: names.category(name) };
        Map {
            ids: tables.ids.clone(),
            images: tables.named_images().filter_map(image).collect(),
            categories: tables.named_categories().map(|(id, name)| (id, category(name))).collect(),
            files: HashMap::new(),
        }
    }

    /// The data set's images that have a name in the results file.
    pub(super) fn known_images(&self) -> impl Iterator<Item = Id> {
        self.images.values().filter_map(|named| named.id)
    }

    /// That of results that name their images one by one.
    pub(super) fn of_files<'a>(files: impl IntoIterator<Item = &'a str>, names: &DatasetNames) -> Map {
        Map { files: names.images(files), ..Map::default() }
    }

    /// What a result calls its image, if it has a name for it: in its tables, or itself.
    pub(super) fn image(&self, result: &Object) -> Option<&Named> {
        let id = result.get("image_id")?;
        self.ids.find(id).and_then(|id| self.images.get(&id)).or_else(|| self.file(file_of(result)?))
    }

    /// What a file name that a result has stands for.
    pub(super) fn file(&self, name: &str) -> Option<&Named> {
        self.files.get(name)
    }

    /// What the results file calls a category, if it has a name for it.
    pub(super) fn category(&self, id: &JsonValue) -> Option<&Named> {
        self.categories.get(&self.ids.find(id)?)
    }
}

/// The file that a result names, as `file_name` or in place of an image's id.
pub(super) fn file_of(result: &Object) -> Option<&str> {
    result.get("file_name").and_then(JsonValue::text).or_else(|| result.get("image_id")?.text())
}

/// Ids of the data set with the names that the results file has for them.
pub(super) type ResultNames = Vec<(Id, String)>;

/// What a results file calls those images and categories that have the same id in the data set.
pub(super) fn called(tables: &DataSet, lookup: &Lookup) -> (ResultNames, ResultNames) {
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
    fn class_names_in_their_own_case_first() {
        let names = ClassNames::new([(1, "Nut"), (2, "nut"), (3, "nut"), (4, "Bolt")]);
        assert_eq!(["nut", "Nut", "NUT", "bolt"].map(|name| names.get(name)), [2, 1, 1, 4].map(Some));
        assert_eq!(names.get("pen"), None);
    }
}
