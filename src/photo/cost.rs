//! What decoding a picture will take of memory, as its header tells, before anything of it is paid for.

use std::io::{BufRead, Read, Seek, SeekFrom};

use image::metadata::Orientation;
use image::{ImageDecoder, ImageFormat, ImageReader};

use super::decode::{DecodeError, DecodeErrorKind, DecodeOptions, TargetSize, divisor};
use super::ifd::{self, Directory};
use super::markers::MarkerFacts;
use super::{kinds, png, tiff};

/// Most bytes at the start of a file that are read for its header at first; JPEGs with large segments need more.
const HEAD: usize = 1 << 16;

/// Bytes that decoding takes at its peak beside the file's own, and what the photo has afterwards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// Width and height as stored.
    pub(super) stored: (u32, u32),
    /// Bytes of the pixels.
    pub(super) photo: u64,
    /// Bytes of the decoder.
    pub(super) decoder: u64,
}

impl Cost {
    /// All bytes at the peak, with those of a file of so many.
    pub(super) fn bytes(&self, file: u64) -> u64 {
        file.saturating_add(self.photo).saturating_add(self.decoder)
    }
}

/// Nothing where the header tells no size: decoding will fail at it as well.
pub(super) fn of(
    file: &mut (impl BufRead + Seek),
    options: &DecodeOptions,
    target: TargetSize<'_>,
) -> Option<Cost> {
    let mut head = Vec::new();
    file.by_ref().take(HEAD as u64).read_to_end(&mut head).ok()?;
    let cost = if head.starts_with(&[0xff, 0xd8, 0xff]) {
        let (stored, decoder) = of_jpeg(file, head, options)?;
        let lies = [Orientation::NoTransforms, Orientation::Rotate90];
        let divisor = lies.map(|orientation| divisor(stored, orientation, options, target)).into_iter().min();
        let divisor = divisor.unwrap_or(1);
        Cost { stored, photo: pixels(stored.0.div_ceil(divisor), stored.1.div_ceil(divisor), 3), decoder }
    } else if let Some((stored, decoder)) = png::cost(&head) {
        Cost { stored, photo: pixels(stored.0, stored.1, 3), decoder }
    } else if let Some(stored) = of_heif(&head) {
        // Planes as they are stored, and the picture that is made of them.
        Cost { stored, photo: pixels(stored.0, stored.1, 3), decoder: pixels(stored.0, stored.1, 9) }
    } else if tiff::is_tiff(&head) {
        let (stored, decoder) = of_tiff(file, options)?;
        Cost { stored, photo: pixels(stored.0, stored.1, 3), decoder }
    } else {
        let format = image::guess_format(&head).ok()?;
        file.seek(SeekFrom::Start(0)).ok()?;
        of_other(file, format, &head)?
    };
    Some(cost)
}

/// The width and height of the largest picture in a file of HEIC or AVIF, one of which the others are parts or
/// thumbnails.
fn of_heif(head: &[u8]) -> Option<(u32, u32)> {
    if !kinds::is_heif(head) {
        return None;
    }
    // A box has its name, four bytes of version and flags, and both sides.
    let boxes = memchr::memmem::find_iter(head, b"ispe");
    let sides = boxes.filter_map(|at| {
        let (sides, _) = head.get(at + 8..at + 16)?.as_chunks::<4>();
        Some((u32::from_be_bytes(sides[0]), u32::from_be_bytes(sides[1])))
    });
    sides.max_by_key(|(width, height)| u64::from(*width) * u64::from(*height))
}

fn pixels(width: u32, height: u32, bytes: u64) -> u64 {
    (u64::from(width) * u64::from(height)).saturating_mul(bytes)
}

/// Reads on until the first scan begins.
fn of_jpeg(file: &mut impl Read, mut head: Vec<u8>, options: &DecodeOptions) -> Option<((u32, u32), u64)> {
    loop {
        let outline = MarkerFacts::of(&head);
        if outline.has_begun() {
            return Some((outline.size(options).ok()?, outline.decoder_bytes()));
        }
        let before = head.len();
        file.by_ref().take(3 * before as u64).read_to_end(&mut head).ok()?;
        if head.len() == before {
            return None;
        }
    }
}

fn of_other(file: &mut (impl BufRead + Seek), format: ImageFormat, head: &[u8]) -> Option<Cost> {
    let decoder = ImageReader::with_format(file, format).into_decoder().ok()?;
    let (width, height) = decoder.dimensions();
    let samples = decoder.total_bytes();
    let photo = pixels(width, height, 3);
    let decoder = match format {
        // Colours and alpha in the photo's place, and the first picture where it is smaller than its screen.
        ImageFormat::Gif => 2 * samples - photo,
        ImageFormat::WebP => of_webp(head, pixels(width, height, 1)),
        // The photo takes the samples' place.
        _ => samples.saturating_sub(photo),
    };
    Some(Cost { stored: (width, height), photo, decoder })
}

/// Bytes beside a photo of so many pixels: planes of luminance and colours, colours with alpha, alpha by itself, and
/// what an animation's first picture is put onto.
fn of_webp(head: &[u8], pixels: u64) -> u64 {
    const ALPHA: u8 = 0x10;
    const ANIMATION: u8 = 0x02;
    match (head.get(12..16), head.get(20)) {
        (Some(b"VP8 "), _) => 3 * pixels / 2,
        (Some(b"VP8X"), Some(flags)) if flags & ANIMATION != 0 => 10 * pixels,
        (Some(b"VP8X"), Some(flags)) if flags & ALPHA != 0 => 8 * pixels,
        _ => 5 * pixels,
    }
}

/// What a TIFF tells of its picture, at its place among zeros: memory that the system gives only for what is read.
fn of_tiff(file: &mut (impl Read + Seek), options: &DecodeOptions) -> Option<((u32, u32), u64)> {
    let length = file.seek(SeekFrom::End(0)).ok()?;
    let mut bytes: Vec<u8> = bytemuck::try_zeroed_vec(usize::try_from(length).ok()?).ok()?;
    let mut read = |bytes: &mut [u8], at: u64, most: usize| {
        let start = usize::try_from(at).ok()?;
        let place = bytes.get_mut(start..)?;
        let end = place.len().min(most);
        file.seek(SeekFrom::Start(at)).ok()?;
        file.read_exact(&mut place[..end]).ok()
    };
    read(&mut bytes, 0, 16)?;
    let at = ifd::first_at(&bytes)?;
    read(&mut bytes, at, HEAD)?;
    for tag in tiff::SHORT_LISTS {
        let place = Directory::first(&bytes).ok()?.elsewhere(tag);
        if let Some((at, length)) = place {
            read(&mut bytes, at, length.min(HEAD))?;
        }
    }
    tiff::cost(&bytes, options)
}

/// Refuses what never fits.
pub(super) fn check(
    bytes: u64,
    (width, height): (u32, u32),
    options: &DecodeOptions,
) -> Result<(), DecodeError> {
    let most = options.limits.memory;
    if bytes <= most {
        return Ok(());
    }
    let mb = |bytes: u64| bytes.div_ceil(1_000_000);
    let detail = format!(
        "the picture of {width}x{height} pixels takes about {} MB of memory while it is decoded, more than the limit of \
         {} MB (--memory)",
        mb(bytes),
        most / 1_000_000
    );
    Err(DecodeError::new(DecodeErrorKind::TooLarge, detail))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Cursor;
    use std::path::Path;

    use super::super::decode::{Limits, decode_bytes};
    use super::*;

    fn cost(bytes: &[u8]) -> Option<Cost> {
        of(&mut Cursor::new(bytes), &DecodeOptions::default(), &|whole| whole)
    }

    #[test]
    fn headers_tell_the_size_of_every_picture_that_is_read() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/photos");
        let mut seen = 0;
        for entry in walkdir::WalkDir::new(folder) {
            let path = entry.unwrap().into_path();
            let Ok(bytes) = fs::read(&path) else { continue };
            let options = DecodeOptions { ignore_orientation: true, ..DecodeOptions::default() };
            let Ok(photo) = decode_bytes(&bytes, &options) else { continue };
            let cost = cost(&bytes).unwrap_or_else(|| panic!("{}", path.display()));
            assert_eq!(cost.stored, (photo.width, photo.height), "{}", path.display());
            assert_eq!(cost.photo, photo.pixels.len() as u64, "{}", path.display());
            // What is known to be too little is refused, from memory as from a file.
            let limits = Limits { memory: cost.photo, ..Limits::default() };
            let error = decode_bytes(&bytes, &DecodeOptions { limits, ..options }).unwrap_err();
            assert_eq!(error.kind, DecodeErrorKind::TooLarge, "{}", path.display());
            seen += 1;
        }
        assert!(seen > 20, "{seen}");
    }

    #[test]
    fn webps_take_what_their_kind_of_packing_needs() {
        let head =
            |kind: &[u8; 4], flags: u8| [&b"RIFF\0\0\0\0WEBP"[..], kind, &[10, 0, 0, 0, flags]].concat();
        assert_eq!(of_webp(&head(b"VP8 ", 0), 100), 150);
        assert_eq!(of_webp(&head(b"VP8L", 0), 100), 500);
        assert_eq!(of_webp(&head(b"VP8X", 0x10), 100), 800);
        assert_eq!(of_webp(&head(b"VP8X", 0x12), 100), 1000);
    }
}
