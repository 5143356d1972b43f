//! The cache folder: where the runtime and imported models are kept between runs. A leaf.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// There is no place for a cache.
#[derive(Debug, thiserror::Error)]
pub enum NoCache {
    /// The platform has none, or does not tell.
    #[error("no cache folder is known on this machine: set RCNN_CACHE to a folder that can be written")]
    Unknown,
    /// It would be another one in every folder, and libraries are loaded from there.
    #[error(
        "the cache folder `{}` is a relative path, and nothing is loaded from the current folder: set RCNN_CACHE to an \
         absolute path",
        .0.display()
    )]
    Relative(PathBuf),
}

/// `RCNN_CACHE`, or `rcnn` in the platform's cache folder; an absolute path. Not created here.
///
/// # Errors
/// When neither is known, or it is relative.
pub fn root() -> Result<PathBuf, NoCache> {
    let root = match std::env::var_os("RCNN_CACHE") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => dirs::cache_dir().map(|folder| folder.join("rcnn")).ok_or(NoCache::Unknown)?,
    };
    if root.is_absolute() { Ok(root) } else { Err(NoCache::Relative(root)) }
}

/// Removes files and folders of a folder, those not used for longest first, until the others take no more than `most`
/// bytes; what was used within `rest` stays, and so does what cannot be looked at or removed. A folder was used when one
/// of its files was changed.
pub(crate) fn prune(folder: &Path, most: u64, rest: Duration) {
    let entries = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
    let mut found: Vec<_> = entries.map(|entry| weighed(entry.path())).filter(|found| found.1 > 0).collect();
    found.sort();
    let mut total: u64 = found.iter().map(|(_, bytes, _)| bytes).sum();
    for (used, bytes, path) in found {
        if total <= most || used.elapsed().unwrap_or_default() < rest {
            break;
        }
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        if removed.is_ok() {
            total -= bytes;
        }
    }
}

/// When a file, or any file of a folder, was changed last, and the bytes of all.
fn weighed(path: PathBuf) -> (SystemTime, u64, PathBuf) {
    let entries = walkdir::WalkDir::new(&path).into_iter().filter_map(Result::ok);
    let files = entries.filter_map(|entry| entry.metadata().ok()).filter(fs::Metadata::is_file);
    let (used, bytes) = files.fold((UNIX_EPOCH, 0), |(used, bytes), file| {
        (used.max(file.modified().unwrap_or(UNIX_EPOCH)), bytes + file.len())
    });
    (used, bytes, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let make = |name: &str, age: u64| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, [0; 50]).unwrap();
            let then = SystemTime::now() - Duration::from_secs(age);
            fs::File::options().append(true).open(&path).unwrap().set_modified(then).unwrap();
        };
        // A folder is as old as the newest of its files.
        for (name, age) in [("new", 10), ("middle/a", 20), ("middle/b", 90), ("old", 30)] {
            make(name, age);
        }
        fs::write(folder.path().join(".lock"), "").unwrap();
        let left = || {
            let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
            let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
            names.sort();
            names
        };
        prune(folder.path(), 200, Duration::ZERO);
        assert_eq!(left(), [".lock", "middle", "new", "old"]);
        prune(folder.path(), 0, Duration::from_secs(3600));
        assert_eq!(left(), [".lock", "middle", "new", "old"]);
        prune(folder.path(), 199, Duration::ZERO);
        assert_eq!(left(), [".lock", "middle", "new"]);
        prune(folder.path(), 0, Duration::from_secs(15));
        assert_eq!(left(), [".lock", "new"]);
        prune(folder.path(), 0, Duration::ZERO);
        assert_eq!(left(), [".lock"]);
        prune(&folder.path().join("none"), 0, Duration::ZERO);
    }
}
