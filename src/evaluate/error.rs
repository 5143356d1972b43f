//! Why files cannot be evaluated.

use crate::coco::{self, DataSet, shown};

/// One variant a way to fail.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] coco::Error),
    /// Parameters that make no sense.
    #[error("{0}")]
    Params(String),
    /// A category that the annotations do not have.
    #[error("no category of the annotations has the id or the name {0}: `--per-class` lists the names")]
    NoCategory(String),
    /// Ids that cannot be put in order.
    #[error(
        "{what} ids are strings and numbers, such as {one} and {other}, and have no common order: write them all in one way"
    )]
    Mixed {
        /// `image` or `category`.
        what: &'static str,
        /// One id.
        one: String,
        /// An id of the other kind.
        other: String,
    },
    /// The annotations lack something that evaluation needs.
    #[error("{file}: {what}")]
    Annotations {
        /// File.
        file: String,
        /// What is wrong, and what to do.
        what: String,
    },
    /// Results and annotations do not belong together.
    #[error("{0}")]
    Apart(String),
    /// An array cannot be written.
    #[error("cannot write {file}: {source}")]
    Write {
        /// File.
        file: String,
        /// What the system says.
        source: std::io::Error,
    },
}

impl Error {
    pub(super) fn annotation(set: &DataSet, place: usize, what: &str) -> Error {
        Error::Annotations { file: shown(set.path()), what: format!("annotation {} {what}", place + 1) }
    }

    pub(super) fn set(set: &DataSet, what: impl Into<String>) -> Error {
        Error::Annotations { file: shown(set.path()), what: what.into() }
    }
}
