//! From cyan, magenta, yellow and black to red, green and blue, as Pillow does it. No colour profiles.

use std::io::Cursor;

use image::metadata::Orientation;
use tiff::decoder::{Decoder, DecodingResult};
use tiff::{ColorType, TiffError};

use super::canvas;
use super::decode::{DecodeOptions, Error, ErrorKind, Upright, check_size, orientation};

/// `round(light * white / 255)`, where both are what the inks leave.
fn mix(light: u8, white: u8) -> u8 {
    ((u32::from(light) * u32::from(white) + 127) / 255) as u8
}

/// Inks as Adobe writes them into JPEGs, inverted.
pub(super) fn inverted_to_rgb(inks: &[u8]) -> Vec<u8> {
    let (pixels, _) = inks.as_chunks::<4>();
    pixels.iter().flat_map(|&[c, m, y, k]| [mix(c, k), mix(m, k), mix(y, k)]).collect()
}

fn to_rgb(mut inks: Vec<u8>) -> Vec<u8> {
    inks.iter_mut().for_each(|ink| *ink = 255 - *ink);
    inverted_to_rgb(&inks)
}

/// Reads a TIFF of inks in 8 bits; nothing if the file is another TIFF. `image`'s own conversion cuts off what
/// Pillow rounds.
pub(super) fn decode_tiff(bytes: &[u8], options: &DecodeOptions) -> Option<Result<Upright, Error>> {
    let mut decoder = Decoder::new(Cursor::new(bytes)).ok()?;
    if decoder.colortype().ok()? != ColorType::CMYK(8) {
        return None;
    }
    Some(read(&mut decoder, orientation(bytes, options), options))
}

fn read(
    decoder: &mut Decoder<Cursor<&[u8]>>,
    orientation: Orientation,
    options: &DecodeOptions,
) -> Result<Upright, Error> {
    let failure = |error| failure(error, options);
    let (width, height) = decoder.dimensions().map_err(failure)?;
    check_size(width, height, &options.limits)?;
    let DecodingResult::U8(inks) = decoder.read_image().map_err(failure)? else {
        return Err(Error::new(ErrorKind::Corrupt, "the TIFF has other samples than it says"));
    };
    canvas::whole((width, height), orientation, to_rgb(inks))
}

fn failure(error: TiffError, options: &DecodeOptions) -> Error {
    match error {
        TiffError::IoError(cause) if cause.kind() == std::io::ErrorKind::UnexpectedEof => {
            Error::truncated(options)
        }
        TiffError::UnsupportedError(cause) => {
            Error::new(ErrorKind::Unsupported, format!("not supported: {cause}"))
        }
        other => Error::new(ErrorKind::Corrupt, format!("the picture is damaged: {other}")),
    }
}
