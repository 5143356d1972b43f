//! One name in results for each listed photo, and each photo once.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::PhotoEntry;

/// Leaves out photos that are listed again; gives their number.
pub(super) fn drop_repeated(entries: &mut Vec<PhotoEntry>) -> usize {
    let mut folders = Folders::default();
    let mut seen = HashSet::new();
    let fresh: Vec<bool> = entries.iter().map(|entry| seen.insert(folders.place(&entry.path))).collect();
    let mut fresh = fresh.into_iter();
    let before = entries.len();
    entries.retain(|_| fresh.next().unwrap_or(true));
    before - entries.len()
}

/// Gives photos of one name their whole path as a name, and where that is taken as well, a number before it.
pub(super) fn tell_apart(entries: &mut [PhotoEntry]) {
    let shared = shared_names(entries);
    for (entry, _) in entries.iter_mut().zip(shared).filter(|(_, shared)| *shared) {
        entry.name = cleaned(&entry.path);
    }
    let shared = shared_names(entries);
    if !shared.contains(&true) {
        return;
    }
    let mut taken: HashSet<String> = entries.iter().map(|entry| entry.name.clone()).collect();
    let mut met = HashSet::new();
    for (entry, _) in entries.iter_mut().zip(shared).filter(|(_, shared)| *shared) {
        if met.insert(entry.name.clone()) {
            continue;
        }
        let mut free = (2..).map(|number: usize| format!("{number}/{}", entry.name));
        if let Some(name) = free.find(|name| !taken.contains(name)) {
            taken.insert(name.clone());
            entry.name = name;
        }
    }
}

/// For each photo, whether another has its name.
fn shared_names(entries: &[PhotoEntry]) -> Vec<bool> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for entry in entries {
        *counts.entry(entry.name.as_str()).or_default() += 1;
    }
    entries.iter().map(|entry| counts.get(entry.name.as_str()).is_some_and(|&count| count > 1)).collect()
}

/// True folders, by what they are called, as numbers.
#[derive(Default)]
struct Folders<'a> {
    called: HashMap<&'a Path, usize>,
    numbers: HashMap<PathBuf, usize>,
}

impl<'a> Folders<'a> {
    /// Where a file is, whatever way leads there: its true folder, asked for once, and its name in it. A link to a file
    /// is a photo of its own, as it has a name of its own.
    fn place(&mut self, path: &'a Path) -> (usize, &'a OsStr) {
        let (folder, name) = match (path.parent(), path.file_name()) {
            (Some(folder), Some(name)) => (folder, name),
            _ => (Path::new(""), path.as_os_str()),
        };
        if let Some(&number) = self.called.get(folder) {
            return (number, name);
        }
        let here = folder.as_os_str().is_empty();
        let found = fs::canonicalize(if here { Path::new(".") } else { folder });
        let fresh = self.numbers.len();
        let number = *self.numbers.entry(found.unwrap_or_else(|_| folder.into())).or_insert(fresh);
        self.called.insert(folder, number);
        (number, name)
    }
}

pub(super) fn with_slashes(path: &Path) -> String {
    let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}

/// A path without what leads upwards or to a root, so that a name never leaves the output folder.
pub(crate) fn cleaned(path: &Path) -> String {
    let inner: PathBuf = path.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    with_slashes(&inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_never_leave_the_output_folder() {
        assert_eq!(cleaned(Path::new("../../x/./a.jpg")), "x/a.jpg");
        assert_eq!(cleaned(Path::new("/x/a.jpg")), "x/a.jpg");
    }

    #[test]
    fn a_number_tells_apart_what_no_path_does() {
        let entry = |path: &str, name: &str| PhotoEntry { path: path.into(), name: name.into(), depth: 1 };
        let mut entries = vec![
            entry("a/1.jpg", "1.jpg"),
            entry("../a/1.jpg", "1.jpg"),
            entry("/a/1.jpg", "1.jpg"),
            entry("x/2/a/1.jpg", "2/a/1.jpg"),
            entry("b.jpg", "b.jpg"),
        ];
        tell_apart(&mut entries);
        let names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["a/1.jpg", "3/a/1.jpg", "4/a/1.jpg", "2/a/1.jpg", "b.jpg"]);
    }
}
