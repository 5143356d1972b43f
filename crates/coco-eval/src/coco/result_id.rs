//! The id of an image or a category as results hold it: a whole number, or the string that annotations have in its place.

use std::fmt;

/// An id in results; written as annotations have it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(untagged, expecting = "a whole number below 2^63 or a string expected"))]
pub enum ResultId {
    /// A whole number.
    Number(i64),
    /// A string.
    Text(Box<str>),
}

impl ResultId {
    /// The whole number, if it is one.
    pub fn number(&self) -> Option<i64> {
        match self {
            ResultId::Number(id) => Some(*id),
            ResultId::Text(_) => None,
        }
    }
}

impl From<u64> for ResultId {
    /// Ids beyond 2⁶³ do not occur: the largest is taken for all of them.
    fn from(id: u64) -> ResultId {
        ResultId::Number(i64::try_from(id).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for ResultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResultId::Number(id) => id.fmt(f),
            ResultId::Text(id) => id.fmt(f),
        }
    }
}
