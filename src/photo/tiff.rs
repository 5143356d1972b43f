//! TIFF: the first picture of a file, with the pixels that Pillow gives. Where Pillow reads nothing and GDAL writes
//! it, the samples are taken as GDAL takes them.
//!
//! Knows how strips and tiles lie in a picture and what samples mean; `tiff_data` unpacks them.

use image::metadata::Orientation;

use super::decode::{DecodeOptions, Decoded, Error, ErrorKind, WideGrey, check_size, orientation};
use super::ifd::{Directory, Fault};
use super::tiff_data::{Packing, unpack};
use super::{canvas, inks};

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
enum Number {
    Unsigned,
    Signed,
    Float,
}

/// Where everything is.
struct Layout {
    width: u32,
    height: u32,
    colours: Colours,
    number: Number,
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
pub(super) fn size(bytes: &[u8], options: &DecodeOptions) -> Result<((u32, u32), Orientation), Error> {
    let tags = Tags { tags: Directory::first(bytes).map_err(|fault| failure(fault, options))?, options };
    let (width, height) = (tags.side(256)?, tags.side(257)?);
    check_size(width, height, &options.limits)?;
    Ok(((width, height), orientation(bytes, options)))
}

/// Decodes to an upright photo.
pub(super) fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, Error> {
    let tags = Tags { tags: Directory::first(bytes).map_err(|fault| failure(fault, options))?, options };
    let layout = Layout::read(&tags)?;
    let packing = Packing::read(&tags.tags, layout.colours == Colours::Luma, layout.planar)
        .map_err(|fault| failure(fault, options))?;
    let (samples, lost) = layout.samples_of(bytes, &packing, options)?;
    // Floats that are meant as 0 to 1 leave next to nothing.
    let clipped = lost || (layout.number == Number::Float && samples.iter().all(|&sample| sample <= 1));
    let pixels = match layout.colours {
        Colours::Grey { .. } => samples.iter().flat_map(|&grey| [grey; 3]).collect(),
        Colours::Palette => tags.looked_up(&samples, layout.bits)?,
        Colours::Inks => inks::to_rgb(samples),
        Colours::Luma if !packing.is_rgb() => packing.luma_to_rgb(&samples),
        Colours::Rgb if layout.premultiplied => divided(&samples),
        Colours::Rgb | Colours::Luma => samples,
    };
    let decoded = canvas::whole((layout.width, layout.height), orientation(bytes, options), pixels)?;
    Ok(Decoded { clipped, ..decoded })
}

fn failure(fault: Fault, options: &DecodeOptions) -> Error {
    match fault {
        Fault::NotTiff => Error::new(ErrorKind::Corrupt, "the TIFF is damaged: its header is none"),
        Fault::Cut => Error::truncated(options),
    }
}

fn corrupt(what: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the TIFF is damaged: {what}"))
}

/// A refusal with the cure.
pub(super) fn unsupported(what: &str) -> Error {
    let detail = format!(
        "TIFFs {what} are not supported: convert them to PNG or to a plain TIFF, as `gdal_translate -ot Byte -scale \
         photo.tif photo.png` does"
    );
    Error::new(ErrorKind::Unsupported, detail)
}

struct Tags<'a> {
    tags: Directory<'a>,
    options: &'a DecodeOptions,
}

impl Tags<'_> {
    fn numbers(&self, tag: u16) -> Result<Option<Vec<u64>>, Error> {
        self.tags.numbers(tag).map_err(|fault| failure(fault, self.options))
    }

    fn number(&self, tag: u16) -> Result<Option<u64>, Error> {
        self.tags.first_number(tag).map_err(|fault| failure(fault, self.options))
    }

    fn side(&self, tag: u16) -> Result<u32, Error> {
        let side = self.number(tag)?.ok_or_else(|| corrupt("it does not say how large it is"))?;
        u32::try_from(side).map_err(|_| corrupt("it is larger than a TIFF can be"))
    }

    /// Colours of places in the palette, whose values have 16 bits.
    fn looked_up(&self, samples: &[u8], bits: u32) -> Result<Vec<u8>, Error> {
        let palette = self.numbers(320)?.unwrap_or_default();
        let size = 1 << bits;
        if palette.len() < 3 * size {
            return Err(corrupt("its palette is too small"));
        }
        let colour =
            |place: u8| [0, 1, 2].map(|channel| (palette[channel * size + usize::from(place)] >> 8) as u8);
        let colours: Vec<[u8; 3]> = (0..size).map(|place| colour(place as u8)).collect();
        Ok(samples.iter().flat_map(|&place| colours[usize::from(place)]).collect())
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

impl Layout {
    fn read(tags: &Tags<'_>) -> Result<Layout, Error> {
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
            return Err(Error::new(ErrorKind::Unsupported, detail));
        }
        let same = bits.windows(2).all(|pair| pair[0] == pair[1]);
        let bits = u32::try_from(bits[0]).ok().filter(|bits| same && (1..=64).contains(bits));
        let bits = bits.ok_or_else(|| unsupported("whose samples have different numbers of bits"))?;
        let number = match tags.number(339)?.unwrap_or(1) {
            2 => Number::Signed,
            3 => Number::Float,
            1 | 4 => Number::Unsigned,
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
        let layout = Layout {
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

    fn check(&self) -> Result<(), Error> {
        let wide = matches!(self.colours, Colours::Grey { .. });
        match (self.number, self.bits) {
            (Number::Unsigned, 1..=8) => {}
            (Number::Unsigned, 9..=16) if matches!(self.colours, Colours::Rgb | Colours::Inks) => {}
            (Number::Unsigned, 9..=16 | 32) if wide => {}
            (Number::Signed, 8 | 16 | 32) if wide => {}
            (Number::Float, 16 | 32 | 64) if wide => {}
            (number, bits) => {
                let number = match number {
                    Number::Unsigned => "bits",
                    Number::Signed => "bits with a sign",
                    Number::Float => "bits with a fraction",
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

    /// The kept samples of all pixels in 8 bits, and whether values were cut off.
    fn samples_of(
        &self,
        bytes: &[u8],
        packing: &Packing,
        options: &DecodeOptions,
    ) -> Result<(Vec<u8>, bool), Error> {
        let (width, height, kept) = (self.width as usize, self.height as usize, self.kept());
        let all = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(kept));
        let all = all.and_then(|all| bytemuck::try_zeroed_vec(all).ok());
        let mut all = all.ok_or_else(|| Error::out_of_memory(self.width, self.height))?;
        let mut lost = false;
        let planes = if self.planar { kept } else { 1 };
        let inside = if self.planar { 1 } else { self.samples };
        let (chunk_width, chunk_height) = (self.chunk.0 as usize, self.chunk.1 as usize);
        let places = (0..self.down() as usize).flat_map(|y| (0..self.across() as usize).map(move |x| (x, y)));
        for (place, (x, y)) in places.enumerate() {
            let (left, top) = (x * chunk_width, y * chunk_height);
            let rows = chunk_height.min(height - top);
            for plane in 0..planes {
                let index = plane * (self.across() * self.down()) as usize + place;
                // What GDAL leaves out is black.
                let Some(packed) = self.packed(bytes, index, options)? else { continue };
                let stored = if self.tiled { chunk_height } else { rows };
                let chunk = unpack(packed, packing, (chunk_width, stored), inside, self.bits, options)?;
                for (row, line) in chunk.rows(rows).enumerate() {
                    let start = ((top + row) * width + left) * kept + plane;
                    let pixels = chunk_width.min(width - left);
                    let out = &mut all[start..];
                    lost |= self.put(line, packing, out, pixels, inside, options.wide_grey);
                }
            }
        }
        Ok((all, lost))
    }

    /// The bytes of a strip or tile; nothing where it is left out.
    fn packed<'a>(
        &self,
        bytes: &'a [u8],
        index: usize,
        options: &DecodeOptions,
    ) -> Result<Option<&'a [u8]>, Error> {
        let start = usize::try_from(self.offsets[index]).map_err(|_| Error::truncated(options))?;
        let length = self.lengths.get(index).map(|&length| usize::try_from(length).unwrap_or(usize::MAX));
        if length == Some(0) && start == 0 {
            return Ok(None);
        }
        let rest = bytes.get(start..).ok_or_else(|| Error::truncated(options))?;
        match length {
            None | Some(0) => Ok(Some(rest)),
            Some(length) => rest.get(..length).map(Some).ok_or_else(|| Error::truncated(options)),
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
            (Number::Unsigned, 9..=16) => grey == WideGrey::Clipped && value > 255,
            (Number::Unsigned, bits) => bits > 16 && value > 255,
            (Number::Signed, 8) => false,
            (Number::Signed, 16) => outside(f64::from(value as i16)),
            (Number::Signed, _) => outside(f64::from(value as i32)),
            (Number::Float, 16) => outside(half::f16::from_bits(value as u16).to_f64()),
            (Number::Float, 32) => outside(f64::from(f32::from_bits(value as u32))),
            (Number::Float, _) => outside(f64::from_bits(value)),
        }
    }

    /// A sample in 8 bits.
    fn byte(&self, value: u64, grey: WideGrey) -> u8 {
        let cut = |value: f64| value.clamp(0.0, 255.0) as u8;
        let most = |bits: u32| (1u64 << bits) - 1;
        let inverted = self.colours == Colours::Grey { inverted: true };
        match (self.number, self.bits) {
            _ if self.colours == Colours::Palette => value as u8,
            (Number::Unsigned, bits @ 1..=8) => {
                let byte = ((value * 255 + most(bits) / 2) / most(bits)) as u8;
                if inverted { 255 - byte } else { byte }
            }
            (Number::Unsigned, bits @ 9..=16) => match (self.colours, grey) {
                (Colours::Grey { .. }, WideGrey::Clipped) => value.min(255) as u8,
                // OpenCV's reader turns nothing round either.
                _ => (value >> (bits - 8)) as u8,
            },
            (Number::Unsigned, _) => value.min(255) as u8,
            (Number::Signed, 8) => value as u8,
            (Number::Signed, 16) => cut(f64::from(value as i16)),
            (Number::Signed, _) => cut(f64::from(value as i32)),
            (Number::Float, 16) => cut(half::f16::from_bits(value as u16).to_f64()),
            (Number::Float, 32) => cut(f64::from(f32::from_bits(value as u32))),
            (Number::Float, _) => cut(f64::from_bits(value)),
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
fn refuse_raw(tags: &Tags<'_>) -> Result<(), Error> {
    let mosaic = matches!(tags.number(262)?, Some(32_803 | 34_892));
    let thumbnail = tags.number(254)?.is_some_and(|kind| kind & 1 == 1) && tags.tags.bytes(330) != Ok(None);
    let digital_negative = tags.tags.bytes(50_706) != Ok(None);
    if mosaic || thumbnail || digital_negative { Err(super::kinds::raw()) } else { Ok(()) }
}
