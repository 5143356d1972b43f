//! JPEG by libjpeg's own arithmetic (mozjpeg's decoder is libjpeg-turbo's), with its complaints counted.

use std::cell::Cell;
use std::io::{self, BufRead, Read};

use image::RgbImage;
use mozjpeg::{ColorSpace, Decompress};

use super::decode::{DecodeOptions, Error, ErrorKind, Raw, Target, check_size, divisor};
use super::{inks, libjpeg, orientation};

/// Decodes a JPEG to RGB, as Pillow's `convert("RGB")` does, after its `draft` where the photo is reduced.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions, target: Target<'_>) -> Result<Raw, Error> {
    let ended = Cell::new(false);
    let outcome = libjpeg::guarded(|| decompress(Source { bytes, ended: &ended }, options, target));
    let raw = match outcome {
        Ok(raw) => raw?,
        Err(_) if ended.get() => return Err(Error::truncated(options)),
        Err(cause) => {
            if cause.starts_with("Maximum supported image dimension") {
                return Err(Error::new(ErrorKind::TooLarge, format!("the picture is too large: {cause}")));
            }
            return Err(Error::new(ErrorKind::Corrupt, format!("the JPEG is damaged: {cause}")));
        }
    };
    // A missing end marker alone harms no pixel; data that end early make libjpeg invent them, and complain.
    let cut = ended.get() && (libjpeg::warnings() > 0 || is_progressive(bytes));
    if cut && !options.allow_truncated { Err(Error::truncated(options)) } else { Ok(raw) }
}

fn decompress(source: Source<'_>, options: &DecodeOptions, target: Target<'_>) -> Result<Raw, Error> {
    let damaged = |error: io::Error| Error::new(ErrorKind::Corrupt, format!("the JPEG is damaged: {error}"));
    let bytes = source.bytes;
    let mut header = Decompress::with_err(libjpeg::error_manager()).from_reader(source).map_err(damaged)?;
    let stored = (side(header.width()), side(header.height()));
    check_size(stored.0, stored.1, &options.limits)?;
    let orientation = orientation::of(bytes);
    // In eighths.
    header.scale((8 / divisor(stored, orientation, options, target)) as u8);
    let inks = header.components().len() == 4;
    let mut started = header
        .to_colorspace(if inks { ColorSpace::JCS_CMYK } else { ColorSpace::JCS_RGB })
        .map_err(damaged)?;
    let pixels = if inks {
        inks::inverted_to_rgb(&started.read_scanlines::<u8>().map_err(damaged)?)
    } else {
        started.read_scanlines::<u8>().map_err(damaged)?
    };
    let size = (side(started.width()), side(started.height()));
    started.finish().map_err(damaged)?;
    let pixels = RgbImage::from_raw(size.0, size.1, pixels);
    let pixels =
        pixels.ok_or_else(|| Error::new(ErrorKind::Corrupt, "the JPEG has other sizes than it says"))?;
    Ok(Raw { pixels, stored, orientation })
}

fn side(pixels: usize) -> u32 {
    u32::try_from(pixels).unwrap_or(u32::MAX)
}

/// Whether the frame is progressive; markers stand one after another up to it.
fn is_progressive(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[0xff, marker, high, low]) = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>()) {
        match marker {
            0xff => at += 1,
            0xc2 | 0xc6 | 0xca | 0xce => return true,
            0xc0 | 0xc1 | 0xc3 | 0xc5 | 0xc7 | 0xc9 | 0xcb | 0xcd | 0xcf | 0xda => return false,
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
    false
}

/// The bytes, and whether libjpeg asked for more than there are.
struct Source<'a> {
    bytes: &'a [u8],
    ended: &'a Cell<bool>,
}

impl Read for Source<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(out)
    }
}

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.bytes.is_empty() {
            self.ended.set(true);
        }
        Ok(self.bytes)
    }

    fn consume(&mut self, count: usize) {
        self.bytes.consume(count);
    }
}
