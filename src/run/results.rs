//! `detections.json` and `images.json`, made from the journal in one pass when a run is over.

use std::io;
use std::path::Path;

use serde::Serialize;

use super::ResultCategory;
use super::journal::{JournalRow, rows};
use crate::atomic;
use crate::geometry::BBox;
use coco_eval::{CategoryEntry, ImageEntry, JsonList, ResultId, Rle};

/// One detection as COCO's results have it.
#[derive(Clone, Serialize)]
pub(crate) struct CocoResult {
    image_id: ResultId,
    category_id: ResultId,
    /// x, y, width, height.
    bbox: [f32; 4],
    score: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    segmentation: Option<Rle>,
}

impl CocoResult {
    /// A box by its corners becomes one by its size.
    pub(crate) fn new(image_id: ResultId, category_id: ResultId, bbox: BBox, score: f32) -> CocoResult {
        let bbox = [bbox.x1, bbox.y1, bbox.width(), bbox.height()];
        CocoResult { image_id, category_id, bbox, score, segmentation: None }
    }

    /// The same with a mask, where there is one.
    pub(crate) fn with_mask(self, mask: Option<Rle>) -> CocoResult {
        CocoResult { segmentation: mask, ..self }
    }
}

/// Writes both files into the folder that holds the journal, each whole or not at all; `see` is shown every row.
pub(super) fn write(
    folder: &Path,
    classes: &[ResultCategory],
    see: &mut dyn FnMut(&JournalRow),
) -> io::Result<()> {
    let journal = folder.join("detections.jsonl");
    atomic::write(&folder.join("detections.json"), |out| {
        let mut list = JsonList::begin(out, "[")?;
        for row in rows(&journal)? {
            let row = row?;
            see(&row);
            let JournalRow::Found(found) = row else { continue };
            for item in found.detections {
                let [x1, y1, x2, y2] = item.r#box;
                let bbox = BBox::new(x1, y1, x2, y2);
                let result = CocoResult::new(found.image_id.clone(), item.category_id, bbox, item.score);
                list.add(&result.with_mask(item.mask))?;
            }
        }
        list.end("]\n")
    })?;
    atomic::write(&folder.join("images.json"), |out| {
        let mut list = JsonList::begin(out, "{\"images\":[")?;
        for row in rows(&journal)? {
            if let JournalRow::Found(found) = row? {
                let (id, file_name) = (found.image_id, found.file.as_str());
                list.add(&ImageEntry { id, file_name, width: found.width, height: found.height })?;
            }
        }
        let categories: Vec<_> =
            classes.iter().map(|class| CategoryEntry { id: &class.id, name: &class.name }).collect();
        list.end(&format!("],\"categories\":{}}}\n", serde_json::to_string(&categories)?))
    })
}
