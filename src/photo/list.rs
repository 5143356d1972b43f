//! From what the user names (files, folders, patterns, list files) to photos in a fixed order.
//!
//! Folders are walked recursively and sorted by the bytes of their names, so that every machine lists alike.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use walkdir::{DirEntry, WalkDir};

use coco_eval::escaped;

use super::heif;
use super::kinds::{self, FileKind, PassedOver};
use super::lines;
use super::names::{cleaned, drop_repeated, tell_apart, with_slashes};
use super::pattern::{Pattern, PatternError, is_pattern};

/// What pictures are called; only files found in folders are chosen by their names.
const EXTENSIONS: [&str; 13] =
    ["jpg", "jpeg", "jpe", "jfif", "mpo", "png", "apng", "webp", "bmp", "dib", "tif", "tiff", "gif"];

/// One photo to process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhotoEntry {
    /// Where the file is.
    pub path: PathBuf,
    /// The name in results: relative to the folder the user gave, with `/` between parts.
    pub name: String,
    /// Parts of the path that lie below what the user named: 1 for a file named by itself.
    pub depth: usize,
}

/// Photos in input order, and what was passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The photos; no name occurs twice.
    pub entries: Vec<PhotoEntry>,
    /// Sentences about what could not be looked at, was named twice or is of a form that is not read.
    pub warnings: Vec<String>,
    /// What may hold photos and cannot be looked into; each has its sentence among the warnings.
    pub unread: Vec<Unread>,
    /// Pictures and films in folders that are of forms that are not read, by kind.
    pub passed_over: BTreeMap<String, PassedOver>,
}

/// A folder whose photos are not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Its path.
    pub folder: String,
    /// Why it cannot be read.
    pub detail: String,
}

/// Why nothing could be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// A named path is not there.
    #[error("no photos at `{}`: no such file or folder", escaped(.0))]
    Missing(PathBuf),
    /// A list of paths cannot be read.
    #[error("cannot read the list of photos `{}`: {source}", escaped(list))]
    List {
        /// Its file, `-` for standard input.
        list: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A pattern cannot be understood.
    #[error("`{}` is neither a file nor a pattern: {source}", escaped(pattern))]
    Pattern {
        /// As the user gave it.
        pattern: PathBuf,
        /// What is wrong.
        source: PatternError,
    },
    /// A folder cannot be read.
    #[error("cannot read the folder `{}`: {source}", escaped(path))]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// There is nothing to do.
    #[error("no photos in {0}: pictures end in .jpg, .png, .webp, .bmp, .tif or .gif, in any case")]
    Empty(String),
}

/// Lists photos in input order. Each input is a picture file, a folder, a pattern with `*`, `?`, `[…]` or `**`,
/// a `.txt` file with a path a line, or `-` for such lines on standard input. `skip` is a folder that is left
/// out where it lies in one of them: that of the run's own pictures.
///
/// A picture that is named and not there is listed, so that whoever decodes it says so, unless nothing else is.
///
/// # Errors
/// When a named path is missing, a pattern is malformed, or nothing is found at all.
pub fn list(inputs: &[impl AsRef<OsStr>], skip: Option<&Path>) -> Result<Listing, ListError> {
    let mut found =
        ListedPhotos { skip: skip.and_then(|path| fs::canonicalize(path).ok()), ..ListedPhotos::default() };
    for input in inputs {
        found.add(input.as_ref())?;
    }
    if found.entries.is_empty() {
        let named: Vec<String> =
            inputs.iter().map(|input| format!("`{}`", escaped(Path::new(input)))).collect();
        let passed_over =
            kinds::count(found.not_read).into_values().map(|passed_over| passed_over.to_string());
        let warnings = found.warnings.iter().cloned().chain(passed_over);
        let warnings: String = warnings.map(|note| format!(" ({note})")).collect();
        return Err(ListError::Empty(named.join(", ") + &warnings));
    }
    if let [first, ..] = found.entries.as_slice()
        && found.entries.len() == found.missing
    {
        return Err(ListError::Missing(first.path.clone()));
    }
    Ok(found.finish())
}

#[derive(Default)]
struct ListedPhotos {
    entries: Vec<PhotoEntry>,
    warnings: Vec<String>,
    unread: Vec<Unread>,
    /// How many of the entries were named and are not there.
    missing: usize,
    skip: Option<PathBuf>,
    not_read: Vec<(&'static FileKind, PathBuf)>,
}

impl ListedPhotos {
    fn add(&mut self, input: &OsStr) -> Result<(), ListError> {
        let path = Path::new(input);
        if input == "-" {
            return self.add_list(path, Path::new(""), lines::paths(io::stdin().lock()));
        }
        if path.is_dir() {
            return self.add_folder(path, None);
        }
        let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
        if path.exists() && extension.is_some_and(|extension| extension == "txt") {
            return self.add_list(path, path.parent().unwrap_or(Path::new("")), lines::of_file(path));
        }
        if fs::symlink_metadata(path).is_ok() {
            self.add_file(path);
            return Ok(());
        }
        if is_pattern(input) {
            return self.add_pattern(input);
        }
        // A photo that is not there is a failure of that photo; anything else is a slip of the user's.
        if is_picture(path)
            && path.parent().is_some_and(|parent| parent.as_os_str().is_empty() || parent.is_dir())
        {
            self.missing += 1;
            self.add_file(path);
            return Ok(());
        }
        Err(ListError::Missing(path.into()))
    }

    fn add_file(&mut self, path: &Path) {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        self.entries.push(PhotoEntry { path: path.into(), name, depth: 1 });
    }

    /// Lines are paths relative to the current folder, or else to the list's own.
    fn add_list(
        &mut self,
        list: &Path,
        beside: &Path,
        lines: io::Result<Vec<PathBuf>>,
    ) -> Result<(), ListError> {
        for path in lines.map_err(|source| ListError::List { list: list.into(), source })? {
            let near = beside.join(&path);
            let path = if !path.exists() && near.exists() { near } else { path };
            self.entries.push(PhotoEntry { name: cleaned(&path), path, depth: 1 });
        }
        Ok(())
    }

    fn add_pattern(&mut self, pattern: &OsStr) -> Result<(), ListError> {
        // The folder that the pattern begins with, and what must fit below it.
        let (mut fixed, mut below) = (PathBuf::new(), PathBuf::new());
        for part in Path::new(pattern).components() {
            let place = if below.as_os_str().is_empty() && !is_pattern(part.as_os_str()) {
                &mut fixed
            } else {
                &mut below
            };
            place.push(part);
        }
        let fits = Pattern::new(&with_slashes(&below))
            .map_err(|source| ListError::Pattern { pattern: pattern.into(), source })?;
        let root = if fixed.as_os_str().is_empty() { PathBuf::from(".") } else { fixed };
        if !root.is_dir() {
            return Err(ListError::Missing(pattern.into()));
        }
        let before = self.entries.len();
        self.add_folder(&root, Some(&fits))?;
        if self.entries.len() == before {
            return Err(ListError::Missing(pattern.into()));
        }
        Ok(())
    }

    /// All pictures below a folder, or those whose path from there fits a pattern, whatever they are called.
    fn add_folder(&mut self, folder: &Path, pattern: Option<&Pattern>) -> Result<(), ListError> {
        fs::read_dir(folder).map_err(|source| ListError::Folder { path: folder.into(), source })?;
        let (mut files, mut skipped) = (Vec::new(), Vec::new());
        let skip = self.skip.clone();
        let wanted = |entry: &DirEntry| {
            let results = is_own(entry, skip.as_deref()) || is_of_a_run(entry);
            if results {
                skipped.push(entry.path().to_owned());
            }
            !results && !is_hidden(entry)
        };
        for entry in WalkDir::new(folder).follow_links(true).into_iter().filter_entry(wanted) {
            match entry {
                Ok(entry) if entry.file_type().is_file() => {
                    let relative = entry.path().strip_prefix(folder).unwrap_or(entry.path());
                    let fits = match pattern {
                        Some(pattern) => pattern.fits(relative),
                        None => is_picture(entry.path()),
                    };
                    if fits {
                        let depth = relative.components().count();
                        files.push(PhotoEntry {
                            name: with_slashes(relative),
                            path: entry.into_path(),
                            depth,
                        });
                    } else if pattern.is_none()
                        && let Some(kind) = kinds::of_name(entry.path())
                    {
                        self.not_read.push((kind, entry.into_path()));
                    }
                }
                Ok(entry) if !entry.file_type().is_dir() && is_picture(entry.path()) => {
                    let place = escaped(entry.path());
                    self.warnings
                        .push(format!("`{place}` is passed over: it is a pipe or a device, no file"));
                }
                Ok(_) => {}
                Err(error) => self.pass_over(&error),
            }
        }
        // Names that are no Unicode may read alike.
        files.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()).then_with(|| a.path.cmp(&b.path)));
        self.entries.append(&mut files);
        for results in skipped.into_iter().filter(|results| holds_pictures(results)) {
            let own = fs::canonicalize(&results).ok().is_some_and(|place| self.skip == Some(place));
            let why = if own { "this run's own go there" } else { "they are results of another run" };
            self.warnings.push(format!("the pictures in `{}` are passed over: {why}", escaped(&results)));
        }
        Ok(())
    }

    fn finish(mut self) -> Listing {
        match drop_repeated(&mut self.entries) {
            0 => {}
            1 => self.warnings.push("one photo is named twice and is taken once".into()),
            more => self.warnings.push(format!("{more} photos are named more than once and are taken once")),
        }
        tell_apart(&mut self.entries);
        let passed_over = kinds::count(self.not_read);
        self.warnings.extend(passed_over.values().map(PassedOver::to_string));
        Listing { entries: self.entries, warnings: self.warnings, unread: self.unread, passed_over }
    }

    fn pass_over(&mut self, error: &walkdir::Error) {
        let path = error.path().unwrap_or(Path::new(""));
        let detail = match error.io_error() {
            _ if error.loop_ancestor().is_some() => "the link leads back to a folder above it".to_owned(),
            Some(cause) if cause.kind() == io::ErrorKind::NotFound => "the link leads nowhere".to_owned(),
            Some(cause) => {
                let (folder, detail) = (path.to_string_lossy().into_owned(), cause.to_string());
                self.unread.push(Unread { folder, detail: detail.clone() });
                detail
            }
            None => error.to_string(),
        };
        self.warnings.push(format!("`{}` is passed over: {detail}", escaped(path)));
    }
}

/// Whether a file found in a folder is hidden (macOS leaves `._photo.jpg` on foreign disks).
fn is_hidden(entry: &DirEntry) -> bool {
    entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.')
}

/// Whether a folder is the run's own; what the user names is looked at all the same.
fn is_own(entry: &DirEntry, skip: Option<&Path>) -> bool {
    entry.depth() > 0
        && entry.file_type().is_dir()
        && skip.is_some_and(|skip| fs::canonicalize(entry.path()).is_ok_and(|path| path == skip))
}

/// Whether a folder holds the pictures that a run has drawn, which are no photos; what the user names is looked at all
/// the same.
fn is_of_a_run(entry: &DirEntry) -> bool {
    let beside = |name: &str| entry.path().with_file_name(name).is_file();
    entry.depth() > 0
        && entry.file_type().is_dir()
        && entry.file_name() == "annotated"
        && beside("run.json")
        && beside("detections.jsonl")
}

fn holds_pictures(folder: &Path) -> bool {
    WalkDir::new(folder)
        .into_iter()
        .flatten()
        .any(|entry| entry.file_type().is_file() && is_picture(entry.path()))
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
        || (kinds::is_called_heif(path) && heif::is_available())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        folder
    }

    fn names(inputs: &[String], skip: Option<&Path>) -> Vec<String> {
        list(inputs, skip).unwrap().entries.into_iter().map(|entry| entry.name).collect()
    }

    fn at(folder: &tempfile::TempDir, inner: &str) -> String {
        folder.path().join(inner).display().to_string()
    }

    #[test]
    fn folders_are_walked_in_the_order_of_bytes() {
        let folder =
            tree(&["b.JPG", "a/z.png", "a.jpg", "Z.webp", "notes.md", ".hidden.jpg", "out/annotated/b.jpg"]);
        let out = folder.path().join("out/annotated");
        assert_eq!(names(&[at(&folder, "")], Some(&out)), ["Z.webp", "a.jpg", "a/z.png", "b.JPG"]);
    }

    #[test]
    fn patterns_choose() {
        let folder = tree(&["x/1.jpg", "x/2.png", "x/y/3.jpg"]);
        assert_eq!(names(&[at(&folder, "x/*.jpg")], None), ["1.jpg"]);
        assert_eq!(names(&[at(&folder, "x/**/*.jpg")], None), ["1.jpg", "y/3.jpg"]);
        assert!(matches!(list(&[at(&folder, "x/*.gif")], None), Err(ListError::Missing(_))));
        assert!(matches!(list(&[at(&folder, "x/[.jpg")], None), Err(ListError::Pattern { .. })));
    }

    #[test]
    fn photos_of_one_name_are_told_apart() {
        let folder = tree(&["a/1.jpg", "b/1.jpg"]);
        let found = names(&[at(&folder, "a"), at(&folder, "b")], None);
        assert!(found[0].ends_with("a/1.jpg") && found[1].ends_with("b/1.jpg"), "{found:?}");
        assert!(!found[0].starts_with('/'));
        let twice = list(&[at(&folder, "a/1.jpg"), at(&folder, "a/1.jpg")], None).unwrap();
        assert_eq!((twice.entries.len(), twice.warnings.len()), (1, 1));
    }

    #[test]
    fn a_pattern_chooses_from_its_own_folder_only() {
        let folder = tree(&["pics/1.jpg", "pics/pics/2.jpg", "pics/pics/pics/3.jpg"]);
        assert_eq!(names(&[at(&folder, "pics/*.jpg")], None), ["1.jpg"]);
        assert_eq!(names(&[at(&folder, "./pics//*.jpg")], None), ["1.jpg"]);
        assert_eq!(names(&[at(&folder, "pics/p*/*.jpg")], None), ["pics/2.jpg"]);
        assert_eq!(names(&[at(&folder, "*/{pics/2,1}.jpg")], None), ["pics/1.jpg", "pics/pics/2.jpg"]);
    }

    #[test]
    fn different_photos_stay_two_whatever_their_paths_look_like() {
        let folder = tree(&["p/a/1.jpg", "a/1.jpg", "tree/q/1.jpg", "q/1.jpg", "r/1.jpg"]);
        let paths = [at(&folder, "p/a/1.jpg"), at(&folder, "p/../a/1.jpg")];
        let found = list(&paths, None).unwrap();
        assert!(found.warnings.is_empty(), "{:?}", found.warnings);
        let listed: Vec<String> =
            found.entries.iter().map(|entry| entry.path.display().to_string()).collect();
        assert_eq!(listed, paths);
        assert_ne!(found.entries[0].name, found.entries[1].name);
        let found = names(&[at(&folder, "tree"), at(&folder, "q/1.jpg"), at(&folder, "r/1.jpg")], None);
        assert_eq!(found.iter().collect::<std::collections::HashSet<_>>().len(), 3, "{found:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn names_that_are_no_unicode_are_told_apart() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tree(&["b.jpg"]);
        for name in [b"a\xff.jpg", b"a\xfe.jpg"] {
            fs::write(folder.path().join(std::ffi::OsStr::from_bytes(name)), "").unwrap();
        }
        let found = list(&[at(&folder, "")], None).unwrap().entries;
        assert_eq!(found.len(), 3);
        let last = |entry: &PhotoEntry| entry.path.file_name().unwrap().as_bytes().to_vec();
        assert_eq!((last(&found[0]), last(&found[1])), (b"a\xfe.jpg".to_vec(), b"a\xff.jpg".to_vec()));
        assert_ne!(found[0].name, found[1].name);
    }

    #[test]
    fn a_photo_that_is_listed_twice_is_taken_once() {
        let folder = tree(&["ph/a/1.jpg", "ph/b/2.jpg"]);
        let inputs = [at(&folder, "ph"), at(&folder, "ph/a"), at(&folder, "ph/b/../b/2.jpg")];
        let found = list(&inputs, None).unwrap();
        assert_eq!(names(&inputs, None), ["a/1.jpg", "b/2.jpg"]);
        assert_eq!(found.warnings, ["2 photos are named more than once and are taken once"]);
    }

    #[test]
    fn pictures_in_the_folder_of_the_runs_own_are_passed_over_with_a_word() {
        let folder = tree(&["1.jpg", "annotated/2.jpg"]);
        let own = folder.path().join("annotated");
        let found = list(&[at(&folder, "")], Some(&own)).unwrap();
        assert_eq!(found.entries.len(), 1);
        assert!(found.warnings[0].contains("annotated` are passed over"), "{:?}", found.warnings);
        // Named outright, it is listed: whoever writes there refuses it with the reason.
        assert_eq!(names(&[at(&folder, "annotated")], Some(&own)), ["2.jpg"]);
        fs::remove_file(folder.path().join("1.jpg")).unwrap();
        let none = list(&[at(&folder, "")], Some(&own)).unwrap_err().to_string();
        assert!(none.contains("annotated` are passed over"), "{none}");
    }

    #[test]
    fn pictures_of_another_run_are_no_photos() {
        let run = ["run.json", "detections.jsonl", "annotated/1.jpg", "annotated/a/2.jpg"];
        let below = run.map(|file| format!("photos/old/{file}"));
        let files: Vec<&str> = run.into_iter().chain(below.iter().map(String::as_str)).collect();
        let folder = tree(&[&files[..], &["1.jpg", "photos/annotated/mine.jpg"]].concat());
        let found = list(&[at(&folder, "")], None).unwrap();
        let named: Vec<&str> = found.entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(named, ["1.jpg", "photos/annotated/mine.jpg"]);
        assert_eq!(found.warnings.len(), 2, "{:?}", found.warnings);
        assert!(found.warnings.iter().all(|note| note.ends_with("they are results of another run")));
        assert_eq!(names(&[at(&folder, "**/*.jpg")], None), named);
        assert_eq!(names(&[at(&folder, "annotated")], None), ["1.jpg", "a/2.jpg"]);
    }

    #[test]
    fn lists_are_read_line_by_line() {
        let folder = tree(&["1.jpg", "2"]);
        fs::write(folder.path().join("photos.txt"), "1.jpg\r\n\n2\nmissing.jpg\n").unwrap();
        let found = list(&[at(&folder, "photos.txt")], None).unwrap().entries;
        assert_eq!(found.len(), 3);
        assert!(found[0].path.exists() && found[1].path.exists() && !found[2].path.exists());
    }

    #[test]
    fn what_is_not_read_is_counted_by_kind_with_the_cure() {
        let folder = tree(&["1.jpg", "a/2.HEIC", "3.heic", "4.mov", "notes.txt", ".5.heic"]);
        let inputs = [at(&folder, ""), at(&folder, "a")];
        let found = list(&inputs, None).unwrap();
        assert_eq!(names(&inputs, None), ["1.jpg"]);
        let counts: Vec<(&str, usize)> =
            found.passed_over.iter().map(|(kind, over)| (kind.as_str(), over.count)).collect();
        assert_eq!(counts, [("heic", 2), ("video", 1)]);
        assert!(
            found.warnings.iter().any(|note| note.starts_with("2 files are passed over")),
            "{:?}",
            found.warnings
        );
        assert!(found.warnings.iter().any(|note| note.contains("heif-convert")), "{:?}", found.warnings);
        // A pattern says what is wanted.
        assert!(list(&[at(&folder, "*.jpg")], None).unwrap().passed_over.is_empty());
        fs::remove_file(folder.path().join("1.jpg")).unwrap();
        let none = list(&inputs[..1], None).unwrap_err().to_string();
        assert!(none.contains("2 files are passed over") && none.contains("heif-convert"), "{none}");
    }

    #[test]
    fn missing_things_are_named() {
        let folder = tree(&["notes.md"]);
        let gone = at(&folder, "gone");
        assert_eq!(
            list(std::slice::from_ref(&gone), None).unwrap_err().to_string(),
            format!("no photos at `{gone}`: no such file or folder")
        );
        assert!(matches!(list(&[at(&folder, "")], None), Err(ListError::Empty(_))));
        // One photo of several that is missing is its own failure; where there is no other, a slip of the user's.
        let (gone, warnings) = (at(&folder, "gone.jpg"), at(&folder, "notes.md"));
        assert!(matches!(list(&[&gone, &gone], None), Err(ListError::Missing(_))));
        assert_eq!(names(&[gone, warnings], None), ["gone.jpg", "notes.md"]);
    }
}
