//! `detect --format`, `--crops` and `--sort-into`: what a run is given as besides its own files says what its journal says.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use serde_json::Value;

use crate::support::Place;

const DETECT: [&str; 4] = ["detect", "photos", "-o", "out"];
const EXPORTS: [&str; 5] = ["--format", "csv,parquet,yolo,labelme", "--crops", "--sort-into", "sorted"];

/// Three scenes, of which two differ in their folder alone, and a file that is no picture.
fn photos() -> Place {
    let place = Place::new();
    let scenes = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/debris/images");
    for (scene, name) in [("000001", "a/1"), ("000002", "b/1"), ("000003", "2")] {
        place.write(
            &format!("photos/{name}.jpg"),
            &fs::read(scenes.join(scene).with_extension("jpg")).unwrap(),
        );
    }
    place.write("photos/bad.jpg", b"no picture");
    place
}

fn exported() -> Place {
    let place = photos();
    place.rcnn(&[&DETECT[..], &EXPORTS].concat()).expect(3);
    place
}

/// Detections of a photo that are shown.
fn shown(row: &Value) -> Vec<&Value> {
    let all = row["detections"].as_array().into_iter().flatten();
    all.filter(|item| item["score"].as_f64() >= Some(0.5)).collect()
}

fn corners(item: &Value) -> [f64; 4] {
    [0, 1, 2, 3].map(|side| item["box"][side].as_f64().unwrap())
}

/// All files below a folder, with `/` between parts, sorted.
fn files(folder: &Path) -> Vec<String> {
    let mut files: Vec<String> = walkdir::WalkDir::new(folder)
        .into_iter()
        .flatten()
        .filter(|entry| !entry.file_type().is_dir() && entry.file_name() != ".rcnn-files")
        .map(|entry| entry.path().strip_prefix(folder).unwrap().to_string_lossy().replace('\\', "/"))
        .collect();
    files.sort();
    files
}

#[test]
fn tables_have_a_row_for_each_detection_and_for_photos_without_any() {
    let place = exported();
    let mut expected = Vec::new();
    for row in place.rows("out") {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let (file, id) = (text(&row["file"]), text(&row["image_id"]));
        if let Some(error) = row.get("error") {
            let mut fields = vec![String::new(); 13];
            (fields[0], fields[1], fields[11]) = (file, id, text(&error["kind"]));
            expected.push(fields);
            continue;
        }
        let items = row["detections"].as_array().unwrap();
        assert!(!items.is_empty(), "the scenes have objects");
        for item in items {
            let mut fields = vec![file.clone(), id.clone(), text(&row["width"]), text(&row["height"])];
            fields.extend([&item["category_id"], &item["label"], &item["score"]].map(text));
            fields.extend((0..4).map(|side| text(&item["box"][side])));
            // This model has no masks.
            fields.extend([String::new(), String::new()]);
            expected.push(fields);
        }
    }
    let mut table = csv::Reader::from_path(place.at("out/detections.csv")).unwrap();
    let header = "file,image_id,width,height,category_id,label,score,x1,y1,x2,y2,error,mask";
    assert_eq!(table.headers().unwrap().iter().collect::<Vec<_>>().join(","), header);
    let same = |is: &str, should: &str| {
        is == should
            || is.parse::<f32>().is_ok_and(|is| should.parse::<f32>().is_ok_and(|should| is == should))
    };
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in rows.iter().zip(&expected) {
        assert!(row.iter().zip(expected).all(|(is, should)| same(is, should)), "{row:?}, {expected:?}");
    }
    let table =
        SerializedFileReader::new(fs::File::open(place.at("out/detections.parquet")).unwrap()).unwrap();
    let text = |field: &Field| match field {
        Field::Null => String::new(),
        Field::Str(text) => text.clone(),
        Field::Long(id) => id.to_string(),
        Field::Int(side) => side.to_string(),
        Field::Float(value) => value.to_string(),
        other => panic!("{other:?}"),
    };
    let rows: Vec<_> = table.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    assert_eq!(rows.len(), expected.len());
    for (row, expected) in rows.iter().zip(&expected) {
        let (names, fields): (Vec<&str>, Vec<String>) =
            row.get_column_iter().map(|(name, field)| (name.as_str(), text(field))).unzip();
        assert_eq!(names.join(","), header);
        assert!(fields.iter().zip(expected).all(|(is, should)| same(is, should)), "{fields:?}, {expected:?}");
    }
    // Our own reader of tables, and others by its column names, take it for annotations.
    place.rcnn(&["convert", "out/detections.csv", "-o", "back.json"]).expect(0);
    let back = place.json("back.json")["annotations"].as_array().unwrap().len();
    assert_eq!(back, expected.len() - 1);
}

#[test]
fn label_files_hold_what_pictures_show() {
    let place = exported();
    let names: Vec<String> = place.read("out/yolo/data.yaml").lines().skip(3).map(str::to_owned).collect();
    assert_eq!(
        files(&place.at("out/yolo")),
        ["data.yaml", "labels/2.txt", "labels/a/1.txt", "labels/b/1.txt"]
    );
    assert_eq!(files(&place.at("out/labelme")), ["2.json", "a/1.json", "b/1.json"]);
    for row in place.rows("out").iter().filter(|row| row.get("error").is_none()) {
        let name = row["file"].as_str().unwrap().trim_end_matches(".jpg").to_owned();
        let (items, yolo) = (shown(row), place.read(&format!("out/yolo/labels/{name}.txt")));
        assert_eq!(yolo.lines().count(), items.len());
        let labelme = place.json(&format!("out/labelme/{name}.json"));
        assert_eq!(labelme["shapes"].as_array().unwrap().len(), items.len());
        let (width, height) = (row["width"].as_f64().unwrap(), row["height"].as_f64().unwrap());
        for ((item, line), shape) in items.iter().zip(yolo.lines()).zip(labelme["shapes"].as_array().unwrap())
        {
            let fields: Vec<f64> = line.split(' ').map(|field| field.parse().unwrap()).collect();
            let label = item["label"].as_str().unwrap();
            assert!(names[fields[0] as usize].contains(label) && shape["label"] == label);
            let [x1, y1, x2, y2] = corners(item);
            let should =
                [(x1 + x2) / 2.0 / width, (y1 + y2) / 2.0 / height, (x2 - x1) / width, (y2 - y1) / height];
            for (is, should) in fields[1..].iter().zip(should) {
                assert!((is - should).abs() < 2e-6, "{line}: {should}");
            }
        }
    }
}

#[test]
fn crops_and_links_are_in_folders_of_their_classes() {
    let place = exported();
    let mut crops = BTreeMap::new();
    let mut links = BTreeMap::new();
    for row in place.rows("out").iter().filter(|row| row.get("error").is_none()) {
        let file = row["file"].as_str().unwrap();
        let items = shown(row);
        for (number, item) in (1..).zip(&items) {
            let [x1, y1, x2, y2] = corners(item);
            let side = |low: f64, high: f64| (high.ceil() - low.floor()) as u32;
            let name = format!("{}/{file}-{number}.jpg", item["label"].as_str().unwrap());
            crops.insert(name, (side(x1, x2), side(y1, y2)));
        }
        let best = items.first().map_or("nothing found", |item| item["label"].as_str().unwrap());
        links.insert(format!("{best}/{file}"), fs::canonicalize(place.at("photos").join(file)).unwrap());
    }
    assert!(crops.len() >= 3, "{crops:?}");
    assert_eq!(files(&place.at("out/crops")), crops.keys().cloned().collect::<Vec<_>>());
    for (name, size) in &crops {
        assert_eq!(image::image_dimensions(place.at("out/crops").join(name)).unwrap(), *size, "{name}");
    }
    assert_eq!(files(&place.at("sorted")), links.keys().cloned().collect::<Vec<_>>());
    for (name, photo) in &links {
        assert_eq!(fs::read(place.at("sorted").join(name)).unwrap(), fs::read(photo).unwrap(), "{name}");
        #[cfg(unix)]
        assert_eq!(fs::read_link(place.at("sorted").join(name)).unwrap(), *photo, "{name}");
    }
    let exports = place.json("out/run.json")["exports"].clone();
    let counts: Vec<(&str, u64)> = exports
        .as_array()
        .unwrap()
        .iter()
        .map(|made| (made["what"].as_str().unwrap(), made["files"].as_u64().unwrap()))
        .collect();
    assert_eq!(counts[4..], [("crops", crops.len() as u64), ("links to photos", 3)]);
}

#[test]
fn equal_exports_are_kept_and_others_replace_them() {
    let place = exported();
    let crops = files(&place.at("out/crops"));
    let first = place.at("out/crops").join(&crops[0]);
    let made = fs::metadata(&first).unwrap().modified().unwrap();
    place.rcnn(&[&DETECT[..], &EXPORTS].concat()).expect(3);
    assert_eq!(fs::metadata(&first).unwrap().modified().unwrap(), made);
    // A file of the user's stays where it is, and is told.
    place.write("out/crops/mine.txt", b"mine");
    place.write("sorted/nothing found/a/1.jpg", b"mine");
    let none = [&DETECT[..], &EXPORTS, &["--overwrite", "--draw-score", "1"]].concat();
    let told = place.rcnn(&none).expect(3).out;
    assert!(told.contains("`nothing found/a/1.jpg`: a file of this name is there"), "{told}");
    assert_eq!(files(&place.at("out/crops")), ["mine.txt"]);
    assert_eq!(place.read("sorted/nothing found/a/1.jpg"), "mine");
    assert_eq!(
        files(&place.at("sorted")),
        ["2.jpg", "a/1.jpg", "b/1.jpg"].map(|name| format!("nothing found/{name}"))
    );
    // Another run in the same folder leaves nothing of this one.
    place.rcnn(&[&DETECT[..], &["--overwrite"]].concat()).expect(3);
    assert!(!place.at("out/detections.csv").exists() && !place.at("out/yolo").exists());
    assert_eq!(files(&place.at("out/crops")), ["mine.txt"]);
}
