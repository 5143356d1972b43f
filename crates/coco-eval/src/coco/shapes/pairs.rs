//! What each result has in common with the annotations that it was compared with.

use super::super::rows::Rows;

/// A result's overlap with one annotation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pair {
    /// Place of the annotation in its file.
    truth: u32,
    /// Of masks: pixels in both and in any; of key points: the halves of their similarity.
    parts: [u32; 2],
}

/// In the place of pixels in common: masks of different sizes.
const UNEQUAL: u32 = u32::MAX;

impl Pair {
    /// Masks with so many pixels in both and in any of them.
    pub(super) fn of_masks(truth: u32, both: u32, any: u32) -> Pair {
        Pair { truth, parts: [both.min(UNEQUAL - 1), any] }
    }

    /// Masks of different sizes whose boxes meet.
    pub(super) fn unequal(truth: u32) -> Pair {
        Pair { truth, parts: [UNEQUAL, 0] }
    }

    /// Key points that are so similar.
    pub(super) fn of_points(truth: u32, similarity: f64) -> Pair {
        let bits = similarity.to_bits();
        Pair { truth, parts: [(bits >> 32) as u32, bits as u32] }
    }

    fn similarity(self) -> f64 {
        f64::from_bits(u64::from(self.parts[0]) << 32 | u64::from(self.parts[1]))
    }

    /// IoU of masks, of which the result's has so many pixels (`rleIou`).
    fn iou(self, crowd: bool, own: u32) -> f64 {
        match self.parts {
            [UNEQUAL, _] => -1.0,
            [0, _] => 0.0,
            [both, any] => f64::from(both) / f64::from(if crowd { own } else { any }),
        }
    }
}

/// The overlaps of all results of a file, by their places.
#[derive(Clone, Debug, Default)]
pub(crate) struct Overlaps {
    /// Where each result's pairs end.
    ends: Rows<u32>,
    pairs: Rows<Pair>,
    /// Pixels of each result's mask; nothing of key points.
    areas: Rows<u32>,
    /// Masks are compared, not key points.
    masks: bool,
    /// Nothing is compared, so that nothing matches, whatever the threshold.
    pub(crate) nothing: bool,
    /// Results that cannot be compared, which matters only if there is something to compare them with.
    pub(crate) uncompared: Vec<Uncompared>,
    /// The results have no boxes, so that their areas are those of their masks.
    pub(crate) own_areas: bool,
}

/// Overlaps of a piece of a file.
#[derive(Debug, Default)]
pub(crate) struct OverlapsPart {
    pub(super) ends: Vec<u32>,
    pub(super) pairs: Vec<Pair>,
    pub(super) areas: Vec<u32>,
    uncompared: Vec<Uncompared>,
}

/// A result that cannot be compared.
#[derive(Clone, Debug)]
pub(crate) struct Uncompared {
    /// Its place among the results that were kept.
    pub(crate) result: u32,
    /// Its number in the file.
    pub(crate) number: u64,
    /// What is wrong with it.
    pub(crate) what: String,
}

impl OverlapsPart {
    /// Keeps a result without comparing it.
    pub(in crate::coco) fn skip(&mut self, number: u64, what: String) {
        self.uncompared.push(Uncompared { result: self.ends.len() as u32, number, what });
        self.ends.push(self.pairs.len() as u32);
    }
}

impl Overlaps {
    pub(crate) fn new(masks: bool, own_areas: bool) -> Overlaps {
        Overlaps { masks, own_areas, ..Overlaps::default() }
    }

    /// Appends a piece, before which there were so many results in the file.
    pub(crate) fn extend(&mut self, part: &OverlapsPart, count: u64) {
        let (kept, moved) = (self.ends.len() as u32, part.uncompared.iter().cloned());
        self.uncompared.extend(moved.map(|one| Uncompared {
            result: one.result + kept,
            number: one.number + count,
            ..one
        }));
        let before = self.pairs.len() as u32;
        let ends: Vec<u32> = part.ends.iter().map(|end| before + end).collect();
        self.ends.extend(&ends);
        self.pairs.extend(&part.pairs);
        self.areas.extend(&part.areas);
    }

    /// Whether the pixels of masks are known.
    pub(crate) fn of_masks(&self) -> bool {
        self.masks
    }

    /// Pixels of the mask of a result, by its place.
    #[inline]
    pub(crate) fn area(&self, result: u32) -> f64 {
        f64::from(*self.areas.at(result))
    }

    /// The overlap of a result with an annotation, by their places; 0 where they were not compared.
    #[inline]
    pub(crate) fn of(&self, result: u32, truth: u32, crowd: bool) -> f64 {
        let found = self.pairs_of(result).find(|pair| pair.truth == truth);
        found.map_or(0.0, |pair| {
            if self.masks { pair.iou(crowd, *self.areas.at(result)) } else { pair.similarity() }
        })
    }

    /// Whether a result has something in common with any annotation.
    #[inline]
    pub(crate) fn any(&self, result: u32) -> bool {
        self.span(result).next().is_some()
    }

    fn span(&self, result: u32) -> std::ops::Range<u32> {
        let start = result.checked_sub(1).map_or(0, |before| *self.ends.at(before));
        start..*self.ends.at(result)
    }

    #[inline]
    fn pairs_of(&self, result: u32) -> impl Iterator<Item = Pair> {
        self.span(result).map(|place| *self.pairs.at(place))
    }
}
