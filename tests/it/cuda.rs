//! `rcnn runtime install cuda` and `--device cuda` as their user sees them on a machine without a device: which
//! library is taken, and the sentences about what is missing. A pretended driver and a pretended package stand for the
//! true ones; nothing here shows that CUDA computes.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![allow(clippy::unwrap_used, clippy::print_stdout)] // A test that fails may say so by panicking.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::{Ended, Place, runtime};
use rcnn::internal::runtime::PINNED_VERSION;

const LIBRARIES: [&str; 7] = [
    "libcudart.so.13",
    "libnvrtc.so.13",
    "libcublasLt.so.13",
    "libcublas.so.13",
    "libcurand.so.10",
    "libcudnn.so.9",
    "libonnxruntime_providers_cuda.so",
];

/// A library under NVIDIA's driver's name that says it serves this version of CUDA on this many devices.
fn driver(place: &Place, cuda: i32, devices: i32) -> bool {
    let code = format!(
        "int cuInit(unsigned flags) {{ return flags; }}
         int cuDriverGetVersion(int *version) {{ *version = {cuda}; return 0; }}
         int cuDeviceGetCount(int *count) {{ *count = {devices}; return 0; }}"
    );
    let source = place.write("driver/driver.c", code.as_bytes());
    let library = place.at("driver/libcuda.so.1");
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    let built = built.is_ok_and(|status| status.success());
    if !built {
        crate::support::skipped("there is no C compiler called cc");
    }
    built
}

/// A package for CUDA in the cache: ONNX Runtime is a true one, though for processors, and the rest is no library.
fn package(place: &Place) {
    let folder = format!("cache/runtime/cuda-{PINNED_VERSION}");
    for name in LIBRARIES {
        place.write(&format!("{folder}/{name}"), b"no library");
    }
    let name = format!("{folder}/libonnxruntime.so.{PINNED_VERSION}");
    std::os::unix::fs::symlink(runtime(), place.at(&name)).unwrap();
}

/// The program with the pretended driver, where there is one, and no library but those of its own cache.
fn alone(place: &Place, arguments: &[&str]) -> Ended {
    let mut command = place.command(arguments);
    for name in ["ORT_DYLIB_PATH", "VIRTUAL_ENV", "CONDA_PREFIX"] {
        command.env_remove(name);
    }
    command.env("LD_LIBRARY_PATH", place.at("driver")).env("PATH", "");
    command.output().unwrap().into()
}

fn detect(device: &str) -> [&str; 8] {
    ["detect", "photos", "-o", "out", "--no-draw", "--offline", "--device", device]
}

fn has_driver() -> bool {
    let found = ["/proc/driver/nvidia/version", "/usr/lib/wsl/lib/libcuda.so.1"];
    let found = found.iter().any(|path| std::path::Path::new(path).exists());
    if found {
        crate::support::skipped("this machine has NVIDIA's driver");
    }
    found
}

#[test]
fn without_a_driver_cuda_by_name_is_one_sentence_and_auto_goes_on() {
    if has_driver() {
        return;
    }
    let place = Place::new();
    place.photos(&[("plain.png", "a.png")]);
    let sentence = "CUDA needs NVIDIA's driver, and this machine has none: install it, or take --device cpu";
    for device in ["cuda", "cuda:1"] {
        assert_eq!(place.rcnn(&detect(device)).expect(1).err, format!("rcnn: {sentence}\n"));
        assert_eq!(alone(&place, &detect(device)).expect(1).err, format!("rcnn: {sentence}\n"));
    }
    package(&place);
    assert_eq!(alone(&place, &detect("cuda")).expect(1).err, format!("rcnn: {sentence}\n"));
    // There is no other library, and that of the package computes on the processor as well.
    let auto = alone(&place, &detect("auto")).expect(0);
    assert!(auto.out.contains("device: cpu, precision: exact\n"), "{}", auto.out);

    let listed = alone(&place, &["runtime", "list"]).expect(0);
    assert!(listed.out.starts_with("cuda "), "{}", listed.out);
    assert!(listed.out.ends_with(&format!("  cannot be used: {sentence}\n")), "{}", listed.out);
    let doctor = alone(&place, &["doctor", "--json"]).expect(0);
    let findings: serde_json::Value = serde_json::from_str(&doctor.out).unwrap();
    assert_eq!(findings["packages"][0]["name"], "cuda");
    assert_eq!(findings["packages"][0]["refused"], sentence);
    assert_eq!(
        (&findings["devices"][2]["device"], &findings["devices"][2]["works"]),
        (&"cuda".into(), &false.into())
    );
    assert_eq!(findings["devices"][2]["why_not"], sentence);
}

#[test]
fn with_a_driver_what_else_is_missing_is_told() {
    let place = Place::new();
    if !driver(&place, 13_000, 2) {
        return;
    }
    place.photos(&[("plain.png", "a.png")]);
    assert_eq!(
        alone(&place, &detect("cuda")).expect(1).err,
        "rcnn: cuda is not installed: run `rcnn runtime install cuda`, or take --device cpu\n"
    );
    package(&place);
    let broken = alone(&place, &detect("cuda")).expect(1);
    let (start, end) = (broken.err.starts_with("rcnn: cannot load `"), "libcudart.so.13: file too short\n");
    assert!(start && broken.err.ends_with(end), "{}", broken.err);
    assert_eq!(
        alone(&place, &detect("cuda:2")).expect(1).err,
        "rcnn: there is no device cuda:2: the last is cuda:1\n"
    );
    // A library that the user names is theirs to answer for.
    let named = runtime().display().to_string();
    let ended = alone(&place, &[&detect("cuda")[..], &["--runtime", &named]].concat()).expect(1);
    assert!(
        ended.err.starts_with(&format!("rcnn: ONNX Runtime at `{named}` is built without CUDA: ")),
        "{}",
        ended.err
    );
    assert!(alone(&place, &detect("auto")).expect(0).out.contains("device: cpu,"));
}

#[test]
fn an_old_driver_and_one_without_devices_are_told_so() {
    let place = Place::new();
    place.photos(&[("plain.png", "a.png")]);
    package(&place);
    if !driver(&place, 12_040, 1) {
        return;
    }
    let old = alone(&place, &detect("cuda")).expect(1);
    assert!(old.err.contains("is made for CUDA 12.4, and the installed libraries need 13.0"), "{}", old.err);
    driver(&place, 13_000, 0);
    let none = alone(&place, &detect("cuda")).expect(1);
    assert!(none.err.starts_with("rcnn: NVIDIA's driver finds no device: "), "{}", none.err);
}

#[test]
fn the_plain_library_is_taken_for_the_processor() {
    let place = Place::new();
    place.photos(&[("plain.png", "a.png")]);
    package(&place);
    let plain = format!("cache/runtime/onnxruntime-{PINNED_VERSION}");
    std::fs::create_dir_all(place.at(&plain)).unwrap();
    let name = format!("{plain}/libonnxruntime.so.{PINNED_VERSION}");
    std::os::unix::fs::symlink(runtime(), place.at(&name)).unwrap();
    alone(&place, &detect("cpu")).expect(0);
    let used = place.json("out/run.json")["machine"]["runtime_path"].as_str().unwrap().to_owned();
    assert_eq!(used, place.at(&name).display().to_string());
}

#[test]
fn a_wheel_with_another_hash_is_refused_and_nothing_is_left() {
    let place = Place::new();
    let script = "#!/bin/sh\nwhile [ $# -gt 1 ]; do [ \"$1\" = --dest ] && dest=$2; shift; done\n\
        mkdir -p \"$dest\" && echo \"$1\" > \"$dest/other.whl\"\n";
    let pip = place.write("bin/pip", script.as_bytes());
    std::fs::set_permissions(&pip, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", place.at("bin").display());
    let ended: Ended =
        place.command(&["runtime", "install", "cuda"]).env("PATH", path).output().unwrap().into();
    let ended = ended.expect(1);
    assert!(ended.err.starts_with("fetching ONNX Runtime for CUDA with pip, "), "{}", ended.err);
    let refusal = ended.err.lines().last().unwrap();
    let start = "rcnn: ONNX Runtime for CUDA cannot be installed: pip's wheel of onnxruntime-gpu: `other.whl` has the \
                 SHA-256 ";
    assert!(refusal.starts_with(start), "{refusal}");
    let left = std::fs::read_dir(place.at("cache/runtime")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".lock"]);
}
