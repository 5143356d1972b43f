//! Where the pictures of a run's photos go: planned before the first photo, a place of its own for each.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::stamps;
use crate::within::within;

/// The folder of pictures in that of results.
pub(super) const FOLDER: &str = "annotated";

/// The pictures' names, relative to their folder.
pub(crate) struct Pictures {
    out: PathBuf,
    /// Names other than [`usual`], by the photo's.
    unusual: HashMap<String, String>,
}

impl Pictures {
    /// Under `annotated/`, with the photo's own name; formats other than JPEG and PNG become JPEG, with `.jpg` added.
    /// Where that is another picture's name, or a folder's that holds other pictures, the ending is added once more.
    pub(super) fn plan<'a>(out: &Path, names: impl Iterator<Item = &'a str> + Clone) -> Pictures {
        Pictures { out: out.to_owned(), unusual: plan(names, ignores_case(&out.join(FOLDER))) }
    }

    /// Those of a run that has been here, as it recorded them.
    pub(crate) fn recorded(out: &Path) -> Pictures {
        let lines = stamps::lines(out).into_iter().flatten().flatten();
        let unusual = lines.filter_map(|line| Some((line.file, line.picture?)));
        Pictures { out: out.to_owned(), unusual: unusual.collect() }
    }

    /// The name of a photo's picture where it is not the usual one.
    pub(super) fn unusual(&self, name: &str) -> Option<&str> {
        self.unusual.get(name).map(String::as_str)
    }

    /// The picture of a photo that was listed.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.out.join(FOLDER).join(self.own(name))
    }

    /// The picture of a photo whose name a file gave, to be read; none where it would not be in the folder of results.
    pub(crate) fn inside(&self, name: &str) -> Option<PathBuf> {
        within(&self.out, &format!("{FOLDER}/{}", self.own(name)))
    }

    /// The same, to be removed: the user may have laid the folder of pictures elsewhere.
    pub(super) fn below(&self, name: &str) -> Option<PathBuf> {
        within(&self.out.join(FOLDER), &self.own(name))
    }

    fn own(&self, name: &str) -> String {
        self.unusual(name).map_or_else(|| usual(name), str::to_owned)
    }
}

/// The name of a picture with which none collides.
fn usual(name: &str) -> String {
    if keeps_its_name(name) { name.to_owned() } else { format!("{name}.jpg") }
}

fn keeps_its_name(name: &str) -> bool {
    ending(name).is_some()
}

/// That of a picture's format, which says how it is stored.
fn ending(name: &str) -> Option<&str> {
    let extension = Path::new(name).extension()?.to_str()?;
    ["jpg", "jpeg", "png"].iter().any(|kept| extension.eq_ignore_ascii_case(kept)).then_some(extension)
}

/// Names other than the usual ones, for a file system that tells names apart by their case or does not.
fn plan<'a>(names: impl Iterator<Item = &'a str> + Clone, ignores_case: bool) -> HashMap<String, String> {
    let fold = |name: &str| if ignores_case { name.to_lowercase() } else { name.to_owned() };
    let mut folders = HashSet::new();
    for name in names.clone() {
        let above = name.rmatch_indices('/').map(|(end, _)| &name[..end]);
        // With a folder, those above it have been taken as well.
        for folder in above {
            if !folders.insert(fold(folder)) {
                break;
            }
        }
    }
    let free = |name: &str| !folders.contains(&fold(name));
    if !ignores_case && names.clone().all(|name| keeps_its_name(name) && free(name)) {
        return HashMap::new();
    }
    let mut taken: HashSet<String> = HashSet::new();
    // Photos that keep their names go first; of several that are equal to the file system, the first one.
    let mut others = Vec::new();
    for name in names.clone() {
        if !(keeps_its_name(name) && free(name) && taken.insert(fold(name))) {
            others.push(name);
        }
    }
    let mut unusual = HashMap::new();
    for name in others {
        let first = usual(name);
        let mut own = first.clone();
        while !free(&own) || !taken.insert(fold(&own)) {
            own = format!("{own}.{}", ending(&own).unwrap_or("jpg"));
        }
        if own != first {
            unusual.insert(name.to_owned(), own);
        }
    }
    unusual
}

/// Whether a folder's file system takes names that differ in case for equal; it is asked by the folder's own name.
fn ignores_case(folder: &Path) -> bool {
    let Some(name) = folder.file_name().and_then(|name| name.to_str()) else { return false };
    let other = folder.with_file_name(name.to_uppercase());
    let place = |path: &Path| fs::canonicalize(path).ok();
    place(folder).is_some_and(|place_of| place(&other) == Some(place_of))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(names: &[&str], ignores_case: bool) -> Vec<String> {
        let unusual = plan(names.iter().copied(), ignores_case);
        names.iter().map(|name| unusual.get(*name).cloned().unwrap_or_else(|| usual(name))).collect()
    }

    #[test]
    fn pictures_keep_the_names_of_their_photos() {
        let names = ["a/b.JPG", "a/b.webp", "b", "c.webp", "c.webp.jpg", "c.webp.jpg.jpg"];
        assert_eq!(
            planned(&names, false),
            ["a/b.JPG", "a/b.webp.jpg", "b.jpg", "c.webp.jpg.jpg.jpg", "c.webp.jpg", "c.webp.jpg.jpg"]
        );
    }

    #[test]
    fn no_picture_has_the_name_of_a_folder() {
        let names =
            ["x.webp", "x.webp.jpg/1.jpg", "p.png", "p.png/2/3.jpg", "p.png/2", "q.jpg/a/b/c.jpg", "q.jpg"];
        assert_eq!(
            planned(&names, false),
            [
                "x.webp.jpg.jpg",
                "x.webp.jpg/1.jpg",
                "p.png.png",
                "p.png/2/3.jpg",
                "p.png/2.jpg",
                "q.jpg/a/b/c.jpg",
                "q.jpg.jpg"
            ]
        );
    }

    #[test]
    fn names_that_differ_in_case_are_told_apart_where_they_are_equal() {
        let names = ["A.jpg", "a.JPG", "B/1.jpg", "b"];
        assert_eq!(planned(&names, false), ["A.jpg", "a.JPG", "B/1.jpg", "b.jpg"]);
        assert_eq!(planned(&names, true), ["A.jpg", "a.JPG.JPG", "B/1.jpg", "b.jpg"]);
    }
}
