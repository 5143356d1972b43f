//! Scenes as a caller sees them: the same everywhere, annotations that say where things are, a folder that is whole or
//! untouched.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use rcnn_synth::{self as synth, ObjectCount, PictureFormat, RenderOptions, Scene, SceneError};
use sha2::{Digest, Sha256};

fn options(count: usize, threads: usize) -> RenderOptions {
    RenderOptions {
        seed: 5,
        count,
        width: 96,
        height: 80,
        objects: None,
        format: PictureFormat::Png,
        threads,
    }
}

fn write(options: &RenderOptions, folder: &Path) -> Result<synth::RenderedFiles, SceneError> {
    synth::write(options, folder, &AtomicBool::new(false), &|_| {})
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
    hash.update(scene.picture.as_raw());
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
    let prints: Vec<String> = (0..6).map(|seed| fingerprint(&synth::render(seed, 160, 120, None))).collect();
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
        let picture = image::load_from_memory(&bytes).expect("a picture");
        assert_eq!((picture.width(), picture.height()), (96, 80));
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
    let seen: HashSet<usize> = (0..400)
        .flat_map(|seed| synth::render(seed, 128, 128, None).objects)
        .map(|object| object.class)
        .collect();
    assert_eq!(seen.len(), synth::classes().len());
}

#[test]
fn as_many_objects_as_asked() {
    let counts = |least, most| -> Vec<usize> {
        let objects = Some(ObjectCount { least, most });
        (0..60).map(|seed| synth::render(seed, 160, 160, objects).objects.len()).collect()
    };
    assert!(counts(0, 0).iter().all(|count| *count == 0));
    // Objects that hardly show are taken out again, so fewer may be left, but never more.
    let crowded = counts(8, 8);
    assert!(crowded.iter().all(|count| *count <= 8), "{crowded:?}");
    assert!(crowded.iter().sum::<usize>() > 60 * 6, "{crowded:?}");
    let varied: HashSet<usize> = counts(2, 5).into_iter().collect();
    assert!(
        varied.contains(&2) && varied.contains(&5) && varied.iter().all(|count| *count <= 5),
        "{varied:?}"
    );
}

#[test]
fn any_size_can_be_rendered() {
    for (width, height) in [(1, 1), (1, 50), (50, 1), (7, 33), (33, 500)] {
        for seed in 0..20 {
            let scene = synth::render(seed, width, height, None);
            assert_eq!(scene.picture.as_raw().len() as u32, 3 * width * height);
            assert!(scene.objects.iter().all(|o| o.x + o.width <= width && o.y + o.height <= height));
        }
    }
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
fn a_stopped_run_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("scenes");
    let stop = AtomicBool::new(false);
    let progress = |_| stop.store(true, std::sync::atomic::Ordering::SeqCst);
    let outcome = synth::write(&options(500, 1), &out, &stop, &progress);
    assert!(matches!(outcome, Err(SceneError::Stopped)));
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
