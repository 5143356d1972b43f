//! PNG row by row, so that no more than the photo and a few rows are in memory. Interlaced ones, whose rows come in no
//! order, and grey of 16 bits, of which all values are looked at first, are for others.

use std::io::{Cursor, ErrorKind as IoErrorKind};

use image::ColorType;
use png::{BitDepth, Decoder, DecodingError, Limits, Reader, Transformations};

use super::canvas::{RowCanvas, STRIP};
use super::decode::{DecodeError, DecodeErrorKind, DecodeOptions, Decoded, check_size, orientation, upright};
use super::formats;

/// Width, height, and the bytes that a decoder needs beside the photo: all samples where the picture is interlaced.
/// The header stands in the first bytes, always in the same place.
pub(super) fn cost(head: &[u8]) -> Option<((u32, u32), u64)> {
    let &[w0, w1, w2, w3, h0, h1, h2, h3, depth, colours, _, _, interlaced] =
        head.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(4..)?.strip_prefix(b"IHDR")?.first_chunk::<13>()?;
    let stored = (u32::from_be_bytes([w0, w1, w2, w3]), u32::from_be_bytes([h0, h1, h2, h3]));
    let channels = match colours {
        0 => 1,
        2 | 3 => 3,
        4 => 2,
        _ => 4,
    };
    let row = (u64::from(stored.0) + 1) * channels * if depth == 16 { 2 } else { 1 };
    let by_rows = interlaced == 0 && !(colours == 0 && depth == 16);
    let rows = if by_rows { 2 * STRIP as u64 } else { u64::from(stored.1) };
    Some((stored, row * rows))
}

/// Reads a PNG; nothing if it is interlaced or grey of 16 bits.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Option<Result<Decoded, DecodeError>> {
    let failure = |error| failure(&error, options);
    // What has no row to keep is not read from here.
    let most = usize::try_from(options.limits.pixels.saturating_mul(16)).unwrap_or(usize::MAX);
    let mut decoder = Decoder::new_with_limits(Cursor::new(bytes), Limits { bytes: most });
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_transformations(Transformations::EXPAND);
    let header = decoder.read_header_info();
    let (width, height, interlaced) = match header {
        Ok(info) => (info.width, info.height, info.interlaced),
        Err(error) => return Some(Err(failure(error))),
    };
    if let Err(error) = check_size(width, height, &options.limits) {
        return Some(Err(error));
    }
    if interlaced {
        return None;
    }
    let reader = match decoder.read_info() {
        Ok(reader) => reader,
        Err(error) => return Some(Err(failure(error))),
    };
    let colours = colours(reader.output_color_type());
    (colours != ColorType::L16).then(|| rows(reader, colours, (width, height), bytes, options))
}

fn rows(
    mut reader: Reader<Cursor<&[u8]>>,
    colours: ColorType,
    stored: (u32, u32),
    bytes: &[u8],
    options: &DecodeOptions,
) -> Result<Decoded, DecodeError> {
    let orientation = orientation(bytes, options);
    let mut canvas = RowCanvas::new(stored, orientation)?;
    let mut strip = Vec::new();
    let mut waiting = 0;
    let outcome = loop {
        match reader.next_row() {
            Ok(Some(row)) => strip.extend_from_slice(row.data()),
            Ok(None) => break Ok(()),
            Err(error) => break Err(failure(&error, options)),
        }
        waiting += 1;
        if waiting == STRIP {
            canvas.push(&formats::to_rgb(native(&mut strip, colours), colours, options.wide_grey)?);
            waiting = 0;
        }
    };
    if waiting > 0 {
        canvas.push(&formats::to_rgb(native(&mut strip, colours), colours, options.wide_grey)?);
    }
    let nothing = canvas.missing() == stored.1 as usize;
    match outcome {
        Err(error) if nothing || error.kind != DecodeErrorKind::Truncated || !options.allow_truncated => {
            Err(error)
        }
        Ok(()) if canvas.missing() > 0 => Err(DecodeError::truncated(options)),
        _ => Ok(Decoded { photo: canvas.finish(), full: upright(stored, orientation), clipped: false }),
    }
}

/// Takes samples out, those of 16 bits in the machine's order of bytes.
fn native(samples: &mut Vec<u8>, colours: ColorType) -> Vec<u8> {
    if colours.bytes_per_pixel() > colours.channel_count() {
        let (pairs, _) = samples.as_chunks_mut::<2>();
        pairs.iter_mut().for_each(|pair| *pair = u16::from_be_bytes(*pair).to_ne_bytes());
    }
    std::mem::take(samples)
}

/// What the decoder gives after it has expanded palettes and small samples.
fn colours((colours, depth): (png::ColorType, BitDepth)) -> ColorType {
    use png::ColorType::{Grayscale, GrayscaleAlpha, Indexed, Rgb, Rgba};
    match (colours, depth) {
        (Grayscale, BitDepth::Sixteen) => ColorType::L16,
        (GrayscaleAlpha, BitDepth::Sixteen) => ColorType::La16,
        (Rgb, BitDepth::Sixteen) => ColorType::Rgb16,
        (Rgba, BitDepth::Sixteen) => ColorType::Rgba16,
        (Grayscale, _) => ColorType::L8,
        (GrayscaleAlpha, _) => ColorType::La8,
        (Rgba, _) => ColorType::Rgba8,
        (Rgb | Indexed, _) => ColorType::Rgb8,
    }
}

fn failure(error: &DecodingError, options: &DecodeOptions) -> DecodeError {
    match error {
        DecodingError::IoError(cause) if cause.kind() == IoErrorKind::UnexpectedEof => {
            DecodeError::truncated(options)
        }
        DecodingError::LimitsExceeded => DecodeError::new(
            DecodeErrorKind::TooLarge,
            "the picture is too large: its rows take too much memory",
        ),
        _ if ["eof", "unexpected end"].iter().any(|end| error.to_string().to_lowercase().contains(end)) => {
            DecodeError::truncated(options)
        }
        _ => DecodeError::new(DecodeErrorKind::Corrupt, format!("the picture is damaged: {error}")),
    }
}
