//! `detections.json` and `images.json`, made from the journal in one pass when a run is over.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::Serialize;

use super::journal::{Row, rows};
use crate::atomic;
use crate::family::Class;
use crate::geometry::BBox;

/// One detection as COCO's results have it.
#[derive(Serialize)]
pub(crate) struct CocoResult {
    image_id: u64,
    category_id: u64,
    /// x, y, width, height.
    bbox: [f32; 4],
    score: f32,
}

impl CocoResult {
    /// A box by its corners becomes one by its size.
    pub(crate) fn new(image_id: u64, category_id: u64, bbox: BBox, score: f32) -> CocoResult {
        CocoResult { image_id, category_id, bbox: [bbox.x1, bbox.y1, bbox.width(), bbox.height()], score }
    }
}

#[derive(Serialize)]
struct Image<'a> {
    id: u64,
    file_name: &'a str,
    width: u32,
    height: u32,
}

#[derive(Serialize)]
struct Category<'a> {
    id: u64,
    name: &'a str,
}

/// Writes both files into the folder that holds the journal, each whole or not at all.
pub(super) fn write(folder: &Path, classes: &[Class]) -> io::Result<()> {
    let journal = folder.join("detections.jsonl");
    atomic::write(&folder.join("detections.json"), |out| {
        let mut list = List::begin(out, "[")?;
        for row in rows(&journal)? {
            let Row::Found(found) = row? else { continue };
            for item in &found.detections {
                let [x1, y1, x2, y2] = item.r#box;
                let bbox = BBox::new(x1, y1, x2, y2);
                list.add(&CocoResult::new(found.image_id, item.category_id, bbox, item.score))?;
            }
        }
        list.end("]\n")
    })?;
    atomic::write(&folder.join("images.json"), |out| {
        let mut list = List::begin(out, "{\"images\":[")?;
        for row in rows(&journal)? {
            if let Row::Found(found) = row? {
                let (id, file_name) = (found.image_id, found.file.as_str());
                list.add(&Image { id, file_name, width: found.width, height: found.height })?;
            }
        }
        let categories: Vec<_> =
            classes.iter().map(|class| Category { id: class.id, name: &class.name }).collect();
        list.end(&format!("],\"categories\":{}}}\n", serde_json::to_string(&categories)?))
    })
}

/// A JSON list written entry by entry, a line each.
struct List<'a> {
    out: &'a mut BufWriter<File>,
    empty: bool,
}

impl<'a> List<'a> {
    fn begin(out: &'a mut BufWriter<File>, text: &str) -> io::Result<List<'a>> {
        out.write_all(text.as_bytes())?;
        Ok(List { out, empty: true })
    }

    fn add(&mut self, entry: &impl Serialize) -> io::Result<()> {
        self.out.write_all(if self.empty { b"\n" } else { b",\n" })?;
        self.empty = false;
        Ok(serde_json::to_writer(&mut *self.out, entry)?)
    }

    fn end(self, text: &str) -> io::Result<()> {
        if !self.empty {
            self.out.write_all(b"\n")?;
        }
        self.out.write_all(text.as_bytes())
    }
}
