//! From what the user names (files, folders, patterns, list files) to photos in a fixed order.
//!
//! Folders are walked recursively and sorted by the bytes of their names, so that every machine lists alike.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::{self, BufRead};
use std::path::{Component, Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher};
use walkdir::{DirEntry, WalkDir};

/// What pictures are called; only files found in folders are chosen by their names.
const EXTENSIONS: [&str; 11] =
    ["jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "dib", "tif", "tiff", "gif"];

/// One photo to process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where the file is.
    pub path: PathBuf,
    /// The name in results: relative to the folder the user gave, with `/` between parts.
    pub name: String,
}

/// Photos in input order, and what was passed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The photos; no name occurs twice.
    pub entries: Vec<Entry>,
    /// Sentences about what could not be looked at or was named twice.
    pub notes: Vec<String>,
}

/// Why nothing could be listed.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// A named path is not there.
    #[error("no photos at `{0}`: no such file or folder")]
    Missing(String),
    /// A list of paths cannot be read.
    #[error("cannot read the list of photos `{list}`: {cause}")]
    List {
        /// Its file, `-` for standard input.
        list: String,
        /// The system's words.
        cause: io::Error,
    },
    /// A pattern cannot be understood.
    #[error("`{pattern}` is neither a file nor a pattern: {cause}")]
    Pattern {
        /// As the user gave it.
        pattern: String,
        /// What is wrong.
        cause: globset::Error,
    },
    /// A folder cannot be read.
    #[error("cannot read the folder `{}`: {cause}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// The system's words.
        cause: io::Error,
    },
    /// There is nothing to do.
    #[error("no photos in {0}: pictures end in .jpg, .png, .webp, .bmp, .tif or .gif, in any case")]
    Empty(String),
}

/// Lists photos in input order. Each input is a picture file, a folder, a pattern with `*`, `?`, `[…]` or `**`,
/// a `.txt` file with a path a line, or `-` for such lines on standard input. `skip` is a folder that is left
/// out: the run's own pictures, should they lie among the photos.
///
/// # Errors
/// When a named path is missing, a pattern is malformed, or nothing is found at all.
pub fn list(inputs: &[String], skip: Option<&Path>) -> Result<Listing, ListError> {
    let mut found = Found { skip: skip.and_then(|path| fs::canonicalize(path).ok()), ..Found::default() };
    for input in inputs {
        found.add(input)?;
    }
    if found.entries.is_empty() {
        let named: Vec<String> = inputs.iter().map(|input| format!("`{input}`")).collect();
        return Err(ListError::Empty(named.join(", ")));
    }
    Ok(found.finish())
}

#[derive(Default)]
struct Found {
    entries: Vec<Entry>,
    notes: Vec<String>,
    skip: Option<PathBuf>,
}

impl Found {
    fn add(&mut self, input: &str) -> Result<(), ListError> {
        let path = Path::new(input);
        if input == "-" {
            return self.add_list("-", Path::new(""), io::stdin().lock());
        }
        if path.is_dir() {
            return self.add_folder(path, None);
        }
        let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
        if path.is_file() && extension.as_ref().is_some_and(|extension| extension == "txt") {
            let cause = |cause| ListError::List { list: input.into(), cause };
            let file = fs::File::open(path).map_err(cause)?;
            return self.add_list(input, path.parent().unwrap_or(Path::new("")), io::BufReader::new(file));
        }
        if path.exists() || fs::symlink_metadata(path).is_ok() {
            self.add_file(path);
            return Ok(());
        }
        if input.contains(['*', '?', '[', '{']) {
            return self.add_pattern(input);
        }
        // A photo that is not there is a failure of that photo; anything else is a slip of the user's.
        if is_picture(path)
            && path.parent().is_some_and(|parent| parent.as_os_str().is_empty() || parent.is_dir())
        {
            self.add_file(path);
            return Ok(());
        }
        Err(ListError::Missing(input.into()))
    }

    fn add_file(&mut self, path: &Path) {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        self.entries.push(Entry { path: path.into(), name });
    }

    /// Lines are paths relative to the current folder, or else to the list's own.
    fn add_list(&mut self, list: &str, beside: &Path, lines: impl BufRead) -> Result<(), ListError> {
        for line in lines.lines() {
            let line = line.map_err(|cause| ListError::List { list: list.into(), cause })?;
            let line = line.trim().trim_start_matches('\u{feff}');
            if line.is_empty() {
                continue;
            }
            let path = Path::new(line);
            let near = beside.join(path);
            let path = if !path.exists() && near.exists() { near } else { path.into() };
            self.entries.push(Entry { name: cleaned(&path), path });
        }
        Ok(())
    }

    fn add_pattern(&mut self, pattern: &str) -> Result<(), ListError> {
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        let glob = glob.map_err(|cause| ListError::Pattern { pattern: pattern.into(), cause })?;
        let fixed: PathBuf = Path::new(pattern).components().take_while(|part| !is_pattern(part)).collect();
        let root = if fixed.as_os_str().is_empty() { PathBuf::from(".") } else { fixed };
        if !root.is_dir() {
            return Err(ListError::Missing(pattern.into()));
        }
        let before = self.entries.len();
        self.add_folder(&root, Some(&glob.compile_matcher()))?;
        if self.entries.len() == before {
            return Err(ListError::Missing(pattern.into()));
        }
        Ok(())
    }

    /// All pictures below a folder, or those whose path fits a pattern, whatever they are called.
    fn add_folder(&mut self, folder: &Path, pattern: Option<&GlobMatcher>) -> Result<(), ListError> {
        fs::read_dir(folder).map_err(|cause| ListError::Folder { path: folder.into(), cause })?;
        let mut files = Vec::new();
        let skip = self.skip.clone();
        let walk = WalkDir::new(folder).follow_links(true).into_iter();
        for entry in walk.filter_entry(|entry| is_wanted(entry, skip.as_deref())) {
            match entry {
                Ok(entry) if entry.file_type().is_file() => {
                    let relative = entry.path().strip_prefix(folder).unwrap_or(entry.path());
                    let fits = match pattern {
                        Some(pattern) => pattern.is_match(entry.path()) || pattern.is_match(relative),
                        None => is_picture(entry.path()),
                    };
                    if fits {
                        files.push(Entry { name: with_slashes(relative), path: entry.into_path() });
                    }
                }
                Ok(_) => {}
                Err(error) => self.notes.push(passed_over(&error)),
            }
        }
        files.sort_by(|a, b| a.name.as_bytes().cmp(b.name.as_bytes()));
        self.entries.append(&mut files);
        Ok(())
    }

    /// Gives photos of one name their whole path as a name, and drops files that are named twice.
    fn finish(mut self) -> Listing {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for entry in &self.entries {
            *counts.entry(entry.name.as_str()).or_default() += 1;
        }
        let shared: Vec<bool> = self.entries.iter().map(|entry| counts[entry.name.as_str()] > 1).collect();
        for (entry, shared) in self.entries.iter_mut().zip(shared) {
            if shared {
                entry.name = cleaned(&entry.path);
            }
        }
        let mut seen = HashSet::new();
        let before = self.entries.len();
        self.entries.retain(|entry| seen.insert(entry.name.clone()));
        match before - self.entries.len() {
            0 => {}
            1 => self.notes.push("one photo is named twice and is taken once".into()),
            more => self.notes.push(format!("{more} photos are named more than once and are taken once")),
        }
        Listing { entries: self.entries, notes: self.notes }
    }
}

/// Hidden files (macOS leaves `._photo.jpg` on foreign disks) and the run's own output are left out; what the
/// user names is not.
fn is_wanted(entry: &DirEntry, skip: Option<&Path>) -> bool {
    let hidden = entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.');
    let own = entry.file_type().is_dir()
        && skip.is_some_and(|skip| fs::canonicalize(entry.path()).is_ok_and(|path| path == skip));
    !hidden && !own
}

fn is_pattern(part: &Component<'_>) -> bool {
    part.as_os_str().to_string_lossy().contains(['*', '?', '[', '{'])
}

fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
}

fn passed_over(error: &walkdir::Error) -> String {
    let place = error.path().map(|path| path.display().to_string()).unwrap_or_default();
    if error.loop_ancestor().is_some() {
        return format!("`{place}` is passed over: the link leads back to a folder above it");
    }
    let cause = error.io_error().map_or_else(|| error.to_string(), io::Error::to_string);
    format!("`{place}` is passed over: {cause}")
}

fn with_slashes(path: &Path) -> String {
    let parts: Vec<_> = path.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    parts.join("/")
}

/// A path without what leads upwards or to a root, so that a name never leaves the output folder.
fn cleaned(path: &Path) -> String {
    let inner: PathBuf = path.components().filter(|part| matches!(part, Component::Normal(_))).collect();
    with_slashes(&inner)
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
        assert_eq!((twice.entries.len(), twice.notes.len()), (1, 1));
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
    fn missing_things_are_named() {
        let folder = tree(&["notes.md"]);
        let gone = at(&folder, "gone");
        assert_eq!(
            list(std::slice::from_ref(&gone), None).unwrap_err().to_string(),
            format!("no photos at `{gone}`: no such file or folder")
        );
        assert!(matches!(list(&[at(&folder, "")], None), Err(ListError::Empty(_))));
        assert_eq!(names(&[at(&folder, "gone.jpg")], None), ["gone.jpg"]);
    }

    #[test]
    fn names_never_leave_the_output_folder() {
        assert_eq!(cleaned(Path::new("../../x/./a.jpg")), "x/a.jpg");
        assert_eq!(cleaned(Path::new("/x/a.jpg")), "x/a.jpg");
    }
}
