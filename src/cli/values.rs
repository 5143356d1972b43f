//! What options take: a few words, each with what it means, whole numbers, and places to write to. Must not know any verb.

use std::fmt::Display;
use std::marker::PhantomData;
use std::ops::{Bound, RangeBounds};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::builder::{PathBufValueParser, PossibleValue, TypedValueParser};
use clap::{Arg, Command};

/// Reads a `T`, whose words these are, for help and for shells.
#[derive(Clone)]
pub(super) struct Words<T> {
    words: &'static [(&'static str, &'static str)],
    read: PhantomData<T>,
}

/// A parser of a `T` that has these words, each with what it means.
pub(super) fn words<T>(words: &'static [(&'static str, &'static str)]) -> Words<T> {
    Words { words, read: PhantomData }
}

impl<T> TypedValueParser for Words<T>
where
    T: FromStr<Err: Display> + Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(
        &self,
        command: &Command,
        option: Option<&Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<T, clap::Error> {
        let read = |text: &str| text.parse::<T>().map_err(|error| error.to_string());
        TypedValueParser::parse_ref(&read, command, option, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.words.iter().map(|(word, meaning)| PossibleValue::new(*word).help(*meaning))))
    }
}

/// Rules by which what several views, models or results show is merged.
pub(super) const MERGE_RULES: &[(&str, &str)] = &[
    ("wbf", "weighted boxes fusion"),
    ("nms", "NMS among all of them"),
    ("vote", "NMS, then box voting"),
    ("soft-nms", "Gaussian soft-NMS"),
];

/// A whole number within a range.
pub(super) fn whole<T>(
    range: impl RangeBounds<u64> + Clone + Send + Sync + 'static,
) -> impl TypedValueParser<Value = T>
where
    T: TryFrom<u64> + Clone + Send + Sync + 'static,
{
    move |text: &str| {
        let number = text.trim().parse().ok().filter(|number| range.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
            let least = match range.start_bound() {
                Bound::Included(least) => *least,
                Bound::Excluded(_) | Bound::Unbounded => 0,
            };
            match range.end_bound() {
                Bound::Included(most) => format!("a whole number from {least} to {most} is needed"),
                Bound::Excluded(_) | Bound::Unbounded => {
                    format!("a whole number of {least} or more is needed")
                }
            }
        })
    }
}

/// A folder to write into, which need not be there.
pub(super) fn folder() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| {
        let wrong = if path.exists() && !path.is_dir() { Some(path.as_path()) } else { file_above(&path) };
        match wrong {
            Some(file) => {
                Err(format!("`{}` is a file: name a folder, which need not be there", file.display()))
            }
            None => Ok(path),
        }
    })
}

/// A file to write, which need not be there.
pub(super) fn new_file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| {
        if path.is_dir() {
            return Err(format!("`{}` is a folder: name a file in it", path.display()));
        }
        match file_above(&path) {
            Some(file) => Err(format!("`{}` is a file: name a folder for the file", file.display())),
            None => Ok(path),
        }
    })
}

/// What stands in the way where the nearest place above a path that is there is no folder.
fn file_above(path: &Path) -> Option<&Path> {
    path.ancestors().skip(1).find(|above| above.exists()).filter(|above| !above.is_dir())
}
