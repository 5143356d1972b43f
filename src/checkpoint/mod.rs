//! Reading checkpoints into named tensors, safely and within bounds.
//!
//! A leaf: knows file formats, nothing of what the tensors mean. Pickles are interpreted by a reader of
//! our own that builds plain records; nothing in a file is ever run.

mod archive;
mod error;
mod foreign;
mod home;
mod notes;
mod numpy;
mod pickle;
mod prefix;
mod safetensors;
mod tensor;
mod torch;

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

pub use error::{CheckpointError, EscapedText};
pub(crate) use notes::Notes;
pub use tensor::{Dtype, Tensor};

use coco_eval::text;

use crate::files;

/// The named tensors of one file.
#[derive(Debug)]
pub struct Checkpoint {
    bytes: CheckpointBytes,
    /// Numbers that do not stand in the file as such.
    decoded: Vec<u8>,
    tensors: Vec<Tensor>,
    by_name: HashMap<String, usize>,
    warnings: Vec<String>,
    notes: Notes,
}

/// The bytes of a checkpoint, wherever they are.
#[derive(Debug)]
enum CheckpointBytes {
    Mapped(memmap2::Mmap),
    Static(&'static [u8]),
    Owned(Vec<u8>),
}

impl CheckpointBytes {
    fn get(&self) -> &[u8] {
        match self {
            CheckpointBytes::Mapped(map) => map,
            CheckpointBytes::Static(bytes) => bytes,
            CheckpointBytes::Owned(bytes) => bytes,
        }
    }
}

/// What a reader found: the tensors, and warnings for the report.
pub(crate) struct NamedTensors {
    pub(crate) tensors: Vec<Tensor>,
    /// Bytes whose addresses begin behind the file's end.
    pub(crate) decoded: Vec<u8>,
    pub(crate) warnings: Vec<String>,
    pub(crate) notes: Notes,
}

impl Checkpoint {
    /// Opens a file of any known format; it is told by its content.
    ///
    /// # Errors
    /// When the file cannot be read, or is not a checkpoint; see [`CheckpointError`].
    pub fn open(path: &Path) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::open_at(path, None, None)
    }

    /// The same, of the tensors under a key, a dotted path, and of those whose names begin with a prefix.
    ///
    /// # Errors
    /// As [`Checkpoint::open`], and when there is no such key or prefix.
    pub fn open_at(
        path: &Path,
        key: Option<&str>,
        prefix: Option<&str>,
    ) -> Result<Checkpoint, CheckpointError> {
        if path.is_dir() {
            return Err(CheckpointError::NotACheckpoint("it is a folder".into()));
        }
        let file = files::open(path)?;
        let bytes = if file.metadata()?.len() == 0 {
            CheckpointBytes::Owned(Vec::new())
        } else {
            CheckpointBytes::Mapped(map(&file)?)
        };
        let named = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("safetensors"));
        Checkpoint::read(bytes, named, key, prefix)
    }

    /// Reads a checkpoint that is part of the program.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn from_static(bytes: &'static [u8]) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::read(CheckpointBytes::Static(bytes), false, None, None)
    }

    /// Reads a checkpoint from memory.
    ///
    /// # Errors
    /// As [`Checkpoint::open`].
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Checkpoint, CheckpointError> {
        Checkpoint::read(CheckpointBytes::Owned(bytes), false, None, None)
    }

    fn read(
        bytes: CheckpointBytes,
        named_safetensors: bool,
        key: Option<&str>,
        prefix: Option<&str>,
    ) -> Result<Checkpoint, CheckpointError> {
        let found = read_any(bytes.get(), named_safetensors, key)?;
        let NamedTensors { mut tensors, decoded, mut warnings, notes } = found;
        if tensors.is_empty() {
            return Err(CheckpointError::NoTensors("it is empty".into()));
        }
        warnings.extend(prefix::strip(&mut tensors, prefix)?);
        let by_name = tensors.iter().enumerate().map(|(i, tensor)| (tensor.name().to_owned(), i)).collect();
        Ok(Checkpoint { bytes, decoded, tensors, by_name, warnings, notes })
    }

    /// All tensors, in the file's order.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = &Tensor> {
        self.tensors.iter()
    }

    /// A tensor by its name.
    pub fn tensor(&self, name: &str) -> Option<&Tensor> {
        self.by_name.get(name).and_then(|&i| self.tensors.get(i))
    }

    /// What a person should know of the reading: where the tensors stood, what was passed over.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Texts beside the tensors.
    pub(crate) fn notes(&self) -> &Notes {
        &self.notes
    }

    /// The file's bytes, for hashing.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get()
    }
}

impl Tensor {
    /// Its values, row-major, widened or rounded to float32.
    ///
    /// # Errors
    /// When they are not floats.
    pub fn to_f32(&self, checkpoint: &Checkpoint) -> Result<Vec<f32>, CheckpointError> {
        self.read_f32(checkpoint.bytes.get(), &checkpoint.decoded)
    }
}

/// Maps a file so that its weights are read without a copy.
#[allow(unsafe_code)]
fn map(file: &File) -> std::io::Result<memmap2::Mmap> {
    // SAFETY: the map is only ever read as bytes, and every read is checked against its length; should another
    // process shorten the file meanwhile, the system ends this process as it would on a failing disk.
    unsafe { memmap2::Mmap::map(file) }
}

fn read_any(
    bytes: &[u8],
    named_safetensors: bool,
    key: Option<&str>,
) -> Result<NamedTensors, CheckpointError> {
    let found = match bytes {
        [] => return Err(CheckpointError::NotACheckpoint("it is empty".into())),
        [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..] => return torch::read_zip(bytes, key),
        _ if torch::is_legacy(bytes) => return torch::read_legacy(bytes, key),
        _ if bytes.get(8) == Some(&b'{') && text::stand_in(bytes).is_none() => safetensors::read(bytes),
        _ if let Some(what) = foreign::known(bytes) => {
            return Err(CheckpointError::NotACheckpoint(what.into()));
        }
        _ if named_safetensors => safetensors::read(bytes),
        _ if is_pickle(bytes) => return numpy::read(bytes, key),
        _ => {
            let what = "it begins like no format that a framework saves";
            return Err(CheckpointError::NotACheckpoint(what.into()));
        }
    };
    match key {
        Some(key) if found.is_ok() => {
            Err(CheckpointError::NoKey { key: EscapedText::new(key), known: EscapedText::new("") })
        }
        _ => found,
    }
}

/// Whether a file may be a pickle, by how it begins.
fn is_pickle(bytes: &[u8]) -> bool {
    // Protocols 0 and 1 begin with a mark, a global or an empty container.
    matches!(bytes, [0x80, 0..=5, ..] | [b'(' | b'c' | b'}' | b']' | b')', ..])
}
