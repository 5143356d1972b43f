//! Photos by the class of their best detection, as links: the photos stay where they are.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use super::folder::ExportFolder;
use super::{ExportError, Source, class_folders};
use crate::photo;
use crate::run::{Exported, JournalRow, ResultItem};

/// Where photos go in which nothing is shown.
const NOTHING: &str = "nothing found";

/// Links every photo that did not fail into the folder of the class of its best detection, if that is shown.
pub(super) fn write(
    source: &Source<'_>,
    root: &Path,
    key: &str,
    watch: &mut dyn FnMut(&'static str, usize),
) -> Result<Exported, ExportError> {
    ExportFolder::fill("links to photos", root, key, |folder| fill(source, folder, watch))
}

fn fill(
    source: &Source<'_>,
    folder: &mut ExportFolder,
    watch: &mut dyn FnMut(&'static str, usize),
) -> Result<bool, ExportError> {
    let names = class_folders::names(source.classes);
    let folders: HashMap<_, &str> =
        source.classes.iter().map(|class| &class.id).zip(names.iter().map(String::as_str)).collect();
    let paths: HashMap<&str, &Path> =
        source.tasks.iter().map(|task| (task.entry.name.as_str(), task.entry.path.as_path())).collect();
    for (done, row) in source.rows()?.enumerate() {
        if source.is_stopped() {
            return Ok(false);
        }
        watch("links", done + 1);
        let JournalRow::Found(found) = row? else { continue };
        let drawn = found.detections.iter().filter(|item| item.score >= source.shown_from());
        let best = drawn.max_by(|a: &&ResultItem, b| a.score.total_cmp(&b.score));
        let class = best.map_or(Some(NOTHING), |item| folders.get(&item.category_id).copied());
        let (Some(class), Some(path)) = (class, paths.get(found.file.as_str())) else { continue };
        let name = format!("{class}/{}", photo::cleaned(Path::new(&found.file)));
        folder.add(&name, |link| lead(link, path))?;
    }
    Ok(true)
}

/// Makes a link that leads to a photo, wherever it is read from.
#[cfg(unix)]
fn lead(link: &Path, photo: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(std::fs::canonicalize(photo)?, link)
}

/// Elsewhere a link of the usual kind needs rights that users do not have: the same file under another name, or a copy.
#[cfg(not(unix))]
fn lead(link: &Path, photo: &Path) -> io::Result<()> {
    std::fs::hard_link(photo, link).or_else(|_| std::fs::copy(photo, link).map(drop))
}
