//! Strips and tiles of TIFFs: from packed bytes to rows of samples. Knows neither what the samples mean nor where the
//! rows belong.

use std::io::{Cursor, Read};

use image::codecs::webp::WebPDecoder;
use image::{ColorType, ImageDecoder};
use mozjpeg::{ColorSpace, Decompress};

use super::decode::{DecodeOptions, Error, ErrorKind, check_size};
use super::ifd::{Directory, Fault, Order};
use super::libjpeg;
use super::markers::Outline;
use super::tiff::unsupported;

/// How strips and tiles are packed.
pub(super) struct Packing {
    order: Order,
    compression: u64,
    predictor: u64,
    /// The first pixel of a byte is in its lowest bits.
    reversed: bool,
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
pub(super) struct Chunk {
    bytes: Vec<u8>,
    row: usize,
}

impl Chunk {
    pub(super) fn rows(&self, count: usize) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks_exact(self.row).take(count)
    }
}

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Corrupt, format!("the TIFF is damaged: {what}"))
}

fn short() -> Error {
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
            tables: tags.bytes(347)?.unwrap_or_default().to_vec(),
            luma,
            shared: if planar { (1, 1) } else { (factor(0), factor(1)) },
            weights: [given(&weights, 0, 0.299), given(&weights, 1, 0.587), given(&weights, 2, 0.114)],
            range: std::array::from_fn(|place| given(&range, place, defaults[place])),
        })
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
        let all = Order::Big.number(bytes);
        (all >> (8 * bytes.len() - at % 8 - bits)) & ((1 << bits) - 1)
    }

    /// libtiff's arithmetic.
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

/// Unpacks a strip or tile of a width and height, with so many samples a pixel.
pub(super) fn unpack(
    packed: &[u8],
    packing: &Packing,
    (width, height): (usize, usize),
    samples: usize,
    bits: u32,
    options: &DecodeOptions,
) -> Result<Chunk, Error> {
    if packing.compression == 7 {
        return jpeg(packed, packing, (width, height), samples, bits, options);
    }
    if packing.compression == 50_001 {
        return webp(packed, (width, height), samples, bits);
    }
    let (across, down) = packing.shared;
    let shared = packing.luma && packing.shared != (1, 1);
    let row = (width * samples * bits as usize).div_ceil(8);
    let length = if shared {
        width.div_ceil(across) * height.div_ceil(down) * (across * down + 2)
    } else {
        row.checked_mul(height).ok_or_else(short)?
    };
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
        4 if bits == 1 && samples == 1 => fax(packed, (width, height))?,
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
    Ok(Chunk { bytes, row })
}

fn method(compression: u64) -> String {
    let name = match compression {
        2 | 3 => "fax of group 3",
        6 => "the old kind of JPEG",
        33_003 | 33_005 | 34_712 => "JPEG 2000",
        34_887 => "LERC",
        34_925 => "LZMA",
        50_002 | 52_546 => "JPEG XL",
        other => return format!("method {other}"),
    };
    name.into()
}

/// So many bytes; more are left.
fn read(source: impl Read, length: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    source.take(length as u64).read_to_end(&mut bytes).map_err(damaged)?;
    if bytes.len() < length { Err(short()) } else { Ok(bytes) }
}

fn lzw(packed: &[u8], length: usize) -> Result<Vec<u8>, Error> {
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

fn pack_bits(mut packed: &[u8], length: usize) -> Result<Vec<u8>, Error> {
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
fn fax(packed: &[u8], (width, height): (usize, usize)) -> Result<Vec<u8>, Error> {
    let too_long = || unsupported("of fax with more than 65,535 pixels a side");
    let (columns, lines) =
        (u16::try_from(width).map_err(|_| too_long())?, u16::try_from(height).map_err(|_| too_long())?);
    let row = width.div_ceil(8);
    let mut bytes = Vec::new();
    let line = |changes: &[u16]| {
        if bytes.len() >= row * height {
            return;
        }
        let start = bytes.len();
        bytes.resize(start + row, 0);
        for (x, colour) in fax::decoder::pels(changes, columns).enumerate() {
            if colour == fax::Color::Black {
                bytes[start + x / 8] |= 128 >> (x % 8);
            }
        }
    };
    // Whether the lines suffice tells more than how the data end.
    let _ = fax::decoder::decode_g4(packed.iter().copied(), columns, Some(lines), line);
    if bytes.len() < row * height { Err(short()) } else { Ok(bytes) }
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
fn undo(packing: &Packing, bytes: &mut [u8], row: usize, samples: usize, bits: u32) -> Result<(), Error> {
    let width = bits as usize / 8;
    match packing.predictor {
        1 => {}
        2 if [8, 16, 32, 64].contains(&bits) => {
            for line in bytes.chunks_exact_mut(row) {
                for at in (samples * width..line.len()).step_by(width) {
                    let before = packing.order.number(&line[at - samples * width..][..width]);
                    let sum = packing.order.number(&line[at..at + width]).wrapping_add(before);
                    match packing.order {
                        Order::Little => line[at..at + width].copy_from_slice(&sum.to_le_bytes()[..width]),
                        Order::Big => line[at..at + width].copy_from_slice(&sum.to_be_bytes()[8 - width..]),
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
                        let significance = if packing.order == Order::Big { byte } else { width - 1 - byte };
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
) -> Result<Chunk, Error> {
    let joined: Vec<u8>;
    // Both begin with a marker of their own, and the tables end with one.
    let stream = match (packing.tables.strip_suffix(&[0xff, 0xd9]), packed) {
        (Some(tables), [0xff, 0xd8, rest @ ..]) => {
            joined = [tables, rest].concat();
            &joined
        }
        _ => packed,
    };
    Outline::of(stream).check(options)?;
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
            _ if samples == 2 || samples > 4 => {
                return Err(unsupported("packed by JPEG with so many samples"));
            }
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
    Ok(Chunk { bytes, row: width * samples })
}

fn webp(packed: &[u8], (width, height): (usize, usize), samples: usize, bits: u32) -> Result<Chunk, Error> {
    let decoder = WebPDecoder::new(Cursor::new(packed)).map_err(damaged)?;
    let (stored_width, stored_height) = decoder.dimensions();
    let has = if decoder.color_type() == ColorType::Rgba8 { 4 } else { 3 };
    if (stored_width as usize, stored_height as usize) != (width, height) || bits != 8 || has < samples.min(3)
    {
        return Err(short());
    }
    let mut stored = vec![0; width * height * has];
    decoder.read_image(&mut stored).map_err(damaged)?;
    let pixel = |pixel: &[u8]| {
        (0..samples).map(|place| pixel.get(place).copied().unwrap_or(255)).collect::<Vec<u8>>()
    };
    Ok(Chunk { bytes: stored.chunks_exact(has).flat_map(pixel).collect(), row: width * samples })
}
