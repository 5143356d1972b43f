//! Writing a model's folder whole or not at all, hashing what is written.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::Error;
use super::manifest::FileHash;
use crate::hash::hexadecimal;
use crate::onnx::Graph;

/// Fills a fresh folder by `fill`, which gives the text of `model.json`, and moves it to its place; an earlier model
/// there is replaced.
pub(super) fn write(
    folder: &Path,
    fill: impl FnOnce(&Path) -> Result<String, Error>,
) -> Result<String, Error> {
    let occupied = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if occupied && !folder.join("model.json").is_file() || folder.is_file() {
        return Err(Error::NotOurs(folder.into()));
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(Error::io("create the folder", parent))?;
    let fresh = tempfile::Builder::new().prefix(".rcnn-import-").tempdir_in(parent);
    let fresh = fresh.map_err(Error::io("create a folder in", parent))?;
    let text = fill(fresh.path())?;
    let json = fresh.path().join("model.json");
    fs::write(&json, &text).map_err(Error::io("write", &json))?;
    replace(fresh.path(), folder, occupied)?;
    Ok(text)
}

/// Moves a finished folder to its place; what stood there goes only when the new one is ready.
fn replace(fresh: &Path, folder: &Path, occupied: bool) -> Result<(), Error> {
    let moving = |to: &Path| Error::io("move the finished model to", to);
    let old = fresh.with_extension("old");
    if occupied {
        fs::rename(folder, &old).map_err(moving(&old))?;
    }
    // On Unix an empty folder is replaced by the rename; elsewhere it must go first.
    let _ = fs::remove_dir(folder);
    let moved = fs::rename(fresh, folder).map_err(moving(folder));
    if occupied {
        match &moved {
            Ok(()) => drop(fs::remove_dir_all(&old)),
            Err(_) => drop(fs::rename(&old, folder)),
        }
    }
    moved
}

/// Writes a graph, and tells its size and hash.
pub(super) fn write_graph(graph: &Graph, path: &Path) -> Result<FileHash, Error> {
    let file = File::create(path).map_err(Error::io("create", path))?;
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
