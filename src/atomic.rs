//! Files that appear whole or not at all. A leaf.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

/// What files are called until they are whole: this, and letters and digits.
const PREFIX: &str = ".rcnn-";
const LETTERS: usize = 6;

/// Whether a file is called as one that is not whole yet. It is left where the program was killed.
pub fn is_half_written(name: &OsStr) -> bool {
    let rest = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
    rest.is_some_and(|rest| rest.len() == LETTERS && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Writes beside the target, makes sure that it is on the disk, and renames.
///
/// # Errors
/// What `content` or the system reports; the target is then as it was.
pub fn write(path: &Path, content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<()> {
    beside(path, content, File::sync_all)
}

/// The same without waiting for the disk, for what can be made again.
///
/// # Errors
/// As [`write()`].
pub fn write_quickly(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
) -> io::Result<()> {
    beside(path, content, |_| Ok(()))
}

fn beside(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    settle: fn(&File) -> io::Result<()>,
) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    // A short name of its own: the target's may be as long as the system allows.
    let fresh = tempfile::Builder::new().prefix(PREFIX).rand_bytes(LETTERS).tempfile_in(folder)?;
    let (file, fresh) = fresh.into_parts();
    let mut out = BufWriter::new(file);
    content(&mut out)?;
    let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    // A temporary file is private; what it becomes is as readable as any other file of the user's.
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        file.set_permissions(std::fs::Permissions::from_mode(0o666 & !umask()))?;
    }
    settle(&file)?;
    fresh.persist(path).map_err(|error| error.error)
}

/// The user's mask, as Linux tells it; the usual one elsewhere.
#[cfg(unix)]
fn umask() -> u32 {
    static MASK: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *MASK.get_or_init(|| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("Umask:"));
        line.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok()).unwrap_or(0o022)
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_name_may_be_as_long_as_the_system_allows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x".repeat(255));
        write(&path, |out| out.write_all(b"text")).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"text");
    }

    #[test]
    fn a_file_that_is_not_whole_is_known_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let mut name = None;
        write(&folder.path().join("a.json"), |_| {
            name = std::fs::read_dir(folder.path())?.next().transpose()?.map(|entry| entry.file_name());
            Ok(())
        })
        .unwrap();
        assert!(is_half_written(&name.unwrap()));
        for other in ["a.json", ".rcnn-", ".rcnn-notes", ".rcnn-x7Qb2K.jpg", ".rcnn-a b.c1", "x.rcnn-x7Qb2K"]
        {
            assert!(!is_half_written(OsStr::new(other)), "{other}");
        }
    }

    #[test]
    fn a_failure_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write(&path, |out| out.write_all(b"first")).unwrap();
        let failed = write(&path, |out| out.write_all(b"half").and(Err(io::Error::other("no more"))));
        assert!(failed.is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
