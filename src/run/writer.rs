//! The thread that writes rows. A row says that its picture is there, so the picture reaches the disk first: in groups,
//! as a disk takes about as long for many as for one.

use std::collections::BTreeSet;
#[cfg(unix)]
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread::Builder;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;

use super::RunError;
use super::fill::Fill;
use super::journal::JournalRow;
use super::pictures::Pictures;

/// From one group's beginning to the next one's, unless there are no more rows.
const PAUSE: Duration = Duration::from_millis(500);
/// Most rows that wait for the disk.
pub(super) const WAITING: usize = 1024;
/// Pictures that are brought to the disk at once: a file system joins what it is asked for at the same time.
const AT_ONCE: usize = 4;

/// Writes rows as they come, with the places of their photos; with pictures, after these. Ends when there are no more.
pub(super) fn write(
    queue: &Receiver<(usize, JournalRow)>,
    rows: &mut Fill,
    pictures: Option<&Pictures>,
    out: &Path,
) -> Result<(), RunError> {
    let path = out.join("detections.jsonl");
    let mut due = Instant::now();
    while let Ok(first) = queue.recv() {
        let mut group = vec![first];
        if let Some(pictures) = pictures {
            // The end of the rows ends the wait as well.
            while group.len() < WAITING
                && let Ok(row) = queue.recv_deadline(due)
            {
                group.push(row);
            }
            due = Instant::now() + PAUSE;
            let drawn = |row: &JournalRow| matches!(row, JournalRow::Found(found) if found.error.is_none());
            let drawn = group.iter().filter(|(_, row)| drawn(row));
            let paths: Vec<PathBuf> = drawn.map(|(_, row)| pictures.path(row.file())).collect();
            bring_to_disk(&paths).map_err(RunError::io("bring to the disk the pictures in", out))?;
        }
        for (place, row) in &group {
            // A file that has been removed takes rows, too.
            if !rows.is_in_place() {
                return Err(RunError::Removed(out.to_owned()));
            }
            rows.write(*place, row).map_err(RunError::io("write", &path))?;
        }
    }
    Ok(())
}

/// Waits until files, and their names in their folders, are on the disk.
fn bring_to_disk(paths: &[PathBuf]) -> io::Result<()> {
    let settle = |paths: &[PathBuf]| {
        paths.iter().try_for_each(|path| OpenOptions::new().write(true).open(path)?.sync_all())
    };
    std::thread::scope(|scope| {
        let share = paths.len().div_ceil(AT_ONCE).max(1);
        let mut threads = Vec::new();
        for paths in paths.chunks(share) {
            match Builder::new().spawn_scoped(scope, move || settle(paths)) {
                Ok(thread) => threads.push(thread),
                // Where the system gives no thread, this one does the work.
                Err(_) => settle(paths)?,
            }
        }
        threads.into_iter().try_for_each(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })?;
    let folders: BTreeSet<&Path> = paths.iter().filter_map(|path| path.parent()).collect();
    folders.into_iter().try_for_each(settle_folder)
}

#[cfg(unix)]
fn settle_folder(folder: &Path) -> io::Result<()> {
    match File::open(folder)?.sync_all() {
        // Some file systems have nothing to bring to the disk for a folder.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        outcome => outcome,
    }
}

/// Windows opens no folders as files.
#[cfg(not(unix))]
fn settle_folder(_: &Path) -> io::Result<()> {
    Ok(())
}
