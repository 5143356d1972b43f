//! Where pycocotools reads a file otherwise than its author meant, and the sane reading.

use std::ops::BitOr;

use crate::coco::{DataSet, Id};

/// Which quirks are read sanely. The default repeats all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading(u8);

impl Reading {
    /// A match with an annotation whose id is 0 is a match.
    pub const ID_ZERO: Reading = Reading(1);
    /// Annotations that share an id are all evaluated, each as it is.
    pub const DUPLICATE_IDS: Reading = Reading(1 << 1);
    /// An area that is negative, NaN or 0 is taken from the box; the range `all` has no end.
    pub const AREAS: Reading = Reading(1 << 2);
    /// Boxes and scores that are no finite numbers are left out.
    pub const BOXES: Reading = Reading(1 << 3);
    /// Whatever is ignored for its `iscrowd` is a crowd.
    pub const CROWDS: Reading = Reading(1 << 4);
    /// The first number is AP at the largest limit on detections where 100 is none of the limits.
    pub const LIMITS: Reading = Reading(1 << 5);

    /// The area of a result with a mask is that of its mask, whatever box stands beside it.
    pub const MASK_AREAS: Reading = Reading(1 << 6);

    /// The sane reading of everything.
    pub const CORRECTED: Reading = Reading((1 << 7) - 1);

    /// Whether the other's quirks are read sanely.
    pub fn has(self, other: Reading) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Reading {
    type Output = Reading;

    fn bitor(self, other: Reading) -> Reading {
        Reading(self.0 | other.0)
    }
}

/// How many annotations have an id that an earlier one has.
pub(super) fn repeated_ids(set: &DataSet) -> usize {
    let ids = || set.annotations().map(|annotation| annotation.id);
    // Most files number their annotations upwards.
    if ids().zip(ids().skip(1)).all(|(a, b)| a < b) {
        return 0;
    }
    let mut sorted: Vec<Id> = ids().collect();
    sorted.sort_unstable();
    sorted.windows(2).filter(|pair| pair[0] == pair[1]).count()
}
