//! A folder that appears with everything in it, or not at all.

use std::fs;
use std::path::Path;

use super::ConvertError;
use super::error::io_error;

/// Fills a folder beside the target and moves it there when all is in it.
pub(super) fn whole<T>(
    target: &Path,
    fill: impl FnOnce(&Path) -> Result<T, ConvertError>,
) -> Result<T, ConvertError> {
    refuse_taken(target)?;
    let target = std::path::absolute(target).map_err(io_error("find", target))?;
    let parent = target.parent().unwrap_or(&target);
    fs::create_dir_all(parent).map_err(io_error("create", parent))?;
    let workshop = tempfile::Builder::new()
        .prefix(".rcnn-convert-")
        .tempdir_in(parent)
        .map_err(io_error("write into", parent))?;
    // A folder of its own inside: the workshop itself may be read by its owner only.
    let fresh = workshop.path().join("whole");
    fs::create_dir(&fresh).map_err(io_error("create", &fresh))?;
    let filled = fill(&fresh)?;
    if target.exists() {
        fs::remove_dir(&target).map_err(io_error("replace", &target))?;
    }
    fs::rename(&fresh, &target).map_err(io_error("create", &target))?;
    Ok(filled)
}

/// Refuses a place where something is that would be lost.
pub(super) fn refuse_taken(target: &Path) -> Result<(), ConvertError> {
    let empty = || fs::read_dir(target).is_ok_and(|mut entries| entries.next().is_none());
    // A link that leads nowhere is something, too.
    if fs::symlink_metadata(target).is_ok() && !empty() {
        return Err(ConvertError::Taken(target.to_owned()));
    }
    Ok(())
}

/// Refuses a place where a file is, unless it begins as those that are written there do: such a one is made anew.
pub(super) fn refuse_other_kind(target: &Path, opening: &str) -> Result<(), ConvertError> {
    use std::io::Read;
    let mut head = Vec::new();
    let read = fs::File::open(target).and_then(|file| file.take(opening.len() as u64).read_to_end(&mut head));
    match read {
        Ok(_) if head == opening.as_bytes() => Ok(()),
        _ => refuse_taken(target),
    }
}

/// The same file under another name, where the file system can, or else a copy.
pub(super) fn link(from: &Path, to: &Path) -> Result<(), ConvertError> {
    create_parent(to)?;
    // A link's own link leads nowhere from another folder.
    let from = &fs::canonicalize(from).map_err(io_error("read", from))?;
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop)).map_err(io_error("write", to))
}

/// Writes a file in a folder that nobody sees yet.
pub(super) fn write(
    path: &Path,
    content: impl FnOnce(&mut std::io::BufWriter<fs::File>) -> std::io::Result<()>,
) -> Result<(), ConvertError> {
    create_parent(path)?;
    let written = fs::File::create(path).and_then(|file| {
        let mut out = std::io::BufWriter::new(file);
        content(&mut out)?;
        out.into_inner().map(drop).map_err(std::io::IntoInnerError::into_error)
    });
    written.map_err(io_error("write", path))
}

fn create_parent(path: &Path) -> Result<(), ConvertError> {
    let parent = path.parent().unwrap_or(path);
    fs::create_dir_all(parent).map_err(io_error("create", parent))
}
