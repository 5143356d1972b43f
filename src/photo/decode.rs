//! From a file's bytes to an upright [`Photo`].

use std::path::Path;

use super::Photo;

/// Which JPEG decoder reads the pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decoder {
    /// libjpeg-turbo's own arithmetic, bit for bit, as Pillow and OpenCV give.
    #[default]
    Exact,
    /// `image`'s decoder: faster to build, up to five levels off.
    Fast,
}

/// Bounds on what a picture may cost before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes a file may have.
    pub file_bytes: u64,
    /// Most pixels (width times height).
    pub pixels: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { file_bytes: 512 << 20, pixels: 200_000_000 }
    }
}

/// How photos are decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeOptions {
    /// JPEG decoder.
    pub decoder: Decoder,
    /// Leave the pixels as stored, whatever the EXIF orientation says.
    pub ignore_orientation: bool,
    /// Take what a truncated picture holds instead of refusing it.
    pub allow_truncated: bool,
    /// Bounds.
    pub limits: Limits,
}

/// Why a picture could not be decoded, as the `kind` of a failure row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The file could not be read.
    Unreadable,
    /// The file has no bytes.
    Empty,
    /// Not a picture in any known format.
    NotAPicture,
    /// The picture ends early.
    Truncated,
    /// The picture's data is wrong.
    Corrupt,
    /// Larger than the limits allow.
    TooLarge,
    /// A picture, but of a kind that is not supported.
    Unsupported,
}

/// Why one picture could not be decoded.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct Error {
    /// What sort of failure.
    pub kind: ErrorKind,
    /// One sentence for a person.
    pub detail: String,
}

/// Reads and decodes one picture file.
///
/// # Errors
/// One [`Error`] a way to fail; never a panic, whatever the bytes.
pub fn decode(path: &Path, options: &DecodeOptions) -> Result<Photo, Error> {
    let _ = options;
    Err(Error {
        kind: ErrorKind::Unsupported,
        detail: format!("{}: decoding is not built yet", path.display()),
    })
}
