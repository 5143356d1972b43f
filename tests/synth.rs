//! `rcnn synth` as a user sees it: the same scenes everywhere, annotations that say where things are, a folder that
//! is whole or untouched.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

mod support;

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use assert_cmd::Command;
use rcnn::photo::{DecodeOptions, decode_bytes};
use rcnn::synth::{self, Error, Format, Options, Scene};
use sha2::{Digest, Sha256};

fn options(count: usize, threads: usize) -> Options {
    Options { seed: 5, count, width: 96, height: 80, format: Format::Png, threads }
}

fn write(options: &Options, folder: &Path) -> Result<synth::Written, Error> {
    synth::write(options, folder, &AtomicBool::new(false), &|_| {})
}

fn rcnn() -> Command {
    Command::cargo_bin("rcnn").expect("the program is built")
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(path).expect("the file is there")).expect("the file is JSON")
}

/// Every file below a folder with its bytes.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(|entry| {
            let name = entry.path().strip_prefix(folder).expect("below").to_string_lossy().into_owned();
            (name, fs::read(entry.path()).expect("readable"))
        })
        .collect();
    files.sort();
    files
}

/// Pixels and boxes of a scene in sixteen hexadecimal digits.
fn fingerprint(scene: &Scene) -> String {
    let mut hash = Sha256::new();
    hash.update(&scene.photo.pixels);
    for object in &scene.objects {
        hash.update(
            [object.class as u32, object.x, object.y, object.width, object.height]
                .map(u32::to_le_bytes)
                .concat(),
        );
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// If this fails, `datasets/debris` and whatever was trained on rendered scenes can no longer be made again: either
/// the change was not meant, or the fingerprints and the scenes are to be renewed together.
#[test]
fn scenes_are_what_they_were() {
    let prints: Vec<String> = (0..6).map(|seed| fingerprint(&synth::render(seed, 160, 120))).collect();
    assert_eq!(prints, PRINTS);
}

const PRINTS: [&str; 6] = [
    "847ac2198e5529e3",
    "87962915e28ab94a",
    "08ad539e723cc361",
    "d23d0cbf28432deb",
    "8fb6948349c688cc",
    "655b21cdb940f6c5",
];

#[test]
fn threads_do_not_change_a_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    let (one, four) = (folder.path().join("one"), folder.path().join("four"));
    write(&options(12, 1), &one).expect("written");
    write(&options(12, 4), &four).expect("written");
    assert_eq!(contents(&one), contents(&four));
}

#[test]
fn a_short_run_is_the_start_of_a_long_one() {
    let few: Vec<Scene> = (0..3).map(|index| synth::scene(&options(3, 1), index)).collect();
    let many: Vec<Scene> = (0..3).map(|index| synth::scene(&options(50, 1), index)).collect();
    assert_eq!(few, many);
}

#[test]
fn annotations_belong_to_the_pictures() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("scenes");
    let written = write(&options(40, 0), &out).expect("written");
    let data = json(&out.join("annotations.json"));
    let list = |key: &str| data[key].as_array().expect("a list").clone();
    assert_eq!(list("categories").len(), 31);
    assert_eq!(list("categories")[26]["name"], "Tape");
    assert_eq!(list("images").len(), 40);
    for image in list("images") {
        let bytes =
            fs::read(out.join("images").join(image["file_name"].as_str().expect("a name"))).expect("there");
        let photo = decode_bytes(&bytes, &DecodeOptions::default()).expect("a picture");
        assert_eq!((photo.width, photo.height), (96, 80));
    }
    let annotations = list("annotations");
    assert_eq!(annotations.len(), written.objects.iter().sum::<usize>());
    let ids: HashSet<u64> = annotations.iter().map(|a| a["id"].as_u64().expect("an id")).collect();
    assert_eq!(ids.len(), annotations.len());
    for annotation in annotations {
        let [x, y, width, height] =
            [0, 1, 2, 3].map(|side| annotation["bbox"][side].as_u64().expect("a number"));
        assert!(width > 0 && height > 0 && x + width <= 96 && y + height <= 80, "{annotation}");
        assert_eq!(annotation["area"], width * height);
        assert_eq!(annotation["iscrowd"], 0);
        assert!((1..=31).contains(&annotation["category_id"].as_u64().expect("an id")));
        assert!((1..=40).contains(&annotation["image_id"].as_u64().expect("an id")));
    }
}

#[test]
fn every_class_comes_up() {
    let seen: HashSet<usize> =
        (0..400).flat_map(|seed| synth::render(seed, 128, 128).objects).map(|object| object.class).collect();
    assert_eq!(seen.len(), synth::classes().len());
}

#[test]
fn any_size_can_be_rendered() {
    for (width, height) in [(1, 1), (1, 50), (50, 1), (7, 33), (33, 500)] {
        for seed in 0..20 {
            let scene = synth::render(seed, width, height);
            assert_eq!(scene.photo.pixels.len() as u32, 3 * width * height);
            assert!(scene.objects.iter().all(|o| o.x + o.width <= width && o.y + o.height <= height));
        }
    }
}

#[test]
fn a_folder_with_other_things_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("mine");
    fs::create_dir(&out).expect("made");
    fs::write(out.join("holiday.jpg"), b"precious").expect("written");
    let output = rcnn().args(["synth", "--count", "1", "-o"]).arg(&out).output().expect("run");
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("holds `holiday.jpg`, which no earlier `rcnn synth` made"), "{said}");
    assert_eq!(contents(&out), [("holiday.jpg".to_owned(), b"precious".to_vec())]);
}

#[test]
fn foreign_pictures_among_earlier_scenes_are_not_deleted() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&options(2, 1), folder.path()).expect("an empty folder is taken");
    let own = folder.path().join("images/holiday.jpg");
    fs::write(&own, b"precious").expect("written");
    let error = write(&options(1, 1), folder.path()).expect_err("refused");
    assert!(error.to_string().contains("images/holiday.jpg"), "{error}");
    assert!(own.exists());
}

#[test]
fn earlier_scenes_are_replaced_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("scenes");
    write(&options(5, 1), &out).expect("written");
    write(&options(2, 1), &out).expect("replaced");
    let names: Vec<String> = contents(&out).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["annotations.json", "images/000001.png", "images/000002.png"]);
    assert_eq!(
        fs::read_dir(folder.path()).expect("readable").count(),
        1,
        "nothing is left beside the folder"
    );
}

#[test]
fn an_empty_folder_is_filled_and_stays_the_same_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let output =
        rcnn().current_dir(folder.path()).args(["synth", "-n", "1", "-o", "."]).output().expect("run");
    assert!(output.status.success());
    assert_eq!(contents(folder.path()).len(), 2);
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 2, "nothing else is left");
}

#[test]
fn a_stopped_run_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("scenes");
    let stop = AtomicBool::new(false);
    let progress = |_| stop.store(true, std::sync::atomic::Ordering::SeqCst);
    let outcome = synth::write(&options(500, 1), &out, &stop, &progress);
    assert!(matches!(outcome, Err(Error::Stopped)));
    assert_eq!(fs::read_dir(folder.path()).expect("readable").count(), 0);
}

#[test]
fn a_file_in_the_way_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("scenes");
    fs::write(&file, b"").expect("written");
    let error = write(&options(1, 1), &file).expect_err("refused");
    assert!(error.to_string().ends_with("is a file: name a folder for the scenes"), "{error}");
}

#[test]
fn the_summary_is_one_json_document() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("scenes");
    let output = rcnn()
        .args(["synth", "--count", "3", "--size", "64x48", "--json", "-o"])
        .arg(&out)
        .output()
        .expect("run");
    assert!(output.status.success());
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON and nothing else");
    assert_eq!(
        (&summary["images"], &summary["width"], &summary["height"]),
        (&3.into(), &64.into(), &48.into())
    );
    let annotations = json(&out.join("annotations.json"));
    assert_eq!(summary["objects"], annotations["annotations"].as_array().expect("a list").len());
}

/// The scenes in the repository are those that the command of their README makes.
#[test]
fn the_sample_is_made_by_its_command() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("datasets/debris");
    if !sample.exists() {
        support::skipped("datasets/debris is not part of the packaged crate");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("debris");
    rcnn().args(["synth", "--seed", SAMPLE_SEED, "-o"]).arg(&out).assert().success();
    let (mut made, mut kept) = (json(&out.join("annotations.json")), json(&sample.join("annotations.json")));
    // A later version may make the same scenes.
    made["info"]["version"].take();
    kept["info"]["version"].take();
    assert_eq!(made, kept);
    let pictures = contents(&out.join("images"));
    assert_eq!(pictures.len(), 24);
    assert!(pictures == contents(&sample.join("images")), "pictures differ");
}

const SAMPLE_SEED: &str = "18";
