//! Photos: from a path the user names to upright RGB pixels, and from pixels to other sizes.
//!
//! A leaf: knows nothing of networks, models or detections.

use ndarray::{ArrayView3, ShapeError};

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
    /// A photo of an array of height x width x 3: rows from the top, pixels from the left, red, green, blue. The pixels
    /// are copied.
    ///
    /// # Errors
    /// When the array has another shape or no pixel, or a side of more than 2^32 - 1.
    pub fn from_array(array: ArrayView3<'_, u8>) -> Result<Photo, DecodeError> {
        let shape = array.shape();
        let wrong = || {
            let detail = format!("an array of the shape {shape:?} is no photo: height x width x 3 is needed");
            DecodeError::new(DecodeErrorKind::Unsupported, detail)
        };
        let (height, width, 3) = array.dim() else { return Err(wrong()) };
        let side = |side: usize| u32::try_from(side).ok().filter(|&side| side > 0).ok_or_else(wrong);
        Ok(Photo { width: side(width)?, height: side(height)?, pixels: array.iter().copied().collect() })
    }

    /// The pixels as an array of height x width x 3.
    ///
    /// # Errors
    /// When the fields contradict each other.
    pub fn as_array(&self) -> Result<ArrayView3<'_, u8>, ShapeError> {
        ArrayView3::from_shape((self.height as usize, self.width as usize, 3), &self.pixels)
    }

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
mod carried;
mod cmyk;
mod cost;
mod decode;
mod encode;
mod exif;
mod fax;
mod formats;
#[cfg_attr(not(all(feature = "heif", unix)), path = "heif_absent.rs")]
mod heif;
mod ifd;
mod jpeg;
mod kinds;
mod libjpeg;
mod lines;
mod list;
mod markers;
mod metadata;
mod names;
mod pattern;
mod png;
pub mod resize;
mod tiff;
mod tiff_data;

pub(crate) use carried::Carried;
pub use decode::{
    DecodeError, DecodeErrorKind, DecodeOptions, Decoded, Decoder, Limits, Opened, USUAL_MEMORY, WideGrey,
    decode, decode_bytes, decode_for, is_decoding, size,
};
pub(crate) use encode::{LONGEST_JPEG_SIDE, jpeg as encode_jpeg};
pub use exif::Exif;
pub use kinds::PassedOver;
pub(crate) use kinds::is_called_video;
pub use list::{ListError, Listing, PhotoEntry, Unread, list};
pub(crate) use names::cleaned;
pub use pattern::PatternError;

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    #[test]
    fn an_array_is_a_photo_and_back() {
        // Two rows of three pixels; the values say row, column and channel.
        let array = Array3::from_shape_fn((2, 3, 3), |(y, x, c)| (100 * y + 10 * x + c) as u8);
        let photo = Photo::from_array(array.view()).unwrap();
        assert_eq!((photo.width, photo.height), (3, 2));
        assert_eq!(photo.pixels[..6], [0, 1, 2, 10, 11, 12]);
        assert_eq!(photo.pixels[9..12], [100, 101, 102]);
        assert_eq!(photo.as_array().unwrap(), array);
        // The mirror image, whose memory runs backwards.
        let mirrored = Photo::from_array(array.slice(ndarray::s![.., ..;-1, ..])).unwrap();
        assert_eq!(mirrored.pixels[..3], [20, 21, 22]);
    }

    #[test]
    fn other_arrays_are_no_photos() {
        for shape in [(2, 3, 4), (2, 3, 1), (0, 3, 3), (2, 0, 3), (3, 2, 2)] {
            let error = Photo::from_array(Array3::zeros(shape).view()).unwrap_err().to_string();
            assert!(error.contains("height x width x 3 is needed"), "{error}");
        }
    }
}
