//! What the folder of the results holds before a run: photos that must not be replaced, files that no run wrote, and
//! what an earlier run has left to go on with or to clear away.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use super::journal::{self, Journal, JournalRow};
use super::pictures::{self, Pictures};
use super::record::{Record, RunState};
use super::{RunError, RunOptions, Task, plan, stamps};
use crate::atomic;

/// What a run leaves beside its journal.
const BESIDE_JOURNAL: [&str; 5] =
    ["detections.json", "images.json", pictures::FOLDER, "run.json", stamps::FILE];

/// Why a folder is not that of a run.
#[derive(Debug, thiserror::Error)]
pub enum NotARun {
    /// It lacks a file.
    #[error("`{}` is no run's folder: it has no `{name}`", folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// What it lacks.
        name: &'static str,
    },
    /// One of its files cannot be read, or is something else.
    #[error("`{}` is not what a run leaves: {cause}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

impl NotARun {
    /// What becomes of the error of one file of a folder.
    pub(crate) fn of(folder: &Path, name: &'static str) -> impl FnOnce(io::Error) -> NotARun + use<> {
        let folder = folder.to_owned();
        move |cause| match cause.kind() {
            io::ErrorKind::NotFound if folder.is_dir() => NotARun::Missing { folder, name },
            _ => NotARun::Unreadable { file: folder.join(name), cause },
        }
    }
}

/// Refuses photos that lie where the run's pictures go: they would be replaced.
pub(super) fn refuse_photos_inside(tasks: &[Task], options: &RunOptions) -> Result<(), RunError> {
    if options.draw_score.is_none() && !options.overwrite {
        return Ok(());
    }
    let folder = options.out.join(pictures::FOLDER);
    // Where there is no such folder yet, no photo lies in it.
    let Ok(place) = fs::canonicalize(&folder) else { return Ok(()) };
    let inside = |task: &&Task| fs::canonicalize(&task.entry.path).is_ok_and(|path| path.starts_with(&place));
    match tasks.iter().find(inside) {
        Some(task) => Err(RunError::PhotoInside { photo: task.entry.path.clone(), folder }),
        None => Ok(()),
    }
}

/// Refuses a folder with files of the names that a run writes, where no run wrote them.
pub(super) fn refuse_foreign(out: &Path) -> Result<(), RunError> {
    let journal = fs::metadata(out.join("detections.jsonl"));
    if journal.as_ref().is_ok_and(|journal| journal.len() > 0) {
        return Ok(());
    }
    let Some(name) = BESIDE_JOURNAL.into_iter().find(|name| is_there(out, name)) else { return Ok(()) };
    // A run that was stopped before its first row: one that was killed may have come to a picture, not to results.
    let stopped = Record::read(&out.join("run.json")).is_some_and(|(state, _)| {
        journal.is_ok()
            || state == RunState::Running && [pictures::FOLDER, "run.json", stamps::FILE].contains(&name)
    });
    if stopped { Ok(()) } else { Err(RunError::Foreign(out.join(name))) }
}

/// Refuses a folder in which any run, or anything else, has left files of the names that a run writes.
pub(super) fn refuse_anything(out: &Path) -> Result<(), RunError> {
    match ["detections.jsonl"].into_iter().chain(BESIDE_JOURNAL).find(|name| is_there(out, name)) {
        Some(name) => Err(RunError::Taken(out.join(name))),
        None => Ok(()),
    }
}

fn is_there(out: &Path, name: &str) -> bool {
    fs::symlink_metadata(out.join(name)).is_ok()
}

/// Removes what an earlier run wrote, its pictures too. The journal goes first: a run that is killed meanwhile leaves
/// nothing that looks done.
pub(super) fn clear(out: &Path, journal: &mut Journal) -> Result<(), RunError> {
    let path = out.join("detections.jsonl");
    let drew = Record::read(&out.join("run.json")).is_some_and(|(_, settings)| settings.draw_score.is_some());
    let rows = journal::rows(&path).map_err(RunError::io("read", &path))?;
    let found = rows.map_while(Result::ok).filter(|row| drew && matches!(row, JournalRow::Found(_)));
    let names: Vec<String> = found.map(|row| row.file().to_owned()).collect();
    let pictures = Pictures::recorded(out);
    journal.cut(0).map_err(RunError::io("write", &path))?;
    for name in ["detections.json", "images.json", plan::FILLED] {
        remove(&out.join(name))?;
    }
    names.iter().filter_map(|name| pictures.below(name)).try_for_each(|path| remove_picture(out, &path))?;
    remove(&out.join(stamps::FILE))
}

/// Removes what a run that was killed had half written.
pub(super) fn remove_strays(out: &Path) -> Result<(), RunError> {
    let pictures = WalkDir::new(out.join(pictures::FOLDER)).into_iter().flatten();
    let files = WalkDir::new(out).max_depth(1).into_iter().flatten().chain(pictures);
    let strays =
        files.filter(|entry| entry.file_type().is_file() && atomic::is_half_written(entry.file_name()));
    strays.into_iter().try_for_each(|entry| remove(entry.path()))
}

/// Removes a picture, and the folders that it leaves empty, as another picture may be called so.
pub(super) fn remove_picture(out: &Path, path: &Path) -> Result<(), RunError> {
    if path.is_dir() {
        return Ok(());
    }
    remove(path)?;
    let folder = out.join(pictures::FOLDER);
    let mut above = path.ancestors().skip(1).take_while(|above| *above != folder);
    // One that is not empty stays, with all above it.
    let _ = above.try_for_each(fs::remove_dir);
    Ok(())
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), RunError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(RunError::io("remove", path)(error)),
        _ => Ok(()),
    }
}
