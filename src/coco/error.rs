//! Why a data set or a results file is not read.

use std::path::{Path, PathBuf};

/// One variant a way to be wrong; each names the file, the place and the cause.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("cannot read {}: {source}", shown(.path))]
    Io {
        /// File.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is no JSON from some byte on.
    #[error("{} is not JSON: {what}: line {line}, column {column}", shown(.path))]
    NotJson {
        /// File.
        path: PathBuf,
        /// What is wrong there.
        what: String,
        /// Line, counted from 1.
        line: u64,
        /// Column in characters, counted from 1.
        column: u64,
    },
    /// The file ends inside a value.
    #[error("{} ends early, inside a value: line {line}, column {column}: copy or write the file anew", shown(.path))]
    EndsEarly {
        /// File.
        path: PathBuf,
        /// Line of the last byte.
        line: u64,
        /// Column of the last byte.
        column: u64,
    },
    /// One record is longer than any real one.
    #[error("{}: {what} at byte {at} is longer than {} MiB, more than any real one", shown(.path), super::stream::LONGEST >> 20)]
    TooLong {
        /// File.
        path: PathBuf,
        /// Record or value.
        what: &'static str,
        /// Where it begins.
        at: u64,
    },
    /// The file is JSON, but not of the shape that its role asks for.
    #[error("{}: {what}", shown(.path))]
    Shape {
        /// File.
        path: PathBuf,
        /// What is found, what is expected, what to do.
        what: String,
    },
    /// One record lacks something or has something that makes no sense.
    #[error("{}: {record} {number} {what}", shown(.path))]
    Record {
        /// File.
        path: PathBuf,
        /// `image`, `category`, `annotation` or `result`.
        record: &'static str,
        /// Its place in its list, counted from 1.
        number: u64,
        /// What is wrong with it.
        what: String,
    },
}

impl Error {
    /// The sort of failure, for programs and tests.
    pub fn kind(&self) -> &'static str {
        match self {
            Error::Io { .. } => "io",
            Error::NotJson { .. } => "not_json",
            Error::EndsEarly { .. } => "ends_early",
            Error::TooLong { .. } => "too_long",
            Error::Shape { .. } => "shape",
            Error::Record { .. } => "record",
        }
    }

    pub(super) fn shape(path: &Path, what: impl Into<String>) -> Error {
        Error::Shape { path: path.to_owned(), what: what.into() }
    }
}

/// A path without control characters.
pub(crate) fn shown(path: &Path) -> String {
    let text = path.to_string_lossy();
    if !text.contains(char::is_control) {
        return text.into_owned();
    }
    text.chars().flat_map(char::escape_debug).collect()
}

/// Text from a file with marks in the place of control characters.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

/// Text from a file between quotes, safe to print and at most 60 characters long.
pub(crate) fn quoted(text: &str) -> String {
    let mut shown: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        shown.push('…');
    }
    format!("\"{shown}\"")
}
