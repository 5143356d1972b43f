//! A detector with choices.

use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::path::PathBuf;

use super::Error;
use crate::detector::Detector;
use crate::model::Model;
use crate::runtime::{self, Device, Precision, Runtime, SessionOptions};

/// Choices before a model is loaded. What is not chosen is the model's own, or the machine's best.
#[derive(Clone, Debug)]
pub struct DetectorBuilder {
    model: OsString,
    runtime: runtime::RuntimeOptions,
    session: SessionOptions,
    sessions: NonZeroUsize,
    score: Option<f32>,
}

impl DetectorBuilder {
    pub(super) fn new(model: &OsStr) -> DetectorBuilder {
        DetectorBuilder {
            model: model.to_owned(),
            runtime: runtime::RuntimeOptions::default(),
            session: SessionOptions { keep: true, ..SessionOptions::default() },
            sessions: NonZeroUsize::MIN,
            score: None,
        }
    }

    /// What computes: CUDA where it works and the processor otherwise, by default.
    #[must_use]
    pub fn device(mut self, device: Device) -> DetectorBuilder {
        (self.runtime.device, self.session.device) = (device, device);
        self
    }

    /// How exactly it computes: float32 everywhere by default.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> DetectorBuilder {
        self.session.precision = precision;
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

    /// Finds the model and ONNX Runtime, and loads both.
    ///
    /// # Errors
    /// As [`Detector::load`].
    pub fn load(self) -> Result<Detector, Error> {
        let model = Model::find(&self.model)?;
        model.warnings().iter().for_each(|warning| tracing::info!("{warning}"));
        let runtime = Runtime::open(&self.runtime, &mut |line| tracing::info!("{line}"))?;
        let mut detector = Detector::with_streams(&model, &runtime, &self.session, self.sessions)?;
        if let Some(score) = self.score {
            detector.set_score_threshold(score);
        }
        Ok(detector)
    }
}
