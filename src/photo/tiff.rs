//! TIFF: the first picture of a file, with the pixels that Pillow gives. Where Pillow reads nothing and GDAL writes
//! it, the samples are taken as GDAL takes them.
//!
//! Knows how strips and tiles lie in a picture and what samples mean; `tiff_data` unpacks them.

use image::metadata::Orientation;

use super::canvas::{RowCanvas, STRIP};
use super::cmyk;
use super::decode::{
    DecodeError, DecodeErrorKind, DecodeOptions, Decoded, WideGrey, check_size, orientation, upright,
};
use super::ifd::{Directory, Fault};
use super::tiff_data::{Packing, unpack};

/// What the samples of a pixel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Colours {
    Grey {
        inverted: bool,
    },
    Palette,
    Rgb,
    Inks,
    /// Luminance and two differences of colour.
    Luma,
}

/// What a sample's bits are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SampleFormat {
    Unsigned,
    Signed,
    Float,
}

/// Where everything is.
struct TiffLayout {
    width: u32,
    height: u32,
    colours: Colours,
    number: SampleFormat,
    bits: u32,
    /// Of a pixel, all of them.
    samples: usize,
    planar: bool,
    premultiplied: bool,
    tiled: bool,
    /// Width and height of a tile or strip.
    chunk: (u32, u32),
    offsets: Vec<u64>,
    lengths: Vec<u64>,
}

/// Whether the bytes begin as a TIFF does.
pub(super) fn is_tiff(bytes: &[u8]) -> bool {
    [&b"II*\0"[..], b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|magic| bytes.starts_with(magic))
}

/// Width, height and orientation as stored.
pub(super) fn size(bytes: &[u8], options: &DecodeOptions) -> Result<((u32, u32), Orientation), DecodeError> {
    let tags = Tags { tags: Directory::first(bytes).map_err(|fault| failure(fault, options))?, options };
    let (width, height) = (tags.side(256)?, tags.side(257)?);
    check_size(width, height, &options.limits)?;
    Ok(((width, height), orientation(bytes, options)))
}

/// Tags whose values are short lists, which say what the samples are.
pub(super) const SHORT_LISTS: [u16; 4] = [258, 338, 339, 530];

/// Width, height, and the bytes that decoding takes beside the photo; only the directory and the values of
/// [`SHORT_LISTS`] are looked at. Nothing for what will not be decoded.
pub(super) fn cost(bytes: &[u8], options: &DecodeOptions) -> Option<((u32, u32), u64)> {
    let tags = Tags { tags: Directory::first(bytes).ok()?, options };
    let layout = TiffLayout::read(&tags).ok()?;
    let packing = Packing::read(&tags.tags, layout.colours == Colours::Luma, layout.planar).ok()?;
    Some(((layout.width, layout.height), layout.cost(&packing)))
}

/// Decodes to an upright photo.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, DecodeError> {
    let tags = Tags { tags: Directory::first(bytes).map_err(|fault| failure(fault, options))?, options };
    let layout = TiffLayout::read(&tags)?;
    let packing = Packing::read(&tags.tags, layout.colours == Colours::Luma, layout.planar)
        .map_err(|fault| failure(fault, options))?;
    let palette = if layout.colours == Colours::Palette { tags.palette(layout.bits)? } else { Vec::new() };
    let (stored, orientation) = ((layout.width, layout.height), orientation(bytes, options));
    let mut canvas = RowCanvas::new(stored, orientation)?;
    let (mut least, mut lost) = (true, false);
    layout.each_band(bytes, &packing, options, &mut |samples, loses| {
        lost |= loses;
        least = least && samples.iter().all(|&sample| sample <= 1);
        let looked_up = |&place: &u8| palette.get(usize::from(place)).copied().unwrap_or_default();
        match layout.colours {
            Colours::Grey { .. } => {
                canvas.push(&samples.iter().flat_map(|&grey| [grey; 3]).collect::<Vec<_>>())
            }
            Colours::Palette => canvas.push(&samples.iter().flat_map(looked_up).collect::<Vec<_>>()),
            Colours::Inks => canvas.push(&cmyk::to_rgb(samples.to_vec())),
            Colours::Luma if !packing.is_rgb() => canvas.push(&packing.luma_to_rgb(samples)),
            Colours::Rgb if layout.premultiplied => canvas.push(&divided(samples)),
            Colours::Rgb | Colours::Luma => canvas.push(samples),
        }
    })?;
    // Floats that are meant as 0 to 1 leave next to nothing.
    let clipped = lost || (layout.number == SampleFormat::Float && least);
    Ok(Decoded { photo: canvas.finish(), full: upright(stored, orientation), clipped })
}

fn failure(fault: Fault, options: &DecodeOptions) -> DecodeError {
    match fault {
        Fault::NotTiff => {
            DecodeError::new(DecodeErrorKind::Corrupt, "the TIFF is damaged: its header is none")
        }
        Fault::Cut => DecodeError::truncated(options),
    }
}

fn corrupt(what: &str) -> DecodeError {
    DecodeError::new(DecodeErrorKind::Corrupt, format!("the TIFF is damaged: {what}"))
}

/// A refusal with the cure.
pub(super) fn unsupported(what: &str) -> DecodeError {
    let detail = format!(
        "TIFFs {what} are not supported: convert them to PNG or to a plain TIFF, as `gdal_translate -ot Byte -scale \
         photo.tif photo.png` does"
    );
    DecodeError::new(DecodeErrorKind::Unsupported, detail)
}

struct Tags<'a> {
    tags: Directory<'a>,
    options: &'a DecodeOptions,
}

impl Tags<'_> {
    fn numbers(&self, tag: u16) -> Result<Option<Vec<u64>>, DecodeError> {
        self.tags.numbers(tag).map_err(|fault| failure(fault, self.options))
    }

    fn number(&self, tag: u16) -> Result<Option<u64>, DecodeError> {
        self.tags.first_number(tag).map_err(|fault| failure(fault, self.options))
    }

    fn side(&self, tag: u16) -> Result<u32, DecodeError> {
        let side = self.number(tag)?.ok_or_else(|| corrupt("it does not say how large it is"))?;
        u32::try_from(side).map_err(|_| corrupt("it is larger than a TIFF can be"))
    }

    /// The colours of the palette, whose values have 16 bits.
    fn palette(&self, bits: u32) -> Result<Vec<[u8; 3]>, DecodeError> {
        let palette = self.numbers(320)?.unwrap_or_default();
        let size = 1 << bits;
        if palette.len() < 3 * size {
            return Err(corrupt("its palette is too small"));
        }
        let colour = |place: usize| [0, 1, 2].map(|channel| (palette[channel * size + place] >> 8) as u8);
        Ok((0..size).map(colour).collect())
    }
}

/// What alpha was multiplied into, before that.
fn divided(samples: &[u8]) -> Vec<u8> {
    let (pixels, _) = samples.as_chunks::<4>();
    let before = |value: u8, alpha: u8| match alpha {
        0 => 0,
        255 => value,
        alpha => (u32::from(value) * 255 / u32::from(alpha)).min(255) as u8,
    };
    pixels.iter().flat_map(|&[r, g, b, a]| [before(r, a), before(g, a), before(b, a)]).collect()
}

impl TiffLayout {
    fn read(tags: &Tags<'_>) -> Result<TiffLayout, DecodeError> {
        let (width, height) = (tags.side(256)?, tags.side(257)?);
        check_size(width, height, &tags.options.limits)?;
        refuse_raw(tags)?;
        let samples = tags.number(277)?.unwrap_or(1);
        let bits = tags.numbers(258)?.filter(|bits| !bits.is_empty()).unwrap_or_else(|| vec![1]);
        let extra = tags.numbers(338)?.unwrap_or_default();
        let colours = match tags.number(262)?.unwrap_or(0) {
            0 => Colours::Grey { inverted: true },
            1 => Colours::Grey { inverted: false },
            2 => Colours::Rgb,
            3 => Colours::Palette,
            5 => Colours::Inks,
            6 => Colours::Luma,
            4 => return Err(unsupported("that are masks")),
            8..=10 => return Err(unsupported("of CIE L*a*b* colours")),
            32_844 | 32_845 => return Err(unsupported("of logarithmic colours")),
            _ => return Err(unsupported("of these colours")),
        };
        let samples = usize::try_from(samples).ok().filter(|samples| (1..=1024).contains(samples));
        let samples = samples.ok_or_else(|| corrupt("it has no samples, or too many"))?;
        if samples < colours.count() {
            return Err(corrupt("it has fewer samples than its colours need"));
        }
        if matches!(colours, Colours::Grey { .. }) && samples > 2 {
            let detail = format!(
                "TIFFs of {samples} bands that are no colours are not supported: choose three of them, as \
                 `gdal_translate -b 1 -b 2 -b 3 -colorinterp red,green,blue -ot Byte photo.tif rgb.tif` does"
            );
            return Err(DecodeError::new(DecodeErrorKind::Unsupported, detail));
        }
        let same = bits.windows(2).all(|pair| pair[0] == pair[1]);
        let bits = u32::try_from(bits[0]).ok().filter(|bits| same && (1..=64).contains(bits));
        let bits = bits.ok_or_else(|| unsupported("whose samples have different numbers of bits"))?;
        let number = match tags.number(339)?.unwrap_or(1) {
            2 => SampleFormat::Signed,
            3 => SampleFormat::Float,
            1 | 4 => SampleFormat::Unsigned,
            _ => return Err(unsupported("of complex numbers")),
        };
        let planar = tags.number(284)?.unwrap_or(1) == 2 && samples > 1;
        let tiled = tags.number(322)?.is_some();
        let chunk = if tiled {
            (tags.side(322)?, tags.side(323)?)
        } else {
            let rows = tags.number(278)?.unwrap_or(u64::MAX).clamp(1, height.into());
            (width, rows as u32)
        };
        check_size(chunk.0, chunk.1, &tags.options.limits)?;
        let (offsets, lengths) = if tiled { (324, 325) } else { (273, 279) };
        let premultiplied = colours == Colours::Rgb && extra.first() == Some(&1) && samples > 3;
        let offsets =
            tags.numbers(offsets)?.ok_or_else(|| corrupt("it does not say where its pixels are"))?;
        let lengths = tags.numbers(lengths)?.unwrap_or_default();
        let layout = TiffLayout {
            width,
            height,
            colours,
            number,
            bits,
            samples,
            planar,
            premultiplied,
            tiled,
            chunk,
            offsets,
            lengths,
        };
        layout.check()?;
        Ok(layout)
    }

    fn check(&self) -> Result<(), DecodeError> {
        let wide = matches!(self.colours, Colours::Grey { .. });
        match (self.number, self.bits) {
            (SampleFormat::Unsigned, 1..=8) => {}
            (SampleFormat::Unsigned, 9..=16) if matches!(self.colours, Colours::Rgb | Colours::Inks) => {}
            (SampleFormat::Unsigned, 9..=16 | 32) if wide => {}
            (SampleFormat::Signed, 8 | 16 | 32) if wide => {}
            (SampleFormat::Float, 16 | 32 | 64) if wide => {}
            (number, bits) => {
                let number = match number {
                    SampleFormat::Unsigned => "bits",
                    SampleFormat::Signed => "bits with a sign",
                    SampleFormat::Float => "bits with a fraction",
                };
                return Err(unsupported(&format!("of {bits} {number} a sample")));
            }
        }
        if self.colours == Colours::Luma && self.bits != 8 {
            return Err(unsupported("of luminance and colour differences in other than 8 bits"));
        }
        let planes = if self.planar { self.samples as u64 } else { 1 };
        if (self.offsets.len() as u64) < self.across() * self.down() * planes {
            return Err(corrupt("it does not say where all its pixels are"));
        }
        Ok(())
    }

    fn across(&self) -> u64 {
        u64::from(self.width.div_ceil(self.chunk.0))
    }

    fn down(&self) -> u64 {
        u64::from(self.height.div_ceil(self.chunk.1))
    }

    /// Samples of a pixel that are looked at: those of its colours, and alpha where it has to be taken out.
    fn kept(&self) -> usize {
        self.colours.count() + usize::from(self.premultiplied)
    }

    /// Planes that are looked at, and the samples that a pixel has in each.
    fn planes(&self) -> (usize, usize) {
        if self.planar { (self.kept(), 1) } else { (1, self.samples) }
    }

    /// The bytes that decoding takes beside the photo: all strips or tiles that lie side by side, unpacked, and some
    /// rows.
    fn cost(&self, packing: &Packing) -> u64 {
        let (planes, inside) = self.planes();
        let row = (u64::from(self.chunk.0).saturating_mul(inside as u64 * u64::from(self.bits))).div_ceil(8);
        let chunk = row.saturating_mul(self.chunk.1.into());
        let unpacked = if packing.is_plain() { 0 } else { self.across().saturating_mul(planes as u64) };
        let rows = 3 * STRIP as u64 * u64::from(self.width) * self.kept().max(3) as u64;
        unpacked.saturating_add(packing.copies()).saturating_mul(chunk).saturating_add(rows)
    }

    /// Gives some rows after the other: the kept samples of their pixels in 8 bits, and whether values were cut off.
    fn each_band(
        &self,
        bytes: &[u8],
        packing: &Packing,
        options: &DecodeOptions,
        take: &mut dyn FnMut(&[u8], bool),
    ) -> Result<(), DecodeError> {
        let (width, kept) = (self.width as usize, self.kept());
        let (planes, inside) = self.planes();
        let (chunk_width, chunk_height) = (self.chunk.0 as usize, self.chunk.1 as usize);
        let (across, down) = (self.across() as usize, self.down() as usize);
        let mut band = Vec::new();
        for y in 0..down {
            let rows = chunk_height.min(self.height as usize - y * chunk_height);
            let stored = if self.tiled { chunk_height } else { rows };
            let mut side_by_side = Vec::new();
            for (x, plane) in (0..across).flat_map(|x| (0..planes).map(move |plane| (x, plane))) {
                // What GDAL leaves out is black.
                let index = plane * across * down + y * across + x;
                let Some(packed) = self.packed(bytes, index, options)? else { continue };
                let chunk = unpack(packed, packing, (chunk_width, stored), inside, self.bits, options)?;
                side_by_side.push((x * chunk_width, plane, chunk));
            }
            for top in (0..rows).step_by(STRIP) {
                let count = STRIP.min(rows - top);
                band.clear();
                band.resize(width * count * kept, 0);
                let mut lost = false;
                for (left, plane, chunk) in &side_by_side {
                    let pixels = chunk_width.min(width - left);
                    for (row, line) in chunk.rows(top, count).enumerate() {
                        let out = &mut band[(row * width + left) * kept + plane..];
                        lost |= self.put(line, packing, out, pixels, inside, options.wide_grey);
                    }
                }
                take(&band, lost);
            }
        }
        Ok(())
    }

    /// The bytes of a strip or tile; nothing where it is left out.
    fn packed<'a>(
        &self,
        bytes: &'a [u8],
        index: usize,
        options: &DecodeOptions,
    ) -> Result<Option<&'a [u8]>, DecodeError> {
        let start = usize::try_from(self.offsets[index]).map_err(|_| DecodeError::truncated(options))?;
        let length = self.lengths.get(index).map(|&length| usize::try_from(length).unwrap_or(usize::MAX));
        if length == Some(0) && start == 0 {
            return Ok(None);
        }
        let rest = bytes.get(start..).ok_or_else(|| DecodeError::truncated(options))?;
        match length {
            None | Some(0) => Ok(Some(rest)),
            Some(length) => rest.get(..length).map(Some).ok_or_else(|| DecodeError::truncated(options)),
        }
    }

    /// Puts a row of samples where they belong, the next pixel's `kept` samples further on; whether
    /// values were cut off.
    fn put(
        &self,
        line: &[u8],
        packing: &Packing,
        out: &mut [u8],
        pixels: usize,
        inside: usize,
        grey: WideGrey,
    ) -> bool {
        let kept = self.kept();
        let taken = if self.planar { 1 } else { kept };
        if self.bits == 8 && self.colours != (Colours::Grey { inverted: true }) {
            for pixel in 0..pixels {
                let from = &line[pixel * inside..];
                out[pixel * kept..pixel * kept + taken].copy_from_slice(&from[..taken]);
            }
            return false;
        }
        let mut lost = false;
        for pixel in 0..pixels {
            for sample in 0..taken {
                let value = packing.value(line, (pixel * inside + sample) * self.bits as usize, self.bits);
                out[pixel * kept + sample] = self.byte(value, grey);
                lost |= self.loses(value, grey);
            }
        }
        lost
    }

    /// Whether a value lies where 8 bits end.
    fn loses(&self, value: u64, grey: WideGrey) -> bool {
        let outside = |value: f64| !(0.0..=255.0).contains(&value);
        match (self.number, self.bits) {
            _ if !matches!(self.colours, Colours::Grey { .. }) => false,
            (SampleFormat::Unsigned, 9..=16) => grey == WideGrey::Clipped && value > 255,
            (SampleFormat::Unsigned, bits) => bits > 16 && value > 255,
            (SampleFormat::Signed, 8) => false,
            (SampleFormat::Signed, 16) => outside(f64::from(value as i16)),
            (SampleFormat::Signed, _) => outside(f64::from(value as i32)),
            (SampleFormat::Float, 16) => outside(half::f16::from_bits(value as u16).to_f64()),
            (SampleFormat::Float, 32) => outside(f64::from(f32::from_bits(value as u32))),
            (SampleFormat::Float, _) => outside(f64::from_bits(value)),
        }
    }

    /// A sample in 8 bits.
    fn byte(&self, value: u64, grey: WideGrey) -> u8 {
        let cut = |value: f64| value.clamp(0.0, 255.0) as u8;
        let most = |bits: u32| (1u64 << bits) - 1;
        let inverted = self.colours == Colours::Grey { inverted: true };
        match (self.number, self.bits) {
            _ if self.colours == Colours::Palette => value as u8,
            (SampleFormat::Unsigned, bits @ 1..=8) => {
                let byte = ((value * 255 + most(bits) / 2) / most(bits)) as u8;
                if inverted { 255 - byte } else { byte }
            }
            (SampleFormat::Unsigned, bits @ 9..=16) => match (self.colours, grey) {
                (Colours::Grey { .. }, WideGrey::Clipped) => value.min(255) as u8,
                // OpenCV's reader turns nothing round either.
                _ => (value >> (bits - 8)) as u8,
            },
            (SampleFormat::Unsigned, _) => value.min(255) as u8,
            (SampleFormat::Signed, 8) => value as u8,
            (SampleFormat::Signed, 16) => cut(f64::from(value as i16)),
            (SampleFormat::Signed, _) => cut(f64::from(value as i32)),
            (SampleFormat::Float, 16) => cut(half::f16::from_bits(value as u16).to_f64()),
            (SampleFormat::Float, 32) => cut(f64::from(f32::from_bits(value as u32))),
            (SampleFormat::Float, _) => cut(f64::from_bits(value)),
        }
    }
}

impl Colours {
    fn count(self) -> usize {
        match self {
            Colours::Grey { .. } | Colours::Palette => 1,
            Colours::Rgb | Colours::Luma => 3,
            Colours::Inks => 4,
        }
    }
}

/// Camera raw files are TIFFs whose first picture is a thumbnail, or mosaics of single colours.
fn refuse_raw(tags: &Tags<'_>) -> Result<(), DecodeError> {
    let mosaic = matches!(tags.number(262)?, Some(32_803 | 34_892));
    let thumbnail = tags.number(254)?.is_some_and(|kind| kind & 1 == 1) && tags.tags.bytes(330) != Ok(None);
    let digital_negative = tags.tags.bytes(50_706) != Ok(None);
    if mosaic || thumbnail || digital_negative { Err(super::kinds::raw()) } else { Ok(()) }
}
