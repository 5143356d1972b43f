//! Detections as one table: a row a detection, one for each photo without any, and one for each that failed.

use std::io;
use std::path::Path;

use super::{ExportError, Source};
use crate::run::{Exported, JournalRow, ResultItem};
use coco_eval::Rle;

/// The columns, in order. Boxes are edges in the photo's own pixels, from its upper left corner; a mask is the text of its COCO run
/// lengths (`counts`), and its size is the photo's.
pub(super) const COLUMNS: [&str; 13] = [
    "file",
    "image_id",
    "width",
    "height",
    "category_id",
    "label",
    "score",
    "x1",
    "y1",
    "x2",
    "y2",
    "error",
    "mask",
];

/// Writes the table as CSV, whole or not at all. Numbers are the shortest that read back as the same float32.
pub(super) fn csv(source: &Source<'_>, path: &Path) -> Result<Exported, ExportError> {
    source.table(path, |out, rows| {
        let mut table = csv::Writer::from_writer(out);
        table.write_record(COLUMNS)?;
        let mut written = 0;
        for row in rows {
            written += write_row(&mut table, &row)?;
        }
        table.flush()?;
        Ok(written)
    })
}

fn write_row(table: &mut csv::Writer<impl io::Write>, row: &JournalRow) -> io::Result<usize> {
    let id = row.image_id().to_string();
    let found = match row {
        JournalRow::Found(found) => found,
        JournalRow::Failed(failed) => {
            let kind = failed.error.kind.as_str();
            table.write_record([&failed.file, &id, "", "", "", "", "", "", "", "", "", kind, ""])?;
            return Ok(1);
        }
    };
    let (width, height) = (found.width.to_string(), found.height.to_string());
    if found.detections.is_empty() {
        table.write_record([&found.file, &id, &width, &height, "", "", "", "", "", "", "", "", ""])?;
    }
    for ResultItem { category_id, label, score, r#box, mask, .. } in &found.detections {
        let mask = mask.as_ref().map(Rle::text).unwrap_or_default();
        let (category, score, [x1, y1, x2, y2]) =
            (category_id.to_string(), score.to_string(), r#box.map(|edge| edge.to_string()));
        let row =
            [&found.file, &id, &width, &height, &category, label, &score, &x1, &y1, &x2, &y2, "", &mask];
        table.write_record(row)?;
    }
    Ok(found.detections.len().max(1))
}
