//! What a file or a folder is, of all that people have beside each other: photos, annotations, results, models. It looks at
//! the beginning of a file and at names in a folder, and must not know which verb asks.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use walkdir::WalkDir;

use coco_eval::text::stand_in;

use crate::model::{CHECKPOINT_ENDINGS, is_model_folder};
use crate::{files, photo};

/// Something that verbs take or leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contents {
    Photo,
    Video,
    FolderOfPhotos,
    Annotations,
    /// Categories and images, as a run leaves them beside its results.
    Images,
    Results,
    Journal,
    Record,
    RunFolder,
    Evaluation,
    ImportOptions,
    Manifest,
    ModelFolder,
    FolderOfModels,
    Checkpoint,
    Text,
    EmptyFolder,
    OtherFolder,
}

/// Bytes at a file's beginning that are looked at.
const HEAD: u64 = 1 << 20;

/// Entries of a folder that are looked at.
const ENTRIES: usize = 1000;

impl Contents {
    /// What is at a path, if it is known.
    pub(super) fn of(path: &Path) -> Option<Contents> {
        if path.is_dir() { of_folder(path) } else { of_file(path) }
    }

    /// What is said of it, after its name.
    pub(super) fn description(self) -> &'static str {
        match self {
            Contents::Photo => "is a photo",
            Contents::Video => "is a video (`ffmpeg -i film.mp4 film-%05d.jpg` takes pictures out of one)",
            Contents::FolderOfPhotos => "is a folder of photos",
            Contents::Annotations => "holds COCO annotations",
            Contents::Images => "holds the images and categories of a run",
            Contents::Results => "holds COCO results",
            Contents::Journal => "is the journal of a run",
            Contents::Record => "is the record of a run",
            Contents::RunFolder => "is the folder of a run",
            Contents::Evaluation => "is what `rcnn evaluate --json` printed",
            Contents::ImportOptions => "holds options of an import",
            Contents::Manifest => "is one file of a model",
            Contents::ModelFolder => "is the folder of a model",
            Contents::FolderOfModels => "is a folder of models",
            Contents::Checkpoint => "is a checkpoint",
            Contents::Text => "is a text, no JSON",
            Contents::EmptyFolder => "is an empty folder",
            Contents::OtherFolder => "is a folder",
        }
    }
}

fn of_folder(folder: &Path) -> Option<Contents> {
    let has = |names: &[&str]| names.iter().any(|name| folder.join(name).is_file());
    if has(&["run.json", "detections.jsonl", "detections.json"]) {
        return Some(Contents::RunFolder);
    }
    if is_model(folder) {
        return Some(Contents::ModelFolder);
    }
    let inside = Vec::from_iter(WalkDir::new(folder).min_depth(1).into_iter().flatten().take(ENTRIES));
    if inside.is_empty() {
        return fs::read_dir(folder).ok().map(|_| Contents::EmptyFolder);
    }
    if inside.iter().any(|entry| entry.depth() == 1 && !entry.file_type().is_file() && is_model(entry.path()))
    {
        return Some(Contents::FolderOfModels);
    }
    let is_picture = |path: &Path| image::ImageFormat::from_path(path).is_ok();
    let pictures = inside.iter().any(|entry| entry.file_type().is_file() && is_picture(entry.path()));
    Some(if pictures { Contents::FolderOfPhotos } else { Contents::OtherFolder })
}

/// Even where its `model.json` is no file, of which its reader says more.
fn is_model(folder: &Path) -> bool {
    is_model_folder(folder) || folder.join("model.json").exists()
}

fn of_file(path: &Path) -> Option<Contents> {
    let mut head = Vec::new();
    files::open(path).ok()?.take(HEAD).read_to_end(&mut head).ok()?;
    if image::guess_format(&head).is_ok() {
        return Some(Contents::Photo);
    }
    if photo::is_called_video(path) {
        return Some(Contents::Video);
    }
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head).trim_ascii_start();
    match text.first()? {
        b'{' => of_object(&keys(text, 1)),
        b'[' => of_list(&keys(text, 2)),
        _ if CHECKPOINT_ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)) => {
            Some(Contents::Checkpoint)
        }
        // XML, a number, a word: JSON or what stands in a file's place, of which its reader says more.
        b'<' | b'"' | b'-' | b'0'..=b'9' => None,
        _ if stand_in(text).is_some() => None,
        _ => is_text(text).then_some(Contents::Text),
    }
}

fn of_object(keys: &BTreeSet<&[u8]>) -> Option<Contents> {
    let has = |key: &str| keys.contains(key.as_bytes());
    Some(match () {
        () if has("image_id") && has("file") => Contents::Journal,
        () if has("annotations") => Contents::Annotations,
        () if has("images") && has("categories") => Contents::Images,
        () if has("stats") => Contents::Evaluation,
        () if has("program") && has("settings") => Contents::Record,
        () if has("format") && has("network") => Contents::Manifest,
        () if has("family") => Contents::ImportOptions,
        () => return None,
    })
}

fn of_list(keys: &BTreeSet<&[u8]>) -> Option<Contents> {
    let has = |key: &str| keys.contains(key.as_bytes());
    (has("image_id") && has("score")).then_some(Contents::Results)
}

/// The keys of JSON at a depth of brackets, as far as the text goes.
fn keys(json: &[u8], depth: usize) -> BTreeSet<&[u8]> {
    let (mut keys, mut open, mut at) = (BTreeSet::new(), 0_usize, 0);
    while let Some(byte) = json.get(at) {
        at += 1;
        match byte {
            b'{' | b'[' => open += 1,
            b'}' | b']' => open = open.saturating_sub(1),
            b'"' => {
                let start = at;
                while let Some(byte) = json.get(at).filter(|byte| **byte != b'"') {
                    at += if *byte == b'\\' { 2 } else { 1 };
                }
                let rest = json.get(at + 1..).unwrap_or_default().trim_ascii_start();
                if let Some(word) = json.get(start..at).filter(|_| open == depth && rest.starts_with(b":")) {
                    keys.insert(word);
                }
                at += 1;
            }
            _ => {}
        }
    }
    keys
}

/// Whether bytes, of which the last character may be cut, are a text in UTF-8.
fn is_text(bytes: &[u8]) -> bool {
    let cut = |error: std::str::Utf8Error| error.error_len().is_none();
    !bytes.contains(&0) && std::str::from_utf8(bytes).map_or_else(cut, |_| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, bytes: &[u8]) -> Option<Contents> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        Contents::of(&path)
    }

    #[test]
    fn files_are_known_by_how_they_begin() {
        for (name, text, what) in [
            // The keys of a COCO data set, in another order, and cut within its annotations.
            ("a.json", r#"{"info": {}, "annotations": [{"id": 1, "image_id": 1}, {"#, Contents::Annotations),
            ("a.json", "\u{feff}\n{\"annotations\":[]}", Contents::Annotations),
            ("a.json", r#"{"images": [{"id": 1}], "categories": []}"#, Contents::Images),
            ("a.json", r#"[{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}]"#, Contents::Results),
            ("a.jsonl", "{\"image_id\":1,\"file\":\"a\\\"}.jpg\",\"detections\":[]}\n{}", Contents::Journal),
            ("a.json", r#"{"stats": [0.5], "warnings": []}"#, Contents::Evaluation),
            ("import.json", r#"{"family": "torchvision"}"#, Contents::ImportOptions),
            ("a.jpg", "\u{feff}hello", Contents::Text),
        ] {
            assert_eq!(of(name, text.as_bytes()), Some(what), "{text}");
        }
        assert_eq!(of("a.txt", b"\xff\xd8\xff\xe0\0\x10JFIF"), Some(Contents::Photo));
        assert_eq!(of("a.MP4", b"\0\0\0\x20ftypisom"), Some(Contents::Video));
        assert_eq!(of("a.pth", b"PK\x03\x04"), Some(Contents::Checkpoint));
        // What may be anything.
        for text in [
            &b"{}"[..],
            b"[]",
            b"{\"a\": {\"stats\": 1}}",
            b"<html>",
            b"7",
            b"version https://git-lfs.github.com/spec/v1\n",
            b"\0\x01\x02",
            b"",
        ] {
            assert_eq!(of("a.json", text), None);
        }
    }

    #[test]
    fn folders_are_known_by_what_is_in_them() {
        let place = tempfile::tempdir().unwrap();
        let of = |name: &str| Contents::of(&place.path().join(name));
        for folder in ["empty", "photos/below", "models/mine", "run", "other"] {
            fs::create_dir_all(place.path().join(folder)).unwrap();
        }
        for file in ["photos/below/a.JPG", "models/mine/model.json", "run/run.json", "other/a.bin"] {
            fs::write(place.path().join(file), "").unwrap();
        }
        assert_eq!(of("empty"), Some(Contents::EmptyFolder));
        assert_eq!(of("photos"), Some(Contents::FolderOfPhotos));
        assert_eq!(of("models"), Some(Contents::FolderOfModels));
        assert_eq!(of("models/mine"), Some(Contents::ModelFolder));
        assert_eq!(of("run"), Some(Contents::RunFolder));
        assert_eq!(of("other"), Some(Contents::OtherFolder));
        assert_eq!(of("missing"), None);
    }
}
