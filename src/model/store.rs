//! Writing a model's folder, hashing what is written. What a user keeps in that folder is left alone.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use super::ModelError;
use super::manifest::{FileHash, MASK, TRUNK, head_file};
use crate::checkpoint::EscapedText;
use crate::hash::{hexadecimal, of_reader, sha256};
use crate::network::MOST_HEADS;
use crate::onnx::Graph;
use coco_eval::text;

use crate::files;

/// Sentences on the import, where they are kept for later runs.
const NOTES: &str = "import-notes.json";

/// Bytes of the longest `model.json`: it names classes and layers.
const LONGEST_TEXT: u64 = 64 << 20;

/// Remarks of an import that are told.
const MOST_NOTES: usize = 64;

/// All files that a model of either kind may have; `model.json`, which makes it one, comes last.
fn ours() -> impl Iterator<Item = String> {
    let heads = (0..MOST_HEADS).map(head_file);
    let others = [MASK, "classifier.onnx", NOTES, "model.json"].map(str::to_owned);
    std::iter::once(TRUNK.to_owned()).chain(heads).chain(others)
}

/// Fills a fresh folder by `fill`, which gives the text of `model.json`, and moves it to its place. An earlier model
/// there is replaced, file by file; other files stay.
pub(super) fn write(
    folder: &Path,
    fill: impl FnOnce(&Path) -> Result<String, ModelError>,
) -> Result<String, ModelError> {
    if !is_for_us(folder) {
        return Err(ModelError::NotOurs(folder.into()));
    }
    let there = folder.is_dir();
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let home = if there { folder } else { parent };
    fs::create_dir_all(home).map_err(ModelError::io("create the folder", home))?;
    let fresh = tempfile::Builder::new().prefix(".rcnn-import-").tempdir_in(home);
    let fresh = fresh.map_err(ModelError::io("create a folder in", home))?;
    let text = fill(fresh.path())?;
    let json = fresh.path().join("model.json");
    fs::write(&json, &text).map_err(ModelError::io("write", &json))?;
    if there {
        replace(fresh.path(), folder)?;
    } else {
        fs::rename(fresh.path(), folder).map_err(ModelError::io("move the finished model to", folder))?;
    }
    Ok(text)
}

/// Whether a folder is missing, empty or holds a model of ours: other programs have a `model.json` too.
pub(super) fn is_for_us(folder: &Path) -> bool {
    if folder.is_file() {
        return false;
    }
    if fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none()) {
        return true;
    }
    let text = read_text(&folder.join("model.json")).unwrap_or_default();
    let json: Json = serde_json::from_str(&text).unwrap_or_default();
    json["format"].is_u64() && json["provenance"]["imported_by"].is_string()
}

/// Refuses a folder that holds no model.
pub(super) fn refuse_no_model(folder: &Path) -> Result<(), ModelError> {
    let json = folder.join("model.json");
    if folder.is_dir() && !json.exists() { Err(ModelError::NoModel(folder.to_owned())) } else { Ok(()) }
}

/// Moves a finished model's files over an earlier one's, and removes those that the new one has not.
fn replace(fresh: &Path, folder: &Path) -> Result<(), ModelError> {
    let (new, old): (Vec<String>, Vec<String>) = ours().partition(|name| fresh.join(name).is_file());
    for name in &new {
        let to = folder.join(name);
        fs::rename(fresh.join(name), &to).map_err(ModelError::io("move the finished model to", &to))?;
    }
    for name in old {
        // Most often it is not there.
        let _ = fs::remove_file(folder.join(name));
    }
    Ok(())
}

/// Keeps warnings on an import beside the model, if there are any.
pub(super) fn write_notes(warnings: &[String], folder: &Path) -> Result<(), ModelError> {
    if warnings.is_empty() {
        return Ok(());
    }
    let path = folder.join(NOTES);
    // Texts always have a text.
    let text = serde_json::to_string_pretty(warnings).unwrap_or_default() + "\n";
    fs::write(&path, text).map_err(ModelError::io("write", &path))
}

/// The warnings that are kept beside a model; what cannot be read is no reason to do without the model.
pub(super) fn read_notes(folder: &Path) -> Vec<String> {
    let text = read_text(&folder.join(NOTES)).unwrap_or_default();
    let notes: Vec<String> = serde_json::from_str(&text).unwrap_or_default();
    notes.iter().take(MOST_NOTES).map(|note| text::sentence(note)).collect()
}

/// The text of a `model.json` or of what stands beside it.
pub(super) fn read_text(path: &Path) -> Result<String, ModelError> {
    let text = files::read(path, LONGEST_TEXT).and_then(text::decode);
    text.map_err(ModelError::io("read", path))
}

/// A graph's file, which is used only when it is the one that `model.json` names.
#[derive(Debug)]
pub struct GraphFile {
    path: PathBuf,
    expected: FileHash,
    /// Whether its hash has been compared: once is enough for all sessions of a model.
    compared: Mutex<bool>,
}

impl GraphFile {
    pub(super) fn new(path: PathBuf, expected: &FileHash) -> GraphFile {
        GraphFile { path, expected: expected.clone(), compared: Mutex::new(false) }
    }

    /// Fails where the file is missing or has another size than `model.json` says, as half-copied ones have.
    pub(super) fn open(path: PathBuf, expected: &FileHash) -> Result<GraphFile, ModelError> {
        let found = fs::metadata(&path).map_err(ModelError::io("read", &path))?.len();
        let bytes = expected.bytes;
        if found != bytes {
            // What else a file cannot be read for is told by its size.
            let mut head = Vec::new();
            let read = files::open(&path).and_then(|file| file.take(512).read_to_end(&mut head));
            return Err(match text::stand_in(&head).filter(|_| read.is_ok()) {
                Some(what) => ModelError::io("read", &path)(io::Error::other(what)),
                None => ModelError::Damaged { path, found, expected: bytes },
            });
        }
        Ok(GraphFile::new(path, expected))
    }

    /// Where it is, and its SHA-256.
    ///
    /// # Errors
    /// When it cannot be read, or is another file.
    pub(super) fn checked(&self) -> Result<(&Path, &str), ModelError> {
        let mut compared = self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        if !*compared {
            let file = files::open(&self.path).map_err(ModelError::io("read", &self.path))?;
            self.compare(of_reader::<Sha256>(file).map_err(ModelError::io("read", &self.path))?)?;
            *compared = true;
        }
        Ok((&self.path, &self.expected.sha256))
    }

    /// The last part of its path.
    pub(super) fn file_name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Its bytes.
    pub(super) fn read(&self) -> Result<Vec<u8>, ModelError> {
        let bytes =
            files::read(&self.path, self.expected.bytes).map_err(ModelError::io("read", &self.path))?;
        let mut compared = self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        if !*compared {
            self.compare(sha256(&bytes))?;
            *compared = true;
        }
        Ok(bytes)
    }

    fn compare(&self, found: String) -> Result<(), ModelError> {
        let (path, expected) = (self.path.clone(), &self.expected.sha256);
        if found.eq_ignore_ascii_case(expected) {
            return Ok(());
        }
        Err(ModelError::Changed { path, found, expected: EscapedText::new(expected) })
    }
}

/// Writes a graph, and tells its size and hash.
pub(super) fn write_graph(graph: &Graph, path: &Path) -> Result<FileHash, ModelError> {
    let file = File::create(path).map_err(ModelError::io("create", path))?;
    let mut out = Hashing { out: BufWriter::new(file), hash: Sha256::new(), bytes: 0 };
    graph.write(&mut out)?;
    Ok(FileHash { bytes: out.bytes, sha256: hexadecimal(&out.hash.finalize()) })
}

/// Hashes what passes through to a file.
struct Hashing {
    out: BufWriter<File>,
    hash: Sha256,
    bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
