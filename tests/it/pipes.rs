//! Pipes, devices and odd names wherever the program takes or gives something: on the command line, in lists, as files,
//! and as the two outputs that nobody may listen to.

#![cfg(unix)]
#![allow(clippy::unwrap_used)] // A test that fails may say so by panicking.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::{Ended, Place, runtime};

/// Two photos, and one that is none.
fn photos() -> Place {
    let place = Place::new();
    place.photos(&[("plain.png", "1.png"), ("baseline-420.jpg", "2.jpg")]);
    place.write("photos/3.jpg", b"this is no picture");
    place
}

/// The program with arguments and outputs of any kind.
fn rcnn(place: &Place, arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rcnn"));
    command.current_dir(place.at("")).env("RCNN_CACHE", place.at("cache")).env("ORT_DYLIB_PATH", runtime());
    command.args(arguments).stdin(Stdio::null());
    command
}

/// An output whose reader is gone.
fn gone() -> Stdio {
    std::io::pipe().unwrap().1.into()
}

/// An output on a device that is full, where there is one.
fn full() -> Option<Stdio> {
    let opened = fs::File::options().write(true).open("/dev/full").ok();
    if opened.is_none() {
        crate::support::skipped("there is no /dev/full");
    }
    opened.map(Into::into)
}

#[test]
fn a_run_does_not_depend_on_who_reads_its_notes() {
    let place = photos();
    // One photo is named twice, which is worth a note.
    for (number, listener) in [Some(gone()), full()].into_iter().flatten().enumerate() {
        let out = format!("out-{number}");
        let ended = rcnn(&place, &["detect", "photos", "photos/1.png", "--no-draw", "-o", &out])
            .env("RCNN_LOG", "debug")
            .stderr(listener)
            .output()
            .unwrap();
        assert_eq!(ended.status.code(), Some(3), "{ended:?}");
        assert_eq!(place.rows(&out).len(), 3);
    }
    let ended = rcnn(&place, &["detect", "--nonsense"]).stderr(gone()).status().unwrap();
    assert_eq!(ended.code(), Some(2));
}

#[test]
fn photos_have_failed_although_nobody_reads_the_summary() {
    let place = photos();
    let code = |arguments: &[&str]| rcnn(&place, arguments).stdout(gone()).status().unwrap().code().unwrap();
    assert_eq!(code(&["detect", "photos", "--no-draw", "-o", "out"]), 3);
    assert_eq!(code(&["detect", "photos", "--no-draw", "-o", "json", "--json"]), 3);
    for shard in ["1", "2"] {
        let (out, of) = (format!("shard-{shard}"), format!("{shard}/2"));
        place.rcnn(&["detect", "photos", "--no-draw", "-o", &out, "--shard", &of]);
    }
    assert_eq!(code(&["merge", "shard-1", "shard-2", "-o", "whole"]), 3);
    assert_eq!(code(&["bench", "fod-r18", "-i", "photos"]), 3);
    place.write("voc/a.xml", b"<annotation>");
    place.write(
        "voc/b.xml",
        b"<annotation><filename>b.jpg</filename><size><width>4</width><height>4</height></size></annotation>",
    );
    assert_eq!(code(&["convert", "voc", "-o", "voc.json"]), 3);
    // Nothing failed, and whoever does not read on is no failure.
    assert_eq!([code(&["models"]), code(&["inspect", "fod-r18"]), code(&["--help"])], [0, 0, 0]);
}

#[test]
fn data_that_somebody_waits_for_and_that_cannot_be_written_are_a_failure() {
    let place = photos();
    for arguments in [&["models", "--json"][..], &["inspect", "fod-r18"], &["--help"]] {
        let Some(full) = full() else { return };
        let ended: Ended = rcnn(&place, arguments).stdout(full).output().unwrap().into();
        let ended = ended.expect(1);
        assert!(ended.err.contains("cannot write to standard output: "), "{}", ended.err);
    }
}

#[test]
fn results_and_annotations_may_come_through_a_pipe() {
    let place = Place::new();
    let image =
        |id| serde_json::json!({"id": id, "file_name": format!("{id}.jpg"), "width": 90, "height": 90});
    let boxed = |id, x| {
        serde_json::json!({"id": id, "image_id": id, "category_id": 1, "bbox": [x, 5, 30, 20], "area": 600,
                           "iscrowd": 0})
    };
    let truth = serde_json::json!({"images": [image(1), image(2)], "annotations": [boxed(1, 9), boxed(2, 30)],
                                   "categories": [{"id": 1, "name": "nut"}]});
    let result =
        |id, x| serde_json::json!({"image_id": id, "category_id": 1, "bbox": [x, 5, 30, 20], "score": 0.5});
    let results = serde_json::json!([result(1, 10), result(2, 60)]);
    let line = r#"{"image_id":1,"file":"1.jpg","width":90,"height":90,"detections":[{"category_id":1,"label":"nut","score":0.5,"box":[10,5,40,25]}]}"#;
    place.write("gt.json", truth.to_string().as_bytes());
    place.write("dt.json", results.to_string().as_bytes());
    place.write("lines.jsonl", line.as_bytes());
    let stats = |arguments: &[&str], through: &[u8]| {
        let ended: Ended = place.command(arguments).write_stdin(through).output().unwrap().into();
        let document: serde_json::Value = serde_json::from_str(&ended.expect(0).out).unwrap();
        document["stats"].clone()
    };
    let bytes = |name: &str| place.read(name).into_bytes();
    let packed = |name: &str| {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&bytes(name)).unwrap();
        packed.finish().unwrap()
    };
    let file = ["evaluate", "-a", "gt.json", "-r", "dt.json", "--json"];
    let want = stats(&file, b"");
    assert!(want[0].as_f64().is_some_and(|ap| ap > 0.1 && ap < 0.9), "{want}");
    let piped = ["evaluate", "-a", "gt.json", "-r", "/dev/stdin", "--json"];
    assert_eq!(stats(&piped, &bytes("dt.json")), want);
    assert_eq!(stats(&piped, &packed("dt.json")), want);
    let lines = stats(&["evaluate", "-a", "gt.json", "-r", "lines.jsonl", "--json"], b"");
    assert_eq!(stats(&piped, &bytes("lines.jsonl")), lines);
    // Annotations are read for each of two results.
    let versus = [
        "evaluate",
        "-a",
        "/dev/stdin",
        "-r",
        "dt.json",
        "--versus",
        "dt.json",
        "--bootstrap",
        "10",
        "--json",
    ];
    assert_eq!(stats(&versus, &packed("gt.json")), want);
    let compared = ["compare", "-a", "gt.json", "dt.json", "/dev/stdin", "--bootstrap", "10", "--json"];
    let ended: Ended = place.command(&compared).write_stdin(bytes("dt.json")).output().unwrap().into();
    let document: serde_json::Value = serde_json::from_str(&ended.expect(0).out).unwrap();
    assert_eq!(document["models"][1]["stats"], want);
    let ended = place.rcnn(&["evaluate", "-a", "gt.json", "-r", "/dev/zero"]).expect(2);
    assert!(ended.err.contains("it is a device"), "{}", ended.err);
}

#[test]
fn what_is_read_more_than_once_says_that_a_pipe_will_not_do() {
    let place = Place::new();
    let checkpoint = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/tv-pyramid/model.pth");
    for arguments in [
        &["convert", "/dev/stdin", "-o", "out.json"][..],
        &["convert", "/dev/stdin", "--to", "yolo", "-o", "out"],
        &["import", checkpoint.to_str().unwrap(), "--config", "/dev/stdin", "-o", "out"],
    ] {
        let ended: Ended = place.command(arguments).write_stdin("{}").output().unwrap().into();
        let told = ended.expect(1).err;
        assert!(told.contains("/dev/stdin") && told.contains("pipe"), "{arguments:?}: {told}");
    }
}

#[test]
fn a_name_of_any_length_leaves_tables_readable() {
    let place = photos();
    let name = "x".repeat(100_000);
    let truth = serde_json::json!({
        "images": [{"id": 1, "file_name": "1.png", "width": 96, "height": 64}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [5, 5, 30, 20], "area": 600, "iscrowd": 0}],
        "categories": [{"id": 1, "name": name}, {"id": 2, "name": format!("{name}y")}],
    });
    let results = serde_json::json!([{"image_id": 1, "category_id": 1, "bbox": [5, 5, 30, 20], "score": 0.5},
                                     {"image_id": 1, "category_id": 2, "bbox": [50, 5, 30, 20], "score": 0.4}]);
    place.write("gt.json", truth.to_string().as_bytes());
    place.write("dt.json", results.to_string().as_bytes());
    let judged = ["-a", "gt.json", "-r", "dt.json", "--per-class", "--errors"];
    for arguments in [
        &["detect", "photos/1.png", "-a", "gt.json", "--no-draw", "-o", "out"][..],
        &[&["evaluate"], &judged[..]].concat(),
        &["evaluate", "-a", "gt.json", "-r", "dt.json", "--metric", "voc", "--per-class"],
        &["evaluate", "-a", "gt.json", "-r", "dt.json", "--versus", "dt.json", "--bootstrap", "10"],
        &["compare", "-a", "gt.json", "dt.json", "dt.json", "--bootstrap", "10"],
    ] {
        let ended = place.rcnn(arguments).expect(0);
        let longest = (ended.out + &ended.err).lines().map(str::len).max();
        assert!(longest < Some(1000), "{arguments:?}: {longest:?}");
    }
}

#[test]
fn json_commands_no_terminal_either() {
    let place = Place::new();
    // Controls of C1, one of which begins commands as ESC and [ do.
    let name = "a\u{9b}31m\u{85}\u{7f}\u{202e}z.png";
    place.photos(&[("plain.png", name)]);
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/golden/cls-r26/model.pth");
    let classify = ["classify", "photos", "-m", model.to_str().unwrap()];
    let acts = ['\u{9b}', '\u{85}', '\u{7f}', '\u{202e}'];
    let text = place.rcnn(&classify).expect(0).out;
    assert!(text.contains("z.png") && !text.contains(acts), "{text:?}");
    let json = place.rcnn(&[&classify[..], &["--json"]].concat()).expect(0).out;
    assert!(!json.contains(acts), "{json:?}");
    let document: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(document["photos"][0]["file"], name);
}

#[test]
fn a_named_pipe_is_waited_for_nowhere() {
    let place = photos();
    assert!(Command::new("mkfifo").arg(place.at("pipe.jpg")).status().unwrap().success());
    assert!(Command::new("mkfifo").arg(place.at("photos/4.jpg")).status().unwrap().success());
    place.write("list.txt", b"photos/1.png\npipe.jpg\n/dev/zero\nphotos/2.jpg\n");
    for (inputs, good) in [(&["pipe.jpg"][..], 0), (&["photos/1.png", "pipe.jpg"], 1), (&["list.txt"], 2)] {
        let out = format!("out-{good}");
        let arguments = [&["detect", "--no-draw", "-o", &out], inputs].concat();
        place.rcnn(&arguments).expect(3);
        let rows = place.rows(&out);
        assert_eq!(rows.iter().filter(|row| row["error"].is_null()).count(), good);
        let bad: Vec<_> = rows.iter().filter(|row| !row["error"].is_null()).collect();
        assert!(bad.iter().all(|row| row["error"]["kind"] == "unreadable"), "{bad:?}");
    }
    let ended = place.rcnn(&["detect", "photos", "--no-draw", "-o", "folder"]).expect(3);
    assert!(ended.err.contains("4.jpg` is passed over: it is a pipe or a device"), "{}", ended.err);
    assert_eq!(place.rows("folder").len(), 3);
    fs::rename(place.at("pipe.jpg"), place.at("pipe.txt")).unwrap();
    let ended = place.rcnn(&["detect", "pipe.txt", "-o", "none"]).expect(1);
    assert!(ended.err.contains("- takes paths from standard input"), "{}", ended.err);
}

#[test]
fn names_may_be_any_bytes() {
    let place = photos();
    let odd = |bytes: &'static [u8]| OsStr::from_bytes(bytes);
    fs::rename(place.at("photos/3.jpg"), place.at("photos").join(odd(b"3\xff.jpg"))).unwrap();
    fs::copy(place.at("photos/2.jpg"), place.at("photos").join(odd(b"4\xfe.jpg"))).unwrap();
    let list = b"photos/1.png\nphotos/3\xff.jpg\nphotos/4\xfe.jpg\n";
    fs::write(place.at("list.txt"), list).unwrap();
    let inputs = [odd(b"list.txt"), odd(b"photos"), odd(b"photos/4\xfe.jpg"), odd(b"photos/*.jpg")];
    for (input, code, count) in
        inputs.into_iter().zip([3, 3, 0, 3]).zip([3, 4, 1, 3]).map(|((a, b), c)| (a, b, c))
    {
        let out = [b"out-\xff-", input.as_bytes()]
            .concat()
            .into_iter()
            .filter(|byte| *byte != b'/')
            .collect::<Vec<u8>>();
        let out = OsStr::from_bytes(&out);
        let arguments = [odd(b"detect"), input, odd(b"--no-draw"), odd(b"-o"), out];
        let ended: Ended = rcnn(&place, &arguments).output().unwrap().into();
        ended.expect(code);
        let journal = fs::read(place.at("").join(out).join("detections.jsonl")).unwrap();
        assert_eq!(journal.iter().filter(|byte| **byte == b'\n').count(), count, "{input:?}");
        assert!(place.at("").join(out).join("run.json").is_file());
    }
    let arguments = [odd(b"detect"), odd(b"\xff"), odd(b"-o"), odd(b"none")];
    let ended: Ended = rcnn(&place, &arguments).output().unwrap().into();
    assert!(ended.expect(2).err.contains("no such file or folder"));
}

#[test]
fn no_name_speaks_to_the_terminal() {
    let place = photos();
    let folder = place.at("photos").join("\u{1b}[31mx\u{9b}");
    fs::create_dir(&folder).unwrap();
    symlink("..", folder.join("loop")).unwrap();
    symlink("nowhere", folder.join("\u{1b}]0;title\u{7}.jpg")).unwrap();
    symlink("self", folder.join("self")).unwrap();
    fs::write(folder.join("\u{1b}[2J.jpg"), "no picture").unwrap();
    let out = "o\u{1b}[1mut";
    for arguments in [
        &["detect", "photos", "--no-draw", "-o", out][..],
        &["detect", "gone\u{1b}[0m", "-o", "none"],
        &["detect", "photos", "-o", "none", "-m", "\u{1b}[0m"],
        &["detect", "photos", "-o", "none", "--\u{1b}[0m"],
        &["evaluate", "-a", "\u{1b}[0m", "-r", "\u{1b}[0m"],
        &["convert", "\u{1b}[0m", "-o", "none.json"],
        &["merge", "\u{1b}[0m", "-o", "none"],
    ] {
        let ended = place.rcnn(arguments);
        assert!(ended.code == 1 || ended.code == 2 || ended.code == 3, "{arguments:?}: {}", ended.err);
        assert!(!(ended.out + &ended.err).contains(['\u{1b}', '\u{9b}', '\u{7}']), "{arguments:?}");
    }
    assert!(place.at(out).is_dir());
}

#[test]
fn photos_that_cannot_be_looked_for_count_as_failed() {
    let place = photos();
    fs::remove_file(place.at("photos/3.jpg")).unwrap();
    // Whoever may read everything cannot follow a link to itself either.
    symlink("locked", place.at("photos/locked")).unwrap();
    let ended = place.rcnn(&["detect", "photos", "--no-draw", "-o", "out"]).expect(3);
    assert!(ended.out.contains("1 folder could not be read"), "{}", ended.out);
    let unread = &place.json("out/run.json")["unread"];
    assert!(unread[0]["folder"].as_str().is_some_and(|folder| folder.ends_with("locked")), "{unread}");
    fs::remove_file(place.at("photos/locked")).unwrap();
    place.rcnn(&["detect", "photos", "--no-draw", "-o", "out"]).expect(0);
    assert!(place.json("out/run.json")["unread"].is_null());
}

#[test]
fn photos_that_are_links_are_photos_in_their_new_place() {
    let place = Place::new();
    place.photos(&[("plain.png", "1.png")]);
    fs::create_dir(place.at("train")).unwrap();
    symlink("../photos/1.png", place.at("train/1.png")).unwrap();
    let truth = serde_json::json!({"images": [{"id": 1, "file_name": "1.png", "width": 61, "height": 43}],
        "annotations": [], "categories": [{"id": 1, "name": "nut"}]});
    place.write("gt.json", truth.to_string().as_bytes());
    for form in ["yolo", "voc"] {
        let out = format!("deep/down/{form}");
        place.rcnn(&["convert", "gt.json", "-o", &out, "--to", form, "-i", "train"]);
        let photo = find(&place.at(&out), "1.png").expect("the photo is in the new folder");
        assert_eq!(fs::read(photo).unwrap(), fs::read(place.at("photos/1.png")).unwrap());
    }
}

fn find(folder: &Path, name: &str) -> Option<std::path::PathBuf> {
    walkdir::WalkDir::new(folder).into_iter().flatten().find(|e| e.file_name() == name).map(|e| e.into_path())
}
