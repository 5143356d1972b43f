//! Small files that claim to be much, or that cost much to decode, and files that are something else altogether.

use std::fs;
use std::io::Write;

use flate2::Crc;
use flate2::write::ZlibEncoder;

use crate::corpus::Picture;
use crate::support::fixtures;

/// All of them, or those that cost little where they are refused as they should be.
pub fn all(costly: bool) -> Vec<Picture> {
    let mut all = Vec::new();
    let mut add = |ending: &str, bytes: Vec<u8>| all.push(Picture { ending: ending.into(), bytes });
    // The first is within the limits.
    for side in [14_000, 65_535, 0, 1].into_iter().skip(usize::from(!costly)) {
        for name in ["baseline-420", "progressive-444", "grey", "cmyk"] {
            add("jpg", jpeg_of_size(name, side));
        }
        let wide = u32::from(side);
        add("png", png(wide, wide, 1, 0, &[]));
        add("png", png(wide, wide, 8, 6, &[0; 100]));
        add("gif", gif(side, 1));
        add("bmp", bmp(i64::from(side), 24, 0));
        add("bmp", bmp(-i64::from(side), 8, 1));
        add("tif", tiff_of_size(wide));
        add("webp", webp(wide));
    }
    add("gif", gif(300, 500));
    add("jpg", jpeg_of_segments(3000));
    add("jpg", jpeg_of_scans(10));
    add("tif", tiff_in_a_circle());
    for text in ELSE {
        for ending in ["jpg", "png", "tif"] {
            add(ending, text.to_vec());
        }
    }
    if !costly {
        return all;
    }
    // Whole pictures, of nothing.
    let rows = vec![0; (14_000 / 8 + 1) * 14_000];
    add("png", png(14_000, 14_000, 1, 0, &rows));
    add("png", png(9000, 9000, 8, 0, &vec![0; 9001 * 9000]));
    add("png", png(1, 1_000_000, 8, 2, &vec![0; 4_000_000]));
    add("png", png(8, 8, 8, 0, &vec![0; 50_000_000]));
    for scans in [400, 1000, 20_000] {
        add("jpg", jpeg_of_scans(scans));
    }
    add("gif", gif(300, 50_000));
    all
}

/// Beginnings of what is no picture, or none that is read.
const ELSE: [&[u8]; 14] = [
    b"",
    b"\xff\xd8",
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
    b"BM",
    b"II*\0",
    b"MM\0*",
    b"RIFF\xff\xff\xff\xffWEBPVP8 ",
    b"PK\x03\x04 a zip file",
    b"<!DOCTYPE html><html>not found</html>",
    b"version https://git-lfs.github.com/spec/v1\n",
    b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    b"%PDF-1.7\n",
];

fn fixture(name: &str) -> Vec<u8> {
    fs::read(fixtures().join(name)).unwrap()
}

/// The place of the first marker of a JPEG that is one of these.
fn marker(bytes: &[u8], wanted: &[u8]) -> usize {
    bytes.windows(2).position(|pair| pair[0] == 0xff && wanted.contains(&pair[1])).unwrap()
}

/// A JPEG whose frame claims to be of another size.
fn jpeg_of_size(name: &str, side: u16) -> Vec<u8> {
    let mut bytes = fixture(&format!("{name}.jpg"));
    let at = marker(&bytes, &[0xc0, 0xc1, 0xc2]) + 5;
    bytes[at..at + 2].copy_from_slice(&side.to_be_bytes());
    bytes[at + 2..at + 4].copy_from_slice(&side.to_be_bytes());
    bytes
}

/// A progressive JPEG whose last scan comes again and again.
fn jpeg_of_scans(count: usize) -> Vec<u8> {
    let bytes = fixture("progressive-444.jpg");
    let last = bytes.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap();
    let end = bytes.len() - 2;
    [&bytes[..end], &bytes[last..end].repeat(count), &bytes[end..]].concat()
}

/// A JPEG with many segments of metadata before its frame.
fn jpeg_of_segments(count: usize) -> Vec<u8> {
    let bytes = fixture("baseline-420.jpg");
    let exif = b"\xff\xe1\x00\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x09\0\0\0\0\0\0";
    [&bytes[..2], &exif[..].repeat(count), &bytes[2..]].concat()
}

/// A PNG of a size, a depth and a colour type, with these bytes as its packed rows.
fn png(width: u32, height: u32, depth: u8, colour: u8, rows: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        bytes.extend_from_slice(&(data.len() as u32).to_be_bytes());
        let mut sum = Crc::new();
        sum.update(kind);
        sum.update(data);
        bytes.extend_from_slice(kind);
        bytes.extend_from_slice(data);
        bytes.extend_from_slice(&sum.sum().to_be_bytes());
    };
    let header = [&width.to_be_bytes()[..], &height.to_be_bytes(), &[depth, colour, 0, 0, 0]].concat();
    chunk(b"IHDR", &header);
    let mut packed = ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(rows).unwrap();
    chunk(b"IDAT", &packed.finish().unwrap());
    chunk(b"IEND", &[]);
    bytes
}

/// A GIF of a size with one small frame again and again.
fn gif(side: u16, frames: usize) -> Vec<u8> {
    let side = side.to_le_bytes();
    let head = [b"GIF89a", &side[..], &side, &[0x80, 0, 0, 0, 0, 0, 255, 255, 255]].concat();
    let frame = [0x2c, 0, 0, 0, 0, 1, 0, 1, 0, 0, 2, 2, 0x44, 0x01, 0];
    [&head[..], &frame.repeat(frames), &[0x3b]].concat()
}

/// A BMP of a side, which may stand on its head, without any pixels.
fn bmp(side: i64, bits: u16, compression: u32) -> Vec<u8> {
    let mut bytes = b"BM".to_vec();
    let side = side as i32;
    for number in [1000i32, 0, 54, 40, side.saturating_abs(), side] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&[1, 0]);
    bytes.extend_from_slice(&bits.to_le_bytes());
    bytes.extend_from_slice(&compression.to_le_bytes());
    bytes.extend_from_slice(&[0; 20]);
    bytes
}

/// A TIFF whose sides claim to be others.
fn tiff_of_size(side: u32) -> Vec<u8> {
    let mut bytes = fixture("plain.tif");
    let wanted =
        |entry: &[u8]| entry[0] <= 1 && entry[1] == 1 && (entry[2] == 3 || entry[2] == 4) && entry[3] == 0;
    let first = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) as usize;
    for entry in bytes[first + 2..].chunks_exact_mut(12).take(2).filter(|entry| wanted(entry)) {
        entry[2] = 4;
        entry[8..12].copy_from_slice(&side.to_le_bytes());
    }
    bytes
}

/// A TIFF whose directory leads back to itself.
fn tiff_in_a_circle() -> Vec<u8> {
    let mut bytes = fixture("plain.tif");
    let first: [u8; 4] = bytes[4..8].try_into().unwrap();
    let at = u32::from_le_bytes(first) as usize;
    let entries = usize::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
    let next = at + 2 + 12 * entries;
    bytes[next..next + 4].copy_from_slice(&first);
    bytes
}

/// A lossless WebP whose header claims a side.
fn webp(side: u32) -> Vec<u8> {
    let mut bytes = fixture("lossless.webp");
    let at = bytes.windows(4).position(|word| word == b"VP8L").unwrap() + 9;
    let side = side.saturating_sub(1).min(0x3fff);
    let packed = side | side << 14;
    let kept = bytes[at + 3] & 0xf0;
    bytes[at..at + 4].copy_from_slice(&packed.to_le_bytes());
    bytes[at + 3] = bytes[at + 3] & 0x0f | kept;
    bytes
}
