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

impl Photo {
    /// A part of the photo, as far as it lies inside.
    #[must_use]
    pub fn part(&self, x: u32, y: u32, width: u32, height: u32) -> Photo {
        let (x, y) = (x.min(self.width), y.min(self.height));
        let (width, height) = (width.min(self.width - x), height.min(self.height - y));
        let (row, start, length) = (3 * self.width as usize, 3 * x as usize, 3 * width as usize);
        let rows = self.pixels.chunks_exact(row.max(1)).skip(y as usize).take(height as usize);
        let rows: Vec<&[u8]> = rows.map(|row| &row[start..start + length]).collect();
        Photo { width, height, pixels: rows.concat() }
    }
}

mod canvas;
mod cost;
mod decode;
mod encode;
mod fax;
mod ifd;
mod inks;
mod jpeg;
mod kinds;
mod libjpeg;
mod lines;
mod list;
mod markers;
mod names;
mod orientation;
mod others;
mod png;
pub mod resize;
mod tiff;
mod tiff_data;

pub use decode::{
    DecodeOptions, Decoded, Decoder, Error, ErrorKind, Limits, Opened, WideGrey, decode, decode_bytes,
    decode_for, is_decoding, size,
};
pub(crate) use encode::{LONGEST_JPEG_SIDE, jpeg as encode_jpeg};
pub use kinds::PassedOver;
pub use list::{Entry, ListError, Listing, Unread, list};
pub(crate) use names::cleaned;
