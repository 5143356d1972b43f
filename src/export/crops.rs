//! Objects cut out of their photos: a JPEG each, in a folder of its class.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::Path;

use super::folder::ExportFolder;
use super::{ExportError, Source, class_folders};
use crate::atomic;
use crate::photo::{self, Carried, LONGEST_JPEG_SIDE, Opened, Photo, encode_jpeg};
use crate::run::{Exported, FoundPhoto, JournalRow, ResultItem, Room, Ticket, ordered, photos_under_way};
use coco_eval::ResultId;

/// Quality of the JPEGs: no loss that is seen, and little for those who train on them.
const QUALITY: u8 = 95;

/// One photo's crops: names and JPEGs, or why it cannot be read again.
type Cut = Result<Vec<(String, io::Result<Vec<u8>>)>, (String, String)>;

/// Cuts out every shown detection, as `CLASS/PHOTO-N.jpg`, the photo's best first.
pub(super) fn write(
    source: &Source<'_>,
    root: &Path,
    key: &str,
    watch: &mut dyn FnMut(&'static str, usize),
) -> Result<Exported, ExportError> {
    ExportFolder::fill("crops", root, key, |folder| fill(source, folder, watch))
}

fn fill(
    source: &Source<'_>,
    folder: &mut ExportFolder,
    watch: &mut dyn FnMut(&'static str, usize),
) -> Result<bool, ExportError> {
    let names = class_folders::names(source.classes);
    let cutter = PhotoCutter {
        source,
        folders: source.classes.iter().map(|class| &class.id).zip(names).collect(),
        paths: source.tasks.iter().map(|task| (task.entry.name.as_str(), &*task.entry.path)).collect(),
    };
    let threads = source.run.threads.max(1);
    let room = &Room::new(photos_under_way(source.run.decode.limits.memory, threads));
    let rows = source.rows()?.take_while(|_| !source.is_stopped());
    let jobs = rows.map(|row| (row, room.ticket()));
    std::thread::scope(|scope| {
        let cut = |(row, place): (Result<JournalRow, ExportError>, Ticket<'_>)| match row? {
            JournalRow::Found(found) => Ok(cutter.cut(&found, place)),
            JournalRow::Failed(_) => Ok(Ok(Vec::new())),
        };
        let cuts = ordered(scope, threads, 2 * threads, jobs, cut);
        for (done, cut) in cuts.map_err(ExportError::io("start threads for", folder.root()))?.enumerate() {
            match cut? {
                Ok(crops) => keep(folder, crops)?,
                Err((file, why)) => folder.fail(&file, &why),
            }
            watch("crops", done + 1);
        }
        Ok(!source.is_stopped())
    })
}

fn keep(folder: &mut ExportFolder, crops: Vec<(String, io::Result<Vec<u8>>)>) -> Result<(), ExportError> {
    for (name, jpeg) in crops {
        match jpeg {
            Ok(jpeg) => {
                folder.add(&name, |path| atomic::write_quickly(path, |out| out.write_all(&jpeg)))?;
            }
            Err(error) => folder.fail(&name, &error.to_string()),
        }
    }
    Ok(())
}

struct PhotoCutter<'a> {
    source: &'a Source<'a>,
    /// Folders of classes.
    folders: HashMap<&'a ResultId, String>,
    /// Files of photos by their names.
    paths: HashMap<&'a str, &'a Path>,
}

impl PhotoCutter<'_> {
    /// The crops of a photo, which is decoded once more.
    fn cut(&self, found: &FoundPhoto, place: Ticket<'_>) -> Cut {
        let drawn: Vec<&ResultItem> =
            found.detections.iter().filter(|item| item.score >= self.source.shown_from()).collect();
        let Some(path) = self.paths.get(found.file.as_str()).filter(|_| !drawn.is_empty()) else {
            return Ok(Vec::new());
        };
        let failed = |error: photo::DecodeError| (found.file.clone(), error.to_string());
        let (options, whole) = (&self.source.run.decode, &|full| full);
        let opened = Opened::open(path, options, whole).map_err(failed)?;
        let _share = place.take(opened.decoding_bytes().max(opened.photo_bytes()));
        let photo = opened.decode(options, whole).map_err(failed)?.photo;
        if (photo.width, photo.height) != (found.width, found.height) {
            return Err((found.file.clone(), "the photo has another size than when it was looked at".into()));
        }
        let name = photo::cleaned(Path::new(&found.file));
        let carried = Carried { exif: None, ..Carried::of_file(path, options.limits.file_bytes) };
        let crop = |(number, item): (usize, &&ResultItem)| {
            let class = self.folders.get(&item.category_id)?;
            let part = part(&photo, item.r#box)?;
            Some((format!("{class}/{name}-{number}.jpg"), encode(&part, &carried)))
        };
        Ok((1..).zip(&drawn).filter_map(crop).collect())
    }
}

/// The pixels that a box touches; none where it lies outside of the photo.
fn part(photo: &Photo, [x1, y1, x2, y2]: [f32; 4]) -> Option<Photo> {
    let inside = |low: f32, high: f32, side: u32| {
        let low = low.floor().clamp(0.0, side as f32) as u32;
        let high = high.ceil().clamp(0.0, side as f32) as u32;
        (high > low).then_some((low, high - low))
    };
    let ((x, width), (y, height)) = (inside(x1, x2, photo.width)?, inside(y1, y2, photo.height)?);
    Some(photo.part(x, y, width, height))
}

fn encode(part: &Photo, carried: &Carried) -> io::Result<Vec<u8>> {
    if part.width.max(part.height) > LONGEST_JPEG_SIDE {
        return Err(io::Error::other(format!("a JPEG has no side over {LONGEST_JPEG_SIDE} pixels")));
    }
    let mut jpeg = Vec::new();
    encode_jpeg(part, QUALITY, carried, &mut jpeg)?;
    Ok(jpeg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_has_the_pixels_that_its_box_touches() {
        let photo = Photo { width: 4, height: 3, pixels: (0..36).collect() };
        let cut = part(&photo, [1.2, -5.0, 2.1, 1.5]).unwrap();
        assert_eq!((cut.width, cut.height), (2, 2));
        assert_eq!(cut.pixels, [3, 4, 5, 6, 7, 8, 15, 16, 17, 18, 19, 20]);
        assert!(part(&photo, [4.0, 0.0, 9.0, 2.0]).is_none());
        assert!(part(&photo, [f32::NAN, 0.0, f32::NAN, 2.0]).is_none());
    }
}
