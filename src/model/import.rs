//! From a checkpoint to a model: the graphs and what surrounds them.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::manifest::{FileHash, Files, Manifest, Provenance};
use super::{Error, Graphs, Model, hexadecimal, sha256};
use crate::checkpoint::Checkpoint;
use crate::family::{self, Loaded, Options};
use crate::network;
use crate::onnx::Graph;

/// A checkpoint made into a model, not written yet.
#[derive(Debug)]
pub struct Imported {
    manifest: Manifest,
    trunk: Graph,
    head: Graph,
    remarks: Vec<String>,
    assumed: Vec<(String, String)>,
}

/// Reads the options of an import from a JSON file.
///
/// # Errors
/// When the file cannot be read, or holds an unknown key or a value of the wrong kind.
pub fn read_options(path: &Path) -> Result<Options, Error> {
    let text = fs::read_to_string(path).map_err(Error::io("read", path))?;
    serde_json::from_str(&text)
        .map_err(|error| Error::Options { path: path.into(), cause: error.to_string() })
}

/// Reads the options of an import from any config that a family's models come with: detectron2's YAML (`.yaml`),
/// mmdetection's Python (`.py`), or a JSON of options.
///
/// # Errors
/// As [`read_options`], and when the config asks for what is not supported.
pub fn read_config(path: &Path) -> Result<Options, Error> {
    family::read_config(path).map_err(|error| Error::Options { path: path.into(), cause: error.to_string() })
}

impl Imported {
    /// Reads a checkpoint file of any known family.
    ///
    /// # Errors
    /// When the file cannot be read, or does not make a network.
    pub fn from_file(path: &Path, options: &Options) -> Result<Imported, Error> {
        let checkpoint =
            Checkpoint::open(path).map_err(|cause| Error::Checkpoint { path: path.into(), cause })?;
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy();
        Imported::new(&checkpoint, options, &stem, &name)
            .map_err(|cause| Error::Family { path: path.into(), cause })
    }

    /// Makes a model called `name` of the checkpoint file `file`.
    pub(super) fn new(
        checkpoint: &Checkpoint,
        options: &Options,
        name: &str,
        file: &str,
    ) -> Result<Imported, family::Error> {
        let loaded = family::load(checkpoint, options)?;
        let remarks = remarks(checkpoint, &loaded);
        let Loaded { family, architecture, mut weights, conventions, classes, assumed, .. } = loaded;
        let coarsest = architecture.roi_strides().last().copied().unwrap_or(1);
        let pad_to = conventions.input.pad_to as usize;
        let doubling = pad_to > 0 && pad_to.is_multiple_of(coarsest);
        let trunk = network::trunk(&architecture, &mut weights, doubling);
        let roi = &conventions.roi;
        let head = network::head(&architecture, &mut weights, roi.sampling_ratio, roi.aligned);
        let unknown = || FileHash { bytes: 0, sha256: String::new() };
        let manifest = Manifest {
            format: Manifest::format(),
            name: name.into(),
            family: family.into(),
            provenance: Provenance {
                checkpoint: file.into(),
                sha256: sha256(checkpoint.bytes()),
                imported_by: concat!("rcnn ", env!("CARGO_PKG_VERSION")).into(),
            },
            network: architecture,
            classes,
            conventions,
            files: Files { trunk: unknown(), head: unknown() },
        };
        Ok(Imported { manifest, trunk, head, remarks, assumed })
    }

    /// What the model is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What a person should know of the import, a sentence each.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// What no tensor shows and the options do not say: option and the value taken, as JSON.
    pub fn assumed(&self) -> &[(String, String)] {
        &self.assumed
    }

    /// The same under another name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Imported {
        self.manifest.name = name.into();
        self
    }

    /// The model, kept in memory.
    ///
    /// # Errors
    /// When a graph is beyond what ONNX can hold.
    pub fn into_memory(mut self) -> Result<Model, Error> {
        let trunk = self.trunk.to_bytes()?;
        drop(self.trunk);
        let head = self.head.to_bytes()?;
        let hash = |bytes: &[u8]| FileHash { bytes: bytes.len() as u64, sha256: sha256(bytes) };
        self.manifest.files = Files { trunk: hash(&trunk), head: hash(&head) };
        let hash = sha256(self.manifest.to_text().as_bytes());
        Ok(Model { manifest: self.manifest, graphs: Graphs::Memory { trunk, head }, hash })
    }

    /// Writes the model into a folder, whole or not at all; an earlier model there is replaced.
    ///
    /// # Errors
    /// When the folder holds something else, or cannot be written.
    pub fn write(mut self, folder: &Path) -> Result<Model, Error> {
        let occupied = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
        if occupied && !folder.join("model.json").is_file() || folder.is_file() {
            return Err(Error::NotOurs(folder.into()));
        }
        let parent =
            folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(Error::io("create the folder", parent))?;
        let fresh = tempfile::Builder::new().prefix(".rcnn-import-").tempdir_in(parent);
        let fresh = fresh.map_err(Error::io("create a folder in", parent))?;
        let trunk = write_graph(&self.trunk, &fresh.path().join("trunk.onnx"))?;
        let head = write_graph(&self.head, &fresh.path().join("head.onnx"))?;
        self.manifest.files = Files { trunk, head };
        let text = self.manifest.to_text();
        let json = fresh.path().join("model.json");
        fs::write(&json, &text).map_err(Error::io("write", &json))?;
        replace(fresh.path(), folder, occupied)?;
        let hash = sha256(text.as_bytes());
        Ok(Model { manifest: self.manifest, graphs: Graphs::Folder(folder.into()), hash })
    }
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

fn remarks(checkpoint: &Checkpoint, loaded: &Loaded) -> Vec<String> {
    let mut remarks = checkpoint.remarks().to_vec();
    remarks.extend(loaded.remarks.iter().cloned());
    if !loaded.surplus.is_empty() {
        let shown: Vec<_> =
            loaded.surplus.iter().take(8).map(|name| format!("`{}`", name.escape_debug())).collect();
        let more = match loaded.surplus.len().saturating_sub(8) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        remarks.push(format!("tensors that nothing uses: {}{more}", shown.join(", ")));
    }
    remarks
}

fn write_graph(graph: &Graph, path: &Path) -> Result<FileHash, Error> {
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
