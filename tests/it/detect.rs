//! `rcnn detect` as its user sees it: files, words and exit codes. Numbers are held against the frameworks in
//! `golden.rs`.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{Place, fixtures};
use rcnn::internal::geometry::BBox;
use rcnn::internal::run::ResultItem;

/// Three pictures in two folders.
const PICTURES: [(&str, &str); 3] =
    [("baseline-420.jpg", "b.jpg"), ("plain.png", "a/plain.png"), ("lossless.webp", "c.webp")];

#[test]
fn a_run_writes_all_that_is_documented() {
    let place = Place::new();
    place.photos(&PICTURES);
    let ended =
        place.rcnn(&["detect", "photos", "-o", "out", "--score", "0.01", "--draw-score", "0.02"]).expect(0);
    assert!(ended.out.starts_with("3 photos, "), "{}", ended.out);
    let rows = place.rows("out");
    let files: Vec<_> = rows.iter().map(|row| row["file"].as_str().unwrap()).collect();
    assert_eq!(files, ["a/plain.png", "b.jpg", "c.webp"]);
    for (row, id) in rows.iter().zip(1..) {
        assert_eq!((&row["image_id"], &row["width"], &row["height"]), (&id.into(), &61.into(), &43.into()));
    }
    let results = place.json("out/detections.json");
    let listed: usize = rows.iter().map(|row| row["detections"].as_array().unwrap().len()).sum();
    assert_eq!(results.as_array().unwrap().len(), listed);
    assert!(listed > 0, "nothing to compare");
    let (result, item) = (&results[0], &rows.iter().find(|row| row["detections"][0].is_object()).unwrap());
    let corners: Vec<f64> =
        item["detections"][0]["box"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert_eq!(result["image_id"], item["image_id"]);
    assert_eq!(result["bbox"][0].as_f64().unwrap(), corners[0]);
    assert!((result["bbox"][2].as_f64().unwrap() - (corners[2] - corners[0])).abs() < 1e-4);
    let images = place.json("out/images.json");
    assert_eq!(images["images"].as_array().unwrap().len(), 3);
    assert_eq!(images["images"][0]["file_name"], "a/plain.png");
    assert_eq!(images["categories"].as_array().unwrap().len(), 31);
    for picture in ["a/plain.png", "b.jpg", "c.webp.jpg"] {
        let drawn = image::open(place.at(&format!("out/annotated/{picture}"))).unwrap();
        assert_eq!((drawn.width(), drawn.height()), (61, 43));
    }
    let record = place.json("out/run.json");
    assert_eq!(record["state"], "finished");
    assert_eq!(record["counts"]["photos"], 3);
    assert_eq!(record["settings"]["model"], "fod-r18");
}

#[test]
fn results_do_not_depend_on_threads_or_lanes_or_batches() {
    let place = Place::new();
    place.photos(&[
        ("baseline-420.jpg", "1.jpg"),
        ("plain.png", "2.png"),
        ("orientation-6.jpg", "3.jpg"),
        ("grey.jpg", "4.jpg"),
        ("cmyk.jpg", "5.jpg"),
        ("baseline-444.jpg", "6.jpg"),
    ]);
    let run = |out: &str, options: &[&str]| {
        let mut arguments = vec!["detect", "photos", "--no-draw", "--score", "0.01", "-o", out];
        arguments.extend(options);
        place.rcnn(&arguments).expect(0);
        place.read(&format!("{out}/detections.jsonl"))
    };
    let one = run("one", &["--threads", "1"]);
    assert_eq!(one, run("three", &["--threads", "3"]));
    assert_eq!(one, run("again", &["--threads", "1"]));
    assert_eq!(one, run("batched", &["--batch", "4", "--threads", "2"]));
    assert_eq!(one, run("lanes", &["--streams", "3", "--threads", "3"]));
    assert_eq!(one, run("both", &["--streams", "2", "--threads", "5", "--batch", "2"]));
    assert_eq!(place.json("three/run.json")["machine"]["streams"], 1);
    assert_eq!(place.json("both/run.json")["machine"]["streams"], 2);
}

#[test]
fn many_photos_get_a_lane_for_each_thread() {
    let place = Place::new();
    let photo = fs::read(fixtures().join("baseline-420.jpg")).unwrap();
    (0..17).for_each(|i| drop(place.write(&format!("photos/{i}.jpg"), &photo)));
    place.rcnn(&["detect", "photos", "-o", "out", "--no-draw", "--threads", "2"]).expect(0);
    assert_eq!(place.json("out/run.json")["machine"]["streams"], 2);
}

#[test]
fn a_reduced_photo_has_its_boxes_where_the_whole_one_has_them() {
    let place = Place::new();
    let scenes = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/debris/images");
    for name in ["000001.jpg", "000002.jpg", "000003.jpg", "000004.jpg"] {
        let scene = image::open(scenes.join(name)).unwrap();
        let large = scene.resize_exact(1500, 1200, image::imageops::FilterType::CatmullRom);
        fs::create_dir_all(place.at("photos")).unwrap();
        large.into_rgb8().save(place.at("photos").join(name)).unwrap();
    }
    let boxes = |decoder: &str| {
        let options =
            ["detect", "photos", "-o", decoder, "--no-draw", "--score", "0.5", "--decoder", decoder];
        place.rcnn(&options).expect(0);
        let rows = place.rows(decoder);
        assert!(rows.iter().all(|row| row["width"] == 1500 && row["height"] == 1200));
        let found =
            |row: &serde_json::Value| serde_json::from_value::<Vec<ResultItem>>(row["detections"].clone());
        rows.iter().flat_map(|row| found(row).unwrap()).collect::<Vec<_>>()
    };
    let (whole, reduced) = (boxes("exact"), boxes("reduced"));
    assert_ne!(whole, reduced, "nothing was reduced");
    let sure: Vec<&ResultItem> = whole.iter().filter(|item| item.score > 0.7).collect();
    assert!(sure.len() >= 4, "{whole:?}");
    for item in sure {
        let corners =
            |item: &ResultItem| BBox::new(item.r#box[0], item.r#box[1], item.r#box[2], item.r#box[3]);
        let near = |other: &ResultItem| corners(item).iou(&corners(other)) > 0.8;
        assert!(
            reduced.iter().any(|other| other.label == item.label && near(other)),
            "{item:?} is not in {reduced:?}"
        );
    }
    let drawn = place.rcnn(&["detect", "photos", "-o", "drawn", "--decoder", "reduced"]).expect(2);
    assert!(drawn.err.contains("add --no-draw"), "{}", drawn.err);
}

#[test]
fn an_optimised_graph_is_kept_and_changes_nothing() {
    let place = Place::new();
    place.photos(&[("baseline-420.jpg", "1.jpg"), ("plain.png", "2.png")]);
    let run = |options: &[&str]| {
        let common = ["detect", "photos", "--no-draw", "--overwrite", "--score", "0.01", "-o", "out"];
        place.rcnn(&[&common, options].concat()).expect(0);
        place.read("out/detections.jsonl")
    };
    let kept = || -> Vec<PathBuf> {
        let files = fs::read_dir(place.at("cache/optimised")).into_iter().flatten();
        files.map(|entry| entry.unwrap().path()).collect()
    };
    let first = run(&[]);
    let files = kept();
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(first, run(&[]));
    // With a broken file, it is made again.
    let whole = fs::read(&files[0]).unwrap();
    fs::write(&files[0], &whole[..whole.len() / 2]).unwrap();
    assert_eq!(first, run(&[]));
    // ONNX Runtime may write the same graph in other bytes, and the name has their digest.
    let again = kept();
    assert_eq!((again.len(), fs::read(&again[0]).unwrap().len()), (1, whole.len()));
    // Another model has another graph; and where nothing can be kept, nothing is missing.
    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("models/resnet-18");
    assert_ne!(first, run(&["-m", &other.display().to_string()]));
    assert_eq!(kept().len(), 2);
    fs::remove_dir_all(place.at("cache/optimised")).unwrap();
    place.write("cache/optimised", b"no folder");
    assert_eq!(first, run(&[]));
}

#[test]
fn bad_photos_are_rows_and_the_rest_goes_on() {
    let place = Place::new();
    place.photos(&[("baseline-420.jpg", "1-good.jpg"), ("plain.png", "6-good.png")]);
    let whole = fs::read(fixtures().join("progressive-444.jpg")).unwrap();
    place.write("photos/2-cut.jpg", &whole[..whole.len() / 2]);
    place.write("photos/3-empty.jpg", b"");
    place.write("photos/4-text.jpg", b"this is no picture");
    let mut huge = fs::read(fixtures().join("plain.bmp")).unwrap();
    huge[18..26].copy_from_slice(&[0x60, 0xea, 0, 0, 0x60, 0xea, 0, 0]);
    place.write("photos/5-huge.bmp", &huge);
    let ended = place.rcnn(&["detect", "photos", "photos/7-gone.jpg", "-o", "out"]).expect(3);
    let rows = place.rows("out");
    let kinds: Vec<_> = rows.iter().map(|row| row["error"]["kind"].as_str().unwrap_or("none")).collect();
    assert_eq!(kinds, ["none", "truncated", "empty", "not_a_picture", "too_large", "none", "unreadable"]);
    assert!(rows.iter().all(|row| row["error"].is_null() || row["error"]["stage"] == "decode"));
    assert!(
        ended
            .out
            .contains("5 photos failed: 1 empty, 1 not_a_picture, 1 too_large, 1 truncated, 1 unreadable")
    );
    assert!(ended.out.contains("`2-cut.jpg`: the picture is cut off: --allow-truncated takes what is there"));
    assert_eq!(place.json("out/images.json")["images"].as_array().unwrap().len(), 2);
    let lenient = place.rcnn(&["detect", "photos/2-cut.jpg", "-o", "lenient", "--allow-truncated"]).expect(0);
    assert!(lenient.out.starts_with("1 photo, "));
}

#[test]
fn a_run_goes_on_where_it_stopped() {
    let place = Place::new();
    place.photos(&PICTURES);
    let arguments = ["detect", "photos", "-o", "out", "--score", "0.01"];
    place.rcnn(&arguments).expect(0);
    let whole = place.read("out/detections.jsonl");
    let results = place.read("out/detections.json");
    // As if killed while it wrote the second line.
    let first = whole.find('\n').unwrap() + 1;
    place.write("out/detections.jsonl", &whole.as_bytes()[..first + 40]);
    fs::remove_file(place.at("out/detections.json")).unwrap();
    let ended = place.rcnn(&arguments).expect(0);
    assert!(ended.err.contains("1 of 3 photos were done before"), "{}", ended.err);
    assert_eq!(place.read("out/detections.jsonl"), whole);
    assert_eq!(place.read("out/detections.json"), results);
    let ended = place.rcnn(&arguments).expect(0);
    assert!(ended.err.contains("3 of 3 photos were done before"), "{}", ended.err);
    assert_eq!(place.read("out/detections.jsonl"), whole);
}

#[test]
fn another_run_is_not_written_over() {
    let place = Place::new();
    place.photos(&PICTURES);
    place.rcnn(&["detect", "photos", "-o", "out"]).expect(0);
    let before = place.read("out/detections.jsonl");
    let ended = place.rcnn(&["detect", "photos", "-o", "out", "--score", "0.3"]).expect(1);
    assert_eq!(ended.err, "rcnn: `out` holds a run with --score 0.05: give another folder, or --overwrite\n");
    let ended = place.rcnn(&["detect", "photos/b.jpg", "-o", "out"]).expect(1);
    assert!(ended.err.contains("other photos (such as `a/plain.png`)"), "{}", ended.err);
    assert_eq!(place.read("out/detections.jsonl"), before);
    place.rcnn(&["detect", "photos/b.jpg", "-o", "out", "--overwrite"]).expect(0);
    assert_eq!(place.rows("out").len(), 1);
}

#[test]
fn output_that_cannot_be_written_is_named() {
    let place = Place::new();
    place.photos(&PICTURES);
    place.write("occupied", b"a file");
    for out in ["occupied", "occupied/below"] {
        let ended = place.rcnn(&["detect", "photos", "-o", out]).expect(2);
        assert!(ended.err.contains("`occupied` is a file: name a folder"), "{}", ended.err);
    }
}

#[test]
fn a_picture_that_cannot_be_written_fails_alone() {
    let place = Place::new();
    place.photos(&PICTURES);
    place.write("out/annotated/b.jpg/keep", b"a folder where a picture should go");
    let run = ["detect", "photos", "-o", "out", "--score", "0.01"];
    let ended = place.rcnn(&[&run[..], &["--overwrite"]].concat()).expect(3);
    assert!(ended.out.contains("1 picture could not be written: 1 unwritable\n  `b.jpg`: "), "{}", ended.out);
    assert!(ended.out.contains("1 of them may pass: the same command tries them again"), "{}", ended.out);
    let row = &place.rows("out")[1];
    assert_eq!((&row["error"]["kind"], &row["error"]["stage"]), (&"unwritable".into(), &"write".into()));
    assert!(row["detections"].as_array().is_some_and(|found| !found.is_empty()), "{row}");
    // The photo did not fail: its boxes are among the results.
    assert_eq!(place.json("out/images.json")["images"].as_array().unwrap().len(), 3);
    assert_eq!(place.read("out/annotated/b.jpg/keep"), "a folder where a picture should go");
    fs::remove_dir_all(place.at("out/annotated/b.jpg")).unwrap();
    let ended = place.rcnn(&run).expect(0);
    assert!(ended.err.contains("2 of 3 photos were done before"), "{}", ended.err);
    assert!(place.rows("out")[1]["error"].is_null() && place.at("out/annotated/b.jpg").is_file());
}

#[test]
fn no_picture_is_called_as_a_folder_of_pictures() {
    let place = Place::new();
    place.photos(&[("lossless.webp", "x.webp"), ("baseline-420.jpg", "x.webp.jpg/1.jpg")]);
    place.write("a/p.jpg", &fs::read(fixtures().join("grey.jpg")).unwrap());
    place.write("b/p.jpg/1.jpg", &fs::read(fixtures().join("cmyk.jpg")).unwrap());
    place.rcnn(&["detect", "photos", "a", "b", "-o", "out"]).expect(0);
    assert_eq!(place.rows("out").len(), 4);
    for picture in ["x.webp.jpg.jpg", "x.webp.jpg/1.jpg", "p.jpg.jpg", "p.jpg/1.jpg"] {
        assert!(image::open(place.at(&format!("out/annotated/{picture}"))).is_ok(), "{picture}");
    }
    // Another run in their place takes all of them away.
    place.rcnn(&["detect", "photos/x.webp", "-o", "out", "--overwrite"]).expect(0);
    assert_eq!(
        walkdir::WalkDir::new(place.at("out/annotated"))
            .into_iter()
            .flatten()
            .filter(|e| e.file_type().is_file())
            .count(),
        1
    );
}

#[test]
fn slips_get_one_sentence() {
    let place = Place::new();
    place.photos(&PICTURES);
    let say = |arguments: &[&str], code| {
        let ended = place.rcnn(arguments).expect(code);
        assert_eq!(ended.out, "");
        ended.err
    };
    assert_eq!(
        say(&["detect", "gone", "-o", "out"], 2),
        "rcnn: no photos at `gone`: no such file or folder\n"
    );
    assert!(
        say(&["detect", "photos", "-o", "out", "-m", "nonesuch"], 1)
            .starts_with("rcnn: no model `nonesuch`: ")
    );
    let unknown = say(&["detect", "photos", "-o", "out", "--classes", "bolt,elephant"], 2);
    assert!(
        unknown.starts_with("rcnn: the model has no class `elephant`: it has AdjustableClamp, "),
        "{unknown}"
    );
    assert!(
        say(&["detect", "photos", "-o", "out", "--score", "7"], 2).contains("a number from 0 to 1 is needed")
    );
    assert!(
        say(&["detect", "photos", "-o", "out", "--device", "tpu"], 2).contains("known are auto, cpu, cuda")
    );
    assert!(say(&["detect", "photos", "-o", "out", "--device", "cuda"], 1).starts_with("rcnn: "));
    assert!(!place.at("out").exists());
}

#[test]
fn classes_can_be_chosen_by_name_or_id() {
    let place = Place::new();
    place.photos(&PICTURES);
    let all = ["detect", "photos", "-o", "all", "--score", "0.001", "--no-draw"];
    place.rcnn(&all).expect(0);
    let found: Vec<u64> = place
        .json("all/detections.json")
        .as_array()
        .unwrap()
        .iter()
        .map(|d| d["category_id"].as_u64().unwrap())
        .collect();
    let wanted = found[0];
    place
        .rcnn(&[
            "detect",
            "photos",
            "-o",
            "some",
            "--score",
            "0.001",
            "--no-draw",
            "--classes",
            &wanted.to_string(),
        ])
        .expect(0);
    let kept = place.json("some/detections.json");
    assert_eq!(kept.as_array().unwrap().len(), found.iter().filter(|id| **id == wanted).count());
}

#[test]
fn the_order_of_chosen_classes_does_not_matter() {
    let place = Place::new();
    place.photos(&PICTURES);
    let run = |classes: &str| {
        place.rcnn(&["detect", "photos", "-o", "out", "--no-draw", "--classes", classes]).expect(0)
    };
    run("Washer,Bolt");
    let again = run("Bolt,Washer,Bolt");
    assert!(again.err.contains("3 of 3 photos were done before"), "{}", again.err);
}

#[test]
fn a_pattern_takes_what_fits_it_and_no_more() {
    let place = Place::new();
    place.photos(&[
        ("baseline-420.jpg", "1.jpg"),
        ("plain.png", "photos/2.png"),
        ("grey.jpg", "photos/3.jpg"),
    ]);
    let files = |pattern: &str| {
        place.rcnn(&["detect", pattern, "-o", "out", "--no-draw", "--overwrite"]).expect(0);
        let rows = place.rows("out");
        rows.iter().map(|row| row["file"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(files("photos/*.jpg"), ["1.jpg"]);
    assert_eq!(files("./photos//*.jpg"), ["1.jpg"]);
}

#[test]
fn each_photo_has_a_picture_of_its_own() {
    let place = Place::new();
    place.photos(&[("lossless.webp", "s.webp"), ("baseline-420.jpg", "s.webp.jpg")]);
    place.rcnn(&["detect", "photos", "-o", "out"]).expect(0);
    assert_eq!(fs::read_dir(place.at("out/annotated")).unwrap().count(), 2);
}

/// 255 bytes are what Linux allows.
#[cfg(target_os = "linux")]
#[test]
fn a_long_name_does_not_end_the_run() {
    let place = Place::new();
    let (jpeg, webp) = (format!("{}.jpg", "x".repeat(251)), format!("{}.webp", "y".repeat(250)));
    place.photos(&[("baseline-420.jpg", &jpeg), ("lossless.webp", &webp), ("plain.png", "z.png")]);
    let ended = place.rcnn(&["detect", "photos", "-o", "out"]).expect(3);
    let rows = place.rows("out");
    let kinds: Vec<_> = rows.iter().map(|row| row["error"]["kind"].as_str().unwrap_or("none")).collect();
    assert_eq!(kinds, ["none", "name_too_long", "none"]);
    assert!(ended.out.contains("--no-draw writes none"), "{}", ended.out);
    assert!(place.at(&format!("out/annotated/{jpeg}")).is_file());
    place.rcnn(&["detect", "photos", "-o", "plain", "--no-draw"]).expect(0);
}

#[test]
fn photos_can_be_listed_on_standard_input() {
    let place = Place::new();
    place.photos(&PICTURES);
    let output = place
        .command(&["detect", "-", "-o", "out", "--no-draw", "--json"])
        .write_stdin("photos/c.webp\nphotos/b.jpg\n")
        .output()
        .unwrap();
    let ended = crate::support::Ended::from(output).expect(0);
    let record: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(record["counts"]["photos"], 2);
    let files: Vec<_> =
        place.rows("out").iter().map(|row| row["file"].as_str().unwrap().to_owned()).collect();
    assert_eq!(files, ["photos/c.webp", "photos/b.jpg"]);
    assert!(ended.err.contains("2 photos, "));
}

#[test]
fn annotations_give_their_ids() {
    let place = Place::new();
    place.photos(&PICTURES);
    place.write(
        "gt.json",
        br#"{"images": [{"id": 70, "file_name": "b.jpg"}, {"id": 50, "file_name": "x/a/plain.png"}],
             "categories": [{"id": 9, "name": "washer"}], "annotations": []}"#,
    );
    let ended = place
        .rcnn(&[
            "detect",
            "photos",
            "-m",
            "fod-r18",
            "-a",
            "gt.json",
            "-o",
            "out",
            "--no-draw",
            "--score",
            "0.001",
        ])
        .expect(0);
    assert_eq!(
        ended.err,
        "note: 1 of 3 photos are not among the annotated images and are left out (such as `c.webp`)\n\
         note: 30 of 31 classes of the model have no category of their name in the annotations: \
         `AdjustableClamp`, `AdjustableWrench`, `Battery`, `Bolt`, `BoltNutSet`, …\n"
    );
    let ids: Vec<_> = place.rows("out").iter().map(|row| row["image_id"].as_u64().unwrap()).collect();
    assert_eq!(ids, [50, 70]);
    let categories = place.json("out/images.json")["categories"].clone();
    let washer = categories.as_array().unwrap().iter().find(|category| category["name"] == "Washer").unwrap();
    assert_eq!(washer["id"], 9);
    let ended = place.rcnn(&["detect", "photos/c.webp", "-a", "gt.json", "-o", "none"]).expect(1);
    assert!(ended.err.contains("none of the photos is among the 2 images of `gt.json`"), "{}", ended.err);
    let ended = place.rcnn(&["detect", "photos", "-a", "gone.json", "-o", "none"]).expect(1);
    assert!(ended.err.contains("gone.json"), "{}", ended.err);
}

#[test]
fn the_default_model_says_what_it_knows() {
    let place = Place::new();
    place.photos(&PICTURES[..1]);
    let ended = place.rcnn(&["detect", "photos", "-o", "out", "--no-draw"]).expect(0);
    assert!(
        ended.err.contains(
            "note: the default model, fod-r18, knows 31 kinds of debris on runways and nothing else"
        ),
        "{}",
        ended.err
    );
    let ended = place.rcnn(&["detect", "photos", "-m", "fod-r18", "-o", "named", "--no-draw"]).expect(0);
    assert!(!ended.err.contains("debris"), "{}", ended.err);
    let ended = place.rcnn(&["detect", "photos", "-o", "other", "--classes", "person"]).expect(2);
    assert!(
        ended.err.contains("no class `person`") && ended.err.contains("debris on runways"),
        "{}",
        ended.err
    );
}
