//! Why a data set or a results file is not read.

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};

use super::stream::LONGEST;

/// One variant a way to be wrong; each names the file, the place and the cause.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The file cannot be opened or read.
    Io {
        /// File.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is no JSON from some byte on.
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
    EndsEarly {
        /// File.
        path: PathBuf,
        /// Line of the last byte.
        line: u64,
        /// Column of the last byte.
        column: u64,
    },
    /// One record is longer than any real one.
    TooLong {
        /// File.
        path: PathBuf,
        /// Record or value.
        what: &'static str,
        /// Where it begins.
        at: u64,
    },
    /// The file is JSON, but not of the shape that its role asks for.
    Shape {
        /// File.
        path: PathBuf,
        /// What is found, what is expected, what to do.
        what: String,
    },
    /// One record lacks something or has something that makes no sense.
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

impl Display for ReadError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let path = format!("`{}`", escaped(self.path()));
        match self {
            ReadError::Io { source, .. } => write!(f, "cannot read {path}: {source}"),
            ReadError::NotJson { what, line, column, .. } => {
                write!(f, "{path} is not JSON: {what}: line {line}, column {column}")
            }
            ReadError::EndsEarly { line, column, .. } => {
                let place = format!("line {line}, column {column}");
                write!(f, "{path} ends early, inside a value: {place}: copy or write the file anew")
            }
            ReadError::TooLong { what, at, .. } => {
                let most = LONGEST >> 20;
                write!(f, "{path}: {what} at byte {at} is longer than {most} MiB, more than any real one")
            }
            ReadError::Shape { what, .. } => write!(f, "{path}: {what}"),
            ReadError::Record { record, number, what, .. } => write!(f, "{path}: {record} {number} {what}"),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            ReadError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl ReadError {
    /// The file that is not read.
    pub fn path(&self) -> &Path {
        match self {
            ReadError::Io { path, .. }
            | ReadError::NotJson { path, .. }
            | ReadError::EndsEarly { path, .. }
            | ReadError::TooLong { path, .. }
            | ReadError::Shape { path, .. }
            | ReadError::Record { path, .. } => path,
        }
    }

    /// The sort of failure, for programs and tests.
    pub fn kind(&self) -> &'static str {
        match self {
            ReadError::Io { .. } => "io",
            ReadError::NotJson { .. } => "not_json",
            ReadError::EndsEarly { .. } => "ends_early",
            ReadError::TooLong { .. } => "too_long",
            ReadError::Shape { .. } => "shape",
            ReadError::Record { .. } => "record",
        }
    }

    pub(super) fn shape(path: &Path, what: impl Into<String>) -> ReadError {
        ReadError::Shape { path: path.to_owned(), what: what.into() }
    }
}

/// A path without control characters.
pub fn escaped(path: &Path) -> String {
    let text = path.to_string_lossy();
    if !text.contains(char::is_control) {
        return text.into_owned();
    }
    text.chars().flat_map(char::escape_debug).collect()
}

/// Text from a file with marks in the place of control characters.
pub fn printable(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

/// Text from a file between quotes, safe to print and at most 60 characters long.
pub fn quoted(text: &str) -> String {
    let mut escaped: String = text.chars().take(60).flat_map(char::escape_debug).collect();
    if text.chars().nth(60).is_some() {
        escaped.push('…');
    }
    format!("\"{escaped}\"")
}
