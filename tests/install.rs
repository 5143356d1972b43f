//! Finding and installing ONNX Runtime, as the user of a fresh machine sees it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stdout)] // A test that fails may say so by panicking.

mod support;

use std::path::PathBuf;
use std::process::{Command, Stdio};

use support::{Ended, Place, runtime};

/// Builds a library that says it is ONNX Runtime of some version.
fn pretender(place: &Place, version: &str) -> Option<PathBuf> {
    let code = format!(
        r#"static const char *version(void) {{ return "{version}"; }}
           static const void *api(unsigned number) {{ (void)number; return 0; }}
           static const struct {{ const void *(*get)(unsigned); const char *(*version)(void); }} base = {{ api, version }};
           const void *OrtGetApiBase(void) {{ return &base; }}"#
    );
    let source = place.write("pretender.c", code.as_bytes());
    let library = place.at("libonnxruntime.so");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    let built = built.is_ok_and(|status| status.success());
    if !built {
        println!("skipped: there is no C compiler called cc");
    }
    built.then_some(library)
}

#[test]
fn a_library_that_is_too_old_is_named_as_such() {
    let place = Place::new();
    let Some(library) = pretender(&place, "1.10.2") else { return };
    place.photos(&[("plain.png", "1.png")]);
    let library = library.display().to_string();
    let ended = place.rcnn(&["detect", "photos", "-o", "out", "--runtime", &library]).expect(1);
    let needed = rcnn::runtime::OLDEST_MINOR;
    assert_eq!(
        ended.err,
        format!(
            "rcnn: cannot use `{library}` as ONNX Runtime: it is version 1.10.2, and at least 1.{needed} is needed\n"
        )
    );
    let ended = place.rcnn(&["doctor", "--runtime", &library]).expect(1);
    assert!(ended.out.contains("it is version 1.10.2"), "{}", ended.out);
}

#[test]
fn what_is_no_onnx_runtime_is_named_as_such() {
    let place = Place::new();
    place.photos(&[("plain.png", "1.png")]);
    let text = place.write("libonnxruntime.so", b"not a library").display().to_string();
    let ended = place.rcnn(&["detect", "photos", "-o", "out", "--runtime", &text]).expect(1);
    assert!(
        ended.err.starts_with(&format!("rcnn: cannot use `{text}` as ONNX Runtime: it cannot be loaded ("))
    );
    assert_eq!(ended.err.lines().count(), 1);
}

#[test]
fn doctor_finds_what_works() {
    let place = Place::new();
    let ended = place.rcnn(&["doctor", "--json"]).expect(0);
    let found: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(found["runtime"]["path"], runtime().display().to_string());
    let device = &found["devices"][0];
    assert_eq!((&device["device"], &device["works"]), (&"cpu".into(), &true.into()));
    assert!(device["nodes"]["CPUExecutionProvider"].as_u64() > Some(0), "{device}");
    assert_eq!(found["model"]["name"], "fod-r18");
    assert_eq!(found["cures"], serde_json::json!([]));
}

/// A program that finds no library anywhere but in its own empty cache.
fn alone(place: &Place, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rcnn"));
    command.args(arguments).current_dir(place.at("")).env("RCNN_CACHE", place.at("cache"));
    for name in ["ORT_DYLIB_PATH", "VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH"] {
        command.env_remove(name);
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn without_a_network_the_cure_is_told() {
    let place = Place::new();
    place.photos(&[("plain.png", "1.png")]);
    let offline =
        alone(&place, &["detect", "photos", "-o", "out", "--offline"]).env("PATH", "").output().unwrap();
    let ended = Ended::from(offline).expect(1);
    assert!(ended.err.contains("run `pip install onnxruntime`"), "{}", ended.err);
    assert!(ended.err.contains("--offline forbids to install it"), "{}", ended.err);
    assert!(!place.at("out").exists());
}

/// Downloads 24 MB, so only where it is asked for: `RCNN_TEST_INSTALL=1`.
#[test]
fn two_programs_at_once_install_one_library() {
    if std::env::var_os("RCNN_TEST_INSTALL").is_none() {
        println!("skipped: set RCNN_TEST_INSTALL to download ONNX Runtime");
        return;
    }
    let place = Place::new();
    place.photos(&[("plain.png", "1.png")]);
    let start = |out| alone(&place, &["detect", "photos", "-o", out]).spawn().unwrap();
    let both = [start("one"), start("two")];
    let said: Vec<String> =
        both.map(|child| Ended::from(child.wait_with_output().unwrap()).expect(0).err).into();
    let installed = said.iter().filter(|text| text.starts_with("installed ONNX Runtime ")).count();
    // A Python package on the machine makes an installation needless.
    assert!(installed <= 1, "{said:?}");
    if installed == 1 {
        let entries = std::fs::read_dir(place.at("cache/runtime")).unwrap();
        let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let folders = names.iter().filter(|name| !name.starts_with('.')).count();
        assert_eq!((folders, names.len()), (1, 2), "{names:?}");
    }
    assert_eq!(place.read("one/detections.jsonl"), place.read("two/detections.jsonl"));
}
