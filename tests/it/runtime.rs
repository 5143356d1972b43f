//! `rcnn runtime` and the choice of device and precision, as their user sees them. Nothing is downloaded here: what
//! needs OpenVINO's plugin runs where it is installed already, and says so where it is not.

#![allow(clippy::unwrap_used, clippy::print_stdout)] // A test that fails may say so by panicking.

use crate::support::{Ended, Place};
use rcnn::internal::runtime::Package;
use serde_json::json;

const PICTURES: [(&str, &str); 2] = [("baseline-420.jpg", "a.jpg"), ("plain.png", "b.png")];

/// The program with this machine's own cache, if OpenVINO's plugin is in it and serves this processor.
fn with_openvino(place: &Place, arguments: &[&str]) -> Option<Ended> {
    let there = rcnn::internal::runtime::installed().iter().any(|found| found.package == Package::OpenVino);
    if !there {
        crate::support::skipped("OpenVINO's plugin is not installed (rcnn runtime install openvino)");
        return None;
    }
    let mut command = place.command(arguments);
    let ended: Ended =
        command.env("RCNN_CACHE", rcnn::internal::cache::root().unwrap()).output().unwrap().into();
    if [&ended.out, &ended.err]
        .iter()
        .any(|text| text.contains("OpenVINO's plugin serves no processor of this maker"))
    {
        crate::support::skipped("OpenVINO's plugin serves Intel's processors only");
        return None;
    }
    Some(ended)
}

#[test]
fn packages_are_listed_and_removed_by_name() {
    let place = Place::new();
    let empty = place.rcnn(&["runtime", "list"]).expect(0);
    assert_eq!((empty.out.as_str(), empty.err.starts_with("nothing is installed: ")), ("", true));
    place.write("cache/runtime/openvino-9.8/libplugin.so", &[0; 1000]);
    place.write("cache/runtime/openvino-9.9/libplugin.so", &[0; 2000]);
    place.write("cache/runtime/onnxruntime-1.0/libother.so", b"");
    place.write("cache/runtime/.installing-x/libother.so", b"");
    let listed = place.rcnn(&["runtime", "list", "--json"]).expect(0);
    let rows: serde_json::Value = serde_json::from_str(&listed.out).unwrap();
    let names: Vec<_> = rows.as_array().unwrap().iter().map(|row| (&row["name"], &row["version"])).collect();
    assert_eq!(names.len(), 3);
    assert_eq!((names[0].0, names[0].1), (&"onnxruntime".into(), &"1.0".into()));
    assert_eq!(rows[2]["bytes"], 2000);
    let removed = place.rcnn(&["runtime", "remove", "openvino"]).expect(0);
    assert_eq!(removed.err.lines().count(), 2);
    assert!(removed.err.starts_with("removed OpenVINO's plugin 9.8 from `"), "{}", removed.err);
    assert!(!place.at("cache/runtime/openvino-9.9").exists());
    assert!(place.at("cache/runtime/onnxruntime-1.0/libother.so").exists());
    let again = place.rcnn(&["runtime", "remove", "openvino"]).expect(1);
    assert_eq!(again.err, "rcnn: openvino is not installed: nothing to remove\n");
    let unknown = place.rcnn(&["runtime", "install", "tpu"]).expect(2);
    assert!(unknown.err.contains("known are onnxruntime, openvino and cuda"), "{}", unknown.err);
}

#[test]
fn a_missing_or_broken_plugin_is_one_sentence_and_auto_goes_on_without() {
    let place = Place::new();
    place.photos(&PICTURES);
    let detect = ["detect", "photos", "-o", "out", "--no-draw", "--device", "openvino"];
    let missing = place.rcnn(&detect).expect(1);
    assert_eq!(
        missing.err,
        "rcnn: openvino is not installed: run `rcnn runtime install openvino`, or take --device cpu\n"
    );
    let plugin = if cfg!(windows) {
        "onnxruntime_providers_openvino_plugin.dll"
    } else {
        "libonnxruntime_providers_openvino_plugin.so"
    };
    place.write(&format!("cache/runtime/openvino-9.9/{plugin}"), b"no library");
    let broken = place.rcnn(&detect).expect(1);
    assert!(broken.err.starts_with("rcnn: loading `"), "{}", broken.err);
    assert_eq!(broken.err.lines().count(), 1);
    let doctor = place.rcnn(&["doctor", "--json"]).expect(0);
    let findings: serde_json::Value = serde_json::from_str(&doctor.out).unwrap();
    assert_eq!(
        (&findings["devices"][0]["device"], &findings["devices"][0]["works"]),
        (&"cpu".into(), &true.into())
    );
    assert!(findings["devices"][0]["nodes"]["CPUExecutionProvider"].as_u64().unwrap() > 10);
    assert_eq!(findings["devices"][1]["works"], false);
    let auto = ["detect", "photos", "-o", "out", "--no-draw", "--precision", "fast"];
    let ended = place.rcnn(&auto).expect(0);
    assert!(ended.out.contains("device: cpu, precision: exact\n"), "{}", ended.out);
    assert!(ended.err.contains("note: fast computes as exact until it was measured"), "{}", ended.err);
    let tune = ["bench", "fod-r18", "-i", "photos", "--tune"];
    let tuned = place.rcnn(&tune).expect(0);
    assert!(tuned.out.contains("cpu, exact") && !tuned.out.contains("openvino"), "{}", tuned.out);
}

#[test]
fn precision_is_part_of_a_run() {
    let place = Place::new();
    place.photos(&PICTURES);
    let run = |options: &[&str], code| {
        let mut arguments = vec!["detect", "photos", "-o", "out", "--no-draw", "--device", "cpu"];
        arguments.extend(options);
        place.rcnn(&arguments).expect(code)
    };
    assert!(run(&[], 0).out.contains("device: cpu, precision: exact\n"));
    let record = place.json("out/run.json");
    assert_eq!(
        (&record["settings"]["precision"], &record["machine"]["device"]),
        (&"exact".into(), &"cpu".into())
    );
    // What fast may take is what the run began with.
    run(&["--precision", "fast"], 0);
    let mut record = place.json("out/run.json");
    record["settings"]["precision"] = "float16".into();
    place.write("out/run.json", record.to_string().as_bytes());
    assert_eq!(
        run(&[], 1).err,
        "rcnn: `out` holds a run with --precision float16: give another folder, or --overwrite\n"
    );
    assert!(run(&["--precision", "half"], 2).err.contains("known are exact, fast, bfloat16 and float16"));
    let absent = run(&["--precision", "float16"], 1).err;
    assert!(
        absent.starts_with("rcnn: cpu has no kernels for float16 here: take --precision exact"),
        "{absent}"
    );
}

#[test]
fn openvino_finds_the_same_boxes_in_float32() {
    let place = Place::new();
    place.photos(&PICTURES);
    let detect =
        |out, device| ["detect", "photos", "-o", out, "--no-draw", "--score", "0.02", "--device", device];
    place.rcnn(&detect("cpu", "cpu")).expect(0);
    let Some(ended) = with_openvino(&place, &detect("openvino", "openvino")) else { return };
    assert!(ended.expect(0).out.contains("device: openvino, precision: exact\n"));
    let (theirs, ours) = (place.rows("openvino"), place.rows("cpu"));
    let mut compared = 0;
    for (ours, theirs) in ours.iter().zip(&theirs) {
        let lists = [ours, theirs].map(|row| row["detections"].as_array().unwrap());
        assert_eq!(lists[0].len(), lists[1].len(), "{ours} {theirs}");
        for (a, b) in lists[0].iter().zip(lists[1]) {
            let near = |a: &serde_json::Value, b: &serde_json::Value, most: f64| {
                (a.as_f64().unwrap() - b.as_f64().unwrap()).abs() <= most
            };
            assert_eq!(a["category_id"], b["category_id"]);
            assert!(near(&a["score"], &b["score"], 1e-3));
            assert!((0..4).all(|i| near(&a["box"][i], &b["box"][i], 0.05)), "{a} {b}");
            compared += 1;
        }
    }
    assert!(compared > 0, "nothing to compare");
}

#[test]
fn doctor_shows_that_openvino_computes() {
    let place = Place::new();
    let Some(ended) = with_openvino(&place, &["doctor", "--json"]) else { return };
    let findings: serde_json::Value = serde_json::from_str(&ended.expect(0).out).unwrap();
    let openvino = &findings["devices"][1];
    assert_eq!((&openvino["device"], &openvino["works"]), (&"openvino".into(), &true.into()));
    assert!(openvino["nodes"]["OpenVINOExecutionProvider"].as_u64().unwrap() >= 1, "{openvino}");
    // And that what is meant for the processor's own kernels stays there.
    let own = findings["devices"][0]["nodes"].as_object().unwrap();
    assert_eq!(own.keys().collect::<Vec<_>>(), ["CPUExecutionProvider"]);
}

/// Until something is measured, fast is exact.
#[test]
fn optimised_graphs_of_exact_serve_fast() {
    let place = Place::new();
    place.photos(&PICTURES);
    let kept = |precision| {
        let arguments =
            ["detect", "photos", "-o", "out", "--overwrite", "--no-draw", "--device", "cpu", "--precision"];
        place.rcnn(&[&arguments[..], &[precision]].concat()).expect(0);
        std::fs::read_dir(place.at("cache/optimised")).unwrap().count()
    };
    let exact = kept("exact");
    assert!(exact > 0);
    assert_eq!((kept("fast"), kept("exact")), (exact, exact));
}

/// In a shared cache others can read them.
#[cfg(unix)]
#[test]
fn kept_graphs_can_be_read_by_whom_other_files_can() {
    use std::os::unix::fs::PermissionsExt;

    let place = Place::new();
    place.photos(&PICTURES);
    place.rcnn(&["detect", "photos", "-o", "out", "--no-draw", "--device", "cpu"]).expect(0);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
    let usual = mode(&place.write("usual", b""));
    for file in std::fs::read_dir(place.at("cache/optimised")).unwrap() {
        assert_eq!(mode(&file.unwrap().path()) & 0o444, usual & 0o444);
    }
}

/// Older libraries would read a file that the graph names, or a piece of their own memory.
#[test]
fn a_graph_with_values_in_another_file_is_refused() {
    let place = Place::new();
    place.photos(&PICTURES);
    let fixture =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/tv-pyramid/model.pth");
    place.rcnn(&["import", fixture.to_str().unwrap(), "-o", "model"]).expect(0);
    place.write("elsewhere", &[0; 64]);
    for (graph, file) in [("trunk.onnx", "/files/trunk"), ("head.onnx", "/files/heads/0")] {
        let path = format!("model/{graph}");
        let (whole, manifest) = (std::fs::read(place.at(&path)).unwrap(), place.json("model/model.json"));
        // A message of protobuf is continued by what is added to it: a graph's initialiser `w` of one float, whose
        // `external_data` says where, and whose `data_location` is 1.
        let entry = b"\x0a\x08location\x12\x09elsewhere";
        let mut tensor = b"\x08\x01\x10\x01\x42\x01w\x6a".to_vec();
        tensor.extend([entry.len() as u8]);
        tensor.extend(entry);
        tensor.extend([0x70, 1]);
        let initializer = [&[0x2a, tensor.len() as u8][..], &tensor].concat();
        let added = [&whole[..], &[0x3a, initializer.len() as u8], &initializer].concat();
        let mut changed = manifest.clone();
        *changed.pointer_mut(file).unwrap() = json!({"bytes": added.len(), "sha256": sha256(&added)});
        place.write(&path, &added);
        place.write("model/model.json", changed.to_string().as_bytes());
        let ended = place.rcnn(&["detect", "photos", "-o", "out", "-m", "model", "--no-draw"]).expect(1);
        assert!(ended.err.contains("its tensor `w` lies in another file"), "{}", ended.err);
        assert_eq!(ended.err.lines().count(), 1);
        place.write(&path, &whole);
        place.write("model/model.json", manifest.to_string().as_bytes());
    }
    place.rcnn(&["detect", "photos", "-o", "out", "-m", "model", "--no-draw"]).expect(0);
}

fn sha256(bytes: &[u8]) -> String {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn photos_of_several_sizes_at_once_are_the_callers_mistake() {
    use rcnn::internal::detector::Detector;
    use rcnn::internal::photo::Photo;

    let options = rcnn::internal::runtime::RuntimeOptions {
        library: Some(crate::support::runtime().to_owned()),
        ..Default::default()
    };
    let runtime = rcnn::internal::runtime::Runtime::open(&options, &mut |_| {}).unwrap();
    let model = rcnn::internal::model::Model::find(rcnn::internal::model::DEFAULT).unwrap();
    let detector = Detector::new(&model, &runtime, &Default::default()).unwrap();
    let inputs = [(64, 64), (64, 200)].map(|(width, height)| {
        let pixels = vec![0; (3 * width * height) as usize];
        detector.prepare(&Photo { width, height, pixels }).unwrap()
    });
    let refused = detector.infer(inputs.into()).unwrap_err().to_string();
    assert_eq!(refused, "the inputs of one batch differ in size, and all must be padded to the same");
}

#[test]
fn doctor_has_a_cure_for_a_package_that_cannot_be_used() {
    let place = Place::new();
    place.write("cache/runtime/openvino-9.8/readme.txt", b"no plugin");
    let findings: serde_json::Value =
        serde_json::from_str(&place.rcnn(&["doctor", "--json"]).expect(0).out).unwrap();
    assert!(findings["packages"][0]["refused"].is_string(), "{findings}");
    assert!(findings["cures"].to_string().contains("rcnn runtime remove openvino"), "{findings}");
    assert!(!place.rcnn(&["doctor"]).expect(0).out.contains("all is well"));
}

#[test]
fn the_newest_version_is_no_matter_of_letters() {
    let place = Place::new();
    for version in ["1.9.0", "1.31.1", "1.10.0"] {
        place.write(&format!("cache/runtime/onnxruntime-{version}/libonnxruntime.so"), b"");
    }
    let listed = place.rcnn(&["runtime", "list", "--json"]).expect(0);
    let rows: serde_json::Value = serde_json::from_str(&listed.out).unwrap();
    let versions: Vec<_> =
        rows.as_array().unwrap().iter().map(|row| row["version"].as_str().unwrap()).collect();
    assert_eq!(versions, ["1.9.0", "1.10.0", "1.31.1"]);
}
