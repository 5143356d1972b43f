//! JPEG by libjpeg's own arithmetic (mozjpeg's decoder is libjpeg-turbo's), with its complaints counted.

use std::cell::Cell;
use std::ffi::c_int;
use std::io::{self, BufRead, Read};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use image::RgbImage;
use image::metadata::Orientation;
use mozjpeg::{ColorSpace, Decompress, Marker};
use mozjpeg_sys::{jpeg_common_struct, jpeg_error_mgr, jpeg_std_error};

use super::decode::{DecodeOptions, Error, ErrorKind, Raw, Target, check_size, divisor};
use super::inks;

thread_local! {
    /// Complaints about the data of the picture that this thread decodes.
    static WARNINGS: Cell<u32> = const { Cell::new(0) };
}

/// Decodes a JPEG to RGB, as Pillow's `convert("RGB")` does, after its `draft` where the photo is reduced.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions, target: Target<'_>) -> Result<Raw, Error> {
    WARNINGS.set(0);
    let ended = Cell::new(false);
    // libjpeg's errors unwind through its frames, which are built for it, without touching the panic hook.
    let outcome =
        catch_unwind(AssertUnwindSafe(|| decompress(Source { bytes, ended: &ended }, options, target)));
    let raw = match outcome {
        Ok(raw) => raw?,
        Err(_) if ended.get() => return Err(Error::truncated(options)),
        Err(cause) => {
            let cause = cause.downcast::<String>().map_or_else(|_| "unknown".to_owned(), |cause| *cause);
            if cause.starts_with("Maximum supported image dimension") {
                return Err(Error::new(ErrorKind::TooLarge, format!("the picture is too large: {cause}")));
            }
            return Err(Error::new(ErrorKind::Corrupt, format!("the JPEG is damaged: {cause}")));
        }
    };
    // A missing end marker alone harms no pixel; data that end early make libjpeg invent them, and complain.
    let cut = ended.get() && (WARNINGS.get() > 0 || is_progressive(bytes));
    if cut && !options.allow_truncated { Err(Error::truncated(options)) } else { Ok(raw) }
}

fn decompress(source: Source<'_>, options: &DecodeOptions, target: Target<'_>) -> Result<Raw, Error> {
    let damaged = |error: io::Error| Error::new(ErrorKind::Corrupt, format!("the JPEG is damaged: {error}"));
    let markers = [Marker::APP(1)];
    let builder = Decompress::with_markers(&markers).with_err(error_manager());
    let mut header = builder.from_reader(source).map_err(damaged)?;
    let stored = (side(header.width()), side(header.height()));
    check_size(stored.0, stored.1, &options.limits)?;
    let orientation = header.markers().find_map(|marker| {
        let exif = marker.data.strip_prefix(b"Exif\0\0")?;
        Orientation::from_exif_chunk(exif)
    });
    let orientation = orientation.unwrap_or(Orientation::NoTransforms);
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

/// libjpeg's standard error manager, silent, with errors that unwind and warnings that are counted.
#[allow(unsafe_code)]
fn error_manager() -> jpeg_error_mgr {
    // SAFETY: the struct is plain data of C, for which zeros are valid, and `jpeg_std_error` fills it.
    let mut manager: jpeg_error_mgr = unsafe { std::mem::zeroed() };
    // SAFETY: as above; the pointer that comes back is the one given.
    unsafe { jpeg_std_error(&mut manager) };
    manager.error_exit = Some(fail);
    manager.emit_message = Some(count);
    manager
}

extern "C-unwind" fn count(common: &mut jpeg_common_struct, level: c_int) {
    // That the end marker is missing harms no pixel; what is said of the data does.
    if level < 0 && message(common).starts_with("Corrupt JPEG data") {
        WARNINGS.set(WARNINGS.get().saturating_add(1));
    }
}

extern "C-unwind" fn fail(common: &mut jpeg_common_struct) {
    resume_unwind(Box::new(message(common)));
}

/// `JMSG_LENGTH_MAX`: what libjpeg expects of a buffer for its words.
const MESSAGE: usize = 200;

/// What libjpeg has to say, in its own words.
#[allow(unsafe_code)]
fn message(common: &mut jpeg_common_struct) -> String {
    let mut text = [0u8; MESSAGE];
    // SAFETY: `err` is the manager above, alive as long as the decompressor; libjpeg writes at most `MESSAGE` bytes.
    unsafe {
        if let Some(format) = common.err.as_ref().and_then(|manager| manager.format_message) {
            type Format = unsafe extern "C-unwind" fn(&mut jpeg_common_struct, &mut [u8; MESSAGE]);
            let format: Format = std::mem::transmute(format);
            format(common, &mut text);
        }
    }
    let text = text.split(|&byte| byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}
