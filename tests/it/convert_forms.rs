//! `rcnn convert` between all forms: what each keeps, and how IN tells its form.

#![allow(clippy::unwrap_used)] // a test may fail anywhere

use crate::convert::convert;
use crate::support::Place;
use serde_json::{Value, json};

/// Two photos as large as `plain.png`, one without objects; names that each form has to escape.
fn coco() -> Value {
    json!({
        "images": [
            {"id": 1, "file_name": "train/images/a, \"b\" & ö.png", "width": 61, "height": 43},
            {"id": 2, "file_name": "empty #1.png", "width": 61, "height": 43},
        ],
        "categories": [{"id": 1, "name": "nut, \"M8\" & <x>"}, {"id": 2, "name": "größe"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10.0, 5.0, 20.0, 10.0], "area": 200.0, "iscrowd": 0},
            {"id": 2, "image_id": 1, "category_id": 2, "bbox": [0.0, 0.0, 61.0, 43.0], "area": 2623.0, "iscrowd": 0},
        ],
    })
}

fn place() -> Place {
    let place = Place::new();
    let picture = std::fs::read(crate::support::fixtures().join("plain.png")).unwrap();
    let set = coco();
    for image in set["images"].as_array().unwrap() {
        place.write(&format!("photos/{}", image["file_name"].as_str().unwrap()), &picture);
    }
    place.write("set.json", set.to_string().as_bytes());
    place
}

/// Names of categories with their boxes, rounded to a hundredth.
fn boxes(set: &Value) -> Vec<(String, Vec<i64>)> {
    let name = |id: &Value| {
        let categories = set["categories"].as_array().unwrap().iter();
        categories.clone().find(|category| category["id"] == *id).unwrap()["name"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let sides = |row: &Value| {
        let sides = row["bbox"].as_array().unwrap().iter();
        sides.map(|side| (side.as_f64().unwrap() * 100.0).round() as i64).collect()
    };
    let rows = set["annotations"].as_array().unwrap().iter();
    rows.map(|row| (name(&row["category_id"]), sides(row))).collect()
}

#[test]
fn boxes_come_back_from_every_form() {
    let place = place();
    let before = boxes(&coco());
    for (form, out) in [
        ("voc", "voc"),
        ("yolo", "yolo"),
        ("labelme", "labelme"),
        ("cvat", "cvat.xml"),
        ("label-studio", "tasks.json"),
        ("open-images", "open.csv"),
        ("csv", "plain.csv"),
    ] {
        convert(&place, &["set.json", "-o", out, "--to", form, "-i", "photos"]).expect(0);
        let back = format!("back-{form}.json");
        let photos: &[&str] = if form == "open-images" { &["-i", "photos"] } else { &[] };
        convert(&place, &[&[out, "-o", &back], photos].concat()).expect(0);
        let back = place.json(&back);
        let mut found = boxes(&back);
        found.sort();
        let mut wanted = before.clone();
        wanted.sort();
        assert_eq!(found, wanted, "{form}");
        let photos = if form == "open-images" { 1 } else { 2 };
        assert_eq!(back["images"].as_array().unwrap().len(), photos, "{form}");
        assert_eq!(
            (&back["images"][0]["width"], &back["images"][0]["height"]),
            (&json!(61), &json!(43)),
            "{form}"
        );
    }
}

#[test]
fn folders_tell_their_form_by_the_files_in_them() {
    let place = place();
    for (form, file) in [("cvat", "annotations.xml"), ("label-studio", "tasks.json"), ("csv", "labels.csv")] {
        std::fs::create_dir(place.at(form)).unwrap();
        convert(&place, &["set.json", "-o", &format!("{form}/{file}"), "--to", form]).expect(0);
        convert(&place, &[form, "-o", &format!("{form}.json")]).expect(0);
        assert_eq!(boxes(&place.json(&format!("{form}.json"))).len(), 2, "{form}");
    }
}

#[test]
fn what_tools_write_in_utf_16_is_read() {
    let place = Place::new();
    let text = "filename,width,height,class,xmin,ymin,xmax,ymax\r\nö.jpg,100,90,größe,10,20,40,25.5\r\n";
    let bytes: Vec<u8> =
        std::iter::once(0xfeff).chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    place.write("set.csv", &bytes);
    convert(&place, &["set.csv", "-o", "set.json"]).expect(0);
    assert_eq!(boxes(&place.json("set.json")), [("größe".to_owned(), vec![1000, 2000, 3000, 550])]);
}

#[test]
fn scores_make_predictions_and_crowds_are_no_objects() {
    let place = Place::new();
    let mut set = coco();
    set["annotations"][0]["score"] = 0.5.into();
    set["annotations"][1]["iscrowd"] = 1.into();
    place.write("set.json", set.to_string().as_bytes());
    let ended = convert(&place, &["set.json", "-o", "tasks.json", "--to", "label-studio"]).expect(0);
    assert!(ended.err.contains("1 crowds are left out: Label Studio has no place"), "{}", ended.err);
    let tasks = place.json("tasks.json");
    assert_eq!(tasks[0]["predictions"][0]["result"][0]["score"], 0.5);
    assert_eq!(
        tasks[0]["data"]["image"],
        "/data/local-files/?d=train/images/a%2C%20%22b%22%20%26%20%C3%B6.png"
    );
    let ended = convert(&place, &["set.json", "-o", "set.csv", "--to", "csv"]).expect(0);
    assert!(ended.err.contains("1 crowds are left out"), "{}", ended.err);
    assert!(place.read("set.csv").contains(",10,5,30,15,0.5"), "{}", place.read("set.csv"));
    let ended = convert(&place, &["set.json", "-o", "cvat.xml", "--to", "cvat"]).expect(0);
    assert!(ended.err.contains("scores of 1 object"), "{}", ended.err);
}
