//! Results whose ids are not the annotations' own: what names say, and who is told.

use serde_json::{Value, json};

use super::{run, scene, stats, write};

/// Results on other ids, with names: everything is found, and nothing else is put where it does not belong.
#[test]
fn by_name_only_names_count() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, _) = scene();
    let gt = write(folder.path(), "gt.json", gt.to_string());
    let row = |image: Value, category: i32, bbox: [i32; 4], score: f64| json!({"image_id": image, "category_id": category, "bbox": bbox, "score": score});
    let rows = |ids: [Value; 3]| {
        let [other, a, b] = ids;
        json!({
            // A photo and a class that the annotations do not have, under ids that they do have.
            "images": [{"id": other, "file_name": "zz.jpg"}, {"id": a, "file_name": "photos/a.jpg"}, {"id": b, "file_name": "b/ü.jpg"}],
            "categories": [{"id": 3, "name": "tree"}, {"id": 5, "name": "Bolt"}, {"id": 6, "name": "nut"}],
            "annotations": [
                row(a.clone(), 5, [10, 10, 40, 30], 0.5),
                row(b, 6, [50, 20, 30, 30], 0.5),
                row(other, 5, [90, 50, 40, 30], 0.9),
                row(a, 3, [90, 50, 40, 30], 0.9),
            ],
        })
    };
    for ids in [[json!(7), json!(9), json!(1)], [json!("p1"), json!("p2"), json!("p3")]] {
        let path = write(folder.path(), "dt.json", rows(ids.clone()).to_string());
        let outcome = run(&gt, &path, &["--json", "--map-by-name"]);
        assert_eq!(outcome.code, 0, "{}", outcome.err);
        assert!(stats(&outcome)[0] > 1.0 - 1e-9, "{ids:?}: {}", outcome.out);
        assert!(outcome.err.contains("zz.jpg") && outcome.err.contains("tree"), "{}", outcome.err);
    }
    // The same in lines.
    let lines = concat!(
        r#"{"image_id":9,"file":"photos/a.jpg","detections":[{"category_id":5,"label":"Bolt","score":0.5,"box":[10,10,50,40]},{"category_id":3,"label":"tree","score":0.9,"box":[90,50,130,80]}]}"#,
        "\n",
        r#"{"image_id":7,"file":"zz.jpg","detections":[{"category_id":3,"label":"bolt","score":0.9,"box":[90,50,130,80]}]}"#,
        "\n",
        r#"{"image_id":1,"file":"b/ü.jpg","detections":[{"category_id":6,"label":"nut","score":0.5,"box":[50,20,80,50]}]}"#,
        "\n"
    );
    let outcome = run(&gt, &write(folder.path(), "lines.jsonl", lines), &["--json", "--map-by-name"]);
    assert!(stats(&outcome)[0] > 1.0 - 1e-9, "{}", outcome.out);
    assert!(outcome.err.contains("zz.jpg") && outcome.err.contains("tree"), "{}", outcome.err);
}

#[test]
fn ids_that_are_strings_keep_their_meaning() {
    let folder = tempfile::tempdir().unwrap();
    let object = |id: i32, image: &str, x: i32| json!({"id": id, "image_id": image, "category_id": 1, "bbox": [x, 10, 40, 30], "area": 1200, "iscrowd": 0, "score": 0.5});
    let set = |images: [&str; 2]| {
        let images = images.map(|image| json!({"id": image, "file_name": format!("{image}.jpg")}));
        json!({"images": images, "categories": [{"id": 1, "name": "bolt"}], "annotations": [object(1, "a", 10), object(2, "b", 90)]})
    };
    let gt = write(folder.path(), "gt.json", set(["a", "b"]).to_string());
    let dt = write(folder.path(), "dt.json", set(["b", "a"]).to_string());
    for flags in [&["--json"][..], &["--json", "--map-by-name"]] {
        let outcome = run(&gt, &dt, flags);
        assert!(stats(&outcome)[0] > 1.0 - 1e-9, "{flags:?}: {}", outcome.err);
        assert!(!outcome.err.contains("differ"), "{}", outcome.err);
    }
}

#[test]
fn other_photos_under_the_same_ids_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, mut dt) = scene();
    let gt = write(folder.path(), "gt.json", gt.to_string());
    let right = stats(&run(&gt, &write(folder.path(), "dt.json", json!(dt).to_string()), &["--json"]));
    let tables = |a: i32, b: i32, dir: &str| json!({"images": [{"id": a, "file_name": format!("{dir}a.jpg")}, {"id": b, "file_name": "b/ü.jpg"}], "categories": []});
    // Another folder is not another photo.
    write(folder.path(), "images.json", tables(7, 9, "elsewhere/").to_string());
    let outcome = run(&gt, &folder.path().join("dt.json"), &["--json"]);
    assert!(!outcome.err.contains("file name"), "{}", outcome.err);
    for result in &mut dt {
        result["image_id"] = json!(if result["image_id"] == 7 { 9 } else { 7 });
    }
    write(folder.path(), "images.json", tables(9, 7, "").to_string());
    let list = write(folder.path(), "dt.json", json!(dt).to_string());
    let lines = concat!(
        r#"{"image_id":9,"file":"a.jpg","detections":[{"category_id":3,"label":"bolt","score":0.9,"box":[11,10,51,40]}]}"#,
        "\n",
        r#"{"image_id":7,"file":"b/ü.jpg","detections":[{"category_id":5,"label":"nut","score":0.75,"box":[50,21,80,51]},{"category_id":3,"label":"bolt","score":0.5,"box":[120,21,150,51]}]}"#,
        "\n"
    );
    for path in [list, write(folder.path(), "dt.jsonl", lines)] {
        let outcome = run(&gt, &path, &["--json"]);
        assert_eq!(stats(&outcome)[0], 0.0);
        assert!(outcome.err.contains("2 images whose file name differs"), "{}", outcome.err);
        assert!(
            outcome.err.contains("--map-by-name") && outcome.err.contains("move by +"),
            "{}",
            outcome.err
        );
        // The ids of the categories have nothing to do with it.
        assert!(!outcome.err.contains("check the category ids"), "{}", outcome.err);
        let mapped = run(&gt, &path, &["--json", "--map-by-name"]);
        assert_eq!(stats(&mapped), right);
        assert!(!mapped.err.contains("file name"), "{}", mapped.err);
    }
}

#[test]
fn refused_ids_are_shown_as_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let gt = write(folder.path(), "gt.json", scene().0.to_string());
    let line = |id: i32, file: &str| {
        format!(
            "{{\"image_id\": {id}, {file} \"detections\": [{{\"category_id\": 3, \"label\": \"bolt\", \"score\": 0.5, \"box\": [1, 2, 3, 4]}}]}}\n"
        )
    };
    let named = line(101, "\"file\": \"x.jpg\",") + &line(102, "\"file\": \"y.jpg\",");
    for lines in [named.clone(), line(101, "") + &line(102, "")] {
        let outcome = run(&gt, &write(folder.path(), "dt.jsonl", lines), &[]);
        assert_eq!(outcome.code, 1);
        assert!(outcome.err.contains("image ids such as 101, 102, the annotations 7, 9"), "{}", outcome.err);
    }
    let outcome = run(&gt, &write(folder.path(), "dt.jsonl", named), &["--map-by-name"]);
    assert_eq!(outcome.code, 1);
    assert!(
        outcome.err.contains("file names such as \"x.jpg\", \"y.jpg\", the annotations \"a.jpg\""),
        "{}",
        outcome.err
    );
}

/// Ultralytics writes the file's name without its end as an image's id, others the whole name.
#[test]
fn results_that_name_files_are_matched_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let gt = json!({
        "images": [{"id": 7, "file_name": "cam1/img_a.jpg"}, {"id": 8, "file_name": "cam1/img_b.jpg"}],
        "categories": [{"id": 1, "name": "bolt"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 1, "bbox": [10, 10, 20, 20], "area": 400, "iscrowd": 0},
            {"id": 2, "image_id": 8, "category_id": 1, "bbox": [40, 10, 20, 20], "area": 400, "iscrowd": 0},
        ],
    });
    let gt = write(folder.path(), "gt.json", gt.to_string());
    let row = |image: &str, x: i32| json!({"image_id": image, "category_id": 1, "bbox": [x, 10, 20, 20], "score": 0.5});
    for end in ["", ".jpg"] {
        let rows =
            json!([row(&format!("img_b{end}"), 40), row(&format!("img_a{end}"), 10), row("img_c", 10)]);
        let outcome =
            run(&gt, &write(folder.path(), "dt.json", rows.to_string()), &["--json", "--map-by-name"]);
        assert!(stats(&outcome)[0] > 1.0 - 1e-9, "{end}: {} {}", outcome.out, outcome.err);
        assert!(outcome.err.contains("img_c"), "what was left out is told: {}", outcome.err);
    }
    // A photo of the same name in another folder is another photo.
    let mut rows = [row("cam1/img_a.jpg", 10), row("cam1/img_b.jpg", 40), row("cam2/img_a.jpg", 60)];
    rows[2]["score"] = json!(0.9);
    let outcome =
        run(&gt, &write(folder.path(), "dt.json", json!(rows).to_string()), &["--json", "--map-by-name"]);
    assert!(stats(&outcome)[0] > 1.0 - 1e-9, "{} {}", outcome.out, outcome.err);
}
