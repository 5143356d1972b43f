//! JPEG by libjpeg's own arithmetic (mozjpeg's decoder is libjpeg-turbo's), strip by strip.

use std::cell::Cell;
use std::io::{self, BufRead, Read};

use image::metadata::Orientation;
use mozjpeg::{ColorSpace, Decompress};

use super::canvas::{RowCanvas, STRIP};
use super::decode::{
    DecodeError, DecodeErrorKind, DecodeOptions, Decoded, Decoder, TargetSize, check_size, divisor,
    orientation, upright,
};
use super::markers::MarkerFacts;
use super::{cmyk, formats, libjpeg};

/// Decodes a JPEG to an upright photo, as Pillow's `convert("RGB")` does, after its `draft` where the photo is
/// reduced. Beside it, the width and height that the file has.
pub(super) fn decode(
    bytes: &[u8],
    options: &DecodeOptions,
    target: TargetSize<'_>,
) -> Result<Decoded, DecodeError> {
    let outline = MarkerFacts::of(bytes);
    outline.check(options)?;
    if options.decoder == Decoder::Fast
        && let Some(outcome) = formats::decode_jpeg(bytes, options)
    {
        return outcome;
    }
    let orientation = orientation(bytes, options);
    let ended = Cell::new(false);
    let job = Job { ended: &ended, options, orientation, progressive: outline.is_progressive() };
    match libjpeg::guarded(|| job.decompress(bytes, target)) {
        Ok(outcome) => outcome,
        Err(_) if ended.get() => Err(DecodeError::truncated(options)),
        Err(cause) => Err(refused(&cause)),
    }
}

/// libjpeg's words as an error.
fn refused(cause: &str) -> DecodeError {
    if cause.starts_with("Maximum supported image dimension") {
        return DecodeError::new(DecodeErrorKind::TooLarge, format!("the picture is too large: {cause}"));
    }
    if cause.starts_with("Insufficient memory") {
        return DecodeError::new(
            DecodeErrorKind::OutOfMemory,
            "there is not enough memory to decode the JPEG",
        );
    }
    DecodeError::new(DecodeErrorKind::Corrupt, format!("the JPEG is damaged: {cause}"))
}

/// What one picture is decoded with.
struct Job<'a> {
    /// Whether libjpeg asked for more than there is.
    ended: &'a Cell<bool>,
    options: &'a DecodeOptions,
    orientation: Orientation,
    progressive: bool,
}

impl Job<'_> {
    fn decompress(&self, bytes: &[u8], target: TargetSize<'_>) -> Result<Decoded, DecodeError> {
        let damaged = |error: io::Error| {
            DecodeError::new(DecodeErrorKind::Corrupt, format!("the JPEG is damaged: {error}"))
        };
        let builder = Decompress::builder().with_err(libjpeg::error_manager());
        let mut header = builder.from_reader(JpegSource { bytes, ended: self.ended }).map_err(damaged)?;
        let stored = (side(header.width()), side(header.height()));
        check_size(stored.0, stored.1, &self.options.limits)?;
        // In eighths.
        header.scale((8 / divisor(stored, self.orientation, self.options, target)) as u8);
        let is_cmyk = header.components().len() == 4;
        let mut started = header
            .to_colorspace(if is_cmyk { ColorSpace::JCS_CMYK } else { ColorSpace::JCS_RGB })
            .map_err(damaged)?;
        self.check_whole()?;
        let (width, height) = (started.width(), started.height());
        let mut canvas = RowCanvas::new((side(width), side(height)), self.orientation)?;
        let mut strip = Vec::new();
        while canvas.missing() > 0 {
            let rows = canvas.missing().min(STRIP);
            if is_cmyk {
                strip.resize(4 * width * rows, 0);
                started.read_scanlines_into(&mut strip).map_err(damaged)?;
                canvas.push(&cmyk::inverted_to_rgb(&strip));
            } else if let Some(place) = canvas.next_rows(rows) {
                started.read_scanlines_into(place).map_err(damaged)?;
                canvas.written(rows);
            } else {
                strip.resize(3 * width * rows, 0);
                started.read_scanlines_into(&mut strip).map_err(damaged)?;
                canvas.push(&strip);
            }
            self.check_whole()?;
        }
        started.finish().map_err(damaged)?;
        self.check_whole()?;
        Ok(Decoded { photo: canvas.finish(), full: upright(stored, self.orientation), clipped: false })
    }

    /// Refuses data that end early, which make libjpeg invent pixels; a missing end marker alone harms none.
    fn check_whole(&self) -> Result<(), DecodeError> {
        let cut = self.ended.get() && (libjpeg::warnings() > 0 || self.progressive);
        if cut && !self.options.allow_truncated { Err(DecodeError::truncated(self.options)) } else { Ok(()) }
    }
}

fn side(pixels: usize) -> u32 {
    u32::try_from(pixels).unwrap_or(u32::MAX)
}

/// The bytes, and whether libjpeg asked for more than there are.
struct JpegSource<'a> {
    bytes: &'a [u8],
    ended: &'a Cell<bool>,
}

impl Read for JpegSource<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.bytes.read(out)
    }
}

impl BufRead for JpegSource<'_> {
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
