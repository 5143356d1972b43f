//! `detect --tile`: small things in a large photo, here the scenes of `datasets/debris` side by side in one picture.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::path::Path;

use crate::support::Place;
use image::RgbImage;
use rcnn::internal::geometry::BBox;

/// Scenes in a row of the picture; there are 24, of 300 x 300 pixels each.
const ACROSS: u32 = 6;

/// Writes the picture; gives what is in it.
fn picture(place: &Place) -> Vec<(String, BBox)> {
    let debris = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/debris");
    let text = std::fs::read(debris.join("annotations.json")).unwrap();
    let set: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let mut all = RgbImage::new(300 * ACROSS, 300 * 4);
    let corner = |id: u64| (300 * ((id as u32 - 1) % ACROSS), 300 * ((id as u32 - 1) / ACROSS));
    for scene in set["images"].as_array().unwrap() {
        let file = debris.join("images").join(scene["file_name"].as_str().unwrap());
        let (x, y) = corner(scene["id"].as_u64().unwrap());
        image::imageops::replace(&mut all, &image::open(file).unwrap().to_rgb8(), x.into(), y.into());
    }
    std::fs::create_dir(place.at("photos")).unwrap();
    all.save(place.at("photos/large.png")).unwrap();
    let name = |id: &serde_json::Value| {
        let mut categories = set["categories"].as_array().unwrap().iter();
        categories.find(|category| category["id"] == *id).unwrap()["name"].as_str().unwrap().to_owned()
    };
    let object = |annotation: &serde_json::Value| {
        let (x, y) = corner(annotation["image_id"].as_u64().unwrap());
        let side = |place: usize| annotation["bbox"][place].as_f64().unwrap() as f32;
        let (x, y) = (x as f32 + side(0), y as f32 + side(1));
        (name(&annotation["category_id"]), BBox::new(x, y, x + side(2), y + side(3)))
    };
    set["annotations"].as_array().unwrap().iter().map(object).collect()
}

/// A run's detections with a score of 0.5 and more.
fn sure(place: &Place, out: &str) -> Vec<(String, BBox)> {
    let rows = place.rows(out);
    let sure =
        rows[0]["detections"].as_array().unwrap().iter().filter(|item| item["score"].as_f64() >= Some(0.5));
    let named = |item: &serde_json::Value| {
        let side = |place: usize| item["box"][place].as_f64().unwrap() as f32;
        (item["label"].as_str().unwrap().to_owned(), BBox::new(side(0), side(1), side(2), side(3)))
    };
    sure.map(named).collect()
}

fn same((name, bbox): &(String, BBox), (other, of_other): &(String, BBox)) -> bool {
    name == other && bbox.iou(of_other) >= 0.5
}

#[test]
fn tiles_show_what_is_small() {
    let place = Place::new();
    let objects = picture(&place);
    assert_eq!(objects.len(), 45);
    place.rcnn(&["detect", "photos", "-o", "whole", "--no-draw"]).expect(0);
    place.rcnn(&["detect", "photos", "-o", "tiles", "--tile"]).expect(0);
    let [whole, tiles] = ["whole", "tiles"].map(|out| sure(&place, out));
    let found = |sure: &[(String, BBox)]| {
        objects.iter().filter(|object| sure.iter().any(|found| same(found, object))).count()
    };
    let (few, many) = (found(&whole), found(&tiles));
    assert!(2 * many > objects.len() && 2 * many > 3 * few, "{many} of 45 in tiles, {few} in the whole");
    for (place, one) in tiles.iter().enumerate() {
        assert!(!tiles[..place].iter().any(|other| same(one, other)), "{one:?} is found twice");
    }
    assert!(place.at("tiles/annotated/large.png").is_file());
    assert_eq!(place.json("tiles/run.json")["settings"]["tile"], true);
    let told = place.rcnn(&["detect", "photos", "-o", "again", "--tile", "--no-draw"]).expect(0).err;
    // Squares of 240 pixels with a fifth of overlap, 10 x 6, and of 480, 5 x 3; those of 960 would show hardly more than the whole.
    assert!(told.contains("75 tiles in 1 photo,"), "{told}");
    let other = place.rcnn(&["detect", "photos", "-o", "tiles"]).expect(1);
    assert!(other.err.contains("a run with --tile"), "{}", other.err);
    let batched = ["detect", "photos", "-o", "batched", "--tile", "--batch", "5", "--threads", "3"];
    place.rcnn(&batched).expect(0);
    assert_eq!(place.read("batched/detections.jsonl"), place.read("tiles/detections.jsonl"));
}

#[test]
fn photos_that_the_network_sees_whole_stay_as_they_are() {
    let place = Place::new();
    place.photos(&[("baseline-420.jpg", "1.jpg"), ("plain.png", "2.png")]);
    for (out, option) in [("plain", "--no-draw"), ("tiled", "--tile")] {
        place.rcnn(&["detect", "photos", "-o", out, "--score", "0.01", option]).expect(0);
    }
    assert_eq!(place.read("plain/detections.jsonl"), place.read("tiled/detections.jsonl"));
    let both = place.rcnn(&["detect", "photos", "-o", "x", "--no-draw", "--tile", "--decoder", "reduced"]);
    both.expect(2);
}

#[cfg(unix)]
#[test]
fn a_stop_is_noticed_between_tiles() {
    use std::process::{Command, Stdio};
    use std::time::Duration;
    let place = Place::new();
    picture(&place);
    let mut command = Command::new(env!("CARGO_BIN_EXE_rcnn"));
    command.current_dir(place.at("")).args(["detect", "photos", "-o", "out", "--tile", "--threads", "1"]);
    command.env("RCNN_CACHE", place.at("cache")).env("ORT_DYLIB_PATH", crate::support::runtime());
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !place.at("out/run.json").is_file() {
        std::thread::sleep(Duration::from_millis(5));
    }
    // By now it is in the midst of the tiles of its only photo.
    std::thread::sleep(Duration::from_millis(300));
    let told = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(told.success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(place.read("out/detections.jsonl"), "", "a photo that was not seen whole has no row");
    place.rcnn(&["detect", "photos", "-o", "out", "--tile"]).expect(0);
    assert_eq!(place.rows("out").len(), 1);
}
