//! HEIC and AVIF by the system's libheif, held against the pixels that pillow-heif and Pillow give.

#![cfg(all(feature = "heif", unix))]
#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::path::Path;

use crate::support::{Place, fixtures};
use rcnn::internal::photo::{self, DecodeErrorKind, DecodeOptions, Limits, decode, decode_bytes};

/// The bytes of a picture; nothing where this machine's libheif cannot decode it, which is said.
fn picture(name: &str) -> Option<Vec<u8>> {
    let bytes = std::fs::read(fixtures().join("heif").join(name)).unwrap();
    match decode_bytes(&bytes, &DecodeOptions::default()) {
        Err(error) if error.kind == DecodeErrorKind::Unsupported => {
            // Without a decoder it says so; without libheif there must be none.
            let folders =
                ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"];
            let there = folders.iter().any(|folder| Path::new(folder).join("libheif.so.1").exists());
            assert!(!there || error.detail.contains("libheif"), "{name}: {error}");
            crate::support::skipped(format_args!("{name} is not decoded here: {error}"));
            None
        }
        _ => Some(bytes),
    }
}

#[test]
fn pixels_are_pillows() {
    for name in ["plain.heic", "alpha.heic", "plain.avif", "turned.avif"] {
        let Some(bytes) = picture(name) else { continue };
        let own = decode_bytes(&bytes, &DecodeOptions::default()).unwrap();
        let expected = image::open(fixtures().join(format!("heif/{name}.png"))).unwrap().into_rgb8();
        assert_eq!((own.width, own.height), expected.dimensions(), "{name}");
        let path = fixtures().join("heif").join(name);
        assert_eq!(photo::size(&path, &DecodeOptions::default()).unwrap(), expected.dimensions(), "{name}");
        // Versions of the decoders round differently.
        let off = own.pixels.iter().zip(expected.as_raw()).map(|(own, other)| own.abs_diff(*other)).max();
        assert!(off.unwrap() <= 3, "{name}: {off:?}");
    }
    if picture("turned.avif").is_some() {
        let stored = DecodeOptions { ignore_orientation: true, ..Default::default() };
        let path = fixtures().join("heif/turned.avif");
        let own = decode(&path, &stored).unwrap();
        assert_eq!((own.width, own.height), (64, 40));
        assert_eq!(photo::size(&path, &stored).unwrap(), (64, 40));
    }
}

#[test]
fn limits_hold_and_damage_is_told() {
    for name in ["plain.heic", "plain.avif"] {
        let Some(bytes) = picture(name) else { continue };
        let few =
            DecodeOptions { limits: Limits { pixels: 1000, ..Limits::default() }, ..Default::default() };
        assert_eq!(decode_bytes(&bytes, &few).unwrap_err().kind, DecodeErrorKind::TooLarge, "{name}");
        for length in [12, 40, bytes.len() / 2, bytes.len() - 40] {
            let error = decode_bytes(&bytes[..length], &DecodeOptions::default()).unwrap_err();
            let kinds = [DecodeErrorKind::Truncated, DecodeErrorKind::Corrupt];
            assert!(kinds.contains(&error.kind), "{name} of {length} bytes: {:?}, {error}", error.kind);
        }
        // No damage is more than a failure of its photo.
        for at in (0..bytes.len()).step_by(7) {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x55;
            let _ = decode_bytes(&damaged, &DecodeOptions::default());
        }
    }
}

#[test]
fn a_folder_of_them_is_detected() {
    let Some(bytes) = picture("plain.heic") else { return };
    let place = Place::new();
    place.write("photos/IMG_1.HEIC", &bytes);
    place.write("photos/cut.heic", &bytes[..bytes.len() / 2]);
    let ended = place.rcnn(&["detect", "photos", "-o", "out"]).expect(3);
    assert!(!ended.out.contains("passed over"), "{}", ended.out);
    let rows = place.rows("out");
    assert_eq!((&rows[0]["file"], &rows[0]["width"]), (&"IMG_1.HEIC".into(), &64.into()));
    assert!(["truncated", "corrupt"].contains(&rows[1]["error"]["kind"].as_str().unwrap()), "{}", rows[1]);
}
