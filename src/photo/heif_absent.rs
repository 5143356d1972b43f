//! In place of libheif in programs that are built without it: HEIC and AVIF are not read.

use image::metadata::Orientation;

use super::decode::{DecodeError, DecodeOptions, Decoded};
use super::kinds;

pub(super) fn is_available() -> bool {
    false
}

pub(super) fn size(bytes: &[u8], _: &DecodeOptions) -> Result<((u32, u32), Orientation), DecodeError> {
    Err(kinds::unknown(bytes))
}

pub(super) fn decode(bytes: &[u8], _: &DecodeOptions) -> Result<Decoded, DecodeError> {
    Err(kinds::unknown(bytes))
}
