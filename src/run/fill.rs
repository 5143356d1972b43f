//! New rows come behind those that stand in the journal, or between them: then all are written into a file beside it,
//! which takes the journal's place as soon as no row that stands is left to follow.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::journal::{Journal, JournalRow, Span};
use super::plan::{FILLED, KeptRow};

/// Bytes that are copied at once.
const PIECE: usize = 1 << 20;

/// A journal that new rows are written into.
pub(super) struct Fill {
    journal: Journal,
    path: PathBuf,
    between: Option<RowMerge>,
}

/// Rows that stand and new ones, by turns.
struct RowMerge {
    fresh: Journal,
    earlier: File,
    rows: Vec<Option<KeptRow>>,
    /// Place of the first photo whose row is not in `fresh` yet.
    next: usize,
}

impl Fill {
    /// New rows for the photos at `to_do`, where `rows` stand in the journal of the folder.
    pub(super) fn new(
        out: &Path,
        journal: Journal,
        mut rows: Vec<Option<KeptRow>>,
        to_do: &[usize],
    ) -> io::Result<Fill> {
        let path = out.join("detections.jsonl");
        rows.truncate(rows.iter().rposition(Option::is_some).map_or(0, |last| last + 1));
        let between = if to_do.first().is_some_and(|first| *first < rows.len()) {
            let mut fresh = Journal::open(&out.join(FILLED))?;
            fresh.cut(0)?;
            Some(RowMerge { fresh, earlier: File::open(&path)?, rows, next: 0 })
        } else {
            None
        };
        Ok(Fill { journal, path, between })
    }

    /// Writes the row of the photo at a place, above all those before it.
    pub(super) fn write(&mut self, place: usize, row: &JournalRow) -> io::Result<()> {
        let Some(between) = &mut self.between else { return self.journal.write(row) };
        between.copy_up_to(place)?;
        between.fresh.write(row)?;
        between.next = place + 1;
        if between.next >= between.rows.len() { self.finish() } else { Ok(()) }
    }

    /// Rows that stand follow, whether or not all photos between them were done.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if let Some(between) = &mut self.between {
            between.copy_up_to(between.rows.len())?;
            between.fresh.replace(&self.path)?;
        }
        if let Some(between) = self.between.take() {
            self.journal = between.fresh;
        }
        self.journal.sync()
    }

    /// Whether the journal is still where it was.
    pub(super) fn is_in_place(&self) -> bool {
        self.journal.is_in_place()
    }
}

impl RowMerge {
    fn copy_up_to(&mut self, place: usize) -> io::Result<()> {
        let end = place.min(self.rows.len());
        let mut piece: Option<Span> = None;
        for row in self.rows[self.next.min(end)..end].iter().flatten() {
            match &mut piece {
                Some(piece) if piece.end() == row.span.start && piece.length < PIECE => {
                    piece.length += row.span.length;
                }
                _ => {
                    if let Some(whole) = piece.replace(row.span) {
                        self.fresh.copy(&mut self.earlier, whole)?;
                    }
                }
            }
        }
        if let Some(last) = piece {
            self.fresh.copy(&mut self.earlier, last)?;
        }
        self.next = self.next.max(end);
        Ok(())
    }
}
