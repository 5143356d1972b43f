//! What the folder of the results holds before a run: photos that must not be replaced, files that no run wrote, and
//! what an earlier run has left to go on with or to clear away.

use std::fs;
use std::io;
use std::path::{Component, Path};

use super::journal::{self, Journal, Row};
use super::picture::Pictures;
use super::record::{Counts, Record, State};
use super::{Error, Options, Task};

/// What a run leaves beside its journal.
const BESIDE_JOURNAL: [&str; 4] = ["detections.json", "images.json", "annotated", "run.json"];

/// Refuses photos that lie where the run's pictures go: they would be replaced.
pub(super) fn refuse_photos_inside(tasks: &[Task], options: &Options) -> Result<(), Error> {
    if options.draw_score.is_none() && !options.overwrite {
        return Ok(());
    }
    let folder = options.out.join("annotated");
    // Where there is no such folder yet, no photo lies in it.
    let Ok(place) = fs::canonicalize(&folder) else { return Ok(()) };
    let inside = |task: &&Task| fs::canonicalize(&task.entry.path).is_ok_and(|path| path.starts_with(&place));
    match tasks.iter().find(inside) {
        Some(task) => Err(Error::PhotoInside { photo: task.entry.path.clone(), folder }),
        None => Ok(()),
    }
}

/// Refuses a folder with files of the names that a run writes, where no run wrote them.
pub(super) fn refuse_foreign(out: &Path) -> Result<(), Error> {
    let journal = fs::metadata(out.join("detections.jsonl"));
    if journal.as_ref().is_ok_and(|journal| journal.len() > 0) {
        return Ok(());
    }
    let Some(name) = BESIDE_JOURNAL.into_iter().find(|name| is_there(out, name)) else { return Ok(()) };
    // A run that was stopped before its first row: one that was killed may have come to a picture, not to results.
    let stopped = Record::read(&out.join("run.json")).is_some_and(|(state, _)| {
        journal.is_ok() || state == State::Running && ["annotated", "run.json"].contains(&name)
    });
    if stopped { Ok(()) } else { Err(Error::Foreign(out.join(name))) }
}

/// Refuses a folder in which any run, or anything else, has left files of the names that a run writes.
pub(super) fn refuse_anything(out: &Path) -> Result<(), Error> {
    match ["detections.jsonl"].into_iter().chain(BESIDE_JOURNAL).find(|name| is_there(out, name)) {
        Some(name) => Err(Error::Taken(out.join(name))),
        None => Ok(()),
    }
}

fn is_there(out: &Path, name: &str) -> bool {
    fs::symlink_metadata(out.join(name)).is_ok()
}

/// Bytes and counts of what an earlier start of this run has done; its first failures go into the record.
pub(super) fn earlier(out: &Path, record: &mut Record, tasks: &[Task]) -> Result<(u64, Counts), Error> {
    let path = out.join("detections.jsonl");
    let mut counts = Counts::default();
    let mut rows = journal::rows(&path).map_err(Error::io("read", &path))?;
    let other = |difference: String| Error::OtherRun { folder: out.to_owned(), difference };
    let Some((_, settings)) = Record::read(&out.join("run.json")) else {
        // Made just now, or by a run that came no further than that.
        let empty = fs::metadata(&path).is_ok_and(|journal| journal.len() == 0);
        return if empty { Ok((0, counts)) } else { Err(other("no readable run.json".into())) };
    };
    if let Some(difference) = record.settings.difference(&settings) {
        return Err(other(difference));
    }
    for row in rows.by_ref() {
        let Ok(row) = row else { break };
        let same = tasks
            .get(counts.photos)
            .is_some_and(|task| task.entry.name == row.file() && task.image_id == *row.image_id());
        if !same {
            return Err(other(format!("other photos (such as `{}`)", row.file().escape_debug())));
        }
        counts.add(&row);
        record.note(&row);
    }
    Ok((rows.good_bytes(), counts))
}

/// Removes what an earlier run wrote, its pictures too. The journal goes first: a run that is killed meanwhile leaves
/// nothing that looks done.
pub(super) fn clear(out: &Path, journal: &mut Journal) -> Result<(), Error> {
    let path = out.join("detections.jsonl");
    let drew = Record::read(&out.join("run.json")).is_some_and(|(_, settings)| settings.draw_score.is_some());
    let rows = journal::rows(&path).map_err(Error::io("read", &path))?;
    let found = rows.map_while(Result::ok).filter(|row| drew && matches!(row, Row::Found(_)));
    let names: Vec<String> = found.map(|row| row.file().to_owned()).collect();
    journal.cut(0).map_err(Error::io("write", &path))?;
    for name in ["detections.json", "images.json"] {
        remove(&out.join(name))?;
    }
    let pictures = Pictures::new(out, names.iter().map(String::as_str));
    names.iter().filter(|name| inside(name)).try_for_each(|name| remove(&pictures.path(name)))
}

/// Whether a photo's name, as a journal has it, leads nowhere but into the pictures' folder.
pub(super) fn inside(name: &str) -> bool {
    Path::new(name).components().all(|part| matches!(part, Component::Normal(_)))
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), Error> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}
