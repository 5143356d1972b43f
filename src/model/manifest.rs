//! `model.json`: what a model is, and what surrounds its graphs.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Error;
use crate::family::{Class, Conventions, Parameters};
use crate::network::{Architecture, Backbone, Stage};

/// The version of the format that this program writes and reads.
const FORMAT: u32 = 1;

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
    #[serde(default, skip_serializing_if = "Origin::is_empty")]
    pub origin: Origin,
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
pub struct Origin {
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

impl Origin {
    fn is_empty(&self) -> bool {
        *self == Origin::default()
    }
}

/// One file of the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileHash {
    /// Bytes.
    pub bytes: u64,
    /// SHA-256.
    pub sha256: String,
}

/// The two graphs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// `trunk.onnx`.
    pub trunk: FileHash,
    /// `head.onnx`.
    pub head: FileHash,
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
    pub(super) const fn format() -> u32 {
        FORMAT
    }

    /// The text of `model.json`.
    pub(super) fn to_text(&self) -> String {
        // Plain data with text keys and finite numbers: it always has a text.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Reads the text of a `model.json`; `path` is for errors.
    pub(super) fn from_text(text: &str, path: &Path) -> Result<Manifest, Error> {
        let wrong = |cause: String| Error::Manifest { path: path.into(), cause };
        let manifest: Manifest = serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if manifest.format != FORMAT {
            return Err(wrong(format!("its format is {}, and {FORMAT} is known", manifest.format)));
        }
        manifest.check().map_err(wrong)?;
        Ok(manifest)
    }

    /// What the detector relies on: numbers that go together.
    fn check(&self) -> Result<(), String> {
        let (network, conventions) = (&self.network, &self.conventions);
        let levels = network.rpn_strides().len();
        if self.classes.len() != network.head.classes {
            return Err(format!("it names {} classes for {}", self.classes.len(), network.head.classes));
        }
        check_backbone(&network.backbone)?;
        let (rpn, head) = (&network.rpn, &network.head);
        let lists = [&rpn.convs, &head.convs, &head.linears];
        if lists.iter().any(|list| list.contains(&0))
            || head.resolution == 0
            || network.fpn.as_ref().is_some_and(|fpn| fpn.channels == 0)
        {
            return Err("its network has a size of 0".into());
        }
        let stages = network.backbone.stages.len();
        let known = |stage: &usize| *stage < stages;
        if network.fpn.as_ref().is_some_and(|fpn| fpn.stages.is_empty() || !fpn.stages.iter().all(known)) {
            return Err("its network has stages that are not there".into());
        }
        let anchors = &conventions.anchors;
        let cell = |level: usize| anchors.sizes[level].len() * anchors.ratios[level].len();
        if anchors.sizes.len() != levels || anchors.ratios.len() != levels {
            return Err(format!("its anchors are not for {levels} levels"));
        }
        if (0..levels).any(|level| cell(level) != network.rpn.anchors || network.rpn.anchors == 0) {
            return Err(format!("its anchors are not {} a position", network.rpn.anchors));
        }
        if network.head.box_rows == 0 {
            return Err("its head has no box rows".into());
        }
        Ok(())
    }
}

/// What shapes and costs are computed from, for detectors and classifiers.
pub(super) fn check_backbone(backbone: &Backbone) -> Result<(), String> {
    let stem = [backbone.stem.channels, backbone.stem.kernel, backbone.stem.stride];
    let sizes = |stage: &Stage| {
        let strides = [stage.stride, stage.dilation, stage.first_dilation];
        [stage.blocks, stage.width, stage.channels, stage.groups].into_iter().chain(strides)
    };
    if stem.into_iter().chain(backbone.stages.iter().flat_map(sizes)).any(|size| size == 0) {
        return Err("its backbone has a size of 0".into());
    }
    if backbone.stages.iter().any(|stage| !stage.width.is_multiple_of(stage.groups)) {
        return Err("its backbone has groups that do not divide their width".into());
    }
    if backbone.stages.is_empty() { Err("its backbone has no stages".into()) } else { Ok(()) }
}
