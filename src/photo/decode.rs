//! From a file's bytes to an upright [`Photo`], with the pixels that Pillow's `convert("RGB")` gives.

use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use image::metadata::Orientation;

use super::canvas::lies;
use super::cost::{self, Cost};
use super::{Photo, formats, jpeg, metadata};

/// Which JPEG decoder reads the pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decoder {
    /// libjpeg-turbo's own arithmetic, bit for bit, as Pillow and OpenCV give.
    #[default]
    Exact,
    /// `image`'s decoder, up to five levels off. Quicker only in builds without NASM, whose libjpeg-turbo has no
    /// SIMD.
    Fast,
    /// As `Exact`, but [`decode_for`] reads large JPEGs at a half, a quarter or an eighth of their size, from the
    /// lowest coefficients of each block alone.
    Reduced,
}

impl Decoder {
    /// `exact`, `fast` or `reduced`.
    pub fn name(self) -> &'static str {
        match self {
            Decoder::Exact => "exact",
            Decoder::Fast => "fast",
            Decoder::Reduced => "reduced",
        }
    }
}

/// How many times larger than what the network takes a reduced photo stays at least, on each side. At 2 what the
/// two ways of resizing make of a photo can hardly be told apart (Pillow's `reducing_gap`).
const GAP: u32 = 2;

/// Bytes that one picture may take while it is decoded unless somebody says more: a JPEG of 100 megapixels fits twice,
/// and with what the bundled model takes the whole stays below 1 GB.
pub const USUAL_MEMORY: u64 = 700_000_000;

/// Bounds on what a picture may cost before it is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes a file may have.
    pub file_bytes: u64,
    /// Most pixels (width times height).
    pub pixels: u64,
    /// Most bytes of memory that a picture may take while it is decoded, as its header tells, the file's own with them.
    pub memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { file_bytes: 512 << 20, pixels: 200_000_000, memory: USUAL_MEMORY }
    }
}

/// How photos are decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodeOptions {
    /// JPEG decoder.
    pub decoder: Decoder,
    /// Leave the pixels as stored, whatever the EXIF orientation says.
    pub ignore_orientation: bool,
    /// Take what a truncated JPEG, PNG or BMP holds instead of refusing it; other formats give nothing in part.
    pub allow_truncated: bool,
    /// What becomes of grey values of 16 bits.
    pub wide_grey: WideGrey,
    /// Bounds.
    pub limits: Limits,
}

/// What becomes of grey values of 16 bits; the libraries that frameworks read photos with differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WideGrey {
    /// All above 255 becomes white (Pillow's `convert("RGB")`).
    #[default]
    Clipped,
    /// Their high byte is taken (OpenCV).
    HighByte,
}

/// Why a picture could not be decoded, as the `kind` of a failure row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeErrorKind {
    /// The file could not be read.
    Unreadable,
    /// The file has no bytes.
    Empty,
    /// Not a picture in any known format.
    NotAPicture,
    /// The picture ends early.
    Truncated,
    /// The picture's data is wrong.
    Corrupt,
    /// Larger than the limits allow.
    TooLarge,
    /// There is no memory for it at the moment.
    OutOfMemory,
    /// A picture, but of a kind that is not supported.
    Unsupported,
}

impl DecodeErrorKind {
    /// The kind as it stands in results.
    pub fn as_str(self) -> &'static str {
        match self {
            DecodeErrorKind::Unreadable => "unreadable",
            DecodeErrorKind::Empty => "empty",
            DecodeErrorKind::NotAPicture => "not_a_picture",
            DecodeErrorKind::Truncated => "truncated",
            DecodeErrorKind::Corrupt => "corrupt",
            DecodeErrorKind::TooLarge => "too_large",
            DecodeErrorKind::OutOfMemory => "out_of_memory",
            DecodeErrorKind::Unsupported => "unsupported",
        }
    }
}

/// Why one picture could not be decoded. The file is not named here; whoever opened it does.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct DecodeError {
    /// What sort of failure.
    pub kind: DecodeErrorKind,
    /// One sentence for a person.
    pub detail: String,
}

impl DecodeError {
    pub(super) fn new(kind: DecodeErrorKind, detail: impl Into<String>) -> DecodeError {
        DecodeError { kind, detail: detail.into() }
    }

    pub(super) fn truncated(options: &DecodeOptions) -> DecodeError {
        let detail = if options.allow_truncated {
            "the picture is cut off, and what is left of it cannot be decoded"
        } else {
            "the picture is cut off: --allow-truncated takes what is there"
        };
        DecodeError::new(DecodeErrorKind::Truncated, detail)
    }
}

/// An upright photo, and what there is to know about how it was decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The photo.
    pub photo: Photo,
    /// The width and height that it has in full; those of the photo unless it was reduced.
    pub full: (u32, u32),
    /// Its grey values have more than 8 bits, and so much of them was cut off that it may be nearly white or black.
    pub clipped: bool,
}

/// The width and height that will be made of an upright photo of a width and height.
pub(super) type TargetSize<'a> = &'a dyn Fn((u32, u32)) -> (u32, u32);

/// The power of two that a photo may be divided by and still have `GAP` times the sides that are needed: 1 to 8.
pub(super) fn divisor(
    stored: (u32, u32),
    orientation: Orientation,
    options: &DecodeOptions,
    target: TargetSize<'_>,
) -> u32 {
    if options.decoder != Decoder::Reduced {
        return 1;
    }
    let (width, height) = upright(stored, orientation);
    let (target_width, target_height) = target((width, height));
    let (least_width, least_height) = (target_width.saturating_mul(GAP), target_height.saturating_mul(GAP));
    let enough = |&divisor: &u32| width / divisor >= least_width && height / divisor >= least_height;
    [8, 4, 2].into_iter().find(enough).unwrap_or(1)
}

/// How the pixels of a file are to be turned.
pub(super) fn orientation(bytes: &[u8], options: &DecodeOptions) -> Orientation {
    if options.ignore_orientation { Orientation::NoTransforms } else { metadata::orientation(bytes) }
}

/// Width and height after turning.
pub(super) fn upright((width, height): (u32, u32), orientation: Orientation) -> (u32, u32) {
    if lies(orientation) { (height, width) } else { (width, height) }
}

/// A picture file that is open and whose header was read, but none of its pixels.
#[derive(Debug)]
pub struct Opened {
    file: BufReader<File>,
    length: u64,
    cost: Cost,
}

impl Opened {
    /// Opens a file, for a use as in [`decode_for`].
    ///
    /// # Errors
    /// When the file cannot be read, or is larger than the limits allow. What else is wrong with it shows later.
    pub fn open(
        path: &Path,
        options: &DecodeOptions,
        target: &dyn Fn((u32, u32)) -> (u32, u32),
    ) -> Result<Opened, DecodeError> {
        // Before it is opened: a pipe that nobody writes into lets whoever opens it wait.
        let metadata = fs::metadata(path).map_err(|error| unreadable(&error))?;
        if !metadata.is_file() {
            let what = if metadata.is_dir() { "a folder" } else { "a pipe or a device" };
            return Err(DecodeError::new(DecodeErrorKind::Unreadable, format!("it is {what}, no file")));
        }
        let length = metadata.len();
        if length > options.limits.file_bytes {
            return Err(too_long(length, options.limits.file_bytes));
        }
        let mut file = BufReader::new(File::open(path).map_err(|error| unreadable(&error))?);
        let cost = guarded(|| Ok(cost::of(&mut file, options, target)))?.unwrap_or_default();
        file.seek(SeekFrom::Start(0)).map_err(|error| unreadable(&error))?;
        let opened = Opened { file, length, cost };
        cost::check(opened.decoding_bytes(), cost.stored, options)?;
        Ok(opened)
    }

    /// About the bytes of memory that decoding takes at its peak, those of the file with them.
    pub fn decoding_bytes(&self) -> u64 {
        self.cost.bytes(self.length)
    }

    /// Bytes of the photo's pixels.
    pub fn photo_bytes(&self) -> u64 {
        self.cost.photo
    }

    /// Width and height of the picture as stored; 0 where its header does not tell them.
    pub fn stored(&self) -> (u32, u32) {
        self.cost.stored
    }

    /// Reads and decodes the picture as [`decode_for`] does.
    ///
    /// # Errors
    /// As [`decode`].
    pub fn decode(
        self,
        options: &DecodeOptions,
        target: &dyn Fn((u32, u32)) -> (u32, u32),
    ) -> Result<Decoded, DecodeError> {
        self.decode_and(options, target, |_| ()).map(|(decoded, ())| decoded)
    }

    /// The same, and what is taken from the file's bytes, which are read once: a file may change, and a pipe ends.
    pub(crate) fn decode_and<T>(
        self,
        options: &DecodeOptions,
        target: &dyn Fn((u32, u32)) -> (u32, u32),
        also: impl FnOnce(&[u8]) -> T,
    ) -> Result<(Decoded, T), DecodeError> {
        let bytes = self.read(options)?;
        let decoded = from_bytes(&bytes, options, target)?;
        guarded(|| Ok((decoded, also(&bytes))))
    }

    fn read(mut self, options: &DecodeOptions) -> Result<Vec<u8>, DecodeError> {
        let most = options.limits.file_bytes;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(usize::try_from(self.length).unwrap_or(usize::MAX)).map_err(|_| {
            let detail = format!("there is not enough memory for the file's {} bytes", self.length);
            DecodeError::new(DecodeErrorKind::OutOfMemory, detail)
        })?;
        // A growing file has no length that could be trusted.
        let file = self.file.by_ref().take(most.saturating_add(1));
        { file }.read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
        let length = bytes.len() as u64;
        if length > most { Err(too_long(length, most)) } else { Ok(bytes) }
    }
}

/// Reads and decodes one picture file; its format is told by its content.
///
/// # Errors
/// One [`DecodeError`] a way to fail; never a panic, whatever the bytes.
pub fn decode(path: &Path, options: &DecodeOptions) -> Result<Photo, DecodeError> {
    decode_for(path, options, &|whole| whole).map(|decoded| decoded.photo)
}

/// Width and height of a picture once it is upright; reads no pixels.
///
/// # Errors
/// As [`decode`], but for what only the pixels tell.
pub fn size(path: &Path, options: &DecodeOptions) -> Result<(u32, u32), DecodeError> {
    // No pixels, no memory for them.
    let limits = Limits { memory: u64::MAX, ..options.limits };
    let options = &DecodeOptions { limits, ..*options };
    let bytes = Opened::open(path, options, &|whole| whole)?.read(options)?;
    let (stored, orientation) = formats::size(&bytes, options)?;
    Ok(upright(stored, orientation))
}

/// As [`decode`], for a use that resizes the photo: `target` tells what width and height it makes of a photo's.
/// With [`Decoder::Reduced`] the photo may come smaller than it is, though twice as large as that on each side at
/// least.
///
/// # Errors
/// As [`decode`].
pub fn decode_for(
    path: &Path,
    options: &DecodeOptions,
    target: &dyn Fn((u32, u32)) -> (u32, u32),
) -> Result<Decoded, DecodeError> {
    Opened::open(path, options, target)?.decode(options, target)
}

/// Decodes a picture from memory.
///
/// # Errors
/// As [`decode`].
pub fn decode_bytes(bytes: &[u8], options: &DecodeOptions) -> Result<Photo, DecodeError> {
    let target: TargetSize<'_> = &|whole| whole;
    let cost = guarded(|| Ok(cost::of(&mut io::Cursor::new(bytes), options, target)))?.unwrap_or_default();
    cost::check(cost.bytes(bytes.len() as u64), cost.stored, options)?;
    from_bytes(bytes, options, target).map(|decoded| decoded.photo)
}

thread_local! {
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread decodes a photo: a panic there is a failure of the photo.
pub fn is_decoding() -> bool {
    DECODING.get()
}

fn from_bytes(bytes: &[u8], options: &DecodeOptions, target: TargetSize<'_>) -> Result<Decoded, DecodeError> {
    guarded(|| upright_photo(bytes, options, target))
}

/// A decoder that panics on a hostile file costs that file only.
fn guarded<T>(work: impl FnOnce() -> Result<T, DecodeError>) -> Result<T, DecodeError> {
    DECODING.set(true);
    let outcome = catch_unwind(AssertUnwindSafe(work));
    DECODING.set(false);
    outcome.unwrap_or_else(|_| {
        Err(DecodeError::new(DecodeErrorKind::Corrupt, "the picture's data made the decoder fail"))
    })
}

fn upright_photo(
    bytes: &[u8],
    options: &DecodeOptions,
    target: TargetSize<'_>,
) -> Result<Decoded, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::new(DecodeErrorKind::Empty, "the file is empty"));
    }
    if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        jpeg::decode(bytes, options, target)
    } else {
        formats::decode(bytes, options)
    }
}

/// Refuses what has no pixels or too many, before anything is allocated.
pub(super) fn check_size(width: u32, height: u32, limits: &Limits) -> Result<(), DecodeError> {
    if width == 0 || height == 0 {
        return Err(DecodeError::new(
            DecodeErrorKind::Corrupt,
            format!("the picture has {width}x{height} pixels"),
        ));
    }
    if u64::from(width) * u64::from(height) > limits.pixels {
        let most = limits.pixels;
        let detail =
            format!("the picture has {width}x{height} pixels, more than the limit of {most} (--max-pixels)");
        return Err(DecodeError::new(DecodeErrorKind::TooLarge, detail));
    }
    Ok(())
}

fn unreadable(error: &io::Error) -> DecodeError {
    let detail = match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "the file may not be read: permission denied".to_owned(),
        _ => format!("the file cannot be read: {error}"),
    };
    DecodeError::new(DecodeErrorKind::Unreadable, detail)
}

fn too_long(length: u64, most: u64) -> DecodeError {
    let detail = format!("the file has {length} bytes, more than the limit of {most} (--max-file-size)");
    DecodeError::new(DecodeErrorKind::TooLarge, detail)
}
