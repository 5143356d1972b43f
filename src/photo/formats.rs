//! Every format that `image` reads: PNG, WebP, BMP, GIF, and JPEG where speed is asked for.

use std::error::Error as _;
use std::io::{self, Cursor};

use image::codecs::jpeg::JpegDecoder;
use image::error::{ImageError, LimitErrorKind};
use image::metadata::Orientation;
use image::{ColorType, ImageDecoder, ImageFormat, ImageReader};

use super::decode::{
    DecodeError, DecodeErrorKind, DecodeOptions, Decoded, WideGrey, check_size, orientation,
};
use super::markers::MarkerFacts;
use super::{canvas, heif, kinds, png, tiff};

pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, DecodeError> {
    if tiff::is_tiff(bytes) {
        return tiff::decode(bytes, options);
    }
    let format = image::guess_format(bytes).ok().filter(ImageFormat::reading_enabled);
    match format {
        None if kinds::is_heif(bytes) && heif::is_available() => heif::decode(bytes, options),
        None => Err(kinds::unknown(bytes)),
        Some(ImageFormat::Png) if let Some(outcome) = png::decode(bytes, options) => outcome,
        Some(format) => {
            let reader = ImageReader::with_format(Cursor::new(bytes), format);
            let decoder = reader.into_decoder().map_err(|error| failure(&error, options));
            match decoder.and_then(|decoder| read(decoder, format, orientation(bytes, options), options)) {
                // This decoder calls wrong what is only missing.
                Err(error)
                    if error.kind == DecodeErrorKind::Corrupt
                        && format == ImageFormat::WebP
                        && is_cut_webp(bytes) =>
                {
                    Err(DecodeError::truncated(options))
                }
                outcome => outcome,
            }
        }
    }
}

/// A JPEG by `image`'s decoder; nothing where it stumbles.
pub(super) fn decode_jpeg(bytes: &[u8], options: &DecodeOptions) -> Option<Result<Decoded, DecodeError>> {
    let decoder = JpegDecoder::new(Cursor::new(bytes)).map_err(|error| failure(&error, options));
    match decoder.and_then(|decoder| read(decoder, ImageFormat::Jpeg, orientation(bytes, options), options)) {
        // This decoder fills up what is missing without a word.
        _ if !ends_as_jpeg(bytes) && !options.allow_truncated => Some(Err(DecodeError::truncated(options))),
        Err(_) => None,
        outcome => Some(outcome),
    }
}

/// Width, height and orientation as stored, of any picture.
pub(super) fn size(bytes: &[u8], options: &DecodeOptions) -> Result<((u32, u32), Orientation), DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::new(DecodeErrorKind::Empty, "the file is empty"));
    }
    if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        let size = MarkerFacts::of(bytes).size(options)?;
        return Ok((size, orientation(bytes, options)));
    }
    if tiff::is_tiff(bytes) {
        return tiff::size(bytes, options);
    }
    if kinds::is_heif(bytes) && heif::is_available() {
        return heif::size(bytes, options);
    }
    let format = image::guess_format(bytes).ok().filter(ImageFormat::reading_enabled);
    let reader = ImageReader::with_format(Cursor::new(bytes), format.ok_or_else(|| kinds::unknown(bytes))?);
    let decoder = reader.into_decoder().map_err(|error| failure(&error, options))?;
    let (width, height) = decoder.dimensions();
    check_size(width, height, &options.limits)?;
    Ok(((width, height), orientation(bytes, options)))
}

fn read(
    mut decoder: impl ImageDecoder,
    format: ImageFormat,
    orientation: Orientation,
    options: &DecodeOptions,
) -> Result<Decoded, DecodeError> {
    let (width, height) = decoder.dimensions();
    check_size(width, height, &options.limits)?;
    let mut limits = image::Limits::default();
    // Beside the samples; a GIF's first picture may be larger than its screen.
    limits.max_alloc = Some(options.limits.memory.saturating_sub(decoder.total_bytes()));
    decoder.set_limits(limits).map_err(|error| failure(&error, options))?;
    let colours = decoder.color_type();
    // Zeros that the system gives only when something is written to them.
    let samples =
        usize::try_from(decoder.total_bytes()).ok().and_then(|length| bytemuck::try_zeroed_vec(length).ok());
    let mut samples = samples.ok_or_else(|| DecodeError::out_of_memory(width, height))?;
    if let Err(error) = decoder.read_image(&mut samples).map_err(|error| failure(&error, options)) {
        let allowed = error.kind == DecodeErrorKind::Truncated && options.allow_truncated;
        if !allowed || !keeps_part(format, colours, &mut samples) {
            return Err(error);
        }
    }
    let clipped =
        colours == ColorType::L16 && options.wide_grey == WideGrey::Clipped && has_high_bytes(&samples);
    let mut pixels = to_rgb(samples, colours, options.wide_grey)?;
    pixels.shrink_to_fit();
    let decoded = canvas::whole((width, height), orientation, pixels)?;
    Ok(Decoded { clipped, ..decoded })
}

/// Makes samples of what was read before the end, where anything was: only the decoders of PNG and BMP leave rows
/// that are finished, or nearly so.
fn keeps_part(format: ImageFormat, colours: ColorType, samples: &mut [u8]) -> bool {
    let kept =
        matches!(format, ImageFormat::Png | ImageFormat::Bmp) && samples.iter().any(|&sample| sample != 0);
    if kept && format == ImageFormat::Png && colours.bytes_per_pixel() > colours.channel_count() {
        // Wide samples get the machine's order of bytes only after the last row.
        let (pairs, _) = samples.as_chunks_mut::<2>();
        pairs.iter_mut().for_each(|pair| *pair = u16::from_be_bytes(*pair).to_ne_bytes());
    }
    kept
}

/// Whether any of the values of 16 bits is above 255.
fn has_high_bytes(samples: &[u8]) -> bool {
    samples.as_chunks::<2>().0.iter().any(|&pair| u16::from_ne_bytes(pair) > 255)
}

/// As Pillow's `convert("RGB")`: alpha is dropped, 16-bit colours keep their high byte, 16-bit grey is cut off
/// at 255 or keeps its high byte too. The pixels take the place of the samples.
pub(super) fn to_rgb(
    mut samples: Vec<u8>,
    colours: ColorType,
    wide_grey: WideGrey,
) -> Result<Vec<u8>, DecodeError> {
    let high = |low: u8, high: u8| (u16::from_ne_bytes([low, high]) >> 8) as u8;
    let all = &mut samples;
    match colours {
        ColorType::Rgb8 => {}
        ColorType::L8 => replace(all, |[grey]: [u8; 1]| [grey; 3])?,
        ColorType::La8 => replace(all, |[grey, _]: [u8; 2]| [grey; 3])?,
        ColorType::Rgba8 => replace(all, |[r, g, b, _]: [u8; 4]| [r, g, b])?,
        ColorType::L16 => match wide_grey {
            WideGrey::Clipped => replace(all, |grey: [u8; 2]| [u16::from_ne_bytes(grey).min(255) as u8; 3])?,
            WideGrey::HighByte => replace(all, |[a, b]: [u8; 2]| [high(a, b); 3])?,
        },
        ColorType::La16 => replace(all, |[a, b, ..]: [u8; 4]| [high(a, b); 3])?,
        ColorType::Rgb16 => replace(all, |[a, b, c, d, e, f]: [u8; 6]| [high(a, b), high(c, d), high(e, f)])?,
        ColorType::Rgba16 => {
            replace(all, |[a, b, c, d, e, f, ..]: [u8; 8]| [high(a, b), high(c, d), high(e, f)])?;
        }
        other => {
            return Err(DecodeError::new(
                DecodeErrorKind::Unsupported,
                format!("pixels of the kind {other:?} are not supported"),
            ));
        }
    }
    Ok(samples)
}

/// Makes pixels of samples without a second copy: from the front where they get smaller, else from the back.
fn replace<const N: usize>(
    samples: &mut Vec<u8>,
    pixel: impl Fn([u8; N]) -> [u8; 3],
) -> Result<(), DecodeError> {
    let count = samples.len() / N;
    if N < 3 {
        let more = (3 * count).saturating_sub(samples.len());
        samples.try_reserve_exact(more).map_err(|_| {
            DecodeError::new(
                DecodeErrorKind::OutOfMemory,
                format!("there is not enough memory for {count} pixels"),
            )
        })?;
        samples.resize(3 * count, 0);
    }
    let mut one = |place: usize| {
        let mut from = [0; N];
        from.copy_from_slice(&samples[N * place..N * (place + 1)]);
        samples[3 * place..3 * (place + 1)].copy_from_slice(&pixel(from));
    };
    if N < 3 {
        (0..count).rev().for_each(&mut one);
    } else {
        (0..count).for_each(&mut one);
    }
    samples.truncate(3 * count);
    Ok(())
}

fn failure(error: &ImageError, options: &DecodeOptions) -> DecodeError {
    if ends_early(error) {
        return DecodeError::truncated(options);
    }
    let text = error.to_string().lines().map(str::trim).collect::<Vec<_>>().join(" ");
    match error {
        ImageError::Limits(limit) => match limit.kind() {
            LimitErrorKind::DimensionError => {
                DecodeError::new(DecodeErrorKind::TooLarge, format!("the picture is too large: {text}"))
            }
            LimitErrorKind::InsufficientMemory => {
                let most = options.limits.memory / 1_000_000;
                let detail = format!(
                    "the picture takes more memory than the {most} MB that photos may take (--memory)"
                );
                DecodeError::new(DecodeErrorKind::TooLarge, detail)
            }
            _ => DecodeError::new(DecodeErrorKind::Unsupported, text),
        },
        ImageError::Unsupported(_) => {
            DecodeError::new(DecodeErrorKind::Unsupported, format!("not supported: {text}"))
        }
        _ => DecodeError::new(DecodeErrorKind::Corrupt, format!("the picture is damaged: {text}")),
    }
}

/// Whether the bytes ran out, wherever in the chain of causes that is said.
fn ends_early(error: &ImageError) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        let io = current.downcast_ref::<io::Error>();
        if io.is_some_and(|error| error.kind() == io::ErrorKind::UnexpectedEof) {
            return true;
        }
        cause = current.source();
    }
    let cause = error.source().map(|cause| cause.to_string().to_lowercase()).unwrap_or_default();
    matches!(error, ImageError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof)
        || ["eof", "unexpected end"].iter().any(|words| cause.contains(words))
}

/// Whether there are fewer bytes than the first chunk's length says.
fn is_cut_webp(bytes: &[u8]) -> bool {
    let length = bytes.get(4..).and_then(|rest| rest.first_chunk::<4>());
    length.is_some_and(|&length| (bytes.len() as u64) < u64::from(u32::from_le_bytes(length)) + 8)
}

fn ends_as_jpeg(bytes: &[u8]) -> bool {
    let tail = &bytes[bytes.len().saturating_sub(64)..];
    tail.windows(2).any(|pair| pair == [0xff, 0xd9])
}
