//! What a photo may be given as.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use super::Error;
use crate::photo::{self, DecodeOptions, Photo};

/// A photo for [`Detector::detect`](crate::Detector::detect).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum PhotoInput<'a> {
    /// A picture file by its path.
    Path(&'a Path),
    /// A picture file's bytes.
    Bytes(&'a [u8]),
    /// Decoded pixels.
    Photo(&'a Photo),
}

impl<'a> PhotoInput<'a> {
    /// The photo's upright pixels.
    ///
    /// # Errors
    /// When it cannot be read or decoded.
    pub fn decode(self, options: &DecodeOptions) -> Result<Cow<'a, Photo>, Error> {
        Ok(match self {
            PhotoInput::Photo(photo) => Cow::Borrowed(photo),
            PhotoInput::Bytes(bytes) => Cow::Owned(photo::decode_bytes(bytes, options)?),
            PhotoInput::Path(path) => Cow::Owned(
                photo::decode(path, options)
                    .map_err(|source| Error::PhotoFile { path: path.to_owned(), source })?,
            ),
        })
    }
}

impl<'a> From<&'a Path> for PhotoInput<'a> {
    fn from(path: &'a Path) -> PhotoInput<'a> {
        PhotoInput::Path(path)
    }
}

impl<'a> From<&'a PathBuf> for PhotoInput<'a> {
    fn from(path: &'a PathBuf) -> PhotoInput<'a> {
        PhotoInput::Path(path)
    }
}

impl<'a> From<&'a str> for PhotoInput<'a> {
    fn from(path: &'a str) -> PhotoInput<'a> {
        PhotoInput::Path(Path::new(path))
    }
}

impl<'a> From<&'a String> for PhotoInput<'a> {
    fn from(path: &'a String) -> PhotoInput<'a> {
        PhotoInput::Path(Path::new(path))
    }
}

impl<'a> From<&'a [u8]> for PhotoInput<'a> {
    fn from(bytes: &'a [u8]) -> PhotoInput<'a> {
        PhotoInput::Bytes(bytes)
    }
}

impl<'a> From<&'a Vec<u8>> for PhotoInput<'a> {
    fn from(bytes: &'a Vec<u8>) -> PhotoInput<'a> {
        PhotoInput::Bytes(bytes)
    }
}

impl<'a> From<&'a Photo> for PhotoInput<'a> {
    fn from(photo: &'a Photo) -> PhotoInput<'a> {
        PhotoInput::Photo(photo)
    }
}
