//! The two 8-bit resizes against hashes of what Pillow 12 and OpenCV 5 gave: every bit of every pixel.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // a test may fail anywhere

use std::path::{Path, PathBuf};

use rcnn::photo::{DecodeOptions, decode, resize};
use sha2::{Digest, Sha256};

#[test]
fn pixels_of_pillow_and_opencv() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let golden = std::env::var_os("RCNN_SHARED").map_or_else(beside, PathBuf::from).join("golden");
    let Ok(text) = std::fs::read_to_string(golden.join("zoo-units/resize.json")) else {
        println!("skipped: there is no `zoo-units/resize.json` in `{}`", golden.display());
        return;
    };
    let listing: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut failures = Vec::new();
    let cases = listing["pixels"].as_array().unwrap();
    for case in cases {
        let photo =
            decode(&golden.join("images").join(case["file"].as_str().unwrap()), &DecodeOptions::default());
        let photo = photo.unwrap();
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
