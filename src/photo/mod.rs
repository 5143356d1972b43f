//! Photos: from a path the user names to upright RGB pixels, and from pixels to other sizes.
//!
//! A leaf: knows nothing of networks, models or detections.

/// One decoded picture, upright, 8 bits a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Photo {
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
    /// Rows from the top, pixels from the left, red, green, blue: `3 * width * height` bytes.
    pub pixels: Vec<u8>,
}

mod decode;
mod inks;
mod jpeg;
mod list;
mod names;
mod others;
pub mod resize;

pub use decode::{DecodeOptions, Decoder, Error, ErrorKind, Limits, decode, decode_bytes, decode_for};
pub use list::{Entry, ListError, Listing, list};
