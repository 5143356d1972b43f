//! What a run tells of files that it did not read, or not as they are: in its summary, in run.json and in rows.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use crate::support::Place;
use image::{ImageBuffer, Luma};

const POINTER: &[u8] = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n";
const PAGE: &[u8] = b"\n<!DOCTYPE html>\n<html><body>Sign in</body></html>\n";

#[test]
fn files_of_kinds_that_are_not_read_are_counted_with_the_cure() {
    let place = Place::new();
    place.photos(&[("plain.png", "a.png")]);
    for name in ["b.heic", "c.HEIC", "d.CR2", "e.mp4", "notes.txt"] {
        place.write(&format!("photos/{name}"), b"whatever");
    }
    let ended = place.rcnn(&["detect", "photos", "-o", "out", "--no-draw"]).expect(0);
    let lines: Vec<&str> = ended.out.lines().filter(|line| line.contains("passed over")).collect();
    assert_eq!(lines.len(), 3, "{}", ended.out);
    let heic = lines.iter().find(|line| line.contains("b.heic")).unwrap();
    assert!(
        heic.starts_with("2 files are passed over, such as `") && heic.contains("heif-convert"),
        "{heic}"
    );
    let record = place.json("out/run.json");
    let passed_over = record["passed_over"].as_object().unwrap();
    assert_eq!(passed_over.len(), 3);
    assert_eq!((&passed_over["heic"]["count"], &passed_over["video"]["count"]), (&2.into(), &1.into()));
    assert!(!passed_over["raw"]["cure"].as_str().unwrap().is_empty());
    // A folder of nothing but photos has no such words.
    place.photos(&[("plain.png", "../others/a.png")]);
    let ended = place.rcnn(&["detect", "others", "-o", "plain", "--no-draw"]).expect(0);
    assert!(!ended.out.contains("passed over"), "{}", ended.out);
}

#[test]
fn grey_values_that_were_cut_off_are_told() {
    let place = Place::new();
    place.photos(&[("plain.png", "a.png")]);
    let wide = ImageBuffer::from_fn(40, 30, |x, y| Luma([(500 * x + y) as u16]));
    wide.save(place.at("photos/b.png")).unwrap();
    let ended = place.rcnn(&["detect", "photos", "-o", "out", "--no-draw"]).expect(0);
    assert!(ended.err.contains("the grey values of 1 photo have more than 8 bits"), "{}", ended.err);
    assert!(ended.err.contains("gdal_translate"), "{}", ended.err);
    assert_eq!(place.json("out/run.json")["counts"]["clipped"], 1);
    let clipped: Vec<bool> = place.rows("out").iter().map(|row| row["clipped"] == true).collect();
    assert_eq!(clipped, [false, true]);
}

#[test]
fn what_stands_in_a_files_place_is_named_wherever_it_is_read() {
    let place = Place::new();
    for (name, bytes, words) in [("pointer", POINTER, "git lfs pull"), ("page", PAGE, "web page (HTML)")] {
        for extension in ["jpg", "png", "tif", "webp"] {
            place.write(&format!("{name}/{extension}.{extension}"), bytes);
        }
        place.rcnn(&["detect", name, "-o", &format!("of-{name}"), "--no-draw"]).expect(3);
        let rows = place.rows(&format!("of-{name}"));
        assert_eq!(rows.len(), 4);
        for row in rows {
            assert_eq!(row["error"]["kind"], "not_a_picture");
            assert!(row["error"]["detail"].as_str().unwrap().contains(words), "{row}");
        }
        for file in ["list.txt", "m.pth", "m.pkl", "m.safetensors", "m.pdparams", "m.onnx"] {
            place.write(file, bytes);
        }
        let ended = place.rcnn(&["detect", "list.txt", "-o", "of-list"]).expect(1);
        assert!(ended.err.contains("list.txt`") && ended.err.contains(words), "{}", ended.err);
        for file in ["m.pth", "m.pkl", "m.safetensors", "m.pdparams", "m.onnx"] {
            let ended = place.rcnn(&["import", file, "-o", "m"]).expect(1);
            assert!(ended.err.contains(file) && ended.err.contains(words), "{}", ended.err);
        }
        let golden = format!("{}/tests/fixtures/golden", env!("CARGO_MANIFEST_DIR"));
        for (checkpoint, graphs) in [
            ("tv-plain", &["trunk.onnx", "head.onnx", "model.json"][..]),
            ("cls-r26", &["classifier.onnx", "model.json"]),
        ] {
            let file = format!("{golden}/{checkpoint}/model.pth");
            for graph in graphs {
                place.rcnn(&["import", &file, "-o", "m"]).expect(0);
                place.write(&format!("m/{graph}"), bytes);
                let ended = place.rcnn(&["inspect", "m"]).expect(1);
                assert!(ended.err.contains(graph) && ended.err.contains(words), "{}", ended.err);
                std::fs::remove_dir_all(place.at("m")).unwrap();
            }
        }
    }
}
