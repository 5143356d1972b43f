//! Pictures of every kind come out with the pixels that Pillow gives, and bad ones with a reason.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rcnn::internal::photo::{
    DecodeErrorKind, DecodeOptions, Decoded, Decoder, Limits, WideGrey, decode, decode_bytes, decode_for,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

#[derive(Deserialize)]
struct Expected {
    width: u32,
    height: u32,
    upright: String,
    stored: Option<String>,
    half: Option<String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/photos")
}

fn expected() -> BTreeMap<String, Expected> {
    expected_in(&folder())
}

fn expected_in(folder: &Path) -> BTreeMap<String, Expected> {
    serde_json::from_slice(&std::fs::read(folder.join("expected.json")).unwrap()).unwrap()
}

fn hash(pixels: &[u8]) -> String {
    Sha256::digest(pixels).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_kind_of_picture_has_pillows_pixels() {
    let mut wrong = Vec::new();
    for (name, expected) in expected() {
        let path = folder().join(&name);
        let photo = decode(&path, &DecodeOptions::default()).unwrap();
        let stored =
            decode(&path, &DecodeOptions { ignore_orientation: true, ..Default::default() }).unwrap();
        if (photo.width, photo.height) != (expected.width, expected.height)
            || hash(&photo.pixels) != expected.upright
        {
            wrong.push(format!("{name}, upright"));
        }
        if Some(hash(&stored.pixels)) != expected.stored {
            wrong.push(format!("{name}, as stored"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Pictures of a folder that do not come out as its `expected.json` says, with what came instead.
fn wrong_in(folder: &Path) -> Vec<String> {
    let expected = expected_in(folder);
    assert!(expected.len() > 5, "{}", folder.display());
    let outcome =
        |(name, expected): (String, Expected)| match decode(&folder.join(&name), &DecodeOptions::default()) {
            Err(error) => Some(format!("{name}: {error}")),
            Ok(photo) if (photo.width, photo.height) != (expected.width, expected.height) => {
                Some(format!("{name}: {}x{}", photo.width, photo.height))
            }
            Ok(photo) if hash(&photo.pixels) != expected.upright => Some(format!("{name}: other pixels")),
            Ok(_) => None,
        };
    expected.into_iter().filter_map(outcome).collect()
}

#[test]
fn the_orientation_is_found_wherever_pillow_finds_it() {
    let folder = folder().join("orientation");
    assert_eq!(wrong_in(&folder), [""; 0]);
    for (name, expected) in expected_in(&folder) {
        let size = rcnn::internal::photo::size(&folder.join(&name), &DecodeOptions::default()).unwrap();
        assert_eq!(size, (expected.width, expected.height), "{name}");
    }
}

#[test]
fn tiffs_of_every_kind_have_pillows_or_gdals_pixels() {
    let folder = folder().join("tiff");
    assert_eq!(wrong_in(&folder), [""; 0]);
    for (name, expected) in expected_in(&folder) {
        let size = rcnn::internal::photo::size(&folder.join(&name), &DecodeOptions::default()).unwrap();
        assert_eq!(size, (expected.width, expected.height), "{name}");
    }
}

/// A TIFF of one strip, in little endian, with these tags of LONGs, and their number.
fn tiff(tags: &[(u16, u32)]) -> Vec<u8> {
    let mut file = b"II*\0\x08\0\0\0".to_vec();
    file.extend((tags.len() as u16).to_le_bytes());
    for (tag, value) in tags {
        file.extend(tag.to_le_bytes());
        file.extend([4, 0, 1, 0, 0, 0]);
        file.extend(value.to_le_bytes());
    }
    file.resize(file.len() + 4096, 7);
    file
}

#[test]
fn tiffs_that_are_not_read_are_unsupported_with_the_cure() {
    let grey = [(256, 8), (257, 8), (258, 8), (259, 1), (262, 1), (273, 200), (278, 8), (279, 64)];
    assert_eq!(decode_bytes(&tiff(&grey), &DecodeOptions::default()).unwrap().pixels, [7; 192]);
    let refused = |changes: &[(u16, u32)]| {
        let mut tags = std::collections::BTreeMap::from(grey);
        tags.extend(changes.iter().copied());
        let tags: Vec<(u16, u32)> = tags.into_iter().collect();
        let error = decode_bytes(&tiff(&tags), &DecodeOptions::default()).unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::Unsupported, "{changes:?}: {error}");
        error.detail
    };
    // Old JPEG, fax of 8 bits, JPEG 2000, LERC, JPEG XL and a method of nobody's.
    for compression in [2, 3, 6, 33_003, 34_887, 50_002, 12_345] {
        assert!(refused(&[(259, compression)]).contains("gdal_translate"), "{compression}");
    }
    assert!(refused(&[(262, 8), (277, 3)]).contains("L*a*b*"));
    assert!(refused(&[(277, 5)]).contains("5 bands"));
    assert!(refused(&[(339, 6)]).contains("complex"));
    assert!(refused(&[(258, 64)]).contains("64 bits"));
    // Mosaics, and thumbnails before the picture.
    assert!(refused(&[(262, 32_803)]).contains("camera raw"));
    assert!(refused(&[(254, 1), (330, 8)]).contains("camera raw"));
}

#[test]
fn limits_hold_for_tiffs() {
    let kind = |tags: &[(u16, u32)]| decode_bytes(&tiff(tags), &DecodeOptions::default()).unwrap_err().kind;
    let huge = [(256, 60_000), (257, 60_000), (258, 8), (259, 1), (262, 1), (273, 200), (279, 64)];
    assert_eq!(kind(&huge), DecodeErrorKind::TooLarge);
    let tile = [(256, 8), (257, 8), (258, 8), (262, 1), (322, 60_000), (323, 60_000), (324, 200), (325, 64)];
    assert_eq!(kind(&tile), DecodeErrorKind::TooLarge);
    let behind = [(256, 8), (257, 8), (258, 8), (262, 1), (273, 1 << 30), (279, 64)];
    assert_eq!(kind(&behind), DecodeErrorKind::Truncated);
}

#[test]
fn wide_grey_is_what_the_frameworks_reader_makes_of_it() {
    let values = [0u16, 1, 100, 255, 256, 300, 0x80ff, 65_535];
    let wide = image::ImageBuffer::from_fn(8, 1, |x, _| image::Luma([values[x as usize]]));
    let mut png = std::io::Cursor::new(Vec::new());
    wide.write_to(&mut png, image::ImageFormat::Png).unwrap();
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("wide.png");
    std::fs::write(&path, png.into_inner()).unwrap();
    let decoded = |path: &Path, wide_grey| {
        let options = DecodeOptions { wide_grey, ..Default::default() };
        decode_for(path, &options, &|full| full).unwrap()
    };
    let greys = |decoded: &Decoded| decoded.photo.pixels.iter().step_by(3).copied().collect::<Vec<u8>>();
    let clipped = decoded(&path, WideGrey::Clipped);
    assert_eq!((greys(&clipped), clipped.clipped), (vec![0, 1, 100, 255, 255, 255, 255, 255], true));
    let high = decoded(&path, WideGrey::HighByte);
    assert_eq!((greys(&high), high.clipped), (vec![0, 0, 0, 0, 1, 1, 0x80, 255], false));
    let tiff = folder().join("tiff/grey-16.tif");
    assert!(decoded(&tiff, WideGrey::Clipped).clipped && !decoded(&tiff, WideGrey::HighByte).clipped);
    for eight in ["plain.png", "grey.png", "tiff/grey-white.tif", "tiff/float-predicted.tif"] {
        assert!(!decoded(&folder().join(eight), WideGrey::Clipped).clipped, "{eight}");
    }
}

#[test]
fn reduced_photos_have_the_pixels_of_pillows_draft_and_stay_twice_as_large_as_needed() {
    let options = DecodeOptions { decoder: Decoder::Reduced, ..Default::default() };
    let mut wrong = Vec::new();
    for (name, expected) in expected() {
        let Some(half) = expected.half else { continue };
        let (width, height) = (expected.width, expected.height);
        let path = folder().join(&name);
        let reduced = |least| decode_for(&path, &options, &|_| least).unwrap();
        let Decoded { photo, full, .. } = reduced((width / 4, height / 4));
        if full != (width, height) || hash(&photo.pixels) != half {
            wrong.push(name.clone());
        }
        assert_eq!((photo.width, photo.height), (width.div_ceil(2), height.div_ceil(2)), "{name}");
        let Decoded { photo, .. } = reduced((width / 4 + 1, height / 4));
        assert_eq!((photo.width, photo.height), (width, height), "{name}");
        assert_eq!(hash(&photo.pixels), expected.upright, "{name}");
        let Decoded { photo, .. } = reduced((1, 1));
        assert_eq!((photo.width, photo.height), (width.div_ceil(8), height.div_ceil(8)), "{name}");
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn the_fast_decoder_is_near() {
    let path = folder().join("baseline-420.jpg");
    let exact = decode(&path, &DecodeOptions::default()).unwrap();
    let fast = decode(&path, &DecodeOptions { decoder: Decoder::Fast, ..Default::default() }).unwrap();
    let differences: Vec<u8> = exact.pixels.iter().zip(&fast.pixels).map(|(a, b)| a.abs_diff(*b)).collect();
    let mean = differences.iter().map(|&d| f64::from(d)).sum::<f64>() / differences.len() as f64;
    assert!(mean < 1.0, "{mean}");
}

fn kind(bytes: &[u8], options: &DecodeOptions) -> DecodeErrorKind {
    decode_bytes(bytes, options).unwrap_err().kind
}

#[test]
fn a_truncated_picture_is_refused_unless_allowed() {
    let lenient = DecodeOptions { allow_truncated: true, ..Default::default() };
    for name in ["baseline-420.jpg", "progressive-444.jpg", "grey.jpg", "cmyk.jpg"] {
        let bytes = std::fs::read(folder().join(name)).unwrap();
        let cut = &bytes[..bytes.len() - 120];
        for decoder in [Decoder::Exact, Decoder::Fast] {
            assert_eq!(
                kind(cut, &DecodeOptions { decoder, ..Default::default() }),
                DecodeErrorKind::Truncated,
                "{name}"
            );
        }
        let photo = decode_bytes(cut, &lenient).unwrap();
        assert_eq!((photo.width, photo.height), (61, 43), "{name}");
    }
    for name in ["plain.png", "lossless.webp", "plain.bmp", "plain.tif", "plain.gif"] {
        let cut = cut(name, 66);
        let error = decode_bytes(&cut, &DecodeOptions::default()).unwrap_err();
        assert_eq!(error.kind, DecodeErrorKind::Truncated, "{name}: {error}");
        assert!(error.detail.ends_with("--allow-truncated takes what is there"), "{name}: {error}");
    }
}

/// The first bytes of a picture, in hundredths.
fn cut(name: &str, hundredths: usize) -> Vec<u8> {
    let mut bytes = std::fs::read(folder().join(name)).unwrap();
    bytes.truncate(bytes.len() * hundredths / 100);
    bytes
}

/// How many pixels of a cut picture are the whole one's; the others must be black.
fn kept(whole: &[u8], cut: &[u8]) -> usize {
    let mut kept = 0;
    for (whole, cut) in whole.as_chunks::<3>().0.iter().zip(cut.as_chunks::<3>().0) {
        kept += usize::from(whole == cut);
        assert!(whole == cut || cut == &[0; 3], "{cut:?} is not in the picture");
    }
    kept
}

#[test]
fn what_is_left_of_a_truncated_picture_is_the_whole_ones() {
    let lenient = DecodeOptions { allow_truncated: true, ..Default::default() };
    for name in ["plain.png", "plain.bmp"] {
        let whole = decode(&folder().join(name), &lenient).unwrap();
        let part = decode_bytes(&cut(name, 60), &lenient).unwrap();
        let kept = kept(&whole.pixels, &part.pixels);
        assert!((61 * 20..61 * 30).contains(&kept), "{name}: {kept}");
    }
    // Noise of 16 bits a channel, whose bytes stand the other way round in the file; no pixel is black.
    let mut noise = 1u32;
    let mut value = || {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        4096 + ((noise >> 8) % 61_440) as u16
    };
    let wide = image::ImageBuffer::from_fn(64, 64, |_, _| image::Rgb([value(), value(), value()]));
    let mut file = std::io::Cursor::new(Vec::new());
    wide.write_to(&mut file, image::ImageFormat::Png).unwrap();
    let file = file.into_inner();
    let whole = decode_bytes(&file, &lenient).unwrap();
    assert_eq!(whole.pixels[..3], wide.get_pixel(0, 0).0.map(|value| (value >> 8) as u8));
    let part = decode_bytes(&file[..file.len() * 9 / 10], &lenient).unwrap();
    assert!(kept(&whole.pixels, &part.pixels) > 64 * 32);
}

#[test]
fn what_cannot_be_shown_in_part_is_refused_without_advice_that_was_taken() {
    let lenient = DecodeOptions { allow_truncated: true, ..Default::default() };
    let refused = |bytes: &[u8], options: &DecodeOptions, what: &str| {
        let error = decode_bytes(bytes, options).expect_err(what);
        assert_eq!(error.kind, DecodeErrorKind::Truncated, "{what}: {error}");
        assert!(!error.detail.contains("--allow-truncated"), "{what}: {error}");
    };
    for name in ["plain.tif", "packed.tif", "cmyk.tif", "plain.gif", "lossless.webp", "alpha.webp"] {
        for hundredths in [30, 60, 95] {
            refused(&cut(name, hundredths), &lenient, &format!("{name} at {hundredths} %"));
        }
    }
    // Before the first row, there is nothing yet.
    refused(&cut("plain.png", 1), &lenient, "plain.png");
    for decoder in [Decoder::Exact, Decoder::Fast] {
        let bytes = cut("baseline-420.jpg", 10);
        refused(&bytes, &DecodeOptions { decoder, ..lenient }, "a JPEG's header");
    }
}

#[test]
fn a_missing_end_marker_harms_nothing() {
    let bytes = std::fs::read(folder().join("baseline-420.jpg")).unwrap();
    let whole = decode_bytes(&bytes, &DecodeOptions::default()).unwrap();
    let cut = decode_bytes(&bytes[..bytes.len() - 2], &DecodeOptions::default()).unwrap();
    assert_eq!(whole, cut);
}

#[test]
fn what_is_no_picture_is_named() {
    let options = DecodeOptions::default();
    assert_eq!(kind(b"", &options), DecodeErrorKind::Empty);
    assert_eq!(kind(b"<html>404</html>", &options), DecodeErrorKind::NotAPicture);
    assert_eq!(kind(b"%PDF-1.7", &options), DecodeErrorKind::NotAPicture);
    assert_eq!(kind(&[0; 4096], &options), DecodeErrorKind::NotAPicture);
    for picture in [&b"\0\0\0\x18ftypheic\0\0\0\0"[..], b"\xff\x0a\xfa\x1f", b"P6\n2 2\n255\n"] {
        assert_eq!(kind(picture, &options), DecodeErrorKind::Unsupported);
    }
    assert_eq!(kind(b"\xff\xd8\xff\xe0nonsense", &options), DecodeErrorKind::Truncated);
    let missing = decode(Path::new("no/such.jpg"), &options).unwrap_err();
    assert_eq!(
        (missing.kind, missing.detail.as_str()),
        (DecodeErrorKind::Unreadable, "there is no such file")
    );
}

#[test]
fn whole_jpegs_of_rare_processes_are_not_called_damaged() {
    let whole = std::fs::read(folder().join("baseline-444.jpg")).unwrap();
    let frame = whole.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    let refused = |marker: u8, precision: u8, decoder| {
        let mut bytes = whole.clone();
        (bytes[frame + 1], bytes[frame + 4]) = (marker, precision);
        decode_bytes(&bytes, &DecodeOptions { decoder, ..Default::default() }).unwrap_err()
    };
    for decoder in [Decoder::Exact, Decoder::Fast, Decoder::Reduced] {
        // Lossless, hierarchical, the two with arithmetic coding, JPEG-LS, and 12 bits a channel.
        for (marker, precision) in
            [(0xc3, 8), (0xc5, 8), (0xcb, 8), (0xcd, 8), (0xf7, 8), (0xc0, 12), (0xc1, 12), (0xc2, 12)]
        {
            let error = refused(marker, precision, decoder);
            assert_eq!(error.kind, DecodeErrorKind::Unsupported, "{marker:x}, {precision}: {error}");
        }
    }
    assert!(refused(0xc1, 12, Decoder::Exact).detail.contains("12 bits"));
}

#[test]
fn limits_hold_before_anything_is_allocated() {
    let path = folder().join("plain.png");
    let few = DecodeOptions { limits: Limits { pixels: 1000, ..Limits::default() }, ..Default::default() };
    let error = decode(&path, &few).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::TooLarge);
    assert!(error.detail.contains("61x43") && error.detail.contains("--max-pixels"), "{error}");
    let small =
        DecodeOptions { limits: Limits { file_bytes: 100, ..Limits::default() }, ..Default::default() };
    assert_eq!(decode(&path, &small).unwrap_err().kind, DecodeErrorKind::TooLarge);
    // A header that claims 65,535 x 65,535 pixels.
    let mut huge = std::fs::read(folder().join("baseline-444.jpg")).unwrap();
    let frame = huge.windows(2).position(|pair| pair == [0xff, 0xc0]).unwrap();
    huge[frame + 5..frame + 9].fill(0xff);
    assert_eq!(kind(&huge, &DecodeOptions::default()), DecodeErrorKind::TooLarge);
}

#[test]
fn a_header_that_claims_more_than_the_data_can_hold_is_refused_at_once() {
    // The coefficients of a progressive one, 1.2 GB, would have to be held whole.
    let [short, large] = [DecodeErrorKind::Truncated, DecodeErrorKind::TooLarge];
    for (name, frame, expected) in [("baseline-444.jpg", 0xc0, short), ("progressive-444.jpg", 0xc2, large)] {
        let mut huge = std::fs::read(folder().join(name)).unwrap();
        let frame = huge.windows(2).position(|pair| pair == [0xff, frame]).unwrap();
        huge[frame + 5..frame + 9].copy_from_slice(&[0x36, 0xb0, 0x36, 0xb0]);
        assert_eq!(kind(&huge, &DecodeOptions::default()), expected, "{name}");
    }
}

#[test]
fn a_jpeg_of_a_thousand_scans_is_refused_at_once() {
    let bytes = std::fs::read(folder().join("progressive-444.jpg")).unwrap();
    // The last scan, up to the end marker, a thousand times.
    let start = bytes.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap();
    let (scan, end) = bytes[start..].split_at(bytes.len() - start - 2);
    let many = [&bytes[..start], &scan.repeat(1000), end].concat();
    let error = decode_bytes(&many, &DecodeOptions::default()).unwrap_err();
    assert_eq!(error.kind, DecodeErrorKind::Corrupt, "{error}");
    assert!(error.detail.contains("scans"), "{error}");
}
