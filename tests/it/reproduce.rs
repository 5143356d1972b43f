//! `rcnn reproduce` with a mirror on loopback that has slim checkpoints.

#![allow(clippy::unwrap_used)] // a test may fail anywhere

use std::path::Path;

use serde_json::{Value, json};

use crate::pull::{Home, Manner, Server, text};

fn fixtures() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden")
}

/// Annotations of the two pictures of PaddleDetection's fixture, and of one that is not there: a single pixel of one class.
fn annotations(folder: &Path) -> String {
    let image = |id: u64, file: &str| json!({"id": id, "file_name": file, "width": 200, "height": 200});
    let document = json!({
        "images": [image(1, "cat-face.png"), image(2, "shapes.png"), image(3, "absent.png")],
        "categories": [{"id": 1, "name": "class 1"}, {"id": 9, "name": "unheard of"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "area": 1, "iscrowd": 0}],
    });
    let path = folder.join("gt.json");
    std::fs::write(&path, document.to_string()).unwrap();
    path.display().to_string()
}

#[test]
fn numbers_stand_beside_the_publishers_with_what_is_other() {
    let checkpoint = std::fs::read(fixtures().join("pd-r34-fpn/model.pdparams")).unwrap();
    let server = Server::new(checkpoint, Manner::Whole);
    let home = Home::new();
    let folder = tempfile::tempdir().unwrap();
    let (gt, out) = (annotations(folder.path()), folder.path().join("out"));
    let images = fixtures().join("images");
    let photos = ["cat-face.png", "shapes.png"].map(|name| images.join(name).display().to_string());
    let arguments =
        ["reproduce", "pd-r34-fpn", "-a", &gt, "-i", &photos[0], "-i", &photos[1], "--device", "cpu"];
    let out = out.display().to_string();
    let arguments = [arguments.as_slice(), &["-o", &out]].concat();
    let run =
        |more: &[&str]| home.rcnn(&[&arguments, more].concat(), &[("RCNN_MIRROR", server.address.as_str())]);
    let first = run(&["--json"]);
    assert!(first.status.success(), "{}", text(&first));
    let found: Value = serde_json::from_slice(&first.stdout).unwrap();
    // Nothing of the network's is one pixel in a corner: AP is 0, and 37.8 is published.
    assert_eq!((&found["name"], &found["dataset"]), (&json!("pd-r34-fpn-1x"), &json!("coco_2017")));
    assert_eq!(found["reproduced"], json!(false));
    let ap = &found["numbers"][0];
    assert_eq!((&ap["name"], &ap["ours"], &ap["published"]), (&json!("AP"), &json!(0.0), &json!(37.8)));
    assert_eq!(ap["difference"], json!(-37.8));
    assert_eq!(found["numbers"][1]["published"], Value::Null);
    let causes: Vec<&str> = found["causes"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for words in
        ["knows 1:", "3 images", "of the 3 annotated images 2", "no published file was read", "cubic"]
    {
        assert!(causes.iter().any(|cause| cause.contains(words)), "{words}: {causes:?}");
    }
    assert_eq!(found["circumstances"]["photos"], json!(2));
    assert!(text(&first).contains("no hash is known"), "{}", text(&first));
    // The run is finished, and so is the download: only the judging is done again.
    let again = run(&[]);
    assert!(again.status.success(), "{}", text(&again));
    let shown = text(&again);
    assert!(
        shown.contains("37.8") && shown.contains("-37.80") && shown.contains("instances_val2017.json"),
        "{shown}"
    );
    assert_eq!(server.asked().len(), 1, "{:?}", server.asked());
    assert!(folder.path().join("out/reproduce.json").is_file());
}

#[test]
fn what_cannot_be_reproduced_says_what_to_do() {
    let server = Server::new(b"no checkpoint".to_vec(), Manner::Whole);
    let home = Home::new();
    let folder = tempfile::tempdir().unwrap();
    let gt = annotations(folder.path());
    let images = fixtures().join("images").display().to_string();
    let run = |name: &str, more: &[&str]| {
        let arguments = ["reproduce", name, "-a", &gt, "-i", &images, "--device", "cpu"];
        home.rcnn(&[arguments.as_slice(), more].concat(), &[("RCNN_MIRROR", server.address.as_str())])
    };
    for (name, more, exit, words) in [
        ("pd-r34-fnp-1x", &[][..], 2, "pd-r34-fpn-1x"),
        ("resnet50-v2", &[], 2, "classifier"),
        ("pd-r50-fpn-1x", &["--offline"], 1, "--from FILE"),
        // Its hash is published, and the mirror has something else.
        ("d2-r50-fpn-3x", &[], 1, "is not what was published"),
        // Its hash is not, but it is no checkpoint.
        ("pd-r101-fpn-2x", &[], 1, "not a checkpoint"),
    ] {
        let output = run(name, more);
        assert_eq!(output.status.code(), Some(exit), "{name}: {}", text(&output));
        assert!(text(&output).contains(words), "{name}: {}", text(&output));
    }
    let without = home.rcnn(&["reproduce", "pd-r50-fpn-1x", "-a", "absent.json", "-i", &images], &[]);
    assert!(!without.status.success() && text(&without).contains("absent.json"), "{}", text(&without));
    assert!(text(&without).contains("annotations_trainval2017.zip"), "{}", text(&without));
    let without = home.rcnn(&["reproduce", "pd-r50-fpn-1x", "-a", &gt, "-i", "absent"], &[]);
    assert_eq!(without.status.code(), Some(2), "{}", text(&without));
    assert!(text(&without).contains("val2017.zip"), "{}", text(&without));
}
