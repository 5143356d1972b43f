//! Checkpoints as training programs wrap them: several networks in one file, names behind a prefix, norms that are frozen.
//! What is taken is told, and the user can take another.

#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::support::{Ended, Place};
use rcnn::internal::checkpoint::Checkpoint;
use serde_json::Value;

/// A tensor: its name, shape and values.
type Named = (String, Vec<usize>, Vec<f32>);

/// A fixture of torchvision's.
fn golden(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/tv-plain").join(file)
}

/// A place with the fixture's conventions, but for what is added to variances, in `config.json`, and with them 0 for
/// that in `zero.json`.
fn place() -> Place {
    let place = Place::new();
    let mut config: Value = serde_json::from_slice(&fs::read(golden("import.json")).unwrap()).unwrap();
    config.as_object_mut().unwrap().remove("norm_eps");
    place.write("config.json", config.to_string().as_bytes());
    config["norm_eps"] = 0.0.into();
    place.write("zero.json", config.to_string().as_bytes());
    place
}

/// The floats of the fixture; counters of batches are no weights.
fn network() -> Vec<Named> {
    let checkpoint = Checkpoint::open(&golden("model.pth")).unwrap();
    let floats = checkpoint.tensors().filter_map(|tensor| {
        Some((tensor.name().to_owned(), tensor.shape().to_vec(), tensor.to_f32(&checkpoint).ok()?))
    });
    floats.collect()
}

/// Another network of the same form.
fn other() -> Vec<Named> {
    let halved = |(name, shape, values): Named| {
        let by = if name == "roi_heads.box_predictor.cls_score.weight" { 0.5 } else { 1.0 };
        (name, shape, values.iter().map(|value| by * value).collect())
    };
    network().into_iter().map(halved).collect()
}

fn behind(prefix: &str, network: Vec<Named>) -> Vec<Named> {
    network.into_iter().map(|(name, shape, values)| (format!("{prefix}{name}"), shape, values)).collect()
}

/// A pickle of protocol 2 as `torch.save` writes it, and the storages that it names.
struct Pickle {
    bytes: Vec<u8>,
    storages: Vec<Vec<u8>>,
}

impl Pickle {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    fn text(&mut self, text: &str) {
        self.put(b"X");
        self.put(&(text.len() as u32).to_le_bytes());
        self.put(text.as_bytes());
    }

    fn numbers(&mut self, numbers: &[usize]) {
        self.put(b"(");
        for number in numbers {
            self.put(b"J");
            self.put(&(*number as i32).to_le_bytes());
        }
        self.put(b"t");
    }

    /// `_rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())`.
    fn tensor(&mut self, shape: &[usize], values: &[f32]) {
        self.put(b"ctorch._utils\n_rebuild_tensor_v2\n((");
        self.text("storage");
        self.put(b"ctorch\nFloatStorage\n");
        self.text(&self.storages.len().to_string());
        self.text("cpu");
        self.put(b"J");
        self.put(&(values.len() as i32).to_le_bytes());
        self.put(b"tQJ\0\0\0\0");
        let strides = (0..shape.len()).map(|at| shape[at + 1..].iter().product());
        let strides: Vec<usize> = strides.collect();
        self.numbers(shape);
        self.numbers(&strides);
        self.put(b"\x89ccollections\nOrderedDict\n)RtR");
        self.storages.push(values.iter().flat_map(|value| value.to_le_bytes()).collect());
    }
}

/// A checkpoint with a dict of tensors under each key.
fn checkpoint(place: &Place, file: &str, parts: &[(&str, Vec<Named>)]) {
    let mut pickle = Pickle { bytes: b"\x80\x02}(".to_vec(), storages: Vec::new() };
    for (key, tensors) in parts {
        pickle.text(key);
        pickle.put(b"}(");
        for (name, shape, values) in tensors {
            pickle.text(name);
            pickle.tensor(shape, values);
        }
        pickle.put(b"u");
    }
    pickle.text("epoch");
    pickle.put(b"K\x0cu.");
    let mut zip = zip::ZipWriter::new(fs::File::create(place.at(file)).unwrap());
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let storages = pickle.storages.iter().enumerate().map(|(key, bytes)| (format!("data/{key}"), bytes));
    for (name, bytes) in std::iter::once(("data.pkl".to_owned(), &pickle.bytes)).chain(storages) {
        zip.start_file(format!("archive/{name}"), stored).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap();
}

fn import(place: &Place, file: &str, more: &[&str]) -> Ended {
    let config = if more.contains(&"--config") { &[][..] } else { &["--config", "config.json"] };
    place.rcnn(&[&["import", file, "-o", "out"], config, more].concat())
}

/// SHA-256 of the head that an import gives, and what it says.
fn head(place: &Place, file: &str, more: &[&str]) -> (String, String) {
    let ended = import(place, file, more).expect(0);
    let hash = place.json("out/model.json")["files"]["heads"][0]["sha256"].as_str().unwrap().to_owned();
    (hash, ended.out + &ended.err)
}

/// The files are torch's own; of protocol 0 it cannot read what it writes.
#[test]
fn every_protocol_is_read_in_the_old_format_and_protocol_0_in_the_new_one() {
    let old = (0..=5).map(|protocol| format!("protocol-{protocol}.pth"));
    for file in old.chain(["protocol-0-zip.pth".to_owned()]) {
        let file = format!("tests/fixtures/legacy/{file}");
        let checkpoint = Checkpoint::open(&Path::new(env!("CARGO_MANIFEST_DIR")).join(&file)).unwrap();
        let weight = checkpoint.tensor("weight").unwrap();
        assert_eq!(weight.shape(), [1, 3], "{file}");
        assert_eq!(weight.to_f32(&checkpoint).unwrap(), [1.0, -2.0, 0.5], "{file}");
    }
}

#[test]
fn any_prefix_is_taken_off_and_its_point_may_be_left_out() {
    let place = place();
    checkpoint(&place, "plain.pth", &[("model", network())]);
    let (plain, _) = head(&place, "plain.pth", &[]);
    for prefix in ["net.", "detector.model.", "x y/z:", "my_"] {
        checkpoint(&place, "model.pth", &[("model", behind(prefix, network()))]);
        let (hash, said) = head(&place, "model.pth", &[]);
        assert!(hash == plain && said.contains(&format!("begin with `{prefix}`")), "{said}");
    }
    let two = [behind("student.", network()), behind("teacher.", other())].concat();
    checkpoint(&place, "two.pth", &[("model", two)]);
    let with_point = head(&place, "two.pth", &["--prefix", "teacher."]).0;
    assert_eq!(head(&place, "two.pth", &["--prefix", "teacher"]).0, with_point);
    assert_ne!(with_point, plain);
}

#[test]
fn of_a_model_beside_its_moving_average_the_model_is_taken_and_key_takes_the_other() {
    let place = place();
    checkpoint(&place, "model.pth", &[("model", network())]);
    checkpoint(&place, "ema.pth", &[("model", other())]);
    let [(own, said), (average, _)] = ["model.pth", "ema.pth"].map(|file| head(&place, file, &[]));
    assert!(own != average && !said.contains("--key"), "{said}");
    for parts in [
        [("model", network()), ("model_ema", other())],
        // Whatever stands first.
        [("model_ema", other()), ("model", network())],
    ] {
        checkpoint(&place, "both.pth", &parts);
        let (taken, said) = head(&place, "both.pth", &[]);
        assert_eq!(taken, own);
        assert!(said.contains("the tensors stand under `model`"), "{said}");
        assert!(said.contains("there are tensors under `model_ema` too: --key takes those"), "{said}");
        let (taken, said) = head(&place, "both.pth", &["--key", "model_ema"]);
        assert_eq!(taken, average);
        assert!(!said.contains("--key"), "{said}");
    }
    let ended = import(&place, "both.pth", &["--key", "modle"]).expect(1);
    assert!(
        ended.err.contains("there are no tensors under the key `modle`: there are some under"),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("model_ema"), "{}", ended.err);
}

#[test]
fn of_networks_behind_prefixes_one_is_taken_and_prefix_takes_another() {
    let place = place();
    checkpoint(&place, "student.pth", &[("state_dict", network())]);
    checkpoint(&place, "teacher.pth", &[("state_dict", other())]);
    let [(student, _), (teacher, _)] = ["student.pth", "teacher.pth"].map(|file| head(&place, file, &[]));
    checkpoint(&place, "one.pth", &[("state_dict", behind("lit.net.", network()))]);
    let (taken, said) = head(&place, "one.pth", &[]);
    assert_eq!(taken, student);
    assert!(said.contains("begin with `lit.net.`"), "{said}");
    let both = [behind("student.", network()), behind("teacher.", other())].concat();
    checkpoint(&place, "both.pth", &[("state_dict", both)]);
    let (taken, said) = head(&place, "both.pth", &[]);
    assert_eq!(taken, student);
    assert!(said.contains("there are networks behind `teacher.` too: --prefix takes one"), "{said}");
    for (prefix, network) in [("student.", &student), ("teacher.", &teacher)] {
        let (taken, said) = head(&place, "both.pth", &["--prefix", prefix]);
        assert_eq!(taken, *network, "{prefix}");
        assert!(!said.contains("--prefix"), "{said}");
    }
    let ended = import(&place, "both.pth", &["--prefix", "tutor."]).expect(1);
    assert!(ended.err.contains("`tutor.`") && ended.err.contains("`student."), "{}", ended.err);
}

#[test]
fn frozen_norms_leave_a_choice_that_is_told() {
    let place = place();
    checkpoint(&place, "frozen.pth", &[("model", network())]);
    let (usual, said) = head(&place, "frozen.pth", &[]);
    assert!(said.contains("batch norms are frozen") && said.contains("{\"norm_eps\": 0.0}"), "{said}");
    let trunk = |place: &Place| place.json("out/model.json")["files"]["trunk"]["sha256"].clone();
    let before = trunk(&place);
    let (same, said) = head(&place, "frozen.pth", &["--config", "zero.json"]);
    assert!(!said.contains("frozen"), "{said}");
    // The norms are the trunk's.
    assert!(same == usual && trunk(&place) != before);
    // Norms that were trained count their batches, and leave no choice.
    fs::copy(golden("model.pth"), place.at("trained.pth")).unwrap();
    let (_, said) = head(&place, "trained.pth", &[]);
    assert!(!said.contains("frozen"), "{said}");
}
