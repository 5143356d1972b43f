//! A detector with choices.

use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use super::Error;
use crate::detector::{Augment, Detector, FastQuestion, Postprocess};
use crate::model::Model;
use crate::photo::Photo;
use crate::runtime::{self, Device, Precision, Runtime, SessionOptions, WayChoice};

/// Choices before a model is loaded. What is not chosen is the model's own, or the machine's best.
#[derive(Clone, Debug)]
pub struct DetectorBuilder {
    model: OsString,
    runtime: runtime::RuntimeOptions,
    session: SessionOptions,
    sessions: NonZeroUsize,
    score: Option<f32>,
    postprocess: Postprocess,
    augment: Augment,
    refine: bool,
    masks: bool,
    others: Vec<(OsString, f64)>,
    tune_on: Vec<Photo>,
}

impl DetectorBuilder {
    pub(super) fn new(model: &OsStr) -> DetectorBuilder {
        DetectorBuilder {
            model: model.to_owned(),
            runtime: runtime::RuntimeOptions::default(),
            session: SessionOptions { keep: true, ..SessionOptions::default() },
            sessions: NonZeroUsize::MIN,
            score: None,
            postprocess: Postprocess::default(),
            augment: Augment::default(),
            refine: false,
            masks: true,
            others: Vec::new(),
            tune_on: Vec::new(),
        }
    }

    /// What computes: CUDA where it works and the processor otherwise, by default.
    #[must_use]
    pub fn device(mut self, device: Device) -> DetectorBuilder {
        (self.runtime.device, self.session.device) = (device, device);
        self
    }

    /// How exactly it computes: float32 everywhere by default. [`Precision::Fast`] takes what the program measured on this
    /// machine for the model, where it did, and otherwise computes as [`Precision::Exact`]; nothing is measured here unless
    /// [`DetectorBuilder::tune_on`] is given photos.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> DetectorBuilder {
        self.session.precision = precision;
        self
    }

    /// With [`Precision::Fast`], measures on these photos, of which two are enough, what is fastest on this machine, unless it
    /// was measured before; what is found is kept in the cache. It takes a few seconds.
    #[must_use]
    pub fn tune_on(mut self, photos: impl IntoIterator<Item = Photo>) -> DetectorBuilder {
        self.tune_on.extend(photos);
        self
    }

    /// Threads that compute one photo: all cores by default.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> DetectorBuilder {
        self.session.threads = threads;
        self
    }

    /// Photos that are computed at once where several threads call, each on its share of the threads and with a copy
    /// of the weights; 1 by default, and always on other devices than the processor.
    #[must_use]
    pub fn sessions(mut self, sessions: NonZeroUsize) -> DetectorBuilder {
        self.sessions = sessions;
        self
    }

    /// Gives detections above this score, 0 to 1, instead of the model's own threshold.
    #[must_use]
    pub fn score(mut self, score: f32) -> DetectorBuilder {
        self.score = Some(score);
        self
    }

    /// Gives detections of these classes, by their names, above scores of their own, 0 to 1.
    #[must_use]
    pub fn class_scores<N: Into<String>>(
        mut self,
        scores: impl IntoIterator<Item = (N, f32)>,
    ) -> DetectorBuilder {
        self.postprocess.class_scores =
            scores.into_iter().map(|(name, score)| (name.into(), score)).collect();
        self
    }

    /// IoU with a better detection of its class above which NMS drops a detection, 0 to 1, instead of the model's own
    /// threshold.
    #[must_use]
    pub fn nms(mut self, iou: f64) -> DetectorBuilder {
        self.postprocess.nms = Some(iou);
        self
    }

    /// NMS among the detections of all classes instead of within each; false by default.
    #[must_use]
    pub fn class_agnostic(mut self, class_agnostic: bool) -> DetectorBuilder {
        self.postprocess.class_agnostic = class_agnostic;
        self
    }

    /// Gaussian soft-NMS (Bodla et al. 2017) instead of NMS: what overlaps a better detection loses score instead of being
    /// dropped; false by default.
    #[must_use]
    pub fn soft_nms(mut self, soft_nms: bool) -> DetectorBuilder {
        self.postprocess.soft_nms = soft_nms;
        self
    }

    /// Gives at most so many detections of a photo, those of the best scores, instead of the model's own limit.
    #[must_use]
    pub fn max_detections(mut self, most: usize) -> DetectorBuilder {
        self.postprocess.max_detections = Some(most);
        self
    }

    /// Looks at each photo in several views and merges what they show: more accuracy for more time. One view by default.
    #[must_use]
    pub fn augment(mut self, augment: Augment) -> DetectorBuilder {
        self.augment = augment;
        self
    }

    /// Has the head see its own boxes once more, which makes them more exact; false by default.
    #[must_use]
    pub fn refine(mut self, refine: bool) -> DetectorBuilder {
        self.refine = refine;
        self
    }

    /// Whether masks are computed, of a model with a mask head; true by default.
    #[must_use]
    pub fn masks(mut self, masks: bool) -> DetectorBuilder {
        self.masks = masks;
        self
    }

    /// Has another model, named as the first is, look at each photo as well: what they show is merged, and classes are united
    /// by name. Its scores count `weight`, above 0, where those of the first count 1.
    #[must_use]
    pub fn with_model(mut self, model: impl AsRef<OsStr>, weight: f64) -> DetectorBuilder {
        self.others.push((model.as_ref().to_owned(), weight));
        self
    }

    /// ONNX Runtime's library or its folder, instead of looking for one.
    #[must_use]
    pub fn runtime(mut self, library: impl Into<PathBuf>) -> DetectorBuilder {
        self.runtime.library = Some(library.into());
        self
    }

    /// Never reaches for the network.
    #[must_use]
    pub fn offline(mut self) -> DetectorBuilder {
        self.runtime.offline = true;
        self
    }

    /// What [`Precision::Fast`] stands for.
    fn computing(
        &self,
        models: &[&Model],
        runtime: &Runtime,
    ) -> Result<(SessionOptions, Option<WayChoice>), Error> {
        if self.session.precision != Precision::Fast {
            return Ok((self.session, None));
        }
        let (options, streams) = (self.session, self.sessions.get());
        let question = FastQuestion { models, runtime, options, streams };
        let mut note = |note: &str| tracing::warn!("{note}");
        let choice = match question.stored(&mut note) {
            None if !self.tune_on.is_empty() => {
                question.measure(&self.tune_on, &AtomicBool::new(false), &mut |_, _| true, &mut note)?
            }
            kept => kept,
        };
        Ok((question.session(choice.as_ref()), choice))
    }

    /// Finds the model and ONNX Runtime, and loads both.
    ///
    /// # Errors
    /// As [`Detector::load`]; and where a score is given for a class that the model does not have, a view of no usable size, or a weight that is not above 0.
    pub fn load(self) -> Result<Detector, Error> {
        let find = |name: &OsStr| {
            let model = Model::find(name)?;
            model.warnings().iter().for_each(|warning| tracing::info!("{warning}"));
            Ok::<_, Error>(model)
        };
        let model = find(&self.model)?;
        let runtime = Runtime::open(&self.runtime, &mut |line| tracing::info!("{line}"))?;
        let others = self.others.iter().map(|(name, weight)| Ok((find(name)?, *weight)));
        let others = others.collect::<Result<Vec<_>, Error>>()?;
        let models: Vec<&Model> =
            std::iter::once(&model).chain(others.iter().map(|(other, _)| other)).collect();
        let (session, choice) = self.computing(&models, &runtime)?;
        let mut detector = Detector::with_streams(&model, &runtime, &session, self.sessions)?;
        detector.set_choice(choice);
        for (other, weight) in &others {
            detector.join(Detector::with_streams(other, &runtime, &session, self.sessions)?, *weight)?;
        }
        detector.set_refine(self.refine);
        detector.set_masks(self.masks);
        if let Some(score) = self.score {
            detector.set_score_threshold(score);
        }
        detector.set_postprocess(self.postprocess)?;
        detector.set_augment(self.augment)?;
        Ok(detector)
    }
}
