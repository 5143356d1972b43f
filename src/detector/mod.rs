//! Photo in, detections out: preprocessing, anchors, proposals, head and postprocessing.

mod anchors;
mod cascade;
mod coder;
mod fast;
mod features;
mod head;
mod infer;
mod input;
mod layout;
mod masks;
mod merge;
mod origin;
mod partners;
mod postprocess;
mod proposals;
mod refine;
mod roi_align;
mod roi_mask;
mod rois;
mod streams;
mod tiles;
mod trace;
mod trial;
mod trunk;
#[cfg(test)]
mod units;
mod verify;
mod views;

use std::num::NonZeroUsize;
use std::sync::Arc;

pub use fast::FastQuestion;
pub use input::Input;
pub(crate) use masks::AT_ONCE as MASKS_AT_ONCE;
pub(crate) use merge::most_alike;
pub use merge::{MergeRule, UnknownMergeRule, merge};
pub use origin::Origin;
pub use partners::{OtherModel, united};
pub use postprocess::{HeadOutput, Postprocess, Selection, Sizes, detections};
pub use proposals::{Proposal, Ranked, RpnCandidate, RpnLevel, proposals};
pub use roi_mask::RoiMask;
pub use tiles::Tile;
pub use trace::{HeadTrace, Tensors, Trace};
pub use trial::{WayTrial, pace};
pub use verify::{StageComparison, Verification, VerifyError, verify};
pub use views::Augment;

use crate::clock::SessionClock;
use crate::family::{Class, Conventions};
use crate::geometry::BBox;
use crate::model::{GraphSource, Model};
use crate::network::Architecture;
use crate::photo::{DecodeOptions, Photo};
use crate::runtime::{Device, Runtime, SessionOptions};
use head::Head;
use infer::{unexpected, unsort};
use input::Preprocessor;
use layout::GraphLayout;
use partners::Partner;
use roi_align::TurnedMaps;
use streams::{Stream, Streams};
use trunk::Trunk;
use views::ViewPreprocessors;

/// One found object, as the network gives it: its class by number.
#[derive(Clone, Debug, PartialEq)]
pub struct Prediction {
    /// Index into the model's classes, foreground only, counted from 0.
    pub class: usize,
    /// Probability that the head gives the class, 0 to 1.
    pub score: f32,
    /// Where, in the photo's own pixels.
    pub bbox: BBox,
    /// Its mask, where the model has a mask head; it is pasted when the detection is all that is left to be known.
    pub mask: Option<RoiMask>,
}

/// Why a photo could not be processed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DetectorError {
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
    Runtime(#[from] crate::runtime::RuntimeError),
    /// A graph of the model cannot be read.
    #[error(transparent)]
    Model(#[from] crate::model::ModelError),
    /// Photos of different sizes are to be computed at once.
    #[error("the inputs of one batch differ in size, and all must be padded to the same")]
    Sizes,
    /// A score is given for a class that the model does not have.
    #[error("the model has no class `{}`, for which a score is given", .0.escape_debug())]
    UnknownClass(String),
    /// A model counts nothing.
    #[error("a model's weight is to be above 0, not {0}")]
    Weight(f64),
    /// A view is of no size that a network may be given.
    #[error("a view cannot have a size of {0} times the model's own: give one from 0.1 to 10")]
    Scale(f64),
    /// There is no view.
    #[error("there is no size at which the network sees photos: give one, such as 1")]
    NoScale,
    /// A graph gives something else than its model says.
    #[error("the model's graphs do not go with its model.json: {0}")]
    Graph(String),
}

/// A model ready to detect. All methods take `&self`; each stream's sessions are used by one caller at a time.
pub struct Detector {
    architecture: Architecture,
    conventions: Conventions,
    /// What was chosen instead of the model's own threshold.
    score: Option<f32>,
    postprocess: Postprocess,
    augment: Augment,
    /// Whether the head sees its own boxes once more.
    refine: bool,
    /// Whether masks are computed, where the model has a mask head.
    masks: bool,
    /// What comes of these: for a photo's detections, and for those of each view where there are several.
    selection: Selection,
    of_view: Selection,
    /// Models beside this one.
    partners: Vec<Partner>,
    classes: Vec<Class>,
    /// The classes' names, for whoever keeps them.
    labels: Vec<Arc<str>>,
    origin: Origin,
    /// At the model's own size.
    preprocessor: Preprocessor,
    views: ViewPreprocessors,
    streams: Streams,
    sessions: Arc<SessionClock>,
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
    pub fn new(
        model: &Model,
        runtime: &Runtime,
        options: &SessionOptions,
    ) -> Result<Detector, DetectorError> {
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
    ) -> Result<Detector, DetectorError> {
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
    ) -> Result<Detector, DetectorError> {
        let manifest = model.manifest();
        let stream = || {
            let trunk = || Trunk::new(model, runtime, options, layout);
            let turned = TurnedMaps::default();
            let head = |kind: &str, bins, source: &GraphSource<'_>| {
                let head = Head::new(kind, bins, source, manifest, runtime, options, layout)?;
                Ok::<_, DetectorError>(head.sharing(&turned))
            };
            let heads = || {
                let both = manifest.network.heads.iter().zip(model.heads());
                let heads = both.map(|(shape, source)| head("head", shape.resolution, &source));
                let heads = heads.collect::<Result<Vec<Head>, DetectorError>>()?;
                let masks = manifest.network.mask.as_ref().zip(model.mask());
                let masks =
                    masks.map(|(shape, source)| head("mask", shape.resolution, &source)).transpose()?;
                Ok::<_, DetectorError>((heads, masks))
            };
            // The files are hashed before they are used: the smaller ones while the other is loaded.
            let (trunk, heads) =
                if options.device == Device::Cpu { rayon::join(trunk, heads) } else { (trunk(), heads()) };
            let (heads, masks) = heads?;
            Ok::<_, DetectorError>(Stream { trunk: trunk?, heads, masks })
        };
        let selection = Selection::new(
            &manifest.conventions,
            &manifest.classes,
            manifest.conventions.detections.score_threshold,
            &Postprocess::default(),
        );
        Ok(Detector {
            architecture: manifest.network.clone(),
            score: None,
            of_view: selection.clone(),
            selection,
            postprocess: Postprocess::default(),
            augment: Augment::default(),
            refine: false,
            masks: true,
            conventions: manifest.conventions.clone(),
            classes: manifest.classes.clone(),
            labels: manifest.classes.iter().map(|class| class.name.as_str().into()).collect(),
            origin: Origin {
                model: model.name().into(),
                model_sha256: model.hash().into(),
                precision: options.precision,
                choice: None,
                runtime: runtime.version().into(),
                runtime_path: runtime.path().to_owned(),
            },
            preprocessor: Preprocessor::new(&manifest.conventions.input, 1.0),
            views: ViewPreprocessors::new(&manifest.conventions.input, &Augment::default()),
            streams: Streams::new(streams, stream)?,
            sessions: Arc::default(),
            partners: Vec::new(),
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

    /// Detections are above this score, where their class has none of its own: what was chosen, or else the model's own
    /// threshold. Where views or models are fused, the latter is divided by their number, so that what one of them alone
    /// shows above the model's own threshold is among the detections.
    pub fn score_threshold(&self) -> f32 {
        self.score.unwrap_or_else(|| self.usual_threshold())
    }

    /// The threshold where none was chosen.
    fn usual_threshold(&self) -> f32 {
        let own = self.conventions.detections.score_threshold;
        let fused = self.augment.merge == MergeRule::Wbf;
        let own = if fused { own / self.augment.views() as f32 } else { own };
        let of_partner = |partner: &Partner| (partner.detector.usual_threshold(), partner.weight);
        let all = std::iter::once((own, 1.0)).chain(self.partners.iter().map(of_partner));
        all.map(|(score, weight)| self.alone(score, weight)).fold(f32::INFINITY, f32::min)
    }

    /// Takes another threshold than the model's own: detections are above it.
    pub fn set_score_threshold(&mut self, score: f32) {
        self.score = Some(score);
        self.select();
    }

    /// What is done otherwise than the model has it.
    #[doc(hidden)]
    pub fn postprocess(&self) -> &Postprocess {
        &self.postprocess
    }

    /// Has detections chosen otherwise than the model has it.
    ///
    /// # Errors
    /// When a class is named that the model does not have.
    #[doc(hidden)]
    pub fn set_postprocess(&mut self, wanted: Postprocess) -> Result<(), DetectorError> {
        if let Some(name) = wanted.unknown_class(&self.classes) {
            return Err(DetectorError::UnknownClass(name.to_owned()));
        }
        self.postprocess = wanted;
        self.select();
        Ok(())
    }

    /// How often and how the network looks at each photo.
    #[doc(hidden)]
    pub fn augment(&self) -> &Augment {
        &self.augment
    }

    /// Has the network look at each photo in several views.
    ///
    /// # Errors
    /// When a size is not one that a network may be given, or there is none.
    #[doc(hidden)]
    pub fn set_augment(&mut self, augment: Augment) -> Result<(), DetectorError> {
        if let Some(&scale) = augment.scales.iter().find(|&&scale| !Augment::allows(scale)) {
            return Err(DetectorError::Scale(scale));
        }
        if augment.scales.is_empty() {
            return Err(DetectorError::NoScale);
        }
        self.views = ViewPreprocessors::new(&self.conventions.input, &augment);
        for partner in &mut self.partners {
            partner.detector.set_augment(augment.clone())?;
        }
        self.augment = augment;
        self.select();
        Ok(())
    }

    /// Whether detections have masks, of a model with a mask head.
    #[doc(hidden)]
    pub fn masks(&self) -> bool {
        self.masks
    }

    /// Has masks computed, as is done unless this says otherwise, or not.
    #[doc(hidden)]
    pub fn set_masks(&mut self, masks: bool) {
        self.masks = masks;
        self.partners.iter_mut().for_each(|partner| partner.detector.set_masks(masks));
    }

    fn select(&mut self) {
        let (rule, wanted) = (&self.conventions.detections, &self.postprocess);
        self.selection = Selection::new(&self.conventions, &self.classes, self.score_threshold(), wanted);
        self.of_view = self.selection.clone();
        if self.augment.views() > 1 || !self.partners.is_empty() {
            // Each view shows what it would show alone, or more: what is wanted less of goes when all are merged.
            let (own, most) = (rule.score_threshold, rule.per_image);
            let score = self.score.unwrap_or(own);
            let mut of_view = Selection::new(&self.conventions, &self.classes, score, wanted);
            of_view.scores.iter_mut().for_each(|score| *score = score.min(own));
            of_view.most = of_view.most.max(most);
            of_view.class_agnostic = false;
            self.of_view = of_view;
        }
        self.select_partners();
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
    pub fn prepare(&self, photo: &Photo) -> Result<Input, DetectorError> {
        self.prepare_reduced(photo, (photo.width, photo.height))
    }

    /// As [`Detector::prepare`], of a photo that was decoded smaller than its width and height of `full`
    /// ([`crate::photo::decode_for`]): boxes are found in the pixels of the full photo.
    ///
    /// # Errors
    /// As [`Detector::prepare`].
    #[doc(hidden)]
    pub fn prepare_reduced(&self, photo: &Photo, full: (u32, u32)) -> Result<Input, DetectorError> {
        let own = self.views.prepare(photo, full)?;
        let of_partner = |partner: &Partner| partner.detector.prepare_reduced(photo, full);
        Ok(Input { partners: self.partners.iter().map(of_partner).collect::<Result<_, _>>()?, ..own })
    }

    /// How photos are to be decoded so that the network sees what its framework's own reader gives.
    #[doc(hidden)]
    pub fn reading(&self, options: &DecodeOptions) -> DecodeOptions {
        DecodeOptions { wide_grey: self.preprocessor.wide_grey(), ..*options }
    }

    /// Largest width and height that a photo of a width and height is resized to.
    #[doc(hidden)]
    pub fn resized(&self, full: (u32, u32)) -> (u32, u32) {
        let all = self.partners.iter().map(|partner| partner.detector.resized(full));
        all.fold(self.views.largest(full), |(width, height), (w, h)| (width.max(w), height.max(h)))
    }

    /// About the bytes of memory that making a photo of a width and height ready takes, with the input that comes of it.
    #[doc(hidden)]
    pub fn preparing_bytes(&self, full: (u32, u32)) -> u64 {
        let partners: u64 = self.partners.iter().map(|partner| partner.detector.preparing_bytes(full)).sum();
        self.views.bytes(full) + partners
    }

    /// One photo from pixels to detections.
    ///
    /// # Errors
    /// As [`Detector::prepare`] and [`Detector::infer`].
    #[doc(hidden)]
    pub fn predict(&self, photo: &Photo) -> Result<Vec<Prediction>, DetectorError> {
        let (mut found, _) = self.infer(vec![self.prepare(photo)?])?;
        Ok(found.pop().unwrap_or_default())
    }
}
