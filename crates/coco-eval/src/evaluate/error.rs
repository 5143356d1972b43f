//! Why files cannot be evaluated.

use std::fmt::{self, Display, Formatter};

use crate::coco::{DataSet, ReadError, escaped};

/// One variant a way to fail.
#[derive(Debug)]
#[non_exhaustive]
pub enum EvaluateError {
    /// A file cannot be read.
    File(ReadError),
    /// Parameters that make no sense.
    Params(String),
    /// A category that the annotations do not have.
    NoCategory(String),
    /// Ids that cannot be put in order.
    Mixed {
        /// `image` or `category`.
        what: &'static str,
        /// One id.
        one: String,
        /// An id of the other kind.
        other: String,
    },
    /// The annotations lack something that evaluation needs.
    Annotations {
        /// File.
        file: String,
        /// What is wrong, and what to do.
        what: String,
    },
    /// Results and annotations do not belong together.
    Apart(String),
    /// An array cannot be written.
    Write {
        /// File.
        file: String,
        /// What the system says.
        source: std::io::Error,
    },
}

impl Display for EvaluateError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            EvaluateError::File(error) => Display::fmt(error, f),
            EvaluateError::Params(what) | EvaluateError::Apart(what) => f.write_str(what),
            EvaluateError::NoCategory(name) => write!(
                f,
                "no category of the annotations has the id or the name {name}: `--per-class` lists the names"
            ),
            EvaluateError::Mixed { what, one, other } => write!(
                f,
                "{what} ids are strings and numbers, such as {one} and {other}, and have no common order: write \
                 them all in one way"
            ),
            EvaluateError::Annotations { file, what } => write!(f, "`{file}`: {what}"),
            EvaluateError::Write { file, source } => write!(f, "cannot write `{file}`: {source}"),
        }
    }
}

impl std::error::Error for EvaluateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            // Displayed as the error that it holds, whose source is the next one.
            EvaluateError::File(error) => error.source(),
            EvaluateError::Write { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<ReadError> for EvaluateError {
    fn from(error: ReadError) -> EvaluateError {
        EvaluateError::File(error)
    }
}

impl EvaluateError {
    pub(super) fn annotation(set: &DataSet, place: usize, what: &str) -> EvaluateError {
        EvaluateError::Annotations {
            file: escaped(set.path()),
            what: format!("annotation {} {what}", place + 1),
        }
    }

    pub(super) fn set(set: &DataSet, what: impl Into<String>) -> EvaluateError {
        EvaluateError::Annotations { file: escaped(set.path()), what: what.into() }
    }
}
