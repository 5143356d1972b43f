//! The data set that every form is read into and written from. Plain values; knows no form.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// What is annotated in some photos, whatever form it came in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotations {
    /// Categories by their places.
    pub categories: Vec<LabelCategory>,
    /// Photos in the order of their source.
    pub photos: Vec<LabelledPhoto>,
    /// Members of a COCO file beside its tables (`info`, `licenses`): names and JSON.
    pub more: Vec<(String, String)>,
}

/// A category of objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelCategory {
    /// COCO's id; counted from 1 where the source has none.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Further members of its COCO entry, as JSON without braces.
    pub more: Box<str>,
}

/// A photo and the objects in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelledPhoto {
    /// COCO's id; counted from 1 where the source has none.
    pub id: i64,
    /// Its name, with `/` between parts.
    pub file: String,
    /// Width and height of the upright photo in pixels, where they are known.
    pub size: Option<(u32, u32)>,
    /// Objects in the order of their source.
    pub objects: Vec<LabelledObject>,
    /// Where its file is, if the source knows.
    pub path: Option<PathBuf>,
    /// Further members of its COCO entry, as JSON without braces.
    pub more: Box<str>,
}

/// One object.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelledObject {
    /// Place of its category.
    pub category: usize,
    /// Left, top, width and height in pixels, as COCO has them: the upper left pixel's upper left corner is 0, 0.
    pub bbox: [f64; 4],
    /// COCO's area, where the source has one; else that of the box counts.
    pub area: Option<f64>,
    /// Evaluation ignores it: COCO's `iscrowd`, VOC's `difficult`, Open Images' `IsGroupOf`.
    pub crowd: bool,
    /// A detection's score.
    pub score: Option<f64>,
    /// Corners, x and y in pixels, of closed lines that enclose it, where the source has such.
    pub outlines: Vec<Vec<[f64; 2]>>,
    /// COCO's id of the annotation, where the source has one.
    pub id: Option<i64>,
    /// Further members of its COCO entry, as JSON without braces.
    pub more: Box<str>,
}

/// What a source gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelSource {
    /// Everything that could be read.
    pub annotations: Annotations,
    /// Sentences about what was left out or assumed.
    pub warnings: Vec<String>,
    /// What could not be read.
    pub failed: Vec<LabelFailure>,
    /// What the data set above has no place for.
    pub lost: LabelCounts,
    /// What its `more` members hold, which only COCO's form has a place for.
    pub more: LabelCounts,
}

/// A file of the source, a row of one, or a photo, that is not in the result.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LabelFailure {
    /// Its path or name.
    pub file: String,
    /// Why.
    pub detail: String,
}

impl LabelFailure {
    pub(super) fn new(file: impl Into<String>, detail: impl Into<String>) -> LabelFailure {
        LabelFailure { file: file.into(), detail: detail.into() }
    }
}

/// How many things of some kinds there are; `segmentation` of objects, for example.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelCounts(BTreeMap<(Whose, String), usize>);

/// What something belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whose {
    /// Objects.
    Object,
    /// Photos.
    Photo,
    /// Categories.
    Category,
    /// The data set.
    Set,
}

/// Most kinds that a sentence names one by one.
const NAMED: usize = 30;

impl LabelCounts {
    /// Adds some of a kind.
    pub fn add(&mut self, whose: Whose, what: &str, count: usize) {
        if count > 0 {
            *self.0.entry((whose, what.to_owned())).or_default() += count;
        }
    }

    /// Adds all of another.
    pub fn extend(&mut self, other: &LabelCounts) {
        for ((whose, what), count) in &other.0 {
            self.add(*whose, what, *count);
        }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for LabelCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, ((whose, what), count)) in self.0.iter().take(NAMED).enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            let s = if *count == 1 { "" } else { "s" };
            let what = coco_eval::printable(what);
            match whose {
                Whose::Object => write!(f, "{comma}{what} of {count} object{s}")?,
                Whose::Photo => write!(f, "{comma}{what} of {count} photo{s}")?,
                Whose::Category if *count == 1 => write!(f, "{comma}{what} of one category")?,
                Whose::Category => write!(f, "{comma}{what} of {count} categories")?,
                Whose::Set => write!(f, "{comma}{what}")?,
            }
        }
        match self.0.len().saturating_sub(NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more kinds"),
        }
    }
}
