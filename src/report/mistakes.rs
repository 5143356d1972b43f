//! The photos in which most goes wrong, with what is right, wrong and missed in them: boxes, and masks where there are any.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use coco_eval::{Boxed, Mistakes, ResultId, Rle};

use super::gallery::{Album, GalleryBox, GalleryPhoto, scale};
use super::judged::EvaluationReport;
use super::outline;
use crate::run::{self, FoundPhoto, JournalRow};

/// Pictures of the worst photos, the worst first. Masks of detections are those of the run; annotations have theirs where masks
/// were judged.
pub(super) fn worst(
    judged: &EvaluationReport,
    album: &Album,
    run: &Path,
    pictures: usize,
) -> Vec<GalleryPhoto> {
    let mut worst: Vec<(ResultId, &Mistakes)> = judged
        .mistakes
        .iter()
        .filter(|image| image.count() > 0)
        .filter_map(|image| Some((serde_json::from_value(image.image_id.clone()).ok()?, image)))
        .collect();
    // Of equals those with the most certain mistake.
    let boldest = |image: &Mistakes| image.wrong.iter().filter_map(|boxed| boxed.score).fold(0.0, f64::max);
    worst.sort_by(|(_, a), (_, b)| b.count().cmp(&a.count()).then(boldest(b).total_cmp(&boldest(a))));
    let ranks: HashMap<&ResultId, usize> = worst.iter().zip(0..).map(|((id, _), rank)| (id, rank)).collect();
    let mut chosen = Vec::new();
    let mut from = 0;
    // Once, unless some of the photos cannot be read any more.
    while chosen.len() < pictures {
        let rows = rows(run, album, &ranks, from, pictures - chosen.len());
        let Some((last, _)) = rows.last_key_value() else { break };
        from = last + 1;
        chosen.extend(rows.iter().filter_map(|(&rank, row)| picture(judged, album, row, worst[rank].1)));
    }
    chosen
}

/// The run's rows of the worst photos from a rank on that the album may show, at most so many, by their ranks.
fn rows(
    run: &Path,
    album: &Album,
    ranks: &HashMap<&ResultId, usize>,
    from: usize,
    most: usize,
) -> BTreeMap<usize, FoundPhoto> {
    let mut worst = BTreeMap::new();
    let Ok(rows) = run::rows(run) else { return worst };
    for row in rows {
        let Ok(JournalRow::Found(row)) = row else { continue };
        match ranks.get(&row.image_id) {
            Some(&rank) if rank >= from && album.may_have(&row.file) => {
                worst.insert(rank, row);
            }
            _ => continue,
        }
        if worst.len() > most {
            worst.pop_last();
        }
    }
    worst
}

fn picture(
    judged: &EvaluationReport,
    album: &Album,
    row: &FoundPhoto,
    image: &Mistakes,
) -> Option<GalleryPhoto> {
    let names = judged.errors.as_ref().map_or(&[][..], |named| &named.categories);
    // Less than a pixel of the page's picture.
    let tolerance = 0.75 * scale(row.width, row.height).max(1.0);
    let mask = |boxed: &Boxed| {
        let truth = image.mask(boxed);
        let mask = truth.as_ref().or_else(|| detected(row, boxed).filter(|_| !album.is_drawn()));
        mask.map(|mask| outline::path(mask, tolerance)).unwrap_or_default()
    };
    let (caption, marks) = marks(image, names, mask);
    album.picture(&row.file, caption, marks)
}

/// What is to be said of an image's mistakes, and its boxes; `mask` gives the path around the mask of each.
pub(super) fn marks(
    image: &Mistakes,
    names: &[String],
    mask: impl Fn(&Boxed) -> String,
) -> (String, Vec<GalleryBox>) {
    let name = |boxed: &Boxed| names.get(boxed.category).map_or("", String::as_str).to_owned();
    let mark = |kind: &'static str, boxed: &Boxed| {
        let path = mask(boxed);
        GalleryBox { kind, class: name(boxed), score: boxed.score, bbox: boxed.bbox, path }
    };
    let lists = [
        ("right", &image.right),
        ("wrong", &image.wrong),
        ("missed", &image.missed),
        ("truth", &image.found),
    ];
    let of_list = |(kind, boxes): (&'static str, &Vec<Boxed>)| {
        boxes.iter().map(|boxed| mark(kind, boxed)).collect::<Vec<GalleryBox>>()
    };
    let marks: Vec<GalleryBox> = lists.into_iter().flat_map(of_list).collect();
    let wrongly =
        marks.iter().filter(|mark| mark.kind == "wrong").map(|mark| format!("{} wrong", mark.label()));
    let missed = image.missed.iter().map(|boxed| format!("{} missed", name(boxed)));
    (wrongly.chain(missed).take(6).collect::<Vec<String>>().join(", "), marks)
}

/// The mask of the run's detection that was judged, by its score and corner.
fn detected<'a>(row: &'a FoundPhoto, boxed: &Boxed) -> Option<&'a Rle> {
    let score = boxed.score? as f32;
    let [x, y, ..] = boxed.bbox.map(|side| side as f32);
    let same = |item: &&run::ResultItem| item.score == score && item.r#box[0] == x && item.r#box[1] == y;
    row.detections.iter().find(same)?.mask.as_ref()
}
