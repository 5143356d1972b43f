//! Files in the encodings that people have, and what stands in a file's place.

use serde_json::json;

use super::{run, scene, stats, write};

/// As `>` of Windows PowerShell writes it: UTF-16 with a mark and line ends of two characters.
fn powershell(text: &str) -> Vec<u8> {
    let units = text.replace('\n', "\r\n");
    [0xfeff].into_iter().chain(units.encode_utf16()).flat_map(u16::to_le_bytes).collect()
}

#[test]
fn encodings_of_windows_are_read_everywhere() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, dt) = scene();
    let (gt, dt) = (serde_json::to_string_pretty(&gt).unwrap(), json!(dt).to_string());
    let plain =
        run(&write(folder.path(), "gt.json", &gt), &write(folder.path(), "dt.json", &dt), &["--json"]);
    let lines = "{\"image_id\":7,\"detections\":[{\"category_id\":3,\"score\":0.9,\"box\":[11,10,51,40]}]}\n{\"image_id\":9,\"detections\":[]}\n";
    let journal = write(folder.path(), "dt.jsonl", lines);
    let of_journal = stats(&run(&folder.path().join("gt.json"), &journal, &["--json"]));
    for encode in [powershell, |text: &str| [b"\xef\xbb\xbf", text.as_bytes()].concat()] {
        let gt = write(folder.path(), "gt-encoded.json", encode(&gt));
        let dt = write(folder.path(), "dt-encoded.json", encode(&dt));
        let outcome = run(&gt, &dt, &["--json"]);
        assert_eq!(stats(&outcome), stats(&plain), "{}", outcome.err);
        assert!(outcome.err.contains("the annotations are in UTF-"), "{}", outcome.err);
        assert!(outcome.err.contains("the results are in UTF-"), "{}", outcome.err);
        let journal = write(folder.path(), "encoded.jsonl", encode(lines));
        assert_eq!(stats(&run(&gt, &journal, &["--json"])), of_journal);
    }
    // A wrong byte is found where an editor shows it.
    let broken = write(folder.path(), "broken.json", powershell("[\n  {\"ä\": 1 2}\n]"));
    let outcome = run(&folder.path().join("gt.json"), &broken, &[]);
    assert!(outcome.err.contains("line 2, column 11"), "{}", outcome.err);
}

#[test]
fn what_stands_in_place_of_a_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (gt, dt) = scene();
    let (gt, dt) = (gt.to_string(), json!(dt).to_string());
    let (gt, dt) = (write(folder.path(), "gt.json", gt), write(folder.path(), "dt.json", dt));
    for (text, words) in [
        ("<!DOCTYPE html>\n<html><body>404</body></html>", "web page"),
        ("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n", "git lfs pull"),
    ] {
        let bad = write(folder.path(), "bad.json", text);
        for outcome in [run(&bad, &dt, &[]), run(&gt, &bad, &[])] {
            assert_eq!(outcome.code, 1);
            assert!(outcome.err.contains(words) && outcome.err.contains("bad.json"), "{}", outcome.err);
        }
    }
}
