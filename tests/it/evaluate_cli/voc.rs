//! `--metric voc` against the development kit's rules, on data that came from VOC's XML by way of `convert`.

use std::collections::HashMap;
use std::path::Path;

use assert_cmd::Command;
use serde_json::{Value, json};

use super::{run, write};

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// Writes the fixture's objects as XML and its detections as results, and converts the one to COCO.
fn prepare(folder: &Path, case: &Value) {
    let objects = case["objects"].as_array().unwrap();
    let annotations = folder.join("voc/Annotations");
    std::fs::create_dir_all(&annotations).unwrap();
    for image in 1..13 {
        let own = objects.iter().filter(|object| object[0] == image).map(|object| {
            let [left, top, right, bottom] = [0, 1, 2, 3].map(|k| object[2][k].as_i64().unwrap());
            format!("<object><name>{}</name><difficult>{}</difficult><bndbox><xmin>{left}</xmin><ymin>{top}</ymin><xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>",
                object[1].as_str().unwrap(), u8::from(object[3] == true))
        });
        let text = format!(
            "<annotation><filename>{image:02}.jpg</filename><size><width>130</width><height>110</height><depth>3</depth></size>{}</annotation>",
            own.collect::<String>()
        );
        write(&annotations, &format!("{image:02}.xml"), text);
    }
    let gt = folder.join("gt.json");
    let convert = [Path::new("convert"), &folder.join("voc"), Path::new("-o"), &gt];
    assert!(Command::cargo_bin("rcnn").unwrap().args(convert).output().unwrap().status.success());
    let gt: Value = serde_json::from_slice(&std::fs::read(gt).unwrap()).unwrap();
    let ids = |table: &str, key: &str| -> HashMap<String, Value> {
        let entries = gt[table].as_array().unwrap();
        entries.iter().map(|entry| (entry[key].as_str().unwrap().into(), entry["id"].clone())).collect()
    };
    let (images, categories) = (ids("images", "file_name"), ids("categories", "name"));
    let result = |row: &Value| {
        let [left, top, right, bottom] = [0, 1, 2, 3].map(|k| number(&row[2][k]));
        json!({"image_id": images[&format!("{:02}.jpg", row[0].as_u64().unwrap())], "category_id": categories[row[1].as_str().unwrap()],
            "bbox": [left, top, right - left, bottom - top], "score": row[3]})
    };
    let results: Vec<Value> = case["detections"].as_array().unwrap().iter().map(result).collect();
    write(folder, "dt.json", json!(results).to_string());
}

/// `tests/fixtures/voc-eval/make.py` has the kit's rules, and how detectron2 writes detections for it.
#[test]
fn voc_has_the_development_kits_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/voc-eval/case.json");
    let case: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    prepare(folder.path(), &case);
    let (gt, dt) = (folder.path().join("gt.json"), folder.path().join("dt.json"));
    for (iou, expected) in case["expected"].as_object().unwrap() {
        let outcome = run(&gt, &dt, &["--metric", "voc", "--iou", iou, "--json"]);
        let document: Value = serde_json::from_str(&outcome.out).unwrap();
        let voc = &document["voc"];
        for (name, ap) in voc["names"].as_array().unwrap().iter().zip(voc["categories"].as_array().unwrap()) {
            for key in ["eleven_point", "all_point"] {
                let expected = number(&expected[name.as_str().unwrap()][key]);
                assert!((number(&ap[key]) - expected).abs() < 1e-12, "{name} at {iou}: {ap}, not {expected}");
            }
        }
    }
}

/// Widths that are the last pixel less the first are one too small.
#[test]
fn sides_of_other_converters_get_their_pixel_back() {
    let folder = tempfile::tempdir().unwrap();
    // Pixels 11 to 20, and of a detection 11 to 20 across and 11 to 15 down: half of the pixels.
    let gt = json!({"images": [{"id": 1}], "categories": [{"id": 1, "name": "x"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [11, 11, 9, 9], "area": 81, "iscrowd": 0}]});
    let gt = write(folder.path(), "gt.json", gt.to_string());
    for (height, hit) in [(4, 0.0), (5, 1.0)] {
        let dt = json!([{"image_id": 1, "category_id": 1, "bbox": [11, 11, 9, height], "score": 0.9}]);
        let dt = write(folder.path(), "dt.json", dt.to_string());
        let outcome = run(&gt, &dt, &["--metric", "voc", "--plus-one", "--json"]);
        let document: Value = serde_json::from_str(&outcome.out).unwrap();
        assert_eq!(document["voc"]["mean"]["all_point"], hit, "{height}");
    }
    let outcome = run(&gt, &folder.path().join("dt.json"), &["--plus-one"]);
    assert!(outcome.code == 2 && outcome.err.contains("--metric voc"), "{}", outcome.err);
}
