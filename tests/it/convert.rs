//! `rcnn convert` as a user sees it: each form's boxes by hand, ways there and back, and files that are wrong.

#![allow(clippy::unwrap_used)] // a test may fail anywhere

use crate::support::{Ended, Place};
use serde_json::{Value, json};

/// The program, without the runtime that conversions do not need.
/// Runs `rcnn convert`, which needs neither a cache nor ONNX Runtime.
pub(crate) fn convert(place: &Place, arguments: &[&str]) -> Ended {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_rcnn"));
    command.current_dir(place.at("")).arg("convert").args(arguments).output().unwrap().into()
}

fn xml(file: &str, size: (u32, u32), objects: &[(&str, [f64; 4], u8)]) -> String {
    let objects: String = objects
        .iter()
        .map(|(name, [x1, y1, x2, y2], difficult)| {
            format!(
                "<object><name>{name}</name><difficult>{difficult}</difficult><bndbox><xmin>{x1}</xmin>\
                 <ymin>{y1}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>"
            )
        })
        .collect();
    let (width, height) = size;
    format!(
        "<?xml version=\"1.0\"?><annotation><folder>x</folder><filename>{file}</filename>\
         <size><width>{width}</width><height>{height}</height><depth>3</depth></size>{objects}</annotation>"
    )
}

/// Two photos, two categories whose ids leave gaps, a crowd, and a box that leaves its photo.
fn coco() -> Value {
    json!({
        "images": [
            {"id": 7, "file_name": "a/one.jpg", "width": 200, "height": 100},
            {"id": 9, "file_name": "two.png", "width": 50, "height": 60},
        ],
        "categories": [{"id": 3, "name": "bolt"}, {"id": 8, "name": "nut: \"M8\""}],
        "annotations": [
            {"id": 1, "image_id": 9, "category_id": 8, "bbox": [10.0, 20.0, 25.0, 30.0], "area": 700.5, "iscrowd": 0},
            {"id": 2, "image_id": 7, "category_id": 3, "bbox": [50.0, 25.0, 100.0, 50.0], "area": 5000.0, "iscrowd": 0},
            {"id": 3, "image_id": 7, "category_id": 3, "bbox": [0.0, 0.0, 20.0, 10.0], "area": 200.0, "iscrowd": 1},
            {"id": 4, "image_id": 7, "category_id": 8, "bbox": [190.0, 90.0, 30.0, 40.0], "area": 1200.0, "iscrowd": 0},
        ],
    })
}

#[test]
fn voc_becomes_coco() {
    let place = Place::new();
    let dog = xml(
        "1.jpg",
        (353, 500),
        &[("dog", [48.0, 240.0, 195.0, 371.0], 0), ("cat", [1.0, 1.0, 353.0, 500.0], 1)],
    );
    place.write("voc/Annotations/1.xml", dog.as_bytes());
    place.write("voc/Annotations/deep/2.xml", xml("2.png", (10, 20), &[]).as_bytes());
    place.write("voc/Annotations/bad.xml", b"<annotation><size>");
    let ended = convert(&place, &["voc", "-o", "out.json"]).expect(3);
    assert!(ended.err.contains("`bad.xml` is not XML of Pascal VOC's form"), "{}", ended.err);
    assert!(ended.err.contains("1 difficult objects count as crowds"), "{}", ended.err);
    assert_eq!(ended.out, "2 objects of 2 categories in 2 photos: `out.json`\n");
    assert_eq!(
        place.json("out.json"),
        json!({
            "images": [
                {"id": 1, "file_name": "1.jpg", "width": 353, "height": 500},
                {"id": 2, "file_name": "deep/2.png", "width": 10, "height": 20},
            ],
            "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
            "annotations": [
                {"id": 1, "image_id": 1, "category_id": 2, "bbox": [47.0, 239.0, 148.0, 132.0], "area": 19536.0, "iscrowd": 0},
                {"id": 2, "image_id": 1, "category_id": 1, "bbox": [0.0, 0.0, 353.0, 500.0], "area": 176500.0, "iscrowd": 1},
            ],
        })
    );
}

#[test]
fn a_split_of_voc_is_a_list_in_its_order() {
    let place = Place::new();
    for name in ["1", "2", "3"] {
        place.write(
            &format!("voc/Annotations/{name}.xml"),
            xml(&format!("{name}.jpg"), (9, 9), &[]).as_bytes(),
        );
    }
    place.write("voc/ImageSets/Main/test.txt", b"3\n1\n");
    place.write("voc/ImageSets/Main/dog_test.txt", b"3 -1\n");
    convert(&place, &["voc", "-o", "out.json", "--split", "test"]).expect(0);
    let names: Vec<Value> = place.json("out.json")["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| image["file_name"].clone())
        .collect();
    assert_eq!(names, ["3.jpg", "1.jpg"]);
    let ended = convert(&place, &["voc", "-o", "none.json", "--split", "val"]).expect(1);
    assert!(ended.err.contains("has no part `val`: there is `dog_test`, `test`"), "{}", ended.err);
    assert!(!place.at("none.json").exists());
}

#[test]
fn coco_becomes_yolo_and_comes_back() {
    let place = Place::new();
    place.write("coco.json", coco().to_string().as_bytes());
    let photo = std::fs::read(crate::support::fixtures().join("plain.png")).unwrap();
    place.write("photos/two.png", &photo);
    let mut fitting = coco();
    (fitting["images"][1]["width"], fitting["images"][1]["height"]) = (61.into(), 43.into());
    place.write("fitting.json", fitting.to_string().as_bytes());
    let ended = convert(&place, &["fitting.json", "-o", "yolo", "--to", "yolo", "-i", "photos"]).expect(3);
    assert!(ended.err.contains("`a/one.jpg` is not in the folder of photos"), "{}", ended.err);
    assert_eq!(std::fs::read(place.at("yolo/images/two.png")).unwrap(), photo);
    assert!(!place.at("yolo/labels/a/one.txt").exists());

    let ended = convert(&place, &["coco.json", "-o", "whole", "--to", "yolo"]).expect(0);
    assert!(ended.err.contains("1 crowds are left out"), "{}", ended.err);
    // Centre and size over 200 x 100 and 50 x 60 pixels; the last box of the first photo ends at its edges.
    assert_eq!(place.read("whole/labels/a/one.txt"), "0 0.5 0.5 0.5 0.5\n1 0.975 0.95 0.05 0.1\n");
    assert_eq!(place.read("whole/labels/two.txt"), "1 0.45 0.5833333 0.5 0.5\n");
    assert_eq!(
        place.read("whole/data.yaml"),
        "train: images\nval: images\nnames:\n  0: \"bolt\"\n  1: \"nut: \\\"M8\\\"\"\n"
    );
}

#[test]
fn yolo_becomes_coco_with_the_sizes_of_upright_photos() {
    let place = Place::new();
    let picture = |name: &str| std::fs::read(crate::support::fixtures().join(name)).unwrap();
    // Stored lying (61 x 43), shown standing.
    place.write("set/images/val/turned.jpg", &picture("orientation-6.jpg"));
    place.write("set/images/val/none.png", &picture("plain.png"));
    place.write("set/images/val/wrong.png", &picture("plain.png"));
    place.write("set/images/train/other.png", &picture("plain.png"));
    place.write("set/labels/val/turned.txt", b"1 0.5 0.5 0.5 0.25\n");
    place.write("set/labels/val/wrong.txt", b"1 12 30 40 9\n");
    place.write("set/labels/train/other.txt", b"2 0.5 0.5 1 1\n");
    place.write(
        "set/data.yaml",
        b"path: ../elsewhere\ntrain: images/train\nval: images/val\nnames: {0: a, 1: 'b c'}\n",
    );
    let ended = convert(&place, &["set/data.yaml", "-o", "val.json", "--split", "val", "--json"]).expect(3);
    let summary: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(summary["photos"], 2);
    assert_eq!(summary["failed"][0]["file"], "images/val/wrong.png");
    assert!(summary["failed"][0]["detail"].as_str().unwrap().ends_with("from 0 to 1: line 1"), "{summary}");
    assert_eq!(summary["notes"][0], "1 of 2 photos have no file of labels, and so no objects");
    let (width, height) = {
        let turned =
            rcnn::internal::photo::decode(&place.at("set/images/val/turned.jpg"), &Default::default())
                .unwrap();
        (f64::from(turned.width), f64::from(turned.height))
    };
    assert!(width < height);
    let found = place.json("val.json");
    assert_eq!(found["images"][1]["file_name"], "images/val/turned.jpg");
    assert_eq!(
        (found["images"][1]["width"].as_f64(), found["images"][1]["height"].as_f64()),
        (Some(width), Some(height))
    );
    assert_eq!(found["categories"], json!([{"id": 1, "name": "a"}, {"id": 2, "name": "b c"}]));
    assert_eq!(
        found["annotations"][0]["bbox"],
        json!([width / 4.0, height * 0.375, width / 2.0, height / 4.0])
    );

    let ended = convert(&place, &["set", "-o", "all.json"]).expect(3);
    assert!(ended.err.contains("1 classes have no name"), "{}", ended.err);
    assert_eq!(place.json("all.json")["categories"][2], json!({"id": 3, "name": "class 3"}));
    assert_eq!(place.json("all.json")["images"][0]["file_name"], "images/train/other.png");
}

#[test]
fn parts_beside_the_config_are_found_where_it_says_above_it() {
    let place = Place::new();
    let picture = std::fs::read(crate::support::fixtures().join("plain.png")).unwrap();
    place.write("set/train/images/a.png", &picture);
    place.write("set/train/labels/a.txt", b"0 0.5 0.5 1 1\n");
    place.write("set/data.yaml", b"train: ../train/images\nval: ../valid/images\nnc: 1\nnames: ['x']\n");
    convert(&place, &["set", "-o", "out.json"]).expect(0);
    let found = place.json("out.json");
    assert_eq!(found["images"][0]["file_name"], "train/images/a.png");
    assert_eq!(found["annotations"][0]["bbox"], json!([0.0, 0.0, 61.0, 43.0]));
    let ended = convert(&place, &["set", "-o", "none.json", "--split", "val"]).expect(1);
    assert!(ended.err.contains("no such file or folder"), "{}", ended.err);
}

#[test]
fn whole_pixels_come_back_from_voc_as_they_were() {
    let place = Place::new();
    let debris = concat!(env!("CARGO_MANIFEST_DIR"), "/datasets/debris");
    let (set, photos) = (format!("{debris}/annotations.json"), format!("{debris}/images"));
    convert(&place, &[&set, "-o", "voc", "--to", "voc", "-i", &photos]).expect(0);
    assert!(place.at("voc/JPEGImages/000001.jpg").is_file());
    convert(&place, &["voc", "-o", "back.json"]).expect(0);
    let boxes = |set: &Value| {
        let categories = set["categories"].as_array().unwrap();
        let name =
            |id: &Value| categories.iter().find(|category| category["id"] == *id).unwrap()["name"].clone();
        let rows = set["annotations"].as_array().unwrap().iter();
        let bbox =
            |row: &Value| row["bbox"].as_array().unwrap().iter().map(|side| side.as_f64().unwrap()).collect();
        rows.map(|row| (row["image_id"].clone(), name(&row["category_id"]), bbox(row))).collect::<Vec<(
            Value,
            Value,
            Vec<f64>,
        )>>()
    };
    let before: Value = serde_json::from_slice(&std::fs::read(&set).unwrap()).unwrap();
    assert_eq!(boxes(&before), boxes(&place.json("back.json")));
    // The same by way of shares, to a thousandth of a pixel.
    convert(&place, &["voc", "-o", "yolo", "--to", "yolo", "-i", "voc/JPEGImages"]).expect(0);
    assert_eq!(convert(&place, &["yolo", "-o", "shares.json"]).expect(0).err, "");
    let (exact, shares) = (boxes(&before), boxes(&place.json("shares.json")));
    assert_eq!(exact.len(), shares.len());
    for ((image, name, exact), (other, other_name, shares)) in exact.iter().zip(&shares) {
        assert_eq!((image, name), (other, other_name));
        assert!(
            exact.iter().zip(shares).all(|(exact, share)| (exact - share).abs() < 0.0015),
            "{exact:?} {shares:?}"
        );
    }
}

#[test]
fn a_box_of_fractions_becomes_the_nearest_pixels_and_keeps_one_at_least() {
    let place = Place::new();
    let mut set = coco();
    set["annotations"] = json!([
        {"id": 1, "image_id": 9, "category_id": 3, "bbox": [9.6, 20.4, 25.0, 30.0], "area": 1.0, "iscrowd": 1},
        {"id": 2, "image_id": 9, "category_id": 3, "bbox": [49.8, 59.9, 0.1, 5.0], "area": 1.0, "iscrowd": 0},
    ]);
    place.write("coco.json", set.to_string().as_bytes());
    convert(&place, &["coco.json", "-o", "voc", "--to", "voc"]).expect(0);
    // From 9.6 to 34.6 are the pixels 11 to 35, from 20.4 to 50.4 are 21 to 50.
    assert_eq!(
        place.read("voc/Annotations/two.xml"),
        "<annotation>
  <filename>two.png</filename>
  <size>
    <width>50</width>
    <height>60</height>
    <depth>3</depth>
  </size>
  <object>
    <name>bolt</name>
    <pose>Unspecified</pose>
    <truncated>0</truncated>
    <difficult>1</difficult>
    <bndbox>
      <xmin>11</xmin>
      <ymin>21</ymin>
      <xmax>35</xmax>
      <ymax>50</ymax>
    </bndbox>
  </object>
  <object>
    <name>bolt</name>
    <pose>Unspecified</pose>
    <truncated>0</truncated>
    <difficult>0</difficult>
    <bndbox>
      <xmin>50</xmin>
      <ymin>60</ymin>
      <xmax>50</xmax>
      <ymax>60</ymax>
    </bndbox>
  </object>
</annotation>
"
    );
    assert!(place.read("voc/Annotations/a/one.xml").contains("<filename>one.jpg</filename>"));
}

#[test]
fn a_run_is_a_start_for_annotating() {
    let place = Place::new();
    let found = r#"{"image_id":4,"file":"a/x.jpg","width":100,"height":50,"detections":[{"category_id":6,"label":"nut","score":0.9,"box":[10.1,20,30.5,40]},{"category_id":5,"label":"bolt","score":0.4,"box":[0,0,5,5]}]}"#;
    let failed =
        r#"{"image_id":5,"file":"y.jpg","error":{"kind":"truncated","stage":"decode","detail":"cut"}}"#;
    place.write("run/detections.jsonl", format!("{found}\n{failed}\n").as_bytes());
    let tables = json!({
        "images": [{"id": 4, "file_name": "a/x.jpg", "width": 100, "height": 50}],
        "categories": [{"id": 5, "name": "bolt"}, {"id": 6, "name": "nut"}],
    });
    place.write("run/images.json", tables.to_string().as_bytes());
    let ended = convert(&place, &["run", "-o", "start.json"]).expect(0);
    assert!(ended.err.contains("1 photos failed in the run and are left out"), "{}", ended.err);
    let start = place.json("start.json");
    assert_eq!(start["categories"], tables["categories"]);
    // 30.5 - 10.1 in float32 is 20.4.
    assert_eq!(
        start["annotations"],
        json!([{"id": 1, "image_id": 4, "category_id": 6, "bbox": [10.1, 20.0, 20.4, 20.0], "area": 20.4 * 20.0, "iscrowd": 0, "score": 0.9}])
    );
    convert(&place, &["run", "-o", "labels", "--to", "yolo", "--score", "0"]).expect(0);
    assert_eq!(place.read("labels/labels/a/x.txt").lines().count(), 2);
    let beyond = convert(&place, &["run", "-o", "none", "--to", "yolo", "--score", "70"]).expect(2);
    assert!(beyond.err.contains("a number from 0 to 1 is needed"), "{}", beyond.err);
}

#[test]
fn nothing_that_is_there_is_touched() {
    let place = Place::new();
    place.write("coco.json", coco().to_string().as_bytes());
    place.write("full/mine.txt", b"mine");
    place.write("mine.json", b"mine");
    for (out, form) in [("full", "voc"), ("mine.json", "coco"), ("full", "yolo"), ("mine.json", "voc")] {
        let ended = convert(&place, &["coco.json", "-o", out, "--to", form]).expect(1);
        assert!(ended.err.contains("is there already"), "{}", ended.err);
    }
    assert_eq!((place.read("full/mine.txt"), place.read("mine.json")), ("mine".into(), "mine".into()));
    std::fs::create_dir(place.at("empty")).unwrap();
    convert(&place, &["coco.json", "-o", "empty", "--to", "voc"]).expect(0);
    assert!(place.at("empty/Annotations/two.xml").is_file());
    let hidden = std::fs::read_dir(place.at(""))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with('.'));
    assert_eq!(hidden.count(), 0);
}

#[test]
fn what_cannot_be_meant_is_said() {
    let place = Place::new();
    place.write("coco.json", coco().to_string().as_bytes());
    place.write("list.json", b"[]");
    place.write("notes.md", b"x");
    place.write("bare/photo.jpg", b"x");
    let mut doubled = coco();
    doubled["images"][1]["id"] = 7.into();
    place.write("doubled.json", doubled.to_string().as_bytes());
    for (arguments, code, words) in [
        (vec!["coco.json", "-o", "out"], 2, "name the form: --to voc or --to yolo"),
        (vec!["coco.json", "-o", "out.json", "-i", "notes.md"], 2, "`notes.md`, which is no folder"),
        (vec!["coco.json", "-o", "coco.json"], 2, "`coco.json` is what is converted"),
        (vec!["missing", "-o", "out.json"], 1, "no annotations at `missing`"),
        (vec!["notes.md", "-o", "out.json"], 1, "is not a form of annotations that is known"),
        (vec!["bare", "-o", "out.json"], 1, "holds no annotations"),
        (vec!["list.json", "-o", "out.json"], 1, "holds a list, as results do"),
        (vec!["doubled.json", "-o", "out.json"], 1, "has the `id` of an earlier image in image 2"),
        (vec!["coco.json", "-o", "out.json", "--split", "val"], 1, "has no parts such as `val`"),
    ] {
        let ended = convert(&place, &arguments).expect(code);
        assert!(ended.err.contains(words), "{arguments:?}: {}", ended.err);
        assert!(!place.at("out.json").exists() && !place.at("out").exists());
    }
}
