//! Static int8: ranges of activations from photos, and graphs whose layers compute in whole numbers.
//!
//! Weights are int8, symmetric, with a scale for each output; activations are uint8 with a scale and a zero point for
//! each tensor; biases are int32. Class scores and box deltas stay float32, and so do layers that int8 harms: those
//! whose output, computed in int8 from float32 values, has a signal-to-noise ratio below [`QuantizeOptions::min_snr`]. The stem
//! does too, as int8 is slower there. Biases make up for what rounded weights add on average.
//! Knows graphs, and photos only as what goes through a detector.

mod calibrate;
mod histogram;
mod range;
mod rewrite;
mod scale;
mod wiring;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::AtomicBool;

use serde::Serialize;

pub use range::{Method, UnknownMethod};

use crate::model::{GraphSource, Manifest, Model, OfGraphs, Quantization};
use crate::onnx::{self, Graph};
use crate::photo::{DecodeOptions, PhotoEntry};
use crate::runtime::Runtime;
use calibrate::{Calibrator, WiredGraph, shuffled};
use rewrite::{Scales, int8_graph};
use scale::Affine;
use wiring::{WiredLayer, Wiring};

/// Photos that layers' noise is measured on, at most.
const NOISE_PHOTOS: usize = 8;

/// Why a model cannot be quantised.
#[derive(Debug, thiserror::Error)]
pub enum QuantizeError {
    /// It is int8 already.
    #[error("`{0}` is quantised already: give the float32 model that it was made from")]
    Already(String),
    /// It has several heads.
    #[error("the model has {0} box heads, and a model with one can be quantised")]
    Heads(usize),
    /// A graph is not one of ours.
    #[error("cannot quantise `{file}`: {cause}")]
    Graph {
        /// Which.
        file: &'static str,
        /// Why.
        #[source]
        cause: onnx::GraphReadError,
    },
    /// No photo can be used.
    #[error("none of the {count} photos can be used: {first}")]
    NoPhotos {
        /// How many there are.
        count: usize,
        /// What is wrong with the first.
        first: String,
    },
    /// A photo that was read before cannot be read again.
    #[error("a photo changed while it was used: {0}")]
    Changed(String),
    /// A value is infinite or no number.
    #[error(
        "the tensor `{0}` has values that are infinite or no numbers: the model cannot be quantised on these photos"
    )]
    NotFinite(String),
    /// The model cannot be read or written.
    #[error(transparent)]
    Model(#[from] crate::model::ModelError),
    /// The model cannot be run.
    #[error(transparent)]
    Detector(#[from] crate::detector::DetectorError),
    /// A session fails.
    #[error(transparent)]
    Runtime(#[from] crate::runtime::RuntimeError),
    /// The user stopped it.
    #[error("interrupted: nothing was written")]
    Interrupted,
}

/// How to quantise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantizeOptions {
    /// Photos that ranges come from, at most.
    pub photos: usize,
    /// Seed of their choice.
    pub seed: u64,
    /// How ranges are chosen.
    pub method: Method,
    /// Share of the values, in percent, that [`Method::Percentile`] covers.
    pub percentile: f64,
    /// Layers with a lower signal-to-noise ratio, in decibels, stay float32. With the default of 32 the bundled model and
    /// the six rungs of the ladder lose at most 0.005 AP on 399 photos, averaged over draws of calibration photos.
    pub min_snr: f64,
    /// Weights of 7 bits: on processors without VNNI, products of 8 bits may not fit the 16 bits that two are added in.
    pub reduce_range: bool,
    /// Threads inside an operator.
    pub threads: usize,
    /// How photos are decoded; grey values of 16 bits as the model's framework reads them.
    pub decode: DecodeOptions,
}

impl Default for QuantizeOptions {
    fn default() -> QuantizeOptions {
        QuantizeOptions {
            photos: 100,
            seed: 0,
            method: Method::default(),
            percentile: 99.99,
            min_snr: 32.0,
            reduce_range: saturates(),
            threads: 0,
            decode: DecodeOptions::default(),
        }
    }
}

/// Whether this processor adds two products of 8 bits in 16 bits: an x86-64 without VNNI.
pub fn saturates() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        let (wide, narrow) = (is_x86_feature_detected!("avx512vnni"), is_x86_feature_detected!("avxvnni"));
        !wide && !narrow
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// One of a model's two graphs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GraphPart {
    /// The trunk.
    Trunk = 0,
    /// The head.
    Head = 1,
}

/// What became of a layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LayerReport {
    /// Its node's name.
    pub name: String,
    /// Its graph.
    pub graph: GraphPart,
    /// Its operator.
    pub op: String,
    /// Signal-to-noise ratio of its output when it alone is int8, in decibels; nothing where no photo reached it, or
    /// there is no noise at all.
    pub snr_db: Option<f64>,
    /// Whether it is int8.
    pub int8: bool,
    /// Why it stays float32 whatever its noise, where it does.
    pub kept: Option<&'static str>,
}

/// A quantised model, not written yet.
#[derive(Debug)]
pub struct Quantized {
    manifest: Manifest,
    graphs: [Graph; 2],
    /// The mask heads', in float32 as before.
    mask: Option<Graph>,
    layers: Vec<LayerReport>,
    skipped: Vec<String>,
}

/// What is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuantizeStep {
    /// Photos that the ranges come from.
    Ranges,
    /// Photos, times groups of layers, that the noise comes from.
    Noise,
}

/// Quantises a model on photos. `watch` is told how many of how many photos of a step are done.
///
/// The same photos, seed and options give the same bytes, whatever the number of threads.
///
/// # Errors
/// When the model is no float32 model of ours, no photo can be used, a session fails, or `stop` is set.
pub fn quantize(
    model: &Model,
    runtime: &Runtime,
    photos: &[PhotoEntry],
    options: &QuantizeOptions,
    stop: &AtomicBool,
    watch: &mut dyn FnMut(QuantizeStep, usize, usize),
) -> Result<Quantized, QuantizeError> {
    if model.manifest().provenance.quantization.is_some() {
        return Err(QuantizeError::Already(model.name().escape_debug().to_string()));
    }
    let heads = model.heads();
    let [head] = heads.as_slice() else { return Err(QuantizeError::Heads(heads.len())) };
    let parts = [part("trunk.onnx", &model.trunk())?, part("head.onnx", head)?];
    let machine = Calibrator { model, runtime, threads: options.threads, decode: options.decode, stop };
    let count = options.photos.min(photos.len());
    let order = shuffled(photos, options.seed);
    let mut done = |done| watch(QuantizeStep::Ranges, done, count);
    let found = machine.distributions(&parts, &order, count, &mut done)?;
    if found.used.is_empty() {
        let first = found.skipped.first().cloned().unwrap_or_default();
        return Err(QuantizeError::NoPhotos { count: photos.len(), first });
    }
    let few = &found.used[..found.used.len().min(NOISE_PHOTOS)];
    let largest = if options.reduce_range { 63 } else { 127 };
    let (mut layers, mut graphs) = (Vec::new(), Vec::new());
    let total =
        parts.iter().map(|part| calibrate::groups(part.wiring.layers.len())).sum::<usize>() * few.len();
    let mut noise_done = 0;
    for (side, histograms) in [GraphPart::Trunk, GraphPart::Head].into_iter().zip(&found.tensors) {
        let known = histograms.iter().filter(|(_, histogram)| !histogram.is_empty());
        let tensors: BTreeMap<String, Affine> = known
            .map(|(name, histogram)| {
                let (low, high) = range::range(histogram, options.method, options.percentile);
                (name.clone(), Affine::of_range(low, high))
            })
            .collect();
        let mut scales = Scales { tensors, largest, shifts: BTreeMap::new() };
        let WiredGraph { graph, wiring } = &parts[side as usize];
        // Where no photo had a proposal, nothing is known of the head's tensors.
        let reached = |layer: &&WiredLayer| {
            [&layer.input, &layer.output].iter().all(|edge| scales.tensors.contains_key(wiring.root(edge)))
        };
        let free = wiring.layers.iter().filter(|layer| layer.kept.is_none());
        let reached: Vec<&WiredLayer> = free.filter(reached).collect();
        let mut step = || {
            noise_done += 1;
            watch(QuantizeStep::Noise, noise_done, total);
        };
        let noise = machine.noise(&parts, side, &scales, &reached, few, &mut step)?;
        let quiet =
            |layer: &WiredLayer| noise.get(&layer.name).is_some_and(|noise| noise.ratio >= options.min_snr);
        let int8: BTreeSet<String> =
            wiring.layers.iter().filter(|layer| quiet(layer)).map(|layer| layer.name.clone()).collect();
        layers.extend(wiring.layers.iter().map(|layer| LayerReport {
            name: layer.name.clone(),
            graph: side,
            op: layer.op.clone(),
            snr_db: noise.get(&layer.name).map(|noise| noise.ratio).filter(|snr| snr.is_finite()),
            int8: int8.contains(&layer.name),
            kept: layer.kept,
        }));
        scales.shifts = noise.into_iter().map(|(name, noise)| (name, noise.shift)).collect();
        graphs.push(int8_graph(graph, wiring, &scales, &int8));
    }
    let mut manifest = model.manifest().clone();
    manifest.provenance.quantization = Some(Quantization {
        from: model.hash().into(),
        quantized_by: concat!("rcnn ", env!("CARGO_PKG_VERSION")).into(),
        method: options.method.to_string(),
        photos: found.used.len(),
        seed: options.seed,
        weight_bits: if options.reduce_range { 7 } else { 8 },
        int8_layers: layers.iter().filter(|layer| layer.int8).count(),
        float_layers: layers
            .iter()
            .filter(|layer| !layer.int8 && layer.kept.is_none())
            .map(|layer| layer.name.clone())
            .collect(),
    });
    let head = graphs.pop().unwrap_or_default();
    let graphs = [graphs.pop().unwrap_or_default(), head];
    let mask = model.mask().map(|mask| graph_of("mask.onnx", &mask)).transpose()?;
    Ok(Quantized { manifest, graphs, mask, layers, skipped: found.skipped })
}

fn part(file: &'static str, source: &GraphSource<'_>) -> Result<WiredGraph, QuantizeError> {
    let graph = wiring::relu_behind_pool(&graph_of(file, source)?);
    let wiring = Wiring::of(&graph);
    Ok(WiredGraph { graph, wiring })
}

fn graph_of(file: &'static str, source: &GraphSource<'_>) -> Result<Graph, QuantizeError> {
    Graph::from_bytes(&source.bytes()?).map_err(|cause| QuantizeError::Graph { file, cause })
}

impl Quantized {
    /// What the model is.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What became of each layer, in the order of the computation.
    pub fn layers(&self) -> &[LayerReport] {
        &self.layers
    }

    /// Photos that could not be used, a sentence each.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// The same under another name.
    #[must_use]
    pub fn named(mut self, name: &str) -> Quantized {
        self.manifest.name = name.into();
        self
    }

    /// Writes the model into a folder, whole or not at all; an earlier model there is replaced.
    ///
    /// # Errors
    /// When the folder holds something else, or cannot be written.
    pub fn write(self, folder: &Path) -> Result<Model, QuantizeError> {
        let [trunk, head] = self.graphs;
        let graphs = OfGraphs { trunk, heads: vec![head], mask: self.mask };
        Ok(Model::write(self.manifest, &graphs, folder)?)
    }
}
