//! Grey photos of 16 bits reach a model as its framework's own reader gives them, whatever the command: OpenCV takes the
//! high byte, so that such a photo is to a model of mmdetection what a photo of its high bytes is.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::fs;
use std::path::Path;

use crate::support::{Place, fixtures};
use image::{GrayImage, ImageBuffer, Luma};
use serde_json::json;

/// The model of mmdetection as `mm`, and the same photos in `wide` with 16 bits and in `high` with their high bytes.
fn place() -> Place {
    let place = Place::new();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/mm-r50-fpn");
    for file in ["model.pth", "import.json"] {
        place.write(file, &fs::read(golden.join(file)).unwrap());
    }
    place.rcnn(&["import", "model.pth", "--config", "import.json", "-o", "mm"]).expect(0);
    for folder in ["wide", "high"] {
        fs::create_dir(place.at(folder)).unwrap();
    }
    for (number, name) in ["grey.png", "baseline-420.jpg"].into_iter().enumerate() {
        let high: GrayImage = image::open(fixtures().join(name)).unwrap().into_luma8();
        let wide = ImageBuffer::from_fn(high.width(), high.height(), |x, y| {
            Luma([u16::from(high.get_pixel(x, y).0[0]) << 8 | 0x5a])
        });
        wide.save(place.at(&format!("wide/{number}.png"))).unwrap();
        high.save(place.at(&format!("high/{number}.png"))).unwrap();
    }
    place
}

#[test]
fn compare_shows_models_what_detect_shows_them() {
    let place = place();
    let images = [0, 1].map(|number| json!({"id": 7 + number, "file_name": format!("{number}.png")}));
    let set = json!({"images": images, "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "bbox": [5, 5, 20, 20],
                     "area": 400, "iscrowd": 0}], "categories": [{"id": 1, "name": "class 1"}]});
    place.write("gt.json", set.to_string().as_bytes());
    for folder in ["wide", "high"] {
        // A second model, whose framework reads photos otherwise, changes nothing.
        let ended = place.rcnn(&[
            "compare",
            "-a",
            "gt.json",
            "-i",
            folder,
            "-o",
            &format!("of-{folder}"),
            "mm",
            "fod-r18",
        ]);
        let ended = ended.expect(0);
        assert_eq!(ended.err.contains("cut off at 255"), folder == "wide", "{}", ended.err);
    }
    place.rcnn(&["detect", "wide", "-a", "gt.json", "-m", "mm", "-o", "run", "--no-draw"]).expect(0);
    let found = place.json("of-wide/mm.json");
    assert!(!found.as_array().unwrap().is_empty());
    assert_eq!(found, place.json("of-high/mm.json"));
    assert_eq!(found, place.json("run/detections.json"));
}

#[test]
fn quantize_measures_ranges_on_what_the_model_sees() {
    let place = place();
    for folder in ["wide", "high"] {
        place
            .rcnn(&["quantize", "mm", "-i", folder, "-o", &format!("int8-{folder}"), "--photos", "2"])
            .expect(0);
    }
    for graph in ["trunk.onnx", "head.onnx"] {
        let graph = |folder: &str| fs::read(place.at(&format!("int8-{folder}/{graph}"))).unwrap();
        assert!(graph("wide") == graph("high"));
    }
}

#[test]
fn a_report_shows_photos_as_the_run_saw_them() {
    let place = place();
    let pictures = |folder: &str| {
        place.rcnn(&["detect", folder, "-m", "mm", "-o", &format!("run-{folder}"), "--no-draw"]).expect(0);
        place.rcnn(&["report", &format!("run-{folder}"), "-i", folder, "-o", "page.html"]).expect(0);
        let page = place.read("page.html");
        let parts = page.split("data:image/jpeg;base64,").skip(1);
        parts.map(|part| part.split('"').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let wide = pictures("wide");
    assert!(!wide.is_empty());
    assert_eq!(wide, pictures("high"));
}
