//! Files of a data set: reading small ones whole, and paths that stand in them, which never lead out of its folder.

use std::io;
use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use super::ConvertError;
use super::error::io_error;
use coco_eval::last_part;

/// Most bytes of a file that is read whole.
const LONGEST: u64 = 64 << 20;

/// The text of a small file.
pub(super) fn read_small(path: &Path) -> Result<String, String> {
    let bytes = crate::files::read(path, LONGEST).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => {
            format!("has more than {} MiB, more than any real one", LONGEST >> 20)
        }
        _ => format!("cannot be read: {error}"),
    })?;
    coco_eval::text::decode(bytes).map_err(|error| format!("cannot be read: {error}"))
}

/// Most bytes of a file that holds a whole data set.
const LARGEST: u64 = 4 << 30;

/// The text of a file that holds a whole data set.
pub(super) fn read_large(path: &Path) -> Result<String, ConvertError> {
    let length = std::fs::metadata(path).map_err(io_error("read", path))?.len();
    if length > LARGEST {
        let what = format!("has more than {} GiB, more than can be read at once", LARGEST >> 30);
        return Err(ConvertError::Shape { path: path.to_owned(), what });
    }
    coco_eval::text::read(path).map_err(io_error("read", path))
}

/// The beginning of a text file, enough to tell its form.
pub(super) fn head(path: &Path) -> String {
    use std::io::Read;
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path).and_then(|file| file.take(1 << 16).read_to_end(&mut bytes));
    if read.is_err() {
        return String::new();
    }
    let mut text = Vec::new();
    // A letter that is cut at the end is no fault.
    let _ = coco_eval::text::reader(std::io::Cursor::new(bytes))
        .map(|(mut reader, _)| reader.read_to_end(&mut text));
    String::from_utf8_lossy(&text).into_owned()
}

/// The files of a folder and of those in it that have an extension, in any case, in the order of their names.
pub(super) fn with_extension(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, ConvertError> {
    let mut files = Vec::new();
    for entry in WalkDir::new(folder).sort_by_file_name() {
        let entry = entry.map_err(|error| io_error("read", folder)(error.into()))?;
        let fits = entry.path().extension().is_some_and(|end| end.eq_ignore_ascii_case(extension));
        if fits && entry.path().is_file() {
            files.push(entry.into_path());
        }
    }
    Ok(files)
}

/// The text of a small file that stands for the whole source.
pub(super) fn read_whole(path: &Path) -> Result<String, ConvertError> {
    read_small(path).map_err(|what| ConvertError::Shape { path: path.to_owned(), what })
}

/// A path below another as a name with `/` between parts; the whole path, but for its root, where it lies elsewhere.
pub(super) fn name_below(folder: &Path, path: &Path) -> String {
    let inner = match path.strip_prefix(folder) {
        // The source is a file itself.
        Ok(inner) if inner.as_os_str().is_empty() => path.file_name().map(Path::new).unwrap_or(path),
        Ok(inner) => inner,
        Err(_) => path,
    };
    crate::photo::cleaned(inner)
}

/// What a path that a file names is inside a folder: the path itself, or what is left of it without its first parts,
/// whichever is there. Absolute paths, drive letters and `..` are such first parts, so that nothing leads out.
pub(super) fn inside(folder: &Path, named: &str) -> Option<PathBuf> {
    let named = named.trim().replace('\\', "/");
    let parts: Vec<&str> = named.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
    let first =
        parts.iter().rposition(|part| *part == ".." || part.ends_with(':')).map_or(0, |last| last + 1);
    if parts.is_empty() {
        return folder.exists().then(|| folder.to_owned());
    }
    (first..parts.len()).map(|from| folder.join(parts[from..].join("/"))).find(|path| path.exists())
}

/// Whether a name from a file stays in the folder that it is joined to.
pub(super) fn stays_inside(name: &str) -> bool {
    let parts = Path::new(name).components();
    !name.is_empty()
        && !name.contains('\\')
        && parts.into_iter().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// Whether a path leads into a folder, whatever way.
pub(super) fn contains(root: &Path, path: &Path) -> bool {
    let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
    match (std::fs::canonicalize(root), std::fs::canonicalize(path)) {
        (Ok(root), Ok(path)) => path.starts_with(root),
        _ => false,
    }
}

/// The name of the photo that a file of labels is about: what that file calls it, or else the labels' own name with `.jpg`;
/// the folders are those of the labels.
pub(super) fn photo_name(labels: &str, file: Option<&str>) -> String {
    let (folder, stem) = match labels.rsplit_once('/') {
        Some((folder, name)) => (format!("{folder}/"), name),
        None => (String::new(), labels),
    };
    let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
    let name = file.map(last_part).filter(|name| !matches!(*name, "" | "." | ".."));
    format!("{folder}{}", name.map_or_else(|| format!("{stem}.jpg"), str::to_owned))
}

/// The first line of what a reader of a foreign format says, without control characters of the file.
pub(super) fn error_line(error: &impl std::fmt::Display) -> String {
    coco_eval::printable(error.to_string().lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_in_files_lead_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("set");
        for file in ["set/images/a.jpg", "secret.jpg"] {
            let path = folder.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let photo = Some(root.join("images/a.jpg"));
        for named in [
            "images/a.jpg",
            "data/images/a.jpg",
            "../images/a.jpg",
            "/x/images/a.jpg",
            "C:\\x\\images\\a.jpg",
            "./images//a.jpg",
        ] {
            assert_eq!(inside(&root, named), photo, "{named}");
        }
        let secret = folder.path().join("secret.jpg");
        for named in ["../secret.jpg", "images/../../secret.jpg", secret.to_str().unwrap()] {
            assert_eq!(inside(&root, named), None, "{named}");
        }
        assert!(
            stays_inside("a/b.xml") && !stays_inside("../b.xml") && !stays_inside("/b") && !stays_inside("")
        );
    }
}
