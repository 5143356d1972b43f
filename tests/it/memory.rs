//! What photos may take of memory: by default, with `--memory`, and in every command that decodes photos.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::fs;
use std::path::Path;

use crate::support::{Place, fixtures};

/// A black photo of 12 megapixels in a small file, which takes 36 MB.
const LARGE: (u32, u32) = (4000, 3000);

/// So little that a photo of that size never fits beside a model: a quarter is for photos.
const LITTLE: [&str; 2] = ["--memory", "40MB"];

fn large() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, LARGE.0, LARGE.1);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::One);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&vec![0; (LARGE.0 / 8 * LARGE.1) as usize]).unwrap();
    writer.finish().unwrap();
    bytes
}

/// A small photo and a large one.
fn photos() -> Place {
    let place = Place::new();
    place.photos(&[("plain.png", "1.png")]);
    place.write("photos/2.png", &large());
    place
}

#[test]
fn what_never_fits_names_the_option_and_is_done_when_there_is_more() {
    let place = photos();
    let run = ["detect", "photos", "-o", "out"];
    let ended = place.rcnn(&[&run[..], &LITTLE].concat()).expect(3);
    let rows = place.rows("out");
    assert!(rows[0]["error"].is_null(), "{}", rows[0]);
    let error = &rows[1]["error"];
    assert_eq!(error["kind"], "too_large");
    let detail = error["detail"].as_str().unwrap();
    assert!(detail.contains("4000x3000") && detail.contains("--memory"), "{detail}");
    assert!(ended.err.contains("1 of 2") || ended.err.contains("failed") || ended.out.contains("failed"));
    // The limit is no setting that results depend on: the same run goes on.
    place.rcnn(&run).expect(0);
    assert_eq!(place.rows("out")[1]["width"], 4000);
    place.rcnn(&["detect", "photos", "-o", "again"]).expect(0);
    assert_eq!(place.read("out/detections.jsonl"), place.read("again/detections.jsonl"));
    let picture = |run: &str| fs::read(place.at(&format!("{run}/annotated/2.png"))).unwrap();
    assert!(picture("out") == picture("again"));
}

#[test]
fn what_a_header_claims_is_refused_by_default_before_it_is_paid_for() {
    let place = Place::new();
    // A progressive JPEG keeps its coefficients beside its pixels.
    let mut bytes = fs::read(fixtures().join("progressive-444.jpg")).unwrap();
    let at = bytes.windows(2).position(|pair| pair == [0xff, 0xc2]).unwrap() + 5;
    bytes[at..at + 4].copy_from_slice(&[14_000u16.to_be_bytes(), 14_000u16.to_be_bytes()].concat());
    place.write("photos/claim.jpg", &bytes);
    // A TIFF of one strip, packed by Deflate.
    place.write("photos/claim.tif", &tiff(14_000, 14_000));
    place.rcnn(&["detect", "photos", "-o", "out", "--no-draw"]).expect(3);
    for row in place.rows("out") {
        let (kind, detail) = (&row["error"]["kind"], row["error"]["detail"].as_str().unwrap());
        assert_eq!(kind, "too_large", "{row}");
        assert!(detail.contains("700 MB") && detail.contains("--memory"), "{detail}");
    }
    // Who allows more learns what else is wrong.
    place.rcnn(&["detect", "photos", "-o", "out", "--no-draw", "--memory", "20GB"]).expect(3);
    for row in place.rows("out") {
        assert_ne!(row["error"]["kind"], "too_large", "{row}");
    }
}

/// A TIFF of three samples a pixel in one strip, whose data are missing.
fn tiff(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    let tags: [(u16, u32); 9] = [
        (256, width),
        (257, height),
        (258, 8),
        (259, 8),
        (262, 2),
        (273, 8),
        (277, 3),
        (278, height),
        (279, 8),
    ];
    bytes.extend_from_slice(&(tags.len() as u16).to_le_bytes());
    for (tag, value) in tags {
        bytes.extend_from_slice(&tag.to_le_bytes());
        bytes.extend_from_slice(&[4, 0, 1, 0, 0, 0]);
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    bytes.extend_from_slice(&[0; 4]);
    bytes
}

#[test]
fn every_command_that_decodes_photos_holds_the_limit() {
    let place = photos();
    place.write(
        "gt.json",
        br#"{"images":[{"id":1,"file_name":"1.png","width":96,"height":64},{"id":2,"file_name":"2.png","width":4000,"height":3000}],
            "categories":[{"id":1,"name":"bolt"}],"annotations":[{"id":1,"image_id":1,"category_id":1,"bbox":[1,1,9,9],"area":81,"iscrowd":0}]}"#,
    );
    let with = |words: &[&str]| place.rcnn(&[words, &LITTLE].concat());
    let compared =
        with(&["compare", "-a", "gt.json", "-i", "photos", "fod-r18", "--bootstrap", "2", "--json"])
            .expect(3);
    let document: serde_json::Value = serde_json::from_str(&compared.out).unwrap();
    assert_eq!(document["failed"][0]["error"]["kind"], "too_large", "{document}");
    let measured = with(&["bench", "fod-r18", "-i", "photos", "--json"]).expect(3);
    let report: serde_json::Value = serde_json::from_str(&measured.out).unwrap();
    assert_eq!(report["failed"], 1, "{report}");
    let checkpoint = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/cls-r26/model.pth");
    let classified = with(&["classify", "photos", "-m", checkpoint.to_str().unwrap()]).expect(3);
    assert!(classified.err.contains("2.png") && classified.err.contains("--memory"), "{}", classified.err);
    let quantized = with(&["quantize", "fod-r18", "-i", "photos", "-o", "int8"]).expect(0);
    assert!(quantized.err.contains("2.png") && quantized.err.contains("--memory"), "{}", quantized.err);
}
