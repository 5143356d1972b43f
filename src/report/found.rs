//! What a run has found, gathered from its rows in one pass: how often, how certain, how large, and which photos show it.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::gallery::{Album, GalleryBox, GalleryPhoto, scale};
use super::outline;
use crate::run;
use coco_eval::ResultId;

/// Bars of the histogram of scores.
const BINS: usize = 20;
/// COCO's ends of small and medium areas, in pixels.
const AREAS: [(f64, &str); 3] =
    [(1024.0, "small, below 32 × 32"), (9216.0, "medium, below 96 × 96"), (f64::INFINITY, "large")];
/// How far from the score from which boxes are shown one is in doubt.
pub(super) const DOUBT: f32 = 0.15;
/// Failures that are listed.
const FAILURES: usize = 200;

/// Something counted.
pub(super) struct Bar {
    pub(super) label: String,
    pub(super) count: u64,
    /// Of the longest bar, in per cent.
    pub(super) share: f64,
}

/// Bars for counts, the longest of which is full.
pub(super) fn bars(counts: impl IntoIterator<Item = (String, u64)>) -> Vec<Bar> {
    let counts: Vec<(String, u64)> = counts.into_iter().collect();
    let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0).max(1) as f64;
    let bar = |(label, count)| Bar { label, count, share: 100.0 * count as f64 / most };
    counts.into_iter().map(bar).collect()
}

/// The rows of a run, boiled down.
pub(super) struct RunFindings {
    /// Boxes that are shown, by class and by area.
    classes: BTreeMap<String, u64>,
    areas: [u64; AREAS.len()],
    /// Scores of all detections.
    scores: [u64; BINS],
    /// Photos without a box that is shown.
    pub(super) empty: u64,
    /// The first failures.
    pub(super) failures: Vec<run::FailedPhoto>,
    /// The most certain photo of each class.
    best: BTreeMap<ResultId, (f32, run::FoundPhoto)>,
    /// Photos with a detection whose score is near that from which boxes are shown, the nearest first.
    doubtful: Vec<(f32, run::FoundPhoto)>,
    /// How many pictures of a kind are wanted.
    wanted: usize,
    /// Pictures show boxes from this score up.
    shown_from: f32,
}

impl RunFindings {
    pub(super) fn new(wanted: usize, shown_from: f32) -> RunFindings {
        RunFindings {
            classes: BTreeMap::new(),
            areas: [0; AREAS.len()],
            scores: [0; BINS],
            empty: 0,
            failures: Vec::new(),
            best: BTreeMap::new(),
            doubtful: Vec::new(),
            wanted,
            shown_from,
        }
    }

    pub(super) fn add(&mut self, row: run::JournalRow) {
        let row = match row {
            run::JournalRow::Found(row) => row,
            run::JournalRow::Failed(row) => {
                if self.failures.len() < FAILURES {
                    self.failures.push(row);
                }
                return;
            }
        };
        self.empty += u64::from(row.detections.iter().all(|item| item.score < self.shown_from));
        for item in &row.detections {
            let bin = (item.score * BINS as f32) as usize;
            self.scores[bin.min(BINS - 1)] += 1;
            if item.score >= self.shown_from {
                *self.classes.entry(item.label.clone()).or_default() += 1;
                let [x1, y1, x2, y2] = item.r#box.map(f64::from);
                let area = (x2 - x1) * (y2 - y1);
                self.areas[AREAS.iter().position(|(end, _)| area < *end).unwrap_or(AREAS.len() - 1)] += 1;
            }
            if self.wanted > 0 && self.best.get(&item.category_id).is_none_or(|(best, _)| item.score > *best)
            {
                self.best.insert(item.category_id.clone(), (item.score, row.clone()));
            }
        }
        let doubt = row
            .detections
            .iter()
            .map(|item| (item.score - self.shown_from).abs())
            .fold(f32::INFINITY, f32::min);
        if doubt < DOUBT && self.wanted > 0 {
            self.doubtful.push((doubt, row));
            if self.doubtful.len() > 8 * self.wanted {
                self.keep_most_doubtful();
            }
        }
    }

    fn keep_most_doubtful(&mut self) {
        self.doubtful.sort_by(|a, b| a.0.total_cmp(&b.0));
        self.doubtful.truncate(self.wanted);
    }

    /// Boxes that are shown.
    pub(super) fn shown(&self) -> u64 {
        self.areas.iter().sum()
    }

    /// Classes by falling number of boxes that are shown.
    pub(super) fn classes(&self) -> Vec<Bar> {
        let mut classes: Vec<(String, u64)> = self.classes.clone().into_iter().collect();
        classes.sort_by_key(|(_, count)| Reverse(*count));
        bars(classes)
    }

    /// Pictures show boxes from this score up, 0 to 1.
    pub(super) fn shown_from(&self) -> f32 {
        self.shown_from
    }

    /// Scores from low to high, if there are any.
    pub(super) fn scores(&self) -> Vec<Bar> {
        if self.scores.iter().all(|count| *count == 0) {
            return Vec::new();
        }
        let label = |bin: usize| format!("{:.2}", bin as f64 / BINS as f64);
        bars(self.scores.iter().enumerate().map(|(bin, count)| (label(bin), *count)))
    }

    /// Boxes that are shown by COCO's area ranges.
    pub(super) fn areas(&self) -> Vec<Bar> {
        bars(AREAS.iter().zip(self.areas).map(|((_, label), count)| ((*label).to_owned(), count)))
    }

    /// Whether there is anything that a picture would show.
    pub(super) fn wants_pictures(&self) -> bool {
        self.wanted > 0 && !self.best.is_empty()
    }

    /// For each class its most certain photo, each photo once, the most certain first.
    pub(super) fn best_pictures(&self, album: &Album) -> Vec<GalleryPhoto> {
        let mut best: Vec<&(f32, run::FoundPhoto)> = self.best.values().collect();
        best.sort_by(|a, b| b.0.total_cmp(&a.0));
        let mut seen = std::collections::HashSet::new();
        let photos = best.into_iter().filter(|(_, row)| seen.insert(row.image_id.clone()));
        photos.filter_map(|(_, row)| picture(album, row, self.shown_from)).take(self.wanted).collect()
    }

    /// Photos with detections of which the model is least sure whether they are one.
    pub(super) fn doubtful_pictures(&mut self, album: &Album) -> Vec<GalleryPhoto> {
        self.keep_most_doubtful();
        let from = self.shown_from - DOUBT;
        self.doubtful.iter().filter_map(|(_, row)| picture(album, row, from)).collect()
    }
}

/// The photo with its boxes from a score up.
fn picture(album: &Album, row: &run::FoundPhoto, shown_from: f32) -> Option<GalleryPhoto> {
    let drawn = row.detections.iter().filter(|item| item.score >= shown_from);
    let words = drawn.clone().map(|item| format!("{} {:.2}", item.label, item.score));
    let caption = words.take(4).collect::<Vec<_>>().join(", ");
    let kind = if album.is_drawn() { "drawn" } else { "found" };
    let mark = |item: &run::ResultItem| {
        let [x1, y1, x2, y2] = item.r#box.map(f64::from);
        let (class, score) = (item.label.clone(), Some(f64::from(item.score)));
        // Less than a pixel of the page's picture.
        let tolerance = 0.75 * scale(row.width, row.height).max(1.0);
        let mask = item.mask.as_ref().filter(|_| !album.is_drawn());
        let path = mask.map(|mask| outline::path(mask, tolerance)).unwrap_or_default();
        GalleryBox { kind, class, score, bbox: [x1, y1, x2 - x1, y2 - y1], path }
    };
    album.picture(&row.file, caption, drawn.map(mark).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: u64, items: &[(u64, f32, f32)]) -> run::JournalRow {
        let item = |&(category_id, score, side): &(u64, f32, f32)| run::ResultItem {
            category_id: category_id.into(),
            label: format!("class {category_id}"),
            score,
            r#box: [0.0, 0.0, side, side],
            mask: None,
        };
        let detections = items.iter().map(item).collect();
        run::JournalRow::Found(run::FoundPhoto {
            image_id: id.into(),
            file: format!("{id}.jpg"),
            width: 100,
            height: 100,
            clipped: false,
            exif: None,
            detections,
            error: None,
        })
    }

    #[test]
    fn rows_are_counted() {
        let mut found = RunFindings::new(2, 0.5);
        found.add(row(1, &[(1, 0.95, 10.0), (2, 1.0, 32.0)]));
        found.add(row(2, &[]));
        found.add(row(3, &[(1, 0.52, 200.0)]));
        found.add(row(4, &[(1, 0.45, 95.0), (1, 0.97, 95.0)]));
        assert_eq!(found.empty, 1);
        let classes: Vec<_> =
            found.classes().into_iter().map(|bar| (bar.label, bar.count, bar.share)).collect();
        // A box of score 0.45 is not among those from 0.5 up.
        assert_eq!(classes, [("class 1".into(), 3, 100.0), ("class 2".into(), 1, 100.0 / 3.0)]);
        assert_eq!(found.shown(), 4);
        let scores: Vec<u64> = found.scores().iter().map(|bar| bar.count).collect();
        assert_eq!((scores[9], scores[10], scores[19], scores.iter().sum::<u64>()), (1, 1, 3, 5));
        assert_eq!(found.areas().iter().map(|bar| bar.count).collect::<Vec<_>>(), [1, 2, 1]);
        assert_eq!(found.best[&1.into()].1.image_id, 4.into());
        found.keep_most_doubtful();
        let doubtful: Vec<&ResultId> = found.doubtful.iter().map(|(_, row)| &row.image_id).collect();
        assert_eq!(doubtful, [&3.into(), &4.into()]);
    }
}
