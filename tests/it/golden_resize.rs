//! The 8-bit resizes against hashes of what Pillow 12 and OpenCV 4.6 and 5 gave: every bit of every pixel.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test may fail anywhere

use std::path::Path;

use rcnn::internal::photo::{DecodeOptions, decode, resize};
use sha2::{Digest, Sha256};

#[test]
fn pixels_of_pillow_and_opencv() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden");
    let text = std::fs::read_to_string(golden.join("zoo-units/resize.json")).unwrap();
    let listing: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut failures = Vec::new();
    let mut cases: Vec<_> = listing["pixels"].as_array().unwrap().iter().collect();
    let shared = crate::support::shared("golden/images");
    let place = |file: &str| {
        let own = golden.join("images").join(file);
        if own.is_file() { Some(own) } else { shared.as_ref().map(|shared| shared.join(file)) }
    };
    cases.retain(|case| place(case["file"].as_str().unwrap()).is_some());
    assert!(cases.len() >= 20, "two pictures of the listing are in the repository, each with ten cases");
    for case in &cases {
        let photo =
            decode(&place(case["file"].as_str().unwrap()).unwrap(), &DecodeOptions::default()).unwrap();
        let size = (photo.height as usize, photo.width as usize);
        let target = (case["height"].as_u64().unwrap() as usize, case["width"].as_u64().unwrap() as usize);
        let resizes = [
            ("pillow", resize::pillow(&photo.pixels, size, target)),
            ("opencv", resize::opencv(&photo.pixels, size, target)),
        ];
        for (name, pixels) in resizes {
            let hash: String = Sha256::digest(&pixels).iter().map(|byte| format!("{byte:02x}")).collect();
            if case[name] != hash {
                failures.push(format!("{name}: {case}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), 2 * cases.len(), failures.join("\n"));
}

/// OpenCV's two cubic arithmetics. Where its runs on different processors differ among themselves there is no hash for the
/// first of them.
#[test]
fn cubic_pixels_of_opencv() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden");
    let shared = crate::support::shared("golden");
    let whole =
        shared.as_ref().map(|shared| shared.join("pd-units/resize-cubic.json")).filter(|path| path.is_file());
    let text =
        std::fs::read_to_string(whole.unwrap_or_else(|| golden.join("zoo-units/resize-cubic.json"))).unwrap();
    let listing: serde_json::Value = serde_json::from_str(&text).unwrap();
    let (mut failures, mut compared) = (Vec::new(), [0, 0]);
    for case in listing["pixels"].as_array().unwrap() {
        let file = case["file"].as_str().unwrap();
        let own = golden.join("images").join(file);
        let place = if own.is_file() { own } else { shared.as_ref().unwrap().join("images").join(file) };
        let photo = decode(&place, &DecodeOptions::default()).unwrap();
        let size = (photo.height as usize, photo.width as usize);
        let target = (case["height"].as_u64().unwrap() as usize, case["width"].as_u64().unwrap() as usize);
        let resizes = [
            ("ipp", resize::opencv_cubic(&photo.pixels, size, target)),
            ("plain", resize::opencv_cubic_fixed(&photo.pixels, size, target)),
        ];
        for (counted, (name, pixels)) in compared.iter_mut().zip(resizes) {
            let Some(expected) = case[name].as_str() else { continue };
            *counted += 1;
            let hash: String = Sha256::digest(&pixels).iter().map(|byte| format!("{byte:02x}")).collect();
            if expected != hash {
                failures.push(format!("{name}: {case}"));
            }
        }
    }
    assert!(compared[0] >= 14 && compared[1] >= 24, "{compared:?}");
    assert!(failures.is_empty(), "{compared:?}:\n{}", failures.join("\n"));
}
