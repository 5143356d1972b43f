//! `model.json`: what a model is, and what surrounds its graphs.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{InvalidModelFile, ModelError, OfGraphs};
use crate::checkpoint::EscapedText;
use crate::family::{self, Class, Conventions, Parameters};
use crate::network::Architecture;

use super::format1::Manifest1;

/// The version of the format that this program writes. It reads this one and [`super::format1`]'s.
const FORMAT: u32 = 2;

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// Name of the checkpoint file.
    pub checkpoint: String,
    /// Its SHA-256.
    pub sha256: String,
    /// The program that imported it.
    pub imported_by: String,
    /// Who published it, where that is known.
    #[serde(default, skip_serializing_if = "Publication::is_empty")]
    pub origin: Publication,
    /// How it was quantised, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantization: Option<Quantization>,
}

/// How a model became int8: enough to do it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantization {
    /// SHA-256 of the `model.json` that it was made from.
    pub from: String,
    /// The program that did it.
    pub quantized_by: String,
    /// How ranges were chosen.
    pub method: String,
    /// Photos that the ranges come from.
    pub photos: usize,
    /// Seed of their choice.
    pub seed: u64,
    /// Bits of a weight: 8 or 7.
    pub weight_bits: u8,
    /// Layers in int8.
    pub int8_layers: usize,
    /// Layers left in float32, besides those that never are int8.
    pub float_layers: Vec<String>,
}

/// What is known of a published checkpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publication {
    /// Where it was downloaded from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its terms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Its publisher's AP, in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published_ap: Option<f64>,
}

impl Publication {
    fn is_empty(&self) -> bool {
        *self == Publication::default()
    }
}

/// One file of the model.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileHash {
    /// Bytes.
    pub bytes: u64,
    /// SHA-256.
    pub sha256: String,
}

/// The graphs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// `trunk.onnx`.
    pub trunk: FileHash,
    /// `head.onnx` and, of a cascade, `head-1.onnx` …, one for each of the network's box heads.
    pub heads: Vec<FileHash>,
    /// `mask.onnx`, where the network has a mask head.
    pub mask: Option<FileHash>,
}

impl Files {
    /// Bytes of all graphs.
    pub fn bytes(&self) -> u64 {
        self.named().iter().map(|(_, file)| file.bytes).sum()
    }

    /// All graphs, each with the name of its file.
    pub fn named(&self) -> Vec<(String, FileHash)> {
        let heads = self.heads.iter().enumerate().map(|(index, head)| (head_file(index), head));
        let all = [(TRUNK.to_owned(), &self.trunk)].into_iter().chain(heads);
        let mask = self.mask.iter().map(|mask| (MASK.to_owned(), mask));
        all.chain(mask).map(|(name, hash)| (name, hash.clone())).collect()
    }

    /// The same by graph.
    pub(super) fn of_graphs(&self) -> OfGraphs<FileHash> {
        OfGraphs { trunk: self.trunk.clone(), heads: self.heads.clone(), mask: self.mask.clone() }
    }
}

/// File name of the trunk's graph.
pub(crate) const TRUNK: &str = "trunk.onnx";

/// File name of the mask heads' graph.
pub(crate) const MASK: &str = "mask.onnx";

/// File name of a box head's graph, counted from 0.
pub(crate) fn head_file(index: usize) -> String {
    if index == 0 { "head.onnx".into() } else { format!("head-{index}.onnx") }
}

/// Everything about a model but its weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this format.
    pub format: u32,
    /// Name of the model.
    pub name: String,
    /// Family of the checkpoint.
    pub family: String,
    /// Origin.
    pub provenance: Provenance,
    /// Architecture.
    pub network: Architecture,
    /// How many numbers were learned, before norms were folded.
    pub parameters: Parameters,
    /// Foreground classes in the network's order.
    pub classes: Vec<Class>,
    /// What surrounds the network.
    pub conventions: Conventions,
    /// The graphs.
    pub files: Files,
}

impl Manifest {
    /// The version that is written.
    pub(super) const FORMAT: u32 = FORMAT;

    /// The text of `model.json`.
    pub(super) fn to_text(&self) -> String {
        // Plain data with text keys and finite numbers: it always has a text.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Reads the text of a `model.json`; `path` is for errors. What it asks for is within limits then.
    ///
    /// # Errors
    /// When it is no `model.json` of a detector, or one of its values is impossible or beyond its limit.
    pub fn from_text(text: &str, path: &Path) -> Result<Manifest, ModelError> {
        let wrong = |cause| ModelError::Manifest { path: path.into(), cause };
        let unread = |error: serde_json::Error| wrong(error.into());
        let value = |what| wrong(InvalidModelFile::Value(what));
        let Version { format } = serde_json::from_str(text).map_err(unread)?;
        let manifest = match format {
            1 => serde_json::from_str::<Manifest1>(text).map_err(unread)?.into(),
            FORMAT => serde_json::from_str(text).map_err(unread)?,
            other => return Err(value(format!("its format is {other}, and 1 to {FORMAT} are known"))),
        };
        Manifest::check(&manifest).map_err(value)?;
        Ok(manifest)
    }

    /// What the detector relies on: numbers that go together and are within bounds, and texts that can be shown.
    fn check(&self) -> Result<(), String> {
        self.network.check().map_err(|limit| limit.to_string())?;
        let (heads, files) = (self.network.heads.len(), self.files.heads.len());
        if heads != files {
            return Err(format!("files.heads names {files} graphs, and the network has {heads} box heads"));
        }
        if self.network.mask.is_some() != self.files.mask.is_some() {
            return Err("a mask head is named in one of network.mask and files.mask only".into());
        }
        family::check_conventions(&self.network, &self.conventions, &self.classes)?;
        check_texts([&self.name, &self.family])?;
        self.provenance.check()
    }
}

/// What tells the versions apart.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

impl Provenance {
    /// Whether its texts are such as an import writes.
    pub(super) fn check(&self) -> Result<(), String> {
        check_texts([&self.checkpoint, &self.sha256, &self.imported_by])?;
        check_texts(self.origin.url.iter().chain(&self.origin.licence))?;
        let Some(how) = &self.quantization else { return Ok(()) };
        check_texts([&how.from, &how.quantized_by, &how.method].into_iter().chain(&how.float_layers))
    }
}

/// Characters of a text; the longest are names of files and addresses.
const LONGEST_TEXT: usize = 4096;

/// Whether texts have a length that can be shown.
pub(super) fn check_texts<'a>(texts: impl IntoIterator<Item = &'a String>) -> Result<(), String> {
    let long = texts.into_iter().find(|text| text.chars().nth(LONGEST_TEXT).is_some());
    long.map_or(Ok(()), |text| {
        Err(format!("a text is longer than {LONGEST_TEXT} characters: `{}`", EscapedText::new(text)))
    })
}
