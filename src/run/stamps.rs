//! `photos.jsonl`: which file each photo of a run was, so that a later start knows those that have changed. Also where
//! pictures have other names than their photos.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::time::UNIX_EPOCH;

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use serde::{Deserialize, Serialize};

use super::Task;
use super::pictures::Pictures;
use super::places::Places;
use crate::atomic;

/// Its name in the folder of results.
pub(super) const FILE: &str = "photos.jsonl";

/// What tells a file from another that has taken its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    bytes: u64,
    /// When it was last written, in nanoseconds since 1970.
    modified: i64,
}

impl Stamp {
    fn of(path: &Path) -> Option<Stamp> {
        let file = fs::metadata(path).ok()?;
        let modified = file.modified().ok()?;
        let modified = match modified.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_nanos()).ok()?,
            Err(before) => -i64::try_from(before.duration().as_nanos()).ok()?,
        };
        Some(Stamp { bytes: file.len(), modified })
    }
}

/// Those of all photos, in order; none where there is no such file.
pub(super) fn now(tasks: &[Task]) -> Vec<Option<Stamp>> {
    // A share answers slowly, but many at once.
    tasks.par_iter().map(|task| Stamp::of(&task.entry.path)).collect()
}

/// A line of the file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct StampLine {
    pub(super) file: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified: Option<i64>,
    /// The picture's name under `annotated/`, where it is not the photo's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) picture: Option<String>,
}

impl StampLine {
    pub(super) fn new(file: &str, stamp: Option<Stamp>, picture: Option<&str>) -> StampLine {
        StampLine {
            file: file.to_owned(),
            bytes: stamp.map(|stamp| stamp.bytes),
            modified: stamp.map(|stamp| stamp.modified),
            picture: picture.map(str::to_owned),
        }
    }

    pub(super) fn stamp(&self) -> Option<Stamp> {
        Some(Stamp { bytes: self.bytes?, modified: self.modified? })
    }
}

/// The lines of a run's file, if it has one.
pub(super) fn lines(out: &Path) -> Option<impl Iterator<Item = io::Result<StampLine>> + use<>> {
    let file = File::open(out.join(FILE)).ok()?;
    let line = |line: io::Result<String>| Ok(serde_json::from_str(&line?)?);
    Some(BufReader::new(file).lines().map(line))
}

/// What an earlier start has recorded for each of the photos: nothing, no file, or a file.
pub(super) fn recorded(out: &Path, places: &mut Places<'_>, photos: usize) -> Vec<Option<Option<Stamp>>> {
    let mut found = vec![None; photos];
    for line in lines(out).into_iter().flatten().map_while(Result::ok) {
        if let Some(place) = places.find(&line.file) {
            found[place] = Some(line.stamp());
        }
    }
    found
}

/// Writes the file for all photos.
pub(super) fn write(
    out: &Path,
    tasks: &[Task],
    stamps: &[Option<Stamp>],
    pictures: &Pictures,
) -> io::Result<()> {
    let lines = tasks.iter().zip(stamps).map(|(task, stamp)| {
        let name = &task.entry.name;
        StampLine::new(name, *stamp, pictures.unusual(name))
    });
    write_lines(out, lines)
}

/// Writes the file.
pub(super) fn write_lines(out: &Path, lines: impl Iterator<Item = StampLine>) -> io::Result<()> {
    atomic::write(&out.join(FILE), |file| {
        for line in lines {
            serde_json::to_writer(&mut *file, &line)?;
            file.write_all(b"\n")?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_looks_as_documented() {
        let stamp = Stamp { bytes: 21592, modified: 1_764_403_920_123_456_789 };
        let text = |line: &StampLine| serde_json::to_string(line).unwrap();
        let line = StampLine::new("a/b.webp", Some(stamp), Some("a/b.webp.jpg.jpg"));
        assert_eq!(
            text(&line),
            r#"{"file":"a/b.webp","bytes":21592,"modified":1764403920123456789,"picture":"a/b.webp.jpg.jpg"}"#
        );
        assert_eq!(serde_json::from_str::<StampLine>(&text(&line)).unwrap().stamp(), Some(stamp));
        assert_eq!(text(&StampLine::new("gone.jpg", None, None)), r#"{"file":"gone.jpg"}"#);
    }

    #[test]
    fn a_file_that_is_written_again_has_another_stamp() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jpg");
        fs::write(&path, "one").unwrap();
        let first = Stamp::of(&path);
        assert!(first.is_some());
        let file = File::options().write(true).open(&path).unwrap();
        file.set_modified(UNIX_EPOCH - std::time::Duration::from_secs(7)).unwrap();
        assert_ne!(Stamp::of(&path), first);
        assert_eq!(Stamp::of(&path), Some(Stamp { bytes: 3, modified: -7_000_000_000 }));
        assert_eq!(Stamp::of(&folder.path().join("b.jpg")), None);
    }
}
