//! `rcnn convert` and what people's files are really like: labels elsewhere, other sizes, ids of strings, parts that are wrong.

#![allow(clippy::unwrap_used)] // a test may fail anywhere

use crate::convert::convert;
use crate::support::Place;
use serde_json::{Value, json};

fn picture(name: &str) -> Vec<u8> {
    std::fs::read(crate::support::fixtures().join(name)).unwrap()
}

/// Names of photos with their categories and boxes, as a COCO file has them.
fn boxes(set: &Value) -> Vec<(String, String, Value)> {
    let find = |table: &str, id: &Value, key: &str| {
        let entries = set[table].as_array().unwrap();
        entries.iter().find(|entry| entry["id"] == *id).unwrap()[key].as_str().unwrap().to_owned()
    };
    let rows = set["annotations"].as_array().unwrap().iter();
    rows.map(|row| {
        let image = find("images", &row["image_id"], "file_name");
        (image, find("categories", &row["category_id"], "name"), row["bbox"].clone())
    })
    .collect()
}

fn one(file: &str, name: &str, bbox: Value) -> Vec<(String, String, Value)> {
    vec![(file.into(), name.into(), bbox)]
}

/// `plain.png` is 61 pixels wide and 43 high.
const PLAIN: (u32, u32) = (61, 43);

fn coco(file: &str, (width, height): (u32, u32)) -> Value {
    json!({
        "images": [{"id": 1, "file_name": file, "width": width, "height": height}],
        "categories": [{"id": 1, "name": "bolt"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 5, 20, 10], "area": 200, "iscrowd": 0}],
    })
}

fn write(place: &Place, name: &str, set: &Value) {
    place.write(name, set.to_string().as_bytes());
}

#[test]
fn coco_to_coco_keeps_everything() {
    let place = Place::new();
    let set = json!({
        "info": {"description": "two\nlines"}, "licenses": [{"id": 4, "name": "CC"}],
        "images": [{"id": 9, "file_name": "a.jpg", "width": 64, "height": 48, "license": 4}],
        "categories": [{"id": 5, "name": "x", "supercategory": "s", "keypoints": ["nose"]}],
        "annotations": [{
            "id": 77, "image_id": 9, "category_id": 5, "bbox": [8.0, 8.0, 16.0, 16.0], "area": 128.0, "iscrowd": 0,
            "segmentation": [[8.5, 8, 24, 8, 8, 24]], "keypoints": [1, 1, 2], "num_keypoints": 1,
            "attributes": {"a \"b\"": [1, {"c": null}]}, "ignore": 1,
        }],
    });
    place.write("set.json", serde_json::to_string_pretty(&set).unwrap().as_bytes());
    let ended = convert(&place, &["set.json", "-o", "out.json"]).expect(0);
    assert_eq!(ended.err, "");
    assert_eq!(place.json("out.json"), set);
    // Another form has no place for most of it.
    let ended = convert(&place, &["set.json", "-o", "yolo", "--to", "yolo"]).expect(0);
    for words in [
        "`segmentation` of 1 object",
        "`keypoints` of 1 object",
        "`attributes` of 1 object",
        "`ignore` of 1 object",
        "`supercategory` of one category",
        "ids of 1 photo",
        "ids of one category",
        "`area` other than the box's of 1 object",
        "`licenses`",
    ] {
        assert!(ended.err.contains(words), "{words}: {}", ended.err);
    }
}

#[test]
fn ids_of_strings_become_numbers() {
    let place = Place::new();
    let mut set = coco("a.jpg", (64, 48));
    set["images"][0]["id"] = "a1".into();
    set["annotations"][0]["image_id"] = "a1".into();
    // A category by its number where the table has a string.
    set["categories"][0]["id"] = "7".into();
    set["annotations"][0]["category_id"] = 7.into();
    write(&place, "set.json", &set);
    let ended = convert(&place, &["set.json", "-o", "out.json"]).expect(0);
    assert!(
        ended.err.contains("image ids are not all whole numbers") && ended.err.contains("\"a1\" becomes 1"),
        "{}",
        ended.err
    );
    assert!(
        ended.err.contains("1 ids in annotations are strings where their table has numbers"),
        "{}",
        ended.err
    );
    let out = place.json("out.json");
    assert_eq!((&out["images"][0]["id"], &out["categories"][0]["id"]), (&json!(1), &json!(7)));
    assert_eq!(boxes(&out), one("a.jpg", "bolt", json!([10.0, 5.0, 20.0, 10.0])));
}

#[test]
fn one_bad_record_costs_itself_only() {
    let place = Place::new();
    let mut set = coco("a.jpg", (64, 48));
    let good = set["annotations"][0].clone();
    set["annotations"] = json!([{"id": 5, "image_id": 1, "category_id": 1, "bbox": [1, 2, "x", 4]}, good]);
    set["images"].as_array_mut().unwrap().push(json!({"id": 2}));
    write(&place, "set.json", &set);
    let ended = convert(&place, &["set.json", "-o", "out.json"]).expect(3);
    assert!(ended.err.contains("`annotation 1` has no box of four numbers"), "{}", ended.err);
    assert!(ended.err.contains("`image 2` has no `file_name`"), "{}", ended.err);
    assert_eq!(boxes(&place.json("out.json")), one("a.jpg", "bolt", json!([10.0, 5.0, 20.0, 10.0])));

    // The same of rows of a label file and of objects of VOC's form.
    place.write("yolo/images/a.png", &picture("plain.png"));
    place.write("yolo/labels/a.txt", b"0 7 8 9 9\n0 0.5 0.5 1 1\n");
    let ended = convert(&place, &["yolo", "-o", "yolo.json"]).expect(3);
    assert!(ended.err.contains("`labels/a.txt` has labels that lie outside the photo"), "{}", ended.err);
    assert_eq!(
        boxes(&place.json("yolo.json")),
        one("images/a.png", "class 1", json!([0.0, 0.0, 61.0, 43.0]))
    );
    let object = |inner: &str| format!("<object><name>nut</name>{inner}</object>");
    let good = "<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>5</xmax><ymax>6</ymax></bndbox>";
    let size = "<size><width>9</width><height>9</height></size>";
    let file = format!("<annotation>{size}{}{}</annotation>", object(""), object(good));
    place.write("voc/a.xml", file.as_bytes());
    let ended = convert(&place, &["voc", "-o", "voc.json"]).expect(3);
    assert!(
        ended.err.contains("`a.xml` has no box of four numbers (`bndbox`) for object 1"),
        "{}",
        ended.err
    );
    assert_eq!(boxes(&place.json("voc.json")), one("a.jpg", "nut", json!([1.0, 2.0, 4.0, 4.0])));
}

#[test]
fn labels_lie_where_readers_look() {
    let place = Place::new();
    place.write("photos/train/images/a.png", &picture("plain.png"));
    write(&place, "set.json", &coco("train/images/a.png", PLAIN));
    convert(&place, &["set.json", "-o", "yolo", "--to", "yolo", "-i", "photos"]).expect(0);
    assert!(place.at("yolo/images/train/images/a.png").is_file());
    assert!(place.at("yolo/images/train/labels/a.txt").is_file());
    convert(&place, &["yolo", "-o", "back.json"]).expect(0);
    let back = boxes(&place.json("back.json"));
    assert_eq!(back, one("images/train/images/a.png", "bolt", json!([10.0, 5.0, 20.0, 10.0])));
}

#[test]
fn labels_are_found_beside_photos_and_where_darknet_has_them() {
    let place = Place::new();
    let row = b"1 0.5 0.5 1 1\n";
    for photo in ["flat/a.png", "cvat/obj_train_data/a.png", "apart/images/a.png"] {
        place.write(photo, &picture("plain.png"));
    }
    place.write("flat/a.txt", row);
    place.write("flat/classes.txt", b"bolt\nnut\n");
    place.write("cvat/obj_train_data/a.txt", row);
    place.write("cvat/obj.names", b"bolt\nnut\n");
    place.write("cvat/obj.data", b"classes = 2\ntrain = data/train.txt\nnames = data/obj.names\n");
    place.write("cvat/train.txt", b"data/obj_train_data/a.png\ndata/obj_train_data/gone.png\n");
    place.write("labels/labels/a.txt", row);
    place.write("labels/classes.txt", b"bolt\nnut\n");
    let whole = json!([0.0, 0.0, 61.0, 43.0]);
    convert(&place, &["flat", "-o", "flat.json"]).expect(0);
    assert_eq!(boxes(&place.json("flat.json")), one("a.png", "nut", whole.clone()));
    let ended = convert(&place, &["cvat", "-o", "cvat.json"]).expect(3);
    assert!(ended.err.contains("`data/obj_train_data/gone.png` is listed in"), "{}", ended.err);
    assert_eq!(boxes(&place.json("cvat.json")), one("obj_train_data/a.png", "nut", whole.clone()));
    let ended = convert(&place, &["labels", "-o", "apart.json", "-i", "apart/images"]).expect(0);
    assert_eq!(boxes(&place.json("apart.json")), one("a.png", "nut", whole), "{}", ended.err);
}

#[test]
fn poses_and_predictions_are_read_as_ultralytics_means_them() {
    let place = Place::new();
    for photo in ["pose/images/a.png", "found/images/a.png"] {
        place.write(photo, &picture("plain.png"));
    }
    place.write("pose/data.yaml", b"train: images\nval: images\nkpt_shape: [2, 3]\nnames: {0: person}\n");
    place.write("pose/labels/a.txt", b"0 0.5 0.5 1 1 0.1 0.1 2 0.9 0.9 1\n");
    place.write("found/labels/a.txt", b"0 0.5 0.5 1 1 0.75\n0 -0.004 0 1 0 1 1 -0.004 1 0.5\n");
    let whole = json!([0.0, 0.0, 61.0, 43.0]);
    let ended = convert(&place, &["pose", "-o", "pose.json"]).expect(0);
    assert!(ended.err.contains("key points of 1 object"), "{}", ended.err);
    assert_eq!(boxes(&place.json("pose.json")), one("images/a.png", "person", whole.clone()));
    let ended = convert(&place, &["found", "-o", "found.csv", "--to", "csv"]).expect(0);
    assert!(ended.err.contains("polygons of 1 object"), "{}", ended.err);
    convert(&place, &["found", "-o", "found.json"]).expect(0);
    let rows = place.json("found.json")["annotations"].clone();
    assert_eq!([&rows[0]["bbox"], &rows[1]["bbox"]], [&whole; 2]);
    assert_eq!([&rows[0]["score"], &rows[1]["score"]], [0.75, 0.5]);
    let polygon = json!([[0.0, 0.0, 61.0, 0.0, 61.0, 43.0, 0.0, 43.0]]);
    assert_eq!([&rows[0]["segmentation"], &rows[1]["segmentation"]], [&Value::Null, &polygon]);
}

#[test]
fn photos_of_another_size_are_told() {
    let place = Place::new();
    // Stored 61 x 43 and turned to 43 x 61.
    place.write("photos/turned.jpg", &picture("orientation-6.jpg"));
    place.write("photos/plain.png", &picture("plain.png"));
    for (name, file, size) in [
        ("raw", "turned.jpg", (61, 43)),
        ("swapped", "plain.png", (43, 61)),
        ("cut", "plain.png", (61, 40)),
        ("double", "plain.png", (122, 86)),
    ] {
        write(&place, &format!("{name}.json"), &coco(file, size));
    }
    for (name, words) in [
        (
            "raw",
            "is 43x61 pixels, and annotated as 61x43: the annotations were made before the EXIF orientation",
        ),
        ("swapped", "is 61x43 pixels, and annotated as 43x61: width and height are swapped"),
        ("cut", "is 61x43 pixels, and annotated as 61x40"),
    ] {
        let source = format!("{name}.json");
        let ended = convert(&place, &[&source, "-o", name, "--to", "yolo", "-i", "photos"]).expect(3);
        assert!(ended.err.contains(words), "{name}: {}", ended.err);
        assert!(!place.at(name).join("images").exists());
    }
    let ended = convert(&place, &["double.json", "-o", "double", "--to", "voc", "-i", "photos"]).expect(0);
    assert!(ended.err.contains("1 photos were scaled after they had been annotated"), "{}", ended.err);
    // From 5 to 15 along and from 2.5 to 7.5 down.
    let voc = place.read("double/Annotations/plain.xml");
    for words in ["<width>61</width>", "<xmin>6</xmin>", "<xmax>15</xmax>", "<ymax>8</ymax>"] {
        assert!(voc.contains(words), "{voc}");
    }
    let arguments = ["swapped.json", "-o", "mended", "--to", "voc", "-i", "photos", "--photo-sizes"];
    let ended = convert(&place, &arguments).expect(0);
    assert!(ended.err.contains("theirs is taken"), "{}", ended.err);
    assert!(place.read("mended/Annotations/plain.xml").contains("<xmin>11</xmin>"));
}

#[test]
fn sizes_that_are_told_nowhere_are_read_from_the_photo() {
    let place = Place::new();
    let file = "<annotation><filename>a.png</filename><size><width>0</width><height>0</height></size><object><name>nut</name>\
        <bndbox><xmin>2</xmin><ymin>3</ymin><xmax>5</xmax><ymax>6</ymax></bndbox></object></annotation>";
    place.write("voc/Annotations/a.xml", file.as_bytes());
    place.write("voc/JPEGImages/a.png", &picture("plain.png"));
    convert(&place, &["voc", "-o", "voc.json"]).expect(0);
    assert_eq!(place.json("voc.json")["images"][0]["width"], 61);
    let mut set = coco("a.png", PLAIN);
    set["images"][0].as_object_mut().unwrap().remove("width");
    write(&place, "set.json", &set);
    let ended = convert(&place, &["set.json", "-o", "none", "--to", "yolo"]).expect(3);
    assert!(ended.err.contains("`a.png` has no size: -i names the folder"), "{}", ended.err);
    convert(&place, &["set.json", "-o", "yolo", "--to", "yolo", "-i", "voc/JPEGImages"]).expect(0);
    assert_eq!(place.read("yolo/labels/a.txt").lines().count(), 1);
}

#[test]
fn pixel_zero_is_told_and_read_as_meant() {
    let place = Place::new();
    let file = "<annotation><filename>a.png</filename><size><width>99</width><height>99</height></size><object><name>nut</name>\
        <bndbox><xmin>0</xmin><ymin>3</ymin><xmax>5</xmax><ymax>6</ymax></bndbox></object></annotation>";
    place.write("voc/a.xml", file.as_bytes());
    let ended = convert(&place, &["voc", "-o", "one.json"]).expect(0);
    assert!(ended.err.contains("1 boxes begin at pixel 0, as in `a.xml`"), "{}", ended.err);
    assert_eq!(place.json("one.json")["annotations"][0]["bbox"], json!([0.0, 2.0, 5.0, 4.0]));
    let ended = convert(&place, &["voc", "-o", "zero.json", "--from-zero"]).expect(0);
    assert_eq!(ended.err, "");
    assert_eq!(place.json("zero.json")["annotations"][0]["bbox"], json!([0.0, 3.0, 5.0, 3.0]));
}

#[test]
fn nothing_in_a_file_leads_out_of_the_named_folders() {
    let place = Place::new();
    place.write("secret/images/s.png", &picture("plain.png"));
    let secret = place.at("secret/images").display().to_string();
    for (name, path) in [("up", "../secret/images"), ("whole", secret.as_str())] {
        place.write(&format!("{name}/data.yaml"), format!("train: {path}\nnames: [x]\n").as_bytes());
        place.write(&format!("{name}/own.png"), &picture("plain.png"));
        let ended = convert(&place, &[name, "-o", "out.json"]).expect(1);
        assert!(ended.err.contains("which is outside of its folder: -i names"), "{}", ended.err);
        convert(&place, &[name, "-o", &format!("{name}.json"), "-i", "secret"]).expect(0);
        assert_eq!(place.json(&format!("{name}.json"))["images"].as_array().unwrap().len(), 1);
    }
    place.write("list/train.txt", format!("own.png\n{secret}/s.png\n../secret/images/s.png\n").as_bytes());
    place.write("list/data.yaml", b"train: train.txt\nnames: [x]\n");
    place.write("list/own.png", &picture("plain.png"));
    let ended = convert(&place, &["list", "-o", "list.json"]).expect(3);
    assert_eq!(ended.err.matches("not in the data set's folder").count(), 2, "{}", ended.err);
    assert_eq!(place.json("list.json")["images"].as_array().unwrap().len(), 1);
    place.write("voc/ImageSets/Main/train.txt", b"../../secret/a\na\n");
    let xml = "<annotation><size><width>9</width><height>9</height></size></annotation>";
    for file in ["voc/Annotations/a.xml", "secret/a.xml"] {
        place.write(file, xml.as_bytes());
    }
    let ended = convert(&place, &["voc", "-o", "voc.json", "--split", "train"]).expect(3);
    assert!(
        ended.err.contains("names `../../secret/a`, which is not in the data set's folder"),
        "{}",
        ended.err
    );
    // Nor is anything written elsewhere.
    let mut set = coco("../../gone.jpg", (64, 48));
    set["images"]
        .as_array_mut()
        .unwrap()
        .push(json!({"id": 2, "file_name": "/gone/b.jpg", "width": 9, "height": 9}));
    write(&place, "set.json", &set);
    convert(&place, &["set.json", "-o", "deep/yolo", "--to", "yolo"]).expect(0);
    assert!(
        place.at("deep/yolo/labels/gone.txt").is_file() && place.at("deep/yolo/labels/gone/b.txt").is_file()
    );
    assert!(!place.at("gone.txt").exists() && !place.at("deep/gone.txt").exists());
}

#[test]
fn a_result_of_its_own_kind_is_made_anew() {
    let place = Place::new();
    write(&place, "set.json", &coco("a.jpg", (64, 48)));
    write(&place, "other.json", &json!({"mine": 1}));
    for _ in 0..2 {
        convert(&place, &["set.json", "-o", "out.json"]).expect(0);
    }
    let ended = convert(&place, &["set.json", "-o", "other.json"]).expect(1);
    assert!(ended.err.contains("is there already"), "{}", ended.err);
}
