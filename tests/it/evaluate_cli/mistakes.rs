//! Files that mean something else than they say: each mistake is told by a warning of its own, good files by none.

use serde_json::{Value, json};

use super::{run, write};

const KINDS: [&str; 19] = [
    "results_twice",
    "scores_equal",
    "category_ids_shifted",
    "category_ids_by_place",
    "image_ids_shifted",
    "box_scale",
    "box_centres",
    "box_corners",
    "box_normalised",
    "box_rows_first",
    "box_corners_rows_first",
    "annotation_corners",
    "annotation_centres",
    "annotation_shares",
    "area_zero",
    "area_beyond_box",
    "area_beneath_box",
    "annotations_twice",
    "all_crowds",
];

/// Images of two sizes with three objects each, and results that are a little off, with one false one an image.
fn scene() -> (Value, Vec<Value>) {
    let (mut images, mut annotations, mut results) = (Vec::new(), Vec::new(), Vec::new());
    for image in 1..=24 {
        let (wide, high) = if image % 2 == 0 { (640, 480) } else { (500, 333) };
        images.push(json!({"id": image, "file_name": format!("{image}.jpg"), "width": wide, "height": high}));
        for k in 0..3 {
            let place = f64::from(image * 7 + k * 41);
            let bbox = [
                (place * 37.0) % 340.0,
                (place * 23.0) % 190.0,
                30.0 + (place * 11.0) % 90.0,
                25.0 + (place * 13.0) % 70.0,
            ];
            let id = annotations.len() + 1;
            let category = 1 + (image + k * k) % 4;
            annotations.push(json!({"id": id, "image_id": image, "category_id": category, "bbox": bbox, "area": bbox[2] * bbox[3], "iscrowd": 0}));
            let near = [
                bbox[0] + place % 5.0 - 2.0,
                bbox[1] + place % 3.0 - 1.0,
                bbox[2] + place % 4.0 - 2.0,
                bbox[3],
            ];
            results.push(json!({"image_id": image, "category_id": category, "bbox": near, "score": 0.5 + place % 50.0 / 101.0}));
        }
        let bbox = [f64::from(image) * 9.0, 200.0, 50.0, 60.0];
        results.push(json!({"image_id": image, "category_id": 1, "bbox": bbox, "score": 0.1 + f64::from(image) / 100.0}));
    }
    let categories: Vec<Value> = (1..5).map(|id| json!({"id": id, "name": format!("c{id}")})).collect();
    (json!({"images": images, "categories": categories, "annotations": annotations}), results)
}

fn boxes(mut rows: Vec<Value>, change: impl Fn(u64, [f64; 4]) -> [f64; 4]) -> Vec<Value> {
    for row in &mut rows {
        let bbox = [0, 1, 2, 3].map(|k| row["bbox"][k].as_f64().unwrap());
        row["bbox"] = json!(change(row["image_id"].as_u64().unwrap(), bbox));
    }
    rows
}

fn ids(mut rows: Vec<Value>, key: &str, change: impl Fn(i64) -> i64) -> Vec<Value> {
    for row in &mut rows {
        row[key] = json!(change(row[key].as_i64().unwrap()));
    }
    rows
}

/// AP, and those of the warnings that are about mistakes.
fn judge(gt: &Value, dt: &[Value]) -> (f64, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let gt = write(folder.path(), "gt.json", gt.to_string());
    let dt = write(folder.path(), "dt.json", json!(dt).to_string());
    let outcome = run(&gt, &dt, &["--json"]);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    let document: Value = serde_json::from_str(&outcome.out).unwrap();
    let warnings = document["warnings"].as_array().unwrap().iter();
    let told = warnings.filter(|warning| KINDS.iter().any(|kind| warning["kind"] == *kind)).cloned();
    (document["stats"][0].as_f64().unwrap(), told.collect())
}

fn with_annotations(gt: &Value, annotations: Vec<Value>) -> Value {
    let mut gt = gt.clone();
    gt["annotations"] = json!(annotations);
    gt
}

#[test]
fn each_mistake_is_told_with_what_it_costs() {
    let (gt, dt) = scene();
    let truths = gt["annotations"].as_array().unwrap().clone();
    let (good, told) = judge(&gt, &dt);
    assert!(good > 0.7 && told.is_empty(), "{good}: {told:?}");
    let size = |image: u64| if image.is_multiple_of(2) { (640.0, 480.0) } else { (500.0, 333.0) };
    let share = |image: u64, [x, y, w, h]: [f64; 4]| {
        let (wide, high) = size(image);
        [x / wide, y / high, w / wide, h / high]
    };
    let corners = |_: u64, [x, y, w, h]: [f64; 4]| [x, y, x + w, y + h];
    let centres = |_: u64, [x, y, w, h]: [f64; 4]| [x + w / 2.0, y + h / 2.0, w, h];
    // Categories of other ids, which results number from 1 in their order.
    let mut far = gt.clone();
    for (table, key) in [("categories", "id"), ("annotations", "category_id")] {
        far[table] = json!(ids(far[table].as_array().unwrap().clone(), key, |id| 10 * id));
    }
    // Names that stand in another order than the ids.
    let mut named = gt.clone();
    for (category, name) in named["categories"].as_array_mut().unwrap().iter_mut().zip(["d", "c", "b", "a"]) {
        category["name"] = json!(name);
    }
    let mut twice = truths.clone();
    twice.extend(ids(truths.clone(), "id", |id| id + 1000));
    let cases: Vec<(&str, &str, Value, Vec<Value>)> = vec![
        ("results_twice", "", gt.clone(), [dt.clone(), dt.clone()].concat()),
        ("category_ids_shifted", "one too low", gt.clone(), ids(dt.clone(), "category_id", |id| id - 1)),
        ("category_ids_shifted", "one too high", gt.clone(), ids(dt.clone(), "category_id", |id| id + 1)),
        ("category_ids_by_place", "from 1", far.clone(), dt.clone()),
        ("category_ids_by_place", "from 0", far, ids(dt.clone(), "category_id", |id| id - 1)),
        ("image_ids_shifted", "one too low", gt.clone(), ids(dt.clone(), "image_id", |id| id - 1)),
        ("image_ids_shifted", "one too high", gt.clone(), ids(dt.clone(), "image_id", |id| id + 1)),
        (
            "category_ids_by_place",
            "from 1 in the order of their names",
            named.clone(),
            ids(dt.clone(), "category_id", |id| 5 - id),
        ),
        (
            "category_ids_by_place",
            "from 0 in the order of their names",
            named,
            ids(dt.clone(), "category_id", |id| 4 - id),
        ),
        ("annotations_twice", "repeats to the last digit", with_annotations(&gt, twice), dt.clone()),
        (
            "box_scale",
            "0.50 times as large",
            gt.clone(),
            boxes(dt.clone(), |_, bbox| bbox.map(|side| side / 2.0)),
        ),
        (
            "box_scale",
            "416x416",
            gt.clone(),
            boxes(dt.clone(), |image, bbox| share(image, bbox).map(|side| side * 416.0)),
        ),
        (
            "box_scale",
            "shorter side has 800",
            gt.clone(),
            boxes(dt.clone(), |image, bbox| {
                let (wide, high): (f64, f64) = size(image);
                bbox.map(|side| side * 800.0 / wide.min(high))
            }),
        ),
        ("box_centres", "centre x", gt.clone(), boxes(dt.clone(), centres)),
        ("box_corners", "[x1, y1, x2, y2]", gt.clone(), boxes(dt.clone(), corners)),
        (
            "box_rows_first",
            "[y, x, height, width]",
            gt.clone(),
            boxes(dt.clone(), |_, [x, y, w, h]| [y, x, h, w]),
        ),
        (
            "box_corners_rows_first",
            "[y1, x1, y2, x2]",
            gt.clone(),
            boxes(dt.clone(), |_, [x, y, w, h]| [y, x, y + h, x + w]),
        ),
        (
            "box_normalised",
            "[y1, x1, y2, x2]",
            gt.clone(),
            boxes(dt.clone(), |image, [x, y, w, h]| {
                let (wide, high) = size(image);
                [y / high, x / wide, (y + h) / high, (x + w) / wide]
            }),
        ),
        ("box_normalised", "between 0 and 1", gt.clone(), boxes(dt.clone(), share)),
        ("box_normalised", "centre x", gt.clone(), boxes(boxes(dt.clone(), centres), share)),
        (
            "annotation_corners",
            "annotations' boxes",
            with_annotations(&gt, boxes(truths.clone(), corners)),
            dt.clone(),
        ),
        (
            "annotation_centres",
            "annotations' boxes",
            with_annotations(&gt, boxes(truths.clone(), centres)),
            dt.clone(),
        ),
    ];
    for (kind, words, gt, mut dt) in cases {
        // One hit by chance, so that AP is not exactly 0.
        let mut hit = gt["annotations"][5].clone();
        hit["score"] = json!(0.05);
        dt.push(hit);
        let (ap, told) = judge(&gt, &dt);
        let kinds: Vec<&str> = told.iter().map(|warning| warning["kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, [kind], "{kind} {words}: {told:?}");
        let message = told[0]["message"].as_str().unwrap();
        assert!(message.contains(words), "{message}");
        let mended = ap + told[0]["ap_change"].as_f64().unwrap();
        assert!((mended - good).abs() < 0.02, "{kind}: {mended}, not {good}");
    }
}

#[test]
fn equal_scores_and_areas_of_nothing_are_told() {
    let (gt, mut dt) = scene();
    let mut flat = gt["annotations"].as_array().unwrap().clone();
    flat.iter_mut().for_each(|annotation| annotation["area"] = json!(0));
    let flat = with_annotations(&gt, flat);
    let (_, told) = judge(&flat, &dt);
    assert_eq!((told.len(), &told[0]["kind"], &told[0]["count"]), (1, &json!("area_zero"), &json!(72)));
    let folder = tempfile::tempdir().unwrap();
    let flat = write(folder.path(), "gt.json", flat.to_string());
    let results = write(folder.path(), "dt.json", json!(dt).to_string());
    let good = write(folder.path(), "good.json", gt.to_string());
    let (corrected, right) =
        (run(&flat, &results, &["--json", "--corrected"]), run(&good, &results, &["--json"]));
    assert_eq!(super::stats(&corrected), super::stats(&right));
    dt.iter_mut().for_each(|row| row["score"] = json!(1.0));
    let (_, told) = judge(&gt, &dt);
    assert_eq!((told.len(), &told[0]["kind"]), (1, &json!("scores_equal")));
    // Areas as shares of the image, and objects that were all taken for crowds.
    let mut shares = gt["annotations"].as_array().unwrap().clone();
    shares.iter_mut().for_each(|row| row["area"] = json!(row["area"].as_f64().unwrap() / 300_000.0));
    let mut crowds = gt["annotations"].as_array().unwrap().clone();
    crowds.iter_mut().for_each(|row| row["iscrowd"] = json!(1));
    let (_, dt) = scene();
    for (kind, annotations) in [("area_beneath_box", shares), ("all_crowds", crowds)] {
        let (_, told) = judge(&with_annotations(&gt, annotations), &dt);
        assert_eq!((told.len(), &told[0]["kind"]), (1, &json!(kind)));
    }
}

#[test]
fn what_several_quirks_do_together_is_not_blamed_on_boxes() {
    let (gt, dt) = scene();
    // An id of 0, and the same one for all: neither alone makes AP 0.
    let same = with_annotations(&gt, ids(gt["annotations"].as_array().unwrap().clone(), "id", |_| 0));
    let folder = tempfile::tempdir().unwrap();
    let [same, good] = [("same.json", &same), ("good.json", &gt)]
        .map(|(name, set)| write(folder.path(), name, set.to_string()));
    let results = write(folder.path(), "dt.json", json!(dt).to_string());
    let right = super::stats(&run(&good, &results, &["--json"]))[0];
    let outcome = run(&same, &results, &["--json"]);
    let document: Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(document["stats"][0], 0.0);
    let warnings = document["warnings"].as_array().unwrap();
    let zero = warnings.iter().find(|warning| warning["kind"] == "zero_ap").unwrap();
    let message = zero["message"].as_str().unwrap();
    assert!(message.contains(&format!("with `--corrected` it is {right:.3}")), "{message}");
}
