//! A folder of many files that an export makes, with a list of them in it: the next export removes what is listed, and
//! nothing else.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ExportError;
use crate::run::Exported;
use crate::within::{is_of_one_name, within};

/// The list's name. Its first line is a [`ExportKey`], the others are names, and the last a [`ExportCounts`] when all is done.
const LIST: &str = ".rcnn-files";

/// What decided the files.
#[derive(PartialEq, Serialize, Deserialize)]
struct ExportKey {
    key: String,
}

/// How many there are in the end.
#[derive(Serialize, Deserialize)]
struct ExportCounts {
    files: usize,
    failed: usize,
    first_failure: Option<String>,
}

/// A folder under way.
pub(super) struct ExportFolder {
    root: PathBuf,
    list: File,
    made: Exported,
}

/// What is to do for a folder.
enum ExportStart {
    /// Its files are there already.
    Done(Exported),
    /// Its files are to be made.
    New(ExportFolder),
}

impl ExportFolder {
    /// The files of a folder as `fill` makes them, which says whether these are all: where they are not, the next start makes
    /// them anew. What an equal export has made is left as it is, and what another made is removed.
    pub(super) fn fill(
        what: &'static str,
        root: &Path,
        key: &str,
        fill: impl FnOnce(&mut ExportFolder) -> Result<bool, ExportError>,
    ) -> Result<Exported, ExportError> {
        match ExportFolder::begin(what, root, key)? {
            ExportStart::Done(made) => Ok(made),
            ExportStart::New(mut folder) => {
                if fill(&mut folder)? {
                    folder.finish()
                } else {
                    Ok(folder.made)
                }
            }
        }
    }

    /// Begins the files of a folder, and removes what an earlier export made there, unless that is the same.
    fn begin(what: &'static str, root: &Path, key: &str) -> Result<ExportStart, ExportError> {
        fs::create_dir_all(root).map_err(ExportError::io("create", root))?;
        let path = root.join(LIST);
        let made = Exported::new(what, root);
        if let Some(count) = done(&path, key) {
            let ExportCounts { files, failed, first_failure } = count;
            return Ok(ExportStart::Done(Exported { files, failed, first_failure, ..made }));
        }
        remove_listed(root, &path).map_err(ExportError::io("clear", root))?;
        let list = OpenOptions::new().create(true).write(true).truncate(true).open(&path);
        let list = list.map_err(ExportError::io("write", &path))?;
        let mut folder = ExportFolder { root: root.to_owned(), list, made };
        folder.line(&ExportKey { key: key.to_owned() })?;
        Ok(ExportStart::New(folder))
    }

    /// Makes a file of a name with `/` between parts, after the list names it: `make` writes it at its path, whose folder is
    /// there. A file that is there, and that no export made, is left and counted as a failure.
    pub(super) fn add(
        &mut self,
        name: &str,
        make: impl FnOnce(&Path) -> io::Result<()>,
    ) -> Result<(), ExportError> {
        let path = self.root.join(name);
        if fs::symlink_metadata(&path).is_ok() {
            self.fail(name, "a file of this name is there, and no export made it");
            return Ok(());
        }
        self.line(&name)?;
        let folder = path.parent().unwrap_or(&self.root);
        match fs::create_dir_all(folder).and_then(|()| make(&path)) {
            Ok(()) => self.made.files += 1,
            // What a link leads to may be gone.
            Err(error) if is_of_one_name(&error) || error.kind() == io::ErrorKind::NotFound => {
                self.fail(name, &error.to_string())
            }
            Err(error) => return Err(ExportError::io("write", &path)(error)),
        }
        Ok(())
    }

    /// The folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// Counts something that cannot be made.
    pub(super) fn fail(&mut self, name: &str, why: &str) {
        self.made.fail(name, why);
    }

    /// All files are made.
    fn finish(mut self) -> Result<Exported, ExportError> {
        let Exported { files, failed, first_failure, .. } = self.made.clone();
        self.line(&ExportCounts { files, failed, first_failure })?;
        Ok(self.made)
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), ExportError> {
        let line = serde_json::to_string(value).map_err(io::Error::other);
        let written = line.and_then(|line| self.list.write_all(format!("{line}\n").as_bytes()));
        written.map_err(ExportError::io("write", &self.root.join(LIST)))
    }
}

/// What an equal export has made, if it came to its end.
fn done(list: &Path, key: &str) -> Option<ExportCounts> {
    let mut lines = BufReader::new(File::open(list).ok()?).lines();
    let first: ExportKey = serde_json::from_str(&lines.next()?.ok()?).ok()?;
    if first.key != key {
        return None;
    }
    serde_json::from_str(&lines.last()?.ok()?).ok()
}

/// Removes what an export made in a folder, its list too, and the folder if nothing else is in it.
pub(super) fn remove_made(root: &Path) -> io::Result<()> {
    let list = root.join(LIST);
    if !list.is_file() {
        return Ok(());
    }
    remove_listed(root, &list)?;
    fs::remove_file(&list)?;
    // One with other files stays.
    let _ = fs::remove_dir(root);
    Ok(())
}

/// Removes the files that a list names, and folders that are then empty.
fn remove_listed(root: &Path, list: &Path) -> io::Result<()> {
    let Ok(file) = File::open(list) else { return Ok(()) };
    for line in BufReader::new(file).lines() {
        // What is no name is the beginning, the end, or half a line of an export that was killed.
        let Ok(name) = serde_json::from_str::<String>(&line?) else { continue };
        let Some(path) = listed(root, &name) else { continue };
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut above = path.ancestors().skip(1).take_while(|above| *above != root);
        // One that is not empty stays, with all above it.
        let _ = above.try_for_each(fs::remove_dir);
    }
    Ok(())
}

/// A listed file, which may itself be a link to a photo elsewhere, in a folder that lies inside.
fn listed(root: &Path, name: &str) -> Option<PathBuf> {
    match name.rsplit_once('/') {
        None => within(root, LIST).map(|list| list.with_file_name(name)).filter(|_| name != ".."),
        Some((folder, file)) if file != ".." => within(root, folder).map(|folder| folder.join(file)),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(root: &Path, key: &str) -> ExportFolder {
        match ExportFolder::begin("files", root, key).unwrap() {
            ExportStart::New(folder) => folder,
            ExportStart::Done(made) => panic!("{made:?}"),
        }
    }

    #[test]
    fn what_was_listed_goes_and_all_else_stays() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("crops");
        let mut folder = new(&root, "1");
        for name in ["a/1.txt", "a/2.txt", "3.txt"] {
            folder.add(name, |path| fs::write(path, name)).unwrap();
        }
        // Killed: the last line is half there.
        folder.list.write_all(b"\"half").unwrap();
        drop(folder);
        fs::write(root.join("a/own.txt"), "mine").unwrap();
        fs::write(root.join("4.txt"), "mine").unwrap();
        let mut folder = new(&root, "1");
        assert!(!root.join("a/1.txt").exists() && !root.join("3.txt").exists());
        folder.add("4.txt", |path| fs::write(path, "ours")).unwrap();
        folder.add("b/5.txt", |path| fs::write(path, "ours")).unwrap();
        let made = folder.finish().unwrap();
        assert_eq!((made.files, made.failed), (1, 1));
        assert_eq!(fs::read_to_string(root.join("4.txt")).unwrap(), "mine");
        assert_eq!(fs::read_to_string(root.join("a/own.txt")).unwrap(), "mine");
        assert!(
            matches!(ExportFolder::begin("files", &root, "1").unwrap(), ExportStart::Done(again) if again == made)
        );
        drop(new(&root, "2"));
        assert!(!root.join("b").exists());
    }

    #[test]
    fn a_list_removes_nothing_outside_of_its_folder() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("crops");
        drop(new(&root, "1"));
        fs::write(place.path().join("mine.txt"), "").unwrap();
        let absolute = place.path().join("mine.txt");
        fs::write(root.join(LIST), format!("\"../mine.txt\"\n{absolute:?}\n\"..\"\n\"a/../../mine.txt\"\n"))
            .unwrap();
        drop(new(&root, "2"));
        assert!(absolute.exists());
    }
}
