//! Photo in, detections out: preprocessing, anchors, proposals, head and postprocessing.

mod anchors;
mod coder;
mod features;
mod head;
mod input;
mod layout;
mod postprocess;
mod proposals;
mod roi_align;
mod rois;
mod streams;
mod tiles;
mod trace;
mod trunk;
#[cfg(test)]
mod units;
mod verify;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

pub use input::Input;
pub use postprocess::{HeadOutput, Sizes, detections};
pub use proposals::{Proposal, Ranked, RpnCandidate, RpnLevel, proposals};
pub use tiles::Tile;
pub use trace::{HeadTrace, Tensors, Trace};
pub use verify::{StageComparison, Verification, VerifyError, verify};

use crate::clock::{SessionClock, StageTimes, timed};
use crate::family::{Class, Conventions};
use crate::geometry::BBox;
use crate::model::Model;
use crate::network::Architecture;
use crate::photo::{DecodeOptions, Photo};
use crate::runtime::{Device, Precision, Runtime, SessionOptions, Value};
use head::Head;
use input::Preprocessor;
use layout::GraphLayout;
use rois::Rois;
use streams::{Stream, Streams};
use trunk::Trunk;

/// One found object, as the network gives it: its class by number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prediction {
    /// Index into the model's classes, foreground only, counted from 0.
    pub class: usize,
    /// Probability that the head gives the class, 0 to 1.
    pub score: f32,
    /// Where, in the photo's own pixels.
    pub bbox: BBox,
}

/// Why a photo could not be processed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The resize rule leaves no pixel of one side.
    #[error("a photo of {width}x{height} pixels would be resized to nothing: a side comes out as 0")]
    TooThin {
        /// Width of the photo.
        width: u32,
        /// Height of the photo.
        height: u32,
    },
    /// The resize rule, which may have no limit for the longer side, makes too much of a long and thin photo.
    #[error(
        "a photo of {width}x{height} pixels would be resized to {}x{}, more than a network is given",
        resized.0,
        resized.1
    )]
    TooLong {
        /// Width of the photo.
        width: u32,
        /// Height of the photo.
        height: u32,
        /// Width and height that it would have.
        resized: (usize, usize),
    },
    /// The session failed.
    #[error(transparent)]
    Runtime(#[from] crate::runtime::Error),
    /// A graph of the model cannot be read.
    #[error(transparent)]
    Model(#[from] crate::model::Error),
    /// Photos of different sizes are to be computed at once.
    #[error("the inputs of one batch differ in size, and all must be padded to the same")]
    Sizes,
    /// A graph gives something else than its model says.
    #[error("the model's graphs do not go with its model.json: {0}")]
    Graph(String),
}

/// Of what a detector was made; runs keep it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Origin {
    /// Name of the model.
    pub model: String,
    /// SHA-256 of its `model.json`.
    pub model_sha256: String,
    /// How exactly it computes.
    pub precision: Precision,
    /// ONNX Runtime's version.
    pub runtime: String,
    /// ONNX Runtime's library.
    pub runtime_path: PathBuf,
}

/// A model ready to detect. All methods take `&self`; each stream's sessions are used by one caller at a time.
pub struct Detector {
    architecture: Architecture,
    conventions: Conventions,
    classes: Vec<Class>,
    /// The classes' names, for whoever keeps them.
    labels: Vec<Arc<str>>,
    origin: Origin,
    preprocessor: Preprocessor,
    streams: Streams,
    sessions: SessionClock,
}

impl std::fmt::Debug for Detector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Detector { origin, streams, .. } = self;
        f.debug_struct("Detector")
            .field("origin", origin)
            .field("streams", &streams.count())
            .finish_non_exhaustive()
    }
}

impl Detector {
    /// Loads a model's two graphs on the device that the options ask for, or on the first that can of those that they
    /// leave open.
    ///
    /// # Errors
    /// When the runtime cannot use them.
    #[doc(hidden)]
    pub fn new(model: &Model, runtime: &Runtime, options: &SessionOptions) -> Result<Detector, Error> {
        Detector::with_streams(model, runtime, options, NonZeroUsize::MIN)
    }

    /// As [`Detector::new`], for so many calls of [`Detector::infer`] at once, each on its share of the threads and
    /// with its own copy of the weights: more photos a second than all threads on one photo. Results are the same.
    /// Devices other than the processor have one stream.
    ///
    /// # Errors
    /// As [`Detector::new`].
    #[doc(hidden)]
    pub fn with_streams(
        model: &Model,
        runtime: &Runtime,
        options: &SessionOptions,
        streams: NonZeroUsize,
    ) -> Result<Detector, Error> {
        runtime.on_first(options, |options| {
            let streams = if options.device == Device::Cpu { streams } else { NonZeroUsize::MIN };
            let threads = (options.thread_count() / streams).max(1);
            Detector::in_layout(
                model,
                runtime,
                &SessionOptions { threads, ..*options },
                streams,
                GraphLayout::of(model, options),
            )
        })
    }

    fn in_layout(
        model: &Model,
        runtime: &Runtime,
        options: &SessionOptions,
        streams: NonZeroUsize,
        layout: GraphLayout,
    ) -> Result<Detector, Error> {
        let manifest = model.manifest();
        let stream = || {
            let trunk = || Trunk::new(model, runtime, options, layout);
            let heads = || {
                let both = manifest.network.heads.iter().zip(model.heads());
                both.map(|(head, source)| Head::new(head, &source, manifest, runtime, options, layout))
                    .collect::<Result<Vec<Head>, Error>>()
            };
            // The files are hashed before they are used: the smaller ones while the other is loaded.
            let (trunk, heads) =
                if options.device == Device::Cpu { rayon::join(trunk, heads) } else { (trunk(), heads()) };
            Ok::<_, Error>(Stream { trunk: trunk?, heads: heads? })
        };
        Ok(Detector {
            architecture: manifest.network.clone(),
            conventions: manifest.conventions.clone(),
            classes: manifest.classes.clone(),
            labels: manifest.classes.iter().map(|class| class.name.as_str().into()).collect(),
            origin: Origin {
                model: model.name().into(),
                model_sha256: model.hash().into(),
                precision: options.precision,
                runtime: runtime.version().into(),
                runtime_path: runtime.path().to_owned(),
            },
            preprocessor: Preprocessor::new(&manifest.conventions.input),
            streams: Streams::new(streams, stream)?,
            sessions: SessionClock::default(),
        })
    }

    /// The classes, in the order of [`Prediction::class`].
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// Name and id of a class.
    pub(crate) fn label(&self, class: usize) -> (Arc<str>, u64) {
        (self.labels[class].clone(), self.classes[class].id)
    }

    /// Of what it was made.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What surrounds the network.
    #[doc(hidden)]
    pub fn conventions(&self) -> &Conventions {
        &self.conventions
    }

    /// The score threshold of the model itself: no detection is at or below it.
    pub fn score_threshold(&self) -> f32 {
        self.conventions.detections.score_threshold
    }

    /// Takes another threshold than the model's own: detections are above it.
    pub fn set_score_threshold(&mut self, score: f32) {
        self.conventions.detections.score_threshold = score;
    }

    /// Seconds for which the network, its sessions and RoIAlign, was at work since the model was loaded.
    #[doc(hidden)]
    pub fn session_seconds(&self) -> f64 {
        self.sessions.total().as_secs_f64()
    }

    /// What the sessions compute on.
    pub fn device(&self) -> Device {
        self.streams.first().trunk.device()
    }

    /// Calls of [`Detector::infer`] that compute at the same time; others wait.
    pub fn streams(&self) -> usize {
        self.streams.count()
    }

    /// Resizes, normalises and pads; may run on any thread, beside [`Detector::infer`].
    ///
    /// # Errors
    /// When the resize rule leaves nothing of the photo.
    #[doc(hidden)]
    pub fn prepare(&self, photo: &Photo) -> Result<Input, Error> {
        self.preprocessor.prepare(photo, (photo.width, photo.height))
    }

    /// As [`Detector::prepare`], of a photo that was decoded smaller than its width and height of `full`
    /// ([`crate::photo::decode_for`]): boxes are found in the pixels of the full photo.
    ///
    /// # Errors
    /// As [`Detector::prepare`].
    #[doc(hidden)]
    pub fn prepare_reduced(&self, photo: &Photo, full: (u32, u32)) -> Result<Input, Error> {
        self.preprocessor.prepare(photo, full)
    }

    /// How photos are to be decoded so that the network sees what its framework's own reader gives.
    #[doc(hidden)]
    pub fn reading(&self, options: &DecodeOptions) -> DecodeOptions {
        DecodeOptions { wide_grey: self.preprocessor.wide_grey(), ..*options }
    }

    /// Width and height that a photo of a width and height is resized to.
    #[doc(hidden)]
    pub fn resized(&self, full: (u32, u32)) -> (u32, u32) {
        self.preprocessor.resized(full)
    }

    /// About the bytes of memory that making a photo of a width and height ready takes, with the input that comes of it.
    #[doc(hidden)]
    pub fn preparing_bytes(&self, full: (u32, u32)) -> u64 {
        self.preprocessor.bytes(full)
    }

    /// Runs the network on inputs of one padded size; detections in the order of the inputs, each
    /// list by falling score.
    ///
    /// # Errors
    /// When a session fails, or the inputs are not of one size.
    #[doc(hidden)]
    pub fn infer(&self, inputs: Vec<Input>) -> Result<(Vec<Vec<Prediction>>, StageTimes), Error> {
        self.streams.with(|stream| self.infer_on(stream, inputs))
    }

    fn infer_on(
        &self,
        stream: &Stream,
        mut inputs: Vec<Input>,
    ) -> Result<(Vec<Vec<Prediction>>, StageTimes), Error> {
        let mut times = StageTimes::default();
        let Some(first) = inputs.first() else { return Ok((Vec::new(), times)) };
        let padded = first.padded;
        if inputs.iter().any(|input| input.padded != padded) {
            return Err(Error::Sizes);
        }
        let tensor = batch(&mut inputs);
        let input = Value::from_f32(&[inputs.len(), 3, padded.0, padded.1], tensor)?;
        let (trunk, _) = stream.trunk.run(&input, None, &self.sessions, &mut times.trunk)?;
        let suggested = timed(&mut times.proposals, || {
            let boxes = |found: Vec<Proposal>| found.into_iter().map(|proposal| proposal.bbox).collect();
            Ok::<_, Error>(self.suggest(stream, &inputs, &trunk)?.into_iter().map(boxes).collect::<Vec<_>>())
        })?;
        let (logits, deltas) = self.run_heads(stream, &trunk, &inputs, &suggested, &mut times.head)?;
        let found = timed(&mut times.postprocess, || self.finish(&inputs, &suggested, &logits, &deltas));
        Ok((found, times))
    }

    /// One photo from pixels to detections.
    ///
    /// # Errors
    /// As [`Detector::prepare`] and [`Detector::infer`].
    #[doc(hidden)]
    pub fn predict(&self, photo: &Photo) -> Result<Vec<Prediction>, Error> {
        let (mut found, _) = self.infer(vec![self.prepare(photo)?])?;
        Ok(found.pop().unwrap_or_default())
    }

    /// Proposals of every photo, in the resized pictures' pixels.
    fn suggest(
        &self,
        stream: &Stream,
        inputs: &[Input],
        trunk: &trunk::Output,
    ) -> Result<Vec<Vec<Proposal>>, Error> {
        let strides = self.architecture.rpn_strides();
        let ranked = stream.trunk.ranked(trunk, inputs.len())?;
        let of_photo = |(input, levels): (&Input, Vec<Ranked>)| {
            proposals(&self.conventions, &levels, &strides, input.resized, input.padded)
        };
        Ok(inputs.iter().zip(ranked).map(of_photo).collect())
    }

    /// Logits and deltas of all proposals, photo by photo, from the last of the box heads. There is one: the next of a
    /// cascade would see the boxes that this one gives.
    fn run_heads(
        &self,
        stream: &Stream,
        trunk: &trunk::Output,
        inputs: &[Input],
        suggested: &[Vec<BBox>],
        seconds: &mut f64,
    ) -> Result<(Vec<f32>, Vec<f32>), Error> {
        let mut given = (Vec::new(), Vec::new());
        for (head, architecture) in stream.heads.iter().zip(&self.architecture.heads) {
            let mut rois = self.place(trunk, inputs, suggested);
            let order: Vec<usize> = rois.order.concat();
            let number = order.len();
            if number == 0 {
                break;
            }
            let names = ["box.logits", "box.deltas"];
            let outputs = self.sessions.time(seconds, || head.run(&trunk.features, &mut rois, &names))?;
            let columns = (architecture.classes + 1, architecture.box_rows);
            if outputs[0].shape() != [number, columns.0] || outputs[1].shape() != [number, columns.1] {
                return Err(unexpected("box.logits and box.deltas", &outputs[0].shape()));
            }
            given = (
                unsort(outputs[0].as_f32()?, columns.0, &order),
                unsort(outputs[1].as_f32()?, columns.1, &order),
            );
        }
        Ok(given)
    }

    /// Boxes on the maps that RoIAlign takes their features from.
    fn place(&self, trunk: &trunk::Output, inputs: &[Input], suggested: &[Vec<BBox>]) -> Rois {
        let strides = self.architecture.roi_strides();
        let height = |level| trunk.features.shape(level).map_or(0, |[_, _, height, _]| height);
        let heights: Vec<usize> = (0..strides.len()).map(height).collect();
        let mut rois = Rois::new(strides.len());
        let mut number = 0;
        for (image, (input, boxes)) in inputs.iter().zip(suggested).enumerate() {
            let scales = rois::scales(&self.conventions, &strides, &heights, input.resized.0);
            for bbox in boxes {
                let map = rois::map_of(&self.conventions.roi.level, &scales, bbox);
                rois.push(number, image, bbox, map, scales[map]);
                number += 1;
            }
        }
        rois
    }

    fn finish(
        &self,
        inputs: &[Input],
        suggested: &[Vec<BBox>],
        logits: &[f32],
        deltas: &[f32],
    ) -> Vec<Vec<Prediction>> {
        let (classes, box_rows) =
            (self.architecture.box_head().classes, self.architecture.box_head().box_rows);
        let (mut logits, mut deltas) = (logits, deltas);
        let mut found = Vec::new();
        for (input, boxes) in inputs.iter().zip(suggested) {
            let (own_logits, other_logits) = logits.split_at(boxes.len() * (classes + 1));
            let (own_deltas, other_deltas) = deltas.split_at(boxes.len() * box_rows);
            let output = HeadOutput { logits: own_logits, deltas: own_deltas, classes, box_rows };
            let sizes = Sizes { photo: input.photo, resized: input.resized };
            found.push(detections(&self.conventions, output, boxes, sizes));
            (logits, deltas) = (other_logits, other_deltas);
        }
        found
    }
}

/// One tensor of all inputs, one after another; a single input's moves.
fn batch(inputs: &mut [Input]) -> Vec<f32> {
    if let [input] = inputs {
        return std::mem::take(&mut input.tensor);
    }
    let mut all = Vec::with_capacity(inputs.iter().map(|input| input.tensor.len()).sum());
    for input in inputs {
        all.append(&mut input.tensor);
    }
    all
}

/// Rows back in the order of the proposals: row `i` of `values` belongs to proposal `order[i]`.
fn unsort(values: &[f32], columns: usize, order: &[usize]) -> Vec<f32> {
    let mut out = vec![0.0; values.len()];
    for (row, &place) in values.chunks_exact(columns).zip(order) {
        out[place * columns..(place + 1) * columns].copy_from_slice(row);
    }
    out
}

fn unexpected(what: &str, shape: &[usize]) -> Error {
    Error::Graph(format!("{what} of the shape {shape:?}"))
}
