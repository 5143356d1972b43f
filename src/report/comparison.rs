//! The page of a comparison, as one HTML file that needs no other: models in one table and one plot, and what moved between
//! them. Knows numbers as text; what they mean is its caller's.

use std::path::PathBuf;

use askama::Template;
use coco_eval::Mistakes;

use super::flips;
use super::gallery::{Album, GalleryPhoto};
use super::page::{PageError, SCRIPT, STYLE};
use crate::photo::DecodeOptions;

/// What the page shows.
#[derive(Clone, Debug, Default)]
pub struct ComparisonPage {
    /// Its heading.
    pub title: String,
    /// What makes numbers other than they seem.
    pub warnings: Vec<String>,
    /// Columns of the table behind that of the names.
    pub heads: Vec<ColumnHead>,
    /// A name and its cells for each model, in the columns' order.
    pub rows: Vec<(String, Vec<String>)>,
    /// Sentences below the table.
    pub notes: Vec<String>,
    /// An SVG of our own.
    pub plot: Option<String>,
    /// How models differ from the first.
    pub gains: Vec<Gain>,
    /// Photos that count for no model, and why.
    pub left_out: Vec<(String, String)>,
    /// The names of the categories of photos that flipped, by their places.
    pub categories: Vec<String>,
    /// How the photos were decoded.
    pub decode: DecodeOptions,
}

/// A column.
#[derive(Clone, Debug)]
pub struct ColumnHead {
    /// What stands above it.
    pub name: String,
    /// Its cells are numbers, which are sorted as such.
    pub number: bool,
}

/// How one model differs from the first.
#[derive(Clone, Debug)]
pub struct Gain {
    /// A heading.
    pub title: String,
    /// The gain, its interval, and whether it is more than noise.
    pub sentence: String,
    /// Name of the first model.
    pub first: String,
    /// Its own name.
    pub own: String,
    /// Tables of what moved most, each with its heading.
    pub moved: Vec<(&'static str, Vec<MovedRow>)>,
    /// Photos that are shown as either model sees them.
    pub flips: Vec<FlippedPhoto>,
}

/// A photo that is shown twice: with what the first model makes of it, and with what the other one does.
#[derive(Clone, Debug)]
pub struct FlippedPhoto {
    /// Its name.
    pub name: String,
    /// Its file.
    pub path: PathBuf,
    /// Width and height for which boxes were found, where they are known; another photo is not shown.
    pub size: Option<(u32, u32)>,
    /// Of either model a word for it, and what it finds and misses.
    pub sides: [(String, Mistakes); 2],
}

/// A class or a photo, and its AP before and after.
#[derive(Clone, Debug)]
pub struct MovedRow {
    /// Its name.
    pub name: String,
    /// AP of the first model.
    pub first: String,
    /// AP of the other one.
    pub own: String,
    /// The difference.
    pub change: String,
}

#[derive(Template)]
#[template(path = "comparison.html", config = "src/report/askama.toml")]
struct Html<'a> {
    page: &'a ComparisonPage,
    /// Each with the pictures of its flips, in pairs.
    gains: Vec<(&'a Gain, Vec<[GalleryPhoto; 2]>)>,
    /// Photos that could not be shown.
    lost: Option<String>,
    version: &'static str,
    style: &'static str,
    script: &'static str,
}

impl ComparisonPage {
    /// The page as text.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn html(&self) -> Result<String, PageError> {
        let album = flips::album(self.gains.iter().flat_map(|gain| &gain.flips), self.decode);
        let pairs = |gain: &Gain| -> Vec<[GalleryPhoto; 2]> {
            gain.flips.iter().filter_map(|flip| flips::pair(flip, &album, &self.categories)).collect()
        };
        let gains = self.gains.iter().map(|gain| (gain, pairs(gain))).collect();
        let html = Html {
            page: self,
            gains,
            lost: Album::lost(&album),
            version: env!("CARGO_PKG_VERSION"),
            style: STYLE,
            script: SCRIPT,
        };
        Ok(html.render()?)
    }
}

impl Html<'_> {
    fn pictures(&self) -> impl Iterator<Item = &GalleryPhoto> {
        self.gains.iter().flat_map(|(_, pairs)| pairs.iter().flatten())
    }

    fn has_pictures(&self) -> bool {
        self.pictures().next().is_some()
    }

    fn has_masks(&self) -> bool {
        self.pictures().any(GalleryPhoto::has_masks)
    }
}
