//! Strips and tiles of TIFFs: from packed bytes to rows of samples. Knows neither what the samples mean nor where the
//! rows belong.

use std::borrow::Cow;
use std::io::{Cursor, Read};

use image::codecs::webp::WebPDecoder;
use image::{ColorType, ImageDecoder};
use mozjpeg::{ColorSpace, Decompress};

use super::decode::{DecodeError, DecodeErrorKind, DecodeOptions, check_size};
use super::fax::{self, Fax};
use super::ifd::{ByteOrder, Directory, Fault};
use super::libjpeg;
use super::markers::MarkerFacts;
use super::tiff::unsupported;

/// How strips and tiles are packed.
pub(super) struct Packing {
    order: ByteOrder,
    compression: u64,
    predictor: u64,
    /// The first pixel of a byte is in its lowest bits.
    reversed: bool,
    /// Lines of fax are coded by themselves or by the line before them.
    mixed: bool,
    /// Tables of all JPEGs of the file.
    tables: Vec<u8>,
    /// Whether samples are luminance and colour differences, and pixels that share a colour difference, across and
    /// down.
    luma: bool,
    shared: (usize, usize),
    /// What red, green and blue weigh in luminance.
    weights: [f32; 3],
    /// Black and white of luminance and of the differences.
    range: [f32; 6],
}

/// Rows of a strip or tile.
pub(super) struct Chunk<'a> {
    /// Those of the file where nothing is to be unpacked.
    bytes: Cow<'a, [u8]>,
    row: usize,
}

impl Chunk<'_> {
    /// So many rows, from one on.
    pub(super) fn rows(&self, first: usize, count: usize) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks_exact(self.row).skip(first).take(count)
    }
}

fn damaged(what: impl std::fmt::Display) -> DecodeError {
    DecodeError::new(DecodeErrorKind::Corrupt, format!("the TIFF is damaged: {what}"))
}

fn short() -> DecodeError {
    damaged("a strip or tile has fewer pixels than it should")
}

impl Packing {
    pub(super) fn read(tags: &Directory<'_>, luma: bool, planar: bool) -> Result<Packing, Fault> {
        let number = |tag: u16, default: u64| Ok(tags.first_number(tag)?.unwrap_or(default));
        let reals = |tag: u16| Ok(tags.reals(tag)?.unwrap_or_default());
        let factors = tags.numbers(530)?.unwrap_or_default();
        let factor = |place: usize| match factors.get(place).copied().unwrap_or(2) {
            factor @ (1 | 2 | 4) => factor as usize,
            _ => 1,
        };
        let weights: Vec<f64> = reals(529)?;
        let range: Vec<f64> = reals(532)?;
        let given = |values: &[f64], place: usize, default: f32| {
            values.get(place).map_or(default, |&value| value as f32)
        };
        let defaults = [0.0, 255.0, 128.0, 255.0, 128.0, 255.0];
        Ok(Packing {
            order: tags.order,
            compression: number(259, 1)?,
            predictor: number(317, 1)?,
            reversed: number(266, 1)? == 2,
            mixed: number(292, 0)? & 1 == 1,
            tables: tags.bytes(347)?.unwrap_or_default().to_vec(),
            luma,
            shared: if planar { (1, 1) } else { (factor(0), factor(1)) },
            weights: [given(&weights, 0, 0.299), given(&weights, 1, 0.587), given(&weights, 2, 0.114)],
            range: std::array::from_fn(|place| given(&range, place, defaults[place])),
        })
    }

    /// Whether the samples lie in the file as they are.
    pub(super) fn is_plain(&self) -> bool {
        let shared = self.luma && self.shared != (1, 1);
        self.compression == 1 && self.predictor == 1 && !self.reversed && !shared
    }

    /// How many times a strip or tile is there while it is unpacked, beside what comes of it.
    pub(super) fn copies(&self) -> u64 {
        match self.compression {
            // Planes or coefficients, and colours with alpha.
            7 | 50_001 => 3,
            // Pixels that share a colour difference, before they have their own.
            _ => u64::from(self.luma && self.shared != (1, 1)),
        }
    }

    /// Whether what is unpacked has been made red, green and blue.
    pub(super) fn is_rgb(&self) -> bool {
        matches!(self.compression, 7 | 50_001)
    }

    /// The bits of a sample at a place in a row, which begins anew at a byte.
    pub(super) fn value(&self, row: &[u8], at: usize, bits: u32) -> u64 {
        let bits = bits as usize;
        if bits.is_multiple_of(8) {
            // Predictors leave bytes in the file's order.
            return self.order.number(&row[at / 8..(at + bits) / 8]);
        }
        let bytes = &row[at / 8..(at + bits).div_ceil(8)];
        let all = ByteOrder::Big.number(bytes);
        (all >> (8 * bytes.len() - at % 8 - bits)) & ((1 << bits) - 1)
    }

    /// libtiff's arithmetic; Pillow's own where it reads the bytes itself, as they are not packed.
    pub(super) fn luma_to_rgb(&self, samples: &[u8]) -> Vec<u8> {
        let [red, green, blue] = self.weights;
        let fixed = |value: f32| (f64::from(value) * 65_536.0 + 0.5) as i32;
        let (f1, f3) = ((2.0 - 2.0 * red).clamp(0.0, 2.0), (2.0 - 2.0 * blue).clamp(0.0, 2.0));
        let green = if green == 0.0 { 1.0 } else { green };
        let (d1, d2) = (fixed(f1), -fixed((red * f1 / green).clamp(0.0, 2.0)));
        let (d3, d4) = (fixed(f3), -fixed((blue * f3 / green).clamp(0.0, 2.0)));
        let range = self.range;
        let stretched = |value: i32, black: f32, white: f32, most: f32| {
            let width = if white - black == 0.0 { 1.0 } else { white - black };
            (((value - black as i32) as f32 * most / width) as i32).clamp(-4096, 4096)
        };
        let (pixels, _) = samples.as_chunks::<3>();
        if self.compression == 1 && self.shared == (1, 1) {
            return pixels.iter().flat_map(pillows_rgb).collect();
        }
        let rgb = |&[y, cb, cr]: &[u8; 3]| {
            let y = stretched(y.into(), range[0], range[1], 255.0);
            let cb = stretched(i32::from(cb) - 128, range[2] - 128.0, range[3] - 128.0, 127.0);
            let cr = stretched(i32::from(cr) - 128, range[4] - 128.0, range[5] - 128.0, 127.0);
            let half = 1 << 15;
            let values = [
                y + ((d1 * cr + half) >> 16),
                y + ((d4 * cb + half + d2 * cr) >> 16),
                y + ((d3 * cb + half) >> 16),
            ];
            values.map(|value| value.clamp(0, 255) as u8)
        };
        pixels.iter().flat_map(rgb).collect()
    }
}

/// Pillow's arithmetic: products in 64ths, rounded towards zero after a half was added, and their sums rounded down.
fn pillows_rgb(&[y, cb, cr]: &[u8; 3]) -> [u8; 3] {
    let times = |weight: f64, value: u8| (weight * 64.0 * (f64::from(value) - 128.0) + 0.5) as i32;
    let red = times(1.402, cr) >> 6;
    let green = (times(-0.344_14, cb) + times(-0.714_14, cr)) >> 6;
    let blue = times(1.772, cb) >> 6;
    [red, green, blue].map(|more| (i32::from(y) + more).clamp(0, 255) as u8)
}

/// Unpacks a strip or tile of a width and height, with so many samples a pixel.
pub(super) fn unpack<'a>(
    packed: &'a [u8],
    packing: &Packing,
    (width, height): (usize, usize),
    samples: usize,
    bits: u32,
    options: &DecodeOptions,
) -> Result<Chunk<'a>, DecodeError> {
    if packing.compression == 7 {
        return jpeg(packed, packing, (width, height), samples, bits, options);
    }
    if packing.compression == 50_001 {
        return webp(packed, (width, height), samples, bits);
    }
    let bilevel = bits == 1 && samples == 1;
    let (across, down) = packing.shared;
    let shared = packing.luma && packing.shared != (1, 1);
    let row = (width * samples * bits as usize).div_ceil(8);
    let length = if shared {
        width.div_ceil(across) * height.div_ceil(down) * (across * down + 2)
    } else {
        row.checked_mul(height).ok_or_else(short)?
    };
    if packing.is_plain() {
        let bytes = packed.get(..length).ok_or_else(short)?;
        return Ok(Chunk { bytes: bytes.into(), row });
    }
    let reversed: Vec<u8>;
    let packed = if packing.reversed {
        reversed = packed.iter().map(|byte| byte.reverse_bits()).collect();
        &reversed
    } else {
        packed
    };
    let mut bytes = match packing.compression {
        1 => packed.get(..length).ok_or_else(short)?.to_vec(),
        5 => lzw(packed, length)?,
        8 | 32_946 => read(flate2::read::ZlibDecoder::new(packed), length)?,
        32_773 => pack_bits(packed, length)?,
        50_000 => {
            let decoder = ruzstd::decoding::StreamingDecoder::new(packed).map_err(damaged)?;
            read(decoder, length)?
        }
        34_925 => lzma(packed, length)?,
        2 if bilevel => fax(packed, (width, height), Fax::Aligned(8))?,
        32_771 if bilevel => fax(packed, (width, height), Fax::Aligned(16))?,
        3 if bilevel && packing.mixed => fax(packed, (width, height), Fax::MarkedMixed)?,
        3 if bilevel => fax(packed, (width, height), Fax::Marked)?,
        4 if bilevel => fax(packed, (width, height), Fax::Group4)?,
        other => return Err(unsupported(&format!("packed by {}", method(other)))),
    };
    if shared {
        if samples != 3 || packing.predictor != 1 {
            return Err(unsupported("of shared colour differences with more samples or a predictor"));
        }
        bytes = spread(&bytes, (width, height), packing.shared);
    } else {
        undo(packing, &mut bytes, row, samples, bits)?;
    }
    Ok(Chunk { bytes: bytes.into(), row })
}

fn method(compression: u64) -> String {
    let name = match compression {
        2..=4 | 32_771 => "fax, with more than a bit a pixel,",
        6 => "the old kind of JPEG",
        33_003 | 33_005 | 34_712 => "JPEG 2000",
        34_887 => "LERC",
        50_002 | 52_546 => "JPEG XL",
        other => return format!("method {other}"),
    };
    name.into()
}

/// So many bytes; more are left.
fn read(source: impl Read, length: usize) -> Result<Vec<u8>, DecodeError> {
    let mut bytes = Vec::new();
    source.take(length as u64).read_to_end(&mut bytes).map_err(damaged)?;
    if bytes.len() < length { Err(short()) } else { Ok(bytes) }
}

fn lzw(packed: &[u8], length: usize) -> Result<Vec<u8>, DecodeError> {
    if packed.first() == Some(&0) && packed.get(1).is_some_and(|byte| byte & 1 == 1) {
        return Err(unsupported("packed by the old kind of LZW"));
    }
    let mut decoder = weezl::decode::Decoder::with_tiff_size_switch(weezl::BitOrder::Msb, 8);
    let mut bytes: Vec<u8> = bytemuck::try_zeroed_vec(length).map_err(|()| short())?;
    let (mut from, mut to) = (packed, &mut bytes[..]);
    while !to.is_empty() {
        let result = decoder.decode_bytes(from, to);
        let status = result.status.map_err(damaged)?;
        (from, to) = (&from[result.consumed_in..], &mut to[result.consumed_out..]);
        let stuck = result.consumed_in == 0 && result.consumed_out == 0;
        let ended = matches!(status, weezl::LzwStatus::Done | weezl::LzwStatus::NoProgress);
        if !to.is_empty() && (stuck || ended) {
            return Err(short());
        }
    }
    Ok(bytes)
}

fn pack_bits(mut packed: &[u8], length: usize) -> Result<Vec<u8>, DecodeError> {
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let (&head, rest) = packed.split_first().ok_or_else(short)?;
        match head {
            128 => packed = rest,
            0..128 => {
                let count = usize::from(head) + 1;
                bytes.extend_from_slice(rest.get(..count).ok_or_else(short)?);
                packed = &rest[count..];
            }
            129.. => {
                let (&value, rest) = rest.split_first().ok_or_else(short)?;
                bytes.extend(std::iter::repeat_n(value, 257 - usize::from(head)));
                packed = rest;
            }
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

/// Lines of black and white, where ones are black.
fn fax(packed: &[u8], size: (usize, usize), fax: Fax) -> Result<Vec<u8>, DecodeError> {
    fax::decode(packed, size, fax).map_err(|damage| match damage {
        fax::Damage::Wrong => damaged("a strip or tile of fax has a code that is none, or too few lines"),
        fax::Damage::Uncompressed => unsupported("packed by fax with parts that are not packed"),
    })
}

/// Bytes of an XZ stream, whose dictionary has 64 MiB at most, as the strongest of `xz`'s presets has.
fn lzma(packed: &[u8], length: usize) -> Result<Vec<u8>, DecodeError> {
    const MOST_KIB: u32 = 66 << 10;
    let mut bytes = Vec::new();
    let reader = lzma_rust2::XzReader::new_mem_limit(packed, false, MOST_KIB);
    match reader.take(length as u64).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() == length => Ok(bytes),
        Ok(_) => Err(short()),
        Err(error) if error.kind() == std::io::ErrorKind::OutOfMemory => {
            let detail =
                "the TIFF is packed by LZMA with a dictionary of more than 64 MiB: pack it in another way";
            Err(DecodeError::new(DecodeErrorKind::TooLarge, detail))
        }
        Err(error) => Err(damaged(error)),
    }
}

/// Pixels of their own from units that share colour differences.
fn spread(units: &[u8], (width, height): (usize, usize), (across, down): (usize, usize)) -> Vec<u8> {
    let (size, in_row) = (across * down + 2, width.div_ceil(across));
    let mut samples = Vec::with_capacity(3 * width * height);
    for y in 0..height {
        for x in 0..width {
            let unit = &units[(y / down * in_row + x / across) * size..][..size];
            samples.extend([unit[y % down * across + x % across], unit[size - 2], unit[size - 1]]);
        }
    }
    samples
}

/// Turns differences between neighbours into values.
fn undo(
    packing: &Packing,
    bytes: &mut [u8],
    row: usize,
    samples: usize,
    bits: u32,
) -> Result<(), DecodeError> {
    let width = bits as usize / 8;
    match packing.predictor {
        1 => {}
        2 if [8, 16, 32, 64].contains(&bits) => {
            for line in bytes.chunks_exact_mut(row) {
                for at in (samples * width..line.len()).step_by(width) {
                    let before = packing.order.number(&line[at - samples * width..][..width]);
                    let sum = packing.order.number(&line[at..at + width]).wrapping_add(before);
                    match packing.order {
                        ByteOrder::Little => {
                            line[at..at + width].copy_from_slice(&sum.to_le_bytes()[..width])
                        }
                        ByteOrder::Big => {
                            line[at..at + width].copy_from_slice(&sum.to_be_bytes()[8 - width..])
                        }
                    }
                }
            }
        }
        3 if [16, 32, 64].contains(&bits) => {
            for line in bytes.chunks_exact_mut(row) {
                for at in samples..line.len() {
                    line[at] = line[at].wrapping_add(line[at - samples]);
                }
                let (split, count) = (line.to_vec(), line.len() / width);
                for (place, value) in line.chunks_exact_mut(width).enumerate() {
                    for (byte, out) in value.iter_mut().enumerate() {
                        // The highest bytes of all values stand first.
                        let significance =
                            if packing.order == ByteOrder::Big { byte } else { width - 1 - byte };
                        *out = split[significance * count + place];
                    }
                }
            }
        }
        other => return Err(unsupported(&format!("of {bits} bits with the predictor {other}"))),
    }
    Ok(())
}

fn jpeg(
    packed: &[u8],
    packing: &Packing,
    (width, height): (usize, usize),
    samples: usize,
    bits: u32,
    options: &DecodeOptions,
) -> Result<Chunk<'static>, DecodeError> {
    let joined: Vec<u8>;
    // Both begin with a marker of their own, and the tables end with one.
    let stream = match (packing.tables.strip_suffix(&[0xff, 0xd9]), packed) {
        (Some(tables), [0xff, 0xd8, rest @ ..]) => {
            joined = [tables, rest].concat();
            &joined
        }
        _ => packed,
    };
    MarkerFacts::of(stream).check(options)?;
    if bits != 8 {
        return Err(unsupported("packed by JPEG of other than 8 bits a sample"));
    }
    let damaged = |error: std::io::Error| damaged(error);
    let decompressed = libjpeg::guarded(|| {
        let builder = Decompress::builder().with_err(libjpeg::error_manager());
        let header = builder.from_reader(stream).map_err(damaged)?;
        let size = (header.width(), header.height());
        check_size(size.0 as u32, size.1 as u32, &options.limits)?;
        if size.0 != width || size.1 < height || header.components().len() != samples {
            return Err(short());
        }
        let space = match (packing.luma, header.color_space()) {
            _ if samples == 2 => return grey_with_alpha(header, (width, height)),
            _ if samples > 4 => return Err(unsupported("packed by JPEG with so many samples")),
            (true, _) if samples == 3 => ColorSpace::JCS_RGB,
            (_, stored) => stored,
        };
        let mut started = header.to_colorspace(space).map_err(damaged)?;
        let mut bytes = vec![0; width * height * samples];
        started.read_scanlines_into(&mut bytes).map_err(damaged)?;
        Ok(bytes)
    });
    let bytes = decompressed.map_err(self::damaged)??;
    if libjpeg::warnings() > 0 && !options.allow_truncated {
        return Err(self::damaged("the data of a strip or tile are wrong"));
    }
    Ok(Chunk { bytes: bytes.into(), row: width * samples })
}

/// libjpeg has no name for two samples a pixel, but gives the planes of both as they are.
fn grey_with_alpha(
    header: Decompress<impl std::io::BufRead>,
    (width, height): (usize, usize),
) -> Result<Vec<u8>, DecodeError> {
    let Some(row) = header.components().first().map(|plane| 8 * plane.width_in_blocks as usize) else {
        return Err(short());
    };
    if header.components().iter().any(|plane| (plane.h_samp_factor, plane.v_samp_factor) != (1, 1)) {
        return Err(unsupported("packed by JPEG of grey with alpha of another size"));
    }
    let mut planes = [const { Vec::new() }; 2];
    header.raw().map_err(damaged)?.read_raw_data(&mut planes.each_mut());
    let [grey, alpha] = planes.each_ref().map(|plane| plane.chunks(row).take(height));
    let pixels = |(grey, alpha): (&[u8], &[u8])| -> Vec<u8> {
        grey.iter().zip(alpha).take(width).flat_map(|(grey, alpha)| [*grey, *alpha]).collect()
    };
    let bytes: Vec<u8> = grey.zip(alpha).flat_map(pixels).collect();
    if bytes.len() < 2 * width * height { Err(short()) } else { Ok(bytes) }
}

fn webp(
    packed: &[u8],
    (width, height): (usize, usize),
    samples: usize,
    bits: u32,
) -> Result<Chunk<'static>, DecodeError> {
    let decoder = WebPDecoder::new(Cursor::new(packed)).map_err(damaged)?;
    let (stored_width, stored_height) = decoder.dimensions();
    let has = if decoder.color_type() == ColorType::Rgba8 { 4 } else { 3 };
    if (stored_width as usize, stored_height as usize) != (width, height) || bits != 8 || has < samples.min(3)
    {
        return Err(short());
    }
    let mut stored = vec![0; width * height * has];
    decoder.read_image(&mut stored).map_err(damaged)?;
    let pixel = |pixel: &'_ [u8]| -> Vec<u8> {
        (0..samples).map(|place| pixel.get(place).copied().unwrap_or(255)).collect()
    };
    let bytes: Vec<u8> = stored.chunks_exact(has).flat_map(pixel).collect();
    Ok(Chunk { bytes: bytes.into(), row: width * samples })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "abc" as Python's `lzma` packs it by LZMA2 with a dictionary of 1.5 GiB, and by differences and LZMA2 with one of
    /// 64 MiB.
    const LARGE: &[u8] =
        b"\xfd7zXZ\0\0\x01\x69\x22\xde\x36\x02\x00\x21\x01\x25\x00\x00\x00\x3b\x78\x7b\x41\x01\x00\x02abc\0\
        \xc2\x41\x24\x35\x00\x01\x17\x03\x07\x60\x0c\xbc\x90\x42\x99\x0d\x01\x00\x00\x00\x00\x01YZ";
    const USUAL: &[u8] = b"\xfd7zXZ\0\0\x01\x69\x22\xde\x36\x02\x01\x03\x01\x00\x21\x01\x1c\x67\xc9\x11\x0e\x01\x00\x02a\x01\x01\0\
        \xc2\x41\x24\x35\x00\x01\x17\x03\x07\x60\x0c\xbc\x90\x42\x99\x0d\x01\x00\x00\x00\x00\x01YZ";

    #[test]
    fn a_dictionary_is_bounded_before_it_is_made() {
        assert_eq!(lzma(USUAL, 3).unwrap(), b"abc");
        assert_eq!(lzma(LARGE, 3).unwrap_err().kind, DecodeErrorKind::TooLarge);
        for wrong in [&USUAL[..28], b"", b"abc"] {
            assert_eq!(lzma(wrong, 3).unwrap_err().kind, DecodeErrorKind::Corrupt);
        }
        assert_eq!(lzma(USUAL, 4).unwrap_err().kind, DecodeErrorKind::Corrupt);
    }
}
