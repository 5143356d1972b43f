//! Names that come out of files: where they lead, that it is not out of their folder, and which of the system's errors are
//! theirs alone. A leaf.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Component, Path, PathBuf};

/// The path of a name, as a file has it, below a folder; none where the name, or a link on its way, leads elsewhere. The
/// path itself need not be there.
pub(crate) fn within(folder: &Path, name: &str) -> Option<PathBuf> {
    let plain = !name.is_empty() && !name.contains('\0');
    if !plain || !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let path = folder.join(name);
    let root = fs::canonicalize(folder).ok()?;
    // What is not there yet is where the nearest folder above it is; a link that leads nowhere may lead anywhere.
    let there = path.ancestors().find(|part| fs::symlink_metadata(part).is_ok())?;
    fs::canonicalize(there).is_ok_and(|place| place.starts_with(&root)).then_some(path)
}

/// Whether an error says something about one name and its file, so that the next may well be written: not so a full disk, or
/// a folder that is gone.
pub(crate) fn is_of_one_name(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::AlreadyExists
            | ErrorKind::DirectoryNotEmpty
            | ErrorKind::FileTooLarge
            | ErrorKind::InvalidFilename
            | ErrorKind::InvalidInput
            | ErrorKind::IsADirectory
            | ErrorKind::NotADirectory
            | ErrorKind::Other
            | ErrorKind::PermissionDenied
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_too_long_is_of_one_name_and_a_full_disk_is_not() {
        let place = tempfile::tempdir().unwrap();
        let error = fs::write(place.path().join("a".repeat(300)), "").unwrap_err();
        assert!(is_of_one_name(&error), "{error:?}");
        // ENOSPC and EIO of Linux and macOS.
        for code in [28, 5] {
            assert!(!is_of_one_name(&io::Error::from_raw_os_error(code)));
        }
    }

    #[test]
    fn a_name_stays_in_its_folder() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("run");
        fs::create_dir_all(folder.join("a")).unwrap();
        fs::write(folder.join("a/1.jpg"), "").unwrap();
        fs::write(place.path().join("other.jpg"), "").unwrap();
        for name in ["a/1.jpg", "a/2.jpg", "new/b/3.jpg"] {
            assert_eq!(within(&folder, name), Some(folder.join(name)));
        }
        let absolute = place.path().join("other.jpg").display().to_string();
        for name in ["../other.jpg", "a/../../other.jpg", &absolute, "", "..", "a/\0.jpg"] {
            assert_eq!(within(&folder, name), None, "{name}");
        }
        assert_eq!(within(&place.path().join("gone"), "1.jpg"), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_does_not_lead_out_of_the_folder() {
        use std::os::unix::fs::symlink;
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("run");
        fs::create_dir_all(folder.join("a")).unwrap();
        fs::write(folder.join("a/1.jpg"), "").unwrap();
        fs::write(place.path().join("other.jpg"), "").unwrap();
        symlink(place.path(), folder.join("out")).unwrap();
        symlink("../other.jpg", folder.join("link.jpg")).unwrap();
        symlink("../nowhere.jpg", folder.join("broken.jpg")).unwrap();
        symlink("a/1.jpg", folder.join("own.jpg")).unwrap();
        for name in ["out/other.jpg", "out/new.jpg", "link.jpg", "broken.jpg"] {
            assert_eq!(within(&folder, name), None, "{name}");
        }
        assert_eq!(within(&folder, "own.jpg"), Some(folder.join("own.jpg")));
    }
}
