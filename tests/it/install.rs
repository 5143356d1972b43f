//! Finding and installing ONNX Runtime, as the user of a fresh machine sees it.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::print_stdout)] // A test that fails may say so by panicking.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::support::{Ended, Place, runtime};

/// Builds a library that says it is ONNX Runtime of some version, in its file too if `told`, and that writes a line to
/// the file `SEEN` as soon as it is loaded. Its table of functions has no end of nulls.
fn pretender(place: &Place, at: &str, version: &str, told: bool) -> Option<PathBuf> {
    let code = format!(
        r#"#include <stdio.h>
           #include <stdlib.h>
           __attribute__((constructor)) static void seen(void) {{
               const char *to = getenv("SEEN");
               FILE *file = to ? fopen(to, "a") : 0;
               if (file) {{ fputs("a library\n", file); fclose(file); }}
           }}
           static const char *version(void) {{ return "{version}"; }}
           static const void *nothing[1000];
           static const void *api(unsigned number) {{ (void)number; return nothing; }}
           static const struct {{ const void *(*get)(unsigned); const char *(*version)(void); }} base = {{ api, version }};
           const void *OrtGetApiBase(void) {{ return &base; }}"#
    );
    let source = place.write("pretender.c", code.as_bytes());
    let script = place.write("versions", format!("VERS_{version} {{ global: OrtGetApiBase; }};").as_bytes());
    let library = place.write(at, b"");
    let mut command = Command::new("cc");
    command.args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source);
    if told && cfg!(target_os = "macos") {
        command.args(["-Wl,-current_version", &format!("-Wl,{version}")]);
    } else if told {
        command.arg(format!("-Wl,--version-script={}", script.display()));
    }
    let built = command.status().is_ok_and(|status| status.success());
    if !built {
        crate::support::skipped("there is no C compiler called cc");
    }
    built.then_some(library)
}

#[test]
fn a_library_that_is_too_old_is_named_as_such() {
    let place = Place::new();
    let Some(library) = pretender(&place, "libonnxruntime.so", "1.10.2", false) else { return };
    place.photos(&[("plain.png", "1.png")]);
    let library = library.display().to_string();
    let ended = place.rcnn(&["detect", "photos", "-o", "out", "--runtime", &library]).expect(1);
    let needed = rcnn::internal::runtime::OLDEST_MINOR;
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

/// What a library tells of itself is enough to pass over it.
#[test]
fn a_library_that_its_file_shows_to_be_too_old_is_not_loaded() {
    let place = Place::new();
    let Some(library) = pretender(&place, "libonnxruntime.so", "1.10.2", true) else { return };
    let mut command = alone(&place, &["doctor", "--runtime", &library.display().to_string()]);
    let ended = Ended::from(command.env("SEEN", place.at("seen")).output().unwrap()).expect(1);
    assert!(ended.out.contains("it is version 1.10.2"), "{}", ended.out);
    assert!(!place.at("seen").exists());
}

#[test]
fn a_library_that_lacks_functions_is_refused() {
    let place = Place::new();
    let Some(library) = pretender(&place, "libonnxruntime.so", "1.31.1", true) else { return };
    place.photos(&[("plain.png", "1.png")]);
    let library = library.display().to_string();
    let ended = place.rcnn(&["detect", "photos", "-o", "out", "--runtime", &library]).expect(1);
    assert!(ended.err.contains("it lacks a function of version"), "{}", ended.err);
    assert_eq!(ended.err.lines().count(), 1);
}

/// A folder as it may be downloaded: whatever of it is loaded or run writes a line to `seen`.
#[cfg(target_os = "linux")]
fn trapped(place: &Place) -> bool {
    use std::os::unix::fs::PermissionsExt;

    let library = "work/libonnxruntime.so.1.31.1";
    let Some(library) = pretender(place, library, "1.31.1", true) else { return false };
    let library = std::fs::read(library).unwrap();
    for name in [
        "libonnxruntime.so",
        "libcuda.so.1",
        "libstdc++.so.6",
        "onnxruntime/capi/libonnxruntime.so.1",
        "lib/python3.11/site-packages/onnxruntime/capi/libonnxruntime.so.1.31.1",
        "runtime/onnxruntime-99.9.9/libonnxruntime.so.1.31.1",
        "rcnn/runtime/onnxruntime-99.9.9/libonnxruntime.so.1.31.1",
    ] {
        place.write(&format!("work/{name}"), &library);
    }
    let module = "import os\nopen(os.environ['SEEN'], 'a').write(__file__ + '\\n')\n";
    for name in [
        "onnxruntime.py",
        "onnxruntime/__init__.py",
        "onnxruntime/capi/__init__.py",
        "pip/__init__.py",
        "pip/__main__.py",
        "site.py",
        "sitecustomize.py",
        "usercustomize.py",
        "sysconfig.py",
        "importlib/__init__.py",
        "lib/python3.11/site-packages/sitecustomize.py",
    ] {
        place.write(&format!("work/{name}"), module.as_bytes());
    }
    place.write(
        "work/package.json",
        br#"{"scripts": {"prepack": "echo npm >> $SEEN", "prepare": "echo npm >> $SEEN"}}"#,
    );
    place.write("work/.npmrc", b"ignore-scripts=false\ngit=./node\nscript-shell=./node\n");
    for name in ["python3", "python", "py", "pip3", "npm", "node", "bin/python3", "bin/pip", "bin/npm"] {
        let script = place.write(&format!("work/{name}"), b"#!/bin/sh\necho $0 >> \"$SEEN\"\n");
        std::fs::set_permissions(script, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    true
}

/// A program in that folder, with variables that point into it as carelessness does, and no way to any network.
#[cfg(target_os = "linux")]
fn careless(place: &Place, arguments: &[&str]) -> Command {
    let mut command = alone(place, arguments);
    command.current_dir(place.at("work")).env("SEEN", place.at("seen"));
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!(".::bin:{path}:")).env("LD_LIBRARY_PATH", "/usr/lib::lib:");
    command.env("PYTHONPATH", ":.").env("NODE_PATH", ".").env("VIRTUAL_ENV", ".").env("CONDA_PREFIX", "./");
    command.env("PIP_NO_INDEX", "1");
    command.env("npm_config_registry", "http://127.0.0.1:1").env("npm_config_fetch_retries", "0");
    command.env("HTTPS_PROXY", "http://127.0.0.1:1");
    command
}

#[cfg(target_os = "linux")]
#[test]
fn nothing_of_the_current_folder_is_loaded_or_run() {
    let place = Place::new();
    if !trapped(&place) {
        return;
    }
    place.photos(&[("plain.png", "1.png")]);
    let detect = ["detect", "../photos", "-o", "../out", "--no-draw", "--overwrite"];
    let offline = [&detect[..], &["--offline"]].concat();
    let seen = || std::fs::read_to_string(place.at("seen")).unwrap_or_default();
    // Whether they find an ONNX Runtime depends on the machine.
    for arguments in [&offline[..], &["doctor"], &["runtime", "list"], &["runtime", "install"]] {
        careless(&place, arguments).output().unwrap();
        assert_eq!(seen(), "", "{arguments:?}");
    }
    // Nor is anything of it loaded by a library that stands elsewhere.
    let good = careless(&place, &offline).env("ORT_DYLIB_PATH", runtime()).output().unwrap();
    Ended::from(good).expect(0);
    assert_eq!(seen(), "");
    // A variable cannot name it either.
    let relative = [
        ("ORT_DYLIB_PATH", "libonnxruntime.so"),
        ("ORT_DYLIB_PATH", "./libonnxruntime.so"),
        ("ORT_DYLIB_PATH", "."),
        ("RCNN_CACHE", "."),
        ("RCNN_CACHE", "rcnn"),
    ];
    for (variable, value) in relative {
        let output = careless(&place, &["doctor"]).env(variable, value).output().unwrap();
        let ended = Ended::from(output).expect(1);
        assert!(ended.out.contains("nothing is loaded from the current folder"), "{}", ended.out);
        assert_eq!(seen(), "", "{variable}={value}");
    }
    careless(&place, &["doctor"])
        .env("XDG_CACHE_HOME", ".")
        .env("HOME", ".")
        .env_remove("RCNN_CACHE")
        .output()
        .unwrap();
    assert_eq!(seen(), "");
    // But a person may.
    let named = [&offline[..], &["--runtime", "libonnxruntime.so"]].concat();
    let ended = Ended::from(careless(&place, &named).output().unwrap()).expect(1);
    assert!(ended.err.contains("it lacks a function") && !seen().is_empty(), "{}", ended.err);
}

/// ONNX Runtime 1.31 would keep records of its use in the user's cache folder.
#[test]
fn nothing_is_written_but_to_the_run_and_the_cache() {
    let place = Place::new();
    place.photos(&[("plain.png", "1.png")]);
    std::fs::create_dir(place.at("home")).unwrap();
    for arguments in [&["detect", "photos", "-o", "out"][..], &["doctor"]] {
        let mut command = place.command(arguments);
        for name in
            ["XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "ORT_DISABLE_TELEMETRY"]
        {
            command.env_remove(name);
        }
        let ended: Ended = command.env("HOME", place.at("home")).output().unwrap().into();
        ended.expect(0);
    }
    let left = std::fs::read_dir(place.at("home")).unwrap().map(|entry| entry.unwrap().path());
    assert_eq!(left.collect::<Vec<_>>(), Vec::<PathBuf>::new());
}

/// Downloads 24 MB, so only where it is asked for: `RCNN_TEST_INSTALL=1`.
#[test]
fn two_programs_at_once_install_one_library() {
    if std::env::var_os("RCNN_TEST_INSTALL").is_none() {
        crate::support::skipped("set RCNN_TEST_INSTALL to download ONNX Runtime");
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
