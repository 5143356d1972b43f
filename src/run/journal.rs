//! `detections.jsonl`: a line a photo, written as it happens and read back by whoever goes on with a run.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files;
use crate::photo::Exif;
use coco_eval::{ResultId, Rle};

/// One line: what was found in a photo, or why it failed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum JournalRow {
    /// A photo that was looked at.
    Found(FoundPhoto),
    /// A photo that failed.
    Failed(FailedPhoto),
}

/// A photo that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundPhoto {
    /// Its id in all results.
    pub image_id: ResultId,
    /// Its name, with `/` between parts.
    pub file: String,
    /// Width of the upright photo in pixels.
    pub width: u32,
    /// Height of the upright photo in pixels.
    pub height: u32,
    /// Its grey values have more than 8 bits and were cut off, so that it may be nearly white or black.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub clipped: bool,
    /// When, where and with what it was taken, where the run was asked for it and the photo says it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exif: Option<Exif>,
    /// By falling score.
    pub detections: Vec<ResultItem>,
    /// Why there is no picture of it, where there should be one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Failure>,
}

/// A photo that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailedPhoto {
    /// Its id in all results.
    pub image_id: ResultId,
    /// Its name, with `/` between parts.
    pub file: String,
    /// Why.
    pub error: Failure,
}

/// One detection as results hold it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultItem {
    /// Id of its class.
    pub category_id: ResultId,
    /// Name of its class.
    pub label: String,
    /// 0 to 1.
    pub score: f32,
    /// x1, y1, x2, y2 in the photo's pixels.
    pub r#box: [f32; 4],
    /// Its pixels in the photo, where the model gives masks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mask: Option<Rle>,
}

/// Why a photo failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// A word for programs, such as `truncated`.
    pub kind: String,
    /// `decode`, `prepare`, `infer` or `write`.
    pub stage: String,
    /// A sentence for people.
    pub detail: String,
}

/// Kinds of failures that lie in the machine, not in the photo: an unmounted share, permissions, memory.
const MAY_PASS: [&str; 4] = ["unreadable", "session", "out_of_memory", "unwritable"];

impl Failure {
    /// Whether another try may go well without another photo or other options.
    pub fn may_pass(&self) -> bool {
        may_pass(&self.kind)
    }
}

/// Whether failures of a kind may go well at another try.
pub(super) fn may_pass(kind: &str) -> bool {
    MAY_PASS.contains(&kind)
}

impl JournalRow {
    /// What failed in it: the photo, or its picture alone.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            JournalRow::Found(row) => row.error.as_ref(),
            JournalRow::Failed(row) => Some(&row.error),
        }
    }

    pub(super) fn set_image_id(&mut self, id: ResultId) {
        match self {
            JournalRow::Found(row) => row.image_id = id,
            JournalRow::Failed(row) => row.image_id = id,
        }
    }

    /// Its photo's id.
    pub fn image_id(&self) -> &ResultId {
        match self {
            JournalRow::Found(row) => &row.image_id,
            JournalRow::Failed(row) => &row.image_id,
        }
    }

    /// Its photo's name.
    pub fn file(&self) -> &str {
        match self {
            JournalRow::Found(row) => &row.file,
            JournalRow::Failed(row) => &row.file,
        }
    }
}

/// Appends whole lines.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    end: u64,
}

impl Journal {
    /// Opens a journal, made where there is none, and keeps other runs out of it until it is dropped; one that
    /// another run has open is an error of the kind `WouldBlock`. Nothing is written before [`Journal::cut`].
    pub(super) fn open(path: &Path) -> io::Result<Journal> {
        // Whoever opens a pipe may wait for ever, and what a device takes cannot be read back.
        if std::fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            return Err(io::Error::other("it is there and no regular file"));
        }
        loop {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
            // A lock of Windows would keep out whoever reads along, too; some file systems have no locks, which is no
            // error.
            if !cfg!(windows) && matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let journal = Journal { path: path.to_owned(), file, end: 0 };
            // Whoever had it has put another in its place, and is gone.
            if journal.is_in_place() {
                return Ok(journal);
            }
        }
    }

    /// Goes behind the first `keep` bytes; what stands after them goes.
    pub(super) fn cut(&mut self, keep: u64) -> io::Result<()> {
        self.file.set_len(keep)?;
        self.end = self.file.seek(SeekFrom::Start(keep))?;
        Ok(())
    }

    /// A line reaches the file in one piece, so that whoever reads along never sees half of one.
    pub(super) fn write(&mut self, row: &JournalRow) -> io::Result<()> {
        let mut line = serde_json::to_vec(row)?;
        line.push(b'\n');
        self.append(&line)
    }

    /// Whole lines.
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(lines) {
            // Half a line on a full disk; where it cannot be taken back, whoever reads passes it over.
            let _ = self.cut(self.end);
            return Err(error);
        }
        self.end += lines.len() as u64;
        Ok(())
    }

    /// Appends lines of another journal.
    pub(super) fn copy(&mut self, from: &mut File, span: Span) -> io::Result<()> {
        let mut lines = vec![0; span.length];
        from.seek(SeekFrom::Start(span.start))?;
        from.read_exact(&mut lines)?;
        self.append(&lines)
    }

    /// Bytes of whole lines.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Takes the place of another journal, whole and at once.
    pub(super) fn replace(&mut self, path: &Path) -> io::Result<()> {
        self.sync()?;
        std::fs::rename(&self.path, path)?;
        self.path = path.to_owned();
        Ok(())
    }

    /// Whether the file is still there, and no other in its place.
    pub(super) fn is_in_place(&self) -> bool {
        self.path.is_file() && !is_removed(&self.file)
    }
}

#[cfg(unix)]
fn is_removed(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    file.metadata().is_ok_and(|file| file.nlink() == 0)
}

/// Windows lets nobody remove a file that is open.
#[cfg(not(unix))]
fn is_removed(_: &File) -> bool {
    false
}

/// A part of a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: u64,
    pub(super) length: usize,
}

impl Span {
    pub(super) fn end(self) -> u64 {
        self.start + self.length as u64
    }
}

/// Reads a journal row by row, up to a line that is not whole.
pub(crate) fn rows(path: &Path) -> io::Result<JournalRows> {
    Ok(JournalRows { lines: BufReader::new(files::open(path)?), good_bytes: 0, line: Vec::new() })
}

/// The rows of a journal.
pub(crate) struct JournalRows {
    lines: BufReader<File>,
    good_bytes: u64,
    line: Vec<u8>,
}

impl JournalRows {
    /// The row that was read last, if it was one.
    pub(super) fn span(&self) -> Span {
        Span { start: self.good_bytes - self.line.len() as u64, length: self.line.len() }
    }
}

impl Iterator for JournalRows {
    type Item = io::Result<JournalRow>;

    fn next(&mut self) -> Option<io::Result<JournalRow>> {
        self.line.clear();
        match self.lines.read_until(b'\n', &mut self.line) {
            Err(error) => Some(Err(error)),
            // Killed while it wrote: the line is done again.
            Ok(_) if self.line.last() != Some(&b'\n') => None,
            Ok(length) => {
                let row = serde_json::from_slice(&self.line).map_err(io::Error::other);
                if row.is_ok() {
                    self.good_bytes += length as u64;
                }
                Some(row)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> JournalRow {
        JournalRow::Found(FoundPhoto {
            image_id: 7.into(),
            file: "a/b.jpg".into(),
            width: 640,
            height: 480,
            clipped: false,
            exif: None,
            detections: vec![ResultItem {
                category_id: 4.into(),
                label: "bolt".into(),
                score: 0.9731,
                r#box: [1.0, 2.5, 0.1, 1e-7],
                mask: None,
            }],
            error: None,
        })
    }

    #[test]
    fn a_line_looks_as_documented() {
        let line = serde_json::to_string(&row()).unwrap();
        assert_eq!(
            line,
            r#"{"image_id":7,"file":"a/b.jpg","width":640,"height":480,"detections":[{"category_id":4,"label":"bolt","score":0.9731,"box":[1.0,2.5,0.1,1e-7]}]}"#
        );
        let mut masked = row();
        if let JournalRow::Found(found) = &mut masked {
            // pycocotools' text for a mask of 22 x 23 whose first pixel is set.
            found.detections[0].mask = Some(Rle::new(22, 23, vec![0, 1, 505]));
        }
        let line = serde_json::to_string(&masked).unwrap();
        assert!(
            line.contains(r#""box":[1.0,2.5,0.1,1e-7],"mask":{"size":[22,23],"counts":"01i?"}}]"#),
            "{line}"
        );
        assert_eq!(serde_json::from_str::<JournalRow>(&line).unwrap(), masked);
        let failed = JournalRow::Failed(FailedPhoto {
            image_id: 8.into(),
            file: "a/c.jpg".into(),
            error: Failure { kind: "truncated".into(), stage: "decode".into(), detail: "…".into() },
        });
        assert_eq!(
            serde_json::to_string(&failed).unwrap(),
            r#"{"image_id":8,"file":"a/c.jpg","error":{"kind":"truncated","stage":"decode","detail":"…"}}"#
        );
    }

    #[test]
    fn half_a_line_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("detections.jsonl");
        let mut journal = Journal::open(&path).unwrap();
        journal.cut(0).unwrap();
        journal.write(&row()).unwrap();
        journal.write(&row()).unwrap();
        drop(journal);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let mut found = rows(&path).unwrap();
        assert_eq!(found.next().unwrap().unwrap(), row());
        assert_eq!(found.span(), Span { start: 0, length: whole.len() / 2 });
        assert!(found.next().is_none());
        let mut journal = Journal::open(&path).unwrap();
        journal.cut(whole.len() as u64 / 2).unwrap();
        journal.write(&row()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }
}
