//! The page of a comparison, as one HTML file that needs no other: models in one table and one plot, and what moved between
//! them. Knows numbers as text; what they mean is its caller's.

use askama::Template;

use super::page::{PageError, SCRIPT, STYLE};

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
        let html = Html { page: self, version: env!("CARGO_PKG_VERSION"), style: STYLE, script: SCRIPT };
        Ok(html.render()?)
    }
}
