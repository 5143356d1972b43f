//! Versions of `model.json`: older ones are read as what they say, and unknown ones refused by their number.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rcnn::internal::model::{Manifest, Model};
use serde_json::{Value as Json, json};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The golden fixture `tv-pyramid`, imported into a folder by this program.
fn imported(home: &Path) -> PathBuf {
    let out = home.join("model");
    let mut command = Command::new(env!("CARGO_BIN_EXE_rcnn"));
    let command = command.arg("import").arg(fixture("golden/tv-pyramid/model.pth")).arg("-o").arg(&out);
    assert!(command.output().unwrap().status.success());
    out
}

#[test]
fn a_model_json_of_format_1_is_read() {
    // Version 0.1.0 wrote it, for the same checkpoint, before formats had lists of heads.
    let path = fixture("models/format-1/model.json");
    let text = fs::read_to_string(&path).unwrap();
    let written: Json = serde_json::from_str(&text).unwrap();
    assert_eq!((&written["format"], written["network"]["head"].is_object()), (&json!(1), true));
    let home = tempfile::tempdir().unwrap();
    let folder = imported(home.path());
    let new = Model::open(&folder).unwrap();
    let (old, new) = (Manifest::from_text(&text, &path).unwrap(), new.manifest());
    assert_eq!(
        (old.network, old.conventions, old.classes),
        (new.network.clone(), new.conventions.clone(), new.classes.clone())
    );
    assert_eq!(old.files.heads.len(), 1);
    assert_eq!(old.files.heads[0].sha256, written["files"]["head"]["sha256"].as_str().unwrap());
    // In its place, it is a model that runs: the graphs are those that it names.
    let mut with_graphs = written;
    with_graphs["files"] = json!({"trunk": new.files.trunk, "head": new.files.heads[0]});
    fs::write(folder.join("model.json"), with_graphs.to_string()).unwrap();
    assert!(Model::open(&folder).unwrap().heads()[0].bytes().is_ok());
}

#[test]
fn other_formats_and_other_heads_are_refused_by_what_they_are() {
    let home = tempfile::tempdir().unwrap();
    let path = imported(home.path()).join("model.json");
    let written: Json = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(written["format"], json!(2));
    let head = &written["network"]["heads"][0];
    let mask = |heads: usize, masks: usize| {
        json!({"heads": heads, "resolution": 14, "last_stage": false, "convs": [256, 256, 256, 256],
               "upsampled": 256, "masks": masks})
    };
    for (place, value, words) in [
        ("/format", json!(3), "its format is 3, and 1 to 2 are known"),
        ("/format", json!(1), "unknown field `heads`"),
        (
            "/network/heads",
            json!([head, head, head]),
            "files.heads names 1 graphs, and the network has 3 box heads",
        ),
        ("/network/heads", json!(vec![head; 9]), "it has 9 box heads: 1 to 8 expected"),
        ("/network/mask", mask(1, 1), "a mask head is named in one of network.mask and files.mask only"),
        ("/network/mask", mask(0, 1), "mask.heads is 0: 1 to 8 expected"),
        ("/network/mask", mask(1, 7777), "mask.masks is 7777"),
        ("/files/heads", json!([]), "files.heads names 0 graphs, and the network has 1 box heads"),
    ] {
        let mut changed = written.clone();
        *changed.pointer_mut(place).unwrap() = value;
        let error = Manifest::from_text(&changed.to_string(), &path).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}
