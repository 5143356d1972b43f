//! `rcnn detect -a`: which photo takes which annotated image's id, whatever tool spelt its name.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use crate::support::{Ended, Place};
use serde_json::{Value, json};

/// Two cameras that number their photos alike.
fn cameras() -> Place {
    let place = Place::new();
    place.photos(&[("baseline-420.jpg", "cam1/1.jpg"), ("plain.png", "cam2/1.jpg")]);
    place
}

fn detect(place: &Place, photos: &[&str], images: Value, categories: Value, annotations: Value) -> Ended {
    let gt = json!({"images": images, "categories": categories, "annotations": annotations});
    place.write("gt.json", gt.to_string().as_bytes());
    let arguments =
        [&["detect"], photos, &["-a", "gt.json", "-o", "out", "--no-draw", "--overwrite"]].concat();
    place.rcnn(&arguments)
}

fn found(place: &Place) -> Vec<(Value, String)> {
    let row = |row: &Value| (row["image_id"].clone(), row["file"].as_str().unwrap().to_owned());
    place.rows("out").iter().map(row).collect()
}

#[test]
fn the_longest_common_end_of_both_paths_decides() {
    let place = cameras();
    // The spellings of other tools are tested where they are resolved.
    for prefix in ["", r"D:\data\"] {
        let image = |id: i32, camera: &str| json!({"id": id, "file_name": format!("{prefix}{camera}/1.jpg")});
        let both = json!([image(22, "cam2"), image(11, "cam1")]);
        for (photos, wanted) in [
            (&["photos"][..], &[(11, "cam1/1.jpg"), (22, "cam2/1.jpg")][..]),
            (&["photos/cam2"], &[(22, "1.jpg")]),
            (&["photos/cam2/1.jpg"], &[(22, "1.jpg")]),
            (&["photos/cam1", "photos/cam2"], &[(11, "photos/cam1/1.jpg"), (22, "photos/cam2/1.jpg")]),
        ] {
            detect(&place, photos, both.clone(), json!([]), json!([])).expect(0);
            let wanted: Vec<(Value, String)> =
                wanted.iter().map(|&(id, file)| (json!(id), file.to_owned())).collect();
            assert_eq!(found(&place), wanted, "{prefix} {photos:?}");
        }
        // A photo of another camera is another photo.
        detect(&place, &["photos"], json!([image(22, "cam2")]), json!([]), json!([])).expect(0);
        assert_eq!(found(&place), [(json!(22), "cam2/1.jpg".to_owned())], "{prefix}");
    }
    std::fs::remove_dir_all(place.at("photos/cam2")).unwrap();
    let ended =
        detect(&place, &["photos"], json!([{"id": 22, "file_name": "cam2/1.jpg"}]), json!([]), json!([]));
    let ended = ended.expect(1);
    assert!(ended.err.contains("`cam1/1.jpg` and `cam2/1.jpg`"), "{}", ended.err);
}

#[test]
fn of_two_categories_of_one_name_the_annotated_one_is_meant() {
    let place = cameras();
    let categories = json!([{"id": 0, "name": "Bolt", "supercategory": "none"}, {"id": 1, "name": "Bolt"}]);
    let annotation =
        json!([{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 1, 5, 5], "area": 25, "iscrowd": 0}]);
    let images = json!([{"id": 1, "file_name": "cam1/1.jpg"}]);
    let ended = detect(&place, &["photos"], images, categories, annotation).expect(0);
    assert!(
        ended.err.contains("several categories of `gt.json` are named `Bolt`: 1 is taken"),
        "{}",
        ended.err
    );
    let tables = place.json("out/images.json");
    let bolt = tables["categories"].as_array().unwrap().iter().find(|class| class["name"] == "Bolt").unwrap();
    assert_eq!(bolt["id"], 1);
}

#[test]
fn photos_of_other_sizes_than_annotated_are_told() {
    let place = cameras();
    // Both photos have 61x43 pixels.
    for (width, height, words) in [
        (61, 43, None),
        (43, 61, Some("--ignore-orientation")),
        (122, 86, Some("scaled by 0.500")),
        (61, 50, Some("61x43, annotated 61x50")),
    ] {
        let images = json!([{"id": 1, "file_name": "cam1/1.jpg", "width": width, "height": height}]);
        let ended = detect(&place, &["photos/cam1"], images, json!([]), json!([])).expect(0);
        match words {
            Some(words) => assert!(ended.err.contains(words), "{}", ended.err),
            None => assert!(!ended.err.contains("sizes"), "{}", ended.err),
        }
    }
}

#[test]
fn ids_of_any_kind_come_back_as_the_annotations_have_them() {
    for [one, two, bolt, nut] in
        [[json!("one"), json!("7"), json!("b"), json!("n")], [json!(-1), json!(0), json!(-3), json!(-4)]]
    {
        let place = cameras();
        let images = json!([{"id": one, "file_name": "cam1/1.jpg"}, {"id": two, "file_name": "cam2/1.jpg"}]);
        let categories = json!([{"id": bolt, "name": "Bolt"}, {"id": nut, "name": "Nut"}]);
        let annotations = json!([{"id": 1, "image_id": one, "category_id": bolt, "bbox": [1, 1, 5, 5], "area": 25, "iscrowd": 0}]);
        detect(&place, &["photos", "--score", "0.001"], images, categories.clone(), annotations).expect(0);
        let ids: Vec<Value> = found(&place).into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, [one.clone(), two]);
        let tables = place.json("out/images.json");
        for wanted in categories.as_array().unwrap() {
            assert!(tables["categories"].as_array().unwrap().contains(wanted), "{tables}");
        }
        assert_eq!(place.json("out/detections.json")[0]["image_id"], one);
        place.rcnn(&["evaluate", "-a", "gt.json", "-r", "out/detections.json"]).expect(0);
        place.rcnn(&["compare", "-a", "gt.json", "-i", "photos", "fod-r18"]).expect(0);
        // The same command finds that all is done.
        let again =
            place.rcnn(&["detect", "photos", "--score", "0.001", "-a", "gt.json", "-o", "out", "--no-draw"]);
        assert!(again.expect(0).err.contains("2 of 2 photos were done before"));
    }
}

#[test]
fn images_that_share_an_id_take_no_photos() {
    let place = cameras();
    place.photos(&[("grey.jpg", "cam3/1.jpg")]);
    let image = |id: Value, camera: &str| json!({"id": id, "file_name": format!("{camera}/1.jpg")});
    let images = json!([image(json!(7), "cam1"), image(json!(7), "cam2"), image(json!(8), "cam3")]);
    let ended = detect(&place, &["photos"], images, json!([]), json!([])).expect(0);
    assert_eq!(found(&place), [(json!(8), "cam3/1.jpg".to_owned())]);
    let told =
        "2 images of `gt.json` are left out, as others have the same ids (such as that of `cam1/1.jpg`)";
    assert!(ended.err.contains(told), "{}", ended.err);
    let images = json!([image(json!(true), "cam1"), image(json!(true), "cam2")]);
    let ended = detect(&place, &["photos"], images, json!([]), json!([])).expect(1);
    assert!(ended.err.contains("others have the same ids"), "{}", ended.err);
    // No id of results at all.
    let ended =
        detect(&place, &["photos"], json!([image(json!(null), "cam1")]), json!([]), json!([])).expect(1);
    assert!(ended.err.contains("a string expected") && !ended.err.contains("untagged"), "{}", ended.err);
}

#[test]
fn blanks_around_a_categorys_name_and_its_case_make_no_difference() {
    let place = cameras();
    let categories = json!([{"id": 40, "name": " BOLT\t"}, {"id": 50, "name": "nut"}]);
    let images = json!([{"id": 1, "file_name": "cam1/1.jpg"}]);
    detect(&place, &["photos"], images, categories, json!([])).expect(0);
    let table = place.json("out/images.json");
    let id = |name: &str| {
        let named = table["categories"].as_array().unwrap().iter().find(|category| category["name"] == name);
        named.unwrap()["id"].clone()
    };
    assert_eq!((id("Bolt"), id("Nut")), (json!(40), json!(50)));
}

/// The colour of a box's line, which lies just above its upper edge.
fn line(picture: &image::RgbImage, [x1, y1, x2, _]: [f64; 4]) -> [u8; 3] {
    picture.get_pixel(((x1 + x2) / 2.0) as u32, y1 as u32 - 1).0
}

#[test]
fn truth_is_drawn_beside_detections() {
    let place = Place::new();
    let scene = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/debris/images/000002.jpg");
    let photo = image::open(scene).unwrap().to_rgb8();
    std::fs::create_dir(place.at("photos")).unwrap();
    photo.save(place.at("photos/1.png")).unwrap();
    place.rcnn(&["detect", "photos", "-o", "plain"]).expect(0);
    let rows = place.rows("plain");
    let found: Vec<&Value> = rows[0]["detections"].as_array().unwrap().iter().take(2).collect();
    let corners = |item: &Value| [0, 1, 2, 3].map(|side| item["box"][side].as_f64().unwrap());
    let [first, second] = [corners(found[0]), corners(found[1])];
    // The best detection is annotated, the second is not, and there is a third object that nothing finds.
    let missed = [200.0, 200.0, 290.0, 290.0];
    let object = |id: i32, category: &Value, [x1, y1, x2, y2]: [f64; 4]| json!({"id": id, "image_id": 1, "category_id": category, "bbox": [x1, y1, x2 - x1, y2 - y1], "area": 1, "iscrowd": 0});
    let of = |item: &Value| json!({"id": item["category_id"], "name": item["label"]});
    let gt = json!({
        "images": [{"id": 1, "file_name": "1.png"}],
        "categories": [of(found[0]), of(found[1])],
        "annotations": [object(1, &found[0]["category_id"], first), object(2, &found[1]["category_id"], missed)],
    });
    place.write("gt.json", gt.to_string().as_bytes());
    place.rcnn(&["detect", "photos", "-a", "gt.json", "-o", "out", "--show-truth"]).expect(0);
    let picture = image::open(place.at("out/annotated/1.png")).unwrap().to_rgb8();
    assert_eq!(line(&picture, first), [0, 158, 115]);
    assert_eq!(line(&picture, second), [213, 94, 0]);
    assert_eq!(line(&picture, missed), [86, 180, 233]);
    let other = place.rcnn(&["detect", "photos", "-a", "gt.json", "-o", "out"]).expect(1);
    assert!(other.err.contains("--show-truth"), "{}", other.err);
}

#[test]
fn rows_say_when_a_photo_was_taken_and_pictures_keep_it() {
    let place = Place::new();
    let scene = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/debris/images/000002.jpg");
    let photo = std::fs::read(scene).unwrap();
    // EXIF of two tags behind the first marker: the time of the last change, and an orientation that turns by a quarter.
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\0\x01\0\x06\0\0".to_vec();
    exif.extend(b"\x01\x32\0\x02\0\0\0\x14\0\0\0\x26\0\0\0\x002026:05:01 12:30:09\0");
    let length = (exif.len() as u16 + 2).to_be_bytes();
    let tagged = [&photo[..2], &[0xff, 0xe1], &length, &exif, &photo[2..]].concat();
    place.write("photos/1.jpg", &tagged);
    place.write("photos/2.jpg", &photo);
    place.rcnn(&["detect", "photos", "-o", "out", "--exif"]).expect(0);
    let rows = place.rows("out");
    assert_eq!(rows[0]["exif"], json!({"time": "2026-05-01T12:30:09"}));
    assert_eq!(rows[1].get("exif"), None);
    place.rcnn(&["detect", "out/annotated/1.jpg", "-o", "again", "--exif", "--no-draw"]).expect(0);
    let again = place.rows("again");
    assert_eq!(again[0]["exif"], rows[0]["exif"]);
    // The picture's pixels are upright, and it says so.
    assert_eq!([&again[0]["width"], &again[0]["height"]], [&rows[0]["width"], &rows[0]["height"]]);
}

/// Differing pixels of two pictures of the same size.
fn changed(place: &Place, one: &str, other: &str) -> usize {
    let [one, other] = [one, other].map(|name| image::open(place.at(name)).unwrap().to_rgb8());
    assert_eq!(one.dimensions(), other.dimensions());
    one.pixels().zip(other.pixels()).filter(|(one, other)| one != other).count()
}

#[test]
fn lines_and_labels_of_pictures_are_the_users() {
    let place = Place::new();
    let scene = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/debris/images/000002.jpg");
    place.write("photos/1.png", b"");
    image::open(scene).unwrap().save(place.at("photos/1.png")).unwrap();
    let drawn = |out: &str, options: &[&str]| {
        place.rcnn(&[&["detect", "photos", "-o", out], options].concat()).expect(0);
        changed(&place, "photos/1.png", &format!("{out}/annotated/1.png"))
    };
    let usual = drawn("usual", &[]);
    let (name, none) = (drawn("name", &["--label", "name"]), drawn("none", &["--label", "none"]));
    let (thick, large) = (drawn("thick", &["--line-width", "9"]), drawn("large", &["--text-size", "30"]));
    assert!(none < name && name < usual, "{none} {name} {usual}");
    assert!(usual < thick && usual < large, "{usual} {thick} {large}");
    // The boxes are the same, and pictures of two kinds are not mixed.
    assert_eq!(place.read("none/detections.jsonl"), place.read("usual/detections.jsonl"));
    let mixed = place.rcnn(&["detect", "photos", "-o", "none", "--label", "full"]).expect(1);
    assert!(mixed.err.contains("--label"), "{}", mixed.err);
}
