//! Masks: what pycocotools 2.0.11 makes of polygons, pixels, run lengths and pairs, to the last bit.
//!
//! The stored cases are those of `tests/differential/masks.py --small --cases 400`. `RCNN_MASK_CASES` names a file of more.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use std::path::{Path, PathBuf};

use coco_eval::{MaskError, Rle};
use serde_json::Value;

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn size(value: &Value) -> (u32, u32) {
    let sides = numbers(value);
    (sides[0] as u32, sides[1] as u32)
}

fn mask(value: &Value) -> Rle {
    let (height, width) = size(&value["size"]);
    Rle::from_text(height, width, value["counts"].as_str().unwrap().as_bytes()).unwrap()
}

fn masks(value: &Value) -> Vec<Rle> {
    value.as_array().unwrap().iter().map(mask).collect()
}

/// Run lengths, their text, area and box.
fn same(case: &Value, found: &Rle) {
    let expected = &case["mask"];
    assert_eq!(found.text(), expected["counts"].as_str().unwrap(), "{case}");
    assert_eq!((found.height(), found.width()), size(&expected["size"]), "{case}");
    assert_eq!(mask(expected), *found, "{case}");
    if let Some(area) = case.get("area") {
        assert_eq!(u64::from(found.area()), area.as_u64().unwrap(), "{case}");
        assert_eq!(found.bbox().unwrap().to_vec(), numbers(&case["bbox"]), "{case}");
    }
}

fn check(case: &Value) {
    match case["kind"].as_str().unwrap() {
        "polygons" => {
            let (height, width) = size(&case["size"]);
            let shapes = case["polygons"].as_array().unwrap().iter();
            let each: Vec<Rle> =
                shapes.map(|shape| Rle::from_polygon(&numbers(shape), height, width).unwrap()).collect();
            assert_eq!(each, masks(&case["each"]), "{case}");
            same(case, &Rle::merge(&each, false));
        }
        "runs" => {
            let (height, width) = size(&case["size"]);
            let runs = numbers(&case["runs"]).into_iter().map(|run| run as u32).collect();
            same(case, &Rle::new(height, width, runs));
        }
        "pixels" => {
            let (height, width) = size(&case["size"]);
            let pixels: Vec<u8> =
                case["pixels"].as_str().unwrap().bytes().map(|digit| digit - b'0').collect();
            let found = Rle::from_pixels(&pixels, height, width);
            assert_eq!(found.pixels().unwrap(), pixels, "{case}");
            same(case, &found);
        }
        "merge" => same(case, &Rle::merge(&masks(&case["masks"]), case["intersect"] == true)),
        "iou" => {
            let (own, truths) = (masks(&case["dt"]), masks(&case["gt"]));
            let expected: Vec<Vec<f64>> = case["iou"].as_array().unwrap().iter().map(numbers).collect();
            for (own, expected) in own.iter().zip(expected) {
                let crowds = case["crowd"].as_array().unwrap();
                for ((truth, crowd), expected) in truths.iter().zip(crowds).zip(expected) {
                    let found = own.iou(truth, *crowd == 1).unwrap();
                    assert_eq!(found.to_bits(), expected.to_bits(), "{own:?} {truth:?} {crowd} in {case}");
                }
            }
        }
        other => panic!("unknown kind {other}"),
    }
}

fn cases(path: &Path) {
    let text = std::fs::read_to_string(path).unwrap();
    let count = text.lines().map(|line| check(&serde_json::from_str(line).unwrap())).count();
    assert!(count >= 400, "{count} cases in {}", path.display());
}

#[test]
fn masks_are_those_of_pycocotools() {
    cases(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/masks.jsonl"));
    if let Some(path) = std::env::var_os("RCNN_MASK_CASES") {
        cases(&PathBuf::from(path));
    }
}

/// What pycocotools walks for hours, reads beyond the end of its memory for, or crashes on.
#[test]
fn masks_that_contradict_themselves_are_refused_or_bounded() {
    let far = [0.0, 0.0, 1e9, 0.0, 1e9, 1e9];
    assert_eq!(Rle::from_polygon(&far, 10, 10), Err(MaskError::Far));
    assert_eq!(Rle::from_polygon(&[f64::NAN; 6], 10, 10), Err(MaskError::Far));
    assert_eq!(Rle::from_polygon(&[0.0; 6], 0, 10), Err(MaskError::NoSize));
    let (height, width) = (100_000, 100_000);
    assert_eq!(Rle::from_polygon(&[0.0; 6], height, width), Err(MaskError::TooLarge { height, width }));
    // Hundreds of millions of steps for pycocotools; here only the ten columns of the picture.
    let wide = [-9e7, -9e7, 9e7, -9e7, 9e7, 9e7, -9e7, 9e7];
    assert_eq!(Rle::from_polygon(&wide, 10, 10).unwrap().area(), 100);
    assert_eq!(Rle::from_text(3, 4, b"12o"), Err(MaskError::Cut));
    let short = Rle::new(3, 4, vec![1, 2]);
    assert_eq!(short.pixels(), Err(MaskError::Contradicts { runs: 3, size: 12 }));
    // pycocotools' loop has no end here: what is missing counts as unset.
    let whole = Rle::new(3, 4, vec![0, 12]);
    assert_eq!(short.iou(&whole, false).unwrap(), 2.0 / 12.0);
    assert_eq!(whole.iou(&short, false).unwrap(), 2.0 / 12.0);
    assert_eq!(Rle::merge(&[short, Rle::new(3, 4, vec![11, 1])], false).runs(), [1, 2, 8, 1]);
    let vast = Rle::new(u32::MAX, u32::MAX, vec![u32::MAX, u32::MAX]);
    assert!(matches!(vast.pixels(), Err(MaskError::Contradicts { .. })));
    assert_eq!(Rle::new(0, 4, vec![0, 4]).bbox(), Err(MaskError::NoSize));
}

#[test]
fn a_mask_is_an_array_of_rows_and_columns() {
    // The second column, and the first pixel of the third.
    let array = Rle::new(2, 3, vec![2, 3, 1]).array().unwrap();
    assert_eq!(array, ndarray::arr2(&[[false, true, true], [false, true, false]]));
    let wrong = Rle::new(2, 3, vec![2, 3]).array();
    assert_eq!(wrong, Err(MaskError::Contradicts { runs: 5, size: 6 }));
}

#[test]
fn a_mask_is_made_of_its_intervals() {
    let runs = |set: &[std::ops::Range<u32>]| Rle::from_intervals(set.iter().cloned(), 3, 4).runs().to_vec();
    assert_eq!(runs(&[]), [12]);
    assert_eq!(runs(&[0..5, 5..12]), [0, 12]);
    assert_eq!(runs(&[2..4, 4..5, 7..7, 9..12]), [2, 3, 4, 3], "what meets is one run");
    assert_eq!(runs(&[2..4, 1..5, 11..20]), [2, 3, 6, 1], "what overlaps or is outside is cut off");
    let mask = Rle::new(3, 4, vec![0, 3, 0, 2, 4, 3]);
    assert_eq!(mask.intervals().collect::<Vec<_>>(), [0..3, 3..5, 9..12]);
    assert_eq!(Rle::from_intervals(mask.intervals(), 3, 4).runs(), [0, 5, 4, 3]);
}
