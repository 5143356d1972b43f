//! Running photos through a model as `detect` does, with an eye on tensors inside its graphs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::histogram::{Histogram, NotFinite};
use super::rewrite::{Scales, ShadowOutputs, shadow_graph};
use super::wiring::{WiredLayer, Wiring};
use super::{GraphPart, QuantizeError};
use crate::detector::{Detector, Trace};
use crate::hash::sha256;
use crate::model::{Model, OfGraphs};
use crate::onnx::Graph;
use crate::photo::{self, DecodeOptions, Photo, PhotoEntry};
use crate::runtime::{Device, Runtime, SessionOptions};

/// Shadows that run beside a graph at once: their outputs are in memory together.
const SHADOWS: usize = 16;

/// Runs that the noise of this many layers takes, a photo.
pub(super) fn groups(layers: usize) -> usize {
    layers.div_ceil(SHADOWS)
}

/// A model's graph with what was found out about it.
pub(super) struct WiredGraph {
    pub(super) graph: Graph,
    pub(super) wiring: Wiring,
}

/// What all runs share.
pub(super) struct Calibrator<'a> {
    pub(super) model: &'a Model,
    pub(super) runtime: &'a Runtime,
    pub(super) threads: usize,
    pub(super) decode: DecodeOptions,
    pub(super) stop: &'a AtomicBool,
}

/// What calibration found: the distribution of each root, by the graph's side, and the photos that were used.
#[derive(Default)]
pub(super) struct CalibrationRun {
    pub(super) tensors: [BTreeMap<String, Histogram>; 2],
    pub(super) used: Vec<PhotoEntry>,
    pub(super) skipped: Vec<String>,
}

/// Photos in an order that depends on the seed and their names alone.
pub(super) fn shuffled(entries: &[PhotoEntry], seed: u64) -> Vec<PhotoEntry> {
    let key = |entry: &PhotoEntry| sha256(format!("{seed}/{}", entry.name).as_bytes());
    let mut entries = entries.to_vec();
    entries.sort_by_cached_key(key);
    entries
}

impl Calibrator<'_> {
    /// A detector of the model with other graphs, on the processor: numbers must not depend on the device.
    fn detector(&self, trunk: Graph, head: Graph) -> Result<Detector, QuantizeError> {
        let graphs = OfGraphs { trunk, heads: vec![head], mask: None };
        let model = Model::in_memory(self.model.manifest().clone(), graphs)?;
        let options = SessionOptions { device: Device::Cpu, threads: self.threads, ..Default::default() };
        Ok(Detector::new(&model, self.runtime, &options)?)
    }

    /// The distributions of all roots over the first `count` photos that can be used.
    pub(super) fn distributions(
        &self,
        parts: &[WiredGraph; 2],
        entries: &[PhotoEntry],
        count: usize,
        watch: &mut dyn FnMut(usize),
    ) -> Result<CalibrationRun, QuantizeError> {
        let mut found = CalibrationRun::default();
        let mut names = [Vec::new(), Vec::new()];
        let mut graphs = [parts[0].graph.clone(), parts[1].graph.clone()];
        for (side, part) in parts.iter().enumerate() {
            for root in part.wiring.roots() {
                let graph = &mut graphs[side];
                if !graph.input_names().any(|input| input == root) {
                    names[side].push(root.clone());
                    if !graph.is_output(&root) {
                        graph.expose(&root);
                    }
                }
                found.tensors[side].insert(root, Histogram::default());
            }
        }
        let [trunk, head] = graphs;
        let detector = self.detector(trunk, head)?;
        for entry in entries {
            if found.used.len() == count {
                break;
            }
            self.go_on()?;
            let photo = match self.decode(entry, &detector) {
                Ok(photo) => photo,
                Err(why) => {
                    found.skipped.push(why);
                    continue;
                }
            };
            let input = match detector.prepare(&photo) {
                Ok(input) => input,
                Err(error) => {
                    found.skipped.push(format!("`{}`: {error}", entry.name.escape_debug()));
                    continue;
                }
            };
            if let Some(histogram) = found.tensors[0].get_mut("input") {
                histogram.add(&input.tensor).map_err(|NotFinite| QuantizeError::NotFinite("input".into()))?;
            }
            let seen = detector.trace(input, None, &names[0], &names[1])?;
            for (side, histograms) in found.tensors.iter_mut().enumerate() {
                let own: Vec<_> =
                    histograms.iter_mut().filter(|(name, _)| names[side].contains(name)).collect();
                own.into_par_iter().try_for_each(|(name, histogram)| add(histogram, name, &seen))?;
            }
            found.used.push(entry.clone());
            watch(found.used.len());
        }
        Ok(found)
    }

    /// How far each layer is from float32 when that layer alone is int8, over the photos.
    pub(super) fn noise(
        &self,
        parts: &[WiredGraph; 2],
        side: GraphPart,
        scales: &Scales,
        layers: &[&WiredLayer],
        photos: &[PhotoEntry],
        watch: &mut dyn FnMut(),
    ) -> Result<BTreeMap<String, Noise>, QuantizeError> {
        let mut found = BTreeMap::new();
        for group in layers.chunks(SHADOWS) {
            let WiredGraph { graph, wiring } = &parts[side as usize];
            let (shadowed, shadows) = shadow_graph(graph, wiring, scales, group);
            let all: BTreeSet<String> =
                shadows.iter().flat_map(|one| one.outputs.iter().chain(&one.sums)).cloned().collect();
            let names: Vec<String> = all.into_iter().collect();
            let (detector, trunk, head) = match side {
                GraphPart::Trunk => {
                    (self.detector(shadowed, parts[1].graph.clone())?, names.as_slice(), &[][..])
                }
                GraphPart::Head => {
                    (self.detector(parts[0].graph.clone(), shadowed)?, &[][..], names.as_slice())
                }
            };
            let mut sums = vec![NoiseSums::default(); group.len()];
            for entry in photos {
                self.go_on()?;
                let photo = self.decode(entry, &detector).map_err(QuantizeError::Changed)?;
                let seen = detector.trace(detector.prepare(&photo)?, None, trunk, head)?;
                sums.par_iter_mut().zip(&shadows).try_for_each(|(sums, shadows)| sums.add(shadows, &seen))?;
                watch();
            }
            found.extend(group.iter().zip(sums).map(|(layer, sums)| (layer.name.clone(), sums.noise())));
        }
        Ok(found)
    }

    fn go_on(&self) -> Result<(), QuantizeError> {
        if self.stop.load(Ordering::Relaxed) { Err(QuantizeError::Interrupted) } else { Ok(()) }
    }

    /// As the model's framework reads photos.
    fn decode(&self, entry: &PhotoEntry, detector: &Detector) -> Result<Photo, String> {
        let decoded = photo::decode(&entry.path, &detector.reading(&self.decode));
        decoded.map_err(|error| format!("`{}`: {error}", entry.name.escape_debug()))
    }
}

fn add(histogram: &mut Histogram, name: &str, seen: &Trace) -> Result<(), QuantizeError> {
    let Some(value) = seen.tensor(name) else { return Ok(()) };
    let values = value.as_f32().map_err(crate::detector::DetectorError::from)?;
    histogram.add(values).map_err(|NotFinite| QuantizeError::NotFinite(name.into()))
}

/// What int8 does to a layer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Noise {
    /// Signal-to-noise ratio of its output in decibels, from the mean of the photos' noise, each in shares of its own
    /// signal: a photo on which values are large must not hide that nothing is left of the others.
    pub(super) ratio: f64,
    /// By how much the sums of each channel are lower on average than in float32. Rounded weights meet values that
    /// are all of one sign behind a ReLU, so their errors do not cancel; added to the bias, this makes the mean right
    /// (Nagel et al. 2019, "Data-Free Quantization", section 4.2, with the mean taken from photos).
    pub(super) shift: Vec<f32>,
}

/// What a layer's noise is made of, over some photos.
#[derive(Clone, Debug, Default)]
struct NoiseSums {
    /// Noise of each photo divided by its signal, summed.
    shares: f64,
    photos: usize,
    differences: Vec<f64>,
    positions: usize,
}

impl NoiseSums {
    fn add(&mut self, shadow: &ShadowOutputs, seen: &Trace) -> Result<(), crate::runtime::RuntimeError> {
        let both = |[own, shadow]: &[String; 2]| seen.tensor(own).zip(seen.tensor(shadow));
        let (Some(outputs), Some(sums)) = (both(&shadow.outputs), both(&shadow.sums)) else { return Ok(()) };
        self.add_powers(powers(outputs.0.as_f32()?, outputs.1.as_f32()?));
        let shape = sums.0.shape();
        let (count, channels) = (shape.first().copied().unwrap_or(0), shape.get(1).copied().unwrap_or(0));
        self.differences.resize(channels, 0.0);
        let positions = shape.get(2..).unwrap_or_default().iter().product::<usize>();
        self.positions += count * positions;
        add_differences(&mut self.differences, positions, sums.0.as_f32()?, sums.1.as_f32()?);
        Ok(())
    }

    /// Signal and noise of one photo.
    fn add_powers(&mut self, (signal, noise): (f64, f64)) {
        if signal > 0.0 {
            (self.shares, self.photos) = (self.shares + noise / signal, self.photos + 1);
        }
    }

    fn noise(self) -> Noise {
        let positions = self.positions.max(1) as f64;
        let shift = self.differences.iter().map(|sum| (sum / positions) as f32).collect();
        Noise { ratio: decibels(self.shares / self.photos.max(1) as f64), shift }
    }
}

/// Adds what the values have more than the others, both (N, channels, positions), to the sum of each channel.
fn add_differences(sums: &mut [f64], positions: usize, values: &[f32], others: &[f32]) {
    let rows = values.chunks_exact(positions.max(1)).zip(others.chunks_exact(positions.max(1)));
    let channels = sums.len().max(1);
    for (row, (values, others)) in rows.enumerate() {
        let more: f64 = values.iter().zip(others).map(|(value, other)| f64::from(value - other)).sum();
        sums[row % channels] += more;
    }
}

/// Sums of squares of the values and of what is wrong with the others.
fn powers(values: &[f32], others: &[f32]) -> (f64, f64) {
    let square = |value: f32| f64::from(value) * f64::from(value);
    let signal = values.iter().map(|value| square(*value)).sum();
    let noise = values.iter().zip(others).map(|(value, other)| square(value - other)).sum();
    (signal, noise)
}

/// Signal-to-noise ratio of a noise in shares of the signal.
fn decibels(share: f64) -> f64 {
    if share == 0.0 { f64::INFINITY } else { -10.0 * share.log10() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decibels_by_hand() {
        // 100 + 400 against 1 + 4.
        let (signal, noise) = powers(&[10.0, -20.0], &[11.0, -22.0]);
        assert_eq!((signal, noise), (500.0, 5.0));
        assert_eq!(decibels(noise / signal), 20.0);
        assert_eq!(decibels(0.0), f64::INFINITY);
    }

    #[test]
    fn a_loud_photo_does_not_hide_the_noise_of_a_quiet_one() {
        let mut sums = NoiseSums::default();
        // Noise of 0.1 in 1000, and of 0.1 in 0.1: shares of 1e-8 and of 1, 0.5 on average.
        sums.add_powers(powers(&[1000.0, 0.0], &[1000.0, 0.1]));
        sums.add_powers(powers(&[0.1, 0.0], &[0.0, 0.0]));
        assert!((sums.noise().ratio - 3.01).abs() < 0.01);
    }

    #[test]
    fn mean_differences_of_channels_by_hand() {
        // Two photos of two channels of two positions.
        let (values, others) =
            ([1.0, 2.0, 5.0, 5.0, 3.0, 4.0, 6.0, 6.0], [0.0, 2.0, 5.5, 5.0, 3.0, 3.0, 6.0, 6.5]);
        let mut differences = vec![0.0; 2];
        add_differences(&mut differences, 2, &values, &others);
        let sums = NoiseSums { differences, positions: 4, ..NoiseSums::default() };
        assert_eq!(sums.noise().shift, [0.5, -0.25]);
    }

    #[test]
    fn the_order_depends_on_seed_and_names_alone() {
        let entry = |name: &str| PhotoEntry { path: name.into(), name: name.into(), depth: 1 };
        let entries: Vec<PhotoEntry> = ["a", "b", "c", "d", "e", "f"].map(entry).to_vec();
        let backwards: Vec<PhotoEntry> = entries.iter().rev().cloned().collect();
        assert_eq!(shuffled(&entries, 1), shuffled(&backwards, 1));
        assert_ne!(shuffled(&entries, 1), shuffled(&entries, 2));
        assert_ne!(shuffled(&entries, 1), entries);
    }
}
