//! What an earlier start has left of a run: which of its rows stand for these photos, which photos are still to do.
//!
//! A row stands while its photo is among the photos, its file is the one that it was, and its picture is there.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::folder::{remove, remove_picture};
use super::journal::{self, Journal, JournalRow, Span};
use super::pictures::Pictures;
use super::places::Places;
use super::record::Record;
use super::stamps::{self, Stamp};
use super::{RunError, RunOptions, Task};
use crate::photo::DecodeErrorKind;

/// Rows that are being put between others (`fill.rs`); a run that was killed leaves them.
pub(super) const FILLED: &str = ".rcnn-detections.jsonl";
/// The rows that stand, on their way into the journal's place.
const STANDING: &str = ".rcnn-standing.jsonl";

/// What is to do.
pub(super) struct ResumePlan {
    /// For each photo its row in the journal, if it has one.
    pub(super) rows: Vec<Option<KeptRow>>,
    /// What a person should know.
    pub(super) warnings: Vec<String>,
}

/// A row that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct KeptRow {
    pub(super) span: Span,
    /// It tells of a failure.
    pub(super) failed: bool,
    /// The photo is tried again all the same.
    pub(super) again: bool,
}

impl ResumePlan {
    /// All photos are to do.
    pub(super) fn fresh(photos: usize) -> ResumePlan {
        ResumePlan { rows: vec![None; photos], warnings: Vec::new() }
    }

    /// Places of the photos that are to do, in order.
    pub(super) fn to_do(&self) -> Vec<usize> {
        let places = self.rows.iter().zip(0..);
        places.filter(|(row, _)| row.is_none_or(|row| row.again)).map(|(_, place)| place).collect()
    }
}

/// Finds out what is to do, and leaves in the journal the rows that stand: in the photos' order, with their ids.
pub(super) fn earlier(
    options: &RunOptions,
    record: &Record,
    tasks: &[Task],
    stamps: &[Option<Stamp>],
    pictures: &Pictures,
    journal: &mut Journal,
) -> Result<ResumePlan, RunError> {
    let out = &options.out;
    let path = out.join("detections.jsonl");
    let other = |difference: String| RunError::OtherRun { folder: out.clone(), difference };
    let Some((_, settings)) = Record::read(&out.join("run.json")) else {
        // Made just now, or by a run that came no further than that.
        let empty = fs::metadata(&path).is_ok_and(|journal| journal.len() == 0);
        return if empty {
            Ok(ResumePlan::fresh(tasks.len()))
        } else {
            Err(other("no readable run.json".into()))
        };
    };
    if let Some(difference) = record.settings.difference(&settings) {
        return Err(other(difference));
    }
    let mut places = Places::new(tasks);
    let recorded = stamps::recorded(out, &mut places, tasks.len());
    let mut left = Left::read(out, tasks, &mut places)?;
    if let Some(difference) = left.other_photos(record) {
        return Err(other(difference));
    }
    left.drop_changed(tasks, &recorded, stamps);
    if options.draw_score.is_some() {
        left.drop_without_picture(tasks, pictures);
        left.remove_pictures(out, tasks, pictures)?;
    }
    let warnings = left.warnings();
    let spans = left.settle(out, tasks, journal)?;
    let kept = |(row, span): (&Option<LeftRow>, Option<Span>)| {
        let (row, span) = (row.as_ref()?, span?);
        let again = row.end == RowEnd::MayPass || row.end == RowEnd::Failed && options.retry_failed;
        Some(KeptRow { span, failed: row.end != RowEnd::Done, again })
    };
    Ok(ResumePlan { rows: left.rows.iter().zip(spans).map(kept).collect(), warnings })
}

/// How a row says that its photo ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RowEnd {
    Done,
    Failed,
    MayPass,
}

/// A row that an earlier start has left.
#[derive(Clone, Copy)]
struct LeftRow {
    /// Place of its file among those that are read.
    file: usize,
    span: Span,
    end: RowEnd,
    /// There should be a picture.
    has_picture: bool,
    /// Its photo has another id by now.
    renumbered: bool,
}

/// All rows that an earlier start has left.
struct Left {
    files: Vec<PathBuf>,
    rows: Vec<Option<LeftRow>>,
    /// Names of photos that are not among these.
    gone: Vec<String>,
    /// Names of photos whose files have changed.
    changed: Vec<String>,
    /// Names of photos whose pictures are missing.
    without_picture: Vec<String>,
    /// A row is none.
    broken: bool,
}

impl Left {
    fn read(out: &Path, tasks: &[Task], places: &mut Places<'_>) -> Result<Left, RunError> {
        let files = ["detections.jsonl", FILLED].map(|name| out.join(name)).to_vec();
        let rows = vec![None; tasks.len()];
        let (gone, changed, without_picture) = (Vec::new(), Vec::new(), Vec::new());
        let mut left = Left { files, rows, gone, changed, without_picture, broken: false };
        for file in 0..left.files.len() {
            let path = left.files[file].clone();
            let mut rows = match journal::rows(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                rows => rows.map_err(RunError::io("read", &path))?,
            };
            places.rewind();
            while let Some(row) = rows.next() {
                match row {
                    Ok(row) => left.add(file, &row, rows.span(), tasks, places),
                    Err(_) => {
                        left.broken = true;
                        break;
                    }
                }
            }
        }
        Ok(left)
    }

    fn add(&mut self, file: usize, row: &JournalRow, span: Span, tasks: &[Task], places: &mut Places<'_>) {
        let Some(place) = places.find(row.file()) else {
            return self.gone.push(row.file().to_owned());
        };
        let end = match row.failure() {
            None => RowEnd::Done,
            // The header tells at once, and there may be more memory now.
            Some(failure) if failure.may_pass() || failure.kind == DecodeErrorKind::TooLarge.as_str() => {
                RowEnd::MayPass
            }
            Some(_) => RowEnd::Failed,
        };
        let has_picture = matches!(row, JournalRow::Found(_)) && end == RowEnd::Done;
        let renumbered = *row.image_id() != tasks[place].image_id;
        self.rows[place] = Some(LeftRow { file, span, end, has_picture, renumbered });
    }

    /// In what the photos differ so much that another run must be meant. Photos in folders that cannot be read now are
    /// not gone.
    fn other_photos(&self, record: &Record) -> Option<String> {
        let stand = self.rows.iter().flatten().count();
        let refused = self.gone.len() > stand || !record.unread.is_empty();
        let first = self.gone.first().filter(|_| refused)?;
        Some(format!("other photos (such as `{}`)", first.escape_debug()))
    }

    fn drop_changed(&mut self, tasks: &[Task], recorded: &[Option<Option<Stamp>>], stamps: &[Option<Stamp>]) {
        for (place, row) in self.rows.iter_mut().enumerate() {
            // What was done is not lost when its file cannot be seen now.
            let changed =
                recorded[place].is_some_and(|before| stamps[place].is_some() && before != stamps[place]);
            if row.is_some() && changed {
                *row = None;
                self.changed.push(tasks[place].entry.name.clone());
            }
        }
    }

    fn drop_without_picture(&mut self, tasks: &[Task], pictures: &Pictures) {
        let is_missing = |(row, task): (&Option<LeftRow>, &Task)| {
            let there = || fs::metadata(pictures.path(&task.entry.name));
            row.is_some_and(|row| row.has_picture)
                && !there().is_ok_and(|file| file.is_file() && file.len() > 0)
        };
        let missing: Vec<bool> = self.rows.par_iter().zip(tasks).map(is_missing).collect();
        for ((row, task), _) in self.rows.iter_mut().zip(tasks).zip(missing).filter(|(_, missing)| *missing) {
            *row = None;
            self.without_picture.push(task.entry.name.clone());
        }
    }

    /// Removes pictures of rows that stand no more.
    fn remove_pictures(&self, out: &Path, tasks: &[Task], pictures: &Pictures) -> Result<(), RunError> {
        let mut names = self.gone.iter().chain(&self.changed).chain(&self.without_picture).peekable();
        if names.peek().is_none() {
            return Ok(());
        }
        let before = Pictures::recorded(out);
        let mut paths: HashSet<PathBuf> = names.filter_map(|name| before.below(name)).collect();
        for (task, _) in tasks.iter().zip(&self.rows).filter(|(_, row)| row.is_some()) {
            paths.remove(&pictures.path(&task.entry.name));
        }
        paths.iter().try_for_each(|path| remove_picture(out, path))
    }

    fn warnings(&self) -> Vec<String> {
        let photos = |count: usize, one: &str, more: &str| match count {
            0 => None,
            1 => Some(one.to_owned()),
            count => Some(format!("{count} {more}")),
        };
        let mut warnings = Vec::new();
        warnings.extend(photos(
            self.gone.len(),
            "1 photo of the earlier start is not among these: its row is left out",
            "photos of the earlier start are not among these: their rows are left out",
        ));
        warnings.extend(photos(
            self.changed.len(),
            "1 photo has changed since the earlier start and is done again",
            "photos have changed since the earlier start and are done again",
        ));
        warnings.extend(photos(
            self.without_picture.len(),
            "1 photo has no picture any more and is done again",
            "photos have no pictures any more and are done again",
        ));
        if self.broken {
            warnings.push(
                "a row of detections.jsonl cannot be read: it and those behind it are done again".into(),
            );
        }
        warnings
    }

    /// Brings the rows into the journal, and tells where they are.
    fn settle(
        &self,
        out: &Path,
        tasks: &[Task],
        journal: &mut Journal,
    ) -> Result<Vec<Option<Span>>, RunError> {
        let path = out.join("detections.jsonl");
        let mut end = 0;
        let in_order = self.rows.iter().flatten().all(|row| {
            let follows = row.file == 0 && row.span.start == end && !row.renumbered;
            end += row.span.length as u64;
            follows
        });
        let spans = if in_order {
            journal.cut(end).and_then(|()| journal.sync()).map_err(RunError::io("write", &path))?;
            self.rows.iter().map(|row| row.map(|row| row.span)).collect()
        } else {
            let fresh = out.join(STANDING);
            let (standing, spans) = self.write(&fresh, tasks).map_err(RunError::io("write", &fresh))?;
            *journal = standing;
            journal.replace(&path).map_err(RunError::io("write", &path))?;
            spans
        };
        remove(&out.join(STANDING))?;
        remove(&out.join(FILLED))?;
        Ok(spans)
    }

    fn write(&self, path: &Path, tasks: &[Task]) -> io::Result<(Journal, Vec<Option<Span>>)> {
        let mut journal = Journal::open(path)?;
        journal.cut(0)?;
        let mut files: Vec<Option<File>> = self.files.iter().map(|path| File::open(path).ok()).collect();
        let mut spans = Vec::with_capacity(self.rows.len());
        for (row, task) in self.rows.iter().zip(tasks) {
            let Some((row, file)) = row.as_ref().and_then(|row| Some((row, files[row.file].as_mut()?)))
            else {
                spans.push(None);
                continue;
            };
            let start = journal.end();
            if row.renumbered {
                let mut line = vec![0; row.span.length];
                file.seek(SeekFrom::Start(row.span.start))?;
                file.read_exact(&mut line)?;
                let mut row: JournalRow = serde_json::from_slice(&line)?;
                row.set_image_id(task.image_id.clone());
                journal.write(&row)?;
            } else {
                journal.copy(file, row.span)?;
            }
            spans.push(Some(Span { start, length: (journal.end() - start) as usize }));
        }
        Ok((journal, spans))
    }
}
